//! The exploration of abstract Zab by itself.

use std::collections::BTreeSet;

use zab::{Epoch, Quorum, Sid};

use super::state::{Bounds, State};
use abstract_zab::action::{Action, Kind, View};
use abstract_zab::histories::{Histories, History};
use search::intern::Interner;
use search::{Judgement, Space, Successors};

/// What is checked of every state. The number is its bit in verdicts. Invariants and the paper's
/// properties, as far as `spec/Zab.tla` has them as invariants of single states.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Claim {
    /// What is chosen begins the initial history of every later epoch.
    Key,
    /// Delivered sequences are prefixes one of the other.
    PrefixConsistency,
    /// `a f <= p f`, and what a server holds is a part of the history of an epoch that it may know.
    EpochsAndLogs,
    /// Histories are sorted by zxid.
    Order,
    /// When a leader has proposed, everything of older epochs that anybody delivered is in its
    /// initial history.
    PrimaryIntegrity,
}

impl Claim {
    /// All, in the order of their bits.
    pub const ALL: [Self; 5] = [
        Self::Key,
        Self::PrefixConsistency,
        Self::EpochsAndLogs,
        Self::Order,
        Self::PrimaryIntegrity,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "chosen-in-later-initial-history",
            Self::PrefixConsistency => "prefix-consistency",
            Self::EpochsAndLogs => "epochs-and-logs",
            Self::Order => "histories-ascend",
            Self::PrimaryIntegrity => "primary-integrity",
        }
    }

    /// What it says.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Key => {
                "what a quorum has acknowledged begins the initial history of every later epoch"
            }
            Self::PrefixConsistency => {
                "any two sequences ever delivered are prefixes one of the other"
            }
            Self::EpochsAndLogs => {
                "accepted <= promised, and a log begins the history of an epoch between the two"
            }
            Self::Order => "the history of an epoch ascends strictly by zxid",
            Self::PrimaryIntegrity => {
                "once an epoch has proposed, its initial history holds everything of older epochs that anybody delivered"
            }
        }
    }

    /// Where it comes from.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Key => "spec/Zab.tla Key; proofs/theories/Key.v",
            Self::PrefixConsistency => {
                "spec/Zab.tla PrefixConsistency; proofs/theories/Corollaries.v"
            }
            Self::EpochsAndLogs => "spec/Zab.tla I2, I5; proofs/theories/Invariants.v",
            Self::Order => "spec/Zab.tla I4; proofs/theories/Structure.v",
            Self::PrimaryIntegrity => {
                "spec/Zab.tla PrimaryIntegrity; proofs/theories/Corollaries.v"
            }
        }
    }
}

/// Abstract Zab of some servers within bounds: a [`Space`] whose states are one word, the id of a
/// [`State`].
pub struct Abstract {
    /// How far to look.
    pub bounds: Bounds,
    /// A majority of the servers.
    pub quorum: Quorum,
    /// What ids of histories stand for.
    pub histories: Histories<()>,
    servers: Vec<Sid>,
    states: Interner<State>,
}

impl Abstract {
    /// Servers 1 to `servers`.
    pub fn new(servers: u8, bounds: Bounds) -> Self {
        let servers: Vec<_> = (1..=servers).map(Sid).collect();
        let quorum = Quorum::majority(servers.iter().copied().collect());
        Self { bounds, quorum, histories: Histories::new(), servers, states: Interner::new() }
    }

    /// Nobody has done anything.
    pub fn start(&self) -> State {
        State::initial(self.servers.iter().copied())
    }

    /// A state by its word.
    pub fn state(&self, word: u32) -> &State {
        self.states.get(word)
    }

    /// Actions that change a state, with the states after them, in a fixed order.
    pub fn steps(&self, state: &State) -> Vec<(Action<()>, State)> {
        let mut next = state.next(self.bounds, &self.histories, &self.quorum);
        next.retain(|(_, after)| after != state);
        next
    }

    /// The claims that a state violates, as bits.
    pub fn violated(&self, state: &State) -> u64 {
        let histories = &self.histories;
        let seen = state.seen(histories, &self.quorum);
        let begins = |short, long| histories.begins(short, long);
        let chosen = |e: Epoch| -> History {
            let history = seen.history(e);
            let most = (0..=histories.length(history)).rev().find(|n| seen.is_chosen(e, *n));
            histories.prefix(history, most.unwrap_or(0))
        };
        let mut violated = 0;
        let mut check = |claim: Claim, holds: bool| violated |= u64::from(!holds) << claim as u64;
        for &e in state.epochs.keys() {
            let later = state.epochs.range(Epoch(e.0 + 1)..);
            check(Claim::Key, later.into_iter().all(|(_, led)| begins(chosen(e), led.initial)));
            let zxids: Vec<_> =
                histories.txns(seen.history(e)).into_iter().map(|txn| txn.zxid).collect();
            check(Claim::Order, zxids.is_sorted_by(|a, b| a < b));
        }
        let delivered: BTreeSet<_> =
            state.servers.values().flat_map(|server| server.delivered.iter().copied()).collect();
        let comparable = |a, b| begins(a, b) || begins(b, a);
        let consistent = delivered.iter().all(|a| delivered.iter().all(|b| comparable(*a, *b)));
        check(Claim::PrefixConsistency, consistent);
        for server in state.servers.values() {
            let held = server.a.0..=server.p.0;
            let fits = held.into_iter().any(|e| begins(server.log, seen.history(Epoch(e))));
            check(Claim::EpochsAndLogs, server.a <= server.p && fits);
        }
        for (e, led) in &state.epochs {
            if led.history == led.initial {
                continue;
            }
            let older = |d: &History| {
                let txns = histories.txns(*d).into_iter();
                let older = txns.filter(|txn| txn.zxid.epoch() < *e).count() as u32;
                histories.prefix(*d, older)
            };
            let held = delivered.iter().all(|d| begins(older(d), led.initial));
            check(Claim::PrimaryIntegrity, held);
        }
        violated
    }
}

impl Space for Abstract {
    type Worker = ();

    fn worker(&self) {}

    fn words(&self) -> usize {
        1
    }

    fn initial(&self, (): &mut (), out: &mut Successors) {
        out.push(0, 0, 0, &[self.states.intern(self.start())]);
    }

    fn expand(&self, (): &mut (), state: &[u32], out: &mut Successors) {
        for (action, after) in self.steps(self.state(state[0])) {
            let kind = action.kind() as u32;
            out.push(kind, 1 << kind, 0, &[self.states.intern(after)]);
        }
    }

    fn judge(&self, (): &mut (), state: &[u32]) -> Judgement {
        Judgement { violated: self.violated(self.state(state[0])), reached: 0 }
    }

    fn digest(&self, _: usize, word: u32) -> u128 {
        self.states.digest(word)
    }

    fn bytes(&self) -> u64 {
        // What states own on the heap is estimated.
        self.states.bytes() + 700 * self.states.len() as u64 + self.histories.bytes()
    }
}

/// The names of the actions, in the order of their marks.
pub(super) fn names() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.name()).collect()
}
