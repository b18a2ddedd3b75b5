//! A server without a leader that serves reads, to clients that allow it.
//! (`readonlymode.enabled`; ZooKeeper: `ReadOnlyZooKeeperServer`.)
//!
//! Its sessions are nobody else's: no transaction makes them, and they end with this mode. What is
//! read is the tree as far as this server has applied what was committed.

use std::sync::Arc;
use std::time::Duration;

use tracing::info;
use wire::client::OpCode;
use wire::txn::Txn;
use znode::{Outcome, SessionId, Sessions};

use super::Node;
use super::sessions::{LocalSessions, Service};
use crate::client::Connection;

/// A server that looks for a leader for longer than this, and than a tick, begins to serve reads.
const PATIENCE_MIN: Duration = Duration::from_secs(2);

impl Node {
    /// The server begins to look for a leader, or stops.
    pub(super) fn looks_for_leader(&mut self, looks: bool) {
        // What is left where the history is lost is older than anything that clients have seen.
        let may_read = self.settings.reads_without_leader
            && !self.settings.standalone
            && !self.host.core().zab().history_lost();
        self.looking_since = (looks && may_read).then_some(self.now.at);
        if let Service::ReadOnly(_) = &self.service {
            info!("read-only clients are not served any more: there may be a leader");
            self.service = Service::None;
            self.shared.set_read_only(false);
            self.close_clients();
        }
    }

    /// When reads are served without a leader; `None`: they are, or never will be as things are.
    pub(super) fn read_only_from(&self) -> Option<Duration> {
        Some(self.looking_since? + self.settings.tick_time.max(PATIENCE_MIN))
    }

    /// Serves reads, once this server has looked for a leader long enough.
    pub(super) fn begin_read_only(&mut self) {
        if self.read_only_from().is_none_or(|at| at > self.now.at) {
            return;
        }
        self.looking_since = None;
        let tick = u64::try_from(self.settings.tick_time.as_millis()).unwrap_or(u64::MAX);
        self.service = Service::ReadOnly(Box::new(Sessions::new(tick)));
        self.shared.set_read_only(true);
        info!("there is no leader: clients that allow it are served reads only");
    }

    /// A client asks for a session. False if this server is not read-only.
    pub(super) fn create_read_only(
        &mut self,
        connection: &Arc<Connection>,
        timeout_ms: i32,
    ) -> bool {
        let Service::ReadOnly(sessions) = &mut self.service else { return false };
        let LocalSessions { ids, .. } = &mut self.local;
        let tree = self.shared.read_tree();
        let is_taken = |id| tree.session_timeout_ms(id).is_some() || sessions.contains(id);
        let session = ids.next(is_taken);
        drop(tree);
        sessions.track(session, timeout_ms, self.now.ms());
        self.local.done(connection, 1);
        self.establish_read_only(connection, session);
        true
    }

    /// A client comes back with a session; it may be one of the ensemble, which only a leader can
    /// renew. False if this server is not read-only.
    pub(super) fn renew_read_only(
        &mut self,
        connection: &Arc<Connection>,
        session: SessionId,
        timeout_ms: i32,
    ) -> bool {
        let now = self.now.ms();
        let Service::ReadOnly(sessions) = &mut self.service else { return false };
        self.shared.waits_no_more(connection);
        if sessions.touch_with_timeout(session, timeout_ms, now) {
            self.establish_read_only(connection, session);
        } else {
            connection.close("its session is none of this read-only server");
        }
        true
    }

    fn establish_read_only(&mut self, connection: &Arc<Connection>, session: SessionId) {
        self.local.insert(session, Arc::clone(connection));
        connection.establish_read_only(session);
        self.local.tell(connection);
    }

    /// A client ends its session: the only write that is done.
    pub(super) fn close_read_only(&mut self, session: SessionId, cxid: i32, op: i32) {
        let Service::ReadOnly(sessions) = &mut self.service else { return };
        if op != OpCode::CloseSession.code() {
            return;
        }
        sessions.remove(session);
        if let Some(connection) = self.local.get(session).cloned() {
            let (txn, closed) = (Txn::CloseSession(None), Outcome::SessionClosed);
            let tree = self.shared.read_tree();
            let at = self.now.at;
            let answered = connection.applied(cxid, &txn, &closed, &tree, &self.shared, at);
            drop(tree);
            self.local.done(&connection, answered);
        }
        self.session_closed(session);
    }

    /// Sessions that were not heard of in time end with their connections.
    pub(super) fn expire_read_only(&mut self) {
        let now = self.now.ms();
        let Service::ReadOnly(sessions) = &mut self.service else { return };
        for session in sessions.expired(now) {
            info!("read-only session 0x{session:x} expires");
            sessions.remove(session);
            if let Some(connection) = self.local.remove(session) {
                connection.close("its session has expired");
            }
        }
    }
}

#[cfg(test)]
mod tests;
