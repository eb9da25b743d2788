//! Sessions, subscriptions and messages from what was read.

use std::time::Duration;

use dunlin_codec::{QoS, TopicFilter};

use super::{Entry, Kept, KeptSubscription, KeptWill, Messages, Recovery};
use crate::broker::{Broker, OwedWill, message_record};
use crate::id::{ClientIdentifier, SessionNumber};
use crate::router::{Grant, Identifiers};
use crate::session::delivery::Delivery;
use crate::session::in_flight::{InFlight, Progress};
use crate::session::retained_cursor::RetainedCursor;
use crate::session::subscriptions::Subscription;
use crate::session::will::Will;
use crate::session::{Session, SessionRef, SessionState};
use crate::storage::{Receiver, Record, WillRecord};
use crate::time::Time;
use crate::worker::Occasion;

/// What a broker has again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Sessions.
    pub sessions: usize,
    /// Their subscriptions.
    pub subscriptions: usize,
    /// Messages that wait in sessions or are on their way to clients; one that waits for several
    /// counts for each.
    pub messages: usize,
    /// Retained messages.
    pub retained: usize,
    /// Wills that are published now or soon.
    pub wills: usize,
}

impl Broker {
    /// Makes a broker without sessions what the records say. Wills whose time has come are published
    /// like those of [`Broker::handle_timeout`].
    ///
    /// Clients that were connected are taken to have been until now; their wills wait for their Will
    /// Delay Interval, and at least for [`Settings::will_grace`](crate::settings::Settings).
    pub fn recover(&self, context: &mut Occasion<'_>, mut recovery: Recovery) -> Recovered {
        self.raise_numbers(recovery.next_session, recovery.next_sequence);
        recovery.messages.is_rewriting = false;
        recovery.forget_unknown();
        let mut recovered = Recovered {
            wills: recovery.wills.len(),
            ..Recovered::default()
        };
        self.restore_retained(context.now, &mut recovery);
        recovered.retained = self.retained_count();
        let mut unfinished = Vec::new();
        // Of two sessions of one client the later one counts.
        while let Some((number, mut kept)) = recovery.sessions.pop_last() {
            if is_over(&kept) {
                for (sequence, entry) in kept.take_movable() {
                    self.note_moved(number, sequence, &entry, &recovery.messages);
                    recovery.wait(sequence, entry, 0);
                }
            }
            let messages = &recovery.messages;
            let left = self.restore_session(context.now, number, kept, messages, &mut recovered);
            unfinished.extend(left);
        }
        for (session, kept) in unfinished {
            let mut state = session.lock();
            self.restore_messages(&session, &mut state, &kept, &recovery.messages);
            recovered.messages += state.queue.len() + state.in_flight.len();
            session.publish_load(&state);
        }
        for ((session, _), will) in std::mem::take(&mut recovery.wills) {
            let owed = OwedWill {
                session: Some(SessionNumber::from_u64(session)),
                will: Box::new(will.restore()),
                outstanding: self.outstanding(),
            };
            self.publish_will(context, owed);
        }
        for ((sequence, group), _) in std::mem::take(&mut recovery.waiting) {
            let filter = TopicFilter::parse(&group).ok();
            let present = filter.and_then(|filter| self.group(filter));
            match (present, recovery.messages.get(sequence)) {
                (Some(group), Some(message)) if !message.is_expired(context.now) => {
                    if let Some(message) = self.with_payload(message) {
                        self.give_to_group(context.worker, &message, &group, true);
                    }
                }
                _ => self.note_nobody(&group, sequence),
            }
        }
        recovered
    }

    /// Notes that a session which is over has a message of a shared subscription no more, and that it
    /// waits for that subscription: in one piece, lest it be lost or come twice after another stop.
    fn note_moved(&self, session: u64, sequence: u64, entry: &Entry, messages: &Messages) {
        let message = messages.get(sequence).and_then(|it| self.with_payload(it));
        let receiver = Receiver {
            session: SessionNumber::NONE,
            qos: entry.qos,
            retain: entry.retain,
            identifiers: &entry.identifiers,
            group: entry.group.as_deref(),
        };
        let session = SessionNumber::from_u64(session);
        let done = Record::Done { session, sequence };
        let waits = message.as_ref().map(|message| {
            let receivers = std::slice::from_ref(&receiver);
            Record::Publish(message_record(message, false, receivers))
        });
        self.note(&[waits.as_slice(), &[done]].concat());
    }

    fn restore_retained(&self, now: Time, recovery: &mut Recovery) {
        let retained = std::mem::take(&mut recovery.retained);
        let mut sequences: Vec<_> = retained
            .into_values()
            .filter_map(|(sequence, is_set)| is_set.then_some(sequence))
            .collect();
        sequences.sort_unstable();
        let mut retained = self.retained.write();
        for sequence in sequences {
            if let Some(message) = recovery.messages.get(sequence)
                && !message.is_expired(now)
            {
                // Limits that are lower now than they were hold from now on.
                let _ = retained.set(message.clone(), (sequence, sequence));
            }
        }
    }

    /// Makes a session again; gives it back if it has messages of shared subscriptions, since these are
    /// there only when the sessions of all members are.
    fn restore_session(
        &self,
        now: Time,
        number: u64,
        mut kept: Kept,
        messages: &Messages,
        recovered: &mut Recovered,
    ) -> Option<(SessionRef, Kept)> {
        let number = SessionNumber::from_u64(number);
        let client_id = ClientIdentifier::from(&*kept.client_id);
        let session = Session::new(number, client_id);
        let is_in = self.sessions.insert(&session);
        if !matches!(is_in, Ok(None)) {
            self.note(&[Record::Ended { session: number }]);
            return None;
        }
        let mut state = session.lock();
        state.is_recorded = true;
        let is_over = is_over(&kept);
        session.set_kept(&mut state, !is_over);
        self.restore_head(now, &session, &mut state, &kept);
        recovered.sessions += 1;
        recovered.wills += usize::from(state.will.is_some() && state.will_due.is_some());
        let is_unfinished = !is_over && kept.has_shared();
        if !is_over && !is_unfinished {
            self.restore_messages(&session, &mut state, &kept, messages);
            recovered.messages += state.queue.len() + state.in_flight.len();
        }
        let due = state.next_due();
        session.publish_load(&state);
        drop(state);
        if !is_over {
            let subscriptions = std::mem::take(&mut kept.subscriptions);
            recovered.subscriptions += subscriptions.len();
            self.restore_subscriptions(&session, subscriptions);
        }
        if let Some(at) = due {
            self.set_timer(at, &session);
        }
        is_unfinished.then_some((session, kept))
    }

    fn restore_head(&self, now: Time, session: &SessionRef, state: &mut SessionState, kept: &Kept) {
        let grace = self.settings().will_grace;
        let will = kept.will.as_ref();
        let patience = will.map_or(Duration::ZERO, |will| will.delay.max(grace));
        state.will = will.map(|will| Box::new(will.restore()));
        state.is_ghost = is_over(kept);
        // A clock that was set back makes nothing later than it can be.
        state.disconnected_at = match kept.disconnected_at {
            Some(at) if !kept.is_connected => Some(at.min(now)),
            _ => Some(now),
        };
        state.will_due = match kept.will_due {
            _ if will.is_none() => None,
            Some(at) if !kept.is_connected => Some(at.min(now.after(patience))),
            _ => Some(now.after(patience)),
        };
        state.expiry_interval = if state.is_ghost {
            Some(patience)
        } else {
            kept.expiry_interval
        };
        if kept.is_connected && !state.is_ghost {
            self.note(&[Record::Session(Self::head(session, state))]);
        }
    }

    fn restore_messages(
        &self,
        session: &SessionRef,
        state: &mut SessionState,
        kept: &Kept,
        messages: &Messages,
    ) {
        for &packet_id in kept.received.keys() {
            state.received.insert(packet_id);
        }
        for (&send, sending) in &kept.in_flight {
            let progress = match &sending.entry {
                None => Progress::Released { is_kept: true },
                Some(entry) => match self.delivery(sending.sequence, entry, messages) {
                    Some(delivery) => Progress::Published(delivery),
                    None => continue,
                },
            };
            state.in_flight.restore(InFlight {
                sequence: send,
                progress,
                is_unwritten: false,
                is_unsent: false,
            });
        }
        // Of those of QoS 1 nobody knows which were sent.
        let window = usize::try_from(kept.window).unwrap_or(usize::MAX);
        let mut stored = None;
        for (&sequence, entry) in &kept.queue {
            let Some(delivery) = self.delivery(sequence, entry, messages) else {
                continue;
            };
            let may_be_sent = kept.is_connected && state.in_flight.len() < window;
            if may_be_sent && entry.qos == QoS::AtLeastOnce {
                state.in_flight.push(delivery);
            } else {
                state.enqueue(self, delivery, &mut stored);
            }
        }
        self.note_discarded(session, state);
        if kept.is_connected {
            self.note_sent(session.number(), state);
        }
    }

    fn delivery(&self, sequence: u64, entry: &Entry, messages: &Messages) -> Option<Delivery> {
        let filter = entry.group.as_deref();
        let filter = filter.and_then(|filter| TopicFilter::parse(filter).ok());
        let message = messages.get(sequence)?.clone();
        let identifiers = Identifiers::from_slice(&entry.identifiers);
        let delivery = Delivery::new(message, entry.qos, entry.retain, &identifiers).kept(true);
        let group = filter.and_then(|filter| self.group(filter));
        Some(match group {
            Some(group) => delivery.for_group(group),
            None => delivery,
        })
    }

    fn restore_subscriptions(
        &self,
        session: &SessionRef,
        subscriptions: Vec<(Box<str>, KeptSubscription)>,
    ) {
        for (text, kept) in subscriptions {
            let Ok(filter) = TopicFilter::parse(&text) else {
                continue;
            };
            let options = kept.options;
            let qos = options.qos.min(self.settings().mqtt.qos_max);
            let grant = Grant {
                qos,
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
                identifier: kept.identifier,
            };
            let subscription = Subscription {
                options,
                identifier: kept.identifier,
            };
            {
                let mut state = session.lock();
                state.subscriptions.insert(&text, subscription);
                if let Some((as_of, after)) = kept.retained {
                    state.retained.push(RetainedCursor {
                        filter: text.clone(),
                        after,
                        as_of,
                        qos,
                        no_local: options.no_local,
                        identifier: kept.identifier,
                    });
                }
            }
            self.subscribe(filter, session, grant);
        }
    }
}

/// Whether a session ended with the connection that it had when the broker stopped.
fn is_over(kept: &Kept) -> bool {
    kept.is_connected && kept.expiry_interval == Some(Duration::ZERO)
}

impl KeptWill {
    fn restore(&self) -> Will {
        let record = WillRecord {
            message: &self.message,
            expiry_interval: self.expiry_interval,
            delay: self.delay,
            user_name: self.user_name.as_deref(),
            address: self.address,
            own_rules: self.own_rules,
        };
        Will::from_record(&record, ClientIdentifier::from(&*self.client_id))
    }
}
