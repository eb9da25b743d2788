//! Broken forms of the file that `dunlin config default` prints.

use super::super::{Config, default_file};
use crate::mutate::mutations;

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
    for text in mutations(&whole, 300) {
        if let Err(error) = Config::from_toml(&text) {
            assert!(!error.problems().is_empty());
            let shown = error.to_string();
            let is_plain = |line: &str| !line.chars().any(char::is_control);
            assert!(shown.lines().all(is_plain), "{shown:?}");
        }
    }
    let rules = "[[access.rules]]\npermission = \"allow\"\ntopics = [\"a/%c/#\"]\n\
                 addresses = [\"10.0.0.0/8\"]\nqos = [0, 1]\n[[auth.jwt]]\nkey_files = [\"k\"]\n\
                 [[auth.http]]\nurl = \"https://a.example/b\"\n[[listener]]\n\
                 bind = \"mqtt://127.0.0.1:1883\"\n";
    assert!(Config::from_toml(rules).is_ok());
    for text in mutations(rules, 3000) {
        if let Err(error) = Config::from_toml(&text) {
            assert!(!error.problems().is_empty());
        }
    }
}
