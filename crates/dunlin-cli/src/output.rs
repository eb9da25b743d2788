//! Standard output as a stream of messages.
//!
//! A thread of its own writes, so that a reader that is slow or stopped does not keep the connection
//! from its work; between the two there is a queue with a bound.

use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// Chunks that wait to be written, at most.
const CHUNKS_MAX: usize = 8;
/// How long the last chunks may take once the command ends by a signal.
const PATIENCE: Duration = Duration::from_secs(1);

/// The reader of standard output is gone.
#[derive(Debug)]
pub(crate) struct Gone;

/// A queue of chunks for standard output.
#[derive(Debug)]
pub(crate) struct Output {
    chunks: mpsc::Sender<Vec<u8>>,
    result: oneshot::Receiver<io::Result<()>>,
}

impl Output {
    pub(crate) fn start() -> Self {
        let (chunks, mut receiver) = mpsc::channel::<Vec<u8>>(CHUNKS_MAX);
        let (sender, result) = oneshot::channel();
        thread::spawn(move || {
            let mut stdout = io::stdout().lock();
            let mut written = Ok(());
            while let Some(chunk) = receiver.blocking_recv() {
                // A chunk is what there was to write: nothing is kept back for a fuller buffer.
                written = stdout.write_all(&chunk).and_then(|()| stdout.flush());
                if written.is_err() {
                    break;
                }
            }
            drop(receiver);
            let _ = sender.send(written);
        });
        Self { chunks, result }
    }

    /// Queues a chunk, waiting for a place.
    pub(crate) async fn write(&self, chunk: Vec<u8>) -> Result<(), Gone> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.chunks.send(chunk).await.map_err(|_| Gone)
    }

    /// Waits until all is written. A reader that is gone is no failure.
    pub(crate) async fn finish(self, is_hurried: bool) -> io::Result<()> {
        drop(self.chunks);
        let result = if is_hurried {
            match tokio::time::timeout(PATIENCE, self.result).await {
                Ok(result) => result,
                Err(_) => return Ok(()),
            }
        } else {
            self.result.await
        };
        match result {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}
