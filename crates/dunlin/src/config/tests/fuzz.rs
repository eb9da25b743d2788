//! Broken forms of configurations, and of the file that `dunlin config default` prints.

use super::super::{Config, default_file};
use crate::mutate::{text_corpus, text_mutations};

/// Each is a configuration or is refused with what is wrong, each problem on a line of its own.
#[test]
fn fuzz_configurations() {
    // Options are comments there.
    let whole: String = default_file()
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .or_else(|| line.strip_prefix('#'))
                .unwrap_or(line)
        })
        .filter(|line| line.contains(" = ") || line.starts_with('['))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(whole.lines().count() > 50, "{whole}");
    let (mut good, mut broken) = (0, 0);
    for text in text_mutations(&whole, 300).chain(text_corpus("configuration", 1000)) {
        match Config::from_toml(&text) {
            Ok(_) => good += 1,
            Err(error) => {
                assert!(!error.problems().is_empty());
                let shown = error.to_string();
                let is_plain = |line: &str| !line.chars().any(char::is_control);
                assert!(shown.lines().all(is_plain), "{shown:?}");
                broken += 1;
            }
        }
    }
    assert!(good > 100 && broken > 1000, "{good} good, {broken} broken");
}
