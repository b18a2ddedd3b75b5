//! Connections of the quorum port, on their way out.

use std::collections::BTreeMap;
use std::sync::Arc;

use host::Link;
use node::{Chunk, Outbox};
use tokio::task::AbortHandle;
use znode::Snapshot;

/// How much may wait for a peer that reads slowly, in bytes, snapshots and the history that it had
/// missed apart.
pub(crate) const LINK_OUTBOX_LIMIT: usize = 256 << 20;

/// How much may wait for the leader before a learner takes no more requests of its clients.
const LINK_OUTBOX_HIGH: usize = 64 << 20;

pub(crate) type LinkOutbox = Outbox<Snapshot>;

pub(crate) type LinkChunk = Chunk<Snapshot>;

/// A connection that is up. Dropping it closes it: what was flushed still leaves; nothing more is
/// read.
pub(crate) struct Socket {
    outbox: Arc<LinkOutbox>,
    reader: AbortHandle,
    /// What was said since the last flush: it leaves when the steps that said it are recorded.
    staged: Vec<LinkChunk>,
}

impl Socket {
    pub(crate) fn new(outbox: Arc<LinkOutbox>, reader: AbortHandle) -> Self {
        Self { outbox, reader, staged: Vec::new() }
    }

    /// Leaves with the next flush.
    pub(crate) fn stage(&mut self, chunk: LinkChunk) {
        self.staged.push(chunk);
    }

    /// Lets leave what was staged since the last flush.
    pub(crate) fn flush(&mut self) {
        if !self.staged.is_empty() {
            self.outbox.append(self.staged.drain(..));
        }
    }

    /// True if so much waits for the peer that nothing should be sent that can wait as well.
    pub(crate) fn is_behind(&self) -> bool {
        self.outbox.queued() > LINK_OUTBOX_HIGH
    }

    /// True if the peer reads too slowly, or the connection broke.
    pub(crate) fn is_closed(&self) -> bool {
        self.outbox.is_closed()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.outbox.close();
        self.reader.abort();
    }
}

/// The connections that the host knows of.
pub(crate) type Sockets = BTreeMap<Link, Socket>;
