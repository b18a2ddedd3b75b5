//! What the steps before have left behind, for the next ones to be told relative to it: the same
//! while writing and reading.

use std::collections::VecDeque;

use zab::{WriteNo, Zxid};

use crate::Digest;

/// Numbers that the next ones are near to, and the history that waits for its delivery. `T`: what
/// stands for the payload of a transaction in it.
#[derive(Debug)]
pub(crate) struct Context<T> {
    /// Of the last transaction that was told, wherever.
    pub(crate) zxid: u64,
    /// Of the last record that was told.
    pub(crate) write: u64,
    /// The last report of the disk.
    pub(crate) durable: u64,
    /// Of the last delivery.
    pub(crate) delivered: u64,
    /// The last that was told.
    pub(crate) digest: Digest,
    /// Transactions that were written, oldest first.
    undelivered: VecDeque<(Zxid, T)>,
}

/// So many transactions may wait for their delivery; the oldest are forgotten then. Forgetting
/// costs bytes, and nothing else.
const UNDELIVERED_MAX: usize = 1 << 16;

impl<T: Copy> Context<T> {
    pub(crate) fn new() -> Self {
        Self {
            zxid: 0,
            write: 0,
            durable: 0,
            delivered: 0,
            digest: Digest([0; 8]),
            undelivered: VecDeque::new(),
        }
    }

    /// The numbers of the record and of the transaction that were told last.
    pub(crate) fn last(&self) -> (u64, u64) {
        (self.write, self.zxid)
    }

    /// A record of a transaction.
    pub(crate) fn written(&mut self, no: WriteNo, zxid: Zxid, payload: T) {
        self.write = no.0;
        if self.undelivered.len() == UNDELIVERED_MAX {
            self.undelivered.pop_front();
        }
        self.undelivered.push_back((zxid, payload));
    }

    /// What is delivered next if deliveries follow writes.
    pub(crate) fn due(&self) -> Option<(Zxid, T)> {
        self.undelivered.front().copied()
    }

    /// A delivery, of what was due or of something else. Nothing up to there is delivered again.
    pub(crate) fn delivered(&mut self, zxid: Zxid) {
        self.delivered = zxid.0;
        while self.undelivered.front().is_some_and(|(first, _)| *first <= zxid) {
            self.undelivered.pop_front();
        }
    }
}
