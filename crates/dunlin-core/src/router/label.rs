//! The levels that a node of the tree stands for.

/// Bytes that lie in the label itself.
const SHORT: usize = 14;

/// Bytes that one allocation of a common size holds.
const MEDIUM: usize = 47;

/// One or more levels of a filter, with the slashes between them.
pub(super) struct Label(Text);

enum Text {
    Short { length: u8, bytes: [u8; SHORT] },
    Medium(Box<Medium>),
    Long(Box<Long>),
}

struct Medium {
    length: u8,
    bytes: [u8; MEDIUM],
}

struct Long(Box<[u8]>);

impl Default for Label {
    fn default() -> Self {
        Self::new(&[])
    }
}

/// The bytes with zeros behind them, and their number; `None` if they are too many.
fn fill<const N: usize>(text: &[u8]) -> Option<([u8; N], u8)> {
    let mut bytes = [0; N];
    bytes.get_mut(..text.len())?.copy_from_slice(text);
    Some((bytes, u8::try_from(text.len()).ok()?))
}

impl Label {
    pub(super) fn new(text: &[u8]) -> Self {
        Self(if let Some((bytes, length)) = fill(text) {
            Text::Short { length, bytes }
        } else if let Some((bytes, length)) = fill(text) {
            Text::Medium(Box::new(Medium { length, bytes }))
        } else {
            Text::Long(Box::new(Long(text.into())))
        })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Text::Medium(medium) => medium
                .bytes
                .get(..usize::from(medium.length))
                .unwrap_or_default(),
            Text::Long(long) => &long.0,
        }
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
