//! Words and constructs that do not belong into a text or a source file.

use super::Complaints;
use crate::rust_text::{self, Line, declared, declared_function};

/// Whether a source file holds tests only.
pub(super) fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.starts_with("interop/")
}

/// Words that would find themselves here are written in two halves.
const LATER: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
/// Folders of somebody's machine; a path in an example is relative or below `/etc`, `/var`, `/tmp`.
const MACHINE_FOLDERS: [&str; 4] = ["/home/", "/root/", "/Users/", "/work/"];
/// Names that say nothing about what a thing is for.
const EMPTY_NAMES: [&str; 7] = [
    "Manager", "Helper", "Helpers", "Util", "Utils", "Common", "Context",
];

/// Any text: sources, pages, scripts, manifests.
pub(super) fn check_text(path: &str, text: &str, complaints: &mut Complaints) {
    for (index, line) in text.lines().enumerate() {
        let at = |what: &str| format!("{path}:{}: {what}", index + 1);
        if LATER.iter().any(|word| is_unnumbered(line, word)) {
            complaints.push(at(
                "work for later needs the number of its issue, as in #12",
            ));
        }
        if MACHINE_FOLDERS
            .iter()
            .any(|folder| is_path_below(line, folder))
        {
            complaints.push(at("a path of somebody's machine"));
        }
    }
    // Where the packages came from is the business of who installs them, not of the lock file.
    let foreign = |line: &&str| match path.rsplit('/').next() {
        Some("Cargo.lock") => {
            line.starts_with("source = ")
                && !line.contains("registry+https://github.com/rust-lang/crates.io-index")
        }
        Some("package-lock.json") => {
            line.contains("\"resolved\"") && !line.contains("https://registry.npmjs.org/")
        }
        _ => false,
    };
    if let Some(line) = text.lines().find(foreign) {
        complaints.push(format!(
            "{path}: locked to a private source: {}",
            line.trim()
        ));
    }
}

fn is_unnumbered(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        let after = line.get(at + word.len()..).unwrap_or_default();
        let is_word =
            !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        let number = after.trim_start_matches(['(', ' ', ':']).strip_prefix('#');
        let is_numbered = number.is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()));
        is_word && !is_numbered
    })
}

/// A folder at the beginning of a path; `a/home/b` may be a topic.
fn is_path_below(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let below = line.get(at + folder.len()..).unwrap_or_default();
        before.is_none_or(|c| {
            !c.is_alphanumeric() && !matches!(c, '/' | '.' | '_' | '-' | '+' | '}' | '#')
        }) && below.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_'))
    })
}

/// Rust alone.
pub(super) fn check_rust(path: &str, text: &str, complaints: &mut Complaints) {
    let mut function = String::new();
    for (index, line) in rust_text::lines(text).iter().enumerate() {
        let at = |what: &str| format!("{path}:{}: {what}", index + 1);
        let code = line.code.trim();
        if let Some(name) = declared_function(code) {
            function = name.to_owned();
        }
        if path.contains("/src/")
            && let Some(name) = empty_name(code)
        {
            complaints.push(at(&format!("{name} says nothing: name what it is for")));
        }
        if is_code_in_comment(line) {
            complaints.push(at("commented-out code: delete it, git remembers"));
        }
        if code.starts_with(concat!("#[", "ignore")) {
            complaints.push(at("an ignored test: assert what happens and say why"));
        }
        if code.contains(concat!("unbounded", "_channel")) {
            complaints.push(at("every queue has a bound"));
        }
        let decides = path.contains("/dunlin-core/") || path.contains("/dunlin-codec/");
        if decides && code.contains("cfg(feature") {
            complaints.push(at("features belong to dunlin and dunlin-cli"));
        }
        // Waiting for a condition needs a pause between two looks; such a function says so in its
        // name, and has a deadline. Any other sleep in a test is a guess about speed.
        let sleeps = code.contains("thread::sleep(") || code.contains("time::sleep(");
        if sleeps && is_test(path) && !function.contains("until") {
            complaints.push(at("a sleep in a test: poll in a function named …until…"));
        }
    }
}

/// A type or module that ends with one of the empty names.
fn empty_name(code: &str) -> Option<&str> {
    let types = ["struct", "enum", "trait", "type", "union"];
    let is_empty_type = |name: &&str| EMPTY_NAMES.iter().any(|empty| name.ends_with(empty));
    if let Some(name) = types.iter().find_map(|keyword| declared(code, keyword)) {
        return Some(name).filter(is_empty_type);
    }
    let is_empty_module = |name: &&str| {
        let last = name.rsplit('_').next().unwrap_or(name);
        EMPTY_NAMES
            .iter()
            .any(|empty| empty.eq_ignore_ascii_case(last))
    };
    declared(code, "mod").filter(is_empty_module)
}

/// A comment, not documentation, that reads like a line of code.
fn is_code_in_comment(line: &Line) -> bool {
    let comment = line.comment.trim();
    if line.is_doc || comment.is_empty() {
        return false;
    }
    let ends_like_code =
        comment.ends_with(';') || comment.ends_with('{') || comment.ends_with("},");
    let has_code = [
        "::", " = ", "(&", "()", ".unwrap", "=> ", "let ", "return ", "#[",
    ]
    .iter()
    .any(|sign| comment.contains(sign));
    let begins = [
        "let ", "use ", "pub ", "fn ", "impl ", "if ", "for ", "while ", "match ", "#[",
    ]
    .iter()
    .any(|word| comment.starts_with(word));
    comment == "}"
        || comment == "};"
        || comment == "});"
        || (ends_like_code && (has_code || begins))
}

#[cfg(test)]
mod tests {
    use super::{check_rust, check_text};

    fn rust(path: &str, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        check_rust(path, text, &mut complaints);
        complaints
    }

    fn text(path: &str, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        check_text(path, text, &mut complaints);
        complaints
    }

    #[test]
    fn work_for_later_has_a_number() {
        let later = concat!("TO", "DO");
        assert_eq!(text("a.rs", &format!("// {later}: soon")).len(), 1);
        assert_eq!(text("a.rs", &format!("// {later}(#12): soon")).len(), 0);
        assert_eq!(text("a.rs", &format!("x{later}s")).len(), 0);
    }

    #[test]
    fn machine_paths_are_seen_and_topics_are_not() {
        assert_eq!(text("a.md", concat!("see /ho", "me/someone/x")).len(), 1);
        assert_eq!(text("a.md", concat!("\"/wo", "rk/x\"")).len(), 1);
        assert_eq!(
            text("a.md", "the topic my/home/kitchen and +/home/kitchen").len(),
            0
        );
    }

    #[test]
    fn a_lock_file_names_no_private_source() {
        assert_eq!(
            text("Cargo.lock", "source = \"registry+https://mirror/index\"").len(),
            1
        );
        assert_eq!(
            text(
                "interop/package-lock.json",
                "\"resolved\": \"https://mirror/a\""
            )
            .len(),
            1
        );
    }

    #[test]
    fn empty_names_are_for_nothing() {
        for line in [
            "struct SessionManager;",
            "pub(crate) mod util;",
            "enum RouteContext {",
        ] {
            assert_eq!(rust("crates/a/src/lib.rs", line).len(), 1, "{line}");
        }
        for line in ["use std::task::Context;", "struct Session;", "mod utility;"] {
            assert_eq!(rust("crates/a/src/lib.rs", line).len(), 0, "{line}");
        }
    }

    #[test]
    fn code_in_a_comment_is_seen_and_prose_is_not() {
        for line in [
            "// let x = 3;",
            "// self.call();",
            "// if a {",
            "// }",
            "// foo::bar(x);",
        ] {
            assert_eq!(rust("crates/a/src/lib.rs", line).len(), 1, "{line}");
        }
        for line in [
            "// the client is gone;",
            "/// let x = 3;",
            "// if it is there",
            "let a; // b",
        ] {
            assert_eq!(rust("crates/a/src/lib.rs", line).len(), 0, "{line}");
        }
    }

    #[test]
    fn tests_neither_sleep_nor_are_ignored() {
        let path = "crates/a/tests/it/main.rs";
        let sleep = "fn wait() {\n    std::thread::sleep(a);\n}";
        assert_eq!(rust(path, sleep).len(), 1);
        assert_eq!(rust("crates/a/src/lib.rs", sleep).len(), 0);
        assert_eq!(rust(path, &sleep.replace("wait", "wait_until")).len(), 0);
        assert_eq!(rust(path, concat!("#[", "ignore = \"slow\"]")).len(), 1);
        assert_eq!(
            rust(path, concat!("mpsc::unbounded", "_channel()")).len(),
            1
        );
    }

    #[test]
    fn a_feature_never_decides() {
        let line = "#[cfg(feature = \"x\")]";
        assert_eq!(rust("crates/dunlin-core/src/lib.rs", line).len(), 1);
        assert_eq!(rust("crates/dunlin/src/lib.rs", line).len(), 0);
    }
}
