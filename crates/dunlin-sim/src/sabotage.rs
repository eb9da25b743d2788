//! Faults that are put into a broker on purpose, to see that the auditor finds them.
//!
//! They stand between the node and its sockets and disk, so that what is tested is what is shipped:
//! the core knows nothing of them. Each makes the broker look from outside as it would with a known
//! kind of defect inside.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_codec::{Limits, Packet, PacketIdentifier, ProtocolVersion, Publish, QoS, decode};
use dunlin_core::output::Output;

use crate::schedule::ClientSetup;
use crate::trace::{Link, MessageId};

macro_rules! plants {
    ($($(#[$doc:meta])* $plant:ident $name:literal;)*) => {
        /// A fault that is put into the broker.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Plant {
            $($(#[$doc])* $plant,)*
        }

        impl Plant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$plant),*];

            /// What it is called on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$plant => $name,)* }
            }
        }
    };
}

plants! {
    /// Publishes are applied and acknowledged as soon as they are appended.
    AcknowledgeBeforeSync "acknowledge-before-sync";
    /// What a client sends again with QoS 2 on a new connection is taken for a new message.
    DropQos2OnTakeover "drop-qos2-on-takeover";
    /// A message is sent with the packet identifier of another that is in flight.
    ReusePacketIdentifier "reuse-packet-identifier";
    /// Retained messages come without RETAIN.
    RetainedAsLive "retained-as-live";
    /// Each Will Message is published twice.
    FireWillTwice "fire-will-twice";
    /// The Will Delay Interval of a connection that goes on with a session is forgotten.
    ForgetWillDelay "forget-will-delay";
    /// What is sent again comes in another order.
    LoseOrderOnResend "lose-order-on-resend";
    /// What a member of a shared subscription was sent and did not acknowledge goes to no other member
    /// when its session ends.
    LeakSharedMessage "leak-shared-message";
    /// The time that a message waited is not taken off its Message Expiry Interval.
    ExpiryFromTheWrongTime "expiry-from-the-wrong-time";
    /// CONNACK always says that there is no session.
    WrongSessionPresent "wrong-session-present";
    /// The client's Receive Maximum is not kept to.
    ExceedReceiveMaximum "exceed-receive-maximum";
    /// Sessions live longer than their Session Expiry Interval.
    KeepExpiredSession "keep-expired-session";
}

/// Carries a fault out.
#[derive(Debug)]
pub(crate) struct Saboteur {
    plant: Plant,
    links: BTreeMap<Link, Known>,
    expiries: BTreeMap<MessageId, Option<u32>>,
    /// The shared subscription that each client is a member of, by its identifier.
    shared: BTreeMap<String, String>,
    /// The member that was given each message of a shared subscription first.
    members: BTreeMap<(MessageId, String), String>,
}

/// What it knows of a connection.
#[derive(Debug)]
struct Known {
    version: ProtocolVersion,
    client_id: String,
    /// Packet identifiers that the broker has in flight to the client.
    in_flight: Vec<u16>,
    /// Packet identifiers of the client that the broker is given in disguise.
    disguised: BTreeSet<u16>,
}

/// What makes another packet identifier of one.
const DISGUISE: u16 = 0x4000;

impl Saboteur {
    pub(crate) fn new(plant: Plant, clients: &[ClientSetup]) -> Self {
        let shared = clients.iter().filter_map(|client| {
            let group = client.shared.clone()?;
            Some((client.id.clone(), group))
        });
        Self {
            plant,
            links: BTreeMap::new(),
            expiries: BTreeMap::new(),
            shared: shared.collect(),
            members: BTreeMap::new(),
        }
    }

    /// The node stopped.
    pub(crate) fn forget_links(&mut self) {
        self.links.clear();
    }

    fn known(&mut self, link: Link) -> &mut Known {
        self.links.entry(link).or_insert_with(|| Known {
            version: ProtocolVersion::V5,
            client_id: String::new(),
            in_flight: Vec::new(),
            disguised: BTreeSet::new(),
        })
    }

    /// What the broker gets for a packet of a client.
    pub(crate) fn inbound(&mut self, link: Link, bytes: &[u8]) -> Vec<u8> {
        let version = self.known(link).version;
        let Ok(Some((mut packet, _))) = decode(bytes, version, &Limits::default()) else {
            return bytes.to_vec();
        };
        let plant = self.plant;
        match &mut packet {
            Packet::Connect(connect) => {
                let known = self.known(link);
                known.version = connect.version;
                connect.client_id.clone_into(&mut known.client_id);
                let properties = &mut connect.properties;
                match plant {
                    Plant::ExceedReceiveMaximum => properties.receive_maximum = None,
                    Plant::KeepExpiredSession => {
                        let expiry = properties.session_expiry_interval;
                        let later = |seconds: u32| seconds.saturating_mul(4).saturating_add(10);
                        properties.session_expiry_interval =
                            expiry.filter(|&seconds| seconds > 0).map(later);
                    }
                    Plant::ForgetWillDelay if !connect.clean_start => {
                        if let Some(will) = &mut connect.will {
                            will.properties.will_delay_interval = None;
                        }
                    }
                    _ => {}
                }
            }
            Packet::Publish(publish) => self.note_publish(link, publish),
            Packet::Pubrel(ack) => {
                let number = ack.packet_id.as_u16();
                if self.known(link).disguised.remove(&number) {
                    ack.packet_id = disguised(ack.packet_id);
                }
            }
            Packet::Puback(ack) | Packet::Pubcomp(ack) => {
                let number = ack.packet_id.as_u16();
                if plant == Plant::FireWillTwice && number & DISGUISE != 0 {
                    // The broker knows nothing of it.
                    return Vec::new();
                }
                let known = self.known(link);
                known.in_flight.retain(|&other| other != number);
            }
            _ => {}
        }
        let version = self.known(link).version;
        encoded(&packet, version).unwrap_or_else(|| bytes.to_vec())
    }

    fn note_publish(&mut self, link: Link, publish: &mut Publish<'_>) {
        if let Some(message) = MessageId::of(publish.payload) {
            let expiry = publish.properties.message_expiry_interval;
            self.expiries.insert(message, expiry);
        }
        let is_again = publish.qos == QoS::ExactlyOnce && publish.dup;
        if let Some(packet_id) = publish.packet_id
            && self.plant == Plant::DropQos2OnTakeover
            && is_again
        {
            self.known(link).disguised.insert(packet_id.as_u16());
            publish.packet_id = Some(disguised(packet_id));
        }
    }

    /// What the client gets for the output of the broker, which is empty then.
    pub(crate) fn outbound(&mut self, link: Link, out: &mut Output) -> Vec<u8> {
        let bytes = out.take_writable();
        let version = self.known(link).version;
        let mut packets: Vec<(bool, Vec<u8>)> = Vec::new();
        let mut rest = bytes.as_slice();
        while let Ok(Some((mut packet, length))) = decode(rest, version, &Limits::default()) {
            let is_repeat = matches!(&packet, Packet::Publish(publish) if publish.dup);
            if self.leaks(link, &packet) {
                rest = &rest[length..];
                continue;
            }
            self.change(link, &mut packet);
            let made = encoded(&packet, version).unwrap_or_else(|| rest[..length].to_vec());
            packets.push((is_repeat, made));
            if let Some(twin) = self.twin(&packet) {
                packets.extend(encoded(&twin, version).map(|made| (false, made)));
            }
            rest = &rest[length..];
        }
        if self.plant == Plant::LoseOrderOnResend {
            let places: Vec<_> = (0..packets.len()).filter(|&at| packets[at].0).collect();
            let pairs = places.iter().zip(places.iter().rev());
            for (&one, &other) in pairs.take(places.len() / 2) {
                packets.swap(one, other);
            }
        }
        packets.into_iter().flat_map(|(_, bytes)| bytes).collect()
    }

    /// Whether a message of a shared subscription goes to another member than the first.
    fn leaks(&mut self, link: Link, packet: &Packet<'_>) -> bool {
        let Packet::Publish(publish) = packet else {
            return false;
        };
        let client_id = self.known(link).client_id.clone();
        // Members of shared subscriptions have no other subscription to these topics.
        let is_shared = publish.topic.as_str().starts_with("s/")
            && publish.properties.topic_alias.is_none()
            && self.plant == Plant::LeakSharedMessage;
        let (true, Some(group), Some(message)) = (
            is_shared,
            self.shared.get(&client_id),
            MessageId::of(publish.payload),
        ) else {
            return false;
        };
        let member = self.members.entry((message, group.clone()));
        *member.or_insert_with(|| client_id.clone()) != client_id
    }

    /// The same Will Message once more.
    fn twin<'a>(&self, packet: &Packet<'a>) -> Option<Packet<'a>> {
        let Packet::Publish(publish) = packet else {
            return None;
        };
        let is_will = publish.topic.as_str().starts_with("w/") && !publish.retain && !publish.dup;
        let is_meant = self.plant == Plant::FireWillTwice
            && is_will
            && publish.qos < QoS::ExactlyOnce
            && publish.properties.topic_alias.is_none();
        is_meant.then(|| {
            let mut twin = *publish;
            twin.packet_id = publish.packet_id.map(disguised);
            Packet::Publish(twin)
        })
    }

    fn change(&mut self, link: Link, packet: &mut Packet<'_>) {
        let plant = self.plant;
        match packet {
            Packet::Connack(connack) if plant == Plant::WrongSessionPresent => {
                connack.session_present = false;
            }
            Packet::Publish(publish) => self.change_publish(link, publish),
            Packet::Pubrec(ack) | Packet::Pubcomp(ack) => {
                let original = disguised(ack.packet_id);
                let is_disguised = self.known(link).disguised.contains(&original.as_u16());
                let has_been = ack.packet_id.as_u16() & DISGUISE != 0;
                if plant == Plant::DropQos2OnTakeover && (is_disguised || has_been) {
                    ack.packet_id = original;
                }
            }
            _ => {}
        }
    }

    fn change_publish(&mut self, link: Link, publish: &mut Publish<'_>) {
        let plant = self.plant;
        if plant == Plant::RetainedAsLive {
            publish.retain = false;
        }
        if plant == Plant::ExpiryFromTheWrongTime
            && let Some(message) = MessageId::of(publish.payload)
            && let Some(&Some(expiry)) = self.expiries.get(&message)
        {
            publish.properties.message_expiry_interval = Some(expiry);
        }
        let Some(packet_id) = publish.packet_id.map(PacketIdentifier::as_u16) else {
            return;
        };
        let known = self.known(link);
        if plant == Plant::ReusePacketIdentifier
            && !publish.dup
            && let Some(&other) = known.in_flight.first()
        {
            publish.packet_id = PacketIdentifier::new(other);
        }
        known.in_flight.push(packet_id);
    }
}

fn disguised(packet_id: PacketIdentifier) -> PacketIdentifier {
    let number = packet_id.as_u16() ^ DISGUISE;
    PacketIdentifier::new(number).unwrap_or(packet_id)
}

fn encoded(packet: &Packet<'_>, version: ProtocolVersion) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).ok()?;
    Some(bytes)
}
