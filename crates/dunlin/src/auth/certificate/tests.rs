use std::sync::Arc;

use dunlin_codec::ProtocolVersion;
use dunlin_core::input::AuthenticationStep;

use super::*;
use crate::config::{CertificateName, CertificateNames};
use crate::peer::{Peer, PeerCertificate};

/// A certificate with one name of each kind, and a second of some.
fn certificate() -> PeerCertificate {
    PeerCertificate {
        subject: "CN=seven,O=Example".to_owned(),
        common_name: Some("seven".to_owned()),
        dns_names: vec!["seven.example".to_owned(), "7.example".to_owned()],
        email_addresses: vec!["seven@example.org".to_owned()],
        uris: vec!["urn:sensor:7".to_owned()],
        ip_addresses: Vec::new(),
    }
}

fn caller(certificate: Option<PeerCertificate>, names: CertificateNames) -> Caller {
    Caller {
        peer: Peer {
            address: None,
            certificate: certificate.map(Arc::new),
        },
        certificate_names: names,
        ..Caller::default()
    }
}

fn attempt(client_id: &str) -> Attempt {
    Attempt {
        step: AuthenticationStep::Connect,
        version: ProtocolVersion::V5,
        client_id: client_id.to_owned(),
        user_name: Some("somebody else".to_owned()),
        password: None,
        method: None,
        data: None,
    }
}

async fn user(caller: &Caller, attempt: &Attempt) -> Result<Option<Arc<str>>, ReasonCode> {
    match Certificates
        .decide(attempt, caller, &mut Exchange::default())
        .await
    {
        Verdict::Allow(allowed) => Ok(allowed.grant.user_name),
        Verdict::Next => Ok(None),
        Verdict::Deny(reason_code) => Err(reason_code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_user_name_is_what_the_listener_takes_from_the_certificate() {
    for (kind, expected) in [
        (CertificateName::CommonName, "seven"),
        (CertificateName::Subject, "CN=seven,O=Example"),
        (CertificateName::Dns, "seven.example"),
        (CertificateName::Email, "seven@example.org"),
        (CertificateName::Uri, "urn:sensor:7"),
    ] {
        let names = CertificateNames {
            user_name: Some(kind),
            client_id: None,
        };
        let caller = caller(Some(certificate()), names);
        let name = user(&caller, &attempt("a")).await.unwrap();
        assert_eq!(name.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn without_a_certificate_or_a_listener_that_asks_others_decide() {
    let by_name = CertificateNames {
        user_name: Some(CertificateName::CommonName),
        client_id: None,
    };
    let without = caller(None, by_name);
    assert_eq!(user(&without, &attempt("a")).await, Ok(None));
    let nobody_asks = caller(Some(certificate()), CertificateNames::default());
    assert_eq!(user(&nobody_asks, &attempt("a")).await, Ok(None));
    let mut scram = attempt("a");
    scram.method = Some("SCRAM-SHA-256".to_owned());
    let with = caller(Some(certificate()), by_name);
    assert_eq!(user(&with, &scram).await, Ok(None));
}

// Class 17 of attacks.
#[tokio::test]
async fn auth_back_end_edge_a_certificate_without_a_fit_name_is_nobodys() {
    for name in [None, Some(""), Some("se\0ven"), Some("se\nven")] {
        let names = CertificateNames {
            user_name: Some(CertificateName::CommonName),
            client_id: Some(CertificateName::CommonName),
        };
        let certificate = PeerCertificate {
            common_name: name.map(str::to_owned),
            ..PeerCertificate::default()
        };
        let caller = caller(Some(certificate), names);
        let refused = user(&caller, &attempt("a")).await;
        assert_eq!(refused, Err(ReasonCode::NotAuthorized), "{name:?}");
        for client_id in ["", "se\0ven"] {
            let refused = client_id_of(&caller, client_id);
            assert_eq!(
                refused,
                Err(ReasonCode::ClientIdentifierNotValid),
                "{name:?}"
            );
        }
    }
}

/// The Client Identifier that a client has in the end, and the one that it is assigned.
fn client_id_of(
    caller: &Caller,
    client_id: &str,
) -> Result<(String, Option<Arc<str>>), ReasonCode> {
    let mut attempt = attempt(client_id);
    let assigned = super::client_id(&mut attempt, caller)?;
    Ok((attempt.client_id, assigned))
}

#[test]
fn the_client_identifier_is_one_of_the_certificates_names() {
    let by_dns = CertificateNames {
        user_name: None,
        client_id: Some(CertificateName::Dns),
    };
    let seven = caller(Some(certificate()), by_dns);
    for id in ["seven.example", "7.example"] {
        assert_eq!(client_id_of(&seven, id), Ok((id.to_owned(), None)));
    }
    let first = "seven.example";
    let assigned = Ok((first.to_owned(), Some(first.into())));
    assert_eq!(client_id_of(&seven, ""), assigned);
    let refused = Err(ReasonCode::ClientIdentifierNotValid);
    for id in ["seven", "SEVEN.example", "seven.example "] {
        assert_eq!(client_id_of(&seven, id), refused);
    }
    let without = caller(None, by_dns);
    assert_eq!(
        client_id_of(&without, "seven.example"),
        Err(ReasonCode::NotAuthorized)
    );
    let anyone = caller(Some(certificate()), CertificateNames::default());
    assert_eq!(client_id_of(&anyone, "x"), Ok(("x".to_owned(), None)));
}
