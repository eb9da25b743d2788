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
//! | `store` | the broker has a store, which outlives it |
//! | `restart` | the power fails, and the broker starts again with what its store kept; `restart +1h`, `restart -1h`: and the clock was set |
//! | `rewrite` | the store forgets what is not written again; `rewrite begun`: that only begins |
//! | `commits held` | what must be kept waits; also `full`, `failing`, `at-once`, `released` and `released backwards` |
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
//! | `A: lags`, `A: catches up` | its worker is busy: it hears late that others took its session or sent it something |
//! | `+1500ms`, `+5s`, `+2h`, `+7d` | time passes, and what becomes due in it happens |
//! | `late 5s` | time passes, and no timer looks at what becomes due until the next time |
//! | `? sessions 2` | a figure of the broker |
//!
//! A packet that no `<` line before the next action takes fails the test, and so does a connection
//! that the broker closes unsaid. A CONNACK of success need not name the limits that every CONNACK of
//! its broker announces. Identifier 1 need not be written in SUBSCRIBE, UNSUBSCRIBE and their answers,
//! and clean start is 1, keep alive 0 and the client identifier the name of the peer unless CONNECT
//! says otherwise.

pub(crate) mod build;
pub(crate) mod print;
mod runner;
pub(crate) mod settings;
pub(crate) mod token;

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
    access {
        another_user_takes_the_session denied_publish_disconnects revoked_disconnects
        revoked_last_subscription_disconnects revoked_member_gives_to_others revoked_retained
        revoked_subscription_ends revoked_while_away
    }
    connect {
        accepted accepted_is_processed announced_limits assigned_identifier_is_used
        client_identifier connect_too_large empty_identifier empty_identifier_needs_clean_session
        first_packet malformed no_connect_in_time no_fitting_return_code payload_order
        protocol_level protocol_name refusals rejected_is_not_processed response_information
        response_information_is_off second_connect session_expiry_is_capped session_present
        session_present_is_not_in_3_1 session_that_never_ends small_maximum_packet_size
        too_many_sessions user_name_and_password
    }
    delivery {
        at_least_once dup_is_per_hop every_match exactly_once identifiers in_flight_max
        in_flight_of_3x in_order many_topics_at_once maximum_packet_size message_expiry
        message_expiry_behind_a_full_window negative_acknowledgements no_expiry_once_sent
        no_resend_timer no_topic_aliases not_sent_again_while_connected order_of_repeats
        properties properties_between_versions pubrels_in_order qos_0_behind_a_full_window qos_1
        qos_2 receive_maximum receive_maximum_of_the_next_connection receive_maximum_on_resumption
        refused_by_the_client repeats_before_what_waited resend_interval resend_timer
        resumed_in_order slow_reader subscription_identifiers too_large_for_the_client
        too_large_for_the_next_connection topic_alias_too_large topic_aliases topic_aliases_end
        unknown_acknowledgements wrong_acknowledgements
    }
    ending {
        by_the_broker disconnect keep_alive keep_alive_longest no_problem_information
        nothing_follows_disconnect ping reason_string_and_packet_size server_keep_alive
    }
    enhanced_auth {
        exchange failure method_is_kept not_in_3x nothing_else_during_the_exchange packet_size
        re_authentication re_authentication_fails without_a_method
    }
    error {
        answers_and_packet_size fields in_pieces malformed nothing_behind packets_of_a_server
        reason_codes response_topic text user_properties
    }
    publish {
        acknowledged_by_qos acknowledged_in_order alike_and_not_stored alike_and_refused
        alike_exactly_once alike_for_many alike_in_one_piece alike_over_a_reconnect answers
        dup_is_not_passed_on exactly_once
        exactly_once_over_reconnect exactly_once_while_not_durable expiry_after_sending
        expiry_is_capped forbidden identifier_is_new_after_puback large_payload malformed
        malformed_properties maximum_qos maximum_qos_0 message_expiry no_matching_subscribers
        no_problem_information no_topic_alias no_topic_aliases not_authorized
        not_durable_is_not_acknowledged not_stored order_of_acknowledgements order_of_messages
        packet_above_the_brokers_maximum packet_too_large properties_pass_unaltered
        qos_1_identifier_is_new_again qos_2_exactly_once qos_2_over_reconnects receive_maximum
        receive_maximum_of_the_broker receive_maximum_while_not_durable
        receive_maximum_while_they_wait subscription_identifier_from_a_client
        sys_topics_are_the_brokers topic_alias_above_the_maximum topic_alias_and_packet_size
        topic_alias_ends_with_the_connection topic_alias_of_a_repeat topic_alias_to_the_broker
        topic_alias_to_the_client topic_aliases topic_aliases_end topic_limits unknown_identifiers
    }
    queue {
        behind_a_full_window bytes drop_newest drop_oldest expired_make_room keep_last
        keep_last_keeps_the_bounds only_qos_2_for_an_absent_client priorities
        qos_0_for_an_absent_client refuse refused_while_away slow_reader
    }
    retain {
        as_published expired_make_room expires handling limit_of_bytes limits limits_drop_oldest
        many new_message_is_not_sent_twice no_local not_available outlives_session pages
        plain_message_changes_nothing queue_limit receive_maximum removed replaced
        resumes_after_reconnect set_meanwhile stored_and_sent subscribing_again
        subscription_identifier unsubscribed_meanwhile wildcards
    }
    session {
        clean_session_of_3x_and_expiry_of_5 clean_start ended_by_clean_start_of_another_version
        ends_with_its_connection expires expires_3x expiry_in_disconnect kept not_reused_by_takeover
        publish_behind_a_takeover publish_under_way_at_takeover takeover takeover_by_clean_start takeover_keeps_messages
        versions_share_a_session
    }
    shared {
        access dollar_topics durable_group durable_group_takes_back filters full_and_away
        hash_client hash_topic last_member_ends least_in_flight made_anew member_ends_its_session
        negative_acknowledgement no_local no_retained one_member_each own_qos
        qos_2_ends_with_the_session qos_2_is_completed qos_2_stays_with_its_member queue_takes_turns share_picks_at_random
        strategies subscribing_again
    }
    store {
        clean_session_needs_no_store clean_start_is_not_stored clock_ahead clock_set_back
        dropped_stays_dropped durable_group_survives ended_before_it_is_safe ended_stays_ended
        expiry_while_stopped full_store higher_qos_meanwhile in_flight_survives no_local_after_a_stop no_room_for_a_session
        nothing_before_it_is_safe payloads_stay_in_the_store published_while_rewritten qos_0_once
        received_survives repeated_stays_in_order replaced_while_sent retained_before_the_stop retained_page_survives retained_page_is_rewritten retained_qos_0_is_not_rewritten
        retained_survive rewritten sent_after_it_is_safe sent_and_gone sent_on_a_full_store sent_twice_at_once session_survives
        shared_kept_late shared_moves shared_moves_after_a_stop shared_moves_once shared_moves_once_while_rewritten shared_moves_while_rewritten
        shared_survives takeover_wills
        unreadable_payload will_after_a_stop will_alone_is_rewritten will_delay_goes_on
        will_keeps_its_rules
        will_of_qos_0_once will_was_due_first
    }
    subscribe {
        again_replaces answered dollar_topics identifier_fields lower_qos many_filters_as_one_by_one
        meanwhile_of_those_alike no_local no_local_of_the_next_connection not_available nothing_is_normalised overlapping
        overlapping_identifiers shared_and_plain too_many unsubscribe
        unsubscribe_completes_deliveries unsubscribed_meanwhile user_properties_are_taken
        wildcards_are_supported
    }
    will {
        after_keep_alive after_lost_connection after_protocol_error after_takeover delay
        delay_ends_with_session delay_is_capped discarded disconnect_expiry_and_delay
        disconnect_with_will limits no_local not_allowed properties retain takeover_within_delay
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
