use std::io::IoSlice;

use bytes::Bytes;

use super::Output;
use crate::storage::Position;

/// Writes everything `step` bytes at a time and gives what came out.
fn drain(mut output: Output, step: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while !output.is_empty() {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = output.slices(&mut slices, usize::MAX);
        let piece: Vec<u8> = slices[..count]
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect();
        let taken = piece.len().min(step);
        assert!(taken > 0, "there is something to write");
        out.extend_from_slice(&piece[..taken]);
        output.advance(taken);
    }
    out
}

#[test]
fn pieces_come_out_in_their_order_whatever_is_written_at_once() {
    for step in 1..40 {
        let mut output = Output::default();
        output.buffer_mut().extend_from_slice(b"one ");
        output.push_payload(Bytes::from_static(b"two "));
        output.push_payload(Bytes::from_static(b"three "));
        output.buffer_mut().extend_from_slice(b"four ");
        output.push_payload(Bytes::from_static(b"five"));
        assert_eq!(output.len(), 23);
        assert_eq!(drain(output, step), b"one two three four five");
    }
}

#[test]
fn appending_goes_on_while_a_part_is_written() {
    let mut output = Output::default();
    output.buffer_mut().extend_from_slice(b"abcdef");
    output.advance(2);
    output.push_payload(Bytes::from_static(b"XY"));
    output.advance(5);
    output.buffer_mut().extend_from_slice(b"gh");
    assert_eq!(output.len(), 3);
    assert_eq!(drain(output, 2), b"Ygh");
}

#[test]
fn an_empty_output_gives_its_buffer_back() {
    let mut output = Output::with_buffer(Vec::with_capacity(64));
    output.buffer_mut().extend_from_slice(b"abc");
    assert_eq!(output.as_single(), Some(b"abc".as_slice()));
    output.advance(3);
    assert!(output.is_empty());
    assert_eq!(output.take_buffer().capacity(), 64);
    assert_eq!(output.capacity(), 0);
}

#[test]
fn what_is_held_stays_held_with_another_buffer() {
    let mut output = Output::default();
    output.buffer_mut().extend_from_slice(b"abc");
    output.advance(3);
    output.hold(Position::default());
    let _given_back = output.take_buffer();
    output.set_buffer(Vec::with_capacity(64));
    output.buffer_mut().extend_from_slice(b"def");
    assert!(output.is_held());
    assert_eq!((output.len(), output.writable()), (3, 0));
}
