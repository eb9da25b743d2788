//! A scenario: what the messages of a device hold.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::field::{Field, Generator, Random};

/// The scenarios that are built in, by the names that MQTTX has for them.
pub(super) const BUILT_IN: [(&str, &str); 4] = [
    ("tesla", include_str!("scenarios/tesla.toml")),
    ("IEM", include_str!("scenarios/iem.toml")),
    ("smart_home", include_str!("scenarios/smart_home.toml")),
    ("weather", include_str!("scenarios/weather.toml")),
];

/// The text of a scenario that is built in.
pub(super) fn built_in(name: &str) -> Option<&'static str> {
    let mut all = BUILT_IN.iter();
    all.find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, text)| *text)
}

/// What the messages of a device hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// What `%sc` stands for.
    pub(super) name: String,
    /// What it is about.
    #[serde(default)]
    pub(super) description: String,
    /// Where its messages go, unless told otherwise.
    pub(super) topic: Option<String>,
    /// The fields of a message, in their order.
    fields: Map<String, Value>,
    #[serde(skip)]
    parsed: Vec<(String, Field)>,
}

impl Scenario {
    pub(super) fn of_toml(text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| {
                let before = text.get(..span.start).unwrap_or_default();
                format!("line {}: ", before.lines().count().max(1))
            });
            format!("{}{}", line.unwrap_or_default(), error.message())
        })?;
        scenario.checked()
    }

    pub(super) fn of_json(text: &str) -> Result<Self, String> {
        let scenario: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        scenario.checked()
    }

    fn checked(mut self) -> Result<Self, String> {
        for (name, value) in std::mem::take(&mut self.fields) {
            let field = Field::parse(&value).map_err(|what| format!("field {name}: {what}"))?;
            self.parsed.push((name, field));
        }
        Ok(self)
    }

    /// A device, which is the client of this identifier and number.
    pub(super) fn start(&self, client_id: &str, number: u32) -> Device {
        let mut random = Random::new();
        let fields = self.parsed.iter();
        let fields = fields
            .map(|(name, field)| (name.clone(), field.start(client_id, number, &mut random)))
            .collect();
        Device { fields, random }
    }
}

/// A device that goes on from message to message.
#[derive(Debug)]
pub(super) struct Device {
    fields: Vec<(String, Generator)>,
    random: Random,
}

impl Device {
    /// The next message.
    pub(super) fn next(&mut self) -> Value {
        let mut message = Map::new();
        for (name, generator) in &mut self.fields {
            message.insert(name.clone(), generator.next(&mut self.random));
        }
        message.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{BUILT_IN, Scenario};

    const OWN: &str = r#"
name = "own"
topic = "plant/%c"
[fields]
id = { kind = "client_id" }
n = { kind = "counter", start = 5 }
fixed = [1, "a"]
nested = { kind = "object", fields = { level = { kind = "walk", min = 0, max = 10, step = 1 } } }
"#;

    #[test]
    fn what_is_built_in_makes_messages_that_differ() {
        for (name, text) in BUILT_IN {
            let scenario = Scenario::of_toml(text).unwrap();
            assert_eq!(scenario.name, name);
            assert!(!scenario.description.is_empty());
            let mut device = scenario.start("c1", 1);
            let messages = [device.next(), device.next(), device.next()];
            assert!(messages[0] != messages[1] || messages[1] != messages[2]);
            assert!(messages[0].as_object().unwrap().len() > 5, "{name}");
        }
    }

    #[test]
    fn a_scenario_is_the_same_in_toml_and_json() {
        let json = r#"{"name": "own", "topic": "plant/%c", "fields": {
            "id": {"kind": "client_id"}, "n": {"kind": "counter", "start": 5}, "fixed": [1, "a"],
            "nested": {"kind": "object", "fields": {
                "level": {"kind": "walk", "min": 0, "max": 10, "step": 1}}}}}"#;
        for scenario in [Scenario::of_toml(OWN), Scenario::of_json(json)] {
            let mut device = scenario.unwrap().start("c7", 7);
            let (first, second) = (device.next(), device.next());
            assert_eq!(first["id"], "c7");
            assert_eq!((&first["n"], &second["n"]), (&5.into(), &6.into()));
            assert_eq!(first["fixed"].to_string(), "[1,\"a\"]");
            let level = |message: &serde_json::Value| message["nested"]["level"].as_f64().unwrap();
            assert!((0.0..=10.0).contains(&level(&first)));
            assert!((level(&first) - level(&second)).abs() <= 1.0);
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, told) in [
            ("name = 1\n[fields]", "line 1: "),
            (
                "name = \"a\"\n[fields]\nx = { kind = \"wlak\" }",
                "field x: ",
            ),
            (
                "name = \"a\"\n[fields]\nx = { kind = \"uniform\", min = 2, max = 1 }",
                "field x: min",
            ),
            (
                "name = \"a\"\n[fields]\nx = { kind = \"choice\", of = [] }",
                "field x: ",
            ),
            ("name = \"a\"\ntopics = \"t\"\n[fields]", "unknown field"),
        ] {
            let error = Scenario::of_toml(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
