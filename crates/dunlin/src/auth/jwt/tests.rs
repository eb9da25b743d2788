mod samples;

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dunlin_codec::ProtocolVersion;
use dunlin_core::access::{Access as _, Identity};
use dunlin_core::input::{AuthenticationStep, Secret};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::json;

use super::*;
use crate::config::Config;
use crate::http::tests::Answering;
use crate::mutate::text_corpus;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A second before the end of 2001-09-09T01:46:40Z.
const NOW: u64 = 999_999_999;

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token with this header and payload, signed as told.
fn signed(header: &str, payload: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encoded(header), encoded(payload));
    let tag = sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn hs256(header: &str, payload: &str) -> String {
    signed(header, payload, |message| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        hmac::sign(&key, message).as_ref().to_vec()
    })
}

fn token(payload: &Value) -> String {
    hs256(r#"{"alg":"HS256"}"#, &payload.to_string())
}

/// A folder with the secret and these public keys, and what reads them.
struct House {
    folder: tempfile::TempDir,
    tokens: Tokens,
}

impl House {
    fn new(keys: &[&str], more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("secret"), SECRET).unwrap();
        let mut config = format!("[[auth.jwt]]\nsecret_file = {:?}\n", path("secret"));
        let mut files = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let path = path(&format!("key{index}"));
            std::fs::write(&path, key).unwrap();
            files.push(path);
        }
        config.push_str(&format!("key_files = {files:?}\n{more}"));
        let config = Config::from_toml(&config).unwrap();
        let tokens = Tokens::open(&config.auth).unwrap();
        Self { folder, tokens }
    }

    async fn verdict(&self, password: &str) -> Verdict {
        let attempt = Attempt {
            step: AuthenticationStep::Connect,
            version: ProtocolVersion::V5,
            client_id: "c1".to_owned(),
            user_name: Some("whatever".to_owned()),
            password: Some(Secret(password.as_bytes().to_vec())),
            method: None,
            data: None,
        };
        let caller = Caller {
            now: Time::from_millis(NOW * 1000),
            ..Caller::default()
        };
        let mut exchange = Exchange::default();
        self.tokens.decide(&attempt, &caller, &mut exchange).await
    }

    async fn allowed(&self, password: &str) -> Option<Allowed> {
        match self.verdict(password).await {
            Verdict::Allow(allowed) => Some(allowed),
            Verdict::Deny(code) => {
                assert_eq!(code, ReasonCode::BadUserNameOrPassword);
                None
            }
            other => panic!("{password}: {other:?}"),
        }
    }

    async fn is_allowed(&self, password: &str) -> bool {
        self.allowed(password).await.is_some()
    }
}

#[tokio::test]
async fn a_token_is_its_user_until_it_expires() {
    let house = House::new(&[], "");
    let allowed = house
        .allowed(&token(&json!({ "sub": "ada", "exp": NOW + 1 })))
        .await
        .unwrap();
    assert_eq!(allowed.grant.user_name.as_deref(), Some("ada"));
    let expires_at = Time::from_millis((NOW + 1) * 1000);
    assert_eq!(allowed.grant.expires_at, Some(expires_at));
    assert!(allowed.grant.rules.is_none());
    let forever = house.allowed(&token(&json!({ "sub": "ada" }))).await;
    assert_eq!(forever.unwrap().grant.expires_at, None);
}

#[tokio::test]
async fn claims_of_time_hold() {
    let house = House::new(&[], "");
    for (claims, is_allowed) in [
        (json!({ "sub": "a", "exp": NOW }), false),
        (json!({ "sub": "a", "exp": 1 }), false),
        (json!({ "sub": "a", "exp": -5 }), false),
        (json!({ "sub": "a", "exp": "9999999999" }), false),
        (json!({ "sub": "a", "exp": 1e300 }), false),
        (json!({ "sub": "a", "exp": NOW as f64 + 0.5 }), true),
        (json!({ "sub": "a", "nbf": NOW + 30 }), true),
        (json!({ "sub": "a", "nbf": NOW + 31 }), false),
        (json!({ "sub": "a", "nbf": null }), false),
    ] {
        assert_eq!(
            house.is_allowed(&token(&claims)).await,
            is_allowed,
            "{claims}"
        );
    }
}

#[tokio::test]
async fn claims_that_must_be_there_are() {
    let house = House::new(
        &[],
        "issuer = \"us\"\naudience = \"mqtt\"\n\
         user_claim = \"name\"\nclient_claim = \"device\"\n",
    );
    let good = json!({ "iss": "us", "aud": ["web", "mqtt"], "name": "ada", "device": "c1" });
    let allowed = house.allowed(&token(&good)).await.unwrap();
    assert_eq!(allowed.grant.user_name.as_deref(), Some("ada"));
    for (name, value) in [
        ("iss", json!("them")),
        ("iss", json!(["us"])),
        ("aud", json!("web")),
        ("aud", json!([])),
        ("name", json!(7)),
        ("device", json!("c2")),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(!house.is_allowed(&token(&bad)).await, "{bad}");
        bad.as_object_mut().unwrap().remove(name);
        assert!(!house.is_allowed(&token(&bad)).await, "{bad}");
    }
}

#[tokio::test]
async fn a_claim_can_hold_access_rules() {
    let house = House::new(&[], "");
    let claims = json!({ "sub": "ada", "acl": { "pub": ["out/%c"] } });
    let allowed = house.allowed(&token(&claims)).await.unwrap();
    let who = Identity {
        client_id: "c1".into(),
        user_name: Some("ada".into()),
        address: None,
        rules: None,
    };
    let rules = allowed.grant.rules.unwrap();
    let may = |topic| {
        let topic = dunlin_codec::TopicName::parse(topic).unwrap();
        rules.may_publish(&who, topic, dunlin_codec::QoS::AtMostOnce, false)
    };
    assert_eq!([may("out/c1"), may("out/c2")], [true, false]);
    // Rules that make no sense allow nothing, not everything.
    for acl in [
        json!(["out/%c"]),
        json!({ "write": ["#"] }),
        json!({ "pub": ["#/x"] }),
    ] {
        assert!(
            !house
                .is_allowed(&token(&json!({ "sub": "ada", "acl": acl })))
                .await
        );
    }
}

#[tokio::test]
async fn public_keys_verify_what_their_private_keys_signed() {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let p256 = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let ed25519 = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    // SubjectPublicKeyInfo of Ed25519 (RFC 8410).
    let der = [
        &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0],
        ed25519.public_key().as_ref(),
    ];
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(der.concat())
    );
    let (x, y) = p256.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "kid": "one",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    });
    let house = House::new(&[samples::RSA, samples::P384, &pem, &jwk.to_string()], "");
    let ecdsa = |message: &[u8]| p256.sign(&random, message).unwrap().as_ref().to_vec();
    let eddsa = |message: &[u8]| ed25519.sign(message).as_ref().to_vec();
    let payload = r#"{"sub":"ada"}"#;
    for (name, token) in [
        ("RS256", samples::RS256.to_owned()),
        ("PS256", samples::PS256.to_owned()),
        ("ES384", samples::ES384.to_owned()),
        ("EdDSA", signed(r#"{"alg":"EdDSA"}"#, payload, eddsa)),
        (
            "ES256",
            signed(r#"{"alg":"ES256","kid":"one"}"#, payload, ecdsa),
        ),
    ] {
        assert!(house.is_allowed(&token).await, "{name}");
        let (message, _) = token.rsplit_once('.').unwrap();
        assert!(
            !house.is_allowed(&format!("{message}.AAAA")).await,
            "{name}"
        );
    }
    // The key has another name.
    let other = signed(r#"{"alg":"ES256","kid":"two"}"#, payload, ecdsa);
    assert!(!house.is_allowed(&other).await);
}

/// Class 17 of attacks: a token cannot choose how it is verified.
#[tokio::test]
async fn auth_back_end_edge_a_token_does_not_choose_its_key() {
    let house = House::new(&[samples::RSA], "");
    let payload = r#"{"sub":"ada"}"#;
    assert!(
        house
            .is_allowed(&hs256(r#"{"alg":"HS256"}"#, payload))
            .await
    );
    // Signed with the public key as if it were a secret.
    for secret in [samples::RSA.as_bytes(), samples::RSA.trim_end().as_bytes()] {
        let confused = signed(r#"{"alg":"HS256"}"#, payload, |message| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::sign(&key, message).as_ref().to_vec()
        });
        assert!(!house.is_allowed(&confused).await);
    }
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"typ":"JWT"}"#,
    ] {
        assert!(!house.is_allowed(&hs256(header, payload)).await, "{header}");
    }
    let unsigned = signed(r#"{"alg":"none"}"#, payload, |_| Vec::new());
    assert!(!house.is_allowed(&unsigned).await);
    let empty = signed(r#"{"alg":"HS256"}"#, payload, |_| Vec::new());
    assert!(!house.is_allowed(&empty).await);
}

#[tokio::test]
async fn what_is_no_token_is_left_to_others() {
    let house = House::new(&[], "");
    for password in ["", "secret", "eyJ", "a.b.c", "eyJ.", "ey..."] {
        assert!(
            matches!(house.verdict(password).await, Verdict::Next),
            "{password}"
        );
    }
}

/// Broken forms of a token let nobody in, and stop nothing.
#[tokio::test]
async fn fuzz_tokens() {
    let house = House::new(&[samples::RSA, samples::P384], "");
    let mut signed = HashSet::new();
    for token in text_corpus("jwt", 0) {
        if house.is_allowed(&token).await {
            signed.insert(token);
        }
    }
    assert_eq!(signed.len(), 7);
    for token in text_corpus("jwt", 3000) {
        if let Verdict::Allow(_) = house.verdict(&token).await {
            assert!(signed.contains(&token), "{token}");
        }
    }
}

/// Whatever a token says that is signed as it should be: a user who is let in has a name, and time left.
#[tokio::test]
async fn fuzz_claims() {
    let house = House::new(&[], "");
    let (mut good, mut broken) = (0, 0);
    for claims in text_corpus("jwt_claims", 1000) {
        match house.allowed(&hs256(r#"{"alg":"HS256"}"#, &claims)).await {
            Some(Allowed { grant, .. }) => {
                assert!(grant.user_name.is_some(), "{claims}");
                let now = Time::from_millis(NOW * 1000);
                assert!(grant.expires_at.is_none_or(|at| at > now), "{claims}");
                good += 1;
            }
            None => broken += 1,
        }
    }
    assert!(good > 100 && broken > 1000, "{good} good, {broken} broken");
}

/// Keys are at most those that the text has, and none of them takes what it did not sign.
#[test]
fn fuzz_keys() {
    let (mut good, mut broken) = (0, 0);
    for text in text_corpus("jwt_key", 2000) {
        match Key::parse(&text) {
            Ok(keys) => {
                for key in keys {
                    for algorithm in [
                        token::Algorithm::Hs256,
                        token::Algorithm::Rs256,
                        token::Algorithm::Es256,
                        token::Algorithm::EdDsa,
                    ] {
                        assert!(!key.verifies(algorithm, b"x", b"y"), "{text}");
                    }
                }
                good += 1;
            }
            Err(_) => broken += 1,
        }
    }
    assert!(good > 100 && broken > 1000, "{good} good, {broken} broken");
}

#[test]
fn what_is_no_key_is_told_and_not_shown() {
    let short = json!({ "kty": "oct", "k": "c2hvcnQ" }).to_string();
    let other = json!({ "keys": [{ "kty": "OKP", "crv": "X25519", "x": "AA" }] }).to_string();
    let point = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }).to_string();
    let many = json!({ "keys": vec![json!({ "kty": "oct" }); 300] }).to_string();
    for (text, says) in [
        ("", "is neither"),
        (
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----",
            "is neither",
        ),
        (
            "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----",
            "is broken",
        ),
        (samples::RSA_1024, "less than 2048 bits"),
        (samples::SECP256K1, "neither RSA nor EC"),
        ("{", "is broken"),
        ("{}", "missing field `kty`"),
        (r#"{"keys":{}}"#, "is broken"),
        (r#"{"keys":[]}"#, "holds no key"),
        (&other, "holds no key"),
        (
            &short,
            "key 1 of the JSON Web Key Set: the secret has less than 32 bytes",
        ),
        (&point, "not the length of the curve"),
        (&many, "more than 256"),
    ] {
        let error = Key::parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
        assert!(!error.contains("c2hvcnQ"), "{error}");
    }
    let error = Key::secret("too short\n").unwrap_err().to_string();
    assert!(error.starts_with("the secret has 9 bytes"), "{error}");
    assert!(!format!("{:?}", Key::secret(SECRET).unwrap()).contains("0123"));
}

/// Class 16 of attacks: what is broken leaves the keys that were read.
#[tokio::test]
async fn fail_open_configuration_keys_change_with_their_files() {
    let house = House::new(&[samples::RSA], "");
    let path = house.folder.path().join("key0");
    let allowed = house.allowed(samples::RS256).await.unwrap();
    let still_holds = allowed.still_holds.unwrap();
    std::fs::write(&path, "").unwrap();
    assert!(!house.tokens.issuers[0].reload(true));
    assert!(still_holds() && house.is_allowed(samples::RS256).await);
    std::fs::write(&path, samples::P384).unwrap();
    assert!(house.tokens.issuers[0].reload(true));
    assert!(!still_holds());
    assert!(!house.is_allowed(samples::RS256).await);
    assert!(house.is_allowed(samples::ES384).await);
}

#[tokio::test]
async fn keys_of_a_server_are_fetched_when_a_token_names_one() {
    let set = json!({ "keys": [
        { "kty": "RSA", "n": samples::RSA_N, "e": "AQAB", "use": "sig", "alg": "RS256" },
        { "kty": "RSA", "n": "AA", "e": "AQAB", "use": "enc" },
    ] });
    let server = Answering::start(move |_| (200, set.to_string()));
    let house = House::new(&[], &format!("jwks_url = \"{}\"\n", server.url()));
    // The first fetch may be under way: whoever comes waits for it.
    let allowed = house.allowed(samples::RS256).await.unwrap();
    assert!(allowed.still_holds.unwrap()());
    // The key is for one algorithm only.
    assert!(!house.is_allowed(samples::PS256).await);
}

/// Class 17 of attacks: a server that gives no keys lets nobody in.
#[tokio::test]
async fn auth_back_end_edge_without_keys_no_token_is_right() {
    for (status, body) in [
        (500, "{}"),
        (200, "nonsense"),
        (200, "{\"keys\":[]}"),
        (302, ""),
    ] {
        let server = Answering::start(move |_| (status, body.to_owned()));
        let house = House::new(&[], &format!("jwks_url = \"{}\"\n", server.url()));
        assert!(!house.is_allowed(samples::RS256).await, "{status} {body}");
        // Those of files are right all the same.
        assert!(house.is_allowed(&token(&json!({ "sub": "ada" }))).await);
    }
}
