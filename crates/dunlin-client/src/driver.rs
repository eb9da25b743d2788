//! The task of a client: moves bytes, and keeps time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::client::Control;
use crate::connection::{Connection, PublishCommand, Step};
use crate::error::{Cause, ConnectError, RequestError, Violation};
use crate::event::{Connected, Disconnected, Event, ReconnectFailed, Taken};
use crate::handshake::open;
use crate::wire::{Moved, Wire};
use crate::{ClientOptions, ConnectOptions, DisconnectRequest};

/// Past this many unwritten bytes no more messages are taken from the queue.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Past this many nothing is read either: acknowledgements would pile up.
const OUTPUT_BYTES_FULL: usize = 4 * OUTPUT_BYTES_MAX;
/// Messages taken from the queue before they are written.
const BATCH: usize = 128;
/// How long the end of a connection may take.
const CLOSING: Duration = Duration::from_millis(500);

/// What connects the driver with the handles.
pub(crate) struct Channels {
    pub(crate) publishes: mpsc::Receiver<PublishCommand>,
    pub(crate) control: mpsc::Receiver<Control>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) taken: Arc<Taken>,
}

/// Owns a client's connection.
pub(crate) struct Driver {
    options: ClientOptions,
    /// What the next CONNECT says.
    connect: ConnectOptions,
    channels: Channels,
    connection: Connection,
    /// A message that finds no place among the events; nothing is read until it does.
    waiting: Option<Event>,
}

/// Why a Network Connection is over.
enum End {
    /// For this cause, which was not asked for.
    Lost(Cause),
    /// A handle asked for it.
    Asked(Ending),
}

/// How a handle wants the end.
enum Ending {
    Disconnect(DisconnectRequest, Option<oneshot::Sender<()>>),
    Abort(oneshot::Sender<()>),
}

impl Driver {
    pub(crate) fn new(options: ClientOptions, channels: Channels) -> Self {
        let connect = options.connect.clone();
        let connection = Connection::new(&options);
        Self {
            options,
            connect,
            channels,
            connection,
            waiting: None,
        }
    }

    pub(crate) async fn run(mut self, mut wire: Wire, mut connected: Connected) {
        loop {
            let keep_alive = self.begin(&connected);
            let cause = match self.serve(&mut wire, keep_alive).await {
                End::Lost(cause) => cause,
                End::Asked(ending) => return self.end(wire, ending).await,
            };
            if let Cause::Violation(violation) = &cause {
                self.connection.complain(violation.reason_code());
                let output = self.connection.writer.pending().to_vec();
                wire.close(&output, CLOSING).await;
            } else {
                drop(wire);
            }
            let reconnects = self.options.reconnect.is_on() && cause.is_passing();
            self.connection.lost(reconnects);
            let event = Event::Disconnected(Box::new(Disconnected { cause, reconnects }));
            if let Some(waiting) = self.waiting.take()
                && let Some(ending) = self.tell(waiting).await
            {
                return ending.answer();
            }
            if let Some(ending) = self.tell(event).await {
                return ending.answer();
            }
            if !reconnects {
                return;
            }
            (wire, connected) = match self.reconnect().await {
                Ok(opened) => opened,
                Err(None) => return self.connection.lost(false),
                Err(Some(ending)) => {
                    self.connection.lost(false);
                    return ending.answer();
                }
            };
            let event = Event::Connected(Box::new(connected.clone()));
            if let Some(ending) = self.tell(event).await {
                self.begin(&connected);
                return self.end(wire, ending).await;
            }
        }
    }

    /// Begins a Network Connection; gives the interval of PINGREQ.
    fn begin(&mut self, connected: &Connected) -> Option<Duration> {
        let connack = connected.connack();
        if let Some(client_id) = connack.properties.assigned_client_identifier {
            client_id.clone_into(&mut self.connect.client_id);
        }
        self.connect.resume();
        self.connection.begin(&connack);
        let keep_alive = connack.properties.server_keep_alive;
        let seconds = keep_alive.unwrap_or(self.connect.keep_alive);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Serves a Network Connection until it is over.
    async fn serve(&mut self, wire: &mut Wire, keep_alive: Option<Duration>) -> End {
        let mut clock = Clock::new(keep_alive, self.options.ping_timeout);
        loop {
            if let Err(cause) = self.take_input(wire) {
                return End::Lost(cause);
            }
            self.connection.acknowledge(self.channels.taken.count());
            self.take_publishes();
            let Self {
                channels,
                connection,
                waiting,
                ..
            } = self;
            let output = connection.writer.pending();
            let may_read = waiting.is_none() && output.len() < OUTPUT_BYTES_FULL;
            let may_publish = connection.outbound.may_publish() && output.len() < OUTPUT_BYTES_MAX;
            tokio::select! {
                biased;
                control = channels.control.recv() => match control {
                    Some(Control::Command(command)) => {
                        connection.outbound.command(command, &mut connection.writer);
                    }
                    Some(Control::Disconnect(request, answer)) => {
                        return End::Asked(Ending::Disconnect(request, Some(answer)));
                    }
                    Some(Control::Abort(answer)) => return End::Asked(Ending::Abort(answer)),
                    None => {
                        let request = DisconnectRequest::default();
                        return End::Asked(Ending::Disconnect(request, None));
                    }
                },
                () = sleep_until(clock.next), if clock.is_on() => {
                    match clock.ring(may_read) {
                        Ring::Ping => connection.ping(),
                        Ring::Nothing => {}
                        Ring::Dead => return End::Lost(Cause::PingTimeout),
                    }
                }
                () = channels.taken.changed(), if connection.has_unacknowledged() => {}
                permit = channels.events.reserve(), if waiting.is_some() => {
                    if let (Ok(permit), Some(event)) = (permit, waiting.take()) {
                        permit.send(event);
                    }
                    clock.received();
                }
                moved = wire.step(output, may_read) => match moved {
                    Ok(Moved::Read(0)) => return End::Lost(Cause::Closed),
                    Ok(Moved::Read(_)) => clock.received(),
                    Ok(Moved::Written(count)) => {
                        clock.sent();
                        connection.writer.consume(count);
                        connection.outbound.written(&connection.writer);
                    }
                    Err(error) => return End::Lost(Cause::Io(error)),
                },
                publish = channels.publishes.recv(), if may_publish => {
                    // None: the handles are gone, and the other channel says so too.
                    if let Some(command) = publish {
                        connection.outbound.publish(command, &mut connection.writer);
                    }
                }
            }
        }
    }

    /// Handles the whole packets that were read, as long as there is a place for messages.
    fn take_input(&mut self, wire: &mut Wire) -> Result<(), Cause> {
        while self.waiting.is_none() {
            let packet = wire.packet(self.connection.limits());
            let Some((header, body)) = packet.map_err(Violation::Decode)? else {
                break;
            };
            let Step::Deliver(message) = self.connection.handle(header, body)? else {
                continue;
            };
            match self.channels.events.try_send(Event::Message(message)) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => self.waiting = Some(event),
                // Nobody listens any more.
                Err(mpsc::error::TrySendError::Closed(_)) => self.connection.acknowledge(u64::MAX),
            }
        }
        if self.channels.events.is_closed() {
            self.waiting = None;
            self.connection.acknowledge(u64::MAX);
        }
        Ok(())
    }

    fn take_publishes(&mut self) {
        let connection = &mut self.connection;
        for _ in 0..BATCH {
            let is_full = connection.writer.pending().len() >= OUTPUT_BYTES_MAX;
            if is_full || !connection.outbound.may_publish() {
                return;
            }
            let Ok(command) = self.channels.publishes.try_recv() else {
                return;
            };
            connection.outbound.publish(command, &mut connection.writer);
        }
    }

    /// Puts an event among those to be taken, waiting for a place, unless a handle wants the end.
    async fn tell(&mut self, event: Event) -> Option<Ending> {
        loop {
            tokio::select! {
                biased;
                control = self.channels.control.recv() => {
                    if let Some(ending) = while_disconnected(control) {
                        return Some(ending);
                    }
                }
                permit = self.channels.events.reserve() => {
                    if let Ok(permit) = permit {
                        permit.send(event);
                    }
                    return None;
                }
            }
        }
    }

    /// Tries for another connection; `Err(None)` when that is given up.
    async fn reconnect(&mut self) -> Result<(Wire, Connected), Option<Ending>> {
        for tries in 1.. {
            let at = Instant::now() + self.options.reconnect.period;
            let error = match self.try_at(at).await.map_err(Some)? {
                Ok(opened) => return Ok(opened),
                Err(error) => error,
            };
            let reconnects = tries < self.options.reconnect.tries_max && error.is_passing();
            let event = Event::ReconnectFailed(Box::new(ReconnectFailed {
                error,
                tries,
                reconnects,
            }));
            if let Some(ending) = self.tell(event).await {
                return Err(Some(ending));
            }
            if !reconnects {
                break;
            }
        }
        Err(None)
    }

    async fn try_at(
        &mut self,
        at: Instant,
    ) -> Result<Result<(Wire, Connected), ConnectError>, Ending> {
        let (options, connect) = (&self.options, &self.connect);
        let attempt = async {
            sleep_until(at).await;
            open(options, connect).await
        };
        tokio::pin!(attempt);
        loop {
            tokio::select! {
                biased;
                control = self.channels.control.recv() => {
                    if let Some(ending) = while_disconnected(control) {
                        return Err(ending);
                    }
                }
                result = &mut attempt => return Ok(result),
            }
        }
    }

    /// Ends a Network Connection as a handle asked for.
    async fn end(mut self, wire: Wire, ending: Ending) {
        if let Ending::Disconnect(request, _) = &ending {
            self.connection.acknowledge(self.channels.taken.count());
            self.take_publishes_to_the_end();
            // A DISCONNECT whose text is too long is sent without it.
            if self.connection.writer.put_disconnect(request).is_err() {
                self.connection.complain(request.reason_code);
            }
            let output = self.connection.writer.pending();
            let length = output.len();
            if wire.close(output, CLOSING).await {
                self.connection.writer.consume(length);
                self.connection.outbound.written(&self.connection.writer);
            }
        } else {
            drop(wire);
        }
        self.connection.lost(false);
        ending.answer();
    }

    fn take_publishes_to_the_end(&mut self) {
        let connection = &mut self.connection;
        while connection.outbound.may_publish()
            && let Ok(command) = self.channels.publishes.try_recv()
        {
            connection.outbound.publish(command, &mut connection.writer);
        }
    }
}

impl Ending {
    fn answer(self) {
        match self {
            Self::Disconnect(_, Some(answer)) | Self::Abort(answer) => drop(answer.send(())),
            Self::Disconnect(_, None) => {}
        }
    }
}

/// What a handle gets while there is no connection.
fn while_disconnected(control: Option<Control>) -> Option<Ending> {
    match control {
        Some(Control::Command(command)) => {
            command.fail(RequestError::NotConnected);
            None
        }
        Some(Control::Disconnect(request, answer)) => {
            Some(Ending::Disconnect(request, Some(answer)))
        }
        Some(Control::Abort(answer)) => Some(Ending::Abort(answer)),
        None => Some(Ending::Disconnect(DisconnectRequest::default(), None)),
    }
}

/// When PINGREQ is due, and when the server is given up.
struct Clock {
    keep_alive: Option<Duration>,
    ping_timeout: Duration,
    last_sent: Instant,
    last_received: Instant,
    ping_sent: Option<Instant>,
    /// When to look again. Traffic does not move it: [`Clock::ring`] finds out what is due.
    next: Instant,
}

enum Ring {
    Nothing,
    Ping,
    Dead,
}

impl Clock {
    fn new(keep_alive: Option<Duration>, ping_timeout: Duration) -> Self {
        let now = Instant::now();
        Self {
            keep_alive,
            ping_timeout,
            last_sent: now,
            last_received: now,
            ping_sent: None,
            next: now + keep_alive.unwrap_or_default(),
        }
    }

    const fn is_on(&self) -> bool {
        self.keep_alive.is_some()
    }

    fn sent(&mut self) {
        self.last_sent = Instant::now();
    }

    fn received(&mut self) {
        self.last_received = Instant::now();
        self.ping_sent = None;
    }

    /// `reads` is false while the client itself does not read: then silence is not the server's.
    fn ring(&mut self, reads: bool) -> Ring {
        let Some(keep_alive) = self.keep_alive else {
            return Ring::Nothing;
        };
        let now = Instant::now();
        if !reads {
            self.last_received = now;
            self.ping_sent = None;
        }
        if let Some(sent) = self.ping_sent
            && now >= sent + self.ping_timeout
        {
            return Ring::Dead;
        }
        let is_due = now >= self.due(keep_alive);
        if is_due {
            self.last_sent = now;
            self.ping_sent.get_or_insert(now);
        }
        let dead = self.ping_sent.map(|sent| sent + self.ping_timeout);
        let due = self.due(keep_alive);
        self.next = dead.map_or(due, |dead| dead.min(due));
        if is_due { Ring::Ping } else { Ring::Nothing }
    }

    /// When the next PINGREQ must be sent [MQTT-3.1.2-20]. A busy sender need not send any; it does
    /// all the same when nothing comes back, to find out whether the server is there.
    fn due(&self, keep_alive: Duration) -> Instant {
        match self.ping_sent {
            None => self.last_sent.min(self.last_received) + keep_alive,
            Some(_) => self.last_sent + keep_alive,
        }
    }
}
