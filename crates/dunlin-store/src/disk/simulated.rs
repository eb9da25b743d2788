//! A disk in memory that does what disks do on their worst days.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::{Disk, DiskFile};

/// What a power cut keeps or loses of a write that was not synced, as one.
const PAGE_BYTES: usize = 4096;

/// `ENOSPC`, as on Linux and all other systems that this runs on.
const OUT_OF_ROOM: i32 = 28;
/// `EIO`.
const INPUT_OUTPUT: i32 = 5;

/// Which calls a fault counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`DiskFile::write_at`].
    Write,
    /// [`DiskFile::sync_data`] and [`Disk::sync_dir`].
    Sync,
    /// [`DiskFile::allocate`] and [`Disk::create`].
    Allocate,
    /// All of these, and [`Disk::truncate`] and [`Disk::remove`].
    Any,
}

/// An error to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which calls are counted.
    pub call: Call,
    /// How many of them go well before one fails.
    pub after: u64,
    /// Whether it fails for want of room; else with an input/output error.
    pub is_out_of_room: bool,
}

/// A disk in memory. Its clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    is_locked: Arc<AtomicBool>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// As programs see it.
    files: BTreeMap<String, u64>,
    /// As the last sync of the directory left it.
    synced_files: BTreeMap<String, u64>,
    contents: BTreeMap<u64, Contents>,
    next_file: u64,
    capacity: Option<u64>,
    fault: Option<Fault>,
    random: u64,
    syncs: u64,
    calls: u64,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    /// Offset and length of what was written since the last sync, in order.
    writes: Vec<(usize, usize)>,
}

impl SimulatedDisk {
    /// An empty disk. The seed is that of the random numbers it gives.
    pub fn new(seed: u64) -> Self {
        let disk = Self::default();
        disk.state.lock().random = seed;
        disk
    }

    /// How many bytes all files together may have; `None` for no end.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// The next error; `None` for none.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.state.lock().fault = fault;
    }

    /// How many calls a [`Fault`] with [`Call::Any`] would have counted so far.
    pub fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    /// How many calls to sync there were.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// Bytes that all files have.
    pub fn bytes(&self) -> u64 {
        self.state.lock().bytes()
    }

    /// The disk as a kill of the process leaves it: all that was written is there.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        let mut state = self.state.lock().clone();
        state.fault = None;
        Self {
            state: Arc::new(Mutex::new(state)),
            is_locked: Arc::default(),
        }
    }

    /// The disk as a power cut leaves it: of what was not synced, some pages are there, the last write
    /// is torn, and files may be there or not. Which, follows from the seed.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut state = self.state.lock().clone();
        state.fault = None;
        let names: Vec<String> = state
            .files
            .keys()
            .chain(state.synced_files.keys())
            .cloned()
            .collect();
        let mut survivors = BTreeMap::new();
        for name in names {
            let now = state.files.get(&name);
            let before = state.synced_files.get(&name);
            let file = if now == before || dice.is_heads() {
                now
            } else {
                before
            };
            if let Some(&file) = file {
                survivors.entry(name).or_insert(file);
            }
        }
        for contents in state.contents.values_mut() {
            contents.cut(&mut dice);
        }
        state.files.clone_from(&survivors);
        state.synced_files = survivors;
        Self {
            state: Arc::new(Mutex::new(state)),
            is_locked: Arc::default(),
        }
    }

    /// The bytes of a file.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state.lock();
        let contents = state.contents.get(state.files.get(name)?)?;
        Some(contents.bytes.clone())
    }

    /// Makes or replaces a file, as nobody would who writes a store: to damage it.
    pub fn replace(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state.lock();
        let file = state.next_file;
        state.next_file += 1;
        state.files.insert(name.to_owned(), file);
        state.synced_files.insert(name.to_owned(), file);
        let contents = Contents {
            synced: bytes.clone(),
            bytes,
            writes: Vec::new(),
        };
        state.contents.insert(file, contents);
    }
}

impl State {
    fn bytes(&self) -> u64 {
        let lengths = self
            .files
            .values()
            .filter_map(|file| self.contents.get(file));
        lengths.map(|contents| contents.bytes.len() as u64).sum()
    }

    /// Counts a call, which fails if it is the one that has to.
    fn count(&mut self, call: Call) -> io::Result<()> {
        self.calls += 1;
        if let Some(fault) = &mut self.fault
            && (fault.call == call || fault.call == Call::Any)
        {
            if fault.after == 0 {
                let code = if fault.is_out_of_room {
                    OUT_OF_ROOM
                } else {
                    INPUT_OUTPUT
                };
                self.fault = None;
                return Err(io::Error::from_raw_os_error(code));
            }
            fault.after -= 1;
        }
        Ok(())
    }

    fn file(&mut self, name: &str) -> io::Result<u64> {
        let file = self.files.get(name).copied();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn contents(&mut self, file: u64) -> &mut Contents {
        self.contents.entry(file).or_default()
    }

    /// Makes a file as long as `length`, if there is room.
    fn grow(&mut self, file: u64, length: usize) -> io::Result<()> {
        let now = self.contents(file).bytes.len();
        let more = length.saturating_sub(now) as u64;
        if more > 0
            && self
                .capacity
                .is_some_and(|capacity| self.bytes() + more > capacity)
        {
            return Err(io::Error::from_raw_os_error(OUT_OF_ROOM));
        }
        self.contents(file).bytes.resize(length.max(now), 0);
        Ok(())
    }
}

impl Contents {
    fn sync(&mut self) {
        self.synced.clone_from(&self.bytes);
        self.writes.clear();
    }

    /// Loses what was not synced, or some of it.
    fn cut(&mut self, dice: &mut Dice) {
        let mut left = std::mem::take(&mut self.synced);
        left.resize(self.bytes.len(), 0);
        let last = self.writes.len().saturating_sub(1);
        for (index, (offset, length)) in std::mem::take(&mut self.writes).into_iter().enumerate() {
            let torn = if index == last {
                dice.below(length + 1)
            } else {
                length
            };
            let mut at = offset;
            while at < offset + torn {
                let end = (at / PAGE_BYTES + 1) * PAGE_BYTES;
                let end = end.min(offset + torn);
                let (from, to) = (self.bytes.get(at..end), left.get_mut(at..end));
                if let (Some(from), Some(to)) = (from, to)
                    && dice.is_heads()
                {
                    to.copy_from_slice(from);
                }
                at = end;
            }
        }
        self.synced.clone_from(&left);
        self.bytes = left;
    }
}

struct Dice(u64);

impl Dice {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn is_heads(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }
}

struct Lock(Arc<AtomicBool>);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Disk for SimulatedDisk {
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        if self.is_locked.swap(true, Ordering::AcqRel) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Lock(Arc::clone(&self.is_locked))))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state.lock().files.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.count(Call::Allocate)?;
        if state.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.next_file;
        state.next_file += 1;
        state.files.insert(name.to_owned(), file);
        state.contents.insert(file, Contents::default());
        let state = Arc::clone(&self.state);
        Ok(Box::new(SimulatedFile { state, file }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.state.lock().file(name)?;
        let state = Arc::clone(&self.state);
        Ok(Box::new(SimulatedFile { state, file }))
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.count(Call::Any)?;
        let file = state.file(name)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let contents = state.contents(file);
        contents.bytes.truncate(length);
        contents.sync();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.count(Call::Any)?;
        let file = state.file(name)?;
        state.files.retain(|_, it| *it != file);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.count(Call::Sync)?;
        state.syncs += 1;
        state.synced_files = state.files.clone();
        Ok(())
    }

    fn random(&self) -> io::Result<u64> {
        let mut state = self.state.lock();
        let mut dice = Dice(state.random);
        let number = dice.next();
        state.random = dice.0;
        Ok(number)
    }
}

struct SimulatedFile {
    state: Arc<Mutex<State>>,
    file: u64,
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.state.lock().contents(self.file).bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state.lock();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let there = state
            .contents(self.file)
            .bytes
            .get(offset..)
            .unwrap_or_default();
        let read = there.len().min(bytes.len());
        if let (Some(to), Some(from)) = (bytes.get_mut(..read), there.get(..read)) {
            to.copy_from_slice(from);
        }
        Ok(read)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        let fails = state.count(Call::Write);
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        // A write that fails has still written something.
        let length = if fails.is_err() {
            bytes.len() / 2
        } else {
            bytes.len()
        };
        state.grow(self.file, offset + length)?;
        let contents = state.contents(self.file);
        let place = contents.bytes.get_mut(offset..offset + length);
        if let (Some(to), Some(from)) = (place, bytes.get(..length)) {
            to.copy_from_slice(from);
        }
        contents.writes.push((offset, length));
        fails
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.count(Call::Allocate)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        state.grow(self.file, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.count(Call::Sync)?;
        state.syncs += 1;
        state.contents(self.file).sync();
        Ok(())
    }
}
