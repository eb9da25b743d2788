//! Properties (section 2.2.2): one table of identifier, type, and the packets where each is legal.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

use crate::error::{Malformed, ProtocolError};
use crate::primitive::{Counter, VARIABLE_BYTE_INTEGER_MAX, length_to_write};
use crate::{DecodeError, EncodeError, Limits, QoS, Reader, Sink, TopicName};

/// Where properties stand: a packet, or the Will Properties inside CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Place {
    Connect = 1,
    Connack = 1 << 1,
    Publish = 1 << 2,
    /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK: all have the same two.
    Ack = 1 << 3,
    Subscribe = 1 << 4,
    Unsubscribe = 1 << 5,
    Disconnect = 1 << 6,
    Auth = 1 << 7,
    Will = 1 << 8,
}

macro_rules! places {
    ($($place:ident)|+) => { 0 $(| Place::$place as u16)+ };
}

/// How the value of each type is read (`$reader`, its id in `$id`) and written (`$sink`).
macro_rules! wire {
    (read u32 $r:ident $id:ident) => {
        $r.u32()?
    };
    (read u16 $r:ident $id:ident) => {
        $r.u16()?
    };
    (read Alias $r:ident $id:ident) => {
        match $r.u16()? {
            0 => return Err(bad_value($id)),
            alias => alias,
        }
    };
    (read bool $r:ident $id:ident) => {
        match $r.u8()? {
            0 => false,
            1 => true,
            _ => return Err(bad_value($id)),
        }
    };
    (read QoS $r:ident $id:ident) => {
        match $r.u8()? {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => return Err(bad_value($id)),
        }
    };
    (read NonZeroU16 $r:ident $id:ident) => {
        NonZeroU16::new($r.u16()?).ok_or(bad_value($id))?
    };
    (read NonZeroU32 $r:ident $id:ident) => {
        NonZeroU32::new($r.u32()?).ok_or(bad_value($id))?
    };
    (read Variable $r:ident $id:ident) => {
        NonZeroU32::new($r.variable_byte_integer()?).ok_or(bad_value($id))?
    };
    (read Text $r:ident $id:ident) => {
        $r.string()?
    };
    (read Topic $r:ident $id:ident) => {
        TopicName::parse($r.string()?).map_err(|_| bad_value($id))?
    };
    (read Binary $r:ident $id:ident) => {
        $r.binary()?
    };
    (read Pair $r:ident $id:ident) => {
        ($r.string()?, $r.string()?)
    };
    (write u32 $s:ident $v:ident) => {
        $s.put_u32($v)
    };
    (write u16 $s:ident $v:ident) => {
        $s.put_u16($v)
    };
    (write Alias $s:ident $v:ident) => {
        $s.put_u16($v)
    };
    (write bool $s:ident $v:ident) => {
        $s.put_u8(u8::from($v))
    };
    (write QoS $s:ident $v:ident) => {
        $s.put_u8($v as u8)
    };
    (write NonZeroU16 $s:ident $v:ident) => {
        $s.put_u16($v.get())
    };
    (write NonZeroU32 $s:ident $v:ident) => {
        $s.put_u32($v.get())
    };
    (write Variable $s:ident $v:ident) => {
        match $v.get() {
            value if value <= VARIABLE_BYTE_INTEGER_MAX => $s.put_variable_byte_integer(value),
            value => return Err(EncodeError::SubscriptionIdentifier(value)),
        }
    };
    (write Text $s:ident $v:ident) => {
        $s.put_binary($v.as_bytes())?
    };
    (write Topic $s:ident $v:ident) => {
        $s.put_binary($v.as_str().as_bytes())?
    };
    (write Binary $s:ident $v:ident) => {
        $s.put_binary($v)?
    };
    (write Pair $s:ident $v:ident) => {{
        $s.put_binary($v.0.as_bytes())?;
        $s.put_binary($v.1.as_bytes())?
    }};
}

macro_rules! value_type {
    ($a:lifetime u32) => { u32 };
    ($a:lifetime u16) => { u16 };
    ($a:lifetime Alias) => { u16 };
    ($a:lifetime bool) => { bool };
    ($a:lifetime QoS) => { QoS };
    ($a:lifetime NonZeroU16) => { NonZeroU16 };
    ($a:lifetime NonZeroU32) => { NonZeroU32 };
    ($a:lifetime Variable) => { NonZeroU32 };
    ($a:lifetime Text) => { &$a str };
    ($a:lifetime Topic) => { TopicName<$a> };
    ($a:lifetime Binary) => { &$a [u8] };
    ($a:lifetime Pair) => { (&$a str, &$a str) };
}

macro_rules! properties {
    ($($name:ident = $id:literal $kind:ident $repeats:literal in $places:expr, $doc:literal;)*) => {
        /// The identifier of a property.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum PropertyId { $(#[doc = $doc] $name = $id,)* }

        impl PropertyId {
            /// All 27, by identifier.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            const fn from_u32(value: u32) -> Option<Self> {
                match value { $($id => Some(Self::$name),)* _ => None }
            }

            const fn places(self) -> u16 {
                match self { $(Self::$name => $places,)* }
            }

            /// Whether it may stand more than once (User Property, and Subscription Identifier in PUBLISH).
            const fn may_repeat(self) -> bool {
                match self { $(Self::$name => $repeats,)* }
            }
        }

        /// A property with its value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Property<'a> { $(#[doc = $doc] $name(value_type!('a $kind)),)* }

        impl<'a> Property<'a> {
            /// Its identifier.
            pub const fn id(&self) -> PropertyId {
                match self { $(Self::$name(_) => PropertyId::$name,)* }
            }

            fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                let number = reader.variable_byte_integer()?;
                let id = PropertyId::from_u32(number).ok_or(Malformed::PropertyId(number))?;
                Ok(match id { $(PropertyId::$name => Self::$name(wire!(read $kind reader id)),)* })
            }

            /// Writes identifier and value.
            ///
            /// # Errors
            /// [`EncodeError::FieldTooLong`] for a string or binary value past 65 535 bytes,
            /// [`EncodeError::SubscriptionIdentifier`] for one past 268 435 455.
            pub fn write(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
                sink.put_u8(self.id() as u8);
                match *self { $(Self::$name(value) => wire!(write $kind sink value),)* }
                Ok(())
            }
        }
    };
}

const fn bad_value(id: PropertyId) -> DecodeError {
    DecodeError::Protocol(ProtocolError::PropertyValue(id))
}

properties! {
    PayloadFormatIndicator = 0x01 bool false in places!(Publish | Will), "Payload Format Indicator: true if the payload is UTF-8.";
    MessageExpiryInterval = 0x02 u32 false in places!(Publish | Will), "Message Expiry Interval, in seconds.";
    ContentType = 0x03 Text false in places!(Publish | Will), "Content Type.";
    ResponseTopic = 0x08 Topic false in places!(Publish | Will), "Response Topic.";
    CorrelationData = 0x09 Binary false in places!(Publish | Will), "Correlation Data.";
    SubscriptionIdentifier = 0x0B Variable true in places!(Publish | Subscribe), "Subscription Identifier, 1 to 268 435 455.";
    SessionExpiryInterval = 0x11 u32 false in places!(Connect | Connack | Disconnect), "Session Expiry Interval, in seconds.";
    AssignedClientIdentifier = 0x12 Text false in places!(Connack), "Assigned Client Identifier.";
    ServerKeepAlive = 0x13 u16 false in places!(Connack), "Server Keep Alive, in seconds.";
    AuthenticationMethod = 0x15 Text false in places!(Connect | Connack | Auth), "Authentication Method.";
    AuthenticationData = 0x16 Binary false in places!(Connect | Connack | Auth), "Authentication Data.";
    RequestProblemInformation = 0x17 bool false in places!(Connect), "Request Problem Information.";
    WillDelayInterval = 0x18 u32 false in places!(Will), "Will Delay Interval, in seconds.";
    RequestResponseInformation = 0x19 bool false in places!(Connect), "Request Response Information.";
    ResponseInformation = 0x1A Text false in places!(Connack), "Response Information.";
    ServerReference = 0x1C Text false in places!(Connack | Disconnect), "Server Reference.";
    ReasonString = 0x1F Text false in places!(Connack | Ack | Disconnect | Auth), "Reason String.";
    ReceiveMaximum = 0x21 NonZeroU16 false in places!(Connect | Connack), "Receive Maximum.";
    TopicAliasMaximum = 0x22 u16 false in places!(Connect | Connack), "Topic Alias Maximum.";
    TopicAlias = 0x23 Alias false in places!(Publish), "Topic Alias, not 0.";
    MaximumQoS = 0x24 QoS false in places!(Connack), "Maximum QoS: 0 or 1.";
    RetainAvailable = 0x25 bool false in places!(Connack), "Retain Available.";
    UserProperty = 0x26 Pair true in 0x1ff, "User Property: a name and a value.";
    MaximumPacketSize = 0x27 NonZeroU32 false in places!(Connect | Connack), "Maximum Packet Size, in bytes.";
    WildcardSubscriptionAvailable = 0x28 bool false in places!(Connack), "Wildcard Subscription Available.";
    SubscriptionIdentifiersAvailable = 0x29 bool false in places!(Connack), "Subscription Identifier Available.";
    SharedSubscriptionAvailable = 0x2A bool false in places!(Connack), "Shared Subscription Available.";
}

/// The bytes of a packet's properties without their length, whose every rule was checked by
/// [`read_section`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Section<'a>(&'a [u8]);

impl<'a> Section<'a> {
    const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The properties in their order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Property<'a>> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || Property::read(&mut reader).ok())
    }
}

/// Reads properties with their length and hands each to `keep`, having checked that it exists,
/// belongs in `place`, stands once where the standard says so, and that there are not more user
/// properties than allowed.
pub(crate) fn read_section<'a>(
    reader: &mut Reader<'a>,
    place: Place,
    limits: &Limits,
    mut keep: impl FnMut(Property<'a>, Section<'a>),
) -> Result<(), DecodeError> {
    let length =
        usize::try_from(reader.variable_byte_integer()?).map_err(|_| Malformed::Truncated)?;
    let section = Section(reader.bytes(length)?);
    let (mut seen, mut user_properties) = (0_u64, 0_u32);
    let mut rest = Reader::new(section.0);
    while !rest.is_empty() {
        let property = Property::read(&mut rest)?;
        let id = property.id();
        if id.places() & place as u16 == 0 {
            return Err(Malformed::PropertyMisplaced(id).into());
        }
        if id == PropertyId::UserProperty {
            user_properties += 1;
            if user_properties > limits.user_properties_max {
                let maximum = limits.user_properties_max;
                return Err(DecodeError::TooManyUserProperties { maximum });
            }
        }
        let bit = 1_u64 << (id as u8);
        let may_repeat = id.may_repeat()
            && !(place == Place::Subscribe && id == PropertyId::SubscriptionIdentifier);
        if seen & bit != 0 && !may_repeat {
            return Err(ProtocolError::PropertyRepeated(id).into());
        }
        seen |= bit;
        keep(property, section);
    }
    Ok(())
}

/// Writes a property section with its length; `body` writes the properties.
pub(crate) fn write_section<S: Sink>(
    sink: &mut S,
    properties: &impl WriteProperties,
) -> Result<(), EncodeError> {
    let mut counter = Counter::default();
    properties.write_properties(&mut counter)?;
    sink.put_variable_byte_integer(length_to_write(counter.0)?);
    properties.write_properties(sink)
}

/// What can write its properties, without their length.
pub(crate) trait WriteProperties {
    fn write_properties(&self, sink: &mut impl Sink) -> Result<(), EncodeError>;
}

/// The User Properties of a packet, in their order: a view into the packet's bytes.
#[derive(Clone, Copy, Default)]
pub struct UserProperties<'a>(Section<'a>);

impl<'a> UserProperties<'a> {
    /// None.
    pub const EMPTY: UserProperties<'static> = UserProperties(Section(&[]));

    /// Names and values.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(|property| match property {
            Property::UserProperty(pair) => Some(pair),
            _ => None,
        })
    }

    /// True if there is none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty() || self.iter().next().is_none()
    }

    pub(crate) const fn from_section(section: Section<'a>) -> Self {
        Self(section)
    }

    pub(crate) fn write(self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        self.iter()
            .try_for_each(|pair| Property::UserProperty(pair).write(sink))
    }
}

impl PartialEq for UserProperties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for UserProperties<'_> {}

impl fmt::Debug for UserProperties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// User Properties that one builds, to lend them to a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPropertiesBuf(Vec<u8>);

impl UserPropertiesBuf {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a pair at the end.
    ///
    /// # Errors
    /// [`EncodeError::FieldTooLong`] if name or value is longer than 65 535 bytes.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), EncodeError> {
        let before = self.0.len();
        let result = Property::UserProperty((name, value)).write(&mut self.0);
        if result.is_err() {
            self.0.truncate(before);
        }
        result
    }

    /// A view to put into a packet.
    pub fn as_view(&self) -> UserProperties<'_> {
        UserProperties(Section(&self.0))
    }
}

/// The Subscription Identifiers of a PUBLISH, in their order.
#[derive(Clone, Copy)]
pub enum SubscriptionIdentifiers<'a> {
    /// As read from a packet.
    Encoded(EncodedIdentifiers<'a>),
    /// To be written into a packet.
    List(&'a [NonZeroU32]),
}

/// Subscription Identifiers inside a packet's bytes.
#[derive(Clone, Copy)]
pub struct EncodedIdentifiers<'a>(Section<'a>);

impl<'a> SubscriptionIdentifiers<'a> {
    pub(crate) const fn from_section(section: Section<'a>) -> Self {
        Self::Encoded(EncodedIdentifiers(section))
    }

    /// True if there is none.
    pub fn is_empty(self) -> bool {
        match self {
            Self::Encoded(EncodedIdentifiers(section)) => {
                section.is_empty() || self.iter().next().is_none()
            }
            Self::List(list) => list.is_empty(),
        }
    }

    /// The identifiers.
    pub fn iter(self) -> impl Iterator<Item = NonZeroU32> {
        let (section, list) = match self {
            Self::Encoded(EncodedIdentifiers(section)) => (section, [].as_slice()),
            Self::List(list) => (Section(&[]), list),
        };
        let encoded = section.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(identifier) => Some(identifier),
            _ => None,
        });
        encoded.chain(list.iter().copied())
    }
}

impl Default for SubscriptionIdentifiers<'_> {
    fn default() -> Self {
        Self::List(&[])
    }
}

impl PartialEq for SubscriptionIdentifiers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SubscriptionIdentifiers<'_> {}

impl fmt::Debug for SubscriptionIdentifiers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Makes the properties of one packet: a struct with an optional field for each property, and User
/// Properties, which all packets have.
macro_rules! property_struct {
    ($(#[$doc:meta])* $name:ident in $place:ident { $($field:ident: $type:ty = $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name<'a> {
            $(#[doc = concat!("See [`Property::", stringify!($variant), "`](crate::Property::", stringify!($variant), ").")]
            pub $field: Option<$type>,)*
            /// User Properties, in their order.
            pub user_properties: $crate::UserProperties<'a>,
        }

        impl<'a> $name<'a> {
            pub(crate) fn read(
                reader: &mut $crate::Reader<'a>,
                limits: &$crate::Limits,
            ) -> Result<Self, $crate::DecodeError> {
                let mut properties = Self::default();
                let place = $crate::property::Place::$place;
                $crate::property::read_section(reader, place, limits, |property, section| {
                    match property {
                        $($crate::Property::$variant(value) => properties.$field = Some(value),)*
                        $crate::Property::UserProperty(_) => {
                            properties.user_properties = $crate::UserProperties::from_section(section);
                        }
                        _ => {}
                    }
                })?;
                Ok(properties)
            }
        }

        impl $crate::property::WriteProperties for $name<'_> {
            fn write_properties(&self, sink: &mut impl $crate::Sink) -> Result<(), $crate::EncodeError> {
                $(if let Some(value) = self.$field {
                    $crate::Property::$variant(value).write(sink)?;
                })*
                self.user_properties.write(sink)
            }
        }
    };
}
pub(crate) use property_struct;
