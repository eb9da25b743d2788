use std::net::{Ipv4Addr, SocketAddr};
use std::task::Waker;

use super::*;

/// The first bytes of a datagram with an Initial packet of version 1, and what tells it from others.
fn initial(number: u16) -> Vec<u8> {
    let mut datagram = vec![0xc0, 0, 0, 0, 1, 8];
    datagram.extend_from_slice(&number.to_be_bytes());
    datagram.resize(1200, 0);
    datagram
}

#[test]
fn those_who_begin_are_told_from_others() {
    assert!(begins(&initial(1)));
    let other_version = [0xd0, 0, 0, 0, 9, 0];
    assert!(begins(&other_version));
    let handshake = [0xe0, 0, 0, 0, 1, 8];
    let of_an_open_connection = [0x40, 1, 2, 3, 4, 5, 6];
    let too_long = [initial(1), initial(2)].concat();
    for other in [
        &handshake[..],
        &of_an_open_connection,
        &too_long,
        b"",
        &[0xc0],
    ] {
        assert!(!begins(other), "{other:?}");
    }
}

/// What the operating system has.
#[derive(Debug, Default)]
struct Arrived(Mutex<VecDeque<Vec<u8>>>);

impl AsyncUdpSocket for Arrived {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        unreachable!("nothing is sent")
    }

    fn try_send(&self, _: &Transmit<'_>) -> io::Result<()> {
        unreachable!("nothing is sent")
    }

    fn poll_recv(
        &self,
        _: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        about: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut arrived = self.0.lock();
        let mut count = 0;
        for (buffer, about) in buffers.iter_mut().zip(about) {
            let Some(datagram) = arrived.pop_front() else {
                break;
            };
            buffer[..datagram.len()].copy_from_slice(&datagram);
            (about.len, about.stride) = (datagram.len(), datagram.len());
            count += 1;
        }
        if count == 0 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok((Ipv4Addr::LOCALHOST, 0).into())
    }
}

/// A socket, and what arrives at it.
fn socket() -> (QuicSocket, impl Fn(&[u8])) {
    let arrived = Arc::new(Arrived::default());
    let socket = QuicSocket::new(Arc::clone(&arrived) as Arc<dyn AsyncUdpSocket>);
    let arrive = move |datagram: &[u8]| arrived.0.lock().push_back(datagram.to_vec());
    (socket, arrive)
}

/// What is received at once with so much room; nothing while it is to be waited.
fn receive(socket: &QuicSocket, room: usize) -> Vec<Vec<u8>> {
    let mut places = vec![vec![0; WAITING_BYTES_MAX]; room];
    let mut about = vec![RecvMeta::default(); room];
    let mut buffers: Vec<_> = places
        .iter_mut()
        .map(|place| IoSliceMut::new(place))
        .collect();
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(count) = socket.poll_recv(&mut context, &mut buffers, &mut about) else {
        return Vec::new();
    };
    let received = places.iter().zip(&about).take(count.unwrap());
    received
        .map(|(place, about)| place[..about.len].to_vec())
        .collect()
}

#[test]
fn while_few_begin_all_come_in_their_order() {
    let (socket, arrive) = socket();
    let handshake = b"\xe0\0\0\0\x01 of an open connection".to_vec();
    let sent = [initial(1), handshake.clone(), initial(2), initial(3)];
    // There is no more than that, or half of it at most.
    for (room, sent) in [(5, &sent[..]), (2, &sent[..2])] {
        sent.iter().for_each(|datagram| arrive(datagram));
        assert_eq!(receive(&socket, room), sent);
        assert!(receive(&socket, room).is_empty());
    }
}

#[test]
fn of_many_who_begin_the_newest_come_first_and_others_before_them() {
    let (socket, arrive) = socket();
    let other = b"\x40 of an open connection";
    for number in 1..=4 {
        arrive(&initial(number));
    }
    arrive(other);
    arrive(&initial(5));
    assert_eq!(receive(&socket, 2), [other]);
    assert_eq!(receive(&socket, 2), [initial(4), initial(5)]);
    arrive(&initial(6));
    assert_eq!(receive(&socket, 2), [initial(3), initial(6)]);
    assert_eq!(receive(&socket, 2), [initial(1), initial(2)]);
    assert!(receive(&socket, 2).is_empty());
}

#[test]
fn of_those_who_wait_the_oldest_give_way() {
    let (socket, arrive) = socket();
    let arrived = u16::try_from(WAITING_MAX + TAKEN_MAX).unwrap();
    (1..=arrived).for_each(|number| arrive(&initial(number)));
    let received: Vec<_> = std::iter::repeat_with(|| receive(&socket, 1))
        .take_while(|received| !received.is_empty())
        .flatten()
        .collect();
    let gone = arrived - u16::try_from(received.len()).unwrap();
    assert!(gone > 0);
    assert_eq!(received.last(), Some(&initial(gone + 1)));
}
