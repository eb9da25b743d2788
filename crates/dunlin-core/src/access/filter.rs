//! Topic filters of rules, in which a client's own names may stand.

use dunlin_codec::{TopicError, TopicFilter};

use super::Identity;

/// A topic filter in which `%u` stands for the User Name and `%c` for the Client Identifier of
/// whoever asks, also as a part of a level.
///
/// A name never widens a rule: one that is missing or empty, begins with `$` or holds `/`, `+` or `#`
/// has no place in a filter, and a name at the first level is never one that begins with `$`. A rule that allows matches nothing then; one that denies matches
/// whatever it could have matched with any name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterTemplate {
    text: Box<str>,
    levels: Box<[Level]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Literal(Box<str>),
    /// `+`
    Any,
    /// `#`
    Rest,
    /// Pieces, of which some are names.
    Named(Box<[Piece]>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    UserName,
    ClientId,
}

/// How a rule's filter lies to what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// No topic is in both.
    Apart,
    /// Some topics are in both.
    Overlaps,
    /// All that is asked is in the rule's filter.
    Covers,
}

/// What becomes of a level whose name is unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    MatchesNothing,
    MatchesAll,
}

impl FilterTemplate {
    /// Checks a filter as [`TopicFilter::parse`] does; with `has_names`, `%u` and `%c` stand for
    /// names.
    ///
    /// # Errors
    /// [`TopicError`] says which rule is broken.
    pub fn parse(text: &str, has_names: bool) -> Result<Self, TopicError> {
        let filter = TopicFilter::parse(text)?;
        let level = |level: &str| match level {
            "+" => Level::Any,
            "#" => Level::Rest,
            _ if has_names && (level.contains("%u") || level.contains("%c")) => {
                Level::Named(pieces(level))
            }
            _ => Level::Literal(level.into()),
        };
        Ok(Self {
            text: text.into(),
            levels: filter.levels().map(level).collect(),
        })
    }

    /// The text that it was made of.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it lies to a filter, or to the text of a topic name, which is a filter without wildcards.
    pub(super) fn relation(&self, who: &Identity, asked: &str, unusable: Unusable) -> Relation {
        // Wildcards at the first level do not match what begins with $ [MQTT-4.7.2-1].
        let is_dollar = asked.starts_with('$');
        if self.text.starts_with('$') && asked.starts_with(['+', '#']) {
            return Relation::Apart;
        }
        let mut covers = true;
        let mut asked = asked.split('/');
        for (index, level) in self.levels.iter().enumerate() {
            let next = asked.next();
            if index == 0 && is_dollar && !matches!(level, Level::Literal(_)) {
                return Relation::Apart;
            }
            let is_equal = match (level, next) {
                (Level::Rest, _) => return whether(covers),
                (_, Some("#")) => return Relation::Overlaps,
                (_, None) => return Relation::Apart,
                (Level::Any, Some(_)) => true,
                (Level::Literal(_), Some("+")) => {
                    covers = false;
                    true
                }
                (Level::Literal(level), Some(asked)) => **level == *asked,
                (Level::Named(pieces), Some(asked)) => {
                    if !pieces.iter().all(|piece| piece.text(who).is_some()) {
                        return match unusable {
                            Unusable::MatchesNothing => Relation::Apart,
                            Unusable::MatchesAll => whether(covers),
                        };
                    }
                    covers &= asked != "+";
                    asked == "+" || is_level(pieces, who, asked)
                }
            };
            if !is_equal {
                return Relation::Apart;
            }
        }
        match asked.next() {
            None => whether(covers),
            // `a/#` asks for `a` as well.
            Some("#") => Relation::Overlaps,
            Some(_) => Relation::Apart,
        }
    }
}

const fn whether(covers: bool) -> Relation {
    if covers {
        Relation::Covers
    } else {
        Relation::Overlaps
    }
}

impl Piece {
    /// What stands here; `None` for a name that has no place in a filter.
    fn text<'a>(&'a self, who: &'a Identity) -> Option<&'a str> {
        let name = match self {
            Self::Literal(text) => return Some(text),
            Self::UserName => who.user_name.as_deref()?,
            Self::ClientId => who.client_id.as_str(),
        };
        let is_usable =
            !name.is_empty() && !name.starts_with('$') && !name.contains(['/', '+', '#']);
        is_usable.then_some(name)
    }
}

/// Whether the pieces together are this level.
fn is_level(pieces: &[Piece], who: &Identity, level: &str) -> bool {
    let rest = pieces
        .iter()
        .try_fold(level, |rest, piece| rest.strip_prefix(piece.text(who)?));
    rest == Some("")
}

/// Splits a level at `%u` and `%c`.
fn pieces(level: &str) -> Box<[Piece]> {
    let mut pieces = Vec::new();
    let mut rest = level;
    while !rest.is_empty() {
        let found = [("%u", Piece::UserName), ("%c", Piece::ClientId)]
            .into_iter()
            .filter_map(|(mark, piece)| Some((rest.find(mark)?, piece)))
            .min_by_key(|(at, _)| *at);
        let Some((at, piece)) = found else {
            pieces.push(Piece::Literal(rest.into()));
            break;
        };
        let (before, behind) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Literal(before.into()));
        }
        pieces.push(piece);
        rest = behind.get(2..).unwrap_or_default();
    }
    pieces.into()
}
