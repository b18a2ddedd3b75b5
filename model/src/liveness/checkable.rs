//! The liveness of everything together as the front end sees it: L3 to L5.

use checker::{
    BoundInfo, Bounds, CheckableModel, Claim, Condition, Entry, Family, Marked, PropertyInfo,
    PropertyKind, Replayed, Row, Story, Tier, Walk, walk,
};
use search::calm::{Found, Half, Lasso, find};
use search::{Options, Outcome, Progress, Trace};
use serde_json::Value;
use zab::Peer;

use super::Z15;
use crate::cluster::Cluster;
use crate::cluster::action::Act;
use crate::cluster::limits::{BUDGET_MAX, ClientLimits, Limits};
use crate::cluster::mark::core_action_names;
use crate::cluster::path::Taken;
use crate::cluster::payload::Origin;
use crate::cluster::property::Property;
use crate::cluster::story::tell;
use crate::names;

/// The models of liveness that belong to no other family's module.
pub fn models() -> Vec<Box<dyn CheckableModel>> {
    KINDS.iter().map(|kind| Box::new(Live(kind)) as Box<dyn CheckableModel>).collect()
}

struct Live(&'static Kind);

struct Kind {
    name: &'static str,
    about: &'static str,
    /// Values of [`BOUNDS`], in their order.
    tiers: &'static [(Tier, [u64; 12])],
}

const KINDS: &[Kind] = &[
    Kind {
        name: "liveness-3",
        about: "two servers, election and all, come to serve clients: calm runs from every state",
        tiers: &[
            (Tier::Quick, [2, 0, 1, 2, 1, 1, 15, 2, 0, 1, 0, 0]),
            (Tier::Standard, [2, 0, 2, 3, 2, 2, 15, 6, 1, 0, 0, 0]),
        ],
    },
    Kind {
        name: "liveness-4",
        about: "three servers, election and all, come to serve clients: calm runs from every state",
        tiers: &[
            (Tier::Quick, [3, 0, 1, 1, 1, 0, 15, 1, 0, 0, 0, 0]),
            (Tier::Standard, [3, 0, 1, 2, 1, 0, 15, 2, 0, 0, 0, 0]),
        ],
    },
    Kind {
        name: "liveness-5",
        about: "three servers, with a time-out that may lock one out until the next election: calm runs from every state",
        tiers: &[
            (Tier::Quick, [3, 0, 1, 2, 1, 1, 15, 1, 0, 0, 1, 0]),
            (Tier::Standard, [3, 0, 1, 2, 1, 1, 15, 2, 0, 0, 1, 0]),
        ],
    },
    Kind {
        name: "liveness-6",
        about: "three servers, one of which may lose its history and gets another one: calm runs from every state",
        tiers: &[
            (Tier::Quick, [3, 0, 1, 1, 1, 0, 15, 1, 0, 0, 0, 1]),
            (Tier::Standard, [3, 0, 1, 2, 1, 0, 15, 2, 0, 0, 0, 1]),
        ],
    },
];

const BOUNDS: [BoundInfo; 12] = {
    const fn bound(name: &'static str, about: &'static str, min: u64, max: u64) -> BoundInfo {
        BoundInfo { name, about, min, max }
    }
    let budget = BUDGET_MAX as u64;
    // Rounds and epochs of calm runs are capped: what happens before has to leave room.
    let few = 6;
    [
        bound("servers", "voters", 1, 4),
        bound("observers", "servers without a vote", 0, 2),
        bound("txns", "transactions proposed before faults stop", 0, budget),
        bound("leaderships", "times that a server begins to lead before faults stop", 0, few),
        bound("crashes", "crashes, each with a restart from what is durable", 0, few),
        bound("timeouts", "time-outs at one end of a link whose other end is well", 0, few),
        bound("window", "delivered transactions kept in memory for DIFF", 0, budget),
        bound(
            "elections",
            "rounds of the election before faults stop, after each server's first",
            0,
            few,
        ),
        bound("resends", "votes said again before faults stop", 0, budget),
        bound("stale-votes", "1: votes may stay unread at servers that are not looking", 0, 1),
        bound(
            "locked-out",
            "1: who promised an epoch above the established one may wait for the next election",
            0,
            1,
        ),
        bound(
            "damage",
            "1: a crash may take along the history of fewer than half of the voters",
            0,
            1,
        ),
    ]
};

const PROPERTY: PropertyInfo = PropertyInfo {
    name: Z15,
    kind: PropertyKind::Live,
    source: "liveness; ZOOKEEPER-790, 1270, 1732, 2247",
    sentence: "from every state, once faults stop, every fair run establishes a leader with whom a quorum and all servers that are not locked out are up to date, and a write of its epoch that all these have delivered",
};

fn cluster(bounds: &Bounds) -> Cluster<Peer<Origin>> {
    let value = |name| bounds.value(name) as u8;
    Cluster::new(Limits {
        servers: value("servers"),
        observers: value("observers"),
        txns: value("txns"),
        leaderships: value("leaderships"),
        crashes: value("crashes"),
        timeouts: value("timeouts"),
        connections: 1,
        early: false,
        window: value("window"),
        snapshots: 0,
        syncs: 0,
        elections: value("elections"),
        resends: value("resends"),
        stale_votes: bounds.value("stale-votes") == 1,
        damage: bounds.value("damage") == 1,
        exact_disks: false,
        refinement: false,
        locked_out: bounds.value("locked-out") == 1,
        clients: ClientLimits::NONE,
        counter_max: 1000,
        epoch_max: u32::from(BUDGET_MAX),
    })
}

/// Entries of a trace, and the walk along them.
struct Run {
    entries: Vec<Entry<Act>>,
    walk: Walk<Act>,
}

impl Replayed for Run {
    fn steps(&self) -> usize {
        self.walk.strides.len() - 1
    }

    fn never_ends(&self) -> bool {
        self.walk.never_ends
    }
}

impl Family for Live {
    type System = Cluster<Peer<Origin>>;
    /// The states from which liveness is asked; the question itself is not stateright's.
    type Reference = Cluster<Peer<Origin>>;
    type Run = Run;

    fn row(&self) -> Row {
        Row {
            name: self.0.name,
            alias: names::alias(self.0.name),
            family: names::family(self.0.name),
            about: self.0.about,
            bounds: BOUNDS.to_vec(),
            tiers: self.0.tiers.iter().map(|(tier, values)| (*tier, values.to_vec())).collect(),
        }
    }

    fn claims(&self) -> Vec<Claim> {
        vec![Claim { info: PROPERTY, number: None }]
    }

    fn conditions(&self) -> Vec<Condition> {
        Vec::new()
    }

    fn is_due(&self, _: &Bounds, _: &Condition) -> bool {
        true
    }

    fn actions(&self) -> Vec<Marked> {
        core_action_names().iter().copied().zip(0..).collect()
    }

    fn admissible(&self, bounds: &Bounds) -> Result<(), String> {
        if bounds.value("servers") + bounds.value("observers") > 4 {
            return Err("`servers` and `observers` together must not be more than 4".into());
        }
        Ok(())
    }

    fn within(&self, bounds: &Bounds) -> Cluster<Peer<Origin>> {
        cluster(bounds)
    }

    fn reference(&self, bounds: &Bounds) -> Cluster<Peer<Origin>> {
        cluster(bounds)
    }

    fn find(
        &self,
        cluster: &Cluster<Peer<Origin>>,
        options: &Options<'_>,
        observe: &mut dyn FnMut(Half, &Progress),
    ) -> Found {
        find(cluster, options, observe)
    }

    fn met(&self, _: &Cluster<Peer<Origin>>, _: &Outcome, _: u32) -> u64 {
        0
    }

    fn unclaimed(&self, number: u32) -> Option<&'static str> {
        Some(Property::ALL[number as usize].name())
    }

    fn reductions(&self, bounds: &Bounds) -> Vec<String> {
        let mut reductions = vec![
            "disks stop lagging when no crash is left: from then on a message that waits for the disk is \
             matched by one that waits to be read"
                .to_owned(),
        ];
        if bounds.value("stale-votes") == 0 {
            reductions.push(
                "servers that do not look read election messages at once (see the bound stale-votes)"
                    .to_owned(),
            );
        }
        reductions
    }

    fn path(&self, _: &Cluster<Peer<Origin>>, path: &Trace, _: u32) -> Vec<Value> {
        let acts = path.labels[1..].iter().filter_map(|&label| Act::from_label(label));
        Entry::values(&Entry::path(path.ordinals[0], acts))
    }

    fn lasso(&self, lasso: &Lasso) -> Vec<Value> {
        Entry::values(&Entry::lasso(lasso, Act::from_label))
    }

    fn follow(
        &self,
        cluster: &Cluster<Peer<Origin>>,
        actions: &[Value],
        _: &mut dyn FnMut(usize, u64),
    ) -> Result<Run, String> {
        let entries = Entry::<Act>::parse(actions)?;
        let walk = walk(cluster, &entries, Act::label)?;
        Ok(Run { entries, walk })
    }

    fn tell(
        &self,
        cluster: &Cluster<Peer<Origin>>,
        bounds: &Bounds,
        property: &PropertyInfo,
        run: &Run,
    ) -> Story {
        let Run { entries, walk } = run;
        let strides = &walk.strides;
        let taken = strides.iter().filter_map(|stride| {
            let (words, marks, violated) = (stride.words.clone(), stride.marks, stride.violated);
            Some(Taken { act: stride.act?, words, marks, violated })
        });
        let steps: Vec<_> = taken.collect();
        let start = &strides[0].words;
        let mut story = tell(cluster, self.0.name, bounds, start, &steps, Property::Z13);
        (story.faults_stop_after, story.loop_after) = Entry::marks(entries);
        let calm = strides.iter().filter(|stride| stride.calm && stride.act.is_some()).count();
        let after = format!("faults have stopped before the last {calm} steps");
        let end = match entries.iter().position(|entry| *entry == Entry::ForEver) {
            Some(at) => format!(
                "the last {} steps repeat themselves for ever, and treat everybody fairly",
                entries.len() - at - 1
            ),
            None if walk.never_ends => "nothing more can happen within the caps".to_owned(),
            None => "the trace does not show that it goes on like that".to_owned(),
        };
        story.property = property.name.to_owned();
        story.property_sentence = property.sentence.to_owned();
        story.property_source = property.source.to_owned();
        story.facts = [after, end];
        story
    }
}
