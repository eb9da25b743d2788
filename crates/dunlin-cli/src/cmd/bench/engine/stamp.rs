//! What a payload carries to be recognised when it arrives.

/// The head of a payload: which publisher sent it in which run, as its which message, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Random for each run, so that what an earlier run left in a broker is not counted.
    pub(crate) run: u32,
    /// The publisher's number.
    pub(crate) publisher: u32,
    /// The message's number at its publisher, from 0.
    pub(crate) sequence: u64,
    /// When it was sent or, in an open loop, due: nanoseconds since the run's epoch.
    pub(crate) time_ns: u64,
}

impl Stamp {
    /// Bytes that it takes.
    pub(crate) const LEN: usize = 24;

    /// The bytes.
    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let whole = u128::from(self.run) << 96
            | u128::from(self.publisher) << 64
            | u128::from(self.sequence);
        if let Some((head, time)) = bytes.split_first_chunk_mut::<16>() {
            *head = whole.to_be_bytes();
            time.copy_from_slice(&self.time_ns.to_be_bytes());
        }
        bytes
    }

    /// The stamp of this run at the head of a payload, or `None` if it has another head.
    pub(crate) fn read(payload: &[u8], run: u32) -> Option<Self> {
        let (of_run, rest) = payload.split_first_chunk::<4>()?;
        let (publisher, rest) = rest.split_first_chunk::<4>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (time_ns, _) = rest.split_first_chunk::<8>()?;
        (u32::from_be_bytes(*of_run) == run).then(|| Self {
            run,
            publisher: u32::from_be_bytes(*publisher),
            sequence: u64::from_be_bytes(*sequence),
            time_ns: u64::from_be_bytes(*time_ns),
        })
    }
}
