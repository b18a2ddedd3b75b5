//! The bounds of a run: guards of actions, so that a finished run is complete.

use zab::{Config, Epoch, Quorum, Sid, SidSet};

/// Whether a server is among those that vote. [`Config::is_voter`] says so too, but that is a part
/// of what is checked.
pub(crate) fn votes(config: &Config) -> bool {
    config.quorum.voters().iter().any(|voter| voter == config.me)
}

/// How much of everything a run may spend.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// Voters.
    pub servers: u8,
    /// Servers without a vote, in addition.
    pub observers: u8,
    /// Transactions proposed.
    pub txns: u8,
    /// Times that a server begins to lead.
    pub leaderships: u8,
    /// Crashes.
    pub crashes: u8,
    /// A crash may take a server's history along, as long as those without one are fewer than half
    /// of the voters, also with it.
    pub damage: bool,
    /// Time-outs at one end of a link whose other end is well.
    pub timeouts: u8,
    /// Snapshots that servers write of themselves.
    pub snapshots: u8,
    /// Syncs asked of leaders.
    pub syncs: u8,
    /// Rounds that servers begin after their first one (real election only).
    pub elections: u8,
    /// Times that a looking server says its vote again (real election only).
    pub resends: u8,
    /// Connections of a learner to the same leader at once, 1 or 2: with 2 a new one may be up
    /// before the leader knows that the old one is down.
    pub connections: u8,
    /// Learners may reach a server that does not lead yet, and who gave up may still be heard by a
    /// leader that had not learnt of the connection. Otherwise connections are made to, and learnt
    /// of by, servers that lead.
    pub early: bool,
    /// Delivered transactions that a server keeps in memory.
    pub window: u8,
    /// Election messages may stay unread at a server that is not looking, until it looks again.
    /// Otherwise such a server reads them at once (real election only).
    pub stale_votes: bool,
    /// Disks go on lagging when no crash is left that could tell (see `Cluster::flush_for_good`).
    pub exact_disks: bool,
    /// Every step is compared with abstract Zab.
    pub refinement: bool,
    /// A calm run may leave out a server that alone promised an epoch above the established one
    /// (liveness only).
    pub locked_out: bool,
    /// The clients.
    pub clients: ClientLimits,
    /// The largest counter of a zxid.
    pub counter_max: u32,
    /// The largest epoch.
    pub epoch_max: u32,
}

/// What clients may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientLimits {
    /// How many there are.
    pub clients: u8,
    /// Requests of each.
    pub ops: u8,
    /// Times that any of them attaches again.
    pub moves: u8,
    /// Requests that a client has without an answer at once.
    pub depth: u8,
    /// Reads may set watches.
    pub watches: bool,
    /// Servers may apply later what is delivered.
    pub slow: bool,
    /// What writes and synced reads have said is kept, for a check of all of it together.
    pub histories: bool,
}

impl ClientLimits {
    /// Nobody.
    pub const NONE: Self = Self {
        clients: 0,
        ops: 0,
        moves: 0,
        depth: 1,
        watches: false,
        slow: false,
        histories: false,
    };
}

impl Limits {
    /// The servers, in the order of their ids; voters first.
    pub fn configs(&self) -> Vec<Config> {
        let sids = || (1..=self.servers + self.observers).map(Sid);
        let voters: SidSet = sids().take(usize::from(self.servers)).collect();
        sids()
            .map(|me| Config {
                counter_max: self.counter_max,
                epoch_max: Epoch(self.epoch_max),
                window: u32::from(self.window),
                ..Config::new(me, Quorum::majority(voters))
            })
            .collect()
    }
}

/// What is spent of, packed into one word: 4 bits each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "named as the bounds are")]
pub enum Budget {
    Txns,
    Leaderships,
    Crashes,
    Timeouts,
    Snapshots,
    Syncs,
    Elections,
    Resends,
}

/// The most that one budget can hold.
pub const BUDGET_MAX: u8 = 15;

impl Budget {
    /// The unspent budgets of a run that begins.
    pub fn all(limits: &Limits) -> u32 {
        [
            (Self::Txns, limits.txns),
            (Self::Leaderships, limits.leaderships),
            (Self::Crashes, limits.crashes),
            (Self::Timeouts, limits.timeouts),
            (Self::Snapshots, limits.snapshots),
            (Self::Syncs, limits.syncs),
            (Self::Elections, limits.elections),
            (Self::Resends, limits.resends),
        ]
        .into_iter()
        .fold(0, |word, (budget, units)| {
            assert!(units <= BUDGET_MAX, "a budget has 4 bits");
            word | u32::from(units) << budget.shift()
        })
    }

    /// How much is left.
    pub fn left(self, word: u32) -> u32 {
        word >> self.shift() & 15
    }

    /// Spends a unit; `None` if there is none left.
    pub fn spend(self, word: u32) -> Option<u32> {
        (self.left(word) > 0).then(|| word - (1 << self.shift()))
    }

    const fn shift(self) -> u32 {
        4 * self as u32
    }
}
