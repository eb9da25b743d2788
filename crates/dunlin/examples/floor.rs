//! The floor under every broker's cost: a relay that answers CONNECT and SUBSCRIBE with fixed bytes,
//! routes by the whole topic, keeps nothing and checks nothing but who has a client identifier already.
//!
//! `bench/run` measures it beside the brokers: what one of them costs above this is its own doing, and
//! what this costs is the operating system's. MQTT 3.1.1, one thread.
//!
//!     floor 127.0.0.1:1883

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use dunlin_codec::{
    Limits, Packet, PacketType, ProtocolVersion, Subscribe, decode_body, fixed_header,
};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpListener;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::{LocalSet, spawn_local};

const READ_BYTES: usize = 256 * 1024;

/// All that the relay knows.
struct Relay {
    buffer: RefCell<Vec<u8>>,
    routes: RefCell<HashMap<Box<[u8]>, Route>>,
    clients: RefCell<HashMap<Box<[u8]>, Rc<Link>>>,
    dirty: RefCell<Vec<Rc<Link>>>,
    flusher: RefCell<Option<Waker>>,
}

/// Who gets the messages of a topic, and at which QoS.
#[derive(Default)]
struct Route {
    links: Vec<(Rc<Link>, u8)>,
    /// They share the messages, and whose turn it is.
    turn: Option<usize>,
}

/// One client.
struct Link {
    /// `None` once it has ended.
    writer: RefCell<Option<OwnedWriteHalf>>,
    client_id: RefCell<Box<[u8]>>,
    is_ending: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    out: RefCell<Vec<u8>>,
    is_dirty: Cell<bool>,
    is_blocked: Cell<bool>,
    next_id: Cell<u16>,
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(address).await?;
        let relay = Rc::new(Relay {
            buffer: RefCell::new(vec![0; READ_BYTES]),
            routes: RefCell::default(),
            clients: RefCell::default(),
            dirty: RefCell::default(),
            flusher: RefCell::default(),
        });
        spawn_local(Rc::clone(&relay).run_flush());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (reader, writer) = stream.into_split();
            let link = Rc::new(Link {
                writer: RefCell::new(Some(writer)),
                client_id: RefCell::default(),
                is_ending: Cell::new(false),
                reader: RefCell::default(),
                out: RefCell::default(),
                is_dirty: Cell::new(false),
                is_blocked: Cell::new(false),
                next_id: Cell::new(1),
            });
            spawn_local(serve(Rc::clone(&relay), link, reader));
        }
    })
}

/// Reads until the connection ends; handles whole packets as they lie in the buffer.
async fn serve(relay: Rc<Relay>, link: Rc<Link>, mut reader: OwnedReadHalf) {
    let mut rest = Vec::new();
    poll_fn(|context| {
        let mut waker = link.reader.borrow_mut();
        if (waker.as_ref()).is_none_or(|waker| !waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
        drop(waker);
        loop {
            if link.is_ending.get() {
                return Poll::Ready(());
            }
            let mut buffer = relay.buffer.borrow_mut();
            let mut read = ReadBuf::new(&mut buffer);
            match Pin::new(&mut reader).poll_read(context, &mut read) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
            }
            if rest.is_empty() {
                let handled = relay.handle(&link, read.filled());
                rest.extend_from_slice(read.filled().get(handled..).unwrap_or_default());
            } else {
                rest.extend_from_slice(read.filled());
                let handled = relay.handle(&link, &rest);
                rest.drain(..handled);
            }
        }
    })
    .await;
    for route in relay.routes.borrow_mut().values_mut() {
        route.links.retain(|(other, _)| !Rc::ptr_eq(other, &link));
    }
    let client_id = link.client_id.take();
    let mut clients = relay.clients.borrow_mut();
    if (clients.get(&client_id)).is_some_and(|other| Rc::ptr_eq(other, &link)) {
        clients.remove(&client_id);
    }
    // Closing says enough.
    if let Some(writer) = link.writer.take() {
        writer.forget();
    }
}

impl Relay {
    /// How many bytes were whole packets.
    fn handle(&self, link: &Rc<Link>, bytes: &[u8]) -> usize {
        let mut handled = 0;
        loop {
            let rest = bytes.get(handled..).unwrap_or_default();
            let Ok(Some(header)) = fixed_header(rest, &Limits::default()) else {
                return handled;
            };
            let Some(packet) = rest.get(..header.packet_len()) else {
                return handled;
            };
            handled += packet.len();
            let body = packet.get(header.header_len..).unwrap_or_default();
            match header.packet_type {
                PacketType::Publish => self.relay(link, (header.flags >> 1) & 0b11, body),
                PacketType::Connect => {
                    let version = ProtocolVersion::V311;
                    let packet = decode_body(&header, body, version, &Limits::default());
                    if let Ok(Packet::Connect(connect)) = packet {
                        self.take_over(link, connect.client_id.as_bytes());
                    }
                    self.send(link, &[0x20, 2, 0, 0]);
                }
                PacketType::Disconnect => link.is_ending.set(true),
                PacketType::Pingreq => self.send(link, &[0xd0, 0]),
                PacketType::Pubrec => self.answer(link, 0x62, body),
                PacketType::Pubrel => self.answer(link, 0x70, body),
                PacketType::Subscribe => {
                    let version = ProtocolVersion::V311;
                    let packet = decode_body(&header, body, version, &Limits::default());
                    if let Ok(Packet::Subscribe(subscribe)) = packet {
                        self.subscribe(link, &subscribe);
                    }
                }
                _ => {}
            }
        }
    }

    /// Ends the connection that has this client identifier, and notes that this one has it.
    fn take_over(&self, link: &Rc<Link>, client_id: &[u8]) {
        *link.client_id.borrow_mut() = client_id.into();
        let earlier = (self.clients.borrow_mut()).insert(client_id.into(), Rc::clone(link));
        if let Some(earlier) = earlier {
            earlier.is_ending.set(true);
            if let Some(waker) = &*earlier.reader.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    fn subscribe(&self, link: &Rc<Link>, subscribe: &Subscribe<'_>) {
        let mut routes = self.routes.borrow_mut();
        let count = u8::try_from(subscribe.requests.len()).unwrap_or(u8::MAX);
        let [high, low] = subscribe.packet_id.as_u16().to_be_bytes();
        let mut suback = vec![0x90, 2 + count, high, low];
        for request in &subscribe.requests {
            let qos = request.options.qos as u8;
            suback.push(qos);
            let share = request.filter.share().ok().flatten();
            let filter = share.map_or(request.filter, |share| share.filter);
            let route = routes.entry(filter.as_str().as_bytes().into()).or_default();
            route.links.push((Rc::clone(link), qos));
            route.turn = share.map(|_| 0);
        }
        self.send(link, &suback);
    }

    /// An acknowledgement with the packet identifier that this body begins with.
    fn answer(&self, link: &Rc<Link>, first: u8, body: &[u8]) {
        if let Some(&[high, low]) = body.first_chunk::<2>() {
            self.send(link, &[first, 2, high, low]);
        }
    }

    /// PUBACK or PUBREC, and the message to its subscribers.
    fn relay(&self, from: &Rc<Link>, qos: u8, body: &[u8]) {
        let Some((length, rest)) = body.split_first_chunk::<2>() else {
            return;
        };
        let topic_len = usize::from(u16::from_be_bytes(*length));
        let Some((topic, mut payload)) = rest.split_at_checked(topic_len) else {
            return;
        };
        if qos > 0 {
            let first = if qos == 1 { 0x40 } else { 0x50 };
            self.answer(from, first, payload);
            payload = payload.get(2..).unwrap_or_default();
        }
        let mut routes = self.routes.borrow_mut();
        let Some(route) = routes.get_mut(topic) else {
            return;
        };
        let chosen = match &mut route.turn {
            Some(turn) => {
                *turn = (*turn + 1) % route.links.len().max(1);
                route.links.get(*turn..=*turn)
            }
            None => route.links.get(..),
        };
        for (to, granted) in chosen.unwrap_or_default() {
            let qos = qos.min(*granted);
            let mut out = to.out.borrow_mut();
            let remaining = 2 + topic.len() + 2 * usize::from(qos > 0) + payload.len();
            out.push(0x30 | qos << 1);
            push_length(&mut out, remaining);
            out.extend_from_slice(length);
            out.extend_from_slice(topic);
            if qos > 0 {
                let id = to.next_id.get();
                to.next_id.set(id.checked_add(1).unwrap_or(1));
                out.extend_from_slice(&id.to_be_bytes());
            }
            out.extend_from_slice(payload);
            drop(out);
            self.list(to);
        }
    }

    fn send(&self, link: &Rc<Link>, bytes: &[u8]) {
        link.out.borrow_mut().extend_from_slice(bytes);
        self.list(link);
    }

    /// Sees to it that what a client is to be sent is sent when the tasks that are ready have run.
    fn list(&self, link: &Rc<Link>) {
        if link.is_dirty.replace(true) {
            return;
        }
        let mut dirty = self.dirty.borrow_mut();
        dirty.push(Rc::clone(link));
        if dirty.len() == 1
            && let Some(flusher) = &*self.flusher.borrow()
        {
            flusher.wake_by_ref();
        }
    }

    async fn run_flush(self: Rc<Self>) {
        poll_fn(|context| {
            *self.flusher.borrow_mut() = Some(context.waker().clone());
            let mut batch = std::mem::take(&mut *self.dirty.borrow_mut());
            for link in batch.drain(..) {
                link.is_dirty.set(false);
                self.write(&link);
            }
            Poll::<()>::Pending
        })
        .await;
    }

    fn write(self: &Rc<Self>, link: &Rc<Link>) {
        let mut out = link.out.borrow_mut();
        if link.is_blocked.get() || out.is_empty() {
            return;
        }
        let writer = link.writer.borrow();
        let Some(writer) = &*writer else { return };
        match writer.try_write(&out) {
            Ok(written) if written == out.len() => return out.clear(),
            Ok(written) => {
                out.drain(..written);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return out.clear(),
        }
        link.is_blocked.set(true);
        let (relay, link) = (Rc::clone(self), Rc::clone(link));
        spawn_local(async move {
            let is_writable = poll_fn(|context| {
                let writer = link.writer.borrow();
                let Some(writer) = &*writer else {
                    return Poll::Ready(false);
                };
                let ready = writer.as_ref().poll_write_ready(context);
                ready.map(|ready| ready.is_ok())
            });
            let is_writable = is_writable.await;
            link.is_blocked.set(!is_writable);
            relay.list(&link);
        });
    }
}

/// A Remaining Length.
fn push_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        if length == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}
