//! Refinement: every step of a cluster is steps of abstract Zab, or changes nothing that abstract
//! Zab has.
//!
//! The core's facts are folded into actions by [`Fold`]. What servers really hold afterwards, on
//! their disks and in their state machines, has to be what the fold says: a fact that is wrong, too
//! much, or missing is refused.

use zab::{Epoch, Fact, Quorum, Sid};

use super::disk::{Disk, Lost};
use super::ghost::GhostEvent;
use super::machine::Txn;
use super::payload::Origin;
use abstract_zab::action::Action;
use abstract_zab::fold::{Actor, Fold, Own};
use abstract_zab::histories::{Histories, History};
use abstract_zab::summary::{Local, Summary};

/// A server's own variables in abstract Zab, spelt out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OnDisk {
    /// `p`: `acceptedEpoch`.
    pub promised: Epoch,
    /// `a`: `currentEpoch`.
    pub accepted: Epoch,
    /// `log`: the history.
    pub log: Vec<Txn>,
    /// What was there before the history was lost.
    pub lost: Option<Lost>,
}

impl OnDisk {
    /// What is durable, and nothing else.
    pub fn of(disk: &Disk) -> Self {
        let image = &disk.image;
        Self {
            promised: image.accepted,
            accepted: image.current,
            log: disk.durable_history(),
            lost: disk.lost.clone(),
        }
    }

    /// The same with histories as ids: what counts, and what there is if that is something else.
    pub(super) fn own(&self, histories: &Histories<Origin>) -> (Local, Option<History>) {
        let (p, log) = (self.promised, histories.of(&self.log));
        match &self.lost {
            None => (Local { p, a: self.accepted, log }, None),
            Some(lost) => {
                (Local { p, a: lost.current, log: histories.of(&lost.history) }, Some(log))
            }
        }
    }
}

/// What a server holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Held {
    /// On its disk.
    pub disk: OnDisk,
    /// In its state machine.
    pub applied: Vec<Txn>,
}

impl Held {
    fn own(&self, histories: &Histories<Origin>) -> Own {
        let (local, restored) = self.disk.own(histories);
        Own { local, delivered: histories.of(&self.applied), restored }
    }
}

/// What a server did in one step, as far as abstract Zab has it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    /// Who.
    pub sid: Sid,
    /// What it held before.
    pub before: Held,
    /// What its core has reported.
    pub facts: Vec<Fact<Origin>>,
    /// Its disk after each record that became durable in the step.
    pub disks: Vec<OnDisk>,
    /// What it holds afterwards.
    pub after: Held,
}

impl Step {
    /// Goes through the facts, each with what the server held before and after it.
    pub fn each(&self, mut see: impl FnMut(&Fact<Origin>, &Held, &Held)) {
        let mut before = self.before.clone();
        let mut disks = self.disks.iter();
        for fact in &self.facts {
            let mut after = before.clone();
            if fact.is_of_a_record()
                && let Some(disk) = disks.next()
            {
                after.disk.clone_from(disk);
            }
            match fact {
                Fact::Delivered(txn) => after.applied.push(txn.clone()),
                Fact::Installed { zxid } => {
                    let holds = self.after.applied.iter().take_while(|txn| txn.zxid <= *zxid);
                    after.applied = holds.cloned().collect();
                }
                Fact::Started { history_lost, .. } => {
                    after.applied.clone_from(&self.after.applied);
                    if *history_lost {
                        after.disk.clone_from(&self.after.disk);
                    }
                }
                Fact::Promised { .. }
                | Fact::Elected { .. }
                | Fact::Accepted { .. }
                | Fact::Appended(_)
                | Fact::Truncated { .. }
                | Fact::Replaced { .. }
                | Fact::Acknowledged { .. }
                | Fact::Established { .. }
                | Fact::Proposed(_)
                | Fact::LeadershipEnded => {}
            }
            see(fact, &before, &after);
            before = after;
        }
    }

    /// Follows the step in abstract Zab.
    fn follow(
        &self,
        fold: &mut Fold<'_, Origin>,
        heard: &mut dyn FnMut(&Action<Origin>),
    ) -> Result<(), String> {
        let histories = fold.histories;
        let (mut own, mut refused) = (self.before.own(histories), None);
        self.each(|fact, _, after| {
            if refused.is_some() {
                return;
            }
            let mut actor = Actor { me: self.sid, own: &mut own, heard: &mut *heard };
            let taken = fold.take(&mut actor, fact);
            if let Fact::Started { .. } | Fact::LeadershipEnded = fact {
                fold.summary.retire(self.sid);
            }
            refused = match taken {
                Err(unexplained) => Some(format!("{unexplained} ({fact:?})")),
                Ok(()) if own != after.own(histories) => {
                    Some(format!("{} holds something else than its core says ({fact:?})", self.sid))
                }
                Ok(()) => None,
            };
        });
        if refused.is_none() && own != self.after.own(histories) {
            refused = Some(format!("{} holds what its core has not reported", self.sid));
        }
        refused.map_or(Ok(()), Err)
    }
}

/// Follows an event in abstract Zab, and tells `heard` of the actions that it is.
///
/// # Errors
/// The event is no step of abstract Zab from here, in words.
pub fn follow(
    summary: &mut Summary,
    event: &GhostEvent,
    histories: &Histories<Origin>,
    quorum: &Quorum,
    heard: &mut dyn FnMut(&Action<Origin>),
) -> Result<(), String> {
    match event {
        GhostEvent::Step(step) => step.follow(&mut Fold { summary, histories, quorum }, heard),
        GhostEvent::SyncAsked(_) | GhostEvent::Synced(..) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
