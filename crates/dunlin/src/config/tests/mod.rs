//! Tests of the configuration, by theme.

mod bind;
mod documents;
mod filters;
mod fuzz;
mod messages;
mod options;
mod sources;

use super::{Config, ConfigError, Override, Sources};

/// What the messages of a refused configuration say, line by line.
fn lines(error: &ConfigError) -> Vec<String> {
    error.to_string().lines().map(ToOwned::to_owned).collect()
}

/// The configuration with these `--set` assignments alone.
fn set(assignments: &[&str]) -> Result<Config, ConfigError> {
    let overrides = assignments
        .iter()
        .map(|text| Override::Set((*text).to_owned()))
        .collect();
    Ok(Sources {
        overrides,
        ..Sources::default()
    }
    .load()?
    .config)
}

/// The configuration with these variables alone.
fn environment(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    Ok(Sources {
        environment,
        ..Sources::default()
    }
    .load()?
    .config)
}
