//! The same ensemble as a stateright model, its states spelled out: for the Explorer, and as the
//! reference that has to agree on counts.

use std::sync::Arc;

use stateright::{Model, Property as Claim};

use super::Ensemble;
use super::action::Act;
use super::line::Line;
use super::node::Node;
use super::property::{Companion, Property, Seen};
use super::tables::Cache;
use search::{Edge, Space, Successors};

/// An [`Ensemble`] that stateright explores.
#[derive(Clone)]
pub(crate) struct Reference(pub(crate) Arc<Ensemble>);

/// A state, spelled out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct State {
    servers: Vec<Node>,
    /// From each server to each other one, in the order of their ids.
    lines: Vec<Line>,
    budgets: u32,
    /// Properties that the step to this state violates.
    violated: u64,
}

impl Reference {
    fn spell(&self, edge: Edge<'_>) -> State {
        let n = self.0.servers.len();
        let words = edge.words;
        State {
            servers: words[..n].iter().map(|&id| self.0.tables.nodes.get(id).clone()).collect(),
            lines: words[n..n * n].iter().map(|&id| self.0.tables.lines.get(id).clone()).collect(),
            budgets: words[n * n],
            violated: edge.violated,
        }
    }

    /// Made anew for every question: small.
    fn worker(&self) -> Cache {
        self.0.tables.cache_of(2)
    }

    fn words(&self, state: &State) -> Vec<u32> {
        let tables = &self.0.tables;
        let servers = state.servers.iter().map(|node| tables.nodes.intern_ref(node));
        let lines = state.lines.iter().map(|line| tables.lines.intern_ref(line));
        servers.chain(lines).chain([state.budgets]).collect()
    }

    fn successors(&self, state: &State) -> Successors {
        let mut out = Successors::new(self.0.words());
        self.0.expand(&mut self.worker(), &self.words(state), &mut out);
        out
    }

    fn violates(&self, state: &State, property: Property) -> bool {
        let judged = self.0.judge(&mut self.worker(), &self.words(state)).violated;
        (judged | state.violated) & property.bit() != 0
    }

    fn reaches(&self, state: &State, bit: u64) -> bool {
        self.0.judge(&mut self.worker(), &self.words(state)).reached & bit != 0
    }
}

impl Model for Reference {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        let mut out = Successors::new(self.0.words());
        self.0.initial(&mut self.worker(), &mut out);
        out.iter().map(|edge| self.spell(edge)).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Act>) {
        let successors = self.successors(state);
        actions.extend(successors.iter().filter_map(|edge| Act::from_label(edge.label)));
    }

    fn next_state(&self, state: &State, act: Act) -> Option<State> {
        let successors = self.successors(state);
        successors.iter().find(|edge| edge.label == act.label()).map(|edge| self.spell(edge))
    }

    fn properties(&self) -> Vec<Claim<Self>> {
        // Conditions are plain functions, so each property has its own.
        fn holds<const AT: usize>(model: &Reference, state: &State) -> bool {
            !model.violates(state, Property::ALL[AT])
        }
        fn reached<const BIT: u64>(model: &Reference, state: &State) -> bool {
            model.reaches(state, BIT)
        }
        let always: [fn(&Self, &State) -> bool; 6] =
            [holds::<0>, holds::<1>, holds::<2>, holds::<3>, holds::<4>, holds::<5>];
        let sometimes = Companion::ALL.into_iter().filter_map(|companion| match companion.seen() {
            Seen::InState(1) => Some(Claim::sometimes(companion.name(), reached::<1>)),
            Seen::InState(2) => Some(Claim::sometimes(companion.name(), reached::<2>)),
            Seen::InState(4) => Some(Claim::sometimes(companion.name(), reached::<4>)),
            Seen::InState(_) | Seen::OnStep(_) => None,
        });
        Property::ALL
            .into_iter()
            .zip(always)
            .map(|(property, condition)| Claim::always(property.name(), condition))
            .chain(sometimes)
            .collect()
    }
}
