use std::sync::atomic::AtomicUsize;

use dunlin_core::input::{AuthenticationStep, Secret};
use serde_json::json;

use super::*;
use crate::config::Config;
use crate::http::tests::{Answering, client};

const NOW: u64 = 1_000_000;

fn asker(url: &str, more: &str) -> HttpServer {
    let config = Config::from_toml(&format!("[[auth.http]]\nurl = \"{url}\"\n{more}")).unwrap();
    HttpServer::new(client(), &config.auth.http[0]).unwrap()
}

fn attempt(user: Option<&str>, password: Option<&[u8]>) -> Attempt {
    Attempt {
        step: AuthenticationStep::Connect,
        version: ProtocolVersion::V5,
        client_id: "c1".to_owned(),
        user_name: user.map(str::to_owned),
        password: password.map(|password| Secret(password.to_vec())),
        method: None,
        data: None,
    }
}

async fn ask(server: &HttpServer, user: Option<&str>, password: Option<&[u8]>) -> Verdict {
    let caller = Caller {
        peer: crate::Peer {
            address: Some("[::ffff:10.0.0.7]:1".parse().unwrap()),
            certificate: None,
        },
        now: Time::from_millis(NOW * 1000),
        ..Caller::default()
    };
    let attempt = attempt(user, password);
    server
        .decide(&attempt, &caller, &mut Exchange::default())
        .await
}

fn in_short(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow(_) => "allow".to_owned(),
        Verdict::Next => "next".to_owned(),
        Verdict::Deny(code) => code.to_string(),
        Verdict::Continue(_) => "continue".to_owned(),
    }
}

#[tokio::test]
async fn the_server_is_told_who_asks_and_decides() {
    let (asked, asks) = std::sync::mpsc::channel();
    let server = Answering::start(move |body| {
        asked.send(body.to_owned()).unwrap();
        let said = json!({ "result": "allow", "acl": { "pub": ["a"] }, "expire_at": NOW + 60 });
        (200, said.to_string())
    });
    let server = asker(&server.url(), "");
    let Verdict::Allow(allowed) = ask(&server, Some("ada"), Some(b"secret")).await else {
        panic!("she is let in");
    };
    let body: Value = serde_json::from_str(&asks.recv().unwrap()).unwrap();
    assert_eq!(
        body,
        json!({
            "clientid": "c1", "username": "ada", "password": "secret", "peerhost": "10.0.0.7",
            "protocol": "5.0",
        })
    );
    let expires_at = Time::from_millis((NOW + 60) * 1000);
    assert_eq!(allowed.grant.expires_at, Some(expires_at));
    assert_eq!(allowed.grant.rules.unwrap().rules().len(), 1);
}

/// Class 17 of attacks: what is no clear yes is a no.
#[tokio::test]
async fn auth_back_end_edge_what_is_no_yes_is_a_no() {
    let bad = ReasonCode::BadUserNameOrPassword.to_string();
    let unavailable = ReasonCode::ServerUnavailable.to_string();
    for (status, body, expected) in [
        (200, r#"{"result":"allow"}"#, "allow"),
        (204, "", "allow"),
        (200, r#"{"result":"ignore"}"#, "next"),
        (200, r#"{"result":"deny"}"#, &bad),
        (401, "", &bad),
        (403, r#"{"result":"allow"}"#, &bad),
        (200, r#"{"result":"allow","expire_at":999999}"#, &bad),
        (200, "", &unavailable),
        (200, "allow", &unavailable),
        (200, r#"{"result":"Allow"}"#, &unavailable),
        (200, r#"{"result":true}"#, &unavailable),
        (200, r#"{"result":"allow","acl":"x"}"#, &unavailable),
        (
            200,
            r#"{"result":"allow","expire_at":"soon"}"#,
            &unavailable,
        ),
        (201, r#"{"result":"allow"}"#, &unavailable),
        (302, r#"{"result":"allow"}"#, &unavailable),
        (500, r#"{"result":"allow"}"#, &unavailable),
    ] {
        let server = Answering::start(move |_| (status, body.to_owned()));
        let server = asker(&server.url(), "");
        let verdict = ask(&server, Some("ada"), Some(b"secret")).await;
        assert_eq!(in_short(&verdict), expected, "{status} {body}");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let server = asker(&format!("http://{address}/"), "");
    let verdict = ask(&server, Some("ada"), Some(b"secret")).await;
    assert_eq!(in_short(&verdict), unavailable);
}

/// Class 17 of attacks: credentials that a server must not misread.
#[tokio::test]
async fn auth_back_end_edge_odd_credentials_arrive_as_they_are_or_not_at_all() {
    let server = Answering::start(|body| {
        let body: Value = serde_json::from_str(body).unwrap();
        let is_ada = body["username"] == "ada" && body["password"] == "se\"cret\u{1}";
        (if is_ada { 204 } else { 403 }, String::new())
    });
    let server = asker(&server.url(), "");
    let good = ask(&server, Some("ada"), Some(b"se\"cret\x01")).await;
    assert_eq!(in_short(&good), "allow");
    let long = vec![b'x'; 65_535];
    for (user, password) in [
        (None, None),
        (Some("ada"), None),
        (Some("ada"), Some(&b""[..])),
        (Some("ada"), Some(&[0xff, 0xfe])),
        (Some("ada"), Some(&long)),
        (Some("ada\",\"password\":\"se\\\"cret"), Some(b"x")),
        (None, Some(b"se\"cret\x01")),
    ] {
        let verdict = ask(&server, user, password).await;
        assert!(matches!(verdict, Verdict::Deny(_)), "{user:?} {verdict:?}");
    }
}

#[tokio::test]
async fn a_yes_holds_for_the_same_credential_and_no_other() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = Answering::start(move |body| {
        counted.fetch_add(1, Ordering::Relaxed);
        (
            if body.contains("secret") { 204 } else { 403 },
            String::new(),
        )
    });
    let asked = || count.load(Ordering::Relaxed);
    let cached = asker(&server.url(), "");
    for _ in 0..3 {
        ask(&cached, Some("ada"), Some(b"secret")).await;
    }
    assert_eq!(asked(), 1);
    for _ in 0..3 {
        let verdict = ask(&cached, Some("ada"), Some(b"guess")).await;
        assert!(matches!(verdict, Verdict::Deny(_)));
    }
    assert_eq!(asked(), 4);
    ask(&cached, Some("bob"), Some(b"secret")).await;
    assert_eq!(asked(), 5);
    let uncached = asker(&server.url(), "cache_s = 0\n");
    for _ in 0..2 {
        ask(&uncached, Some("ada"), Some(b"secret")).await;
    }
    assert_eq!(asked(), 7);
}
