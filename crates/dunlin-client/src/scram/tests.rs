//! The examples of the RFCs, and servers that cheat.

use super::{Scram, ScramCredentials, ScramError, ScramMechanism};

fn credentials(mechanism: ScramMechanism) -> ScramCredentials {
    ScramCredentials {
        mechanism,
        user_name: "user".to_owned(),
        password: "pencil".to_owned(),
    }
}

struct Example {
    mechanism: ScramMechanism,
    nonce: &'static str,
    server_first: &'static str,
    client_final: &'static str,
    server_final: &'static str,
}

/// RFC 5802 section 5, and RFC 7677 section 3.
const EXAMPLES: [Example; 2] = [
    Example {
        mechanism: ScramMechanism::Sha1,
        nonce: "fyko+d2lbbFgONRv9qkxdawL",
        server_first: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        client_final: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,\
            p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        server_final: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    },
    Example {
        mechanism: ScramMechanism::Sha256,
        nonce: "rOprNGfwEbeRWgbNEkqO",
        server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        server_final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    },
];

#[test]
fn the_examples_of_the_rfcs_come_out() {
    for example in &EXAMPLES {
        let credentials = credentials(example.mechanism);
        let mut scram = Scram::with_nonce(&credentials, example.nonce.to_owned());
        assert_eq!(scram.first(), format!("n,,n=user,r={}", example.nonce));
        let answer = scram.answer(example.server_first.as_bytes()).unwrap();
        assert_eq!(std::str::from_utf8(&answer), Ok(example.client_final));
        assert!(!scram.is_proven());
        scram.finish(example.server_final.as_bytes()).unwrap();
        assert!(scram.is_proven());
    }
}

#[test]
fn a_last_auth_is_answered_with_nothing() {
    let example = &EXAMPLES[1];
    let credentials = credentials(example.mechanism);
    let mut scram = Scram::with_nonce(&credentials, example.nonce.to_owned());
    scram.answer(example.server_first.as_bytes()).unwrap();
    assert_eq!(
        scram.answer(example.server_final.as_bytes()),
        Ok(Vec::new())
    );
    assert!(scram.is_proven());
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    let example = &EXAMPLES[1];
    let credentials = credentials(example.mechanism);
    let begun = || {
        let mut scram = Scram::with_nonce(&credentials, example.nonce.to_owned());
        scram.answer(example.server_first.as_bytes()).unwrap();
        scram
    };
    for (data, error) in [
        ("v=AAAA", ScramError::Unproven),
        ("v=?", ScramError::Malformed),
        ("nonsense", ScramError::Malformed),
        (
            "e=invalid-proof",
            ScramError::Server("invalid-proof".to_owned()),
        ),
    ] {
        assert_eq!(begun().finish(data.as_bytes()), Err(error), "{data}");
    }
    let mut unasked = Scram::with_nonce(&credentials, "n".to_owned());
    assert_eq!(unasked.finish(b"v=AAAA"), Err(ScramError::Unproven));
}

#[test]
fn a_first_answer_that_is_none_is_refused() {
    let credentials = credentials(ScramMechanism::Sha512);
    for (data, error) in [
        ("r=other,s=AAAA,i=4096", ScramError::Nonce),
        ("r=mine,s=AAAA,i=4096", ScramError::Nonce),
        ("r=mine1,s=AAAA,i=0", ScramError::Malformed),
        ("r=mine1,s=?,i=1", ScramError::Malformed),
        (
            "r=mine1,s=AAAA,i=4000000000",
            ScramError::Rounds(4_000_000_000),
        ),
        ("s=AAAA,r=mine1,i=1", ScramError::Malformed),
        (
            "e=unknown-user",
            ScramError::Server("unknown-user".to_owned()),
        ),
    ] {
        let mut scram = Scram::with_nonce(&credentials, "mine".to_owned());
        assert_eq!(scram.answer(data.as_bytes()), Err(error), "{data}");
    }
}

#[test]
fn names_are_escaped_and_passwords_not_printed() {
    let mut credentials = credentials(ScramMechanism::Sha256);
    credentials.user_name = "a=b,c".to_owned();
    let scram = Scram::with_nonce(&credentials, "x".to_owned());
    assert_eq!(scram.first(), "n,,n=a=3Db=2Cc,r=x");
    assert!(!format!("{credentials:?}").contains("pencil"));
    assert_ne!(
        Scram::new(&credentials).unwrap().nonce,
        Scram::new(&credentials).unwrap().nonce
    );
}
