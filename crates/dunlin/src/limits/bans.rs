//! Who is kept out: a file that people write, and one that the broker writes.
//!
//! ```toml
//! [[ban]]
//! address = "203.0.113.0/24"     # or client = "sensor-*", or user = "ada"
//! until = 2026-12-31T00:00:00Z   # for ever without it
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use arc_swap::ArcSwap;
use dunlin_core::access::{NamePattern, Network};
use parking_lot::Mutex;
use serde::Deserialize;
use toml::value::{Datetime, Offset};
use tracing::{error, info};

use super::{Subject, unix_seconds};
use crate::files::{Reload, WatchedFile};

const FILE_BYTES_MAX: u64 = 16 << 20;

/// Bans of one file, at most.
const BANS_MAX: usize = 10_000;

/// Both files.
pub(crate) struct Bans {
    /// What people wrote.
    listed: ArcSwap<Vec<Ban>>,
    file: Option<Mutex<WatchedFile>>,
    /// Client identifiers that the broker banned, and until when.
    own: Mutex<Own>,
    own_path: Option<PathBuf>,
}

#[derive(Default)]
struct Own {
    clients: BTreeMap<String, u64>,
    /// Whether the file is behind.
    is_unwritten: bool,
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ban {
    whom: Whom,
    /// In seconds since the Unix epoch.
    until: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Whom {
    Client(NamePattern),
    User(NamePattern),
    Address(Network),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    ban: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    client: Option<String>,
    user: Option<String>,
    address: Option<String>,
    until: Option<Datetime>,
}

impl Bans {
    /// Reads the files; the broker's own may not be there yet.
    pub(super) fn open(file: Option<PathBuf>, own: Option<PathBuf>) -> Result<Self, String> {
        let mut file = file.map(WatchedFile::new);
        let listed = match &mut file {
            Some(file) => read(file)?,
            None => Vec::new(),
        };
        let mut clients = BTreeMap::new();
        if let Some(path) = own.as_deref().filter(|path| path.exists()) {
            for ban in read(&mut WatchedFile::new(path.into()))? {
                if let Whom::Client(name) = &ban.whom {
                    clients.insert(name.as_str().to_owned(), ban.until);
                }
            }
        }
        Ok(Self {
            listed: ArcSwap::from_pointee(listed),
            file: file.map(Mutex::new),
            own: Mutex::new(Own {
                clients,
                is_unwritten: false,
            }),
            own_path: own,
        })
    }

    /// Whether one of them is for this client now.
    pub(super) fn is_banned(&self, who: Subject<'_>, now: u64) -> bool {
        let own = self.own.lock();
        let is_own = own
            .clients
            .get(who.client_id)
            .is_some_and(|&until| until > now);
        drop(own);
        is_own
            || self
                .listed
                .load()
                .iter()
                .any(|ban| ban.until > now && ban.is_for(who))
    }

    /// Bans a client.
    pub(super) fn ban(&self, client_id: &str, until: u64) {
        let mut own = self.own.lock();
        let now = unix_seconds();
        own.clients.retain(|_, until| *until > now);
        if own.clients.len() < BANS_MAX {
            own.clients.insert(client_id.to_owned(), until);
            own.is_unwritten = true;
        }
    }

    /// Writes the broker's own bans down, if there are others than before.
    fn write_own(&self) {
        let Some(path) = &self.own_path else {
            return;
        };
        let text = {
            let mut own = self.own.lock();
            if !std::mem::take(&mut own.is_unwritten) {
                return;
            }
            written(&own.clients)
        };
        if let Err(error) = replace(path, &text) {
            error!("{}: cannot be written: {error}", path.display());
        }
    }
}

impl Ban {
    fn is_for(&self, who: Subject<'_>) -> bool {
        match &self.whom {
            Whom::Client(name) => name.matches(who.client_id),
            Whom::User(name) => who.user_name.is_some_and(|user| name.matches(user)),
            Whom::Address(network) => who.address.is_some_and(|own| network.contains(own)),
        }
    }
}

fn read(file: &mut WatchedFile) -> Result<Vec<Ban>, String> {
    let text = file.read(FILE_BYTES_MAX, false);
    let path = file.path().display();
    let text = text.map_err(|what| format!("{path}: {what}"))?;
    parse(&text).map_err(|what| format!("{path}: {what}"))
}

fn parse(text: &str) -> Result<Vec<Ban>, String> {
    let document: Document = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or_default();
        format!(
            "line {}: {}",
            before.matches('\n').count() + 1,
            error.message()
        )
    })?;
    if document.ban.len() > BANS_MAX {
        return Err(format!("more than {BANS_MAX} bans"));
    }
    let bans = (1_usize..).zip(document.ban);
    bans.map(|(number, table)| table.ban().map_err(|what| format!("ban {number}: {what}")))
        .collect()
}

impl Table {
    fn ban(self) -> Result<Ban, String> {
        let whom = match (self.client, self.user, self.address) {
            (Some(name), None, None) => Whom::Client(NamePattern::new(&name)),
            (None, Some(name), None) => Whom::User(NamePattern::new(&name)),
            (None, None, Some(text)) => {
                let network = Network::parse(&text);
                let what = || format!("address = {text:?}: expected a network or an address");
                Whom::Address(network.ok_or_else(what)?)
            }
            _ => return Err("expected one of client, user and address".to_owned()),
        };
        let until = match self.until {
            None => u64::MAX,
            Some(until) => seconds_of(until)
                .ok_or_else(|| format!("until = {until}: expected such as 2030-01-31T00:00:00Z"))?,
        };
        Ok(Ban { whom, until })
    }
}

/// Seconds since the Unix epoch of a time with its offset; `None` without one, or before the epoch.
fn seconds_of(time: Datetime) -> Option<u64> {
    let (date, clock) = (time.date?, time.time?);
    let offset = match time.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes) * 60,
    };
    let days = days_since_epoch(
        i64::from(date.year),
        i64::from(date.month),
        i64::from(date.day),
    );
    let seconds = i64::from(clock.hour) * 3600
        + i64::from(clock.minute) * 60
        + i64::from(clock.second.unwrap_or(0));
    u64::try_from(days * 86_400 + seconds - offset).ok()
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, whose years begin in March here, so that
/// the day of a leap year is the last.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A time as RFC 3339 writes it.
fn rfc3339(seconds: u64) -> String {
    let days = i64::try_from(seconds / 86_400).unwrap_or(i64::MAX);
    // A year is never longer, so this one is the right one or the one before.
    let mut year = 1970 + days / 366;
    while days_since_epoch(year + 1, 1, 1) <= days {
        year += 1;
    }
    let in_month = |month| days_since_epoch(year, month, 1) <= days;
    let month = (1..=12).rev().find(|&month| in_month(month)).unwrap_or(1);
    let day = days - days_since_epoch(year, month, 1) + 1;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn written(clients: &BTreeMap<String, u64>) -> String {
    let mut text =
        "# Clients that the broker banned by itself; it writes this file anew.\n".to_owned();
    for (client, until) in clients {
        let client = toml::Value::String(client.clone());
        // Writing to a text does not fail.
        let _ = write!(
            text,
            "\n[[ban]]\nclient = {client}\nuntil = {}\n",
            rfc3339(*until)
        );
    }
    text
}

/// Puts a text in the place of a file, at once.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

impl Reload for Bans {
    fn reload(&self, is_forced: bool) -> bool {
        self.write_own();
        let Some(file) = &self.file else {
            return false;
        };
        let mut file = file.lock();
        if !is_forced && !file.has_changed() {
            return false;
        }
        match read(&mut file) {
            Ok(bans) => {
                info!("{}: {} bans", file.path().display(), bans.len());
                self.listed.store(bans.into());
                true
            }
            Err(what) => {
                error!("{what}; the bans that held before stay");
                false
            }
        }
    }
}

impl Drop for Bans {
    fn drop(&mut self) {
        self.write_own();
    }
}

#[cfg(test)]
mod tests;
