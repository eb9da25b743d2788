//! Decides: given an input and a time, the broker logic says what must happen.
