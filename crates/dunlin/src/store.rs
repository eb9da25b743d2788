//! The store behind the broker: opening it, and keeping its log short.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dunlin_core::broker::{Broker, Progress, Rewrite};
use dunlin_core::recovery::{Recovered, Recovery};
use dunlin_core::storage::{Durability, MemoryStorage, Storage, StorageFault};
use dunlin_store::{OpenError, Report, Store};
use tracing::{debug, error, info, warn};

use crate::config::{Config, StoreConfig};
use crate::error::StartError;

/// The longest file of the log.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// Damages that the log of the broker names one by one.
const DAMAGES_SAID_MAX: usize = 10;

/// How long a rewriting pauses.
const REWRITE_PAUSE: Duration = Duration::from_millis(5);

/// How often to look whether the log has become too long.
const REWRITE_LOOK: Duration = Duration::from_secs(1);

/// Opens what the configuration says, and gives what was kept in it.
pub(crate) fn open(config: &Config) -> Result<(Arc<dyn Storage>, Opened), StartError> {
    let StoreConfig::Directory(directory) = &config.store else {
        return Ok((Arc::new(MemoryStorage), Opened::default()));
    };
    let mut recovery = Recovery::within(config.session.queues_memory_bytes_max);
    let started = Instant::now();
    let rewrite_bytes_min = config.durability.rewrite_bytes_min;
    let settings = dunlin_store::Settings {
        // A rewriting frees whole segments.
        segment_bytes: (rewrite_bytes_min / 4).min(SEGMENT_BYTES_MAX),
        rewrite_bytes_min,
        ..dunlin_store::Settings::default()
    };
    let opened = Store::open(directory, &settings, &mut |record| recovery.read(&record));
    let (store, report) = opened.map_err(|source| StartError::Store {
        directory: directory.clone(),
        source,
    })?;
    say(directory, &report, started.elapsed());
    let store = Arc::new(store);
    let opened = Opened {
        store: Some(Arc::clone(&store)),
        recovery,
    };
    Ok((store, opened))
}

/// A store, and what was kept in it.
#[derive(Default)]
pub(crate) struct Opened {
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) recovery: Recovery,
}

fn say(directory: &Path, report: &Report, took: Duration) {
    let directory = directory.display();
    let (bytes, appends) = (report.bytes, report.appends);
    debug!(%directory, ?took, bytes, appends, segments = report.segments, "store read");
    if let Some(torn) = &report.torn {
        info!("the last write to the store was cut off: {torn}; nobody was promised what it held");
    }
    for damage in report.named.iter().take(DAMAGES_SAID_MAX) {
        error!("the store in {directory} is damaged: {damage}");
    }
    if report.is_damaged() {
        error!(
            "the store in {directory} has {} damaged places, {} bytes, and misses {} records: they \
             were set aside, everything else is there; look at the disk, and at `dunlin store check`",
            report.damages, report.damaged_bytes, report.lost_appends
        );
    }
}

/// Says what came back.
pub(crate) fn say_recovered(config: &StoreConfig, recovered: Recovered) {
    if let StoreConfig::Directory(directory) = config {
        info!(
            "store {}: {} sessions, {} subscriptions, {} waiting messages, {} retained messages",
            directory.display(),
            recovered.sessions,
            recovered.subscriptions,
            recovered.messages,
            recovered.retained,
        );
    }
}

/// The store cannot be opened.
pub(crate) fn explained(directory: &Path, source: &OpenError) -> String {
    let directory = directory.display();
    format!("cannot open the store in {directory}: {source}")
}

/// Has everything that is needed written again whenever the log has become long. Never ends.
pub(crate) async fn keep_short(store: &Store, broker: &Broker) {
    let mut number = 0;
    loop {
        tokio::time::sleep(REWRITE_LOOK).await;
        if !store.wants_rewrite() {
            continue;
        }
        number += 1;
        let started = Instant::now();
        let before = store.stats().log_bytes;
        let result = match broker.begin_rewrite(number) {
            Ok(rewrite) => rewrite_all(store, broker, rewrite).await,
            Err(fault) => Err(fault),
        };
        match result {
            Ok(()) => {
                let after = store.stats().log_bytes;
                info!(before, after, took = ?started.elapsed(), "the log was written anew");
            }
            Err(StorageFault::Full) => {
                warn!("no room to write the log anew, which would make room; trying again later");
            }
            // The store has said so.
            Err(StorageFault::Failed) => return,
        }
    }
}

async fn rewrite_all(
    store: &Store,
    broker: &Broker,
    mut rewrite: Rewrite,
) -> Result<(), StorageFault> {
    loop {
        match broker.rewrite(&mut rewrite, store.rewrite_step_bytes())? {
            Progress::Done(position) => {
                while store.stored(position)?.is_none() {
                    tokio::time::sleep(REWRITE_PAUSE).await;
                }
                return Ok(());
            }
            Progress::Waiting => tokio::time::sleep(REWRITE_PAUSE).await,
            Progress::More => {
                // What is written bit by bit is refused in time when the disk becomes full.
                let step = store.append(&[], Durability::Fsync)?;
                while store.stored(step)?.is_none() {
                    tokio::time::sleep(REWRITE_PAUSE).await;
                }
            }
        }
    }
}
