//! Which crates each crate may depend on.
//!
//! An edge that is not in the table is a decision about the layout: it is made in
//! ARCHITECTURE.md first, and here in the same commit.

use anyhow::{Context as _, Result};

use super::Complaints;

struct Edges {
    manifest: &'static str,
    /// What the crate itself may use.
    normal: &'static [&'static str],
    /// What only its tests, examples and benchmarks may use.
    dev: &'static [&'static str],
}

/// Of the core, and of the crate that has its source.
const CORE: &[&str] = &[
    "dunlin-codec",
    "ahash",
    "bytes",
    "hashbrown",
    "parking_lot",
    "thiserror",
    "triomphe",
];

/// Of the store, and of the crate that has its source.
const STORE: &[&str] = &[
    "dunlin-codec",
    "dunlin-core",
    "crc32c",
    "getrandom",
    "parking_lot",
    "rustix",
    "thiserror",
    "tracing",
];

const EDGES: [Edges; 14] = [
    Edges {
        manifest: "crates/dunlin-codec/Cargo.toml",
        normal: &["bytes", "thiserror"],
        dev: &["proptest"],
    },
    Edges {
        manifest: "crates/dunlin-core/Cargo.toml",
        normal: CORE,
        dev: &["proptest"],
    },
    Edges {
        manifest: "crates/dunlin-store/Cargo.toml",
        normal: STORE,
        dev: &["proptest", "tempfile"],
    },
    Edges {
        manifest: "crates/dunlin-uring/Cargo.toml",
        normal: &["io-uring", "libc"],
        dev: &[],
    },
    // What a decision was measured with. It is no member of the workspace.
    Edges {
        manifest: "bench/probes/raft-engine/Cargo.toml",
        normal: &["raft", "raft-engine"],
        dev: &[],
    },
    Edges {
        manifest: "crates/dunlin-client/Cargo.toml",
        normal: &[
            "dunlin-codec",
            "base64",
            "bytes",
            "futures-util",
            "quinn",
            "ring",
            "rustls",
            "rustls-native-certs",
            "thiserror",
            "tokio",
            "tokio-rustls",
            "tokio-tungstenite",
        ],
        dev: &["rcgen", "tempfile"],
    },
    Edges {
        manifest: "crates/dunlin/Cargo.toml",
        normal: &[
            "dunlin-codec",
            "dunlin-core",
            "dunlin-store",
            "dunlin-uring",
            "ahash",
            "arc-swap",
            "argon2",
            "base64",
            "bytes",
            "hashbrown",
            "httparse",
            "libc",
            "parking_lot",
            "quinn",
            "ring",
            "rustls",
            "rustls-native-certs",
            "serde",
            "serde_json",
            "slab",
            "subtle",
            "getrandom",
            "socket2",
            "spki",
            "strsim",
            "thiserror",
            "tokio",
            "tokio-rustls",
            "toml",
            "tracing",
            "ureq",
            "x509-cert",
        ],
        dev: &["dunlin-client", "rcgen", "tempfile"],
    },
    Edges {
        manifest: "crates/dunlin-sim/Cargo.toml",
        normal: &[
            "dunlin-codec",
            "dunlin-core",
            "dunlin-store",
            "anyhow",
            "clap",
            "parking_lot",
        ],
        dev: &[],
    },
    Edges {
        manifest: "crates/dunlin-cli/Cargo.toml",
        normal: &[
            "dunlin",
            "dunlin-client",
            "dunlin-codec",
            "dunlin-core",
            "dunlin-store",
            "anyhow",
            "apache-avro",
            "base64",
            "bytes",
            "ciborium",
            "clap",
            "clap_complete",
            "clap_mangen",
            "hdrhistogram",
            "indicatif",
            "libc",
            "prost-reflect",
            "protox",
            "ratatui",
            "rcgen",
            "rmpv",
            "rpassword",
            "rustix",
            "rustyline",
            "serde",
            "serde_json",
            "serde_yaml_ng",
            "thiserror",
            "tikv-jemallocator",
            "tokio",
            "toml",
            "tracing",
            "tracing-subscriber",
        ],
        dev: &[
            "futures-util",
            "rcgen",
            "rustls",
            "tempfile",
            "tokio-rustls",
            "tokio-tungstenite",
        ],
    },
    Edges {
        manifest: "crates/dunlin-interleavings/Cargo.toml",
        normal: &[],
        dev: &[
            "dunlin-codec",
            "dunlin-core",
            "dunlin-store",
            "parking_lot",
            "shuttle",
            "tokio",
        ],
    },
    Edges {
        manifest: "crates/dunlin-interleavings/locks/Cargo.toml",
        normal: &["shuttle", "shuttle-parking_lot"],
        dev: &[],
    },
    Edges {
        manifest: "crates/dunlin-interleavings/core/Cargo.toml",
        normal: CORE,
        dev: &["proptest"],
    },
    Edges {
        manifest: "crates/dunlin-interleavings/store/Cargo.toml",
        normal: STORE,
        dev: &["proptest", "tempfile"],
    },
    Edges {
        manifest: "xtask/Cargo.toml",
        normal: &["anyhow", "toml"],
        dev: &[],
    },
];

/// Compares one manifest with the table.
pub(super) fn check(path: &str, text: &str, complaints: &mut Complaints) -> Result<()> {
    let manifest: toml::Table = text.parse().with_context(|| path.to_owned())?;
    let Some(edges) = EDGES.iter().find(|edges| edges.manifest == path) else {
        complaints.push(format!(
            "{path}: a crate without a row in the table of edges"
        ));
        return Ok(());
    };
    for (section, allowed) in [
        ("dependencies", edges.normal),
        ("build-dependencies", &[]),
        ("dev-dependencies", edges.dev),
    ] {
        for name in names(&manifest, section) {
            let is_allowed = allowed.contains(&name.as_str())
                || (section == "dev-dependencies" && edges.normal.contains(&name.as_str()));
            if !is_allowed {
                complaints.push(format!("{path}: [{section}] may not name {name}"));
            }
        }
    }
    // A feature in the decisions would double what has to be tested.
    let decides = path.contains("dunlin-core/") || path.contains("dunlin-codec/");
    if decides && manifest.contains_key("features") {
        complaints.push(format!("{path}: features belong to dunlin and dunlin-cli"));
    }
    Ok(())
}

/// The dependencies of a section, those for single targets included.
fn names(manifest: &toml::Table, section: &str) -> Vec<String> {
    let keys = |table: &toml::Table| -> Vec<String> {
        let section = table.get(section).and_then(toml::Value::as_table);
        section
            .into_iter()
            .flat_map(toml::Table::keys)
            .cloned()
            .collect()
    };
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(toml::Table::values);
    let in_targets = targets.filter_map(toml::Value::as_table).flat_map(keys);
    keys(manifest).into_iter().chain(in_targets).collect()
}

#[cfg(test)]
mod tests {
    use super::check;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        check(path, text, &mut complaints).unwrap();
        complaints
    }

    #[test]
    fn an_edge_outside_the_table_is_named() {
        let codec = "crates/dunlin-codec/Cargo.toml";
        assert!(complaints(codec, "[dependencies]\nbytes.workspace = true\n").is_empty());
        assert!(complaints(codec, "[dev-dependencies]\nbytes.workspace = true\n").is_empty());
        assert_eq!(
            complaints(codec, "[dependencies]\ntokio = \"1\"\n"),
            ["crates/dunlin-codec/Cargo.toml: [dependencies] may not name tokio"]
        );
        assert_eq!(
            complaints(codec, "[target.'cfg(unix)'.dependencies]\nlibc = \"1\"\n"),
            ["crates/dunlin-codec/Cargo.toml: [dependencies] may not name libc"]
        );
        assert_eq!(
            complaints(codec, "[dependencies]\nproptest = \"1\"\n"),
            ["crates/dunlin-codec/Cargo.toml: [dependencies] may not name proptest"]
        );
    }

    #[test]
    fn features_stay_out_of_the_decisions() {
        let path = "crates/dunlin-core/Cargo.toml";
        assert_eq!(
            complaints(path, "[features]\nfast = []\n"),
            ["crates/dunlin-core/Cargo.toml: features belong to dunlin and dunlin-cli"]
        );
    }

    #[test]
    fn a_new_crate_needs_its_row() {
        assert_eq!(complaints("crates/other/Cargo.toml", "").len(), 1);
    }
}
