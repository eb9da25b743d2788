//! What conn, pub and sub have in common: connecting, what becomes of the connection, signals.

use std::io::Write as _;
use std::time::Duration;

use dunlin_client::codec::{ReasonCode, SubscriptionOptions};
use dunlin_client::{
    Client, ClientOptions, Connected, Direction, Disconnected, Event, Events, PacketObserver,
    Published, Reconnect, ReconnectFailed, SubscribeRequest, Subscribed,
};

use crate::args::ConnectArgs;
use crate::clock;
use crate::failure::{Failure, failed, not_connected};
use crate::status::Status;

/// A connected client.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) events: Events,
    pub(crate) connected: Connected,
    pub(crate) fate: Fate,
}

/// Tells what becomes of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    endpoint: String,
    reconnect: Reconnect,
    status: Status,
}

/// Connects as the flags say.
pub(crate) async fn connect(
    args: &ConnectArgs,
    mut options: ClientOptions,
    status: Status,
    signals: &mut Signals,
) -> Result<Session, Failure> {
    for text in args.without_effect() {
        status.warn(&text);
    }
    if args.debug {
        options.observer = Some(PacketObserver::new(|direction, packet| {
            let arrow = match direction {
                Direction::Sent => "->",
                Direction::Received => "<-",
            };
            let now = clock::now();
            let _ = writeln!(std::io::stderr(), "{now} {arrow} {packet:?}");
        }));
    }
    let endpoint = options.endpoint.clone();
    let reconnect = options.reconnect;
    let connected = tokio::select! {
        connected = options.connect() => connected,
        () = signals.next() => return Err(failed("ended by a signal before it was connected")),
    };
    let (client, events, connected) =
        connected.map_err(|error| not_connected(&endpoint, &error))?;
    status.done("Connected");
    Ok(Session {
        client,
        events,
        connected,
        fate: Fate {
            endpoint: endpoint.to_string(),
            reconnect,
            status,
        },
    })
}

impl Fate {
    /// Tells what became of the connection; a failure if it is given up. Messages are not looked at.
    pub(crate) fn follow(&self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Connected(_) => self.status.done("Connected again"),
            Event::Disconnected(disconnected) => {
                let Disconnected { cause, reconnects } = disconnected.as_ref();
                let text = format!("connection lost: {cause}");
                if !reconnects {
                    return Err(failed(text));
                }
                let period = self.reconnect.period;
                self.status
                    .warn(&format!("{text}; connecting again in {period:?}"));
            }
            Event::ReconnectFailed(failure) => {
                let ReconnectFailed {
                    error,
                    tries,
                    reconnects,
                } = failure.as_ref();
                let max = self.reconnect.tries_max;
                if !reconnects {
                    let endpoint = &self.endpoint;
                    return Err(failed(format!(
                        "cannot connect again to {endpoint}, given up after {tries} of {max} \
                         tries: {error}"
                    )));
                }
                self.status.warn(&format!(
                    "try {tries} of {max} to connect again failed: {error}"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

/// A reason code and its string, as one line.
pub(crate) fn reason(code: ReasonCode, text: Option<&str>) -> String {
    match text {
        Some(text) => format!("{code}: {text}"),
        None => code.to_string(),
    }
}

/// A failure if the server refuses a message.
pub(crate) fn accepted(published: &Published) -> Result<(), Failure> {
    if published.reason_code.is_error() {
        let reason = reason(published.reason_code, published.reason_string.as_deref());
        return Err(failed(format!("publish refused: {reason}")));
    }
    Ok(())
}

/// A request for these topic filters, with the same options for all.
pub(crate) fn subscription(filters: &[String], options: SubscriptionOptions) -> SubscribeRequest {
    let filters = filters.iter();
    SubscribeRequest {
        filters: filters.map(|filter| (filter.clone(), options)).collect(),
        ..SubscribeRequest::default()
    }
}

/// A failure if the server refuses one of these topic filters.
pub(crate) fn granted(filters: &[String], subscribed: &Subscribed) -> Result<(), Failure> {
    let mut codes = filters.iter().zip(&subscribed.reason_codes);
    match codes.find(|(_, code)| code.is_error()) {
        Some((filter, &code)) => {
            let reason = reason(code, subscribed.reason_string.as_deref());
            Err(failed(format!("subscribing to {filter} refused: {reason}")))
        }
        None => Ok(()),
    }
}

/// Ends only with the connection; messages of an existing session are thrown away.
pub(crate) async fn lose(mut events: Events, fate: Fate) -> Failure {
    while let Some(event) = events.next().await {
        if let Err(failure) = fate.follow(&event) {
            return failure;
        }
    }
    failed("the connection ended")
}

/// Ends after this time, and without one never.
pub(crate) async fn pass(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Ends the connection normally. If it is gone already, that was the wish.
pub(crate) async fn disconnect(client: &Client) {
    let _ = client
        .disconnect(dunlin_client::DisconnectRequest::default())
        .await;
}

/// A wish that a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal"))]
    Terminate,
}

/// SIGINT and SIGTERM, which end a command normally.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on the signals do not end the process by themselves.
    #[cfg(unix)]
    pub(crate) fn catch() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// From now on Ctrl-C does not end the process by itself.
    #[cfg(not(unix))]
    pub(crate) fn catch() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for one.
    pub(crate) async fn next(&mut self) {
        self.next_signal().await;
    }

    /// Waits for one, and tells which it is.
    #[cfg(unix)]
    pub(crate) async fn next_signal(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }

    /// Waits for one, and tells which it is.
    #[cfg(not(unix))]
    pub(crate) async fn next_signal(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
