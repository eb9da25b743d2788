//! `dunlin passwd`: files of users and passwords.

use std::fs::{self, DirBuilder};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use dunlin::auth::{PasswordFile, PasswordScheme, STORED_USERS, UserError};

use crate::failure::{Failure, failed, usage};
use crate::status;

/// The arguments of `dunlin passwd`.
///
/// A password given with `--batch` can be seen by everyone on the machine while the command runs, and
/// stays in the history of the shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dunlin passwd users ada\n  \
    dunlin serve --password-file users")]
pub(crate) struct PasswdArgs {
    /// The file; it is made if there is none. A directory, or what ends with /, is the data directory of
    /// a broker with auth.stored_users
    file: PathBuf,

    /// The user to add, or to give another password
    #[arg(required_unless_present_any = ["import", "list"])]
    user: Option<String>,

    /// Remove the user
    #[arg(short = 'D', long, conflicts_with_all = ["password", "batch", "import", "list"])]
    delete: bool,

    /// Take the password from the command line instead of asking for it: everyone on this machine can
    /// see it there
    #[arg(short = 'b', long, requires = "password", conflicts_with = "import")]
    batch: bool,

    /// The password, with --batch
    #[arg(requires = "batch")]
    password: Option<String>,

    /// Let clients prove that they know the password, over AUTH, without sending it
    #[arg(long, value_name = "HASH", conflicts_with_all = ["delete", "list"])]
    scram: Option<ScramArg>,

    /// Add the users of standard input: lines of USER:PASSWORD
    #[arg(long, conflicts_with_all = ["user", "list"])]
    import: bool,

    /// Print the users of the file
    #[arg(long, conflicts_with = "user")]
    list: bool,
}

/// The hash of SCRAM.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ScramArg {
    /// SCRAM-SHA-256
    #[value(name = "sha-256")]
    Sha256,
    /// SCRAM-SHA-512
    #[value(name = "sha-512")]
    Sha512,
}

impl PasswdArgs {
    const fn scheme(&self) -> PasswordScheme {
        match self.scram {
            None => PasswordScheme::Argon2id,
            Some(ScramArg::Sha256) => PasswordScheme::ScramSha256,
            Some(ScramArg::Sha512) => PasswordScheme::ScramSha512,
        }
    }
}

/// The longest password that MQTT can carry, and a line break.
const PASSWORD_BYTES_MAX: u64 = 65_535 + 2;

/// Changes the file.
///
/// # Errors
/// [`Failure::Usage`] for a name or password that cannot be in a file, and for a file that is none.
pub(crate) fn run(args: &PasswdArgs) -> Result<(), Failure> {
    let path = file_of(&args.file)?;
    let mut file = match PasswordFile::read(&path) {
        Ok(file) => file,
        Err(_) if !exists(&path)? && !args.list && !args.delete => PasswordFile::default(),
        Err(error) => return Err(usage(error.to_string())),
    };
    if args.list {
        let mut out = io::stdout().lock();
        for user in file.users() {
            io::Write::write_fmt(&mut out, format_args!("{user}\n"))?;
        }
        return Ok(());
    }
    let done = change(args, &path, &mut file)?;
    let shown = path.display();
    file.write(&path)
        .map_err(|error| failed(format!("{shown}: cannot be written: {error}")))?;
    status::note(&format!("{shown}: {done}"));
    Ok(())
}

/// The file itself, or that of the users which a broker keeps in this data directory.
fn file_of(path: &Path) -> Result<PathBuf, Failure> {
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") && !exists(path)? {
        // As the broker makes it.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| failed(format!("{}: {error}", path.display())))?;
    }
    Ok(if path.is_dir() {
        path.join(STORED_USERS)
    } else {
        path.to_owned()
    })
}

/// A file that cannot be looked at is not the same as one that is not there.
fn exists(path: &Path) -> Result<bool, Failure> {
    fs::exists(path).map_err(|error| failed(format!("{}: {error}", path.display())))
}

/// Changes the users, and says how.
fn change(args: &PasswdArgs, path: &Path, file: &mut PasswordFile) -> Result<String, Failure> {
    let Some(user) = &args.user else {
        return import(file, io::stdin().lock(), args.scheme());
    };
    if args.delete {
        return if file.remove(user) {
            Ok(format!("{user} removed"))
        } else {
            Err(failed(format!("{}: no user {user:?}", path.display())))
        };
    }
    let password = match &args.password {
        Some(password) => password.clone(),
        None => ask(user)?,
    };
    let existed = file.set(user, password.as_bytes(), args.scheme());
    let existed = existed.map_err(refused)?;
    Ok(if existed {
        format!("{user} has a new password")
    } else {
        format!("{user} added")
    })
}

fn refused(error: UserError) -> Failure {
    match error {
        UserError::Name(_) | UserError::EmptyPassword(_) => usage(error.to_string()),
        _ => failed(error.to_string()),
    }
}

/// Asks for a password twice on a terminal, and takes one line of anything else.
fn ask(user: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        let mut input = io::stdin().lock().take(PASSWORD_BYTES_MAX);
        input.read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let password = rpassword::prompt_password(format!("Password of {user}: "))?;
    let again = rpassword::prompt_password("Again: ")?;
    if password != again {
        return Err(usage("the two passwords differ; nothing was changed"));
    }
    Ok(password)
}

/// Adds users from lines.
fn import(
    file: &mut PasswordFile,
    input: impl io::BufRead,
    scheme: PasswordScheme,
) -> Result<String, Failure> {
    let (mut added, mut changed) = (0_usize, 0_usize);
    for (number, line) in (1_usize..).zip(input.lines()) {
        let line = line?;
        if line.is_empty() {
            continue;
        }
        let Some((user, password)) = line.split_once(':') else {
            // The line is not shown: it may be a password.
            return Err(usage(format!("line {number}: expected USER:PASSWORD")));
        };
        let existed = file.set(user, password.as_bytes(), scheme);
        match existed.map_err(|error| usage(format!("line {number}: {error}")))? {
            true => changed += 1,
            false => added += 1,
        }
    }
    Ok(format!("{added} added, {changed} with a new password"))
}

#[cfg(test)]
mod tests;
