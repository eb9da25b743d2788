//! Rust source as lines of code and comment, without the contents of literals.
//!
//! Enough of the language to keep a rule about code from firing on a string or a comment; the
//! compiler has the last word on everything else.

/// One line: its code with the contents of literals removed, and the text of its comments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) code: String,
    pub(crate) comment: String,
    /// The comment documents something: `///`, `//!`, `/** */` or `/*! */`.
    pub(crate) is_doc: bool,
}

impl Line {
    /// Columns of white space before the code.
    pub(crate) fn indentation(&self) -> usize {
        self.code.len() - self.code.trim_start().len()
    }
}

enum State {
    Code,
    LineComment,
    /// Block comments nest.
    BlockComment(u32),
    /// A literal between `"`; the backslash escapes.
    Text,
    /// A raw literal that ends with `"` and this many `#`.
    RawText(usize),
}

/// Splits a source text.
pub(crate) fn lines(source: &str) -> Vec<Line> {
    let mut state = State::Code;
    source
        .lines()
        .map(|line| {
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            let characters: Vec<char> = line.chars().collect();
            let mut result = Line::default();
            let mut rest = characters.as_slice();
            while let Some((first, _)) = rest.split_first() {
                let taken = step(&mut state, *first, rest, &mut result);
                rest = rest.get(taken..).unwrap_or_default();
            }
            result
        })
        .collect()
}

/// Takes some characters from the front of `rest` and says how many.
fn step(state: &mut State, first: char, rest: &[char], line: &mut Line) -> usize {
    match state {
        State::Code => code(state, first, rest, line),
        State::LineComment => {
            line.comment.push(first);
            1
        }
        State::BlockComment(depth) => {
            if rest.starts_with(&['*', '/']) {
                *depth -= 1;
                if *depth == 0 {
                    *state = State::Code;
                }
                return 2;
            }
            if rest.starts_with(&['/', '*']) {
                *depth += 1;
                return 2;
            }
            line.comment.push(first);
            1
        }
        State::Text => match first {
            '\\' => 2,
            '"' => {
                line.code.push('"');
                *state = State::Code;
                1
            }
            _ => 1,
        },
        State::RawText(hashes) => {
            let hashes = *hashes;
            let closing = rest.iter().skip(1).take(hashes);
            if first == '"' && closing.filter(|c| **c == '#').count() == hashes {
                line.code.push('"');
                *state = State::Code;
                return 1 + hashes;
            }
            1
        }
    }
}

fn code(state: &mut State, first: char, rest: &[char], line: &mut Line) -> usize {
    if rest.starts_with(&['/', '/']) {
        *state = State::LineComment;
        let is_doc = rest.get(2).is_some_and(|c| matches!(c, '/' | '!'));
        line.is_doc |= is_doc;
        return if is_doc { 3 } else { 2 };
    }
    if rest.starts_with(&['/', '*']) {
        *state = State::BlockComment(1);
        line.is_doc |= rest.get(2).is_some_and(|c| matches!(c, '*' | '!'));
        return 2;
    }
    let follows_word = line
        .code
        .ends_with(|c: char| c.is_alphanumeric() || c == '_');
    if first == 'r' || first == 'b' {
        let prefix = rest.iter().take_while(|c| matches!(c, 'r' | 'b')).count();
        let hashes = rest.iter().skip(prefix).take_while(|c| **c == '#').count();
        let is_raw = rest.iter().take(prefix).any(|c| *c == 'r');
        if !follows_word && is_raw && rest.get(prefix + hashes) == Some(&'"') {
            line.code.push('"');
            *state = State::RawText(hashes);
            return prefix + hashes + 1;
        }
    }
    if first == '"' {
        line.code.push('"');
        *state = State::Text;
        return 1;
    }
    if first == '\'' {
        // A character literal closes after one (possibly escaped) character, a lifetime does not.
        let length = match rest.get(1) {
            Some('\\') => rest
                .iter()
                .skip(3)
                .position(|c| *c == '\'')
                .map(|at| at + 4),
            Some(_) if rest.get(2) == Some(&'\'') => Some(3),
            _ => None,
        };
        if let Some(length) = length {
            line.code.push_str("''");
            return length;
        }
    }
    line.code.push(first);
    1
}

/// The name of the function that a line of code declares, if it does.
pub(crate) fn declared_function(code: &str) -> Option<&str> {
    declared(code, "fn")
}

/// The identifier behind `keyword`, when the keyword begins a declaration on this line.
pub(crate) fn declared<'a>(code: &'a str, keyword: &str) -> Option<&'a str> {
    const BEFORE: [&str; 8] = [
        "pub", "async", "const", "unsafe", "extern", "default", "\"\"", "static",
    ];
    let mut rest = code.trim_start();
    loop {
        let word_end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '"')
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        if word == keyword {
            let name = after.trim_start();
            let end = name
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(name.len());
            return name.get(..end).filter(|name| !name.is_empty());
        }
        if !BEFORE.contains(&word) {
            return None;
        }
        rest = after.trim_start();
        // `pub(crate)`, `pub(in path)`
        if rest.starts_with('(') {
            rest = rest
                .split_once(')')
                .map_or("", |(_, after)| after)
                .trim_start();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{declared, declared_function, lines};

    fn split(source: &str) -> Vec<(String, String)> {
        let pair = |line: super::Line| (line.code, line.comment);
        lines(source).into_iter().map(pair).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert_eq!(
            split("let a = \"// not \\\" a comment\"; // a comment"),
            [("let a = \"\"; ".into(), " a comment".into())]
        );
        assert_eq!(
            split("r#\"un\"bounded\"# + 'x' + '\\'' + b\"y\" // z"),
            [("\"\" + '' + '' + b\"\" ".into(), " z".into())]
        );
        assert_eq!(
            split("a /* one /* two */ still\n end */ b"),
            [
                ("a ".into(), " one  two  still".into()),
                (" b".into(), " end ".into())
            ]
        );
    }

    #[test]
    fn lifetimes_are_code() {
        assert_eq!(
            split("fn f<'a>(x: &'a str)"),
            [("fn f<'a>(x: &'a str)".into(), String::new())]
        );
    }

    #[test]
    fn a_literal_over_several_lines_hides_them_all() {
        let found = split("let a = \"one\n// two\nthree\"; b");
        assert_eq!(found[1], (String::new(), String::new()));
        assert_eq!(found[2].0, "\"; b");
    }

    #[test]
    fn declarations_are_found_behind_their_qualifiers() {
        assert_eq!(
            declared_function("    pub(crate) async fn serve("),
            Some("serve")
        );
        assert_eq!(declared_function("let fn_pointer = 3;"), None);
        assert_eq!(declared("pub struct Names<'a> {", "struct"), Some("Names"));
        assert_eq!(declared("use std::task::Context;", "struct"), None);
    }
}
