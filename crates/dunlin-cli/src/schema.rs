//! Payloads that only a schema explains: protobuf messages and Avro values, which people see and
//! write as JSON.

use std::fs;
use std::path::{Path, PathBuf};

use apache_avro::Schema as AvroSchema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as AvroValue;
use apache_avro::writer::datum::GenericDatumWriter;
use clap::Args;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use crate::failure::{Failure, usage};

/// Which schema payloads have.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Payload")]
pub(crate) struct SchemaArgs {
    /// -Pp: .proto file of the payload's message
    #[arg(long, value_name = "FILE", requires = "protobuf_message_name")]
    #[arg(conflicts_with = "avsc_path")]
    protobuf_path: Option<PathBuf>,

    /// -Pmn: name of that message, such as SensorData or my.package.SensorData
    #[arg(long, value_name = "NAME", requires = "protobuf_path")]
    protobuf_message_name: Option<String>,

    /// -Ap: .avsc file of the payload's Avro schema
    #[arg(long, value_name = "FILE")]
    avsc_path: Option<PathBuf>,
}

/// A schema that was read.
#[derive(Debug)]
pub(crate) enum Schema {
    /// A message of protobuf.
    Protobuf(MessageDescriptor),
    /// A schema of Avro.
    Avro(Box<AvroSchema>),
}

impl SchemaArgs {
    /// Reads the schema that the flags name.
    pub(crate) fn schema(&self) -> Result<Option<Schema>, Failure> {
        if let (Some(path), Some(name)) = (&self.protobuf_path, &self.protobuf_message_name) {
            return protobuf(path, name).map(Some);
        }
        self.avsc_path.as_deref().map(avro).transpose()
    }
}

fn protobuf(path: &Path, name: &str) -> Result<Schema, Failure> {
    let flag = format!("--protobuf-path {}", path.display());
    let text = fs::metadata(path).map_err(|error| usage(format!("{flag}: {error}")));
    text?;
    // What it imports is looked for beside it.
    let include = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let compiled = protox::compile([path], [include]);
    let files = compiled.map_err(|error| usage(format!("{flag}: {}", one_line(&error))))?;
    let pool = DescriptorPool::from_file_descriptor_set(files)
        .map_err(|error| usage(format!("{flag}: {}", one_line(&error))))?;
    if let Some(message) = pool.get_message_by_name(name) {
        return Ok(Schema::Protobuf(message));
    }
    let known: Vec<_> = pool
        .all_messages()
        .filter(|message| !message.full_name().starts_with("google.protobuf."))
        .collect();
    // A name without its package will do, if it is the only one.
    let mut named = known.iter().filter(|message| message.name() == name);
    if let (Some(message), None) = (named.next(), named.next()) {
        return Ok(Schema::Protobuf(message.clone()));
    }
    let names: Vec<_> = known.iter().map(MessageDescriptor::full_name).collect();
    Err(usage(format!(
        "--protobuf-message-name {name}: {} has {}",
        path.display(),
        names.join(", ")
    )))
}

fn avro(path: &Path) -> Result<Schema, Failure> {
    let flag = format!("--avsc-path {}", path.display());
    let text = fs::read_to_string(path).map_err(|error| usage(format!("{flag}: {error}")))?;
    let schema = AvroSchema::parse_str(&text)
        .map_err(|error| usage(format!("{flag}: {}", one_line(&error))))?;
    Ok(Schema::Avro(Box::new(schema)))
}

fn one_line(error: &dyn std::error::Error) -> String {
    error
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

impl Schema {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Protobuf(message) => message.full_name().to_owned(),
            Self::Avro(_) => "a value of the Avro schema".to_owned(),
        }
    }

    /// The payload that a JSON text stands for.
    pub(crate) fn encode(&self, text: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Protobuf(descriptor) => {
                let mut json = serde_json::Deserializer::from_slice(text);
                let message = DynamicMessage::deserialize(descriptor.clone(), &mut json)
                    .map_err(|error| format!("no {}: {error}", self.name()))?;
                json.end().map_err(|error| format!("not JSON: {error}"))?;
                Ok(message.encode_to_vec())
            }
            Self::Avro(schema) => {
                let json: Value =
                    serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"))?;
                AvroValue::try_from(json)
                    .and_then(|value| value.resolve(schema))
                    .and_then(|value| {
                        GenericDatumWriter::builder(schema)
                            .build()?
                            .write_value_to_vec(value)
                    })
                    .map_err(|error| format!("no {}: {}", self.name(), one_line(&error)))
            }
        }
    }

    /// A payload as JSON; `None` if it does not fit the schema.
    pub(crate) fn decode(&self, mut payload: &[u8]) -> Option<Value> {
        match self {
            Self::Protobuf(descriptor) => {
                let message = DynamicMessage::decode(descriptor.clone(), payload).ok()?;
                // The names of the .proto, and numbers as numbers.
                let options = SerializeOptions::new()
                    .use_proto_field_name(true)
                    .stringify_64_bit_integers(false);
                message
                    .serialize_with_options(serde_json::value::Serializer, &options)
                    .ok()
            }
            Self::Avro(schema) => {
                let reader = GenericDatumReader::builder(schema).build().ok()?;
                let value = reader.read_value(&mut payload).ok()?;
                if !payload.is_empty() {
                    return None;
                }
                Value::try_from(value).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests;
