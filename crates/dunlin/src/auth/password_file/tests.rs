use super::*;
use crate::mutate::text_corpus;

const TEXT: &str = "# users of the house

ada:$7$101$2Gf9opBV5ZkfQHGb$4LOxE8Ily+3hZe6joJtWsmPWH5GnGMfBrvXaFCdv1HpvITY6cWHKQ8gzGyHjphOccZIARL+mSwtQvVufsG8fOA==
bob:$6$+4/CcvuvW7ulvwhM$NthNkcMkwg62ZQMrxFbw1xQ59Qtb0LeYNS7CVOlXuhNfcdfihE/7kL0rw2ItnOT359ebadXsTBWI5nORcoZHQg==
";

fn parse(text: &str) -> Result<PasswordFile, String> {
    PasswordFile::parse(Path::new("users"), text).map_err(|error| error.to_string())
}

#[test]
fn comments_and_order_stay() {
    let mut file = parse(TEXT).unwrap();
    assert_eq!(file.users().collect::<Vec<_>>(), ["ada", "bob"]);
    assert_eq!(file.to_string(), TEXT);
    assert!(
        !file
            .set("eve", b"secret", PasswordScheme::Argon2id)
            .unwrap()
    );
    assert!(file.set("ada", b"new", PasswordScheme::Argon2id).unwrap());
    assert!(file.remove("bob"));
    assert!(!file.remove("bob"));
    assert_eq!(file.users().collect::<Vec<_>>(), ["ada", "eve"]);
    assert!(
        file.to_string()
            .starts_with("# users of the house\n\nada:$argon2id$")
    );
    let users = Users::new(&[file]).unwrap();
    assert!(users.get("ada").unwrap().verifies(b"new"));
    assert!(!users.get("ada").unwrap().verifies(b"open sesame"));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, expected) in [
        ("\nada", "users:2: expected USER:HASH"),
        ("ada:secret", "users:1: user \"ada\": the hash is none of"),
        (":$6$AAAA$AAAA", "users:1: user name \"\""),
        (
            &format!("{TEXT}{}", TEXT.lines().nth(2).unwrap()),
            "users:5: user \"ada\" stands in the file twice",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let mut file = PasswordFile::default();
    for name in ["", "#a", "a:b", "a\nb"] {
        assert!(matches!(
            file.set(name, b"x", PasswordScheme::Argon2id),
            Err(UserError::Name(_))
        ));
    }
    assert!(matches!(
        file.set("a", b"", PasswordScheme::Argon2id),
        Err(UserError::EmptyPassword(_))
    ));
}

#[test]
fn a_new_file_is_for_its_owner_alone_and_another_keeps_who_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let mut file = PasswordFile::default();
    file.set("ada", b"secret", PasswordScheme::Argon2id)
        .unwrap();
    file.write(&path).unwrap();
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    file.set("bob", b"secret", PasswordScheme::Argon2id)
        .unwrap();
    file.write(&path).unwrap();
    assert_eq!(mode(), 0o640);
    assert_eq!(PasswordFile::read(&path).unwrap().users().count(), 2);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn users_that_there_are_not_cost_what_the_others_do() {
    let mut file = PasswordFile::default();
    file.set("ada", b"secret", PasswordScheme::Argon2id)
        .unwrap();
    file.set("bob", b"secret", PasswordScheme::Argon2id)
        .unwrap();
    let mixed = format!(
        "{file}{}",
        TEXT.lines().nth(2).unwrap().replace("ada", "eve")
    );
    let users = Users::new(&[parse(&mixed).unwrap()]).unwrap();
    assert_eq!(
        users.decoy().unwrap().cost(),
        users.get("ada").unwrap().cost()
    );
    assert!(
        Users::new(&[PasswordFile::default()])
            .unwrap()
            .decoy()
            .is_none()
    );
}

/// A file is users and is written as it was read, or is refused with the line that is wrong.
#[test]
fn fuzz_password_files() {
    let (mut good, mut broken) = (0, 0);
    for text in text_corpus("password_file", 2000) {
        match parse(&text) {
            Ok(file) => {
                let again = parse(&file.to_string()).unwrap();
                assert!(file.users().eq(again.users()));
                assert!(file.users().all(|user| !user.is_empty()), "{text}");
                good += 1;
            }
            Err(error) => {
                let told = error.strip_prefix("users:").unwrap();
                let (line, _) = told.split_once(": ").unwrap();
                let line: usize = line.parse().unwrap();
                assert!((1..=text.lines().count()).contains(&line), "{error}");
                broken += 1;
            }
        }
    }
    assert!(good > 100 && broken > 1000, "{good} good, {broken} broken");
}
