//! The parts of the configuration that concern TLS.

use std::path::PathBuf;

use super::extract::take;
use super::value::Settings;
use super::words::{ClientCertificate, TlsVersion};

/// How a listener uses TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsConfig {
    /// The certificate, then those of the authorities between it and the root, as PEM; empty if
    /// none is set, which no listener that needs one has.
    pub certificate_file: PathBuf,
    /// The private key, as PEM; empty as above.
    pub key_file: PathBuf,
    /// The certificates of the authorities whose clients are known, as PEM.
    pub client_ca_file: Option<PathBuf>,
    /// Whether a client must show a certificate, if `client_ca_file` is set.
    pub client_certificate: ClientCertificate,
    /// The certificates that those authorities have revoked, as PEM.
    pub crl_file: Option<PathBuf>,
    /// The oldest version of TLS that is spoken.
    pub version_min: TlsVersion,
}

impl TlsConfig {
    /// The section `tls`.
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            certificate_file: take(settings, "tls.certificate_file"),
            key_file: take(settings, "tls.key_file"),
            client_ca_file: take(settings, "tls.client_ca_file"),
            client_certificate: take(settings, "tls.client_certificate"),
            crl_file: take(settings, "tls.crl_file"),
            version_min: take(settings, "tls.version_min"),
        }
    }

    /// What holds for a listener: what it says itself, and for the rest this.
    pub(super) fn of_listener(&self, fields: &Settings) -> Self {
        let path = |key| take::<Option<PathBuf>>(fields, key);
        Self {
            certificate_file: path("tls_certificate_file")
                .unwrap_or_else(|| self.certificate_file.clone()),
            key_file: path("tls_key_file").unwrap_or_else(|| self.key_file.clone()),
            client_ca_file: path("tls_client_ca_file").or_else(|| self.client_ca_file.clone()),
            client_certificate: take::<Option<_>>(fields, "tls_client_certificate")
                .unwrap_or(self.client_certificate),
            crl_file: path("tls_crl_file").or_else(|| self.crl_file.clone()),
            version_min: take::<Option<_>>(fields, "tls_version_min").unwrap_or(self.version_min),
        }
    }
}
