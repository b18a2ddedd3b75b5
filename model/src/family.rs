//! Families of clusters as the front end sees them.

use checker::{
    AbstractRun, BoundInfo, Bounds, Claim, Condition, Family, Marked, PropertyInfo, PropertyKind,
    Replayed, Row, Story, Tier,
};
use search::{Outcome, Space, Trace};
use serde_json::Value;
use zab::Action;

use crate::cluster::Cluster;
use crate::cluster::action::Act;
use crate::cluster::limits::{BUDGET_MAX, ClientLimits, Limits};
use crate::cluster::link::CONNECTIONS_MAX;
use crate::cluster::machine::Machine;
use crate::cluster::mark::{Companion, Mark, Seen, core_action_names};
use crate::cluster::path::Taken;
use crate::cluster::payload::{ATTACHMENTS_MAX, CLIENTS_MAX, REQUESTS_MAX};
use crate::cluster::property::Property;
use crate::cluster::story::tell;
use crate::cluster::walk::Walk;
use crate::names;
use abstract_zab::action::Kind;

/// A family of clusters under one name: the same machine, under bounds that depend on the tier.
#[derive(Clone, Debug)]
pub(crate) struct Clusters<M> {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// What is checked.
    pub properties: &'static [Property],
    /// Bounds, per tier in which it runs.
    pub tiers: Vec<(Tier, Preset)>,
    /// The machine that the servers are made of.
    pub machine: std::marker::PhantomData<M>,
}

/// Bounds in the order in which records say them. What is not said is 0, or generous.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "named as the bounds are")]
pub(crate) struct Preset {
    pub servers: u8,
    pub observers: u8,
    pub txns: u8,
    pub leaderships: u8,
    pub crashes: u8,
    pub damage: bool,
    pub timeouts: u8,
    pub connections: u8,
    pub early: bool,
    pub window: u8,
    pub snapshots: u8,
    pub syncs: u8,
    pub elections: u8,
    pub resends: u8,
    pub counter_max: u32,
    pub clients: ClientLimits,
    /// Whether steps are compared with abstract Zab; if it is not said, in all tiers but the deep
    /// one.
    pub refinement: Option<bool>,
}

impl Preset {
    /// Servers, transactions, leaderships, crashes and time-outs.
    pub(crate) const fn new(
        servers: u8,
        txns: u8,
        leaderships: u8,
        crashes: u8,
        timeouts: u8,
    ) -> Self {
        Self {
            servers,
            observers: 0,
            txns,
            leaderships,
            crashes,
            damage: false,
            timeouts,
            connections: 1,
            early: false,
            window: BUDGET_MAX,
            snapshots: 0,
            syncs: 0,
            elections: 0,
            resends: 0,
            counter_max: COUNTER_MAX,
            clients: ClientLimits::NONE,
            refinement: None,
        }
    }
}

const COUNTER_MAX: u32 = 1000;

/// Name, meaning, least and greatest value of each bound.
const BOUNDS: [(&str, &str, u64, u64); 27] = [
    ("servers", "voters", 1, 5),
    ("observers", "servers without a vote", 0, 2),
    ("txns", "transactions proposed", 0, BUDGET_MAX as u64),
    ("leaderships", "times that a server begins to lead", 0, BUDGET_MAX as u64),
    ("crashes", "crashes, each with a restart from what is durable", 0, BUDGET_MAX as u64),
    ("timeouts", "time-outs at one end of a link whose other end is well", 0, BUDGET_MAX as u64),
    ("connections", "connections of a learner to one leader at once", 1, CONNECTIONS_MAX as u64),
    ("early", "1: learners may dial before the leader knows that it leads", 0, 1),
    ("window", "delivered transactions kept in memory for DIFF", 0, BUDGET_MAX as u64),
    ("snapshots", "snapshots that servers write of themselves", 0, BUDGET_MAX as u64),
    ("syncs", "syncs asked of leaders", 0, BUDGET_MAX as u64),
    ("elections", "rounds of the real election after each server's first", 0, BUDGET_MAX as u64),
    ("resends", "votes said again by the real election's timer", 0, BUDGET_MAX as u64),
    (
        "counter-max",
        "largest counter of a zxid; the next proposal rolls over",
        1,
        COUNTER_MAX as u64,
    ),
    ("epoch-max", "largest epoch", 1, BUDGET_MAX as u64),
    ("symmetry", "1: one state of each orbit under renaming of servers", 0, 1),
    ("stale-votes", "1: election messages may stay unread at servers that are not looking", 0, 1),
    ("exact-disks", "1: disks lag even when no crash is left that could tell", 0, 1),
    ("refinement", "1: every step is compared with abstract Zab (spec/Zab.tla)", 0, 1),
    ("clients", "clients, with a session each", 0, CLIENTS_MAX as u64),
    ("ops", "requests of each client", 0, REQUESTS_MAX as u64),
    ("moves", "times that a client attaches again", 0, ATTACHMENTS_MAX as u64 - 2),
    ("depth", "requests of a client without an answer at once", 1, REQUESTS_MAX as u64),
    ("watches", "1: reads may set watches", 0, 1),
    ("slow", "1: servers may apply later what is delivered", 0, 1),
    ("histories", "1: all writes and synced reads are kept and checked together", 0, 1),
    ("damage", "1: a crash may take along the history of fewer than half of the voters", 0, 1),
];

impl<M: Machine> Clusters<M> {
    fn values(&self, tier: Tier, preset: &Preset) -> Vec<u64> {
        let symmetry = u64::from(!M::REAL_ELECTION);
        vec![
            u64::from(preset.servers),
            u64::from(preset.observers),
            u64::from(preset.txns),
            u64::from(preset.leaderships),
            u64::from(preset.crashes),
            u64::from(preset.timeouts),
            u64::from(preset.connections),
            u64::from(preset.early),
            u64::from(preset.window),
            u64::from(preset.snapshots),
            u64::from(preset.syncs),
            u64::from(preset.elections),
            u64::from(preset.resends),
            u64::from(preset.counter_max),
            u64::from(BUDGET_MAX),
            symmetry,
            0,
            0,
            u64::from(self.refines() && preset.refinement.unwrap_or(tier != Tier::Deep)),
            u64::from(preset.clients.clients),
            u64::from(preset.clients.ops),
            u64::from(preset.clients.moves),
            u64::from(preset.clients.depth),
            u64::from(preset.clients.watches),
            u64::from(preset.clients.slow),
            u64::from(preset.clients.histories),
            u64::from(preset.damage),
        ]
    }

    fn refines(&self) -> bool {
        self.properties.contains(&Property::Refines)
    }

    fn property_info(property: Property) -> PropertyInfo {
        PropertyInfo {
            name: property.name(),
            kind: PropertyKind::Always,
            source: property.source(),
            sentence: property.sentence(),
        }
    }

    fn companion_info(companion: Companion) -> PropertyInfo {
        PropertyInfo {
            name: companion.name(),
            kind: PropertyKind::Sometimes,
            source: "of the model itself: the bounds reach what the properties speak of",
            sentence: companion.sentence(),
        }
    }

    fn companions(&self) -> &'static [Companion] {
        if self.properties.len() > 1 { &Companion::ALL } else { &[] }
    }
}

/// The limits that bounds mean.
fn limits(bounds: &Bounds) -> Limits {
    let small = |name: &str| u8::try_from(bounds.value(name)).unwrap_or(u8::MAX);
    let wide = |name: &str| u32::try_from(bounds.value(name)).unwrap_or(u32::MAX);
    Limits {
        servers: small("servers"),
        observers: small("observers"),
        txns: small("txns"),
        leaderships: small("leaderships"),
        crashes: small("crashes"),
        damage: bounds.value("damage") == 1,
        timeouts: small("timeouts"),
        connections: small("connections"),
        early: bounds.value("early") == 1,
        window: small("window"),
        snapshots: small("snapshots"),
        syncs: small("syncs"),
        elections: small("elections"),
        resends: small("resends"),
        stale_votes: bounds.value("stale-votes") == 1,
        exact_disks: bounds.value("exact-disks") == 1,
        refinement: bounds.value("refinement") == 1,
        locked_out: false,
        clients: ClientLimits {
            clients: small("clients"),
            ops: small("ops"),
            moves: small("moves"),
            depth: small("depth"),
            watches: bounds.value("watches") == 1,
            slow: bounds.value("slow") == 1,
            histories: bounds.value("histories") == 1,
        },
        counter_max: wide("counter-max"),
        epoch_max: wide("epoch-max"),
    }
}

/// Where a run begins, and its steps.
pub(crate) struct Run {
    start: Vec<u32>,
    steps: Vec<Taken>,
}

impl Replayed for Run {
    fn steps(&self) -> usize {
        self.steps.len()
    }
}

impl<M: Machine> Family for Clusters<M> {
    type System = Cluster<M>;
    type Reference = Cluster<M>;
    type Run = Run;
    const TOLD_MAX: usize = 1;

    fn row(&self) -> Row {
        let bound = |&(name, about, min, max)| BoundInfo { name, about, min, max };
        let tiers = self.tiers.iter();
        Row {
            name: self.name,
            alias: names::alias(self.name),
            family: names::family(self.name),
            about: self.about,
            bounds: BOUNDS.iter().map(bound).collect(),
            tiers: tiers.map(|(tier, preset)| (*tier, self.values(*tier, preset))).collect(),
        }
    }

    fn claims(&self) -> Vec<Claim> {
        let claim = |&property| Claim {
            info: Self::property_info(property),
            number: Some(property as u32),
        };
        self.properties.iter().map(claim).collect()
    }

    fn conditions(&self) -> Vec<Condition> {
        let condition = |companion: &Companion| Condition {
            info: Self::companion_info(*companion),
            seen: match companion.seen() {
                Seen::InState(bits) => checker::Seen::InState(bits.trailing_zeros()),
                Seen::OnStep(bits) => checker::Seen::OnStep(bits.trailing_zeros()),
            },
        };
        self.companions().iter().map(condition).collect()
    }

    fn is_due(&self, bounds: &Bounds, condition: &Condition) -> bool {
        let limits = limits(bounds);
        let mut companions = self.companions().iter();
        companions.any(|one| one.name() == condition.info.name && one.is_due(&limits))
    }

    fn actions(&self) -> Vec<Marked> {
        let of_core = core_action_names().iter().copied().zip(0..);
        let compared = Kind::ALL.iter().filter(|_| self.refines());
        let of_abstract = compared.map(|&kind| (kind.qualified(), Mark::at(kind) as u32));
        of_core.chain(of_abstract).collect()
    }

    fn admissible(&self, bounds: &Bounds) -> Result<(), String> {
        if M::REAL_ELECTION && bounds.value("symmetry") == 1 {
            return Err("symmetry must be 0: the real election compares ids".to_owned());
        }
        let asked = bounds.value("txns") + bounds.value("syncs");
        if bounds.value("clients") > 0 && asked > 0 {
            return Err("txns and syncs must be 0 where clients ask for them".to_owned());
        }
        if bounds.value("servers") + bounds.value("observers") > 6 {
            return Err("servers and observers must be at most 6 together".to_owned());
        }
        Ok(())
    }

    /// The comparison with abstract Zab, and its actions; the check of whole histories.
    fn left_out(&self, bounds: &Bounds) -> Vec<&'static str> {
        let keeps = bounds.value("histories") == 1 && bounds.value("clients") > 0;
        let is_checked = self.properties.contains(&Property::Serializes);
        let history = (is_checked && !keeps).then(|| Property::Serializes.name());
        let compares = !self.refines() || bounds.value("refinement") == 1;
        let actions = Kind::ALL.iter().map(|kind| kind.qualified());
        let comparison = [Property::Refines.name()].into_iter().chain(actions);
        history.into_iter().chain(comparison.filter(|_| !compares)).collect()
    }

    fn named(&self, bounds: &Bounds) -> Bounds {
        let mut bounds = bounds.clone();
        bounds.set("symmetry", 0);
        bounds
    }

    fn within(&self, bounds: &Bounds) -> Cluster<M> {
        let cluster = Cluster::new(limits(bounds));
        if bounds.value("symmetry") == 1 { cluster.up_to_symmetry() } else { cluster }
    }

    fn reference(&self, bounds: &Bounds) -> Cluster<M> {
        self.within(bounds)
    }

    fn met(&self, cluster: &Cluster<M>, outcome: &Outcome, number: u32) -> u64 {
        precondition(cluster, outcome, Property::ALL[number as usize])
    }

    fn reductions(&self, bounds: &Bounds) -> Vec<String> {
        reductions(bounds.value("symmetry") == 1, &limits(bounds))
    }

    fn unreduced(&self, cluster: &Cluster<M>) -> Option<u64> {
        cluster.is_up_to_symmetry().then(|| cluster.unreduced())
    }

    fn path(&self, cluster: &Cluster<M>, path: &Trace, violated: u32) -> Vec<Value> {
        let (_, run) = cluster.path(&path.ordinals, 1 << violated);
        let value = |taken: &Taken| serde_json::to_value(taken.act).unwrap_or(Value::Null);
        run.iter().map(value).collect()
    }

    fn follow(
        &self,
        cluster: &Cluster<M>,
        actions: &[Value],
        note: &mut dyn FnMut(usize, u64),
    ) -> Result<Run, String> {
        let mut cache = cluster.worker();
        let (start, found) = cluster.starts().into_iter().next().ok_or("no initial state")?;
        note(0, found);
        let mut run = Run { start: start.clone(), steps: Vec::new() };
        let mut words = start;
        for (step, action) in (1..).zip(actions) {
            let act: Act = serde_json::from_value(action.clone())
                .map_err(|error| format!("step {step}: {action} is no action: {error}"))?;
            let known = |sid: zab::Sid| cluster.servers().iter().any(|config| config.me == sid);
            if !act.servers().all(known) {
                return Err(format!("step {step}: {act:?} names a server that is not there"));
            }
            let taken = cluster
                .after(&mut cache, &words, act)
                .ok_or_else(|| format!("step {step}: {act:?} is not possible there"))?;
            note(step, taken.violated);
            words.clone_from(&taken.words);
            run.steps.push(taken);
        }
        Ok(run)
    }

    fn tell(
        &self,
        cluster: &Cluster<M>,
        bounds: &Bounds,
        property: &PropertyInfo,
        run: &Run,
    ) -> Story {
        let mut claimed = self.properties.iter().filter(|known| known.name() == property.name);
        let property = *claimed.next().unwrap_or(&self.properties[0]);
        tell(cluster, self.name, bounds, &run.start, &run.steps, property)
    }

    fn abstraction(&self, bounds: &Bounds, seed: u64) -> Option<Result<AbstractRun, String>> {
        let cluster = self.within(bounds);
        if !self.refines() || !cluster.limits().refinement {
            return None;
        }
        Some(cluster.walk(seed).and_then(|Walk { steps, run }| {
            let mut text = Vec::new();
            let quorum = &cluster.servers()[0].quorum;
            run.write(quorum, &mut text).map_err(|error| error.to_string())?;
            Ok(AbstractRun { steps, commands: run.len(), text })
        }))
    }
}

/// What makes a run visit fewer states, and why nothing is lost by it.
fn reductions(symmetric: bool, limits: &Limits) -> Vec<String> {
    let mut reductions = vec![
        "ghosts forget an epoch once no quorum is left that could still choose anything in it: no property \
         can depend on the rest"
            .to_owned(),
    ];
    if symmetric {
        reductions.push(
            "one state of each orbit under renaming of servers: without the real election nothing compares ids"
                .to_owned(),
        );
    }
    if !limits.exact_disks {
        reductions.push(
            "disks stop lagging when no crash is left: from then on a message that waits for the disk is \
             matched by one that waits to be read"
                .to_owned(),
        );
    }
    reductions
}

fn marked(outcome: &Outcome, bits: u128) -> u64 {
    (0..128).filter(|bit| bits & 1 << bit != 0).map(|bit| outcome.marks[bit]).sum()
}

fn reached(outcome: &Outcome, bits: u64) -> u64 {
    let found = outcome.reached.iter().filter(|reached| bits & 1 << reached.property != 0);
    found.map(|reached| reached.states).sum()
}

/// How often a property had something to say: steps, or states, in which it could have been
/// violated.
fn precondition<M: Machine>(cluster: &Cluster<M>, outcome: &Outcome, property: Property) -> u64 {
    let actions = |actions: &[Action]| -> u64 {
        actions.iter().map(|&action| outcome.marks[action as usize]).sum()
    };
    let answered = Mark::WriteAnswered.bit() | Mark::SyncAnswered.bit() | Mark::ReadAnswered.bit();
    match property {
        Property::Z1 => actions(&[Action::LeaderElected, Action::LeaderEstablished]),
        Property::Z2 | Property::Z10 => actions(&[Action::LeaderPropose]),
        Property::Z3 | Property::Z9 => marked(outcome, Mark::Delivered.bit()),
        Property::Z4 => actions(&[Action::LeaderElected]),
        Property::Z5 => reached(outcome, 1 << 4),
        Property::Z6 => marked(outcome, Mark::Acknowledged.bit()),
        Property::Z7 => reached(outcome, 1 << 5),
        Property::Z8 | Property::Z11 | Property::Z14 => outcome.distinct,
        Property::Z12 => cluster.images(),
        Property::Z13 => outcome.generated,
        Property::C4 => actions(&[Action::LeaderSyncConfirmed]),
        Property::Z16 => reached(outcome, 1 << 6),
        Property::Linearizable => {
            marked(outcome, Mark::WriteAnswered.bit() | Mark::SyncAnswered.bit())
        }
        Property::Serializes if !cluster.limits().clients.histories => 0,
        Property::Serializes => {
            marked(outcome, Mark::WriteAnswered.bit() | Mark::SyncAnswered.bit())
        }
        Property::NeverBack => marked(outcome, Mark::ReadAnswered.bit()),
        Property::OwnWrites => marked(outcome, Mark::OwnWriteRead.bit()),
        Property::EventFirst => marked(outcome, Mark::WatchTold.bit()),
        Property::OwnOutcome => marked(outcome, Mark::WriteAnswered.bit()),
        Property::InOrder => marked(outcome, answered),
        Property::Seen => reached(outcome, 1 << 8),
        Property::Refines if !cluster.limits().refinement => 0,
        Property::Refines => outcome.generated,
    }
}
