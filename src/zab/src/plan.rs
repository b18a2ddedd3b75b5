//! The synchronisation plan: how a leader brings a learner's history to its own.

use crate::history::History;
use crate::types::Zxid;

/// What a leader sends before the transactions that the learner lacks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum SyncPlan {
    /// The learner's history is a prefix of the leader's: only what is behind it.
    Diff,
    /// The learner's history leaves the leader's behind `to`: cut there, then what is behind `to`.
    Trunc { to: Zxid },
    /// What the learner has is older than what the leader still holds: the leader's state, whole.
    Snap,
}

impl SyncPlan {
    /// Chooses the plan for a learner whose history ends at `last`.
    ///
    /// The plan is right, and never cuts a learner below its common prefix with the leader's history, because of
    /// three facts of the protocol (`spec/`, and proved in `proofs/`):
    /// - two histories that share a zxid agree up to it, so finding `last` in the leader's history makes the
    ///   learner's history a prefix of it;
    /// - a transaction of epoch g exists only after I_g, the initial history of g, was chosen, so the histories of
    ///   learner and of leader both begin with I_g, and differ at most in how much of g they hold. Hence the leader's
    ///   last position not behind `last` is a position of the learner's history, the end of the common prefix.
    ///   ZooKeeper knows only its window of committed transactions, and sends a SNAP where this cut crosses an epoch;
    /// - the base of a leader's window was delivered, so it is behind no learner's common prefix in a SNAP.
    ///
    /// Transactions that the leader has proposed and not committed count as its history: cutting them off a learner
    /// that may have acknowledged them would lose votes (`LearnerHandler.syncFollower` compares with committed ones
    /// only).
    pub(crate) fn choose<P>(leader: &History<P>, last: Zxid) -> Self {
        match leader.floor(last) {
            None => Self::Snap,
            Some(common) if common == last => Self::Diff,
            Some(common) => Self::Trunc { to: common },
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::io::DiskImage;
    use crate::message::Txn;
    use crate::types::Epoch;

    fn zxid(text: &str) -> Zxid {
        let (epoch, counter) = text.split_once('.').expect("epoch.counter");
        Zxid::new(Epoch(epoch.parse().expect("epoch")), counter.parse().expect("counter"))
    }

    fn list(text: &str) -> Vec<Zxid> {
        if text == "-" { Vec::new() } else { text.split(',').map(zxid).collect() }
    }

    /// The table holds what the plan that `proofs/theories/Plan.v` proves right answers: base, delivered, the leader's
    /// entries, the learner's last zxid; then the plan, and what is sent behind it. `make -C proofs update` writes it.
    #[test]
    fn the_plan_is_the_proved_one() {
        let table = include_str!("../../../proofs/plan.tsv");
        let mut plans = [0; 3];
        for line in table.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let &[base, delivered, entries, last, op, follow] = fields.as_slice() else {
                panic!("six fields: {line}")
            };
            let log = list(entries).into_iter().map(|zxid| Txn { zxid, payload: () }).collect();
            let (accepted, current) = (Epoch(9), Epoch(9));
            let image = DiskImage { accepted, current, snapshot: zxid(base), log };
            let leader = History::from_disk(image);
            let (expected, from) = match op.split_once(':') {
                None => (SyncPlan::Diff, zxid(last)),
                Some(("TRUNC", to)) => (SyncPlan::Trunc { to: zxid(to) }, zxid(to)),
                Some(("SNAP", at)) => (SyncPlan::Snap, zxid(at)),
                Some(_) => panic!("{line}"),
            };
            let kind = match expected {
                SyncPlan::Diff => 0,
                SyncPlan::Trunc { .. } => 1,
                SyncPlan::Snap => {
                    assert_eq!(from, zxid(delivered), "{line}");
                    2
                }
            };
            plans[kind] += 1;
            assert_eq!(SyncPlan::choose(&leader, zxid(last)), expected, "{line}");
            let behind = leader.between(from, leader.last()).map(|txn| txn.zxid);
            assert_eq!(behind.collect::<Vec<_>>(), list(follow), "{line}");
        }
        assert!(plans.iter().all(|&count| count > 100), "{plans:?}");
    }
}
