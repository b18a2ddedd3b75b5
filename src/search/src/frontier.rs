//! States waiting for expansion: one level's blocks, in memory or in a temporary file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::trail::Segment;

/// A full block has about this many words.
pub(super) const BLOCK_WORDS: usize = 1 << 16;

/// States that a worker claims at a time, unless the block is in a file: so many of a large level,
/// and fewer of a small one, so that all workers end at about the same time even where a state
/// takes long.
const UNIT_STATES: u64 = 256;

/// A level is handed out in about this many parts, or more.
const UNITS: u64 = 64;

/// Bytes of all blocks in memory, now and at most; and where blocks go beyond a limit.
pub(super) struct Ledger {
    memory: AtomicU64,
    peak: AtomicU64,
    spilled: AtomicU64,
    memory_max: u64,
    directory: PathBuf,
}

impl Ledger {
    pub(super) fn new(memory_max: Option<u64>, directory: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            memory: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            spilled: AtomicU64::new(0),
            memory_max: memory_max.unwrap_or(u64::MAX),
            directory: directory.unwrap_or_else(std::env::temp_dir),
        })
    }

    pub(super) fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub(super) fn spilled(&self) -> u64 {
        self.spilled.load(Ordering::Relaxed)
    }

    fn hold(&self, bytes: u64) {
        let now = self.memory.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    fn release(&self, bytes: u64) {
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The words of some states. Counted in the ledger while in memory.
pub(super) struct Block {
    place: Place,
    ledger: Arc<Ledger>,
}

enum Place {
    Memory(Vec<u32>),
    File { spill: Arc<Spill>, offset: u64, words: usize },
}

impl Block {
    /// Takes the words of a block; writes them to `spill` if memory for waiting states is used up.
    pub(super) fn new(
        mut words: Vec<u32>,
        ledger: &Arc<Ledger>,
        spill: &Arc<Spill>,
    ) -> io::Result<Self> {
        let bytes = (words.len() * size_of::<u32>()) as u64;
        let place = if ledger.memory() + bytes > ledger.memory_max {
            let offset = spill.write(&words, ledger)?;
            Place::File { spill: spill.clone(), offset, words: words.len() }
        } else {
            words.shrink_to_fit();
            ledger.hold(bytes);
            Place::Memory(words)
        };
        Ok(Self { place, ledger: ledger.clone() })
    }

    /// The words: borrowed, or read into `buffer`.
    pub(super) fn load<'a>(&'a self, buffer: &'a mut Vec<u32>) -> io::Result<&'a [u32]> {
        match &self.place {
            Place::Memory(words) => Ok(words),
            Place::File { spill, offset, words } => {
                buffer.resize(*words, 0);
                spill.read(*offset, buffer)?;
                Ok(buffer)
            }
        }
    }

    fn spilled(&self) -> bool {
        matches!(self.place, Place::File { .. })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Place::Memory(words) = &self.place {
            self.ledger.release((words.len() * size_of::<u32>()) as u64);
        }
    }
}

/// The temporary file of one level, made when first needed, gone with its last block.
#[derive(Default)]
pub(super) struct Spill(Mutex<Option<File>>);

impl Spill {
    fn write(&self, words: &[u32], ledger: &Ledger) -> io::Result<u64> {
        let mut file = self.0.lock().expect("no holder panics");
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&ledger.directory)?),
        };
        let offset = file.seek(SeekFrom::End(0))?;
        let bytes: &[u8] = bytemuck::cast_slice(words);
        file.write_all(bytes)?;
        ledger.spilled.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(offset)
    }

    fn read(&self, offset: u64, words: &mut [u32]) -> io::Result<()> {
        let mut file = self.0.lock().expect("no holder panics");
        let file = file.as_mut().expect("a block was written before it is read");
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(bytemuck::cast_slice_mut(words))
    }
}

/// A block as a worker hands it in: its states, and where they came from.
pub(super) struct Found {
    pub(super) block: Block,
    pub(super) segment: Segment,
}

/// One numbered level, handed out in units.
pub(super) struct Level {
    blocks: Vec<Slot>,
    units: Vec<Unit>,
    next: AtomicUsize,
    states: u64,
}

struct Slot {
    /// Taken when its last unit is done, so that memory is freed while the level goes on.
    block: Mutex<Option<Arc<Block>>>,
    units_left: AtomicUsize,
}

/// Some neighbouring states of one block.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) slot: usize,
    /// Position of the first state in its block.
    pub(super) start: usize,
    pub(super) states: u32,
    /// Number of the first state.
    pub(super) number: u64,
}

impl Level {
    /// A level of blocks, each with the number of its first state and its count of states.
    pub(super) fn new(blocks: Vec<(Block, u64, u32)>) -> Self {
        let mut level =
            Self { blocks: Vec::new(), units: Vec::new(), next: AtomicUsize::new(0), states: 0 };
        level.states = blocks.iter().map(|(_, _, count)| u64::from(*count)).sum();
        let unit = (level.states / UNITS).clamp(1, UNIT_STATES) as u32;
        for (slot, (block, number, count)) in blocks.into_iter().enumerate() {
            // A block in a file is read once, by one worker.
            let size = if block.spilled() { count } else { unit };
            let before = level.units.len();
            for start in (0..count).step_by(size.max(1) as usize) {
                level.units.push(Unit {
                    slot,
                    start: start as usize,
                    states: size.min(count - start),
                    number: number + u64::from(start),
                });
            }
            let units_left = AtomicUsize::new(level.units.len() - before);
            level.blocks.push(Slot { block: Mutex::new(Some(Arc::new(block))), units_left });
        }
        level
    }

    /// Number of states.
    pub(super) fn states(&self) -> u64 {
        self.states
    }

    /// Claims the next unit, in ascending order of numbers.
    pub(super) fn claim(&self) -> Option<Unit> {
        self.units.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }

    /// Whether every unit was claimed.
    pub(super) fn exhausted(&self) -> bool {
        self.next.load(Ordering::Relaxed) >= self.units.len()
    }

    /// The block of a claimed unit that is not yet done.
    pub(super) fn block(&self, unit: Unit) -> Arc<Block> {
        let block = self.blocks[unit.slot].block.lock().expect("no holder panics");
        block.as_ref().expect("a unit is left").clone()
    }

    /// Says that a unit was expanded.
    pub(super) fn done(&self, unit: Unit) {
        let slot = &self.blocks[unit.slot];
        if slot.units_left.fetch_sub(1, Ordering::AcqRel) == 1 {
            slot.block.lock().expect("no holder panics").take();
        }
    }
}
