//! One client's connection, as its own task and the node share it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::debug;
use wire::client::{ConnectResponse, OpCode, Request, encode_reply_error};
use wire::frame::frame;
use wire::jute::Record;
use wire::txn::Txn;
use wire::{ErrorCode, Id};
use znode::{Outcome, SessionId, Tree};

use super::batch::Batch;
use super::counters::{Asked, ConnectionStats, Tally};
use super::reads::After;
use super::shared::Shared;
use super::{answers, auth, cost, reads, sasl};
use crate::io::{Bell, Now};
use crate::outbox::Outbox;

/// Bytes that may wait for a client that does not read what it is sent, at least: beside the
/// answers that it asked for these are the events of its watches.
const OUTBOX_BYTES_MAX: usize = 64 << 20;

/// Requests of one connection that may be in progress before nothing more is read from it.
const PENDING_MAX: usize = 4096;

/// Bytes of such requests. Counted since the last time that none was in progress.
const PENDING_BYTES_MAX: usize = 4 << 20;

/// Bytes that may wait for a client before no more of its requests are answered: so many, and one
/// answer, are what it can make the server hold by asking.
const OUTBOX_BYTES_HIGH: usize = 4 << 20;

/// One client's connection.
pub struct Connection {
    id: u64,
    address: SocketAddr,
    pub(crate) outbox: Outbox<Infallible>,
    /// 0 until established.
    session: AtomicI64,
    /// Set before the session is.
    reads_only: AtomicBool,
    timeout_ms: AtomicI64,
    touched: AtomicBool,
    /// What the client sends is read.
    listens: AtomicBool,
    told: AtomicBool,
    ended: AtomicBool,
    /// Requests that the node has taken and not answered. Only the node changes it.
    in_progress: AtomicUsize,
    /// Bytes of requests. Only the connection's own task changes it.
    pending_bytes: AtomicUsize,
    /// The node answers nothing any more.
    abandoned: AtomicBool,
    /// This server has ended the connection.
    cut: AtomicBool,
    /// What it says is encrypted.
    speaks_tls: AtomicBool,
    /// The client has said which session it wants.
    has_greeted: AtomicBool,
    /// Reads wait for nothing but that the client takes more of what it was sent.
    held_back: AtomicBool,
    state: Mutex<State>,
    /// The connection's own task has something to look at: this server has ended the connection, or
    /// something was left to the task.
    stirred: Box<dyn Bell>,
    pub(super) stats: ConnectionStats,
}

/// The requests that have no answer yet, each with the time at which it came: of a write what it
/// does, of a sync its path.
type Pending =
    order::Pending<(OpCode, Duration), (String, Duration), (Request, Duration), Vec<u8>, ErrorCode>;

/// A request of these that can be answered once it is the oldest.
type Ready = order::Ready<(String, Duration), (Request, Duration), Vec<u8>, ErrorCode>;

struct State {
    /// Whether the client's ConnectRequest had the readOnly byte: the response mirrors it.
    read_only: Option<bool>,
    /// A new list whenever there is one more.
    auth: Arc<[Id]>,
    sasl: sasl::Exchange,
    pending: Pending,
}

impl Connection {
    /// A connection that was accepted. `news` is rung when there is something to write, `stirred`
    /// when its task has something else to look at.
    pub fn new(
        address: SocketAddr,
        shared: &Shared,
        now: Now,
        news: impl Bell + 'static,
        stirred: impl Bell + 'static,
    ) -> Arc<Self> {
        let answer_bytes_max = shared.settings.answer_bytes_max as usize;
        let outbox_bytes_max = OUTBOX_BYTES_MAX.max(OUTBOX_BYTES_HIGH + 2 * answer_bytes_max);
        let ip = auth::of_address(address.ip());
        Arc::new(Self {
            id: shared.next_connection_id(),
            address,
            outbox: Outbox::sharing(outbox_bytes_max, shared.held(), news),
            session: AtomicI64::new(0),
            reads_only: AtomicBool::new(false),
            timeout_ms: AtomicI64::new(0),
            touched: AtomicBool::new(false),
            listens: AtomicBool::new(true),
            told: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            in_progress: AtomicUsize::new(0),
            pending_bytes: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            speaks_tls: AtomicBool::new(false),
            has_greeted: AtomicBool::new(false),
            held_back: AtomicBool::new(false),
            state: Mutex::new(State {
                read_only: None,
                auth: [ip].into(),
                sasl: sasl::Exchange::default(),
                pending: Pending::default(),
            }),
            stirred: Box::new(stirred),
            stats: ConnectionStats::new(now),
        })
    }

    /// Its number, which is unique in this process, for watches and for answers of syncs.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where the client is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its session; 0 until established.
    pub fn session(&self) -> SessionId {
        self.session.load(Ordering::Acquire)
    }

    /// Whether the client speaks TLS.
    pub fn speaks_tls(&self, speaks: bool) {
        self.speaks_tls.store(speaks, Ordering::Relaxed);
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.speaks_tls.load(Ordering::Relaxed)
    }

    /// How long its session may be silent, as it is granted.
    pub fn timeout_ms(&self) -> i32 {
        i32::try_from(self.timeout_ms.load(Ordering::Relaxed)).unwrap_or(i32::MAX)
    }

    /// Who the client is.
    pub(crate) fn auth_ids(&self) -> Arc<[Id]> {
        Arc::clone(&self.lock().auth)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is counted of it.
    pub(crate) fn stats(&self) -> &ConnectionStats {
        &self.stats
    }

    /// That begins at 0 again.
    pub(crate) fn reset_stats(&self) {
        self.stats.reset();
    }

    // ---- the session

    /// What the client asked for in its ConnectRequest.
    pub(super) fn asked(&self, read_only: Option<bool>, timeout_ms: i32) {
        self.has_greeted.store(true, Ordering::Relaxed);
        self.lock().read_only = read_only;
        self.timeout_ms.store(i64::from(timeout_ms), Ordering::Relaxed);
    }

    /// Whether [`Self::asked`] was called.
    pub(super) fn has_greeted(&self) -> bool {
        self.has_greeted.load(Ordering::Relaxed)
    }

    /// The session is established here.
    pub(crate) fn establish(&self, session: SessionId) {
        self.begin_session(session, false);
    }

    /// The session is established here, and only reads are done.
    pub(crate) fn establish_read_only(&self, session: SessionId) {
        self.reads_only.store(true, Ordering::Release);
        self.begin_session(session, true);
    }

    /// Whether nothing but reads is done.
    pub(super) fn reads_only(&self) -> bool {
        self.reads_only.load(Ordering::Acquire)
    }

    fn begin_session(&self, session: SessionId, is_read_only: bool) {
        self.session.store(session, Ordering::Release);
        let read_only = self.lock().read_only.map(|_| is_read_only);
        let response = ConnectResponse::established(session, self.timeout_ms(), read_only);
        self.outbox.push(|out| frame(out, |out| response.encode(out)));
    }

    /// The session has expired, or the password is wrong.
    pub(crate) fn refuse_session(&self) {
        let response = ConnectResponse::expired(self.lock().read_only.map(|_| false));
        self.outbox.push(|out| frame(out, |out| response.encode(out)));
        self.outbox.close();
    }

    /// The client was heard of.
    pub fn touch(&self, at: Duration) {
        self.touched.store(true, Ordering::Relaxed);
        self.stats.heard(at);
    }

    /// Whether what the client sends is read from here on. It is not while the client has to take
    /// what it was sent, or while this server has to do something first.
    pub fn listens(&self, listens: bool) {
        self.listens.store(listens, Ordering::Relaxed);
    }

    /// Whether the client was heard of since the last time this was asked. Nobody is silent to whom
    /// nobody listens: a client that takes nothing for as long as its session may be silent is
    /// disconnected.
    pub(crate) fn take_touched(&self) -> bool {
        let touched = self.touched.swap(false, Ordering::Relaxed);
        touched || !self.listens.load(Ordering::Relaxed)
    }

    // ---- requests and answers

    /// Whether more may be read from the client.
    pub fn wants_input(&self) -> bool {
        self.takes(false)
    }

    /// Whether the next request may be taken; `is_sync`: it is a sync.
    pub(super) fn takes(&self, is_sync: bool) -> bool {
        let state = self.lock();
        if state.pending.is_empty() {
            self.pending_bytes.store(0, Ordering::Relaxed);
        }
        // Nothing may come behind reads that are held back but what they can wait for.
        !self.held_back.load(Ordering::Relaxed)
            && state.pending.len() < PENDING_MAX
            && self.pending_bytes.load(Ordering::Relaxed) < PENDING_BYTES_MAX
            && state.pending.takes_more(is_sync)
            && self.outbox.has_room(OUTBOX_BYTES_HIGH)
    }

    /// A request of so many bytes was read.
    pub(super) fn count_request(&self, bytes: usize) {
        let before = self.pending_bytes.load(Ordering::Relaxed);
        self.pending_bytes.store(before + bytes, Ordering::Relaxed);
    }

    /// Requests in progress.
    pub(crate) fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    pub(super) fn push_write(&self, xid: i32, op: OpCode, at: Duration) {
        self.lock().pending.push_write(xid, (op, at));
    }

    pub(crate) fn push_sync(&self, xid: i32, path: String, at: Duration) {
        self.lock().pending.push_sync(xid, (path, at));
    }

    /// Answers a read, or lets it wait behind the writes that came before it. One that takes long
    /// is left to [`Self::go_on`]. What was answered is added to `tally`.
    pub(super) fn read(
        &self,
        xid: i32,
        request: Request,
        tree: &Tree,
        shared: &Shared,
        at: Duration,
        tally: &mut Tally,
    ) {
        let mut state = self.lock();
        let is_costly = cost::is_costly(&request, self.session(), &state.auth, tree);
        if state.pending.answers_at_once(is_costly) {
            tally.answered_at_once();
            let mut after = After::GoOn;
            self.outbox.push(|out| {
                let before = out.len();
                after = reads::answer(xid, &request, self, &state.auth, tree, shared, out);
                tally.answer(out.len() - before);
            });
            match after {
                After::GoOn => {}
                After::End => self.outbox.close(),
            }
            shared.relieve();
        } else {
            state.pending.push_read(xid, (request, at), is_costly);
            self.held_back.fetch_or(state.pending.is_ready(), Ordering::Relaxed);
        }
    }

    /// Answers with an error, in its turn.
    pub(super) fn refuse(
        &self,
        xid: i32,
        error: ErrorCode,
        tree: &Tree,
        shared: &Shared,
        at: Duration,
    ) {
        let mut state = self.lock();
        state.pending.push_refused(xid, error);
        self.answer_ready(&mut state, tree, shared, Batch::begin(self, shared, at));
    }

    /// Answers with bytes that depend on nothing, in its turn. `ends`: the connection ends behind
    /// it.
    fn say(&self, ends: bool, shared: &Shared, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        if state.pending.is_empty() {
            self.reply(shared, fill);
            if ends {
                self.outbox.close();
            }
        } else {
            let answer = kept(fill);
            state.pending.push_answered(answer, ends);
        }
    }

    /// The client asked for something that does not exist: it is told, and disconnected.
    /// (ZooKeeper's header has no zxid then.)
    pub(super) fn unimplemented(&self, xid: i32, shared: &Shared) {
        let error = ErrorCode::Unimplemented;
        self.say(true, shared, |out| encode_reply_error(out, xid, -1, error));
    }

    /// The transaction of this session with this xid is applied. Answers it, if a request waits for
    /// it, and what only waited behind it. Returns how many writes were answered.
    pub(crate) fn applied(
        &self,
        cxid: i32,
        txn: &Txn,
        outcome: &Outcome,
        tree: &Tree,
        shared: &Shared,
        at: Duration,
    ) -> usize {
        let mut state = self.lock();
        let closes = matches!(outcome, Outcome::SessionClosed);
        let can_be = |&(op, _): &(OpCode, _)| !closes || op == OpCode::CloseSession;
        let Some(completed) = state.pending.complete_write(cxid, can_be) else {
            return 0;
        };
        let mut batch = Batch::begin(self, shared, at);
        let (xid, (op, since), zxid) = (completed.xid, completed.asked, tree.last_zxid());
        self.stats.answered_at(zxid);
        batch.answered(Asked::Update, since);
        let fill = |out: &mut Vec<u8>| answers::write(xid, op, (txn, outcome), zxid, out);
        if state.pending.is_due(&completed) && !closes {
            state.pending.pop_due();
            batch.push(fill);
        } else {
            state.pending.answer(&completed, kept(fill), closes);
        }
        self.answer_ready(&mut state, tree, shared, batch);
        1
    }

    /// The leader has confirmed the oldest sync. Returns how many syncs were answered.
    pub(crate) fn sync_done(&self, shared: &Shared, at: Duration) -> usize {
        let tree = shared.read_tree();
        let mut state = self.lock();
        let Some(completed) = state.pending.complete_sync() else {
            return 0;
        };
        let mut batch = Batch::begin(self, shared, at);
        let (xid, (path, since)) = (completed.xid, &completed.asked);
        batch.answered(Asked::Read, *since);
        if state.pending.is_due(&completed) {
            state.pending.pop_due();
            batch.push(|out| answers::sync(xid, path, tree.last_zxid(), out));
        } else {
            state.pending.keep_sync(completed);
        }
        self.answer_ready(&mut state, &tree, shared, batch);
        1
    }

    /// Whether [`Self::go_on`] has something to do.
    pub fn is_held_back(&self) -> bool {
        self.held_back.load(Ordering::Relaxed) && self.outbox.queued() < OUTBOX_BYTES_HIGH
    }

    /// Whether that takes long.
    pub fn next_is_costly(&self) -> bool {
        self.lock().pending.next_is_costly()
    }

    /// Answers the reads that were left to the connection's own task: they take long, or the client
    /// had to take more of what it was sent.
    pub fn go_on(&self, shared: &Shared, at: Duration) {
        if !self.is_held_back() {
            return;
        }
        if let Some((ready, auth)) = self.take_costly() {
            return self.answer_costly(ready, &auth, shared, at);
        }
        let tree = shared.read_tree();
        let mut state = self.lock();
        self.answer_ready(&mut state, &tree, shared, Batch::begin(self, shared, at));
    }

    fn hold_back(&self) {
        self.held_back.store(true, Ordering::Relaxed);
        self.stirred.ring();
    }

    /// Answers the oldest requests, as far as nothing has to be waited for, nothing takes long, and
    /// the client takes the answers; the others are left to [`Self::go_on`]. Where a write waits
    /// behind them none is left: it may be applied at any time, and they must not see it.
    fn answer_ready(&self, state: &mut State, tree: &Tree, shared: &Shared, mut batch: Batch<'_>) {
        let State { pending, auth, .. } = state;
        self.held_back.store(false, Ordering::Relaxed);
        let mut leaves_some = pending.next_is_costly();
        while !leaves_some && let Some(ready) = pending.pop_ready() {
            match ready {
                Ready::Answered { answer, ends } => {
                    batch.push(|out| out.extend_from_slice(&answer));
                    if ends {
                        batch.close();
                    }
                }
                Ready::Read { xid, asked: (request, since), is_costly: _ } => {
                    batch.answered(Asked::Read, since);
                    let mut after = After::GoOn;
                    batch.push(|out| {
                        after = reads::answer(xid, &request, self, auth, tree, shared, out);
                    });
                    match after {
                        After::GoOn => {}
                        After::End => batch.close(),
                    }
                }
                Ready::Synced { xid, asked: (path, _) } => {
                    batch.push(|out| answers::sync(xid, &path, tree.last_zxid(), out));
                }
                Ready::Refused { xid, error } => {
                    batch.push(|out| encode_reply_error(out, xid, tree.last_zxid(), error));
                }
            }
            batch = batch.go_on();
            let is_full = batch.queued() >= OUTBOX_BYTES_HIGH && pending.is_ready();
            // Nothing stands behind a read that takes long.
            leaves_some = !pending.is_empty() && (is_full || pending.next_is_costly());
        }
        batch.finish();
        if leaves_some {
            self.hold_back();
        }
    }

    /// Whether the oldest write that waits for its transaction has this xid.
    pub(crate) fn awaits(&self, cxid: i32) -> bool {
        self.lock().pending.awaits(cxid)
    }

    /// The node takes a request.
    pub(crate) fn begin(&self) {
        self.in_progress.fetch_add(1, Ordering::Relaxed);
    }

    /// The node has answered requests. Returns how many of those it had taken.
    pub(crate) fn done(&self, requests: usize) -> usize {
        let taken = self.in_progress.load(Ordering::Relaxed);
        let done = requests.min(taken);
        self.in_progress.store(taken - done, Ordering::Relaxed);
        done
    }

    /// The node answers nothing any more. Returns how many requests it had taken.
    pub(crate) fn abandon(&self) -> usize {
        self.abandoned.store(true, Ordering::Relaxed);
        self.lock().pending.clear();
        self.in_progress.swap(0, Ordering::Relaxed)
    }

    /// Whether [`Self::abandon`] was called: nobody waits for an answer.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Whether [`Self::close`] was called: what is still on its way to the node is not done.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Appends one message to what the client is sent: an answer, or an event.
    pub(crate) fn reply(&self, shared: &Shared, fill: impl FnOnce(&mut Vec<u8>)) {
        self.stats.sent.fetch_add(1, Ordering::Relaxed);
        shared.stats.sent.fetch_add(1, Ordering::Relaxed);
        self.outbox.push(fill);
        shared.relieve();
    }

    // ---- waking and closing

    /// The node has heard that the connection is gone.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::end`] was called: nothing may be kept for this connection any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// True if nobody else has to remember to wake it.
    pub(crate) fn mark_told(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    /// It is about to be woken: what it is told from here on needs another time.
    pub(crate) fn unmark_told(&self) {
        self.told.store(false, Ordering::Relaxed);
    }

    /// The answer to a four-letter word, behind which the connection ends.
    pub fn tell_and_end(&self, text: String, shared: &Shared) {
        self.outbox.push(|out| *out = text.into_bytes());
        self.outbox.close();
        shared.relieve();
    }

    /// What is to be written to the client.
    pub fn outbox(&self) -> &Outbox<Infallible> {
        &self.outbox
    }

    /// Ends the connection without another word.
    pub fn close(&self, reason: &str) {
        debug!("client {} is disconnected: {reason}", self.address);
        self.cut.store(true, Ordering::Relaxed);
        self.outbox.abort();
        self.stirred.ring();
    }

    /// The session is over: the connection ends, once the client was told so if it closed the
    /// session itself. Nothing more is taken. Returns how many requests that the node had taken
    /// will not be answered.
    pub(crate) fn session_closed(&self) -> usize {
        self.abandoned.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        if !state.pending.ends() {
            state.pending.clear();
            self.outbox.close();
        }
        self.in_progress.swap(0, Ordering::Relaxed)
    }
}

/// An answer that has to wait for older ones.
fn kept(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut answer = Vec::new();
    fill(&mut answer);
    answer
}

mod costly;
mod proof;
#[cfg(test)]
mod tests;
