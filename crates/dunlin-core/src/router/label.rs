//! The levels that a node of the tree stands for.

use super::text::Text;

/// One or more levels of a filter, with the slashes between them.
pub(super) struct Label(Text<30>);

impl Default for Label {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Label {
    pub(super) fn new(text: &[u8]) -> Self {
        Self(Text::new(text))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The first level.
    pub(super) fn first(&self) -> &[u8] {
        let text = self.as_bytes();
        let end = text.iter().position(|&byte| byte == b'/');
        text.get(..end.unwrap_or(text.len())).unwrap_or_default()
    }

    /// The levels behind the first; `None` if there are none.
    pub(super) fn rest(&self) -> Option<&[u8]> {
        let text = self.as_bytes();
        let end = text.iter().position(|&byte| byte == b'/')?;
        text.get(end + 1..)
    }
}
