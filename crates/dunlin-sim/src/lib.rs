//! Runs the whole broker in virtual time, and judges what can be seen of it from outside.
//!
//! A seed determines a [`schedule`], a run of it gives a [`trace`], and the [`audit`] of that says
//! whether the standard was kept. See `docs/simulation.md`.
#![expect(
    clippy::indexing_slicing,
    reason = "whoever runs it wants to know at once when the simulator itself is wrong"
)]

mod agenda;
mod around;
pub mod audit;
mod client;
pub mod generate;
pub mod judge;
mod network;
mod node;
mod random;
pub mod sabotage;
pub mod schedule;
mod stranger;
pub mod trace;
pub mod world;

#[cfg(test)]
mod tests;
