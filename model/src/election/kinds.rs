//! election-1 to 5, liveness-1 and 2: which bounds, in which tier.

use super::limits::{BUDGET_MAX, Limits};
use super::property::Companion;
use checker::{BoundInfo, Bounds, Tier};

/// One model: the same ensemble, looked at with other bounds and properties.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Checks Z15 too.
    pub(super) live: bool,
    pub(super) companions: &'static [Companion],
    /// Values of [`BOUNDS`], in their order.
    pub(super) tiers: &'static [(Tier, [u64; 12])],
}

/// All of them, in the order of lists.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "election-1",
        about: "the real election alone, from every initial vector of epochs and zxids, with crashes and lost leaders",
        live: false,
        companions: &[
            Companion::TwoLeaders,
            Companion::Established,
            Companion::HigherRoundWhileFinalizing,
            Companion::BetterVoteWhileFinalizing,
            Companion::JoinByAnotherRound,
            Companion::Circle,
        ],
        tiers: &[
            (Tier::Quick, [3, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0]),
            (Tier::Standard, [3, 0, 0, 2, 2, 1, 1, 1, 1, 0, 0, 0]),
            (Tier::Deep, [3, 0, 0, 2, 2, 1, 1, 2, 2, 0, 0, 0]),
        ],
    },
    Kind {
        name: "election-2",
        about: "the real election alone, in a larger ensemble without faults, from every initial vector up to order",
        live: false,
        companions: &[
            Companion::TwoLeaders,
            Companion::Established,
            Companion::BetterVoteWhileFinalizing,
        ],
        tiers: &[
            (Tier::Quick, [3, 0, 0, 2, 2, 1, 0, 0, 0, 0, 0, 0]),
            (Tier::Standard, [4, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]),
            (Tier::Deep, [4, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0]),
        ],
    },
    Kind {
        name: "election-3",
        about: "the real election alone: a server joins a running ensemble, with crashes and lost leaders",
        live: false,
        companions: &[Companion::TwoLeaders, Companion::Established, Companion::JoinByAnotherRound],
        tiers: &[
            (Tier::Quick, [3, 0, 1, 2, 1, 1, 1, 1, 1, 1, 0, 0]),
            (Tier::Standard, [3, 0, 1, 2, 1, 1, 2, 1, 2, 0, 0, 0]),
            (Tier::Deep, [3, 0, 1, 2, 2, 1, 2, 1, 3, 0, 0, 0]),
        ],
    },
    Kind {
        name: "election-4",
        about: "the real election alone, with a server without a vote; and calm runs from every state",
        live: true,
        companions: &[
            Companion::Established,
            Companion::HigherRoundWhileFinalizing,
            Companion::JoinByAnotherRound,
        ],
        tiers: &[
            (Tier::Quick, [2, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0]),
            (Tier::Standard, [2, 1, 0, 2, 1, 1, 1, 1, 2, 0, 0, 0]),
        ],
    },
    Kind {
        name: "election-5",
        about: "the real election alone, with connections that break and come anew, each at its own time",
        live: false,
        companions: &[
            Companion::TwoLeaders,
            Companion::Established,
            Companion::BetterVoteWhileFinalizing,
        ],
        tiers: &[
            (Tier::Quick, [3, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1]),
            (Tier::Standard, [3, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1]),
        ],
    },
    Kind {
        name: "liveness-1",
        about: "elections end: calm runs from every state of election-1, one fault before",
        live: true,
        companions: &[Companion::Established, Companion::Circle],
        tiers: &[
            (Tier::Quick, [3, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0]),
            (Tier::Standard, [3, 0, 0, 1, 2, 1, 1, 1, 1, 0, 0, 0]),
            (Tier::Deep, [3, 0, 0, 2, 2, 1, 1, 1, 1, 0, 0, 0]),
        ],
    },
    Kind {
        name: "liveness-2",
        about: "newcomers get in: calm runs from every state of election-3",
        live: true,
        companions: &[Companion::Established, Companion::JoinByAnotherRound],
        tiers: &[
            (Tier::Quick, [3, 0, 1, 2, 1, 1, 1, 1, 1, 1, 0, 0]),
            (Tier::Standard, [3, 0, 1, 2, 1, 1, 2, 1, 2, 0, 0, 0]),
        ],
    },
];

/// What bounds them.
pub(super) const BOUNDS: [BoundInfo; 12] = {
    const fn bound(name: &'static str, about: &'static str, min: u64, max: u64) -> BoundInfo {
        BoundInfo { name, about, min, max }
    }
    let budget = BUDGET_MAX as u64;
    [
        bound("servers", "servers with a vote", 1, 5),
        bound("observers", "servers without a vote", 0, 2),
        bound("joiners", "servers that start only once a leader is established", 0, 2),
        bound("epochs", "epochs that a server may begin with", 1, 3),
        bound("zxids", "ends of history that a server may begin with", 1, 5),
        bound("up-to-order", "1: one of the beginnings that compare the same way", 0, 1),
        bound("crashes", "crashes", 0, budget),
        bound("timeouts", "leaders and followers that give up", 0, budget),
        bound("faults", "crashes and time-outs together", 0, budget),
        bound("resends", "votes said again without need", 0, budget),
        bound("breaks", "connections that break while both servers are up", 0, budget),
        bound(
            "greetings",
            "1: after a crash, connections come anew later and begin with a word",
            0,
            1,
        ),
    ]
};

/// The limits that bounds mean.
pub(super) fn limits(bounds: &Bounds) -> Limits {
    let value = |name| bounds.value(name) as u8;
    Limits {
        servers: value("servers"),
        observers: value("observers"),
        joiners: value("joiners"),
        epochs: value("epochs"),
        zxids: value("zxids"),
        up_to_order: value("up-to-order") == 1,
        crashes: value("crashes"),
        timeouts: value("timeouts"),
        faults: value("faults"),
        resends: value("resends"),
        breaks: value("breaks"),
        greetings: value("greetings") == 1,
    }
}
