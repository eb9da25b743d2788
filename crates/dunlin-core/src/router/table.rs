//! A hash table in parts, so that none of its growths takes long.

use hashbrown::HashTable;

/// One part for each value of these bits of a hash. hashbrown chooses places by the lowest bits and
/// tells neighbours apart by the highest seven, so neither of them is used here.
const PART_SHIFT: u32 = 48;
const PARTS: usize = 64;

/// Entries below which a part is never made smaller.
const SHRINK_MIN: usize = 64;

/// A hash table that grows by a 64th at a time. The values hold their own keys: each call brings
/// the hash and the comparison.
pub(super) struct Table<T> {
    parts: Box<[HashTable<T>]>,
    len: usize,
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Self {
            parts: std::iter::repeat_with(HashTable::new).take(PARTS).collect(),
            len: 0,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flatten()
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    fn part_index(hash: u64) -> usize {
        usize::try_from(hash >> PART_SHIFT).unwrap_or(0) % PARTS
    }

    fn part_mut(&mut self, hash: u64) -> &mut HashTable<T> {
        self.parts
            .get_mut(Self::part_index(hash))
            .expect("the index is below PARTS, and there are as many parts")
    }

    pub(super) fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts.get(Self::part_index(hash))?.find(hash, is_it)
    }

    /// Adds a value that is not there.
    pub(super) fn insert(&mut self, hash: u64, value: T, hash_of: impl Fn(&T) -> u64) {
        self.part_mut(hash).insert_unique(hash, value, hash_of);
        self.len += 1;
    }

    /// Removes a value, and gives memory back when most of it is unused.
    pub(super) fn remove(
        &mut self,
        hash: u64,
        is_it: impl FnMut(&T) -> bool,
        hash_of: impl Fn(&T) -> u64,
    ) -> Option<T> {
        let part = self.part_mut(hash);
        let (value, _) = part.find_entry(hash, is_it).ok()?.remove();
        if part.capacity() > SHRINK_MIN && part.len() < part.capacity() / 8 {
            part.shrink_to(part.len() * 2, hash_of);
        } else if part.is_empty() {
            *part = HashTable::new();
        }
        self.len -= 1;
        Some(value)
    }
}
