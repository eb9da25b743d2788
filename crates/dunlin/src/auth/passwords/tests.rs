use std::path::Path;

use dunlin_codec::ProtocolVersion;
use dunlin_core::input::{AuthenticationStep, Secret};

use super::super::hash::PasswordScheme;
use super::*;

fn write(path: &Path, users: &[(&str, &str)]) {
    let mut file = PasswordFile::default();
    for (user, password) in users {
        file.set(user, password.as_bytes(), PasswordScheme::Argon2id)
            .unwrap();
    }
    file.write(path).unwrap();
}

fn open(path: &Path) -> Arc<Passwords> {
    let pool = Pool::start("test", 1, 4).unwrap();
    Passwords::open(vec![UserSource::named(path.into())], Arc::new(pool)).unwrap()
}

async fn ask(passwords: &Arc<Passwords>, user: Option<&str>, password: Option<&[u8]>) -> Verdict {
    let attempt = Attempt {
        step: AuthenticationStep::Connect,
        version: ProtocolVersion::V5,
        client_id: "a".to_owned(),
        user_name: user.map(str::to_owned),
        password: password.map(|password| Secret(password.to_vec())),
        method: None,
        data: None,
    };
    let caller = Caller::default();
    passwords
        .decide(&attempt, &caller, &mut Exchange::default())
        .await
}

#[tokio::test]
async fn the_right_password_of_a_user_lets_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    write(&path, &[("ada", "secret")]);
    let passwords = open(&path);
    let verdict = ask(&passwords, Some("ada"), Some(b"secret")).await;
    assert!(matches!(verdict, Verdict::Allow(_)));
    let wrong = Verdict::Deny(ReasonCode::BadUserNameOrPassword);
    for password in [None, Some(&b"Secret"[..]), Some(b""), Some(b"secret\0")] {
        let verdict = ask(&passwords, Some("ada"), password).await;
        assert_eq!(format!("{verdict:?}"), format!("{wrong:?}"));
    }
    for (user, password) in [
        (Some("eve"), Some(&b"secret"[..])),
        (None, Some(b"secret")),
        (None, None),
    ] {
        assert!(matches!(
            ask(&passwords, user, password).await,
            Verdict::Next
        ));
    }
}

// Class 17 of attacks: missing, empty, large and binary credentials.
#[tokio::test]
async fn auth_back_end_edge_odd_credentials_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    write(&path, &[("ada", "secret")]);
    let passwords = open(&path);
    let large = vec![b'x'; 65_535];
    let long_name = "x".repeat(65_535);
    for user in ["ada", "", "ada\u{1}", "%u", &long_name] {
        for password in [&b""[..], &[0xff, 0, 0xfe], &large] {
            let verdict = ask(&passwords, Some(user), Some(password)).await;
            assert!(!matches!(verdict, Verdict::Allow(_)), "{user:?}");
        }
    }
}

// Class 16 of attacks: a file that is broken or empty lets nobody in by mistake.
#[tokio::test]
async fn fail_open_configuration_keeps_the_users_that_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let pool = Arc::new(Pool::start("test", 1, 1).unwrap());
    assert!(Passwords::open(vec![UserSource::named(path.clone())], pool).is_err());
    write(&path, &[("ada", "secret")]);
    let passwords = open(&path);
    let Verdict::Allow(allowed) = ask(&passwords, Some("ada"), Some(b"secret")).await else {
        panic!("she is let in");
    };
    let still_holds = allowed.still_holds.unwrap();
    std::fs::write(&path, "ada:secret\n").unwrap();
    assert!(!passwords.reload(true));
    assert!(still_holds());
    std::fs::remove_file(&path).unwrap();
    assert!(!passwords.reload(true));
    assert!(still_holds());
    // An empty file is a file without users.
    std::fs::write(&path, "").unwrap();
    assert!(passwords.reload(true));
    assert!(!still_holds());
    assert!(matches!(
        ask(&passwords, Some("ada"), Some(b"secret")).await,
        Verdict::Next
    ));
}

#[tokio::test]
async fn who_has_another_password_is_not_who_was_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    write(&path, &[("ada", "secret"), ("bob", "secret")]);
    let passwords = open(&path);
    let mut holds = Vec::new();
    for user in ["ada", "bob"] {
        let Verdict::Allow(allowed) = ask(&passwords, Some(user), Some(b"secret")).await else {
            panic!("{user} is let in");
        };
        holds.push(allowed.still_holds.unwrap());
    }
    let mut file = PasswordFile::read(&path).unwrap();
    file.set("ada", b"secret", PasswordScheme::Argon2id)
        .unwrap();
    file.write(&path).unwrap();
    assert!(passwords.reload(true));
    assert_eq!([holds[0](), holds[1]()], [false, true]);
}

#[tokio::test]
async fn stored_users_come_beside_those_of_the_file_and_need_not_be_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    let (named, data_dir) = (folder.path().join("file"), folder.path().join("data"));
    let stored = data_dir.join(STORED_USERS);
    write(&named, &[("ada", "of the file")]);
    let pool = Arc::new(Pool::start("test", 1, 4).unwrap());
    let sources = vec![UserSource::named(named), UserSource::stored(&data_dir)];
    let passwords = Passwords::open(sources, pool).unwrap();
    let verdict = ask(&passwords, Some("bob"), Some(b"stored")).await;
    assert!(matches!(verdict, Verdict::Next));
    std::fs::create_dir(&data_dir).unwrap();
    write(&stored, &[("ada", "stored"), ("bob", "stored")]);
    assert!(passwords.reload(true));
    for (user, password, is_right) in [
        ("bob", "stored", true),
        ("ada", "of the file", true),
        ("ada", "stored", false),
    ] {
        let verdict = ask(&passwords, Some(user), Some(password.as_bytes())).await;
        let is_let_in = matches!(verdict, Verdict::Allow(_));
        assert_eq!(is_let_in, is_right, "{user} {password}");
    }
    // If one is broken, both stay as they were.
    std::fs::write(&stored, "bob:stored\n").unwrap();
    assert!(!passwords.reload(true));
    let verdict = ask(&passwords, Some("bob"), Some(b"stored")).await;
    assert!(matches!(verdict, Verdict::Allow(_)));
}
