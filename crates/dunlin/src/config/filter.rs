//! Topic filters and patterns of share names that options hold.

use std::fmt;
use std::sync::Arc;

use dunlin_codec::{TopicError, TopicFilter};

/// A Topic Filter that owns its text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TopicFilterBuf(Arc<str>);

impl TopicFilterBuf {
    /// Checks a text as [`TopicFilter::parse`] does.
    ///
    /// # Errors
    /// [`TopicError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        TopicFilter::parse(text)?;
        Ok(Self(text.into()))
    }

    /// The filter.
    pub fn as_filter(&self) -> TopicFilter<'_> {
        TopicFilter::parse(&self.0).expect("the text was checked when this was made")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TopicFilterBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A pattern of ShareNames: `*` stands for any text, every other character for itself. What it
/// matches is the router's to say.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SharePattern(Arc<str>);

impl SharePattern {
    /// Checks that some ShareName could match: the characters that no ShareName may hold
    /// [MQTT-4.8.2-1] [MQTT-4.8.2-2] are refused.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("a share name is not empty");
        }
        if text.contains(['/', '+', '#', '\0']) {
            return Err("a share name holds no /, +, # or U+0000");
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SharePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
