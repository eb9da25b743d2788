//! Files that are read again when they change.

use std::fs::Metadata;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tracing::warn;

use crate::secret::{Readers, exposure};

/// The time between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something that was read from files.
pub(crate) trait Reload: Send + Sync {
    /// Reads again what changed, or everything with `is_forced`. True if what holds is another than
    /// before. If something is wrong it is logged, and what was read before stays.
    fn reload(&self, is_forced: bool) -> bool;
}

/// The thread that looks at files until it is dropped.
pub(crate) struct Files {
    ask: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Files {
    /// Begins to look; not if there is nothing to look at. `on_change` is called after something
    /// changed.
    pub(crate) fn watch(
        watched: Vec<Arc<dyn Reload>>,
        on_change: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let (ask, asked) = sync_channel(1);
        let is_needed = !watched.is_empty();
        let thread = is_needed
            .then(|| {
                std::thread::Builder::new()
                    .name("dunlin-files".to_owned())
                    .spawn(move || run(&watched, &asked, &on_change))
            })
            .transpose()?;
        Ok(Self {
            ask: Some(ask),
            thread,
        })
    }

    /// Has all files read again now, whether they changed or not.
    pub(crate) fn reload(&self) {
        if let Some(ask) = &self.ask {
            match ask.try_send(()) {
                // Full: it is asked for already. Disconnected: there are no files.
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // The thread ends when nobody can ask it any more.
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked it has said so already.
            let _ = thread.join();
        }
    }
}

fn run(watched: &[Arc<dyn Reload>], asked: &Receiver<()>, on_change: &impl Fn()) {
    loop {
        let is_forced = match asked.recv_timeout(LOOK_EVERY) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // Each is asked, whatever the others say.
        let changes = watched.iter().filter(|watched| watched.reload(is_forced));
        if changes.count() > 0 {
            on_change();
        }
    }
}

/// A file that is looked at.
pub(crate) struct WatchedFile {
    path: PathBuf,
    /// What it looked like when it was read.
    read: Option<Look>,
    /// What it looked like last.
    seen: Option<Look>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    len: u64,
    #[cfg(unix)]
    inode: u64,
}

impl WatchedFile {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            read: None,
            seen: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is another file than the one that was read, and was the same at the last look: one
    /// that is being written is left alone until it rests. A file that is gone is not another one.
    pub(crate) fn has_changed(&mut self) -> bool {
        let look = std::fs::metadata(&self.path)
            .ok()
            .map(|data| Look::of(&data));
        let rests = look == self.seen;
        self.seen = look;
        rests && look.is_some() && look != self.read
    }

    /// Reads the whole file, and says in the log if it is a secret that others can read.
    ///
    /// # Errors
    /// What the operating system says, or that the file is longer than `bytes_max` or no text.
    pub(crate) fn read(&mut self, bytes_max: u64, is_secret: bool) -> Result<String, String> {
        let mut read = || {
            let file = std::fs::File::open(&self.path)?;
            let data = file.metadata()?;
            self.read = Some(Look::of(&data));
            self.seen = self.read;
            if is_secret && let Some(said) = exposure(&self.path, &data, Readers::Group) {
                warn!("{said}");
            }
            let mut bytes = Vec::new();
            file.take(bytes_max + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error: io::Error| format!("cannot be read: {error}"))?;
        if bytes.len() as u64 > bytes_max {
            return Err(format!("is longer than {bytes_max} bytes"));
        }
        String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
    }
}

impl Look {
    fn of(data: &Metadata) -> Self {
        Self {
            modified: data.modified().ok(),
            len: data.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(data),
        }
    }
}

#[cfg(test)]
mod tests;
