//! The known option path that someone probably meant.

use super::option::{self, OPTIONS, SECTIONS};

/// The known path of an option, of a section, or of a key in a list's tables, that is nearest to an
/// unknown one.
pub(super) fn nearest(unknown: &str) -> String {
    // Longer than every known path by far: the rest cannot make it more like one of them.
    let unknown: String = unknown
        .chars()
        .take(200)
        .collect::<String>()
        .to_ascii_lowercase();
    let options = OPTIONS.iter().map(|record| record.path.to_owned());
    let sections = SECTIONS.iter().map(|section| section.name.to_owned());
    options
        .chain(sections)
        .chain(option::field_paths())
        .map(|known| (likeness(&unknown, &known), known))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
        .expect("the table of options is not empty")
}

/// The name of these that is most like an unknown one.
pub(super) fn most_alike(unknown: &str, names: impl Iterator<Item = &'static str>) -> &'static str {
    let likeness = |name: &&str| strsim::normalized_damerau_levenshtein(unknown, name);
    names
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .expect("there is one name at least")
}

/// How alike an unknown path and a known one are, from 0 to 1.
fn likeness(unknown: &str, known: &str) -> f64 {
    let (unknown_parent, unknown_key) = unknown.rsplit_once('.').unwrap_or(("", unknown));
    let (known_parent, known_key) = known.rsplit_once('.').unwrap_or(("", known));
    let whole = words_alike(unknown, known);
    // In the right section only the key can be wrong; a key that is right in a wrong section is as
    // good a guess as one wrong letter, unless it is a key of tables and no table was written.
    let is_same_key =
        unknown_key == known_key && (unknown_parent.contains('.') || !known_parent.contains('.'));
    let key = match (unknown_parent == known_parent, is_same_key) {
        (true, _) => words_alike(unknown_key, known_key),
        (false, true) => 0.9,
        (false, false) => 0.0,
    };
    whole.max(key)
}

/// The likeness of two names, also if their words stand in another order.
fn words_alike(a: &str, b: &str) -> f64 {
    let in_order = strsim::normalized_damerau_levenshtein(a, b);
    let sorted = strsim::normalized_damerau_levenshtein(&sorted_words(a), &sorted_words(b));
    in_order.max(0.95 * sorted)
}

fn sorted_words(name: &str) -> String {
    let mut words: Vec<_> = name.split(['_', '.', '-']).collect();
    words.sort_unstable();
    words.join("_")
}
