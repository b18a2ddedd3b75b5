//! Abstract Zab as the front end sees it: the models A1 to A8.

use std::net::SocketAddr;

use serde_json::Value;
use stateright::{Model, Property};

use super::space::{Abstract, Claim, names};
use super::state::{self, State};
use crate::engine;
use abstract_zab::action::Action;
use checker::{
    ActionCount, BoundInfo, Bounds, CheckOptions, CheckableModel, Engine, ModelInfo, Progress,
    PropertyInfo, PropertyKind, PropertyVerdict, ReplayOutcome, Step, StepKind, Story, Tier,
    TierBounds, TraceFile, Verdict, Violated, Violation,
};

/// Name, tier, and servers, epochs, transactions, deliveries. `spec/counts.tsv` has the same
/// configurations.
const MODELS: [(&str, Tier, [u64; 4]); 8] = [
    ("A1", Tier::Quick, [1, 2, 1, 1]),
    ("A2", Tier::Quick, [2, 1, 1, 1]),
    ("A3", Tier::Quick, [2, 1, 2, 2]),
    ("A4", Tier::Quick, [2, 2, 0, 1]),
    ("A5", Tier::Quick, [2, 2, 1, 1]),
    ("A6", Tier::Quick, [3, 1, 0, 1]),
    ("A7", Tier::Quick, [3, 1, 1, 1]),
    ("A8", Tier::Standard, [3, 2, 0, 0]),
];

const BOUNDS: [(&str, &str, u64, u64); 4] = [
    ("servers", "servers, all of them voters (Node)", 1, 5),
    ("epochs", "the largest epoch that is promised (MaxEpoch)", 1, 5),
    ("txns", "transactions proposed, over all epochs (MaxTxns)", 0, 5),
    ("delivered", "different sequences delivered at one server (MaxDelivered)", 0, 5),
];

/// The models of family A.
pub(crate) fn models() -> Vec<Box<dyn CheckableModel>> {
    let model = |&(name, tier, values)| Box::new(Spec { name, tier, values }) as Box<_>;
    MODELS.iter().map(model).collect()
}

struct Spec {
    name: &'static str,
    tier: Tier,
    values: [u64; 4],
}

fn space(bounds: &Bounds) -> Abstract {
    let value = |name| u32::try_from(bounds.value(name)).unwrap_or(u32::MAX);
    let bounds = state::Bounds {
        epochs: value("epochs"),
        txns: value("txns"),
        delivered: value("delivered"),
    };
    Abstract::new(u8::try_from(value("servers")).unwrap_or(u8::MAX), bounds)
}

fn claim_info(claim: Claim) -> PropertyInfo {
    PropertyInfo {
        name: claim.name(),
        kind: PropertyKind::Always,
        source: claim.source(),
        sentence: claim.sentence(),
    }
}

impl Spec {
    fn story(
        &self,
        space: &Abstract,
        bounds: &Bounds,
        claim: Claim,
        run: &[(Action<()>, State)],
    ) -> Story {
        let mut before = space.start();
        let steps = run.iter().enumerate().map(|(at, (action, after))| {
            let step = tell(space, at + 1, action, &before, after);
            before = after.clone();
            step
        });
        let steps = steps.collect();
        let last = run.last().map_or_else(|| space.start(), |(_, state)| state.clone());
        Story {
            model: self.name.to_owned(),
            bounds: bounds.clone(),
            property: claim.name().to_owned(),
            property_sentence: claim.sentence().to_owned(),
            property_source: claim.source().to_owned(),
            facts: [epochs(space, &last), servers(space, &last)],
            servers: last.servers.keys().map(ToString::to_string).collect(),
            steps,
            faults_stop_after: None,
            loop_after: None,
        }
    }

    fn own(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict {
        let space = space(bounds);
        let (outcome, completion) = engine::own(&space, opts, progress);
        let violations = outcome.violations.iter().map(|violation| {
            let claim = Claim::ALL[violation.property as usize];
            let mut state = space.start();
            let run = violation.trace.ordinals[1..].iter().map(|&ordinal| {
                let taken = space.steps(&state).swap_remove(ordinal as usize);
                state = taken.1.clone();
                taken
            });
            let run: Vec<_> = run.collect();
            Violation {
                property: claim.name().to_owned(),
                actions: violation.trace.ordinals[1..].iter().map(|&o| Value::from(o)).collect(),
                story: self.story(&space, bounds, claim, &run),
            }
        });
        let violations: Vec<_> = violations.collect();
        let properties = Claim::ALL.iter().map(|&claim| {
            let hit = violations.iter().any(|violation| violation.property == claim.name());
            let states = Some(outcome.distinct);
            PropertyVerdict::judge(&claim_info(claim), &completion, hit, states)
        });
        let actions = names().into_iter().zip(outcome.marks.iter());
        Verdict {
            properties: properties.collect(),
            actions: actions
                .map(|(name, &count)| ActionCount { name: name.to_owned(), count })
                .collect(),
            reductions: vec![
                "actions that change nothing are left out: they lead to no other state".to_owned(),
            ],
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
        let engine::Reference { verdict, found } = engine::stateright(
            Reference(space(bounds)),
            |name| name == REFERENCE_CLAIM,
            opts,
            progress,
        );
        let violated = found.contains(REFERENCE_CLAIM);
        let judge = |&claim: &Claim| {
            PropertyVerdict::judge(&claim_info(claim), &verdict.completion, violated, None)
        };
        Verdict { properties: Claim::ALL.iter().map(judge).collect(), ..verdict }
    }
}

impl CheckableModel for Spec {
    fn info(&self) -> ModelInfo {
        let names_of_bounds = BOUNDS.iter().map(|(name, ..)| *name);
        ModelInfo {
            name: self.name,
            family: "A",
            about: "Abstract Zab, as in spec/Zab.tla: its state counts have to equal those of that module.",
            properties: Claim::ALL.iter().map(|&claim| claim_info(claim)).collect(),
            actions: names(),
            bounds: BOUNDS
                .iter()
                .map(|&(name, about, min, max)| BoundInfo { name, about, min, max })
                .collect(),
            tiers: vec![TierBounds {
                tier: self.tier,
                bounds: Bounds::new(names_of_bounds.zip(self.values)),
            }],
        }
    }

    fn check(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict {
        match opts.engine {
            Engine::Own => self.own(bounds, opts, progress),
            Engine::Stateright => self.stateright(bounds, opts, progress),
        }
    }

    fn explore(&self, bounds: &Bounds, listen: SocketAddr) -> Result<(), String> {
        engine::explorer(Reference(space(bounds)), listen)
    }

    fn replay(&self, trace: &TraceFile) -> Result<ReplayOutcome, String> {
        let space = space(&trace.bounds);
        let mut state = space.start();
        let mut run = Vec::new();
        let mut violated: Vec<Violated> = Vec::new();
        for (at, action) in trace.actions.iter().enumerate() {
            let step = at + 1;
            let mut steps = space.steps(&state);
            let ordinal = action.as_u64().and_then(|ordinal| usize::try_from(ordinal).ok());
            let ordinal = ordinal.filter(|ordinal| *ordinal < steps.len()).ok_or_else(|| {
                format!("step {step}: {action} is no action there, allowed: 0 to {}", steps.len())
            })?;
            let taken = steps.swap_remove(ordinal);
            state = taken.1.clone();
            run.push(taken);
            let found = space.violated(&state);
            let claims = Claim::ALL.iter().filter(|claim| found & 1 << **claim as u64 != 0);
            engine::note(&mut violated, step, claims.map(|claim| claim.name()));
        }
        let first = violated.first().map(|violated| violated.property.as_str());
        let claim = Claim::ALL.into_iter().find(|claim| first == Some(claim.name()));
        let story = self.story(&space, &trace.bounds, claim.unwrap_or(Claim::Key), &run);
        Ok(ReplayOutcome { steps: run.len(), violated, story: Some(story) })
    }
}

fn tell(space: &Abstract, number: usize, action: &Action<()>, was: &State, is: &State) -> Step {
    let actor = match action {
        Action::Promise { f, .. }
        | Action::Sync { f, .. }
        | Action::SetEpoch { f, .. }
        | Action::Append { f, .. }
        | Action::Ack { f, .. }
        | Action::Deliver { f, .. }
        | Action::Crash { f } => Some(*f),
        Action::Elect { c, .. } => Some(*c),
        Action::Propose { e, .. } => was.epochs.get(e).map(|led| led.leader),
    };
    let history = |h| histories(space, h);
    let text = match *action {
        Action::Promise { f, e, c } => format!("{f} promises {e} to {c}"),
        Action::Elect { e, c, rc } => format!("{c} leads {e} from {}", history(rc.log)),
        Action::Sync { f, e, l } => format!("{f} is synchronised in {e}: {}", history(l)),
        Action::SetEpoch { f, e } => format!("{f} accepts {e}"),
        Action::Append { f, e, l } => format!("{f} appends in {e}: {}", history(l)),
        Action::Ack { f, e, n } => format!("{f} acknowledges the first {n} of {e}"),
        Action::Propose { e, ref x } => format!("the leader of {e} proposes {:?}", x.zxid),
        Action::Deliver { f, e, n } => format!("{f} delivers the first {n} of {e}"),
        Action::Crash { f } => format!("{f} crashes"),
    };
    let changed =
        [(epochs(space, was), epochs(space, is)), (servers(space, was), servers(space, is))];
    let changed = changed.into_iter().filter(|(was, is)| was != is).map(|(_, is)| is);
    Step {
        number,
        actor: actor.map_or_else(|| "nobody".to_owned(), |sid| sid.to_string()),
        kind: match action {
            Action::Crash { .. } => StepKind::Crash,
            Action::Promise { .. }
            | Action::Elect { .. }
            | Action::Sync { .. }
            | Action::SetEpoch { .. }
            | Action::Append { .. }
            | Action::Ack { .. }
            | Action::Propose { .. }
            | Action::Deliver { .. } => StepKind::Protocol,
        },
        action: action.kind().name().to_owned(),
        text,
        received: None,
        sent: Vec::new(),
        memory: changed.collect(),
        disk: Vec::new(),
    }
}

fn histories(space: &Abstract, history: abstract_zab::histories::History) -> String {
    let zxids = space.histories.txns(history).into_iter().map(|txn| format!("{:?}", txn.zxid));
    format!("[{}]", zxids.collect::<Vec<_>>().join(" "))
}

fn epochs(space: &Abstract, state: &State) -> String {
    let each = state.epochs.iter().map(|(e, led)| {
        let gone = if led.active { "" } else { " (gone)" };
        format!("{e}: {}{gone}, {}", led.leader, histories(space, led.history))
    });
    format!("epochs: {}", each.collect::<Vec<_>>().join("; "))
}

fn servers(space: &Abstract, state: &State) -> String {
    let each = state.servers.iter().map(|(f, server)| {
        let delivered = server.delivered.iter().map(|d| histories(space, *d));
        let delivered = delivered.collect::<Vec<_>>().join(" ");
        let log = histories(space, server.log);
        format!("{f}: promised {} accepted {} {log} delivered {delivered}", server.p, server.a)
    });
    format!("servers: {}", each.collect::<Vec<_>>().join("; "))
}

/// The same for stateright: states are compared by it.
struct Reference(Abstract);

const REFERENCE_CLAIM: &str = "every claim holds";

/// An action that stateright can print and compare.
#[derive(Clone, PartialEq, Debug)]
struct Taken(Action<()>);

impl Model for Reference {
    type State = State;
    type Action = Taken;

    fn init_states(&self) -> Vec<State> {
        vec![self.0.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Taken>) {
        actions.extend(self.0.steps(state).into_iter().map(|(action, _)| Taken(action)));
    }

    fn next_state(&self, state: &State, Taken(action): Taken) -> Option<State> {
        state.after(&action, &self.0.histories, &self.0.quorum).ok()
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(REFERENCE_CLAIM, |model: &Self, state| model.0.violated(state) == 0)]
    }
}
