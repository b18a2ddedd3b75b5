//! Writes and syncs: from a client of this server, or forwarded by a learner.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host::{Event, Link};
use tracing::{debug, warn};
use wire::client::{CreateMode, MultiOp, OpCode, Request};
use wire::jute::{Reader, Record};
use wire::quorum::ForwardedRequest;
use wire::txn::{Txn, TxnBlob};
use wire::{ErrorCode, Id};
use zab::{SessionMessage, Zxid};
use znode::{Context, Owner, SessionError, SessionId};

use super::Node;
use super::apply::Due;
use super::sessions::{LOCAL, Service, owner};
use crate::client::{ClientBatch, ClientRequest, Connection};

impl Node {
    /// Serves what connections' tasks ask for, each in the order in which its client did, as far as
    /// there is time for in this turn.
    pub(super) fn serve_clients(&mut self) {
        while !self.turn.is_over()
            && let Some(batch) = self.asked.pop_front()
        {
            self.serve(batch);
        }
    }

    pub(super) fn serve(&mut self, batch: ClientBatch) {
        let ClientBatch { connection, requests } = batch;
        let mut requests = requests.into_iter();
        while let Some(request) = requests.next() {
            match request {
                // This server has ended it: what was on its way here is not done.
                ClientRequest::NewSession { .. }
                | ClientRequest::RenewSession { .. }
                | ClientRequest::Write { .. }
                | ClientRequest::Sync
                    if connection.is_cut() => {}
                // Its client is gone, or its session is over: a write is done, and nobody waits for
                // an answer. But not behind the question of another connection of its session: the
                // transaction would be taken for what that one asks for.
                // Nor anything behind it that is not done: what a client did is a prefix.
                ClientRequest::Write { .. }
                    if connection.is_abandoned() && self.has_come_back(connection.session()) =>
                {
                    connection.close("its session goes on over another connection");
                }
                ClientRequest::Write { xid, op, body, auth } if connection.is_abandoned() => {
                    self.audit_asked(&connection, xid, op, &body, &auth);
                    self.write(connection.session(), xid, op.code(), body, &auth);
                }
                ClientRequest::NewSession { .. }
                | ClientRequest::RenewSession { .. }
                | ClientRequest::Sync
                    if connection.is_abandoned() => {}
                ClientRequest::NewSession { timeout_ms } => {
                    self.local.begin(&connection);
                    self.create_session(&connection, timeout_ms);
                }
                ClientRequest::RenewSession { session, timeout_ms } => {
                    self.renew_session(&connection, session, timeout_ms);
                }
                ClientRequest::Write { xid, op, body, auth } => {
                    self.local.begin(&connection);
                    self.audit_asked(&connection, xid, op, &body, &auth);
                    self.write(connection.session(), xid, op.code(), body, &auth);
                }
                ClientRequest::Sync => {
                    self.local.begin(&connection);
                    self.sync(&connection);
                }
                ClientRequest::SessionSets(answer) => self.tell_session_sets(answer),
                ClientRequest::Refused => {}
            }
            if self.turn.is_over() && requests.len() > 0 {
                let requests = requests.collect();
                return self.asked.push_front(ClientBatch { connection, requests });
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
        auth: &[Id],
    ) {
        let request = ForwardedRequest { session_id: session, cxid, op, body };
        match &mut self.service {
            // Its connection is closed, or about to be.
            Service::None | Service::CatchingUp => {}
            Service::ReadOnly(_) => self.close_read_only(session, cxid, op),
            Service::Leader(_) => self.prepare(&request, auth, LOCAL),
            Service::Learner(learning) => learning.forward(&request, auth),
        }
    }

    /// Requests that came together go together: they are one message to the core.
    pub(super) fn forward_requests(&mut self) {
        if let Service::Learner(learning) = &mut self.service
            && let Some(packets) = learning.forwarded()
        {
            let peer = learning.leader;
            self.happens(Event::Session { peer, message: SessionMessage::Request(packets) });
        }
    }

    /// closeSession of a session that has expired.
    pub(super) fn close_session(&mut self, session: SessionId) {
        let op = OpCode::CloseSession.code();
        let request = ForwardedRequest { session_id: session, cxid: 0, op, body: Bytes::new() };
        // Whoever owns the session: its time is over.
        self.make(&request, &[], LOCAL);
    }

    /// Turns a request of a session into a transaction, and proposes it.
    fn prepare(&mut self, request: &ForwardedRequest, auth: &[Id], owner: Owner) {
        let Service::Leader(leading) = &mut self.service else {
            return;
        };
        if leading.sessions.check(request.session_id, owner) == Err(SessionError::Moved) {
            // Who forwards it was told that the session has moved: it is behind the times, and asks
            // for nobody.
            debug!("request of session 0x{:x}, which has moved", request.session_id);
            return;
        }
        self.make(request, auth, owner);
    }

    fn make(&mut self, request: &ForwardedRequest, auth: &[Id], owner: Owner) {
        let Some(context) = self.context(owner) else {
            return;
        };
        let Service::Leader(leading) = &mut self.service else {
            return;
        };
        let tree = self.shared.read_tree();
        let blob = leading.prep.prepare(&tree, &mut leading.sessions, request, auth, context);
        drop(tree);
        self.shared.counts().prepared.one();
        if let Some(exceeded) = leading.prep.take_exceeded() {
            let namespace = exceeded.subtree.split('/').nth(1).unwrap_or_default();
            self.shared.counts().quota_exceeded.one(namespace);
            if self.quota_told.is_none_or(|at| self.now.at - at >= QUOTA_PAUSE) {
                self.quota_told = Some(self.now.at);
                warn!("{exceeded}");
            }
        }
        if let Some(why) = not_offered(request, &blob.txn)
            && self.explained.insert(why)
        {
            warn!("a request of session 0x{:x} is refused: {why}", request.session_id);
        }
        self.propose(&blob);
    }

    /// When and for whom the next transaction is prepared; `None` if this server does not lead.
    pub(super) fn context(&self, owner: Owner) -> Option<Context> {
        let epoch = match &self.service {
            Service::Leader(leading) => leading.epoch,
            Service::None | Service::CatchingUp | Service::ReadOnly(_) | Service::Learner(_) => {
                return None;
            }
        };
        let zxid = next_zxid(epoch, self.host.core().last()).0.cast_signed();
        Some(Context { zxid, time_ms: self.now.wall_ms, now_ms: self.now.ms(), owner })
    }

    pub(super) fn propose(&mut self, blob: &TxnBlob) {
        let mut bytes = Vec::with_capacity(256);
        blob.encode(&mut bytes);
        self.shared.stats.proposals.add(bytes.len());
        self.seen.proposed(self.now.at, self.shared.counts());
        self.happens(Event::Propose(bytes.into()));
    }

    // ---- sync

    fn sync(&mut self, connection: &Arc<Connection>) {
        match &mut self.service {
            Service::None | Service::CatchingUp | Service::ReadOnly(_) => {}
            Service::Leader(_) => {
                let body = Bytes::copy_from_slice(&connection.id().to_be_bytes());
                self.happens(Event::Sync { body });
            }
            Service::Learner(learning) => {
                learning.syncs.push_back(Arc::clone(connection));
                let (session_id, op) = (connection.session(), OpCode::Sync.code());
                let request = ForwardedRequest { session_id, cxid: 0, op, body: Bytes::new() };
                learning.forward(&request, &[]);
            }
        }
    }

    /// A sync of the leader's own client is confirmed.
    pub(super) fn sync_confirmed(&mut self, body: &Bytes) {
        let id = body.first_chunk().copied().map(u64::from_be_bytes);
        if let Some(connection) = id.and_then(|id| self.shared.connection(id)) {
            self.once_applied(Due::Synced(connection));
        }
    }

    pub(super) fn answer_sync(&mut self, connection: &Arc<Connection>) {
        let answered = connection.sync_done(&self.shared, self.now.at);
        self.local.done(connection, answered);
        self.local.tell(connection);
    }

    // ---- what comes over links

    pub(super) fn session_message(&mut self, link: Link, message: SessionMessage<Bytes>) {
        match message {
            SessionMessage::Request(packets) => self.forwarded(link, &packets),
            SessionMessage::Revalidate(body) => {
                self.seen.revalidates(&self.service, self.shared.counts());
                self.revalidate(link, &body);
            }
            SessionMessage::Sync(_) => {
                if let Service::Learner(learning) = &mut self.service
                    && let Some(connection) = learning.syncs.pop_front()
                {
                    self.once_applied(Due::Synced(connection));
                }
            }
        }
    }

    /// As far as there is time for in this turn; the rest stays in front of what comes later.
    fn forwarded(&mut self, link: Link, packets: &Bytes) {
        let mut requests = host::requests(packets);
        while let Some(request) = requests.next() {
            match request {
                Ok((request, _)) if request.op == OpCode::Sync.code() => {
                    self.happens(Event::SyncFor(link));
                }
                Ok((request, auth)) => self.prepare(&request, &auth, owner(link.peer)),
                Err(error) => warn!("REQUEST of {}: {error}", link.peer),
            }
            if self.turn.is_over()
                && let Some(rest) = requests.rest()
            {
                return self.messages.push_front((link, SessionMessage::Request(rest)));
            }
        }
    }
}

/// Quotas that are exceeded are logged as often as this.
const QUOTA_PAUSE: Duration = Duration::from_secs(1);

/// What an operator should know about a request that became an Unimplemented error: clients show no
/// more than that.
fn not_offered(request: &ForwardedRequest, txn: &Txn) -> Option<&'static str> {
    let unimplemented = ErrorCode::Unimplemented.code();
    let is_refusal = |txn: &Txn| matches!(txn, Txn::Error { err } if *err == unimplemented);
    let is_refused = match txn {
        Txn::Multi(parts) => parts.iter().any(is_refusal),
        Txn::Error { .. } => is_refusal(txn),
        Txn::CloseSession(_)
        | Txn::CreateSession { .. }
        | Txn::Create(_)
        | Txn::Delete(_)
        | Txn::SetData(_)
        | Txn::SetAcl(_)
        | Txn::Check(_)
        | Txn::Create2(_)
        | Txn::Reconfig(_)
        | Txn::CreateContainer(_)
        | Txn::DeleteContainer(_)
        | Txn::CreateTtl(_) => false,
    };
    let op = OpCode::from_code(request.op).filter(|_| is_refused)?;
    match Request::decode(op, &mut Reader::new(&request.body)).ok()? {
        Request::Multi(parts) => parts.iter().find_map(part_not_offered),
        Request::Create(create) | Request::Create2(create) | Request::CreateContainer(create) => {
            mode_not_offered(create.flags)
        }
        Request::CreateTtl(create) => mode_not_offered(create.flags),
        Request::SetData(_)
        | Request::Delete(_)
        | Request::SetAcl(_)
        | Request::Exists(_)
        | Request::GetData(_)
        | Request::GetAcl(_)
        | Request::GetChildren(_)
        | Request::Sync(_)
        | Request::GetChildren2(_)
        | Request::Check(_)
        | Request::Reconfig(_)
        | Request::CheckWatches(_)
        | Request::RemoveWatches(_)
        | Request::DeleteContainer(_)
        | Request::Auth(_)
        | Request::SetWatches(_)
        | Request::GetEphemerals(_)
        | Request::GetAllChildrenNumber(_)
        | Request::SetWatches2(_)
        | Request::AddWatch(_)
        | Request::Ping
        | Request::MultiRead(_)
        | Request::Sasl(_)
        | Request::WhoAmI
        | Request::CreateSession { .. }
        | Request::CloseSession => None,
    }
}

fn part_not_offered(part: &MultiOp) -> Option<&'static str> {
    match part {
        MultiOp::Create(create) | MultiOp::Create2(create) | MultiOp::CreateContainer(create) => {
            mode_not_offered(create.flags)
        }
        MultiOp::CreateTtl(create) => mode_not_offered(create.flags),
        MultiOp::SetData(_) | MultiOp::Delete(_) | MultiOp::Check(_) => None,
    }
}

fn mode_not_offered(flags: i32) -> Option<&'static str> {
    let is_ttl = CreateMode::try_from(flags).is_ok_and(CreateMode::is_ttl);
    is_ttl.then_some("nodes with a time to live need extendedTypesEnabled=true on all servers")
}

/// The zxid that the core gives to the next proposal.
fn next_zxid(epoch: zab::Epoch, last: Option<Zxid>) -> Zxid {
    match last {
        Some(last) if last.epoch() == epoch => Zxid::new(epoch, last.counter() + 1),
        Some(_) | None => Zxid::new(epoch, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::client::{CreateRequest, CreateTtlRequest, DeleteRequest};

    fn create(path: &str, mode: CreateMode) -> CreateRequest {
        CreateRequest { path: path.to_owned(), data: None, acl: Vec::new(), flags: mode.flags() }
    }

    fn why(request: &Request, txn: &Txn) -> Option<&'static str> {
        let mut body = Vec::new();
        request.encode(&mut body);
        let (op, body) = (request.op().code(), body.into());
        not_offered(&ForwardedRequest { session_id: 1, cxid: 1, op, body }, txn)
    }

    #[test]
    fn a_refusal_is_explained_to_the_operator_if_there_is_something_to_explain() {
        let refused = Txn::Error { err: ErrorCode::Unimplemented.code() };
        let ttl = create("/a", CreateMode::PersistentWithTtl);
        let is_of = |why: Option<&str>, word| why.is_some_and(|why| why.contains(word));
        assert!(is_of(why(&Request::Create2(ttl.clone()), &refused), "extendedTypesEnabled"));
        let delete = DeleteRequest { path: "/a".into(), version: -1 };
        let CreateRequest { path, data, acl, flags } = ttl.clone();
        let part = MultiOp::CreateTtl(CreateTtlRequest { path, data, acl, flags, ttl: 1 });
        let multi = Request::Multi(vec![MultiOp::Delete(delete.clone()), part]);
        let refused_part = Txn::Multi(vec![refused.clone()]);
        assert!(is_of(why(&multi, &refused_part), "extendedTypesEnabled"));
        assert_eq!(why(&Request::Delete(delete), &refused), None);
        let exists = Txn::Error { err: ErrorCode::NodeExists.code() };
        assert_eq!(why(&Request::Create(ttl), &exists), None, "another error");
    }
}
