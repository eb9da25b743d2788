//! The broker as a library: listeners, connection tasks, configuration.

pub mod config;
