//! An explicit-state search: exhaustive, breadth first, level by level, on several threads.
//!
//! The search knows nothing of Zab. It explores a [`Space`] whose states are short slices of `u32`
//! words; each word is the id of an interned component ([`intern`]), so that a successor is mostly
//! table look-ups ([`memo`]).
//!
//! | module | what it does |
//! |---|---|
//! | [`explore()`] | the search for safety: every reachable state, each once, with shortest paths |
//! | [`calm`] | liveness once faults stop: both searches, one after the other |
//! | [`fair`] | the search for liveness: every weakly fair run of a finite graph reaches a goal |
//! | [`replay()`] | walks a path again and hands out its states |
//! | [`intern`], [`memo`] | concurrent tables for models: values to ids, small keys to results |
//! | [`column`](mod@column) | a concurrent table for models: ids to results |
//!
//! What a reader may rely on:
//!
//! - *Nothing is pruned silently.* [`Outcome::complete`] holds only if every reachable state was
//!   expanded; otherwise [`Outcome::incomplete`] says why.
//! - *Counts are those of the space*, not of the schedule: level *k* is finished before level *k +
//!   1* begins, so the numbers of states, edges and levels of a complete run do not depend on
//!   threads or on the ids of components. A run that stops at a violation first finishes the level,
//!   so its numbers are determined as well. Only *which* of several equally short paths is reported
//!   can vary, and only with more than one thread: with one, it is the first in the order in which
//!   the space pushes edges. ([`Options::depth_max`] and one thread find that path again.)
//! - *States are told apart by 128-bit fingerprints.* Two states that share one would be merged.
//!   A fingerprint is a hash of content ([`Space::digest`]), so two processes agree on it, and
//!   [`Outcome::digest`], the sum of all of them, says whether two runs found the same states.
//!   The bound on the probability that this happened anywhere in a run is part of its outcome
//!   ([`Outcome::collision_bound`]), and [`Options::seed`] selects another member of the hash
//!   family, so that a run can be repeated independently.

pub mod calm;
pub mod column;
pub mod content;
mod explore;
pub mod fair;
mod frontier;
pub mod intern;
pub mod memo;
mod options;
mod outcome;
mod replay;
mod successors;
mod tally;
mod trail;
mod visited;
mod worker;

#[cfg(test)]
mod tests;

pub use explore::explore;
pub use options::{Options, Progress};
pub use outcome::{Incomplete, Outcome, Reached, Trace, Violation};
pub use replay::{ReplayError, Step, replay};
pub use successors::{Edge, Successors};

/// A finite graph, given by its initial states and by the steps out of a state.
///
/// Two states are the same exactly if their words are. All methods must be functions of the state
/// alone: the same successors in the same order each time, whatever thread asks. (The ids in the
/// words may be assigned in any order while the search runs, as long as one component keeps one
/// id.)
pub trait Space: Sync {
    /// What one thread needs for itself: buffers, first-level caches.
    type Worker: Send;

    /// Makes the scratch of one more thread.
    fn worker(&self) -> Self::Worker;

    /// Number of words of every state. Constant during a run, at least 1.
    fn words(&self) -> usize;

    /// Pushes every initial state, in a deterministic order; duplicates are allowed. An initial
    /// state counts as reached by an edge from nowhere: its label, marks and violated step
    /// properties are treated like those of any edge.
    fn initial(&self, worker: &mut Self::Worker, out: &mut Successors);

    /// Pushes one edge for every enabled action of `state`, in a deterministic order. Edges back to
    /// `state` and several edges to one state are allowed.
    fn expand(&self, worker: &mut Self::Worker, state: &[u32], out: &mut Successors);

    /// Judges a state. Called once for each distinct state.
    fn judge(&self, worker: &mut Self::Worker, state: &[u32]) -> Judgement;

    /// The digest of what the word at this place of a state stands for: of the interned component
    /// if it is an id ([`intern::Interner::digest`]), else the word itself. Must depend on content
    /// alone, never on ids, so that two processes agree on a state.
    fn digest(&self, place: usize, word: u32) -> u128;

    /// Bytes the model itself holds (interned components, memo tables), counted against
    /// [`Options::memory_bytes_max`] and shown in [`Progress::bytes`]. Asked a few times a second.
    fn bytes(&self) -> u64 {
        0
    }
}

/// What holds in one state, as bit sets over properties 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Judgement {
    /// `always` properties that this state violates.
    pub violated: u64,
    /// `sometimes` properties that this state satisfies.
    pub reached: u64,
}

/// One callback's view of a running search; see [`Progress`]. Called on the thread that called
/// [`explore()`].
pub type Observer<'a> = dyn FnMut(&Progress) + 'a;
