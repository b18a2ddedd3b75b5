//! The history of one server: a snapshot's zxid and the transactions behind it.

use alloc::collections::VecDeque;

use crate::io::DiskImage;
use crate::message::Txn;
use crate::types::Zxid;

/// The end of a server's history that is in memory: everything up to `base` is known only to the state machine,
/// the `entries` behind it are at hand, in order, without a hole.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct History<P> {
    base: Zxid,
    entries: VecDeque<Txn<P>>,
}

impl<P> History<P> {
    pub(crate) fn from_disk(image: DiskImage<P>) -> Self {
        Self { base: image.snapshot, entries: image.log.into() }
    }

    /// Everything up to here is in the state machine, and no longer here.
    pub(crate) fn base(&self) -> Zxid {
        self.base
    }

    /// The end of the history.
    pub(crate) fn last(&self) -> Zxid {
        self.entries.back().map_or(self.base, |txn| txn.zxid)
    }

    /// The last position of this history that is not behind `zxid`; `None` if that is below the base, where
    /// positions are no longer known.
    pub(crate) fn floor(&self, zxid: Zxid) -> Option<Zxid> {
        let end = self.end_of(zxid);
        match end.checked_sub(1) {
            Some(index) => Some(self.entries[index].zxid),
            None => (self.base <= zxid).then_some(self.base),
        }
    }

    /// The transactions behind `from`, up to and including `upto`.
    pub(crate) fn between(&self, from: Zxid, upto: Zxid) -> impl Iterator<Item = &Txn<P>> {
        let start = self.end_of(from);
        self.entries.range(start..self.end_of(upto).max(start))
    }

    /// Adds the successor of the last transaction.
    pub(crate) fn append(&mut self, txn: Txn<P>) {
        assert!(self.last().is_followed_by(txn.zxid), "a history has no holes");
        self.entries.push_back(txn);
    }

    /// Cuts everything behind `to`, which must be a position of this history.
    pub(crate) fn truncate(&mut self, to: Zxid) {
        assert!(self.floor(to) == Some(to), "only a known position can become the end");
        self.entries.truncate(self.end_of(to));
    }

    /// Replaces the history by a snapshot.
    pub(crate) fn replace(&mut self, base: Zxid) {
        self.entries.clear();
        self.base = base;
    }

    /// Forgets the oldest transactions, so that at most `window` of those up to `delivered` remain.
    pub(crate) fn trim(&mut self, delivered: Zxid, window: usize) {
        for _ in window..self.end_of(delivered) {
            if let Some(txn) = self.entries.pop_front() {
                self.base = txn.zxid;
            }
        }
    }

    /// How many entries are not behind `zxid`.
    fn end_of(&self, zxid: Zxid) -> usize {
        if self.last() <= zxid {
            return self.entries.len();
        }
        self.entries.partition_point(|txn| txn.zxid <= zxid)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use quickcheck::{Arbitrary, Gen, quickcheck};

    use super::*;
    use crate::types::Epoch;

    /// All positions from the begin, and how many of them are no longer at hand.
    #[derive(Clone, Debug)]
    struct Naive {
        positions: Vec<Zxid>,
        forgotten: usize,
    }

    /// Each epoch with the number of its transactions; an epoch without one leaves no trace.
    impl Arbitrary for Naive {
        fn arbitrary(g: &mut Gen) -> Self {
            let mut positions = Vec::new();
            for epoch in 1..5 {
                let count = u32::arbitrary(g) % 4;
                positions.extend((1..=count).map(|counter| Zxid::new(Epoch(epoch), counter)));
            }
            let forgotten = usize::arbitrary(g) % (positions.len() + 1);
            Self { positions, forgotten }
        }
    }

    impl Naive {
        fn base(&self) -> Zxid {
            self.forgotten.checked_sub(1).map_or(Zxid::ZERO, |index| self.positions[index])
        }

        fn at_hand(&self) -> &[Zxid] {
            &self.positions[self.forgotten..]
        }

        fn history(&self) -> History<()> {
            let log = self.at_hand().iter().map(|&zxid| Txn { zxid, payload: () }).collect();
            History::from_disk(DiskImage { snapshot: self.base(), log, ..DiskImage::empty() })
        }

        /// The base, what is behind it, and something in between, before and after.
        fn places(&self) -> Vec<Zxid> {
            let known = self.positions.iter().copied().chain([Zxid::ZERO, Zxid(u64::MAX)]);
            known
                .flat_map(|zxid| {
                    [zxid, Zxid(zxid.0.saturating_add(1)), Zxid(zxid.0.saturating_sub(1))]
                })
                .collect()
        }
    }

    fn positions(history: &History<()>) -> Vec<Zxid> {
        history.entries.iter().map(|txn| txn.zxid).collect()
    }

    quickcheck! {
        fn ends_are_where_they_are(naive: Naive) -> bool {
            let history = naive.history();
            let last = naive.positions.last().copied().unwrap_or(Zxid::ZERO);
            history.base() == naive.base() && history.last() == last
        }

        fn floor_is_the_last_position_not_behind(naive: Naive) -> bool {
            let history = naive.history();
            naive.places().into_iter().all(|place| {
                let known = [naive.base()].into_iter().chain(naive.at_hand().iter().copied());
                history.floor(place) == known.filter(|&zxid| zxid <= place).max()
            })
        }

        fn between_is_what_is_in_between(naive: Naive) -> bool {
            let history = naive.history();
            let places = naive.places();
            places.iter().all(|&from| places.iter().all(|&upto| {
                let wanted = naive.at_hand().iter().filter(|&&zxid| from < zxid && zxid <= upto);
                history.between(from, upto).map(|txn| &txn.zxid).eq(wanted)
            }))
        }

        fn append_then_truncate_is_nothing(naive: Naive, more: u8) -> bool {
            let (mut history, last) = (naive.history(), naive.history().last());
            for counter in 1..=u32::from(more % 5) {
                history.append(Txn { zxid: Zxid::new(Epoch(9), counter), payload: () });
            }
            history.truncate(last);
            history == naive.history()
        }

        fn truncate_keeps_what_is_not_behind(naive: Naive) -> bool {
            let ends = [naive.base()].into_iter().chain(naive.at_hand().iter().copied());
            ends.into_iter().all(|end| {
                let mut history = naive.history();
                history.truncate(end);
                let kept: Vec<_> = naive.at_hand().iter().copied().filter(|&z| z <= end).collect();
                history.last() == end && history.base() == naive.base() && positions(&history) == kept
            })
        }

        fn trim_keeps_a_window_and_what_is_not_delivered(naive: Naive, window: u8) -> bool {
            let window = usize::from(window % 6);
            let ends = [naive.base()].into_iter().chain(naive.at_hand().iter().copied());
            ends.into_iter().all(|delivered| {
                let mut history = naive.history();
                history.trim(delivered, window);
                let all = naive.at_hand();
                let done = all.iter().filter(|&&zxid| zxid <= delivered).count();
                let gone = done.saturating_sub(window);
                let base = gone.checked_sub(1).map_or(naive.base(), |index| all[index]);
                positions(&history) == all[gone..] && history.base() == base
            })
        }

        fn a_snapshot_replaces_everything(naive: Naive, zxid: u64) -> bool {
            let mut history = naive.history();
            history.replace(Zxid(zxid));
            (history.base(), history.last()) == (Zxid(zxid), Zxid(zxid)) && history.entries.is_empty()
        }
    }

    #[test]
    #[should_panic(expected = "a history has no holes")]
    fn a_hole_is_an_error_here() {
        let mut history = History::from_disk(DiskImage::empty());
        history.append(Txn { zxid: Zxid::new(Epoch(1), 2), payload: () });
    }

    #[test]
    #[should_panic(expected = "only a known position can become the end")]
    fn a_cut_in_between_is_an_error_here() {
        let mut history = History::from_disk(DiskImage::empty());
        history.append(Txn { zxid: Zxid::new(Epoch(1), 1), payload: () });
        history.truncate(Zxid(1));
    }
}
