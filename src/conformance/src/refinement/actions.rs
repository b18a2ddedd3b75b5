//! Happenings as actions of abstract Zab, and whether these are allowed now.

use abstract_zab::action::Action;
use abstract_zab::histories::History;
use abstract_zab::summary::Local;
use recording::Digest;
use zab::{Epoch, Sid, Zxid};

use super::stream::{Found, Happening, Written};
use super::{Blocked, Follower};

impl Follower {
    /// Places a happening, if abstract Zab allows it now.
    pub(super) fn place(&mut self, f: Sid, happening: &Happening) -> Result<(), Blocked> {
        match happening {
            Happening::First(_) => Ok(()),
            Happening::Started(found) => self.started(f, found),
            Happening::Durable(written) => self.durable(f, written),
            Happening::AckedInitial(epoch) => {
                let initial = self.summary.reigns.get(epoch).map(|reign| reign.initial);
                let n = self.histories.length(initial.unwrap_or_default());
                self.take(f, &Action::Ack { f, e: *epoch, n })
            }
            Happening::Acked(zxid) => {
                let log = self.local(f).log;
                let acked = self.ending_at(log, *zxid).ok_or_else(|| {
                    Blocked::yet(format!(
                        "{zxid:?} is acknowledged, and not in the durable history"
                    ))
                })?;
                let n = self.histories.length(acked);
                self.take(f, &Action::Ack { f, e: zxid.epoch(), n })
            }
            Happening::Elected(epoch, last) => self.elected(f, *epoch, *last),
            Happening::Established(epoch) => self.take(f, &Action::Deliver { f, e: *epoch, n: 0 }),
            Happening::Proposed(txn) => {
                self.take(f, &Action::Propose { e: txn.zxid.epoch(), x: txn.clone() })
            }
            Happening::Installed(zxid) => {
                let sequence = self.known(f, *zxid)?;
                self.deliver(f, sequence)
            }
            Happening::Delivered(txns) => {
                let before = self.delivered.get(&f).copied().unwrap_or_default();
                let sequence = self.histories.extend(before, txns.iter().cloned());
                self.deliver(f, sequence)
            }
            Happening::Ended => self.take(f, &Action::Crash { f }),
        }
    }

    fn local(&self, f: Sid) -> Local {
        self.locals.get(&f).copied().unwrap_or_default()
    }

    /// Takes an action.
    fn take(&mut self, f: Sid, action: &Action<Digest>) -> Result<(), Blocked> {
        let mut local = self.local(f);
        self.summary.take(&mut local, action, &self.histories, &self.quorum).map_err(
            |refused| Blocked { why: refused.to_string(), for_ever: !refused.may_hold_later() },
        )?;
        self.locals.insert(f, local);
        *self.followed.taken.entry(action.kind()).or_default() += 1;
        if let Some(run) = &mut self.run {
            run.add(action, &self.histories, number);
        }
        Ok(())
    }

    /// The durable history becomes `l`.
    fn write(&mut self, f: Sid, l: History) -> Result<(), Blocked> {
        let Local { p: e, a, log } = self.local(f);
        if a < e {
            return self.take(f, &Action::Sync { f, e, l });
        }
        if log != l {
            self.take(f, &Action::Append { f, e, l })?;
        }
        // What is durable may be acknowledged at once: a leader does not send its acknowledgements.
        self.acknowledge(f)
    }

    fn acknowledge(&mut self, f: Sid) -> Result<(), Blocked> {
        let Local { p: e, log, .. } = self.local(f);
        let n = self.histories.length(log);
        let chosen = self.summary.reigns.get(&e).is_some_and(|reign| reign.chosen >= Some(n));
        if chosen || e == Epoch(0) { Ok(()) } else { self.take(f, &Action::Ack { f, e, n }) }
    }

    fn durable(&mut self, f: Sid, written: &Written) -> Result<(), Blocked> {
        let Local { p, log, .. } = self.local(f);
        match written {
            Written::Accepted(e, c) => self.take(f, &Action::Promise { f, e: *e, c: *c }),
            Written::Current(e) => self.take(f, &Action::SetEpoch { f, e: *e }),
            Written::Txn(txn) => {
                let l = self.histories.push(log, txn.clone());
                self.write(f, l)
            }
            Written::Truncate(to) => {
                let l = self.ending_at(log, *to).ok_or_else(|| {
                    Blocked::yet(format!(
                        "{to:?}, to which it truncates, is not in the durable history"
                    ))
                })?;
                self.write(f, l)
            }
            Written::Snapshot(zxid) => {
                let history = self.summary.history(p);
                let l = self.ending_at(history, *zxid).ok_or_else(|| {
                    Blocked::yet(format!(
                        "{zxid:?}, where the snapshot ends, is not in the history of {p}"
                    ))
                })?;
                self.write(f, l)
            }
        }
    }

    /// The prefix of a history that ends with this zxid.
    fn ending_at(&self, mut history: History, zxid: Zxid) -> Option<History> {
        while self.histories.last_zxid(history) > zxid {
            history = self.histories.split_last(history)?.0;
        }
        (self.histories.last_zxid(history) == zxid).then_some(history)
    }

    /// What a snapshot up to `zxid` holds, which is not recorded, but is in a history that is.
    fn known(&self, f: Sid, zxid: Zxid) -> Result<History, Blocked> {
        let delivered = self.delivered.get(&f).copied();
        let local = self.local(f);
        let led = self.summary.reigns.values().rev().map(|reign| reign.history);
        let settled = self.summary.settled;
        let all = delivered.into_iter().chain([local.log]).chain(led).chain([settled]);
        let found = all.into_iter().find_map(|history| self.ending_at(history, zxid));
        found.ok_or_else(|| Blocked::yet(format!("no history ends at {zxid:?}")))
    }

    fn elected(&mut self, f: Sid, e: Epoch, last: Zxid) -> Result<(), Blocked> {
        let promise = self.summary.promises.get(&(e, f)).copied();
        let rc =
            promise.ok_or_else(|| Blocked::yet(format!("{f} has not promised {e} durably")))?;
        if self.histories.last_zxid(rc.log) != last {
            return Err(Blocked::yet(format!(
                "its history ends at {last:?}, and ended at {:?} when it promised",
                self.histories.last_zxid(rc.log)
            )));
        }
        self.take(f, &Action::Elect { e, c: f, rc })
    }

    fn deliver(&mut self, f: Sid, sequence: History) -> Result<(), Blocked> {
        let action = self.summary.delivery(f, sequence, &self.histories);
        if let Action::Deliver { e, n, .. } = action
            && self.histories.prefix(self.summary.history(e), n) != sequence
        {
            let last = self.histories.last_zxid(sequence);
            return Err(Blocked::yet(format!(
                "what it delivered up to {last:?} is no epoch's history"
            )));
        }
        self.take(f, &action)?;
        self.delivered.insert(f, sequence);
        Ok(())
    }

    /// A start: memory is lost, and the state machine holds the snapshot.
    fn started(&mut self, f: Sid, found: &Found) -> Result<(), Blocked> {
        let snapshot = self.known(f, found.snapshot)?;
        let expected = self.histories.extend(snapshot, found.log.iter().cloned());
        let Local { p, a, log } = self.local(f);
        if (p, a, log) != (found.disk.accepted, found.disk.current, expected) {
            return Err(Blocked::yet("the disk holds something else than was written".to_owned()));
        }
        let local = self.local(f);
        if let Some(run) = &mut self.run {
            run.expect(f, &local, &self.histories);
        }
        self.delivered.insert(f, snapshot);
        let known = self.summary.delivered.entry(f).or_default();
        if !self.histories.begins(snapshot, *known) {
            *known = snapshot;
        }
        Ok(())
    }
}

/// The first 62 bits of a payload's digest, which stand for it in a run.
fn number(payload: &Digest) -> u64 {
    u64::from_be_bytes(payload.0) >> 2
}
