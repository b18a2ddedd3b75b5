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
    extern crate std;

    use std::vec::Vec;

    use quickcheck::{Arbitrary, Gen, QuickCheck};

    use super::*;
    use crate::io::DiskImage;
    use crate::message::Txn;
    use crate::types::Epoch;

    /// A leader's history, and one that a learner may have then.
    #[derive(Clone, Debug)]
    struct Case {
        leader: Vec<Zxid>,
        learner: Vec<Zxid>,
        /// How many of the leader's transactions are delivered, and how many of these no longer at hand.
        delivered: usize,
        forgotten: usize,
    }

    /// What the abstract protocol can come to. A transaction is proposed only in an epoch whose initial history is chosen;
    /// later ones begin with what was chosen, and with the history of a server that has accepted that epoch, or a later
    /// one. A server holds some prefix of what one of the epochs had.
    impl Arbitrary for Case {
        fn arbitrary(g: &mut Gen) -> Self {
            let upto = |g: &mut Gen, bound: usize| usize::arbitrary(g) % (bound + 1);
            let mut histories: Vec<Vec<Zxid>> = std::vec![Vec::new()];
            let (mut chosen, mut since) = (0, 0);
            for epoch in 1..=1 + upto(g, 6) {
                let parent = since + upto(g, epoch - 1 - since);
                let parent = histories[parent].clone();
                let initial = chosen + upto(g, parent.len() - chosen);
                let mut history = parent[..initial].to_vec();
                if bool::arbitrary(g) {
                    let proposed = upto(g, 3);
                    let epoch = Epoch(epoch as u32);
                    history.extend((1..=proposed as u32).map(|c| Zxid::new(epoch, c)));
                    (chosen, since) = (initial + upto(g, proposed), histories.len());
                }
                histories.push(history);
            }
            let leader = histories.last().cloned().unwrap_or_default();
            let of = g.choose(&histories).cloned().unwrap_or_default();
            let learner = of[..upto(g, of.len())].to_vec();
            let delivered = upto(g, leader.len());
            let forgotten = upto(g, delivered);
            Self { leader, learner, delivered, forgotten }
        }
    }

    impl Case {
        fn leader(&self) -> History<()> {
            let at = |count: usize| count.checked_sub(1).map_or(Zxid::ZERO, |i| self.leader[i]);
            let log = self.leader[self.forgotten..].iter();
            let log = log.map(|&zxid| Txn { zxid, payload: () }).collect();
            let snapshot = at(self.forgotten);
            History::from_disk(DiskImage { snapshot, log, ..DiskImage::empty() })
        }

        fn last(&self) -> Zxid {
            self.learner.last().copied().unwrap_or(Zxid::ZERO)
        }

        fn delivered(&self) -> Zxid {
            self.delivered.checked_sub(1).map_or(Zxid::ZERO, |index| self.leader[index])
        }

        /// What the learner holds after the first message of the plan, and after all of them.
        fn carry_out(&self, plan: SyncPlan) -> (Vec<Zxid>, Vec<Zxid>) {
            let leader = self.leader();
            let (kept, from) = match plan {
                SyncPlan::Diff => (self.learner.clone(), self.last()),
                SyncPlan::Trunc { to } => {
                    (self.learner.iter().copied().filter(|&zxid| zxid <= to).collect(), to)
                }
                SyncPlan::Snap => (self.leader[..self.delivered].to_vec(), self.delivered()),
            };
            let mut all = kept.clone();
            all.extend(leader.between(from, leader.last()).map(|txn| txn.zxid));
            (kept, all)
        }

        fn common(&self) -> usize {
            self.leader.iter().zip(&self.learner).take_while(|(one, other)| one == other).count()
        }
    }

    fn check(property: fn(Case) -> bool) {
        QuickCheck::new()
            .rng(Gen::from_size_and_seed(100, 2026))
            .tests(20_000)
            .quickcheck(property);
    }

    #[test]
    fn every_plan_ends_at_the_leaders_history() {
        check(|case| {
            let (_, all) = case.carry_out(SyncPlan::choose(&case.leader(), case.last()));
            all == case.leader
        });
    }

    #[test]
    fn no_plan_cuts_below_the_common_prefix() {
        check(|case| {
            let (kept, _) = case.carry_out(SyncPlan::choose(&case.leader(), case.last()));
            kept.starts_with(&case.leader[..case.common()]) && case.leader.starts_with(&kept)
        });
    }

    #[test]
    fn a_cut_ends_at_a_position_that_the_learner_has() {
        check(|case| match SyncPlan::choose(&case.leader(), case.last()) {
            SyncPlan::Trunc { to } => to == Zxid::ZERO || case.learner.contains(&to),
            SyncPlan::Diff | SyncPlan::Snap => true,
        });
    }

    #[test]
    fn a_snapshot_is_sent_to_those_behind_the_window_only() {
        check(|case| {
            let leader = case.leader();
            let snap = SyncPlan::choose(&leader, case.last()) == SyncPlan::Snap;
            snap == (case.last() < leader.base())
        });
    }

    #[test]
    fn plans_by_example() {
        let zxid = |epoch, counter| Zxid::new(Epoch(epoch), counter);
        let txn = |(epoch, counter)| Txn { zxid: zxid(epoch, counter), payload: () };
        let log = [(1, 3), (1, 4), (3, 1), (3, 2)].map(txn).to_vec();
        let snapshot = zxid(1, 2);
        let leader = History::from_disk(DiskImage { snapshot, log, ..DiskImage::empty() });
        let cases = [
            ((3, 2), SyncPlan::Diff),
            ((1, 4), SyncPlan::Diff),
            ((1, 2), SyncPlan::Diff),
            ((1, 1), SyncPlan::Snap),
            ((0, 0), SyncPlan::Snap),
            ((3, 3), SyncPlan::Trunc { to: zxid(3, 2) }),
            ((1, 5), SyncPlan::Trunc { to: zxid(1, 4) }),
            ((2, 1), SyncPlan::Trunc { to: zxid(1, 4) }),
            // From a server that says what it cannot have.
            ((9, 9), SyncPlan::Trunc { to: zxid(3, 2) }),
            ((3, 0), SyncPlan::Trunc { to: zxid(1, 4) }),
        ];
        for ((epoch, counter), expected) in cases {
            assert_eq!(
                SyncPlan::choose(&leader, zxid(epoch, counter)),
                expected,
                "<{epoch},{counter}>"
            );
        }
    }
}

#[cfg(test)]
mod proved {
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
            let image = DiskImage { snapshot: zxid(base), log, ..DiskImage::empty() };
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
