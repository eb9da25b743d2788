use super::{Found, scan};

/// `name: labels` for each test, then `line: complaint` for each misplaced tag.
fn summary(path: &str, text: &str) -> Vec<String> {
    let Found { tests, misplaced } = scan(path, text);
    let tests = tests.into_iter().map(|test| {
        let labels: Vec<String> = test.labels.iter().map(ToString::to_string).collect();
        format!("{}: {}", test.name, labels.join(", "))
    });
    let misplaced = misplaced
        .into_iter()
        .map(|one| format!("{}: {}", one.line, one.complaint));
    tests.chain(misplaced).collect()
}

#[test]
fn a_rust_test_has_the_tags_above_and_inside() {
    let text = "\
mod tests {
    // [v5 MQTT-1.1.1-1] words [v3 MQTT-2.2.2-2]
    /// and [v5 MQTT-3.3.3-3]
    #[test]
    fn shows() {
        let text = \"[v5 MQTT-9.9.9-9]\";
        // [v5 MQTT-4.4.4-4]
        if text.is_empty() {
        }
    }

    #[test]
    fn shows_nothing() {}
}
";
    assert_eq!(
        summary("crates/a/src/tests.rs", text),
        ["shows: v5 MQTT-1.1.1-1, v3 MQTT-2.2.2-2, v5 MQTT-3.3.3-3, v5 MQTT-4.4.4-4"]
    );
}

#[test]
fn an_asynchronous_test_is_a_test() {
    let text = "// [v5 MQTT-1.1.1-1]\n#[tokio::test(flavor = \"current_thread\")]\n\
                async fn shows() {\n}\n";
    assert_eq!(
        summary("crates/a/tests/it/a.rs", text),
        ["shows: v5 MQTT-1.1.1-1"]
    );
}

#[test]
fn a_tag_above_something_else_is_an_error() {
    for below in [
        "fn helper() {}",
        "",
        "const A: u8 = 1;",
        "#[test]\n\nfn late() {}",
    ] {
        let text = format!("// [v5 MQTT-1.1.1-1]\n{below}\n");
        assert_eq!(
            summary("crates/a/src/lib.rs", &text),
            ["1: [v5 MQTT-1.1.1-1] is not directly above a test"],
            "{below}"
        );
    }
}

#[test]
fn a_plain_label_is_a_reference_and_an_unknown_version_an_error() {
    let text = "/// As the standard says [MQTT-1.1.1-1].\nfn f() {}\n// [v4 MQTT-1.1.1-1]\n";
    assert_eq!(
        summary("crates/a/src/lib.rs", text),
        ["3: [v4 MQTT-1.1.1-1] begins with neither v3 nor v5"]
    );
}

#[test]
fn a_script_is_one_test() {
    let path = "crates/dunlin-core/src/tests/scenario/will_delay.txt";
    let text = "# [v5 MQTT-1.1.1-1] words\nA> PINGREQ\n  # [v3 MQTT-2.2.2-2]\n";
    assert_eq!(
        summary(path, text),
        ["will_delay: v5 MQTT-1.1.1-1, v3 MQTT-2.2.2-2"]
    );
    assert_eq!(
        summary(path, "A> PINGREQ [v5 MQTT-1.1.1-1]\n"),
        ["1: a tag in a script stands behind a #"]
    );
}

#[test]
fn interop_cases_are_found_in_their_languages() {
    let tagged = ["case_name: v5 MQTT-1.1.1-1"];
    for (path, text) in [
        (
            "interop/a.py",
            "# [v5 MQTT-1.1.1-1]\n@case(V5)\ndef case_name(trial: Trial) -> None:\n",
        ),
        (
            "interop/a.mjs",
            "// [v5 MQTT-1.1.1-1]\ntest('case_name', async () => {\n",
        ),
        (
            "interop/a.js",
            "// [v5 MQTT-1.1.1-1]\nexport async function case_name(trial) {\n",
        ),
        ("interop/a.sh", "# [v5 MQTT-1.1.1-1]\ncase_name() {\n"),
    ] {
        assert_eq!(summary(path, text), tagged, "{path}");
    }
    assert_eq!(
        summary("interop/a.py", "# [v5 MQTT-1.1.1-1]\nDEADLINE = 3\n"),
        ["1: [v5 MQTT-1.1.1-1] is not directly above a test"]
    );
}
