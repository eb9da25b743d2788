//! `dunlin store`: what is in a store, whether it is whole, and copies of it.

mod dump;

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use dunlin::auth::STORED_USERS;
use dunlin::config::{Override, Sources, StoreConfig};
use dunlin_core::recovery::Recovery;
use dunlin_store::{CopyError, ReadError, Report};

use crate::failure::{Failure, failed, usage};
use crate::{EXIT_FAILED, EXIT_OK, status};

/// The arguments of `dunlin store`.
#[derive(Debug, Args)]
#[command(after_help = "Example: dunlin store check --data-dir /var/lib/dunlin")]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Read all of a store and say whether it is whole
    ///
    /// Nothing is changed, and a broker may have the store open. Exits with 0 if it is whole and with 1
    /// if it is damaged or cannot be read.
    #[command(after_help = "Example: dunlin store check --data-dir /var/lib/dunlin")]
    Check {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Print every record of a store, each as a line of JSON
    ///
    /// Nothing is changed, and a broker may have the store open. Exits with 1 if the store is
    /// damaged; what is whole is printed all the same.
    #[command(after_help = "Example: dunlin store dump --data-dir /var/lib/dunlin | jq .")]
    Dump {
        #[command(flatten)]
        place: PlaceArgs,

        /// Bytes of a payload that are printed; the rest is only counted
        #[arg(long, value_name = "NUMBER", default_value_t = 256)]
        payload_bytes: usize,
    },
    /// Copy a store to a directory that is made, also while a broker runs
    ///
    /// The copy is a store: `dunlin store check --data-dir COPY` reads it, and a broker can be started on
    /// it. Exits with 0 if the copy is whole, and with 1 if it is not, or if there is none.
    #[command(
        after_help = "Example: dunlin store backup /backup/dunlin --data-dir /var/lib/dunlin"
    )]
    Backup {
        /// The directory of the copy; it must not exist, or be empty
        to: PathBuf,

        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Copy a backup to the directory of a store that does not exist yet
    ///
    /// Exits with 0 if the copy is whole, and with 1 if it is not, or if there is none.
    #[command(
        after_help = "Example: dunlin store restore /backup/dunlin --data-dir /var/lib/dunlin"
    )]
    Restore {
        /// The directory of the backup
        from: PathBuf,

        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// Which store.
#[derive(Debug, Args)]
struct PlaceArgs {
    /// The directory of the store [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// The configuration of the broker, as `dunlin serve` takes it
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    config: Option<PathBuf>,
}

impl PlaceArgs {
    /// The directory of the store, with the variables of [`std::env::vars_os`].
    fn directory(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<PathBuf, Failure> {
        if let Some(directory) = &self.data_dir {
            return Ok(directory.clone());
        }
        let sources = Sources {
            file: self.config.clone(),
            environment: environment.into_iter().collect(),
            overrides: Vec::<Override>::new(),
        };
        let loaded = sources.load().map_err(|error| usage(error.to_string()))?;
        match loaded.config.store {
            StoreConfig::Directory(directory) => Ok(directory),
            StoreConfig::Ephemeral => Err(usage(
                "the configuration says that nothing is kept (store.ephemeral): name a store with \
                 --data-dir",
            )),
        }
    }
}

/// Runs `dunlin store` with the variables of [`std::env::vars_os`].
///
/// # Errors
/// [`Failure`] if there is no store, or it cannot be read or copied.
pub(crate) fn run(
    args: &StoreArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    match &args.command {
        StoreCommand::Check { place } => check(&place.directory(environment)?, out),
        StoreCommand::Dump {
            place,
            payload_bytes,
        } => dump(&place.directory(environment)?, *payload_bytes, out),
        StoreCommand::Backup { to, place } => copy(&place.directory(environment)?, to, out),
        StoreCommand::Restore { from, place } => copy(from, &place.directory(environment)?, out),
    }
}

fn check(directory: &Path, out: &mut impl Write) -> Result<u8, Failure> {
    let mut recovery = Recovery::default();
    let read = dunlin_store::read(directory, &mut |_, record| recovery.read(&record));
    let report = read.map_err(|error| unread(directory, &error))?;
    let contents = recovery.contents();
    writeln!(
        out,
        "{}: {} segments, {} bytes, {} records in {} appends",
        directory.display(),
        report.segments,
        report.bytes,
        report.records,
        report.appends,
    )?;
    writeln!(
        out,
        "{} sessions, {} subscriptions, {} waiting messages, {} retained messages, {} wills",
        contents.sessions,
        contents.subscriptions,
        contents.messages,
        contents.retained,
        contents.wills,
    )?;
    let state = match (&report.torn, report.is_closed) {
        (Some(torn), _) => format!(
            "the last write was cut off, or is under way: {torn}; nobody was promised what it holds"
        ),
        (None, true) => "the broker ended in order".to_owned(),
        (None, false) => "the broker runs, or was stopped without an end".to_owned(),
    };
    writeln!(out, "{state}")?;
    verdict(&report, out)
}

/// Says whether a store is whole, which is the exit code as well.
fn verdict(report: &Report, out: &mut impl Write) -> Result<u8, Failure> {
    if !report.is_damaged() {
        writeln!(out, "whole")?;
        return Ok(EXIT_OK);
    }
    for damage in &report.named {
        writeln!(out, "damaged: {damage}")?;
    }
    let unnamed = report.damages - report.named.len() as u64;
    if unnamed > 0 {
        writeln!(out, "damaged: {unnamed} more places")?;
    }
    out.flush()?;
    status::error(&format!(
        "the store has {} damaged places, {} bytes, and misses {} appends; a broker starts on it with \
         everything else: look at the disk",
        report.damages, report.damaged_bytes, report.lost_appends
    ));
    Ok(EXIT_FAILED)
}

fn dump(directory: &Path, payload_bytes: usize, out: &mut impl Write) -> Result<u8, Failure> {
    let mut out = BufWriter::new(out);
    let mut written = Ok(());
    let read = dunlin_store::read(directory, &mut |place, record| {
        if written.is_ok() {
            let line = dump::line(place, &record, payload_bytes);
            written = writeln!(out, "{line}");
        }
    });
    let report = read.map_err(|error| unread(directory, &error))?;
    written.and_then(|()| out.flush())?;
    // Standard output has records, and nothing else.
    let mut damages = Vec::new();
    let code = verdict(&report, &mut damages)?;
    if code != EXIT_OK {
        status::note(String::from_utf8_lossy(&damages).trim_end());
    }
    Ok(code)
}

fn copy(from: &Path, to: &Path, out: &mut impl Write) -> Result<u8, Failure> {
    let report = dunlin_store::copy(from, to).map_err(|error| match error {
        CopyError::NotEmpty(_) | CopyError::Interrupted(_) => usage(error.to_string()),
        CopyError::Read { .. } | CopyError::Write { .. } => failed(error.to_string()),
    })?;
    copy_users(from, to)?;
    writeln!(
        out,
        "{} → {}: {} segments, {} bytes, {} records",
        from.display(),
        to.display(),
        report.segments,
        report.bytes,
        report.records,
    )?;
    verdict(&report, out)
}

/// The broker's own users, which are beside the log; they are for nobody else in the copy either.
fn copy_users(from: &Path, to: &Path) -> Result<(), Failure> {
    let (from, to) = (from.join(STORED_USERS), to.join(STORED_USERS));
    let told = |error: std::io::Error| failed(format!("cannot copy {}: {error}", from.display()));
    if from.try_exists().map_err(told)? {
        std::fs::copy(&from, &to).map_err(told)?;
    }
    Ok(())
}

fn unread(directory: &Path, error: &ReadError) -> Failure {
    let directory = directory.display();
    failed(format!("cannot read the store in {directory}: {error}"))
}
