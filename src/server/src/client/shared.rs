//! What the engine and all connections share.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use zab::{Epoch, ServerState};
use znode::{Tree, Watches};

use super::auth::Failures;
use super::connection::Connection;
use super::counters::Stats;
use crate::Build;
use crate::config::Config;

/// Locks are taken in this order: tree, connection, watches; none is held while waiting for anything else.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) build: Build,
    tree: RwLock<Tree>,
    watches: Mutex<Watches>,
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    auth_failures: Mutex<Failures>,
    status: Mutex<Status>,
    next_connection: AtomicU64,
    pub(crate) stats: Stats,
    pub(super) started: Instant,
    /// Zxids with the digest of the tree at each, oldest first.
    digests: Mutex<VecDeque<(i64, u64)>>,
}

/// The digest of the tree is kept at each zxid that this divides. (ZooKeeper: `DIGEST_LOG_INTERVAL`.)
const DIGEST_INTERVAL: i64 = 128;

/// And so many of them. (ZooKeeper: `DIGEST_LOG_LIMIT`.)
const DIGESTS_MAX: usize = 1024;

/// What the server is, for handshakes and four-letter words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) role: ServerState,
    /// The epoch in which clients are served.
    pub(crate) serving: Option<Epoch>,
    pub(crate) since: Instant,
}

impl Shared {
    pub(crate) fn new(config: Arc<Config>, build: Build, tree: Tree) -> Self {
        let status = Status { role: ServerState::Looking, serving: None, since: Instant::now() };
        Self {
            config,
            build,
            tree: RwLock::new(tree),
            watches: Mutex::default(),
            connections: Mutex::default(),
            auth_failures: Mutex::default(),
            status: Mutex::new(status),
            next_connection: AtomicU64::new(1),
            stats: Stats::default(),
            started: Instant::now(),
            digests: Mutex::default(),
        }
    }

    pub(crate) fn read_tree(&self) -> RwLockReadGuard<'_, Tree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write_tree(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watches(&self) -> MutexGuard<'_, Watches> {
        lock(&self.watches)
    }

    pub(crate) fn status(&self) -> Status {
        *lock(&self.status)
    }

    pub(crate) fn set_role(&self, role: ServerState) {
        lock(&self.status).role = role;
    }

    pub(crate) fn set_serving(&self, epoch: Option<Epoch>) {
        let mut status = lock(&self.status);
        status.serving = epoch;
        status.since = Instant::now();
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
    pub(super) fn digests(&self) -> Vec<(i64, u64)> {
        lock(&self.digests).iter().copied().collect()
    }

    // ---- connections

    pub(super) fn next_connection_id(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// False if there are too many already, in all or from this address.
    pub(super) fn admit(&self, connection: &Arc<Connection>) -> bool {
        let mut connections = lock(&self.connections);
        let address = connection.address().ip();
        let from_there = || of_address(&connections, address);
        let exceeds =
            |limit: Option<u32>, count: usize| limit.is_some_and(|limit| count >= limit as usize);
        if exceeds(self.config.client_connections_max, connections.len())
            || exceeds(self.config.client_connections_per_address_max, from_there())
        {
            return false;
        }
        connections.insert(connection.id(), Arc::clone(connection));
        true
    }

    pub(super) fn remove(&self, connection: &Connection) {
        lock(&self.connections).remove(&connection.id());
        self.watches().remove_connection(connection.id());
    }

    pub(crate) fn connection(&self, id: u64) -> Option<Arc<Connection>> {
        lock(&self.connections).get(&id).cloned()
    }

    /// A client could not be authenticated. The scheme as it is to be logged, unless that was logged before.
    pub(super) fn auth_failed(&self, address: IpAddr, scheme: &str) -> Option<String> {
        self.stats.auth_failed.fetch_add(1, Ordering::Relaxed);
        lock(&self.auth_failures).is_new(address, scheme)
    }

    /// All connections, oldest first.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        let mut all: Vec<_> = lock(&self.connections).values().cloned().collect();
        all.sort_unstable_by_key(|connection| connection.id());
        all
    }

    pub(super) fn connection_count(&self) -> usize {
        lock(&self.connections).len()
    }
}

fn of_address(connections: &HashMap<u64, Arc<Connection>>, address: IpAddr) -> usize {
    connections.values().filter(|other| other.address().ip() == address).count()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
