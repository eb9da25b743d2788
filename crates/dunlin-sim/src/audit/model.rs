//! A broker as the standard describes it: which sessions, subscriptions and wills there are, from what
//! the broker took from its sockets and when. Slow and simple; it is what the real one is compared
//! with.

use std::collections::BTreeMap;

use dunlin_codec::{ProtocolVersion, QoS};

use super::facts::{Fate, Head, Life, Line, Session};
use super::subscription::{Cause, Subscription, subscribe};
use crate::node::TICK_MS;
use crate::schedule::{ConnectPlan, Schedule};
use crate::trace::{Answer, Event, Heard, Link, MessageId, Said, Trace};

/// A place in the trace.
pub(super) type Place = usize;

/// Until the broker notices that the disk has room again, beside what a sync takes, in ms.
const SLOW_DISK_MS: u64 = 200;

/// From when a timer is due to when a busy worker has looked, beside the time between two looks, in ms.
const SLOW_TICK_MS: u64 = 300;

/// The number of a session.
pub(super) type Number = usize;

/// What there was, and from when to when.
pub(super) struct Model<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) trace: &'a Trace,
    pub(super) sessions: Vec<Session>,
    pub(super) lines: Vec<Line>,
    pub(super) messages: Vec<Life>,
    /// The session that each client has now.
    present: Vec<Option<Number>>,
    /// The messages that each client has on their way, by packet identifier.
    sending: Vec<BTreeMap<u16, MessageId>>,
    /// What is known of each client's last CONNECT or end of a connection or session.
    heads: Vec<Head>,
    /// Wills of sessions that ended with the node, with the time that each is due.
    orphans: Vec<(usize, Link, u64)>,
    /// When the node stopped, each time.
    pub(super) stops: Vec<Place>,
    is_down: bool,
    /// The place that is looked at.
    place: Place,
}

impl<'a> Model<'a> {
    /// What a broker is to do with what it took.
    pub(super) fn new(schedule: &'a Schedule, trace: &'a Trace) -> Self {
        let clients = schedule.setup.clients.len() + 2;
        let line = |&client: &Option<usize>| {
            let setups = &schedule.setup.clients;
            let setup = client.and_then(|client| setups.get(client));
            Line {
                client,
                version: setup.map_or(ProtocolVersion::V5, |setup| setup.version),
                session: None,
                plan: None,
                is_present: false,
                ended: None,
                is_taken_over: false,
                has_disconnected: false,
                will: None,
                fate: Fate::None,
                decided: 0,
                cancelled: None,
            }
        };
        let mut model = Self {
            schedule,
            trace,
            sessions: Vec::new(),
            lines: trace.owners.iter().map(line).collect(),
            messages: vec![Life::default(); trace.messages.len()],
            present: vec![None; clients],
            sending: vec![BTreeMap::new(); clients],
            heads: vec![Head::default(); clients],
            orphans: Vec::new(),
            stops: Vec::new(),
            is_down: false,
            place: 0,
        };
        for place in 0..trace.entries.len() {
            model.place = place;
            model.expire();
            model.step();
        }
        let sessions = model.sessions.iter_mut();
        for subscription in sessions.flat_map(|session| &mut session.subscriptions) {
            if subscription.may_have_stayed() {
                subscription.revive();
            }
        }
        model
    }

    fn now_ms(&self) -> u64 {
        self.trace.entries[self.place].at_ms
    }

    /// By how much the clock of the node was set back since a place, in ms.
    pub(super) fn back_ms(&self, since: Place) -> u64 {
        let entries = self.trace.entries[since..].iter();
        let back = entries.filter_map(|entry| match entry.event {
            Event::Started { back_ms } => Some(back_ms),
            _ => None,
        });
        back.sum()
    }

    /// Whether the node stopped between two places.
    pub(super) fn stops_between(&self, from: Place, to: Place) -> bool {
        self.stops.iter().any(|stop| (from..to).contains(stop))
    }

    /// Whether the disk failed at some time up to now.
    pub(super) fn had_disk_fault(&self, now_ms: u64) -> bool {
        let mut faults = self.trace.disk_faults.iter();
        faults.any(|&(from_ms, _)| from_ms <= now_ms)
    }

    /// Whether something that nobody was told may not have been written down, since the disk was full.
    fn may_be_unwritten(&self, place: Place) -> bool {
        let at_ms = self.trace.entries.get(place).map_or(0, |entry| entry.at_ms);
        let mut faults = self.trace.disk_faults.iter();
        let slow_ms = SLOW_DISK_MS + self.schedule.setup.sync_ms.1;
        faults.any(|&(from_ms, to_ms)| from_ms <= at_ms && at_ms <= to_ms + slow_ms)
    }

    /// The time of a place.
    pub(super) fn ms(&self, place: Place) -> u64 {
        self.trace.entries[place].at_ms
    }

    fn step(&mut self) {
        let trace = self.trace;
        let entry = &trace.entries[self.place];
        let link = entry.link;
        match entry.event {
            Event::Stopped { safe } => return self.stop(safe),
            Event::Started { back_ms } => return self.start(back_ms),
            _ => {}
        }
        let Some(client) = self.lines[link.0].client else {
            return;
        };
        match &entry.event {
            Event::Sent(said) => {
                if let Said::Publish {
                    message, packet_id, ..
                } = **said
                {
                    let life = &mut self.messages[message.0];
                    life.sent = life.sent.or(Some(self.place));
                    life.link = life.link.or(Some(link));
                    self.sending[client].insert(packet_id, message);
                }
            }
            Event::Taken(said) => self.take(link, client, said),
            Event::Broke | Event::GivenUp => self.end_line(link, false),
            Event::Received { heard, .. } => self.hear(link, client, heard),
            Event::Opened(_) | Event::Ended | Event::Stopped { .. } | Event::Started { .. } => {}
        }
    }

    fn hear(&mut self, link: Link, client: usize, heard: &Heard) {
        let place = self.place;
        match heard {
            Heard::Connack { code, .. } => {
                let session = self.session_of(link);
                if session.is_some() && session == self.present[client] {
                    self.heads[client].is_known = !code.is_error();
                    self.heads[client].is_unsettled = code.is_error();
                    if let Some(session) = session.filter(|_| !code.is_error()) {
                        let state = &mut self.sessions[session];
                        state.is_confirmed = true;
                        // Its own record, or that of the session which it replaced, came behind.
                        let head = &mut self.heads[client];
                        if state.kept_since.is_some() || head.ended == Some(state.began) {
                            head.ended = None;
                        }
                    }
                }
            }
            Heard::Suback(packet_id, codes) => {
                self.answer_subscribe((link, *packet_id), |_| {
                    codes.iter().all(|it| !it.is_error())
                });
            }
            Heard::Unsuback(packet_id, code) => {
                self.answer_subscribe((link, *packet_id), |_| !code.is_error());
            }
            Heard::Ack(Answer::Puback | Answer::Pubrec, packet_id, code) => {
                if let Some(message) = self.sending[client].get(packet_id) {
                    let life = &mut self.messages[message.0];
                    life.answered = life.answered.or(Some(place));
                    if !code.is_error() && life.accepted.is_none() {
                        life.accepted = Some(place);
                        life.is_for_nobody =
                            *code == dunlin_codec::ReasonCode::NoMatchingSubscribers;
                    }
                }
            }
            Heard::Publish(copy) => {
                // A will is accepted when the witness has it.
                let witness = self.schedule.setup.clients.len();
                if let Some(message) = copy.message
                    && client == witness
                {
                    let life = &mut self.messages[message.0];
                    life.accepted = life.accepted.or(Some(place));
                    life.answered = life.accepted;
                }
            }
            _ => {}
        }
    }

    /// SUBACK or UNSUBACK: what it answers is there for certain, unless it was refused.
    fn answer_subscribe(&mut self, by: (Link, u16), is_done: impl Fn(&Subscription) -> bool) {
        let Some(session) = self.lines[by.0.0].session else {
            return;
        };
        for subscription in &mut self.sessions[session].subscriptions {
            if subscription.began_by == by {
                subscription.is_granted = is_done(subscription);
                subscription.is_vague |= !subscription.is_granted;
            }
            if subscription.ended_by == Some(by) {
                subscription.is_end_known = is_done(subscription);
                if !subscription.is_end_known {
                    subscription.revive();
                }
            }
        }
    }

    fn take(&mut self, link: Link, client: usize, said: &Said) {
        let place = self.place;
        match said {
            Said::Connect(plan, will) => self.take_connect(link, client, plan, *will),
            Said::Publish { message, .. } => self.messages[message.0].taken.push(place),
            Said::Subscribe {
                packet_id,
                identifier,
                requests,
            } => {
                if let Some(session) = self.session_of(link) {
                    let cause = Cause {
                        place,
                        by: (link, *packet_id),
                        is_doubtful: self.may_be_unwritten(place),
                    };
                    for request in requests {
                        let subscriptions = &mut self.sessions[session].subscriptions;
                        subscribe(subscriptions, request, *identifier, cause);
                    }
                }
            }
            Said::Unsubscribe { packet_id, filter } => {
                if let Some(session) = self.session_of(link) {
                    let is_doubtful = self.may_be_unwritten(place);
                    let subscriptions = &mut self.sessions[session].subscriptions;
                    for present in subscriptions {
                        if present.until.is_none() && present.request.filter == *filter {
                            present.until = Some(place);
                            present.ended_by = Some((link, *packet_id));
                            present.is_end_doubtful = is_doubtful;
                        }
                    }
                }
            }
            Said::Disconnect(plan) => {
                self.lines[link.0].has_disconnected = true;
                if let (Some(session), Some(seconds)) = (self.session_of(link), plan.expiry) {
                    self.sessions[session].expiry_ms = self.granted_ms(seconds);
                }
                self.end_line(link, !plan.with_will);
            }
            Said::Ack(..) | Said::Pingreq => {}
        }
    }

    /// The session that a connection has now.
    fn session_of(&self, link: Link) -> Option<Number> {
        let session = self.lines[link.0].session?;
        (self.sessions[session].link == Some(link)).then_some(session)
    }

    fn granted_ms(&self, seconds: u32) -> Option<u64> {
        let max = self.schedule.setup.settings.session.expiry_interval_max;
        let max = max.map(|max| max.as_secs() * 1000);
        let asked = (seconds < u32::MAX).then_some(u64::from(seconds) * 1000);
        asked.into_iter().chain(max).min()
    }

    fn take_connect(
        &mut self,
        link: Link,
        client: usize,
        plan: &ConnectPlan,
        will: Option<MessageId>,
    ) {
        let version = self.lines[link.0].version;
        let expiry_ms = match (version, plan.clean_start) {
            (ProtocolVersion::V5, _) => self.granted_ms(plan.expiry),
            (_, true) => Some(0),
            (_, false) => {
                let settings = &self.schedule.setup.settings.session;
                settings
                    .expiry_interval_3x
                    .map(|expiry| expiry.as_secs() * 1000)
            }
        };
        let mut found = self.present[client];
        let mut is_mixed = false;
        let was_unsettled = self.heads[client].is_unsettled;
        if was_unsettled && !plan.clean_start {
            // Only the broker knows, and what it says is believed.
            let told = self.told_present(link);
            is_mixed = told != Some(false);
            if let Some(session) = found.filter(|_| told == Some(false)) {
                self.end_doubted(session);
                found = None;
            }
            if let Some(session) = found {
                // If the broker's answer never came, nobody will know whether it was this one.
                let state = &mut self.sessions[session];
                state.is_mixed |= told.is_none() || !state.is_confirmed;
            }
        }
        if let Some(session) = found
            && self.told_present(link) == Some(true)
        {
            self.sessions[session].doubted = None;
        }
        let is_over = |session: Number| {
            // One that ends with its connection is not resumed while the broker has that still.
            plan.clean_start || self.sessions[session].expiry_ms == Some(0)
        };
        if let Some(session) = found.filter(|&session| is_over(session)) {
            self.end_doubted(session);
            found = None;
        }
        let is_unsettled = self.told_present(link).is_none() && self.may_be_refused();
        if is_unsettled {
            // Whether it cancelled a will, only the broker knows.
            self.open_fates(client);
        }
        self.cancel_orphans(client);
        let is_present = found.is_some() || is_mixed;
        let session = found.unwrap_or_else(|| {
            self.sessions.push(Session {
                client,
                ended: None,
                subscriptions: Vec::new(),
                links: Vec::new(),
                absences: Vec::new(),
                link: None,
                left: self.place,
                left_ms: 0,
                expiry_ms,
                kept_since: None,
                will: None,
                is_mixed,
                was_served: false,
                may_have_stayed: false,
                is_confirmed: false,
                // One that may not have been there has no end that the broker waits for.
                began: if was_unsettled {
                    Place::MAX
                } else {
                    self.place
                },
                doubted: None,
                is_set_back: false,
            });
            self.sessions.len() - 1
        });
        self.present[client] = Some(session);
        if found.is_some() {
            self.resume(session);
        }
        self.heads[client] = Head {
            changed: self.place,
            is_known: false,
            is_unsettled,
            ended: self.heads[client].ended,
        };
        let state = &mut self.sessions[session];
        state.link = Some(link);
        state.links.push(link);
        state.expiry_ms = expiry_ms;
        state.is_set_back = false;
        if expiry_ms != Some(0) && state.kept_since.is_none() {
            state.kept_since = Some(self.place);
        }
        let line = &mut self.lines[link.0];
        line.session = Some(session);
        line.plan = Some(plan.clone());
        line.is_present = is_present;
        line.will = will;
        if is_unsettled {
            line.fate = Fate::Open;
            let doubted = &mut self.sessions[session].doubted;
            *doubted = doubted.or(Some(self.place));
        }
    }

    /// Ends a session that the broker says it does not have: for all that one knows it went when the
    /// node stopped.
    fn end_doubted(&mut self, session: Number) {
        self.end_session(session);
        // Its subscriptions may have been there up to now: another member of a shared one may get what
        // it was given.
        let state = &mut self.sessions[session];
        state.ended = state.doubted.or(state.ended);
    }

    /// What CONNACK says of Session Present; `None` if it never came, or refused the connection.
    fn told_present(&self, link: Link) -> Option<bool> {
        let entries = self.trace.entries[self.place..].iter();
        let mut heard = entries.filter(|entry| entry.link == link);
        heard.find_map(|entry| match entry.event {
            Event::Received {
                heard:
                    Heard::Connack {
                        session_present,
                        code,
                        ..
                    },
                ..
            } => Some((!code.is_error()).then_some(session_present)),
            _ => None,
        })?
    }

    /// Whether the disk failed, so that a connection may have been refused.
    fn may_be_refused(&self) -> bool {
        self.may_be_unwritten(self.place)
    }

    /// A connection goes on with a session: wills of an earlier one that wait are not published.
    fn resume(&mut self, session: Number) {
        let (place, now_ms) = (self.place, self.now_ms());
        let state = &mut self.sessions[session];
        if let Some(other) = state.link.take() {
            let line = &mut self.lines[other.0];
            line.is_taken_over = true;
            line.ended = Some(place);
            if self.will_delay_ms(other) == Some(0) {
                self.decide(other, now_ms);
            }
        } else {
            state.absences.push((state.left, place));
            if let Some((waiting, _)) = state.will.take() {
                self.lines[waiting.0].cancelled = Some(place);
            }
        }
    }

    /// The Will Delay Interval of a connection that has a will.
    fn will_delay_ms(&self, link: Link) -> Option<u64> {
        let line = &self.lines[link.0];
        line.will?;
        let will = line.plan.as_ref()?.will?;
        let seconds = if line.version.is_v5() { will.delay } else { 0 };
        let max = self.schedule.setup.settings.will_delay_max;
        let asked = u64::from(seconds) * 1000;
        Some(max.map_or(asked, |max| asked.min(max.as_secs() * 1000)))
    }

    /// The node stops; what it did before a place is safe, and what clients were told of.
    fn stop(&mut self, safe: Place) {
        let place = self.place;
        self.stops.push(place);
        self.is_down = true;
        for client in 0..self.heads.len() {
            let head = self.heads[client];
            let is_end_lost = head.ended.is_some_and(|ended| {
                // No timer may have looked so far.
                ended >= safe || self.ms(ended) + TICK_MS + SLOW_TICK_MS > self.now_ms()
            });
            let is_lost = head.changed >= safe || self.may_be_unwritten(head.changed);
            self.heads[client].is_unsettled |= is_end_lost || is_lost && !head.is_known;
            if is_end_lost {
                let mut sessions = self.sessions.iter_mut().rev();
                let of_client = |it: &&mut Session| {
                    it.client == client && it.ended.is_some() && it.kept_since.is_some()
                };
                if let Some(session) = sessions.find(of_client) {
                    session.may_have_stayed = true;
                }
            }
        }
        for line in 0..self.lines.len() {
            let Line { decided, fate, .. } = self.lines[line];
            let is_settled = decided < safe && !self.may_be_unwritten(decided);
            if fate != Fate::None && !is_settled {
                self.lines[line].fate = Fate::Open;
            }
        }
        for number in 0..self.sessions.len() {
            let state = &mut self.sessions[number];
            for subscription in &mut state.subscriptions {
                subscription.settle(safe);
            }
            if state.ended.is_some() {
                continue;
            }
            let is_unsettled = self.heads[state.client].is_unsettled;
            state.was_served = state.link.is_some();
            if is_unsettled {
                state.doubted = state.doubted.or(Some(place));
            }
            if let Some((link, _)) = state.will.filter(|_| is_unsettled) {
                self.lines[link.0].fate = Fate::Open;
                state.will = None;
            }
            let Some(link) = state.link.take() else {
                continue;
            };
            state.left = place;
            let line = &mut self.lines[link.0];
            line.ended = line.ended.or(Some(place));
            if is_unsettled {
                line.fate = Fate::Open;
            }
        }
        // A will of an earlier connection may not have been cancelled for good.
        for line in 0..self.lines.len() {
            let Some(client) = self.lines[line].client else {
                continue;
            };
            let Line {
                ended, cancelled, ..
            } = self.lines[line];
            let mut ends = ended.into_iter().chain(cancelled);
            let is_lost = ends.any(|at| at >= safe || self.may_be_unwritten(at));
            if self.heads[client].is_unsettled && is_lost {
                self.lines[line].fate = Fate::Open;
            }
        }
    }

    /// The node starts again, with a clock that is so much older. Whoever was connected was so until
    /// now.
    fn start(&mut self, back_ms: u64) {
        self.is_down = false;
        let place = self.place;
        let now_ms = self.now_ms();
        let grace_ms = self.schedule.setup.settings.will_grace.as_millis();
        let grace_ms = u64::try_from(grace_ms).unwrap_or(u64::MAX);
        for place in 0..self.orphans.len() {
            let link = self.orphans[place].1;
            let delay_ms = self.will_delay_ms(link).unwrap_or_default();
            self.orphans[place].2 = now_ms + delay_ms.max(grace_ms);
        }
        for number in 0..self.sessions.len() {
            if self.sessions[number].ended.is_some() {
                continue;
            }
            let link = self.sessions[number].links.last().copied();
            let patience_ms = link.and_then(|link| self.will_delay_ms(link));
            let patience_ms = patience_ms.map(|delay| delay.max(grace_ms));
            let is_open = link.is_some_and(|link| self.lines[link.0].fate == Fate::Open);
            let state = &mut self.sessions[number];
            if !std::mem::take(&mut state.was_served) {
                state.is_set_back |= back_ms > 0;
                state.left_ms = (state.left_ms + back_ms).min(now_ms);
                if let (Some((_, due_ms)), Some(patience_ms)) = (&mut state.will, patience_ms) {
                    *due_ms = (*due_ms + back_ms).min(now_ms + patience_ms);
                }
                continue;
            }
            state.left_ms = now_ms;
            // That it was so until now is written down when it has started, and not at once.
            let head = &mut self.heads[state.client];
            head.changed = place + 1;
            head.is_known = false;
            let will = link.zip(patience_ms).filter(|_| !is_open);
            let will = will.map(|(link, patience_ms)| (link, now_ms + patience_ms));
            if state.expiry_ms == Some(0) {
                // It ended with its connection. The will waits all the same.
                let client = state.client;
                self.orphans
                    .extend(will.map(|(link, due_ms)| (client, link, due_ms)));
                self.end_session(number);
            } else {
                state.will = will;
            }
        }
    }

    /// Nobody knows what becomes of the wills that wait, and of that of the present connection.
    fn open_fates(&mut self, client: usize) {
        let orphans = self.orphans.iter().filter(|&&(of, ..)| of == client);
        let mut links: Vec<_> = orphans.map(|&(_, link, _)| link).collect();
        if let Some(session) = self.present[client] {
            let state = &mut self.sessions[session];
            links.extend(state.will.take().map(|(link, _)| link));
            links.extend(state.link);
        }
        for link in links {
            self.lines[link.0].fate = Fate::Open;
        }
    }

    /// Its client is back in time.
    fn cancel_orphans(&mut self, client: usize) {
        for (_, link, _) in self.orphans.extract_if(.., |&mut (of, ..)| of == client) {
            self.lines[link.0].cancelled = Some(self.place);
        }
    }

    /// The broker is done with a connection.
    fn end_line(&mut self, link: Link, discards_will: bool) {
        let (place, now_ms) = (self.place, self.now_ms());
        let line = &mut self.lines[link.0];
        line.ended = line.ended.or(Some(place));
        let Some(session) = self.session_of(link) else {
            return;
        };
        let state = &mut self.sessions[session];
        state.link = None;
        state.left = place;
        state.left_ms = now_ms;
        let head = &mut self.heads[state.client];
        head.changed = place;
        head.is_known = false;
        if let Some(delay_ms) = self.will_delay_ms(link).filter(|_| !discards_will) {
            let state = &mut self.sessions[session];
            let expiry_ms = state.expiry_ms.unwrap_or(u64::MAX);
            if delay_ms == 0 || expiry_ms == 0 {
                self.decide(link, now_ms);
            } else {
                state.will = Some((link, now_ms + delay_ms));
            }
        }
        if self.sessions[session].expiry_ms == Some(0) {
            self.end_session(session);
        }
    }

    /// The will of a connection is due.
    fn decide(&mut self, link: Link, due_ms: u64) {
        let line = &mut self.lines[link.0];
        if line.fate != Fate::Open {
            line.fate = Fate::Due(due_ms);
            line.decided = self.place;
        }
    }

    fn end_session(&mut self, session: Number) {
        let (place, now_ms) = (self.place, self.now_ms());
        let state = &mut self.sessions[session];
        let expired_ms = state.expires_ms().filter(|&at| at <= now_ms);
        state.ended = Some(place);
        for subscription in &mut state.subscriptions {
            subscription.until = subscription.until.or(Some(place));
        }
        let client = state.client;
        let is_kept = state.kept_since.is_some();
        if self.present[client] == Some(session) {
            let head = &mut self.heads[client];
            head.changed = place;
            head.is_known = false;
            if is_kept {
                head.ended = Some(place);
            }
        }
        let (will, link) = (state.will.take(), state.link.take());
        if let Some((link, due_ms)) = will {
            let at_ms = due_ms.min(expired_ms.unwrap_or(now_ms));
            self.decide(link, at_ms);
        }
        if let Some(link) = link {
            let line = &mut self.lines[link.0];
            line.is_taken_over = true;
            line.ended = Some(place);
            if line.will.is_some() {
                self.decide(link, now_ms);
            }
        }
        if self.present[client] == Some(session) {
            self.present[client] = None;
        }
    }

    /// Ends the sessions whose time is over, and notes which wills are due.
    fn expire(&mut self) {
        let now_ms = self.now_ms();
        // A node that is down does nothing.
        if self.is_down {
            return;
        }
        let (due, waiting) = self
            .orphans
            .drain(..)
            .partition(|&(_, _, due_ms)| due_ms <= now_ms);
        self.orphans = waiting;
        let due: Vec<(usize, Link, u64)> = due;
        for (_, link, due_ms) in due {
            self.decide(link, due_ms);
        }
        for session in 0..self.sessions.len() {
            let state = &mut self.sessions[session];
            if state.ended.is_some() || self.heads[state.client].is_unsettled {
                continue;
            }
            let expires_ms = state.expires_ms();
            let due_ms = state.will.map(|(_, due_ms)| due_ms);
            let is_due = expires_ms.into_iter().chain(due_ms).any(|at| at <= now_ms);
            if state.is_set_back && is_due {
                // From now on only the broker knows.
                state.doubted = state.doubted.or(Some(self.place));
                if let Some((link, _)) = state.will.take() {
                    self.lines[link.0].fate = Fate::Open;
                }
                self.heads[state.client].is_unsettled = true;
                continue;
            }
            if let Some((link, due_ms)) = state.will
                && due_ms <= now_ms
                && expires_ms.is_none_or(|at| at >= due_ms)
            {
                state.will = None;
                self.decide(link, due_ms);
            }
            if expires_ms.is_some_and(|at| at <= now_ms) {
                self.end_session(session);
            }
        }
    }

    /// The session whose client published a message.
    pub(super) fn publisher(&self, message: MessageId) -> Option<Number> {
        self.lines[self.messages[message.0].link?.0].session
    }

    /// When a Will Message could be published first: when its connection had ended.
    pub(super) fn begins(&self, message: MessageId) -> Option<Place> {
        if !self.trace.messages[message.0].is_will {
            return self.messages[message.0].begins();
        }
        let line = self.lines.iter().find(|line| line.will == Some(message));
        line?.ended
    }
}

/// The lower of two.
pub(super) fn lower(one: QoS, other: QoS) -> QoS {
    one.min(other)
}
