//! CPU time and memory of a process, from the operating system.

use std::fs;

/// Ticks a second of the times in `/proc/PID/stat`: Linux shows 100 on every architecture in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time of all its threads, those that ended included, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Resident bytes (`VmRSS`).
    pub(crate) rss_bytes: u64,
}

/// Reads the usage of a process, or of this one without a number; `None` where the system does not
/// tell, or the process is gone.
pub(crate) fn usage(pid: Option<u32>) -> Option<Usage> {
    let directory = pid.map_or_else(|| "/proc/self".to_owned(), |pid| format!("/proc/{pid}"));
    let stat = fs::read_to_string(format!("{directory}/stat")).ok()?;
    let status = fs::read_to_string(format!("{directory}/status")).ok()?;
    Some(Usage {
        cpu_seconds: cpu_seconds(&stat)?,
        rss_bytes: rss_bytes(&status)?,
    })
}

/// The 14th and 15th field; the 2nd is a name in parentheses that may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::{cpu_seconds, rss_bytes, usage};

    #[test]
    fn fields_are_counted_after_the_name() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 3 0";
        assert_eq!(cpu_seconds(stat), Some(1.75));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
        assert_eq!(rss_bytes("Name:\ta\nVmRSS:\t  12 kB\n"), Some(12_288));
        assert_eq!(rss_bytes("Name:\ta\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory() {
        assert!(usage(None).is_some_and(|usage| usage.rss_bytes > 0));
        assert_eq!(usage(Some(u32::MAX)), None);
    }
}
