//! Who is at the other end of a Network Connection, as far as the transport knows.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::config::CertificateName;

/// The other end of a Network Connection, before it says who it is.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its address; a transport between programs of one machine has none.
    pub address: Option<SocketAddr>,
    /// The certificate that it showed, of an authority that the listener trusts.
    pub certificate: Option<Arc<PeerCertificate>>,
}

/// What a verified certificate says of its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCertificate {
    /// The subject as RFC 4514 writes it, such as `CN=sensor-7,O=Example`.
    pub subject: String,
    /// The Common Name of the subject.
    pub common_name: Option<String>,
    /// The DNS names among the subject's alternative names.
    pub dns_names: Vec<String>,
    /// The mail addresses among them.
    pub email_addresses: Vec<String>,
    /// The URIs among them.
    pub uris: Vec<String>,
    /// The IP addresses among them.
    pub ip_addresses: Vec<IpAddr>,
}

impl PeerCertificate {
    /// Reads a certificate that the handshake verified. What cannot be read is left out: it can then
    /// name nobody.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok(certificate) = Certificate::from_der(certificate) else {
            return Self::default();
        };
        let certificate = certificate.tbs_certificate();
        let subject = certificate.subject();
        let common_name = subject.common_name().ok().flatten();
        let mut read = Self {
            subject: subject.to_string(),
            common_name: common_name.map(|name| name.value().into_owned()),
            ..Self::default()
        };
        if let Ok(Some((_, SubjectAltName(names)))) = certificate.get_extension() {
            for name in names {
                read.add(&name);
            }
        }
        read
    }

    /// Its names of this kind that can stand in a packet.
    pub(crate) fn names(&self, kind: CertificateName) -> impl Iterator<Item = &str> {
        let names = match kind {
            CertificateName::CommonName => self.common_name.as_slice(),
            CertificateName::Subject => std::slice::from_ref(&self.subject),
            CertificateName::Dns => &self.dns_names,
            CertificateName::Email => &self.email_addresses,
            CertificateName::Uri => &self.uris,
        };
        let names = names.iter().map(String::as_str);
        names.filter(|name| !name.is_empty() && !name.contains(char::is_control))
    }

    fn add(&mut self, name: &GeneralName) {
        match name {
            GeneralName::DnsName(name) => self.dns_names.push(name.to_string()),
            GeneralName::Rfc822Name(name) => self.email_addresses.push(name.to_string()),
            GeneralName::UniformResourceIdentifier(name) => self.uris.push(name.to_string()),
            GeneralName::IpAddress(bytes) => {
                let bytes = bytes.as_bytes();
                let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
                let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
                self.ip_addresses.extend(address);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
