//! The breadth-first search itself: one level after the other, each by all threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::frontier::{Found, Level};
use super::tally::{Firsts, Tally};
use super::trail::{Origin, Trail};
use super::worker::{Shared, Worker};
use super::{
    Incomplete, Observer, Options, Outcome, Progress, Reached, Space, Trace, Violation, replay,
};

/// Time between two snapshots for the observer.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(250);

/// Levels from which fewer edges are to be expected are expanded on the calling thread: starting
/// others would take longer.
const PARALLEL_EDGES_MIN: u64 = 1024;

/// Explores every state that can be reached, level by level, within the limits of `options`.
/// `observer` is called on this thread, about four times a second and once at the end.
///
/// # Panics
/// If the space panics, or if it gives other successors for a state than before, so that a path
/// cannot be replayed.
pub fn explore<S: Space>(space: &S, options: &Options<'_>, observer: &mut Observer<'_>) -> Outcome {
    let shared = Shared::new(space, options);
    let mut workers: Vec<_> =
        (0..options.threads.max(1)).map(|index| Worker::new(space, index, options.seed)).collect();
    let mut ticker = Ticker::new(observer);
    let mut run = Run::default();

    workers[0].start(&shared);
    let mut level = run.finish_level(&shared, &mut workers);
    run.trail.end_roots();
    let incomplete = loop {
        let cut = shared.cut.get();
        if cut.is_some_and(loses_states) {
            break cut.cloned();
        }
        if level.states() == 0 {
            break None;
        }
        if let Some(reason) = run.reason_to_end(&shared) {
            break Some(reason);
        }
        ticker.depth = run.depth();
        expand_level(&shared, &mut workers, &level, &mut ticker);
        let cut = shared.cut.get().filter(|_| !level.exhausted()).cloned();
        level = run.finish_level(&shared, &mut workers);
        if cut.is_some() {
            break cut;
        }
    };
    ticker.tick(&shared);
    run.outcome(&shared, incomplete, ticker.started)
}

/// Whether states may be missing although every one was claimed by a worker.
fn loses_states(reason: &Incomplete) -> bool {
    matches!(reason, Incomplete::Spill { .. })
}

/// How many edges a level has if its states have as many as those before.
fn expected_edges<S: Space>(shared: &Shared<'_, S>, level: &Level) -> u64 {
    let expanded = shared.expanded.load(Ordering::Relaxed).max(1);
    let generated = shared.generated.load(Ordering::Relaxed);
    level.states().saturating_mul(generated.div_ceil(expanded))
}

/// Has all workers expand the level; meanwhile this thread feeds the observer.
fn expand_level<S: Space>(
    shared: &Shared<'_, S>,
    workers: &mut [Worker<S>],
    level: &Level,
    ticker: &mut Ticker<'_, '_>,
) {
    ticker.tick_if_due(shared);
    if expected_edges(shared, level) < PARALLEL_EDGES_MIN {
        workers[0].expand(shared, level);
        return;
    }
    let running = AtomicUsize::new(workers.len());
    let caller = thread::current();
    thread::scope(|scope| {
        let handles: Vec<_> = workers
            .iter_mut()
            .map(|worker| {
                let (running, caller) = (&running, caller.clone());
                scope.spawn(move || {
                    let _finish = Finish { running, caller, cut: &shared.cut };
                    worker.expand(shared, level);
                })
            })
            .collect();
        while running.load(Ordering::Acquire) > 0 {
            thread::park_timeout(ticker.until_due());
            ticker.tick_if_due(shared);
        }
        for handle in handles {
            if let Err(panic) = handle.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// Tells the caller that a worker is through, also if it panicked; then the others are not to go
/// on.
struct Finish<'a> {
    running: &'a AtomicUsize,
    caller: Thread,
    cut: &'a OnceLock<Incomplete>,
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.cut.get_or_init(|| Incomplete::Stopped);
        }
        self.running.fetch_sub(1, Ordering::Release);
        self.caller.unpark();
    }
}

/// What was found in the levels that are finished.
#[derive(Default)]
struct Run {
    trail: Trail,
    total: Tally,
    levels: Vec<u64>,
    visited_bytes_peak: u64,
}

impl Run {
    /// Gathers and numbers what the workers found: the next level.
    fn finish_level<S: Space>(
        &mut self,
        shared: &Shared<'_, S>,
        workers: &mut [Worker<S>],
    ) -> Level {
        let mut tally = Tally::default();
        let mut found: Vec<Found> = Vec::new();
        for worker in workers {
            tally.absorb(&std::mem::take(&mut worker.tally), Origin::min);
            found.append(&mut worker.found);
            worker.spill = Arc::default();
        }
        if tally.distinct > 0 {
            self.levels.push(tally.distinct);
        }
        // What an earlier level found stays the first.
        self.total.absorb(&tally, |known, _| known);
        found.sort_by_key(|found| found.segment.first_parent());
        let blocks = found
            .into_iter()
            .map(|Found { block, segment }| {
                let states = segment.states();
                (block, self.trail.append(segment), states)
            })
            .collect();
        shared.trail_bytes.store(self.trail.bytes(), Ordering::Relaxed);
        self.visited_bytes_peak = self.visited_bytes_peak.max(shared.visited_bytes());
        Level::new(blocks)
    }

    fn depth(&self) -> u32 {
        self.levels.len().saturating_sub(1) as u32
    }

    fn reason_to_end<S: Space>(&self, shared: &Shared<'_, S>) -> Option<Incomplete> {
        let violated = self.total.violated.counts.iter().any(|&count| count > 0);
        if violated && shared.options.stop_at_first_violation {
            return Some(Incomplete::Violation);
        }
        match shared.options.depth_max {
            Some(max) if self.depth() >= max => Some(Incomplete::Depth { max }),
            _ => shared.cut.get().cloned(),
        }
    }

    fn outcome<S: Space>(
        self,
        shared: &Shared<'_, S>,
        incomplete: Option<Incomplete>,
        started: Instant,
    ) -> Outcome {
        let trace = |origin| trace(shared.space, self.trail.path(origin));
        let mut violations: Vec<_> = occurrences(&self.total.violated)
            .map(|(property, occurrences, origin)| Violation {
                property,
                occurrences,
                trace: trace(origin),
            })
            .collect();
        violations.sort_by_key(|violation| (violation.trace.depth(), violation.property));
        let reached = occurrences(&self.total.reached)
            .map(|(property, states, origin)| Reached { property, states, trace: trace(origin) })
            .collect();
        Outcome {
            distinct: self.total.distinct,
            generated: self.total.generated,
            digest: self.total.digest,
            depth: self.depth(),
            violations,
            reached,
            complete: incomplete.is_none(),
            incomplete,
            visited_bytes_peak: self.visited_bytes_peak,
            frontier_bytes_peak: shared.ledger.peak(),
            spilled_bytes: shared.ledger.spilled(),
            levels: self.levels,
            marks: self.total.marks,
            seconds: started.elapsed().as_secs_f64(),
        }
    }
}

/// Properties that occurred: number, how often, and where first.
fn occurrences(firsts: &Firsts) -> impl Iterator<Item = (u32, u64, Origin)> {
    (0..)
        .zip(firsts.counts.iter().zip(&firsts.first))
        .filter_map(|(property, (&count, &first))| Some((property, count, first?)))
}

fn trace<S: Space>(space: &S, ordinals: Vec<u32>) -> Trace {
    match replay(space, &ordinals) {
        Ok(steps) => Trace { ordinals, labels: steps.iter().map(|step| step.label).collect() },
        Err(error) => panic!("a space gives the same successors each time, yet {error}"),
    }
}

/// Feeds the observer at regular times.
struct Ticker<'a, 'b> {
    observer: &'a mut Observer<'b>,
    started: Instant,
    last: Instant,
    last_distinct: u64,
    depth: u32,
}

impl<'a, 'b> Ticker<'a, 'b> {
    fn new(observer: &'a mut Observer<'b>) -> Self {
        let now = Instant::now();
        Self { observer, started: now, last: now, last_distinct: 0, depth: 0 }
    }

    fn until_due(&self) -> Duration {
        SNAPSHOT_INTERVAL.saturating_sub(self.last.elapsed())
    }

    fn tick_if_due<S: Space>(&mut self, shared: &Shared<'_, S>) {
        if self.until_due().is_zero() {
            self.tick(shared);
        }
    }

    fn tick<S: Space>(&mut self, shared: &Shared<'_, S>) {
        shared.space_bytes.store(shared.space.bytes(), Ordering::Relaxed);
        let distinct = shared.distinct.load(Ordering::Relaxed);
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64().max(1e-9);
        let progress = Progress {
            distinct,
            generated: shared.generated.load(Ordering::Relaxed),
            depth: self.depth,
            frontier: distinct.saturating_sub(shared.expanded.load(Ordering::Relaxed)),
            states_per_second: (distinct - self.last_distinct) as f64 / seconds,
            bytes: shared.bytes(),
            elapsed: now - self.started,
        };
        self.last = now;
        self.last_distinct = distinct;
        (self.observer)(&progress);
    }
}
