//! A certificate that the test makes for itself, and a client that trusts it.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

/// A certificate for 127.0.0.1 and localhost, and its key, as files.
pub(crate) struct SelfSigned {
    certificate: CertificateDer<'static>,
    directory: tempfile::TempDir,
}

impl SelfSigned {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "127.0.0.1"].map(String::from);
        let certificate = CertificateParams::new(names)
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let write = |name, text| std::fs::write(directory.path().join(name), text).unwrap();
        write("cert.pem", certificate.pem());
        write("key.pem", key.serialize_pem());
        Self {
            certificate: certificate.der().clone(),
            directory,
        }
    }

    /// The section of a configuration that names the files.
    pub(crate) fn section(&self) -> String {
        let path = |name| self.directory.path().join(name).display().to_string();
        format!(
            "[tls]\ncertificate_file = {:?}\nkey_file = {:?}\n",
            path("cert.pem"),
            path("key.pem")
        )
    }

    /// A client that trusts this certificate alone.
    pub(crate) fn client(&self, alpn: &[&[u8]]) -> ClientConfig {
        let mut client = self.trusting().with_no_client_auth();
        client.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        client
    }

    /// One that shows a certificate of this authority besides.
    pub(crate) fn client_with(&self, authority: &Authority, name: &str) -> ClientConfig {
        let (certificate, key) = authority.certificate(name);
        let client = self
            .trusting()
            .with_client_auth_cert(vec![certificate], key);
        client.unwrap()
    }

    fn trusting(&self) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
    }
}

/// An authority for clients, with its certificate as a file.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            directory,
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate whose Common Name and DNS name this is, and its key.
    fn certificate(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        (certificate.der().clone(), key.into())
    }
}
