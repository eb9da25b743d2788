//! A broker that runs: from a configuration to threads and sockets, and back.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use dunlin_core::access::AllowAll;
use dunlin_core::broker::Broker;
use dunlin_core::storage::MemoryStorage;
use tokio::runtime;
use tokio::task::{LocalSet, spawn_local};

use crate::auth::{Anonymous, Authenticator};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::StartError;
use crate::listener::Listener;
use crate::settings::core_settings;
use crate::shared::{Command, Mailbox, Shared, Timeouts};
use crate::worker::Worker;

/// How long a connection that is closed has to take what is written to it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A broker that runs on threads of its own.
///
/// ```
/// use dunlin::{Server, config::Config};
///
/// let config = Config::from_toml("[[listener]]\nbind = \"mqtt://127.0.0.1:0\"")?;
/// let server = Server::start(&config)?;
/// println!("mqtt://{}", server.addresses()[0]);
/// server.shut_down();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds every listener, then begins to serve.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_with(config, Box::new(Anonymous))
    }

    /// As [`Server::start`], with one's own answer to who a client is.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(
        config: &Config,
        authenticator: Box<dyn Authenticator>,
    ) -> Result<Self, StartError> {
        let listeners: Vec<_> = config
            .listeners
            .iter()
            .map(Listener::bind)
            .collect::<Result<_, _>>()?;
        let addresses = listeners.iter().map(Listener::address).collect();
        let workers = config.workers.count().get().min(WORKERS_MAX);
        let seed = random()?;
        let shared = Arc::new(Shared {
            broker: Broker::new(
                core_settings(config),
                Box::new(AllowAll),
                Arc::new(MemoryStorage),
                seed,
            ),
            authenticator,
            clock: Clock::start(),
            mailboxes: std::iter::repeat_with(Mailbox::default)
                .take(workers)
                .collect(),
            timeouts: Timeouts {
                partial_packet: config.mqtt.partial_packet_timeout,
                close: CLOSE_TIMEOUT,
            },
        });
        let mut server = Self {
            shared,
            addresses,
            threads: Vec::new(),
        };
        let patience = config.shutdown.timeout;
        let mut listeners = Some(listeners);
        for index in 0..workers {
            // The first worker accepts, and serves like the others.
            let started =
                server.start_worker(index, listeners.take().unwrap_or_default(), patience);
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
        listeners: Vec<Listener>,
        patience: Duration,
    ) -> Result<(), StartError> {
        let [seed, ..] = random()?;
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
            let worker = Worker::new(shared, index, seed);
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
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
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
    }
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
