//! What may be typed.

pub(crate) mod clients;
pub(crate) mod mqttx;
pub(crate) mod run;
pub(crate) mod units;

#[cfg(test)]
mod tests;
