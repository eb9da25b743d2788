//! Sizes, durations and percentiles as they are typed.

use std::time::Duration;

/// `64`, `512B`, `1KB`, `2MB`: binary multiples, as MQTTX counts them.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor = match unit.trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1 << 10,
        "M" | "MB" => 1 << 20,
        _ => return Err("a size is a number with B, KB or MB, such as 512B".to_owned()),
    };
    let number: usize = number
        .parse()
        .map_err(|_| "a size is a number with B, KB or MB, such as 512B".to_owned())?;
    // What a Remaining Length can say (section 2.1.4), topic and properties apart.
    Some(number)
        .and_then(|number| number.checked_mul(factor))
        .filter(|&size| size <= 268_000_000)
        .ok_or_else(|| "a payload is at most 256 MB".to_owned())
}

/// `10`, `10s`, `250ms`, `20us`, `2m`, `1h`: seconds if no unit stands there.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let seconds = match unit.trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("a duration is a number with us, ms, s, m or h".to_owned()),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "a duration is a number with us, ms, s, m or h, such as 5s".to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, size};

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("64", 64),
            ("512B", 512),
            ("1KB", 1024),
            ("2mb", 2 << 20),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KB", "1GB", "1.5KB", "-1", "300MB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        for (text, micros) in [
            ("5", 5_000_000),
            ("5s", 5_000_000),
            ("0.5", 500_000),
            ("250ms", 250_000),
            ("20us", 20),
            ("2m", 120_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in ["", "s", "5 weeks", "1.2.3", "-1"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
