//! Decides: given an input and a time, the broker logic says what must happen.
//!
//! Absent by design: I/O, asynchronous code, clocks, threads and randomness. They come in as
//! arguments, so the same logic runs under sockets, in tests and in a simulator.

pub mod id;
pub mod message;
#[allow(dead_code, reason = "its user, the broker, is not written yet")]
mod router;
pub mod settings;
pub mod time;
