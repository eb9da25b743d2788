use super::*;

/// Of Debian's mosquitto_passwd: "open sesame" and "hunter2".
const PBKDF2: &str = "$7$101$2Gf9opBV5ZkfQHGb$4LOxE8Ily+3hZe6joJtWsmPWH5GnGMfBrvXaFCdv1HpvITY6cWHKQ8gzGyHjphOccZIARL+mSwtQvVufsG8fOA==";
const SHA512: &str = "$6$+4/CcvuvW7ulvwhM$NthNkcMkwg62ZQMrxFbw1xQ59Qtb0LeYNS7CVOlXuhNfcdfihE/7kL0rw2ItnOT359ebadXsTBWI5nORcoZHQg==";

fn verifies(hash: &str, password: &str) -> bool {
    StoredHash::parse(hash)
        .unwrap()
        .verifies(password.as_bytes())
}

#[test]
fn hashes_of_mosquitto_passwd_are_read() {
    assert!(verifies(PBKDF2, "open sesame"));
    assert!(!verifies(PBKDF2, "open sesamf"));
    assert!(!verifies(PBKDF2, ""));
    assert!(verifies(SHA512, "hunter2"));
    assert!(!verifies(SHA512, "hunter3"));
}

#[test]
fn a_new_hash_is_argon2id_with_a_salt_of_its_own() {
    let made = StoredHash::make(PasswordScheme::Argon2id, b"secret").unwrap();
    assert!(
        made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{made}"
    );
    assert_ne!(
        made,
        StoredHash::make(PasswordScheme::Argon2id, b"secret").unwrap()
    );
    assert!(verifies(&made, "secret"));
    assert!(!verifies(&made, "secreT"));
}

#[test]
fn what_is_no_hash_is_told_and_not_shown() {
    let made = StoredHash::make(PasswordScheme::Argon2id, b"secret").unwrap();
    let costly = made.replace("m=19456", "m=4194304");
    for (text, says) in [
        ("secret", "none of"),
        ("", "none of"),
        ("$7$", "none of"),
        ("$7$0$AAAA$AAAA", "broken"),
        ("$7$x$AAAA$AAAA", "broken"),
        ("$7$99999999$AAAA$AAAA", "costs more"),
        ("$7$101$AAAA$AAAA", "broken"),
        ("$6$AAAA$#", "broken"),
        ("$6$AAAA$AAAA", "broken"),
        ("$argon2id$", "broken"),
        ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ", "broken"),
        (costly.as_str(), "costs more"),
        (&"x".repeat(2000), "none of"),
    ] {
        let error = StoredHash::parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert!(!format!("{:?}", StoredHash::parse(PBKDF2).unwrap()).contains("2Gf9"));
}

#[test]
fn hashes_that_cost_the_same_say_so() {
    let (one, other) = (
        StoredHash::make(PasswordScheme::Argon2id, b"one").unwrap(),
        StoredHash::make(PasswordScheme::Argon2id, b"other").unwrap(),
    );
    let cost = |text: &str| StoredHash::parse(text).unwrap().cost();
    assert_eq!(cost(&one), cost(&other));
    assert_ne!(cost(&one), cost(PBKDF2));
}
