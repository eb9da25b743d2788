//! Turns bytes into valid MQTT control packets and back, for MQTT 3.1, 3.1.1 and 5.0.
//!
//! Absent by design: I/O, asynchronous code, clocks, and every decision about what to do with a
//! packet. One packet model serves all versions; 5.0 is the superset, and the version is an argument
//! of [`decode`] and [`Packet::encode`]. A decoded packet borrows from the buffer that it was read
//! from: decoding a PUBLISH takes no memory, however large its payload or many its user properties.
//!
//! ```
//! use dunlin_codec::{Limits, Packet, ProtocolVersion, decode};
//!
//! let mut bytes = Vec::new();
//! Packet::Pingreq.encode(ProtocolVersion::V5, &mut bytes)?;
//! let (packet, length) = decode(&bytes, ProtocolVersion::V5, &Limits::default())?.expect("whole");
//! assert_eq!((packet, length), (Packet::Pingreq, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
mod error;
mod packet;
mod primitive;
mod property;
mod qos;
mod reason_code;
mod topic;
mod version;

pub use bytes;

pub use decode::{
    FixedHeader, Limits, decode, decode_ack, decode_body, decode_publish, fixed_header,
};
pub use error::{DecodeError, EncodeError, Malformed, ProtocolError};
pub use packet::ack::Ack;
pub use packet::auth::{Auth, AuthProperties};
pub use packet::connack::{Connack, ConnackProperties};
pub use packet::connect::{Connect, ConnectProperties, Will, WillProperties};
pub use packet::disconnect::{Disconnect, DisconnectProperties};
pub use packet::forward::{ForwardedPublish, PlainPublish};
pub use packet::publish::{Publish, PublishProperties};
pub use packet::suback::{Suback, Unsuback};
pub use packet::subscribe::{
    RetainHandling, Subscribe, SubscribeProperties, SubscriptionOptions, SubscriptionRequest,
};
pub use packet::unsubscribe::{Unsubscribe, UnsubscribeProperties};
pub use packet::{AckProperties, Packet, PacketType};
pub use primitive::{
    PacketIdentifier, Reader, Sink, VARIABLE_BYTE_INTEGER_MAX, variable_byte_integer_len,
};
pub use property::{
    Property, PropertyId, SubscriptionIdentifiers, UserProperties, UserPropertiesBuf,
};
pub use qos::QoS;
pub use reason_code::ReasonCode;
pub use topic::{Share, TopicError, TopicFilter, TopicName};
pub use version::ProtocolVersion;

#[cfg(test)]
mod tests;
