//! What a caller may ask of a search, and what it sees while the search runs.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How to search. Every limit makes the outcome incomplete when it cuts something off.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Worker threads; 0 counts as 1.
    pub threads: usize,
    /// Stop after the level in which the first violation was found (the default). Otherwise the
    /// whole space is explored and the first violation of each property is kept.
    pub stop_at_first_violation: bool,
    /// Stop once there are more distinct states than this. A space of exactly so many states is
    /// still complete. The count may pass the limit by one batch per thread.
    pub states_max: Option<u64>,
    /// Do not expand states that are this many steps away from an initial state.
    pub depth_max: Option<u32>,
    /// Stop once visited set, paths, frontier and the model's own tables
    /// ([`Space::bytes`](super::Space::bytes)) exceed this many bytes.
    pub memory_bytes_max: Option<u64>,
    /// Keep at most about this many bytes of states that wait for expansion in memory; more goes to
    /// temporary files. `None` keeps all in memory.
    pub frontier_bytes_max: Option<u64>,
    /// Where the temporary files are made (they have no name once open); `None` is the system's
    /// directory.
    pub spill_directory: Option<PathBuf>,
    /// Set by others (a Ctrl-C handler) to end the search soon.
    pub stop: Option<&'a AtomicBool>,
    /// Selects the fingerprint function. A run with another seed merges other states, if any.
    pub seed: u64,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            threads: 1,
            stop_at_first_violation: true,
            states_max: None,
            depth_max: None,
            memory_bytes_max: None,
            frontier_bytes_max: None,
            spill_directory: None,
            stop: None,
            seed: 0,
        }
    }
}

/// A snapshot of a running search, given about four times a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Distinct states found.
    pub distinct: u64,
    /// States generated: edges followed, initial states included.
    pub generated: u64,
    /// The level whose states are being expanded; initial states are level 0.
    pub depth: u32,
    /// States known and not yet expanded.
    pub frontier: u64,
    /// Distinct states a second since the last snapshot.
    pub states_per_second: f64,
    /// Bytes of visited set, paths, frontier in memory, and the model's own tables.
    pub bytes: u64,
    /// Time since the search began.
    pub elapsed: Duration,
}
