//! The models of this build.

use std::marker::PhantomData;

use zab::{Peer, Zab};

use crate::cluster::property::Property;
use crate::family::{Family, Preset};
use crate::report::{CheckableModel, FlawRunner, Tier};

/// Every model, in the order in which lists show them and `check all` runs them.
pub fn registry() -> Vec<Box<dyn CheckableModel>> {
    let preset = Preset::new;
    vec![
        q(
            "Q0",
            "two servers: every interleaving that two can have",
            vec![(Tier::Quick, preset(2, 2, 2, 2, 2)), (Tier::Standard, preset(2, 2, 3, 3, 2))],
        ),
        x(
            "X1",
            "everything",
            vec![
                (Tier::Quick, preset(3, 1, 1, 0, 0)),
                (Tier::Standard, Preset { elections: 3, ..preset(3, 1, 2, 1, 0) }),
            ],
        ),
        q(
            "Q1",
            "the smallest that shows the historical losses of data",
            vec![(Tier::Quick, preset(3, 1, 2, 1, 1)), (Tier::Standard, preset(3, 1, 3, 2, 2))],
        ),
    ]
}

/// The runner of seeded flaws; `None` if this build has none.
pub fn flaw_runner() -> Option<Box<dyn FlawRunner>> {
    None
}

/// Zab proper under any election that there can be.
fn q(
    name: &'static str,
    about: &'static str,
    tiers: Vec<(Tier, Preset)>,
) -> Box<dyn CheckableModel> {
    let properties = &SAFETY;
    Box::new(Family::<Zab<u8>> {
        name,
        letter: "Q",
        about,
        properties,
        tiers,
        machine: PhantomData,
    })
}

/// Everything together.
fn x(
    name: &'static str,
    about: &'static str,
    tiers: Vec<(Tier, Preset)>,
) -> Box<dyn CheckableModel> {
    let properties = &SAFETY;
    Box::new(Family::<Peer<u8>> {
        name,
        letter: "X",
        about,
        properties,
        tiers,
        machine: PhantomData,
    })
}

/// What families Q and X check.
const SAFETY: [Property; 14] = [
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
];
