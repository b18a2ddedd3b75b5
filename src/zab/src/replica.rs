//! What a server keeps through all its roles: its epochs, its history, and what the disk has of them.

use alloc::collections::VecDeque;

use crate::config::Config;
use crate::history::History;
use crate::io::{After, DiskImage, Fact, Halt, Outputs, Record};
use crate::message::{Payload, Txn};
use crate::types::{Epoch, Sid, WriteNo, Zxid};

/// Epochs and history as *issued*: what memory knows, and what the disk will hold once it has caught up.
/// Invariant: `current <= accepted`, and no transaction has an epoch above `accepted`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Replica<P> {
    pub(crate) config: Config,
    /// `acceptedEpoch` (f.p).
    pub(crate) accepted: Epoch,
    /// `currentEpoch` (f.a).
    pub(crate) current: Epoch,
    pub(crate) history: History<P>,
    /// The state machine holds exactly the transactions up to here. At least the history's base.
    pub(crate) delivered: Zxid,
    /// What this server had acknowledged may be missing in `history`, up to the next epoch that it accepts.
    pub(crate) history_lost: bool,
    writes: Writes<P>,
}

/// The records on their way to the disk, and what the disk holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Writes<P> {
    durable: WriteNo,
    pending: VecDeque<Pending<P>>,
    durable_accepted: Epoch,
    durable_current: Epoch,
    durable_last: Zxid,
}

/// An issued record, as it is reported when it becomes durable.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Pending<P> {
    /// A promise, and to whom.
    AcceptedEpoch(Epoch, Sid),
    CurrentEpoch(Epoch),
    Txn(Txn<P>),
    Truncate(Zxid),
    Snapshot(Zxid),
}

impl<P: Payload> Replica<P> {
    /// Starts from what a crash left.
    ///
    /// A history that is newer than `currentEpoch` is accepted: the crash came between synchronisation and the epoch,
    /// and the order of writes (history, then epoch) makes such an image harmless (`zab-correctness` 6.4; ZooKeeper
    /// refuses to start, hazard H1).
    ///
    /// Where the history is lost, `currentEpoch` says of which epoch it was, so it is lost too.
    ///
    /// # Errors
    /// The image breaks a rule that every durable prefix obeys: the disk was damaged, or is somebody else's.
    pub(crate) fn start(config: Config, image: DiskImage<P>) -> Result<Self, Halt> {
        let DiskImage { accepted, history_lost, .. } = image;
        let current = if history_lost { Epoch(0) } else { image.current };
        let mut last = image.snapshot;
        for txn in &image.log {
            if !last.is_followed_by(txn.zxid) {
                return Err(Halt::LogOutOfOrder { last, next: txn.zxid });
            }
            last = txn.zxid;
        }
        if current > accepted {
            return Err(Halt::CurrentEpochAhead { accepted, current });
        }
        if last.epoch() > accepted {
            return Err(Halt::HistoryAhead { accepted, last });
        }
        let writes = Writes {
            durable: WriteNo(0),
            pending: VecDeque::new(),
            durable_accepted: accepted,
            durable_current: current,
            durable_last: last,
        };
        let delivered = image.snapshot;
        Ok(Self {
            config,
            accepted,
            current,
            history: History::from_disk(image),
            delivered,
            history_lost,
            writes,
        })
    }

    /// What a start finds, and nobody has changed yet.
    pub(crate) fn started(&self) -> Fact<P> {
        Fact::Started {
            accepted: self.accepted,
            current: self.current,
            snapshot: self.delivered,
            last: self.history.last(),
            history_lost: self.history_lost,
        }
    }

    /// The same replica with other constants, under other names.
    pub(crate) fn renamed(&self, config: Config, name: impl Fn(Sid) -> Sid) -> Self {
        let mut renamed = Self { config, ..self.clone() };
        for pending in &mut renamed.writes.pending {
            if let Pending::AcceptedEpoch(_, candidate) = pending {
                *candidate = name(*candidate);
            }
        }
        renamed
    }

    /// Promises an epoch to a candidate. `Promise` of the abstract protocol: strictly greater than any promised before.
    pub(crate) fn promise(&mut self, epoch: Epoch, candidate: Sid, out: &mut Outputs<P>) {
        assert!(epoch > self.accepted, "a promise is strict");
        self.accepted = epoch;
        self.write(Record::AcceptedEpoch(epoch), Pending::AcceptedEpoch(epoch, candidate), out);
    }

    /// Accepts the promised epoch. `SetEpoch`: every record of the initial history was issued before this one, so
    /// that the epoch is never durable before the history. Nothing is missing in it from here on: whatever this
    /// server had acknowledged in earlier epochs and that was chosen is in the initial history, and what it had
    /// acknowledged in this one its leader has sent again.
    pub(crate) fn accept(&mut self, epoch: Epoch, out: &mut Outputs<P>) {
        assert!(epoch == self.accepted, "only the promised epoch is accepted");
        self.history_lost = false;
        if self.current != epoch {
            self.current = epoch;
            self.write(Record::CurrentEpoch(epoch), Pending::CurrentEpoch(epoch), out);
        }
    }

    /// Appends to the history.
    pub(crate) fn append(&mut self, txn: Txn<P>, out: &mut Outputs<P>) {
        self.history.append(txn.clone());
        self.write(Record::Txn(txn.clone()), Pending::Txn(txn), out);
    }

    /// Cuts the history behind `to`.
    pub(crate) fn truncate(&mut self, to: Zxid, out: &mut Outputs<P>) {
        assert!(self.delivered <= to, "what was delivered stays");
        self.history.truncate(to);
        self.write(Record::Truncate { to }, Pending::Truncate(to), out);
    }

    /// Replaces the history and the state machine by a snapshot.
    pub(crate) fn install(&mut self, zxid: Zxid, out: &mut Outputs<P>) {
        assert!(self.delivered <= zxid, "what was delivered stays");
        self.history.replace(zxid);
        self.delivered = zxid;
        out.install = Some(zxid);
        out.facts.push(Fact::Installed { zxid });
        self.write(Record::Snapshot { zxid }, Pending::Snapshot(zxid), out);
    }

    /// Delivers the transactions up to `upto`, as far as they are here.
    pub(crate) fn deliver(&mut self, upto: Zxid, out: &mut Outputs<P>) {
        for txn in self.history.between(self.delivered, upto) {
            self.delivered = txn.zxid;
            out.deliver.push(txn.clone());
            out.facts.push(Fact::Delivered(txn.clone()));
        }
        self.history.trim(self.delivered, self.config.window as usize);
    }

    /// For a message that speaks of everything issued so far.
    pub(crate) fn gate(&self) -> After {
        if self.writes.pending.is_empty() { After::Now } else { After::Durable(self.issued()) }
    }

    /// Takes note that the disk has caught up to `upto`; false if that says nothing new, or cannot be.
    pub(crate) fn durable(&mut self, upto: WriteNo, out: &mut Outputs<P>) -> bool {
        if upto <= self.writes.durable || upto > self.issued() {
            return false;
        }
        while self.writes.durable < upto {
            self.writes.durable.0 += 1;
            match self.writes.pending.pop_front() {
                Some(Pending::AcceptedEpoch(epoch, candidate)) => {
                    self.writes.durable_accepted = epoch;
                    out.facts.push(Fact::Promised { epoch, candidate });
                }
                Some(Pending::CurrentEpoch(epoch)) => {
                    self.writes.durable_current = epoch;
                    out.facts.push(Fact::Accepted { epoch });
                    self.acknowledge(out);
                }
                Some(Pending::Txn(txn)) => {
                    self.writes.durable_last = txn.zxid;
                    out.facts.push(Fact::Appended(txn));
                    self.acknowledge(out);
                }
                Some(Pending::Truncate(to)) => {
                    self.writes.durable_last = to;
                    out.facts.push(Fact::Truncated { to });
                }
                Some(Pending::Snapshot(zxid)) => {
                    self.writes.durable_last = zxid;
                    out.facts.push(Fact::Replaced { zxid });
                }
                None => unreachable!("issued = durable + pending"),
            }
        }
        true
    }

    /// `Ack` of the abstract protocol: what is on disk may be acknowledged in the epoch that is promised and accepted
    /// there.
    fn acknowledge(&self, out: &mut Outputs<P>) {
        let Writes { durable_accepted, durable_current, durable_last: zxid, .. } = self.writes;
        if durable_accepted == durable_current && zxid.epoch() == durable_current {
            out.facts.push(Fact::Acknowledged { zxid });
        }
    }

    /// True once the promise of `epoch` is on this disk, and with it the history as it was then.
    pub(crate) fn promise_is_durable(&self, epoch: Epoch) -> bool {
        self.writes.durable_accepted == epoch
    }

    /// The end of the history on this disk, once the disk has accepted `epoch`.
    pub(crate) fn durable_in(&self, epoch: Epoch) -> Option<Zxid> {
        (self.writes.durable_current == epoch).then_some(self.writes.durable_last)
    }

    /// Counts writes from the present durable one. Nothing but the numbers changes.
    pub(crate) fn renumber(&mut self) -> WriteNo {
        core::mem::take(&mut self.writes.durable)
    }

    fn issued(&self) -> WriteNo {
        WriteNo(self.writes.durable.0 + self.writes.pending.len() as u64)
    }

    fn write(&mut self, record: Record<P>, pending: Pending<P>, out: &mut Outputs<P>) {
        self.writes.pending.push_back(pending);
        out.writes.push((self.issued(), record));
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::quorum::Quorum;
    use crate::types::SidSet;

    fn zxid(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch(epoch), counter)
    }

    fn txn(epoch: u32, counter: u32) -> Txn<()> {
        Txn { zxid: zxid(epoch, counter), payload: () }
    }

    fn config() -> Config {
        Config { window: 1, ..Config::new(Sid(1), Quorum::majority(SidSet::from_iter([Sid(1)]))) }
    }

    fn start(
        (accepted, current): (u32, u32),
        snapshot: Zxid,
        log: impl IntoIterator<Item = (u32, u32)>,
    ) -> Result<Replica<()>, Halt> {
        let log = log.into_iter().map(|(epoch, counter)| txn(epoch, counter)).collect();
        let (accepted, current) = (Epoch(accepted), Epoch(current));
        Replica::start(
            config(),
            DiskImage { accepted, current, snapshot, log, history_lost: false },
        )
    }

    #[test]
    fn any_prefix_of_the_records_is_a_disk_to_start_from() {
        let sound = [
            ((0, 0), (0, 0), Vec::new()),
            // Promised, not accepted.
            ((3, 1), (0, 0), alloc::vec![(1, 1)]),
            // Hazard H1: a crash between the history of epoch 2 and currentEpoch.
            ((2, 1), (0, 0), alloc::vec![(1, 1), (2, 1)]),
            ((2, 1), (2, 4), Vec::new()),
            ((2, 2), (1, 4), alloc::vec![(1, 5), (2, 1)]),
        ];
        for (epochs, (epoch, counter), log) in sound {
            let last = log.last().copied().unwrap_or((epoch, counter));
            let replica = start(epochs, zxid(epoch, counter), log).expect("a crash leaves this");
            assert_eq!(replica.history.last(), zxid(last.0, last.1));
            assert_eq!(replica.delivered, zxid(epoch, counter), "the log is not delivered");
            assert_eq!(replica.gate(), After::Now, "what is on disk is durable");
        }
    }

    #[test]
    fn a_disk_that_no_crash_leaves_is_refused_by_name() {
        let (one, two) = (Epoch(1), Epoch(2));
        let cases = [
            (
                start((1, 2), Zxid::ZERO, []),
                Halt::CurrentEpochAhead { accepted: one, current: two },
            ),
            (
                start((1, 1), Zxid::ZERO, [(2, 1)]),
                Halt::HistoryAhead { accepted: one, last: zxid(2, 1) },
            ),
            (start((1, 1), zxid(2, 1), []), Halt::HistoryAhead { accepted: one, last: zxid(2, 1) }),
            (
                start((1, 1), Zxid::ZERO, [(1, 1), (1, 3)]),
                Halt::LogOutOfOrder { last: zxid(1, 1), next: zxid(1, 3) },
            ),
            (
                start((1, 1), zxid(1, 2), [(1, 2)]),
                Halt::LogOutOfOrder { last: zxid(1, 2), next: zxid(1, 2) },
            ),
            (
                start((1, 1), Zxid(u64::MAX), [(u32::MAX, u32::MAX)]),
                Halt::LogOutOfOrder { last: Zxid(u64::MAX), next: Zxid(u64::MAX) },
            ),
        ];
        for (got, expected) in cases {
            assert_eq!(got.expect_err("no crash leaves this"), expected);
        }
    }

    #[test]
    fn the_disk_follows_the_records_in_their_order() {
        let mut out = Outputs::new();
        let mut replica = start((0, 0), Zxid::ZERO, []).expect("an empty disk");
        replica.promise(Epoch(1), Sid(2), &mut out);
        replica.append(txn(1, 1), &mut out);
        replica.accept(Epoch(1), &mut out);
        replica.append(txn(1, 2), &mut out);
        replica.truncate(zxid(1, 1), &mut out);
        let numbers: Vec<_> = out.writes.iter().map(|(no, _)| no.0).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        assert_eq!(replica.gate(), After::Durable(WriteNo(5)));

        assert!(out.facts.is_empty(), "nothing of it is on disk");
        assert!(!replica.promise_is_durable(Epoch(1)));
        assert!(replica.durable(WriteNo(1), &mut out));
        assert!(replica.promise_is_durable(Epoch(1)));
        assert!(replica.durable(WriteNo(2), &mut out));
        assert_eq!(replica.durable_in(Epoch(1)), None, "the transaction is, the epoch is not");
        assert!(replica.durable(WriteNo(3), &mut out));
        assert_eq!(replica.durable_in(Epoch(1)), Some(zxid(1, 1)));

        // Nothing new, and what was never issued.
        for stale in [0, 2, 3, 6, u64::MAX] {
            assert!(!replica.durable(WriteNo(stale), &mut out), "{stale}");
        }
        assert!(replica.durable(WriteNo(5), &mut out), "cumulative");
        assert_eq!(replica.durable_in(Epoch(1)), Some(zxid(1, 1)), "cut off again");
        assert_eq!(replica.gate(), After::Now);
        let acknowledged = |counter| Fact::Acknowledged { zxid: zxid(1, counter) };
        let facts = [
            Fact::Promised { epoch: Epoch(1), candidate: Sid(2) },
            Fact::Appended(txn(1, 1)),
            Fact::Accepted { epoch: Epoch(1) },
            acknowledged(1),
            Fact::Appended(txn(1, 2)),
            acknowledged(2),
            Fact::Truncated { to: zxid(1, 1) },
        ];
        assert_eq!(out.facts, facts);
    }

    #[test]
    fn what_is_on_disk_is_not_acknowledged_in_an_epoch_that_is_only_promised() {
        let mut out = Outputs::new();
        let mut replica = start((1, 1), Zxid::ZERO, [(1, 1)]).expect("a sound disk");
        replica.promise(Epoch(2), Sid(3), &mut out);
        replica.append(txn(1, 2), &mut out);
        replica.install(zxid(1, 3), &mut out);
        assert!(replica.durable(WriteNo(3), &mut out));
        let facts = [
            Fact::Installed { zxid: zxid(1, 3) },
            Fact::Promised { epoch: Epoch(2), candidate: Sid(3) },
            Fact::Appended(txn(1, 2)),
            Fact::Replaced { zxid: zxid(1, 3) },
        ];
        assert_eq!(out.facts, facts);
    }

    #[test]
    fn renumbering_changes_the_numbers_and_nothing_else() {
        let mut out = Outputs::new();
        let mut replica = start((0, 0), Zxid::ZERO, []).expect("an empty disk");
        replica.promise(Epoch(1), Sid(1), &mut out);
        replica.append(txn(1, 1), &mut out);
        assert!(replica.durable(WriteNo(1), &mut out));
        assert_eq!(replica.renumber(), WriteNo(1));
        assert_eq!(replica.gate(), After::Durable(WriteNo(1)));
        assert!(replica.durable(WriteNo(1), &mut out));
        assert_eq!(replica.renumber(), WriteNo(1));
        assert_eq!(replica.gate(), After::Now);
    }

    #[test]
    fn an_epoch_that_is_accepted_already_is_not_written_again() {
        let mut out = Outputs::new();
        let mut replica = start((1, 1), Zxid::ZERO, []).expect("a sound disk");
        replica.accept(Epoch(1), &mut out);
        assert!(out.writes.is_empty());
    }

    #[test]
    fn what_is_delivered_is_delivered_once_and_a_window_of_it_kept() {
        let mut out = Outputs::new();
        let mut replica =
            start((1, 1), Zxid::ZERO, [(1, 1), (1, 2), (1, 3)]).expect("a sound disk");
        replica.deliver(zxid(1, 2), &mut out);
        replica.deliver(zxid(1, 1), &mut out);
        replica.deliver(Zxid(u64::MAX), &mut out);
        let delivered: Vec<_> = out.deliver.iter().map(|txn| txn.zxid).collect();
        assert_eq!(delivered, [zxid(1, 1), zxid(1, 2), zxid(1, 3)]);
        assert_eq!(replica.delivered, zxid(1, 3));
        assert_eq!(replica.history.base(), zxid(1, 2), "the window is one");
    }

    #[test]
    fn a_snapshot_is_delivered_and_replaces_the_history() {
        let mut out = Outputs::new();
        let mut replica = start((2, 1), Zxid::ZERO, [(1, 1)]).expect("a sound disk");
        replica.install(zxid(2, 7), &mut out);
        assert_eq!(out.install, Some(zxid(2, 7)));
        assert_eq!((replica.delivered, replica.history.last()), (zxid(2, 7), zxid(2, 7)));
        assert_eq!(out.writes, [(WriteNo(1), Record::Snapshot { zxid: zxid(2, 7) })]);
    }
}
