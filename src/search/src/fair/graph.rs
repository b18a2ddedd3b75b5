//! The graph of all states that are not goals, in memory.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::thread;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::FairOptions;
use super::expand::{Expander, Pass, RUN_STATES, Run, Team, hash_of};
use crate::{Incomplete, Space, Trace, replay};

/// A goal, as the target of an edge.
pub(super) const GOAL: u32 = u32::MAX;

/// A parent of nobody: of initial states.
const NOBODY: u32 = u32::MAX;

/// States in breadth-first order, and all edges out of those that were expanded.
pub(super) struct Graph {
    width: usize,
    words: Vec<u32>,
    /// Where the edges of each expanded state begin, and one entry more.
    starts: Vec<usize>,
    targets: Vec<u32>,
    classes: Vec<u8>,
    goal_edges: usize,
    parents: Vec<u32>,
    ordinals: Vec<u32>,
    index_bytes: usize,
}

impl Graph {
    pub(super) fn explore<S: Space>(
        pass: &Pass<'_, S>,
        options: &FairOptions<'_>,
    ) -> (Self, Option<Incomplete>) {
        let mut graph = Self {
            width: pass.space.words(),
            words: Vec::new(),
            starts: vec![0],
            targets: Vec::new(),
            classes: Vec::new(),
            goal_edges: 0,
            parents: Vec::new(),
            ordinals: Vec::new(),
            index_bytes: 0,
        };
        let mut index = Index::default();
        let mut expander = Expander::new(pass);
        graph.begin(&mut index, &expander.begin());
        let incomplete = thread::scope(|scope| {
            let mut team = Team::new(scope, pass, options.threads);
            graph.grow(&mut index, &mut expander, &mut team, options)
        });
        graph.index_bytes = index.table.allocation_size();
        (graph, incomplete)
    }

    fn begin(&mut self, index: &mut Index, initial: &Run) {
        for edge in initial.edges(self.width).filter(|edge| !edge.is_goal()) {
            self.state(index, edge.words, edge.hash, NOBODY, edge.ordinal);
        }
    }

    /// Expands states in the order of their numbers until no state is left, or there is a reason to
    /// end. The team expands ahead.
    fn grow<S: Space>(
        &mut self,
        index: &mut Index,
        expander: &mut Expander<'_, S>,
        team: &mut Team,
        options: &FairOptions<'_>,
    ) -> Option<Incomplete> {
        let mut handed_out = 0;
        loop {
            let expanded = self.expanded().end as usize;
            if expanded == self.states() {
                return None;
            }
            if team.is_idle() && !team.is_worth_it(self.states() - expanded) {
                let run = expander.expand(self.run_of(expanded, RUN_STATES));
                handed_out = expanded + run.states();
                if let Some(reason) = self.merge(index, &run, options) {
                    return Some(reason);
                }
                continue;
            }
            while handed_out < self.states() && team.has_room() {
                let size = team.share(self.states() - handed_out);
                let states = self.run_of(handed_out, size);
                team.hand_out(states.to_vec());
                handed_out += states.len() / self.width;
            }
            let run = team.next();
            if let Some(reason) = self.merge(index, &run, options) {
                return Some(reason);
            }
        }
    }

    /// Takes over the edges of the states that are next.
    fn merge(
        &mut self,
        index: &mut Index,
        run: &Run,
        options: &FairOptions<'_>,
    ) -> Option<Incomplete> {
        let mut edges = run.edges(self.width).peekable();
        for at in 0..run.states() {
            if let Some(reason) = reason_to_end(self, options) {
                return Some(reason);
            }
            let state = self.expanded().end;
            while let Some(edge) = edges.next_if(|edge| edge.state == at) {
                let target = if edge.is_goal() {
                    self.goal_edges += 1;
                    GOAL
                } else {
                    self.state(index, edge.words, edge.hash, state, edge.ordinal)
                };
                self.targets.push(target);
                self.classes.push(edge.class);
            }
            self.starts.push(self.targets.len());
        }
        None
    }

    /// The number of a state, new or known.
    fn state(
        &mut self,
        index: &mut Index,
        words: &[u32],
        hash: u64,
        parent: u32,
        ordinal: u32,
    ) -> u32 {
        let width = self.width;
        let states = &self.words;
        let words_of = |state: u32| &states[state as usize * width..][..width];
        match index.table.entry(
            hash,
            |&known| words_of(known) == words,
            |&known| hash_of(words_of(known)),
        ) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                let state = u32::try_from(self.parents.len()).ok().filter(|&state| state < GOAL);
                let state = state.expect("a liveness graph has fewer than 2^32 - 1 states");
                vacant.insert(state);
                self.words.extend_from_slice(words);
                self.parents.push(parent);
                self.ordinals.push(ordinal);
                state
            }
        }
    }

    pub(super) fn states(&self) -> usize {
        self.parents.len()
    }

    /// The states whose edges are known: all, if the graph is complete.
    pub(super) fn expanded(&self) -> Range<u32> {
        0..(self.starts.len() - 1) as u32
    }

    pub(super) fn edges(&self) -> usize {
        self.targets.len()
    }

    pub(super) fn goal_edges(&self) -> usize {
        self.goal_edges
    }

    /// The edges out of a state; none if it was not expanded. The first has ordinal 0.
    pub(super) fn edges_of(&self, state: u32) -> Range<usize> {
        match self.starts.get(state as usize..state as usize + 2) {
            Some(&[start, end]) => start..end,
            _ => 0..0,
        }
    }

    /// The state an edge leads to, or [`GOAL`].
    pub(super) fn target(&self, edge: usize) -> u32 {
        self.targets[edge]
    }

    /// Fairness class of an edge.
    pub(super) fn class(&self, edge: usize) -> u8 {
        self.classes[edge]
    }

    /// The ordinal of one of a state's edges.
    pub(super) fn ordinal(&self, state: u32, edge: usize) -> u32 {
        (edge - self.edges_of(state).start) as u32
    }

    /// Ordinals of a shortest path from nowhere to a state.
    pub(super) fn path(&self, state: u32) -> Vec<u32> {
        let mut ordinals = Vec::new();
        let mut at = state;
        while at != NOBODY {
            ordinals.push(self.ordinals[at as usize]);
            at = self.parents[at as usize];
        }
        ordinals.reverse();
        ordinals
    }

    /// Adds the labels to a path.
    ///
    /// # Panics
    /// If the space now gives other successors than before.
    pub(super) fn trace<S: Space>(&self, space: &S, ordinals: Vec<u32>) -> Trace {
        match replay(space, &ordinals) {
            Ok(steps) => Trace { ordinals, labels: steps.iter().map(|step| step.label).collect() },
            Err(error) => panic!("a space gives the same successors each time, yet {error}"),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        let words = self.words.capacity()
            + self.targets.capacity()
            + self.parents.capacity()
            + self.ordinals.capacity();
        (words * 4 + self.starts.capacity() * 8 + self.classes.capacity() + self.index_bytes) as u64
    }

    /// The words of so many states, or of those that there are, from this one on.
    fn run_of(&self, first: usize, states: usize) -> &[u32] {
        let end = (first + states).min(self.states());
        &self.words[first * self.width..end * self.width]
    }
}

/// From words to state numbers.
#[derive(Default)]
struct Index {
    table: HashTable<u32>,
}

fn reason_to_end(graph: &Graph, options: &FairOptions<'_>) -> Option<Incomplete> {
    if let Some(max) = options.states_max.filter(|max| graph.states() as u64 > *max) {
        return Some(Incomplete::States { max });
    }
    options.stop.filter(|stop| stop.load(Ordering::Relaxed)).map(|_| Incomplete::Stopped)
}
