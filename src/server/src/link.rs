//! Links of the quorum port as the engine sees them: what waits for the disk, and what is on its way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use zab::{After, Message, Sid, WriteNo};
use znode::Snapshot;

use crate::outbox::{Chunk, Outbox};
use crate::packets::Encoder;

/// Tells two links to the same server apart. Numbers are never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Generation(pub(crate) u64);

/// How much may wait for a peer that reads slowly, in bytes, snapshots and the history that it had
/// missed apart.
pub(crate) const LINK_OUTBOX_LIMIT: usize = 256 << 20;

/// How much may wait for the leader before a learner takes no more requests of its clients.
const LINK_OUTBOX_HIGH: usize = 64 << 20;

/// Room for what one turn of the engine sends over a link, at least.
const STAGED_BYTES: usize = 4096;

/// And at most: a turn that sends more makes room for it by itself.
const STAGED_BYTES_EXPECTED: usize = 1 << 18;

pub(crate) type LinkOutbox = Outbox<Snapshot>;

/// A link that is up, or about to be.
pub(crate) struct Link {
    pub(crate) generation: Generation,
    outbox: Arc<LinkOutbox>,
    reader: AbortHandle,
    encoder: Encoder,
    /// Messages that may leave only when a record is durable, in order.
    gated: VecDeque<(WriteNo, Message<Bytes>)>,
    /// What the steps since the last flush have sent: it leaves when they are recorded.
    staged: Vec<Chunk<Snapshot>>,
    /// Room for what the next turn sends: what the last one sent. Bytes that outgrow their room are copied, again and again.
    room: usize,
    /// When the oldest question was asked since the peer was heard last. A learner answers
    /// LEADERINFO and PING at once.
    asked: Option<Instant>,
}

impl Link {
    pub(crate) fn new(
        generation: Generation,
        outbox: Arc<LinkOutbox>,
        reader: AbortHandle,
        encoder: Encoder,
    ) -> Self {
        let (gated, staged) = (VecDeque::new(), Vec::new());
        let (room, asked) = (STAGED_BYTES, None);
        Self { generation, outbox, reader, encoder, gated, staged, room, asked }
    }

    /// Sends with the next flush, or once the disk has caught up.
    pub(crate) fn send(
        &mut self,
        message: Message<Bytes>,
        after: After,
        durable: WriteNo,
        snapshot: impl FnOnce() -> Snapshot,
    ) {
        match after {
            After::Durable(no) if no > durable => self.gated.push_back((no, message)),
            After::Durable(_) | After::Now => self.transmit(&message, snapshot),
        }
    }

    /// The disk has caught up to `durable`.
    pub(crate) fn release(&mut self, durable: WriteNo) {
        while let Some((no, _)) = self.gated.front()
            && *no <= durable
        {
            if let Some((_, message)) = self.gated.pop_front() {
                self.transmit(&message, || unreachable!("SNAP never waits for the disk"));
            }
        }
    }

    fn transmit(&mut self, message: &Message<Bytes>, snapshot: impl FnOnce() -> Snapshot) {
        if is_question(message) {
            self.asked.get_or_insert_with(Instant::now);
        }
        let Self { staged, encoder, room, .. } = self;
        if let Some(Chunk::Bytes(bytes)) = staged.last_mut() {
            encoder.encode(message, bytes);
        } else {
            let mut bytes = Vec::with_capacity(*room);
            encoder.encode(message, &mut bytes);
            staged.push(Chunk::Bytes(bytes));
        }
        if let Message::Snap { .. } = message {
            staged.push(Chunk::Large(snapshot()));
        }
    }

    /// Lets leave what was sent since the last flush.
    pub(crate) fn flush(&mut self) {
        if let Some(Chunk::Bytes(bytes)) = self.staged.last() {
            self.room = (bytes.len() * 5 / 4).clamp(STAGED_BYTES, STAGED_BYTES_EXPECTED);
        }
        if !self.staged.is_empty() {
            self.outbox.append(self.staged.drain(..));
        }
    }

    /// The peer was heard; true if a question was open.
    pub(crate) fn has_answered(&mut self) -> bool {
        self.asked.take().is_some()
    }

    /// When a question will have been open for so long.
    pub(crate) fn overdue_at(&self, patience: Duration) -> Option<Instant> {
        self.asked.map(|asked| asked + patience)
    }

    /// True if a question has been open for so long.
    pub(crate) fn is_overdue(&self, now: Instant, patience: Duration) -> bool {
        self.overdue_at(patience).is_some_and(|at| at <= now)
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

/// Whether a learner that is alive answers the message at once. It answers NEWLEADER too, but only
/// when the history that came before is on its disk.
fn is_question(message: &Message<Bytes>) -> bool {
    match message {
        Message::LeaderInfo { .. } | Message::Ping { .. } => true,
        Message::LearnerInfo { .. }
        | Message::AckEpoch { .. }
        | Message::Diff { .. }
        | Message::Trunc { .. }
        | Message::Snap { .. }
        | Message::NewLeader { .. }
        | Message::AckNewLeader { .. }
        | Message::UpToDate
        | Message::Proposal(_)
        | Message::Ack { .. }
        | Message::Commit { .. }
        | Message::Inform(_)
        | Message::Session(_) => false,
    }
}

impl Drop for Link {
    /// What was flushed still leaves; nothing more is read.
    fn drop(&mut self) {
        self.outbox.close();
        self.reader.abort();
    }
}

/// The links that the core knows of.
pub(crate) type Links = BTreeMap<Sid, Link>;
