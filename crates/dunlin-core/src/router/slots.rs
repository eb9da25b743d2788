//! Values by number, in a memory that grows without moving them.

use std::mem;

/// Values that are allocated together.
const CHUNK: usize = 128;

/// Values that are named by number. The number of one that was removed is given to another.
pub(super) struct Slots<T> {
    chunks: Vec<Chunk<T>>,
    /// Numbers that are free again.
    free: Vec<u32>,
    len: usize,
}

struct Chunk<T> {
    /// Empty, and without memory, while none is in use.
    values: Vec<T>,
    in_use: usize,
}

impl<T: Default> Slots<T> {
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    fn place(id: u32) -> (usize, usize) {
        let id = usize::try_from(id).unwrap_or(usize::MAX);
        (id / CHUNK, id % CHUNK)
    }

    pub(super) fn get(&self, id: u32) -> &T {
        let (chunk, place) = Self::place(id);
        self.chunks
            .get(chunk)
            .and_then(|chunk| chunk.values.get(place))
            .expect("a number is in use only while its value is there")
    }

    pub(super) fn get_mut(&mut self, id: u32) -> &mut T {
        let (chunk, place) = Self::place(id);
        self.chunks
            .get_mut(chunk)
            .and_then(|chunk| chunk.values.get_mut(place))
            .expect("a number is in use only while its value is there")
    }

    /// Adds a value, and gives its number: the lowest of all, 0, to the first.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            // Without free numbers, those in use are the lowest ones.
            u32::try_from(self.len).expect("2^32 values do not fit into memory")
        });
        let (chunk, place) = Self::place(id);
        if chunk == self.chunks.len() {
            self.chunks.push(Chunk {
                values: Vec::with_capacity(CHUNK),
                in_use: 0,
            });
        }
        let chunk = self
            .chunks
            .get_mut(chunk)
            .expect("numbers are given in order");
        if chunk.values.len() <= place {
            chunk.values.reserve_exact(CHUNK - chunk.values.len());
            chunk.values.resize_with(place + 1, T::default);
        }
        if let Some(slot) = chunk.values.get_mut(place) {
            *slot = value;
        }
        chunk.in_use += 1;
        self.len += 1;
        id
    }

    /// Removes the value of a number that is in use.
    pub(super) fn remove(&mut self, id: u32) -> T {
        let value = mem::take(self.get_mut(id));
        self.free.push(id);
        self.len -= 1;
        let (chunk, _) = Self::place(id);
        if let Some(chunk) = self.chunks.get_mut(chunk) {
            chunk.in_use -= 1;
            if chunk.in_use == 0 {
                chunk.values = Vec::new();
            }
        }
        if self.len == 0 {
            *self = Self::new();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_own_value() {
        let mut slots = Slots::new();
        let ids: Vec<u32> = (0..1000_u64).map(|value| slots.insert(value)).collect();
        assert!(ids.iter().copied().eq(0..1000));
        assert_eq!(slots.len(), 1000);
        for (id, value) in (0..).zip(0..1000_u64) {
            assert_eq!(*slots.get(id), value);
        }
        *slots.get_mut(7) = 70;
        assert_eq!(slots.remove(7), 70);
        assert_eq!(slots.insert(71), 7);
        assert_eq!(*slots.get(7), 71);
    }

    #[test]
    fn memory_goes_when_what_lay_in_it_is_gone() {
        let mut slots = Slots::new();
        for value in 0..4 * CHUNK {
            slots.insert(value);
        }
        let held = |slots: &Slots<usize>| {
            let chunks = slots.chunks.iter();
            chunks.filter(|chunk| chunk.values.capacity() > 0).count()
        };
        let second = u32::try_from(CHUNK).unwrap();
        for id in second..2 * second {
            slots.remove(id);
        }
        assert_eq!(held(&slots), 3);
        // The last that went comes back first, and the places before it are empty.
        let again = slots.insert(1);
        assert_eq!(again, 2 * second - 1);
        assert_eq!((held(&slots), *slots.get(again)), (4, 1));
        assert_eq!(slots.insert(2), 2 * second - 2);
        assert_eq!(*slots.get(2 * second), 2 * CHUNK);
        for id in (0..second).chain(2 * second - 2..4 * second) {
            slots.remove(id);
        }
        assert_eq!(
            (slots.len(), slots.chunks.len(), slots.free.len()),
            (0, 0, 0)
        );
        assert_eq!(slots.insert(3), 0);
    }
}
