//! The rules of MQTT as scripts: what clients send, and everything that the broker answers.
//!
//! A script is a text file in `scripts/{theme}/`, and a test of its own. Its lines:
//!
//! | Line | Meaning |
//! |---|---|
//! | `# text` | a comment; requirement tags stand here |
//! | `for v3.1.1 v5` | the script runs once in each of these versions |
//! | `{v5 text}` | anywhere: `text` in this version only; `v3` stands for v3.1 and v3.1.1 |
//! | `set session.queue.messages_max = 3` | a setting, before anything happens |
//! | `deny publish a/#`, `allow publish a/#` | an access rule is added or removed; `client=x` limits it |
//! | `user NAME PASSWORD`, `refuse CLIENT CODE` | what the authenticator knows |
//! | `commits held` | publishes that must be kept wait; also `failing`, `at-once` and `released` |
//! | `A> PUBLISH a/b text qos=1 id=7` | A sends a packet; a new connection is opened if it has none |
//! | `A> CONNECT … ; PUBLISH …` | several packets in one piece |
//! | `A> RAW 30 ['a/#' "text"]` | any bytes, see [`build::raw`] |
//! | `A= SUBSCRIBE a/# qos=1` | A sends a packet and gets the usual answer to it |
//! | `A< PUBLISH a/b text qos=1 id=1` | the next packet for A is exactly this; `key=*` takes any value |
//! | `A< CONNACK client=<id>` | the value has the name `<id>` from here on, in every line |
//! | `A<~ PUBLISH …` | one of the packets that wait for A is this, the order does not matter |
//! | `A\|B< PUBLISH …` | A or B gets this |
//! | `A! closed text`, `A! open` | the broker closed the connection (its reason holds the text), or not |
//! | `A: opens`, `lost`, `stalls`, `reads`, `ended CODE` | its network connection, or what the broker does to it |
//! | `+1500ms`, `+5s`, `+2h`, `+7d` | time passes, and what becomes due in it happens |
//! | `? sessions 2` | a figure of the broker |
//!
//! A packet that no `<` line before the next action takes fails the test, and so does a connection
//! that the broker closes unsaid. A CONNACK of success need not name the limits that every CONNACK of
//! its broker announces. Identifier 1 need not be written in SUBSCRIBE, UNSUBSCRIBE and their answers,
//! and clean start is 1, keep alive 0 and the client identifier the name of the peer unless CONNECT
//! says otherwise.

mod build;
mod print;
mod runner;
mod settings;
mod token;

use std::collections::BTreeSet;
use std::path::Path;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/scenario/scripts");

/// Makes a test of each script, and one that fails if a script is not in the list.
macro_rules! scripts {
    ($($theme:ident { $($name:ident)* })*) => {
        $(mod $theme {
            $(#[test]
            fn $name() {
                super::run(concat!(stringify!($theme), "/", stringify!($name), ".txt"));
            })*
        })*

        const LISTED: &[&str] =
            &[$($(concat!(stringify!($theme), "/", stringify!($name), ".txt"),)*)*];
    };
}

scripts! {
    connect {
        accepted accepted_is_processed announced_limits assigned_identifier_is_used
        client_identifier connect_too_large empty_identifier empty_identifier_needs_clean_session
        first_packet malformed no_connect_in_time no_fitting_return_code payload_order
        protocol_level protocol_name refusals rejected_is_not_processed response_information
        response_information_is_off second_connect session_expiry_is_capped session_present
        session_present_is_not_in_3_1 session_that_never_ends small_maximum_packet_size
        too_many_sessions user_name_and_password
    }
    publish {
        acknowledged_in_order answers forbidden malformed malformed_properties
        no_matching_subscribers no_problem_information no_topic_aliases not_stored
        packet_too_large qos_1_identifier_is_new_again qos_2_exactly_once qos_2_over_reconnects
        receive_maximum receive_maximum_while_they_wait topic_alias_of_a_repeat topic_aliases
        topic_aliases_end unknown_identifiers
    }
    delivery {
        dup_is_per_hop every_match identifiers in_flight_max in_order maximum_packet_size
        message_expiry message_expiry_behind_a_full_window no_expiry_once_sent no_topic_aliases
        not_sent_again_while_connected properties properties_between_versions pubrels_in_order
        qos_1 qos_2 receive_maximum receive_maximum_on_resumption refused_by_the_client
        resend_interval resumed_in_order subscription_identifiers topic_alias_too_large
        topic_aliases topic_aliases_end
    }
}

fn run(path: &str) {
    let text = std::fs::read_to_string(Path::new(FOLDER).join(path)).unwrap();
    if let Err(failure) = runner::run(&text) {
        panic!("{path}:{failure}");
    }
}

#[test]
fn every_script_is_listed() {
    let mut there = BTreeSet::new();
    for theme in std::fs::read_dir(FOLDER).unwrap() {
        let theme = theme.unwrap();
        for script in std::fs::read_dir(theme.path()).unwrap() {
            let (theme, script) = (theme.file_name(), script.unwrap().file_name());
            there.insert(format!("{}/{}", theme.display(), script.display()));
        }
    }
    let listed: BTreeSet<_> = LISTED.iter().map(|&path| path.to_owned()).collect();
    assert_eq!(there, listed);
}

/// The runner must see what goes wrong, else the scripts show nothing.
#[test]
fn a_script_fails_on_what_it_does_not_expect() {
    let connected = "for v5\nA> CONNECT\nA< CONNACK\n";
    let fails = |rest: &str, complaint: &str| {
        let failure = runner::run(&format!("{connected}{rest}")).unwrap_err();
        assert!(failure.contains(complaint), "{rest}: {failure}");
    };
    runner::run(connected).unwrap();
    fails("A> PINGREQ\n", "PINGRESP");
    fails("A> PINGREQ\nA> PINGREQ\nA< PINGRESP\n", "PINGRESP");
    fails("A< PINGRESP\n", "nothing");
    fails("A> PINGREQ\nA< PUBLISH a\n", "PINGRESP");
    fails(
        "A= SUBSCRIBE a qos=1\nA= PUBLISH a x qos=1 id=3\nA< PUBLISH a x qos=1 id=2\n",
        "id=1",
    );
    fails(
        "A= SUBSCRIBE a\nA> PUBLISH a x\nA< PUBLISH a\n",
        "PUBLISH a x",
    );
    fails(
        "A= SUBSCRIBE a\nA> PUBLISH a x\nA< PUBLISH a x retain=1\n",
        "PUBLISH a x",
    );
    fails(
        "A> CONNECT\nA< DISCONNECT code=ProtocolError reason=*\n",
        "closed",
    );
    fails("A! closed\n", "open");
    fails("A> PINGREQ speed=1\n", "speed");
    fails("A> PINGREK\n", "PINGREK");
    fails("A: sings\n", "sings");
    fails("? sessions 2\n", "1");
    fails("set session.count_max = 3\n", "before");
    assert!(runner::run("A> CONNECT\n").unwrap_err().contains("for"));
}
