//! Topic names and filters (section 4.7), shared subscriptions (section 4.8.2), and matching.

use proptest::prelude::*;

use crate::{Share, TopicFilter, TopicName};

// [v3 MQTT-4.7.1-1] [v3 MQTT-4.7.3-1] [v3 MQTT-4.7.3-2] [v3 MQTT-4.7.3-3]
// [v5 MQTT-4.7.0-1] [v5 MQTT-4.7.3-1] [v5 MQTT-4.7.3-2] [v5 MQTT-4.7.3-3]
#[test]
fn names() {
    let longest = "x".repeat(65_535);
    let slashes = "/".repeat(65_535);
    let names = [
        "/",
        "//",
        "a",
        "a/",
        "/a",
        "a//b",
        " ",
        "a b",
        "$SYS/x",
        "$",
        "$share/g/t",
        "\u{7f}",
        "\u{feff}",
        "ACCOUNTS",
        "\u{2a6d4}/é",
        &longest,
        &slashes,
    ];
    for text in names {
        let name = TopicName::parse(text).expect(text);
        assert_eq!(name.as_str(), text);
        assert_eq!(name.is_dollar(), text.starts_with('$'));
        assert!(!name.is_empty());
        let slashes = text.bytes().filter(|&byte| byte == b'/').count();
        assert_eq!(name.levels().count(), slashes + 1);
    }
    let too_long = "x".repeat(65_536);
    let no_names = [
        "", "+", "#", "a/+/b", "a/#", "a+b", "a#", "\0", "a\0b", "$SYS/#", &too_long,
    ];
    for text in no_names {
        assert!(TopicName::parse(text).is_err(), "{text:?}");
    }
}

// [v3 MQTT-4.7.1-2] [v3 MQTT-4.7.1-3] [v3 MQTT-4.7.3-1] [v3 MQTT-4.7.3-2] [v3 MQTT-4.7.3-3]
// [v5 MQTT-4.7.1-1] [v5 MQTT-4.7.1-2] [v5 MQTT-4.7.3-1] [v5 MQTT-4.7.3-2] [v5 MQTT-4.7.3-3]
#[test]
fn filters() {
    let longest = "+/".repeat(32_767) + "#";
    let slashes = "/".repeat(65_535);
    let filters = [
        // Those that section 4.7.1 calls valid.
        "sport/tennis/player1/#",
        "sport/#",
        "#",
        "sport/tennis/#",
        "+",
        "+/tennis/#",
        "sport/+/player1",
        "/",
        "//",
        "/#",
        "+/+",
        "/+",
        "+/",
        "a",
        "$SYS/#",
        "$share",
        "$share/g",
        "$share/+/t",
        "$share/g/#",
        "$queue/+",
        " ",
        &longest,
        &slashes,
    ];
    for text in filters {
        let filter = TopicFilter::parse(text).expect(text);
        assert_eq!(filter.as_str(), text);
        assert_eq!(filter.has_wildcard(), text.contains(['+', '#']));
    }
    let too_long = "x".repeat(65_536);
    let no_filters = [
        "",
        "sport/tennis#",
        "sport/tennis/#/ranking",
        "sport+",
        "sport/a+",
        "+a",
        "#/",
        "##",
        "++",
        "+#",
        "#+",
        "a/++",
        "a/#b",
        "a/+b/c",
        "\0",
        "a/\0",
        "$share/g/a#",
        &too_long,
    ];
    for text in no_filters {
        assert!(TopicFilter::parse(text).is_err(), "{text:?}");
    }
}

// [v5 MQTT-4.8.2-1] [v5 MQTT-4.8.2-2]
#[test]
fn shares() {
    let share = |text| TopicFilter::parse(text).unwrap().share();
    let shared = [
        ("$share/g/t", Some("g"), "t"),
        ("$share/g/a/b", Some("g"), "a/b"),
        ("$share/g//", Some("g"), "/"),
        ("$share/g/#", Some("g"), "#"),
        ("$share/g/+/#", Some("g"), "+/#"),
        ("$share/$x/$SYS/#", Some("$x"), "$SYS/#"),
        ("$share/g h/t", Some("g h"), "t"),
        ("$share/g/$share/h/t", Some("g"), "$share/h/t"),
        ("$queue/t", None, "t"),
        ("$queue/a/#", None, "a/#"),
        ("$queue//", None, "/"),
    ];
    for (text, name, inner) in shared {
        let filter = TopicFilter::parse(inner).unwrap();
        assert_eq!(share(text), Ok(Some(Share { name, filter })), "{text}");
    }
    for text in [
        "t",
        "/",
        "#",
        "$SYS/#",
        "$shared/g/t",
        "$SHARE/g/t",
        "a/$share/g/t",
        "share/g/t",
    ] {
        assert_eq!(share(text), Ok(None), "{text}");
    }
    // [attack] the text of a shared subscription that ends too early, or whose name is none.
    let broken = [
        "$share",
        "$share/",
        "$share/ab",
        "$share/g/",
        "$share//",
        "$share//t",
        "$share/+/t",
        "$share/#",
        "$share/+",
        "$share/+/#",
        "$queue",
        "$queue/",
    ];
    for text in broken {
        assert!(share(text).is_err(), "{text}");
    }
}

// [v3 MQTT-4.7.1-2] [v3 MQTT-4.7.1-3] [v3 MQTT-4.7.2-1] [v3 MQTT-4.7.3-4]
// [v5 MQTT-4.7.1-1] [v5 MQTT-4.7.1-2] [v5 MQTT-4.7.2-1] [v5 MQTT-4.7.3-4]
#[test]
fn matching() {
    let table = [
        // The examples of section 4.7.
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/ranking",
            true,
        ),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        ),
        ("sport/tennis/player1/#", "sport/tennis/player10", false),
        ("sport/#", "sport", true),
        ("sport/#", "sports", false),
        ("#", "a", true),
        ("#", "/", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "$SYS/monitor/Clients", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/monitor/Clients", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("+/#", "$SYS", false),
        ("$SYS/#", "$SYS", true),
        // A $ elsewhere is a character as any other.
        ("+/$x", "a/$x", true),
        ("a/+", "a/$x", true),
        ("a/#", "a/$x", true),
        // Character for character: case, slashes at the ends, composed and decomposed letters.
        ("ACCOUNTS", "Accounts", false),
        ("a", "a/", false),
        ("a", "/a", false),
        ("a//b", "a/b", false),
        ("a/+/b", "a//b", true),
        ("\u{e9}", "e\u{301}", false),
        ("\u{feff}a", "a", false),
        ("a b", "a b", true),
        ("+", "a b", true),
    ];
    for (filter, name, expected) in table {
        let filter = TopicFilter::parse(filter).unwrap();
        let name = TopicName::parse(name).unwrap();
        assert_eq!(filter.matches(name), expected, "{filter} {name}");
    }
}

#[test]
fn the_deepest_topics_match() {
    let slashes = "/".repeat(65_535);
    let name = TopicName::parse(&slashes).unwrap();
    let plain = TopicFilter::parse(&slashes).unwrap();
    assert!(plain.matches(name));
    let wild = "+/".repeat(32_767) + "#";
    assert!(TopicFilter::parse(&wild).unwrap().matches(name));
    let short = "+/".repeat(32_767) + "+";
    assert!(!TopicFilter::parse(&short).unwrap().matches(name));
}

/// Matching as one would tell it: level by level from the front.
fn oracle(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, name @ ..]) => oracle(filter, name),
        ([wanted, filter @ ..], [level, name @ ..]) => wanted == level && oracle(filter, name),
        _ => false,
    }
}

fn levels(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(of), 1..5)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("one character at least", |text| !text.is_empty())
}

fn any_filter() -> impl Strategy<Value = String> {
    let plain = levels(&["", "a", "b", "$s", "+"]).boxed();
    let many = plain.clone().prop_map(|text| format!("{text}/#"));
    prop_oneof![4 => plain, 4 => many, 1 => Just("#".to_owned())]
}

proptest! {
    #[test]
    fn matching_agrees_with_the_oracle(
        filter in any_filter(),
        name in levels(&["", "a", "b", "$s"]),
    ) {
        let (filter, name) = (TopicFilter::parse(&filter).unwrap(), TopicName::parse(&name).unwrap());
        let (wanted, given): (Vec<_>, Vec<_>) = (filter.levels().collect(), name.levels().collect());
        let is_hidden = given[0].starts_with('$') && matches!(wanted[0], "+" | "#");
        let expected = !is_hidden && oracle(&wanted, &given);
        prop_assert_eq!(filter.matches(name), expected);
    }

    #[test]
    fn a_filter_is_what_its_levels_say(
        text in proptest::collection::vec(proptest::sample::select(&['a', '/', '+', '#', '$', '\0']), 0..8),
    ) {
        let text: String = text.into_iter().collect();
        let levels: Vec<_> = text.split('/').collect();
        let is_filter = !text.is_empty()
            && !text.contains('\0')
            && levels.iter().enumerate().all(|(index, &level)| match level {
                "+" => true,
                "#" => index + 1 == levels.len(),
                _ => !level.contains(['+', '#']),
            });
        prop_assert_eq!(TopicFilter::parse(&text).is_ok(), is_filter);
        let is_name = !text.is_empty() && !text.contains(['+', '#', '\0']);
        prop_assert_eq!(TopicName::parse(&text).is_ok(), is_name);
    }

    #[test]
    fn a_filter_without_wildcards_matches_itself_alone(
        one in levels(&["", "a", "b", "$s"]),
        other in levels(&["", "a", "b", "$s"]),
    ) {
        let filter = TopicFilter::parse(&one).unwrap();
        prop_assert!(filter.matches(TopicName::parse(&one).unwrap()));
        let matches = filter.matches(TopicName::parse(&other).unwrap());
        prop_assert_eq!(matches, one == other);
    }
}
