//! Counts agree with stateright's own search.

use stateright::{Checker, Model, Property};

use super::super::intern::Interner;
use super::super::memo::{Memo, MemoCache};
use super::super::{Judgement, Options, Space, Successors, explore};
use super::spaces::{Grid, Random};

/// Any space, as a stateright model.
struct Mirror<S>(S);

impl<S: Space> Mirror<S> {
    fn successors(&self, state: &[u32]) -> Successors {
        let mut out = Successors::new(self.0.words());
        self.0.expand(&mut self.0.worker(), state, &mut out);
        out
    }
}

impl<S: Space> Model for Mirror<S> {
    type State = Vec<u32>;
    type Action = usize;

    fn init_states(&self) -> Vec<Vec<u32>> {
        let mut out = Successors::new(self.0.words());
        self.0.initial(&mut self.0.worker(), &mut out);
        out.iter().map(|edge| edge.words.to_vec()).collect()
    }

    fn actions(&self, state: &Vec<u32>, actions: &mut Vec<usize>) {
        actions.extend(0..self.successors(state).len());
    }

    fn next_state(&self, state: &Vec<u32>, action: usize) -> Option<Vec<u32>> {
        self.successors(state).get(action).map(|edge| edge.words.to_vec())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("holds", |_, _| true)]
    }
}

/// Two-phase commit by a manager and some participants that vote, may fail once, and remember their
/// messages; the participants are interned values and their steps are memoised, as in a real model.
struct Commit {
    participants: usize,
    locals: Interner<Local>,
    /// From a participant's id and what happens to it, to its next id.
    steps: Memo<u64, u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Local {
    vote: Option<bool>,
    decided: Option<bool>,
    failures: u8,
    heard: Vec<u8>,
}

/// What can happen to a participant.
#[derive(Clone, Copy)]
enum Event {
    VoteYes,
    VoteNo,
    Fail,
    LearnCommit,
    LearnAbort,
}

const EVENTS: [Event; 5] =
    [Event::VoteYes, Event::VoteNo, Event::Fail, Event::LearnCommit, Event::LearnAbort];

impl Local {
    fn step(&self, event: Event) -> Option<Self> {
        let mut next = self.clone();
        next.heard.push(event as u8);
        match event {
            Event::VoteYes | Event::VoteNo if self.vote.is_none() => {
                next.vote = Some(matches!(event, Event::VoteYes))
            }
            Event::Fail if self.failures == 0 => next.failures += 1,
            Event::LearnCommit if self.decided.is_none() && self.vote == Some(true) => {
                next.decided = Some(true)
            }
            Event::LearnAbort if self.decided.is_none() => next.decided = Some(false),
            Event::VoteYes
            | Event::VoteNo
            | Event::Fail
            | Event::LearnCommit
            | Event::LearnAbort => return None,
        }
        Some(next)
    }
}

impl Commit {
    fn new(participants: usize) -> Self {
        Self { participants, locals: Interner::new(), steps: Memo::new() }
    }

    /// The next id of a participant, memoised; `u32::MAX` if the event cannot happen.
    fn local_step(&self, cache: &mut MemoCache<u64, u32>, id: u32, event: Event) -> Option<u32> {
        let next = cache.get_or(&self.steps, u64::from(id) << 32 | event as u64, || {
            self.locals.get(id).step(event).map_or(u32::MAX, |next| self.locals.intern(next))
        });
        (next != u32::MAX).then_some(next)
    }
}

impl Space for Commit {
    type Worker = MemoCache<u64, u32>;

    fn worker(&self) -> MemoCache<u64, u32> {
        MemoCache::new(8)
    }

    /// The manager's decision (0 none, 1 abort, 2 commit), then the participants.
    fn words(&self) -> usize {
        1 + self.participants
    }

    fn initial(&self, _: &mut Self::Worker, out: &mut Successors) {
        let local =
            self.locals.intern(Local { vote: None, decided: None, failures: 0, heard: Vec::new() });
        let mut state = vec![local; self.words()];
        state[0] = 0;
        out.push(0, 0, 0, &state);
    }

    fn expand(&self, cache: &mut Self::Worker, state: &[u32], out: &mut Successors) {
        let mut next = state.to_vec();
        let votes = || state[1..].iter().map(|&id| self.locals.get(id).vote);
        if state[0] == 0 {
            next[0] = 1;
            out.push(1, 0, 0, &next);
            if votes().all(|vote| vote == Some(true)) {
                next[0] = 2;
                out.push(2, 0, 0, &next);
            }
            next[0] = 0;
        }
        for participant in 1..state.len() {
            for event in EVENTS {
                let allowed = match event {
                    Event::LearnCommit => state[0] == 2,
                    Event::LearnAbort => state[0] == 1,
                    Event::VoteYes | Event::VoteNo | Event::Fail => true,
                };
                if allowed && let Some(id) = self.local_step(cache, state[participant], event) {
                    next[participant] = id;
                    out.push(10 + event as u32, 1 << event as u32, 0, &next);
                    next[participant] = state[participant];
                }
            }
        }
    }

    fn digest(&self, place: usize, word: u32) -> u128 {
        if place == 0 { u128::from(word) } else { self.locals.digest(word) }
    }

    fn judge(&self, _: &mut Self::Worker, state: &[u32]) -> Judgement {
        let decided = |what| state[1..].iter().any(|&id| self.locals.get(id).decided == Some(what));
        let both = decided(true) && decided(false);
        Judgement { violated: u64::from(both), reached: u64::from(decided(true)) << 1 }
    }

    fn bytes(&self) -> u64 {
        self.locals.bytes() + self.steps.bytes()
    }
}

fn agrees<S: Space + Send + 'static>(make: impl Fn() -> S) {
    let space = make();
    let ours: Vec<_> = [1, 2]
        .map(|threads| explore(&space, &Options { threads, ..Options::default() }, &mut |_| {}))
        .into_iter()
        // A space of its own, so that ids are assigned anew, by two threads at once.
        .chain([explore(&make(), &Options { threads: 2, ..Options::default() }, &mut |_| {})])
        .collect();
    for outcome in &ours[1..] {
        assert_eq!(outcome.levels, ours[0].levels);
        assert_eq!(outcome.generated, ours[0].generated);
        assert_eq!(outcome.marks, ours[0].marks);
        assert_eq!(outcome.digest, ours[0].digest);
        assert!(outcome.complete && outcome.violations.is_empty());
        let reached = |outcome: &super::super::Outcome| {
            outcome
                .reached
                .iter()
                .map(|it| (it.property, it.states, it.trace.depth()))
                .collect::<Vec<_>>()
        };
        assert_eq!(reached(outcome), reached(&ours[0]));
    }
    let theirs = Mirror(make()).checker().spawn_bfs().join();
    assert_eq!(ours[0].distinct, theirs.unique_state_count() as u64);
    assert_eq!(ours[0].generated, theirs.state_count() as u64);
    // stateright counts states along a path, not steps.
    assert_eq!(ours[0].depth as usize + 1, theirs.max_depth());
}

#[test]
fn a_grid_counts_as_in_stateright() {
    agrees(|| Grid::new(3, 12));
}

#[test]
fn two_phase_commit_counts_as_in_stateright() {
    agrees(|| Commit::new(2));
    agrees(|| Commit::new(3));
}

#[test]
fn a_set_of_states_has_one_digest_whatever_the_ids_of_their_components() {
    let found = |space: &Commit| explore(space, &Options::default(), &mut |_| {}).digest;
    let (one, other) = (Commit::new(3), Commit::new(3));
    let digest = found(&one);
    for id in (0..one.locals.len() as u32).rev() {
        other.locals.intern_ref(one.locals.get(id));
    }
    assert!(*one.locals.get(0u32) != *other.locals.get(0u32));
    assert_eq!(found(&other), digest);
    assert_ne!(found(&Commit::new(2)), digest);
}

#[test]
fn random_graphs_count_as_in_stateright() {
    for seed in 1..100 {
        // About one and a half edges a state: some graphs die out soon, some reach most states.
        agrees(|| Random(seed).graph(60, 100, 4));
    }
}
