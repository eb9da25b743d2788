//! Sends on several sockets in one system call, by `io_uring`.
//!
//! Nothing of it outlasts the call: what was begun is over when it returns, so whoever calls it lends
//! its buffers as to any other function. There is no runtime here, and no waiting: a socket that takes
//! nothing now says so.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use io_uring::squeue::Entry;
use io_uring::{IoUring, opcode, types};

#[cfg(test)]
mod tests;

/// Bytes for a socket.
#[derive(Clone, Copy, Debug)]
pub struct Send<'a> {
    /// The socket.
    pub socket: BorrowedFd<'a>,
    /// What it is to take.
    pub bytes: &'a [u8],
}

/// A queue between a thread and the kernel.
pub struct Ring {
    /// `None` once the kernel did not answer as it should.
    ring: Option<IoUring>,
    sent: Vec<usize>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ring").finish_non_exhaustive()
    }
}

impl Ring {
    /// A ring that takes so many sockets at once, a power of two.
    ///
    /// # Errors
    /// If the kernel has no `io_uring`, or does not let this process use it.
    pub fn new(size: usize) -> io::Result<Self> {
        Ok(Self {
            ring: Some(IoUring::new(u32::try_from(size).unwrap_or(u32::MAX))?),
            sent: Vec::new(),
        })
    }

    /// Sends to each socket what it takes without waiting; those that there is no room for are left.
    ///
    /// Gives how many bytes each took, in the order of `sends`: 0 where none were taken, for whatever
    /// reason. Whoever writes to that socket learns it.
    pub fn send(&mut self, sends: &[Option<Send<'_>>]) -> &[usize] {
        self.sent.clear();
        self.sent.resize(sends.len(), 0);
        if let Some(ring) = &mut self.ring
            && send(ring, sends, &mut self.sent).is_err()
        {
            self.ring = None;
        }
        &self.sent
    }
}

/// Sends, and notes what was taken. An error means that the ring must not be used any more.
#[expect(unsafe_code, reason = "the kernel is given addresses")]
fn send(ring: &mut IoUring, sends: &[Option<Send<'_>>], sent: &mut [usize]) -> io::Result<()> {
    let mut begun = 0;
    let mut queue = ring.submission();
    for (number, send) in (0_u64..).zip(sends) {
        let Some(send) = send else { continue };
        // SAFETY: socket and bytes are borrowed until this function returns. When it does, the kernel is done with
        // every entry that it took, since none of them waits; those that it did not take go with the ring.
        if unsafe { queue.push(&entry(send).user_data(number)) }.is_err() {
            // There is no room for more.
            break;
        }
        begun += 1;
    }
    drop(queue);
    let mut done = 0;
    while done < begun {
        let waited = ring.submit_and_wait(begun - done);
        for completion in ring.completion() {
            done += 1;
            let number = usize::try_from(completion.user_data()).unwrap_or(usize::MAX);
            let count = usize::try_from(completion.result());
            if let (Some(sent), Ok(count)) = (sent.get_mut(number), count) {
                *sent = count;
            }
        }
        if let Err(error) = waited
            && error.kind() != io::ErrorKind::Interrupted
        {
            if begun - done > ring.submission().len() {
                // The kernel still reads memory that is about to be used for something else.
                std::process::abort();
            }
            return Err(error);
        }
    }
    Ok(())
}

fn entry(send: &Send<'_>) -> Entry {
    let socket = types::Fd(send.socket.as_raw_fd());
    let length = u32::try_from(send.bytes.len()).unwrap_or(u32::MAX);
    opcode::Send::new(socket, send.bytes.as_ptr(), length)
        .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
        .build()
}
