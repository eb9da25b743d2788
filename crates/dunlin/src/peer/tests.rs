use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use super::PeerCertificate;

fn read(params: &CertificateParams) -> PeerCertificate {
    let key = KeyPair::generate().unwrap();
    PeerCertificate::of(params.self_signed(&key).unwrap().der())
}

#[test]
fn subject_and_alternative_names_are_read() {
    let mut params = CertificateParams::default();
    let name = &mut params.distinguished_name;
    name.remove(DnType::CommonName);
    name.push(DnType::OrganizationName, "Example, Inc.");
    name.push(DnType::CommonName, "sensor-7");
    params.subject_alt_names = vec![
        SanType::DnsName("seven.example".try_into().unwrap()),
        SanType::Rfc822Name("seven@example.org".try_into().unwrap()),
        SanType::URI("urn:sensor:7".try_into().unwrap()),
        SanType::IpAddress([192, 0, 2, 7].into()),
        SanType::IpAddress("2001:db8::7".parse().unwrap()),
    ];
    let certificate = read(&params);
    assert_eq!(certificate.subject, "CN=sensor-7,O=Example\\, Inc.");
    assert_eq!(certificate.common_name.as_deref(), Some("sensor-7"));
    assert_eq!(certificate.dns_names, ["seven.example"]);
    assert_eq!(certificate.email_addresses, ["seven@example.org"]);
    assert_eq!(certificate.uris, ["urn:sensor:7"]);
    let addresses: Vec<_> = certificate
        .ip_addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, ["192.0.2.7", "2001:db8::7"]);
}

#[test]
fn a_certificate_without_names_names_nobody() {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    assert_eq!(read(&params), PeerCertificate::default());
    assert_eq!(
        PeerCertificate::of(&b"\x30\x00"[..].into()),
        PeerCertificate::default()
    );
}
