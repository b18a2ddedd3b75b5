//! The models of this build.

use std::marker::PhantomData;

use zab::{Peer, Zab};

use crate::cluster::limits::ClientLimits;
use crate::cluster::machine::Machine;
use crate::cluster::payload::Origin;
use crate::cluster::property::Property;
use crate::family::{Clusters, Preset};
use crate::flaws::Runner;
use checker::{CheckableModel, FlawRunner, Tier};

/// Every model, in the order in which lists show them and `check all` runs them.
pub fn registry() -> Vec<Box<dyn CheckableModel>> {
    let clusters = clusters().into_iter();
    clusters
        .chain(crate::election::models())
        .chain(crate::liveness::models())
        .chain(crate::spec::models())
        .chain(crate::hostile::models())
        .collect()
}

/// Families Q, X and R.
fn clusters() -> Vec<Box<dyn CheckableModel>> {
    let preset = Preset::new;
    let (quick, standard, deep) = (Tier::Quick, Tier::Standard, Tier::Deep);
    vec![
        q(
            "broadcast-0",
            "Two servers: an even quorum, so that both are needed.",
            vec![(quick, preset(2, 2, 2, 2, 2)), (standard, preset(2, 2, 3, 3, 2))],
        ),
        q(
            "broadcast-1",
            "Three servers, one transaction: the smallest that shows the historical losses of data.",
            vec![
                (quick, Preset { connections: 2, ..preset(3, 1, 2, 1, 1) }),
                // The comparison would cost more than half of the states again; Q8 has it.
                (standard, Preset { refinement: Some(false), ..preset(3, 1, 3, 2, 2) }),
            ],
        ),
        q(
            "broadcast-2",
            "Three servers, two transactions: the headline.",
            vec![(quick, preset(3, 2, 2, 1, 1)), (deep, preset(3, 2, 3, 2, 2))],
        ),
        q(
            "broadcast-3",
            "Three servers, one budget stretched: transactions.",
            vec![(standard, preset(3, 3, 2, 1, 1))],
        ),
        q(
            "broadcast-8",
            "As broadcast-1, every step compared with abstract Zab.",
            vec![
                (standard, preset(3, 1, 3, 1, 2)),
                (deep, Preset { refinement: Some(true), ..preset(3, 1, 3, 2, 2) }),
            ],
        ),
        q(
            "broadcast-4",
            "Three servers that keep next to nothing in memory and purge their logs: SNAP.",
            vec![
                (quick, Preset { window: 0, snapshots: 1, ..preset(3, 1, 2, 1, 1) }),
                (standard, Preset { window: 1, snapshots: 1, ..preset(3, 2, 2, 1, 1) }),
                (deep, Preset { window: 1, snapshots: 2, ..preset(3, 3, 3, 1, 1) }),
            ],
        ),
        q(
            "broadcast-5",
            "Five servers: disjoint minorities.",
            vec![
                (quick, preset(5, 0, 1, 1, 0)),
                (standard, preset(4, 1, 2, 0, 2)),
                (deep, preset(5, 1, 2, 1, 1)),
            ],
        ),
        q(
            "broadcast-6",
            "Three servers and an observer.",
            vec![
                (quick, Preset { observers: 1, ..preset(3, 1, 1, 1, 0) }),
                (standard, Preset { observers: 1, ..preset(3, 1, 2, 1, 1) }),
            ],
        ),
        q(
            "broadcast-7",
            "Three servers with zxid counters that end at 1: each write but the first rolls over.",
            vec![
                (quick, Preset { counter_max: 1, ..preset(3, 2, 2, 1, 0) }),
                (standard, Preset { counter_max: 1, ..preset(3, 3, 3, 1, 1) }),
            ],
        ),
        q(
            "sync-reads-1",
            "Three servers asked for confirmed syncs.",
            vec![
                (quick, Preset { syncs: 1, ..preset(3, 1, 2, 0, 1) }),
                (standard, Preset { syncs: 2, ..preset(3, 1, 2, 1, 1) }),
            ],
        ),
        served::<Zab<Origin>>(
            "sync-reads-2",
            "Three servers and a client that writes, syncs, reads, watches, and moves.",
            vec![
                (quick, Preset { clients: ONE, ..preset(3, 0, 1, 0, 0) }),
                (
                    standard,
                    Preset { clients: ClientLimits { ops: 2, ..ONE }, ..preset(3, 0, 2, 1, 0) },
                ),
            ],
        ),
        served::<Zab<Origin>>(
            "sync-reads-3",
            "Three servers and two clients that ask once: one may be told what the other must see.",
            vec![
                (
                    quick,
                    Preset { clients: ClientLimits { slow: true, ..TWO }, ..preset(3, 0, 1, 0, 0) },
                ),
                (standard, Preset { clients: TWO, ..preset(3, 0, 2, 0, 1) }),
            ],
        ),
        x(
            "whole-0",
            "Two servers, election and all.",
            vec![
                (quick, Preset { elections: 4, early: true, ..preset(2, 1, 2, 1, 1) }),
                (standard, Preset { elections: 6, ..preset(2, 2, 2, 2, 1) }),
            ],
        ),
        x(
            "whole-1",
            "Three servers, election and all.",
            vec![
                (quick, Preset { elections: 1, early: true, ..preset(3, 1, 1, 1, 0) }),
                (standard, Preset { elections: 2, ..preset(3, 1, 2, 1, 0) }),
                (deep, Preset { elections: 2, ..preset(3, 2, 2, 2, 1) }),
            ],
        ),
        x(
            "whole-2",
            "The budgets of broadcast-2, with the real election.",
            vec![(deep, Preset { elections: 2, ..preset(3, 2, 3, 2, 2) })],
        ),
        served::<Peer<Origin>>(
            "whole-3",
            "A client, election and all.",
            vec![
                (quick, Preset { clients: ONE, elections: 1, ..preset(2, 0, 1, 0, 0) }),
                (
                    standard,
                    Preset {
                        clients: ClientLimits { ops: 2, moves: 0, watches: false, ..ONE },
                        elections: 1,
                        ..preset(3, 0, 1, 0, 0)
                    },
                ),
            ],
        ),
        Box::new(Clusters::<Zab<Origin>> {
            name: "recovery",
            about: "Recovery is total: a server starts from every durable prefix of every disk met.",
            properties: &[Property::Z12],
            tiers: vec![
                (quick, Preset { window: 0, snapshots: 1, ..preset(3, 1, 2, 1, 1) }),
                (standard, Preset { window: 1, snapshots: 1, ..preset(3, 2, 2, 1, 1) }),
            ],
            machine: PhantomData,
        }),
        q(
            "recovery-2",
            "Three servers, one of which may lose its history, and gets it back from the others.",
            vec![
                (quick, Preset { damage: true, ..preset(3, 1, 2, 1, 1) }),
                (standard, Preset { damage: true, ..preset(3, 1, 2, 2, 1) }),
                (deep, Preset { damage: true, snapshots: 1, window: 1, ..preset(3, 2, 2, 2, 1) }),
            ],
        ),
        x(
            "recovery-3",
            "As recovery-2, with the real election.",
            vec![
                (quick, Preset { damage: true, elections: 1, ..preset(3, 1, 1, 1, 0) }),
                (standard, Preset { damage: true, elections: 2, ..preset(3, 1, 2, 1, 0) }),
            ],
        ),
    ]
}

/// The runner of seeded flaws; `None` if this build has none.
pub fn flaw_runner() -> Option<Box<dyn FlawRunner>> {
    Some(Box::new(Runner))
}

/// Zab proper under any election that there can be.
fn q(
    name: &'static str,
    about: &'static str,
    tiers: Vec<(Tier, Preset)>,
) -> Box<dyn CheckableModel> {
    let properties = &SAFETY;
    Box::new(Clusters::<Zab<Origin>> { name, about, properties, tiers, machine: PhantomData })
}

/// Servers with clients.
fn served<M: Machine>(
    name: &'static str,
    about: &'static str,
    tiers: Vec<(Tier, Preset)>,
) -> Box<dyn CheckableModel> {
    let properties = &SERVED;
    Box::new(Clusters::<M> { name, about, properties, tiers, machine: PhantomData })
}

/// A client.
const ONE: ClientLimits = ClientLimits {
    clients: 1,
    ops: 3,
    moves: 1,
    depth: 3,
    watches: true,
    slow: false,
    histories: true,
};

/// Two clients.
const TWO: ClientLimits = ClientLimits { clients: 2, ops: 1, moves: 0, watches: false, ..ONE };

/// Everything together.
fn x(
    name: &'static str,
    about: &'static str,
    tiers: Vec<(Tier, Preset)>,
) -> Box<dyn CheckableModel> {
    let properties = &SAFETY;
    Box::new(Clusters::<Peer<Origin>> { name, about, properties, tiers, machine: PhantomData })
}

/// What is checked where there are clients: as [`SAFETY`], but that syncs are asked by clients, and
/// what these may expect.
const SERVED: [Property; 23] = [
    Property::Z1,
    Property::Z2,
    Property::Z3,
    Property::Z4,
    Property::Z5,
    Property::Z6,
    Property::Z7,
    Property::Z8,
    Property::Z9,
    Property::Z10,
    Property::Z11,
    Property::Z12,
    Property::Z13,
    Property::Refines,
    Property::Z16,
    Property::Linearizable,
    Property::Serializes,
    Property::NeverBack,
    Property::OwnWrites,
    Property::EventFirst,
    Property::OwnOutcome,
    Property::InOrder,
    Property::Seen,
];

/// What families Q and X check.
const SAFETY: [Property; 16] = [
    Property::Z1,
    Property::Z2,
    Property::Z3,
    Property::Z4,
    Property::Z5,
    Property::Z6,
    Property::Z7,
    Property::Z8,
    Property::Z9,
    Property::Z10,
    Property::Z11,
    Property::Z12,
    Property::Z13,
    Property::C4,
    Property::Refines,
    Property::Z16,
];
