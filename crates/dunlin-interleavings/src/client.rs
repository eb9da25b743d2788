//! A connection of the broker, on the thread of a test.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use dunlin_codec::{
    Connect, ConnectProperties, Disconnect, DisconnectProperties, Limits, Packet, PacketIdentifier,
    ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, RetainHandling, Subscribe,
    SubscribeProperties, SubscriptionOptions, SubscriptionRequest, TopicFilter, TopicName, decode,
};
use dunlin_core::access::AllowAll;
use dunlin_core::broker::{Broker, Forwarded, Origin};
use dunlin_core::connection::Connection;
use dunlin_core::id::ConnectionId;
use dunlin_core::input::{Decision, Grant, Outcome, PublishRequest};
use dunlin_core::message::Form;
use dunlin_core::output::Output;
use dunlin_core::settings::Settings;
use dunlin_core::storage::{MemoryStorage, Stored};
use dunlin_core::time::Time;
use dunlin_core::worker::{Notice, Occasion, Worker};
use shuttle::future::block_on;

use crate::mailbox::Mailbox;

const NOW: Time = Time::from_millis(1_000_000_000);

/// What the threads of a test share.
pub(crate) struct World {
    broker: Broker,
    /// One for each connection, by its number.
    mailboxes: Vec<Mailbox<Notice>>,
}

impl World {
    /// A broker that keeps nothing, for so many connections.
    pub(crate) fn new(connections: usize) -> Arc<Self> {
        Self::with_window(connections, Settings::default().session.in_flight_max)
    }

    /// The same; no client has more than so many messages unacknowledged.
    pub(crate) fn with_window(connections: usize, in_flight_max: u16) -> Arc<Self> {
        let mut settings = Settings::default();
        settings.session.expiry_interval_3x = Some(Duration::from_secs(60));
        settings.session.in_flight_max = in_flight_max;
        let storage = Arc::new(MemoryStorage);
        Arc::new(Self {
            broker: Broker::new(settings, Box::new(AllowAll), storage, [1, 2, 3, 4]),
            mailboxes: (0..connections).map(|_| Mailbox::default()).collect(),
        })
    }
}

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) payload: String,
    pub(crate) dup: bool,
}

/// A connection with a worker of its own.
pub(crate) struct Client {
    world: Arc<World>,
    number: usize,
    version: ProtocolVersion,
    worker: Worker,
    connection: Connection,
    out: Output,
    /// The messages that came, in their order.
    pub(crate) came: Vec<Came>,
    /// Whether the broker is done with it.
    pub(crate) is_over: bool,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(world: &Arc<World>, number: usize, id: &str, clean_start: bool) -> Self {
        let properties = ConnectProperties::default();
        let version = ProtocolVersion::V311;
        Self::connect_as(world, (number, version), (id, clean_start), properties)
    }

    /// Connects to a session that outlives the connection, and takes so many messages unacknowledged.
    pub(crate) fn connect_with_window(
        world: &Arc<World>,
        number: usize,
        id: &str,
        receive_maximum: u16,
    ) -> Self {
        let properties = ConnectProperties {
            session_expiry_interval: Some(60),
            receive_maximum: NonZeroU16::new(receive_maximum),
            ..ConnectProperties::default()
        };
        let version = ProtocolVersion::V5;
        Self::connect_as(world, (number, version), (id, false), properties)
    }

    fn connect_as(
        world: &Arc<World>,
        (number, version): (usize, ProtocolVersion),
        (id, clean_start): (&str, bool),
        properties: ConnectProperties<'_>,
    ) -> Self {
        let mut client = Self {
            world: Arc::clone(world),
            number,
            version,
            worker: Worker::new(number as u64),
            connection: Connection::new(ConnectionId(number as u64), NOW),
            out: Output::default(),
            came: Vec::new(),
            is_over: false,
        };
        client.send(&Packet::Connect(Box::new(Connect {
            version,
            clean_start,
            keep_alive: 0,
            properties,
            client_id: id,
            will: None,
            user_name: None,
            password: None,
        })));
        client
    }

    pub(crate) fn subscribe(&mut self, filter: &str) {
        self.subscribe_at(QoS::AtLeastOnce, filter);
    }

    pub(crate) fn subscribe_at(&mut self, qos: QoS, filter: &str) {
        self.send(&Packet::Subscribe(Subscribe {
            packet_id: PacketIdentifier::new(1).unwrap(),
            properties: SubscribeProperties::default(),
            requests: vec![SubscriptionRequest {
                filter: TopicFilter::parse(filter).unwrap(),
                options: SubscriptionOptions {
                    qos,
                    no_local: false,
                    retain_as_published: false,
                    retain_handling: RetainHandling::Send,
                },
            }],
        }));
    }

    pub(crate) fn publish(&mut self, packet_id: u16, payload: &str) {
        self.publish_as(QoS::AtLeastOnce, false, (packet_id, payload));
    }

    pub(crate) fn publish_as(&mut self, qos: QoS, retain: bool, (packet_id, payload): (u16, &str)) {
        self.send(&Packet::Publish(Publish {
            dup: false,
            qos,
            retain,
            topic: TopicName::parse("t").unwrap(),
            packet_id: PacketIdentifier::new(packet_id),
            properties: PublishProperties::default(),
            payload: payload.as_bytes(),
        }));
    }

    pub(crate) fn disconnect(&mut self) {
        self.send(&Packet::Disconnect(Disconnect {
            reason_code: ReasonCode::Success,
            properties: DisconnectProperties::default(),
        }));
    }

    /// Waits until there is news for it, and handles that; if nobody wakes it, it waits for ever.
    pub(crate) fn wait(&mut self) {
        let mut notices = Vec::new();
        let world = Arc::clone(&self.world);
        block_on(world.mailboxes[self.number].take(&mut notices));
        for notice in notices {
            match notice {
                Notice::Output(_) => self.read(),
                Notice::TakenOver(_) => {
                    let outcome = self.connection.handle_taken_over(&mut self.out);
                    self.finish(outcome);
                }
            }
        }
    }

    fn send(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes).unwrap();
        let (packet, _) = decode(&bytes, self.version, &Limits::default())
            .unwrap()
            .unwrap();
        let mut occasion = Occasion {
            broker: &self.world.broker,
            worker: &mut self.worker,
            now: NOW,
        };
        let mut outcome =
            self.connection
                .handle_packet(&mut occasion, packet, Form::Fields, &mut self.out);
        if let Outcome::Authenticate(_) = outcome {
            let decision = Decision::Allow(Grant::default());
            outcome = self
                .connection
                .handle_decision(&mut occasion, &decision, &mut self.out);
        }
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Publish(request) => self.apply(request),
            Outcome::Close => self.is_over = true,
            Outcome::Continue | Outcome::Authenticate(_) => {}
        }
        self.pass_on();
        self.read();
    }

    fn apply(&mut self, request: PublishRequest) {
        let broker = &self.world.broker;
        let identity = self.connection.identity().unwrap();
        let origin = Origin::Client(identity);
        let plan = broker
            .plan_publish(&mut self.worker, request, origin)
            .unwrap();
        let position = broker.store(&plan).unwrap();
        let stored = match position {
            Some(position) => broker.storage().stored(position).unwrap(),
            None => Stored::nothing_to_do(&plan),
        };
        let forwarded = Forwarded::nothing_to_do(&plan).unwrap();
        let committed = plan.committed(stored.unwrap(), forwarded);
        broker.apply(&mut self.worker, committed, |receipt| {
            self.connection.acknowledge(receipt, &mut self.out);
        });
    }

    /// News for other connections.
    fn pass_on(&mut self) {
        let notices: Vec<_> = self.worker.take_notices().collect();
        for notice in notices {
            let (Notice::Output(id) | Notice::TakenOver(id)) = notice;
            let mailbox = &self.world.mailboxes[usize::try_from(id.0).unwrap()];
            mailbox.put([notice]);
        }
    }

    /// Takes what the broker has for it.
    pub(crate) fn read(&mut self) {
        let mut has_more = !self.is_over;
        while has_more {
            let mut occasion = Occasion {
                broker: &self.world.broker,
                worker: &mut self.worker,
                now: NOW,
            };
            has_more = self.connection.poll_output(&mut occasion, &mut self.out);
        }
        self.out.release(self.world.broker.storage()).unwrap();
        let bytes = self.out.take_writable();
        let mut rest = bytes.as_slice();
        while let Some((packet, length)) = decode(rest, self.version, &Limits::default()).unwrap() {
            if let Packet::Publish(publish) = packet {
                self.came.push(Came {
                    payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
                    dup: publish.dup,
                });
            }
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
    }
}
