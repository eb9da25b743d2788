//! Records ⇄ bytes.
//!
//! Written by hand, so that what lies on disk is decided here and not by the shape of a type. Numbers
//! are variable-length integers (seven bits in each byte, the lowest first), text and bytes have
//! their length before them, and what may be absent has a bit in a byte of flags. Durations and times
//! are whole milliseconds. A change of any of it is a new
//! [`FORMAT_VERSION`](crate::segment::FORMAT_VERSION).

mod decode;
mod encode;

pub use decode::RecordError;
pub(crate) use decode::{Decoded, decode};
pub(crate) use encode::encode;

/// The first byte of each record.
mod tag {
    pub(super) const SESSION: u8 = 1;
    pub(super) const ENDED: u8 = 2;
    pub(super) const WILL_DUE: u8 = 3;
    pub(super) const SUBSCRIBED: u8 = 4;
    pub(super) const UNSUBSCRIBED: u8 = 5;
    pub(super) const PUBLISH: u8 = 6;
    pub(super) const GIVEN: u8 = 7;
    pub(super) const SENT: u8 = 8;
    pub(super) const RELEASED: u8 = 9;
    pub(super) const COMPLETED: u8 = 10;
    pub(super) const DONE: u8 = 11;
    pub(super) const FREED: u8 = 12;
    pub(super) const PAGE: u8 = 13;
    pub(super) const NOT_RETAINED: u8 = 14;
    pub(super) const REWRITE_BEGUN: u8 = 15;
    pub(super) const REWRITE_DONE: u8 = 16;
}

/// What may be absent in a record: the bits of its byte of flags.
mod flag {
    pub(super) mod session {
        pub(in crate::record) const IS_WHOLE: u8 = 1;
        pub(in crate::record) const IS_CONNECTED: u8 = 1 << 1;
        pub(in crate::record) const EXPIRY_INTERVAL: u8 = 1 << 2;
        pub(in crate::record) const DISCONNECTED_AT: u8 = 1 << 3;
        pub(in crate::record) const WILL: u8 = 1 << 4;
        pub(in crate::record) const WILL_DUE: u8 = 1 << 5;
        pub(in crate::record) const ALL: u8 = (1 << 6) - 1;
    }
    pub(super) mod will {
        pub(in crate::record) const EXPIRY_INTERVAL: u8 = 1;
        pub(in crate::record) const USER_NAME: u8 = 1 << 1;
        pub(in crate::record) const ADDRESS: u8 = 1 << 2;
        pub(in crate::record) const ALLOWED: u8 = 1 << 3;
        pub(in crate::record) const SILENT: u8 = 1 << 4;
        pub(in crate::record) const ALL: u8 = (1 << 5) - 1;
    }
    pub(super) mod subscribed {
        pub(in crate::record) const IDENTIFIER: u8 = 1;
        pub(in crate::record) const RETAINED_AS_OF: u8 = 1 << 1;
        pub(in crate::record) const ALL: u8 = (1 << 2) - 1;
    }
    pub(super) mod publish {
        pub(in crate::record) const MESSAGE: u8 = 1;
        pub(in crate::record) const RETAINS: u8 = 1 << 1;
        pub(in crate::record) const RECEIVED: u8 = 1 << 2;
        pub(in crate::record) const WILL_OF: u8 = 1 << 3;
        pub(in crate::record) const ALL: u8 = (1 << 4) - 1;
    }
    /// The two lowest bits are the QoS.
    pub(super) mod message {
        pub(in crate::record) const RETAIN: u8 = 1 << 2;
        pub(in crate::record) const EXPIRES_AT: u8 = 1 << 3;
        pub(in crate::record) const ALL: u8 = (1 << 4) - 1;
    }
    /// The two lowest bits are the QoS.
    pub(super) mod receiver {
        pub(in crate::record) const RETAIN: u8 = 1 << 2;
        pub(in crate::record) const GROUP: u8 = 1 << 3;
        pub(in crate::record) const ALL: u8 = (1 << 4) - 1;
    }
}
