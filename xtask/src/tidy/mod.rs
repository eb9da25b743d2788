//! What the compiler and clippy do not check: crate edges, names, left-overs.
//!
//! Every check streams the tracked files. `missing_docs` already sees that each `pub mod` has its
//! sentence, so there is no check for it here.

mod attacks;
mod manifest;
mod reach;
mod size;
mod source;

use anyhow::{Result, ensure};

use crate::repository::Repository;

/// A rule that a file breaks, as the one line that is printed.
type Complaints = Vec<String>;

/// Fails with every complaint, one on each line.
pub(crate) fn check(repository: &Repository) -> Result<()> {
    let files = repository.tracked_files()?;
    let mut complaints = Complaints::new();
    for path in &files {
        size::check_blob(path, repository.size(path)?, &mut complaints);
        let Some(text) = repository.text(path)? else {
            continue;
        };
        source::check_text(path, &text, &mut complaints);
        if path.ends_with(".rs") {
            source::check_rust(path, &text, &mut complaints);
        }
        if path.ends_with("Cargo.toml") && path != "Cargo.toml" {
            manifest::check(path, &text, &mut complaints)?;
        }
    }
    reach::check(repository, &files, &mut complaints)?;
    attacks::check(repository, &mut complaints)?;
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

/// The longest files and functions: a question to the reader, never a failure.
pub(crate) fn report(repository: &Repository) -> Result<String> {
    let mut sizes = size::Sizes::default();
    for path in repository.tracked_files()? {
        let is_library = path.contains("/src/") && !source::is_test(&path);
        let text = repository.text(&path)?;
        if let Some(text) = text.filter(|_| is_library && path.ends_with(".rs")) {
            sizes.add(&path, &text);
        }
    }
    Ok(sizes.to_string())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::repository::Repository;

    #[test]
    fn the_repository_is_tidy() {
        if let Err(error) = Repository::find().and_then(|repository| check(&repository)) {
            panic!("{error:#}");
        }
    }
}
