//! Whom a client trusts, and as whom it presents itself.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What TLS is to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// A PEM file with the certificates to trust, instead of those of the system. A certificate that
    /// signs itself may be the server's own.
    pub ca: Option<PathBuf>,
    /// A PEM file with the client's certificate, and those between it and its authority.
    pub certificate: Option<PathBuf>,
    /// A PEM file with the private key of that certificate.
    pub key: Option<PathBuf>,
    /// Accepts any certificate of any server. The connection is then encrypted, and nobody knows
    /// with whom.
    pub accepts_any_certificate: bool,
    /// Application protocols to offer (ALPN), in the order of preference.
    pub alpn: Vec<String>,
}

/// Why there is no TLS with these options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that is no PEM of the kind that was expected.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("a client certificate and its private key are needed together")]
    OneOfTwo,
    /// The system's certificates are asked for, and there are none.
    #[error("this system has no certificates to trust: {0}")]
    NoRoots(String),
    /// TLS itself objects.
    #[error("{0}")]
    Tls(#[from] Error),
}

/// Options of TLS that were read and checked; clones share them.
#[derive(Clone)]
pub struct TlsConfig(Arc<ClientConfig>);

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConfig")
    }
}

impl TlsOptions {
    /// Reads the files and checks them.
    ///
    /// # Errors
    /// If a file cannot be read or is something else, or a key does not fit.
    pub fn build(&self) -> Result<TlsConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier {
                algorithms: provider.signature_verification_algorithms,
                trust: self.trust(provider)?,
            }));
        let mut config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate)?;
                builder
                    .with_client_auth_cert(chain, private_key(key)?)
                    .map_err(|error| TlsError::Content {
                        path: key.clone(),
                        problem: format!("not the key of {}: {error}", certificate.display()),
                    })?
            }
            _ => return Err(TlsError::OneOfTwo),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.clone().into()).collect();
        Ok(TlsConfig(Arc::new(config)))
    }

    fn trust(&self, provider: Arc<CryptoProvider>) -> Result<Trust, TlsError> {
        if self.accepts_any_certificate {
            return Ok(Trust::Anyone);
        }
        let mut roots = RootCertStore::empty();
        let pinned = match &self.ca {
            Some(path) => {
                let trusted = certificates(path)?;
                for certificate in &trusted {
                    roots
                        .add(certificate.clone())
                        .map_err(|error| content(path, error.to_string()))?;
                }
                trusted
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                let (added, _) = roots.add_parsable_certificates(found.certs);
                if added == 0 {
                    let errors = found.errors.first().map(ToString::to_string);
                    return Err(TlsError::NoRoots(errors.unwrap_or_else(|| {
                        "name a file of certificates to trust".to_owned()
                    })));
                }
                Vec::new()
            }
        };
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| TlsError::Tls(Error::General(error.to_string())))?;
        Ok(Trust::Named { chain, pinned })
    }
}

impl TlsConfig {
    /// The same, but for that no session is resumed: each handshake is a full one, with the server's
    /// certificate and its signature.
    #[must_use]
    pub fn without_resumption(&self) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.resumption = Resumption::disabled();
        Self(Arc::new(config))
    }

    /// Shakes hands with a server.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(&self.0));
        let connected = connector.connect(server_name(host)?, stream).await;
        connected.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let text = "the server closes the connection instead of speaking TLS";
                io::Error::new(error.kind(), text)
            }
            _ => error,
        })
    }

    /// With these application protocols, if the options name none.
    pub(super) fn with_alpn(&self, alpn: &str) -> Arc<ClientConfig> {
        if !self.0.alpn_protocols.is_empty() {
            return Arc::clone(&self.0);
        }
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = vec![alpn.into()];
        Arc::new(config)
    }
}

fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("{host}: {error}")))
}

fn content(path: &Path, problem: impl Into<String>) -> TlsError {
    TlsError::Content {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::File {
        path: path.to_owned(),
        error,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(content(path, "no PEM certificate in it")),
        Err(error) => Err(content(path, error.to_string())),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if contains(&text, b"ENCRYPTED PRIVATE KEY") => content(
            path,
            "the key is encrypted with a password; decrypt it first, with `openssl pkey`",
        ),
        pem::Error::NoItemsFound => content(path, "no PEM private key in it"),
        error => content(path, error.to_string()),
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Decides whether a server is the one that it says.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Who is trusted.
#[derive(Debug)]
enum Trust {
    /// Everyone, as was asked for. Signatures are checked all the same.
    Anyone,
    /// Chains that end in a root, and servers whose very certificate was named: people make one with
    /// `openssl req -x509`, and it calls itself an authority, which a server's may not.
    Named {
        chain: Arc<WebPkiServerVerifier>,
        pinned: Vec<CertificateDer<'static>>,
    },
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Trust::Named { chain, pinned } = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if pinned.iter().any(|pinned| pinned == end_entity) =>
            {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            // An authority has the name of the issuer, and a key of another kind: it is not the issuer.
            Err(Error::InvalidCertificate(
                CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
            )) => Err(CertificateError::UnknownIssuer.into()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
