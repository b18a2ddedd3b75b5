//! A server's disk: what is durable, and what has been issued behind it.

use zab::{DiskImage, Epoch, Record};

use super::machine::Txn;
use super::payload::Origin;

/// A disk: what is durable, and the records that were issued behind it, in order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Disk {
    /// The fold of the durable records.
    pub image: DiskImage<Origin>,
    /// What the snapshot of `image` holds.
    pub snapshot: Vec<Txn>,
    /// Issued, not durable.
    pub pending: Vec<Write>,
    /// What was here before the history was lost, until there is another: nobody can read it, but
    /// whoever was told of it relies on it.
    pub lost: Option<Lost>,
}

/// A history that was lost.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Lost {
    /// `currentEpoch`, as it was.
    pub current: Epoch,
    /// The history.
    pub history: Vec<Txn>,
}

/// A record, with the snapshot that belongs to it if it is one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Write {
    /// As the core issued it.
    pub record: Record<Origin>,
    /// What the received snapshot holds.
    pub content: Vec<Txn>,
}

impl Disk {
    /// What a server that never ran has on disk.
    pub fn empty() -> Self {
        Self { image: DiskImage::empty(), snapshot: Vec::new(), pending: Vec::new(), lost: None }
    }

    /// The disk after a crash on which the history was found damaged, and was set aside.
    pub fn damaged(&self) -> Self {
        let current = self.image.current;
        let lost = || Lost { current, history: self.durable_history() };
        Self {
            image: DiskImage::without_history(self.image.accepted),
            lost: Some(self.lost.clone().unwrap_or_else(lost)),
            ..Self::empty()
        }
    }

    /// The history on this disk.
    pub fn durable_history(&self) -> Vec<Txn> {
        self.snapshot.iter().chain(&self.image.log).cloned().collect()
    }

    /// The history that will be on this disk once all that is pending has arrived.
    pub fn issued_history(&self) -> Vec<Txn> {
        let mut disk = self.clone();
        while disk.advance() {}
        disk.durable_history()
    }

    /// One more record becomes durable; false if there is none.
    pub fn advance(&mut self) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let write = self.pending.remove(0);
        self.image.apply(&write.record);
        if let Record::Snapshot { .. } = write.record {
            self.snapshot = write.content;
        }
        if !self.image.history_lost {
            self.lost = None;
        }
        true
    }

    /// Replaces as much of the log as `applied` covers by a snapshot.
    pub(super) fn compact(&mut self, applied: &[Txn]) -> bool {
        let Some(at) = applied.last().map(|txn| txn.zxid) else {
            return false;
        };
        let keep = self.image.log.iter().position(|txn| txn.zxid > at);
        let cut = keep.unwrap_or(self.image.log.len());
        if cut == 0 || self.image.log[cut - 1].zxid != at {
            return false;
        }
        self.image.log.drain(..cut);
        self.image.snapshot = at;
        self.snapshot = applied.to_vec();
        true
    }
}
