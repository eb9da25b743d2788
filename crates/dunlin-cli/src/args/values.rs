//! Values of flags.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use dunlin_client::codec::{
    ProtocolVersion, QoS, RetainHandling, TopicName, UserPropertiesBuf, VARIABLE_BYTE_INTEGER_MAX,
};

use crate::failure::{Failure, usage};

/// Checks a topic name that is a flag's value.
pub(crate) fn topic_name(flag: &str, topic: &str) -> Result<(), Failure> {
    match TopicName::parse(topic) {
        Ok(_) => Ok(()),
        Err(error) => Err(usage(format!("{flag} {topic:?}: {error}"))),
    }
}

/// `NAME: VALUE`, parted.
pub(super) fn pair(flag: &str, text: &str) -> Result<(String, String), Failure> {
    match text.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(usage(format!("{flag} {text:?}: expected \"NAME: VALUE\""))),
    }
}

/// User properties, each as `NAME: VALUE`.
pub(crate) fn user_properties_of(
    flag: &str,
    texts: &[String],
) -> Result<UserPropertiesBuf, Failure> {
    let mut properties = UserPropertiesBuf::new();
    for text in texts {
        let (name, value) = pair(flag, text)?;
        properties
            .push(&name, &value)
            .map_err(|error| usage(format!("{flag}: {error}")))?;
    }
    Ok(properties)
}

/// A QoS as a flag's value.
pub(crate) fn qos(text: &str) -> Result<QoS, String> {
    let level = text.parse().ok().and_then(QoS::from_u8);
    level.ok_or_else(|| "expected 0, 1 or 2".to_owned())
}

/// A version as MQTTX writes it, or by its protocol level.
pub(super) fn version(text: &str) -> Result<ProtocolVersion, String> {
    match text {
        "5" | "5.0" => Ok(ProtocolVersion::V5),
        "3.1.1" | "4" => Ok(ProtocolVersion::V311),
        "3.1" | "3" => Ok(ProtocolVersion::V31),
        _ => Err("expected 5, 3.1.1 or 3.1".to_owned()),
    }
}

pub(super) fn retain_handling(text: &str) -> Result<RetainHandling, String> {
    match text {
        "0" => Ok(RetainHandling::Send),
        "1" => Ok(RetainHandling::SendIfNew),
        "2" => Ok(RetainHandling::DoNotSend),
        _ => Err("expected 0, 1 or 2".to_owned()),
    }
}

/// A number of two bytes that may not be 0.
pub(super) fn two_bytes(text: &str) -> Result<NonZeroU16, String> {
    text.parse()
        .map_err(|_| format!("expected 1 to {}", NonZeroU16::MAX))
}

/// A number of four bytes that may not be 0.
pub(super) fn four_bytes(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .map_err(|_| format!("expected 1 to {}", NonZeroU32::MAX))
}

/// A subscription identifier (section 3.8.2.1.2).
pub(super) fn subscription_identifier(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse().ok();
    number
        .filter(|number: &NonZeroU32| number.get() <= VARIABLE_BYTE_INTEGER_MAX)
        .ok_or_else(|| format!("expected 1 to {VARIABLE_BYTE_INTEGER_MAX}"))
}

/// A time in seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "expected a number of seconds, 0 or more".to_owned())
}

/// A size such as `512B`, `1KB` or `2MB`; 1 KB is 1024 bytes.
pub(crate) fn payload_size(text: &str) -> Result<usize, String> {
    let upper = text.trim().to_ascii_uppercase();
    let digits = upper.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = upper.get(digits.len()..).unwrap_or_default();
    let factor = match unit.trim() {
        "" | "B" => Some(1),
        "K" | "KB" => Some(1 << 10),
        "M" | "MB" => Some(1 << 20),
        _ => None,
    };
    let size: Option<u32> = digits.trim().parse().ok();
    let bytes = size
        .zip(factor)
        .and_then(|(size, factor)| size.checked_mul(factor));
    match bytes {
        None => Err("expected a size such as 512B, 1KB or 2MB".to_owned()),
        // No packet can carry more (section 2.1.4).
        Some(bytes) if bytes > VARIABLE_BYTE_INTEGER_MAX => {
            Err(format!("more than {VARIABLE_BYTE_INTEGER_MAX} bytes"))
        }
        Some(bytes) => usize::try_from(bytes).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests;
