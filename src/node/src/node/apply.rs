//! What is committed becomes part of the tree, and answers those who wait for it.

use std::sync::Arc;

use bytes::Bytes;
use tracing::error;
use wire::client::{EventType, WatcherEvent, encode_event};
use wire::jute::{Reader, Record};
use wire::txn::TxnBlob;
use wire::{ErrorCode, perms};
use zab::{Epoch, Zxid};
use znode::{Notification, Outcome, SessionId, Snapshot, Tree};

use super::Node;
use super::sessions::Service;
use crate::client::{Connection, Shared};
use crate::metrics::Counts;

/// What happens once everything is applied that was committed before it.
pub(super) enum Due {
    /// From here on clients are served.
    Established(Epoch),
    /// The leader has confirmed the oldest sync of this connection.
    Synced(Arc<Connection>),
    /// The leader has said whether the session is alive that this connection comes with. What was
    /// committed before belongs to earlier connections.
    Renewed { connection: Arc<Connection>, session: SessionId, alive: bool },
}

impl Node {
    /// It happens with the flush in which everything is applied that is committed now.
    pub(super) fn once_applied(&mut self, due: Due) {
        let after = self.committed.back().map_or(Zxid::ZERO, |txn| txn.zxid);
        self.due.push(after, due);
    }

    /// Applies everything that the core has delivered.
    pub(super) fn apply_all(&mut self) {
        self.apply_until(|_| false);
    }

    /// Applies as much of it as there is time for in this turn.
    pub(super) fn apply_some(&mut self) {
        self.apply_until(|node| node.turn.is_over());
    }

    fn apply_until(&mut self, is_over: impl Fn(&Self) -> bool) {
        if (self.committed.is_empty() && self.due.is_empty()) || !self.record() {
            return;
        }
        let mut goes_on = true;
        while goes_on && !self.committed.is_empty() {
            goes_on = self.apply_up_to_due(&is_over);
            self.do_due();
        }
        self.do_due();
    }

    /// Applies transactions up to the one behind which something is due. False: there is no time
    /// for more, or this server must stop.
    fn apply_up_to_due(&mut self, is_over: &impl Fn(&Self) -> bool) -> bool {
        let up_to = self.due.first().copied();
        let shared = Arc::clone(&self.shared);
        let mut tree = shared.write_tree();
        let (mut applied, mut last, mut goes_on) = (0, Zxid::ZERO, true);
        while goes_on
            && let Some(txn) =
                self.committed.pop_front_if(|txn| up_to.is_none_or(|up_to| txn.zxid <= up_to))
        {
            if !self.apply(txn.zxid, &txn.payload, &mut tree, &shared) {
                // Nothing behind it is applied, answered, or kept in a snapshot.
                self.committed.clear();
                self.due.clear();
                return false;
            }
            (applied, last) = (applied + 1, txn.zxid);
            goes_on = !is_over(self);
        }
        if let Service::Leader(leading) = &mut self.service {
            leading.prep.committed(last.0.cast_signed());
        }
        self.snapshots.applied(applied, &tree, &mut self.jobs);
        goes_on
    }

    /// Does what waits for nothing that is not applied.
    fn do_due(&mut self) {
        while let Some(due) = {
            let next = self.committed.front().map(|txn| &txn.zxid);
            self.due.next(next)
        } {
            match due {
                Due::Established(epoch) => self.serve_from(epoch),
                Due::Synced(connection) => self.answer_sync(&connection),
                Due::Renewed { connection, session, alive } => {
                    self.renewed(connection, session, alive);
                }
            }
        }
    }

    /// False if this server must stop: the tree is not what a quorum has agreed on.
    fn apply(&mut self, zxid: Zxid, payload: &Bytes, tree: &mut Tree, shared: &Shared) -> bool {
        let blob = match TxnBlob::decode(&mut Reader::with_limit(payload, payload.len())) {
            Ok(blob) => blob,
            Err(error) => {
                // A quorum has it on disk. Going on without it would be another history.
                error!("transaction {zxid} cannot be read, so this server stops: {error}");
                let way_out = crate::digests::BEGIN_ANEW;
                let text = format!("transaction {zxid} cannot be read: {error}. {way_out}");
                self.end.get_or_insert(super::End::Halt(text));
                return false;
            }
        };
        let applied = tree.apply(&blob.header, &blob.txn);
        if let Some(digest) = blob.digest.as_ref().filter(|_| self.settings.digest_enabled)
            && let Err(mismatch) = tree.check_digest(blob.header.zxid, digest)
        {
            // Whatever is read from it may be wrong. ZooKeeper goes on.
            shared.counts().digest_mismatches.one();
            let text = crate::digests::stops(&mismatch);
            error!("{text}");
            self.end.get_or_insert(super::End::Halt(text));
            return false;
        }
        shared.keep_digest(blob.header.zxid, tree.digest());
        let since = self.now.wall_ms.saturating_sub(blob.header.time);
        shared.counts().propagation_latency.add(u64::try_from(since).unwrap_or(0));
        self.audit_applied(&blob, &applied.outcome);
        order::events_first(
            self,
            |node| {
                for change in &applied.changes {
                    node.trigger(change, blob.header.zxid, shared);
                }
            },
            |node| node.answer(&blob, &applied.outcome, tree, shared),
        );
        true
    }

    /// Tells those who watch.
    fn trigger(&mut self, change: &znode::Change, zxid: i64, shared: &Shared) {
        let notifications = {
            let mut watches = shared.watches();
            if watches.is_empty() {
                return;
            }
            watches.trigger(change)
        };
        count_fired(&notifications, shared.counts());
        let skip_acl = shared.settings.tree.skip_acl;
        for notification in notifications {
            let Some(connection) = shared.connection(notification.connection) else {
                continue;
            };
            if skip_acl || notification.acl.permits(perms::READ, &connection.auth_ids()) {
                let event = WatcherEvent::new(notification.event.kind, &*notification.event.path);
                connection.reply(shared, |out| {
                    let before = out.len();
                    encode_event(out, zxid, &event);
                    shared.counts().watch_bytes.add((out.len() - before) as u64);
                });
                self.local.tell(&connection);
            }
        }
    }

    fn answer(&mut self, blob: &TxnBlob, outcome: &Outcome, tree: &Tree, shared: &Shared) {
        let (session, cxid) = (blob.header.client_id, blob.header.cxid);
        if let Outcome::SessionCreated { .. } = outcome {
            return self.session_created(session);
        }
        // createSession has cxid 0, which no client gives to a write.
        if let (Outcome::Failed(_), 0) = (outcome, cxid)
            && self.session_not_created(session)
        {
            return;
        }
        if let Outcome::Failed(ErrorCode::SessionMoved) = outcome {
            // Apache ZooKeeper's leader says so to all servers; it concerns the one whose client
            // asked.
            if let Some(connection) = self.local.get(session).cloned()
                && connection.awaits(cxid)
            {
                connection.close("its session has moved to another server");
                self.connection_closed(&connection);
            }
            return;
        }
        if let Some(connection) = self.local.get(session).cloned() {
            let answered = connection.applied(cxid, &blob.txn, outcome, tree, shared, self.now.at);
            self.local.done(&connection, answered);
            self.local.tell(&connection);
        }
        if let Outcome::SessionClosed = outcome {
            self.session_closed(session);
        }
    }

    /// A snapshot from the leader replaces the tree.
    pub(super) fn install(&mut self, mut tree: Tree) {
        self.committed.clear();
        self.due.clear();
        self.settings.show_members_in(&mut tree);
        *self.shared.write_tree() = tree;
    }

    pub(super) fn tree_snapshot(&self) -> Snapshot {
        self.shared.read_tree().snapshot()
    }
}

/// Watches that fire for one change, by what they are told.
fn count_fired(notifications: &[Notification], counts: &Counts) {
    for (kind, fired) in [
        (EventType::NodeCreated, &counts.node_created_watches),
        (EventType::NodeDeleted, &counts.node_deleted_watches),
        (EventType::NodeDataChanged, &counts.node_changed_watches),
        (EventType::NodeChildrenChanged, &counts.node_children_watches),
    ] {
        let count = notifications.iter().filter(|other| other.event.kind == kind).count();
        if count > 0 {
            fired.add(count as u64);
        }
    }
}
