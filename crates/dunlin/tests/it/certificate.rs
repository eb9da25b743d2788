//! A certificate that the test makes for itself, and a client that trusts it.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

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
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        client
    }
}
