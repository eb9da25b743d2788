//! Topic Aliases of one connection, in both directions (section 3.3.2.3.4).

use std::collections::BTreeMap;

use dunlin_codec::TopicName;

/// The aliases that the client set for topics that it publishes to.
#[derive(Debug, Default)]
pub(crate) struct InboundAliases {
    topics: BTreeMap<u16, Box<str>>,
}

impl InboundAliases {
    pub(crate) fn set(&mut self, alias: u16, topic: TopicName<'_>) {
        self.topics.insert(alias, topic.as_str().into());
    }

    pub(crate) fn topic(&self, alias: u16) -> Option<TopicName<'_>> {
        let text = self.topics.get(&alias)?;
        TopicName::parse(text).ok()
    }
}

/// The aliases that the broker set for topics that it sends to the client.
#[derive(Debug)]
pub(crate) struct OutboundAliases {
    aliases: BTreeMap<Box<[u8]>, u16>,
    max: u16,
}

/// How a topic goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicOnWire {
    /// As text.
    Name,
    /// As text, with an alias for the next times.
    NameAndAlias(u16),
    /// As an alias alone.
    Alias(u16),
}

impl OutboundAliases {
    pub(crate) const fn new(max: u16) -> Self {
        Self {
            aliases: BTreeMap::new(),
            max,
        }
    }

    /// Whether any topic may have one.
    pub(crate) const fn are_used(&self) -> bool {
        self.max > 0
    }

    /// The first topics get the aliases that there are; later ones go as text.
    pub(crate) fn choose(&mut self, topic: &[u8]) -> TopicOnWire {
        if self.max == 0 {
            return TopicOnWire::Name;
        }
        if let Some(&alias) = self.aliases.get(topic) {
            return TopicOnWire::Alias(alias);
        }
        match u16::try_from(self.aliases.len() + 1) {
            Ok(alias) if alias <= self.max => TopicOnWire::NameAndAlias(alias),
            _ => TopicOnWire::Name,
        }
    }

    /// Notes that the client was sent this alias.
    pub(crate) fn set(&mut self, topic: &[u8], alias: u16) {
        self.aliases.insert(topic.into(), alias);
    }
}
