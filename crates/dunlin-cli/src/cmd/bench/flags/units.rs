//! Durations as they are typed.

use std::time::Duration;

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

    use super::duration;

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
