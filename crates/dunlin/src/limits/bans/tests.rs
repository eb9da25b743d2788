use super::*;
use crate::mutate::text_corpus;

fn who<'a>(client_id: &'a str, user_name: Option<&'a str>, address: &str) -> Subject<'a> {
    Subject {
        client_id,
        user_name,
        address: Some(address.parse().unwrap()),
    }
}

const LIST: &str = "
[[ban]]
client = \"sensor-*\"

[[ban]]
user = \"ada\"
until = 2030-01-31T00:00:00Z

[[ban]]
address = \"203.0.113.0/24\"
until = 2030-01-31T01:00:00+01:00
";

const UNTIL: u64 = 1_896_048_000;

fn open(text: &str) -> (tempfile::TempDir, Result<Bans, String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bans.toml");
    std::fs::write(&path, text).unwrap();
    let bans = Bans::open(Some(path), None);
    (folder, bans)
}

#[test]
fn a_ban_is_for_whom_it_names_until_it_is_over() {
    let (_folder, bans) = open(LIST);
    let bans = bans.unwrap();
    for (subject, now, is_banned) in [
        (who("sensor-1", None, "10.0.0.1"), u64::MAX - 1, true),
        (who("x", Some("ada"), "10.0.0.1"), UNTIL - 1, true),
        (who("x", Some("ada"), "10.0.0.1"), UNTIL, false),
        (who("x", None, "203.0.113.9"), UNTIL - 1, true),
        (who("x", None, "::ffff:203.0.113.9"), UNTIL - 1, true),
        (who("x", None, "203.0.113.9"), UNTIL, false),
        (who("ada", Some("bob"), "203.0.114.9"), 0, false),
    ] {
        let text = format!("{} {:?} {now}", subject.client_id, subject.user_name);
        assert_eq!(bans.is_banned(subject, now), is_banned, "{text}");
    }
}

#[test]
fn what_is_no_ban_is_told() {
    for (text, says) in [
        ("[[ban]]\n", "ban 1: expected one of"),
        (
            "[[ban]]\nclient = \"a\"\nuser = \"b\"\n",
            "ban 1: expected one of",
        ),
        ("[[ban]]\naddress = \"x\"\n", "ban 1: address = \"x\""),
        ("[[ban]]\nclient = 1\n", "line 2: invalid type"),
        ("\n[[bans]]\nclient = \"a\"\n", "line 2: unknown field"),
        (
            "[[ban]]\nclient = \"a\"\nuntil = 2030-01-31\n",
            "until = 2030-01-31",
        ),
        (
            "[[ban]]\nclient = \"a\"\nuntil = 1960-01-31T00:00:00Z\n",
            "until = 1960",
        ),
    ] {
        let error = open(text).1.err().unwrap();
        assert!(
            error.contains(says) && error.contains("bans.toml"),
            "{error}"
        );
    }
}

/// Class 16 of attacks.
#[test]
fn fail_open_configuration_a_broken_file_unbans_nobody() {
    let (folder, bans) = open(LIST);
    let bans = bans.unwrap();
    let path = folder.path().join("bans.toml");
    std::fs::write(&path, "[[ban]]\nnonsense").unwrap();
    assert!(!bans.reload(true));
    assert!(bans.is_banned(who("sensor-1", None, "::1"), 0));
    std::fs::write(&path, "").unwrap();
    assert!(bans.reload(true));
    assert!(!bans.is_banned(who("sensor-1", None, "::1"), 0));
}

#[test]
fn what_the_broker_banned_is_banned_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.toml");
    let until = unix_seconds() + 1000;
    for name in ["plain", "with \"quotes\"\n", "ü"] {
        let bans = Bans::open(None, Some(path.clone())).unwrap();
        bans.ban(name, until);
    }
    let bans = Bans::open(None, Some(path)).unwrap();
    for name in ["plain", "with \"quotes\"\n", "ü"] {
        assert!(
            bans.is_banned(who(name, None, "::1"), until - 1),
            "{name:?}"
        );
        assert!(!bans.is_banned(who(name, None, "::1"), until), "{name:?}");
    }
}

#[test]
fn times_are_those_of_the_calendar() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_799, "2000-02-29T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (UNTIL, "2030-01-31T00:00:00Z"),
    ] {
        assert_eq!(rfc3339(seconds), text);
        assert_eq!(seconds_of(text.parse().unwrap()), Some(seconds));
    }
    for day in 0..60_000 {
        let seconds = day * 86_400 + day;
        assert_eq!(seconds_of(rfc3339(seconds).parse().unwrap()), Some(seconds));
    }
}

/// A list is bans, each for somebody, or is refused.
#[test]
fn fuzz_bans() {
    let (mut good, mut broken) = (0, 0);
    for text in text_corpus("bans", 2000) {
        match parse(&text) {
            Ok(bans) => {
                for ban in bans {
                    let _either = ban.is_for(who("sensor-1", Some("ada"), "203.0.113.1"));
                }
                good += 1;
            }
            Err(_) => broken += 1,
        }
    }
    assert!(good > 100 && broken > 1000, "{good} good, {broken} broken");
}
