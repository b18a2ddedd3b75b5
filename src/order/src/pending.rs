//! The requests of one connection that have no answer yet.
//!
//! Answers leave in the order of the requests, whatever the order in which they become known: each
//! entry is completed by its own event (a transaction is applied, a sync is confirmed, its turn has
//! come), and leaves when it is the oldest.

use std::collections::VecDeque;

/// Oldest request first. Writes are completed in their order, and so are syncs; a sync may be
/// confirmed long after a write behind it was applied.
///
/// `W`, `S` and `R` are what is kept of a write, a sync and a read until they are answered; `A` is
/// an answer, `E` an error.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pending<W, S, R, A, E> {
    entries: VecDeque<Entry<W, S, R, A, E>>,
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

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Entry<W, S, R, A, E> {
    /// Completed by the transaction with this session and xid.
    Write { xid: i32, asked: W },
    /// Completed when the leader has confirmed.
    Sync { xid: i32, asked: S },
    /// Needs nothing but its turn.
    Ready(Ready<S, R, A, E>),
}

/// A request that can be answered as soon as it is the oldest.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Ready<S, R, A, E> {
    /// The answer became known while older requests had none.
    Answered {
        /// What is said.
        answer: A,
        /// Nothing is said behind it.
        ends: bool,
    },
    /// A read sees what the tree is when its turn comes: everything that its session asked for
    /// before is in it.
    Read {
        /// The number that its client has given it.
        xid: i32,
        /// What it asks.
        asked: R,
        /// It takes long, so it is left to the connection's task, and nothing comes behind it.
        is_costly: bool,
    },
    /// A sync that was confirmed before the writes in front of it were applied.
    Synced {
        /// The number that its client has given it.
        xid: i32,
        /// What its answer needs.
        asked: S,
    },
    /// An error that is said with the zxid of that moment.
    Refused {
        /// The number of the request.
        xid: i32,
        /// What is said.
        error: E,
    },
}

/// A write or sync that has just been completed.
#[derive(Debug)]
pub struct Completed<T> {
    /// The number that its client has given it.
    pub xid: i32,
    /// What was kept of it.
    pub asked: T,
    place: u64,
}

impl<W, S, R, A, E> Default for Pending<W, S, R, A, E> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            writes: VecDeque::new(),
            syncs: VecDeque::new(),
            reads: 0,
        }
    }
}

impl<W, S, R, A, E> Entry<W, S, R, A, E> {
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

impl<S, R, A, E> Ready<S, R, A, E> {
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

impl<W: Copy, S: Default, R, A, E> Pending<W, S, R, A, E> {
    /// True if no request waits for its answer.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of requests that wait for their answer.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes a write.
    pub fn push_write(&mut self, xid: i32, asked: W) {
        self.writes.push_back(self.end());
        self.entries.push_back(Entry::Write { xid, asked });
    }

    /// Takes a sync.
    pub fn push_sync(&mut self, xid: i32, asked: S) {
        self.syncs.push_back(self.end());
        self.entries.push_back(Entry::Sync { xid, asked });
    }

    /// True if a read may be answered without having waited: nothing is in front of it.
    pub fn answers_at_once(&self, is_costly: bool) -> bool {
        self.entries.is_empty() && !is_costly
    }

    /// Takes a read that has to wait for its turn.
    pub fn push_read(&mut self, xid: i32, asked: R, is_costly: bool) {
        self.reads += 1;
        self.push_entry(Ready::Read { xid, asked, is_costly });
    }

    /// Takes a request whose answer is known, in its turn.
    pub fn push_answered(&mut self, answer: A, ends: bool) {
        self.push_entry(Ready::Answered { answer, ends });
    }

    /// Takes a request that is refused, in its turn.
    pub fn push_refused(&mut self, xid: i32, error: E) {
        self.push_entry(Ready::Refused { xid, error });
    }

    fn push_entry(&mut self, ready: Ready<S, R, A, E>) {
        self.entries.push_back(Entry::Ready(ready));
    }

    /// The oldest write that is not applied is, if its xid is this one and it can be the one that
    /// was applied. Say its answer to [`Self::answer`]. (A transaction that the server made itself
    /// has an xid that a client may use, too.)
    pub fn complete_write(
        &mut self,
        cxid: i32,
        can_be: impl FnOnce(&W) -> bool,
    ) -> Option<Completed<W>> {
        let place = *self.writes.front()?;
        match self.entries.get(self.index(place))? {
            &Entry::Write { xid, asked } if xid == cxid && can_be(&asked) => {
                self.writes.pop_front();
                Some(Completed { xid, asked, place })
            }
            Entry::Write { .. } | Entry::Sync { .. } | Entry::Ready(_) => None,
        }
    }

    /// The oldest sync that is not confirmed is. Say it to [`Self::keep_sync`] if it is not due.
    pub fn complete_sync(&mut self) -> Option<Completed<S>> {
        let place = self.syncs.pop_front()?;
        let index = self.index(place);
        match self.entries.get_mut(index)? {
            Entry::Sync { xid, asked } => {
                Some(Completed { xid: *xid, asked: std::mem::take(asked), place })
            }
            Entry::Write { .. } | Entry::Ready(_) => None,
        }
    }

    /// Keeps the answer of a write that was completed. `ends`: nothing is said behind it, so
    /// requests behind it are forgotten.
    pub fn answer(&mut self, completed: &Completed<W>, answer: A, ends: bool) {
        let index = self.index(completed.place);
        if let Some(entry) = self.entries.get_mut(index) {
            *entry = Entry::Ready(Ready::Answered { answer, ends });
        }
        if ends {
            self.truncate(index + 1);
        }
    }

    /// Keeps a sync that was completed until its turn has come.
    pub fn keep_sync(&mut self, completed: Completed<S>) {
        let index = self.index(completed.place);
        if let Some(entry) = self.entries.get_mut(index) {
            let Completed { xid, asked, place: _ } = completed;
            *entry = Entry::Ready(Ready::Synced { xid, asked });
        }
    }

    /// Whether the oldest write that is not applied has this xid.
    pub fn awaits(&self, cxid: i32) -> bool {
        match self.writes.front().and_then(|&place| self.entries.get(self.index(place))) {
            Some(&Entry::Write { xid, .. }) => xid == cxid,
            Some(Entry::Sync { .. } | Entry::Ready(_)) | None => false,
        }
    }

    /// Whether what was completed is the oldest, so that its answer can leave without having been
    /// kept.
    pub fn is_due<T>(&self, completed: &Completed<T>) -> bool {
        completed.place == self.first
    }

    /// Removes what [`Self::is_due`].
    pub fn pop_due(&mut self) {
        if self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// The oldest request, if it can be answered now.
    pub fn pop_ready(&mut self) -> Option<Ready<S, R, A, E>> {
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
    pub fn is_ready(&self) -> bool {
        self.writes.is_empty() && self.syncs.is_empty()
    }

    /// Whether the next to be answered is a read that takes long.
    pub fn next_is_costly(&self) -> bool {
        self.entries.front().is_some_and(Entry::is_costly)
    }

    /// Whether a further request may come behind those that wait; `is_sync`: it is a sync. Not
    /// behind a read that takes long, or behind many: a write behind it could be applied before it
    /// is answered, and a session's read must not see what the session wrote later. And behind a
    /// sync only another one: a write would be applied before the sync is confirmed, and its
    /// answer, and events, would tell of another time than the answer to the sync in front of it.
    pub fn takes_more(&self, is_sync: bool) -> bool {
        (is_sync || self.syncs.is_empty())
            && self.reads < READS_MAX
            && self.entries.back().is_none_or(Entry::may_be_followed)
    }

    /// Whether the connection ends by itself once everything older is answered.
    pub fn ends(&self) -> bool {
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

    /// Counts requests from the oldest one on. Changes numbers only: to a checker what has been
    /// answered makes no difference.
    pub fn renumber(&mut self) {
        for place in self.writes.iter_mut().chain(&mut self.syncs) {
            *place -= self.first;
        }
        self.first = 0;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
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

#[cfg(test)]
mod tests;
