//! What the node and all connections share.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use zab::{Epoch, ServerState, Sid, Zxid};
use znode::{SessionId, Tree, Watches};

use super::connection::Connection;
use super::counters::Stats;
use super::failures::{Failure, Failures};
use crate::io::Now;
use crate::metrics::Counts;
use crate::outbox::Held;
use crate::settings::{Build, Machine, Settings};

/// Locks are taken in this order: tree, connection, watches; none is held while waiting for
/// anything else.
pub struct Shared {
    /// The configuration.
    pub settings: Arc<Settings>,
    pub(crate) build: Build,
    pub(crate) machine: Box<dyn Machine>,
    tree: RwLock<Tree>,
    watches: Mutex<Watches>,
    connections: Mutex<BTreeMap<u64, Arc<Connection>>>,
    /// Connections that wait for a session to go on over them: the session, and its time-out in
    /// ms.
    waiting: Mutex<BTreeMap<u64, (SessionId, i32)>>,
    auth_failures: Mutex<Failures>,
    /// What nobody else knows: the nonces of SASL are made of it. Without it SASL is not offered.
    pub(super) secret: Option<[u8; 32]>,
    status: Mutex<Status>,
    next_connection: AtomicU64,
    /// What waits for clients that have not read it yet.
    held: Arc<Held>,
    pub(crate) stats: Stats,
    counts: Counts,
    /// The last snapshot that was taken: its zxid, and when, in ms since 1970.
    last_snapshot: Mutex<Option<(Zxid, i64)>>,
    /// Of a leader, as it was when it last pinged them.
    learners: Mutex<BTreeMap<Sid, Learner>>,
    /// Zxids with the digest of the tree at each, oldest first.
    digests: Mutex<VecDeque<(i64, u64)>>,
}

/// The digest of the tree is kept at each zxid that this divides. (ZooKeeper:
/// `DIGEST_LOG_INTERVAL`.)
const DIGEST_INTERVAL: i64 = 128;

/// And so many of them. (ZooKeeper: `DIGEST_LOG_LIMIT`.)
const DIGESTS_MAX: usize = 1024;

/// Bytes that may wait for all clients together, at least. (An answer must fit several times.)
const HELD_BYTES_MAX: usize = 256 << 20;

/// What becomes of a newcomer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It is entered.
    Admitted,
    /// There are too many, in all or from its address, and all of them have said which session they
    /// want.
    Full,
    /// There were too many: one that had not is being closed. To be tried again.
    RoomIsMade,
}

/// A learner, as its leader knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Learner {
    /// Whether it has a vote.
    pub is_voter: bool,
    /// When it last answered a PING over its connection, as [`Now::at`]; `None`: not yet, so that
    /// it may have to be brought up to date.
    pub heard: Option<Duration>,
}

/// What the server is, for handshakes and four-letter words.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Whether it leads, follows, or looks for a leader.
    pub role: ServerState,
    /// The epoch in which clients are served.
    pub serving: Option<Epoch>,
    /// Who leads, where there is an established leader.
    pub leader: Option<Sid>,
    /// Clients that allow it are served reads, without a leader.
    pub is_read_only: bool,
    /// When that began or ended, as [`Now::at`].
    pub since: Duration,
}

impl Shared {
    /// What a server begins with.
    pub fn new(
        settings: Arc<Settings>,
        build: Build,
        machine: impl Machine + 'static,
        tree: Tree,
    ) -> Self {
        let status = Status {
            role: ServerState::Looking,
            serving: None,
            leader: None,
            is_read_only: false,
            since: Duration::ZERO,
        };
        Self {
            build,
            tree: RwLock::new(tree),
            machine: Box::new(machine),
            watches: Mutex::new(Watches::new(settings.watch_limits)),
            settings,
            connections: Mutex::default(),
            waiting: Mutex::default(),
            auth_failures: Mutex::default(),
            secret: None,
            status: Mutex::new(status),
            next_connection: AtomicU64::new(1),
            held: Arc::default(),
            stats: Stats::default(),
            counts: Counts::default(),
            last_snapshot: Mutex::default(),
            learners: Mutex::default(),
            digests: Mutex::default(),
        }
    }

    /// The same, with random bytes that no other start of a server has had.
    #[must_use]
    pub fn with_secret(self, secret: [u8; 32]) -> Self {
        Self { secret: Some(secret), ..self }
    }

    /// The tree, to be read.
    pub fn read_tree(&self) -> RwLockReadGuard<'_, Tree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write_tree(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watches(&self) -> MutexGuard<'_, Watches> {
        lock(&self.watches)
    }

    /// What the server is now.
    pub fn status(&self) -> Status {
        *lock(&self.status)
    }

    pub(crate) fn set_role(&self, role: ServerState) {
        lock(&self.status).role = role;
    }

    pub(crate) fn set_serving(&self, leadership: Option<(Epoch, Sid)>, now: Now) {
        let mut status = lock(&self.status);
        status.serving = leadership.map(|(epoch, _)| epoch);
        status.leader = leadership.map(|(_, leader)| leader);
        status.since = now.at;
    }

    pub(crate) fn set_read_only(&self, is_read_only: bool) {
        lock(&self.status).is_read_only = is_read_only;
    }

    /// A transaction was applied, which has led to this digest of the tree.
    pub(crate) fn keep_digest(&self, zxid: i64, digest: u64) {
        if zxid % DIGEST_INTERVAL == 0 {
            let mut digests = lock(&self.digests);
            if digests.len() == DIGESTS_MAX {
                digests.pop_front();
            }
            digests.push_back((zxid, digest));
        }
    }

    /// The digests that were kept, oldest first.
    pub(crate) fn digests(&self) -> Vec<(i64, u64)> {
        lock(&self.digests).iter().copied().collect()
    }

    /// Which build this is.
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// What is counted where it happens.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The learners of this server, as it was when it last pinged them; none if it does not lead.
    pub fn learners(&self) -> BTreeMap<Sid, Learner> {
        lock(&self.learners).clone()
    }

    /// A snapshot of the server's own state was written, at this time in ms since 1970.
    pub fn snapshot_taken(&self, zxid: Zxid, wall_ms: i64) {
        *lock(&self.last_snapshot) = Some((zxid, wall_ms));
    }

    /// The last one since the server started.
    pub(crate) fn last_snapshot(&self) -> Option<(Zxid, i64)> {
        *lock(&self.last_snapshot)
    }

    pub(crate) fn set_learners(&self, learners: BTreeMap<Sid, Learner>) {
        *lock(&self.learners) = learners;
    }

    /// Everything that is counted begins at 0 again; what is in progress stays.
    pub fn reset_counts(&self) {
        self.stats.reset();
        self.counts.reset();
    }

    // ---- connections

    pub(super) fn next_connection_id(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// Enters the connection, if there are not too many already, in all or from its address.
    pub fn admit(&self, connection: &Arc<Connection>) -> Admission {
        let mut connections = lock(&self.connections);
        let address = connection.address().ip();
        let exceeds =
            |limit: Option<u32>, count: usize| limit.is_some_and(|limit| count >= limit as usize);
        let full = exceeds(self.settings.client_connections_max, connections.len());
        let per_address = self.settings.client_connections_per_address_max;
        if exceeds(per_address, of_address(&connections, address).count()) {
            return make_room(of_address(&connections, address));
        }
        if full {
            return make_room(connections.values());
        }
        connections.insert(connection.id(), Arc::clone(connection));
        Admission::Admitted
    }

    /// What waits for all clients, to be counted by their outboxes.
    pub(super) fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held)
    }

    /// Gives up the client that has most of what waits to be read, while too much waits for all of
    /// them.
    pub fn relieve(&self) {
        let max = HELD_BYTES_MAX.max(4 * self.settings.answer_bytes_max as usize);
        while self.held.bytes() > max {
            let connections = lock(&self.connections);
            let largest = connections.values().max_by_key(|other| other.outbox.queued()).cloned();
            drop(connections);
            let Some(largest) = largest.filter(|other| other.outbox.queued() > 0) else {
                return;
            };
            largest.close("it has most of what waits for clients, and that is too much");
        }
    }

    /// The connection is gone.
    pub fn remove(&self, connection: &Connection) {
        self.counts.connections_dropped.one();
        lock(&self.connections).remove(&connection.id());
        self.waits_no_more(connection);
        self.watches().remove_connection(connection.id());
    }

    /// The connection waits for this session to go on over it, until [`Self::waits_no_more`]. Its
    /// client is there, and can say so only once: meanwhile its session does not expire, however
    /// long this server and its leader take.
    pub(crate) fn waits_for(&self, connection: &Connection, session: SessionId, timeout_ms: i32) {
        lock(&self.waiting).insert(connection.id(), (session, timeout_ms));
    }

    pub(crate) fn waits_no_more(&self, connection: &Connection) {
        lock(&self.waiting).remove(&connection.id());
    }

    /// The sessions that a connection waits for, with their time-outs in ms.
    pub(crate) fn waited_for(&self) -> Vec<(SessionId, i32)> {
        lock(&self.waiting).values().copied().collect()
    }

    pub(crate) fn connection(&self, id: u64) -> Option<Arc<Connection>> {
        lock(&self.connections).get(&id).cloned()
    }

    /// A client could not be authenticated. What is to be logged of it, if anything is.
    pub(super) fn auth_failed(
        &self,
        address: IpAddr,
        scheme: &str,
        at: Duration,
    ) -> Option<Failure> {
        self.note_failure();
        lock(&self.auth_failures).one(address, scheme, at)
    }

    /// Somebody could not be authenticated.
    pub(crate) fn note_failure(&self) {
        self.stats.auth_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// All connections, oldest first.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.connections).values().cloned().collect()
    }

    pub(crate) fn connection_count(&self) -> usize {
        lock(&self.connections).len()
    }
}

fn of_address(
    connections: &BTreeMap<u64, Arc<Connection>>,
    address: IpAddr,
) -> impl Iterator<Item = &Arc<Connection>> {
    connections.values().filter(move |other| other.address().ip() == address)
}

/// Closes the oldest of these that has not said which session it wants.
fn make_room<'a>(connections: impl Iterator<Item = &'a Arc<Connection>>) -> Admission {
    let silent = connections.filter(|other| !other.has_greeted());
    match silent.min_by_key(|other| other.id()) {
        Some(oldest) => {
            oldest.close("it has not said which session it wants, and others come");
            Admission::RoomIsMade
        }
        None => Admission::Full,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
