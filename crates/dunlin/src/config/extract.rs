//! From settings, which are checked, to the types of `Config`.

use std::path::PathBuf;
use std::time::Duration;

use dunlin_codec::QoS;

use super::bind::Bind;
use super::filter::{SharePattern, TopicFilterBuf};
use super::value::{Settings, Value};
use super::words::{
    CertificateName, ClientCertificate, DeniedPublish, Durability, LogFormat, LogLevel, Permission,
    QueuePolicy, RetainedPolicy, Revoked, RuleAction, RuleRetain, ShareStrategy, TlsVersion,
};

/// A type that the value of an option can become.
pub(super) trait FromValue: Sized {
    /// `None` only if the record of the option has a kind, or a range, that does not fit.
    fn from_value(value: &Value) -> Option<Self>;
}

/// The value of this option, or of this key in a table.
pub(super) fn take<T: FromValue>(settings: &Settings, path: &str) -> T {
    settings
        .get(path)
        .and_then(|setting| T::from_value(&setting.value))
        .expect("each option has a default, and a kind that fits the field it fills")
}

/// The value of an option in seconds.
pub(super) fn seconds(settings: &Settings, path: &str) -> Duration {
    Duration::from_secs(take(settings, path))
}

/// The value of an option in seconds, one number of which stands for "none".
pub(super) fn seconds_unless(settings: &Settings, path: &str, none: u64) -> Option<Duration> {
    Some(take(settings, path))
        .filter(|number| *number != none)
        .map(Duration::from_secs)
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

macro_rules! integers {
    ($($integer:ty),+) => {$(
        impl FromValue for $integer {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::Integer(number) | Value::Mode(number) => Self::try_from(*number).ok(),
                    _ => None,
                }
            }
        }
    )+};
}

integers!(u8, u16, u32, u64, usize);

impl FromValue for QoS {
    fn from_value(value: &Value) -> Option<Self> {
        Self::from_u8(u8::from_value(value)?)
    }
}

macro_rules! words {
    ($($name:ty),+) => {$(
        impl FromValue for $name {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::Word(word) => Self::from_word(word),
                    _ => None,
                }
            }
        }

        /// `None` for a word that says that something else decides.
        impl FromValue for Option<$name> {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::Word(word) => Some(<$name>::from_word(word)),
                    _ => None,
                }
            }
        }
    )+};
}

words!(
    Durability,
    QueuePolicy,
    RetainedPolicy,
    ShareStrategy,
    Permission,
    RuleAction,
    RuleRetain,
    DeniedPublish,
    Revoked,
    ClientCertificate,
    CertificateName,
    TlsVersion,
    LogLevel,
    LogFormat
);

impl FromValue for PathBuf {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Path(path) => Some(path.into()),
            _ => None,
        }
    }
}

/// `None` for an empty path.
impl FromValue for Option<PathBuf> {
    fn from_value(value: &Value) -> Option<Self> {
        let path = PathBuf::from_value(value)?;
        Some((!path.as_os_str().is_empty()).then_some(path))
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

/// `None` for an empty text.
impl FromValue for Option<String> {
    fn from_value(value: &Value) -> Option<Self> {
        let text = String::from_value(value)?;
        Some((!text.is_empty()).then_some(text))
    }
}

impl FromValue for Bind {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bind(bind) => Some(bind.clone()),
            _ => None,
        }
    }
}

impl FromValue for TopicFilterBuf {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Filter(filter) => Some(filter.clone()),
            _ => None,
        }
    }
}

impl FromValue for SharePattern {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Pattern(pattern) => Some(pattern.clone()),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::List(items) => items
                .iter()
                .map(|item| T::from_value(&item.value))
                .collect(),
            _ => None,
        }
    }
}
