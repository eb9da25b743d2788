//! Every Rust file below a `src` folder is named by a `mod` line: no dead files that look alive.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Complaints;
use crate::repository::Repository;
use crate::rust_text::{self, declared};

pub(super) fn check(
    repository: &Repository,
    files: &[String],
    complaints: &mut Complaints,
) -> Result<()> {
    let sources: BTreeSet<&str> = files
        .iter()
        .map(String::as_str)
        .filter(|path| path.ends_with(".rs") && path.contains("/src/"))
        .collect();
    let is_root = |path: &&str| {
        path.ends_with("/src/lib.rs")
            || path.ends_with("/src/main.rs")
            || path.contains("/src/bin/")
    };
    let mut pending: Vec<&str> = sources.iter().copied().filter(is_root).collect();
    let mut reached: BTreeSet<&str> = pending.iter().copied().collect();
    while let Some(path) = pending.pop() {
        for candidate in modules(path, &repository.required_text(path)?) {
            if let Some(found) = sources.get(candidate.as_str())
                && reached.insert(found)
            {
                pending.push(found);
            }
        }
    }
    for path in sources.difference(&reached) {
        complaints.push(format!("{path}: no mod line leads here"));
    }
    Ok(())
}

/// The paths at which the modules declared in `path` may be.
fn modules(path: &str, text: &str) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let is_folder_root =
        matches!(file, "lib.rs" | "main.rs" | "mod.rs") || folder.ends_with("/bin");
    let below = if is_folder_root {
        folder.to_owned()
    } else {
        format!("{folder}/{}", file.trim_end_matches(".rs"))
    };
    let declared = rust_text::lines(text)
        .into_iter()
        .filter(|line| line.code.trim_end().ends_with(';'))
        .filter_map(|line| declared(&line.code, "mod").map(String::from));
    declared
        .flat_map(|name| {
            [
                format!("{below}/{name}.rs"),
                format!("{below}/{name}/mod.rs"),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::modules;

    #[test]
    fn a_module_is_beside_a_root_and_below_any_other_file() {
        let text = "mod a;\n#[cfg(test)]\nmod tests;\n// mod dead;\nmod inline {}\n";
        assert_eq!(
            modules("crates/x/src/lib.rs", text),
            [
                "crates/x/src/a.rs",
                "crates/x/src/a/mod.rs",
                "crates/x/src/tests.rs",
                "crates/x/src/tests/mod.rs"
            ]
        );
        assert_eq!(
            modules("crates/x/src/router.rs", "pub(crate) mod trie;\n"),
            [
                "crates/x/src/router/trie.rs",
                "crates/x/src/router/trie/mod.rs"
            ]
        );
    }
}
