//! `dunlin serve`: the broker.

use std::net::SocketAddr;

use dunlin::Server;
use dunlin::config::{Bind, Loaded, LogFormat, LogLevel, StoreConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::filter::LevelFilter;

use crate::cmd::serve_args::ServeArgs;
use crate::failure::{Failure, usage};

/// Serves until SIGTERM or SIGINT; SIGHUP has the configuration and its files read again.
///
/// # Errors
/// [`Failure::Usage`] for a configuration that makes no sense; else what kept the broker from
/// starting.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let loaded = args.load(std::env::vars_os());
    let loaded = loaded.map_err(|error| usage(error.to_string()))?;
    begin_log(&loaded);
    for changed in &loaded.changed {
        info!("{} = {} ({})", changed.path, changed.value, changed.source);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Before the broker starts: a signal that comes early must not be lost.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let server = Server::start(&loaded.config)?;
        if loaded.config.store == StoreConfig::Ephemeral {
            info!("everything is kept in memory, and nothing survives the process (--ephemeral)");
        }
        let mut listeners = loaded.config.listeners.iter().zip(server.addresses());
        // The commands have no password.
        let plain = listeners.find_map(|(listener, bind)| match bind {
            Bind::Tcp(address) if listener.allow_anonymous => Some(*address),
            _ => None,
        });
        if let Some(address) = plain {
            info!("try it: {}", first_try(address));
        }
        let exits = loaded.config.durability.exit_on_failure;
        let signal = loop {
            tokio::select! {
                _ = terminate.recv() => break "SIGTERM",
                _ = interrupt.recv() => break "SIGINT",
                _ = hangup.recv() => reload(args, &server),
                () = server.store_failed(), if exits => {
                    server.shut_down();
                    return Err(Failure::StoreFailed);
                }
            }
        };
        info!("{signal}: shutting down");
        server.shut_down();
        info!("stopped");
        Ok(())
    })
}

/// Takes over what can change while the broker runs. What is wrong leaves everything as it was.
fn reload(args: &ServeArgs, server: &Server) {
    info!("SIGHUP: reading the configuration and its files again");
    match args.load(std::env::vars_os()) {
        Ok(loaded) => {
            if let Err(what) = server.reload(&loaded.config) {
                error!("{what}; the access rules that held before stay");
            }
        }
        Err(wrong) => {
            for problem in wrong.problems() {
                error!("{problem}");
            }
            error!("the configuration is as before");
        }
    }
}

/// Commands that show that the broker works.
fn first_try(address: SocketAddr) -> String {
    let host = match address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        ip => ip.to_string(),
    };
    let port = address.port();
    format!(
        "`dunlin sub -h {host} -p {port} -t 'hello/#' -v` here, \
         `dunlin pub -h {host} -p {port} -t hello/world -m hi` in another shell"
    )
}

fn begin_log(loaded: &Loaded) {
    let log = &loaded.config.log;
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false);
    match log.format {
        LogFormat::Text => subscriber
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => subscriber.json().init(),
    }
}
