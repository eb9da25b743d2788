//! Decides: given an input and a time, the broker logic says what must happen.
//!
//! Absent by design: I/O, asynchronous code, clocks, threads and randomness. They come in as
//! arguments, so the same logic runs under sockets, in tests and in a simulator.
//!
//! [`connection::Connection`] is the state machine of one Network Connection, [`broker::Broker`] is
//! what all connections share, [`worker::Worker`] what one thread keeps for itself. A PUBLISH goes
//! through [`broker::Broker::plan_publish`], [`broker::PublishPlan::committed`] and
//! [`broker::Broker::apply`] to [`connection::Connection::acknowledge`]; each step consumes what the
//! one before gave, so none can be left out or done twice. [`publishing`] takes it through all of them.

pub mod access;
pub mod broker;
pub mod connection;
pub mod error;
pub mod id;
pub mod input;
pub mod message;
pub mod output;
pub mod publishing;
pub mod recovery;
mod retained;
mod router;
mod session;
pub mod settings;
pub mod stats;
pub mod storage;
pub mod time;
pub mod worker;

#[cfg(test)]
mod tests;
