//! `dunlin migrate`: the configuration of another broker as one of this.

mod mosquitto;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::failure::{Failure, failed, usage};
use crate::status;

const EXAMPLE: &str =
    "Example: dunlin migrate mosquitto --config /etc/mosquitto/mosquitto.conf -o dunlin.toml";

/// The arguments of `dunlin migrate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct MigrateArgs {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Mosquitto: its options become those of a TOML file, its files of users and access rules are
    /// used as they are
    ///
    /// What cannot be carried over is listed on standard error, and in the file as comments.
    #[command(after_help = EXAMPLE)]
    Mosquitto {
        /// Its mosquitto.conf
        #[arg(long, value_name = "FILE")]
        config: PathBuf,

        /// Write to this file, which must not exist, instead of standard output
        #[arg(short = 'o', long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Writes the configuration.
///
/// # Errors
/// [`Failure::Usage`] for a file that cannot be read.
pub(crate) fn run(args: &MigrateArgs, out: &mut impl Write) -> Result<(), Failure> {
    let From::Mosquitto { config, output } = &args.from;
    let migrated = mosquitto::migrate(config).map_err(usage)?;
    let text = migrated.to_string();
    match output {
        Some(path) => {
            let file = std::fs::File::create_new(path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|error| failed(format!("{}: {error}", path.display())))?;
        }
        None => out.write_all(text.as_bytes())?,
    }
    for left in &migrated.left {
        status::warn(&left.to_string());
    }
    // What is written must be something that `dunlin serve` takes, or say why it is not.
    if let Err(error) = dunlin::config::Config::from_toml(&text) {
        for problem in error.problems() {
            status::warn(&format!("complete it by hand: {}", problem.what));
        }
    }
    if let Some(path) = output {
        let path = path.display();
        status::note(&format!("{path} written: dunlin serve --config {path}"));
    }
    Ok(())
}
