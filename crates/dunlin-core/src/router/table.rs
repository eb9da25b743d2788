//! A hash table in parts, so that none of its growths takes long.

use hashbrown::HashTable;

use super::list::spread;

/// One part for each value of these bits of a hash. hashbrown chooses places by the lowest bits and
/// tells neighbours apart by the highest seven, so neither of them is used here.
const PART_SHIFT: u32 = 48;
const PARTS: usize = 64;

/// Entries below which a part is never made smaller.
const SHRINK_MIN: usize = 64;

/// A hash table that grows by a 64th at a time. The values hold their own keys: each call brings
/// the hash and the comparison.
pub(super) struct Table<T> {
    parts: Box<[HashTable<Entry<T>>]>,
    len: usize,
}

/// A value with half of its hash: a key is looked at only if it is the right one all but certainly, and
/// none is when the table grows.
struct Entry<T> {
    half: u32,
    value: T,
}

impl<T> Entry<T> {
    fn hash(&self) -> u64 {
        spread(self.half.into())
    }
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Self {
            parts: std::iter::repeat_with(HashTable::new).take(PARTS).collect(),
            len: 0,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flatten().map(|entry| &entry.value)
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    fn part_index(spread: u64) -> usize {
        usize::try_from(spread >> PART_SHIFT).unwrap_or(0) % PARTS
    }

    fn part_mut(&mut self, spread: u64) -> &mut HashTable<Entry<T>> {
        self.parts
            .get_mut(Self::part_index(spread))
            .expect("the index is below PARTS, and there are as many parts")
    }

    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        let half = half(hash);
        let spread = spread(half.into());
        let part = self.parts.get(Self::part_index(spread))?;
        let entry = part.find(spread, |entry| entry.half == half && is_it(&entry.value))?;
        Some(&entry.value)
    }

    /// The value of this hash, all but certainly: no other is as far as half of a hash says, and no key is
    /// looked at.
    pub(super) fn likely(&self, hash: u64) -> Option<&T> {
        self.find(hash, |_| true)
    }

    /// Adds a value that is not there.
    pub(super) fn insert(&mut self, hash: u64, value: T) {
        let half = half(hash);
        let spread = spread(half.into());
        let entry = Entry { half, value };
        self.part_mut(spread)
            .insert_unique(spread, entry, Entry::hash);
        self.len += 1;
    }

    /// Removes a value, and gives memory back when most of it is unused.
    pub(super) fn remove(&mut self, hash: u64, mut is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let half = half(hash);
        let spread = spread(half.into());
        let part = self.part_mut(spread);
        let is_it = |entry: &Entry<T>| entry.half == half && is_it(&entry.value);
        let (entry, _) = part.find_entry(spread, is_it).ok()?.remove();
        if part.capacity() > SHRINK_MIN && part.len() < part.capacity() / 8 {
            part.shrink_to(part.len() * 2, Entry::hash);
        } else if part.is_empty() {
            *part = HashTable::new();
        }
        self.len -= 1;
        Some(entry.value)
    }
}

/// The half of a hash that is kept.
fn half(hash: u64) -> u32 {
    u32::try_from(hash >> 32).expect("half of 64 bits are 32")
}
