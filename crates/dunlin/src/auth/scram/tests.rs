use std::num::NonZeroU32;
use std::path::PathBuf;

use dunlin_codec::ProtocolVersion;
use dunlin_core::input::Secret;

use super::*;
use crate::auth::hash::PasswordScheme;
use crate::auth::password_file::PasswordFile;
use crate::auth::passwords::UserSource;
use crate::auth::pool::Pool;
use crate::auth::verifier::client;
use crate::mutate::text_corpus;

const METHOD: &str = "SCRAM-SHA-256";

/// Users `ada` and `a,b=c` for SCRAM-SHA-256, `bob` for SCRAM-SHA-512, `eve` without; each has the
/// password "secret".
struct House {
    _folder: tempfile::TempDir,
    path: PathBuf,
    passwords: Arc<Passwords>,
    scram: Scram,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        let mut file = PasswordFile::default();
        for (user, scheme) in [
            ("ada", PasswordScheme::ScramSha256),
            ("a,b=c", PasswordScheme::ScramSha256),
            ("bob", PasswordScheme::ScramSha512),
            ("eve", PasswordScheme::Argon2id),
        ] {
            file.set(user, b"secret", scheme).unwrap();
        }
        file.write(&path).unwrap();
        let pool = Arc::new(Pool::start("test", 1, 4).unwrap());
        let passwords = Passwords::open(vec![UserSource::named(path.clone())], pool).unwrap();
        let scram = Scram::new(Arc::clone(&passwords)).unwrap();
        Self {
            _folder: folder,
            path,
            passwords,
            scram,
        }
    }

    async fn step(
        &self,
        exchange: &mut Exchange,
        step: AuthenticationStep,
        (method, data): (&str, &str),
    ) -> Verdict {
        let attempt = Attempt {
            step,
            version: ProtocolVersion::V5,
            client_id: "c".to_owned(),
            user_name: None,
            password: None,
            method: Some(method.to_owned()),
            data: Some(Secret(data.as_bytes().to_vec())),
        };
        let caller = Caller::default();
        self.scram.decide(&attempt, &caller, exchange).await
    }

    /// The whole exchange, in which `change` may change the last message.
    async fn exchange(
        &self,
        method: &str,
        (name, password): (&str, &str),
        change: impl FnOnce(String) -> String,
    ) -> Verdict {
        let mut exchange = Exchange::default();
        let bare = format!("n={name},r=abc");
        let first = format!("n,,{bare}");
        let step = AuthenticationStep::Connect;
        let begun = self.step(&mut exchange, step, (method, &first)).await;
        let Verdict::Continue(server_first) = begun else {
            return begun;
        };
        let server_first = String::from_utf8(server_first).unwrap();
        let parts: Vec<_> = server_first.split(',').collect();
        let salt = STANDARD.decode(&parts[1][2..]).unwrap();
        let iterations: NonZeroU32 = parts[2][2..].parse().unwrap();
        assert!(parts[0].starts_with("r=abc") && parts[0].len() > 20);
        let without_proof = format!("c=biws,{}", parts[0]);
        let message = format!("{bare},{server_first},{without_proof}");
        let hash = ScramHash::of_method(method).unwrap();
        let key = (salt.as_slice(), iterations);
        let (proof, own) = client::proof(hash, password.as_bytes(), key, message.as_bytes());
        let last = change(format!("{without_proof},p={}", STANDARD.encode(proof)));
        let step = AuthenticationStep::Continue;
        let verdict = self.step(&mut exchange, step, (method, &last)).await;
        if let Verdict::Allow(allowed) = &verdict {
            let expected = format!("v={}", STANDARD.encode(own));
            assert_eq!(allowed.grant.data.as_deref(), Some(expected.as_bytes()));
        }
        verdict
    }
}

fn is_refused(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Deny(ReasonCode::NotAuthorized))
}

#[tokio::test]
async fn who_knows_the_password_proves_it_and_is_shown_a_proof() {
    let house = House::new();
    for (method, name, user) in [
        (METHOD, "ada", "ada"),
        (METHOD, "a=2Cb=3Dc", "a,b=c"),
        ("SCRAM-SHA-512", "bob", "bob"),
    ] {
        let verdict = house.exchange(method, (name, "secret"), |last| last).await;
        let Verdict::Allow(allowed) = verdict else {
            panic!("{name}: {verdict:?}");
        };
        assert_eq!(allowed.grant.user_name.as_deref(), Some(user));
        assert!(is_refused(
            &house.exchange(method, (name, "Secret"), |last| last).await
        ));
    }
}

#[tokio::test]
async fn a_user_of_another_mechanism_or_none_is_as_one_that_there_is_not() {
    let house = House::new();
    for name in ["bob", "eve", "nobody"] {
        let verdict = house.exchange(METHOD, (name, "secret"), |last| last).await;
        assert!(is_refused(&verdict), "{name}");
        // The salt is the same each time, as that of a user would be.
        let mut salts = Vec::new();
        for _ in 0..2 {
            let first = format!("n,,n={name},r=x");
            let step = AuthenticationStep::Connect;
            let begun = house
                .step(&mut Exchange::default(), step, (METHOD, &first))
                .await;
            let Verdict::Continue(reply) = begun else {
                panic!("{name}: {begun:?}");
            };
            let reply = String::from_utf8(reply).unwrap();
            salts.push(reply.split_once(',').unwrap().1.to_owned());
        }
        assert_eq!(salts[0], salts[1]);
    }
}

#[tokio::test]
async fn a_first_message_that_is_none_is_refused() {
    let house = House::new();
    for first in [
        "",
        "n,,",
        "n,,n=ada",
        "n,,n=,r=x",
        "n,,n=ada,r=",
        "n,,n=ada,r=\u{7f}",
        "n,,n=ad=2a,r=x",
        "n,,n=ada=,r=x",
        "n,,m=ext,n=ada,r=x",
        "n,a=bob,n=ada,r=x",
        "n,b,n=ada,r=x",
        "p=tls-unique,,n=ada,r=x",
        "n=ada,r=x",
    ] {
        let step = AuthenticationStep::Connect;
        let verdict = house
            .step(&mut Exchange::default(), step, (METHOD, first))
            .await;
        assert!(is_refused(&verdict), "{first:?}: {verdict:?}");
    }
    let other = house
        .step(
            &mut Exchange::default(),
            AuthenticationStep::Connect,
            ("SCRAM-SHA-1", "n,,n=ada,r=x"),
        )
        .await;
    assert!(matches!(other, Verdict::Next));
}

#[tokio::test]
async fn a_proof_is_for_one_exchange() {
    let house = House::new();
    let last = "c=biws,r=abc,p=AAAA";
    let step = AuthenticationStep::Continue;
    let verdict = house
        .step(&mut Exchange::default(), step, (METHOD, last))
        .await;
    assert!(is_refused(&verdict));
    let mut earlier = String::new();
    house
        .exchange(METHOD, ("ada", "secret"), |last| {
            earlier.clone_from(&last);
            last
        })
        .await;
    let again = house.exchange(METHOD, ("ada", "secret"), |_| earlier).await;
    assert!(is_refused(&again));
    for change in ["c=biws", "r=abc", ",p="] {
        let verdict = house
            .exchange(METHOD, ("ada", "secret"), |last| {
                last.replacen(change, "x", 1)
            })
            .await;
        assert!(is_refused(&verdict), "{change}");
    }
}

/// Broken forms of both messages let nobody in, and stop nothing.
#[tokio::test]
async fn fuzz_scram_messages() {
    let house = House::new();
    for first in text_corpus("scram_first", 1000) {
        let step = AuthenticationStep::Connect;
        let verdict = house
            .step(&mut Exchange::default(), step, (METHOD, &first))
            .await;
        assert!(is_refused(&verdict) || matches!(verdict, Verdict::Continue(_)));
    }
    for last in text_corpus("scram_last", 2000) {
        let mut exchange = Exchange::default();
        let step = AuthenticationStep::Connect;
        house
            .step(&mut exchange, step, (METHOD, "n,,n=ada,r=abc"))
            .await;
        let step = AuthenticationStep::Continue;
        let verdict = house.step(&mut exchange, step, (METHOD, &last)).await;
        assert!(is_refused(&verdict), "{last}");
    }
}

#[tokio::test]
async fn who_has_another_password_is_not_who_was_let_in() {
    use crate::files::Reload as _;

    let house = House::new();
    let verdict = house.exchange(METHOD, ("ada", "secret"), |last| last).await;
    let Verdict::Allow(allowed) = verdict else {
        panic!("she is let in");
    };
    let still_holds = allowed.still_holds.unwrap();
    assert!(still_holds());
    let mut file = PasswordFile::read(&house.path).unwrap();
    file.set("ada", b"other", PasswordScheme::ScramSha256)
        .unwrap();
    file.write(&house.path).unwrap();
    assert!(house.passwords.reload(true));
    assert!(!still_holds());
}
