//! Families of clusters as the front end sees them.

use std::net::SocketAddr;

use serde_json::Value;
use zab::Action;

use crate::cluster::Cluster;
use crate::cluster::action::Act;
use crate::cluster::limits::{BUDGET_MAX, Limits};
use crate::cluster::link::CONNECTIONS_MAX;
use crate::cluster::machine::Machine;
use crate::cluster::mark::{Companion, Mark, Seen, core_action_names, core_actions};
use crate::cluster::property::Property;
use crate::cluster::story::tell;
use crate::cluster::walk::Walk;
use crate::engine;
use abstract_zab::action::Kind;
use checker::{
    AbstractRun, ActionCount, BoundInfo, Bounds, CheckOptions, CheckableModel, Engine, ModelInfo,
    Progress, PropertyInfo, PropertyKind, PropertyVerdict, ReplayOutcome, Tier, TierBounds,
    TraceFile, Verdict, Violated, Violation,
};
use search::{Outcome, Space};

/// A family of clusters under one name: the same machine, under bounds that depend on the tier.
#[derive(Clone, Debug)]
pub(crate) struct Family<M> {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its letter: Q, X or R.
    pub letter: &'static str,
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
    pub timeouts: u8,
    pub connections: u8,
    pub early: bool,
    pub window: u8,
    pub snapshots: u8,
    pub syncs: u8,
    pub elections: u8,
    pub resends: u8,
    pub counter_max: u32,
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
            timeouts,
            connections: 1,
            early: false,
            window: BUDGET_MAX,
            snapshots: 0,
            syncs: 0,
            elections: 0,
            resends: 0,
            counter_max: COUNTER_MAX,
            refinement: None,
        }
    }
}

const COUNTER_MAX: u32 = 1000;

/// Name, meaning, least and greatest value of each bound.
const BOUNDS: [(&str, &str, u64, u64); 19] = [
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
];

impl<M: Machine> Family<M> {
    fn bounds(&self, tier: Tier, preset: &Preset) -> Bounds {
        let symmetry = u64::from(!M::REAL_ELECTION);
        let values = [
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
        ];
        Bounds::new(BOUNDS.iter().zip(values).map(|((name, ..), value)| (*name, value)))
    }

    fn cluster(&self, bounds: &Bounds) -> Cluster<M> {
        let small = |name: &str| u8::try_from(bounds.value(name)).unwrap_or(u8::MAX);
        let wide = |name: &str| u32::try_from(bounds.value(name)).unwrap_or(u32::MAX);
        let cluster = Cluster::new(Limits {
            servers: small("servers"),
            observers: small("observers"),
            txns: small("txns"),
            leaderships: small("leaderships"),
            crashes: small("crashes"),
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
            counter_max: wide("counter-max"),
            epoch_max: wide("epoch-max"),
        });
        if bounds.value("symmetry") == 1 { cluster.up_to_symmetry() } else { cluster }
    }

    fn refines(&self) -> bool {
        self.properties.contains(&Property::Refines)
    }

    /// The comparison with abstract Zab, if the bounds leave it out.
    fn not_compared(&self, limits: &Limits) -> Option<&'static str> {
        (self.refines() && !limits.refinement).then(|| Property::Refines.name())
    }

    /// The properties of this family among those found violated.
    fn violated(&self, found: u64) -> impl Iterator<Item = &'static str> {
        let violated = self.properties.iter().filter(move |property| found & property.bit() != 0);
        violated.map(|property| property.name())
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

    fn own(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict {
        let cluster = self.cluster(bounds);
        let (outcome, completion) = engine::own(&cluster, opts, progress);
        let violations = outcome.violations.iter().filter_map(|violation| {
            let property = Property::ALL[violation.property as usize];
            self.properties.contains(&property).then(|| {
                let (start, run) = cluster.path(&violation.trace.ordinals, property.bit());
                let start = cluster.starts()[start].0.clone();
                Violation {
                    property: property.name().to_owned(),
                    actions: run.iter().map(|taken| value(taken.act)).collect(),
                    story: tell(&cluster, self.name, bounds, &start, &run, property),
                }
            })
        });
        let violations: Vec<_> = violations.take(1).collect();
        let looked_at =
            |property: &&Property| **property != Property::Refines || cluster.limits().refinement;
        let always = self.properties.iter().filter(looked_at).map(|&property| {
            let hit = violations.iter().any(|violation| violation.property == property.name());
            let met = precondition(&cluster, &outcome, property);
            PropertyVerdict::judge(&Self::property_info(property), &completion, hit, Some(met))
        });
        let limits = *cluster.limits();
        let sometimes = self.companions().iter().filter_map(|companion| {
            let seen = seen(&outcome, companion.seen());
            if !companion.is_due(&limits) && seen == 0 {
                return None;
            }
            let info = Self::companion_info(*companion);
            Some(PropertyVerdict::judge(&info, &completion, seen > 0, Some(seen)))
        });
        let out_of_reach = self.companions().iter().filter(|companion| {
            !companion.is_due(&limits) && seen(&outcome, companion.seen()) == 0
        });
        let symmetric = bounds.value("symmetry") == 1;
        let abstract_actions: &[Kind] = if limits.refinement { &Kind::ALL } else { &[] };
        Verdict {
            properties: always.chain(sometimes).collect(),
            actions: core_actions(&outcome)
                .chain(abstract_actions.iter().map(|&kind| ActionCount {
                    name: kind.qualified().to_owned(),
                    count: outcome.marks[Mark::at(kind)],
                }))
                .collect(),
            violations,
            out_of_reach: out_of_reach
                .map(|companion| companion.name())
                .chain(self.not_compared(&limits))
                .collect(),
            reductions: reductions(symmetric, &limits),
            distinct_without_symmetry: symmetric.then(|| cluster.unreduced()),
            ..engine::verdict(&outcome, completion.clone(), opts)
        }
    }

    fn stateright(
        &self,
        bounds: &Bounds,
        opts: &CheckOptions,
        progress: &dyn Fn(&Progress),
    ) -> Verdict {
        let cluster = self.cluster(bounds);
        let limits = *cluster.limits();
        let always = self.properties.iter().map(|property| property.name());
        let always: Vec<_> =
            always.filter(|name| Some(*name) != self.not_compared(&limits)).collect();
        let violates = |name: &str| always.contains(&name);
        let engine::Reference { verdict, found } =
            engine::stateright(cluster, violates, opts, progress);
        let looked_at = self.properties.iter().filter(|property| violates(property.name()));
        let properties = looked_at.map(|&property| {
            let hit = found.contains(property.name());
            PropertyVerdict::judge(&Self::property_info(property), &verdict.completion, hit, None)
        });
        Verdict {
            properties: properties.collect(),
            out_of_reach: self
                .companions()
                .iter()
                .map(|companion| companion.name())
                .chain(self.not_compared(&limits))
                .collect(),
            reductions: reductions(bounds.value("symmetry") == 1, &limits),
            ..verdict
        }
    }
}

impl<M: Machine> CheckableModel for Family<M> {
    fn info(&self) -> ModelInfo {
        let always = self.properties.iter().map(|&property| Self::property_info(property));
        let sometimes = self.companions().iter().map(|&c| Self::companion_info(c));
        let abstract_actions = Kind::ALL.iter().map(|kind| kind.qualified());
        let abstract_actions = abstract_actions.filter(|_| self.refines());
        ModelInfo {
            name: self.name,
            family: self.letter,
            about: self.about,
            properties: always.chain(sometimes).collect(),
            actions: core_action_names().iter().copied().chain(abstract_actions).collect(),
            bounds: BOUNDS
                .iter()
                .map(|&(name, about, min, max)| BoundInfo { name, about, min, max })
                .collect(),
            tiers: self
                .tiers
                .iter()
                .map(|(tier, preset)| TierBounds {
                    tier: *tier,
                    bounds: self.bounds(*tier, preset),
                })
                .collect(),
        }
    }

    fn admits(&self, bounds: &Bounds) -> Result<(), String> {
        if M::REAL_ELECTION && bounds.value("symmetry") == 1 {
            return Err("symmetry must be 0: the real election compares ids".to_owned());
        }
        if bounds.value("servers") + bounds.value("observers") > 6 {
            return Err("servers and observers must be at most 6 together".to_owned());
        }
        Ok(())
    }

    fn check(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict {
        match opts.engine {
            Engine::Own => self.own(bounds, opts, progress),
            Engine::Stateright => self.stateright(bounds, opts, progress),
        }
    }

    fn explore(&self, bounds: &Bounds, listen: SocketAddr) -> Result<(), String> {
        // Under its own name throughout, a server is easier to follow.
        let mut bounds = bounds.clone();
        bounds.set("symmetry", 0);
        engine::explorer(self.cluster(&bounds), listen)
    }

    fn abstract_run(&self, bounds: &Bounds, seed: u64) -> Option<Result<AbstractRun, String>> {
        let mut bounds = bounds.clone();
        bounds.set("symmetry", 0);
        let cluster = self.cluster(&bounds);
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

    fn replay(&self, trace: &TraceFile) -> Result<ReplayOutcome, String> {
        let mut bounds = trace.bounds.clone();
        bounds.set("symmetry", 0);
        let cluster = self.cluster(&bounds);
        let mut cache = cluster.worker();
        let (start, mut found) = cluster.starts().into_iter().next().ok_or("no initial state")?;
        let mut run = Vec::new();
        let mut violated: Vec<Violated> = Vec::new();
        let mut words = start.clone();
        for (at, action) in trace.actions.iter().enumerate() {
            engine::note(&mut violated, at, self.violated(found));
            let step = at + 1;
            let act: Act = serde_json::from_value(action.clone())
                .map_err(|error| format!("step {step}: {action} is no action: {error}"))?;
            let known = |sid: zab::Sid| cluster.servers().iter().any(|config| config.me == sid);
            if !act.servers().all(known) {
                return Err(format!("step {step}: {act:?} names a server that is not there"));
            }
            let taken = cluster
                .after(&mut cache, &words, act)
                .ok_or_else(|| format!("step {step}: {act:?} is not possible there"))?;
            found = taken.violated;
            words.clone_from(&taken.words);
            run.push(taken);
        }
        engine::note(&mut violated, trace.actions.len(), self.violated(found));
        let told = violated.first().and_then(|violated| {
            self.properties.iter().find(|property| property.name() == violated.property)
        });
        let property = told.copied().unwrap_or(self.properties[0]);
        let story = tell(&cluster, self.name, &trace.bounds, &start, &run, property);
        Ok(ReplayOutcome { steps: run.len(), violated, story: Some(story) })
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

fn value(act: Act) -> Value {
    serde_json::to_value(act).unwrap_or(Value::Null)
}

fn marked(outcome: &Outcome, bits: u128) -> u64 {
    (0..128).filter(|bit| bits & 1 << bit != 0).map(|bit| outcome.marks[bit]).sum()
}

fn reached(outcome: &Outcome, bits: u64) -> u64 {
    let found = outcome.reached.iter().filter(|reached| bits & 1 << reached.property != 0);
    found.map(|reached| reached.states).sum()
}

fn seen(outcome: &Outcome, seen: Seen) -> u64 {
    match seen {
        Seen::InState(bits) => reached(outcome, bits),
        Seen::OnStep(bits) => marked(outcome, bits),
    }
}

/// How often a property had something to say: steps, or states, in which it could have been
/// violated.
fn precondition<M: Machine>(cluster: &Cluster<M>, outcome: &Outcome, property: Property) -> u64 {
    let actions = |actions: &[Action]| -> u64 {
        actions.iter().map(|&action| outcome.marks[action as usize]).sum()
    };
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
        Property::Refines if !cluster.limits().refinement => 0,
        Property::Refines => outcome.generated,
    }
}
