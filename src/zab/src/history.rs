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
