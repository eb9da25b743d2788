//! Options whose value is one of a few words.

/// An enum whose variants have one name each in a configuration.
macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The words, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The variant of this word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The word of this variant.
            pub const fn as_word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// What is done with a message that must be kept before it is acknowledged.
    Durability {
        /// Nothing: it is written soon after.
        Memory = "memory",
        /// The operating system has it: it survives the end of the process.
        Os = "os",
        /// It is on disk: it survives a power cut.
        Fsync = "fsync",
    }
}

words! {
    /// What happens to a message for a session whose queue is full.
    QueuePolicy {
        /// The oldest queued message gives way to the new one.
        DropOldest = "drop-oldest",
        /// The new message is not queued.
        DropNewest = "drop-newest",
        /// The new message is not queued, and its publisher is told Quota exceeded.
        Refuse = "refuse",
    }
}

words! {
    /// What happens to a message with RETAIN 1 when the retained messages are at a limit.
    RetainedPolicy {
        /// It is not retained, and its publisher is told Quota exceeded.
        Refuse = "refuse",
        /// The retained messages that were set longest ago give way to it.
        DropOldest = "drop-oldest",
    }
}

words! {
    /// How a shared subscription chooses the member that a message goes to.
    ShareStrategy {
        /// Any member, at random.
        Random = "random",
        /// The members in turns.
        RoundRobin = "round-robin",
        /// The same member as before, while it can take messages.
        Sticky = "sticky",
        /// By the hash of the publisher's client identifier.
        HashClient = "hash-client",
        /// By the hash of the topic name.
        HashTopic = "hash-topic",
        /// The member with the fewest unacknowledged messages.
        LeastInFlight = "least-in-flight",
    }
}

words! {
    /// What an access rule says.
    Permission {
        /// It may be done.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
    }
}

words! {
    /// What an access rule is about.
    RuleAction {
        /// PUBLISH and Will Messages.
        Publish = "publish",
        /// SUBSCRIBE, and with it receiving.
        Subscribe = "subscribe",
        /// Both.
        All = "all",
    }
}

words! {
    /// Which publishes an access rule is about.
    RuleRetain {
        /// Those with RETAIN 0 and those with RETAIN 1.
        Any = "any",
        /// Those with RETAIN 1.
        Set = "set",
        /// Those with RETAIN 0.
        Clear = "clear",
    }
}

words! {
    /// What becomes of a publish that access rules deny.
    DeniedPublish {
        /// It is refused in 5.0, and ignored where nothing can say so.
        Refuse = "refuse",
        /// Its connection ends.
        Disconnect = "disconnect",
    }
}

words! {
    /// What becomes of a client that loses a subscription by a change of access rules.
    Revoked {
        /// The subscription ends, and the connection if it was the last one.
        Unsubscribe = "unsubscribe",
        /// The connection ends.
        Disconnect = "disconnect",
    }
}

words! {
    /// Whether a client must show a certificate of an authority that is known.
    ClientCertificate {
        /// It is not asked for one.
        None = "none",
        /// It may.
        Optional = "optional",
        /// It must.
        Required = "required",
    }
}

words! {
    /// Which part of a client's certificate is its name.
    CertificateName {
        /// The Common Name of the subject.
        CommonName = "cn",
        /// The whole subject as RFC 4514 writes it.
        Subject = "subject",
        /// A DNS name among the subject's alternative names.
        Dns = "dns",
        /// A mail address among them.
        Email = "email",
        /// A URI among them.
        Uri = "uri",
    }
}

words! {
    /// A version of TLS.
    TlsVersion {
        /// TLS 1.2.
        V1_2 = "1.2",
        /// TLS 1.3.
        V1_3 = "1.3",
    }
}

words! {
    /// Which events are logged: this level and those before it.
    LogLevel {
        /// What the operator must act on.
        Error = "error",
        /// What the operator should know.
        Warn = "warn",
        /// What happens seldom: start, listeners, end.
        Info = "info",
        /// What each client does.
        Debug = "debug",
        /// What each packet does.
        Trace = "trace",
    }
}

words! {
    /// How an event is written to the log.
    LogFormat {
        /// One line for people.
        Text = "text",
        /// One JSON object on one line.
        Json = "json",
    }
}
