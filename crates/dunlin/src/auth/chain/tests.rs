use std::time::Duration;

use dunlin_codec::{ProtocolVersion, ReasonCode};
use dunlin_core::input::{Attempt, AuthenticationStep, Grant, Secret};
use dunlin_core::time::Time;

use super::*;
use crate::auth::Deciding;
use crate::http::tests::{Answering, client};

/// Says the same to everyone.
struct Says(fn() -> Verdict);

impl Authenticator for Says {
    fn decide<'a>(&'a self, _: &'a Attempt, _: &'a Caller, _: &'a mut Exchange) -> Deciding<'a> {
        Box::pin(async { (self.0)() })
    }
}

/// Never answers.
struct Silent;

impl Authenticator for Silent {
    fn decide<'a>(&'a self, _: &'a Attempt, _: &'a Caller, _: &'a mut Exchange) -> Deciding<'a> {
        Box::pin(std::future::pending())
    }
}

fn attempt(user_name: Option<&str>, method: Option<&str>) -> Attempt {
    Attempt {
        step: AuthenticationStep::Connect,
        version: ProtocolVersion::V5,
        client_id: "a".to_owned(),
        user_name: user_name.map(str::to_owned),
        password: user_name.map(|_| Secret(b"secret".to_vec())),
        method: method.map(str::to_owned),
        data: None,
    }
}

/// What becomes of a client; `None` if it is let in.
async fn refusal(
    links: Vec<Box<dyn Authenticator>>,
    attempt: &Attempt,
    anonymous: bool,
) -> Option<ReasonCode> {
    let chain = Chain::new(links, Vec::new(), Duration::from_millis(20));
    let caller = Caller {
        now: Time::ZERO,
        peer: crate::peer::Peer::default(),
        allow_anonymous: anonymous,
        ..Caller::default()
    };
    match chain
        .decide(attempt, &caller, &mut Exchange::default())
        .await
    {
        Verdict::Allow(_) => None,
        Verdict::Deny(reason_code) => Some(reason_code),
        other => panic!("{other:?}"),
    }
}

fn allow() -> Verdict {
    Verdict::Allow(Allowed::default())
}

fn deny() -> Verdict {
    Verdict::Deny(ReasonCode::Banned)
}

fn next() -> Verdict {
    Verdict::Next
}

#[tokio::test]
async fn the_first_that_decides_wins() {
    let ada = attempt(Some("ada"), None);
    for (says, expected) in [
        ([next as fn() -> Verdict, allow, deny], None),
        ([next, deny, allow], Some(ReasonCode::Banned)),
        ([next, next, next], Some(ReasonCode::BadUserNameOrPassword)),
    ] {
        let links = says.map(|says| Box::new(Says(says)) as Box<dyn Authenticator>);
        assert_eq!(refusal(links.into(), &ada, true).await, expected);
    }
}

#[tokio::test]
async fn without_a_credential_the_listener_decides() {
    let nobody = attempt(None, None);
    let links = || vec![Box::new(Says(next)) as Box<dyn Authenticator>];
    assert_eq!(refusal(links(), &nobody, true).await, None);
    let refused = Some(ReasonCode::NotAuthorized);
    assert_eq!(refusal(links(), &nobody, false).await, refused);
    assert_eq!(refusal(Vec::new(), &nobody, false).await, refused);
}

#[tokio::test]
async fn a_name_that_nothing_can_prove_is_taken_as_it_is_only_where_nothing_is_configured() {
    let ada = attempt(Some("ada"), None);
    assert_eq!(refusal(Vec::new(), &ada, true).await, None);
    let refused = Some(ReasonCode::NotAuthorized);
    assert_eq!(refusal(Vec::new(), &ada, false).await, refused);
}

// [v5 MQTT-4.12.0-1]
#[tokio::test]
async fn a_method_that_nobody_knows_is_a_bad_method() {
    let attempt = attempt(None, Some("GS2-KRB5"));
    let refused = Some(ReasonCode::BadAuthenticationMethod);
    assert_eq!(refusal(Vec::new(), &attempt, true).await, refused);
}

// Class 17 of attacks: a back-end that does not answer lets nobody in.
#[tokio::test]
async fn auth_back_end_edge_no_answer_is_no() {
    let refused = Some(ReasonCode::ServerBusy);
    let links: Vec<Box<dyn Authenticator>> = vec![Box::new(Silent), Box::new(Says(allow))];
    assert_eq!(refusal(links, &attempt(None, None), true).await, refused);
}

/// A chain that lets everyone in with this grant, and asks this server what they may do.
async fn ruled_by(server: &Answering, grant: Grant) -> Verdict {
    let config = format!("[[access.http]]\nurl = \"{}\"\ncache_s = 0\n", server.url());
    let config = crate::config::Config::from_toml(&config).unwrap();
    let http = HttpServer::new(client(), &config.access.http[0]).unwrap();
    let chain = Chain::new(
        vec![Box::new(Grants(grant))],
        vec![http],
        Duration::from_secs(10),
    );
    let ada = attempt(Some("ada"), None);
    let (caller, mut exchange) = (Caller::default(), Exchange::default());
    chain.decide(&ada, &caller, &mut exchange).await
}

/// Lets everyone in with this.
struct Grants(Grant);

impl Authenticator for Grants {
    fn decide<'a>(&'a self, _: &'a Attempt, _: &'a Caller, _: &'a mut Exchange) -> Deciding<'a> {
        let allowed = Allowed {
            grant: self.0.clone(),
            still_holds: None,
        };
        Box::pin(std::future::ready(Verdict::Allow(allowed)))
    }
}

#[tokio::test]
async fn who_is_let_in_has_the_rules_that_a_server_names() {
    let (asked, asks) = std::sync::mpsc::channel();
    let server = Answering::start(move |body| {
        asked.send(body.to_owned()).unwrap();
        let said = r#"{"result":"allow","acl":{"pub":["a","b"]},"expire_at":60}"#;
        (200, said.to_owned())
    });
    let grant = Grant {
        user_name: Some("proven".into()),
        expires_at: Some(Time::from_millis(90_000)),
        ..Grant::default()
    };
    let Verdict::Allow(allowed) = ruled_by(&server, grant.clone()).await else {
        panic!("it is let in");
    };
    // Whose name is proven, and no credential.
    let body = asks.recv().unwrap();
    assert_eq!(
        body,
        r#"{"clientid":"a","username":"proven","peerhost":null,"protocol":"5.0"}"#
    );
    assert_eq!(allowed.grant.rules.as_ref().unwrap().rules().len(), 2);
    assert_eq!(allowed.grant.expires_at, Some(Time::from_millis(60_000)));
    // Rules that came with the credential hold, and nobody is asked.
    let Verdict::Allow(again) = ruled_by(&server, allowed.grant).await else {
        panic!("it is let in");
    };
    assert_eq!(again.grant.rules.unwrap().rules().len(), 2);
    assert!(asks.try_recv().is_err());
}

// Class 17 of attacks: a server that gives no answer, or a wrong one, allows nothing.
#[tokio::test]
async fn auth_back_end_edge_without_rules_from_their_server_nobody_is_let_in() {
    for (status, said, expected) in [
        (200, r#"{"result":"deny"}"#, Some(ReasonCode::NotAuthorized)),
        (403, "", Some(ReasonCode::NotAuthorized)),
        (200, r#"{"result":"ignore"}"#, None),
        (204, "", None),
        (
            200,
            r#"{"result":"allow","acl":["a"]}"#,
            Some(ReasonCode::ServerUnavailable),
        ),
        (200, "", Some(ReasonCode::ServerUnavailable)),
        (500, "", Some(ReasonCode::ServerUnavailable)),
    ] {
        let server = Answering::start(move |_| (status, said.to_owned()));
        match ruled_by(&server, Grant::default()).await {
            Verdict::Allow(allowed) => {
                assert_eq!(expected, None, "{status} {said}");
                assert_eq!(allowed.grant.rules, None);
            }
            Verdict::Deny(code) => assert_eq!(Some(code), expected, "{status} {said}"),
            other => panic!("{other:?}"),
        }
    }
}
