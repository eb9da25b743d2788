//! Broken forms of what parsers of files and of the network read, the same ones in every run.
//!
//! What they are made of is in `corpus/`, a folder for each parser: an input that went wrong once is put
//! there. `FUZZ=1000 cargo test -p dunlin fuzz` goes on a thousand times as long.

use std::path::Path;

/// The input, and `count` forms of it, or as many times more as `FUZZ` says, in which pieces are changed,
/// removed, doubled or put elsewhere.
fn mutations(whole: Vec<u8>, count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (below.max(1) as u64)).unwrap()
    };
    let times = std::env::var("FUZZ").map_or(1, |times| times.parse().unwrap());
    let unbroken = std::iter::once(whole.clone());
    let broken = (0..count.saturating_mul(times)).map(move |_| {
        let mut bytes = whole.clone();
        for _ in 0..=random(4) {
            let from = random(bytes.len());
            let to = (from + random(12)).min(bytes.len());
            match random(5) {
                0 => {
                    let piece = bytes[from..to].to_vec();
                    let at = random(bytes.len());
                    bytes.splice(at..at, piece);
                }
                1 => drop(bytes.drain(from..to)),
                2 => bytes.insert(from, b"\n\t :$#+/%=\"[]{}.,0aZ\0\xff"[random(22)]),
                3 => bytes.truncate(from),
                _ => {
                    if let Some(byte) = bytes.get_mut(from) {
                        *byte ^= 1 << random(8);
                    }
                }
            }
        }
        bytes
    });
    unbroken.chain(broken)
}

/// The same of a text that the test makes: what is in `corpus/` would become stale.
pub(crate) fn text_mutations(text: &str, count: usize) -> impl Iterator<Item = String> {
    mutations(text.as_bytes().to_vec(), count).map(lossy)
}

/// The inputs of a parser, and `count` broken forms of each, or as many times more as `FUZZ` says.
pub(crate) fn corpus(parser: &str, count: usize) -> impl Iterator<Item = Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(parser);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
        .into_iter()
        .flat_map(move |file| mutations(std::fs::read(file).unwrap(), count))
}

/// The same for a parser of text.
pub(crate) fn text_corpus(parser: &str, count: usize) -> impl Iterator<Item = String> {
    corpus(parser, count).map(lossy)
}

fn lossy(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}
