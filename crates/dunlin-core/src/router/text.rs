//! Texts most of which are short.

/// Bytes of text, up to `SHORT` of which lie in itself: whoever compares it looks at one place in memory.
pub(super) struct Text<const SHORT: usize>(Form<SHORT>);

enum Form<const SHORT: usize> {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

impl<const SHORT: usize> Text<SHORT> {
    pub(super) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        let form = match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(begin), Ok(length)) => {
                begin.copy_from_slice(text);
                Form::Short { length, bytes }
            }
            _ => Form::Long(text.into()),
        };
        Self(form)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Form::Long(text) => text,
        }
    }
}
