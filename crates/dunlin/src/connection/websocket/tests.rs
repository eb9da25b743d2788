use std::task::{Context, Poll, Waker};

use dunlin_core::output::Output;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex};

use super::super::transport::Stream;
use super::WebSocket;
use super::frame::FrameError;
use super::input::{Control, Input};
use crate::mutate::corpus;

impl Stream for DuplexStream {
    fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        std::pin::Pin::new(self).poll_flush(context)
    }
}

const MASK: [u8; 4] = [0xa1, 0x02, 0xf3, 0x44];

/// A frame as a client writes it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// What of MQTT is in these frames, given `step` bytes at a time, and the control frames.
fn read(bytes: &[u8], step: usize) -> Result<(Vec<u8>, Vec<Control>), FrameError> {
    let (mut input, mut mqtt, mut controls) = (Input::default(), Vec::new(), Vec::new());
    for chunk in bytes.chunks(step) {
        let mut chunk = chunk.to_vec();
        let count = input.take(&mut chunk, |control| controls.push(control))?;
        mqtt.extend_from_slice(&chunk[..count]);
        if matches!(controls.last(), Some(Control::Close(_))) {
            // As the WebSocket does: nothing is read behind it.
            break;
        }
    }
    Ok((mqtt, controls))
}

// [v5 MQTT-6.0.0-2] [v3 MQTT-6.0.0-2]
#[test]
fn frames_are_taken_off_wherever_they_are_cut() {
    let long: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let mut bytes = frame(0x82, b"whole");
    bytes.extend(frame(0x02, b"begun, "));
    bytes.extend(frame(0x89, b"ping between fragments"));
    bytes.extend(frame(0x00, b""));
    bytes.extend(frame(0x80, b"ended"));
    bytes.extend(frame(0x8a, b"a pong that nobody asked for"));
    bytes.extend(frame(0x82, &long));
    bytes.extend(frame(0x88, &[0x03, 0xe9]));
    bytes.extend(frame(0x82, b"behind the end"));
    let mut wanted = b"wholebegun, ended".to_vec();
    wanted.extend(&long);
    for step in (1..40).chain([bytes.len()]) {
        let (mqtt, controls) = read(&bytes, step).unwrap();
        assert_eq!(mqtt, wanted, "{step} bytes at a time");
        let ping = Control::Pong(b"ping between fragments".to_vec());
        assert_eq!(controls, [ping, Control::Close(Some(1001))], "{step}");
    }
}

// [v5 MQTT-6.0.0-1] [v3 MQTT-6.0.0-1]
#[test]
fn a_text_frame_ends_the_websocket_and_so_does_what_is_no_frame() {
    for (bytes, error) in [
        (frame(0x81, b"text"), FrameError::Text),
        (frame(0x83, b""), FrameError::Opcode),
        (frame(0x8b, b""), FrameError::Opcode),
        (frame(0xc2, b"compressed"), FrameError::Extension),
        (frame(0x80, b"continues nothing"), FrameError::Fragment),
        (
            [frame(0x02, b"a"), frame(0x82, b"b")].concat(),
            FrameError::Fragment,
        ),
        (vec![0x82, 0x01, b'm'], FrameError::NotMasked),
        (frame(0x09, b"a ping in fragments"), FrameError::Control),
        (frame(0x89, &[0; 126]), FrameError::Control),
        (vec![0x82, 0xfe, 0, 125, 0, 0, 0, 0], FrameError::Length),
        (
            vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0],
            FrameError::Length,
        ),
        (
            vec![0x82, 0xff, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            FrameError::Length,
        ),
    ] {
        for step in [1, 3, bytes.len()] {
            assert_eq!(read(&bytes, step).unwrap_err(), error, "{bytes:x?}");
        }
    }
}

/// What the other side reads until its end.
async fn rest_of(mut client: DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    bytes
}

fn write(websocket: &mut WebSocket<DuplexStream>, out: &mut Output) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    websocket.write(out, &mut context).unwrap()
}

fn output(bytes: &[u8]) -> Output {
    let mut out = Output::default();
    out.buffer_mut().extend_from_slice(bytes);
    out
}

#[tokio::test]
async fn what_is_written_is_in_binary_frames_of_the_server() {
    let (client, server) = duplex(1 << 20);
    let mut websocket = WebSocket::new(server);
    for len in [5, 126, 70_000] {
        assert!(write(&mut websocket, &mut output(&vec![7; len])));
    }
    drop(websocket);
    let bytes = rest_of(client).await;
    let mut wanted = vec![0x82, 5];
    wanted.extend([7; 5]);
    wanted.extend([0x82, 126, 0, 126]);
    wanted.extend([7; 126]);
    wanted.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
    wanted.extend([7; 70_000]);
    assert_eq!(bytes, wanted);
}

#[tokio::test]
async fn a_frame_that_does_not_go_at_once_is_finished_before_anything_else() {
    let (mut client, server) = duplex(8);
    let mut websocket = WebSocket::new(server);
    let mut out = output(b"0123456789");
    assert!(!write(&mut websocket, &mut out));
    out.buffer_mut().extend_from_slice(b"more");
    let mut read = vec![0; 8];
    client.read_exact(&mut read).await.unwrap();
    // The Pong is due in the middle of a frame, and what came later is a frame of its own.
    client.write_all(&frame(0x89, b"!")).await.unwrap();
    let waiting = tokio::time::timeout(std::time::Duration::ZERO, websocket.read_u8());
    assert!(waiting.await.is_err(), "there is nothing of MQTT");
    while !write(&mut websocket, &mut out) {
        let from = read.len();
        read.resize(from + 8, 0);
        let count = client.read(&mut read[from..]).await.unwrap();
        read.truncate(from + count);
    }
    drop(websocket);
    read.extend(rest_of(client).await);
    assert_eq!(read, b"\x82\x0a0123456789\x8a\x01!\x82\x04more");
}

#[tokio::test]
async fn a_close_is_answered_and_is_the_end() {
    let (mut client, server) = duplex(1024);
    let mut websocket = WebSocket::new(server);
    client.write_all(&frame(0x82, b"last")).await.unwrap();
    client.write_all(&frame(0x88, &[0x03, 0xe8])).await.unwrap();
    let mut read = Vec::new();
    websocket.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"last");
    assert!(write(&mut websocket, &mut output(b"too late")));
    drop(websocket);
    assert_eq!(rest_of(client).await, b"\x88\x02\x03\xe8");
}

// [v5 MQTT-6.0.0-1] [v3 MQTT-6.0.0-1]
#[tokio::test]
async fn a_text_frame_is_told_why_it_is_the_end() {
    let (mut client, server) = duplex(1024);
    let mut websocket = WebSocket::new(server);
    client.write_all(&frame(0x81, b"hello")).await.unwrap();
    let mut read = Vec::new();
    websocket.read_to_end(&mut read).await.unwrap();
    assert!(read.is_empty());
    drop(websocket);
    // 1003: data of a kind that cannot be accepted.
    assert_eq!(rest_of(client).await, b"\x88\x02\x03\xeb");
}

#[tokio::test]
async fn the_broker_says_close_and_reads_on_to_the_end() {
    let (mut client, server) = duplex(1024);
    let mut websocket = WebSocket::new(server);
    std::future::poll_fn(|context| websocket.poll_shutdown(context))
        .await
        .unwrap();
    client
        .write_all(&frame(0x82, b"nobody reads this"))
        .await
        .unwrap();
    client.shutdown().await.unwrap();
    let mut discarded = Vec::new();
    websocket.read_to_end(&mut discarded).await.unwrap();
    drop(websocket);
    assert_eq!(rest_of(client).await, b"\x88\x02\x03\xe8");
}

/// Frames come to the same however their bytes arrive, and never to more than what came.
#[test]
fn fuzz_websocket_frames() {
    let (mut good, mut broken) = (0, 0);
    for bytes in corpus("websocket_frames", 1000) {
        let whole = read(&bytes, bytes.len().max(1));
        for step in [1, 3] {
            assert_eq!(read(&bytes, step), whole, "{}", bytes.escape_ascii());
        }
        match whole {
            Ok((mqtt, _)) => {
                assert!(mqtt.len() <= bytes.len());
                good += 1;
            }
            Err(_) => broken += 1,
        }
    }
    assert!(good > 100 && broken > 1000, "{good} good, {broken} broken");
}
