//! What a client can be asked for, and the answers.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use dunlin_codec::{
    Disconnect, DisconnectProperties, PacketIdentifier, PublishProperties, QoS, ReasonCode,
    Subscribe, SubscribeProperties, SubscriptionIdentifiers, SubscriptionOptions,
    SubscriptionRequest, TopicError, TopicFilter, TopicName, Unsubscribe, UnsubscribeProperties,
    UserPropertiesBuf,
};

use crate::MessageProperties;
use crate::error::RequestError;

/// A message to publish. Cloning it copies neither topic nor payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishRequest {
    /// Topic Name.
    pub topic: Arc<str>,
    /// The payload.
    pub payload: Bytes,
    /// QoS.
    pub qos: QoS,
    /// RETAIN.
    pub retain: bool,
    /// DUP already on the first PUBLISH.
    pub dup: bool,
    /// Topic Alias. The topic name is left out where the alias was already set to it on the same
    /// connection. Not sent in 3.x.
    pub topic_alias: Option<u16>,
    /// Properties, and Subscription Identifiers, which the standard leaves to servers
    /// [MQTT-3.3.4-6]. Not sent in 3.x.
    pub extras: Option<Arc<(MessageProperties, Vec<NonZeroU32>)>>,
}

impl PublishRequest {
    /// A message of QoS 0.
    pub fn new(topic: impl Into<Arc<str>>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            topic_alias: None,
            extras: None,
        }
    }

    /// With this QoS.
    #[must_use]
    pub fn with_qos(self, qos: QoS) -> Self {
        Self { qos, ..self }
    }

    /// With RETAIN, or without.
    #[must_use]
    pub fn with_retain(self, retain: bool) -> Self {
        Self { retain, ..self }
    }

    /// With these properties.
    #[must_use]
    pub fn with_properties(self, properties: MessageProperties) -> Self {
        let extras = Some(Arc::new((properties, Vec::new())));
        Self { extras, ..self }
    }

    pub(crate) fn topic_name(&self) -> Result<TopicName<'_>, TopicError> {
        TopicName::parse(&self.topic)
    }

    /// The properties of its PUBLISH, but for the topic alias.
    ///
    /// # Errors
    /// If the response topic is none.
    pub fn properties(&self) -> Result<PublishProperties<'_>, TopicError> {
        let Some((properties, identifiers)) = self.extras.as_deref() else {
            return Ok(PublishProperties::default());
        };
        Ok(PublishProperties {
            payload_format_indicator: properties.payload_format_indicator,
            message_expiry_interval: properties.message_expiry_interval,
            topic_alias: None,
            response_topic: properties.response_topic()?,
            correlation_data: properties.correlation_data.as_deref(),
            user_properties: properties.user_properties.as_view(),
            subscription_identifiers: SubscriptionIdentifiers::List(identifiers),
            content_type: properties.content_type.as_deref(),
        })
    }
}

/// How a published message fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The code of PUBACK, PUBREC or PUBCOMP. For QoS 0 it is [`ReasonCode::Success`] once the
    /// message is handed to the transport.
    pub reason_code: ReasonCode,
    /// Reason String.
    pub reason_string: Option<Box<str>>,
}

/// Subscriptions to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeRequest {
    /// Topic filters and their options, one at least.
    pub filters: Vec<(String, SubscriptionOptions)>,
    /// Subscription Identifier, for all of them; not sent in 3.x.
    pub subscription_identifier: Option<NonZeroU32>,
    /// User Properties; not sent in 3.x.
    pub user_properties: UserPropertiesBuf,
}

impl SubscribeRequest {
    /// One filter, at most this QoS.
    pub fn new(filter: impl Into<String>, qos: QoS) -> Self {
        Self {
            filters: vec![(filter.into(), SubscriptionOptions::with_qos(qos))],
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), RequestError> {
        check_filters(self.filters.iter().map(|(filter, _)| filter.as_str()))
    }

    /// The SUBSCRIBE of this request.
    ///
    /// # Errors
    /// If a filter is none.
    pub fn packet(&self, packet_id: PacketIdentifier) -> Result<Subscribe<'_>, TopicError> {
        Ok(Subscribe {
            packet_id,
            properties: SubscribeProperties {
                subscription_identifier: self.subscription_identifier,
                user_properties: self.user_properties.as_view(),
            },
            requests: self
                .filters
                .iter()
                .map(|(filter, options)| {
                    Ok(SubscriptionRequest {
                        filter: TopicFilter::parse(filter)?,
                        options: *options,
                    })
                })
                .collect::<Result<_, TopicError>>()?,
        })
    }
}

/// The server's answer to a [`SubscribeRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// One for each filter, in their order.
    pub reason_codes: Vec<ReasonCode>,
    /// Reason String.
    pub reason_string: Option<Box<str>>,
}

/// Subscriptions to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsubscribeRequest {
    /// Topic filters, one at least.
    pub filters: Vec<String>,
    /// User Properties; not sent in 3.x.
    pub user_properties: UserPropertiesBuf,
}

impl UnsubscribeRequest {
    /// One filter.
    pub fn new(filter: impl Into<String>) -> Self {
        Self {
            filters: vec![filter.into()],
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), RequestError> {
        check_filters(self.filters.iter().map(String::as_str))
    }

    pub(crate) fn packet(
        &self,
        packet_id: PacketIdentifier,
    ) -> Result<Unsubscribe<'_>, TopicError> {
        let filters = self.filters.iter();
        Ok(Unsubscribe {
            packet_id,
            properties: UnsubscribeProperties {
                user_properties: self.user_properties.as_view(),
            },
            filters: filters
                .map(|filter| TopicFilter::parse(filter))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The server's answer to an [`UnsubscribeRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribed {
    /// One for each filter, in their order; [`ReasonCode::Success`] for all in 3.x.
    pub reason_codes: Vec<ReasonCode>,
    /// Reason String.
    pub reason_string: Option<Box<str>>,
}

fn check_filters<'a>(mut filters: impl Iterator<Item = &'a str>) -> Result<(), RequestError> {
    let Some(first) = filters.next() else {
        return Err(RequestError::NoFilter);
    };
    TopicFilter::parse(first)?;
    filters.try_for_each(|filter| Ok(TopicFilter::parse(filter).map(|_| ())?))
}

/// How to say goodbye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisconnectRequest {
    /// Disconnect Reason Code; not sent in 3.x.
    pub reason_code: ReasonCode,
    /// Session Expiry Interval, in seconds.
    pub session_expiry_interval: Option<u32>,
    /// Reason String.
    pub reason_string: Option<String>,
    /// User Properties.
    pub user_properties: UserPropertiesBuf,
}

impl Default for DisconnectRequest {
    /// A normal disconnection.
    fn default() -> Self {
        Self {
            reason_code: ReasonCode::Success,
            session_expiry_interval: None,
            reason_string: None,
            user_properties: UserPropertiesBuf::new(),
        }
    }
}

impl DisconnectRequest {
    pub(crate) fn packet(&self) -> Disconnect<'_> {
        Disconnect {
            reason_code: self.reason_code,
            properties: DisconnectProperties {
                session_expiry_interval: self.session_expiry_interval,
                reason_string: self.reason_string.as_deref(),
                server_reference: None,
                user_properties: self.user_properties.as_view(),
            },
        }
    }
}
