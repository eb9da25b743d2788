//! The flags of a message to publish, but for its topic and payload.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use clap::{ArgAction, Args};
use dunlin_client::codec::{ProtocolVersion, QoS};
use dunlin_client::{MessageProperties, PublishRequest};

use super::in_older;
use super::values::{qos, subscription_identifier, topic_name, two_bytes, user_properties_of};
use crate::failure::{Failure, usage};

/// QoS, flags and properties of a message.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Message")]
pub(crate) struct MessageArgs {
    /// QoS
    #[arg(short = 'q', long, value_name = "0/1/2", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,

    /// Retain the message
    #[arg(short = 'r', long)]
    retain: bool,

    /// Mark the message as one that may have been sent before
    #[arg(short = 'd', long)]
    dup: bool,

    /// -pf: say that the payload is UTF-8
    #[arg(long)]
    payload_format_indicator: bool,

    /// Message expiry interval, in seconds
    #[arg(short = 'e', long, value_name = "SECONDS")]
    message_expiry_interval: Option<u32>,

    /// -ta: topic alias
    #[arg(long, value_name = "NUMBER", value_parser = two_bytes)]
    topic_alias: Option<NonZeroU16>,

    /// -rt: response topic
    #[arg(long, value_name = "TOPIC")]
    response_topic: Option<String>,

    /// -cd: correlation data
    #[arg(long, value_name = "DATA")]
    correlation_data: Option<String>,

    /// -up: user properties of the message, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    user_properties: Vec<String>,

    /// -si: subscription identifier, which servers refuse in messages of clients
    #[arg(long, value_name = "NUMBER", value_parser = subscription_identifier)]
    subscription_identifier: Option<NonZeroU32>,

    /// -ct: content type
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
}

impl MessageArgs {
    /// The message without topic and payload.
    pub(crate) fn request(&self) -> Result<PublishRequest, Failure> {
        if let Some(topic) = &self.response_topic {
            topic_name("--response-topic", topic)?;
        }
        if self.dup && self.qos == QoS::AtMostOnce {
            return Err(usage("--dup needs --qos 1 or 2"));
        }
        let user_properties = user_properties_of("--user-properties", &self.user_properties)?;
        let properties = MessageProperties {
            payload_format_indicator: self.payload_format_indicator.then_some(true),
            message_expiry_interval: self.message_expiry_interval,
            content_type: self.content_type.clone(),
            response_topic: self.response_topic.clone(),
            correlation_data: self.correlation_data.clone().map(Into::into),
            user_properties,
        };
        let mut request = PublishRequest::new("", Vec::new());
        request.qos = self.qos;
        request.retain = self.retain;
        request.dup = self.dup;
        request.topic_alias = self.topic_alias.map(NonZeroU16::get);
        request.extras = Some(Arc::new((
            properties,
            self.subscription_identifier.into_iter().collect(),
        )));
        Ok(request)
    }

    /// Flags that are given, and mean nothing in this version.
    pub(crate) fn without_effect(&self, version: ProtocolVersion) -> Vec<String> {
        let flags = [
            ("--payload-format-indicator", self.payload_format_indicator),
            (
                "--message-expiry-interval",
                self.message_expiry_interval.is_some(),
            ),
            ("--topic-alias", self.topic_alias.is_some()),
            ("--response-topic", self.response_topic.is_some()),
            ("--correlation-data", self.correlation_data.is_some()),
            ("--user-properties", !self.user_properties.is_empty()),
            (
                "--subscription-identifier",
                self.subscription_identifier.is_some(),
            ),
            ("--content-type", self.content_type.is_some()),
        ];
        in_older(version, &flags)
    }
}
