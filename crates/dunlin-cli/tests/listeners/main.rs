//! The transports that the broker listens on, with clients that this project did not write.
//!
//! Those that need packages from elsewhere (`interop/setup.sh`) run only if `DUNLIN_INTEROP` is set, as
//! `./test.sh` does.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is not as expected fails the test"
)]

#[path = "../broker/mod.rs"]
mod broker;
mod certificates;
mod foreign;
mod proxy;
mod reload;
#[path = "../suite/mod.rs"]
mod suite;
mod tls;
mod unix;
mod websocket;
