//! From the frames of a client to the stream of bytes that MQTT is.
//!
//! A frame is no packet: a packet may span frames, and a frame may hold several [MQTT-6.0.0-2]. So
//! payloads are given on as their bytes come, and nothing waits for the end of a frame.

use super::frame::{
    CONTROL_BYTES_MAX, FrameError, HEADER_BYTES_MAX, Header, Opcode, read_header, unmask,
};

/// How far the frames of a client are read.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// A header that is not whole.
    partial: Partial,
    /// The frame whose payload is being read, and how much of it was.
    frame: Option<(Header, u64)>,
    /// The payload so far of a control frame.
    control: Vec<u8>,
    /// Whether a message is open, which the next data frame continues.
    is_in_message: bool,
}

#[derive(Debug, Default)]
struct Partial {
    bytes: [u8; HEADER_BYTES_MAX],
    len: usize,
}

/// What a control frame asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// A Pong with this payload.
    Pong(Vec<u8>),
    /// A Close, with the status that the client gave; nothing of the client is read after it.
    Close(Option<u16>),
}

impl Input {
    /// Takes the frames out of `bytes`, which go on where the last ones ended, and moves what is MQTT
    /// to its front; gives the length of that. Control frames are given to `answer`, and nothing is
    /// read behind a Close.
    pub(super) fn take(
        &mut self,
        bytes: &mut [u8],
        mut answer: impl FnMut(Control),
    ) -> Result<usize, FrameError> {
        let (mut read, mut written) = (0, 0);
        while read < bytes.len() {
            let Some((header, done)) = self.frame else {
                read += self.take_header(bytes.get(read..).unwrap_or_default())?;
                if self.frame.is_some() && self.ends_frame(&mut answer) {
                    break;
                }
                continue;
            };
            let left = usize::try_from(header.payload_len - done).unwrap_or(usize::MAX);
            let count = left.min(bytes.len() - read);
            let payload = bytes.get_mut(read..read + count).unwrap_or_default();
            unmask(payload, header.mask, done);
            match header.opcode {
                Opcode::Binary | Opcode::Continuation => {
                    bytes.copy_within(read..read + count, written);
                    written += count;
                }
                _ => self.control.extend_from_slice(payload),
            }
            read += count;
            self.frame = Some((header, done + count as u64));
            if self.ends_frame(&mut answer) {
                break;
            }
        }
        Ok(written)
    }

    /// Reads a header, or keeps what is there of it; gives how many bytes it took.
    fn take_header(&mut self, bytes: &[u8]) -> Result<usize, FrameError> {
        let Partial { bytes: kept, len } = &mut self.partial;
        let before = *len;
        let room = kept.get_mut(before..).unwrap_or_default();
        let count = room.len().min(bytes.len());
        for (kept, byte) in room.iter_mut().zip(bytes) {
            *kept = *byte;
        }
        *len += count;
        let Some((header, header_len)) = read_header(kept.get(..*len).unwrap_or_default())? else {
            return Ok(count);
        };
        *len = 0;
        match (header.opcode, self.is_in_message) {
            (Opcode::Binary, true) | (Opcode::Continuation, false) => {
                return Err(FrameError::Fragment);
            }
            (Opcode::Binary | Opcode::Continuation, _) => self.is_in_message = !header.is_final,
            _ => {
                debug_assert!(header.payload_len <= CONTROL_BYTES_MAX as u64);
                self.control.clear();
            }
        }
        self.frame = Some((header, 0));
        Ok(header_len - before)
    }

    /// Whether the frame that was just read to its end is the last one; passes control frames on.
    fn ends_frame(&mut self, answer: &mut impl FnMut(Control)) -> bool {
        let Some((header, done)) = self.frame else {
            return false;
        };
        if done < header.payload_len {
            return false;
        }
        self.frame = None;
        match header.opcode {
            Opcode::Ping => answer(Control::Pong(std::mem::take(&mut self.control))),
            Opcode::Close => {
                let status = self.control.first_chunk::<2>();
                answer(Control::Close(
                    status.map(|status| u16::from_be_bytes(*status)),
                ));
                return true;
            }
            Opcode::Binary | Opcode::Continuation | Opcode::Pong => {}
        }
        false
    }
}
