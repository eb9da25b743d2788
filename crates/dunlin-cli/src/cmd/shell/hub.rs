//! The connections of a shell, on a thread of their own, since the prompt waits on another.

use std::collections::BTreeMap;
use std::sync::mpsc as sync;
use std::thread::JoinHandle;
use std::time::Duration;

use dunlin_client::codec::QoS;
use dunlin_client::{
    Client, Disconnected, Event, Events, Message, PublishRequest, ReconnectFailed,
    SubscribeRequest, UnsubscribeRequest,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::Desk;
use super::line::Order;
use super::terminal::Mode;
use crate::EXIT_FAILED;
use crate::args::{ConnectArgs, topic_name};
use crate::failure::{Failure, failed, not_connected, usage};
use crate::session::{self, Signal, Signals};
use crate::status;

/// Orders and news that wait, at most.
const QUEUE_MAX: usize = 64;
/// Bytes of a payload that are printed.
const SHOWN_BYTES: usize = 4096;

/// What came of an order.
pub(super) enum Answer {
    /// It is done, and this is to be said.
    Done(String),
    /// It was the last.
    End,
}

type Reply = sync::SyncSender<Result<Answer, Failure>>;

/// A handle to the thread with the connections.
pub(super) struct Hub {
    orders: mpsc::Sender<(Order, Reply)>,
    thread: JoinHandle<()>,
    desk: Desk,
}

/// Who gives the orders.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A person at a prompt: Ctrl-C ends an order, and SIGTERM all connections.
    Person,
    /// A script: a signal ends it, and all connections before.
    Script,
}

impl Hub {
    pub(super) fn start(desk: Desk, reader: Reader) -> Result<Self, Failure> {
        let (orders, receiver) = mpsc::channel(QUEUE_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let own = desk.clone();
        let signals = {
            let _entered = runtime.enter();
            Signals::catch()?
        };
        let mode = (reader == Reader::Person).then(Mode::of_terminal);
        let thread = std::thread::spawn(move || {
            let ended = runtime.block_on(serve(receiver, own, reader, signals));
            if let Ended::BySignal(_asked) = ended {
                if let Some(mode) = mode {
                    mode.restore();
                }
                status::error("ended by a signal");
                // The other thread waits for a line of standard input, which nothing else ends.
                std::process::exit(i32::from(EXIT_FAILED));
            }
        });
        Ok(Self {
            orders,
            thread,
            desk,
        })
    }

    /// Has an order done.
    pub(super) fn ask(&self, order: Order) -> Result<Answer, Failure> {
        let (reply, answer) = sync::sync_channel(1);
        let sent = self.orders.blocking_send((order, reply));
        sent.map_err(|_| failed("the connections are gone"))?;
        answer
            .recv()
            .map_err(|_| failed("the connections are gone"))?
    }

    /// The name of the connection in use.
    pub(super) fn current(&self) -> Option<String> {
        self.desk.with(|shared| shared.current.clone())
    }

    /// Ends all connections.
    pub(super) fn end(self) {
        drop(self.orders);
        // A panic there was printed there.
        let _ = self.thread.join();
    }
}

/// A connection.
struct Link {
    client: Client,
    place: String,
    filters: BTreeMap<String, QoS>,
}

/// All of them.
struct Board {
    desk: Desk,
    links: BTreeMap<String, Link>,
    news: mpsc::Sender<(String, Event)>,
    /// Messages since the last wait.
    heard: u64,
}

/// What ended the orders.
enum Ended {
    Normally,
    /// A signal, and whose order was not done: it waits for the answer until the process ends.
    BySignal(Option<Reply>),
}

async fn serve(
    mut orders: mpsc::Receiver<(Order, Reply)>,
    desk: Desk,
    reader: Reader,
    mut signals: Signals,
) -> Ended {
    let (news, mut receiver) = mpsc::channel(QUEUE_MAX);
    let mut board = Board {
        desk,
        links: BTreeMap::new(),
        news,
        heard: 0,
    };
    let ended = loop {
        tokio::select! {
            order = orders.recv() => {
                let Some((order, reply)) = order else {
                    break Ended::Normally;
                };
                let answer = tokio::select! {
                    answer = board.obey(order, &mut receiver) => answer,
                    signal = signals.next_signal() => {
                        if (reader, signal) == (Reader::Person, Signal::Terminate) {
                            break Ended::BySignal(Some(reply));
                        }
                        Err(failed("ended by a signal"))
                    }
                };
                // Whoever asked waits for it.
                let _ = reply.send(answer);
            }
            Some((name, event)) = receiver.recv() => board.tell(&name, &event).await,
            signal = signals.next_signal() => {
                if reader == Reader::Script || signal == Signal::Terminate {
                    break Ended::BySignal(None);
                }
            }
        }
    };
    for link in board.links.into_values() {
        session::disconnect(&link.client).await;
    }
    ended
}

impl Board {
    async fn obey(
        &mut self,
        order: Order,
        news: &mut mpsc::Receiver<(String, Event)>,
    ) -> Result<Answer, Failure> {
        let said = match order {
            Order::Connect { name, connect } => self.connect(name, &connect).await?,
            Order::Disconnect { name } => self.disconnect(name).await?,
            Order::Use { name } => {
                if !self.links.contains_key(&name) {
                    return Err(usage(format!("there is no connection {name}")));
                }
                self.set_current(Some(name));
                String::new()
            }
            Order::Pub {
                topic,
                payload,
                qos,
                retain,
            } => {
                topic_name("topic", &topic)?;
                let request = PublishRequest::new(topic.as_str(), payload)
                    .with_qos(qos)
                    .with_retain(retain);
                let published = self.current()?.client.publish(request).await?;
                let text = published.reason_string.as_deref();
                let reason = session::reason(published.reason_code, text);
                if published.reason_code.is_error() {
                    return Err(failed(format!("publish refused: {reason}")));
                }
                self.desk.know_topic(&topic);
                String::new()
            }
            Order::Sub { filters, qos } => self.subscribe(filters, qos).await?,
            Order::Unsub { filters } => self.unsubscribe(filters).await?,
            Order::Ls => self.list(),
            Order::Wait { count, timeout } => self.wait(count, timeout, news).await?,
            Order::Help => String::new(),
            Order::Exit => return Ok(Answer::End),
        };
        Ok(Answer::Done(said))
    }

    fn set_current(&self, name: Option<String>) {
        self.desk.with(|shared| shared.current = name);
    }

    fn current(&mut self) -> Result<&mut Link, Failure> {
        let name = self.desk.with(|shared| shared.current.clone());
        name.and_then(|name| self.links.get_mut(&name))
            .ok_or_else(|| usage("not connected; say connect [NAME] -h HOST"))
    }

    async fn connect(&mut self, name: String, args: &ConnectArgs) -> Result<String, Failure> {
        if self.links.contains_key(&name) {
            return Err(usage(format!("{name} is connected already")));
        }
        let options = args.client_options(&[])?;
        let endpoint = options.endpoint.clone();
        let connected = options.connect().await;
        let (client, events, _) = connected.map_err(|error| not_connected(&endpoint, &error))?;
        tokio::spawn(forward(name.clone(), events, self.news.clone()));
        let place = endpoint.to_string();
        let said = format!("{name} is connected to {place}");
        self.links.insert(
            name.clone(),
            Link {
                client,
                place,
                filters: BTreeMap::new(),
            },
        );
        self.desk.with(|shared| shared.names.insert(name.clone()));
        self.set_current(Some(name));
        Ok(said)
    }

    async fn disconnect(&mut self, name: Option<String>) -> Result<String, Failure> {
        let current = self.desk.with(|shared| shared.current.clone());
        let name = name.or_else(|| current.clone());
        let name = name.ok_or_else(|| usage("not connected"))?;
        let Some(link) = self.links.remove(&name) else {
            return Err(usage(format!("there is no connection {name}")));
        };
        session::disconnect(&link.client).await;
        self.forget(&name);
        Ok(format!("{name} is disconnected"))
    }

    fn forget(&mut self, name: &str) {
        self.links.remove(name);
        let other = self.links.keys().next().cloned();
        self.desk.with(|shared| {
            shared.names.remove(name);
            if shared.current.as_deref() == Some(name) {
                shared.current = other;
            }
        });
    }

    async fn subscribe(&mut self, filters: Vec<String>, qos: QoS) -> Result<String, Failure> {
        let link = self.current()?;
        for filter in filters {
            let request = SubscribeRequest::new(filter.as_str(), qos);
            let subscribed = link.client.subscribe(request).await?;
            if let Some(code) = subscribed
                .reason_codes
                .first()
                .filter(|code| code.is_error())
            {
                let reason = session::reason(*code, subscribed.reason_string.as_deref());
                return Err(failed(format!("subscribing to {filter} refused: {reason}")));
            }
            link.filters.insert(filter, qos);
        }
        Ok(String::new())
    }

    async fn unsubscribe(&mut self, filters: Vec<String>) -> Result<String, Failure> {
        let link = self.current()?;
        for filter in filters {
            let request = UnsubscribeRequest::new(filter.as_str());
            let unsubscribed = link.client.unsubscribe(request).await?;
            if let Some(code) = unsubscribed
                .reason_codes
                .first()
                .filter(|code| code.is_error())
            {
                let reason = session::reason(*code, unsubscribed.reason_string.as_deref());
                return Err(failed(format!("unsubscribing refused: {reason}")));
            }
            link.filters.remove(&filter);
        }
        Ok(String::new())
    }

    fn list(&self) -> String {
        let current = self.desk.with(|shared| shared.current.clone());
        let lines = self.links.iter().map(|(name, link)| {
            let sign = if Some(name) == current.as_ref() {
                '*'
            } else {
                ' '
            };
            let filters: Vec<String> = link
                .filters
                .iter()
                .map(|(filter, qos)| format!("{filter} (QoS {qos})"))
                .collect();
            format!("{sign} {name}  {}  {}", link.place, filters.join(", "))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    async fn wait(
        &mut self,
        count: u64,
        time: Duration,
        news: &mut mpsc::Receiver<(String, Event)>,
    ) -> Result<String, Failure> {
        let deadline = Instant::now() + time;
        while self.heard < count {
            match timeout_at(deadline, news.recv()).await {
                Ok(Some((name, event))) => self.tell(&name, &event).await,
                Ok(None) | Err(_) => {
                    let heard = self.heard;
                    return Err(failed(format!(
                        "{heard} of {count} messages within {time:?}"
                    )));
                }
            }
        }
        self.heard = self.heard.saturating_sub(count);
        Ok(String::new())
    }

    /// Prints what happened to a connection.
    async fn tell(&mut self, name: &str, event: &Event) {
        match event {
            Event::Message(message) => {
                self.heard += 1;
                self.desk.know_topic(message.topic());
                self.desk.print(&shown(name, message));
            }
            Event::Connected(connected) => {
                self.desk.print(&format!("{name}: connected again"));
                if connected.connack().session_present {
                    return;
                }
                let Some(link) = self.links.get(name) else {
                    return;
                };
                for (filter, qos) in &link.filters {
                    let request = SubscribeRequest::new(filter.as_str(), *qos);
                    if let Err(error) = link.client.subscribe(request).await {
                        self.desk.print(&format!("{name}: {filter}: {error}"));
                    }
                }
            }
            Event::Disconnected(disconnected) => {
                let Disconnected { cause, reconnects } = disconnected.as_ref();
                self.desk
                    .print(&format!("{name}: connection lost: {cause}"));
                if !reconnects {
                    self.forget(name);
                }
            }
            Event::ReconnectFailed(failure) => {
                let ReconnectFailed {
                    error, reconnects, ..
                } = failure.as_ref();
                self.desk.print(&format!("{name}: cannot connect: {error}"));
                if !reconnects {
                    self.forget(name);
                }
            }
            _ => {}
        }
    }
}

fn shown(name: &str, message: &Message) -> String {
    let publish = message.publish();
    let part = publish
        .payload
        .get(..SHOWN_BYTES)
        .unwrap_or(publish.payload);
    let text: String = String::from_utf8_lossy(part)
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let retained = if publish.retain { " retained" } else { "" };
    format!(
        "{name}: {} (QoS {}{retained}) {text}",
        publish.topic, publish.qos
    )
}

async fn forward(name: String, mut events: Events, news: mpsc::Sender<(String, Event)>) {
    while let Some(event) = events.next().await {
        if news.send((name.clone(), event)).await.is_err() {
            return;
        }
    }
}
