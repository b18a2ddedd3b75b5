//! What a family of models says of itself. How it is searched, replayed, and shown follows from
//! that, once for all families.

use std::fmt::Debug;
use std::hash::Hash;
use std::net::SocketAddr;
use std::time::Instant;

use search::calm::{Found, Half, Lasso};
use search::{Options, Outcome, Progress as Snapshot, Space, Trace, explore};
use serde_json::Value;
use stateright::{Expectation, Model};

use super::engine;
use super::{
    AbstractRun, ActionCount, BoundInfo, Bounds, CheckOptions, CheckableModel, Completion, Engine,
    ModelInfo, Phase, Progress, PropertyInfo, PropertyKind, PropertyVerdict, ReplayOutcome, Story,
    Tier, TierBounds, TraceFile, Verdict, Violated, Violation,
};

/// One row of a catalogue: a model without its semantics.
#[derive(Clone, Debug)]
pub struct Row {
    /// See [`ModelInfo::name`].
    pub name: &'static str,
    /// See [`ModelInfo::alias`].
    pub alias: Option<&'static str>,
    /// See [`ModelInfo::family`].
    pub family: &'static str,
    /// See [`ModelInfo::about`].
    pub about: &'static str,
    /// What bounds it.
    pub bounds: Vec<BoundInfo>,
    /// Values of these bounds in their order, per tier in which it runs, cheapest first.
    pub tiers: Vec<(Tier, Vec<u64>)>,
}

/// A property that has to hold, always or of every fair run.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What it says.
    pub info: PropertyInfo,
    /// Its number in what the search finds violated; `None` if it is about fair runs.
    pub number: Option<u32>,
}

/// How a condition is observed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// In a state: number of a bit of [`search::Judgement::reached`].
    InState(u32),
    /// On a step: number of a mark.
    OnStep(u32),
}

impl Seen {
    /// How often a run saw it.
    pub fn times(self, outcome: &Outcome) -> u64 {
        match self {
            Self::InState(bit) => {
                let mut reached = outcome.reached.iter();
                reached.find(|one| one.property == bit).map_or(0, |one| one.states)
            }
            Self::OnStep(mark) => outcome.marks[mark as usize],
        }
    }
}

/// A `sometimes` property: what a run has to reach, so that the claims are not about an empty set.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What it says.
    pub info: PropertyInfo,
    /// How it is observed.
    pub seen: Seen,
}

/// An action and the number of its mark.
pub type Marked = (&'static str, u32);

/// A row of a catalogue with its semantics.
pub trait Family: 'static {
    /// The model within some bounds.
    type System: Space;
    /// The same for stateright, its states spelt out. Its properties have the names of claims and
    /// conditions; one named [`EVERY_CLAIM`] stands for all claims at once.
    type Reference: Model<
            State: Debug + Hash + Clone + PartialEq + Send + Sync,
            Action: Debug + Clone + PartialEq + Send + Sync,
        > + Send
        + Sync
        + 'static;
    /// A run, step by step.
    type Run: Replayed;

    /// Name, question, bounds and tiers.
    fn row(&self) -> Row;
    /// What has to hold.
    fn claims(&self) -> Vec<Claim>;
    /// What a run has to reach.
    fn conditions(&self) -> Vec<Condition>;
    /// Whether a run within these bounds has to reach it.
    fn is_due(&self, bounds: &Bounds, condition: &Condition) -> bool;
    /// What can be taken.
    fn actions(&self) -> Vec<Marked>;

    /// See [`CheckableModel::admits`].
    fn admissible(&self, bounds: &Bounds) -> Result<(), String> {
        let _ = bounds;
        Ok(())
    }

    /// The names of claims and actions that these bounds leave out.
    fn left_out(&self, bounds: &Bounds) -> Vec<&'static str> {
        let _ = bounds;
        Vec::new()
    }

    /// The same bounds with every server under its own name throughout, which is how runs are told.
    fn named(&self, bounds: &Bounds) -> Bounds {
        bounds.clone()
    }

    /// The model within bounds.
    fn within(&self, bounds: &Bounds) -> Self::System;
    /// The same for stateright.
    fn reference(&self, bounds: &Bounds) -> Self::Reference;

    /// Searches all states. Families with claims about fair runs call [`search::calm::find`].
    fn find(
        &self,
        system: &Self::System,
        options: &Options<'_>,
        observe: &mut dyn FnMut(Half, &Snapshot),
    ) -> Found {
        Found::safety(explore(system, options, &mut |seen| observe(Half::Safety, seen)))
    }

    /// How often the claim with this number had something to say: steps, or states, in which it
    /// could have been violated.
    fn met(&self, system: &Self::System, outcome: &Outcome, number: u32) -> u64;

    /// The name of what was found violated although it is not among the claims.
    fn unclaimed(&self, number: u32) -> Option<&'static str> {
        let _ = number;
        None
    }

    /// What makes a run visit fewer states, and why nothing is lost by it.
    fn reductions(&self, bounds: &Bounds) -> Vec<String>;

    /// With server symmetry: the states that a run without it would have visited.
    fn unreduced(&self, system: &Self::System) -> Option<u64> {
        let _ = system;
        None
    }

    /// How many violations are told; the others are only counted.
    const TOLD_MAX: usize = usize::MAX;

    /// The actions of a path that the search found, as traces have them. `violated` is the claim
    /// that its end violates.
    fn path(&self, system: &Self::System, path: &Trace, violated: u32) -> Vec<Value>;

    /// The actions of a fair run that never reaches the goal, as traces have them.
    fn lasso(&self, lasso: &Lasso) -> Vec<Value> {
        let _ = lasso;
        Vec::new()
    }

    /// Runs the actions of a trace. `note` is told of the claims violated after each step, from 0
    /// on, as bits. The error names the step that the model does not allow.
    fn follow(
        &self,
        system: &Self::System,
        actions: &[Value],
        note: &mut dyn FnMut(usize, u64),
    ) -> Result<Self::Run, String>;

    /// Tells a run for people.
    fn tell(
        &self,
        system: &Self::System,
        bounds: &Bounds,
        property: &PropertyInfo,
        run: &Self::Run,
    ) -> Story;

    /// See [`CheckableModel::abstract_run`].
    fn abstraction(&self, bounds: &Bounds, seed: u64) -> Option<Result<AbstractRun, String>> {
        let _ = (bounds, seed);
        None
    }
}

/// A property of a reference that is violated as soon as any claim is.
pub const EVERY_CLAIM: &str = "every claim holds";

/// A run that was replayed.
pub trait Replayed {
    /// Steps taken.
    fn steps(&self) -> usize;

    /// Whether it shows that a fair run need not reach the goal.
    fn never_ends(&self) -> bool {
        false
    }
}

impl<F: Family> CheckableModel for F {
    fn info(&self) -> ModelInfo {
        let row = self.row();
        let names = row.bounds.iter().map(|bound| bound.name);
        let tiers = row.tiers.into_iter().map(|(tier, values)| TierBounds {
            tier,
            bounds: Bounds::new(names.clone().zip(values)),
        });
        ModelInfo {
            name: row.name,
            alias: row.alias,
            family: row.family,
            about: row.about,
            properties: properties(self),
            actions: self.actions().into_iter().map(|(name, _)| name).collect(),
            tiers: tiers.collect(),
            bounds: row.bounds,
        }
    }

    fn admits(&self, bounds: &Bounds) -> Result<(), String> {
        self.admissible(bounds)
    }

    fn check(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict {
        match opts.engine {
            Engine::Own => own(self, bounds, opts, progress),
            Engine::Stateright => by_stateright(self, bounds, opts, progress),
        }
    }

    fn explore(&self, bounds: &Bounds, listen: SocketAddr) -> Result<(), String> {
        engine::explorer(self.reference(&self.named(bounds)), listen)
    }

    fn replay(&self, trace: &TraceFile) -> Result<ReplayOutcome, String> {
        let system = self.within(&self.named(&trace.bounds));
        let claims = self.claims();
        let mut violated: Vec<Violated> = Vec::new();
        let mut note = |step: usize, found: u64| {
            let refuted = claims.iter().filter(|claim| claim.is_among(found));
            engine::note(&mut violated, step, refuted.map(|claim| claim.info.name));
        };
        let run = self.follow(&system, &trace.actions, &mut note)?;
        if run.never_ends() {
            let live = claims.iter().filter(|claim| claim.number.is_none());
            engine::note(&mut violated, run.steps(), live.map(|claim| claim.info.name));
        }
        let named = violated.first().map(|one| one.property.as_str()).or(trace.property.as_deref());
        let properties = properties(self);
        let told = properties.iter().find(|info| named == Some(info.name));
        let story = told.or(properties.first());
        let story = story.map(|told| self.tell(&system, &trace.bounds, told, &run));
        Ok(ReplayOutcome { steps: run.steps(), violated, story })
    }

    fn abstract_run(&self, bounds: &Bounds, seed: u64) -> Option<Result<AbstractRun, String>> {
        self.abstraction(&self.named(bounds), seed)
    }
}

impl Claim {
    /// Whether its bit is among these.
    fn is_among(&self, found: u64) -> bool {
        self.number.is_some_and(|number| found & 1 << number != 0)
    }
}

fn properties<F: Family>(family: &F) -> Vec<PropertyInfo> {
    let claims = family.claims().into_iter().map(|claim| claim.info);
    claims.chain(family.conditions().into_iter().map(|condition| condition.info)).collect()
}

/// Checks by the search of this repository.
fn own<F: Family>(
    family: &F,
    bounds: &Bounds,
    opts: &CheckOptions,
    progress: &dyn Fn(&Progress),
) -> Verdict {
    let started = Instant::now();
    let system = family.within(bounds);
    let found = family.find(&system, &engine::options(opts), &mut |half, seen| {
        progress(&engine::shown(phase(half), seen));
    });
    let completion = completion(family, &found);
    let outcome = &found.outcome;
    let left_out = family.left_out(bounds);
    let violations = violations(family, bounds, &system, &found);
    let claims = family.claims().into_iter().filter(|claim| !left_out.contains(&claim.info.name));
    let claims = claims.map(|Claim { info, number }| {
        let hit = violations.iter().any(|violation| violation.property == info.name);
        let met = match number {
            Some(number) => Some(family.met(&system, outcome, number)),
            None => found.fair.as_ref().map(|fair| fair.states),
        };
        PropertyVerdict::judge(&info, &completion, hit, met)
    });
    let (due, absent): (Vec<_>, Vec<_>) = family.conditions().into_iter().partition(|condition| {
        family.is_due(bounds, condition) || condition.seen.times(outcome) > 0
    });
    let reached = due.iter().map(|condition| {
        let times = condition.seen.times(outcome);
        PropertyVerdict::judge(&condition.info, &completion, times > 0, Some(times))
    });
    let actions = family.actions().into_iter().filter(|(name, _)| !left_out.contains(name));
    let count = |(name, mark): (&str, u32)| ActionCount {
        name: name.to_owned(),
        count: outcome.marks[mark as usize],
    };
    let of_claims = family.claims().into_iter().map(|claim| claim.info.name);
    Verdict {
        properties: claims.chain(reached).collect(),
        actions: actions.map(count).collect(),
        out_of_reach: absent
            .iter()
            .map(|condition| condition.info.name)
            .chain(of_claims.filter(|name| left_out.contains(name)))
            .collect(),
        reductions: family.reductions(bounds),
        distinct_without_symmetry: family.unreduced(&system),
        elapsed: started.elapsed(),
        ..engine::verdict(outcome, completion.clone(), opts)
    }
    .with(violations)
}

impl Verdict {
    fn with(self, violations: Vec<Violation>) -> Self {
        Self { violations, ..self }
    }
}

fn phase(half: Half) -> Phase {
    match half {
        Half::Safety => Phase::Exploring,
        Half::Liveness => Phase::Liveness,
    }
}

/// Whether everything was looked at that the claims are about.
fn completion<F: Family>(family: &F, found: &Found) -> Completion {
    let claims = family.claims();
    let elsewhere = |number: u32| {
        let claimed = claims.iter().any(|claim| claim.number == Some(number));
        if claimed { None } else { family.unclaimed(number) }
    };
    let violations = &found.outcome.violations;
    if let Some(name) = violations.iter().find_map(|violation| elsewhere(violation.property)) {
        return Completion::Incomplete(format!("{name} is violated, which another model is about"));
    }
    if let Some(why) = found.incomplete() {
        return Completion::Incomplete(why.to_string());
    }
    if claims.iter().any(|claim| claim.number.is_none()) && found.fair.is_none() {
        return Completion::Incomplete("liveness was not looked at".to_owned());
    }
    Completion::Complete
}

/// What was found, told for people: each counterexample is replayed for that.
fn violations<F: Family>(
    family: &F,
    bounds: &Bounds,
    system: &F::System,
    found: &Found,
) -> Vec<Violation> {
    let claims = family.claims();
    let safety = found.outcome.violations.iter().filter_map(|violation| {
        let claim = claims.iter().find(|claim| claim.number == Some(violation.property))?;
        Some((claim, family.path(system, &violation.trace, violation.property)))
    });
    let live = claims.iter().find(|claim| claim.number.is_none());
    let live = live.zip(found.lasso.as_ref());
    let live = live.map(|(claim, lasso)| (claim, family.lasso(lasso)));
    let told = safety.take(F::TOLD_MAX).chain(live);
    let named = family.within(&family.named(bounds));
    let told = told.map(|(claim, actions)| {
        let run = family
            .follow(&named, &actions, &mut |_, _| {})
            .unwrap_or_else(|why| panic!("what was found can be replayed: {why}"));
        Violation {
            property: claim.info.name.to_owned(),
            story: family.tell(&named, bounds, &claim.info, &run),
            actions,
        }
    });
    told.collect()
}

/// Checks by stateright what it can decide: not liveness, and of the conditions those that its
/// model has.
fn by_stateright<F: Family>(
    family: &F,
    bounds: &Bounds,
    opts: &CheckOptions,
    progress: &dyn Fn(&Progress),
) -> Verdict {
    let left_out = family.left_out(bounds);
    let reference = family.reference(bounds);
    let known = reference.properties().into_iter().map(|known| (known.name, known.expectation));
    let known: Vec<_> = known.filter(|(name, _)| !left_out.contains(name)).collect();
    let violates = |found: &str| {
        let always = |expectation: &Expectation| matches!(expectation, Expectation::Always);
        known.iter().any(|(name, expectation)| *name == found && always(expectation))
    };
    let engine::Reference { mut verdict, found } =
        engine::stateright(reference, violates, opts, progress);
    let claims = family.claims();
    if claims.iter().any(|claim| claim.number.is_none())
        && verdict.completion == Completion::Complete
    {
        verdict.completion =
            Completion::Incomplete("stateright does not decide liveness".to_owned());
    }
    let knows = |name: &str| known.iter().any(|(known, _)| *known == name);
    let properties = properties(family).into_iter().filter_map(|info| {
        let (decided, hit) = match info.kind {
            PropertyKind::Live => (false, false),
            PropertyKind::Sometimes => (knows(info.name), found.contains(info.name)),
            PropertyKind::Always => (
                knows(info.name) || knows(EVERY_CLAIM),
                found.contains(info.name) || found.contains(EVERY_CLAIM),
            ),
        };
        decided.then(|| PropertyVerdict::judge(&info, &verdict.completion, hit, None))
    });
    let properties: Vec<_> = properties.collect();
    let conditions = family.conditions().into_iter().map(|condition| condition.info.name);
    let claims = claims.iter().map(|claim| claim.info.name);
    let out_of_reach = conditions
        .filter(|name| !knows(name))
        .chain(claims.filter(|name| left_out.contains(name)))
        .collect();
    let reductions = family.reductions(bounds);
    Verdict { properties, out_of_reach, reductions, ..verdict }
}
