//! Values of options: read from TOML or from a lone text, and checked against their kind.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use dunlin_core::access::Network;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::bind::Bind;
use super::error::{Problem, Source};
use super::filter::{SharePattern, TopicFilterBuf};
use super::kind::{Field, Kind};
use super::nearest::nearest;

/// A value that its kind allows.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Bool(bool),
    Integer(u64),
    Mode(u64),
    Word(&'static str),
    Path(String),
    Text(String),
    Network(Network),
    Bind(Bind),
    Filter(TopicFilterBuf),
    Pattern(SharePattern),
    List(Vec<Setting>),
    Table(Settings),
}

/// A value and who wrote it.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) source: Source,
}

/// Settings by option path, or by key inside a table.
pub(super) type Settings = BTreeMap<&'static str, Setting>;

/// As TOML; `{:#}` is without what nobody wrote into a table.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Mode(value) => write!(f, "{value:#o}"),
            Self::Word(text) => quoted(f, text),
            Self::Path(text) | Self::Text(text) => quoted(f, text),
            Self::Bind(bind) => quoted(f, &bind.to_string()),
            Self::Network(network) => quoted(f, &network.to_string()),
            Self::Filter(filter) => quoted(f, filter.as_str()),
            Self::Pattern(pattern) => quoted(f, pattern.as_str()),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    item.value.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Table(fields) => {
                f.write_str("{ ")?;
                let is_brief = f.alternate();
                let shown = fields
                    .iter()
                    .filter(|(_, field)| !is_brief || field.source != Source::Default);
                for (index, (name, field)) in shown.enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{name} = ")?;
                    field.value.fmt(f)?;
                }
                f.write_str(" }")
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "{}", toml::Value::String(text.to_owned()))
}

/// A text of which values are read, for saying where they stand.
pub(super) enum Place<'a> {
    /// A file; the offsets are those at which its lines begin.
    File {
        path: &'a Arc<Path>,
        line_starts: Vec<usize>,
    },
    /// Something that is shown whole.
    Whole(Source),
}

impl<'a> Place<'a> {
    pub(super) fn file(path: &'a Arc<Path>, text: &str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(index, _)| index + 1);
        Self::File {
            path,
            line_starts: std::iter::once(0).chain(after_newlines).collect(),
        }
    }

    pub(super) fn source(&self, span: &Range<usize>) -> Source {
        match self {
            Self::File { path, line_starts } => Source::File {
                path: Arc::clone(path),
                line: Some(line_starts.partition_point(|start| *start <= span.start)),
            },
            Self::Whole(source) => source.clone(),
        }
    }
}

/// Reads values, and collects what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) place: Place<'a>,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// Reads what TOML gave; `None` after adding a problem.
    pub(super) fn value(
        &mut self,
        path: &str,
        kind: &Kind,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Setting> {
        let source = self.place.source(&value.span());
        let read = match (kind, value.get_ref()) {
            (Kind::List { of, items_max, .. }, DeValue::Array(items)) => {
                if items.len() > *items_max {
                    let what = format!("{path} has {} items: at most {items_max}", items.len());
                    self.problem(source, what);
                    return None;
                }
                Some(Value::List(self.items(path, of, items)?))
            }
            (
                Kind::List {
                    of: Kind::Table(_), ..
                },
                DeValue::Table(_),
            ) => {
                let what = format!(
                    "{path} is one table: expected a list of them; write [[{path}]], with two \
                     brackets, before each"
                );
                self.problem(source.clone(), what);
                None
            }
            (Kind::Table(fields), DeValue::Table(table)) => {
                self.table(path, fields, table, &source).map(Value::Table)
            }
            (Kind::Table(fields), DeValue::String(_)) if let Some(field) = sole(fields) => {
                let lone = self.value(&format!("{path}.{}", field.name), &field.kind, value)?;
                let mut read = self.defaults(fields);
                read.insert(field.name, lone);
                Some(Value::Table(read))
            }
            (kind, scalar) => match scalar_value(kind, scalar) {
                Ok(value) => Some(value),
                Err(what) => {
                    self.problem(source.clone(), format!("{path}{}: {what}", shown(scalar)));
                    None
                }
            },
        };
        read.map(|value| Setting { value, source })
    }

    /// Reads what stands in an environment variable or on a command line. Texts need no quotes
    /// there, and a list of one needs no brackets.
    pub(super) fn text(&mut self, path: &str, kind: &Kind, text: &str) -> Option<Setting> {
        let trimmed = text.trim();
        match kind {
            Kind::List { of, .. } if !trimmed.starts_with('[') => {
                let item = self.text(path, of, text)?;
                let source = item.source.clone();
                return Some(Setting {
                    value: Value::List(vec![item]),
                    source,
                });
            }
            Kind::Table(fields) if sole(fields).is_some() && !trimmed.starts_with('{') => {
                return self.unquoted(path, kind, text);
            }
            _ if kind.is_text() && !trimmed.starts_with(['"', '\'']) => {
                return self.unquoted(path, kind, text);
            }
            _ => {}
        }
        match DeValue::parse(trimmed) {
            Ok(value) => self.value(path, kind, &value),
            Err(_) => {
                let what = format!("{path} = {}: expected {}", clip(text), kind.expected());
                self.problem(self.place.source(&(0..0)), what);
                None
            }
        }
    }

    fn unquoted(&mut self, path: &str, kind: &Kind, text: &str) -> Option<Setting> {
        self.value(
            path,
            kind,
            &Spanned::new(0..0, DeValue::String(text.into())),
        )
    }

    /// Every item is read, so that each wrong one is told.
    fn items(&mut self, path: &str, of: &Kind, items: &DeArray<'_>) -> Option<Vec<Setting>> {
        let read: Vec<_> = items
            .iter()
            .map(|item| self.value(path, of, item))
            .collect();
        read.into_iter().collect()
    }

    fn table(
        &mut self,
        path: &str,
        fields: &'static [Field],
        table: &DeTable<'_>,
        source: &Source,
    ) -> Option<Settings> {
        let problems_before = self.problems.len();
        let mut read = self.defaults(fields);
        for (key, value) in table {
            let path = format!("{path}.{}", key.get_ref());
            match fields.iter().find(|field| field.name == key.get_ref()) {
                Some(field) => {
                    if let Some(setting) = self.value(&path, &field.kind, value) {
                        read.insert(field.name, setting);
                    }
                }
                None => {
                    let what = format!(
                        "unknown key {}; the nearest known one is {}",
                        clip(&path),
                        nearest(&path)
                    );
                    self.problem(self.place.source(&key.span()), what);
                }
            }
        }
        let has_all = fields.iter().all(|field| read.contains_key(field.name));
        if self.problems.len() > problems_before {
            return None;
        }
        if !has_all {
            let missing: Vec<_> = fields
                .iter()
                .filter(|field| !read.contains_key(field.name))
                .map(|field| format!("{path}.{}: expected {}", field.name, field.kind.expected()))
                .collect();
            self.problem(
                source.clone(),
                format!("missing {}", missing.join("; missing ")),
            );
            return None;
        }
        Some(read)
    }

    /// The fields that need not be written.
    fn defaults(&mut self, fields: &'static [Field]) -> Settings {
        let mut settings = Settings::new();
        for field in fields {
            if let Some(text) = field.default {
                settings.insert(field.name, default(field.name, &field.kind, text));
            }
        }
        settings
    }

    fn problem(&mut self, source: Source, what: String) {
        self.problems.push(Problem { source, what });
    }
}

/// Reads the default of an option or a key, which stands in the table of options.
pub(super) fn default(path: &str, kind: &Kind, text: &str) -> Setting {
    let mut problems = Vec::new();
    let mut reader = Reader {
        place: Place::Whole(Source::Default),
        problems: &mut problems,
    };
    reader
        .text(path, kind, text)
        .expect("each default is allowed by the kind of its option")
}

/// The only key that must be written, if there is one and it is a text: a lone text stands for the
/// table.
fn sole(fields: &'static [Field]) -> Option<&'static Field> {
    let mut required = fields.iter().filter(|field| field.default.is_none());
    match (required.next(), required.next()) {
        (Some(field), None) if field.kind.is_text() => Some(field),
        _ => None,
    }
}

/// Checks a value that holds no others, or says what was expected.
fn scalar_value(kind: &Kind, value: &DeValue<'_>) -> Result<Value, String> {
    let text = match (kind, value) {
        (Kind::Bool, DeValue::Boolean(value)) => return Ok(Value::Bool(*value)),
        (Kind::Integer { min, max }, DeValue::Integer(value)) => {
            return u64::from_str_radix(value.as_str(), value.radix())
                .ok()
                .filter(|number| (min..=max).contains(&number))
                .map(Value::Integer)
                .ok_or_else(|| format!("expected {}", kind.expected()));
        }
        (Kind::FileMode, DeValue::Integer(value)) => {
            return u64::from_str_radix(value.as_str(), value.radix())
                .ok()
                .filter(|mode| *mode <= 0o777)
                .map(Value::Mode)
                .ok_or_else(|| format!("expected {}", kind.expected()));
        }
        (kind, DeValue::String(text)) if kind.is_text() => text.as_ref(),
        _ => return Err(format!("expected {}", kind.expected())),
    };
    match kind {
        Kind::Word(words) => words
            .iter()
            .find(|word| **word == text)
            .map(|word| Value::Word(word))
            .ok_or_else(|| format!("expected {}", kind.expected())),
        Kind::Bind => Bind::parse(text)
            .map(Value::Bind)
            .map_err(|error| error.to_string()),
        Kind::Origin if is_origin(text) => Ok(Value::Text(text.to_owned())),
        Kind::Origin => Err(format!("expected {}", kind.expected())),
        Kind::TopicFilter | Kind::SharedFilter => topic_filter(kind, text).map(Value::Filter),
        Kind::SharePattern => SharePattern::parse(text)
            .map(Value::Pattern)
            .map_err(ToOwned::to_owned),
        Kind::Text if text.contains(['+', '#', '\0']) => {
            Err("the text holds no +, # or U+0000".to_owned())
        }
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Claim if text.contains('\0') => Err("the text holds no U+0000".to_owned()),
        Kind::HttpUrl if has_credentials(text) => {
            Err("the URL holds no user name or password".to_owned())
        }
        Kind::HttpUrl if !is_http_url(text) => Err(format!("expected {}", kind.expected())),
        Kind::Claim | Kind::HttpUrl => Ok(Value::Text(text.to_owned())),
        Kind::Name if text.is_empty() => Err("a name is not empty".to_owned()),
        Kind::Name => Ok(Value::Text(text.to_owned())),
        Kind::Network => Network::parse(text)
            .map(Value::Network)
            .ok_or_else(|| format!("expected {}", kind.expected())),
        _ if text.contains('\0') => Err("a path holds no U+0000".to_owned()),
        _ => Ok(Value::Path(text.to_owned())),
    }
}

/// Whether a user name stands before the host: it would not be sent, and be in the log.
fn has_credentials(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@')
}

/// Whether it has a scheme of HTTP and a host, or is empty.
fn is_http_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://");
    let rest = rest.or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let has_host = authority.is_some_and(|authority| match authority.rsplit_once(':') {
        // Within an IPv6 address.
        Some((_, end)) if end.ends_with(']') => true,
        Some((host, port)) => !host.is_empty() && port.parse::<u16>().is_ok(),
        None => !authority.is_empty(),
    });
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    text.is_empty() || (has_host && is_visible)
}

/// Whether a text is what browsers send as Origin: a scheme, a host, and a port where it is not the
/// usual one (RFC 6454, section 6.2).
fn is_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, host)| {
        let is_host = |byte: u8| byte.is_ascii_graphic() && !b"/?#@*".contains(&byte);
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !host.is_empty()
            && host.bytes().all(is_host)
    })
}

/// Checks a topic filter, and that it is shared if and only if its kind says so.
fn topic_filter(kind: &Kind, text: &str) -> Result<TopicFilterBuf, String> {
    let filter = TopicFilterBuf::parse(text).map_err(|error| error.to_string())?;
    let is_shared = filter
        .as_filter()
        .share()
        .map_err(|error| error.to_string())?
        .is_some();
    if is_shared == matches!(kind, Kind::SharedFilter) {
        Ok(filter)
    } else {
        Err(format!("expected {}", kind.expected()))
    }
}

/// A refused value, as it follows the path of its option in a message.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!(" = {}", clip(text)),
        DeValue::Integer(value) => format!(" = {value}"),
        DeValue::Float(value) => format!(" = {value}"),
        DeValue::Boolean(value) => format!(" = {value}"),
        DeValue::Datetime(value) => format!(" = {value}"),
        DeValue::Array(_) => " is a list".to_owned(),
        DeValue::Table(_) => " is a table".to_owned(),
    }
}

/// What a human wrote, in quotes and escaped, so that it stays on one line and is not too long, and shows
/// no password of a URL.
pub(super) fn clip(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let text = &*without_credentials(text);
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or(text)),
        None => format!("{text:?}"),
    }
}

/// A URL without the user name and password in it; any other text as it is.
pub(super) fn without_credentials(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.into();
    };
    // The last one: who writes a password into a URL may have written a / in it.
    match rest.rsplit_once('@') {
        Some((_, rest)) => format!("{scheme}://…@{rest}").into(),
        None => text.into(),
    }
}
