//! The kinds of value that options take.

/// What may be written for an option.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number; both ends are allowed.
    Integer {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// The permissions of a file.
    FileMode,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The path of a directory.
    Directory,
    /// The path of a file; empty is none.
    File,
    /// A text that can be a part of a topic name.
    Text,
    /// A text that a token holds; empty is none.
    Claim,
    /// The URL of a server that speaks HTTP; empty is none.
    HttpUrl,
    /// A name of users or clients, where `*` stands for any text.
    Name,
    /// The addresses that begin with the same bits.
    Network,
    /// The URL of an address to listen on.
    Bind,
    /// The origin of web pages.
    Origin,
    /// A topic filter, not of a shared subscription.
    TopicFilter,
    /// The topic filter of a shared subscription.
    SharedFilter,
    /// A pattern of share names.
    SharePattern,
    /// Several values.
    List {
        /// What each is.
        of: &'static Self,
        /// How many there may be.
        items_max: usize,
        /// A list as TOML, for messages and documents.
        example: &'static str,
    },
    /// A table with these keys.
    Table(&'static [Field]),
}

/// A key of the tables that a list option holds.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What may be written for it.
    pub kind: Kind,
    /// What holds when it is not written, as TOML; `None` if it must be written.
    pub default: Option<&'static str>,
    /// What is counted; empty for values that are no quantities.
    pub unit: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

impl Kind {
    /// What is allowed, in words that fit after "expected".
    pub fn expected(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::FileMode => "permissions such as 0o660, at most 0o777".to_owned(),
            Self::Word(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
                format!("one of {}", words.join(", "))
            }
            Self::Directory => "the path of a directory".to_owned(),
            Self::File => "the path of a file".to_owned(),
            Self::Claim => "a text".to_owned(),
            Self::HttpUrl => "a URL such as \"https://auth.example/mqtt\"".to_owned(),
            Self::Name => "a name, where * stands for any text".to_owned(),
            Self::Text => "a text without +, # or U+0000".to_owned(),
            Self::Bind => "a URL such as \"mqtt://0.0.0.0:1883\"".to_owned(),
            Self::Network => "a network such as \"10.0.0.0/8\", or an address".to_owned(),
            Self::Origin => "an origin such as \"https://example.org\"".to_owned(),
            Self::TopicFilter => "a topic filter such as \"sensors/+/state\"".to_owned(),
            Self::SharedFilter => {
                "a shared subscription such as \"$share/workers/jobs/#\"".to_owned()
            }
            Self::SharePattern => "a share name, where * stands for any text".to_owned(),
            Self::List {
                items_max, example, ..
            } => {
                format!("a list of at most {items_max}, such as {example}")
            }
            Self::Table(fields) => {
                let names: Vec<_> = fields.iter().map(|field| field.name).collect();
                format!("a table with the keys {}", names.join(", "))
            }
        }
    }

    /// The keys of the tables in a list of tables; empty for other kinds.
    pub const fn fields(&self) -> &'static [Field] {
        match self {
            Self::List {
                of: Self::Table(fields),
                ..
            } => fields,
            _ => &[],
        }
    }

    /// Whether a value is a text in TOML, so that it needs no quotes on a command line.
    pub(super) const fn is_text(&self) -> bool {
        matches!(
            self,
            Self::Word(_)
                | Self::Directory
                | Self::File
                | Self::Claim
                | Self::HttpUrl
                | Self::Name
                | Self::Text
                | Self::Bind
                | Self::Network
                | Self::Origin
                | Self::TopicFilter
                | Self::SharedFilter
                | Self::SharePattern
        )
    }
}
