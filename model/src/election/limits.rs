//! The bounds of a run, and where its servers begin.

use zab::{Config, Epoch, Quorum, Sid, SidSet, Zxid};

/// How much of everything a run may spend. All but the first six are guards of actions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Limits {
    /// Voters.
    pub servers: u8,
    /// Servers without a vote, in addition.
    pub observers: u8,
    /// Servers that start only once a leader is established: every choice of so many that leaves a
    /// quorum.
    pub joiners: u8,
    /// Each server begins with an epoch from 1 up to this.
    pub epochs: u8,
    /// Each server begins with the end of its history at one of so many zxids.
    pub zxids: u8,
    /// Of the vectors of beginnings in which servers compare the same way, only the first.
    pub up_to_order: bool,
    /// Crashes.
    pub crashes: u8,
    /// Times that a server which has decided gives up and looks again.
    pub timeouts: u8,
    /// Crashes and time-outs together.
    pub faults: u8,
    /// Times that a looking server says its vote again.
    pub resends: u8,
    /// Connections that break while both servers are up.
    pub breaks: u8,
    /// A server that starts, again or late, is told the latest words by the others over new
    /// connections, each at its own time. Otherwise the others have connections to it at once, and
    /// say nothing over them that they have said before.
    pub greetings: bool,
}

/// What a server has on disk: what it votes with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Own {
    /// `currentEpoch`.
    pub current: Epoch,
    /// The end of its history.
    pub last: Zxid,
}

impl Limits {
    /// The servers, in the order of their ids; voters first.
    pub fn configs(&self) -> Vec<Config> {
        let sids = || (1..=self.servers + self.observers).map(Sid);
        let voters: SidSet = sids().take(usize::from(self.servers)).collect();
        sids().map(|me| Config::new(me, Quorum::majority(voters))).collect()
    }

    /// Every way to begin: each server's own epoch and zxid, and whether it starts later.
    pub fn beginnings(&self) -> Vec<Vec<(Own, bool)>> {
        let (voters, observers) = (usize::from(self.servers), usize::from(self.observers));
        let servers = voters + observers;
        let owns: Vec<Own> = (1..=self.epochs)
            .flat_map(|epoch| (1..=self.zxids).map(move |counter| (epoch, counter)))
            .map(|(epoch, counter)| Own {
                current: Epoch(u32::from(epoch)),
                last: Zxid::new(Epoch(1), u32::from(counter)),
            })
            .collect();
        let mut vectors: Vec<Vec<Own>> = vec![Vec::new()];
        for _ in 0..voters {
            vectors = vectors
                .iter()
                .flat_map(|vector| owns.iter().map(|own| [&vector[..], &[*own]].concat()))
                .collect();
        }
        if self.up_to_order {
            let mut known = Vec::new();
            vectors.retain(|vector| {
                let ranks = ranks(vector);
                let fresh = !known.contains(&ranks);
                known.push(ranks);
                fresh
            });
        }
        // What a server without a vote has on disk means nothing to the election.
        for vector in &mut vectors {
            vector.extend(vec![owns[0]; observers]);
        }
        // Those who are there from the beginning must be able to establish a leader.
        let configs = self.configs();
        let early = |set: u32| {
            let here = (0..servers).filter(move |at| set & 1 << at == 0);
            configs[0].quorum.is_quorum(&here.map(|at| configs[at].me).collect())
        };
        let late: Vec<u32> = (0..1u32 << servers)
            .filter(|&set| set.count_ones() == u32::from(self.joiners) && early(set))
            .collect();
        vectors
            .iter()
            .flat_map(|vector| {
                late.iter().map(|set| {
                    let late = |at: usize| set & 1 << at != 0;
                    vector.iter().enumerate().map(|(at, own)| (*own, late(at))).collect()
                })
            })
            .collect()
    }
}

/// How the entries compare: the number of distinct smaller ones, for each.
fn ranks(vector: &[Own]) -> Vec<usize> {
    let mut sorted = vector.to_vec();
    sorted.sort();
    sorted.dedup();
    vector.iter().map(|own| sorted.partition_point(|other| other < own)).collect()
}

/// What is spent of, packed into one word: 4 bits each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "named as the bounds are")]
pub enum Budget {
    Crashes,
    Timeouts,
    Faults,
    Resends,
    Breaks,
}

impl Budget {
    /// The unspent budgets of a run that begins.
    pub fn all(limits: &Limits) -> u32 {
        [
            (Self::Crashes, limits.crashes),
            (Self::Timeouts, limits.timeouts),
            (Self::Faults, limits.faults),
            (Self::Resends, limits.resends),
            (Self::Breaks, limits.breaks),
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

/// The most that one budget can hold.
pub const BUDGET_MAX: u8 = 15;
