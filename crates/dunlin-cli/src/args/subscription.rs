//! The flags of subscriptions.

use std::num::NonZeroU32;

use clap::{ArgAction, Args};
use dunlin_client::SubscribeRequest;
use dunlin_client::codec::{
    ProtocolVersion, QoS, RetainHandling, SubscriptionOptions, TopicFilter,
};

use super::in_older;
use super::values::{qos, retain_handling, subscription_identifier, user_properties_of};
use crate::failure::{Failure, usage};

/// Topic filters and their options.
#[derive(Clone, Debug, Args)]
pub(crate) struct SubscriptionArgs {
    /// Topic filters
    #[arg(
        short = 't',
        long,
        value_name = "TOPIC",
        required_unless_present = "load_options"
    )]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    topic: Vec<String>,

    /// QoS, for all topics or one for each
    #[arg(short = 'q', long, value_name = "0/1/2", default_value = "0", value_parser = qos)]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    qos: Vec<QoS>,

    /// -nl: no local, for all topics or true or false for each
    #[arg(long = "no_local", visible_alias = "no-local", value_name = "BOOL")]
    #[arg(num_args = 0.., action = ArgAction::Append, default_missing_value = "true")]
    #[arg(hide_possible_values = true)]
    no_local: Vec<bool>,

    /// -rap: retain as published, for all topics or true or false for each
    #[arg(long, value_name = "BOOL")]
    #[arg(num_args = 0.., action = ArgAction::Append, default_missing_value = "true")]
    #[arg(hide_possible_values = true)]
    retain_as_published: Vec<bool>,

    /// -rh: retain handling, for all topics or one for each
    #[arg(long, value_name = "0/1/2", value_parser = retain_handling)]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    retain_handling: Vec<RetainHandling>,

    /// -si: subscription identifier, for all topics or one for each
    #[arg(long, value_name = "NUMBER", num_args = 1.., action = ArgAction::Append)]
    #[arg(value_parser = subscription_identifier)]
    subscription_identifier: Vec<NonZeroU32>,

    /// -up: user properties of SUBSCRIBE, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    user_properties: Vec<String>,
}

impl SubscriptionArgs {
    /// What to subscribe to: one request for each subscription identifier, for it holds for all of a
    /// request. `name` fills in what stands for the client in a topic.
    pub(crate) fn requests(
        &self,
        name: impl Fn(&str) -> String,
    ) -> Result<Vec<SubscribeRequest>, Failure> {
        let user_properties = user_properties_of("--user-properties", &self.user_properties)?;
        if self.topic.is_empty() {
            return Err(usage("--topic is needed"));
        }
        let mut requests: Vec<SubscribeRequest> = Vec::new();
        for (index, topic) in self.topic.iter().enumerate() {
            let topic = name(topic);
            let filter = TopicFilter::parse(&topic)
                .and_then(|filter| filter.share().map(|_| filter))
                .map_err(|error| usage(format!("--topic {topic:?}: {error}")))?;
            let options = SubscriptionOptions {
                qos: of(&self.qos, index).unwrap_or_default(),
                no_local: of(&self.no_local, index).unwrap_or(false),
                retain_as_published: of(&self.retain_as_published, index).unwrap_or(false),
                retain_handling: of(&self.retain_handling, index).unwrap_or_default(),
            };
            if options.no_local && matches!(filter.share(), Ok(Some(_))) {
                return Err(usage(format!("--no_local is not allowed for {topic:?}")));
            }
            let identifier = of(&self.subscription_identifier, index);
            let same = requests
                .last_mut()
                .filter(|last| last.subscription_identifier == identifier);
            match same {
                Some(last) => last.filters.push((topic, options)),
                None => requests.push(SubscribeRequest {
                    filters: vec![(topic, options)],
                    subscription_identifier: identifier,
                    user_properties: user_properties.clone(),
                }),
            }
        }
        Ok(requests)
    }

    /// Flags that are given, and mean nothing in this version.
    pub(crate) fn without_effect(&self, version: ProtocolVersion) -> Vec<String> {
        let flags = [
            ("--no_local", !self.no_local.is_empty()),
            (
                "--retain-as-published",
                !self.retain_as_published.is_empty(),
            ),
            ("--retain-handling", !self.retain_handling.is_empty()),
            (
                "--subscription-identifier",
                !self.subscription_identifier.is_empty(),
            ),
            ("--user-properties", !self.user_properties.is_empty()),
        ];
        in_older(version, &flags)
    }
}

/// The value for a topic: its own, or the only one there is.
fn of<T: Copy>(values: &[T], index: usize) -> Option<T> {
    match values {
        [only] => Some(*only),
        values => values.get(index).copied(),
    }
}
