//! As much of a state of abstract Zab as its guards can still depend on.
//!
//! What was said is a set that grows in the specification; here it is folded as it comes:
//!
//! - of the acknowledgements of an epoch by one server only the largest, and below what a quorum
//!   has acknowledged none: `chosen e n` asks for nothing else;
//! - of the promises only those of epochs that nobody leads: `Elect` asks for no others;
//! - of what a server delivered only the longest: `Propose` asks whether `I e` begins any, and they
//!   are all prefixes one of the other (prefix consistency, which is proved).
//!
//! These change no guard: `tests::a_summary_allows_what_the_state_allows_and_follows_it` compares
//! every guard of every candidate in every state of the explored configurations. What is forgotten
//! beyond that ([`Summary::settle`], and whatever a caller leaves out) can only make a guard fail:
//! guards grow weaker as more is known. So what a summary allows, the specification allows.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use zab::{Epoch, Quorum, Sid, SidSet};

use super::action::{Action, Promise, Refused, View, allowed};
use super::histories::{Histories, History};

/// The epoch that stands for those that are settled.
const SETTLED: Epoch = Epoch(0);

/// A server's own variables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Local {
    /// `p`: the last epoch promised.
    pub p: Epoch,
    /// `a`: the last epoch accepted.
    pub a: Epoch,
    /// `log`: the durable history.
    pub log: History,
}

/// An epoch that is led.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reign {
    /// `lead`.
    pub leader: Sid,
    /// `I`.
    pub initial: History,
    /// `H`.
    pub history: History,
    /// `act`.
    pub active: bool,
    /// How much of `history` a quorum has acknowledged; `None` before the initial history was.
    pub chosen: Option<u32>,
    /// The largest acknowledgement of each server, if above `chosen`.
    pub acks: BTreeMap<Sid, u32>,
}

/// A state without the servers' own variables, folded.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Summary {
    /// Every epoch that was ever led.
    pub led: BTreeSet<Epoch>,
    /// Those of them that are not settled.
    pub reigns: BTreeMap<Epoch, Reign>,
    /// The longest history chosen in a settled epoch. Which one that was is forgotten too: it goes
    /// as epoch 0, which has no other history.
    pub settled: History,
    /// Promises of epochs that nobody leads.
    pub promises: BTreeMap<(Epoch, Sid), Promise>,
    /// The longest sequence that each server is known to have delivered.
    pub delivered: BTreeMap<Sid, History>,
}

/// A summary and the acting server's own variables, as guards see them.
pub struct Seen<'a, P> {
    /// Everything but the servers' own variables.
    pub summary: &'a Summary,
    /// Those of the server that acts.
    pub local: &'a Local,
    /// What ids of histories stand for.
    pub histories: &'a Histories<P>,
    /// Which sets of servers are quorums.
    pub quorum: &'a Quorum,
}

impl<P: Clone + Eq + Hash> View for Seen<'_, P> {
    type Payload = P;

    fn histories(&self) -> &Histories<P> {
        self.histories
    }

    fn p(&self, _: Sid) -> Epoch {
        self.local.p
    }

    fn a(&self, _: Sid) -> Epoch {
        self.local.a
    }

    fn log(&self, _: Sid) -> History {
        self.local.log
    }

    fn is_led(&self, e: Epoch) -> bool {
        self.summary.led.contains(&e)
    }

    fn initial(&self, e: Epoch) -> History {
        self.summary.reigns.get(&e).map_or(History::EMPTY, |reign| reign.initial)
    }

    fn history(&self, e: Epoch) -> History {
        self.summary.history(e)
    }

    fn is_active(&self, e: Epoch) -> bool {
        self.summary.reigns.get(&e).is_some_and(|reign| reign.active)
    }

    fn promises(&self, e: Epoch, c: Sid) -> Vec<Promise> {
        let promises = self.summary.promises.range((e, Sid(0))..=(e, Sid(u8::MAX)));
        promises.map(|(_, promise)| *promise).filter(|promise| promise.candidate == c).collect()
    }

    fn ackers(&self, e: Epoch, n: u32) -> SidSet {
        let Some(reign) = self.summary.reigns.get(&e) else {
            return SidSet::EMPTY;
        };
        reign.acks.iter().filter(|(_, m)| n <= **m).map(|(f, _)| *f).collect()
    }

    fn leader_delivered(&self, e: Epoch, h: History) -> bool {
        let leader = self.summary.reigns.get(&e).map(|reign| reign.leader);
        let delivered = leader.and_then(|leader| self.summary.delivered.get(&leader));
        // A server that has delivered nothing has not even delivered the empty sequence, in the
        // specification too.
        delivered.is_some_and(|delivered| self.histories.begins(h, *delivered))
    }

    fn is_quorum(&self, members: &SidSet) -> bool {
        self.quorum.is_quorum(members)
    }

    fn is_chosen(&self, e: Epoch, n: u32) -> bool {
        let known = match self.summary.reigns.get(&e) {
            Some(reign) => reign.chosen,
            None => (e == SETTLED).then(|| self.histories.length(self.summary.settled)),
        };
        known.is_some_and(|chosen| n <= chosen)
    }
}

impl Summary {
    /// `H e`; of settled epochs as much as is remembered.
    pub fn history(&self, e: Epoch) -> History {
        match self.reigns.get(&e) {
            Some(reign) => reign.history,
            None if e == SETTLED => self.settled,
            None => History::EMPTY,
        }
    }

    /// Takes an action: `local` are the variables of the server that acts.
    ///
    /// # Errors
    /// A guard does not hold, and nothing has changed.
    pub fn take<P: Clone + Eq + Hash>(
        &mut self,
        local: &mut Local,
        action: &Action<P>,
        histories: &Histories<P>,
        quorum: &Quorum,
    ) -> Result<(), Refused> {
        allowed(&Seen { summary: self, local, histories, quorum }, action)?;
        match *action {
            Action::Promise { f, e, c } => {
                local.p = e;
                if !self.led.contains(&e) {
                    let Local { a, log, .. } = *local;
                    let promise = Promise { node: f, epoch: e, candidate: c, accepted: a, log };
                    self.promises.insert((e, f), promise);
                }
            }
            Action::Elect { e, c, rc } => {
                self.led.insert(e);
                self.promises.retain(|(epoch, _), _| *epoch != e);
                let reign = Reign {
                    leader: c,
                    initial: rc.log,
                    history: rc.log,
                    active: true,
                    chosen: None,
                    acks: BTreeMap::new(),
                };
                self.reigns.insert(e, reign);
            }
            Action::Sync { f: _, e: _, l } | Action::Append { f: _, e: _, l } => local.log = l,
            Action::SetEpoch { f, e } => {
                local.a = e;
                if let Some(reign) = self.reigns.get_mut(&e) {
                    reign.acknowledge(f, histories.length(reign.initial), quorum);
                }
            }
            Action::Ack { f, e, n } => {
                if let Some(reign) = self.reigns.get_mut(&e) {
                    reign.acknowledge(f, n, quorum);
                }
            }
            Action::Propose { e, ref x } => {
                if let Some(reign) = self.reigns.get_mut(&e) {
                    reign.history = histories.push(reign.history, x.clone());
                }
            }
            Action::Deliver { f, e, n } => {
                let sequence = histories.prefix(self.history(e), n);
                let longest = self.delivered.entry(f).or_insert(sequence);
                if histories.length(*longest) < histories.length(sequence) {
                    *longest = sequence;
                }
            }
            Action::Crash { f } => {
                for reign in self.reigns.values_mut().filter(|reign| reign.leader == f) {
                    reign.active = false;
                }
            }
        }
        Ok(())
    }

    /// The action by which `f` has delivered `sequence`: of the epoch in which it is chosen, if
    /// there is one.
    pub fn delivery<P: Clone + Eq + Hash>(
        &self,
        f: Sid,
        sequence: History,
        histories: &Histories<P>,
    ) -> Action<P> {
        let n = histories.length(sequence);
        let fits = |e: &Epoch| histories.begins(sequence, self.history(*e));
        let chosen = |e: &Epoch| match self.reigns.get(e) {
            Some(reign) => reign.chosen >= Some(n),
            None => true,
        };
        let epochs = || self.reigns.keys().rev().copied().chain([SETTLED]);
        let of_its_own = histories.last_zxid(sequence).epoch();
        let e = epochs().find(|e| fits(e) && chosen(e)).or_else(|| epochs().find(fits));
        Action::Deliver { f, e: e.unwrap_or(of_its_own), n }
    }

    /// Forgets what is of no use to a server that leads no longer, if servers are followed in the
    /// order of time: its next candidature is for a newer epoch than any that was promised to it.
    /// To have delivered nothing is worth knowing of a leader only.
    pub fn retire(&mut self, f: Sid) {
        self.promises.retain(|_, promise| promise.candidate != f);
        if self.delivered.get(&f) == Some(&History::EMPTY) {
            self.delivered.remove(&f);
        }
    }

    /// Forgets what no guard can ask for any more: of epochs that are over everything but what was
    /// chosen in them; of others the acknowledgements, if those and whoever can still acknowledge
    /// are no quorum; and promises to servers that are no candidates, or have promised a newer
    /// epoch themselves.
    ///
    /// `promised` are all servers with the epochs on their disks. `may_lead` tells who may be a
    /// candidate. `is_over` tells, of an epoch whose leader is gone and that leader, that no server
    /// will write anything of it any more.
    pub fn settle<P: Clone + Eq + Hash>(
        &mut self,
        promised: &BTreeMap<Sid, Epoch>,
        may_lead: impl Fn(Sid) -> bool,
        is_over: impl Fn(Epoch, Sid) -> bool,
        histories: &Histories<P>,
        quorum: &Quorum,
    ) {
        self.promises.retain(|(epoch, _), promise| {
            let candidate = promise.candidate;
            may_lead(candidate) && promised.get(&candidate).is_none_or(|p| *p <= *epoch)
        });
        let length = |history| histories.length(history);
        for (e, reign) in &mut self.reigns {
            let may = |f: &&Sid| promised[*f] <= *e || reign.acks.contains_key(*f);
            if quorum.is_quorum(&promised.keys().filter(may).copied().collect()) {
                continue;
            }
            reign.acks.clear();
            // Chosen prefixes of all epochs are comparable (Key), so the longest of those that
            // cannot grow is enough to know, and of each epoch whether its leader may propose.
            if let Some(n) = reign.chosen {
                let chosen = histories.prefix(reign.history, n);
                if length(chosen) > length(self.settled) {
                    self.settled = chosen;
                }
                reign.chosen = reign.active.then(|| length(reign.initial));
            }
        }
        let over = |(e, reign): &(&Epoch, &Reign)| !reign.active && is_over(**e, reign.leader);
        let settled: Vec<_> = self.reigns.iter().filter(over).map(|(e, _)| *e).collect();
        for e in settled {
            let Some(reign) = self.reigns.remove(&e) else { continue };
            let chosen = reign.chosen.map(|n| histories.prefix(reign.history, n));
            if let Some(chosen) = chosen.filter(|chosen| length(*chosen) > length(self.settled)) {
                self.settled = chosen;
            }
        }
    }

    /// The same under other names.
    #[must_use]
    pub fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Self {
        let mut other = self.clone();
        for reign in other.reigns.values_mut() {
            reign.leader = name(reign.leader);
            reign.acks = reign.acks.iter().map(|(f, n)| (name(*f), *n)).collect();
        }
        let promise = |promise: &Promise| Promise {
            node: name(promise.node),
            candidate: name(promise.candidate),
            ..*promise
        };
        let promises = self.promises.iter();
        other.promises = promises.map(|((e, f), r)| ((*e, name(*f)), promise(r))).collect();
        other.delivered = self.delivered.iter().map(|(f, h)| (name(*f), *h)).collect();
        other
    }
}

impl Reign {
    fn acknowledge(&mut self, f: Sid, n: u32, quorum: &Quorum) {
        if self.chosen.is_some_and(|chosen| n <= chosen) {
            return;
        }
        let acked = self.acks.entry(f).or_insert(n);
        *acked = n.max(*acked);
        let acks = &self.acks;
        let by_quorum = |n: &u32| {
            quorum.is_quorum(&acks.iter().filter(|(_, m)| *n <= **m).map(|(f, _)| *f).collect())
        };
        if let Some(chosen) = acks.values().copied().filter(by_quorum).max() {
            self.chosen = Some(chosen);
            self.acks.retain(|_, n| *n > chosen);
        }
    }
}
