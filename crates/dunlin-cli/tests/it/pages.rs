//! `dunlin completions` and `man`.

use super::{alone, text};

#[test]
fn every_shell_gets_a_script_with_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = alone(&["completions", shell]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        for word in ["retained", "will-topic", "respond"] {
            assert!(script.contains(word), "{shell} has no {word}");
        }
    }
}

#[test]
fn every_command_has_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display().to_string();
    let output = alone(&["man", "--directory", &path]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let page = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert!(page("dunlin.1").contains("dunlin\\-sub(1)"));
    assert!(page("dunlin-sub.1").contains("retain\\-handling"));
    assert!(page("dunlin-bench-pub.1").contains("message\\-interval"));
}
