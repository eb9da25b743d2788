//! Will Messages and their Will Delay Interval (sections 3.1.2.5 and 3.1.3.2).

use std::time::Duration;

use dunlin_codec as codec;
use dunlin_codec::{EncodeError, PublishProperties};

use crate::access::Identity;
use crate::id::SessionNumber;
use crate::message::{Draft, Message, Payload};
use crate::time::Time;

/// A Will Message that may have to be published.
#[derive(Debug)]
pub(crate) struct Will {
    /// The message, without its expiry, which counts from its publication.
    message: Message,
    expiry_interval: Option<Duration>,
    delay: Duration,
    /// Whose it is: asked again whether it may be published when it is.
    owner: Identity,
}

impl Will {
    /// The will of a CONNECT.
    pub(crate) fn new(
        will: &codec::Will<'_>,
        owner: Identity,
        delay_max: Option<Duration>,
    ) -> Result<Self, EncodeError> {
        let properties = &will.properties;
        let draft = Draft {
            topic: will.topic,
            qos: will.qos,
            retain: will.retain,
            properties: &PublishProperties {
                payload_format_indicator: properties.payload_format_indicator,
                response_topic: properties.response_topic,
                correlation_data: properties.correlation_data,
                content_type: properties.content_type,
                user_properties: properties.user_properties,
                ..PublishProperties::default()
            },
            payload: Payload::Borrowed(will.payload),
        };
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let delay = properties
            .will_delay_interval
            .map_or(Duration::ZERO, seconds);
        Ok(Self {
            message: Message::new(&draft, SessionNumber::NONE, Time::ZERO, None)?,
            expiry_interval: properties.message_expiry_interval.map(seconds),
            delay: delay_max.map_or(delay, |max| delay.min(max)),
            owner,
        })
    }

    /// The Will Delay Interval.
    pub(crate) const fn delay(&self) -> Duration {
        self.delay
    }

    /// The message, published at `now`, and whose it is.
    pub(crate) fn into_message(
        self,
        now: Time,
        expiry_max: Option<Duration>,
    ) -> (Message, Identity) {
        let message = self
            .message
            .published_at(now, self.expiry_interval, expiry_max);
        (message, self.owner)
    }
}
