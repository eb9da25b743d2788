use dunlin_codec::{QoS, TopicName};
use dunlin_core::access::Identity;

use super::*;
use crate::config::Config;

fn config(text: &str) -> AccessConfig {
    Config::from_toml(text).unwrap().access
}

fn may_publish(access: &Arc<AccessRules>, topic: &str) -> bool {
    let who = Identity {
        client_id: "c1".into(),
        user_name: Some("ada".into()),
        address: Some([192, 0, 2, 7].into()),
        rules: None,
    };
    let topic = TopicName::parse(topic).unwrap();
    access.may_publish(&who, topic, QoS::AtMostOnce, false)
}

#[test]
fn without_rules_everything_is_allowed_and_with_some_what_none_is_about_is_not() {
    let open = Arc::new(AccessRules::open(&config("")).unwrap());
    assert!(may_publish(&open, "a"));
    let text = "[[access.rules]]\npermission = \"allow\"\ntopics = [\"a\", \"users/%u/#\"]\n";
    let ruled = Arc::new(AccessRules::open(&config(text)).unwrap());
    assert!(may_publish(&ruled, "a"));
    assert!(may_publish(&ruled, "users/ada/x"));
    assert!(!may_publish(&ruled, "b"));
    let text = format!("[access]\nno_match = \"allow\"\n{text}");
    let lax = Arc::new(AccessRules::open(&config(&text)).unwrap());
    assert!(may_publish(&lax, "b"));
}

#[test]
fn rules_of_the_configuration_are_whole_and_come_before_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acl");
    std::fs::write(&path, "user ada\ntopic #\n").unwrap();
    let text = format!(
        r#"
        [access]
        acl_file = "{}"

        [[access.rules]]
        permission = "deny"
        action = "publish"
        topics = ["a/#"]
        users = ["a*"]
        clients = ["c1"]
        addresses = ["192.0.2.0/24"]
        qos = [0]
        retain = "clear"
        "#,
        path.display()
    );
    let config = config(&text);
    assert_eq!(config.rules[0].source.line, 8);
    let access = Arc::new(AccessRules::open(&config).unwrap());
    assert!(!may_publish(&access, "a/1"));
    assert!(may_publish(&access, "b"));
}

// Class 16 of attacks: a file that is broken leaves the rules that hold.
#[test]
fn fail_open_configuration_keeps_the_rules_that_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acl");
    let config = config(&format!("access.acl_file = \"{}\"", path.display()));
    assert!(AccessRules::open(&config).is_err());
    std::fs::write(&path, "user ada\ntopic write a\n").unwrap();
    let access = Arc::new(AccessRules::open(&config).unwrap());
    let generation = access.generation();
    std::fs::write(&path, "user ada\ntopic #\nnonsense\n").unwrap();
    assert!(!access.reload(true));
    assert!(access.change(&config).is_err());
    assert!(may_publish(&access, "a"));
    assert!(!may_publish(&access, "b"));
    assert_eq!(access.generation(), generation);
    // An empty file is one without rules, which allows nothing.
    std::fs::write(&path, "").unwrap();
    assert!(access.reload(true));
    assert!(!may_publish(&access, "a"));
    assert_ne!(access.generation(), generation);
}
