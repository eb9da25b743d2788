//! Every page of help, looked at as a whole.

use clap::{Command, CommandFactory as _};

use super::{WIDTH_MAX, arrange};
use crate::Program;

/// Lines of a page, at most.
const LINES_MAX: usize = 50;

/// Calls `look` with every command and its name.
fn each(command: &mut Command, above: &str, look: &mut dyn FnMut(&mut Command, &str)) {
    let name = format!("{above} {}", command.get_name());
    look(command, name.trim());
    for below in command.get_subcommands_mut() {
        if below.get_name() != "help" {
            each(below, &name, look);
        }
    }
}

fn program() -> Command {
    let mut program = arrange(Program::command());
    program.build();
    program
}

#[test]
fn every_page_fits_on_a_screen_and_has_an_example() {
    let mut wrong = Vec::new();
    each(&mut program(), "", &mut |command, name| {
        let page = command.render_help().to_string();
        let lines = page.lines().count();
        let width = page.lines().map(|line| line.chars().count()).max();
        if lines > LINES_MAX || width > Some(WIDTH_MAX) || !page.contains("Example") {
            wrong.push(format!("{name}: {lines} lines, {width:?} wide\n{page}"));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_flags_are_on_the_long_page() {
    each(&mut program(), "", &mut |command, name| {
        let page = command.render_long_help().to_string();
        for arg in command.get_arguments() {
            let Some(long) = arg.get_long() else { continue };
            assert!(page.contains(&format!("--{long}")), "{name} --{long}");
        }
    });
}

#[test]
fn what_is_left_out_is_said_where_to_find() {
    each(&mut program(), "", &mut |command, name| {
        let short = command.render_help().to_string();
        let is_whole = command.get_arguments().all(|arg| {
            arg.get_long()
                .is_none_or(|long| short.contains(&format!("--{long}")))
        });
        let name = name.trim_start_matches("dunlin").trim();
        let all = format!("All flags: dunlin help {name}");
        assert!(is_whole || short.contains(&all), "{name}\n{short}");
    });
}
