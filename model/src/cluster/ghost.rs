//! Ghost state: what the properties have to remember and no server does.
//!
//! The names are those of the abstract protocol (`spec/Zab.tla`): I and H of each epoch, the
//! acknowledgements, and the longest sequence ever delivered.

use std::collections::{BTreeMap, BTreeSet};

use zab::{Epoch, Fact, Quorum, Sid, SidSet, Zxid};

use super::machine::Txn;
use super::payload::Origin;
use super::property::Property;
use super::refinement::{self, Held, Step};
use abstract_zab::action::Action;
use abstract_zab::histories::Histories;
use abstract_zab::summary::Summary;

/// What has happened so far, as far as any property can tell. Nothing in it is ever forgotten by a
/// crash.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ghost {
    /// The epochs for which a leader was elected.
    pub elected: BTreeSet<Epoch>,
    /// Those of them, and of the epochs in which nobody was elected, that are settled (see
    /// [`Ghost::settle`]) end here.
    pub settled: Epoch,
    /// The longest sequence chosen in a settled epoch.
    pub settled_chosen: Vec<Txn>,
    /// The elected epochs that are not settled.
    pub epochs: BTreeMap<Epoch, EpochGhost>,
    /// The longest sequence that any server ever delivered. All others are prefixes of it, or Z3
    /// was violated.
    pub delivered: Vec<Txn>,
    /// For each leader with syncs to answer: how much had been delivered by anybody when each was
    /// asked.
    pub syncs: BTreeMap<Sid, Vec<u8>>,
    /// The state of abstract Zab, if steps are compared with it.
    pub summary: Option<Summary>,
}

/// One epoch.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EpochGhost {
    /// Who was elected.
    pub leader: Sid,
    /// Whether the leader was established.
    pub established: bool,
    /// H of the epoch: the initial history, and behind it everything proposed.
    pub history: Vec<Txn>,
    /// How much of `history` is I, the initial history.
    pub initial: u8,
    /// How much of `history` each server has acknowledged, if that is more than `chosen`.
    pub acks: BTreeMap<Sid, u8>,
    /// How much of `history` a quorum has acknowledged; `None` before the initial history was.
    pub chosen: Option<u8>,
}

/// What a step tells the ghosts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum GhostEvent {
    /// What a server has done: the facts that its core has reported.
    Step(Box<Step>),
    /// A leader was asked for a sync.
    SyncAsked(Sid),
    /// A leader, whose state machine holds this, answers the oldest sync.
    Synced(Sid, Vec<Txn>),
}

/// What came of it when ghosts were told of a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// Properties that the step violates.
    pub violated: u64,
    /// The actions of abstract Zab that it is, a bit for each kind.
    pub kinds: u64,
    /// Why it is none of abstract Zab, if that is so.
    pub refused: Option<String>,
}

/// What of a server decides in which epochs it can still do something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Busy {
    /// Who.
    pub sid: Sid,
    /// `acceptedEpoch` on its disk.
    pub promised: Epoch,
    /// The leader to which it is attached: what that one sent may still arrive. Itself, if it leads
    /// or wants to.
    pub leader: Option<Sid>,
    /// Records wait for its disk.
    pub writes: bool,
}

impl Busy {
    /// True if something of an epoch whose leader is gone may still reach this server's disk.
    fn may_act(&self, epoch: Epoch, leader: Sid) -> bool {
        self.promised <= epoch && (self.writes || self.leader == Some(leader))
    }
}

/// True if one sequence begins with the other.
pub fn is_prefix(short: &[Txn], long: &[Txn]) -> bool {
    long.starts_with(short)
}

fn comparable(a: &[Txn], b: &[Txn]) -> bool {
    is_prefix(a, b) || is_prefix(b, a)
}

impl EpochGhost {
    /// The prefix that a quorum has acknowledged (C of the epoch).
    pub fn chosen(&self) -> &[Txn] {
        &self.history[..usize::from(self.chosen.unwrap_or(0))]
    }

    /// The initial history (I of the epoch).
    pub fn initial(&self) -> &[Txn] {
        &self.history[..usize::from(self.initial)]
    }

    /// Adds an acknowledgement of the first `n` of the history.
    fn acknowledge(&mut self, sid: Sid, n: u8, quorum: &Quorum) {
        if self.chosen.is_some_and(|chosen| n <= chosen) {
            return;
        }
        let acked = self.acks.entry(sid).or_insert(n);
        *acked = n.max(*acked);
        let is_chosen = |n: &u8| {
            let have: SidSet =
                self.acks.iter().filter(|(_, m)| *m >= n).map(|(sid, _)| *sid).collect();
            quorum.is_quorum(&have)
        };
        if let Some(chosen) = self.acks.values().copied().filter(is_chosen).max() {
            self.chosen = Some(chosen);
            self.acks.retain(|_, n| *n > chosen);
        }
    }
}

impl Ghost {
    /// The longest chosen sequence of any epoch.
    pub fn longest_chosen(&self) -> &[Txn] {
        let unsettled = self.epochs.values().map(EpochGhost::chosen);
        let longest = unsettled.max_by_key(|chosen| chosen.len()).unwrap_or(&[]);
        if longest.len() > self.settled_chosen.len() { longest } else { &self.settled_chosen }
    }

    /// Forgets what no property can depend on any more.
    ///
    /// An epoch is settled when the voters whose disks have not promised a newer one, together with
    /// those whose acknowledgements are not yet part of anything chosen, are no quorum: nothing
    /// more can be chosen in it, nor in any older one, so it is enough to know what was.
    pub fn settle(&mut self, servers: &[Busy], quorum: &Quorum, histories: &Histories<Origin>) {
        let promised: BTreeMap<_, _> =
            servers.iter().map(|busy| (busy.sid, busy.promised)).collect();
        if let Some(summary) = &mut self.summary {
            let is_over = |epoch, leader| !servers.iter().any(|busy| busy.may_act(epoch, leader));
            let may_lead =
                |sid| servers.iter().any(|busy| busy.sid == sid && busy.leader == Some(sid));
            summary.settle(&promised, may_lead, is_over, histories, quorum);
        }
        while let Some((&epoch, ghost)) = self.epochs.first_key_value() {
            let may_choose = promised
                .iter()
                .filter(|(sid, _)| quorum.is_voter(**sid))
                .filter(|(sid, p)| **p <= epoch || ghost.acks.contains_key(sid))
                .map(|(sid, _)| *sid)
                .collect();
            if quorum.is_quorum(&may_choose) {
                return;
            }
            let chosen = ghost.chosen();
            if chosen.len() > self.settled_chosen.len() {
                self.settled_chosen = chosen.to_vec();
            }
            self.settled = epoch;
            self.epochs.remove(&epoch);
        }
    }

    /// The same under other names.
    #[must_use]
    pub fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Self {
        let mut ghost = self.clone();
        for epoch in ghost.epochs.values_mut() {
            epoch.leader = name(epoch.leader);
            epoch.acks = epoch.acks.iter().map(|(&sid, &n)| (name(sid), n)).collect();
        }
        ghost.syncs = self.syncs.iter().map(|(&sid, syncs)| (name(sid), syncs.clone())).collect();
        ghost.summary = self.summary.as_ref().map(|summary| summary.renamed(name));
        ghost
    }

    fn is_settled(&self, epoch: Epoch) -> bool {
        epoch <= self.settled && self.elected.contains(&epoch)
    }

    /// Takes note of what a step did.
    pub fn record(
        &mut self,
        events: &[GhostEvent],
        quorum: &Quorum,
        histories: &Histories<Origin>,
    ) -> Recorded {
        let (mut refused, mut kinds) = (None, 0);
        let mut taken = |action: &Action<Origin>| kinds |= 1 << action.kind() as u32;
        let violated = events.iter().fold(0, |violated, event| {
            if let (Some(summary), None) = (&mut self.summary, &refused) {
                refused = refinement::follow(summary, event, histories, quorum, &mut taken).err();
            }
            violated | self.record_one(event, quorum)
        });
        let refines = if refused.is_some() { Property::Refines.bit() } else { 0 };
        Recorded { violated: violated | refines, kinds, refused }
    }

    fn record_one(&mut self, event: &GhostEvent, quorum: &Quorum) -> u64 {
        let violated = match event {
            GhostEvent::Step(step) => {
                let mut violated = 0;
                step.each(|fact, before, after| {
                    violated |= self.record_fact(step.sid, fact, before, after, quorum);
                });
                violated
            }
            GhostEvent::SyncAsked(leader) => {
                let known = length(&self.delivered);
                self.syncs.entry(*leader).or_default().push(known);
                0
            }
            GhostEvent::Synced(leader, applied) => {
                let syncs = self.syncs.get_mut(leader).filter(|syncs| !syncs.is_empty());
                let known = syncs.map(|syncs| usize::from(syncs.remove(0)));
                self.syncs.retain(|_, syncs| !syncs.is_empty());
                let fresh = known.is_some_and(|known| applied.len() >= known);
                if fresh { 0 } else { Property::C4.bit() }
            }
        };
        violated | self.chosen_begins_everything()
    }

    /// Chosen prefixes of all epochs are comparable, and begin every later initial history.
    fn chosen_begins_everything(&self) -> u64 {
        let chosen = self.longest_chosen();
        let holds = self.epochs.iter().all(|(epoch, ghost)| {
            let mut later = self.epochs.range(Epoch(epoch.0 + 1)..);
            comparable(ghost.chosen(), chosen)
                && later.all(|(_, later)| is_prefix(ghost.chosen(), later.initial()))
        });
        if holds { 0 } else { Property::Z4.bit() }
    }

    fn record_fact(
        &mut self,
        sid: Sid,
        fact: &Fact<Origin>,
        before: &Held,
        after: &Held,
        quorum: &Quorum,
    ) -> u64 {
        let mut violated = 0;
        let mut check = |holds: bool, property: Property| {
            if !holds {
                violated |= property.bit();
            }
        };
        match fact {
            Fact::Elected { epoch, last } => {
                check(self.elected.insert(*epoch), Property::Z1);
                if *epoch > self.settled {
                    let log = &after.disk.log;
                    let initial: Vec<_> =
                        log.iter().take_while(|txn| txn.zxid <= *last).cloned().collect();
                    check(is_prefix(&self.settled_chosen, &initial), Property::Z4);
                    self.epochs.entry(*epoch).or_insert_with(|| EpochGhost {
                        leader: sid,
                        established: false,
                        initial: length(&initial),
                        history: initial,
                        acks: BTreeMap::new(),
                        chosen: None,
                    });
                }
            }
            Fact::Established { epoch } => match self.epochs.get_mut(epoch) {
                Some(ghost) => {
                    check(ghost.leader == sid && !ghost.established, Property::Z1);
                    check(ghost.chosen.is_some(), Property::Z5);
                    ghost.established = true;
                }
                None => check(self.is_settled(*epoch), Property::Z1),
            },
            Fact::Proposed(txn) => {
                let epoch = txn.zxid.epoch();
                let twice = self
                    .epochs
                    .values()
                    .any(|ghost| ghost.history.iter().any(|old| old.zxid == txn.zxid));
                check(!twice, Property::Z2);
                let mut older = self.delivered.iter().filter(|old| old.zxid.epoch() < epoch);
                check(older.all(|old| before.applied.contains(old)), Property::Z10);
                match self.epochs.get_mut(&epoch) {
                    Some(ghost) => {
                        check(ghost.leader == sid && ghost.established, Property::Z1);
                        ghost.history.push(txn.clone());
                    }
                    None => check(self.is_settled(epoch), Property::Z1),
                }
            }
            Fact::Accepted { epoch } => match self.epochs.get_mut(epoch) {
                Some(ghost) => {
                    check(is_prefix(ghost.initial(), &after.disk.log), Property::Z6);
                    ghost.acknowledge(sid, ghost.initial, quorum);
                }
                None => check(self.is_settled(*epoch), Property::Z6),
            },
            Fact::Acknowledged { zxid } => {
                let ghost = self.epochs.get_mut(&zxid.epoch());
                let at = ghost
                    .as_ref()
                    .and_then(|ghost| ghost.history.iter().position(|txn| txn.zxid == *zxid));
                match (ghost, at) {
                    (Some(ghost), Some(at)) => {
                        check(is_prefix(&ghost.history[..=at], &after.disk.log), Property::Z6);
                        ghost.acknowledge(sid, length(&ghost.history[..=at]), quorum);
                    }
                    (Some(_), None) => check(false, Property::Z6),
                    (None, _) => check(self.is_settled(zxid.epoch()), Property::Z6),
                }
            }
            Fact::Delivered(_) | Fact::Installed { .. } => {
                let applied = &after.applied;
                check(comparable(applied, &self.delivered), Property::Z3);
                check(is_prefix(applied, self.longest_chosen()), Property::Z5);
                check(in_primary_order(applied), Property::Z9);
                if applied.len() > self.delivered.len() {
                    self.delivered.clone_from(applied);
                }
            }
            Fact::LeadershipEnded | Fact::Started { .. } => {
                self.syncs.remove(&sid);
            }
            Fact::Promised { .. }
            | Fact::Appended(_)
            | Fact::Truncated { .. }
            | Fact::Replaced { .. } => {}
        }
        violated
    }
}
/// Local and global primary order of one sequence: epochs ascend, and within an epoch no counter is
/// left out.
fn in_primary_order(sequence: &[Txn]) -> bool {
    let mut last = Zxid::ZERO;
    sequence.iter().all(|txn| std::mem::replace(&mut last, txn.zxid).is_followed_by(txn.zxid))
}

fn length(sequence: &[Txn]) -> u8 {
    u8::try_from(sequence.len()).unwrap_or(u8::MAX)
}
