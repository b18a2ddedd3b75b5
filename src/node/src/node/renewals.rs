//! Renewing sessions: a client comes back with the session that it has, perhaps to another server.
//!
//! The leader decides. From then on only the server that asked acts for the session: the server
//! that had it before is told, and what that one still forwards makes no transaction, so that
//! nobody else has to judge whose request a transaction was.
//!
//! A renewal is confirmed once everything that was proposed before it is committed
//! ([`order::Renewals`]). A server finds the request that a transaction answers by session and xid,
//! and the xids of two connections may be the same: so no transaction of an earlier connection may
//! be on its way when the new one begins. Three rules see to that. What an earlier connection asked
//! for is forwarded before the renewal is asked for, or never. The leader answers in the order in
//! which it is asked, refusals included, so that each connection begins with the answer to its own
//! question. And of a session's connections to one server the newest counts: the others are closed
//! when it comes.

use std::sync::Arc;

use bytes::Bytes;
use host::{Event, Link};
use order::Renewals;
use tracing::{debug, warn};
use wire::jute::{Reader, Record};
use wire::quorum::{Revalidate, Revalidated};
use zab::{SessionMessage, Sid, Zxid};
use znode::{Owner, SessionError, SessionId};

use super::Node;
use super::apply::Due;
use super::sessions::{LOCAL, Service, owner};
use crate::client::Connection;

/// A renewal that the leader has been asked for.
pub(super) struct Renewal {
    session: SessionId,
    asker: Asker,
    is_granted: bool,
}

/// What the leader is asked by a learner. The connection is none once it has ended; the answer
/// comes all the same, and is nobody else's.
pub(super) struct Question {
    session: SessionId,
    connection: Option<Arc<Connection>>,
}

impl Question {
    /// Nobody waits for the answer if this connection did.
    pub(super) fn forget(&mut self, ended: &Connection) {
        self.connection.take_if(|connection| connection.id() == ended.id());
    }
}

/// Who waits for a renewal.
enum Asker {
    /// A client of the leader itself.
    Client(Arc<Connection>),
    /// A learner, over this connection: what it asked for over an earlier one is not confirmed over
    /// the next.
    Learner(Link),
}

/// Why a connection ends.
const ANOTHER: &str = "its session came back over another connection";
/// As [`ANOTHER`].
const MOVED: &str = "its session has moved to another server";

impl Asker {
    /// The connection of a client of the leader itself.
    fn client(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::Client(connection) => Some(connection),
            Self::Learner(_) => None,
        }
    }

    fn owner(&self) -> Owner {
        match self {
            Self::Client(_) => LOCAL,
            Self::Learner(link) => owner(link.peer),
        }
    }
}

impl Node {
    /// A client of this server comes with a session: the leader knows whether it is alive.
    pub(super) fn renew_session(
        &mut self,
        connection: &Arc<Connection>,
        session: SessionId,
        timeout_ms: i32,
    ) {
        self.supersede(session);
        // What the earlier connection asked for goes first.
        self.forward_requests();
        if self.renew_read_only(connection, session, timeout_ms) {
            return;
        }
        match &mut self.service {
            Service::None | Service::CatchingUp | Service::ReadOnly(_) => {
                connection.close("no leader");
            }
            Service::Leader(_) => {
                self.renew(Asker::Client(Arc::clone(connection)), session, timeout_ms);
            }
            Service::Learner(learning) => {
                let peer = learning.leader;
                let connection = Some(Arc::clone(connection));
                learning.revalidating.push_back(Question { session, connection });
                let mut body = Vec::new();
                Revalidate { session_id: session, timeout_ms }.encode(&mut body);
                let message = SessionMessage::Revalidate(body.into());
                self.happens(Event::Session { peer, message });
            }
        }
    }

    /// What comes in a REVALIDATE.
    pub(super) fn revalidate(&mut self, link: Link, body: &Bytes) {
        let mut reader = Reader::new(body);
        match &self.service {
            Service::None | Service::CatchingUp | Service::ReadOnly(_) => {}
            Service::Leader(_) => match Revalidate::decode(&mut reader) {
                Ok(Revalidate { session_id, timeout_ms }) => {
                    self.renew(Asker::Learner(link), session_id, timeout_ms);
                }
                Err(error) => warn!("REVALIDATE of {}: {error}", link.peer),
            },
            Service::Learner(_) => match Revalidated::decode(&mut reader) {
                Ok(Revalidated::Answer { session_id, valid }) => {
                    self.revalidated(session_id, valid)
                }
                Ok(Revalidated::Moved { session_id }) => self.moved_away(session_id),
                Err(error) => warn!("REVALIDATE of the leader: {error}"),
            },
        }
    }

    /// The leader's answer to the oldest question.
    pub(super) fn revalidated(&mut self, session: SessionId, alive: bool) {
        let Service::Learner(learning) = &mut self.service else {
            return;
        };
        let Some(question) = learning.revalidating.pop_front_if(|asked| asked.session == session)
        else {
            warn!("the leader answers about session 0x{session:x}, which is not what it was asked");
            return;
        };
        if let Some(connection) = question.connection {
            self.once_applied(Due::Renewed { connection, session, alive });
        }
    }

    /// The client of this session talks to another server now.
    pub(super) fn moved_away(&mut self, session: SessionId) {
        self.drop_connection(session, MOVED);
        // The leader has said before that it may begin, and now that it may not go on.
        for connection in self.beginning(session) {
            connection.close(MOVED);
        }
    }

    // ---- the leader

    fn renew(&mut self, asker: Asker, session: SessionId, timeout_ms: i32) {
        let now = self.now.ms();
        let last = self.host.core().last().unwrap_or(Zxid::ZERO);
        let Service::Leader(leading) = &mut self.service else {
            return;
        };
        let renewed = leading.sessions.renew(session, asker.owner(), timeout_ms, now);
        let is_granted = renewed.is_ok();
        leading.renewals.grant(last, Renewal { session, asker, is_granted });
        if let Ok(Some(before)) = renewed {
            self.tell_moved(before, session);
        }
    }

    /// Answers about the renewals that have waited long enough.
    pub(super) fn confirm_renewals(&mut self) {
        let committed = self.host.core().zab().delivered();
        while let Service::Leader(leading) = &mut self.service
            && let Some(renewal) = leading.renewals.next_confirmed(committed.as_ref())
        {
            let Renewal { session, asker, is_granted } = renewal;
            let owner = asker.owner();
            match leading.sessions.check(session, owner) {
                _ if !is_granted => self.confirm(asker, session, false),
                Ok(()) => self.confirm(asker, session, true),
                Err(SessionError::Expired) => self.confirm(asker, session, false),
                // It was renewed elsewhere meanwhile. Nobody may be told that it has expired.
                Err(SessionError::Moved) => {
                    self.confirm(asker, session, true);
                    self.tell_moved(owner, session);
                }
            }
        }
    }

    fn confirm(&mut self, asker: Asker, session: SessionId, valid: bool) {
        match asker {
            Asker::Client(connection) => {
                self.once_applied(Due::Renewed { connection, session, alive: valid });
            }
            Asker::Learner(link) if self.host.is_link(link) => {
                self.tell(link.peer, Revalidated::Answer { session_id: session, valid });
            }
            Asker::Learner(_) => {}
        }
    }

    /// The server that had the session before closes its connection.
    fn tell_moved(&mut self, before: Owner, session: SessionId) {
        match u8::try_from(before.0) {
            Ok(peer) => self.tell(Sid(peer), Revalidated::Moved { session_id: session }),
            Err(_) => self.moved_away(session),
        }
    }

    fn tell(&mut self, peer: Sid, word: Revalidated) {
        let mut body = Vec::new();
        word.encode(&mut body);
        let message = SessionMessage::Revalidate(body.into());
        self.happens(Event::Session { peer, message });
    }

    // ---- the connection

    /// The leader has said whether the session of this connection is alive.
    pub(super) fn renewed(&mut self, connection: Arc<Connection>, session: SessionId, alive: bool) {
        self.shared.waits_no_more(&connection);
        if connection.has_ended() || connection.is_cut() {
            debug!("session 0x{session:x} waits for its client to come again");
        } else if alive {
            self.drop_connection(session, ANOTHER);
            connection.establish(session);
            self.local.tell(&connection);
            self.local.insert(session, connection);
        } else {
            connection.refuse_session();
            self.local.tell(&connection);
        }
    }

    /// Of this session's connections to this server the newest counts. Those that wait for the
    /// leader's answer end, too: what they ask for must not be taken for what the newest asks for.
    fn supersede(&mut self, session: SessionId) {
        self.drop_connection(session, ANOTHER);
        for earlier in self.renewing(session) {
            earlier.close(ANOTHER);
        }
    }

    /// Whether this session has a connection here, or waits for one to begin.
    pub(super) fn has_come_back(&self, session: SessionId) -> bool {
        self.local.get(session).is_some() || self.renewing(session).next().is_some()
    }

    /// The connections of this session that wait for the leader's answer.
    fn renewing(&self, session: SessionId) -> impl Iterator<Item = &Arc<Connection>> {
        let (questions, renewals) = match &self.service {
            Service::None | Service::CatchingUp | Service::ReadOnly(_) => (None, None),
            Service::Leader(leading) => (None, Some(&leading.renewals)),
            Service::Learner(learning) => (Some(&learning.revalidating), None),
        };
        let questions =
            questions.into_iter().flatten().filter(move |asked| asked.session == session);
        let renewals = renewals.into_iter().flat_map(Renewals::granted).map(|(_, asked)| asked);
        let renewals = renewals.filter(move |asked| asked.session == session);
        let asked = questions.filter_map(|asked| asked.connection.as_ref());
        let asked = asked.chain(renewals.filter_map(|renewal| renewal.asker.client()));
        asked.chain(self.beginning(session))
    }

    /// The connections of this session that the leader has answered about, and that wait until
    /// what was committed before is applied.
    fn beginning(&self, session: SessionId) -> impl Iterator<Item = &Arc<Connection>> {
        self.due.iter().filter_map(move |due| match due {
            Due::Renewed { connection, session: of, alive: _ } if *of == session => {
                Some(connection)
            }
            Due::Renewed { .. } | Due::Synced(_) | Due::Established(_) => None,
        })
    }

    /// Ends the connection that this session has here, if it has one.
    fn drop_connection(&mut self, session: SessionId, reason: &str) {
        if let Some(connection) = self.local.remove(session) {
            connection.close(reason);
            self.local.forget(&connection);
        }
    }
}
