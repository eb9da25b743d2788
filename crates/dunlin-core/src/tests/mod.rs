//! The whole core under test: the rules of MQTT as scripts, and input that nobody foresaw.

mod harness;
mod scenario;
