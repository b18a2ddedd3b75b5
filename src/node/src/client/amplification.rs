//! How much a request may cost: for every operation the answer, and the memory that is taken for
//! it, stay within bounds that have a name, whatever is in the tree.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use wire::client::{
    AddWatchRequest, AuthPacket, CheckVersionRequest, CreateMode, CreateRequest, CreateTtlRequest,
    DeleteRequest, MultiOp, MultiReadOp, OpCode, PathAndTypeRequest, PathRequest, PathWatchRequest,
    ReconfigRequest, Request, SetAclRequest, SetDataRequest, SetWatches, SetWatches2,
};
use wire::jute::Reader;
use wire::quorum::ForwardedRequest;
use wire::txn::{CreateTxn, Txn, TxnHeader};
use wire::{Acl, ErrorCode, Id};
use zab::Sid;
use znode::{Context, Options, Outcome, Owner, Prep, SessionId, Sessions, Tree};

use super::connection::Connection;
use super::counters::Tally;
use super::inbound::Inbound;
use super::shared::Shared;
use super::{answers, reads};
use crate::ANSWER_BYTES_PER_BYTE_MAX;
use crate::compat::{self, Operation};
use crate::io::Now;
use crate::outbox::{Chunk, Next};
use crate::settings::{Build, NoMachine, Settings};

/// The least that can be configured with the usual `jute.maxbuffer`.
const ANSWER_BYTES_MAX: usize = 8_388_600;

/// Memory that a byte of a request may take while it is decoded and answered, the watches that it
/// sets included.
const MEMORY_PER_BYTE_MAX: usize = 160;

/// And what the answer takes, in buffers that grow.
const MEMORY_MAX: usize = 2 * ANSWER_BYTES_MAX;

/// When everything happens.
const AT: Duration = Duration::ZERO;

const SESSION: SessionId = 0x0100_0000_0000_0007;

/// A node of a megabyte, one with nine megabytes of children's names, all ephemeral and of one
/// session.
fn tree() -> Tree {
    let mut tree = Tree::new(Options::default());
    let mut create = |path: String, data: usize, ephemeral| {
        let header =
            TxnHeader { client_id: SESSION, zxid: tree.last_zxid() + 1, ..TxnHeader::default() };
        let data = Some(Bytes::from(vec![7; data]));
        let acl = Acl::open_unsafe();
        let txn = CreateTxn { path, data, acl, ephemeral, parent_cversion: -1 };
        tree.apply(&header, &Txn::Create(txn));
    };
    create("/large".to_owned(), 1_000_000, false);
    create("/wide".to_owned(), 0, false);
    for number in 0..36_000 {
        create(format!("/wide/{number:0250}"), 0, true);
    }
    tree
}

fn shared(tree: &Tree) -> Shared {
    let answer_bytes_max = u32::try_from(ANSWER_BYTES_MAX).expect("few");
    shared_with(tree, Settings { answer_bytes_max, ..Settings::alone(Sid(1)) })
}

fn shared_with(tree: &Tree, settings: Settings) -> Shared {
    Shared::new(Arc::new(settings), Build::default(), NoMachine, tree.clone())
}

fn connected(shared: &Shared) -> Arc<Connection> {
    Connection::new((Ipv4Addr::LOCALHOST, 1).into(), shared, Now::default(), (), ())
}

fn watched(path: &str) -> PathWatchRequest {
    PathWatchRequest { path: path.into(), watch: true }
}

fn created(path: String, mode: CreateMode) -> CreateRequest {
    CreateRequest { path, data: None, acl: Acl::open_unsafe(), flags: mode.flags() }
}

/// Ten thousand paths, different ones and none longer than it must be.
fn paths() -> Vec<String> {
    (0..10_000).map(|number| format!("/{number:x}")).collect()
}

/// The requests of an operation that make most of the least; none of one that no client may use.
fn worst(op: OpCode) -> Vec<Request> {
    let long = "/".to_owned() + &"l".repeat(1_000_000);
    let deleted = |path: &str| DeleteRequest { path: path.into(), version: -1 };
    let set = |path: &str| SetDataRequest { path: path.into(), data: None, version: -1 };
    match op {
        OpCode::Create => vec![Request::Create(created("/c".into(), CreateMode::Persistent))],
        OpCode::Create2 => {
            let many = (0..3000).map(|_| created("/s".into(), CreateMode::PersistentSequential));
            vec![
                Request::Create2(created("/c".into(), CreateMode::Persistent)),
                Request::Multi(many.map(MultiOp::Create2).collect()),
            ]
        }
        OpCode::CreateContainer => {
            vec![Request::CreateContainer(created("/c".into(), CreateMode::Container))]
        }
        OpCode::CreateTtl => {
            let CreateRequest { path, data, acl, flags } =
                created("/c".into(), CreateMode::PersistentWithTtl);
            vec![Request::CreateTtl(CreateTtlRequest { path, data, acl, flags, ttl: 1 })]
        }
        OpCode::Delete => vec![Request::Delete(deleted("/large"))],
        OpCode::SetData => vec![Request::SetData(set("/large"))],
        OpCode::SetAcl => vec![Request::SetAcl(SetAclRequest {
            path: "/large".into(),
            acl: Acl::open_unsafe(),
            version: -1,
        })],
        OpCode::Multi => {
            let failing = CheckVersionRequest { path: String::new(), version: 7 };
            let sets = vec![MultiOp::SetData(set("/wide")); 3000];
            let errors = vec![MultiOp::Check(failing); 3000];
            vec![Request::Multi(sets), Request::Multi(errors), Request::Multi(vec![])]
        }
        OpCode::CloseSession => vec![Request::CloseSession],
        OpCode::Sync => vec![Request::Sync(PathRequest { path: long })],
        OpCode::Exists => {
            vec![Request::Exists(watched("/large")), Request::Exists(watched(&long))]
        }
        OpCode::GetData => vec![Request::GetData(watched("/large"))],
        OpCode::GetAcl => vec![Request::GetAcl(PathRequest { path: "/large".into() })],
        OpCode::GetChildren => vec![Request::GetChildren(watched("/wide"))],
        OpCode::GetChildren2 => vec![Request::GetChildren2(watched("/wide"))],
        OpCode::GetAllChildrenNumber => {
            vec![Request::GetAllChildrenNumber(PathRequest { path: "/wide".into() })]
        }
        OpCode::GetEphemerals => vec![Request::GetEphemerals(PathRequest { path: "/".into() })],
        OpCode::MultiRead => ["/large", "/wide", "/none"]
            .map(|path| {
                let data = MultiReadOp::GetData(watched(path));
                let children = MultiReadOp::GetChildren(watched(path));
                let reads = [vec![data; 2200], vec![children; 2200]].concat();
                Request::MultiRead(reads)
            })
            .to_vec(),
        OpCode::SetWatches => vec![
            Request::SetWatches(SetWatches {
                // Older than the root itself, which the shortest path names.
                relative_zxid: -1,
                data_watches: vec![String::new(); 10_000],
                exist_watches: vec!["/".into(); 10_000],
                child_watches: vec!["/none".into(); 10_000],
            }),
            Request::SetWatches(SetWatches { exist_watches: paths(), ..SetWatches::default() }),
        ],
        OpCode::SetWatches2 => vec![
            Request::SetWatches2(SetWatches2 {
                relative_zxid: -1,
                data_watches: vec![String::new(); 10_000],
                ..SetWatches2::default()
            }),
            Request::SetWatches2(SetWatches2 {
                exist_watches: paths(),
                persistent_watches: paths(),
                persistent_recursive_watches: paths(),
                ..SetWatches2::default()
            }),
        ],
        OpCode::AddWatch => {
            vec![Request::AddWatch(AddWatchRequest { path: long, mode: 0 })]
        }
        OpCode::CheckWatches => {
            vec![Request::CheckWatches(PathAndTypeRequest { path: long, kind: 3 })]
        }
        OpCode::RemoveWatches => {
            vec![Request::RemoveWatches(PathAndTypeRequest { path: long, kind: 3 })]
        }
        OpCode::WhoAmI => vec![Request::WhoAmI],
        OpCode::Ping => vec![Request::Ping],
        // Refused without a look at the tree.
        OpCode::Check => {
            vec![Request::Check(CheckVersionRequest { path: "/".into(), version: 0 })]
        }
        OpCode::DeleteContainer => {
            vec![Request::DeleteContainer(PathRequest { path: "/wide".into() })]
        }
        OpCode::Reconfig => vec![Request::Reconfig(ReconfigRequest {
            joining: None,
            leaving: None,
            new_members: None,
            cur_config_id: -1,
        })],
        OpCode::Auth => {
            vec![Request::Auth(AuthPacket { kind: 0, scheme: "digest".into(), auth: None })]
        }
        OpCode::Sasl => vec![Request::Sasl(None)],
        OpCode::CreateSession => vec![Request::CreateSession { timeout_ms: 4000 }],
        // They have no request.
        OpCode::Notification | OpCode::Error => vec![],
    }
}

/// How many bytes the connection's task would write now.
fn drained(connection: &Connection) -> usize {
    drained_bytes(connection).len()
}

fn drained_bytes(connection: &Connection) -> Vec<u8> {
    let mut written = Vec::new();
    loop {
        match connection.outbox.next() {
            Some(Next::Write(Chunk::Bytes(bytes))) => written.extend(bytes),
            Some(Next::Write(Chunk::Large(never))) => match never {},
            Some(Next::End) if !written.is_empty() => return written,
            Some(Next::End) => panic!("the connection was given up"),
            None => return written,
        }
    }
}

/// What a write is answered with, by a leader that has `tree`.
fn answer_of_write(request: &Request, body: &Bytes, tree: &Tree) -> usize {
    let mut sessions = Sessions::new(2000);
    sessions.track(SESSION, 10_000, 0);
    let (op, zxid) = (request.op(), tree.last_zxid() + 1);
    let forwarded =
        ForwardedRequest { session_id: SESSION, cxid: 1, op: op.code(), body: body.clone() };
    let context = Context { zxid, time_ms: 1, now_ms: 0, owner: Owner(1) };
    let blob = Prep::new().prepare(tree, &mut sessions, &forwarded, &[], context);
    let applied = tree.clone().apply(&blob.header, &blob.txn);
    let mut out = Vec::new();
    answers::write(1, op, (&blob.txn, &applied.outcome), zxid, &mut out);
    out.len()
}

#[test]
fn no_request_costs_more_than_its_bound() {
    let tree = tree();
    let shared = shared(&tree);
    for op in OpCode::ALL {
        for (index, request) in worst(*op).into_iter().enumerate() {
            let connection = connected(&shared);
            connection.establish(SESSION);
            drained(&connection);
            let mut body = Vec::new();
            request.encode(&mut body);
            let (body, bytes) = (Bytes::from(body.clone()), body.len() + 8);
            let mut answer = 0;
            let is_read = compat::operation(*op) == Operation::Read;
            let memory = allocation_counter::measure(|| {
                if is_read {
                    let mut reader = Reader::with_limit(&body, body.len());
                    let decoded = Request::decode(*op, &mut reader).expect("its own");
                    connection.read(1, decoded, &tree, &shared, AT, &mut Tally::default());
                    connection.go_on(&shared, AT);
                }
            });
            if is_read {
                answer = drained(&connection);
            } else if *op == OpCode::Sync {
                let mut out = Vec::new();
                answers::sync(1, &"l".repeat(bytes - 12), 1, &mut out);
                answer = out.len();
            } else {
                answer = answer.max(answer_of_write(&request, &body, &tree));
            }
            let per_byte = ANSWER_BYTES_PER_BYTE_MAX as usize * bytes;
            let what = format!("{op} {index}: {bytes} bytes, an answer of {answer}, {memory:?}");
            println!("{what}");
            if is_read {
                assert!(answer <= ANSWER_BYTES_MAX.max(per_byte) + 4, "{what}");
                let most = MEMORY_MAX + MEMORY_PER_BYTE_MAX * bytes;
                assert!(memory.bytes_max <= most as u64, "{what}");
            } else {
                // It is done: it cannot be refused any more.
                assert!(answer <= per_byte.max(128), "{what}");
            }
        }
    }
}

#[test]
fn what_is_refused_for_its_length_sets_no_watch_and_says_so() {
    let tree = tree();
    let shared = shared(&tree);
    let connection = connected(&shared);
    connection.establish(SESSION);
    drained(&connection);
    connection.read(
        1,
        Request::GetChildren(watched("/wide")),
        &tree,
        &shared,
        AT,
        &mut Tally::default(),
    );
    assert_eq!(drained(&connection), 0, "it takes long: the connection's own task does it");
    connection.go_on(&shared, AT);
    assert_eq!(drained(&connection), 20, "a header");
    assert_eq!(shared.watches().len(), 0);
    let found =
        reads::children(&tree, "/wide", &[], ANSWER_BYTES_MAX).map(|(names, ..)| names.len());
    assert_eq!(found, Err(ErrorCode::MarshallingError));
    connection.read(
        2,
        Request::GetData(watched("/large")),
        &tree,
        &shared,
        AT,
        &mut Tally::default(),
    );
    assert!(drained(&connection) > 1_000_000);
    assert_eq!(shared.watches().len(), 1);
}

#[test]
fn what_would_set_one_watch_too_many_is_refused_and_sets_none() {
    let path = |number: u32| format!("/{number:05}");
    let tree = Tree::new(Options::default());
    let mut settings = Settings::alone(Sid(1));
    settings.watch_limits.of_connection = 65_536;
    let shared = shared_with(&tree, settings);
    let connect = || {
        let connection = connected(&shared);
        connection.establish(SESSION);
        drained(&connection);
        connection
    };
    // The error that answers a read; 0 if there is none.
    let read = |connection: &Connection, request: Request| {
        connection.read(1, request, &tree, &shared, AT, &mut Tally::default());
        let answer = drained_bytes(connection);
        i32::from_be_bytes(answer[16..20].try_into().expect("the error of a header"))
    };
    let full = connect();
    // Nodes that do not exist: whoever waits for one watches it.
    let fits = 65_536 / (256 + 6);
    for number in 0..fits {
        let found = read(&full, Request::Exists(watched(&path(number))));
        assert_eq!(found, ErrorCode::NoNode.code());
    }
    let too_many = ErrorCode::MarshallingError.code();
    assert_eq!(read(&full, Request::Exists(watched("/more!"))), too_many);
    assert_eq!(read(&full, Request::GetData(watched("/"))), too_many);
    assert_eq!(read(&full, Request::GetChildren(watched("/"))), too_many);
    assert_eq!(read(&full, Request::GetChildren2(watched("/"))), too_many);
    for mode in [0, 1] {
        let watch = AddWatchRequest { path: "/more!".into(), mode };
        assert_eq!(read(&full, Request::AddWatch(watch)), too_many);
    }
    assert_eq!(shared.watches().len(), fits as usize, "none was set");

    // Reads without a watch go on, and so do those that watch what they have watched before.
    let unwatched = PathWatchRequest { path: "/".into(), watch: false };
    assert_eq!(read(&full, Request::GetData(unwatched)), 0);
    assert_eq!(read(&full, Request::Exists(watched(&path(0)))), ErrorCode::NoNode.code());
    assert!(!full.outbox.is_closed());

    // Clients do not look at the answer to setWatches, so that connection ends. All of the lists is
    // refused, though most would fit.
    let lists: Vec<String> = (0..=fits).map(path).collect();
    let set = SetWatches { exist_watches: lists.clone(), ..SetWatches::default() };
    let set2 = SetWatches2 { persistent_recursive_watches: lists, ..SetWatches2::default() };
    for request in [Request::SetWatches(set), Request::SetWatches2(set2)] {
        let other = connect();
        assert_eq!(read(&other, request), too_many);
        assert!(other.outbox.is_closed());
        assert_eq!(shared.watches().len(), fits as usize);
    }
}

#[test]
fn reads_behind_a_write_are_held_back_unless_another_write_waits_behind_them() {
    const READS: u8 = 20;
    let tree = tree();
    let shared = shared(&tree);
    for (writes_behind, answered_at_once) in [(0, 5), (1, u64::from(READS))] {
        let connection = connected(&shared);
        connection.establish(SESSION);
        connection.push_write(1, OpCode::Delete, AT);
        for xid in 2..2 + i32::from(READS) {
            connection.read(
                xid,
                Request::GetData(watched("/large")),
                &tree,
                &shared,
                AT,
                &mut Tally::default(),
            );
        }
        for xid in 0..writes_behind {
            connection.push_write(100 + xid, OpCode::Delete, AT);
        }
        let txn = Txn::Error { err: 0 };
        let outcome = Outcome::Deleted;
        assert_eq!(connection.applied(1, &txn, &outcome, &tree, &shared, AT), 1);
        assert_eq!(connection.stats.sent.load(Ordering::Relaxed), 1 + answered_at_once);
        // As the client takes what it was sent, it gets the rest.
        let mut taken = drained(&connection);
        connection.go_on(&shared, AT);
        while connection.outbox.queued() > 0 {
            taken += drained(&connection);
            connection.go_on(&shared, AT);
        }
        assert!(taken > 1_000_000 * usize::from(READS), "{taken}");
        assert!(connection.wants_input());
        for xid in 0..writes_behind {
            assert_eq!(connection.applied(100 + xid, &txn, &outcome, &tree, &shared, AT), 1);
        }
    }
}

/// A client that is many things asks for as much as a connection may have in progress: what is kept
/// of each request does not grow with what the client is.
#[test]
fn requests_in_progress_share_who_their_client_is() {
    const REQUESTS: i32 = 1000;
    let shared = Arc::new(shared(&Tree::new(Options::default())));
    let connection = connected(&shared);
    connection.establish(SESSION);
    let next = || Id::new("digest", "n".repeat(90) + &connection.auth_ids().len().to_string());
    while connection.add_ids(vec![next()]) {}
    assert!(connection.auth_ids().len() > 20);
    let mut inbound = Inbound::new(Arc::clone(&connection), Arc::clone(&shared));
    let delete = Request::Delete(DeleteRequest { path: "/a".into(), version: -1 });
    let mut bytes = Vec::new();
    for xid in 1..=REQUESTS {
        wire::client::encode_request(&mut bytes, xid, &delete);
    }
    inbound.room().extend_from_slice(&bytes);
    let mut asked = Vec::new();
    let memory = allocation_counter::measure(|| {
        while asked.len() < REQUESTS as usize {
            let batch = inbound.requests(AT).expect("requests");
            // Others come in between.
            assert!((1..=64).contains(&batch.len()), "{}", batch.len());
            asked.extend(batch);
        }
    });
    let taken = usize::try_from(memory.bytes_current).expect("more than before");
    let limit = bytes.len() * MEMORY_PER_BYTE_MAX / 10;
    assert!(taken < limit, "{taken} bytes for {} of requests", bytes.len());
}
