//! Tests of what is subscribed to.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _};
use dunlin_client::SubscribeRequest;
use dunlin_client::codec::{QoS, RetainHandling};

use crate::failure::Failure;
use crate::{ClientCommand, Command, Program, argv};

fn requests(line: &[&str]) -> Result<Vec<SubscribeRequest>, Failure> {
    let words = ["dunlin", "sub"].iter().chain(line).map(OsString::from);
    let command = Program::command();
    let words = argv::expand(&command, words);
    let matches = command.try_get_matches_from(words).unwrap();
    match Program::from_arg_matches(&matches).unwrap().command {
        Command::Client(ClientCommand::Sub(args)) => args.requests(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_value_is_for_all_topics() {
    let requests = requests(&["-t", "a", "b/#", "-q", "2", "-rh", "1", "-nl"]).unwrap();
    let [request] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    let names: Vec<_> = request
        .filters
        .iter()
        .map(|(filter, _)| filter.as_str())
        .collect();
    assert_eq!(names, ["a", "b/#"]);
    for (_, options) in &request.filters {
        assert_eq!(options.qos, QoS::ExactlyOnce);
        assert_eq!(options.retain_handling, RetainHandling::SendIfNew);
        assert!(options.no_local && !options.retain_as_published);
    }
}

#[test]
fn several_values_are_for_a_topic_each() {
    let line = [
        "-t", "a", "-t", "b", "-q", "0", "1", "-nl", "true", "false", "-rap", "false", "true",
    ];
    let requests = requests(&line).unwrap();
    let [(_, a), (_, b)] = requests[0].filters.as_slice() else {
        panic!("{requests:?}")
    };
    assert_eq!(
        (a.qos, a.no_local, a.retain_as_published),
        (QoS::AtMostOnce, true, false)
    );
    assert_eq!(
        (b.qos, b.no_local, b.retain_as_published),
        (QoS::AtLeastOnce, false, true)
    );
}

#[test]
fn each_identifier_has_a_request_of_its_own() {
    let same = requests(&["-t", "a", "b", "-si", "7"]).unwrap();
    assert_eq!(same.len(), 1);
    let different = requests(&["-t", "a", "b", "-si", "7", "8"]).unwrap();
    let identifiers: Vec<u32> = different
        .iter()
        .map(|request| request.subscription_identifier.unwrap().get())
        .collect();
    assert_eq!(identifiers, [7, 8]);
}

#[test]
fn wrong_filters_are_told() {
    for line in [
        ["-t", "a/#/b"].as_slice(),
        &["-t", "$share/g"],
        &["-t", "$share/g/t", "-nl"],
    ] {
        assert!(matches!(requests(line), Err(Failure::Usage(_))), "{line:?}");
    }
    assert!(requests(&["-t", "$share/g/t/+"]).is_ok());
}
