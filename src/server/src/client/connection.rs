//! One client's connection, as its own task and the engine share it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tracing::debug;
use wire::client::{ConnectResponse, OpCode, Request, encode_reply_error};
use wire::frame::frame;
use wire::jute::Record;
use wire::txn::Txn;
use wire::{ErrorCode, Id};
use znode::{Outcome, SessionId, Tree};

use super::shared::Shared;
use super::{answers, reads};
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

pub(crate) struct Connection {
    id: u64,
    address: SocketAddr,
    pub(super) outbox: Outbox<Infallible>,
    /// 0 until established.
    session: AtomicI64,
    timeout_ms: AtomicI64,
    touched: AtomicBool,
    told: AtomicBool,
    ended: AtomicBool,
    /// The client has said which session it wants.
    has_greeted: AtomicBool,
    /// Reads wait for nothing but that the client takes more of what it was sent.
    held_back: AtomicBool,
    state: Mutex<State>,
    closed: Notify,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
}

struct State {
    /// Whether the client's ConnectRequest had the readOnly byte: the response mirrors it.
    read_only: Option<bool>,
    auth: Vec<Id>,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
}

/// A request that has no answer yet. Answers leave in the order of the requests.
enum Pending {
    /// Answered by the transaction with this session and xid.
    Write { xid: i32, op: OpCode, since: Instant },
    /// Answered when the leader has confirmed.
    Sync { xid: i32, path: String, since: Instant },
    /// A read behind a write of the same session: answered as soon as it is the first.
    Read { xid: i32, request: Request, since: Instant },
    /// What could not be read, behind a write of the same session.
    Refused { xid: i32, error: ErrorCode },
}

impl Pending {
    /// Whether it waits for nothing but what is in front of it.
    fn is_read(&self) -> bool {
        match self {
            Self::Read { .. } | Self::Refused { .. } => true,
            Self::Write { .. } | Self::Sync { .. } => false,
        }
    }
}

impl Connection {
    pub(super) fn new(address: SocketAddr, shared: &Shared) -> Arc<Self> {
        let answer_bytes_max = shared.config.answer_bytes_max as usize;
        let outbox_bytes_max = OUTBOX_BYTES_MAX.max(OUTBOX_BYTES_HIGH + 2 * answer_bytes_max);
        let ip = Id::new("ip", address.ip().to_canonical().to_string());
        Arc::new(Self {
            id: shared.next_connection_id(),
            address,
            outbox: Outbox::sharing(outbox_bytes_max, shared.held()),
            session: AtomicI64::new(0),
            timeout_ms: AtomicI64::new(0),
            touched: AtomicBool::new(false),
            told: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            has_greeted: AtomicBool::new(false),
            held_back: AtomicBool::new(false),
            state: Mutex::new(State {
                read_only: None,
                auth: vec![ip],
                pending: VecDeque::new(),
                pending_bytes: 0,
            }),
            closed: Notify::new(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        })
    }

    /// Unique in this process, for watches and for answers of syncs.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// 0 until established.
    pub(crate) fn session(&self) -> SessionId {
        self.session.load(Ordering::Acquire)
    }

    pub(crate) fn timeout_ms(&self) -> i32 {
        i32::try_from(self.timeout_ms.load(Ordering::Relaxed)).unwrap_or(i32::MAX)
    }

    /// Who the client is.
    pub(crate) fn auth_ids(&self) -> Vec<Id> {
        self.lock().auth.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.session.store(session, Ordering::Release);
        let read_only = self.lock().read_only.map(|_| false);
        let response = ConnectResponse::established(session, self.timeout_ms(), read_only);
        self.outbox.push(|out| frame(out, |out| response.encode(out)));
    }

    /// The session has expired, or the password is wrong.
    pub(crate) fn refuse_session(&self) {
        let response = ConnectResponse::expired(self.lock().read_only.map(|_| false));
        self.outbox.push(|out| frame(out, |out| response.encode(out)));
        self.outbox.close();
    }

    pub(super) fn touch(&self) {
        self.touched.store(true, Ordering::Relaxed);
    }

    /// Whether the client was heard of since the last time this was asked.
    pub(crate) fn take_touched(&self) -> bool {
        self.touched.swap(false, Ordering::Relaxed)
    }

    // ---- requests and answers

    /// Whether more may be read from the client.
    pub(super) fn wants_input(&self) -> bool {
        let mut state = self.lock();
        if state.pending.is_empty() {
            state.pending_bytes = 0;
        }
        // Nothing may come behind reads that are held back but what they can wait for.
        !self.held_back.load(Ordering::Relaxed)
            && state.pending.len() < PENDING_MAX
            && state.pending_bytes < PENDING_BYTES_MAX
            && self.outbox.queued() < OUTBOX_BYTES_HIGH
    }

    /// A request of so many bytes was read.
    pub(super) fn count_request(&self, bytes: usize) {
        self.lock().pending_bytes += bytes;
    }

    /// Requests in progress.
    pub(super) fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    pub(super) fn push_write(&self, xid: i32, op: OpCode) {
        self.lock().pending.push_back(Pending::Write { xid, op, since: Instant::now() });
    }

    pub(super) fn push_sync(&self, xid: i32, path: String) {
        self.lock().pending.push_back(Pending::Sync { xid, path, since: Instant::now() });
    }

    /// Answers a read, or lets it wait behind the writes that came before it.
    pub(super) fn read(&self, xid: i32, request: Request, tree: &Tree, shared: &Shared) {
        let mut state = self.lock();
        if state.pending.is_empty() {
            shared.stats.answered_at_once();
            self.reply(shared, |out| {
                reads::answer(xid, &request, self, &state.auth, tree, shared, out);
            });
        } else {
            state.pending.push_back(Pending::Read { xid, request, since: Instant::now() });
        }
    }

    /// Answers with an error, in its turn.
    pub(super) fn refuse(&self, xid: i32, error: ErrorCode, tree: &Tree, shared: &Shared) {
        let mut state = self.lock();
        if state.pending.is_empty() {
            self.reply(shared, |out| encode_reply_error(out, xid, tree.last_zxid(), error));
        } else {
            state.pending.push_back(Pending::Refused { xid, error });
        }
    }

    /// The client asked for something that does not exist: it is told, and disconnected. (ZooKeeper's header has no zxid
    /// then.)
    pub(super) fn unimplemented(&self, xid: i32) {
        self.outbox.push(|out| encode_reply_error(out, xid, -1, ErrorCode::Unimplemented));
        self.outbox.close();
    }

    /// The transaction of this session with this xid is applied. Answers it, if a request waits for it, and the reads
    /// behind it. How many writes were answered.
    pub(crate) fn applied(
        &self,
        cxid: i32,
        txn: &Txn,
        outcome: &Outcome,
        tree: &Tree,
        shared: &Shared,
    ) -> usize {
        let mut state = self.lock();
        match state.pending.front() {
            Some(&Pending::Write { xid, op, since }) if xid == cxid => {
                state.pending.pop_front();
                shared.stats.answered(since);
                let zxid = tree.last_zxid();
                self.reply(shared, |out| answers::write(xid, op, (txn, outcome), zxid, out));
                self.answer_reads(&mut state, tree, shared);
                1
            }
            Some(
                Pending::Write { .. }
                | Pending::Sync { .. }
                | Pending::Read { .. }
                | Pending::Refused { .. },
            )
            | None => 0,
        }
    }

    /// The leader has confirmed the oldest sync. How many syncs were answered.
    pub(crate) fn sync_done(&self, shared: &Shared) -> usize {
        let tree = shared.read_tree();
        let mut state = self.lock();
        let Some(Pending::Sync { .. }) = state.pending.front() else {
            return 0;
        };
        if let Some(Pending::Sync { xid, path, since }) = state.pending.pop_front() {
            shared.stats.answered(since);
            self.reply(shared, |out| answers::sync(xid, &path, tree.last_zxid(), out));
            self.answer_reads(&mut state, &tree, shared);
        }
        1
    }

    /// Answers the reads that have waited until the client took more of what it was sent.
    pub(super) fn go_on(&self, shared: &Shared) {
        if self.held_back.load(Ordering::Relaxed) && self.outbox.queued() < OUTBOX_BYTES_HIGH {
            let tree = shared.read_tree();
            self.answer_reads(&mut self.lock(), &tree, shared);
        }
    }

    /// Answers the reads in front, as long as the client takes the answers; the others are left to
    /// [`Self::go_on`]. Where a write waits behind them none is left: it may be applied at any time,
    /// and they must not see it.
    fn answer_reads(&self, state: &mut State, tree: &Tree, shared: &Shared) {
        let State { pending, auth, .. } = state;
        self.held_back.store(false, Ordering::Relaxed);
        while let Some(first) = pending.pop_front_if(|first| first.is_read()) {
            self.reply(shared, |out| match first {
                Pending::Read { xid, request, since } => {
                    shared.stats.answered(since);
                    reads::answer(xid, &request, self, auth, tree, shared, out);
                }
                Pending::Refused { xid, error } => {
                    encode_reply_error(out, xid, tree.last_zxid(), error);
                }
                Pending::Write { .. } | Pending::Sync { .. } => {}
            });
            if self.outbox.queued() >= OUTBOX_BYTES_HIGH && pending.iter().all(Pending::is_read) {
                self.held_back.store(true, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Forgets what is pending: how many writes and syncs that were.
    pub(crate) fn abandon_writes(&self) -> usize {
        let pending = std::mem::take(&mut self.lock().pending);
        pending
            .iter()
            .filter(|pending| match pending {
                Pending::Write { .. } | Pending::Sync { .. } => true,
                Pending::Read { .. } | Pending::Refused { .. } => false,
            })
            .count()
    }

    /// Appends one message to what the client is sent: an answer, or an event.
    pub(crate) fn reply(&self, shared: &Shared, fill: impl FnOnce(&mut Vec<u8>)) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        shared.stats.sent.fetch_add(1, Ordering::Relaxed);
        self.outbox.push(fill);
        shared.relieve();
    }

    // ---- waking and closing

    /// The engine has heard that the connection is gone.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::end`] was called: nothing may be kept for this connection any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// True if nobody else has to remember to call [`Self::flush`].
    pub(crate) fn mark_told(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn flush(&self) {
        self.told.store(false, Ordering::Relaxed);
        self.outbox.wake();
    }

    /// Ends the connection without another word.
    pub(crate) fn close(&self, reason: &str) {
        debug!("client {} is disconnected: {reason}", self.address);
        self.outbox.abort();
        self.closed.notify_one();
    }

    /// Ends the connection once the client was told what it was told.
    pub(crate) fn close_after_answer(&self) {
        self.outbox.close();
    }

    /// Waits until [`Self::close`] is called.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }
}
