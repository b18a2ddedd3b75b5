//! The two halves of the check, and the path through both.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::{Calms, STRONG_FROM};
use crate::fair::{Counterexample, FairOptions, FairOutcome, fair_within};
use crate::{
    Incomplete, Judgement, Options, Outcome, Progress, Space, Successors, Trace, explore, replay,
};

/// Which half of the check is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// All states, with faults.
    Safety,
    /// Calm runs.
    Liveness,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The first half: safety, too.
    pub outcome: Outcome,
    /// The second half; `None` if the first was not complete, so that there was nowhere to start
    /// from.
    pub fair: Option<FairOutcome>,
    /// A run that never reaches the goal, if there is one.
    pub lasso: Option<Lasso>,
}

impl Found {
    /// Safety alone.
    pub fn safety(outcome: Outcome) -> Self {
        Self { outcome, fair: None, lasso: None }
    }

    /// Why one of the halves is not complete, if one is not.
    pub fn incomplete(&self) -> Option<&Incomplete> {
        let fair = self.fair.as_ref();
        self.outcome.incomplete.as_ref().or(fair.and_then(|fair| fair.incomplete.as_ref()))
    }
}

/// A run that never reaches the goal, as labels of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lasso {
    /// Ordinal of the initial state.
    pub initial: u32,
    /// Until the faults stop.
    pub before: Vec<u32>,
    /// From there on, once.
    pub calm: Vec<u32>,
    /// Then this for ever. Empty if the run ends in a dead end.
    pub cycle: Vec<u32>,
}

/// Called a few times a second.
type Watch<'a> = dyn FnMut(Half, &Progress) + 'a;

/// Explores the model; if that is complete, and no property that has to hold always was violated,
/// checks that every fair calm run from every state found reaches the goal.
pub fn find<S: Calms>(space: &S, options: &Options<'_>, observe: &mut Watch<'_>) -> Found {
    let collector = Collector { space, starts: Mutex::new(Vec::new()) };
    let outcome = explore(&collector, options, &mut |progress| observe(Half::Safety, progress));
    let starts = collector.starts.into_inner().expect("no holder panics");
    if !outcome.complete || !outcome.violations.is_empty() {
        return Found { outcome, fair: None, lasso: None };
    }
    let calm = Calm { space, starts, expanded: AtomicU64::new(0) };
    let fair = pass(&calm, options, &outcome, observe);
    let lasso = fair.counterexample.as_ref().map(|found| whole(&calm, found));
    Found { outcome, fair: Some(fair), lasso }
}

/// The second half, on a thread of its own; this one tells how far it is.
fn pass<S: Calms>(
    calm: &Calm<'_, S>,
    options: &Options<'_>,
    outcome: &Outcome,
    observe: &mut Watch<'_>,
) -> FairOutcome {
    let fair_options = FairOptions {
        threads: options.threads,
        states_max: options.states_max,
        strong_from: Some(STRONG_FROM),
        stop: options.stop,
    };
    thread::scope(|scope| {
        let handle = scope.spawn(|| {
            let goal = |worker: &mut _, state: &[u32]| calm.space.is_goal(worker, state);
            fair_within(calm, &|label| calm.space.class(label), &goal, &fair_options)
        });
        let started = std::time::Instant::now();
        while !handle.is_finished() {
            thread::sleep(Duration::from_millis(if started.elapsed().as_secs() < 1 {
                5
            } else {
                100
            }));
            observe(
                Half::Liveness,
                &Progress {
                    distinct: outcome.distinct,
                    generated: outcome.generated + calm.expanded.load(Ordering::Relaxed),
                    depth: outcome.depth,
                    frontier: 0,
                    states_per_second: 0.0,
                    bytes: calm.space.bytes() + calm.starts.len() as u64 * 4,
                    elapsed: started.elapsed(),
                },
            );
        }
        handle.join().expect("the liveness pass does not panic")
    })
}

/// Finds the way to where the faults stop, and puts the parts together.
fn whole<S: Calms>(calm: &Calm<'_, S>, found: &Counterexample) -> Lasso {
    let (path, cycle) = match found {
        Counterexample::DeadEnd { path } => (path, Trace::default()),
        Counterexample::Lasso { prefix, cycle } => (prefix, cycle.clone()),
    };
    let steps = replay(calm, &path.ordinals[..1]).expect("the pass began there");
    let seeker = Seeker { space: calm.space, target: &steps[0].words };
    let outcome = explore(&seeker, &Options::default(), &mut |_| {});
    let before = &outcome.violations.first().expect("the state was reached before").trace;
    Lasso {
        initial: before.ordinals[0],
        before: before.labels[1..].to_vec(),
        calm: path.labels[1..].to_vec(),
        cycle: cycle.labels,
    }
}

/// A model that keeps every state that it is asked about.
struct Collector<'a, S> {
    space: &'a S,
    starts: Mutex<Vec<u32>>,
}

impl<S: Calms> Space for Collector<'_, S> {
    type Worker = S::Worker;

    fn worker(&self) -> S::Worker {
        self.space.worker()
    }

    fn words(&self) -> usize {
        self.space.words()
    }

    fn initial(&self, worker: &mut S::Worker, out: &mut Successors) {
        self.space.initial(worker, out);
    }

    fn expand(&self, worker: &mut S::Worker, state: &[u32], out: &mut Successors) {
        self.space.expand(worker, state, out);
    }

    fn judge(&self, worker: &mut S::Worker, state: &[u32]) -> Judgement {
        let mut starts = self.starts.lock().expect("no holder panics");
        let at = starts.len();
        starts.extend_from_slice(state);
        self.space.calmed(&mut starts[at..]);
        drop(starts);
        self.space.judge(worker, state)
    }

    fn digest(&self, place: usize, word: u32) -> u128 {
        self.space.digest(place, word)
    }

    fn bytes(&self) -> u64 {
        let starts = self.starts.lock().expect("no holder panics").capacity() as u64;
        self.space.bytes() + 4 * starts
    }
}

/// The model once faults have stopped, starting from every state kept.
struct Calm<'a, S> {
    space: &'a S,
    starts: Vec<u32>,
    expanded: AtomicU64,
}

impl<S: Calms> Space for Calm<'_, S> {
    type Worker = S::Worker;

    fn worker(&self) -> S::Worker {
        self.space.worker()
    }

    fn words(&self) -> usize {
        self.space.words()
    }

    fn initial(&self, _: &mut S::Worker, out: &mut Successors) {
        for state in self.starts.chunks_exact(self.words()) {
            out.push(0, 0, 0, state);
        }
    }

    fn expand(&self, worker: &mut S::Worker, state: &[u32], out: &mut Successors) {
        self.space.calm_steps(worker, state, out);
        self.expanded.fetch_add(1, Ordering::Relaxed);
    }

    fn judge(&self, _: &mut S::Worker, _: &[u32]) -> Judgement {
        Judgement::default()
    }

    fn digest(&self, place: usize, word: u32) -> u128 {
        self.space.digest(place, word)
    }
}

/// A model in which reaching one state, but for its budgets, is the violation.
struct Seeker<'a, S> {
    space: &'a S,
    target: &'a [u32],
}

impl<S: Calms> Space for Seeker<'_, S> {
    type Worker = S::Worker;

    fn worker(&self) -> S::Worker {
        self.space.worker()
    }

    fn words(&self) -> usize {
        self.space.words()
    }

    fn initial(&self, worker: &mut S::Worker, out: &mut Successors) {
        self.space.initial(worker, out);
    }

    fn expand(&self, worker: &mut S::Worker, state: &[u32], out: &mut Successors) {
        self.space.expand(worker, state, out);
    }

    fn judge(&self, _: &mut S::Worker, state: &[u32]) -> Judgement {
        let mut calmed = state.to_vec();
        self.space.calmed(&mut calmed);
        Judgement { violated: u64::from(calmed == self.target), reached: 0 }
    }

    fn digest(&self, place: usize, word: u32) -> u128 {
        self.space.digest(place, word)
    }
}
