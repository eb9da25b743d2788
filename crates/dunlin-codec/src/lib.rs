//! Turns bytes into valid MQTT packets and back, for every protocol version.
