//! What a search found, and how far it came.

use std::fmt;

/// Result of [`explore`](super::explore()).
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Distinct states found. All were judged; if the run is complete, all were expanded too.
    pub distinct: u64,
    /// States generated: initial states pushed, plus edges out of all expanded states.
    pub generated: u64,
    /// Sum, modulo 2^128, of the fingerprints of the distinct states: the same for the same set of
    /// states, in whatever order, by whichever threads, in whichever process it was found.
    pub digest: u128,
    /// Length of the longest shortest path found: number of levels less 1.
    pub depth: u32,
    /// Distinct states first found on each level; initial states are level 0.
    pub levels: Vec<u64>,
    /// Time the search took, in seconds.
    pub seconds: f64,
    /// For each mark, number of edges that carry it.
    pub marks: Box<[u64; 128]>,
    /// Violated properties: shortest paths first, then smaller property numbers. So the first is
    /// *the* violation.
    pub violations: Vec<Violation>,
    /// `sometimes` properties that were reached, by property number.
    pub reached: Vec<Reached>,
    /// Whether every reachable state was found, judged and expanded.
    pub complete: bool,
    /// Why not, unless complete.
    pub incomplete: Option<Incomplete>,
    /// Largest size of the visited set with the data to reconstruct paths, in bytes.
    pub visited_bytes_peak: u64,
    /// Largest size of the states waiting for expansion, in memory, in bytes.
    pub frontier_bytes_peak: u64,
    /// Bytes of waiting states written to temporary files over the whole run.
    pub spilled_bytes: u64,
}

/// First violation of one property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Number of the property (bit in [`Judgement::violated`](super::Judgement::violated) or in an
    /// edge's).
    pub property: u32,
    /// Distinct states and edges that violate it, as far as explored.
    pub occurrences: u64,
    /// A shortest path whose last step, or the state it leads to, violates the property.
    pub trace: Trace,
}

/// A `sometimes` property that holds in some reachable state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Number of the property (bit in [`Judgement::reached`](super::Judgement::reached)).
    pub property: u32,
    /// Distinct states in which it holds, as far as explored.
    pub states: u64,
    /// A shortest path to such a state.
    pub trace: Trace,
}

/// A path from nowhere: entry 0 chooses an initial state, each further entry an edge of the state
/// before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// Position among what [`Space::initial`](super::Space::initial), then
    /// [`Space::expand`](super::Space::expand), push.
    pub ordinals: Vec<u32>,
    /// The labels of the same edges.
    pub labels: Vec<u32>,
}

impl Trace {
    /// Number of steps after the initial state.
    pub fn depth(&self) -> usize {
        self.ordinals.len().saturating_sub(1)
    }
}

/// Why a search did not cover the whole space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incomplete {
    /// It stopped at a violation, as asked. The level was finished.
    Violation,
    /// The stop flag was set.
    Stopped,
    /// More distinct states than [`Options::states_max`](super::Options::states_max).
    States {
        /// The limit.
        max: u64,
    },
    /// States beyond [`Options::depth_max`](super::Options::depth_max) were not expanded.
    Depth {
        /// The limit.
        max: u32,
    },
    /// More memory than [`Options::memory_bytes_max`](super::Options::memory_bytes_max).
    Memory {
        /// The limit.
        max: u64,
    },
    /// A temporary file could not be written or read.
    Spill {
        /// The system's message.
        error: String,
    },
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation => write!(f, "stopped at the first violation"),
            Self::Stopped => write!(f, "stopped on request"),
            Self::States { max } => write!(f, "more than {max} distinct states"),
            Self::Depth { max } => write!(f, "states {max} steps deep were not expanded"),
            Self::Memory { max } => write!(f, "more than {max} bytes of memory needed"),
            Self::Spill { error } => write!(f, "a temporary file failed: {error}"),
        }
    }
}

impl Outcome {
    /// Bytes of visited set and paths for each distinct state, at the peak.
    pub fn bytes_per_state(&self) -> f64 {
        self.visited_bytes_peak as f64 / self.distinct.max(1) as f64
    }

    /// Distinct states a second over the whole run.
    pub fn states_per_second(&self) -> f64 {
        self.distinct as f64 / self.seconds.max(1e-9)
    }

    /// Upper bound of the probability that two distinct states shared a fingerprint, so that one
    /// was missed: the birthday bound n²/2^129 for n states and 128-bit fingerprints, taking the
    /// hash for a random function.
    pub fn collision_probability_max(&self) -> f64 {
        (self.distinct as f64).powi(2) / 2f64.powi(129)
    }

    /// [`Self::collision_probability_max`] as a phrase for reports.
    pub fn collision_bound(&self) -> String {
        format!(
            "{:.1e} (n^2/2^129 for n = {} states)",
            self.collision_probability_max(),
            self.distinct
        )
    }
}
