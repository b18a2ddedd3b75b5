//! Sessions: those whose client is connected here, and, on a leader, those of the whole ensemble.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use bytes::Bytes;
use order::Renewals;
use tracing::{info, warn};
use wire::Id;
use wire::limits::PING_SESSIONS_MAX;
use wire::quorum::{ForwardedRequest, TouchedSession, decode_touched, encode_touched};
use zab::{Epoch, Sid, Zxid};
use znode::{Owner, Prep, Reaper, SessionId, SessionIds, Sessions};

use super::Node;
use super::renewals::{Question, Renewal};
use crate::client::{Connection, SessionSets, Shared};
use crate::io::Effect;

/// What this server does for sessions, besides serving their connections.
pub(super) enum Service {
    /// No established leader.
    None,
    /// There is one, and not everything that it has committed is applied here.
    CatchingUp,
    /// No leader, and clients that allow it are served reads: these are their sessions.
    ReadOnly(Box<Sessions>),
    Leader(Box<Leading>),
    Learner(Learning),
}

/// An established leader prepares every write, and keeps every session.
pub(super) struct Leading {
    pub(super) epoch: Epoch,
    pub(super) prep: Prep,
    pub(super) sessions: Sessions,
    pub(super) renewals: Renewals<Zxid, Renewal>,
    pub(super) reaper: Reaper,
}

/// A learner forwards.
pub(super) struct Learning {
    pub(super) leader: Sid,
    /// The packets of requests that are to be forwarded with the next flush.
    requests: Vec<u8>,
    /// Connections whose sync was forwarded, in order: SYNC releases the oldest.
    pub(super) syncs: VecDeque<Arc<Connection>>,
    /// What the leader is asked about sessions: it answers in the order in which it is asked.
    pub(super) revalidating: VecDeque<Question>,
}

impl Service {
    pub(super) fn learner(leader: Sid) -> Self {
        Self::Learner(Learning {
            leader,
            requests: Vec::new(),
            syncs: VecDeque::new(),
            revalidating: VecDeque::new(),
        })
    }

    /// Whether it has yet to be seen what everybody may be told.
    pub(super) fn is_catching_up(&self) -> bool {
        match self {
            Self::CatchingUp => true,
            Self::None | Self::ReadOnly(_) | Self::Leader(_) | Self::Learner(_) => false,
        }
    }

    /// Whether it serves reads without a leader.
    pub(super) fn is_read_only(&self) -> bool {
        match self {
            Self::ReadOnly(_) => true,
            Self::None | Self::CatchingUp | Self::Leader(_) | Self::Learner(_) => false,
        }
    }

    /// When the next session expires, in ms of the node's clock.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        match self {
            Self::None | Self::CatchingUp | Self::Learner(_) => None,
            Self::ReadOnly(sessions) => sessions.next_expiry(),
            Self::Leader(leading) => leading.sessions.next_expiry(),
        }
    }

    /// When to look for containers and nodes with a time to live again, in ms of the node's
    /// clock.
    pub(super) fn next_reap(&self) -> Option<u64> {
        match self {
            Self::None | Self::CatchingUp | Self::ReadOnly(_) | Self::Learner(_) => None,
            Self::Leader(leading) => Some(leading.reaper.due_ms()),
        }
    }
}

impl Learning {
    /// Lets a request go with the next flush.
    pub(super) fn forward(&mut self, request: &ForwardedRequest, auth: &[Id]) {
        host::encode_request(request, auth.to_vec(), &mut self.requests);
    }

    /// The packets of the requests since the last time.
    pub(super) fn forwarded(&mut self) -> Option<Bytes> {
        (!self.requests.is_empty()).then(|| host::take(&mut self.requests))
    }
}

/// The owner of sessions that are connected to the leader itself. Learners' are their ids.
pub(super) const LOCAL: Owner = Owner(u64::MAX);

/// The owner that stands for a learner.
pub(super) fn owner(learner: Sid) -> Owner {
    Owner(u64::from(learner.0))
}

/// Found once for every transaction. The hash has no seed of its own, so that a run can be
/// repeated; nobody chooses ids of sessions.
type Connections = HashMap<SessionId, Arc<Connection>, BuildHasherDefault<DefaultHasher>>;

/// Sessions whose client is connected to this server.
pub(super) struct LocalSessions {
    connections: Connections,
    /// Connections whose session is being created.
    creating: BTreeMap<SessionId, Arc<Connection>>,
    /// Sessions that were heard of since the last time that was asked, and have no connection here
    /// that could be asked, with their time-outs in ms.
    heard: BTreeMap<SessionId, i32>,
    pub(super) ids: SessionIds,
    in_progress: usize,
    /// Connections that were told something since the last flush.
    told: Vec<Arc<Connection>>,
}

impl LocalSessions {
    pub(super) fn new(ids: SessionIds) -> Self {
        Self {
            connections: Connections::default(),
            creating: BTreeMap::new(),
            heard: BTreeMap::new(),
            ids,
            in_progress: 0,
            told: Vec::new(),
        }
    }

    /// Requests taken and not yet answered.
    pub(super) fn in_progress(&self) -> usize {
        self.in_progress
    }

    /// A request of this connection is taken.
    pub(super) fn begin(&mut self, connection: &Connection) {
        connection.begin();
        self.in_progress += 1;
    }

    /// Requests of this connection are answered.
    pub(super) fn done(&mut self, connection: &Connection, requests: usize) {
        self.in_progress -= connection.done(requests);
    }

    /// Nothing of this connection is answered any more.
    pub(super) fn forget(&mut self, connection: &Connection) {
        self.in_progress -= connection.abandon();
    }

    /// Its session is over: only what it is still owed is answered.
    fn session_closed(&mut self, connection: &Connection) {
        self.in_progress -= connection.session_closed();
    }

    pub(super) fn insert(&mut self, session: SessionId, connection: Arc<Connection>) {
        self.connections.insert(session, connection);
    }

    /// The session has no connection here any more. That it was heard of is not forgotten: it lives
    /// on for its time-out from then.
    pub(super) fn remove(&mut self, session: SessionId) -> Option<Arc<Connection>> {
        let connection = self.connections.remove(&session)?;
        if connection.take_touched() {
            self.heard.insert(session, connection.timeout_ms());
        }
        Some(connection)
    }

    /// The sessions heard of since the last time, with their time-outs in ms: those whose
    /// connections have ended first. At most so many; the others are left to the next time.
    fn take_heard(&mut self, max: usize) -> Vec<(SessionId, i32)> {
        let mut heard = Vec::new();
        while heard.len() < max
            && let Some(session) = self.heard.pop_first()
        {
            heard.push(session);
        }
        let connected = self.connections.iter().filter(|(_, connection)| connection.take_touched());
        let connected = connected.map(|(&session, connection)| (session, connection.timeout_ms()));
        heard.extend(connected.take(max - heard.len()));
        heard
    }

    /// Clients that wait for their session to begin, or to go on, are there, and can say so only
    /// once.
    pub(super) fn hear_who_waits(&mut self, shared: &Shared) {
        self.heard.extend(shared.waited_for());
        let created = self.creating.iter().filter(|(_, connection)| !connection.has_ended());
        self.heard.extend(created.map(|(&session, connection)| (session, connection.timeout_ms())));
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

    /// The sessions heard of since the last PING, as PING carries them.
    pub(super) fn touched(&mut self) -> Bytes {
        let touched = self.take_heard(PING_SESSIONS_MAX);
        let touched = touched
            .into_iter()
            .map(|(session_id, timeout_ms)| TouchedSession { session_id, timeout_ms });
        let mut body = Vec::new();
        encode_touched(touched, &mut body);
        body.into()
    }

    /// The connections that were told something since the last time.
    pub(super) fn told(&mut self) -> impl Iterator<Item = Arc<Connection>> {
        self.told.drain(..).inspect(|connection| connection.unmark_told())
    }
}

/// Sessions that are copied for the word `dump`: more than an answer has room for.
const SESSIONS_SHOWN_MAX: usize = 500_000;

impl Node {
    /// Every session of the tree is alive, with its full timeout: nobody knows when it was heard
    /// of.
    pub(super) fn begin_leading(&mut self, epoch: Epoch) {
        let tick = u64::try_from(self.settings.tick_time.as_millis()).unwrap_or(u64::MAX);
        let mut sessions = Sessions::new(tick);
        let now = self.now.ms();
        for (id, timeout_ms) in self.shared.read_tree().sessions() {
            sessions.track(id, timeout_ms, now);
        }
        info!("leading in epoch {epoch}: {} sessions", sessions.len());
        self.listening.begin();
        let prep = Prep::new();
        let reaper = Reaper::new(self.settings.reap, now);
        let renewals = Renewals::default();
        self.service =
            Service::Leader(Box::new(Leading { epoch, prep, sessions, renewals, reaper }));
    }

    /// A client without a session asks for one.
    pub(super) fn create_session(&mut self, connection: &Arc<Connection>, timeout_ms: i32) {
        if self.create_read_only(connection, timeout_ms) {
            return;
        }
        let session = {
            let LocalSessions { ids, connections, creating, .. } = &mut self.local;
            let tree = self.shared.read_tree();
            ids.next(|id| {
                tree.session_timeout_ms(id).is_some()
                    || connections.contains_key(&id)
                    || creating.contains_key(&id)
            })
        };
        self.local.creating.insert(session, Arc::clone(connection));
        let body = Bytes::copy_from_slice(&timeout_ms.to_be_bytes());
        self.write(session, 0, wire::client::OpCode::CreateSession.code(), body, &[]);
    }

    /// The createSession of one of our clients, or of another server's, is applied.
    pub(super) fn session_created(&mut self, session: SessionId) {
        if let Some(connection) = self.local.creating.remove(&session) {
            self.local.done(&connection, 1);
            self.renewed(connection, session, true);
        }
    }

    /// The createSession of one of our clients is refused: there is such a session, and it stays
    /// its own client's. This client asks again, and gets another id. False if no client waits for
    /// that session.
    pub(super) fn session_not_created(&mut self, session: SessionId) -> bool {
        let Some(connection) = self.local.creating.get(&session).cloned() else {
            return false;
        };
        connection.close("the leader knows the id of its new session already");
        self.connection_closed(&connection);
        true
    }

    /// The closeSession is applied.
    pub(super) fn session_closed(&mut self, session: SessionId) {
        if let Service::Leader(leading) = &mut self.service {
            leading.sessions.remove(session);
        }
        if let Some(connection) = self.local.remove(session) {
            self.local.session_closed(&connection);
            self.local.tell(&connection);
        }
    }

    /// A connection ended. Its session lives on until it expires.
    pub(super) fn connection_closed(&mut self, connection: &Arc<Connection>) {
        connection.end();
        let session = connection.session();
        if self.local.get(session).is_some_and(|current| current.id() == connection.id()) {
            self.local.remove(session);
        }
        self.local.creating.retain(|_, other| other.id() != connection.id());
        if let Service::Learner(learning) = &mut self.service {
            for question in &mut learning.revalidating {
                question.forget(connection);
            }
        }
        self.local.forget(connection);
        // Reads that waited behind a write may have set some since its task forgot them.
        self.shared.watches().remove_connection(connection.id());
    }

    /// This server serves nobody any more.
    pub(super) fn close_clients(&mut self) {
        self.local.creating.clear();
        self.local.connections.clear();
        self.local.heard.clear();
        for connection in self.shared.connections() {
            connection.close("this server has no leader any more");
            self.local.forget(&connection);
        }
    }

    // ---- liveness of sessions

    /// Who keeps sessions notes who was heard of; a learner gathers it for its next PING.
    pub(super) fn collect_touches(&mut self) {
        let now = self.now.ms();
        let sessions = match &mut self.service {
            Service::None | Service::CatchingUp | Service::Learner(_) => return,
            Service::ReadOnly(sessions) => &mut **sessions,
            Service::Leader(leading) => &mut leading.sessions,
        };
        self.local.hear_who_waits(&self.shared);
        for (session, _) in self.local.take_heard(usize::MAX) {
            sessions.touch(session, now);
        }
    }

    pub(super) fn touch_reported(&mut self, peer: Sid, sessions: &[u8]) {
        let now = self.now.ms();
        let Service::Leader(leading) = &mut self.service else {
            return;
        };
        self.listening.reported(peer);
        self.seen.answered(self.host.link_to(peer), self.now.at);
        match decode_touched(sessions) {
            Ok(touched) => {
                for TouchedSession { session_id, .. } in touched {
                    leading.sessions.touch(session_id, now);
                }
            }
            Err(error) => warn!("PING of {peer}: {error}"),
        }
        self.show_learners();
    }

    /// This server did not run for `absent`, which is longer than a tick: an established leader
    /// runs twice a tick, to send PINGs. It was paused, and so could not hear of sessions that are
    /// alive. Their time-outs begin afresh.
    pub(super) fn excuse_silence(&mut self, absent: std::time::Duration) {
        self.collect_touches();
        let now = self.now.ms();
        if let Service::Leader(leading) = &mut self.service {
            warn!("this leader did not run for {absent:?}: the time-outs of sessions begin afresh");
            let host = &self.host;
            let (round, begins) = self.listening.absent(|peer| host.link_to(peer).is_some());
            leading.sessions.excuse_all(now, round);
            if begins {
                self.out.push(Effect::Listen(round));
            }
        } else if let Service::ReadOnly(sessions) = &mut self.service {
            // One round: whoever could not be heard of has its whole time-out again.
            sessions.excuse_all(now, 0);
        }
    }

    /// Sessions that were not heard of in time are closed, by a transaction like any other.
    pub(super) fn expire_sessions(&mut self) {
        let now = self.now.ms();
        if self.service.next_expiry().is_none_or(|at| at > now) {
            return;
        }
        self.collect_touches();
        let Service::Leader(leading) = &mut self.service else {
            return self.expire_read_only();
        };
        for session in leading.sessions.expired(now) {
            info!("session 0x{session:x} expires");
            self.shared.counts().sessions_expired.one();
            self.close_session(session);
        }
    }

    /// Answers the four-letter word `dump`.
    pub(super) fn tell_session_sets(&self, answer: Box<dyn FnOnce(SessionSets) + Send>) {
        if let Service::Leader(leading) = &self.service {
            let now = self.now.ms();
            let sessions = &leading.sessions;
            let mut room = SESSIONS_SHOWN_MAX;
            let sets = sessions.buckets().map(|(at, ids)| {
                let ids: Vec<_> = ids.iter().copied().take(room).collect();
                room -= ids.len();
                (at.saturating_sub(now), ids)
            });
            let sets = sets.take_while(|(_, ids)| !ids.is_empty()).collect();
            let sets = SessionSets { sets, sessions: sessions.len() };
            answer(sets);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::io::Now;
    use crate::settings::{Build, NoMachine, Settings};
    use wire::quorum::decode_touched;
    use znode::{Options, Tree};

    fn reported(local: &mut LocalSessions) -> Vec<SessionId> {
        let touched = decode_touched(&local.touched()).expect("its own");
        touched.into_iter().map(|TouchedSession { session_id, .. }| session_id).collect()
    }

    #[test]
    fn a_sign_of_life_is_reported_although_its_connection_has_ended() {
        let mut local = LocalSessions::new(SessionIds::new(1, 1));
        for session in [7, 8, 9] {
            local.insert(session, connected(session));
        }
        assert!(reported(&mut local).is_empty());
        for session in [7, 8] {
            local.get(session).expect("connected").touch(Duration::ZERO);
        }
        local.remove(8);
        local.remove(9);
        assert_eq!(reported(&mut local), [8, 7]);
        assert!(reported(&mut local).is_empty(), "each is reported once");
    }

    #[test]
    fn nobody_is_silent_to_whom_nobody_listens() {
        let mut local = LocalSessions::new(SessionIds::new(1, 1));
        let connection = connected(7);
        local.insert(7, Arc::clone(&connection));
        connection.listens(false);
        assert_eq!(reported(&mut local), [7], "it has to take its answers first");
        assert_eq!(reported(&mut local), [7]);
        connection.listens(true);
        assert!(reported(&mut local).is_empty());
    }

    /// The connection of a session.
    fn connected(session: SessionId) -> Arc<Connection> {
        let settings = Arc::new(Settings::alone(Sid(1)));
        let tree = Tree::new(Options::default());
        let shared = Shared::new(settings, Build::default(), NoMachine, tree);
        let address = ([127, 0, 0, 1], 1).into();
        let connection = Connection::new(address, &shared, Now::default(), (), ());
        connection.establish(session);
        connection
    }
}
