//! Walking a path again.

use std::fmt;

use super::{Edge, Space, Successors};

/// One step of a replayed path, and the state it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Position of the edge among those pushed.
    pub ordinal: u32,
    /// Action label.
    pub label: u32,
    /// Coverage marks of the edge.
    pub marks: u128,
    /// Step properties the edge violates.
    pub violated: u64,
    /// The state after the step. The words are ids of this process; they mean nothing to another
    /// one.
    pub words: Vec<u32>,
}

/// A path that the space does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayError {
    /// Which entry of the path; 0 is the choice of an initial state.
    pub position: usize,
    /// What the entry says.
    pub ordinal: u32,
    /// How many edges there are at this place.
    pub edges: usize,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, ordinal, edges } = self;
        write!(f, "entry {position} of the path takes edge {ordinal}, where there are only {edges}")
    }
}

impl std::error::Error for ReplayError {}

/// Follows [`Trace::ordinals`](super::Trace::ordinals) from nowhere: the first chooses an initial
/// state. Returns one step per entry.
pub fn replay<S: Space>(space: &S, ordinals: &[u32]) -> Result<Vec<Step>, ReplayError> {
    let mut worker = space.worker();
    let mut out = Successors::new(space.words());
    let mut steps: Vec<Step> = Vec::with_capacity(ordinals.len());
    for (position, &ordinal) in ordinals.iter().enumerate() {
        out.clear();
        match steps.last() {
            None => space.initial(&mut worker, &mut out),
            Some(step) => space.expand(&mut worker, &step.words, &mut out),
        }
        let Some(Edge { label, marks, violated, words }) = out.get(ordinal as usize) else {
            return Err(ReplayError { position, ordinal, edges: out.len() });
        };
        steps.push(Step { ordinal, label, marks, violated, words: words.to_vec() });
    }
    Ok(steps)
}
