//! What may be typed.

pub(crate) mod connection;
pub(crate) mod mqttx;
pub(crate) mod run;
pub(crate) mod units;

#[cfg(test)]
mod tests;
