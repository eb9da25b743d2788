//! Reason codes (section 2.4): one table of value, name and the packets where each is legal.

use crate::PacketType;

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal $text:literal in $($packet:ident)|+;)*) => {
        /// A Reason Code (section 2.4).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ReasonCode {
            $(#[doc = concat!("`", stringify!($value), "` ", $text, ".")] $(#[$doc])* $name = $value,)*
        }

        impl ReasonCode {
            /// All of them, by value.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code of this value, or `None` if the standard names none.
            pub const fn from_u8(value: u8) -> Option<Self> {
                match value {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name that the standard gives it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Whether the standard lists it for this packet.
            pub const fn is_legal_in(self, packet: PacketType) -> bool {
                match self { $(Self::$name => matches!(packet, $(PacketType::$packet)|+),)* }
            }
        }
    };
}

reason_codes! {
    /// Also Normal disconnection and Granted QoS 0.
    Success = 0x00 "Success" in Connack | Puback | Pubrec | Pubrel | Pubcomp | Suback | Unsuback | Auth | Disconnect;
    GrantedQoS1 = 0x01 "Granted QoS 1" in Suback;
    GrantedQoS2 = 0x02 "Granted QoS 2" in Suback;
    DisconnectWithWillMessage = 0x04 "Disconnect with Will Message" in Disconnect;
    NoMatchingSubscribers = 0x10 "No matching subscribers" in Puback | Pubrec;
    NoSubscriptionExisted = 0x11 "No subscription existed" in Unsuback;
    ContinueAuthentication = 0x18 "Continue authentication" in Auth;
    ReAuthenticate = 0x19 "Re-authenticate" in Auth;
    UnspecifiedError = 0x80 "Unspecified error" in Connack | Puback | Pubrec | Suback | Unsuback | Disconnect;
    MalformedPacket = 0x81 "Malformed Packet" in Connack | Disconnect;
    ProtocolError = 0x82 "Protocol Error" in Connack | Disconnect;
    ImplementationSpecificError = 0x83 "Implementation specific error" in Connack | Puback | Pubrec | Suback | Unsuback | Disconnect;
    UnsupportedProtocolVersion = 0x84 "Unsupported Protocol Version" in Connack;
    ClientIdentifierNotValid = 0x85 "Client Identifier not valid" in Connack;
    BadUserNameOrPassword = 0x86 "Bad User Name or Password" in Connack;
    NotAuthorized = 0x87 "Not authorized" in Connack | Puback | Pubrec | Suback | Unsuback | Disconnect;
    ServerUnavailable = 0x88 "Server unavailable" in Connack;
    ServerBusy = 0x89 "Server busy" in Connack | Disconnect;
    Banned = 0x8A "Banned" in Connack;
    ServerShuttingDown = 0x8B "Server shutting down" in Disconnect;
    BadAuthenticationMethod = 0x8C "Bad authentication method" in Connack | Disconnect;
    KeepAliveTimeout = 0x8D "Keep Alive timeout" in Disconnect;
    SessionTakenOver = 0x8E "Session taken over" in Disconnect;
    TopicFilterInvalid = 0x8F "Topic Filter invalid" in Suback | Unsuback | Disconnect;
    TopicNameInvalid = 0x90 "Topic Name invalid" in Connack | Puback | Pubrec | Disconnect;
    PacketIdentifierInUse = 0x91 "Packet Identifier in use" in Puback | Pubrec | Suback | Unsuback;
    PacketIdentifierNotFound = 0x92 "Packet Identifier not found" in Pubrel | Pubcomp;
    ReceiveMaximumExceeded = 0x93 "Receive Maximum exceeded" in Disconnect;
    TopicAliasInvalid = 0x94 "Topic Alias invalid" in Disconnect;
    PacketTooLarge = 0x95 "Packet too large" in Connack | Disconnect;
    MessageRateTooHigh = 0x96 "Message rate too high" in Disconnect;
    QuotaExceeded = 0x97 "Quota exceeded" in Connack | Puback | Pubrec | Suback | Disconnect;
    AdministrativeAction = 0x98 "Administrative action" in Disconnect;
    PayloadFormatInvalid = 0x99 "Payload format invalid" in Connack | Puback | Pubrec | Disconnect;
    RetainNotSupported = 0x9A "Retain not supported" in Connack | Disconnect;
    QoSNotSupported = 0x9B "QoS not supported" in Connack | Disconnect;
    UseAnotherServer = 0x9C "Use another server" in Connack | Disconnect;
    ServerMoved = 0x9D "Server moved" in Connack | Disconnect;
    SharedSubscriptionsNotSupported = 0x9E "Shared Subscriptions not supported" in Suback | Disconnect;
    ConnectionRateExceeded = 0x9F "Connection rate exceeded" in Connack | Disconnect;
    MaximumConnectTime = 0xA0 "Maximum connect time" in Disconnect;
    SubscriptionIdentifiersNotSupported = 0xA1 "Subscription Identifiers not supported" in Suback | Disconnect;
    WildcardSubscriptionsNotSupported = 0xA2 "Wildcard Subscriptions not supported" in Suback | Disconnect;
}

impl ReasonCode {
    /// True from 0x80 on: the operation failed.
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// The code that says most of this error in CONNACK or DISCONNECT, which list different ones: the
    /// end of a connection has one reason, and one of the two packets tells it.
    pub const fn nearest_in(self, packet: PacketType) -> Self {
        if self.is_legal_in(packet) {
            return self;
        }
        match self {
            Self::UnsupportedProtocolVersion
            | Self::TopicFilterInvalid
            | Self::ReceiveMaximumExceeded
            | Self::TopicAliasInvalid => Self::ProtocolError,
            Self::ClientIdentifierNotValid | Self::BadUserNameOrPassword | Self::Banned => {
                Self::NotAuthorized
            }
            Self::ServerUnavailable | Self::ServerShuttingDown => Self::ServerBusy,
            _ => Self::UnspecifiedError,
        }
    }

    /// The code that grants a subscription at this QoS.
    pub const fn granted(qos: crate::QoS) -> Self {
        match qos {
            crate::QoS::AtMostOnce => Self::Success,
            crate::QoS::AtLeastOnce => Self::GrantedQoS1,
            crate::QoS::ExactlyOnce => Self::GrantedQoS2,
        }
    }

    /// The Connect Return code of MQTT 3.x (section 3.2.2.3 there) that says most of what this code
    /// says; codes without a counterpart become 3, Server unavailable.
    pub const fn connect_return_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::BadUserNameOrPassword | Self::BadAuthenticationMethod => 4,
            Self::NotAuthorized | Self::Banned => 5,
            _ => 3,
        }
    }

    /// The code for a Connect Return code of MQTT 3.x, or `None` for a reserved one.
    pub const fn from_connect_return_code(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Success),
            1 => Some(Self::UnsupportedProtocolVersion),
            2 => Some(Self::ClientIdentifierNotValid),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }
}

impl std::fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:#04x})", self.name(), *self as u8)
    }
}
