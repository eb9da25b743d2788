use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use super::{Ring, Send};

/// A ring; `None` where the kernel has none to give.
fn ring(size: usize) -> Option<Ring> {
    match Ring::new(size) {
        Ok(ring) => Some(ring),
        Err(error) => {
            let refused = [ErrorKind::PermissionDenied, ErrorKind::Unsupported];
            assert!(refused.contains(&error.kind()), "{error}");
            None
        }
    }
}

fn send<'a>(socket: &'a UnixStream, bytes: &'a [u8]) -> Option<Send<'a>> {
    let socket = socket.as_fd();
    Some(Send { socket, bytes })
}

fn read(mut socket: &UnixStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    socket.read_exact(&mut bytes).unwrap();
    bytes
}

/// Fills it, and says with how much.
fn fill(mut socket: &UnixStream) -> usize {
    socket.set_nonblocking(true).unwrap();
    let mut count = 0;
    loop {
        match socket.write(&[0; 4096]) {
            Ok(written) => count += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return count,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn each_socket_gets_its_own() {
    let Some(mut ring) = ring(4) else { return };
    let pairs: Vec<_> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
    let bytes: [&[u8]; 3] = [b"one", b"three", b"four!!"];
    for _ in 0..10 {
        let sends: Vec<_> = (pairs.iter().zip(bytes))
            .map(|((socket, _), bytes)| send(socket, bytes))
            .collect();
        assert_eq!(ring.send(&sends), [3, 5, 6]);
        for ((_, peer), bytes) in pairs.iter().zip(bytes) {
            assert_eq!(read(peer, bytes.len()), bytes);
        }
    }
}

#[test]
fn those_that_have_nothing_keep_their_place() {
    let Some(mut ring) = ring(4) else { return };
    let (socket, peer) = UnixStream::pair().unwrap();
    assert_eq!(ring.send(&[None, send(&socket, b"ab"), None]), [0, 2, 0]);
    assert_eq!(read(&peer, 2), b"ab");
    assert_eq!(ring.send(&[]), []);
    assert_eq!(ring.send(&[None]), [0]);
}

#[test]
fn what_there_is_no_room_for_is_left() {
    let Some(mut ring) = ring(2) else { return };
    let (socket, peer) = UnixStream::pair().unwrap();
    let sends = [b"a", b"b", b"c"].map(|bytes| send(&socket, bytes));
    assert_eq!(ring.send(&sends), [1, 1, 0]);
    assert_eq!(read(&peer, 2), b"ab");
    assert_eq!(ring.send(&sends[2..]), [1]);
    assert_eq!(read(&peer, 1), b"c");
}

#[test]
fn a_socket_that_is_full_takes_nothing_and_holds_nobody_up() {
    let Some(mut ring) = ring(4) else { return };
    let (full, reads_late) = UnixStream::pair().unwrap();
    let (other, peer) = UnixStream::pair().unwrap();
    let count = fill(&full);
    let sends = [send(&full, b"late"), send(&other, b"now")];
    assert_eq!(ring.send(&sends), [0, 3]);
    assert_eq!(read(&peer, 3), b"now");
    read(&reads_late, count);
    assert_eq!(ring.send(&sends[..1]), [4]);
    assert_eq!(read(&reads_late, 4), b"late");
}

#[test]
fn a_socket_with_little_room_takes_a_part() {
    let Some(mut ring) = ring(4) else { return };
    let (socket, peer) = UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let bytes = vec![7; 16 * 1024 * 1024];
    let taken = ring.send(&[send(&socket, &bytes)])[0];
    assert!(taken > 0 && taken < bytes.len(), "{taken}");
    assert_eq!(read(&peer, taken), &bytes[..taken]);
}

#[test]
fn a_socket_whose_peer_is_gone_takes_nothing() {
    let Some(mut ring) = ring(4) else { return };
    let (gone, peer) = UnixStream::pair().unwrap();
    drop(peer);
    let (other, peer) = UnixStream::pair().unwrap();
    assert_eq!(
        ring.send(&[send(&gone, b"lost"), send(&other, b"there")]),
        [0, 5]
    );
    assert_eq!(read(&peer, 5), b"there");
}
