//! `dunlin cert`: certificates for a first try.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use crate::failure::{Failure, failed, usage};

/// The arguments of `dunlin cert`.
#[derive(Debug, Args)]
#[command(after_help = "Example: dunlin cert self-signed --host broker.example")]
pub(crate) struct CertArgs {
    #[command(subcommand)]
    command: CertCommand,
}

#[derive(Debug, Subcommand)]
enum CertCommand {
    /// Make a certificate that vouches for itself, and its key
    ///
    /// Clients have to be given the certificate as that of an authority (`--cafile`, `--ca`): nobody
    /// else vouches for it. It is good for a first try and for machines that are all one's own.
    SelfSigned(SelfSignedArgs),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dunlin cert self-signed --host broker.example\n  \
    dunlin serve --listen mqtts://0.0.0.0:8883 --tls-cert dunlin-cert.pem --tls-key dunlin-key.pem"
)]
struct SelfSignedArgs {
    /// Host name or IP address that clients connect to; may be repeated [default: localhost,
    /// 127.0.0.1 and ::1]
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,

    /// How many days it is valid
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,

    /// Where the certificate is written
    #[arg(long, value_name = "FILE", default_value = "dunlin-cert.pem")]
    cert: PathBuf,

    /// Where the key is written; only its owner can read it
    #[arg(long, value_name = "FILE", default_value = "dunlin-key.pem")]
    key: PathBuf,

    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

/// Runs `dunlin cert`; what to do next goes to `out`.
///
/// # Errors
/// [`Failure::Usage`] for a name that no certificate can hold and for files that exist; else what
/// kept them from being written.
pub(crate) fn run(args: &CertArgs, out: &mut impl Write) -> Result<(), Failure> {
    let CertCommand::SelfSigned(args) = &args.command;
    let (certificate, key) = self_signed(args)?;
    for path in [&args.cert, &args.key] {
        if !args.force && path.exists() {
            let path = path.display();
            return Err(usage(format!("{path} exists: --force replaces it")));
        }
    }
    // First the key: a certificate without one is of no use.
    write_file(&args.key, &key, 0o600)?;
    write_file(&args.cert, &certificate, 0o644)?;
    let (cert, key) = (args.cert.display(), args.key.display());
    writeln!(out, "certificate: {cert}")?;
    writeln!(out, "key:         {key}")?;
    writeln!(
        out,
        "use them:    dunlin serve --listen mqtts://127.0.0.1:8883 --tls-cert {cert} --tls-key {key}"
    )?;
    Ok(())
}

/// A certificate and its key, as PEM.
fn self_signed(args: &SelfSignedArgs) -> Result<(String, String), Failure> {
    let hosts = match args.host.as_slice() {
        [] => ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec(),
        hosts => hosts.to_vec(),
    };
    let name = hosts.first().cloned().unwrap_or_default();
    let mut certificate = CertificateParams::new(hosts).map_err(|error| {
        usage(format!(
            "--host: {error}: write a host name or an IP address"
        ))
    })?;
    certificate
        .distinguished_name
        .push(DnType::CommonName, name);
    certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let now = rcgen::date_time_ymd(1970, 1, 1) + now;
    // The clocks of clients are not all right.
    certificate.not_before = now - Duration::from_secs(3600);
    certificate.not_after = now + Duration::from_secs(u64::from(args.days) * 86_400);
    let key = KeyPair::generate()?;
    let certificate = certificate.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes a file whole or not at all, so that a broker that reads it again meets no half of it.
fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = write_and_rename(&part, path, text, mode);
    written.map_err(|error| {
        // What is left of it is of no use; that it is gone already is fine.
        let _ = std::fs::remove_file(&part);
        failed(format!("{} cannot be written: {error}", path.display()))
    })
}

fn write_and_rename(part: &Path, path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(part, path)
}

#[cfg(test)]
mod tests;
