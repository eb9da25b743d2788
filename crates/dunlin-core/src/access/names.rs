//! For whom a rule is: users, clients and networks.

use std::net::IpAddr;

use crate::router::pattern_matches;

/// A name in which `*` stands for any text, also for none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamePattern {
    text: Box<str>,
    has_wildcards: bool,
}

impl NamePattern {
    /// A pattern.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            has_wildcards: text.contains('*'),
        }
    }

    /// A name in which `*` is a character like others.
    pub fn literal(text: &str) -> Self {
        Self {
            text: text.into(),
            has_wildcards: false,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name, if it stands for one only.
    pub(super) fn exact(&self) -> Option<&str> {
        (!self.has_wildcards).then_some(&*self.text)
    }

    /// Whether this is one of the names it stands for.
    pub fn matches(&self, name: &str) -> bool {
        if self.has_wildcards {
            pattern_matches(&self.text, name)
        } else {
            *self.text == *name
        }
    }
}

/// Which User Names a rule is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Users {
    /// All, and clients without one.
    #[default]
    All,
    /// Clients without a User Name.
    Anonymous,
    /// These.
    Named(Vec<NamePattern>),
}

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of this address whose first `prefix` bits count; `None` if an address has fewer.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// Reads `10.0.0.0/8`, `fd00::/8` or a lone address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self::new(address, prefix.unwrap_or(bits))
    }

    /// Whether the address is in it; an IPv4 address in an IPv6 one is taken for what it is.
    pub fn contains(self, address: IpAddr) -> bool {
        let shift = |bits: u8| u32::from(bits - self.prefix);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = u32::from(own) ^ u32::from(other);
                differ.checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = u128::from(own) ^ u128::from(other);
                differ.checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}
