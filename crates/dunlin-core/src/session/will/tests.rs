use dunlin_codec::{QoS, TopicName};

use super::*;

fn will(own: Option<RuleSet>) -> Will {
    let fields = codec::Will {
        topic: TopicName::parse("a/b").unwrap(),
        payload: b"gone",
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: Default::default(),
    };
    let owner = Identity {
        client_id: ClientIdentifier::from("a"),
        user_name: Some("ada".into()),
        address: Some([192, 0, 2, 7].into()),
        rules: own.map(Arc::new),
    };
    Will::new(&fields, owner, None, 1).unwrap()
}

fn rule(effect: Effect, filter: &str) -> Rule {
    Rule {
        effect,
        action: Action::All,
        filter: FilterTemplate::parse(filter, false).unwrap(),
        users: Users::All,
        clients: Vec::new(),
        networks: Vec::new(),
        qos: QoSSet::ALL,
        retain: None,
        source: RuleSource {
            file: "test".into(),
            line: 0,
        },
    }
}

/// What three brokers say of a will: one without rules, one that allows it, and one that denies it.
fn answers(owner: &Identity, will: &Will) -> [Effect; 3] {
    let question = Question::Publish {
        topic: will.message.topic(),
        qos: will.message.qos(),
        retain: will.message.retain(),
    };
    [None, Some(Effect::Allow), Some(Effect::Deny)].map(|effect| {
        let rules = effect.map(|effect| rule(effect, "a/#"));
        let broker = RuleSet::new(rules.into_iter().collect(), Effect::Allow);
        broker.decide_for(owner, question).effect
    })
}

#[test]
fn a_will_that_was_written_down_is_its_owners_as_before() {
    use Effect::{Allow, Deny};
    for (own, expected) in [
        (None, [Allow, Allow, Deny]),
        (
            Some(RuleSet::new(vec![rule(Allow, "a/+")], Deny)),
            [Allow, Allow, Allow],
        ),
        (
            Some(RuleSet::new(vec![rule(Allow, "c")], Deny)),
            [Deny, Allow, Deny],
        ),
        (Some(RuleSet::new(Vec::new(), Allow)), [Allow, Allow, Deny]),
    ] {
        let before = will(own);
        assert_eq!(answers(&before.owner, &before), expected);
        let after = Will::from_record(&before.record(), before.owner.client_id.clone());
        assert_eq!(answers(&after.owner, &after), expected);
        assert_eq!(after.owner.address, before.owner.address);
        assert_eq!(after.owner.user_name, before.owner.user_name);
    }
}
