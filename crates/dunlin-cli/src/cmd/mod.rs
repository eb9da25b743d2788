//! The commands, one file or folder each.

pub(crate) mod bench;
pub(crate) mod cert;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod explain;
pub(crate) mod migrate;
pub(crate) mod passwd;
pub(crate) mod publish;
pub(crate) mod serve;
pub(crate) mod serve_args;
pub(crate) mod store;
pub(crate) mod subscribe;
