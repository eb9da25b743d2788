//! What probes are made with: clients that do as they are told, in topics of their own.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use dunlin_client::codec::{
    Ack, ConnackProperties, Connect, ConnectProperties, Packet, PacketIdentifier, ProtocolVersion,
    Publish, QoS, ReasonCode, Subscribe, SubscribeProperties, SubscriptionOptions,
    SubscriptionRequest, TopicFilter, TopicName, Unsubscribe, UnsubscribeProperties, Will,
};
use dunlin_client::script::{Peer, ScriptError};
use dunlin_client::{ClientOptions, ConnectError, Received};

use super::probe::{Wrong, must};
use crate::random;

/// The broker, and how it is come to.
pub(super) struct Bench {
    options: ClientOptions,
    /// Tells this run's topics and clients from others'.
    run: String,
    patience: Duration,
    quiet_after: Duration,
    connack: Received,
}

/// What CONNACK offers.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) receive_maximum: u16,
    pub(super) maximum_qos: u8,
    pub(super) retain: bool,
    pub(super) maximum_packet_size: Option<u32>,
    pub(super) topic_alias_maximum: u16,
    pub(super) wildcards: bool,
    pub(super) identifiers: bool,
    pub(super) shared: bool,
    pub(super) server_keep_alive: Option<u16>,
    pub(super) session_expiry_interval: Option<u32>,
}

impl Bench {
    /// Connects once, to see what the broker offers. One that speaks 3.1.1 alone offers nothing.
    pub(super) async fn begin(
        mut options: ClientOptions,
        patience: Duration,
        quiet_after: Duration,
    ) -> Result<Self, ConnectError> {
        options.connect.version = ProtocolVersion::V5;
        options.connect.client_id = random::client_id();
        let opened = options.open().await?;
        Ok(Self {
            options,
            run: random::client_id(),
            patience,
            quiet_after,
            connack: opened.connected.received().clone(),
        })
    }

    /// What CONNACK offers.
    pub(super) fn limits(&self) -> Offer {
        let properties = match self.connack.packet() {
            Packet::Connack(connack) => connack.properties,
            _ => ConnackProperties::default(),
        };
        Offer {
            receive_maximum: properties.receive_maximum.map_or(u16::MAX, NonZeroU16::get),
            maximum_qos: properties.maximum_qos.map_or(2, |qos| qos as u8),
            retain: properties.retain_available != Some(false),
            maximum_packet_size: properties.maximum_packet_size.map(NonZeroU32::get),
            topic_alias_maximum: properties.topic_alias_maximum.unwrap_or(0),
            wildcards: properties.wildcard_subscription_available != Some(false),
            identifiers: properties.subscription_identifiers_available != Some(false),
            shared: properties.shared_subscription_available != Some(false),
            server_keep_alive: properties.server_keep_alive,
            session_expiry_interval: properties.session_expiry_interval,
        }
    }

    /// What the probe of this number works with.
    pub(super) fn client(&self, index: usize, version: ProtocolVersion) -> Lab<'_> {
        Lab {
            bench: self,
            version,
            name: format!("{}-{index}", self.run),
        }
    }
}

/// One probe's part of the bench.
pub(super) struct Lab<'a> {
    bench: &'a Bench,
    pub(super) version: ProtocolVersion,
    name: String,
}

/// What a CONNECT of a probe says.
#[derive(Clone, Default)]
pub(super) struct Opening<'a> {
    /// Clean Start is left out.
    pub(super) resumes: bool,
    pub(super) keep_alive: u16,
    pub(super) will: Option<Will<'a>>,
    pub(super) properties: ConnectProperties<'a>,
}

impl Lab<'_> {
    pub(super) fn offer(&self) -> Offer {
        self.bench.limits()
    }

    pub(super) const fn patience(&self) -> Duration {
        self.bench.patience
    }

    pub(super) const fn quiet(&self) -> Duration {
        self.bench.quiet_after
    }

    /// A client identifier of this probe's own.
    pub(super) fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// A topic of this probe's own.
    pub(super) fn topic(&self, name: &str) -> String {
        format!("dunlin-check/{}/{name}", self.name)
    }

    /// A connection on which nothing was sent.
    pub(super) async fn raw(&self) -> Result<Peer, Wrong> {
        let opened = tokio::time::timeout(self.bench.patience, self.bench.options.endpoint.open());
        let transport = opened
            .await
            .map_err(|_| Wrong::Otherwise("cannot connect in time".to_owned()))??;
        Ok(Peer::over(transport, self.version).with_deadline(self.bench.patience))
    }

    /// A client with a clean start.
    pub(super) async fn client(&self, name: &str) -> Result<Tester, Wrong> {
        self.open(name, &Opening::default()).await
    }

    /// A client that says this; it must be accepted.
    pub(super) async fn open(&self, name: &str, opening: &Opening<'_>) -> Result<Tester, Wrong> {
        let id = self.id(name);
        let (peer, connack) = self.greet(&id, opening).await?;
        let Packet::Connack(accepted) = connack.packet() else {
            return Err(Wrong::Otherwise(format!(
                "expected CONNACK, received {connack:?}"
            )));
        };
        must(!accepted.reason_code.is_error(), || {
            format!("connection refused: {}", accepted.reason_code)
        })?;
        Ok(Tester {
            peer,
            session_present: accepted.session_present,
            connack,
            next_id: 0,
        })
    }

    /// Sends CONNECT; gives the answer.
    pub(super) async fn greet(
        &self,
        id: &str,
        opening: &Opening<'_>,
    ) -> Result<(Peer, Received), Wrong> {
        let connect = &self.bench.options.connect;
        let mut peer = self.raw().await?;
        let packet = Packet::Connect(Box::new(Connect {
            version: self.version,
            clean_start: !opening.resumes,
            keep_alive: opening.keep_alive,
            properties: opening.properties,
            client_id: id,
            will: opening.will,
            user_name: connect.user_name.as_deref(),
            password: connect.password.as_deref(),
        }));
        peer.send(&packet).await?;
        let answer = peer.receive().await?;
        Ok((peer, answer))
    }
}

/// A connected client of a probe.
pub(super) struct Tester {
    pub(super) peer: Peer,
    pub(super) session_present: bool,
    pub(super) connack: Received,
    next_id: u16,
}

impl Tester {
    fn id(&mut self) -> PacketIdentifier {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        PacketIdentifier::new(self.next_id).unwrap_or(PacketIdentifier::MIN)
    }

    /// Subscribes; gives the reason codes.
    pub(super) async fn ask(
        &mut self,
        filters: &[(&str, SubscriptionOptions)],
        properties: SubscribeProperties<'_>,
    ) -> Result<Vec<ReasonCode>, Wrong> {
        let packet_id = self.id();
        let requests = filters.iter().map(|(filter, options)| {
            let filter = TopicFilter::parse(filter);
            let filter = filter.map_err(|error| Wrong::Otherwise(error.to_string()))?;
            Ok(SubscriptionRequest {
                filter,
                options: *options,
            })
        });
        let subscribe = Subscribe {
            packet_id,
            properties,
            requests: requests.collect::<Result<_, Wrong>>()?,
        };
        self.peer.send(&Packet::Subscribe(subscribe)).await?;
        let answer = self.peer.receive().await?;
        match answer.packet() {
            Packet::Suback(suback) if suback.packet_id == packet_id => Ok(suback.reason_codes),
            _ => Err(Wrong::Otherwise(format!(
                "expected SUBACK, received {answer:?}"
            ))),
        }
    }

    /// Subscribes with these options, which must be granted.
    pub(super) async fn subscribe_with(
        &mut self,
        filter: &str,
        options: SubscriptionOptions,
    ) -> Result<(), Wrong> {
        let codes = self
            .ask(&[(filter, options)], SubscribeProperties::default())
            .await?;
        let granted = [ReasonCode::granted(options.qos)];
        must(codes == granted, || {
            format!("expected SUBACK {granted:?}, received {codes:?}")
        })
    }

    /// Subscribes at a QoS, which must be granted.
    pub(super) async fn subscribe(&mut self, filter: &str, qos: QoS) -> Result<(), Wrong> {
        self.subscribe_with(filter, SubscriptionOptions::with_qos(qos))
            .await
    }

    /// Unsubscribes.
    pub(super) async fn unsubscribe(&mut self, filter: &str) -> Result<(), Wrong> {
        let packet_id = self.id();
        let filter = TopicFilter::parse(filter);
        let filter = filter.map_err(|error| Wrong::Otherwise(error.to_string()))?;
        let unsubscribe = Unsubscribe {
            packet_id,
            properties: UnsubscribeProperties::default(),
            filters: vec![filter],
        };
        self.peer.send(&Packet::Unsubscribe(unsubscribe)).await?;
        let answer = self.peer.receive().await?;
        match answer.packet() {
            Packet::Unsuback(unsuback) if unsuback.packet_id == packet_id => Ok(()),
            _ => Err(Wrong::Otherwise(format!(
                "expected UNSUBACK, received {answer:?}"
            ))),
        }
    }

    /// Publishes, and plays the acknowledgements of its QoS.
    pub(super) async fn publish(&mut self, publish: Publish<'_>) -> Result<(), Wrong> {
        let packet_id = (publish.qos != QoS::AtMostOnce).then(|| self.id());
        let publish = Publish {
            packet_id,
            ..publish
        };
        self.peer.send(&Packet::Publish(publish)).await?;
        let Some(packet_id) = packet_id else {
            return Ok(());
        };
        let answer = self.peer.receive().await?;
        match (publish.qos, answer.packet()) {
            (QoS::AtLeastOnce, Packet::Puback(ack)) if is_for(&ack, packet_id) => Ok(()),
            (QoS::ExactlyOnce, Packet::Pubrec(ack)) if is_for(&ack, packet_id) => {
                self.peer
                    .send(&Packet::Pubrel(Ack::success(packet_id)))
                    .await?;
                let answer = self.peer.receive().await?;
                match answer.packet() {
                    Packet::Pubcomp(ack) if is_for(&ack, packet_id) => Ok(()),
                    _ => Err(Wrong::Otherwise(format!(
                        "expected PUBCOMP, received {answer:?}"
                    ))),
                }
            }
            _ => Err(Wrong::Otherwise(format!(
                "expected the acknowledgement of a message of QoS {}, received {answer:?}",
                publish.qos
            ))),
        }
    }

    /// Publishes a text at QoS 1, retained or not.
    pub(super) async fn say(&mut self, topic: &str, text: &str, retain: bool) -> Result<(), Wrong> {
        self.publish(Publish {
            qos: QoS::AtLeastOnce,
            retain,
            ..message(topic, text)?
        })
        .await
    }

    /// The next packet must be a message; QoS 1 is acknowledged, QoS 2 received to its end.
    pub(super) async fn hear(&mut self) -> Result<Received, Wrong> {
        let received = self.peer.receive().await?;
        let Packet::Publish(publish) = received.packet() else {
            return Err(Wrong::Otherwise(format!(
                "expected PUBLISH, received {received:?}"
            )));
        };
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(id)) => {
                self.peer.send(&Packet::Puback(Ack::success(id))).await?;
            }
            (QoS::ExactlyOnce, Some(id)) => {
                self.peer.send(&Packet::Pubrec(Ack::success(id))).await?;
                self.peer.expect(&Packet::Pubrel(Ack::success(id))).await?;
                self.peer.send(&Packet::Pubcomp(Ack::success(id))).await?;
            }
            _ => {}
        }
        Ok(received)
    }

    /// The next packet must be a message with this text. Gives whether it is retained.
    pub(super) async fn hear_text(&mut self, text: &str) -> Result<bool, Wrong> {
        let received = self.hear().await?;
        let Packet::Publish(publish) = received.packet() else {
            return Ok(false);
        };
        must(publish.payload == text.as_bytes(), || {
            let payload = String::from_utf8_lossy(publish.payload);
            format!("expected the message {text:?}, received {payload:?}")
        })?;
        Ok(publish.retain)
    }

    /// Nothing may come.
    pub(super) async fn hears_nothing(&mut self, quiet: Duration) -> Result<(), Wrong> {
        Ok(self.peer.expect_silence(quiet).await?)
    }

    /// Whether a message comes within this time.
    pub(super) async fn hears_within(&mut self, quiet: Duration) -> Result<bool, Wrong> {
        match tokio::time::timeout(quiet, self.hear()).await {
            Ok(heard) => heard.map(|_| true),
            Err(_) => Ok(false),
        }
    }

    /// The broker must end the connection; in 5.0 it may say why. What comes before does not count.
    pub(super) async fn must_end(mut self) -> Result<Option<ReasonCode>, Wrong> {
        closes(&mut self.peer).await
    }

    /// Says goodbye.
    pub(super) async fn leave(mut self) -> Result<(), Wrong> {
        let code = ReasonCode::Success;
        let goodbye = Packet::Disconnect(dunlin_client::codec::Disconnect::new(code));
        self.peer.send(&goodbye).await?;
        self.peer.expect_close().await?;
        Ok(())
    }

    /// Breaks the connection.
    pub(super) fn vanish(self) {
        self.peer.close();
    }
}

fn is_for(ack: &Ack<'_>, packet_id: PacketIdentifier) -> bool {
    ack.packet_id == packet_id && !ack.reason_code.is_error()
}

/// A message of QoS 0.
pub(super) fn message<'a>(topic: &'a str, text: &'a str) -> Result<Publish<'a>, Wrong> {
    let topic = TopicName::parse(topic).map_err(|error| Wrong::Otherwise(error.to_string()))?;
    Ok(Publish {
        topic,
        payload: text.as_bytes(),
        ..Publish::default()
    })
}

/// The broker must end the connection. Gives the reason that its DISCONNECT tells.
pub(super) async fn closes(peer: &mut Peer) -> Result<Option<ReasonCode>, Wrong> {
    let mut reason = None;
    loop {
        match peer.receive().await {
            Ok(received) => match received.packet() {
                Packet::Disconnect(disconnect) => reason = Some(disconnect.reason_code),
                Packet::Connack(connack) if connack.reason_code.is_error() => {
                    reason = Some(connack.reason_code);
                }
                Packet::Connack(_) => {
                    return Err(Wrong::Otherwise("the connection was accepted".to_owned()));
                }
                _ => {}
            },
            // A broker that cannot know the version need not answer in it [MQTT-3.1.2-2].
            Err(ScriptError::Closed | ScriptError::Io(_) | ScriptError::Decode(_)) => {
                return Ok(reason);
            }
            Err(ScriptError::Silence(time)) => return Err(Wrong::Open(time)),
            Err(error) => return Err(error.into()),
        }
    }
}
