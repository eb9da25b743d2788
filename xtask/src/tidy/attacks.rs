//! `docs/attacks.md` names tests; each of them is there.

use anyhow::Result;

use super::Complaints;
use crate::repository::Repository;

const PAGE: &str = "docs/attacks.md";

/// How many classes there are.
const CLASSES: usize = 24;

pub(super) fn check(repository: &Repository, complaints: &mut Complaints) -> Result<()> {
    let page = repository.required_text(PAGE)?;
    for (label, path) in links(&page) {
        match repository.text(path)? {
            None => complaints.push(format!("{PAGE}: {path} is not there")),
            Some(text) if path.ends_with(".rs") && !has_function(&text, label) => {
                complaints.push(format!("{PAGE}: {path} has no test {label}"));
            }
            Some(_) => {}
        }
    }
    for class in 1..=CLASSES {
        let begin = format!("| {class} |");
        let Some(row) = page.lines().find(|line| line.starts_with(&begin)) else {
            complaints.push(format!("{PAGE}: class {class} has no row"));
            continue;
        };
        if links(row).next().is_none() && !row.contains("not there yet") {
            complaints.push(format!("{PAGE}: class {class} names no test"));
        }
    }
    Ok(())
}

/// The links to files of the repository, each with its text.
fn links(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('[').filter_map(|part| {
        let (label, rest) = part.split_once("](../")?;
        let (path, _) = rest.split_once(')')?;
        Some((label, path))
    })
}

fn has_function(text: &str, name: &str) -> bool {
    text.contains(&format!("fn {name}(")) || text.contains(&format!("fn {name}<"))
}

#[cfg(test)]
mod tests {
    use super::{has_function, links};

    #[test]
    fn links_have_a_text_and_a_path() {
        let text = "| 1 | x | [one](../a/b.rs), [two](../c.txt) and [else](https://x) |";
        let found: Vec<_> = links(text).collect();
        assert_eq!(found, [("one", "a/b.rs"), ("two", "c.txt")]);
        assert!(has_function("async fn one() {}", "one"));
        assert!(!has_function("fn one_more() {}", "one"));
    }
}
