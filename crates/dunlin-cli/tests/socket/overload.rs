//! Very many connections: those that are there lose nothing, and those that come are served.
//!
//! `OVERLOAD=50 cargo test -p dunlin-cli --test socket overload -- --nocapture` is fifty times as much:
//! docs/benchmarks/overload.md has the figures.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dunlin_client::codec::QoS;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::broker::Broker;
use super::good::{publish_until, take};
use super::{V5, open, ping, publication, subscribe};

/// Connections in a row, and how many of them are under way at a time.
const IN_A_ROW: usize = 2_000;
const UNDER_WAY: usize = 64;

/// Connections at once.
const AT_ONCE: usize = 380;

/// How long a connection waits for its CONNACK, on a machine that is busy with all the others.
const DEADLINE: Duration = Duration::from_secs(120);

/// CONNECT of 3.1.1 with a clean session and no Keep Alive, CONNACK, PINGREQ, PINGRESP and DISCONNECT.
const CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00";
const CONNACK: [u8; 4] = *b"\x20\x02\x00\x00";
const PINGREQ: &[u8] = b"\xc0\x00";
const PINGRESP: [u8; 2] = *b"\xd0\x00";
const DISCONNECT: &[u8] = b"\xe0\x00";

/// This much, or as many times more as `OVERLOAD` says.
pub(crate) fn scaled(number: usize) -> usize {
    let times = std::env::var("OVERLOAD").map_or(1, |times| times.parse().unwrap());
    number * times
}

/// A connection that was let in. One address has too few ports for so many, so each comes from one of
/// a hundred.
async fn connected(broker: SocketAddr, number: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let last = u8::try_from(number % 100).unwrap() + 2;
    let own = Ipv4Addr::new(127, 0, 0, last);
    socket.bind((own, 0).into()).unwrap();
    let mut stream = socket.connect(broker).await.unwrap();
    stream.write_all(CONNECT).await.unwrap();
    let mut connack = [0; 4];
    let answered = timeout(DEADLINE, stream.read_exact(&mut connack)).await;
    answered.expect("CONNACK comes").unwrap();
    assert_eq!(connack, CONNACK);
    stream
}

/// Connects and leaves as often as this.
async fn connects_in_a_row(broker: SocketAddr, count: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..UNDER_WAY {
        let next = Arc::clone(&next);
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                let mut stream = connected(broker, number).await;
                stream.write_all(DISCONNECT).await.unwrap();
                // The broker closes.
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// As many connections as this at the same time, each of which is served once all are there.
async fn connects_at_once(broker: SocketAddr, count: usize) {
    let mut tasks = JoinSet::new();
    for number in 0..count {
        tasks.spawn(connected(broker, number));
    }
    let mut streams = tasks.join_all().await;
    for stream in &mut streams {
        stream.write_all(PINGREQ).await.unwrap();
    }
    for stream in &mut streams {
        let mut pingresp = [0; 2];
        stream.read_exact(&mut pingresp).await.unwrap();
        assert_eq!(pingresp, PINGRESP);
    }
}

/// Stops those who watch when it is over, also if it failed.
struct Stops(Arc<AtomicBool>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Both, one after the other, on a thread that those who watch do not share; gives the time of each.
fn storm(broker: SocketAddr, _stops: Stops) -> (Duration, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let began = Instant::now();
        connects_in_a_row(broker, scaled(IN_A_ROW)).await;
        let in_a_row = began.elapsed();
        let began = Instant::now();
        connects_at_once(broker, scaled(AT_ONCE)).await;
        (in_a_row, began.elapsed())
    })
}

/// How long a message takes from one client that is there to another and back to it, at most.
async fn longest_until(broker: &Broker, stop: &AtomicBool) -> Duration {
    let mut peer = open(broker, "clock", V5).await;
    subscribe(&mut peer, "clock", QoS::AtMostOnce).await;
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let message = publication("clock", QoS::AtMostOnce, 0, b"tick");
        peer.send(&message).await.unwrap();
        peer.expect(&message).await.unwrap();
        longest = longest.max(began.elapsed());
    }
    longest
}

#[tokio::test]
async fn overload_those_who_are_connected_lose_nothing_while_very_many_come() {
    let broker = Broker::start(&[]);
    let address = broker.socket_address();
    let mut reader = open(&broker, "reader", V5).await;
    subscribe(&mut reader, "numbers", QoS::ExactlyOnce).await;
    let writer = open(&broker, "writer", V5).await;
    let stop = Arc::new(AtomicBool::new(false));
    let storm = std::thread::spawn({
        let stop = Stops(Arc::clone(&stop));
        move || storm(address, stop)
    });
    let (published, taken, longest) = tokio::join!(
        publish_until(writer, "numbers", &stop),
        take(&mut reader, 3),
        longest_until(&broker, &stop),
    );
    let (in_a_row, at_once) = storm.join().unwrap();
    assert_eq!(taken, published);
    let count: usize = published.values().map(Vec::len).sum();
    eprintln!(
        "{} connections in a row in {in_a_row:.1?}, {} at once in {at_once:.1?}; meanwhile {count} messages \
         of those who were there, none lost, the slowest one there and back in {longest:.1?}",
        scaled(IN_A_ROW),
        scaled(AT_ONCE),
    );
}

/// A process that may open no more files lets nobody in, serves those that are there, and lets others in
/// once there is room.
#[tokio::test]
async fn overload_without_file_descriptors_those_who_are_connected_are_served() {
    const FILES: usize = 60;
    let files = format!("--nofile={FILES}:{FILES}");
    let broker = Broker::start_in(&["prlimit", &files], &["--ephemeral"]);
    let address = broker.socket_address();
    let mut there = open(&broker, "there", V5).await;
    subscribe(&mut there, "a", QoS::AtLeastOnce).await;
    let mut others = Vec::new();
    let mut waiting = JoinSet::new();
    for number in 0..FILES * 2 {
        waiting.spawn(connected(address, number));
    }
    // So many as there are descriptors for; the rest waits in the operating system.
    while others.len() < FILES / 2 {
        others.push(waiting.join_next().await.unwrap().unwrap());
    }
    for _ in 0..10 {
        let message = publication("a", QoS::AtMostOnce, 0, b"x");
        there.send(&message).await.unwrap();
        there.expect(&message).await.unwrap();
    }
    // Whoever leaves makes room, until all have been there.
    while let Some(other) = waiting.join_next().await {
        others.push(other.unwrap());
        others.swap_remove(0);
    }
    ping(&mut there).await;
}
