//! Family H as the front end sees it.

use std::sync::Arc;

use checker::{
    BoundInfo, Bounds, CheckableModel, Claim, Condition, EVERY_CLAIM, Family, Marked, PropertyInfo,
    Replayed, Row, Story,
};
use search::{Outcome, Trace};
use serde::Serialize;
use serde_json::Value;
use stateright::Model;

use super::Hostile;
use super::election::Ballots;
use super::machine::{Companion, Kind, Machine, Seen, TakenBy};
use super::proper::Proper;
use super::story::story;
use crate::names;

/// The models of family H.
pub(crate) fn models() -> Vec<Box<dyn CheckableModel>> {
    models_of::<Proper>().chain(models_of::<Ballots>()).collect()
}

fn models_of<M: Machine>() -> impl Iterator<Item = Box<dyn CheckableModel>> {
    M::KINDS.iter().map(|kind| Box::new(Byzantine::<M>(kind)) as Box<dyn CheckableModel>)
}

struct Byzantine<M: Machine>(&'static Kind<M::Subject>);

/// A run: what it begins with, and each event with the step that it caused.
struct Run<M: Machine> {
    first: M::Server,
    steps: Vec<(M::Event, TakenBy<M>)>,
}

impl<M: Machine> Replayed for Run<M> {
    fn steps(&self) -> usize {
        self.steps.len()
    }
}

impl<M: Machine> Byzantine<M> {
    fn machine(&self, bounds: &Bounds) -> M {
        M::new(self.0.subject, bounds)
    }
}

impl<M: Machine> Family for Byzantine<M> {
    type System = Hostile<M>;
    type Reference = Reference<M>;
    type Run = Run<M>;

    fn row(&self) -> Row {
        Row {
            name: self.0.name,
            alias: names::alias(self.0.name),
            family: names::family(self.0.name),
            about: self.0.about,
            bounds: M::BOUNDS.to_vec(),
            tiers: self.0.tiers.iter().map(|(tier, values)| (*tier, values.to_vec())).collect(),
        }
    }

    fn claims(&self) -> Vec<Claim> {
        let numbered = M::properties().into_iter().zip(0..);
        numbered.map(|(info, number)| Claim { info, number: Some(number) }).collect()
    }

    fn conditions(&self) -> Vec<Condition> {
        let seen = |seen| match seen {
            Seen::InState(bit) => checker::Seen::InState(bit),
            Seen::OnStep(mark) => checker::Seen::OnStep(mark),
        };
        let companions = M::companions(self.0.subject).iter();
        companions.map(|one| Condition { info: one.info(), seen: seen(one.seen) }).collect()
    }

    /// Conditions are due where the bounds are at least those of the cheapest tier.
    fn is_due(&self, bounds: &Bounds, condition: &Condition) -> bool {
        let (_, least) = &self.0.tiers[0];
        let at_least = |(bound, least): (&BoundInfo, &u64)| bounds.value(bound.name) >= *least;
        let mut companions = M::companions(self.0.subject).iter();
        let may_reach =
            |one: &Companion| one.name == condition.info.name && M::may_reach(one, bounds);
        companions.any(may_reach) && M::BOUNDS.iter().zip(*least).all(at_least)
    }

    fn actions(&self) -> Vec<Marked> {
        M::actions(self.0.subject)
    }

    fn within(&self, bounds: &Bounds) -> Hostile<M> {
        Hostile::new(self.machine(bounds))
    }

    fn reference(&self, bounds: &Bounds) -> Reference<M> {
        Reference(Arc::new(self.machine(bounds)))
    }

    fn met(&self, _: &Hostile<M>, outcome: &Outcome, number: u32) -> u64 {
        M::occasions(number as usize, outcome)
    }

    fn reductions(&self, _: &Bounds) -> Vec<String> {
        M::REDUCTIONS.iter().map(|said| (*said).to_owned()).collect()
    }

    fn path(&self, space: &Hostile<M>, path: &Trace, _: u32) -> Vec<Value> {
        let machine = &space.machine;
        let mut actions = vec![Value::from(path.ordinals[0])];
        let mut at = machine.beginnings().swap_remove(path.ordinals[0] as usize).server;
        for &ordinal in &path.ordinals[1..] {
            let alphabet = machine.alphabet().iter();
            let mut possible =
                alphabet.filter_map(|event| Some((event, machine.step(&at, event)?)));
            let (event, taken) = possible.nth(ordinal as usize).expect("what was found is there");
            actions.push(value(event));
            at = taken.server;
        }
        actions
    }

    fn follow(
        &self,
        space: &Hostile<M>,
        actions: &[Value],
        note: &mut dyn FnMut(usize, u64),
    ) -> Result<Run<M>, String> {
        let machine = &space.machine;
        let (begin, events) = actions.split_first().ok_or("step 0: no beginning is named")?;
        let mut beginnings = machine.beginnings();
        let begin = begin.as_u64().and_then(|at| usize::try_from(at).ok());
        let begin = begin
            .filter(|at| *at < beginnings.len())
            .ok_or_else(|| format!("step 0: the beginnings are 0 to {}", beginnings.len() - 1))?;
        let begin = beginnings.swap_remove(begin);
        let first = begin.server.clone();
        let mut note = |step: usize, violated: u64, server: &M::Server| {
            note(step, violated | machine.judge(server).violated);
        };
        note(0, begin.violated, &first);
        let mut steps: Vec<(M::Event, TakenBy<M>)> = Vec::new();
        for (step, event) in (1..).zip(events) {
            let event: M::Event = serde_json::from_value(event.clone())
                .map_err(|why| format!("step {step}: {event} is no event: {why}"))?;
            if !machine.alphabet().contains(&event) {
                return Err(format!("step {step}: {} is not in the alphabet", M::say(&event)));
            }
            let server = steps.last().map_or(&first, |(_, taken)| &taken.server);
            let taken = machine
                .step(server, &event)
                .ok_or_else(|| format!("step {step}: {} is not possible here", M::say(&event)))?;
            note(step, taken.violated, &taken.server);
            steps.push((event, taken));
        }
        Ok(Run { first, steps })
    }

    fn tell(
        &self,
        space: &Hostile<M>,
        bounds: &Bounds,
        property: &PropertyInfo,
        run: &Run<M>,
    ) -> Story {
        story(&space.machine, self.0.name, bounds, property, &run.first, &run.steps)
    }
}

fn value(event: &impl Serialize) -> Value {
    serde_json::to_value(event).expect("an event is plain data")
}

/// The same for stateright, its states spelled out: for the Explorer, and as the reference that has
/// to agree on counts.
struct Reference<M>(Arc<M>);

impl<M> Clone for Reference<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> Model for Reference<M> {
    /// A server, and the properties that the step to it violates.
    type State = (M::Server, u64);
    type Action = M::Event;

    fn init_states(&self) -> Vec<Self::State> {
        self.0.beginnings().into_iter().map(|taken| (taken.server, taken.violated)).collect()
    }

    fn actions(&self, _: &Self::State, actions: &mut Vec<M::Event>) {
        actions.extend(self.0.alphabet().iter().cloned());
    }

    fn next_state(&self, (server, _): &Self::State, event: M::Event) -> Option<Self::State> {
        self.0.step(server, &event).map(|taken| (taken.server, taken.violated))
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        vec![stateright::Property::always(EVERY_CLAIM, |model: &Self, state: &Self::State| {
            state.1 | model.0.judge(&state.0).violated == 0
        })]
    }
}
