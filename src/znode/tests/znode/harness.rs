//! A leader with its tree: requests go in, transactions come out, and are applied when a test says
//! so.

use std::collections::BTreeSet;

use bytes::Bytes;
use wire::client::{
    CheckVersionRequest, CreateMode, CreateRequest, CreateTtlRequest, DeleteRequest, MultiOp,
    PathRequest, Request, SetAclRequest, SetDataRequest,
};
use wire::quorum::ForwardedRequest;
use wire::txn::{Txn, TxnBlob};
use wire::{Acl, ErrorCode, Id, StatPersisted};
use znode::{
    Applied, Context, NeverUsed, Options, Outcome, Owner, Prep, Sessions, Snapshot, Tree,
    TreeBuilder,
};

pub(crate) const ANNE: i64 = 0x0100_0000_0000_0001;
pub(crate) const BOB: i64 = 0x0100_0000_0000_0002;
pub(crate) const HERE: Owner = Owner(1);

pub(crate) struct Leader {
    pub(crate) tree: Tree,
    pub(crate) prep: Prep,
    pub(crate) sessions: Sessions,
    /// Sessions that have asked to begin.
    begun: BTreeSet<i64>,
    /// All transactions prepared.
    pub(crate) log: Vec<TxnBlob>,
    /// How many of them are applied.
    pub(crate) applied: usize,
}

impl Leader {
    pub(crate) fn new() -> Self {
        Self::with_options(Options::default())
    }

    /// At zxid 0, with the sessions of Anne and Bob tracked (but in no transaction).
    pub(crate) fn with_options(options: Options) -> Self {
        let mut sessions = Sessions::new(2000);
        sessions.track(ANNE, 10_000, 0);
        sessions.track(BOB, 10_000, 0);
        Self {
            tree: Tree::new(options),
            prep: Prep::new(),
            sessions,
            begun: BTreeSet::new(),
            log: Vec::new(),
            applied: 0,
        }
    }

    pub(crate) fn next_zxid(&self) -> i64 {
        self.log.last().map_or(self.tree.last_zxid(), |blob| blob.header.zxid) + 1
    }

    /// Prepares a request of a session that has proved to be `auth`, at 1000 ms per zxid.
    pub(crate) fn prepare_as(&mut self, session: i64, auth: &[Id], request: &Request) -> TxnBlob {
        let mut body = Vec::new();
        request.encode(&mut body);
        // Who is tracked without having begun, begins now.
        if matches!(request, Request::CreateSession { .. }) && self.begun.insert(session) {
            self.sessions.remove(session);
        }
        self.prepare_raw(session, auth, request.op().code(), body)
    }

    pub(crate) fn prepare_raw(
        &mut self,
        session: i64,
        auth: &[Id],
        op: i32,
        body: Vec<u8>,
    ) -> TxnBlob {
        let forwarded =
            ForwardedRequest { session_id: session, cxid: 1, op, body: Bytes::from(body) };
        self.prepare_forwarded(&forwarded, auth, self.next_zxid() * 1000)
    }

    /// Prepares a request of Anne's at this time of the wall clock.
    pub(crate) fn prepare_at(&mut self, time_ms: i64, request: &Request) -> TxnBlob {
        let mut body = Vec::new();
        request.encode(&mut body);
        let (op, body) = (request.op().code(), Bytes::from(body));
        let forwarded = ForwardedRequest { session_id: ANNE, cxid: 1, op, body };
        self.prepare_forwarded(&forwarded, &[], time_ms)
    }

    /// Prepares the deletion of a container or TTL node, if it is due.
    pub(crate) fn reap(&mut self, path: &str, time_ms: i64) -> Option<TxnBlob> {
        let context = Context { zxid: self.next_zxid(), time_ms, now_ms: 0, owner: HERE };
        let blob = self.prep.reap(&self.tree, path, NeverUsed::Stays, context)?;
        self.log.push(blob.clone());
        Some(blob)
    }

    fn prepare_forwarded(
        &mut self,
        forwarded: &ForwardedRequest,
        auth: &[Id],
        time_ms: i64,
    ) -> TxnBlob {
        let context = Context { zxid: self.next_zxid(), time_ms, now_ms: 0, owner: HERE };
        let blob = self.prep.prepare(&self.tree, &mut self.sessions, forwarded, auth, context);
        self.log.push(blob.clone());
        blob
    }

    pub(crate) fn prepare(&mut self, request: &Request) -> Txn {
        self.prepare_as(ANNE, &[], request).txn
    }

    /// The error that a request becomes.
    pub(crate) fn refused(&mut self, request: &Request) -> Option<ErrorCode> {
        refused(&self.prepare(request))
    }

    /// Applies the oldest transaction that is not, and compares the digests.
    pub(crate) fn apply_next(&mut self) -> Applied {
        let blob = &self.log[self.applied];
        self.applied += 1;
        let applied = self.tree.apply(&blob.header, &blob.txn);
        if let Some(digest) = &blob.digest {
            assert_eq!(self.tree.check_digest(blob.header.zxid, digest), Ok(()), "{blob:?}");
        }
        self.prep.committed(blob.header.zxid);
        applied
    }

    pub(crate) fn apply_all(&mut self) -> Option<Applied> {
        let mut last = None;
        while self.applied < self.log.len() {
            last = Some(self.apply_next());
        }
        last
    }

    /// Prepares, applies all, and gives the outcome.
    pub(crate) fn run(&mut self, request: &Request) -> Outcome {
        self.prepare(request);
        self.apply_all().expect("one was prepared").outcome
    }

    /// As [`Leader::must`], for Bob.
    pub(crate) fn must_as_bob(&mut self, request: &Request) {
        self.prepare_as(BOB, &[], request);
        let outcome = self.apply_all().expect("one was prepared").outcome;
        assert!(!matches!(outcome, Outcome::Failed(_)), "{request:?}: {outcome:?}");
    }

    /// As [`Leader::run`], for what must succeed.
    pub(crate) fn must(&mut self, request: &Request) {
        let outcome = self.run(request);
        assert!(!matches!(outcome, Outcome::Failed(_)), "{request:?}: {outcome:?}");
    }
}

pub(crate) fn refused(txn: &Txn) -> Option<ErrorCode> {
    if let Txn::Error { err } = txn { ErrorCode::from_code(*err) } else { None }
}

fn create_record(path: &str, mode: CreateMode, acl: Vec<Acl>) -> CreateRequest {
    let data = Some(Bytes::from_static(b"x"));
    CreateRequest { path: path.to_owned(), data, acl, flags: mode.flags() }
}

pub(crate) fn create(path: &str, mode: CreateMode) -> Request {
    Request::Create(create_record(path, mode, Acl::open_unsafe()))
}

pub(crate) fn create_with_acl(path: &str, acl: Vec<Acl>) -> Request {
    Request::Create2(create_record(path, CreateMode::Persistent, acl))
}

pub(crate) fn create_container(path: &str) -> Request {
    Request::CreateContainer(create_record(path, CreateMode::Container, Acl::open_unsafe()))
}

pub(crate) fn create_ttl(path: &str, mode: CreateMode, ttl: i64) -> Request {
    let CreateRequest { path, data, acl, flags } = create_record(path, mode, Acl::open_unsafe());
    Request::CreateTtl(CreateTtlRequest { path, data, acl, flags, ttl })
}

pub(crate) fn delete(path: &str, version: i32) -> Request {
    Request::Delete(DeleteRequest { path: path.to_owned(), version })
}

pub(crate) fn delete_container(path: &str) -> Request {
    Request::DeleteContainer(PathRequest { path: path.to_owned() })
}

pub(crate) fn set_data(path: &str, data: &'static str, version: i32) -> Request {
    let data = Some(Bytes::from_static(data.as_bytes()));
    Request::SetData(SetDataRequest { path: path.to_owned(), data, version })
}

pub(crate) fn set_acl(path: &str, acl: Vec<Acl>, version: i32) -> Request {
    Request::SetAcl(SetAclRequest { path: path.to_owned(), acl, version })
}

pub(crate) fn check(path: &str, version: i32) -> MultiOp {
    MultiOp::Check(CheckVersionRequest { path: path.to_owned(), version })
}

/// The operation of a multi that does what the request does.
pub(crate) fn part(request: Request) -> MultiOp {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a multi holds nothing else")]
    match request {
        Request::Create(record) => MultiOp::Create(record),
        Request::Create2(record) => MultiOp::Create2(record),
        Request::CreateContainer(record) => MultiOp::CreateContainer(record),
        Request::CreateTtl(record) => MultiOp::CreateTtl(record),
        Request::Delete(record) => MultiOp::Delete(record),
        Request::SetData(record) => MultiOp::SetData(record),
        other => panic!("{other:?} is no part of a multi"),
    }
}

pub(crate) fn multi(parts: impl IntoIterator<Item = MultiOp>) -> Request {
    Request::Multi(parts.into_iter().collect())
}

/// Everything that servers must agree on: nodes with their ACLs spelt out, sessions, digest, last
/// zxid.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Image {
    nodes: Vec<(String, Option<Bytes>, Vec<Acl>, StatPersisted)>,
    sessions: Vec<(i64, i32)>,
    ephemerals: Vec<(i64, Vec<String>)>,
    digest: u64,
    zxid: i64,
}

pub(crate) fn image(tree: &Tree) -> Image {
    let nodes = tree.snapshot();
    let nodes = nodes.nodes().map(|node| {
        let acl = tree.acl(tree.node(node.path).expect("it is in the tree")).to_vec();
        (node.path.to_owned(), node.data.cloned(), acl, node.stat)
    });
    let ephemerals = tree
        .ephemeral_owners()
        .into_iter()
        .map(|owner| (owner, tree.ephemerals(owner).map(ToString::to_string).collect()));
    Image {
        nodes: nodes.collect(),
        sessions: tree.sessions().collect(),
        ephemerals: ephemerals.collect(),
        digest: tree.digest(),
        zxid: tree.last_zxid(),
    }
}

/// The tree that a snapshot's parts make.
pub(crate) fn load(snapshot: &Snapshot, options: Options) -> Tree {
    let mut builder = TreeBuilder::new(options);
    for (id, timeout_ms) in snapshot.sessions() {
        builder.session(id, timeout_ms);
    }
    for (id, acl) in snapshot.acls() {
        builder.acl(id, acl).expect("its own numbers are in range");
    }
    for node in snapshot.nodes() {
        builder.node(node.path, node.data.cloned(), node.acl, node.stat).expect("in order");
    }
    assert_eq!(builder.unknown_acls(), 0);
    builder.finish(snapshot.zxid()).expect("it has a root")
}
