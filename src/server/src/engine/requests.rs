//! Writes and syncs: from a client of this server, or forwarded by a learner.

use std::sync::Arc;

use bytes::Bytes;
use tracing::{debug, warn};
use wire::Id;
use wire::client::OpCode;
use wire::jute::Record;
use wire::quorum::ForwardedRequest;
use zab::{Input, SessionMessage, Sid, Zxid};
use znode::{Owner, SessionError, SessionId};

use super::Engine;
use super::sessions::{LOCAL, Service, owner};
use crate::client::{ClientBatch, ClientRequest, Connection};
use crate::clock;
use crate::packets;

impl Engine {
    /// What a connection's task asks for, in the order in which its client did.
    pub(super) fn serve(&mut self, batch: ClientBatch) {
        let ClientBatch { connection, requests } = batch;
        for request in requests {
            match request {
                ClientRequest::Ended => self.connection_closed(&connection),
                // It was closed while this request was on its way here: nobody waits for an answer.
                ClientRequest::NewSession { .. }
                | ClientRequest::RenewSession { .. }
                | ClientRequest::Write { .. }
                | ClientRequest::Sync
                    if connection.is_abandoned() => {}
                ClientRequest::NewSession { timeout_ms } => {
                    self.local.begin(&connection);
                    self.create_session(&connection, timeout_ms);
                }
                ClientRequest::RenewSession { session, timeout_ms } => {
                    self.renew_session(&connection, session, timeout_ms);
                }
                ClientRequest::Write { xid, op, body } => {
                    self.local.begin(&connection);
                    let ids = connection.auth_ids();
                    self.write(connection.session(), xid, op.code(), body, ids);
                }
                ClientRequest::Sync => {
                    self.local.begin(&connection);
                    self.sync(&connection);
                }
                ClientRequest::Refused => {}
            }
        }
    }

    /// A write of this server's clients: a leader prepares it, a learner forwards it.
    pub(super) fn write(
        &mut self,
        session: SessionId,
        cxid: i32,
        op: i32,
        body: Bytes,
        auth: Vec<Id>,
    ) {
        let request = ForwardedRequest { session_id: session, cxid, op, body };
        match &mut self.service {
            // Its connection is closed, or about to be.
            Service::None => {}
            Service::Leader(_) => self.prepare(&request, &auth, LOCAL),
            Service::Learner(learning) => learning.forward(&request, auth),
        }
    }

    /// Requests that came together go together: they are one message to the core.
    pub(super) fn forward_requests(&mut self) {
        if let Service::Learner(learning) = &mut self.service
            && let Some(packets) = learning.forwarded()
        {
            let peer = learning.leader;
            self.step(Input::Session { peer, message: SessionMessage::Request(packets) });
        }
    }

    /// closeSession of a session that has expired.
    pub(super) fn close_session(&mut self, session: SessionId) {
        let op = OpCode::CloseSession.code();
        let request = ForwardedRequest { session_id: session, cxid: 0, op, body: Bytes::new() };
        self.prepare(&request, &[], LOCAL);
    }

    /// Turns a request into a transaction, and proposes it.
    fn prepare(&mut self, request: &ForwardedRequest, auth: &[Id], owner: Owner) {
        let now_ms = self.now_ms();
        let time_ms = i64::try_from(clock::wall_ms()).unwrap_or(i64::MAX);
        let Service::Leader(leading) = &mut self.service else {
            return;
        };
        if leading.sessions.check(request.session_id, owner) == Err(SessionError::Moved) {
            // Who forwards it was told that the session has moved: it is behind the times, and asks for nobody.
            debug!("request of session 0x{:x}, which has moved", request.session_id);
            return;
        }
        let zxid = next_zxid(leading.epoch, self.peer.last());
        let tree = self.shared.read_tree();
        let context = znode::Context { zxid: zxid.0.cast_signed(), time_ms, now_ms, owner };
        let blob = leading.prep.prepare(&tree, &mut leading.sessions, request, auth, context);
        drop(tree);
        let mut bytes = Vec::with_capacity(256);
        blob.encode(&mut bytes);
        self.step(Input::Propose(bytes.into()));
    }

    // ---- sync

    fn sync(&mut self, connection: &Arc<Connection>) {
        match &mut self.service {
            Service::None => {}
            Service::Leader(_) => {
                let body = Bytes::copy_from_slice(&connection.id().to_be_bytes());
                self.step(Input::Sync { origin: self.config.me, body });
            }
            Service::Learner(learning) => {
                learning.syncs.push_back(Arc::clone(connection));
                let (session_id, op) = (connection.session(), OpCode::Sync.code());
                let request = ForwardedRequest { session_id, cxid: 0, op, body: Bytes::new() };
                learning.forward(&request, Vec::new());
            }
        }
    }

    /// A sync of the leader's own client is confirmed.
    pub(super) fn sync_confirmed(&mut self, body: &Bytes) {
        let id = body.first_chunk().copied().map(u64::from_be_bytes);
        if let Some(connection) = id.and_then(|id| self.shared.connection(id)) {
            self.synced(&connection);
        }
    }

    fn synced(&mut self, connection: &Arc<Connection>) {
        self.apply_committed();
        let answered = connection.sync_done(&self.shared);
        self.local.done(connection, answered);
        self.local.tell(connection);
    }

    // ---- what comes over links

    pub(super) fn session_message(&mut self, peer: Sid, message: SessionMessage<Bytes>) {
        match message {
            SessionMessage::Request(packets) => self.forwarded(peer, &packets),
            SessionMessage::Revalidate(body) => self.revalidate(peer, &body),
            SessionMessage::Sync(_) => {
                if let Service::Learner(learning) = &mut self.service
                    && let Some(connection) = learning.syncs.pop_front()
                {
                    self.synced(&connection);
                }
            }
        }
    }

    fn forwarded(&mut self, peer: Sid, packets: &Bytes) {
        for request in packets::requests(packets) {
            match request {
                Ok((request, _)) if request.op == OpCode::Sync.code() => {
                    self.step(Input::Sync { origin: peer, body: Bytes::new() });
                }
                Ok((request, auth)) => self.prepare(&request, &auth, owner(peer)),
                Err(error) => warn!("REQUEST of {peer}: {error}"),
            }
        }
    }
}

/// The zxid that the core gives to the next proposal.
fn next_zxid(epoch: zab::Epoch, last: Option<Zxid>) -> Zxid {
    match last {
        Some(last) if last.epoch() == epoch => Zxid::new(epoch, last.counter() + 1),
        Some(_) | None => Zxid::new(epoch, 1),
    }
}
