//! The handle of a client.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::connection::{Command, PublishCommand};
use crate::driver::{Channels, Driver};
use crate::error::{ConnectError, RequestError};
use crate::event::{Connected, Events, Taken};
use crate::handshake;
use crate::request::{
    DisconnectRequest, PublishRequest, Published, SubscribeRequest, Subscribed, UnsubscribeRequest,
    Unsubscribed,
};
use crate::{ClientOptions, Transport};

/// Requests other than to publish that may wait.
const CONTROL_MAX: usize = 64;

/// What a handle asks of the driver, apart from publishing.
pub(crate) enum Control {
    Command(Command),
    Disconnect(DisconnectRequest, oneshot::Sender<()>),
    Abort(oneshot::Sender<()>),
}

/// A handle to a connected client; clones are handles to the same. When the last is dropped, the
/// client disconnects normally.
#[derive(Clone, Debug)]
pub struct Client {
    publishes: mpsc::Sender<PublishCommand>,
    control: mpsc::Sender<Control>,
}

/// The answer to a request that was begun. Dropping it lets the request go on unwatched.
#[derive(Debug)]
pub struct Pending<T>(oneshot::Receiver<Result<T, RequestError>>);

impl<T> Future for Pending<T> {
    type Output = Result<T, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(answer.unwrap_or(Err(RequestError::Closed)))
    }
}

/// A Network Connection that a server accepted, and no client that serves it.
#[derive(Debug)]
pub struct Opened {
    /// The byte stream.
    pub transport: Transport,
    /// What was read after CONNACK.
    pub unread: Bytes,
    /// The CONNACK.
    pub connected: Connected,
}

impl ClientOptions {
    /// Connects, up to a CONNACK that accepts, for those who speak MQTT themselves from there on.
    ///
    /// # Errors
    /// As [`ClientOptions::connect`].
    pub async fn open(&self) -> Result<Opened, ConnectError> {
        let (wire, connected) = handshake::open(self, &self.connect).await?;
        let (transport, unread) = wire.into_parts();
        Ok(Opened {
            transport,
            unread,
            connected,
        })
    }

    /// Connects, and starts the task of the connection on the current tokio runtime.
    ///
    /// # Errors
    /// If there is no CONNACK that accepts. The first connection is tried for once.
    pub async fn connect(self) -> Result<(Client, Events, Connected), ConnectError> {
        let (wire, connected) = handshake::open(&self, &self.connect).await?;
        let (publishes, publish_receiver) = mpsc::channel(self.queue_messages_max.max(1));
        let (control, control_receiver) = mpsc::channel(CONTROL_MAX);
        let (events, receiver) = mpsc::channel(self.events_max.max(1));
        let taken = Arc::new(Taken::default());
        let events_taken = Arc::clone(&taken);
        let driver = Driver::new(
            self,
            Channels {
                publishes: publish_receiver,
                control: control_receiver,
                events,
                taken,
            },
        );
        tokio::spawn(driver.run(wire, connected.clone()));
        let events = Events {
            receiver,
            taken: events_taken,
        };
        Ok((Client { publishes, control }, events, connected))
    }
}

impl Client {
    /// Publishes a message and waits until its delivery to the server is complete.
    ///
    /// # Errors
    /// If it was not sent, or not acknowledged. A server that refuses says so in
    /// [`Published::reason_code`].
    pub async fn publish(&self, request: PublishRequest) -> Result<Published, RequestError> {
        self.begin_publish(request).await?.await
    }

    /// Queues a message, waiting for a place in the queue; the answer is awaited apart.
    ///
    /// # Errors
    /// If the topic is none, or the client has ended.
    pub async fn begin_publish(
        &self,
        request: PublishRequest,
    ) -> Result<Pending<Published>, RequestError> {
        let (sender, receiver) = oneshot::channel();
        self.queue(request, Some(sender)).await?;
        Ok(Pending(receiver))
    }

    /// Queues a message, waiting for a place in the queue; nobody learns how it fares.
    ///
    /// # Errors
    /// As [`Client::begin_publish`].
    pub async fn post(&self, request: PublishRequest) -> Result<(), RequestError> {
        self.queue(request, None).await
    }

    async fn queue(
        &self,
        request: PublishRequest,
        answer: Option<oneshot::Sender<Result<Published, RequestError>>>,
    ) -> Result<(), RequestError> {
        request.topic_name()?;
        request.properties()?;
        let command = PublishCommand { request, answer };
        let sent = self.publishes.send(command).await;
        sent.map_err(|_| RequestError::Closed)
    }

    /// Subscribes and waits for the reason codes.
    ///
    /// # Errors
    /// If a filter is none, or there is no answer. A server that refuses a filter says so in
    /// [`Subscribed::reason_codes`].
    pub async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscribed, RequestError> {
        self.begin_subscribe(request).await?.await
    }

    /// Queues a subscription; the answer is awaited apart.
    ///
    /// # Errors
    /// If a filter is none, or the client has ended.
    pub async fn begin_subscribe(
        &self,
        request: SubscribeRequest,
    ) -> Result<Pending<Subscribed>, RequestError> {
        request.check()?;
        let (sender, receiver) = oneshot::channel();
        self.control(Control::Command(Command::Subscribe(request, sender)))
            .await?;
        Ok(Pending(receiver))
    }

    /// Unsubscribes and waits for the reason codes.
    ///
    /// # Errors
    /// If a filter is none, or there is no answer.
    pub async fn unsubscribe(
        &self,
        request: UnsubscribeRequest,
    ) -> Result<Unsubscribed, RequestError> {
        request.check()?;
        let (sender, receiver) = oneshot::channel();
        self.control(Control::Command(Command::Unsubscribe(request, sender)))
            .await?;
        Pending(receiver).await
    }

    /// Sends what is queued, as far as it may be sent at once, then DISCONNECT, and closes the
    /// connection. Requests without an answer end with [`RequestError::Closed`].
    ///
    /// # Errors
    /// If the client had ended already.
    pub async fn disconnect(&self, request: DisconnectRequest) -> Result<(), RequestError> {
        let (sender, receiver) = oneshot::channel();
        self.control(Control::Disconnect(request, sender)).await?;
        receiver.await.map_err(|_| RequestError::Closed)
    }

    /// Closes the connection without DISCONNECT, so that a server publishes the will.
    ///
    /// # Errors
    /// If the client had ended already.
    pub async fn abort(&self) -> Result<(), RequestError> {
        let (sender, receiver) = oneshot::channel();
        self.control(Control::Abort(sender)).await?;
        receiver.await.map_err(|_| RequestError::Closed)
    }

    async fn control(&self, control: Control) -> Result<(), RequestError> {
        let sent = self.control.send(control).await;
        sent.map_err(|_| RequestError::Closed)
    }
}
