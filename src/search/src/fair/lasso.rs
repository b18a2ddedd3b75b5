//! A cycle that shows that a component admits a fair run.

use std::collections::{HashMap, VecDeque};

use super::components::Components;
use super::graph::Graph;
use super::{Classes, UNFAIR};

/// Ordinals of a closed walk from the first of `states` that stays in their component and treats
/// every class fairly: it passes a state where the class is not possible, or takes a step of the
/// class; of each strong class with a step inside it takes one. The component must be a fair one.
pub(super) fn fair_cycle(
    graph: &Graph,
    components: &Components,
    states: &[u32],
    strong: Classes,
) -> Vec<u32> {
    let home = states[0];
    let mut walk = Walk {
        graph,
        components,
        at: home,
        ordinals: Vec::new(),
        enabled: Classes::all(),
        taken: Classes::default(),
    };
    walk.pass(home);
    for class in 0..UNFAIR {
        if walk.enabled.contains(class) && !walk.taken.contains(class) {
            walk.satisfy(class);
        }
    }
    for class in strong.iter() {
        if !walk.taken.contains(class)
            && states.iter().any(|&state| walk.inside(state, class).is_some())
        {
            walk.take_one(class);
        }
    }
    if walk.ordinals.is_empty() {
        walk.step_inside();
    }
    walk.go(&|_, state| state == home);
    walk.ordinals
}

struct Walk<'a> {
    graph: &'a Graph,
    components: &'a Components,
    at: u32,
    ordinals: Vec<u32>,
    /// Classes possible in all states passed.
    enabled: Classes,
    taken: Classes,
}

impl Walk<'_> {
    /// Goes on to the nearest state where the class is not possible or has a step inside; takes
    /// that step.
    fn satisfy(&mut self, class: u8) {
        let graph = self.graph;
        self.go(&|walk, state| {
            !Classes::enabled(graph, state).contains(class) || walk.inside(state, class).is_some()
        });
        if self.enabled.contains(class)
            && !self.taken.contains(class)
            && let Some(edge) = self.inside(self.at, class)
        {
            self.take(edge);
        }
    }

    /// Goes on to the nearest state where the class has a step inside, and takes it.
    fn take_one(&mut self, class: u8) {
        self.go(&|walk, state| walk.inside(state, class).is_some());
        if let Some(edge) = self.inside(self.at, class) {
            self.take(edge);
        }
    }

    /// A step of the class that stays inside.
    fn inside(&self, state: u32, class: u8) -> Option<usize> {
        self.graph.edges_of(state).find(|&edge| {
            self.graph.class(edge) == class && self.components.same(state, self.graph.target(edge))
        })
    }

    /// Takes the first step that stays inside.
    fn step_inside(&mut self) {
        let mut edges = self.graph.edges_of(self.at);
        let edge = edges.find(|&edge| self.components.same(self.at, self.graph.target(edge)));
        self.take(edge.expect("every state of a component with a step inside has one"));
    }

    /// Goes a shortest way inside the component to a state that is wanted.
    fn go(&mut self, wanted: &dyn Fn(&Self, u32) -> bool) {
        for edge in self.way(wanted) {
            self.take(edge);
        }
    }

    fn take(&mut self, edge: usize) {
        self.ordinals.push(self.graph.ordinal(self.at, edge));
        self.taken.add(self.graph.class(edge));
        self.at = self.graph.target(edge);
        self.pass(self.at);
    }

    fn pass(&mut self, state: u32) {
        self.enabled = self.enabled.and(Classes::enabled(self.graph, state));
    }

    /// Edges of that way.
    fn way(&self, wanted: &dyn Fn(&Self, u32) -> bool) -> Vec<usize> {
        // For each state seen: the edge it was reached by, and from where.
        let mut reached_by = HashMap::new();
        let mut queue = VecDeque::from([self.at]);
        while let Some(state) = queue.pop_front() {
            if wanted(self, state) {
                return self.way_back(&reached_by, state);
            }
            for edge in self.graph.edges_of(state) {
                let target = self.graph.target(edge);
                if self.components.same(state, target)
                    && target != self.at
                    && !reached_by.contains_key(&target)
                {
                    reached_by.insert(target, (state, edge));
                    queue.push_back(target);
                }
            }
        }
        unreachable!(
            "a fair component has a state or a step for every class, and all its states reach each other"
        )
    }

    fn way_back(&self, reached_by: &HashMap<u32, (u32, usize)>, mut state: u32) -> Vec<usize> {
        let mut edges = Vec::new();
        while let Some(&(before, edge)) = reached_by.get(&state) {
            edges.push(edge);
            state = before;
        }
        edges.reverse();
        edges
    }
}
