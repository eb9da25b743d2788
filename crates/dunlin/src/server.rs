//! A broker that runs: from a configuration to threads and sockets, and back.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use dunlin_core::broker::Broker;
use dunlin_core::recovery::Recovery;
use dunlin_core::worker::{Occasion, Worker as CoreWorker};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tracing::error;

use crate::auth::{Auth, Authenticator};
use crate::clock::Clock;
use crate::config::{Bind, Config, StoreConfig};
use crate::error::StartError;
use crate::files::{Files, Reload};
use crate::limits::Limits;
use crate::listener::Listener;
use crate::settings::core_settings;
use crate::shared::{Command, Mailbox, Shared, Timeouts};
use crate::store;
use crate::sys::Sys;
use crate::worker::Worker;

/// How long a connection that is closed has to take what is written to it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A broker that runs on threads of its own.
///
/// ```
/// use dunlin::{Server, config::Config};
///
/// let config = "store.ephemeral = true\n[[listener]]\nbind = \"mqtt://127.0.0.1:0\"";
/// let config = Config::from_toml(config)?;
/// let server = Server::start(&config)?;
/// println!("{}", server.addresses()[0]);
/// server.shut_down();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<Bind>,
    files: Files,
    threads: Vec<JoinHandle<()>>,
    /// Closed when the store fails.
    failure: watch::Receiver<bool>,
}

impl Server {
    /// Binds every listener, then begins to serve.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        Self::begin(config, None)
    }

    /// As [`Server::start`], with one's own answer to who a client is: it is asked before what the
    /// configuration names.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(
        config: &Config,
        authenticator: Box<dyn Authenticator>,
    ) -> Result<Self, StartError> {
        Self::begin(config, Some(authenticator))
    }

    fn begin(
        config: &Config,
        authenticator: Option<Box<dyn Authenticator>>,
    ) -> Result<Self, StartError> {
        let auth = Auth::start(config, authenticator)?;
        let limits = Limits::start(&config.limits, &config.store).map_err(StartError::Auth)?;
        let listeners: Vec<_> = config
            .listeners
            .iter()
            .map(Listener::bind)
            .collect::<Result<_, _>>()?;
        let addresses = listeners.iter().map(Listener::address).cloned().collect();
        let certificates = listeners.iter().filter_map(Listener::tls);
        let mut watched: Vec<Arc<dyn Reload>> = [auth.files(), limits.sources()].concat();
        watched.extend(certificates.map(|tls| tls as Arc<dyn Reload>));
        let workers = config.workers.count().get().min(WORKERS_MAX);
        let seed = random()?;
        // Behind the listeners: whoever runs two brokers by mistake is told of the port.
        let (storage, opened) = store::open(config)?;
        let shared = Arc::new(Shared {
            broker: Broker::new(core_settings(config), auth.access(), storage, seed),
            store: opened.store,
            auth,
            limits,
            clock: Clock::start(),
            mailboxes: std::iter::repeat_with(Mailbox::default)
                .take(workers)
                .collect(),
            timeouts: Timeouts {
                partial_packet: config.mqtt.partial_packet_timeout,
                close: CLOSE_TIMEOUT,
            },
            sys: Sys::new(config.mqtt.sys_interval, workers),
        });
        let failure = watch_store(&shared);
        let first = recover(&shared, &config.store, opened.recovery)?;
        let files = Files::watch(watched, {
            let shared = Arc::clone(&shared);
            move || shared.recheck()
        });
        let mut server = Self {
            shared,
            addresses,
            files: files.map_err(StartError::Worker)?,
            threads: Vec::new(),
            failure,
        };
        let patience = config.shutdown.timeout;
        let mut first = Some((listeners, first));
        for index in 0..workers {
            // The first worker accepts, and serves like the others.
            let started = server.start_worker(index, first.take(), patience);
            if let Err(error) = started {
                server.shut_down();
                return Err(error);
            }
        }
        Ok(server)
    }

    fn start_worker(
        &mut self,
        index: usize,
        first: Option<(Vec<Listener>, CoreWorker)>,
        patience: Duration,
    ) -> Result<(), StartError> {
        let (listeners, core) = match first {
            Some(first) => first,
            None => (Vec::new(), core_worker()?),
        };
        let shared = Arc::clone(&self.shared);
        let (sender, started) = mpsc::sync_channel(1);
        let work = move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    // The one who waits for it has not given up: the channel is open.
                    let _ = sender.send(Err(error));
                    return;
                }
            };
            let _ = sender.send(Ok(()));
            let worker = Worker::new(shared, index, core);
            LocalSet::new().block_on(&runtime, async {
                let accepting: Vec<_> = listeners
                    .into_iter()
                    .map(|listener| {
                        listener.announce();
                        spawn_local(listener.run(Rc::clone(&worker)))
                    })
                    .collect();
                worker
                    .run(patience, move || {
                        accepting.iter().for_each(|task| task.abort())
                    })
                    .await;
            });
        };
        let thread = std::thread::Builder::new()
            .name(format!("dunlin-worker-{index}"))
            .spawn(work);
        self.threads.push(thread.map_err(StartError::Worker)?);
        match started.recv() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(StartError::Worker(error)),
            Err(mpsc::RecvError) => Err(StartError::Worker(std::io::ErrorKind::Other.into())),
        }
    }

    /// The addresses that it listens on, in the order of the configuration.
    pub fn addresses(&self) -> &[Bind] {
        &self.addresses
    }

    /// Waits until the store takes nothing any more because a write failed. Messages that need not
    /// be kept are served all the same.
    pub async fn store_failed(&self) {
        let mut failure = self.failure.clone();
        if failure.wait_for(|&has_failed| has_failed).await.is_err() {
            // Nothing can fail.
            std::future::pending::<()>().await;
        }
    }

    /// Takes what can change while it runs: access rules from the configuration, and files, those of
    /// TLS among them, which are read again. Clients that are connected are held to it at once: subscriptions and connections
    /// that are not allowed any more end.
    ///
    /// # Errors
    /// What is wrong with the access rules; those that hold stay then. What is wrong with another
    /// file is logged, and what was read before stays.
    pub fn reload(&self, config: &Config) -> Result<(), String> {
        let changed = self.shared.auth.change_access(&config.access);
        self.shared.recheck();
        self.files.reload();
        changed
    }

    /// Ends the broker: no connection is accepted any more, 5.0 clients are sent DISCONNECT with
    /// Server shutting down, and what is on its way is written, for as long as the configuration
    /// allows.
    pub fn shut_down(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        for mailbox in &self.shared.mailboxes {
            mailbox.put([Command::ShutDown]);
        }
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so already.
            let _ = thread.join();
        }
        if let Some(store) = &self.shared.store
            && store.close().is_err()
        {
            error!("the store could not be closed in order: what nobody was promised is lost");
        }
    }
}

/// Tells the workers when the store gets on, and whoever looks when it fails.
fn watch_store(shared: &Arc<Shared>) -> watch::Receiver<bool> {
    let (failed, failure) = watch::channel(false);
    if let Some(store) = &shared.store {
        let weak = Arc::downgrade(shared);
        store.set_progress(move || {
            let Some(shared) = weak.upgrade() else {
                return;
            };
            shared.mailboxes.iter().for_each(Mailbox::put_progress);
            if let Some(store) = &shared.store
                && store.stats().has_failed
            {
                failed.send_replace(true);
            }
        });
    }
    failure
}

/// Makes the broker what its store says it was, before anyone connects.
fn recover(
    shared: &Shared,
    config: &StoreConfig,
    recovery: Recovery,
) -> Result<CoreWorker, StartError> {
    let mut core = core_worker()?;
    let mut occasion = Occasion {
        broker: &shared.broker,
        worker: &mut core,
        now: shared.clock.now(),
    };
    let recovered = shared.broker.recover(&mut occasion, recovery);
    store::say_recovered(config, recovered);
    Ok(core)
}

fn core_worker() -> Result<CoreWorker, StartError> {
    let [seed, ..] = random()?;
    Ok(CoreWorker::new(seed))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// As many workers as the number of a connection has room for.
const WORKERS_MAX: usize = 256;

/// Seeds that no client can guess.
fn random() -> Result<[u64; 4], StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Random(error.into()))?;
    let mut seeds = [0; 4];
    for (seed, bytes) in seeds.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *seed = u64::from_le_bytes(*bytes);
    }
    Ok(seeds)
}
