use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Words {
    #[command(flatten)]
    args: ExplainArgs,
}

fn explain(words: &[&str]) -> (u8, String) {
    let words = Words::try_parse_from([&["explain"], words].concat()).unwrap();
    let mut out = Vec::new();
    let code = run(&words.args, [], &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn the_answer_names_the_rule_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let acl = folder.path().join("acl");
    std::fs::write(&acl, "user ada\ntopic write a\n").unwrap();
    let set = format!("access.acl_file={}", acl.display());
    let words = |action, topic| {
        explain(&[
            action, "--client", "c1", "--user", "ada", "--topic", topic, "--set", &set,
        ])
    };
    let (code, text) = words("publish", "a");
    assert_eq!(code, EXIT_OK);
    assert!(text.starts_with("allowed: Success (0x00)\n"), "{text}");
    let rule = format!("  2. {}:2: the rule allows a\n", acl.display());
    assert!(text.ends_with(&rule), "{text}");
    let (code, text) = words("subscribe", "a");
    assert_eq!(code, EXIT_FAILED);
    assert!(
        text.starts_with("denied: Not authorized (0x87)\n"),
        "{text}"
    );
    assert!(text.contains("none of 1 rules allows it"), "{text}");
}
