//! Topic Names and Topic Filters (section 4.7) and Shared Subscriptions (section 4.8.2).
//!
//! A topic is validated when one of these types is made; no other code looks at raw topic text.

use std::fmt;

use crate::DecodeError;
use crate::error::Malformed;

/// Why a text is not a topic name or not a topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Not a topic name.
    #[error("topic name {0}")]
    Name(&'static str),
    /// Not a topic filter.
    #[error("topic filter {0}")]
    Filter(&'static str),
}

/// A Topic Name: what a message is published to. It has no wildcards [MQTT-3.3.2-2].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// The empty name of a PUBLISH that carries a topic alias instead.
    pub const EMPTY: TopicName<'static> = TopicName("");

    /// Checks a text by section 4.7.3: one character at least, no `+` or `#`, no U+0000, 65 535
    /// bytes at most.
    ///
    /// # Errors
    /// [`TopicError::Name`] says which rule is broken.
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() {
            return Err(TopicError::Name("is empty"));
        }
        if bytes.len() > usize::from(u16::MAX) {
            return Err(TopicError::Name("is longer than 65535 bytes"));
        }
        if holds_reserved(bytes) {
            return Err(TopicError::Name("holds +, # or U+0000"));
        }
        Ok(Self(text))
    }

    /// Checks bytes by section 4.7.3 and as a UTF-8 Encoded String (section 1.5.4).
    pub(crate) fn from_bytes(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Utf8)?;
        Ok(Self::parse(text).map_err(Malformed::Topic)?)
    }

    /// A text that was a topic name before and is not looked at again: what is stored of one.
    pub fn from_checked(text: &'a str) -> Self {
        debug_assert!(text.is_empty() || Self::parse(text).is_ok());
        Self(text)
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// True only for [`TopicName::EMPTY`].
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The levels between the slashes; there is one at least.
    pub fn levels(self) -> std::str::Split<'a, char> {
        self.0.split('/')
    }

    /// True where wildcards at the first level do not match [MQTT-4.7.2-1].
    pub fn is_dollar(self) -> bool {
        self.0.starts_with('$')
    }
}

/// Whether a byte is `+`, `#` or 0. Eight are looked at together.
fn holds_reserved(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    // Not 0 exactly if one of the bytes is.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let found = |chunk: &[u8; 8]| {
        let word = u64::from_le_bytes(*chunk);
        let plus = word ^ (ONES * u64::from(b'+'));
        let hash = word ^ (ONES * u64::from(b'#'));
        zeros(word) | zeros(plus) | zeros(hash)
    };
    let (chunks, rest) = bytes.as_chunks::<8>();
    match bytes.last_chunk::<8>() {
        // The last eight may have been seen in part.
        Some(last) => {
            chunks
                .iter()
                .fold(found(last), |all, chunk| all | found(chunk))
                != 0
        }
        None => rest.iter().any(|byte| matches!(byte, b'+' | b'#' | 0)),
    }
}

impl fmt::Debug for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A Topic Filter: what a subscription asks for; `+` and `#` stand where section 4.7.1 allows.
///
/// The text may be that of a shared subscription: see [`TopicFilter::share`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(&'a str);

/// The parts of a shared subscription's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share<'a> {
    /// The ShareName of `$share/{name}/{filter}`; `None` for `$queue/{filter}`.
    pub name: Option<&'a str>,
    /// The filter that messages are matched against.
    pub filter: TopicFilter<'a>,
}

impl<'a> TopicFilter<'a> {
    /// Checks a text by sections 4.7.1 and 4.7.3. Whether a `$share/…` text is whole is asked of
    /// [`TopicFilter::share`], since the standard answers that in SUBACK.
    ///
    /// # Errors
    /// [`TopicError::Filter`] says which rule is broken.
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() {
            return Err(TopicError::Filter("is empty"));
        }
        if bytes.len() > usize::from(u16::MAX) {
            return Err(TopicError::Filter("is longer than 65535 bytes"));
        }
        let mut before = b'/';
        for (index, &byte) in bytes.iter().enumerate() {
            let after = bytes.get(index + 1).copied();
            match byte {
                0 => return Err(TopicError::Filter("holds U+0000")),
                b'#' if before != b'/' || after.is_some() => {
                    return Err(TopicError::Filter(
                        "has # elsewhere than as its whole last level",
                    ));
                }
                b'+' if before != b'/' || after.is_some_and(|next| next != b'/') => {
                    return Err(TopicError::Filter(
                        "has + beside other characters of a level",
                    ));
                }
                _ => {}
            }
            before = byte;
        }
        Ok(Self(text))
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The levels between the slashes; there is one at least.
    pub fn levels(self) -> std::str::Split<'a, char> {
        self.0.split('/')
    }

    /// True if a `+` or `#` stands in it.
    pub fn has_wildcard(self) -> bool {
        self.0.bytes().any(|byte| matches!(byte, b'+' | b'#'))
    }

    /// The parts of `$share/{name}/{filter}` and `$queue/{filter}`; `None` for other filters.
    ///
    /// # Errors
    /// [`TopicError::Filter`] if the text begins like a shared subscription and is not one: an empty
    /// ShareName, a wildcard in it, or no filter after it [MQTT-4.8.2-1] [MQTT-4.8.2-2].
    pub fn share(self) -> Result<Option<Share<'a>>, TopicError> {
        let (first, rest) = match self.0.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (self.0, None),
        };
        let (name, filter) = match (first, rest) {
            ("$share", Some(rest)) => match rest.split_once('/') {
                Some((name, filter)) => (Some(name), filter),
                None => {
                    return Err(TopicError::Filter(
                        "of a shared subscription has no filter after its name",
                    ));
                }
            },
            ("$queue", Some(rest)) => (None, rest),
            ("$share" | "$queue", None) => {
                return Err(TopicError::Filter("of a shared subscription has no filter"));
            }
            _ => return Ok(None),
        };
        if name.is_some_and(|name| name.is_empty() || name.contains(['+', '#'])) {
            return Err(TopicError::Filter(
                "has a share name that is empty or holds + or #",
            ));
        }
        if filter.is_empty() {
            return Err(TopicError::Filter(
                "of a shared subscription has no filter after its name",
            ));
        }
        Ok(Some(Share {
            name,
            filter: TopicFilter(filter),
        }))
    }

    /// Whether a message published to `name` is one that this filter asks for (section 4.7). The
    /// filter is matched as it stands: for a shared subscription, ask its inner filter.
    pub fn matches(self, name: TopicName<'_>) -> bool {
        if name.is_dollar() && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = name.levels();
        for wanted in self.levels() {
            if wanted == "#" {
                return true;
            }
            match levels.next() {
                Some(level) if wanted == "+" || wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

impl fmt::Debug for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
