//! One record for each option: everything that is known of it, in one place.
//!
//! Reading, the default file, `dunlin config explain`, the reference page, the names of environment
//! variables and the search for the nearest known key all come from this table.

use super::fields::{
    DURABILITY_FIELDS, GROUP_FIELDS, HTTP_AUTH_FIELDS, JWT_FIELDS, LISTENER_FIELDS,
    PRIORITY_FIELDS, RULE_FIELDS,
};
use super::kind::{Field, Kind};
use super::words::{
    ClientCertificate, DeniedPublish, Durability, LogFormat, LogLevel, Permission, QueuePolicy,
    RetainedPolicy, Revoked, ShareStrategy, TlsVersion,
};

/// What is known of an option.
#[derive(Clone, Copy, Debug)]
pub struct OptionRecord {
    /// The keys from the top of a file to the option, with dots between them.
    pub path: &'static str,
    /// What may be written for it.
    pub kind: Kind,
    /// What holds when nobody writes it, as TOML.
    pub default: &'static str,
    /// What is counted; empty for values that are no quantities.
    pub unit: &'static str,
    /// The flag of `dunlin serve` that sets it, if it has one.
    pub flag: Option<&'static str>,
    /// Whether a reload may change it; otherwise it takes a restart.
    pub reloadable: bool,
    /// The first version that has it.
    pub since: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

/// What is known of a section, which is a table of a configuration file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its key.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

impl OptionRecord {
    /// The environment variable that sets it.
    pub fn environment(&self) -> String {
        format!(
            "{ENVIRONMENT_PREFIX}{}",
            self.path.replace('.', "__").to_ascii_uppercase()
        )
    }

    /// The section and the key; the section of a top-level option is empty.
    pub fn section_and_key(&self) -> (&'static str, &'static str) {
        self.path.split_once('.').unwrap_or(("", self.path))
    }
}

/// What the names of all variables that set options begin with.
pub const ENVIRONMENT_PREFIX: &str = "DUNLIN__";

/// The option of this path.
pub fn find(path: &str) -> Option<&'static OptionRecord> {
    OPTIONS.iter().find(|record| record.path == path)
}

/// The section of this name.
pub fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

/// The option that holds a list of tables, and the key in them that this path names.
pub fn field(path: &str) -> Option<(&'static OptionRecord, &'static Field)> {
    let (list, name) = path.rsplit_once('.')?;
    let record = find(list)?;
    let field = record
        .kind
        .fields()
        .iter()
        .find(|field| field.name == name)?;
    Some((record, field))
}

/// The paths of the keys in lists of tables.
pub(super) fn field_paths() -> impl Iterator<Item = String> {
    OPTIONS.iter().flat_map(|record| {
        record
            .kind
            .fields()
            .iter()
            .map(|field| format!("{}.{}", record.path, field.name))
    })
}

/// Every section, in the order of documents.
pub static SECTIONS: &[Section] = &[
    Section {
        name: "auth",
        doc: "Who may connect.",
    },
    Section {
        name: "access",
        doc: "What clients may do.",
    },
    Section {
        name: "limits",
        doc: "What clients may take of the broker.",
    },
    Section {
        name: "tls",
        doc: "How listeners use TLS, unless they say something else themselves.",
    },
    Section {
        name: "store",
        doc: "Where what must survive a restart is kept.",
    },
    Section {
        name: "mqtt",
        doc: "What one client may ask for, and what the broker announces.",
    },
    Section {
        name: "session",
        doc: "What each session may hold, connected or not.",
    },
    Section {
        name: "retained",
        doc: "Retained messages.",
    },
    Section {
        name: "shared",
        doc: "Shared subscriptions, $share and $queue.",
    },
    Section {
        name: "will",
        doc: "Will messages.",
    },
    Section {
        name: "message",
        doc: "All messages.",
    },
    Section {
        name: "log",
        doc: "What the broker writes about itself, on standard error.",
    },
    Section {
        name: "shutdown",
        doc: "How the broker ends.",
    },
];

const U16_MAX: u64 = 65_535;
/// Above this, the standard's value for an interval that never ends.
const U32_MAX: u64 = 4_294_967_295;
/// The largest packet that a Variable Byte Integer can announce, with its fixed header.
pub(super) const PACKET_BYTES_MAX: u64 = 268_435_460;

/// What most records share; each record says the rest.
const RECORD: OptionRecord = OptionRecord {
    path: "",
    kind: Kind::Bool,
    default: "",
    unit: "",
    flag: None,
    reloadable: true,
    since: "0.1.0",
    doc: "",
};

/// Every option, in the order of documents: first those of no section, then section by section.
pub static OPTIONS: &[OptionRecord] = &[
    OptionRecord {
        path: "workers",
        kind: Kind::Integer { min: 0, max: 1024 },
        default: "0",
        unit: "threads",
        flag: Some("--workers"),
        reloadable: false,
        doc: "How many threads serve connections; 0 is one for each core.",
        ..RECORD
    },
    OptionRecord {
        path: "listener",
        kind: Kind::List {
            of: &Kind::Table(LISTENER_FIELDS),
            items_max: 64,
            example: "[{ bind = \"mqtt://127.0.0.1:1883\" }]",
        },
        default: "[{ bind = \"mqtt://127.0.0.1:1883\" }]",
        flag: Some("--listen"),
        reloadable: false,
        doc: "The addresses that clients connect to; an address that other machines can reach \
              needs auth.allow_anonymous as long as no authentication is configured.",
        ..RECORD
    },
    OptionRecord {
        path: "auth.allow_anonymous",
        default: "false",
        flag: Some("--allow-anonymous"),
        reloadable: false,
        doc: "Whether clients may connect without a credential on every listener; on loopback \
              addresses they may in any case as long as no authentication is configured.",
        ..RECORD
    },
    OptionRecord {
        path: "auth.password_file",
        kind: Kind::File,
        default: "\"\"",
        flag: Some("--password-file"),
        reloadable: false,
        doc: "User names and hashes of passwords, as `dunlin passwd` and mosquitto_passwd write \
              them; a change of the file holds at once.",
        ..RECORD
    },
    OptionRecord {
        path: "auth.stored_users",
        default: "false",
        reloadable: false,
        doc: "Whether the users that are kept in store.data_dir may connect, which \
              `dunlin passwd DATA_DIR/ USER` adds and removes, while the broker runs or not; a change \
              holds at once.",
        ..RECORD
    },
    OptionRecord {
        path: "auth.jwt",
        kind: Kind::List {
            of: &Kind::Table(JWT_FIELDS),
            items_max: 16,
            example: "[{ key_files = [\"issuer.pem\"] }]",
        },
        default: "[]",
        reloadable: false,
        doc: "Those who issue JSON Web Tokens, which clients show as their password.",
        ..RECORD
    },
    OptionRecord {
        path: "auth.http",
        kind: Kind::List {
            of: &Kind::Table(HTTP_AUTH_FIELDS),
            items_max: 16,
            example: "[{ url = \"https://auth.example/mqtt\" }]",
        },
        default: "[]",
        reloadable: false,
        doc: "Servers that decide who a client is, asked one after the other behind all that is \
              decided here.",
        ..RECORD
    },
    OptionRecord {
        path: "auth.timeout_s",
        kind: Kind::Integer { min: 1, max: 60 },
        default: "5",
        unit: "seconds",
        reloadable: false,
        doc: "How long the decision about one client may take; without one it is refused.",
        ..RECORD
    },
    OptionRecord {
        path: "access.rules",
        kind: Kind::List {
            of: &Kind::Table(RULE_FIELDS),
            items_max: 10_000,
            example: "[{ permission = \"allow\", topics = [\"devices/%c/#\"] }]",
        },
        default: "[]",
        doc: "Who may publish and subscribe to what; the first rule that applies decides, and a \
              subscription is allowed if everything that it asks for is.",
        ..RECORD
    },
    OptionRecord {
        path: "access.acl_file",
        kind: Kind::File,
        default: "\"\"",
        flag: Some("--acl-file"),
        doc: "Access rules in a file of Mosquitto's form, which come after access.rules; a change \
              of the file holds at once.",
        ..RECORD
    },
    OptionRecord {
        path: "access.http",
        kind: Kind::List {
            of: &Kind::Table(HTTP_AUTH_FIELDS),
            items_max: 16,
            example: "[{ url = \"https://rules.example/mqtt\" }]",
        },
        default: "[]",
        reloadable: false,
        doc: "Servers that are asked when a client connects what it may do, if that did not come with its \
              credential: the first that answers allow or deny decides, and without an answer the client \
              is refused; what its acl does not name takes a rule of the broker.",
        ..RECORD
    },
    OptionRecord {
        path: "access.no_match",
        kind: Kind::Word(Permission::WORDS),
        default: "\"deny\"",
        doc: "What holds for what no rule applies to, as soon as there are rules; without any, \
              everything is allowed.",
        ..RECORD
    },
    OptionRecord {
        path: "access.denied_publish",
        kind: Kind::Word(DeniedPublish::WORDS),
        default: "\"refuse\"",
        reloadable: false,
        doc: "What becomes of a publish that is denied: it is refused, which a 3.x client is not \
              told, or its connection ends.",
        ..RECORD
    },
    OptionRecord {
        path: "access.revoked",
        kind: Kind::Word(Revoked::WORDS),
        default: "\"unsubscribe\"",
        reloadable: false,
        doc: "What becomes of a client that loses a subscription when rules change: the \
              subscription ends, and the connection with the last one; or the connection ends in \
              any case.",
        ..RECORD
    },
    OptionRecord {
        path: "limits.ban_file",
        kind: Kind::File,
        default: "\"\"",
        reloadable: false,
        doc: "Who is kept out, as [[ban]] tables of TOML with client, user or address, and until; a change \
              of the file holds at once.",
        ..RECORD
    },
    OptionRecord {
        path: "limits.flapping_connects_max",
        kind: Kind::Integer {
            min: 0,
            max: 1_000_000,
        },
        default: "0",
        reloadable: false,
        doc: "How often a client may connect within limits.flapping_window_s before it is banned; 0 is any \
              number.",
        ..RECORD
    },
    OptionRecord {
        path: "limits.flapping_window_s",
        kind: Kind::Integer {
            min: 1,
            max: 86_400,
        },
        default: "60",
        unit: "seconds",
        reloadable: false,
        doc: "The time in which the connections of a client are counted.",
        ..RECORD
    },
    OptionRecord {
        path: "limits.flapping_ban_s",
        kind: Kind::Integer {
            min: 1,
            max: 31_536_000,
        },
        default: "300",
        unit: "seconds",
        reloadable: false,
        doc: "How long a client that connects too often is banned, also over a restart.",
        ..RECORD
    },
    OptionRecord {
        path: "limits.address_connections_max",
        kind: Kind::Integer {
            min: 0,
            max: 1_000_000,
        },
        default: "0",
        reloadable: false,
        doc: "How many connections a second one address, or one network of 64 bits in IPv6, may open; \
              others are closed at once, and 0 is any number.",
        ..RECORD
    },
    OptionRecord {
        path: "limits.address_handshakes_max",
        kind: Kind::Integer {
            min: 0,
            max: 1_000_000,
        },
        default: "0",
        reloadable: false,
        doc: "How many handshakes a second of TLS, WebSocket and QUIC one address, or one network of 64 \
              bits in IPv6, may begin, which cost more than connections; others are closed at once, and 0 \
              is any number.",
        ..RECORD
    },
    OptionRecord {
        path: "limits.client_messages_max",
        kind: Kind::Integer {
            min: 0,
            max: 1_000_000_000,
        },
        default: "0",
        reloadable: false,
        doc: "How many messages a second one client may publish; one that sends more is read from more \
              slowly, and 0 is any number.",
        ..RECORD
    },
    OptionRecord {
        path: "limits.client_bytes_max",
        kind: Kind::Integer {
            min: 0,
            max: 1_000_000_000,
        },
        default: "0",
        unit: "bytes",
        reloadable: false,
        doc: "How many bytes a second one client may send; one that sends more is read from more slowly, \
              and 0 is any number.",
        ..RECORD
    },
    OptionRecord {
        path: "limits.memory_bytes_max",
        kind: Kind::Integer {
            min: 0,
            max: 1 << 50,
        },
        default: "0",
        unit: "bytes",
        reloadable: false,
        doc: "The memory that the process should stay below: from 80 percent on publishers are slowed, from \
              90 new connections are refused, from 95 messages; 0 is what the control group allows, if it does.",
        ..RECORD
    },
    OptionRecord {
        path: "tls.certificate_file",
        kind: Kind::File,
        default: "\"\"",
        flag: Some("--tls-cert"),
        reloadable: false,
        doc: "The broker's certificate and, behind it, those of the authorities between it and the \
              root, as PEM; the files of TLS are read again when they change and on SIGHUP.",
        ..RECORD
    },
    OptionRecord {
        path: "tls.key_file",
        kind: Kind::File,
        default: "\"\"",
        flag: Some("--tls-key"),
        reloadable: false,
        doc: "The private key of the certificate, as PEM.",
        ..RECORD
    },
    OptionRecord {
        path: "tls.client_ca_file",
        kind: Kind::File,
        default: "\"\"",
        flag: Some("--tls-client-ca"),
        reloadable: false,
        doc: "The certificates of the authorities whose clients are let in, as PEM; empty asks no \
              client for a certificate.",
        ..RECORD
    },
    OptionRecord {
        path: "tls.client_certificate",
        kind: Kind::Word(ClientCertificate::WORDS),
        default: "\"required\"",
        reloadable: false,
        doc: "Whether a client must show a certificate of such an authority (required), may \
              (optional), or is not asked (none), once tls.client_ca_file is set.",
        ..RECORD
    },
    OptionRecord {
        path: "tls.crl_file",
        kind: Kind::File,
        default: "\"\"",
        reloadable: false,
        doc: "The revocation lists of every authority in the chain of a client's certificate, as \
              PEM; a client whose authority has no list here, or an expired one, is refused.",
        ..RECORD
    },
    OptionRecord {
        path: "tls.version_min",
        kind: Kind::Word(TlsVersion::WORDS),
        default: "\"1.2\"",
        reloadable: false,
        doc: "The oldest version of TLS that is spoken.",
        ..RECORD
    },
    OptionRecord {
        path: "store.data_dir",
        kind: Kind::Directory,
        default: "\"\"",
        flag: Some("--data-dir"),
        reloadable: false,
        doc: "The directory of the store, relative to the working directory; empty is \
              ./dunlin-data.",
        ..RECORD
    },
    OptionRecord {
        path: "store.ephemeral",
        default: "false",
        flag: Some("--ephemeral"),
        reloadable: false,
        doc: "Whether everything is kept in memory only, so that nothing survives the process; \
              store.data_dir is then not used.",
        ..RECORD
    },
    OptionRecord {
        path: "store.durability",
        kind: Kind::Word(Durability::WORDS),
        default: "\"fsync\"",
        reloadable: false,
        doc: "What is done with what must be kept before it is acknowledged: \"fsync\" waits until it \
              is on disk, so that it survives a power cut; \"os\" until the operating system has it, \
              so that it survives the end of the process; \"memory\" does not wait, and writes it \
              soon after.",
        ..RECORD
    },
    OptionRecord {
        path: "store.durability_by_topic",
        kind: Kind::List {
            of: &Kind::Table(DURABILITY_FIELDS),
            items_max: 256,
            example: "[{ filter = \"telemetry/#\", durability = \"os\" }]",
        },
        default: "[]",
        reloadable: false,
        doc: "The durability of the messages of some topics, by the first entry that matches.",
        ..RECORD
    },
    OptionRecord {
        path: "store.rewrite_bytes_min",
        kind: Kind::Integer {
            min: 1 << 22,
            max: 1 << 40,
        },
        default: "268435456",
        unit: "bytes",
        reloadable: false,
        doc: "What is still needed of the store's files is written anew, and the rest deleted, once they \
              are longer than this and than three times what was needed the last time.",
        ..RECORD
    },
    OptionRecord {
        path: "store.exit_on_failure",
        default: "false",
        reloadable: false,
        doc: "Whether the broker ends, with a failure, when a write to its store failed; otherwise it \
              goes on and refuses what it would have to keep.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.packet_bytes_max",
        kind: Kind::Integer {
            min: 128,
            max: PACKET_BYTES_MAX,
        },
        default: "1048576",
        unit: "bytes",
        doc: "The largest packet that a client may send after its CONNECT, announced to 5.0 \
              clients as Maximum Packet Size.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.connect_packet_bytes_max",
        kind: Kind::Integer {
            min: 128,
            max: PACKET_BYTES_MAX,
        },
        default: "65536",
        unit: "bytes",
        doc: "The largest CONNECT packet, which is all that a client may send before it is known.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.connect_timeout_s",
        kind: Kind::Integer { min: 1, max: 300 },
        default: "5",
        unit: "seconds",
        doc: "How long after its network connection is accepted a client's CONNECT must be there.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.partial_packet_timeout_s",
        kind: Kind::Integer { min: 1, max: 3600 },
        default: "20",
        unit: "seconds",
        doc: "How long the rest of a packet may take once its first bytes are there.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.keep_alive_max_s",
        kind: Kind::Integer {
            min: 0,
            max: U16_MAX,
        },
        default: "0",
        unit: "seconds",
        doc: "The longest Keep Alive, given as Server Keep Alive to 5.0 clients that ask for more \
              or for none; 3.x clients, which cannot be told, keep theirs, and 0 is no limit.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.receive_maximum",
        kind: Kind::Integer {
            min: 1,
            max: U16_MAX,
        },
        default: "1024",
        unit: "messages",
        doc: "How many QoS 1 and 2 messages a client may send without having their \
              acknowledgement, announced to 5.0 clients as Receive Maximum.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.topic_alias_maximum",
        kind: Kind::Integer {
            min: 0,
            max: U16_MAX,
        },
        default: "16",
        unit: "aliases",
        doc: "How many topic aliases a 5.0 client may set on one connection, announced as Topic \
              Alias Maximum.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.outbound_topic_alias_max",
        kind: Kind::Integer {
            min: 0,
            max: U16_MAX,
        },
        default: "16",
        unit: "aliases",
        doc: "How many topic aliases the broker sets on one connection, within the Topic Alias \
              Maximum that the 5.0 client announced.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.topic_levels_max",
        kind: Kind::Integer {
            min: 1,
            max: 65_536,
        },
        default: "128",
        unit: "levels",
        doc: "How many levels a topic name or topic filter may have.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.topic_bytes_max",
        kind: Kind::Integer {
            min: 1,
            max: U16_MAX,
        },
        default: "4096",
        unit: "bytes",
        doc: "How long a topic name or topic filter may be.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.client_id_bytes_max",
        kind: Kind::Integer {
            min: 23,
            max: U16_MAX,
        },
        default: "1024",
        unit: "bytes",
        doc: "How long a client identifier may be.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.user_properties_max",
        kind: Kind::Integer {
            min: 0,
            max: U16_MAX,
        },
        default: "64",
        unit: "properties",
        doc: "How many User Properties one packet may hold.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.qos_max",
        kind: Kind::Integer { min: 0, max: 2 },
        default: "2",
        doc: "The highest QoS that is served, announced to 5.0 clients as Maximum QoS.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.retain_available",
        default: "true",
        doc: "Whether messages are retained, announced to 5.0 clients as Retain Available.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.wildcard_subscription_available",
        default: "true",
        doc: "Whether topic filters may hold wildcards, announced to 5.0 clients as Wildcard \
              Subscription Available.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.shared_subscription_available",
        default: "true",
        doc: "Whether shared subscriptions are served, announced to 5.0 clients as Shared \
              Subscription Available.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.response_information",
        kind: Kind::Text,
        default: "\"\"",
        doc: "What a 5.0 client that asks for Response Information is given, usually the beginning of \
              its response topics, with %c for its client identifier; empty gives none.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.resend_interval_s",
        kind: Kind::Integer {
            min: 0,
            max: 86_400,
        },
        default: "0",
        unit: "seconds",
        doc: "After how long an unacknowledged message is sent again to a connected 3.x client \
              (5.0 forbids it); 0 is never.",
        ..RECORD
    },
    OptionRecord {
        path: "mqtt.sys_interval_s",
        kind: Kind::Integer {
            min: 0,
            max: 86_400,
        },
        default: "10",
        unit: "seconds",
        doc: "How often the broker publishes how it is doing below $SYS/broker, retained; 0 is \
              never.",
        ..RECORD
    },
    OptionRecord {
        path: "session.count_max",
        kind: Kind::Integer {
            min: 1,
            max: 100_000_000,
        },
        default: "1000000",
        unit: "sessions",
        doc: "How many sessions there may be at once, connected or not.",
        ..RECORD
    },
    OptionRecord {
        path: "session.expiry_interval_max_s",
        kind: Kind::Integer {
            min: 0,
            max: U32_MAX,
        },
        default: "2592000",
        unit: "seconds",
        doc: "The longest Session Expiry Interval that a 5.0 client is given, 30 days by default; \
              4294967295 lets a session never expire.",
        ..RECORD
    },
    OptionRecord {
        path: "session.expiry_interval_3x_s",
        kind: Kind::Integer {
            min: 1,
            max: U32_MAX,
        },
        default: "604800",
        unit: "seconds",
        doc: "How long the session of a 3.x client with clean session 0 stays after its \
              connection, 7 days by default; 4294967295 is for ever.",
        ..RECORD
    },
    OptionRecord {
        path: "session.subscriptions_max",
        kind: Kind::Integer {
            min: 1,
            max: 10_000_000,
        },
        default: "10000",
        unit: "subscriptions",
        doc: "How many subscriptions one session may have.",
        ..RECORD
    },
    OptionRecord {
        path: "session.in_flight_max",
        kind: Kind::Integer {
            min: 1,
            max: U16_MAX,
        },
        default: "1024",
        unit: "messages",
        doc: "How many QoS 1 and 2 messages are on their way to one client without its \
              acknowledgement, within the Receive Maximum that a 5.0 client announced.",
        ..RECORD
    },
    OptionRecord {
        path: "session.outbox_bytes_max",
        kind: Kind::Integer {
            min: 1024,
            max: 1 << 30,
        },
        default: "262144",
        unit: "bytes",
        doc: "How much may wait for the socket of a connected client before its messages wait in \
              the session's queue.",
        ..RECORD
    },
    OptionRecord {
        path: "session.queue_messages_max",
        kind: Kind::Integer {
            min: 1,
            max: 100_000_000,
        },
        default: "100000",
        unit: "messages",
        doc: "How many messages one session's queue holds while its client is away or slow.",
        ..RECORD
    },
    OptionRecord {
        path: "session.queue_bytes_max",
        kind: Kind::Integer {
            min: 1024,
            max: U32_MAX,
        },
        default: "16777216",
        unit: "bytes",
        doc: "How much one session's queue holds; a single message above it is never queued.",
        ..RECORD
    },
    OptionRecord {
        path: "session.queues_memory_bytes_max",
        kind: Kind::Integer {
            min: 0,
            max: 1 << 40,
        },
        default: "268435456",
        unit: "bytes",
        doc: "How much memory the messages for clients that are away take, all queues together; the \
              payloads of the others are read from the store, if there is one, when their turn comes.",
        ..RECORD
    },
    OptionRecord {
        path: "session.queue_policy",
        kind: Kind::Word(QueuePolicy::WORDS),
        default: "\"drop-oldest\"",
        doc: "What happens to a message for a full queue: the oldest gives way (drop-oldest), it \
              is dropped (drop-newest), or its publisher is told Quota exceeded (refuse).",
        ..RECORD
    },
    OptionRecord {
        path: "session.offline_qos_min",
        kind: Kind::Integer { min: 0, max: 1 },
        default: "1",
        doc: "The lowest QoS of the messages that are kept for a session whose client is away: 1 \
              keeps QoS 1 and 2, 0 keeps QoS 0 as well.",
        ..RECORD
    },
    OptionRecord {
        path: "session.priorities",
        kind: Kind::List {
            of: &Kind::Table(PRIORITY_FIELDS),
            items_max: 256,
            example: "[{ filter = \"alarms/#\", priority = 9 }]",
        },
        default: "[]",
        doc: "Which queued messages are sent before others: those of the highest priority first, \
              by the first entry that matches the topic.",
        ..RECORD
    },
    OptionRecord {
        path: "session.keep_last",
        kind: Kind::List {
            of: &Kind::TopicFilter,
            items_max: 256,
            example: "[\"sensors/+/state\"]",
        },
        default: "[]",
        doc: "The topics of which a queue keeps only the newest message each.",
        ..RECORD
    },
    OptionRecord {
        path: "retained.messages_max",
        kind: Kind::Integer {
            min: 0,
            max: 1_000_000_000,
        },
        default: "1000000",
        unit: "messages",
        doc: "How many messages are retained, besides those of the broker itself below `$SYS/`.",
        ..RECORD
    },
    OptionRecord {
        path: "retained.bytes_max",
        kind: Kind::Integer {
            min: 0,
            max: 1 << 50,
        },
        default: "268435456",
        unit: "bytes",
        doc: "How much all retained messages may hold together.",
        ..RECORD
    },
    OptionRecord {
        path: "retained.payload_bytes_max",
        kind: Kind::Integer {
            min: 0,
            max: PACKET_BYTES_MAX,
        },
        default: "1048576",
        unit: "bytes",
        doc: "The largest payload that is retained.",
        ..RECORD
    },
    OptionRecord {
        path: "retained.policy_at_limit",
        kind: Kind::Word(RetainedPolicy::WORDS),
        default: "\"refuse\"",
        doc: "What happens to a message that would pass the count or the bytes: its publisher is \
              told Quota exceeded (refuse), or those set longest ago give way (drop-oldest).",
        ..RECORD
    },
    OptionRecord {
        path: "shared.share_strategy",
        kind: Kind::Word(ShareStrategy::WORDS),
        default: "\"random\"",
        doc: "How a member of a $share group is chosen for each message.",
        ..RECORD
    },
    OptionRecord {
        path: "shared.queue_strategy",
        kind: Kind::Word(ShareStrategy::WORDS),
        default: "\"round-robin\"",
        doc: "How a member of a $queue group is chosen for each message.",
        ..RECORD
    },
    OptionRecord {
        path: "shared.groups",
        kind: Kind::List {
            of: &Kind::Table(GROUP_FIELDS),
            items_max: 256,
            example: "[{ group = \"workers-*\", strategy = \"least-in-flight\" }]",
        },
        default: "[]",
        doc: "The $share groups that have a strategy of their own; the first entry that matches \
              the share name counts.",
        ..RECORD
    },
    OptionRecord {
        path: "shared.durable_groups",
        kind: Kind::List {
            of: &Kind::SharedFilter,
            items_max: 256,
            example: "[\"$share/workers/jobs/#\"]",
        },
        default: "[]",
        doc: "The shared subscriptions that keep messages while none of their members exists.",
        ..RECORD
    },
    OptionRecord {
        path: "will.delay_max_s",
        kind: Kind::Integer {
            min: 0,
            max: U32_MAX,
        },
        default: "2592000",
        unit: "seconds",
        doc: "The longest Will Delay Interval that is honoured, 30 days by default.",
        ..RECORD
    },
    OptionRecord {
        path: "will.grace_period_s",
        kind: Kind::Integer { min: 0, max: 3600 },
        default: "2",
        unit: "seconds",
        doc: "How long after a restart the wills of clients that were connected wait for them to \
              come back, if their Will Delay Interval is shorter.",
        ..RECORD
    },
    OptionRecord {
        path: "message.expiry_max_s",
        kind: Kind::Integer {
            min: 0,
            max: U32_MAX - 1,
        },
        default: "0",
        unit: "seconds",
        doc: "The longest that any message is kept, as if it had this Message Expiry Interval; 0 \
              sets no limit.",
        ..RECORD
    },
    OptionRecord {
        path: "log.level",
        kind: Kind::Word(LogLevel::WORDS),
        default: "\"info\"",
        flag: Some("--log-level"),
        doc: "Which events are logged: those of this level and of the levels before it.",
        ..RECORD
    },
    OptionRecord {
        path: "log.format",
        kind: Kind::Word(LogFormat::WORDS),
        default: "\"text\"",
        flag: Some("--log-format"),
        reloadable: false,
        doc: "Whether an event is one line for people (text) or one JSON object (json).",
        ..RECORD
    },
    OptionRecord {
        path: "shutdown.timeout_s",
        kind: Kind::Integer { min: 1, max: 3600 },
        default: "10",
        unit: "seconds",
        doc: "How long the end waits for clients to take what is being sent to them.",
        ..RECORD
    },
];
