//! Strongly connected components, by Tarjan's algorithm without recursion.
//!
//! R. Tarjan, "Depth-first search and linear graph algorithms", SIAM Journal on Computing 1(2),
//! 1972.

use super::graph::{GOAL, Graph};

/// The components of a graph.
pub(super) struct Components {
    /// Component of each state.
    of: Vec<u32>,
    /// All states, component by component, ascending within each.
    states: Vec<u32>,
    /// Where each component begins in `states`, and one entry more.
    starts: Vec<u32>,
    /// States that are taken out: each is a component of its own, and no step counts as staying in
    /// it.
    removed: Vec<bool>,
}

impl Components {
    /// The components of what is left without the `removed` states.
    pub(super) fn of(graph: &Graph, removed: Vec<bool>) -> Self {
        let mut search = Search {
            graph,
            removed: &removed,
            index: vec![UNSEEN; graph.states()],
            low: vec![0; graph.states()],
            of: vec![UNSEEN; graph.states()],
            stack: Vec::new(),
            seen: 0,
            components: 0,
        };
        for root in 0..graph.states() as u32 {
            if search.index[root as usize] == UNSEEN {
                search.run(root);
            }
        }
        let (of, components) = (search.of, search.components);
        Self::gather(of, components, removed)
    }

    /// Counting sort of the states by component.
    fn gather(of: Vec<u32>, components: u32, removed: Vec<bool>) -> Self {
        let mut starts = vec![0u32; components as usize + 1];
        for &component in &of {
            starts[component as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut places = starts.clone();
        let mut states = vec![0; of.len()];
        for (state, &component) in (0..).zip(&of) {
            let place = &mut places[component as usize];
            states[*place as usize] = state;
            *place += 1;
        }
        Self { of, states, starts, removed }
    }

    /// The states of each component, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|bounds| &self.states[bounds[0] as usize..bounds[1] as usize])
    }

    /// Whether an edge from `state` to `target` stays inside its component.
    pub(super) fn same(&self, state: u32, target: u32) -> bool {
        target != GOAL
            && self.of[state as usize] == self.of[target as usize]
            && !self.removed[state as usize]
    }

    /// The states that were taken out, as given.
    pub(super) fn into_removed(self) -> Vec<bool> {
        self.removed
    }

    /// Bytes held while the components are found: the most at any time.
    pub(super) fn bytes(&self) -> u64 {
        ((self.of.len() * 5 + self.starts.len() * 2) * 4 + self.removed.len()) as u64
    }
}

struct Search<'a> {
    graph: &'a Graph,
    removed: &'a [bool],
    /// When each state was first seen.
    index: Vec<u32>,
    /// Smallest index known to be reachable from a state within its component.
    low: Vec<u32>,
    /// Component of each state, once known.
    of: Vec<u32>,
    /// States whose component is not known yet, in the order they were seen.
    stack: Vec<u32>,
    seen: u32,
    components: u32,
}

/// No index, no component yet.
const UNSEEN: u32 = u32::MAX;

impl Search<'_> {
    fn run(&mut self, root: u32) {
        let mut calls = vec![self.enter(root)];
        while let Some(Call { state, next, end }) = calls.last_mut() {
            let state = *state;
            if next < end {
                let target = self.graph.target(*next);
                *next += 1;
                if target == GOAL
                    || self.of[target as usize] != UNSEEN
                    || self.removed[target as usize]
                {
                    continue;
                }
                if self.index[target as usize] == UNSEEN {
                    calls.push(self.enter(target));
                } else {
                    self.lower(state, self.index[target as usize]);
                }
                continue;
            }
            calls.pop();
            if self.low[state as usize] == self.index[state as usize] {
                self.complete(state);
            } else if let Some(caller) = calls.last() {
                self.lower(caller.state, self.low[state as usize]);
            }
        }
    }

    fn enter(&mut self, state: u32) -> Call {
        self.index[state as usize] = self.seen;
        self.low[state as usize] = self.seen;
        self.seen += 1;
        self.stack.push(state);
        let edges = self.graph.edges_of(state);
        let end = if self.removed[state as usize] { edges.start } else { edges.end };
        Call { state, next: edges.start, end }
    }

    fn lower(&mut self, state: u32, index: u32) {
        let low = &mut self.low[state as usize];
        *low = index.min(*low);
    }

    /// Takes the component whose first seen state is `root` off the stack.
    fn complete(&mut self, root: u32) {
        while let Some(state) = self.stack.pop() {
            self.of[state as usize] = self.components;
            if state == root {
                break;
            }
        }
        self.components += 1;
    }
}

/// A state being visited, and which of its edges are still to be followed.
struct Call {
    state: u32,
    next: usize,
    end: usize,
}
