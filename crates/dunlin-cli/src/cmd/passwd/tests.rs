use super::*;

const ARGON2ID: PasswordScheme = PasswordScheme::Argon2id;

#[test]
fn lines_of_users_and_passwords_are_imported() {
    let mut file = PasswordFile::default();
    let done = import(&mut file, &b"ada:one\n\nbob:two:three\n"[..], ARGON2ID).unwrap();
    assert_eq!(done, "2 added, 0 with a new password");
    assert_eq!(file.users().collect::<Vec<_>>(), ["ada", "bob"]);
    let done = import(&mut file, &b"bob:x"[..], ARGON2ID).unwrap();
    assert_eq!(done, "0 added, 1 with a new password");
}

#[test]
fn a_line_that_is_wrong_is_named_and_not_shown() {
    for (lines, expected) in [
        (&b"ada:one\nsecret\n"[..], "line 2: expected USER:PASSWORD"),
        (b"ada:\n", "line 1: the password of \"ada\" is empty"),
        (b":secret\n", "line 1: user name \"\""),
    ] {
        let Err(Failure::Usage(text)) = import(&mut PasswordFile::default(), lines, ARGON2ID)
        else {
            panic!("it is refused");
        };
        assert!(text.starts_with(expected), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}
