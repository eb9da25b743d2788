//! The load itself: clients on `dunlin-codec` and tokio, a current-thread runtime for each thread.
//!
//! Of `dunlin-client`, which serves programs, it takes how a connection is opened. From there on a
//! message must cost next to nothing, or the measurement would be one of ourselves.

pub(crate) mod connect;
pub(crate) mod crew;
mod cycle;
pub(crate) mod incoming;
pub(crate) mod ledger;
pub(crate) mod plan;
pub(crate) mod process;
mod publisher;
mod rest;
pub(crate) mod shared;
pub(crate) mod stamp;
pub(crate) mod state;
pub(crate) mod tally;
pub(crate) mod template;
mod worker;
