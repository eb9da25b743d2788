//! The words of a script line: bare words, `"quoted words"` and `key=value` pairs.

use std::fmt;

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, its quotes taken off.
    Word(String),
    /// A key and its value.
    Pair(String, String),
}

impl Token {
    pub(super) fn pair(key: &str, value: impl fmt::Display) -> Self {
        Self::Pair(key.to_owned(), value.to_string())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, text) = match self {
            Self::Word(text) => (None, text),
            Self::Pair(key, text) => (Some(key), text),
        };
        if let Some(key) = key {
            write!(f, "{key}=")?;
        }
        let is_plain = !text.contains([' ', '"']) && (key.is_some() || !text.contains('='));
        if is_plain && !(text.is_empty() && key.is_none()) {
            f.write_str(text)
        } else {
            write!(f, "\"{text}\"")
        }
    }
}

/// Splits a line. Escapes stay as they are: see [`unescape`].
pub(super) fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let key_len = rest
            .find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
            .unwrap_or(rest.len());
        let (key, value) = match rest[key_len..].strip_prefix('=') {
            Some(value) if key_len > 0 => (Some(&rest[..key_len]), value),
            _ => (None, rest),
        };
        let (text, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted
                .split_once('"')
                .ok_or_else(|| format!("a quote is not closed: {value}"))?,
            None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        tokens.push(match key {
            Some(key) => Token::Pair(key.to_owned(), text.to_owned()),
            None => Token::Word(text.to_owned()),
        });
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// A text of this length or more that is one character over and over is written `c*length`.
const RUN_MIN: usize = 20;

/// The bytes that a text stands for: `\xNN` is a byte, `\\` a backslash, `c*300` is c 300 times.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    if let Some((unit, count)) = text.rsplit_once('*')
        && !unit.is_empty()
        && let Ok(count) = count.parse::<usize>()
    {
        return Ok(unit.as_bytes().repeat(count));
    }
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        if let Some(after) = after.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
        } else {
            let hex = after.strip_prefix('x').and_then(|hex| hex.get(..2));
            let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            bytes.push(byte.ok_or_else(|| format!("not an escape: \\{after}"))?);
            rest = &after[3..];
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// As [`unescape`], for text.
pub(super) fn unescape_text(text: &str) -> Result<String, String> {
    String::from_utf8(unescape(text)?).map_err(|_| format!("not UTF-8: {text}"))
}

/// The one way to write these bytes.
pub(super) fn escape(bytes: &[u8]) -> String {
    use fmt::Write as _;
    if let Some(&first) = bytes.first()
        && bytes.len() >= RUN_MIN
        && first.is_ascii_graphic()
        && bytes.iter().all(|&byte| byte == first)
    {
        return format!("{}*{}", char::from(first), bytes.len());
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\x22"),
                c if c.is_control() => write!(text, "\\x{:02x}", u32::from(c)).unwrap(),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").unwrap();
        }
    }
    text
}
