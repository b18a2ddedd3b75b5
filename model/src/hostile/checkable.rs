//! Family H as the front end sees it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use stateright::{Checker as _, Model};
use zab::Action;

use super::Hostile;
use super::event::Event;
use super::limits::{BOUNDS, KINDS, KINDS_OF_EVENTS, Kind, Limits};
use super::property::{Companion, Property, Seen, companions, mark};
use super::server::{Server, Taken};
use super::story::story;
use crate::report::{
    ActionCount, Bounds, CheckOptions, CheckableModel, Completion, Engine, ModelInfo, Phase,
    Progress, PropertyInfo, PropertyKind, PropertyVerdict, ReplayOutcome, TierBounds, TraceFile,
    Verdict, Violated, Violation,
};
use crate::search::{Options, Outcome, explore};

/// The models of family H.
pub(crate) fn models() -> Vec<Box<dyn CheckableModel>> {
    KINDS.iter().map(|kind| Box::new(Liars(kind)) as Box<dyn CheckableModel>).collect()
}

struct Liars(&'static Kind);

fn always(property: Property) -> PropertyInfo {
    PropertyInfo {
        name: property.name(),
        kind: PropertyKind::Always,
        source: property.source(),
        sentence: property.sentence(),
    }
}

fn sometimes(companion: &Companion) -> PropertyInfo {
    PropertyInfo {
        name: companion.name,
        kind: PropertyKind::Sometimes,
        source: "against a vacuous run",
        sentence: companion.sentence,
    }
}

impl Liars {
    fn space(&self, bounds: &Bounds) -> Hostile {
        Hostile::new(Limits::of(self.0.subject, bounds))
    }

    /// Companions are due where the bounds are at least those of the cheapest tier.
    fn is_due(&self, bounds: &Bounds, companion: &Companion) -> bool {
        let (_, least) = &self.0.tiers[0];
        let may_sync = companion.seen != Seen::OnStep(mark::SYNCED) || bounds.value("syncs") > 0;
        may_sync
            && BOUNDS.iter().zip(least).all(|(bound, least)| bounds.value(bound.name) >= *least)
    }

    /// The run that an explored path is.
    fn run(&self, space: &Hostile, ordinals: &[u32]) -> (Server, Vec<(Event, Taken)>) {
        let begin = space.beginnings().swap_remove(ordinals[0] as usize);
        let first = begin.server;
        let mut at = first.clone();
        let mut run = Vec::new();
        for &ordinal in &ordinals[1..] {
            let mut possible =
                space.alphabet.iter().filter_map(|event| Some((event, space.step(&at, event)?)));
            let (event, taken) = possible.nth(ordinal as usize).expect("what was found is there");
            at = taken.server.clone();
            run.push((event.clone(), taken));
        }
        (first, run)
    }

    fn own(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict {
        let space = self.space(bounds);
        let options = Options {
            threads: opts.threads,
            states_max: opts.max_states,
            stop: Some(&opts.stop),
            ..Options::default()
        };
        let outcome = explore(&space, &options, &mut |p| {
            progress(&Progress {
                phase: Phase::Exploring,
                distinct: p.distinct,
                generated: p.generated,
                depth: u64::from(p.depth),
                frontier: p.frontier,
                memory_bytes: Some(p.bytes),
            });
        });
        let completion = match &outcome.incomplete {
            None => Completion::Complete,
            Some(why) => Completion::Incomplete(why.to_string()),
        };
        let violations = outcome.violations.iter().map(|violation| {
            let property = Property::ALL[violation.property as usize];
            let (first, run) = self.run(&space, &violation.trace.ordinals);
            let begin = Value::from(violation.trace.ordinals[0]);
            let events = run.iter().map(|(event, _)| value(event));
            Violation {
                property: property.name().to_owned(),
                actions: [begin].into_iter().chain(events).collect(),
                story: story(&space, self.0.name, bounds, &always(property), &first, &run),
            }
        });
        let violations: Vec<_> = violations.collect();
        let holds = Property::ALL.iter().map(|&property| {
            let hit = violations.iter().any(|violation| violation.property == property.name());
            let met = Some(precondition(&outcome, property));
            PropertyVerdict::judge(&always(property), &completion, hit, met)
        });
        let count = |companion: &Companion| seen(&outcome, companion.seen);
        let (absent, present): (Vec<&Companion>, Vec<_>) = companions(self.0.subject)
            .iter()
            .partition(|companion| !self.is_due(bounds, companion) && count(companion) == 0);
        let reached = present.into_iter().map(|companion| {
            let times = count(companion);
            PropertyVerdict::judge(&sometimes(companion), &completion, times > 0, Some(times))
        });
        Verdict {
            properties: holds.chain(reached).collect(),
            distinct: outcome.distinct,
            generated: outcome.generated,
            depth: u64::from(outcome.depth),
            elapsed: Duration::from_secs_f64(outcome.seconds),
            levels: outcome.levels.clone(),
            actions: self
                .actions()
                .into_iter()
                .map(|(name, number)| ActionCount { name, count: outcome.marks[number as usize] })
                .collect(),
            threads: opts.threads,
            bytes_per_state: Some(outcome.bytes_per_state()),
            peak_memory_bytes: None,
            collision_bound: outcome.collision_bound(),
            out_of_reach: absent.into_iter().map(|companion| companion.name).collect(),
            reductions: vec![
                "writes are counted from the last durable one: nothing but their numbers changes"
                    .to_owned(),
            ],
            distinct_without_symmetry: None,
            pruned: 0,
            violations,
            completion,
        }
    }

    fn stateright(
        &self,
        bounds: &Bounds,
        opts: &CheckOptions,
        progress: &dyn Fn(&Progress),
    ) -> Verdict {
        let begun = Instant::now();
        let checker =
            Reference(Arc::new(self.space(bounds))).checker().threads(opts.threads).spawn_bfs();
        while !checker.is_done() && !opts.stopped() {
            progress(&Progress {
                phase: Phase::Exploring,
                distinct: checker.unique_state_count() as u64,
                generated: checker.state_count() as u64,
                depth: checker.max_depth() as u64,
                frontier: 0,
                memory_bytes: None,
            });
            std::thread::sleep(Duration::from_millis(50));
        }
        let violated = checker.discoveries().contains_key(REFERENCE_CLAIM);
        let completion = if opts.stopped() {
            Completion::Incomplete("interrupted".to_owned())
        } else if violated {
            Completion::Incomplete("stopped at a violation".to_owned())
        } else {
            Completion::Complete
        };
        let verdict =
            |&property| PropertyVerdict::judge(&always(property), &completion, violated, None);
        Verdict {
            properties: Property::ALL.iter().map(verdict).collect(),
            distinct: checker.unique_state_count() as u64,
            generated: checker.state_count() as u64,
            depth: (checker.max_depth() as u64).saturating_sub(1),
            elapsed: begun.elapsed(),
            levels: Vec::new(),
            actions: Vec::new(),
            violations: Vec::new(),
            threads: opts.threads,
            bytes_per_state: None,
            peak_memory_bytes: None,
            collision_bound: "64-bit fingerprints (stateright)".to_owned(),
            out_of_reach: companions(self.0.subject).iter().map(|one| one.name).collect(),
            reductions: Vec::new(),
            distinct_without_symmetry: None,
            pruned: 0,
            completion,
        }
    }

    /// Names of the actions that can be taken, with their marks: the core's, and kinds of events.
    fn actions(&self) -> Vec<(String, u32)> {
        self.action_names().map(|(name, mark)| (name.to_owned(), mark)).collect()
    }

    fn action_names(&self) -> impl Iterator<Item = (&'static str, u32)> + use<> {
        let core = core_actions(self.0.subject.learns());
        let events = KINDS_OF_EVENTS.into_iter().zip(mark::EVENTS..);
        core.into_iter().map(|(name, action)| (name, action as u32)).chain(events)
    }
}

impl CheckableModel for Liars {
    fn info(&self) -> ModelInfo {
        let names = BOUNDS.iter().map(|bound| bound.name);
        let tiers = self.0.tiers.iter().map(|&(tier, values)| TierBounds {
            tier,
            bounds: Bounds::new(names.clone().zip(values)),
        });
        let properties = Property::ALL.into_iter().map(always);
        ModelInfo {
            name: self.0.name,
            family: "H",
            about: self.0.about,
            properties: properties
                .chain(companions(self.0.subject).iter().map(sometimes))
                .collect(),
            actions: self.action_names().map(|(name, _)| name).collect(),
            bounds: BOUNDS.to_vec(),
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
        drop(TcpListener::bind(listen).map_err(|error| format!("{listen}: {error}"))?);
        let _checker = Reference(Arc::new(self.space(bounds))).checker().serve(listen);
        Ok(())
    }

    fn replay(&self, trace: &TraceFile) -> Result<ReplayOutcome, String> {
        let space = self.space(&trace.bounds);
        let (begin, events) = trace.actions.split_first().ok_or("step 0: no beginning is named")?;
        let mut beginnings = space.beginnings();
        let begin = begin.as_u64().and_then(|at| usize::try_from(at).ok());
        let begin = begin
            .filter(|at| *at < beginnings.len())
            .ok_or_else(|| format!("step 0: the beginnings are 0 to {}", beginnings.len() - 1))?;
        let begin = beginnings.swap_remove(begin);
        let first = begin.server.clone();
        let mut violated: Vec<Violated> = Vec::new();
        let mut note = |step: usize, bits: u64, server: &Server| {
            let bits = bits | server.judge(space.config).violated;
            for property in Property::ALL {
                let known = violated.iter().any(|one| one.property == property.name());
                if bits & property.bit() != 0 && !known {
                    violated.push(Violated { property: property.name().to_owned(), step });
                }
            }
        };
        note(0, begin.violated, &first);
        let mut run: Vec<(Event, Taken)> = Vec::new();
        for (at, event) in events.iter().enumerate() {
            let step = at + 1;
            let event: Event = serde_json::from_value(event.clone())
                .map_err(|why| format!("step {step}: {event} is no event: {why}"))?;
            if !space.alphabet.contains(&event) {
                return Err(format!("step {step}: {} is not in the alphabet", event.tell()));
            }
            let server = run.last().map_or(&first, |(_, taken)| &taken.server);
            let taken = space
                .step(server, &event)
                .ok_or_else(|| format!("step {step}: {} is not possible here", event.tell()))?;
            note(step, taken.violated, &taken.server);
            run.push((event, taken));
        }
        let named = violated.first().map(|one| one.property.clone()).or(trace.property.clone());
        let infos = self.info().properties;
        let info = infos.iter().find(|info| named.as_deref() == Some(info.name));
        let info = info.unwrap_or(&infos[0]);
        let story = story(&space, self.0.name, &trace.bounds, info, &first, &run);
        Ok(ReplayOutcome { steps: run.len(), violated, story: Some(story) })
    }
}

fn value(event: &Event) -> Value {
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

/// How often a property had something to say: steps, or states.
fn precondition(outcome: &Outcome, property: Property) -> u64 {
    let steps = |mark: u32| outcome.marks[mark as usize];
    let refusals: u64 = (0..12).map(|number| steps(mark::REFUSALS + number)).sum();
    match property {
        Property::Abort | Property::Acceptance | Property::Roles | Property::Timers => {
            outcome.generated
        }
        Property::Recovery | Property::Replay => outcome.distinct,
        Property::Epochs | Property::History | Property::Records => steps(mark::WROTE),
        Property::Delivery | Property::Commits => steps(mark::DELIVERED),
        Property::Gates => steps(mark::GATED),
        Property::Harmless => refusals + steps(mark::PASSED),
        Property::Answers => outcome.generated,
        Property::Sessions => {
            steps(Action::SessionForward as u32) + steps(Action::SessionDeliver as u32)
        }
    }
}

/// The core's actions within reach of a learner, or of a leader.
fn core_actions(learner: bool) -> Vec<(&'static str, Action)> {
    macro_rules! named {
        ($($action:ident),* $(,)?) => { vec![$((stringify!($action), Action::$action)),*] };
    }
    let mut actions = named![Start, Durable, SessionForward, SessionDeliver];
    actions.extend(if learner {
        named![
            BecomeLearner,
            LearnerSendInfo,
            LearnerPromise,
            LearnerPromiseAgain,
            LearnerProcessDiff,
            LearnerProcessTrunc,
            LearnerProcessSnap,
            LearnerProcessNewLeader,
            LearnerProcessUpToDate,
            LearnerProcessProposal,
            LearnerProcessCommit,
            LearnerProcessInform,
            LearnerProcessPing,
            LearnerLeave,
        ]
    } else {
        named![
            BecomeLeading,
            LeaderAcceptLink,
            LeaderProcessLearnerInfo,
            LeaderChooseEpoch,
            LeaderProcessAckEpoch,
            LeaderElected,
            LeaderSyncDiff,
            LeaderSyncTrunc,
            LeaderSyncTruncDiff,
            LeaderSyncSnap,
            LeaderProcessAckNewLeader,
            LeaderEstablished,
            LeaderUpToDate,
            LeaderPropose,
            LeaderRollOver,
            LeaderProcessAck,
            LeaderCommit,
            LeaderPing,
            LeaderProcessPing,
            LeaderSyncRequest,
            LeaderSyncConfirmed,
            LeaderLearnerGone,
            LeaderStepDown,
        ]
    });
    actions
}

/// The same for stateright, its states spelled out: for the Explorer, and as the reference that has to agree on counts.
#[derive(Clone)]
struct Reference(Arc<Hostile>);

const REFERENCE_CLAIM: &str = "every property holds";

/// A server, and the properties that the step to it violates.
type Reached = (Server, u64);

impl Model for Reference {
    type State = Reached;
    type Action = Event;

    fn init_states(&self) -> Vec<Reached> {
        self.0.beginnings().into_iter().map(|taken| (taken.server, taken.violated)).collect()
    }

    fn actions(&self, _: &Reached, actions: &mut Vec<Event>) {
        actions.extend(self.0.alphabet.iter().cloned());
    }

    fn next_state(&self, (server, _): &Reached, event: Event) -> Option<Reached> {
        self.0.step(server, &event).map(|taken| (taken.server, taken.violated))
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        vec![stateright::Property::always(REFERENCE_CLAIM, |model: &Self, state: &Reached| {
            state.1 | state.0.judge(model.0.config).violated == 0
        })]
    }
}
