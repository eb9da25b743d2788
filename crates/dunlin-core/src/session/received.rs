//! QoS 2 messages that a client sent and did not release yet (section 4.3.3).

use dunlin_codec::{PacketIdentifier, ReasonCode};

use crate::broker::Broker;
use crate::id::{ConnectionId, SessionNumber};
use crate::session::{Session, SessionRef, SessionState};

/// How far the broker is with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// PUBLISH came; the message is not safe yet, or not given to its subscribers.
    Pending,
    /// The same, and the connection that it came on is not the present one any more.
    Left,
    /// PUBLISH came again, on the present connection.
    AskedAgain,
    /// PUBREC has to be sent on a later connection than that of the first PUBLISH.
    Owed(ReasonCode),
    /// The message was refused when its connection was gone: PUBREC has to say so if PUBLISH comes
    /// again. Some who subscribed may have it.
    Refused(ReasonCode),
    /// PUBREC was sent; PUBREL is awaited.
    Received,
}

/// What to do with a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is a new message.
    New,
    /// Its message is being published; its acknowledgement comes when that is done.
    UnderWay,
    /// Its message was published; its acknowledgement got lost.
    Known,
    /// Its message was refused, which its client does not know; the identifier is free now.
    Refused(ReasonCode),
}

/// The packet identifiers between PUBLISH and PUBREL, sorted.
#[derive(Debug, Default)]
pub(crate) struct Received {
    entries: Vec<(PacketIdentifier, Stage)>,
    /// How many are [`Stage::Owed`].
    owed: u16,
}

impl Received {
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    fn position(&self, packet_id: PacketIdentifier) -> Result<usize, usize> {
        self.entries
            .binary_search_by_key(&packet_id, |&(present, _)| present)
    }

    fn stage_mut(&mut self, packet_id: PacketIdentifier) -> Option<&mut Stage> {
        let position = self.position(packet_id).ok()?;
        self.entries.get_mut(position).map(|(_, stage)| stage)
    }

    /// A PUBLISH came, with this DUP flag; what follows if it is that of a message whose first PUBLISH
    /// came before.
    pub(crate) fn arrive(&mut self, packet_id: PacketIdentifier, dup: bool) -> Arrival {
        match self.stage_mut(packet_id) {
            None => Arrival::New,
            Some(&mut Stage::Refused(reason_code)) => {
                self.remove(packet_id);
                match dup {
                    true => Arrival::Refused(reason_code),
                    false => Arrival::New,
                }
            }
            Some(Stage::Received) => Arrival::Known,
            Some(Stage::Owed(_)) => Arrival::UnderWay,
            Some(Stage::Pending) => Arrival::UnderWay,
            Some(stage @ (Stage::Left | Stage::AskedAgain)) => {
                *stage = Stage::AskedAgain;
                Arrival::UnderWay
            }
        }
    }

    /// Notes a message that is published now; false if there is something of its identifier.
    pub(crate) fn begin(&mut self, packet_id: PacketIdentifier) -> bool {
        let position = self.position(packet_id);
        if let Err(position) = position {
            let entry = (packet_id, Stage::Pending);
            self.entries.insert(position, entry);
        }
        position.is_err()
    }

    fn set(&mut self, packet_id: PacketIdentifier, stage: Stage) {
        match self.position(packet_id) {
            Ok(position) => {
                if let Some((_, present)) = self.entries.get_mut(position) {
                    *present = stage;
                }
            }
            Err(position) => self.entries.insert(position, (packet_id, stage)),
        }
    }

    /// Notes that PUBREC is sent.
    pub(crate) fn insert(&mut self, packet_id: PacketIdentifier) {
        self.set(packet_id, Stage::Received);
    }

    /// Whether a message that came again on the present connection is under way since another one.
    pub(crate) fn has_asked_again(&self) -> bool {
        let mut stages = self.entries.iter().map(|&(_, stage)| stage);
        stages.any(|stage| stage == Stage::AskedAgain)
    }

    /// Removes an identifier; false if it was not there.
    pub(crate) fn remove(&mut self, packet_id: PacketIdentifier) -> bool {
        let position = self.position(packet_id);
        if let Ok(position) = position {
            self.entries.remove(position);
        }
        if self.entries.is_empty() {
            self.entries = Vec::new();
        }
        position.is_ok()
    }

    /// The next PUBREC that has to be sent; a failure makes its identifier free
    /// [MQTT-4.3.3-9].
    pub(crate) fn next_owed(&mut self) -> Option<(PacketIdentifier, ReasonCode)> {
        if self.owed == 0 {
            return None;
        }
        let next = self
            .entries
            .iter()
            .find_map(|&(packet_id, stage)| match stage {
                Stage::Owed(reason_code) => Some((packet_id, reason_code)),
                _ => None,
            });
        let Some((packet_id, reason_code)) = next else {
            self.owed = 0;
            return None;
        };
        self.owed -= 1;
        if reason_code.is_error() {
            self.remove(packet_id);
        } else {
            self.insert(packet_id);
        }
        Some((packet_id, reason_code))
    }

    /// Forgets that a connection was owed an acknowledgement: a later one asks for itself.
    pub(crate) fn begin_connection(&mut self) {
        for (_, stage) in &mut self.entries {
            *stage = match *stage {
                Stage::Pending | Stage::AskedAgain => Stage::Left,
                Stage::Owed(reason_code) if reason_code.is_error() => Stage::Refused(reason_code),
                Stage::Owed(_) => Stage::Received,
                other => other,
            };
        }
        self.owed = 0;
    }

    /// The identifiers of messages that were published.
    pub(crate) fn published(&self) -> impl Iterator<Item = PacketIdentifier> {
        let entries = self.entries.iter();
        entries.filter_map(|&(packet_id, stage)| {
            matches!(stage, Stage::Received | Stage::Owed(_) | Stage::Refused(_))
                .then_some(packet_id)
        })
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// QoS 2 messages on their way from PUBLISH to their subscribers. The session knows them from the
/// beginning, so that each is published once even if its connection ends and the client sends
/// it again before it is safe [MQTT-4.3.3-10].
#[derive(Debug)]
pub(crate) struct Exchange {
    /// `None` once it is done.
    session: Option<SessionRef>,
    connection: ConnectionId,
    packet_id: PacketIdentifier,
    /// Those of messages that joined the first.
    joined: Option<Box<Joined>>,
    /// Whether PUBREC can say that it failed, which frees the identifier.
    may_fail: bool,
    /// Whether the store has to know it.
    is_kept: bool,
}

/// Packet identifiers of messages that joined another.
#[derive(Debug, Default)]
struct Joined(Vec<PacketIdentifier>);

impl Exchange {
    /// Notes the message in the session; the caller saw that it is a new one. `None` if another
    /// connection has the session by now: its client repeats the message there, and that is the first
    /// that the session sees of it.
    pub(crate) fn begin(
        session: &SessionRef,
        connection: ConnectionId,
        packet_id: PacketIdentifier,
        may_fail: bool,
    ) -> Option<Self> {
        let mut state = session.lock_for(connection)?;
        state.received.set(packet_id, Stage::Pending);
        drop(state);
        Some(Self {
            session: Some(SessionRef::clone(session)),
            connection,
            packet_id,
            joined: None,
            may_fail,
            is_kept: session.is_kept(),
        })
    }

    /// Adds a message that [`Received::begin`] noted.
    pub(crate) fn join(&mut self, packet_id: PacketIdentifier) {
        self.joined.get_or_insert_default().0.push(packet_id);
    }

    /// What the store has to know until PUBREL; of the first message, which no other joins then.
    pub(crate) fn received(&self) -> Option<(SessionNumber, PacketIdentifier)> {
        let session = self.session.as_ref().filter(|_| self.is_kept)?;
        Some((session.number(), self.packet_id))
    }

    /// Notes that the messages were published, and what is said to each, by its place. Gives the
    /// connection that has to be woken to acknowledge them, if that is another one than began it.
    pub(crate) fn finish(
        mut self,
        broker: &Broker,
        reason_code: impl Fn(usize) -> ReasonCode,
    ) -> Option<ConnectionId> {
        let session = self.session.take()?;
        let mut state = session.lock();
        let mut asker = None;
        for (place, packet_id) in self.packet_ids().enumerate() {
            let asks = self.finish_one(
                broker,
                &session,
                &mut state,
                (packet_id, reason_code(place)),
            );
            asker = asker.or(asks);
        }
        asker
    }

    /// Those of all messages, in their order.
    fn packet_ids(&self) -> impl Iterator<Item = PacketIdentifier> {
        let joined = self.joined.iter().flat_map(|joined| &joined.0);
        std::iter::once(self.packet_id).chain(joined.copied())
    }

    fn finish_one(
        &self,
        broker: &Broker,
        session: &Session,
        state: &mut SessionState,
        (packet_id, reason_code): (PacketIdentifier, ReasonCode),
    ) -> Option<ConnectionId> {
        let connection = state.connection;
        let stage = *state.received.stage_mut(packet_id)?;
        let is_owed = connection != Some(self.connection) && stage == Stage::AskedAgain;
        if is_owed {
            let reason_code = if self.may_fail || !reason_code.is_error() {
                reason_code
            } else {
                ReasonCode::Success
            };
            state.received.set(packet_id, Stage::Owed(reason_code));
            state.received.owed = state.received.owed.saturating_add(1);
            return connection;
        }
        if self.may_fail && reason_code.is_error() && connection != Some(self.connection) {
            // The store knows it until the client does.
            state.received.set(packet_id, Stage::Refused(reason_code));
        } else if self.may_fail && reason_code.is_error() {
            state.received.remove(packet_id);
            if self.is_kept {
                // On the way of the refusal nothing waits for it: the identifier is free for both.
                let _ = broker.keep_freed(session.number(), packet_id);
            }
        } else {
            state.received.insert(packet_id);
        }
        None
    }
}

/// A message that was not published is none that was received.
impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let mut state = session.lock();
            for packet_id in self.packet_ids() {
                let stage = state.received.stage_mut(packet_id);
                if matches!(
                    stage,
                    Some(Stage::Pending | Stage::Left | Stage::AskedAgain)
                ) {
                    state.received.remove(packet_id);
                }
            }
        }
    }
}
