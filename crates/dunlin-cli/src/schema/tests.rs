//! Tests of schemas.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Schema, SchemaArgs};
use crate::failure::Failure;

const PROTO: &str = r#"
syntax = "proto3";
package plant;
import "unit.proto";
message Reading {
  string device_id = 1;
  double value = 2;
  repeated int64 history = 3;
  Unit unit = 4;
}
message Other {}
"#;
const UNIT: &str = "syntax = \"proto3\"; package plant; enum Unit { NONE = 0; CELSIUS = 1; }";
const AVSC: &str = r#"{"type": "record", "name": "Reading", "fields": [
  {"name": "device", "type": "string"},
  {"name": "value", "type": "double"},
  {"name": "note", "type": ["null", "string"], "default": null}
]}"#;

fn args(directory: &Path, message: Option<&str>) -> SchemaArgs {
    let path = |name: &str| directory.join(name);
    SchemaArgs {
        protobuf_path: message.map(|_| path("reading.proto")),
        protobuf_message_name: message.map(str::to_owned),
        avsc_path: message.is_none().then(|| path("reading.avsc")),
    }
}

fn written() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("reading.proto", PROTO),
        ("unit.proto", UNIT),
        ("reading.avsc", AVSC),
    ] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn round_trip(schema: &Schema, text: &str) -> Value {
    let payload = schema.encode(text.as_bytes()).unwrap();
    assert!(payload.len() < text.len());
    schema.decode(&payload).unwrap()
}

fn told<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    match result {
        Err(Failure::Usage(text)) => {
            assert!(!text.contains('\n'), "{text}");
            text
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn protobuf_is_read_with_its_imports_and_shown_by_its_names() {
    let directory = written();
    for name in ["Reading", "plant.Reading"] {
        let schema = args(directory.path(), Some(name))
            .schema()
            .unwrap()
            .unwrap();
        let text = r#"{"deviceId":"d1","value":21.5,"history":["1",2],"unit":"CELSIUS"}"#;
        assert_eq!(
            round_trip(&schema, text),
            json!({"device_id": "d1", "value": 21.5, "history": [1, 2], "unit": "CELSIUS"})
        );
        assert!(
            schema
                .encode(b"{\"nothing\": 1}")
                .unwrap_err()
                .starts_with("no plant.Reading: ")
        );
        assert_eq!(schema.decode(b"\xff\xff"), None);
    }
}

#[test]
fn avro_is_a_bare_value() {
    let directory = written();
    let schema = args(directory.path(), None).schema().unwrap().unwrap();
    let value = round_trip(&schema, r#"{"device":"d1","value":21.5,"note":null}"#);
    assert_eq!(value, json!({"device": "d1", "value": 21.5, "note": null}));
    assert!(schema.encode(b"{\"device\": 1}").is_err());
    assert_eq!(schema.decode(b"\x04"), None);
    let mut long = schema
        .encode(br#"{"device":"d","value":1.0,"note":null}"#)
        .unwrap();
    long.push(0);
    assert_eq!(schema.decode(&long), None);
}

#[test]
fn what_is_no_schema_is_told_in_one_line() {
    let directory = written();
    let text = told(args(directory.path(), Some("Redaing")).schema());
    assert!(text.contains("plant.Reading, plant.Other"), "{text}");
    fs::write(directory.path().join("reading.proto"), "message {").unwrap();
    told(args(directory.path(), Some("Reading")).schema());
    fs::write(directory.path().join("reading.avsc"), "{}").unwrap();
    told(args(directory.path(), None).schema());
    drop(directory);
    assert!(told(args(Path::new("/nowhere"), None).schema()).contains("/nowhere"));
    assert!(told(args(Path::new("/nowhere"), Some("A")).schema()).contains("/nowhere"));
}
