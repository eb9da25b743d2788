//! A message on its way to one session.

use std::num::NonZeroU32;
use std::sync::Arc;

use dunlin_codec::{
    EncodeError, ForwardedPublish, PacketIdentifier, PlainPublish, ProtocolVersion, QoS,
};

use crate::message::Message;
use crate::router::{Delivered, Group, Identifiers};
use crate::session::SessionRef;
use crate::session::ready::Written;
use crate::time::Time;

/// A message that one session has to be given.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// What.
    pub(crate) message: Message,
    /// The shared subscription that chose this session, where another member can take its place.
    pub(crate) group: Option<Arc<Group<SessionRef>>>,
    /// The Subscription Identifiers of the subscriptions that it is given for, if there are several.
    several: Option<Arc<Vec<NonZeroU32>>>,
    /// The Subscription Identifier, if there is one.
    identifier: Option<NonZeroU32>,
    /// The lower of the message's QoS and that of the subscription.
    pub(crate) qos: QoS,
    /// The RETAIN flag that the subscriber sees.
    pub(crate) retain: bool,
    /// Whether the store knows that the session has to be given it.
    pub(crate) is_kept: bool,
}

// Queues may hold a hundred thousand of them for each session.
const _: () = assert!(size_of::<Delivery>() <= 32);

impl Delivery {
    /// A message for a session that was granted `qos`, which the store knows nothing of.
    pub(crate) fn new(message: Message, qos: QoS, retain: bool, identifiers: &Identifiers) -> Self {
        Self {
            qos: message.qos().min(qos),
            message,
            group: None,
            several: identifiers.several().cloned(),
            identifier: identifiers.one(),
            retain,
            is_kept: false,
        }
    }

    /// The same, given for a shared subscription.
    pub(crate) fn for_group(self, group: Arc<Group<SessionRef>>) -> Self {
        let group = Some(group);
        Self { group, ..self }
    }

    /// The same; `is_kept` says whether the store knows that the session has to be given it.
    pub(crate) fn kept(self, is_kept: bool) -> Self {
        Self { is_kept, ..self }
    }

    /// The same delivery of another form of its message.
    pub(crate) fn with_message(self, message: Message) -> Self {
        Self { message, ..self }
    }

    /// As a PUBLISH to its subscriber; `identified` is its packet identifier and DUP.
    pub(crate) fn publish(
        &self,
        identified: Option<(PacketIdentifier, bool)>,
        now: Time,
    ) -> ForwardedPublish<'_> {
        let message = &self.message;
        ForwardedPublish {
            dup: identified.is_some_and(|(_, dup)| dup),
            qos: self.qos,
            retain: self.retain,
            topic: message.topic_bytes(),
            packet_id: identified.map(|(packet_id, _)| packet_id),
            message_expiry_interval: message.remaining_expiry(now),
            topic_alias: None,
            subscription_identifiers: self.identifiers(),
            forwarded_properties: message.forwarded_properties(),
            payload: message.payload(),
        }
    }

    /// Appends it as a PUBLISH; [`Message::is_rare`] is false.
    ///
    /// # Errors
    /// If the packet is too long for the protocol.
    pub(crate) fn write(
        &self,
        version: ProtocolVersion,
        identified: Option<(PacketIdentifier, bool)>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let is_plain = self.identifiers().is_empty();
        let flags = (self.qos, self.retain);
        match plain(&self.message, flags, identified, version).filter(|_| is_plain) {
            Some(plain) => plain.encode(version, out),
            // It does not expire.
            None => self.publish(identified, Time::ZERO).encode(version, out),
        }
    }

    /// The identifiers as a slice.
    pub(crate) fn identifiers(&self) -> &[NonZeroU32] {
        match &self.several {
            Some(several) => several,
            None => self.identifier.as_slice(),
        }
    }
}

/// How messages are offered to a session.
pub(crate) struct Offer<'a> {
    pub(crate) grant: &'a Delivered,
    /// The shared subscription that chose the session.
    pub(crate) group: Option<&'a Arc<Group<SessionRef>>>,
    /// Whether the store knows that the session has to be given them.
    pub(crate) is_kept: bool,
    /// Whether they are written at once where that can be.
    pub(crate) is_urgent: bool,
    /// The messages as they are written for others as well, where there are many.
    pub(crate) written: Option<&'a Written<'a>>,
}

impl Offer<'_> {
    /// The lower of the message's QoS and that of the subscription.
    pub(crate) fn qos(&self, message: &Message) -> QoS {
        message.qos().min(self.grant.qos)
    }

    /// Whether it gives more with the message than others do that get it with this QoS.
    pub(crate) fn adds_to(&self, message: &Message) -> bool {
        let retain = message.retain() && self.grant.retain_as_published;
        retain || !self.grant.identifiers.as_slice().is_empty()
    }

    /// A message as it is offered.
    pub(crate) fn delivery(&self, message: Message) -> Delivery {
        let retain = message.retain() && self.grant.retain_as_published;
        let delivery = Delivery::new(message, self.grant.qos, retain, &self.grant.identifiers);
        Delivery {
            group: self.group.cloned(),
            ..delivery.kept(self.is_kept)
        }
    }

    /// Appends a message as a PUBLISH; [`Message::is_rare`] is false.
    ///
    /// # Errors
    /// If the packet is too long for the protocol.
    #[inline]
    pub(crate) fn write(
        &self,
        message: &Message,
        version: ProtocolVersion,
        packet_id: Option<PacketIdentifier>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let is_plain = self.grant.identifiers.as_slice().is_empty();
        let flags = (
            self.qos(message),
            message.retain() && self.grant.retain_as_published,
        );
        let identified = packet_id.map(|packet_id| (packet_id, false));
        match plain(message, flags, identified, version).filter(|_| is_plain) {
            Some(plain) => plain.encode(version, out),
            None => {
                let delivery = self.delivery(Message::clone(message));
                delivery.write(version, identified, out)
            }
        }
    }
}

/// A message as a PUBLISH without properties, if it can be one.
#[inline]
fn plain(
    message: &Message,
    (qos, retain): (QoS, bool),
    identified: Option<(PacketIdentifier, bool)>,
    version: ProtocolVersion,
) -> Option<PlainPublish<'_>> {
    let is_joined = identified.is_none() && !version.is_v5();
    let (topic, payload) = message.plain(is_joined)?;
    Some(PlainPublish {
        dup: identified.is_some_and(|(_, dup)| dup),
        qos,
        retain,
        packet_id: identified.map(|(packet_id, _)| packet_id),
        topic,
        payload,
    })
}
