//! An asynchronous MQTT client, for 3.1, 3.1.1 and 5.0.
//!
//! Absent by design: the broker, and every decision about what a message means. One task owns each
//! connection; a [`Client`] is a handle that gives it work, and [`Events`] is where messages and the
//! fate of the connection arrive. Every queue between them has a bound ([`ClientOptions`]).
//!
//! ```no_run
//! use dunlin_client::{ClientOptions, Endpoint, Event, PublishRequest, SubscribeRequest};
//! use dunlin_client::codec::QoS;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = ClientOptions::new(Endpoint::tcp("localhost", 1883));
//! let (client, mut events, _connected) = options.connect().await?;
//! client.subscribe(SubscribeRequest::new("t/#", QoS::AtLeastOnce)).await?;
//! client.publish(PublishRequest::new("t/1", "hello").with_qos(QoS::ExactlyOnce)).await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Message(message) = event {
//!         println!("{}: {:?}", message.topic(), message.publish().payload);
//!         break;
//!     }
//! }
//! client.disconnect(Default::default()).await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod connection;
mod driver;
mod error;
mod event;
mod handshake;
mod message;
mod options;
mod request;
mod scram;
pub mod script;
mod transport;
mod wire;

pub use client::{Client, Opened, Pending};
pub use dunlin_codec as codec;
pub use error::{Cause, ConnectError, Foreign, RequestError, Violation};
pub use event::{Connected, Disconnected, Event, Events, ReconnectFailed, Refusal};
pub use message::{Message, Received};
pub use options::{
    ClientOptions, ConnectOptions, ConnectSettings, Direction, MessageProperties, PacketObserver,
    Reconnect, WillOptions,
};
pub use request::{
    DisconnectRequest, PublishRequest, Published, SubscribeRequest, Subscribed, UnsubscribeRequest,
    Unsubscribed,
};
pub use scram::{ScramCredentials, ScramError, ScramMechanism};
pub use transport::{
    Address, Endpoint, QuicStream, TlsConfig, TlsError, TlsOptions, Transport, WebSocket,
    WebSocketEndpoint,
};

#[cfg(test)]
mod tests;
