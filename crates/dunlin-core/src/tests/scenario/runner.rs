//! Runs a script, line by line.

use std::collections::{BTreeMap, VecDeque};

use dunlin_codec::ProtocolVersion;

use super::build::{Defaults, build, raw, reason_code, version};
use super::print::print;
use super::settings::{duration, set};
use super::token::{Token, tokens};
use crate::id::ConnectionId;
use crate::settings::Settings;
use crate::tests::harness::{Commits, Denied, World};
use crate::time::Time;

type Result<T> = std::result::Result<T, String>;

/// Runs a script in all its versions; the error begins with the number of the line.
pub(super) fn run(text: &str) -> Result<()> {
    let versions = text
        .lines()
        .find_map(|line| line.strip_prefix("for "))
        .ok_or("1: no line says which versions it is for")?;
    for name in versions.split_whitespace() {
        let version = version(name).ok_or_else(|| format!("1: no version {name}"))?;
        let usual = Settings::default();
        run_in(text, version, usual).map_err(|failure| format!("{failure} [{name}]"))?;
        // Nothing changes where payloads of absent clients are never kept in memory.
        run_in(text, version, without_memory())
            .map_err(|failure| format!("{failure} [{name}, payloads in the store]"))?;
    }
    Ok(())
}

fn without_memory() -> Settings {
    let mut settings = Settings::default();
    settings.session.queues_memory_bytes_max = 0;
    settings.session.stored_payload_bytes_min = 1;
    settings
}

fn run_in(text: &str, version: ProtocolVersion, settings: Settings) -> Result<()> {
    let mut runner = Runner {
        version,
        settings,
        has_store: false,
        world: None,
        peers: BTreeMap::new(),
        bound: BTreeMap::new(),
    };
    let mut count = 0;
    for (index, line) in text.lines().enumerate() {
        count = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("for ") {
            continue;
        }
        let line = for_version(line, version).map_err(|error| format!("{count}: {error}"))?;
        let run = runner.line(line.trim());
        run.map_err(|failure| format!("{count}: {}: {failure}", line.trim()))?;
    }
    runner
        .check_quiet()
        .map_err(|failure| format!("{count}: at the end: {failure}"))
}

/// The line with the parts in braces that are for this version.
fn for_version(line: &str, version: ProtocolVersion) -> Result<String> {
    let mut kept = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("{v") {
        let (part, after) = after.split_once('}').ok_or("a { is not closed")?;
        let (name, part) = part.split_once(' ').unwrap_or((part, ""));
        kept.push_str(before);
        let is_meant = match name {
            "3" => !version.is_v5(),
            "3.1" => version == ProtocolVersion::V31,
            "3.1.1" => version == ProtocolVersion::V311,
            "5" => version.is_v5(),
            _ => return Err(format!("no version v{name}")),
        };
        if is_meant {
            kept.push_str(part);
        }
        rest = after;
    }
    kept.push_str(rest);
    Ok(kept)
}

/// One client of a script.
#[derive(Default)]
struct Peer {
    connection: Option<ConnectionId>,
    version: Option<ProtocolVersion>,
    /// Packets that came and that no line has taken.
    came: VecDeque<Vec<Token>>,
    /// Whether the script knows that the connection is closed.
    may_be_closed: bool,
}

struct Runner {
    version: ProtocolVersion,
    settings: Settings,
    has_store: bool,
    world: Option<World>,
    peers: BTreeMap<String, Peer>,
    /// What `<name>` stands for.
    bound: BTreeMap<String, String>,
}

impl Runner {
    fn world(&mut self) -> &mut World {
        let settings = &self.settings;
        let has_store = self.has_store;
        self.world.get_or_insert_with(|| {
            if has_store {
                World::with_store(settings.clone(), 0x5eed)
            } else {
                World::new(settings.clone(), 0x5eed)
            }
        })
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let line = self
            .bound
            .iter()
            .fold(line.to_owned(), |line, (name, value)| {
                line.replace(name, value)
            });
        if line.is_empty() {
            return Ok(());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match (word, word.strip_prefix('+')) {
            (_, Some(time)) => {
                self.check_quiet()?;
                let time = duration(time)?;
                self.world().pass(time);
                return Ok(());
            }
            ("set", _) => {
                if self.world.is_some() {
                    return Err("settings stand before everything that happens".to_owned());
                }
                let (path, value) = rest.split_once(" = ").ok_or("no value")?;
                return set(&mut self.settings, path, value);
            }
            ("deny" | "allow", _) => return self.access(word == "deny", rest),
            ("user", _) => {
                let (name, password) = rest.split_once(' ').ok_or("no password")?;
                let users = &mut self.world().authenticator.users;
                users.insert(name.to_owned(), password.as_bytes().to_vec());
                return Ok(());
            }
            ("refuse", _) => {
                let (client_id, code) = rest.split_once(' ').ok_or("no code")?;
                let code = reason_code(code)?;
                let refused = &mut self.world().authenticator.refused;
                refused.insert(client_id.to_owned(), code);
                return Ok(());
            }
            ("commits", _) => return self.commits(rest),
            ("store", _) => {
                self.has_store = true;
                return Ok(());
            }
            ("restart", _) => {
                self.check_quiet()?;
                self.peers
                    .values_mut()
                    .for_each(|peer| peer.may_be_closed = true);
                let world = self.world();
                if let Some(ahead) = rest.strip_prefix('+') {
                    world.now = world.now.after(duration(ahead)?);
                } else if let Some(back) = rest.strip_prefix('-') {
                    let back = u64::try_from(duration(back)?.as_millis()).unwrap();
                    world.now = Time::from_millis(world.now.as_millis() - back);
                }
                world.restart();
                return Ok(());
            }
            ("late", _) => {
                self.check_quiet()?;
                let time = duration(rest)?;
                self.world().pass_unnoticed(time);
                return Ok(());
            }
            ("rewrite", _) if rest == "begun" => {
                self.world().begin_rewrite();
                return Ok(());
            }
            ("rewrite", _) => {
                self.world().rewrite();
                return Ok(());
            }
            ("?", _) => return self.figure(rest),
            _ => {}
        }
        let mark = word
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '|'))
            .ok_or("no such line")?;
        let (name, action) = word.split_at(mark);
        match action {
            ">" => self.send(name, rest).map(drop),
            "=" => {
                for answer in self.send(name, rest)? {
                    self.expect(name, answer)?;
                }
                Ok(())
            }
            "<" if name.contains('|') => self.expect_either(name, tokens(rest)?),
            "<" => self.expect(name, tokens(rest)?),
            "<~" => self.expect_somewhere(name, &tokens(rest)?),
            "!" => self.check_state(name, rest),
            ":" => self.network(name, rest),
            _ => Err("no such line".to_owned()),
        }
    }

    fn access(&mut self, is_denied: bool, rest: &str) -> Result<()> {
        let words = tokens(rest)?;
        let (Some(Token::Word(action)), Some(Token::Word(filter))) = (words.first(), words.get(1))
        else {
            return Err("publish or subscribe, and a filter".to_owned());
        };
        let client_id = match words.get(2) {
            Some(Token::Pair(key, client_id)) if key == "client" => Some(client_id.clone()),
            None => None,
            Some(other) => return Err(format!("{other} does not belong here")),
        };
        let rule = Denied {
            is_publish: action == "publish",
            filter: filter.clone(),
            client_id,
        };
        let access = &self.world().access;
        if is_denied {
            access.deny(rule);
        } else {
            access.allow(&rule);
        }
        self.world().tell_access_change();
        Ok(())
    }

    fn commits(&mut self, what: &str) -> Result<()> {
        self.check_quiet()?;
        let world = self.world();
        match what {
            "held" => world.set_commits(Commits::Held),
            "full" => world.set_commits(Commits::Full),
            "failing" => world.set_commits(Commits::Failing),
            "unreadable" => world.set_commits(Commits::Unreadable),
            "at-once" => world.set_commits(Commits::AtOnce),
            "released" => world.release_commits(),
            "released backwards" => world.release_commits_backwards(),
            _ => return Err(format!("commits are not {what}")),
        }
        Ok(())
    }

    fn figure(&mut self, what: &str) -> Result<()> {
        let (name, expected) = what.split_once(' ').ok_or("no number")?;
        let world = self.world();
        let stats = world.stats();
        let count = |count: usize| u64::try_from(count).unwrap();
        let figure = match name {
            "sessions" => count(world.broker.session_count()),
            "subscriptions" => count(world.broker.subscription_count()),
            "retained" => count(world.broker.retained_count()),
            "dropped_queue_full" => stats.dropped_queue_full,
            "dropped_expired" => stats.dropped_expired,
            "dropped_too_large" => stats.dropped_too_large,
            "dropped_no_member" => stats.dropped_no_member,
            "dropped_denied" => stats.dropped_denied,
            "dropped_unreadable" => stats.dropped_unreadable,
            "refused" => stats.refused,
            "stored_payloads" => {
                let sessions = world.broker.sessions.all();
                let queues = sessions.iter();
                count(
                    queues
                        .map(|session| session.lock().queue.stored_payloads())
                        .sum(),
                )
            }
            _ => return Err(format!("no figure {name}")),
        };
        if figure.to_string() == expected {
            Ok(())
        } else {
            Err(format!("it is {figure}"))
        }
    }

    /// Sends packets, and gives the usual answers to them.
    fn send(&mut self, name: &str, line: &str) -> Result<Vec<Vec<Token>>> {
        self.check_quiet()?;
        self.open_if_closed(name);
        let mut bytes = Vec::new();
        let mut answers = Vec::new();
        let mut is_disconnect = false;
        for part in line.split(" ; ") {
            if let Some(text) = part.strip_prefix("RAW ") {
                bytes.extend(raw(text)?);
                continue;
            }
            let mut words = tokens(part)?;
            if let Some(Token::Word(word)) = words.get(1)
                && let Some(version) = version(word)
            {
                words.remove(1);
                self.peer(name).version = Some(version);
            }
            let defaults = Defaults {
                version: self.peer(name).version.unwrap_or(self.version),
                client_id: name.to_owned(),
            };
            let (packet, usual) = build(&words, &defaults)?;
            bytes.extend(packet);
            answers.extend(usual);
            is_disconnect |= part.starts_with("DISCONNECT");
        }
        let peer = self.peer(name);
        peer.may_be_closed |= is_disconnect;
        let id = peer.connection.ok_or("it has no connection")?;
        let is_closed = {
            let world = self.world();
            world.receive(id, &bytes);
            world.peer(id).is_closed()
        };
        if is_disconnect && !is_closed {
            return Err("the connection is open after DISCONNECT".to_owned());
        }
        Ok(answers)
    }

    fn peer(&mut self, name: &str) -> &mut Peer {
        self.peers.entry(name.to_owned()).or_default()
    }

    fn open_if_closed(&mut self, name: &str) {
        let present = self.peer(name).connection;
        let is_open = present.is_some_and(|id| !self.world().peer(id).is_closed());
        if !is_open {
            let id = self.world().open();
            *self.peer(name) = Peer {
                connection: Some(id),
                ..Peer::default()
            };
        }
    }

    /// Takes what came for all clients.
    fn collect(&mut self) -> Result<()> {
        let Some(world) = &mut self.world else {
            return Ok(());
        };
        for (name, peer) in &mut self.peers {
            let Some(id) = peer.connection else { continue };
            let end = world.peer(id);
            loop {
                let next = end.next_packet(|packet, _| print(packet));
                match next.map_err(|rule| format!("the broker sends {name} {rule}"))? {
                    Some(packet) => peer.came.push_back(packet),
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Fails if something came that no line took.
    fn check_quiet(&mut self) -> Result<()> {
        self.collect()?;
        let Some(world) = &mut self.world else {
            return Ok(());
        };
        for (name, peer) in &self.peers {
            if let Some(packet) = peer.came.front() {
                return Err(format!("before this, {name} got {}", text(packet)));
            }
            let Some(id) = peer.connection else { continue };
            let end = world.peer(id);
            if end.is_closed() && !peer.may_be_closed {
                let reason = end.connection.close_reason();
                let reason = reason.map_or_else(String::new, |reason| reason.to_string());
                return Err(format!("before this, {name} was closed: {reason}"));
            }
        }
        Ok(())
    }

    fn expect(&mut self, name: &str, expected: Vec<Token>) -> Result<()> {
        self.collect()?;
        let expected = self.complete(name, expected);
        let Some(came) = self.peer(name).came.pop_front() else {
            return Err(format!("{name} got nothing"));
        };
        if matches(&expected, &came) {
            self.bind(&expected, &came);
            Ok(())
        } else {
            Err(format!("{name} got {}", text(&came)))
        }
    }

    /// Notes the values for which the expectation has names.
    fn bind(&mut self, expected: &[Token], came: &[Token]) {
        for token in expected {
            let Token::Pair(key, name) = token else {
                continue;
            };
            let value = came.iter().find_map(|token| match token {
                Token::Pair(present, value) if present == key => Some(value),
                _ => None,
            });
            if is_name(name)
                && let Some(value) = value
            {
                self.bound.insert(name.clone(), value.clone());
            }
        }
    }

    fn expect_somewhere(&mut self, name: &str, expected: &[Token]) -> Result<()> {
        self.collect()?;
        let came = &mut self.peer(name).came;
        match came.iter().position(|came| matches(expected, came)) {
            Some(position) => {
                came.remove(position);
                Ok(())
            }
            None => {
                let all: Vec<_> = came.iter().map(|came| text(came)).collect();
                Err(format!("{name} got {all:?}"))
            }
        }
    }

    fn expect_either(&mut self, names: &str, expected: Vec<Token>) -> Result<()> {
        self.collect()?;
        let mut all = Vec::new();
        for name in names.split('|') {
            let came = &mut self.peer(name).came;
            match came.front() {
                Some(packet) if matches(&expected, packet) => {
                    came.pop_front();
                    return Ok(());
                }
                Some(packet) => all.push(format!("{name} got {}", text(packet))),
                None => all.push(format!("{name} got nothing")),
            }
        }
        Err(all.join(", "))
    }

    /// Adds to the CONNACK of an expectation what every CONNACK of this broker announces.
    fn complete(&mut self, name: &str, mut expected: Vec<Token>) -> Vec<Token> {
        let peer = self.peer(name).version.unwrap_or(self.version);
        let is_connack = expected.first() == Some(&Token::Word("CONNACK".to_owned()));
        let has = |expected: &[Token], key: &str| {
            expected
                .iter()
                .any(|token| matches!(token, Token::Pair(present, _) if present == key))
        };
        if is_connack && peer.is_v5() && !has(&expected, "code") {
            let mqtt = &self.settings.mqtt;
            let receive = Some(mqtt.receive_maximum).filter(|&max| max < u16::MAX);
            let aliases = Some(mqtt.topic_alias_maximum).filter(|&max| max > 0);
            let limits = [
                ("receive_maximum", receive.map(u32::from)),
                ("topic_alias_maximum", aliases.map(u32::from)),
                ("maximum_packet_size", Some(mqtt.packet_bytes_max)),
            ];
            for (key, limit) in limits {
                if let Some(limit) = limit
                    && !has(&expected, key)
                {
                    expected.push(Token::pair(key, limit));
                }
            }
        }
        expected.retain(|token| !matches!(token, Token::Pair(_, value) if value == "none"));
        expected
    }

    fn check_state(&mut self, name: &str, state: &str) -> Result<()> {
        self.collect()?;
        let (state, reason) = state.split_once(' ').unwrap_or((state, ""));
        let Some(id) = self.peer(name).connection else {
            return Err("it has no connection".to_owned());
        };
        if state == "closed" {
            self.peer(name).may_be_closed = true;
        }
        let end = self.world().peer(id);
        let actual = if end.is_closed() { "closed" } else { "open" };
        let close_reason = end.connection.close_reason();
        let close_reason = close_reason.map_or_else(String::new, |reason| reason.to_string());
        if actual != state || !close_reason.contains(reason.trim_matches('"')) {
            return Err(format!("it is {actual} {close_reason}"));
        }
        match self.peer(name).came.front() {
            Some(packet) => Err(format!("before this, {name} got {}", text(packet))),
            None => Ok(()),
        }
    }

    fn network(&mut self, name: &str, what: &str) -> Result<()> {
        self.check_quiet()?;
        if what == "opens" {
            self.open_if_closed(name);
            return Ok(());
        }
        let id = self.peer(name).connection.ok_or("it has no connection")?;
        match what.split_once(' ').unwrap_or((what, "")) {
            ("lost", "") => {
                self.peer(name).may_be_closed = true;
                self.world().lose(id);
            }
            ("stalls", "") => self.world().set_stalled(id, true),
            ("reads", "") => self.world().set_stalled(id, false),
            ("lags", "") => self.world().set_lagging(id, true),
            ("catches", "up") => self.world().set_lagging(id, false),
            ("ended", code) => {
                let code = reason_code(code)?;
                self.world().end(id, code);
            }
            _ => return Err(format!("a connection does not {what}")),
        }
        Ok(())
    }
}

/// Whether a value is a name, `<id>`, for whatever comes.
fn is_name(value: &str) -> bool {
    value.len() > 2 && value.starts_with('<') && value.ends_with('>')
}

fn text(packet: &[Token]) -> String {
    let words: Vec<_> = packet.iter().map(Token::to_string).collect();
    words.join(" ")
}

/// Words have to agree in their order, pairs as a set; `*` stands for any value.
fn matches(expected: &[Token], came: &[Token]) -> bool {
    let agrees =
        |expected: &str, came: &str| expected == "*" || is_name(expected) || expected == came;
    let words = |tokens: &[Token]| -> Vec<String> {
        tokens
            .iter()
            .filter_map(|token| match token {
                Token::Word(word) => Some(word.clone()),
                Token::Pair(..) => None,
            })
            .collect()
    };
    let pairs = |tokens: &[Token]| -> BTreeMap<String, String> {
        tokens
            .iter()
            .filter_map(|token| match token {
                Token::Word(_) => None,
                Token::Pair(key, value) => Some((key.clone(), value.clone())),
            })
            .collect()
    };
    let (expected_words, words) = (words(expected), words(came));
    let (mut expected_pairs, pairs) = (pairs(expected), pairs(came));
    let answers = ["SUBACK", "UNSUBACK"];
    if words
        .first()
        .is_some_and(|name| answers.contains(&name.as_str()))
        && expected_pairs.get("id").is_some_and(|id| id == "1")
    {
        expected_pairs.remove("id");
    }
    expected_words.len() == words.len()
        && expected_words
            .iter()
            .zip(&words)
            .all(|(expected, came)| agrees(expected, came))
        && expected_pairs.len() == pairs.len()
        && expected_pairs
            .iter()
            .all(|(key, expected)| pairs.get(key).is_some_and(|came| agrees(expected, came)))
}
