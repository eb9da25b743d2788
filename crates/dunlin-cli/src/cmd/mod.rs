//! The commands, one file each.

pub(crate) mod config;
pub(crate) mod serve;
pub(crate) mod serve_args;
