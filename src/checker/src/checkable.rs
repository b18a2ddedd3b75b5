//! The seam between the front end and the models.

use super::{Bounds, ModelInfo, Progress, PropertyInfo, PropertyKind, Story, TraceFile};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A model as the front end sees it. Bounds handed in are complete and within the declared ranges.
pub trait CheckableModel {
    /// Names, properties, actions, bounds.
    fn info(&self) -> ModelInfo;

    /// Refuses combinations of bounds that the ranges alone allow. The message names them.
    fn admits(&self, bounds: &Bounds) -> Result<(), String> {
        let _ = bounds;
        Ok(())
    }

    /// Searches all states within `bounds`.
    ///
    /// Call `progress` at least four times a second from one thread; it returns at once. When
    /// [`CheckOptions::stopped`] becomes true, return what was covered so far as
    /// [`Completion::Incomplete`].
    fn check(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict;

    /// Serves stateright's Explorer on `listen` until the process ends. The address is bound when
    /// this is called, so an address in use is an `Err` and not a panic.
    fn explore(&self, bounds: &Bounds, listen: SocketAddr) -> Result<(), String>;

    /// Runs the actions of a trace through the model. `Err` is a refusal: it names the step, from 1
    /// on, at which the model does not allow what the trace claims, and why.
    fn replay(&self, trace: &TraceFile) -> Result<ReplayOutcome, String>;

    /// Some run within `bounds`, the same for the same `seed`, as steps of abstract Zab in the text
    /// that `proofs/build/check_trace` reads; `None` if the model is not compared with abstract
    /// Zab. `Err`: a step of the run is none of abstract Zab.
    fn abstract_run(&self, bounds: &Bounds, seed: u64) -> Option<Result<AbstractRun, String>> {
        let _ = (bounds, seed);
        None
    }
}

/// See [`CheckableModel::abstract_run`].
#[derive(Clone, Debug)]
pub struct AbstractRun {
    /// Steps of the model.
    pub steps: usize,
    /// Commands in the text.
    pub commands: usize,
    /// One command a line.
    pub text: Vec<u8>,
}

/// Which search to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The search of this repository.
    Own,
    /// Stateright's breadth-first search: slower, the reference that must agree on counts.
    Stateright,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Own => "own",
            Self::Stateright => "stateright",
        })
    }
}

/// How to search, apart from the bounds.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Stop as incomplete once this many distinct states were found; `None` is no limit.
    pub max_states: Option<u64>,
    /// Which search.
    pub engine: Engine,
    /// Set by Ctrl-C.
    pub stop: Arc<AtomicBool>,
}

impl CheckOptions {
    /// Whether somebody asked for the run to end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Whether a search saw every state within its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Every reachable state within the bounds was visited.
    Complete,
    /// Some were not; the text says why (`interrupted`, `stopped at the first violation`).
    Incomplete(String),
}

/// What a search found out about one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyVerdict {
    /// Name as in [`PropertyInfo::name`].
    pub name: String,
    /// `Some(false)`: violated, or (for a `sometimes`, after a complete run) never reached.
    /// `None`: vacuous, or not decided, because the run is incomplete or did not look.
    pub holds: Option<bool>,
    /// True if a complete run never met its precondition: then nothing was seen to hold.
    pub vacuous: bool,
    /// For `always` and `live`, how many states met the precondition (zero: vacuous); for
    /// `sometimes`, how many states reach it. `None` if this was not counted.
    pub occurrences: Option<u64>,
}

impl PropertyVerdict {
    /// Judges a property by what a search saw of it.
    ///
    /// `hit` is: a violation was seen (`always`, `live`), or the condition was reached
    /// (`sometimes`).
    pub fn judge(
        info: &PropertyInfo,
        completion: &Completion,
        hit: bool,
        occurrences: Option<u64>,
    ) -> Self {
        let complete = *completion == Completion::Complete;
        let claims = match info.kind {
            PropertyKind::Always | PropertyKind::Live => true,
            PropertyKind::Sometimes => false,
        };
        let vacuous = claims && complete && !hit && occurrences == Some(0);
        let decided = hit || (complete && !vacuous);
        // A claim holds unless a violation was seen; a condition is reached if it was seen.
        let holds = decided.then_some(claims != hit);
        Self { name: info.name.to_owned(), holds, vacuous, occurrences }
    }
}

/// How many times an action was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionCount {
    /// Name of the protocol action.
    pub name: String,
    /// Number of generated states that it led to.
    pub count: u64,
}

/// A counterexample.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The property violated.
    pub property: String,
    /// The actions from the initial state on, in whatever form the model reads back in
    /// [`CheckableModel::replay`].
    pub actions: Vec<serde_json::Value>,
    /// The same for people.
    pub story: Story,
}

/// Everything that a search has to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Whether every state within the bounds was visited.
    pub completion: Completion,
    /// Distinct states visited.
    pub distinct: u64,
    /// Digest of the set of distinct states, equal for equal sets; `None` if the search has none.
    pub digest: Option<u128>,
    /// States generated, duplicates and initial states included.
    pub generated: u64,
    /// Length of the longest shortest path from an initial state: 0 if there are only initial
    /// states.
    pub depth: u64,
    /// Wall-clock time of the search.
    pub elapsed: Duration,
    /// Number of distinct states first seen at each depth, from 0.
    pub levels: Vec<u64>,
    /// One for each property that was looked at.
    pub properties: Vec<PropertyVerdict>,
    /// Properties that the bounds put out of reach: a `sometimes` that need not be reached, the
    /// comparison with abstract Zab where the bounds leave it out.
    pub out_of_reach: Vec<&'static str>,
    /// What was done to visit fewer states than the model has, one sentence each with the reason
    /// why nothing is lost.
    pub reductions: Vec<String>,
    /// With server symmetry: the states that a run without it would have visited.
    pub distinct_without_symmetry: Option<u64>,
    /// How many times each action was taken; those absent count as 0.
    pub actions: Vec<ActionCount>,
    /// At most one for each property.
    pub violations: Vec<Violation>,
    /// Threads that took part.
    pub threads: usize,
    /// Memory for each visited state, if measured.
    pub bytes_per_state: Option<f64>,
    /// Largest resident memory in bytes; `None` leaves it to samples taken at each progress call.
    pub peak_memory_bytes: Option<u64>,
    /// How states are told apart and how likely a mistake is (`128-bit fingerprints, p < 1e-20`).
    pub collision_bound: String,
    /// States left out although they are within the bounds. Always 0: a model that prunes says so.
    pub pruned: u64,
}

/// A property that was false on a replayed trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violated {
    /// The property.
    pub property: String,
    /// The first step (from 1) after which it is false; 0 is the initial state.
    pub step: usize,
}

/// What a replay that the model accepted shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayOutcome {
    /// Steps taken.
    pub steps: usize,
    /// `always` properties that do not hold along the trace (and a `live` one the trace refutes),
    /// each with the first step.
    pub violated: Vec<Violated>,
    /// The run told anew, if the model can.
    pub story: Option<Story>,
}
