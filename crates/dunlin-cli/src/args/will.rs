//! The flags of the will message.

use clap::{ArgAction, Args};
use dunlin_client::codec::{ProtocolVersion, QoS};
use dunlin_client::{MessageProperties, WillOptions};

use super::in_older;
use super::values::{qos, topic_name, user_properties_of};
use crate::failure::{Failure, usage};

/// The will message.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Will message")]
pub(crate) struct WillArgs {
    /// -Wt: topic; it makes a will
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,

    /// -Wm: payload
    #[arg(long, value_name = "BODY")]
    will_message: Option<String>,

    /// -Wq: QoS
    #[arg(long, value_name = "0/1/2", value_parser = qos)]
    will_qos: Option<QoS>,

    /// -Wr: retain it
    #[arg(long)]
    will_retain: bool,

    /// -Wd: delay interval, in seconds
    #[arg(long, value_name = "SECONDS")]
    will_delay_interval: Option<u32>,

    /// -Wpf: say that the payload is UTF-8
    #[arg(long)]
    will_payload_format_indicator: bool,

    /// -We: message expiry interval, in seconds
    #[arg(long, value_name = "SECONDS")]
    will_message_expiry_interval: Option<u32>,

    /// -Wct: content type
    #[arg(long, value_name = "TYPE")]
    will_content_type: Option<String>,

    /// -Wrt: response topic
    #[arg(long, value_name = "TOPIC")]
    will_response_topic: Option<String>,

    /// -Wcd: correlation data
    #[arg(long, value_name = "DATA")]
    will_correlation_data: Option<String>,

    /// -Wup: user properties, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    will_user_properties: Vec<String>,
}

impl WillArgs {
    /// The will, if there is one.
    pub(crate) fn options(&self) -> Result<Option<WillOptions>, Failure> {
        let Some(topic) = &self.will_topic else {
            let given = self.given().into_iter().find(|(_, is_given)| *is_given);
            return match given {
                Some((flag, _)) => Err(usage(format!("{flag} needs --will-topic"))),
                None => Ok(None),
            };
        };
        topic_name("--will-topic", topic)?;
        if let Some(topic) = &self.will_response_topic {
            topic_name("--will-response-topic", topic)?;
        }
        let user_properties =
            user_properties_of("--will-user-properties", &self.will_user_properties)?;
        Ok(Some(WillOptions {
            topic: topic.clone(),
            payload: self.will_message.clone().unwrap_or_default().into(),
            qos: self.will_qos.unwrap_or_default(),
            retain: self.will_retain,
            will_delay_interval: self.will_delay_interval,
            properties: MessageProperties {
                payload_format_indicator: self.will_payload_format_indicator.then_some(true),
                message_expiry_interval: self.will_message_expiry_interval,
                content_type: self.will_content_type.clone(),
                response_topic: self.will_response_topic.clone(),
                correlation_data: self.will_correlation_data.clone().map(Into::into),
                user_properties,
            },
        }))
    }

    /// Every flag but the topic, and whether it is given.
    fn given(&self) -> Vec<(&'static str, bool)> {
        let mut flags = vec![
            ("--will-message", self.will_message.is_some()),
            ("--will-qos", self.will_qos.is_some()),
            ("--will-retain", self.will_retain),
        ];
        flags.extend(self.properties_given());
        flags
    }

    /// Flags that are given, and mean nothing in this version.
    pub(crate) fn without_effect(&self, version: ProtocolVersion) -> Vec<String> {
        in_older(version, &self.properties_given())
    }

    /// The flags that 5.0 alone knows, and whether they are given.
    fn properties_given(&self) -> [(&'static str, bool); 7] {
        [
            ("--will-delay-interval", self.will_delay_interval.is_some()),
            (
                "--will-payload-format-indicator",
                self.will_payload_format_indicator,
            ),
            (
                "--will-message-expiry-interval",
                self.will_message_expiry_interval.is_some(),
            ),
            ("--will-content-type", self.will_content_type.is_some()),
            ("--will-response-topic", self.will_response_topic.is_some()),
            (
                "--will-correlation-data",
                self.will_correlation_data.is_some(),
            ),
            (
                "--will-user-properties",
                !self.will_user_properties.is_empty(),
            ),
        ]
    }
}
