//! Many who get the same.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use dunlin_client::script::DEADLINE;

use super::{House, log_in_by_hand};

const READERS: usize = 12;

const MESSAGES: usize = 4000;

/// Messages that are sent at once, so that each time there is a little for all who get them.
const AT_ONCE: usize = 8;

/// SUBSCRIBE to `t` at QoS 0, and its SUBACK.
const SUBSCRIBE: &[u8] = b"\x82\x06\x00\x01\x00\x01t\x00";
const SUBACK: [u8; 5] = *b"\x90\x03\x00\x01\x00";

const PINGREQ: &[u8] = b"\xc0\x00";
const PINGRESP: [u8; 2] = *b"\xd0\x00";

/// A client whose socket holds little.
fn client(address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    log_in_by_hand(&mut stream);
    stream
}

/// A PUBLISH of QoS 0 to `t`, as it is sent by one client and to the others; each hundredth is large.
fn publish(number: usize) -> Vec<u8> {
    let length = if number % 100 == 99 { 12_000 } else { 1000 };
    let remaining = 3 + length;
    let remaining =
        [(remaining % 128) | 128, remaining / 128].map(|byte| u8::try_from(byte).unwrap());
    let payload = format!("{number:07}.").repeat(length / 8);
    [b"\x30", &remaining[..], b"\x00\x01t", payload.as_bytes()].concat()
}

/// What a socket takes only in part, or not at all for a while, arrives all the same, in one piece.
#[test]
fn each_gets_all_of_it_once_it_reads() {
    let house = House::new(None, "auth.allow_anonymous = true\n");
    let address = &house.server.as_ref().unwrap().addresses()[0];
    let address = address.socket_address().unwrap();
    let mut readers: Vec<_> = (0..READERS).map(|_| client(address)).collect();
    for reader in &mut readers {
        reader.write_all(SUBSCRIBE).unwrap();
        let mut suback = [0; 5];
        reader.read_exact(&mut suback).unwrap();
        assert_eq!(suback, SUBACK);
    }
    let messages: Vec<_> = (0..MESSAGES).map(publish).collect();
    let mut writer = client(address);
    for some in messages.chunks(AT_ONCE) {
        let bytes = [&some.concat(), PINGREQ].concat();
        writer.write_all(&bytes).unwrap();
        let mut pingresp = [0; 2];
        writer.read_exact(&mut pingresp).unwrap();
        assert_eq!(pingresp, PINGRESP);
    }
    let expected = messages.concat();
    for mut reader in readers {
        let mut received = vec![0; expected.len()];
        reader.read_exact(&mut received).unwrap();
        let mut pairs = received.iter().zip(&expected);
        let differs = pairs.position(|(one, other)| one != other);
        assert_eq!(differs, None, "of {} bytes", expected.len());
    }
}
