//! From records back to a broker: what [`Storage`](crate::storage::Storage) kept before a stop.
//!
//! [`Recovery::read`] takes the records in the order in which they were appended and keeps what is
//! still needed at any moment; [`Broker::recover`](crate::broker::Broker::recover) makes sessions,
//! subscriptions and messages of what is left. A record that speaks of something unknown changes
//! nothing, so that one that was damaged costs what it said and no more.

mod restore;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use dunlin_codec::{PacketIdentifier, QoS, SubscriptionOptions};

pub use restore::Recovered;

use crate::id::SessionNumber;
use crate::message::{Message, STORED_PAYLOAD_BYTES_MIN};
use crate::storage::{
    OwnRules, PageRecord, PublishRecord, Receiver, Record, SessionRecord, SubscriptionRecord,
    WillRecord,
};
use crate::time::Time;

/// What is needed of the records that were read so far.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// By number; a tree, which needs no second copy of itself to grow.
    sessions: BTreeMap<u64, Kept>,
    messages: Messages,
    /// By topic: the publish that set or deleted its retained message, and whether it set it.
    retained: HashMap<Box<[u8]>, (u64, bool)>,
    /// Messages that wait for their shared subscription, by sequence number and filter, with the
    /// number of a member that the store does not keep and that has it.
    waiting: BTreeMap<(u64, Box<str>), (Entry, u64)>,
    /// The sessions that no record says anything of and that were given messages of shared subscriptions,
    /// by sequence number and filter.
    with_unknown: BTreeMap<(u64, Box<str>), u64>,
    /// Wills to be published, by session and number.
    wills: BTreeMap<(u64, u64), KeptWill>,
    next_session: u64,
    next_sequence: u64,
    /// Counts the rewritings that began.
    rewritings: u64,
}

/// A session.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// Whether a record says what it is; others may come before that one while everything is written
    /// again.
    is_known: bool,
    client_id: Box<str>,
    is_connected: bool,
    expiry_interval: Option<Duration>,
    disconnected_at: Option<Time>,
    window: u32,
    will: Option<KeptWill>,
    will_due: Option<Time>,
    /// Sorted by filter; there are millions of sessions with one of them.
    subscriptions: Vec<(Box<str>, KeptSubscription)>,
    /// What waits, by sequence number.
    queue: BTreeMap<u64, Entry>,
    in_flight: BTreeMap<u64, Sending>,
    /// With the rewriting that it was read in.
    received: BTreeMap<PacketIdentifier, u64>,
}

#[derive(Clone, Debug)]
struct KeptWill {
    client_id: Box<str>,
    message: Message,
    expiry_interval: Option<Duration>,
    delay: Duration,
    user_name: Option<Box<str>>,
    address: Option<IpAddr>,
    own_rules: OwnRules,
}

#[derive(Clone, Debug)]
struct KeptSubscription {
    options: SubscriptionOptions,
    identifier: Option<NonZeroU32>,
    /// Retained messages up to this publish, behind this topic, are still to be sent.
    retained: Option<(u64, Option<Box<str>>)>,
}

/// How a session is given a message.
#[derive(Clone, Debug)]
struct Entry {
    qos: QoS,
    retain: bool,
    identifiers: Box<[NonZeroU32]>,
    group: Option<Box<str>>,
    /// The rewriting that it was read in.
    rewriting: u64,
}

#[derive(Clone, Debug)]
struct Sending {
    sequence: u64,
    /// `None` once PUBREC came.
    entry: Option<Entry>,
}

/// The messages that somebody needs.
#[derive(Clone, Debug, Default)]
struct Messages {
    by_sequence: BTreeMap<u64, (Message, u32)>,
    /// Whether everything is being written again: then a message may be named by records that are
    /// still to come.
    is_rewriting: bool,
    /// Messages that nobody needs so far.
    unclaimed: BTreeSet<u64>,
    /// Bytes of the messages that are here with their payload.
    bytes: usize,
    /// How many that may be; `None` is all. Beyond it payloads stay in the store.
    bytes_max: Option<usize>,
    /// Retained messages that were replaced last, oldest first, with the bytes of each.
    replaced: VecDeque<(u64, usize)>,
    replaced_bytes: usize,
}

/// Bytes of retained messages that are remembered after they were replaced: more than what is written
/// between the record of a message and its application.
const REPLACED_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Messages {
    /// `is_retained` says that the payload is needed in memory.
    fn insert(&mut self, message: &Message, is_retained: bool) {
        let sequence = message.sequence();
        let size = message.size();
        let is_beyond = self.bytes_max.is_some_and(|max| self.bytes + size > max);
        let is_large = message.payload().len() >= STORED_PAYLOAD_BYTES_MIN;
        let stays_in_store = is_beyond && is_large && !is_retained;
        let present = self.by_sequence.get_mut(&sequence);
        match present {
            Some((present, _)) if !is_retained || !present.is_payload_stored() => {}
            Some((present, _)) => {
                *present = Message::clone(message);
                self.bytes += size;
            }
            None if stays_in_store => {
                let stored = message.without_payload();
                self.by_sequence.insert(sequence, (stored, 0));
            }
            None => {
                self.by_sequence
                    .insert(sequence, (Message::clone(message), 0));
                self.bytes += size;
            }
        }
        if self.by_sequence.get(&sequence).is_some_and(|it| it.1 == 0) {
            self.unclaimed.insert(sequence);
        }
    }

    fn remove(&mut self, sequence: u64) {
        if let Some((message, _)) = self.by_sequence.remove(&sequence)
            && !message.is_payload_stored()
        {
            self.bytes -= message.size();
        }
    }

    fn get(&self, sequence: u64) -> Option<&Message> {
        Some(&self.by_sequence.get(&sequence)?.0)
    }

    /// Notes that somebody needs a message; false if there is none.
    fn claim(&mut self, sequence: u64) -> bool {
        let Some((_, references)) = self.by_sequence.get_mut(&sequence) else {
            return false;
        };
        if *references == 0 {
            self.unclaimed.remove(&sequence);
        }
        *references += 1;
        true
    }

    fn release(&mut self, sequence: u64) {
        let Some((_, references)) = self.by_sequence.get_mut(&sequence) else {
            return;
        };
        *references -= 1;
        if *references == 0 {
            if self.is_rewriting {
                self.unclaimed.insert(sequence);
            } else {
                self.remove(sequence);
            }
        }
    }

    /// Releases a retained message that another one replaces. That one is written before it takes its
    /// place: until then, the message is still given to new subscriptions, which name it.
    fn replace(&mut self, sequence: u64) {
        match self.by_sequence.get_mut(&sequence) {
            Some((message, references)) if *references == 1 && !self.is_rewriting => {
                *references = 0;
                let size = message.size();
                self.replaced.push_back((sequence, size));
                self.replaced_bytes += size;
            }
            _ => return self.release(sequence),
        }
        while self.replaced_bytes > REPLACED_BYTES_MAX
            && let Some((oldest, size)) = self.replaced.pop_front()
        {
            self.replaced_bytes -= size;
            if self.by_sequence.get(&oldest).is_some_and(|it| it.1 == 0) {
                self.remove(oldest);
            }
        }
    }

    /// Drops a message that no record before this one was about, unless one to come may be.
    fn drop_unclaimed(&mut self, sequence: u64) {
        if !self.is_rewriting && self.unclaimed.remove(&sequence) {
            self.remove(sequence);
        }
    }

    fn sweep(&mut self) {
        for sequence in std::mem::take(&mut self.unclaimed) {
            self.remove(sequence);
        }
    }
}

impl Recovery {
    /// Nothing yet. Of messages of more than so many bytes, all together, the payloads stay in the
    /// store.
    pub fn within(bytes_max: usize) -> Self {
        let bytes_max = Some(bytes_max);
        let messages = Messages {
            bytes_max,
            ..Messages::default()
        };
        Self {
            messages,
            ..Self::default()
        }
    }

    /// A message that somebody needs.
    #[cfg(test)]
    pub(crate) fn message(&self, sequence: u64) -> Option<&Message> {
        self.messages.get(sequence)
    }

    /// Takes the next record.
    pub fn read(&mut self, record: &Record<'_>) {
        match record {
            Record::Session(head) => self.read_session(head),
            Record::Ended { session } => self.read_ended(session.as_u64()),
            Record::WillDue { session, will } => {
                let number = session.as_u64();
                let client_id = self.sessions.get(&number);
                let client_id = client_id.map_or("", |kept| &kept.client_id);
                let will = KeptWill::new(client_id, will);
                self.wills.insert((number, will.message.sequence()), will);
            }
            Record::Subscribed(subscribed) => self.read_subscribed(subscribed),
            Record::Unsubscribed { session, filter } => {
                if let Some(kept) = self.sessions.get_mut(&session.as_u64())
                    && let Ok(place) = kept.subscription(filter)
                {
                    kept.subscriptions.remove(place);
                }
            }
            Record::Publish(publish) => self.read_publish(publish),
            Record::Given { sequence, receiver } => self.read_given(*sequence, receiver),
            Record::Sent {
                session,
                sequence,
                send,
            } => self.with_session(*session, |kept, messages| {
                if let Some(entry) = kept.take(*send, *sequence, messages) {
                    kept.send(*send, *sequence, Some(entry), messages);
                }
            }),
            Record::Released { session, send } => self.with_session(*session, |kept, messages| {
                kept.send(*send, 0, None, messages);
            }),
            Record::Completed { session, send } => self.with_session(*session, |kept, messages| {
                if let Some(sending) = kept.in_flight.remove(send) {
                    sending.release(messages);
                }
            }),
            Record::Done { session, sequence } => self.read_done(*session, *sequence),
            Record::Freed { session, packet_id } => self.with_session(*session, |kept, _| {
                kept.received.remove(packet_id);
            }),
            Record::Page(page) => self.read_page(page),
            Record::NotRetained { sequence } => self.read_not_retained(*sequence),
            Record::RewriteBegun {
                next_session,
                next_sequence,
                ..
            } => {
                self.messages.is_rewriting = true;
                self.rewritings += 1;
                self.next_session = self.next_session.max(*next_session);
                self.next_sequence = self.next_sequence.max(*next_sequence);
            }
            Record::RewriteDone { .. } => {
                self.messages.is_rewriting = false;
                self.forget_unknown();
                self.messages.sweep();
            }
        }
    }

    /// What a broker would have again of the records that were read so far, as far as the time
    /// that passed takes nothing away.
    pub fn contents(&self) -> Recovered {
        let sessions = self.sessions.values().filter(|kept| kept.is_known);
        let mut contents = Recovered {
            retained: self.retained.values().filter(|(_, is_set)| *is_set).count(),
            wills: self.wills.len(),
            messages: self.waiting.len(),
            ..Recovered::default()
        };
        for kept in sessions {
            contents.sessions += 1;
            contents.subscriptions += kept.subscriptions.len();
            contents.messages += kept.queue.len() + kept.in_flight.len();
            contents.wills += usize::from(kept.will.is_some());
        }
        contents
    }

    /// Does something to a session; while everything is written again also to one that is still to
    /// come.
    fn with_session(
        &mut self,
        session: SessionNumber,
        what: impl FnOnce(&mut Kept, &mut Messages),
    ) {
        let number = session.as_u64();
        if self.messages.is_rewriting && session != SessionNumber::NONE {
            self.sessions.entry(number).or_default();
        }
        if let Some(kept) = self.sessions.get_mut(&number) {
            what(kept, &mut self.messages);
        }
    }

    /// Sessions that were named and did not come are none; what they have of shared subscriptions
    /// waits for those.
    fn forget_unknown(&mut self) {
        let unknown: Vec<_> = self
            .sessions
            .extract_if(.., |_, kept| !kept.is_known)
            .collect();
        for (number, mut kept) in unknown {
            for (sequence, entry) in kept.take_movable() {
                self.wait(sequence, entry, number);
            }
            kept.release(&mut self.messages);
        }
        self.with_unknown.clear();
    }

    /// Notes who has a message of a shared subscription. A session that nothing is known of had it until
    /// then, and nothing else says that it has not: what it has waits for the subscription once it is
    /// clear that it does not come.
    fn note_member(&mut self, key: &(u64, Box<str>), number: u64) {
        let before = self.with_unknown.remove(key);
        if let Some(before) = before.filter(|&before| before != number)
            && let Some(kept) = self.sessions.get_mut(&before)
            && !kept.is_known
            && kept.done(key.0)
        {
            self.messages.release(key.0);
        }
        if self
            .sessions
            .get(&number)
            .is_some_and(|kept| !kept.is_known)
        {
            self.with_unknown.insert(key.clone(), number);
        }
    }

    fn read_session(&mut self, head: &SessionRecord<'_>) {
        let number = head.session.as_u64();
        self.next_session = self.next_session.max(number + 1);
        let kept = self.sessions.entry(number).or_default();
        if head.is_whole {
            let mut before = std::mem::take(kept);
            if self.messages.is_rewriting {
                // What was appended since the rewriting began may not have reached the session when it
                // was written: it had to be durable first. The log has all that became of it.
                let is_new = |rewriting: u64| rewriting == self.rewritings;
                kept.queue = before
                    .queue
                    .extract_if(.., |_, it| is_new(it.rewriting))
                    .collect();
                kept.received = before
                    .received
                    .extract_if(.., |_, it| is_new(*it))
                    .collect();
            }
            before.release(&mut self.messages);
        }
        let will = head.will.as_ref();
        let will = will.map(|will| KeptWill::new(head.client_id, will));
        if let Some(will) = &will {
            self.next_sequence = self.next_sequence.max(will.message.sequence() + 1);
        }
        kept.is_known = true;
        kept.client_id = head.client_id.into();
        kept.is_connected = head.is_connected;
        kept.expiry_interval = head.expiry_interval;
        kept.disconnected_at = head.disconnected_at;
        kept.window = head.window;
        kept.will = will;
        kept.will_due = head.will_due;
    }

    fn read_ended(&mut self, number: u64) {
        let Some(mut kept) = self.sessions.remove(&number) else {
            return;
        };
        for (sequence, entry) in kept.take_movable() {
            self.wait(sequence, entry, 0);
        }
        kept.release(&mut self.messages);
    }

    /// A message waits for its shared subscription; it is claimed already.
    fn wait(&mut self, sequence: u64, entry: Entry, member: u64) {
        let Some(group) = entry.group.clone() else {
            return self.messages.release(sequence);
        };
        if self
            .waiting
            .insert((sequence, group), (entry, member))
            .is_some()
        {
            self.messages.release(sequence);
        }
    }

    fn read_subscribed(&mut self, subscribed: &SubscriptionRecord<'_>) {
        let Some(kept) = self.sessions.get_mut(&subscribed.session.as_u64()) else {
            return;
        };
        if let Some(as_of) = subscribed.retained_as_of {
            // What is published from now on is none of those messages.
            self.next_sequence = self.next_sequence.max(as_of + 1);
        }
        let subscription = KeptSubscription {
            options: subscribed.options,
            identifier: subscribed.identifier,
            retained: subscribed.retained_as_of.map(|as_of| (as_of, None)),
        };
        match kept.subscription(subscribed.filter) {
            Ok(place) => {
                if let Some((_, present)) = kept.subscriptions.get_mut(place) {
                    *present = subscription;
                }
            }
            Err(place) => {
                if kept.subscriptions.is_empty() {
                    kept.subscriptions.reserve_exact(1);
                }
                let filter = subscribed.filter.into();
                kept.subscriptions.insert(place, (filter, subscription));
            }
        }
    }

    fn read_publish(&mut self, publish: &PublishRecord<'_>) {
        if let Some((session, packet_id)) = publish.received {
            let rewriting = self.rewritings;
            self.with_session(session, |kept, _| {
                kept.received.insert(packet_id, rewriting);
            });
        }
        if let Some((session, number)) = publish.will_of {
            self.forget_will(session.as_u64(), number);
        }
        let Some(message) = publish.message else {
            return;
        };
        let sequence = message.sequence();
        self.next_sequence = self.next_sequence.max(sequence + 1);
        // Also a session that the store did not keep had its number: another one must not be taken for it
        // [MQTT-3.8.3-3].
        let publisher = message.publisher().as_u64();
        self.next_session = self.next_session.max(publisher + 1);
        self.messages.insert(message, publish.retains);
        if publish.retains {
            self.retain(message);
        }
        for receiver in publish.receivers {
            let entry = Entry::new(receiver, self.rewritings);
            let number = receiver.session.as_u64();
            let is_new = receiver.group.is_none();
            if is_new || self.sessions.contains_key(&number) {
                self.with_session(receiver.session, |kept, messages| {
                    kept.queue(sequence, entry, messages);
                });
                if let Some(group) = receiver.group {
                    self.note_member(&(sequence, group.into()), number);
                }
            } else if self.messages.claim(sequence) {
                self.wait(sequence, entry, number);
            }
        }
        // One without receivers is named by what follows.
        if !publish.receivers.is_empty() || publish.retains {
            self.messages.drop_unclaimed(sequence);
        }
    }

    fn forget_will(&mut self, session: u64, number: u64) {
        self.wills.remove(&(session, number));
        if let Some(kept) = self.sessions.get_mut(&session) {
            let is_it = |will: &KeptWill| will.message.sequence() == number;
            if kept.will.as_ref().is_some_and(is_it) {
                kept.will = None;
                kept.will_due = None;
            }
        }
    }

    fn retain(&mut self, message: &Message) {
        let sequence = message.sequence();
        let is_set = !message.payload().is_empty();
        let before = self.retained.get(message.topic_bytes()).copied();
        if before.is_some_and(|(present, _)| present >= sequence) {
            return;
        }
        if is_set {
            self.messages.claim(sequence);
        }
        if let Some((present, true)) = before {
            self.messages.replace(present);
        }
        self.retained
            .insert(message.topic_bytes().into(), (sequence, is_set));
    }

    fn read_not_retained(&mut self, sequence: u64) {
        let Some(message) = self.messages.get(sequence) else {
            return;
        };
        let topic = message.topic_bytes();
        if self.retained.get(topic) == Some(&(sequence, true)) {
            self.retained.remove(topic);
            self.messages.release(sequence);
        }
    }

    fn read_given(&mut self, sequence: u64, receiver: &Receiver<'_>) {
        let number = receiver.session.as_u64();
        let entry = Entry::new(receiver, self.rewritings);
        self.with_session(receiver.session, |kept, messages| {
            kept.queue(sequence, entry, messages);
        });
        let Some(group) = receiver.group else {
            return;
        };
        let key = (sequence, Box::from(group));
        self.note_member(&key, number);
        let is_somewhere_else = self.sessions.contains_key(&number) || number == 0;
        if is_somewhere_else {
            if self.waiting.remove(&key).is_some() {
                self.messages.release(sequence);
            }
        } else if let Some((_, member)) = self.waiting.get_mut(&key) {
            *member = number;
        }
    }

    fn read_done(&mut self, session: SessionNumber, sequence: u64) {
        let number = session.as_u64();
        let mut is_done = false;
        self.with_session(session, |kept, messages| {
            is_done = kept.is_known;
            if kept.done(sequence) {
                is_done = true;
                messages.release(sequence);
            }
        });
        if is_done {
            return;
        }
        let of_message = (sequence, Box::from(""))..(sequence + 1, Box::from(""));
        let mut waiting = self.waiting.range(of_message);
        let held = waiting.find(|(_, (_, member))| *member == number);
        if let Some((key, _)) = held {
            let key = key.clone();
            self.waiting.remove(&key);
            self.messages.release(sequence);
        }
    }

    fn read_page(&mut self, page: &PageRecord<'_>) {
        let Some(kept) = self.sessions.get_mut(&page.session.as_u64()) else {
            return;
        };
        let place = kept.subscription(page.filter).ok();
        if let Some((_, subscription)) = place.and_then(|place| kept.subscriptions.get_mut(place)) {
            let as_of = subscription.retained.take();
            subscription.retained = as_of
                .zip(page.next)
                .map(|((as_of, _), next)| (as_of, Some(next.into())));
        }
    }
}

impl Kept {
    /// Where the subscription to a filter is, or would be.
    fn subscription(&self, filter: &str) -> Result<usize, usize> {
        self.subscriptions
            .binary_search_by(|(present, _)| (**present).cmp(filter))
    }

    fn queue(&mut self, sequence: u64, entry: Entry, messages: &mut Messages) {
        if !self.queue.contains_key(&sequence) && messages.claim(sequence) {
            self.queue.insert(sequence, entry);
        }
    }

    /// What was sent, out of the queue. A message that was sent already can be sent once more, for
    /// another subscription or as a retained one, while the queue knows it once.
    fn take(&mut self, send: u64, sequence: u64, messages: &mut Messages) -> Option<Entry> {
        if let Some(entry) = self.queue.remove(&sequence) {
            return Some(entry);
        }
        if self.in_flight.contains_key(&send) {
            return None;
        }
        let mut in_flight = self.in_flight.values();
        let other = in_flight.find(|sending| sending.sequence == sequence)?;
        let entry = other.entry.clone()?;
        messages.claim(sequence).then_some(entry)
    }

    fn send(&mut self, send: u64, sequence: u64, entry: Option<Entry>, messages: &mut Messages) {
        let sending = Sending { sequence, entry };
        if let Some(before) = self.in_flight.insert(send, sending) {
            before.release(messages);
        }
    }

    /// Whether it has messages of shared subscriptions.
    fn has_shared(&self) -> bool {
        let sent = self.in_flight.values().filter_map(|it| it.entry.as_ref());
        self.queue.values().chain(sent).any(|it| it.group.is_some())
    }

    /// Removes a message that the session needs no more; false if it has none.
    fn done(&mut self, sequence: u64) -> bool {
        if self.queue.remove(&sequence).is_some() {
            return true;
        }
        let mut in_flight = self.in_flight.iter();
        let sent = in_flight
            .find(|(_, sending)| sending.sequence == sequence && sending.entry.is_some())
            .map(|(&send, _)| send);
        sent.is_some_and(|send| self.in_flight.remove(&send).is_some())
    }

    /// The messages of shared subscriptions that another member can be given: not those of QoS 2
    /// that were sent [MQTT-4.8.2-5].
    fn take_movable(&mut self) -> Vec<(u64, Entry)> {
        let mut movable = Vec::new();
        for (sequence, entry) in std::mem::take(&mut self.queue) {
            if entry.group.is_some() {
                movable.push((sequence, entry));
            } else {
                self.queue.insert(sequence, entry);
            }
        }
        for sending in self.in_flight.values_mut() {
            let is_movable = sending
                .entry
                .as_ref()
                .is_some_and(|entry| entry.group.is_some() && entry.qos == QoS::AtLeastOnce);
            if is_movable && let Some(entry) = sending.entry.take() {
                movable.push((sending.sequence, entry));
            }
        }
        movable
    }

    fn release(self, messages: &mut Messages) {
        for sequence in self.queue.into_keys() {
            messages.release(sequence);
        }
        for sending in self.in_flight.into_values() {
            sending.release(messages);
        }
    }
}

impl Sending {
    fn release(&self, messages: &mut Messages) {
        if self.entry.is_some() {
            messages.release(self.sequence);
        }
    }
}

impl KeptWill {
    fn new(client_id: &str, will: &WillRecord<'_>) -> Self {
        Self {
            client_id: client_id.into(),
            message: Message::clone(will.message),
            expiry_interval: will.expiry_interval,
            delay: will.delay,
            user_name: will.user_name.map(Into::into),
            address: will.address,
            own_rules: will.own_rules,
        }
    }
}

impl Entry {
    fn new(receiver: &Receiver<'_>, rewriting: u64) -> Self {
        Self {
            rewriting,
            qos: receiver.qos,
            retain: receiver.retain,
            identifiers: receiver.identifiers.into(),
            group: receiver.group.map(Into::into),
        }
    }
}
