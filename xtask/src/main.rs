//! The project's own chores, run as `cargo xtask <chore>`.
//!
//! Both are checks of `cargo test` as well, so a rule that they hold cannot be forgotten.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod conformance;
mod repository;
mod rust_text;
mod tidy;

use std::process::ExitCode;

use repository::Repository;

const USAGE: &str = "\
usage: cargo xtask <chore>

  conformance          write docs/conformance.md from the requirement tags of the tests
  conformance --check  fail when that page is stale, a tag is wrong, or too much is missing
  tidy                 check what the compiler does not: crate edges, names, left-overs";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = Repository::find().and_then(|repository| match arguments.as_slice() {
        ["conformance"] => conformance::write(&repository),
        ["conformance", "--check"] => conformance::check(&repository),
        ["tidy"] => tidy::check(&repository).and_then(|()| tidy::report(&repository)),
        _ => anyhow::bail!("{USAGE}"),
    });
    match outcome {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
