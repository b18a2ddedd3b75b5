//! Bytes on their way out of this server: filled by whoever has something to say, drained by the
//! one task that writes the socket.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::io::Bell;

/// A piece of what is sent: bytes, or something large that is turned into bytes only when its turn
/// has come.
pub enum Chunk<L> {
    /// As they are.
    Bytes(Vec<u8>),
    /// To be turned into bytes.
    Large(L),
}

/// A chunk that has grown to this is not appended to: what comes next begins another one, so that
/// nothing large is copied because more is said behind it.
const CHUNK_BYTES: usize = 256 << 10;

/// How many bytes all the outboxes that share it hold.
#[derive(Default)]
pub(crate) struct Held(AtomicUsize);

impl Held {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A queue of chunks with a bound. Filling never waits: a peer that stops reading must not stop the
/// one who fills, so a queue that outgrows its bound is closed and the connection with it.
pub struct Outbox<L> {
    state: Mutex<State<L>>,
    bell: Box<dyn Bell>,
    limit: usize,
}

struct State<L> {
    chunks: VecDeque<Chunk<L>>,
    /// How many chunks are in front of the place that is kept for one that is being made.
    place: Option<usize>,
    /// Of the chunks, and of the one that is being written.
    bytes: usize,
    /// Of the chunk that was handed out last: it is in memory until the next one is asked for.
    writing: usize,
    held: Arc<Held>,
    /// What may wait after the last batch that came to a peer that kept up.
    allowed: usize,
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
pub enum Next<L> {
    /// Write it.
    Write(Chunk<L>),
    /// Everything has left, and nothing more comes.
    End,
}

impl<L> Outbox<L> {
    /// A queue of at most `limit` bytes; `bell` is rung when there is something to write.
    pub fn new(limit: usize, bell: impl Bell + 'static) -> Self {
        Self::sharing(limit, Arc::default(), bell)
    }

    /// As [`Self::new`]; what it holds is counted in `held`.
    pub(crate) fn sharing(limit: usize, held: Arc<Held>, bell: impl Bell + 'static) -> Self {
        let (chunks, end) = (VecDeque::new(), End::Open);
        let state = State { chunks, place: None, bytes: 0, writing: 0, held, allowed: limit, end };
        Self { state: Mutex::new(state), bell: Box::new(bell), limit }
    }

    /// Appends what `fill` writes. Call [`Self::wake`] afterwards, once for any number of calls.
    pub(crate) fn push(&self, fill: impl FnOnce(&mut Vec<u8>)) {
        self.fill().push(fill);
    }

    /// Takes the queue to append several messages. Nobody else gets at it meanwhile.
    pub(crate) fn fill(&self) -> Filling<'_, L> {
        Filling { state: self.lock(), limit: self.limit, added: 0 }
    }

    /// Keeps the place behind what is queued now: what is said from here on waits until
    /// [`Self::fill_place`] says what comes there. One place is kept at a time.
    pub(crate) fn keep_place(&self) {
        let mut state = self.lock();
        state.place = Some(state.chunks.len());
    }

    /// Puts this in the place that was kept, unless the connection has ended meanwhile.
    pub(crate) fn fill_place(&self, bytes: Vec<u8>) {
        let mut state = self.lock();
        let Some(place) = state.place.take().filter(|_| state.end != End::Now) else { return };
        state.hold(bytes.len());
        state.chunks.insert(place, Chunk::Bytes(bytes));
        if state.bytes > self.limit {
            state.abandon();
        }
    }

    /// Appends a batch of chunks, and wakes the writing task. If it is behind, bytes join those
    /// that already wait.
    ///
    /// A batch may be larger than the bound, as a history is that a peer has missed: that is no
    /// reason to give up a peer which had read what it was sent before. One that had not, or lets
    /// the bound fill up behind the batch, is given up.
    pub fn append(&self, chunks: impl Iterator<Item = Chunk<L>>) {
        let mut state = self.lock();
        if state.end != End::Open {
            return;
        }
        let keeps_up = state.bytes <= self.limit;
        for chunk in chunks {
            if let Chunk::Bytes(bytes) = &chunk {
                state.hold(bytes.len());
            }
            match (state.chunks.back_mut(), chunk) {
                (Some(Chunk::Bytes(waiting)), Chunk::Bytes(bytes)) => waiting.extend(bytes),
                (Some(Chunk::Bytes(_) | Chunk::Large(_)) | None, chunk) => {
                    state.chunks.push_back(chunk);
                }
            }
        }
        if keeps_up {
            state.allowed = state.bytes + self.limit;
        }
        if state.bytes > state.allowed {
            state.abandon();
        }
        drop(state);
        self.wake();
    }

    /// Tells the writing task.
    pub fn wake(&self) {
        self.bell.ring();
    }

    /// Ends the connection once everything queued has left.
    pub fn close(&self) {
        self.lock().close();
        self.wake();
    }

    /// Ends the connection at once.
    pub fn abort(&self) {
        self.lock().abandon();
        self.wake();
    }

    /// True once nothing more can be queued.
    pub fn is_closed(&self) -> bool {
        self.lock().end != End::Open
    }

    /// Bytes that have not left yet.
    pub fn queued(&self) -> usize {
        self.lock().bytes
    }

    /// Whether more can be queued, and fewer bytes than `high` have not left yet.
    pub(crate) fn has_room(&self, high: usize) -> bool {
        let state = self.lock();
        state.end == End::Open && state.bytes < high
    }

    /// The chunk that was handed out last has been written. Asking for the next one says so too.
    pub fn written(&self) {
        self.lock().written();
    }

    /// The next chunk, or that there will be none; `None`: there is none yet. The one before has
    /// been written. For whoever writes, which is one.
    pub fn next(&self) -> Option<Next<L>> {
        let mut state = self.lock();
        state.written();
        match &mut state.place {
            Some(0) => return None,
            Some(place) => *place -= 1,
            None => {}
        }
        if let Some(chunk) = state.chunks.pop_front() {
            if let Chunk::Bytes(bytes) = &chunk {
                state.writing = bytes.len();
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

/// A queue that somebody fills. What is added counts as held when it is done: many small messages
/// cost others no more than one.
pub(crate) struct Filling<'a, L> {
    state: MutexGuard<'a, State<L>>,
    limit: usize,
    /// Bytes that are queued, and not yet counted in `held`.
    added: usize,
}

impl<L> Filling<'_, L> {
    /// Appends what `fill` writes. Call [`Outbox::wake`] once this is dropped.
    pub(crate) fn push(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        if self.state.end != End::Open {
            return;
        }
        let grows = |chunk: &Chunk<L>| match chunk {
            Chunk::Bytes(bytes) => bytes.len() < CHUNK_BYTES,
            Chunk::Large(_) => false,
        };
        let state = &mut *self.state;
        let is_behind = state.place.is_none_or(|place| state.chunks.len() > place);
        if !(is_behind && state.chunks.back().is_some_and(grows)) {
            state.chunks.push_back(Chunk::Bytes(Vec::new()));
        }
        if let Some(Chunk::Bytes(bytes)) = state.chunks.back_mut() {
            let before = bytes.len();
            fill(bytes);
            let added = bytes.len() - before;
            state.bytes += added;
            self.added += added;
        }
        if state.bytes > self.limit {
            self.count();
            self.state.abandon();
        }
    }

    /// Ends the connection once everything queued has left. Call [`Outbox::wake`] once this is
    /// dropped.
    pub(crate) fn close(&mut self) {
        self.state.close();
    }

    /// Bytes that have not left yet.
    pub(crate) fn queued(&self) -> usize {
        self.state.bytes
    }

    /// Whether as much was added as one chunk holds.
    pub(crate) fn is_long(&self) -> bool {
        self.added >= CHUNK_BYTES
    }

    fn count(&mut self) {
        self.state.held.0.fetch_add(std::mem::take(&mut self.added), Ordering::Relaxed);
    }
}

impl<L> Drop for Filling<'_, L> {
    fn drop(&mut self) {
        self.count();
    }
}

impl<L> State<L> {
    fn hold(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.held.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What is queued still leaves.
    fn close(&mut self) {
        if self.end == End::Open {
            self.end = End::AfterFlush;
        }
    }

    fn release(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.held.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn written(&mut self) {
        let written = std::mem::take(&mut self.writing);
        self.release(written);
    }

    /// The chunk that is being written is as good as gone: its task is told to end.
    fn abandon(&mut self) {
        self.end = End::Now;
        self.chunks.clear();
        self.place = None;
        self.writing = 0;
        self.release(self.bytes);
    }
}

impl<L> Drop for State<L> {
    fn drop(&mut self) {
        self.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(limit: usize) -> Outbox<&'static str> {
        Outbox::new(limit, ())
    }

    #[test]
    fn what_is_said_while_an_answer_is_made_leaves_behind_it() {
        let outbox = outbox(100);
        outbox.push(|out| out.extend(b"before"));
        outbox.keep_place();
        outbox.push(|out| out.extend(b"behind"));
        outbox.push(|out| out.extend(b", too"));
        assert_eq!(next(&outbox).as_deref(), Some("before"));
        assert_eq!(next(&outbox), None, "the place is kept");
        outbox.close();
        assert_eq!(next(&outbox), None, "also at the end");
        outbox.fill_place(b"answer".to_vec());
        let left: Vec<_> = std::iter::from_fn(|| next(&outbox)).take(3).collect();
        assert_eq!(left, ["answer", "behind, too", "end"]);
        assert_eq!(outbox.queued(), 0);
    }

    #[test]
    fn an_answer_that_was_made_for_a_connection_that_has_ended_is_dropped() {
        let outbox = outbox(100);
        outbox.keep_place();
        outbox.abort();
        outbox.fill_place(b"answer".to_vec());
        assert_eq!(next(&outbox).as_deref(), Some("end"));
        assert_eq!(outbox.queued(), 0);
    }

    /// What would be written now; `None` if there is nothing yet.
    fn next(outbox: &Outbox<&'static str>) -> Option<String> {
        outbox.next().map(|next| match next {
            Next::Write(Chunk::Bytes(bytes)) => String::from_utf8(bytes).expect("text"),
            Next::Write(Chunk::Large(large)) => format!("<{large}>"),
            Next::End => "end".to_owned(),
        })
    }

    #[test]
    fn what_is_said_leaves_in_order_in_as_few_pieces_as_possible() {
        let outbox = outbox(100);
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
        let outbox = outbox(100);
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
            for _ in 0..4 {
                outbox.append(std::iter::once(Chunk::Bytes(vec![0; 100])));
            }
        };
        for fill in [push, append] {
            let outbox = outbox(100);
            fill(&outbox);
            assert!(outbox.is_closed());
            assert_eq!(outbox.queued(), 0);
            assert_eq!(next(&outbox).as_deref(), Some("end"));
        }
    }

    #[test]
    fn a_batch_larger_than_the_bound_leaves_for_a_peer_that_keeps_up() {
        let outbox = Outbox::<&'static str>::new(100, ());
        let append = |bytes| outbox.append(std::iter::once(Chunk::Bytes(vec![b'.'; bytes])));
        append(1000);
        // What comes while it reads that has the whole bound.
        append(60);
        append(40);
        assert_eq!(next(&outbox).map(|text| text.len()), Some(1100));
        assert_eq!(next(&outbox), None);
        append(1000);
        append(101);
        assert!(outbox.is_closed(), "it reads nothing");
    }

    #[test]
    fn what_is_being_written_counts_until_it_is_written() {
        let held = Arc::<Held>::default();
        let sharing = || Outbox::<&'static str>::sharing(100, Arc::clone(&held), ());
        let (one, other) = (sharing(), sharing());
        one.push(|out| out.extend(b"one"));
        other.push(|out| out.extend(b"other"));
        assert_eq!((one.queued(), held.bytes()), (3, 8));
        assert_eq!(next(&one).as_deref(), Some("one"));
        assert_eq!((one.queued(), held.bytes()), (3, 8), "it is on its way");
        one.written();
        assert_eq!((one.queued(), held.bytes()), (0, 5));
        other.push(|out| out.extend(b"wise"));
        let left: Vec<_> = std::iter::from_fn(|| next(&other)).collect();
        assert_eq!((left, other.queued()), (vec!["otherwise".to_owned()], 0));
        one.push(|out| out.extend(b"more"));
        one.abort();
        assert_eq!(held.bytes(), 0, "who is given up holds nothing");
        other.push(|out| out.extend(b"last"));
        drop(other);
        assert_eq!(held.bytes(), 0, "nor does who is gone");
    }

    #[test]
    fn what_is_filled_together_is_bounded_and_counted_as_what_is_filled_one_by_one() {
        let held = Arc::<Held>::default();
        let outbox = Outbox::<&'static str>::sharing(100, Arc::clone(&held), ());
        let mut filling = outbox.fill();
        for _ in 0..4 {
            filling.push(|out| out.extend([b'.'; 25]));
        }
        assert_eq!(filling.queued(), 100);
        drop(filling);
        assert_eq!((outbox.queued(), held.bytes(), outbox.has_room(101)), (100, 100, true));
        assert!(!outbox.has_room(100), "so many wait");
        let mut filling = outbox.fill();
        filling.push(|out| out.extend(b"!"));
        filling.push(|_| panic!("the client is given up already"));
        assert_eq!(filling.queued(), 0);
        drop(filling);
        assert_eq!((held.bytes(), next(&outbox).as_deref()), (0, Some("end")));
        assert!(!outbox.has_room(100), "nothing can be queued");
    }

    #[test]
    fn what_comes_behind_something_large_does_not_move_it() {
        let outbox = Outbox::<&'static str>::new(1 << 20, ());
        outbox.push(|out| out.extend(vec![b'a'; CHUNK_BYTES]));
        outbox.push(|out| out.extend(b"b"));
        let lengths = [next(&outbox), next(&outbox)].map(|text| text.map(|text| text.len()));
        assert_eq!(lengths, [Some(CHUNK_BYTES), Some(1)]);
    }
}
