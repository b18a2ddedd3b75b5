//! Liveness: does every fair run of a finite graph reach a goal?
//!
//! The pass explores the states that are not goals, starting from all states the space calls
//! initial, keeps their graph, and looks for the two ways of never reaching a goal:
//!
//! - a *dead end*: a state that is no goal and has no step;
//! - a *fair livelock*: a strongly connected component, with at least one step inside, in which a
//!   run can stay for ever although it is weakly fair. It can if for each fairness class the
//!   component has a state where no step of the class is possible, or a step of the class that
//!   stays inside: a run through all states and steps of the component, again and again, then
//!   treats every class fairly. If some class is possible in all states of the component but always
//!   leaves it, then this holds for every smaller cycle in it as well, so looking at whole
//!   components is enough.
//!
//! States are compared word by word here, not by fingerprint. Several threads may expand states;
//! what they find is put together in the order of the states, so that the graph, and with it the
//! outcome, does not depend on their number.

mod components;
mod expand;
mod graph;
mod lasso;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::{Incomplete, Space, Trace};
use components::Components;
use expand::Pass;
use graph::Graph;

/// The class of a step that need not ever be taken, however long it is possible.
pub const UNFAIR: u8 = 255;

/// The fairness class of a step with this label.
pub type ClassOf<'a> = dyn Fn(u32) -> u8 + Sync + 'a;

/// Whether a state is a goal.
pub type IsGoal<'a, S> = dyn Fn(&mut <S as Space>::Worker, &[u32]) -> bool + Sync + 'a;

/// Limits of a liveness pass. Each makes the outcome incomplete when it cuts something off.
#[derive(Debug, Clone, Copy, Default)]
pub struct FairOptions<'a> {
    /// Threads that expand states; 0 counts as 1.
    pub threads: usize,
    /// Stop once there are more distinct states than this that are not goals.
    pub states_max: Option<u64>,
    /// Classes from this one on, [`UNFAIR`] excepted, are strongly fair; `None` if all are weakly
    /// fair.
    pub strong_from: Option<u8>,
    /// Set by others to end the pass soon.
    pub stop: Option<&'a AtomicBool>,
}

/// Result of a liveness pass.
#[derive(Debug, Clone, PartialEq)]
pub struct FairOutcome {
    /// Distinct states that are not goals.
    pub states: u64,
    /// Steps out of these states.
    pub edges: u64,
    /// Those of the steps that lead to a goal.
    pub goal_edges: u64,
    /// Strongly connected components with a step inside; all of them were judged.
    pub cycles: u64,
    /// Largest number of states in one of these.
    pub cycle_states_max: u64,
    /// A run that never reaches a goal: the one that branches off earliest, if there are several.
    pub counterexample: Option<Counterexample>,
    /// Whether the whole graph was explored and judged.
    pub complete: bool,
    /// Why not, unless complete.
    pub incomplete: Option<Incomplete>,
    /// Bytes of the graph, and of the arrays to find its components.
    pub bytes: u64,
    /// Time the pass took, in seconds.
    pub seconds: f64,
}

impl FairOutcome {
    /// Whether every weakly fair run from every initial state was shown to reach a goal.
    pub fn holds(&self) -> bool {
        self.complete && self.counterexample.is_none()
    }
}

/// A run that reaches no goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counterexample {
    /// It ends in a state without any step.
    DeadEnd {
        /// Path from nowhere to that state.
        path: Trace,
    },
    /// It goes round in a cycle for ever, and is weakly fair.
    Lasso {
        /// Path from nowhere to the first state of the cycle.
        prefix: Trace,
        /// Steps from there back to the same state. Appended to the prefix's ordinals they
        /// [`replay`](super::replay()), any number of times.
        cycle: Trace,
    },
}

/// Checks that every weakly fair run from every initial state reaches a state for which `goal`
/// holds.
///
/// `space.initial` gives all states to start from, `space.expand` the steps of a run without
/// further faults. `classes` maps the label of a step to its fairness class: a class that stays
/// possible must be taken again and again; [`UNFAIR`] is for steps nobody promises. Steps out of
/// goals are not looked at, and states are not judged.
pub fn fair<S: Space>(space: &S, classes: &ClassOf<'_>, goal: &IsGoal<'_, S>) -> FairOutcome {
    fair_within(space, classes, goal, &FairOptions::default())
}

/// [`fair`], with limits.
pub fn fair_within<S: Space>(
    space: &S,
    classes: &ClassOf<'_>,
    goal: &IsGoal<'_, S>,
    options: &FairOptions<'_>,
) -> FairOutcome {
    let started = Instant::now();
    let (graph, incomplete) = Graph::explore(&Pass { space, classes, goal }, options);
    let mut outcome = FairOutcome {
        states: graph.states() as u64,
        edges: graph.edges() as u64,
        goal_edges: graph.goal_edges() as u64,
        cycles: 0,
        cycle_states_max: 0,
        counterexample: None,
        complete: incomplete.is_none(),
        incomplete,
        bytes: graph.bytes(),
        seconds: 0.0,
    };
    // The graph is in breadth-first order: smaller numbers are nearer to the start.
    let dead_end = graph.expanded().find(|&state| graph.edges_of(state).is_empty());
    let livelock = find_livelock(&graph, Classes::from(options.strong_from), &mut outcome);
    outcome.counterexample = match (dead_end, livelock) {
        (Some(state), livelock) if livelock.as_ref().is_none_or(|known| state < known.home) => {
            Some(Counterexample::DeadEnd { path: graph.trace(space, graph.path(state)) })
        }
        (_, Some(Livelock { home, cycle })) => {
            let prefix = graph.path(home);
            let length = prefix.len();
            let whole = graph.trace(space, [prefix, cycle].concat());
            Some(split(whole, length))
        }
        (_, None) => None,
    };
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome
}

/// A fair cycle: its first state, and the ordinals from there back to it.
struct Livelock {
    home: u32,
    cycle: Vec<u32>,
}

/// The component nearest to the start in which a fair run can stay for ever, with a fair cycle in
/// it.
fn find_livelock(graph: &Graph, strong: Classes, outcome: &mut FairOutcome) -> Option<Livelock> {
    let mut best: Option<Livelock> = None;
    let mut removed = vec![false; graph.states()];
    for turn in 0.. {
        let components = Components::of(graph, removed);
        if turn == 0 {
            outcome.bytes += components.bytes();
        }
        let mut avoided: Vec<(u32, Classes)> = Vec::new();
        for states in components.iter() {
            let Some(cycle) = Cycle::of(graph, &components, states) else {
                continue;
            };
            if turn == 0 {
                outcome.cycles += 1;
                outcome.cycle_states_max = outcome.cycle_states_max.max(states.len() as u64);
            }
            if !cycle.is_fair() {
                continue;
            }
            let never_taken = cycle.enabled.and(strong).without(cycle.inside);
            if never_taken != Classes::default() {
                avoided.extend(states.iter().map(|&state| (state, never_taken)));
            } else if best.as_ref().is_none_or(|known| states[0] < known.home) {
                let cycle = lasso::fair_cycle(graph, &components, states, strong);
                best = Some(Livelock { home: states[0], cycle });
            }
        }
        removed = components.into_removed();
        let mut progress = false;
        for (state, classes) in avoided {
            if Classes::enabled(graph, state).and(classes) != Classes::default() {
                removed[state as usize] = true;
                progress = true;
            }
        }
        if !progress {
            break;
        }
    }
    best
}

fn split(mut prefix: Trace, length: usize) -> Counterexample {
    let cycle = Trace {
        ordinals: prefix.ordinals.split_off(length),
        labels: prefix.labels.split_off(length),
    };
    Counterexample::Lasso { prefix, cycle }
}

/// What fairness has to know of a component with a step inside.
struct Cycle {
    /// Classes with a possible step in every state.
    always_enabled: Classes,
    /// Classes with a possible step in some state.
    enabled: Classes,
    /// Classes with a step that stays inside.
    inside: Classes,
}

impl Cycle {
    /// `None` if no step stays inside: a single state without a step to itself.
    fn of(graph: &Graph, components: &Components, states: &[u32]) -> Option<Self> {
        let mut cycle = Self {
            always_enabled: Classes::all(),
            enabled: Classes::default(),
            inside: Classes::default(),
        };
        let mut steps_inside = false;
        for &state in states {
            let enabled = Classes::enabled(graph, state);
            cycle.always_enabled = cycle.always_enabled.and(enabled);
            cycle.enabled = cycle.enabled.or(enabled);
            for edge in graph.edges_of(state) {
                if components.same(state, graph.target(edge)) {
                    steps_inside = true;
                    cycle.inside.add(graph.class(edge));
                }
            }
        }
        steps_inside.then_some(cycle)
    }

    /// Whether a run through all of it treats every class weakly fairly.
    fn is_fair(&self) -> bool {
        self.always_enabled.iter().all(|class| self.inside.contains(class))
    }
}

/// A set of fairness classes. [`UNFAIR`] is never in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Classes([u64; 4]);

impl Classes {
    fn all() -> Self {
        Self([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 1])
    }

    fn enabled(graph: &Graph, state: u32) -> Self {
        let mut classes = Self::default();
        for edge in graph.edges_of(state) {
            classes.add(graph.class(edge));
        }
        classes
    }

    fn add(&mut self, class: u8) {
        if class != UNFAIR {
            self.0[usize::from(class / 64)] |= 1 << (class % 64);
        }
    }

    fn contains(&self, class: u8) -> bool {
        self.0[usize::from(class / 64)] & 1 << (class % 64) != 0
    }

    fn and(mut self, other: Self) -> Self {
        for (ours, theirs) in self.0.iter_mut().zip(other.0) {
            *ours &= theirs;
        }
        self
    }

    fn or(mut self, other: Self) -> Self {
        for (ours, theirs) in self.0.iter_mut().zip(other.0) {
            *ours |= theirs;
        }
        self
    }

    fn without(mut self, other: Self) -> Self {
        for (ours, theirs) in self.0.iter_mut().zip(other.0) {
            *ours &= !theirs;
        }
        self
    }

    /// All classes from this number on.
    fn from(first: Option<u8>) -> Self {
        let mut classes = Self::default();
        for class in first.unwrap_or(UNFAIR)..UNFAIR {
            classes.add(class);
        }
        classes
    }

    fn iter(self) -> impl Iterator<Item = u8> {
        (0..UNFAIR).filter(move |&class| self.contains(class))
    }
}
