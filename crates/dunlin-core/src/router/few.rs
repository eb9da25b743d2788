//! A list that takes no memory of its own while it is short.

/// Up to `N` values lie in the list itself.
pub(super) struct Few<T, const N: usize> {
    short: [T; N],
    length: usize,
    rest: Vec<T>,
}

impl<T: Copy, const N: usize> Few<T, N> {
    /// A list without values; `filler` takes the places of those to come.
    pub(super) const fn new(filler: T) -> Self {
        Self {
            short: [filler; N],
            length: 0,
            rest: Vec::new(),
        }
    }

    /// The first value of which this is true.
    pub(super) fn find(&self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let (short, _) = self.short.split_at_checked(self.length)?;
        short.iter().chain(&self.rest).copied().find(is_it)
    }

    pub(super) fn push(&mut self, value: T) {
        match self.short.get_mut(self.length) {
            Some(place) => {
                *place = value;
                self.length += 1;
            }
            None => self.rest.push(value),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        if let Some(value) = self.rest.pop() {
            return Some(value);
        }
        self.length = self.length.checked_sub(1)?;
        self.short.get(self.length).copied()
    }
}
