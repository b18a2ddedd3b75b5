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

    /// Appends chunks, and wakes the writing task. If it is behind, bytes join those that already wait.
    pub(crate) fn append(&self, chunks: impl Iterator<Item = Chunk<L>>) {
        let mut state = self.lock();
        if state.end != End::Open {
            return;
        }
        for chunk in chunks {
            if let Chunk::Bytes(bytes) = &chunk {
                state.bytes += bytes.len();
            }
            match (state.chunks.back_mut(), chunk) {
                (Some(Chunk::Bytes(waiting)), Chunk::Bytes(bytes)) => waiting.extend(bytes),
                (Some(Chunk::Bytes(_) | Chunk::Large(_)) | None, chunk) => {
                    state.chunks.push_back(chunk);
                }
            }
        }
        if state.bytes > self.limit {
            state.abandon();
        }
        drop(state);
        self.wake();
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

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// What the writing task would do now; `None` if it would wait.
    fn next(outbox: &Outbox<&'static str>) -> Option<String> {
        let mut future = std::pin::pin!(outbox.next());
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => None,
            Poll::Ready(Next::Write(Chunk::Bytes(bytes))) => {
                Some(String::from_utf8(bytes).expect("text"))
            }
            Poll::Ready(Next::Write(Chunk::Large(large))) => Some(format!("<{large}>")),
            Poll::Ready(Next::End) => Some("end".to_owned()),
        }
    }

    #[test]
    fn what_is_said_leaves_in_order_in_as_few_pieces_as_possible() {
        let outbox = Outbox::new(100);
        assert_eq!(next(&outbox), None);
        outbox.push(|out| out.extend(b"one "));
        let bytes = |text: &str| Chunk::Bytes(text.as_bytes().to_vec());
        outbox.append([bytes("two"), Chunk::Large("snapshot"), bytes("th")].into_iter());
        outbox.append([bytes("ree")].into_iter());
        assert_eq!(outbox.queued(), 12);
        let left: Vec<_> = std::iter::from_fn(|| next(&outbox)).collect();
        assert_eq!(left, ["one two", "<snapshot>", "three"]);
        assert_eq!(outbox.queued(), 0);
    }

    #[test]
    fn closing_lets_leave_what_was_said_before_and_nothing_after() {
        let outbox = Outbox::new(100);
        outbox.push(|out| out.extend(b"last words"));
        outbox.close();
        outbox.push(|out| out.extend(b"too late"));
        assert!(outbox.is_closed());
        assert_eq!(next(&outbox).as_deref(), Some("last words"));
        assert_eq!(next(&outbox).as_deref(), Some("end"));
    }

    #[test]
    fn whoever_does_not_read_is_given_up_and_holds_no_memory() {
        let push = |outbox: &Outbox<&'static str>| outbox.push(|out| out.extend([0; 101]));
        let append = |outbox: &Outbox<_>| {
            outbox.append(std::iter::once(Chunk::Bytes(vec![0; 101])));
        };
        for fill in [push, append] {
            let outbox = Outbox::new(100);
            fill(&outbox);
            assert!(outbox.is_closed());
            assert_eq!(outbox.queued(), 0);
            assert_eq!(next(&outbox).as_deref(), Some("end"));
        }
    }
}
