//! Random identifiers and payloads. Nothing secret comes from here.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A number.
pub(crate) fn number() -> u64 {
    // Each state has keys of its own, which the system chose at random.
    RandomState::new().build_hasher().finish()
}

/// `dunlin_` and eight hexadecimal digits.
pub(crate) fn client_id() -> String {
    format!("dunlin_{:08x}", number() & 0xffff_ffff)
}

/// This many letters and digits.
pub(crate) fn text(length: usize) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = number() | 1;
    let letter = || {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let index = usize::from(state.to_le_bytes()[3] & 63);
        LETTERS.get(index).copied().unwrap_or(b'A')
    };
    std::iter::repeat_with(letter).take(length).collect()
}
