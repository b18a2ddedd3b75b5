//! The requests of one connection that have no answer yet.
//!
//! Answers leave in the order of the requests, whatever the order in which they become known: each
//! entry is completed by its own event (a transaction is applied, a sync is confirmed, its turn has
//! come), and leaves when it is the oldest.

use std::collections::VecDeque;
use std::time::Duration;

use wire::ErrorCode;
use wire::client::{OpCode, Request};

/// Oldest request first. Writes are completed in their order, and so are syncs; a sync may be
/// confirmed long after a write behind it was applied.
#[derive(Default)]
pub(super) struct Pending {
    entries: VecDeque<Entry>,
    /// The number of the oldest entry. Numbers grow by one for each request that had to wait.
    first: u64,
    /// The numbers of writes that are not applied yet, ascending.
    writes: VecDeque<u64>,
    /// The numbers of syncs that are not confirmed yet, ascending.
    syncs: VecDeque<u64>,
    /// How many reads wait.
    reads: usize,
}

/// Reads that may wait in front of a write: they are answered all at once when their turn comes,
/// because the write may be applied right behind it, and they must not see it.
const READS_MAX: usize = 16;

enum Entry {
    /// Completed by the transaction with this session and xid.
    Write { xid: i32, op: OpCode, since: Duration },
    /// Completed when the leader has confirmed.
    Sync { xid: i32, path: String, since: Duration },
    /// Needs nothing but its turn.
    Ready(Ready),
}

/// A request that can be answered as soon as it is the oldest.
pub(super) enum Ready {
    /// The answer became known while older requests had none. `ends`: nothing is said behind it.
    Answered { answer: Vec<u8>, ends: bool },
    /// A read sees what the tree is when its turn comes: everything that its session asked for
    /// before is in it. `is_costly`: it takes long, so it is left to the connection's task, and
    /// nothing comes behind it.
    Read { xid: i32, request: Request, is_costly: bool, since: Duration },
    /// A sync that was confirmed before the writes in front of it were applied.
    Synced { xid: i32, path: String },
    /// An error that is said with the zxid of that moment.
    Refused { xid: i32, error: ErrorCode },
}

/// A write or sync that has just been completed.
pub(super) struct Completed<T> {
    pub(super) xid: i32,
    pub(super) since: Duration,
    /// What the answer needs: the operation of a write, the path of a sync.
    pub(super) asked: T,
    place: u64,
}

impl Entry {
    fn is_read(&self) -> bool {
        match self {
            Self::Ready(ready) => ready.is_read(),
            Self::Write { .. } | Self::Sync { .. } => false,
        }
    }

    /// Whether a request may stand behind this one.
    fn may_be_followed(&self) -> bool {
        match self {
            Self::Ready(ready) => ready.may_be_followed(),
            Self::Write { .. } | Self::Sync { .. } => true,
        }
    }

    fn is_costly(&self) -> bool {
        match self {
            Self::Ready(Ready::Read { is_costly, .. }) => *is_costly,
            Self::Ready(Ready::Answered { .. } | Ready::Synced { .. } | Ready::Refused { .. })
            | Self::Write { .. }
            | Self::Sync { .. } => false,
        }
    }
}

impl Ready {
    fn may_be_followed(&self) -> bool {
        match self {
            Self::Answered { ends, .. } => !ends,
            Self::Read { is_costly, .. } => !is_costly,
            Self::Synced { .. } | Self::Refused { .. } => true,
        }
    }

    fn is_read(&self) -> bool {
        match self {
            Self::Read { .. } => true,
            Self::Answered { .. } | Self::Synced { .. } | Self::Refused { .. } => false,
        }
    }
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn push_write(&mut self, xid: i32, op: OpCode, since: Duration) {
        self.writes.push_back(self.end());
        self.entries.push_back(Entry::Write { xid, op, since });
    }

    pub(super) fn push_sync(&mut self, xid: i32, path: String, since: Duration) {
        self.syncs.push_back(self.end());
        self.entries.push_back(Entry::Sync { xid, path, since });
    }

    pub(super) fn push_read(
        &mut self,
        xid: i32,
        request: Request,
        is_costly: bool,
        since: Duration,
    ) {
        self.reads += 1;
        self.push_ready(Ready::Read { xid, request, is_costly, since });
    }

    pub(super) fn push_ready(&mut self, ready: Ready) {
        self.entries.push_back(Entry::Ready(ready));
    }

    /// The oldest write that is not applied is, if its xid is this one. Say its answer to
    /// [`Self::answer`]. `closes`: the transaction closes the session. One that the server made
    /// itself has an xid that a client may use, too.
    pub(super) fn complete_write(&mut self, cxid: i32, closes: bool) -> Option<Completed<OpCode>> {
        let place = *self.writes.front()?;
        match self.entries.get(self.index(place))? {
            &Entry::Write { xid, op, since }
                if xid == cxid && (!closes || op == OpCode::CloseSession) =>
            {
                self.writes.pop_front();
                Some(Completed { xid, since, asked: op, place })
            }
            Entry::Write { .. } | Entry::Sync { .. } | Entry::Ready(_) => None,
        }
    }

    /// The oldest sync that is not confirmed is. Say it to [`Self::keep_sync`] if it is not due.
    pub(super) fn complete_sync(&mut self) -> Option<Completed<String>> {
        let place = self.syncs.pop_front()?;
        let index = self.index(place);
        match self.entries.get_mut(index)? {
            Entry::Sync { xid, path, since } => {
                let asked = std::mem::take(path);
                Some(Completed { xid: *xid, since: *since, asked, place })
            }
            Entry::Write { .. } | Entry::Ready(_) => None,
        }
    }

    /// Keeps the answer of a write that was completed. `ends`: nothing is said behind it, so
    /// requests behind it are forgotten.
    pub(super) fn answer(&mut self, completed: &Completed<OpCode>, answer: Vec<u8>, ends: bool) {
        let index = self.index(completed.place);
        if let Some(entry) = self.entries.get_mut(index) {
            *entry = Entry::Ready(Ready::Answered { answer, ends });
        }
        if ends {
            self.truncate(index + 1);
        }
    }

    /// Keeps a sync that was completed until its turn has come.
    pub(super) fn keep_sync(&mut self, completed: Completed<String>) {
        let index = self.index(completed.place);
        if let Some(entry) = self.entries.get_mut(index) {
            let Completed { xid, asked: path, .. } = completed;
            *entry = Entry::Ready(Ready::Synced { xid, path });
        }
    }

    /// Whether the oldest write that is not applied has this xid.
    pub(super) fn awaits(&self, cxid: i32) -> bool {
        match self.writes.front().and_then(|&place| self.entries.get(self.index(place))) {
            Some(&Entry::Write { xid, .. }) => xid == cxid,
            Some(Entry::Sync { .. } | Entry::Ready(_)) | None => false,
        }
    }

    /// Whether what was completed is the oldest, so that its answer can leave without having been
    /// kept.
    pub(super) fn is_due<T>(&self, completed: &Completed<T>) -> bool {
        completed.place == self.first
    }

    /// Removes what [`Self::is_due`].
    pub(super) fn pop_due(&mut self) {
        if self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// The oldest request, if it can be answered now.
    pub(super) fn pop_ready(&mut self) -> Option<Ready> {
        let oldest = self.entries.pop_front_if(|entry| match entry {
            Entry::Ready(_) => true,
            Entry::Write { .. } | Entry::Sync { .. } => false,
        })?;
        self.first += 1;
        match oldest {
            Entry::Ready(ready) => {
                self.reads -= usize::from(ready.is_read());
                Some(ready)
            }
            Entry::Write { .. } | Entry::Sync { .. } => None,
        }
    }

    /// Whether nothing waits for a transaction or a confirmation.
    pub(super) fn is_ready(&self) -> bool {
        self.writes.is_empty() && self.syncs.is_empty()
    }

    /// Whether the next to be answered is a read that takes long.
    pub(super) fn next_is_costly(&self) -> bool {
        self.entries.front().is_some_and(Entry::is_costly)
    }

    /// Whether a further request may come behind those that wait; `is_sync`: it is a sync. Not
    /// behind a read that takes long, or behind many: a write behind it could be applied before it
    /// is answered, and a session's read must not see what the session wrote later. And behind a
    /// sync only another one: a write would be applied before the sync is confirmed, and its
    /// answer, and events, would tell of another time than the answer to the sync in front of it.
    pub(super) fn takes_more(&self, is_sync: bool) -> bool {
        (is_sync || self.syncs.is_empty())
            && self.reads < READS_MAX
            && self.entries.back().is_none_or(Entry::may_be_followed)
    }

    /// Whether the connection ends by itself once everything older is answered.
    pub(super) fn ends(&self) -> bool {
        match self.entries.back() {
            Some(Entry::Ready(Ready::Answered { ends, answer: _ })) => *ends,
            Some(
                Entry::Ready(Ready::Read { .. } | Ready::Synced { .. } | Ready::Refused { .. })
                | Entry::Write { .. }
                | Entry::Sync { .. },
            )
            | None => false,
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.truncate(0);
    }

    /// Forgets what stands at this index and behind.
    fn truncate(&mut self, index: usize) {
        self.reads -= self.entries.drain(index..).filter(Entry::is_read).count();
        let end = self.end();
        self.writes.retain(|&place| place < end);
        self.syncs.retain(|&place| place < end);
    }

    /// The number of the next request.
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn index(&self, place: u64) -> usize {
        usize::try_from(place - self.first).unwrap_or(usize::MAX)
    }
}
