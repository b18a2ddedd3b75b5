//! Expanding states, on this thread or ahead of it on others.

use std::any::Any;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::Scope;

use foldhash::quality::FixedState;

use super::{ClassOf, IsGoal, UNFAIR};
use crate::{Space, Successors};

/// At most so many states are expanded together.
pub(super) const RUN_STATES: usize = 256;

/// Runs that wait, or are under way, for each thread.
const RUNS_AHEAD: usize = 4;

/// Below this many states it takes longer to ask others.
const TEAM_STATES_MIN: usize = 64;

/// What is looked at, and how.
pub(super) struct Pass<'a, S: Space> {
    pub(super) space: &'a S,
    pub(super) classes: &'a ClassOf<'a>,
    pub(super) goal: &'a IsGoal<'a, S>,
}

/// The hash of a state in the index of a graph.
#[inline]
pub(super) fn hash_of(words: &[u32]) -> u64 {
    FixedState::default().hash_one(words)
}

/// The edges out of some neighbouring states.
#[derive(Default)]
pub(super) struct Run {
    /// Where the edges of each state end.
    ends: Vec<u32>,
    classes: Vec<u8>,
    /// Of each edge, the hash of its target; `None` for a goal.
    hashes: Vec<Option<u64>>,
    /// The targets that are no goals.
    words: Vec<u32>,
}

/// One edge of a run.
pub(super) struct Found<'a> {
    /// Which state of the run it leaves.
    pub(super) state: usize,
    /// Which of the edges of that state it is.
    pub(super) ordinal: u32,
    pub(super) class: u8,
    /// The target; no words if that is a goal.
    pub(super) words: &'a [u32],
    pub(super) hash: u64,
}

impl Found<'_> {
    pub(super) fn is_goal(&self) -> bool {
        self.words.is_empty()
    }
}

impl Run {
    /// Number of states.
    pub(super) fn states(&self) -> usize {
        self.ends.len()
    }

    /// All edges, in order. A state has so many words.
    pub(super) fn edges(&self, width: usize) -> impl Iterator<Item = Found<'_>> {
        let mut words = self.words.chunks_exact(width);
        let (mut state, mut start) = (0, 0);
        (0..).zip(self.classes.iter().zip(&self.hashes)).map(move |(at, (&class, &hash))| {
            while self.ends[state] <= at {
                start = self.ends[state];
                state += 1;
            }
            let words = match hash {
                Some(_) => words.next().unwrap_or_default(),
                None => &[],
            };
            let hash = hash.unwrap_or_default();
            Found { state, ordinal: at - start, class, words, hash }
        })
    }
}

/// Expands states; one thread's.
pub(super) struct Expander<'a, S: Space> {
    pass: &'a Pass<'a, S>,
    worker: S::Worker,
    out: Successors,
}

impl<'a, S: Space> Expander<'a, S> {
    pub(super) fn new(pass: &'a Pass<'a, S>) -> Self {
        let space = pass.space;
        Self { pass, worker: space.worker(), out: Successors::new(space.words()) }
    }

    /// The initial states, as the edges of one state.
    pub(super) fn begin(&mut self) -> Run {
        let mut run = Run::default();
        self.out.clear();
        self.pass.space.initial(&mut self.worker, &mut self.out);
        // Their labels are not those of steps.
        self.note(&mut run, |_| UNFAIR);
        run
    }

    /// The edges out of these states.
    pub(super) fn expand(&mut self, states: &[u32]) -> Run {
        let mut run = Run::default();
        for state in states.chunks_exact(self.pass.space.words()) {
            self.out.clear();
            self.pass.space.expand(&mut self.worker, state, &mut self.out);
            self.note(&mut run, self.pass.classes);
        }
        run
    }

    fn note(&mut self, run: &mut Run, class: impl Fn(u32) -> u8) {
        for edge in self.out.iter() {
            run.classes.push(class(edge.label));
            if (self.pass.goal)(&mut self.worker, edge.words) {
                run.hashes.push(None);
            } else {
                run.hashes.push(Some(hash_of(edge.words)));
                run.words.extend_from_slice(edge.words);
            }
        }
        run.ends.push(run.classes.len() as u32);
    }
}

/// Threads that expand runs of states; what they find comes back in the order in which the runs
/// were handed out.
pub(super) struct Team {
    threads: usize,
    jobs: Sender<(u64, Vec<u32>)>,
    results: Receiver<(u64, Result<Run, Panic>)>,
    /// What came before its turn.
    early: BTreeMap<u64, Result<Run, Panic>>,
    handed_out: u64,
    taken: u64,
}

type Panic = Box<dyn Any + Send>;

impl Team {
    /// A team of so many threads, but of none instead of one. It ends when it is dropped.
    pub(super) fn new<'scope, S: Space>(
        scope: &'scope Scope<'scope, '_>,
        pass: &'scope Pass<'scope, S>,
        threads: usize,
    ) -> Self {
        let threads = if threads < 2 { 0 } else { threads };
        let (jobs, todo) = channel::<(u64, Vec<u32>)>();
        let (done, results) = channel();
        let todo = Arc::new(Mutex::new(todo));
        for _ in 0..threads {
            let (todo, done) = (todo.clone(), done.clone());
            scope.spawn(move || {
                let mut expander = Expander::new(pass);
                let next = || todo.lock().expect("no holder panics").recv();
                while let Ok((number, states)) = next() {
                    let run = catch_unwind(AssertUnwindSafe(|| expander.expand(&states)));
                    if done.send((number, run)).is_err() {
                        break;
                    }
                }
            });
        }
        Self { threads, jobs, results, early: BTreeMap::new(), handed_out: 0, taken: 0 }
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.handed_out == self.taken
    }

    /// Whether so many states are worth handing out.
    pub(super) fn is_worth_it(&self, states: usize) -> bool {
        self.threads > 0 && states >= TEAM_STATES_MIN
    }

    /// Whether more should be handed out before the next run is taken.
    pub(super) fn has_room(&self) -> bool {
        self.handed_out - self.taken < (self.threads * RUNS_AHEAD) as u64
    }

    /// How many of so many states should be handed out together.
    pub(super) fn share(&self, states: usize) -> usize {
        (states / self.threads.max(1)).clamp(1, RUN_STATES)
    }

    /// Has these states expanded by somebody.
    pub(super) fn hand_out(&mut self, states: Vec<u32>) {
        let sent = self.jobs.send((self.handed_out, states));
        sent.expect("a thread takes no leave while there may be work");
        self.handed_out += 1;
    }

    /// The edges of the states that were handed out first, of those that are not taken yet.
    ///
    /// # Panics
    /// If the space does.
    pub(super) fn next(&mut self) -> Run {
        let run = loop {
            if let Some(run) = self.early.remove(&self.taken) {
                break run;
            }
            let (number, run) = self.results.recv().expect("somebody expands what is handed out");
            self.early.insert(number, run);
        };
        self.taken += 1;
        run.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
