//! `dunlin serve`: the broker.

use crate::cmd::serve_args::ServeArgs;
use crate::failure::{Failure, failed, usage};

/// Runs the broker until it is told to end.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let loaded = args.load(std::env::vars_os());
    let _loaded = loaded.map_err(|error| usage(error.to_string()))?;
    Err(failed("serve is not built yet"))
}
