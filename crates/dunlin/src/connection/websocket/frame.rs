//! The headers of WebSocket frames (RFC 6455, section 5.2), as a server reads and writes them.

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Binary,
    Close,
    Ping,
    Pong,
}

/// The header of a frame from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    /// Whether it is the last of its message.
    pub(super) is_final: bool,
    pub(super) mask: [u8; 4],
    pub(super) payload_len: u64,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// [MQTT-6.0.0-1]
    #[error("a text frame: MQTT is in binary frames")]
    Text,
    #[error("a frame of a kind that is not known")]
    Opcode,
    #[error("a frame with a bit of an extension that was not agreed on")]
    Extension,
    #[error("a frame of a client that is not masked")]
    NotMasked,
    #[error("a control frame that is too long or in fragments")]
    Control,
    #[error("a fragment that continues nothing, or a message within a message")]
    Fragment,
    #[error("a frame whose length is not written as it must be")]
    Length,
}

impl FrameError {
    /// The status code that a Close frame tells the client (RFC 6455, section 7.4.1).
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::Text => 1003,
            _ => 1002,
        }
    }
}

/// The longest header of a client's frame.
pub(super) const HEADER_BYTES_MAX: usize = 14;

/// The longest payload of a control frame.
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// Reads a header at the beginning of `bytes`, and gives its length too; nothing if it is not whole.
pub(super) fn read_header(bytes: &[u8]) -> Result<Option<(Header, usize)>, FrameError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(FrameError::Extension);
    }
    let opcode = match first & 0x0f {
        0 => Opcode::Continuation,
        1 => return Err(FrameError::Text),
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err(FrameError::Opcode),
    };
    if second & 0x80 == 0 {
        return Err(FrameError::NotMasked);
    }
    let is_final = first & 0x80 != 0;
    let short = second & 0x7f;
    let is_control = matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
    if is_control && (short > 125 || !is_final) {
        return Err(FrameError::Control);
    }
    let (payload_len, rest) = match short {
        126 => {
            let Some((length, rest)) = rest.split_first_chunk::<2>() else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let Some((length, rest)) = rest.split_first_chunk::<8>() else {
                return Ok(None);
            };
            (u64::from_be_bytes(*length), rest)
        }
        short => (u64::from(short), rest),
    };
    let is_shortest = match short {
        126 => payload_len > 125,
        127 => payload_len > 0xffff && payload_len >> 63 == 0,
        _ => true,
    };
    if !is_shortest {
        return Err(FrameError::Length);
    }
    let Some((mask, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let header = Header {
        opcode,
        is_final,
        mask: *mask,
        payload_len,
    };
    Ok(Some((header, bytes.len() - rest.len())))
}

/// Undoes the mask on a part of a payload that begins `offset` bytes into it.
pub(super) fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: u64) {
    let mut mask = mask;
    mask.rotate_left(usize::try_from(offset % 4).unwrap_or_default());
    let wide = u64::from_ne_bytes([
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3],
    ]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Appends the header of a whole binary message of a server.
pub(super) fn write_binary_header(out: &mut Vec<u8>, payload_len: usize) {
    out.push(0x82);
    match (u8::try_from(payload_len), u16::try_from(payload_len)) {
        (Ok(short @ 0..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
}

/// Appends a Pong with the payload of the Ping that it answers.
pub(super) fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    write_control(out, 0x8a, payload);
}

/// Appends a Close with a status code.
pub(super) fn write_close(out: &mut Vec<u8>, status: u16) {
    write_control(out, 0x88, &status.to_be_bytes());
}

fn write_control(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    let payload = payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload);
    out.push(first);
    out.push(u8::try_from(payload.len()).unwrap_or_default());
    out.extend_from_slice(payload);
}
