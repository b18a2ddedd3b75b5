//! The one fold from what servers do to actions of abstract Zab.
//!
//! A step of the core reports typed facts ([`zab::Fact`]). [`Fold::take`] says which action of
//! abstract Zab each of them is, and whether that action is allowed there. Models call it with
//! every step of the search; the replay of recorded runs calls it with the facts of every server,
//! and lets those wait that have to come behind facts of other servers.
//!
//! The abstraction is short, because facts speak of the very variables: `p`, `a` and `log` of a
//! server are `acceptedEpoch`, `currentEpoch` and the history on its *disk*; `lead`, `I`, `H` are
//! what was elected and proposed; `ack` is what may be acknowledged, being on disk; `D` is what
//! state machines hold.
//!
//! A [`Summary`] may know less than has happened (it forgets what only matters to servers that are
//! gone), never more. Guards only grow weaker as more is known, so a step that is allowed here is
//! allowed in abstract Zab too, in every state that this one stands for: a forward simulation.

use std::hash::Hash;

use zab::{Epoch, Fact, Quorum, Sid, Zxid};

use super::action::{Action, Refused};
use super::histories::{Histories, History};
use super::summary::{Local, Summary};

/// A server's own part of a state: its variables, and what its state machine holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Own {
    /// What is on its disk; while its history is lost, what was there before.
    pub local: Local,
    /// What was given to its state machine.
    pub delivered: History,
    /// What is on its disk while its history is lost. Abstract Zab has no such servers: to it this
    /// one still has what it had, and does nothing that would show it, until it accepts an epoch
    /// with all that its leader has sent. So what has to hold of that (it continues what the server
    /// had acknowledged in that epoch) is the guard of an action that every server takes.
    pub restored: Option<History>,
}

/// Why a fact is no step of abstract Zab from here.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unexplained {
    /// A guard does not hold.
    #[error("{0}")]
    Guard(#[from] Refused),
    /// No action is this fact.
    #[error("{0}")]
    NoAction(String),
}

impl Unexplained {
    /// True if facts of other servers that come later may explain it.
    pub fn may_hold_later(&self) -> bool {
        match self {
            Self::Guard(refused) => refused.may_hold_later(),
            Self::NoAction(_) => true,
        }
    }
}

/// One server's view of the state of abstract Zab, which it changes.
pub struct Fold<'a, P> {
    /// The state, apart from what is the servers' own.
    pub summary: &'a mut Summary,
    /// What histories are.
    pub histories: &'a Histories<P>,
    /// Which sets of servers decide.
    pub quorum: &'a Quorum,
}

/// A server that acts: its name, its part of the state, and who listens to its actions.
pub struct Actor<'a, P> {
    /// Its name.
    pub me: Sid,
    /// Its part of the state.
    pub own: &'a mut Own,
    /// Hears of each action that was taken.
    pub heard: &'a mut dyn FnMut(&Action<P>),
}

impl<P: Clone + Eq + Hash + std::fmt::Debug> Fold<'_, P> {
    /// Takes the actions that a fact stands for; most stand for one, some for none.
    ///
    /// # Errors
    /// The fact is no step of abstract Zab from here. What was taken before that stays: only a
    /// fact of several actions can be cut in the middle, and may be given again.
    pub fn take(&mut self, actor: &mut Actor<'_, P>, fact: &Fact<P>) -> Result<(), Unexplained> {
        let f = actor.me;
        let Own { local, delivered, restored } = *actor.own;
        let log = restored.unwrap_or(local.log);
        match fact {
            Fact::Started { accepted, snapshot, last, history_lost: true, .. } => {
                if local.p != *accepted {
                    return Err(none(format!(
                        "{f} starts without its history and with acceptedEpoch {accepted}; on its \
                         disk was {}",
                        local.p
                    )));
                }
                actor.own.restored = Some(self.known(actor.own, *last)?);
                let snapshot = self.known(actor.own, *snapshot)?;
                self.ends(actor)?;
                actor.own.delivered = snapshot;
                self.remember(f, snapshot)
            }
            Fact::Started { .. } if restored.is_some() => {
                Err(none(format!("{f} starts with a history that it has got from nobody")))
            }
            Fact::Started { accepted, current, snapshot, last, history_lost: false } => {
                let found = (*accepted, *current, *last);
                if (local.p, local.a, self.histories.last_zxid(local.log)) != found {
                    return Err(none(format!(
                        "{f} starts with acceptedEpoch {accepted}, currentEpoch {current} and a \
                         history up to {last:?}; on its disk were {}, {} and {:?}",
                        local.p,
                        local.a,
                        self.histories.last_zxid(local.log)
                    )));
                }
                let snapshot = self.known(actor.own, *snapshot)?;
                self.ends(actor)?;
                actor.own.delivered = snapshot;
                self.remember(f, snapshot)
            }
            Fact::Promised { epoch, candidate } => {
                self.act(actor, Action::Promise { f, e: *epoch, c: *candidate })
            }
            Fact::Elected { epoch, last } => self.elected(actor, *epoch, *last),
            Fact::Accepted { epoch } => {
                if let Some(l) = restored {
                    self.write(actor, l)?;
                    actor.own.restored = None;
                }
                if restored.is_some() && local.a == *epoch {
                    return Ok(());
                }
                self.act(actor, Action::SetEpoch { f, e: *epoch })
            }
            Fact::Appended(txn) => {
                let l = self.histories.push(log, txn.clone());
                self.wrote(actor, l)
            }
            Fact::Truncated { to } => {
                let l = self.ending_at(log, *to).ok_or_else(|| {
                    none(format!("{f} cuts its history behind {to:?}, which is not in it"))
                })?;
                self.wrote(actor, l)
            }
            Fact::Replaced { zxid } => {
                let history = self.summary.history(local.p);
                let l = self.ending_at(history, *zxid).ok_or_else(|| {
                    let epoch = local.p;
                    none(format!(
                        "{f} has a snapshot up to {zxid:?} on its disk, which is not in the \
                         history of epoch {epoch}"
                    ))
                })?;
                self.wrote(actor, l)
            }
            Fact::Acknowledged { .. } if restored.is_some() => {
                Err(none(format!("{f} acknowledges something without its history")))
            }
            Fact::Acknowledged { zxid } => {
                let acknowledged = self.ending_at(local.log, *zxid).ok_or_else(|| {
                    none(format!("{f} acknowledges {zxid:?}, which is not on its disk"))
                })?;
                self.acknowledge(actor, zxid.epoch(), acknowledged)
            }
            // Of an established leader the initial history is delivered, even if that is nothing at
            // all.
            Fact::Established { epoch } => self.act(actor, Action::Deliver { f, e: *epoch, n: 0 }),
            Fact::Proposed(txn) => {
                self.act(actor, Action::Propose { e: txn.zxid.epoch(), x: txn.clone() })
            }
            Fact::Installed { zxid } => {
                let sequence = self.known(actor.own, *zxid)?;
                self.deliver(actor, sequence)
            }
            Fact::Delivered(txn) => {
                let sequence = self.histories.push(delivered, txn.clone());
                self.deliver(actor, sequence)
            }
            Fact::LeadershipEnded => self.ends(actor),
        }
    }

    fn act(&mut self, actor: &mut Actor<'_, P>, action: Action<P>) -> Result<(), Unexplained> {
        self.summary.take(&mut actor.own.local, &action, self.histories, self.quorum)?;
        (actor.heard)(&action);
        Ok(())
    }

    fn elected(
        &mut self,
        actor: &mut Actor<'_, P>,
        e: Epoch,
        last: Zxid,
    ) -> Result<(), Unexplained> {
        let c = actor.me;
        let rc = self.summary.promises.get(&(e, c)).copied().ok_or_else(|| {
            none(format!("{c} leads epoch {e}, which it has not promised durably"))
        })?;
        let promised = self.histories.last_zxid(rc.log);
        if promised != last {
            return Err(none(format!(
                "{c} leads epoch {e} from a history that ends at {last:?}, and promised it with \
                 one that ends at {promised:?}"
            )));
        }
        self.act(actor, Action::Elect { e, c, rc })
    }

    /// The history on disk becomes `l`.
    fn wrote(&mut self, actor: &mut Actor<'_, P>, l: History) -> Result<(), Unexplained> {
        if let Some(restored) = &mut actor.own.restored {
            *restored = l;
            return Ok(());
        }
        self.write(actor, l)
    }

    /// The durable history becomes `l`.
    fn write(&mut self, actor: &mut Actor<'_, P>, l: History) -> Result<(), Unexplained> {
        let (f, Local { p: e, a, log }) = (actor.me, actor.own.local);
        if a < e {
            self.act(actor, Action::Sync { f, e, l })
        } else if log != l {
            self.act(actor, Action::Append { f, e, l })
        } else {
            Ok(())
        }
    }

    /// An acknowledgement that can decide something: of a voter, of more than is chosen.
    fn acknowledge(
        &mut self,
        actor: &mut Actor<'_, P>,
        e: Epoch,
        acknowledged: History,
    ) -> Result<(), Unexplained> {
        let (f, n) = (actor.me, self.histories.length(acknowledged));
        let chosen = self.summary.reigns.get(&e).is_some_and(|reign| reign.chosen >= Some(n));
        if chosen || !self.quorum.is_voter(f) {
            return Ok(());
        }
        self.act(actor, Action::Ack { f, e, n })
    }

    fn deliver(&mut self, actor: &mut Actor<'_, P>, sequence: History) -> Result<(), Unexplained> {
        let f = actor.me;
        let action = self.summary.delivery(f, sequence, self.histories);
        if let Action::Deliver { e, n, .. } = action
            && self.histories.prefix(self.summary.history(e), n) != sequence
        {
            let last = self.histories.last_zxid(sequence);
            return Err(none(format!(
                "{f} has delivered a sequence up to {last:?} which is no epoch's history"
            )));
        }
        self.act(actor, action)?;
        actor.own.delivered = sequence;
        Ok(())
    }

    /// What the server led it leads no longer.
    fn ends(&mut self, actor: &mut Actor<'_, P>) -> Result<(), Unexplained> {
        let f = actor.me;
        if self.summary.reigns.values().any(|reign| reign.leader == f && reign.active) {
            self.act(actor, Action::Crash { f })?;
        }
        Ok(())
    }

    /// Memory is lost: only what the snapshot holds is known to be delivered, which is enough to
    /// know.
    fn remember(&mut self, f: Sid, snapshot: History) -> Result<(), Unexplained> {
        let known = self.summary.delivered.remove(&f).unwrap_or_default();
        if snapshot != History::EMPTY {
            self.summary.delivered.insert(f, snapshot);
        }
        if !self.histories.begins(snapshot, known) {
            let last = self.histories.last_zxid(snapshot);
            return Err(none(format!(
                "the snapshot of {f}, up to {last:?}, holds what was never delivered there"
            )));
        }
        Ok(())
    }

    /// The prefix of a history that ends with this zxid.
    fn ending_at(&self, history: History, zxid: Zxid) -> Option<History> {
        self.histories.ending_at(history, zxid)
    }

    /// What a snapshot up to `zxid` holds, which no fact tells, but which is in a history that is
    /// known.
    fn known(&self, own: &Own, zxid: Zxid) -> Result<History, Unexplained> {
        let led = self.summary.reigns.values().rev().map(|reign| reign.history);
        let all = [own.delivered, own.local.log].into_iter().chain(own.restored).chain(led);
        let mut all = all.chain([self.summary.settled]);
        let found = all.find_map(|history| self.ending_at(history, zxid));
        found.ok_or_else(|| none(format!("no known history ends at {zxid:?}")))
    }
}

fn none(why: String) -> Unexplained {
    Unexplained::NoAction(why)
}
