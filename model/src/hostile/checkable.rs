//! Family H as the front end sees it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use stateright::Model;

use super::Hostile;
use super::election::Ballots;
use super::machine::{Companion, Kind, Machine, Seen, TakenBy};
use super::proper::Proper;
use super::story::story;
use crate::engine;
use checker::{
    ActionCount, BoundInfo, Bounds, CheckOptions, CheckableModel, Engine, ModelInfo, Progress,
    PropertyVerdict, ReplayOutcome, TierBounds, TraceFile, Verdict, Violated, Violation,
};
use search::Outcome;

/// The models of family H.
pub(crate) fn models() -> Vec<Box<dyn CheckableModel>> {
    models_of::<Proper>().chain(models_of::<Ballots>()).collect()
}

fn models_of<M: Machine>() -> impl Iterator<Item = Box<dyn CheckableModel>> {
    M::KINDS.iter().map(|kind| Box::new(Liars::<M>(kind)) as Box<dyn CheckableModel>)
}

struct Liars<M: Machine>(&'static Kind<M::Subject>);

/// A run: what it begins with, and each event with the step that it caused.
type Run<M> = (<M as Machine>::Server, Vec<(<M as Machine>::Event, TakenBy<M>)>);

impl<M: Machine> Liars<M> {
    fn machine(&self, bounds: &Bounds) -> M {
        M::new(self.0.subject, bounds)
    }

    /// Companions are due where the bounds are at least those of the cheapest tier.
    fn is_due(&self, bounds: &Bounds, companion: &Companion) -> bool {
        let (_, least) = &self.0.tiers[0];
        let at_least = |(bound, least): (&BoundInfo, &u64)| bounds.value(bound.name) >= *least;
        M::may_reach(companion, bounds) && M::BOUNDS.iter().zip(*least).all(at_least)
    }

    /// The run that an explored path is.
    fn run(&self, machine: &M, ordinals: &[u32]) -> Run<M> {
        let begin = machine.beginnings().swap_remove(ordinals[0] as usize);
        let first = begin.server;
        let mut at = first.clone();
        let mut run = Vec::new();
        for &ordinal in &ordinals[1..] {
            let alphabet = machine.alphabet().iter();
            let mut possible =
                alphabet.filter_map(|event| Some((event, machine.step(&at, event)?)));
            let (event, taken) = possible.nth(ordinal as usize).expect("what was found is there");
            at = taken.server.clone();
            run.push((event.clone(), taken));
        }
        (first, run)
    }

    fn own(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict {
        let space = Hostile::new(self.machine(bounds));
        let (outcome, completion) = engine::own(&space, opts, progress);
        let properties = M::properties();
        let violations = outcome.violations.iter().map(|violation| {
            let property = &properties[violation.property as usize];
            let (first, run) = self.run(&space.machine, &violation.trace.ordinals);
            let begin = Value::from(violation.trace.ordinals[0]);
            let events = run.iter().map(|(event, _)| value(event));
            Violation {
                property: property.name.to_owned(),
                actions: [begin].into_iter().chain(events).collect(),
                story: story(&space.machine, self.0.name, bounds, property, &first, &run),
            }
        });
        let violations: Vec<_> = violations.collect();
        let holds = properties.iter().enumerate().map(|(bit, property)| {
            let hit = violations.iter().any(|violation| violation.property == property.name);
            let met = Some(M::occasions(bit, &outcome));
            PropertyVerdict::judge(property, &completion, hit, met)
        });
        let count = |companion: &Companion| seen(&outcome, companion.seen);
        let (absent, present): (Vec<&Companion>, Vec<_>) = M::companions(self.0.subject)
            .iter()
            .partition(|companion| !self.is_due(bounds, companion) && count(companion) == 0);
        let reached = present.into_iter().map(|companion| {
            let times = count(companion);
            PropertyVerdict::judge(&companion.info(), &completion, times > 0, Some(times))
        });
        Verdict {
            properties: holds.chain(reached).collect(),
            actions: M::actions(self.0.subject)
                .into_iter()
                .map(|(name, mark)| ActionCount {
                    name: name.to_owned(),
                    count: outcome.marks[mark as usize],
                })
                .collect(),
            out_of_reach: absent.into_iter().map(|companion| companion.name).collect(),
            reductions: M::REDUCTIONS.iter().map(|said| (*said).to_owned()).collect(),
            violations,
            ..engine::verdict(&outcome, completion.clone(), opts)
        }
    }

    fn stateright(
        &self,
        bounds: &Bounds,
        opts: &CheckOptions,
        progress: &dyn Fn(&Progress),
    ) -> Verdict {
        let model = Reference(Arc::new(self.machine(bounds)));
        let engine::Reference { verdict, found } =
            engine::stateright(model, |name| name == REFERENCE_CLAIM, opts, progress);
        let violated = found.contains(REFERENCE_CLAIM);
        let judge =
            |property| PropertyVerdict::judge(property, &verdict.completion, violated, None);
        Verdict {
            properties: M::properties().iter().map(judge).collect(),
            out_of_reach: M::companions(self.0.subject).iter().map(|one| one.name).collect(),
            ..verdict
        }
    }
}

impl<M: Machine> CheckableModel for Liars<M> {
    fn info(&self) -> ModelInfo {
        let names = M::BOUNDS.iter().map(|bound| bound.name);
        let tiers = self.0.tiers.iter().map(|&(tier, values)| TierBounds {
            tier,
            bounds: Bounds::new(names.clone().zip(values.iter().copied())),
        });
        let companions = M::companions(self.0.subject).iter().map(Companion::info);
        ModelInfo {
            name: self.0.name,
            family: "H",
            about: self.0.about,
            properties: M::properties().into_iter().chain(companions).collect(),
            actions: M::actions(self.0.subject).into_iter().map(|(name, _)| name).collect(),
            bounds: M::BOUNDS.to_vec(),
            tiers: tiers.collect(),
        }
    }

    fn check(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict {
        match opts.engine {
            Engine::Own => self.own(bounds, opts, progress),
            Engine::Stateright => self.stateright(bounds, opts, progress),
        }
    }

    fn explore(&self, bounds: &Bounds, listen: SocketAddr) -> Result<(), String> {
        engine::explorer(Reference(Arc::new(self.machine(bounds))), listen)
    }

    fn replay(&self, trace: &TraceFile) -> Result<ReplayOutcome, String> {
        let machine = self.machine(&trace.bounds);
        let (begin, events) = trace.actions.split_first().ok_or("step 0: no beginning is named")?;
        let mut beginnings = machine.beginnings();
        let begin = begin.as_u64().and_then(|at| usize::try_from(at).ok());
        let begin = begin
            .filter(|at| *at < beginnings.len())
            .ok_or_else(|| format!("step 0: the beginnings are 0 to {}", beginnings.len() - 1))?;
        let begin = beginnings.swap_remove(begin);
        let first = begin.server.clone();
        let mut violated: Vec<Violated> = Vec::new();
        let mut note = |step: usize, bits: u64, server: &M::Server| {
            let found = bits | machine.judge(server).violated;
            let properties = M::properties();
            let properties = properties.iter().enumerate().filter(|(bit, _)| found & 1 << bit != 0);
            engine::note(&mut violated, step, properties.map(|(_, property)| property.name));
        };
        note(0, begin.violated, &first);
        let mut run: Vec<(M::Event, TakenBy<M>)> = Vec::new();
        for (at, event) in events.iter().enumerate() {
            let step = at + 1;
            let event: M::Event = serde_json::from_value(event.clone())
                .map_err(|why| format!("step {step}: {event} is no event: {why}"))?;
            if !machine.alphabet().contains(&event) {
                return Err(format!("step {step}: {} is not in the alphabet", M::say(&event)));
            }
            let server = run.last().map_or(&first, |(_, taken)| &taken.server);
            let taken = machine
                .step(server, &event)
                .ok_or_else(|| format!("step {step}: {} is not possible here", M::say(&event)))?;
            note(step, taken.violated, &taken.server);
            run.push((event, taken));
        }
        let named = violated.first().map(|one| one.property.clone()).or(trace.property.clone());
        let infos = self.info().properties;
        let info = infos.iter().find(|info| named.as_deref() == Some(info.name));
        let info = info.unwrap_or(&infos[0]);
        let story = story(&machine, self.0.name, &trace.bounds, info, &first, &run);
        Ok(ReplayOutcome { steps: run.len(), violated, story: Some(story) })
    }
}

fn value(event: &impl Serialize) -> Value {
    serde_json::to_value(event).expect("an event is plain data")
}

fn seen(outcome: &Outcome, seen: Seen) -> u64 {
    match seen {
        Seen::InState(bit) => {
            let mut reached = outcome.reached.iter();
            reached.find(|one| one.property == bit).map_or(0, |one| one.states)
        }
        Seen::OnStep(mark) => outcome.marks[mark as usize],
    }
}

/// The same for stateright, its states spelled out: for the Explorer, and as the reference that has
/// to agree on counts.
struct Reference<M>(Arc<M>);

impl<M> Clone for Reference<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

const REFERENCE_CLAIM: &str = "every property holds";

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
        vec![stateright::Property::always(REFERENCE_CLAIM, |model: &Self, state: &Self::State| {
            state.1 | model.0.judge(&state.0).violated == 0
        })]
    }
}
