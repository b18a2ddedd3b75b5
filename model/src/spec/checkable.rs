//! Abstract Zab as the front end sees it: the models A1 to A8.

use serde_json::Value;
use stateright::{Model, Property};

use super::space::{Abstract, Claim, names};
use super::state::{self, State};
use crate::names;
use abstract_zab::action::{Action, Kind};
use checker::{
    BoundInfo, Bounds, CheckableModel, Claim as Claimed, Condition, EVERY_CLAIM, Family, Marked,
    PropertyInfo, PropertyKind, Replayed, Row, Step, StepKind, Story, Tier,
};
use search::{Outcome, Trace};

/// Name, tier, and servers, epochs, transactions, deliveries. `spec/counts.tsv` has the same
/// configurations.
const MODELS: [(&str, Tier, [u64; 4]); 8] = [
    ("abstract-1", Tier::Quick, [1, 2, 1, 1]),
    ("abstract-2", Tier::Quick, [2, 1, 1, 1]),
    ("abstract-3", Tier::Quick, [2, 1, 2, 2]),
    ("abstract-4", Tier::Quick, [2, 2, 0, 1]),
    ("abstract-5", Tier::Quick, [2, 2, 1, 1]),
    ("abstract-6", Tier::Quick, [3, 1, 0, 1]),
    ("abstract-7", Tier::Quick, [3, 1, 1, 1]),
    ("abstract-8", Tier::Standard, [3, 2, 0, 0]),
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

/// Actions, each with the state after it.
struct Run(Vec<(Action<()>, State)>);

impl Replayed for Run {
    fn steps(&self) -> usize {
        self.0.len()
    }
}

impl Family for Spec {
    type System = Abstract;
    type Reference = Reference;
    type Run = Run;

    fn row(&self) -> Row {
        let bound = |&(name, about, min, max)| BoundInfo { name, about, min, max };
        Row {
            name: self.name,
            alias: names::alias(self.name),
            family: names::family(self.name),
            about: "Abstract Zab, as in spec/Zab.tla: its state counts have to equal those of that module.",
            bounds: BOUNDS.iter().map(bound).collect(),
            tiers: vec![(self.tier, self.values.to_vec())],
        }
    }

    fn claims(&self) -> Vec<Claimed> {
        let claimed = |claim| Claimed { info: claim_info(claim), number: Some(claim as u32) };
        Claim::ALL.map(claimed).to_vec()
    }

    fn conditions(&self) -> Vec<Condition> {
        Vec::new()
    }

    fn is_due(&self, _: &Bounds, _: &Condition) -> bool {
        true
    }

    fn actions(&self) -> Vec<Marked> {
        names().into_iter().zip(0..).collect()
    }

    fn within(&self, bounds: &Bounds) -> Abstract {
        space(bounds)
    }

    fn reference(&self, bounds: &Bounds) -> Reference {
        Reference(space(bounds))
    }

    fn met(&self, _: &Abstract, outcome: &Outcome, number: u32) -> u64 {
        let taken = |kind: Kind| outcome.marks[kind as usize];
        match Claim::ALL[number as usize] {
            Claim::Key => taken(Kind::Elect),
            Claim::Order | Claim::PrimaryIntegrity => taken(Kind::Propose),
            Claim::PrefixConsistency => taken(Kind::Deliver),
            Claim::EpochsAndLogs => outcome.distinct,
        }
    }

    fn reductions(&self, _: &Bounds) -> Vec<String> {
        vec!["actions that change nothing are left out: they lead to no other state".to_owned()]
    }

    fn path(&self, _: &Abstract, path: &Trace, _: u32) -> Vec<Value> {
        path.ordinals[1..].iter().map(|&ordinal| Value::from(ordinal)).collect()
    }

    fn follow(
        &self,
        space: &Abstract,
        actions: &[Value],
        note: &mut dyn FnMut(usize, u64),
    ) -> Result<Run, String> {
        let mut state = space.start();
        let mut run = Vec::new();
        for (step, action) in (1..).zip(actions) {
            let mut steps = space.steps(&state);
            let ordinal = action.as_u64().and_then(|ordinal| usize::try_from(ordinal).ok());
            let ordinal = ordinal.filter(|ordinal| *ordinal < steps.len()).ok_or_else(|| {
                format!("step {step}: {action} is no action there, allowed: 0 to {}", steps.len())
            })?;
            let taken = steps.swap_remove(ordinal);
            state = taken.1.clone();
            run.push(taken);
            note(step, space.violated(&state));
        }
        Ok(Run(run))
    }

    fn tell(&self, space: &Abstract, bounds: &Bounds, property: &PropertyInfo, run: &Run) -> Story {
        let mut before = space.start();
        let steps = run.0.iter().enumerate().map(|(at, (action, after))| {
            let step = tell(space, at + 1, action, &before, after);
            before = after.clone();
            step
        });
        let steps = steps.collect();
        let last = run.0.last().map_or_else(|| space.start(), |(_, state)| state.clone());
        Story {
            model: self.name.to_owned(),
            bounds: bounds.clone(),
            property: property.name.to_owned(),
            property_sentence: property.sentence.to_owned(),
            property_source: property.source.to_owned(),
            facts: [epochs(space, &last), servers(space, &last)],
            servers: last.servers.keys().map(ToString::to_string).collect(),
            steps,
            faults_stop_after: None,
            loop_after: None,
        }
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
        vec![Property::always(EVERY_CLAIM, |model: &Self, state| model.0.violated(state) == 0)]
    }
}
