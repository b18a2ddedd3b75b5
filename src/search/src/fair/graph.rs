//! The graph of all states that are not goals, in memory.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::atomic::Ordering;

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::FairOptions;
use crate::{Incomplete, Space, Successors, Trace, replay};

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
        space: &S,
        classes: &dyn Fn(u32) -> u8,
        goal: &dyn Fn(&[u32]) -> bool,
        options: &FairOptions<'_>,
    ) -> (Self, Option<Incomplete>) {
        let mut graph = Self {
            width: space.words(),
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
        let mut worker = space.worker();
        let mut out = Successors::new(graph.width);
        space.initial(&mut worker, &mut out);
        for (ordinal, edge) in (0..).zip(out.iter()) {
            if !goal(edge.words) {
                graph.state(&mut index, edge.words, NOBODY, ordinal);
            }
        }
        let mut incomplete = None;
        let mut state = 0;
        while (state as usize) < graph.states() {
            incomplete = reason_to_end(&graph, options);
            if incomplete.is_some() {
                break;
            }
            out.clear();
            space.expand(&mut worker, graph.words_of(state), &mut out);
            for (ordinal, edge) in (0..).zip(out.iter()) {
                let target = if goal(edge.words) {
                    graph.goal_edges += 1;
                    GOAL
                } else {
                    graph.state(&mut index, edge.words, state, ordinal)
                };
                graph.targets.push(target);
                graph.classes.push(classes(edge.label));
            }
            graph.starts.push(graph.targets.len());
            state += 1;
        }
        graph.index_bytes = index.table.allocation_size();
        (graph, incomplete)
    }

    /// The number of a state, new or known.
    fn state(&mut self, index: &mut Index, words: &[u32], parent: u32, ordinal: u32) -> u32 {
        let hash = index.hasher.hash_one(words);
        let width = self.width;
        let states = &self.words;
        let words_of = |state: u32| &states[state as usize * width..][..width];
        match index.table.entry(
            hash,
            |&known| words_of(known) == words,
            |&known| index.hasher.hash_one(words_of(known)),
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

    fn words_of(&self, state: u32) -> &[u32] {
        &self.words[state as usize * self.width..][..self.width]
    }
}

/// From words to state numbers.
#[derive(Default)]
struct Index {
    table: HashTable<u32>,
    hasher: FixedState,
}

fn reason_to_end(graph: &Graph, options: &FairOptions<'_>) -> Option<Incomplete> {
    if let Some(max) = options.states_max.filter(|max| graph.states() as u64 > *max) {
        return Some(Incomplete::States { max });
    }
    options.stop.filter(|stop| stop.load(Ordering::Relaxed)).map(|_| Incomplete::Stopped)
}
