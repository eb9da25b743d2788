//! Everything around the core that a test needs: it drives the core as the shell does, with time as
//! a number and bytes in memory in place of sockets.

mod access;
mod authenticator;
mod client;
mod log;
mod world;

pub(crate) use access::{AccessRules, Denied};
pub(crate) use authenticator::Authenticator;
pub(crate) use log::Commits;
pub(crate) use world::World;
