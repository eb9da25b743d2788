//! CONNECT (section 3.1) and the Will Message in it.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

use crate::error::{Malformed, ProtocolError};
use crate::property::{property_struct, write_section};
use crate::{DecodeError, EncodeError, Limits, ProtocolVersion, QoS, Reader, Sink, TopicName};

property_struct! {
    /// The properties of CONNECT (section 3.1.2.11).
    ConnectProperties in Connect {
        session_expiry_interval: u32 = SessionExpiryInterval,
        receive_maximum: NonZeroU16 = ReceiveMaximum,
        maximum_packet_size: NonZeroU32 = MaximumPacketSize,
        topic_alias_maximum: u16 = TopicAliasMaximum,
        request_response_information: bool = RequestResponseInformation,
        request_problem_information: bool = RequestProblemInformation,
        authentication_method: &'a str = AuthenticationMethod,
        authentication_data: &'a [u8] = AuthenticationData,
    }
}

property_struct! {
    /// The Will Properties (section 3.1.3.2).
    WillProperties in Will {
        will_delay_interval: u32 = WillDelayInterval,
        payload_format_indicator: bool = PayloadFormatIndicator,
        message_expiry_interval: u32 = MessageExpiryInterval,
        content_type: &'a str = ContentType,
        response_topic: TopicName<'a> = ResponseTopic,
        correlation_data: &'a [u8] = CorrelationData,
    }
}

/// The Will Message of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// Will QoS.
    pub qos: QoS,
    /// Will Retain.
    pub retain: bool,
    /// Will Properties; empty in 3.x.
    pub properties: WillProperties<'a>,
    /// Will Topic.
    pub topic: TopicName<'a>,
    /// Will Payload (3.x: Will Message).
    pub payload: &'a [u8],
}

/// CONNECT: a client asks for a connection. The password is not printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Protocol name and level.
    pub version: ProtocolVersion,
    /// Clean Start (3.x: Clean Session).
    pub clean_start: bool,
    /// Keep Alive, in seconds; 0 switches it off.
    pub keep_alive: u16,
    /// Properties; empty in 3.x.
    pub properties: ConnectProperties<'a>,
    /// Client Identifier; empty to have one assigned.
    pub client_id: &'a str,
    /// Will Message.
    pub will: Option<Will<'a>>,
    /// User Name.
    pub user_name: Option<&'a str>,
    /// Password.
    pub password: Option<&'a [u8]>,
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.map(|_| format_args!("(secret)"));
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("properties", &self.properties)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password", &password)
            .finish()
    }
}

const CLEAN_START: u8 = 1 << 1;
const WILL: u8 = 1 << 2;
const WILL_RETAIN: u8 = 1 << 5;
const PASSWORD: u8 = 1 << 6;
const USER_NAME: u8 = 1 << 7;

impl<'a> Connect<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, limits: &Limits) -> Result<Self, DecodeError> {
        let version = read_version(reader)?;
        let flags = reader.u8()?;
        check_flags(flags, version)?;
        let keep_alive = reader.u16()?;
        let properties = if version.is_v5() {
            ConnectProperties::read(reader, limits)?
        } else {
            ConnectProperties::default()
        };
        if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
            return Err(ProtocolError::NoAuthenticationMethod.into());
        }
        let client_id = reader.string()?;
        let will = if flags & WILL == 0 {
            None
        } else {
            let properties = if version.is_v5() {
                WillProperties::read(reader, limits)?
            } else {
                WillProperties::default()
            };
            let topic = reader.topic_name()?;
            let qos = QoS::from_u8((flags >> 3) & 0b11).ok_or(Malformed::QoS)?;
            let retain = flags & WILL_RETAIN != 0;
            Some(Will {
                qos,
                retain,
                properties,
                topic,
                payload: reader.binary()?,
            })
        };
        // In 3.1 the Remaining Length comes before these two flags (section 3.1 there): a field that
        // is announced may be missing.
        let has = |flag, reader: &Reader<'_>| {
            flags & flag != 0 && !(version == ProtocolVersion::V31 && reader.is_empty())
        };
        let user_name = has(USER_NAME, reader)
            .then(|| reader.string())
            .transpose()?;
        let password = has(PASSWORD, reader).then(|| reader.binary()).transpose()?;
        let clean_start = flags & CLEAN_START != 0;
        Ok(Self {
            version,
            clean_start,
            keep_alive,
            properties,
            client_id,
            will,
            user_name,
            password,
        })
    }

    pub(crate) fn write(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let is_v5 = self.version.is_v5();
        sink.put_binary(self.version.protocol_name().as_bytes())?;
        sink.put_u8(self.version.level());
        sink.put_u8(self.flags());
        sink.put_u16(self.keep_alive);
        if is_v5 {
            write_section(sink, &self.properties)?;
        }
        sink.put_binary(self.client_id.as_bytes())?;
        if let Some(will) = &self.will {
            if is_v5 {
                write_section(sink, &will.properties)?;
            }
            sink.put_binary(will.topic.as_str().as_bytes())?;
            sink.put_binary(will.payload)?;
        }
        if let Some(user_name) = self.user_name {
            sink.put_binary(user_name.as_bytes())?;
        }
        if let Some(password) = self.password {
            sink.put_binary(password)?;
        }
        Ok(())
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.clean_start {
            flags |= CLEAN_START;
        }
        if let Some(will) = &self.will {
            flags |= WILL | (will.qos as u8) << 3;
            if will.retain {
                flags |= WILL_RETAIN;
            }
        }
        if self.user_name.is_some() {
            flags |= USER_NAME;
        }
        if self.password.is_some() {
            flags |= PASSWORD;
        }
        flags
    }
}

/// Protocol Name and Protocol Version (sections 3.1.2.1 and 3.1.2.2).
fn read_version(reader: &mut Reader<'_>) -> Result<ProtocolVersion, DecodeError> {
    let name = reader.binary()?;
    let level = reader.u8()?;
    match (name, level) {
        (b"MQTT", 4) => Ok(ProtocolVersion::V311),
        (b"MQTT", 5) => Ok(ProtocolVersion::V5),
        (b"MQIsdp", 3) => Ok(ProtocolVersion::V31),
        (b"MQTT" | b"MQIsdp", level) => Err(DecodeError::UnsupportedProtocolVersion { level }),
        _ => Err(ProtocolError::ProtocolName.into()),
    }
}

/// The Connect Flags must not contradict each other [MQTT-3.1.2-3] [MQTT-3.1.2-11] to
/// [MQTT-3.1.2-13]; before 5.0 a password needs a user name.
fn check_flags(flags: u8, version: ProtocolVersion) -> Result<(), DecodeError> {
    let will_without = flags & WILL == 0 && flags & (WILL_RETAIN | 0b11 << 3) != 0;
    let password_alone = !version.is_v5() && flags & (USER_NAME | PASSWORD) == PASSWORD;
    if flags & 1 != 0 || will_without || password_alone {
        return Err(Malformed::ConnectFlags.into());
    }
    if (flags >> 3) & 0b11 == 0b11 {
        return Err(Malformed::QoS.into());
    }
    Ok(())
}
