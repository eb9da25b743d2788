//! As much of MQTT 3.1.1 as the clients here need, written for them alone, so that a mistake of the
//! broker's codec is not made again here.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long the broker may take for an answer that the client cannot go on without.
const ANSWER: Duration = Duration::from_secs(20);

/// What a broker sends.
#[derive(Debug)]
pub(crate) enum Packet {
    Publish(Publish),
    Puback(u16),
    Pubrec(u16),
    Pubrel(u16),
    Pubcomp(u16),
    Other(u8),
}

#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) retain: bool,
    pub(crate) qos: u8,
    pub(crate) topic: String,
    pub(crate) packet_id: u16,
    pub(crate) payload: String,
}

/// What a client asks for in CONNECT.
pub(crate) struct Connect<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) clean: bool,
    /// Topic and payload of a will of QoS 2.
    pub(crate) will: Option<(&'a str, &'a str)>,
}

/// A connection, after CONNACK.
pub(crate) struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
    to_send: Vec<u8>,
}

impl Wire {
    /// Connects; says whether the session was present.
    pub(crate) fn connect(address: SocketAddr, connect: &Connect<'_>) -> io::Result<(Self, bool)> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut wire = Self {
            stream,
            received: Vec::new(),
            to_send: Vec::new(),
        };
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4];
        let will_flags = if connect.will.is_some() { 0x14 } else { 0 };
        body.push(will_flags | if connect.clean { 2 } else { 0 });
        body.extend([0, 0]);
        text(connect.client_id, &mut body);
        if let Some((topic, payload)) = connect.will {
            text(topic, &mut body);
            text(payload, &mut body);
        }
        wire.push(0x10, &body);
        wire.flush()?;
        let until = Instant::now() + ANSWER;
        loop {
            if let Some((head, body)) = wire.take() {
                return match (head, &*body) {
                    (0x20, [present, 0]) => Ok((wire, *present == 1)),
                    _ => Err(io::Error::other(format!("no CONNACK: {head:#x} {body:?}"))),
                };
            }
            if Instant::now() > until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            wire.fill(ANSWER)?;
        }
    }

    /// Subscribes, and waits for SUBACK; only for a connection that receives nothing else yet.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8) -> io::Result<()> {
        let mut body = vec![0, 1];
        text(filter, &mut body);
        body.push(qos);
        self.push(0x82, &body);
        self.flush()
    }

    pub(crate) fn publish(&mut self, publish: &Publish, dup: bool) {
        let mut body = Vec::new();
        text(&publish.topic, &mut body);
        if publish.qos > 0 {
            body.extend(publish.packet_id.to_be_bytes());
        }
        body.extend(publish.payload.as_bytes());
        let flags = (publish.qos << 1) | u8::from(publish.retain) | (u8::from(dup) << 3);
        self.push(0x30 | flags, &body);
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP, by the first byte of its fixed header.
    pub(crate) fn answer(&mut self, head: u8, packet_id: u16) {
        self.push(head, &packet_id.to_be_bytes());
    }

    pub(crate) fn disconnect(mut self) {
        self.push(0xe0, &[]);
        // The broker may be gone by now.
        let _ = self.flush();
    }

    /// Sends what was pushed.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let result = self.stream.write_all(&self.to_send);
        self.to_send.clear();
        result
    }

    /// The next packet; `None` if none came in this time.
    pub(crate) fn next(&mut self, wait: Duration) -> io::Result<Option<Packet>> {
        if let Some((head, body)) = self.take() {
            return packet(head, &body).map(Some);
        }
        self.fill(wait)?;
        let taken = self.take();
        taken.map(|(head, body)| packet(head, &body)).transpose()
    }

    fn push(&mut self, head: u8, body: &[u8]) {
        self.to_send.push(head);
        let mut left = body.len();
        loop {
            let more = left > 127;
            self.to_send
                .push(u8::try_from(left % 128).unwrap() | if more { 128 } else { 0 });
            left /= 128;
            if !more {
                break;
            }
        }
        self.to_send.extend(body);
    }

    /// Reads once.
    fn fill(&mut self, wait: Duration) -> io::Result<()> {
        self.stream
            .set_read_timeout(Some(wait.max(Duration::from_micros(200))))?;
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::ConnectionReset.into()),
            Ok(length) => {
                self.received.extend(&buffer[..length]);
                Ok(())
            }
            Err(error) if is_timeout(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A whole packet that was received: its first byte, and what follows the length.
    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut length = 0;
        for (place, &byte) in self.received.iter().skip(1).take(4).enumerate() {
            length |= usize::from(byte & 127) << (7 * place);
            if byte < 128 {
                let start = place + 2;
                let end = start + length;
                if self.received.len() < end {
                    return None;
                }
                let packet = self.received.drain(..end).collect::<Vec<_>>();
                return Some((packet[0], packet[start..].to_vec()));
            }
        }
        None
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn text(text: &str, body: &mut Vec<u8>) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text.as_bytes());
}

fn packet(head: u8, body: &[u8]) -> io::Result<Packet> {
    let broken = || io::Error::other(format!("a broken packet: {head:#x} {body:?}"));
    let two = |at: usize| {
        let bytes = body.get(at..at + 2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    let id = || two(0).ok_or_else(broken);
    Ok(match head >> 4 {
        3 => {
            let qos = (head >> 1) & 3;
            let length = usize::from(id()?);
            let topic = body.get(2..2 + length).ok_or_else(broken)?;
            let mut at = 2 + length;
            let mut packet_id = 0;
            if qos > 0 {
                packet_id = two(at).ok_or_else(broken)?;
                at += 2;
            }
            Packet::Publish(Publish {
                retain: head & 1 == 1,
                qos,
                topic: String::from_utf8_lossy(topic).into_owned(),
                packet_id,
                payload: String::from_utf8_lossy(&body[at..]).into_owned(),
            })
        }
        4 => Packet::Puback(id()?),
        5 => Packet::Pubrec(id()?),
        6 => Packet::Pubrel(id()?),
        7 => Packet::Pubcomp(id()?),
        kind => Packet::Other(kind),
    })
}
