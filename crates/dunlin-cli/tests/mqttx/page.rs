//! The page that is made from the table.

use std::fmt::Write as _;
use std::path::Path;

use super::Flag;
use super::cases::Case;

const HEAD: &str = "\
# Flags of MQTTX CLI

A script that was written for `mqttx` runs with `dunlin` in its place. This page lists every flag of MQTTX CLI 1.13, and how
its effect is seen in the test that tries each of them, long and short, against Dunlin and mosquitto. It is made from the
table of that test (`crates/dunlin-cli/tests/mqttx/`); `UPDATE=1 cargo test -p dunlin-cli --test mqttx the_page` writes it anew.

What is otherwise:

- Without `--port` the usual port of the protocol is taken: 1883, 8883 for `mqtts`, 8083 for `ws`, 8084 for `wss`.
- Client identifiers begin with `dunlin_` unless one is given.
- Status lines of `sub` go to standard error, so that standard output has messages alone.
- With `--authentication-method` the password is not sent.
- `simulate --file` takes a scenario in TOML or JSON. Scripts in JavaScript are not run.
- `check` tries a broker; it does not look for a newer version of the program.
- `init` writes `~/.config/dunlin/client.toml`. Where there is none, the file that `mqttx init` wrote is read.
- `--load-options` without a path reads `./dunlin-cli-options.json`, or else `./mqttx-cli-options.json`.
";

fn page(flags: &[Flag]) -> String {
    let mut page = HEAD.to_owned();
    let mut command = "";
    for flag in flags {
        if flag.command != command {
            command = flag.command;
            let _ = write!(
                page,
                "\n## {command}\n\n| Flag | Short | Seen |\n|---|---|---|\n"
            );
        }
        let argument = flag.argument.map(|argument| format!(" {argument}"));
        let argument = argument.unwrap_or_default().replace('|', "\\|");
        let short = flag
            .short
            .map(|short| format!("`{short}`"))
            .unwrap_or_default();
        let seen = Case::of(flag).seen;
        let _ = writeln!(page, "| `{}{argument}` | {short} | {seen} |", flag.long);
    }
    page
}

/// The page must say what the table says.
pub(crate) fn check(flags: &[Flag]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mqttx-compatibility.md");
    let page = page(flags);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, page, "stale: UPDATE=1 writes it anew");
}
