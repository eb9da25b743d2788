//! The fields of those options that are lists of tables; beside [`option`](super::option), which has the
//! options themselves.

use super::kind::{Field, Kind};
use super::option::PACKET_BYTES_MAX;
use super::words::{Durability, Permission, RuleAction, RuleRetain, ShareStrategy};

const NAMES_MAX: usize = 1000;

pub(super) const LISTENER_FIELDS: &[Field] = &[
    Field {
        name: "bind",
        kind: Kind::Bind,
        default: None,
        unit: "",
        doc: "The address as a URL: mqtt://ADDRESS:PORT, mqtts:// for TLS, ws://ADDRESS:PORT/PATH for \
              WebSocket, wss:// for both, quic://ADDRESS:PORT, or unix:///PATH, where the port may be \
              left out (1883, 8883, 8083, 8084, 14567) and so may the path (/mqtt), 0.0.0.0 is every IPv4 address and [::] every \
              address.",
    },
    Field {
        name: "max_connections",
        kind: Kind::Integer {
            min: 1,
            max: 10_000_000,
        },
        default: Some("100000"),
        unit: "connections",
        doc: "How many network connections the listener holds open at once.",
    },
    Field {
        name: "packet_bytes_max",
        kind: Kind::Integer {
            min: 0,
            max: PACKET_BYTES_MAX,
        },
        default: Some("0"),
        unit: "bytes",
        doc: "As mqtt.packet_bytes_max, for this listener alone; 0 is what the section says.",
    },
    Field {
        name: "mount_point",
        kind: Kind::Text,
        default: Some("\"\""),
        unit: "",
        doc: "What the broker puts before every topic and filter of this listener's clients and takes \
              off what it sends them, such as \"tenant-a/\", so that they see nothing else; empty \
              for nothing.",
    },
    Field {
        name: "handshake_timeout_s",
        kind: Kind::Integer { min: 1, max: 300 },
        default: Some("5"),
        unit: "seconds",
        doc: "How long a connection may take until MQTT can begin on it, where TLS, WebSocket or a \
              PROXY header comes before.",
    },
    Field {
        name: "max_handshakes",
        kind: Kind::Integer {
            min: 1,
            max: 1_000_000,
        },
        default: Some("1000"),
        unit: "connections",
        doc: "How many connections may be in that state at once; then the oldest gives way to a \
              new one, so that those who never finish keep nobody out.",
    },
    Field {
        name: "proxy_protocol_from",
        kind: Kind::List {
            of: &Kind::Network,
            items_max: 64,
            example: "[\"10.0.0.0/8\"]",
        },
        default: Some("[]"),
        unit: "",
        doc: "The networks of the proxies that send a PROXY header, of version 1 or 2, on every \
              connection; if there are any, a connection from elsewhere or without the header is \
              closed, and the address in the header is the client's.",
    },
    Field {
        name: "websocket_origins",
        kind: Kind::List {
            of: &Kind::Origin,
            items_max: 256,
            example: "[\"https://example.org\"]",
        },
        default: Some("[]"),
        unit: "",
        doc: "The origins whose pages may connect to a WebSocket; empty is all, and a client that is \
              no browser and names none may connect.",
    },
    Field {
        name: "unix_mode",
        kind: Kind::FileMode,
        default: Some("0o660"),
        unit: "",
        doc: "The permissions of a Unix socket's file: whoever may write \
              may connect.",
    },
    Field {
        name: "tls_certificate_file",
        kind: Kind::File,
        default: Some("\"\""),
        unit: "",
        doc: "As tls.certificate_file, for this listener alone; empty is what the section says.",
    },
    Field {
        name: "tls_key_file",
        kind: Kind::File,
        default: Some("\"\""),
        unit: "",
        doc: "As tls.key_file, for this listener alone; empty is what the section says.",
    },
    Field {
        name: "tls_client_ca_file",
        kind: Kind::File,
        default: Some("\"\""),
        unit: "",
        doc: "As tls.client_ca_file, for this listener alone; empty is what the section says.",
    },
    Field {
        name: "tls_client_certificate",
        kind: Kind::Word(&["inherit", "none", "optional", "required"]),
        default: Some("\"inherit\""),
        unit: "",
        doc: "As tls.client_certificate, for this listener alone; inherit is what the section says.",
    },
    Field {
        name: "tls_crl_file",
        kind: Kind::File,
        default: Some("\"\""),
        unit: "",
        doc: "As tls.crl_file, for this listener alone; empty is what the section says.",
    },
    Field {
        name: "certificate_user_name",
        kind: Kind::Word(&["none", "cn", "subject", "dns", "email", "uri"]),
        default: Some("\"none\""),
        unit: "",
        doc: "Which part of its certificate is the user name of a client, which then needs no password \
              and whose CONNECT may say anything: the common name, the subject as RFC 4514 writes it, \
              or the first DNS name, mail address or URI among its alternative names.",
    },
    Field {
        name: "certificate_client_id",
        kind: Kind::Word(&["none", "cn", "subject", "dns", "email", "uri"]),
        default: Some("\"none\""),
        unit: "",
        doc: "Which part of its certificate a client's identifier must be: one of the names of that kind, \
              and the first if CONNECT has none; a client without a certificate is refused.",
    },
    Field {
        name: "tls_version_min",
        kind: Kind::Word(&["inherit", "1.2", "1.3"]),
        default: Some("\"inherit\""),
        unit: "",
        doc: "As tls.version_min, for this listener alone; inherit is what the section says.",
    },
];

pub(super) const RULE_FIELDS: &[Field] = &[
    Field {
        name: "permission",
        kind: Kind::Word(Permission::WORDS),
        default: None,
        unit: "",
        doc: "What the rule says of what it applies to.",
    },
    Field {
        name: "action",
        kind: Kind::Word(RuleAction::WORDS),
        default: Some("\"all\""),
        unit: "",
        doc: "What it is about: publish and wills, subscribe and receiving, or all of it.",
    },
    Field {
        name: "topics",
        kind: Kind::List {
            of: &Kind::TopicFilter,
            items_max: NAMES_MAX,
            example: "[\"devices/%c/#\"]",
        },
        default: None,
        unit: "",
        doc: "The topics, by filters; %u is the user name and %c the client identifier of whoever \
              asks.",
    },
    Field {
        name: "users",
        kind: Kind::List {
            of: &Kind::Name,
            items_max: NAMES_MAX,
            example: "[\"ada\", \"sensor-*\"]",
        },
        default: Some("[]"),
        unit: "",
        doc: "The user names it is for; without any it is for all, and for clients that have none.",
    },
    Field {
        name: "clients",
        kind: Kind::List {
            of: &Kind::Name,
            items_max: NAMES_MAX,
            example: "[\"hub\", \"sensor-*\"]",
        },
        default: Some("[]"),
        unit: "",
        doc: "The client identifiers it is for; without any it is for all.",
    },
    Field {
        name: "addresses",
        kind: Kind::List {
            of: &Kind::Network,
            items_max: NAMES_MAX,
            example: "[\"10.0.0.0/8\", \"fd00::/8\"]",
        },
        default: Some("[]"),
        unit: "",
        doc: "The networks it is for; without any it is for all.",
    },
    Field {
        name: "qos",
        kind: Kind::List {
            of: &Kind::Integer { min: 0, max: 2 },
            items_max: 3,
            example: "[0, 1]",
        },
        default: Some("[0, 1, 2]"),
        unit: "",
        doc: "The QoS of the publish, or of the subscription.",
    },
    Field {
        name: "retain",
        kind: Kind::Word(RuleRetain::WORDS),
        default: Some("\"any\""),
        unit: "",
        doc: "Of a publish: with RETAIN 1 (set), with RETAIN 0 (clear), or both.",
    },
];

pub(super) const PRIORITY_FIELDS: &[Field] = &[
    Field {
        name: "filter",
        kind: Kind::TopicFilter,
        default: None,
        unit: "",
        doc: "The topics that are meant.",
    },
    Field {
        name: "priority",
        kind: Kind::Integer { min: 0, max: 255 },
        default: None,
        unit: "",
        doc: "The priority of their messages; messages that no entry matches have 0.",
    },
];

pub(super) const DURABILITY_FIELDS: &[Field] = &[
    Field {
        name: "filter",
        kind: Kind::TopicFilter,
        default: None,
        unit: "",
        doc: "The topics that are meant.",
    },
    Field {
        name: "durability",
        kind: Kind::Word(Durability::WORDS),
        default: None,
        unit: "",
        doc: "How safe their messages are; as store.durability.",
    },
];

pub(super) const GROUP_FIELDS: &[Field] = &[
    Field {
        name: "group",
        kind: Kind::SharePattern,
        default: None,
        unit: "",
        doc: "The share names that are meant; * stands for any text.",
    },
    Field {
        name: "strategy",
        kind: Kind::Word(ShareStrategy::WORDS),
        default: None,
        unit: "",
        doc: "How the members of these groups are chosen.",
    },
];

/// The keys of `[[auth.jwt]]`.
pub(super) const JWT_FIELDS: &[Field] = &[
    Field {
        name: "secret_file",
        kind: Kind::File,
        default: Some("\"\""),
        unit: "",
        doc: "The secret of tokens signed with HS256, HS384 or HS512: 32 bytes at least; a change of the \
              file holds at once.",
    },
    Field {
        name: "key_files",
        kind: Kind::List {
            of: &Kind::File,
            items_max: 64,
            example: "[\"issuer.pem\"]",
        },
        default: Some("[]"),
        unit: "",
        doc: "Public keys (RSA, P-256, P-384, Ed25519), each file a PEM or a JSON Web Key (Set); a change \
              of a file holds at once.",
    },
    Field {
        name: "jwks_url",
        kind: Kind::HttpUrl,
        default: Some("\"\""),
        unit: "",
        doc: "Where public keys are published as a JSON Web Key Set: they are fetched every five minutes, \
              and when a token names one that is missing.",
    },
    Field {
        name: "ca_file",
        kind: Kind::File,
        default: Some("\"\""),
        unit: "",
        doc: "The authorities, in PEM, that its server is verified with; without it those that the system \
              trusts.",
    },
    Field {
        name: "issuer",
        kind: Kind::Claim,
        default: Some("\"\""),
        unit: "",
        doc: "What the claim iss must be; empty for anything.",
    },
    Field {
        name: "audience",
        kind: Kind::Claim,
        default: Some("\"\""),
        unit: "",
        doc: "What the claim aud must be or hold; empty for anything.",
    },
    Field {
        name: "user_claim",
        kind: Kind::Claim,
        default: Some("\"sub\""),
        unit: "",
        doc: "The claim that is the user name, whatever CONNECT says.",
    },
    Field {
        name: "client_claim",
        kind: Kind::Claim,
        default: Some("\"\""),
        unit: "",
        doc: "The claim that must be the client identifier; empty for none.",
    },
    Field {
        name: "access_claim",
        kind: Kind::Claim,
        default: Some("\"acl\""),
        unit: "",
        doc: "The claim that holds access rules, which are asked before those of the broker: \
              { \"pub\": [\"a/%c\"], \"sub\": [\"b/#\"], \"all\": [] }; empty for none.",
    },
];

/// The keys of `[[auth.http]]` and `[[access.http]]`.
pub(super) const HTTP_AUTH_FIELDS: &[Field] = &[
    Field {
        name: "url",
        kind: Kind::HttpUrl,
        default: None,
        unit: "",
        doc: "Where it is sent a POST with the JSON clientid, username, peerhost, protocol and, for \
              auth.http, password; it answers 204, or 200 with a result of allow, deny or ignore and \
              optionally acl and expire_at.",
    },
    Field {
        name: "requests_max",
        kind: Kind::Integer { min: 1, max: 256 },
        default: Some("16"),
        unit: "",
        doc: "How many requests it gets at once; others wait.",
    },
    Field {
        name: "cache_s",
        kind: Kind::Integer {
            min: 0,
            max: 86_400,
        },
        default: Some("60"),
        unit: "seconds",
        doc: "How long an answer that lets a client in holds for the same question.",
    },
    Field {
        name: "ca_file",
        kind: Kind::File,
        default: Some("\"\""),
        unit: "",
        doc: "The authorities, in PEM, that it is verified with; without it those that the system \
              trusts.",
    },
];
