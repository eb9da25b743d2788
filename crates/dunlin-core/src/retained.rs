//! stub
use crate::error::Refusal;
use crate::message::Message;
use crate::settings::RetainedSettings;
use crate::time::Time;
use dunlin_codec::{TopicFilter, TopicName};
use std::sync::Arc;
pub(crate) struct Retained(std::collections::BTreeMap<String, (Arc<Message>, u64)>);
pub(crate) struct Page {
    pub(crate) messages: Vec<Arc<Message>>,
    pub(crate) next: Option<Box<str>>,
}
impl Retained {
    pub(crate) fn new(_: &RetainedSettings) -> Self {
        Self(Default::default())
    }
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
    pub(crate) fn may_set(&self, _: &Message) -> Result<(), Refusal> {
        Ok(())
    }
    pub(crate) fn set(&mut self, m: Arc<Message>, seq: u64, _: Time) -> Result<bool, Refusal> {
        self.0.insert(m.topic().as_str().into(), (m, seq));
        Ok(true)
    }
    pub(crate) fn clear(&mut self, t: TopicName<'_>, _: u64) {
        self.0.remove(t.as_str());
    }
    pub(crate) fn expire(&mut self, _: Time, _: usize) {}
    pub(crate) fn page(
        &self,
        f: TopicFilter<'_>,
        after: Option<&str>,
        as_of: u64,
        now: Time,
        (n, _): (usize, usize),
    ) -> Page {
        let mut messages = Vec::new();
        let mut next = None;
        for (k, (m, s)) in &self.0 {
            if after.is_some_and(|a| k.as_str() <= a) {
                continue;
            }
            if *s > as_of || m.is_expired(now) || !f.matches(m.topic()) {
                continue;
            }
            messages.push(Arc::clone(m));
            if messages.len() >= n {
                next = Some(k.as_str().into());
                break;
            }
        }
        Page { messages, next }
    }
}
