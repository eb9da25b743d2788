//! `dunlin completions` and `dunlin man`: made from the same definitions that are parsed by.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::{Failure, failed};

/// The arguments of `dunlin completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  source <(dunlin completions bash)\n  \
    dunlin completions zsh > ~/.zfunc/_dunlin\n  \
    dunlin completions fish > ~/.config/fish/completions/dunlin.fish")]
pub(crate) struct CompletionsArgs {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    shell: Shell,
}

/// The arguments of `dunlin man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dunlin man | man -l -\n  \
    dunlin man --directory /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write the pages of all commands into this directory [default: print the first]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

/// Prints a script for a shell.
pub(crate) fn completions(
    args: &CompletionsArgs,
    mut program: Command,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "dunlin", &mut script);
    out.write_all(&script)?;
    Ok(())
}

/// Prints or writes pages of the manual.
pub(crate) fn man(args: &ManArgs, program: Command, out: &mut dyn Write) -> Result<(), Failure> {
    match &args.directory {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(program).render(&mut page)?;
            out.write_all(&page)?;
        }
        Some(directory) => {
            let told = |error: std::io::Error| {
                failed(format!("--directory {}: {error}", directory.display()))
            };
            std::fs::create_dir_all(directory).map_err(told)?;
            clap_mangen::generate_to(program, directory).map_err(told)?;
        }
    }
    Ok(())
}
