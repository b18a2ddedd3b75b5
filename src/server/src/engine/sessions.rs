//! Sessions: those whose client is connected here, and, on a leader, those of the whole ensemble.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tracing::{info, warn};
use wire::Id;
use wire::jute::{Reader, Record};
use wire::limits::PING_SESSIONS_MAX;
use wire::quorum::{
    ForwardedRequest, Revalidate, RevalidateReply, TouchedSession, decode_touched, encode_touched,
};
use zab::{Epoch, Input, SessionMessage, Sid};
use znode::{Owner, Prep, SessionId, SessionIds, Sessions};

use super::Engine;
use crate::client::Connection;
use crate::packets;

/// What this server does for sessions, besides serving their connections.
pub(super) enum Service {
    /// No established leader.
    None,
    Leader(Box<Leading>),
    Learner(Learning),
}

/// An established leader prepares every write, and keeps every session.
pub(super) struct Leading {
    pub(super) epoch: Epoch,
    pub(super) prep: Prep,
    pub(super) sessions: Sessions,
}

/// A learner forwards.
pub(super) struct Learning {
    pub(super) leader: Sid,
    /// The packets of requests that are to be forwarded with the next flush.
    requests: Vec<u8>,
    /// Connections whose sync was forwarded, in order: SYNC releases the oldest.
    pub(super) syncs: VecDeque<Arc<Connection>>,
    /// Connections whose session the leader is asked about.
    revalidating: HashMap<SessionId, Arc<Connection>>,
}

impl Service {
    pub(super) fn learner(leader: Sid) -> Self {
        Self::Learner(Learning {
            leader,
            requests: Vec::new(),
            syncs: VecDeque::new(),
            revalidating: HashMap::new(),
        })
    }

    /// When the next session expires, in ms of the engine's clock.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        match self {
            Self::None | Self::Learner(_) => None,
            Self::Leader(leading) => leading.sessions.next_expiry(),
        }
    }
}

impl Learning {
    /// Lets a request go with the next flush.
    pub(super) fn forward(&mut self, request: &ForwardedRequest, auth: Vec<Id>) {
        packets::encode_request(request, auth, &mut self.requests);
    }

    /// The packets of the requests since the last time.
    pub(super) fn forwarded(&mut self) -> Option<Bytes> {
        (!self.requests.is_empty()).then(|| packets::take(&mut self.requests))
    }
}

/// The owner of sessions that are connected to the leader itself. Learners' are their ids.
pub(super) const LOCAL: Owner = Owner(u64::MAX);

/// The owner that stands for a learner.
pub(super) fn owner(learner: Sid) -> Owner {
    Owner(u64::from(learner.0))
}

/// Sessions whose client is connected to this server.
pub(super) struct LocalSessions {
    connections: HashMap<SessionId, Arc<Connection>>,
    /// Connections whose session is being created.
    creating: HashMap<SessionId, Arc<Connection>>,
    ids: SessionIds,
    in_progress: usize,
    /// Connections that were told something since the last flush.
    told: Vec<Arc<Connection>>,
}

impl LocalSessions {
    pub(super) fn new(me: Sid) -> Self {
        Self {
            connections: HashMap::new(),
            creating: HashMap::new(),
            ids: SessionIds::new(monotonic_ms(), me.0),
            in_progress: 0,
            told: Vec::new(),
        }
    }

    /// Requests taken and not yet answered.
    pub(super) fn in_progress(&self) -> usize {
        self.in_progress
    }

    pub(super) fn begin(&mut self) {
        self.in_progress += 1;
    }

    pub(super) fn done(&mut self, requests: usize) {
        self.in_progress = self.in_progress.saturating_sub(requests);
    }

    pub(super) fn get(&self, session: SessionId) -> Option<&Arc<Connection>> {
        self.connections.get(&session)
    }

    /// The connection is told something: it is woken at the next flush.
    pub(super) fn tell(&mut self, connection: &Arc<Connection>) {
        if connection.mark_told() {
            self.told.push(Arc::clone(connection));
        }
    }

    pub(super) fn flush(&mut self) {
        for connection in self.told.drain(..) {
            connection.flush();
        }
    }
}

/// Milliseconds of the system's monotonic clock, which goes on over restarts of this process: ids of sessions begin with
/// it, so that two starts do not give the same ones. (ZooKeeper: `Time.currentElapsedTime`.)
fn monotonic_ms() -> u64 {
    // Since the epoch of the wall clock: std has no absolute monotonic clock, and ids only have to differ.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(0))
}

impl Engine {
    /// Every session of the tree is alive, with its full timeout: nobody knows when it was heard of.
    pub(super) fn begin_leading(&mut self, epoch: Epoch) {
        let tick = u64::try_from(self.config.tick_time.as_millis()).unwrap_or(u64::MAX);
        let mut sessions = Sessions::new(tick);
        let now = self.now_ms();
        for (id, timeout_ms) in self.shared.read_tree().sessions() {
            sessions.track(id, timeout_ms, now);
        }
        info!("leading in epoch {epoch}: {} sessions", sessions.len());
        let prep = Prep::new();
        self.service = Service::Leader(Box::new(Leading { epoch, prep, sessions }));
    }

    /// A client without a session asks for one.
    pub(super) fn create_session(&mut self, connection: &Arc<Connection>, timeout_ms: i32) {
        let Some(session) = self.local.ids.next() else {
            return;
        };
        self.local.creating.insert(session, Arc::clone(connection));
        let body = Bytes::copy_from_slice(&timeout_ms.to_be_bytes());
        self.write(session, 0, wire::client::OpCode::CreateSession.code(), body, Vec::new());
    }

    /// A client comes with a session: the leader knows whether it is alive.
    pub(super) fn renew_session(
        &mut self,
        connection: &Arc<Connection>,
        session: SessionId,
        timeout_ms: i32,
    ) {
        if let Some(old) = self.local.connections.remove(&session) {
            old.close("its session came back over another connection");
            self.forget(&old);
        }
        let now = self.now_ms();
        match &mut self.service {
            Service::None => connection.close("no leader"),
            Service::Leader(leading) => {
                let alive = leading.sessions.touch_with_timeout(session, timeout_ms, now)
                    && leading.sessions.set_owner(session, LOCAL).is_ok();
                self.renewed(connection.clone(), session, alive);
            }
            Service::Learner(learning) => {
                let before = learning.revalidating.insert(session, Arc::clone(connection));
                if let Some(before) = before {
                    before.close("its session is asked for over another connection");
                }
                let peer = learning.leader;
                let mut body = Vec::new();
                Revalidate { session_id: session, timeout_ms }.encode(&mut body);
                let message = SessionMessage::Revalidate(body.into());
                self.step(Input::Session { peer, message });
            }
        }
    }

    fn renewed(&mut self, connection: Arc<Connection>, session: SessionId, alive: bool) {
        if connection.has_ended() {
            // Its session waits for the client to come again.
        } else if alive {
            connection.establish(session);
            self.local.tell(&connection);
            self.local.connections.insert(session, connection);
        } else {
            connection.refuse_session();
            self.local.tell(&connection);
        }
    }

    /// The createSession of one of our clients, or of another server's, is applied.
    pub(super) fn session_created(&mut self, session: SessionId) {
        if let Some(connection) = self.local.creating.remove(&session) {
            self.local.done(1);
            self.renewed(connection, session, true);
        }
    }

    /// The closeSession is applied.
    pub(super) fn session_closed(&mut self, session: SessionId) {
        if let Service::Leader(leading) = &mut self.service {
            leading.sessions.remove(session);
        }
        if let Some(connection) = self.local.connections.remove(&session) {
            connection.close_after_answer();
            self.local.tell(&connection);
            self.forget(&connection);
        }
    }

    /// A connection ended. Its session lives on until it expires.
    pub(super) fn connection_closed(&mut self, connection: &Arc<Connection>) {
        connection.end();
        let session = connection.session();
        if self.local.get(session).is_some_and(|current| current.id() == connection.id()) {
            self.local.connections.remove(&session);
        }
        let creating = self.local.creating.len();
        self.local.creating.retain(|_, other| other.id() != connection.id());
        self.local.done(creating - self.local.creating.len());
        if let Service::Learner(learning) = &mut self.service {
            learning.revalidating.retain(|_, other| other.id() != connection.id());
        }
        self.forget(connection);
    }

    /// Requests of a connection that is gone count no longer.
    pub(super) fn forget(&mut self, connection: &Arc<Connection>) {
        self.local.done(connection.abandon_writes());
    }

    /// This server serves nobody any more.
    pub(super) fn close_clients(&mut self) {
        let created = self.local.creating.drain();
        let all: Vec<_> = self.local.connections.drain().chain(created).collect();
        for (_, connection) in all {
            connection.close("this server has no leader any more");
            self.forget(&connection);
        }
        self.local.in_progress = 0;
        self.shared.close_all();
    }

    // ---- liveness of sessions

    /// A leader notes who was heard of; a learner gathers it for its next PING.
    pub(super) fn collect_touches(&mut self) {
        let now = self.now_ms();
        if let Service::Leader(leading) = &mut self.service {
            for (&session, connection) in &self.local.connections {
                if connection.take_touched() {
                    leading.sessions.touch(session, now);
                }
            }
        }
    }

    /// The sessions heard of since the last PING, as PING carries them.
    pub(super) fn touched_sessions(&mut self) -> Bytes {
        let touched =
            self.local.connections.iter().filter(|(_, connection)| connection.take_touched());
        let touched = touched.take(PING_SESSIONS_MAX);
        let touched = touched.map(|(&session_id, connection)| TouchedSession {
            session_id,
            timeout_ms: connection.timeout_ms(),
        });
        let mut body = Vec::new();
        encode_touched(touched, &mut body);
        body.into()
    }

    pub(super) fn touch_reported(&mut self, peer: Sid, sessions: &[u8]) {
        let now = self.now_ms();
        let Service::Leader(leading) = &mut self.service else {
            return;
        };
        match decode_touched(sessions) {
            Ok(touched) => {
                for TouchedSession { session_id, .. } in touched {
                    leading.sessions.touch(session_id, now);
                }
            }
            Err(error) => warn!("PING of {peer}: {error}"),
        }
    }

    /// Sessions that were not heard of in time are closed, by a transaction like any other.
    pub(super) fn expire_sessions(&mut self) {
        let now = self.now_ms();
        if self.service.next_expiry().is_none_or(|at| at > now) {
            return;
        }
        self.collect_touches();
        let Service::Leader(leading) = &mut self.service else {
            return;
        };
        for session in leading.sessions.expired(now) {
            info!("session 0x{session:x} expires");
            self.close_session(session);
        }
    }

    // ---- REVALIDATE

    pub(super) fn revalidate(&mut self, peer: Sid, body: &Bytes) {
        match self.service {
            Service::None => {}
            Service::Leader(_) => self.answer_revalidate(peer, body),
            Service::Learner(_) => self.revalidated(body),
        }
    }

    fn answer_revalidate(&mut self, peer: Sid, body: &Bytes) {
        let now = self.now_ms();
        let asked = match Revalidate::decode(&mut Reader::new(body)) {
            Ok(asked) => asked,
            Err(error) => return warn!("REVALIDATE of {peer}: {error}"),
        };
        let Service::Leader(leading) = &mut self.service else {
            return;
        };
        let Revalidate { session_id, timeout_ms } = asked;
        let valid = leading.sessions.touch_with_timeout(session_id, timeout_ms, now)
            && leading.sessions.set_owner(session_id, owner(peer)).is_ok();
        let mut body = Vec::new();
        RevalidateReply { session_id, valid }.encode(&mut body);
        let message = SessionMessage::Revalidate(body.into());
        self.step(Input::Session { peer, message });
    }

    fn revalidated(&mut self, body: &Bytes) {
        let reply = match RevalidateReply::decode(&mut Reader::new(body)) {
            Ok(reply) => reply,
            Err(error) => return warn!("REVALIDATE of the leader: {error}"),
        };
        let Service::Learner(learning) = &mut self.service else {
            return;
        };
        if let Some(connection) = learning.revalidating.remove(&reply.session_id) {
            self.renewed(connection, reply.session_id, reply.valid);
        }
    }
}
