//! The commands, one file or folder each.

pub(crate) mod bench;
pub(crate) mod cert;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod migrate;
pub(crate) mod pages;
pub(crate) mod passwd;
pub(crate) mod publish;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod respond;
pub(crate) mod retained;
pub(crate) mod serve;
pub(crate) mod serve_args;
pub(crate) mod shell;
pub(crate) mod simulate;
pub(crate) mod store;
pub(crate) mod subscribe;
pub(crate) mod top;
