//! Broken forms of texts and bytes, the same ones in every run: for tests of parsers.
//!
//! `FUZZ=1000 cargo test -p dunlin fuzz` goes on a thousand times as long. What parsers of the network
//! are fed with is in `corpus/`, a folder for each: an input that went wrong once is put there.

use std::path::Path;

/// `count` forms of a text, or as many times more as `FUZZ` says, in which pieces are changed, removed,
/// doubled or put elsewhere.
pub(crate) fn mutations(text: &str, count: usize) -> impl Iterator<Item = String> {
    let forms = byte_mutations(text.as_bytes().to_vec(), count);
    forms.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The same of bytes.
pub(crate) fn byte_mutations(whole: Vec<u8>, count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (below.max(1) as u64)).unwrap()
    };
    let times = std::env::var("FUZZ").map_or(1, |times| times.parse().unwrap());
    (0..count.saturating_mul(times)).map(move |_| {
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
    })
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
    files.into_iter().flat_map(move |file| {
        let bytes = std::fs::read(file).unwrap();
        let forms = byte_mutations(bytes.clone(), count);
        std::iter::once(bytes).chain(forms)
    })
}
