//! Bytes on their way out of this server: filled by whoever has something to say, drained by the one task that
//! writes the socket.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A piece of what is sent: bytes, or something large that is turned into bytes only when its turn has come.
pub(crate) enum Chunk<L> {
    Bytes(Vec<u8>),
    Large(L),
}

/// A queue of chunks with a bound. Filling never waits: a peer that stops reading must not stop the one who
/// fills, so a queue that outgrows its bound is closed and the connection with it.
pub(crate) struct Outbox<L> {
    state: Mutex<State<L>>,
    news: Notify,
    limit: usize,
}

struct State<L> {
    chunks: VecDeque<Chunk<L>>,
    bytes: usize,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// What is queued still leaves, then the connection ends.
    AfterFlush,
    Now,
}

/// What the writing task has to do next.
pub(crate) enum Next<L> {
    Write(Chunk<L>),
    /// Everything has left, and nothing more comes.
    End,
}

impl<L> Outbox<L> {
    /// `limit`: bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let state = State { chunks: VecDeque::new(), bytes: 0, end: End::Open };
        Self { state: Mutex::new(state), news: Notify::new(), limit }
    }

    /// Appends what `fill` writes. Call [`Self::wake`] afterwards, once for any number of calls.
    pub(crate) fn push(&self, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        if state.end != End::Open {
            return;
        }
        if !matches!(state.chunks.back(), Some(Chunk::Bytes(_))) {
            state.chunks.push_back(Chunk::Bytes(Vec::new()));
        }
        if let Some(Chunk::Bytes(bytes)) = state.chunks.back_mut() {
            let before = bytes.len();
            fill(bytes);
            state.bytes += bytes.len() - before;
        }
        if state.bytes > self.limit {
            state.abandon();
        }
    }

    /// Appends something large.
    pub(crate) fn push_large(&self, large: L) {
        let mut state = self.lock();
        if state.end == End::Open {
            state.chunks.push_back(Chunk::Large(large));
        }
    }

    /// Tells the writing task.
    pub(crate) fn wake(&self) {
        self.news.notify_one();
    }

    /// Ends the connection once everything queued has left.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if state.end == End::Open {
            state.end = End::AfterFlush;
        }
        drop(state);
        self.wake();
    }

    /// Ends the connection at once.
    pub(crate) fn abort(&self) {
        self.lock().abandon();
        self.wake();
    }

    /// True once nothing more can be queued.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().end != End::Open
    }

    /// Bytes queued.
    pub(crate) fn queued(&self) -> usize {
        self.lock().bytes
    }

    /// The next chunk, once there is one. For the one writing task; dropping the future loses nothing.
    pub(crate) async fn next(&self) -> Next<L> {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            self.news.notified().await;
        }
    }

    fn try_next(&self) -> Option<Next<L>> {
        let mut state = self.lock();
        if let Some(chunk) = state.chunks.pop_front() {
            if let Chunk::Bytes(bytes) = &chunk {
                state.bytes -= bytes.len();
            }
            return Some(Next::Write(chunk));
        }
        match state.end {
            End::Open => None,
            End::AfterFlush | End::Now => Some(Next::End),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L> State<L> {
    fn abandon(&mut self) {
        self.end = End::Now;
        self.chunks.clear();
        self.bytes = 0;
    }
}
