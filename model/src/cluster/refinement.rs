//! Refinement: every step of a cluster is steps of abstract Zab, or changes nothing that abstract
//! Zab has.
//!
//! The abstraction function is short, because ghosts and disks hold the very variables: `p`, `a`
//! and `log` of a server are `acceptedEpoch`, `currentEpoch` and the history on its *disk*; `lead`,
//! `I`, `H` are what was elected and proposed; `ack` is what left, or could have left, as an
//! acknowledgement; `D` is what state machines hold. Of all this the ghosts carry a [`Summary`],
//! and each step tells what it did in events ([`GhostEvent`]). `explain` says which abstract action
//! an event is, and [`Summary::take`] whether that action is allowed there. What the disk holds
//! afterwards has to be what the action says.
//!
//! A summary may know less than has happened (it forgets what only matters to servers that are
//! gone), never more. Guards only grow weaker as more is known, so a step that is allowed here is
//! allowed in abstract Zab too, in every state that this one stands for: a forward simulation.

use zab::{Epoch, Quorum};

use super::disk::Disk;
use super::ghost::GhostEvent;
use super::machine::Txn;
use crate::spec::action::{Action, Kind};
use crate::spec::histories::{Histories, History};
use crate::spec::summary::{Local, Summary};

/// A server's own variables in abstract Zab, spelt out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OnDisk {
    /// `p`: `acceptedEpoch`.
    pub promised: Epoch,
    /// `a`: `currentEpoch`.
    pub accepted: Epoch,
    /// `log`: the history.
    pub log: Vec<Txn>,
}

impl OnDisk {
    /// What is durable, and nothing else.
    pub fn of(disk: &Disk) -> Self {
        let image = &disk.image;
        Self { promised: image.accepted, accepted: image.current, log: disk.durable_history() }
    }

    /// The same with histories as ids.
    pub fn local(&self, histories: &Histories<u8>) -> Local {
        Local { p: self.promised, a: self.accepted, log: histories.of(&self.log) }
    }

    /// What has happened between two disks of a server, as the kind of an action: one record
    /// becomes durable at a time.
    pub fn step_to(&self, after: &Self) -> Option<Kind> {
        if self.promised != after.promised {
            Some(Kind::Promise)
        } else if self.accepted != after.accepted {
            Some(Kind::SetEpoch)
        } else if self.log == after.log {
            None
        } else if self.accepted == self.promised {
            Some(Kind::Append)
        } else {
            Some(Kind::Sync)
        }
    }
}

/// The kind of the abstract action that an event is, if it is one.
pub fn kind(event: &GhostEvent) -> Option<Kind> {
    match event {
        GhostEvent::Disk { before, after, .. } => before.step_to(after),
        GhostEvent::Elected { .. } => Some(Kind::Elect),
        GhostEvent::Proposed { .. } => Some(Kind::Propose),
        GhostEvent::AckedInitial { .. } | GhostEvent::Acked { .. } => Some(Kind::Ack),
        GhostEvent::Established { .. } | GhostEvent::Delivered(..) => Some(Kind::Deliver),
        GhostEvent::LeadershipEnded(_) | GhostEvent::Crashed { .. } => Some(Kind::Crash),
        GhostEvent::SyncAsked(_) | GhostEvent::Synced(..) => None,
    }
}

/// The abstract action that an event is, and the variables of the acting server before and after
/// it.
struct Explained {
    action: Action<u8>,
    before: Local,
    after: Local,
}

/// The abstract action that an event is from here; `None` if it changes nothing there.
///
/// # Errors
/// It is none, in words.
pub fn action(
    summary: &Summary,
    event: &GhostEvent,
    histories: &Histories<u8>,
) -> Result<Option<Action<u8>>, String> {
    Ok(explain(summary, event, histories)?.map(|explained| explained.action))
}

/// Which abstract action an event is; `None` if it changes nothing there.
fn explain(
    summary: &Summary,
    event: &GhostEvent,
    histories: &Histories<u8>,
) -> Result<Option<Explained>, String> {
    let still =
        |action| Ok(Some(Explained { action, before: Local::default(), after: Local::default() }));
    match event {
        GhostEvent::Disk { sid, before, after, candidate } => {
            let f = *sid;
            let kind = before.step_to(after);
            let (before, after) = (before.local(histories), after.local(histories));
            let action = match kind {
                None => return Ok(None),
                Some(Kind::Promise) => Action::Promise { f, e: after.p, c: *candidate },
                Some(Kind::SetEpoch) => Action::SetEpoch { f, e: after.a },
                Some(Kind::Append) => Action::Append { f, e: before.p, l: after.log },
                Some(
                    Kind::Sync
                    | Kind::Elect
                    | Kind::Ack
                    | Kind::Propose
                    | Kind::Deliver
                    | Kind::Crash,
                ) => Action::Sync { f, e: before.p, l: after.log },
            };
            Ok(Some(Explained { action, before, after }))
        }
        GhostEvent::Elected { leader, epoch, initial } => {
            let promise = summary.promises.get(&(*epoch, *leader)).ok_or_else(|| {
                format!("Elect: {leader} leads {epoch}, which it has not promised durably")
            })?;
            if promise.log != histories.of(initial) {
                return Err(format!(
                    "Elect: {leader} leads {epoch} from {initial:?}, and promised with {:?} on its disk",
                    histories.txns(promise.log)
                ));
            }
            still(Action::Elect { e: *epoch, c: *leader, rc: *promise })
        }
        GhostEvent::Proposed { leader: _, txn, applied: _ } => {
            still(Action::Propose { e: txn.zxid.epoch(), x: txn.clone() })
        }
        GhostEvent::AckedInitial { sid, epoch, disk } => {
            let n = summary.reigns.get(epoch).map_or(0, |reign| histories.length(reign.initial));
            let local = disk.local(histories);
            let action = Action::Ack { f: *sid, e: *epoch, n };
            Ok(Some(Explained { action, before: local, after: local }))
        }
        GhostEvent::Acked { sid, zxid, disk } => {
            let at = disk.log.iter().position(|txn| txn.zxid == *zxid).ok_or_else(|| {
                format!("Ack: {sid} acknowledges {zxid:?}, which is not in its durable history")
            })?;
            let local = disk.local(histories);
            let action = Action::Ack { f: *sid, e: zxid.epoch(), n: at as u32 + 1 };
            Ok(Some(Explained { action, before: local, after: local }))
        }
        // Of an established leader the initial history is delivered, even if that is nothing at
        // all.
        GhostEvent::Established { leader, epoch } => {
            still(Action::Deliver { f: *leader, e: *epoch, n: 0 })
        }
        GhostEvent::Delivered(sid, applied) => {
            let sequence = histories.of(applied);
            let action = summary.delivery(*sid, sequence, histories);
            let Action::Deliver { e, n, .. } = action else { return still(action) };
            if histories.prefix(summary.history(e), n) != sequence {
                return Err(format!(
                    "Deliver: {sid} has delivered {applied:?}, which is no epoch's history"
                ));
            }
            still(action)
        }
        GhostEvent::LeadershipEnded(sid) | GhostEvent::Crashed { sid, .. } => {
            still(Action::Crash { f: *sid })
        }
        GhostEvent::SyncAsked(_) | GhostEvent::Synced(..) => Ok(None),
    }
}

/// Follows an event in abstract Zab.
///
/// # Errors
/// The event is no step of abstract Zab from here, in words.
pub fn follow(
    summary: &mut Summary,
    event: &GhostEvent,
    histories: &Histories<u8>,
    quorum: &Quorum,
) -> Result<(), String> {
    if let Some(explained) = explain(summary, event, histories)? {
        let Explained { action, mut before, after } = explained;
        let told = |what: &dyn std::fmt::Display| format!("{what} ({action:?})");
        summary.take(&mut before, &action, histories, quorum).map_err(|refused| told(&refused))?;
        if before != after {
            return Err(told(&"the disk holds something else than the action says"));
        }
    }
    match event {
        // Memory is lost; only what the snapshot holds is known to be delivered, which is enough to
        // know.
        GhostEvent::Crashed { sid, snapshot } => {
            let snapshot = histories.of(snapshot);
            if snapshot == History::EMPTY {
                summary.delivered.remove(sid);
            } else {
                let known = summary.delivered.insert(*sid, snapshot).unwrap_or_default();
                if !histories.begins(snapshot, known) {
                    return Err(format!("the snapshot of {sid} holds what it never delivered"));
                }
            }
            summary.promises.retain(|_, promise| promise.candidate != *sid);
        }
        // Its next candidature is for a newer epoch. To have delivered nothing is worth knowing of
        // a leader only.
        GhostEvent::LeadershipEnded(sid) => {
            if summary.delivered.get(sid) == Some(&History::EMPTY) {
                summary.delivered.remove(sid);
            }
            summary.promises.retain(|_, promise| promise.candidate != *sid);
        }
        GhostEvent::Disk { .. }
        | GhostEvent::Elected { .. }
        | GhostEvent::Established { .. }
        | GhostEvent::Proposed { .. }
        | GhostEvent::AckedInitial { .. }
        | GhostEvent::Acked { .. }
        | GhostEvent::Delivered(..)
        | GhostEvent::SyncAsked(_)
        | GhostEvent::Synced(..) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
