//! The time of day as text, in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since 1970.
pub(crate) fn milliseconds() -> u64 {
    u64::try_from(since().as_millis()).unwrap_or(u64::MAX)
}

/// Now, as ISO 8601 with milliseconds.
pub(crate) fn now() -> String {
    let Instant { date, nanoseconds } = Instant::now();
    let milliseconds = nanoseconds / 1_000_000;
    format!(
        "{}T{}.{milliseconds:03}Z",
        date.day_text(),
        date.time_text()
    )
}

/// The time as ISO 8601 with milliseconds, for those who ask very often: text is made once for each
/// millisecond.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamps {
    milliseconds: u64,
    text: String,
}

impl Stamps {
    pub(crate) fn now(&mut self) -> &str {
        let milliseconds = milliseconds();
        if milliseconds != self.milliseconds || self.text.is_empty() {
            self.milliseconds = milliseconds;
            self.text = now();
        }
        &self.text
    }
}

fn since() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    date: Date,
    nanoseconds: u32,
}

impl Instant {
    pub(crate) fn now() -> Self {
        let since = since();
        Self::at(since.as_secs(), since.subsec_nanos())
    }

    /// So many seconds and nanoseconds after 1970-01-01.
    pub(crate) fn at(seconds: u64, nanoseconds: u32) -> Self {
        let date = Date::of(seconds);
        Self { date, nanoseconds }
    }

    /// ISO 8601 with microseconds.
    pub(crate) fn iso_8601(self) -> String {
        let microseconds = self.nanoseconds / 1000;
        let date = self.date;
        format!(
            "{}T{}.{microseconds:06}Z",
            date.day_text(),
            date.time_text()
        )
    }

    /// ISO 8601 without a fraction, and without the colons that it may have in the offset.
    pub(crate) fn to_the_second(self) -> String {
        let date = self.date;
        format!("{}T{}+0000", date.day_text(), date.time_text())
    }

    /// Seconds since 1970, with nanoseconds.
    pub(crate) fn seconds(self) -> String {
        format!("{}.{:09}", self.date.seconds, self.nanoseconds)
    }

    /// A part of the time, by its letter in strftime.
    pub(crate) fn part(self, letter: u8) -> String {
        let date = self.date;
        match letter {
            b'Y' => format!("{:04}", date.year),
            b'm' => format!("{:02}", date.month),
            b'd' => format!("{:02}", date.day),
            b'H' => format!("{:02}", date.hour()),
            b'M' => format!("{:02}", date.minute()),
            b'S' => format!("{:02}", date.second()),
            b'N' => format!("{:09}", self.nanoseconds),
            b's' => date.seconds.to_string(),
            b'F' => date.day_text(),
            b'T' => date.time_text(),
            _ => "+0000".to_owned(),
        }
    }
}

/// A second of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    /// Since 1970.
    seconds: u64,
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// Years begin in March here, so that the leap day is the last of its year, and 146 097 days are
    /// 400 years.
    fn of(seconds: u64) -> Self {
        let days = seconds / 86_400 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self {
            seconds,
            year: era * 400 + year + u64::from(month <= 2),
            month,
            day,
        }
    }

    const fn hour(self) -> u64 {
        self.seconds / 3600 % 24
    }

    const fn minute(self) -> u64 {
        self.seconds / 60 % 60
    }

    const fn second(self) -> u64 {
        self.seconds % 60
    }

    fn day_text(self) -> String {
        let Self {
            year, month, day, ..
        } = self;
        format!("{year:04}-{month:02}-{day:02}")
    }

    fn time_text(self) -> String {
        let (hour, minute, second) = (self.hour(), self.minute(), self.second());
        format!("{hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests;
