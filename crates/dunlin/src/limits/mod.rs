//! What keeps clients from taking more than their share: bans, flapping, rates and memory.

pub(crate) mod bans;
mod flapping;
pub(crate) mod memory;
pub(crate) mod rate;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use dunlin_core::time::Time;
use tracing::warn;

use crate::config::{LimitsConfig, StoreConfig};
use crate::files::Reload;
use bans::Bans;
use flapping::Flapping;
use memory::Memory;
use rate::{AddressRates, ClientRates};

/// The file of the broker's own bans, in the directory of the store.
const OWN_BANS: &str = "bans.toml";

/// The limits of one broker.
pub(crate) struct Limits {
    /// `None` if nobody can be banned.
    bans: Option<Arc<Bans>>,
    flapping: Option<Flapping>,
    addresses: Option<AddressRates>,
    /// Those of their connections that begin with a handshake.
    handshakes: Option<AddressRates>,
    /// What each client may send.
    pub(crate) clients: ClientRates,
    pub(crate) memory: Memory,
}

/// Who is asked about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) user_name: Option<&'a str>,
    pub(crate) address: Option<IpAddr>,
}

impl Limits {
    /// Reads the bans.
    pub(crate) fn start(config: &LimitsConfig, store: &StoreConfig) -> Result<Self, String> {
        let flapping = Flapping::new(config);
        let own = match store {
            StoreConfig::Directory(directory) if flapping.is_some() => {
                Some(directory.join(OWN_BANS))
            }
            _ => None,
        };
        let needs_bans = flapping.is_some() || config.ban_file.is_some();
        let bans = needs_bans.then(|| Bans::open(config.ban_file.clone(), own));
        Ok(Self {
            bans: bans.transpose()?.map(Arc::new),
            flapping,
            addresses: AddressRates::new(config.address_connections_max),
            handshakes: AddressRates::new(config.address_handshakes_max),
            clients: ClientRates::new(config),
            memory: Memory::new(config.memory_bytes_max),
        })
    }

    /// What is read again when its files change.
    pub(crate) fn sources(&self) -> Vec<Arc<dyn Reload>> {
        self.bans.iter().map(|bans| Arc::clone(bans) as _).collect()
    }

    /// Whether a connection from this address may begin.
    ///
    /// # Errors
    /// The option whose limit is reached.
    pub(crate) fn admit(
        &self,
        address: IpAddr,
        has_handshake: bool,
        now: Time,
    ) -> Result<(), &'static str> {
        let admits = |rates: &Option<AddressRates>| {
            let rates = rates.as_ref();
            rates.is_none_or(|rates| rates.admits(address, now))
        };
        if !admits(&self.addresses) {
            Err("limits.address_connections_max")
        } else if has_handshake && !admits(&self.handshakes) {
            Err("limits.address_handshakes_max")
        } else {
            Ok(())
        }
    }

    /// Whether it is banned.
    pub(crate) fn is_banned(&self, who: Subject<'_>) -> bool {
        let bans = self.bans.as_ref();
        bans.is_some_and(|bans| bans.is_banned(who, unix_seconds()))
    }

    /// A client was let in. One that comes too often is banned; true if this one is from now on.
    pub(crate) fn note_connect(&self, client_id: &str, now: Time) -> bool {
        let (Some(flapping), Some(bans)) = (&self.flapping, &self.bans) else {
            return false;
        };
        if client_id.is_empty() || !flapping.is_one_too_many(client_id, now) {
            return false;
        }
        let banned_for = flapping.ban();
        let until = unix_seconds().saturating_add(banned_for.as_secs());
        warn!(
            client = ?client_id,
            "connects too often and is banned for {} s",
            banned_for.as_secs()
        );
        bans.ban(client_id, until);
        true
    }

    /// Whether somebody can be banned at all.
    pub(crate) const fn has_bans(&self) -> bool {
        self.bans.is_some()
    }
}

fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
