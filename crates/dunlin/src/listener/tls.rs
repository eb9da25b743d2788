//! TLS: certificates and keys from files, and again when these change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tracing::{info, warn};

use crate::config::{ClientCertificate, TlsConfig, TlsVersion};
use crate::files::Reload;
use crate::secret::{Readers, exposure};

/// The largest file that is read; a chain of certificates is a thousand times smaller, a list of what
/// is revoked may be long.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{path} is not PEM: {what}", path = path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong in it.
        what: String,
    },
    /// A file holds nothing that it is read for.
    #[error("{path} holds no {what} as PEM", path = path.display())]
    Nothing {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The certificate and the key do not make a pair, or are of a kind that is not supported.
    #[error("{certificate} and {key} cannot be used together: {source}",
        certificate = certificate.display(), key = key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// An authority's certificate is of no use.
    #[error("{path}: {what}", path = path.display())]
    Authority {
        /// Its file, or that of the revocation list.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A version of TLS that the library does not have.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] rustls::Error),
}

/// How one listener speaks TLS now.
pub(crate) struct Tls {
    files: TlsConfig,
    /// The protocols that are agreed on during the handshake; empty leaves it to the client.
    alpn: &'static [&'static [u8]],
    current: Mutex<Loaded>,
}

struct Loaded {
    server: Arc<ServerConfig>,
    /// What the files looked like when they were read.
    stamps: Stamps,
    /// What they looked like at the last look, if that was something else.
    changing: Option<Stamps>,
}

/// What tells that a file is another one than before, for each file.
type Stamps = Vec<Option<(SystemTime, u64, u64)>>;

impl Tls {
    /// Reads the files.
    pub(super) fn load(
        files: &TlsConfig,
        alpn: &'static [&'static [u8]],
    ) -> Result<Self, TlsError> {
        let stamps = stamps(files);
        let server = server_config(files, alpn)?;
        Ok(Self {
            files: files.clone(),
            alpn,
            current: Mutex::new(Loaded {
                server,
                stamps,
                changing: None,
            }),
        })
    }

    /// What the next handshake uses.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.lock().server)
    }

    /// Reads the files again. Connections that are open keep what they have; if something is wrong
    /// with the files, so do new ones.
    fn read_again(&self) {
        let stamps = stamps(&self.files);
        let read = server_config(&self.files, self.alpn);
        let mut current = self.current.lock();
        current.stamps = stamps;
        current.changing = None;
        let certificate = self.files.certificate_file.display();
        match read {
            Ok(server) => {
                current.server = server;
                info!(
                    "{certificate} and the other files of TLS are read again, for new connections"
                );
            }
            Err(error) => {
                warn!("the files of TLS cannot be used, what was read before stays: {error}");
            }
        }
    }
}

impl Reload for Tls {
    /// Reads the files again if they are other ones than before, and were the same at the last two
    /// looks: so that a certificate is not read before its key is there. Nothing that was granted
    /// depends on them.
    fn reload(&self, is_forced: bool) -> bool {
        let now = stamps(&self.files);
        {
            let mut current = self.current.lock();
            let has_changed = now != current.stamps;
            let rests = current.changing.as_ref() == Some(&now);
            if !(is_forced || has_changed && rests) {
                current.changing = has_changed.then_some(now);
                return false;
            }
        }
        self.read_again();
        false
    }
}

fn stamps(files: &TlsConfig) -> Stamps {
    let optional = [&files.client_ca_file, &files.crl_file];
    let paths = [&files.certificate_file, &files.key_file];
    paths
        .into_iter()
        .chain(optional.into_iter().flatten())
        .map(|path| {
            let about = fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len(), inode(&about)))
        })
        .collect()
}

fn inode(about: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(about)
}

fn server_config(files: &TlsConfig, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[&SupportedProtocolVersion] = match files.version_min {
        TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(TlsError::Setup)?;
    let verifier = verifier(files, provider)?;
    let is_verified = verifier.is_some();
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let chain = certificates(&files.certificate_file, "certificate")?;
    let key = private_key(&files.key_file)?;
    let mut server = builder
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Pair {
            certificate: files.certificate_file.clone(),
            key: files.key_file.clone(),
            source,
        })?;
    server.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    if is_verified {
        // A session that is resumed shows no certificate, so one that has expired or was revoked since
        // would be let in.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
    } else {
        server.ticketer = ring::Ticketer::new().map_err(TlsError::Setup)?;
        // A client has one connection to a broker, and is sent another ticket with each.
        server.send_tls13_tickets = 1;
    }
    Ok(Arc::new(server))
}

/// What looks at the certificates of clients, if they are asked for one.
fn verifier(
    files: &TlsConfig,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let Some(path) = &files.client_ca_file else {
        return Ok(None);
    };
    let may_have_none = match files.client_certificate {
        ClientCertificate::None => return Ok(None),
        ClientCertificate::Optional => true,
        ClientCertificate::Required => false,
    };
    let authority = |what: String| TlsError::Authority {
        path: path.clone(),
        what,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, "certificate of an authority")? {
        roots
            .add(certificate)
            .map_err(|error| authority(error.to_string()))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if may_have_none {
        builder = builder.allow_unauthenticated();
    }
    if let Some(path) = &files.crl_file {
        builder = builder
            .with_crls(revocation_lists(path)?)
            .enforce_revocation_expiration();
    }
    match builder.build() {
        Ok(verifier) => Ok(Some(verifier)),
        Err(VerifierBuilderError::InvalidCrl(error)) => Err(TlsError::Authority {
            path: files.crl_file.clone().unwrap_or_default(),
            what: rustls::Error::InvalidCertRevocationList(error).to_string(),
        }),
        Err(error) => Err(authority(error.to_string())),
    }
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    all(path, what)
}

fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    all(path, "revocation list")
}

/// Everything of one kind that a file holds, at least one.
fn all<T: PemObject>(path: &Path, what: &'static str) -> Result<Vec<T>, TlsError> {
    let found: Vec<T> = T::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(path, &error))?;
    if found.is_empty() {
        let path = path.to_owned();
        return Err(TlsError::Nothing { path, what });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    // What cannot be looked at cannot be read either.
    let data = fs::metadata(path).ok();
    if let Some(said) = data.and_then(|data| exposure(path, &data, Readers::Group)) {
        warn!("{said}");
    }
    match PrivateKeyDer::from_pem_slice(&read(path)?) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(TlsError::Nothing {
            path: path.to_owned(),
            what: "private key without a passphrase",
        }),
        Err(error) => Err(not_pem(path, &error)),
    }
}

fn not_pem(path: &Path, error: &pem::Error) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        what: error.to_string(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read =
        fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    let read = match read {
        Ok(_) if bytes.len() as u64 > FILE_BYTES_MAX => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {FILE_BYTES_MAX} bytes"),
        )),
        read => read,
    };
    read.map(|_| bytes).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}
