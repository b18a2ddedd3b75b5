//! Between what a client does and ZooKeeper's records, and from transactions to entries of a log.

use bytes::Bytes;
use history::answer::{Answer, Outcome, Stat};
use history::operation::{
    Data, ErrorCode, Mode, ReadKind, Request, SessionId, WatchKind, Write, Zxid,
};
use history::record::{EventKind, Node, Transaction, TreeRecord, Txn};
use wire::client::{
    AddWatchRequest, CheckVersionRequest, CreateMode, CreateRequest, DeleteRequest, EventType,
    MultiOp, MultiResult, PathAndTypeRequest, PathRequest, PathWatchRequest, Response,
    SetDataRequest, SetWatches2, WatcherType,
};
use wire::jute::{Reader, Record};
use wire::txn::TxnBlob;

/// A request as it is sent.
pub(crate) fn request(request: &Request) -> wire::client::Request {
    use wire::client::Request as Sent;
    match request {
        Request::Write(write) => match part(write) {
            MultiOp::Create(create) | MultiOp::Create2(create) => Sent::Create2(create),
            MultiOp::CreateContainer(create) => Sent::CreateContainer(create),
            MultiOp::CreateTtl(create) => Sent::CreateTtl(create),
            MultiOp::Delete(delete) => Sent::Delete(delete),
            MultiOp::SetData(set) => Sent::SetData(set),
            MultiOp::Check(check) => Sent::Check(check),
        },
        Request::Multi(writes) => Sent::Multi(writes.iter().map(part).collect()),
        Request::Read(read) => {
            let asked = PathWatchRequest { path: read.path.clone(), watch: read.watch };
            match read.kind {
                ReadKind::Exists => Sent::Exists(asked),
                ReadKind::GetData => Sent::GetData(asked),
                ReadKind::GetChildren => Sent::GetChildren2(asked),
            }
        }
        Request::Sync { path } => Sent::Sync(PathRequest { path: path.clone() }),
        Request::AddWatch { path, recursive } => {
            let mode = i32::from(*recursive);
            Sent::AddWatch(AddWatchRequest { path: path.clone(), mode })
        }
        Request::RemoveWatches { path, kind } => {
            let kind = match kind {
                WatchKind::Data => WatcherType::Data,
                WatchKind::Child => WatcherType::Children,
                WatchKind::Persistent => WatcherType::Persistent,
                WatchKind::Recursive => WatcherType::PersistentRecursive,
                WatchKind::Any => WatcherType::Any,
            };
            Sent::RemoveWatches(PathAndTypeRequest { path: path.clone(), kind: kind.code() })
        }
        Request::SetWatches(lists) => Sent::SetWatches2(SetWatches2 {
            relative_zxid: lists.since.0,
            data_watches: lists.data.clone(),
            exist_watches: lists.exist.clone(),
            child_watches: lists.child.clone(),
            persistent_watches: lists.persistent.clone(),
            persistent_recursive_watches: lists.recursive.clone(),
        }),
        Request::Close => Sent::CloseSession,
    }
}

fn part(write: &Write) -> MultiOp {
    let bytes = |data: &Data| Some(Bytes::copy_from_slice(data.bytes()));
    match write {
        Write::Create { path, data, mode, sequential } => {
            let mode = match (mode, sequential) {
                (Mode::Persistent, false) => CreateMode::Persistent,
                (Mode::Persistent, true) => CreateMode::PersistentSequential,
                (Mode::Ephemeral, false) => CreateMode::Ephemeral,
                (Mode::Ephemeral, true) => CreateMode::EphemeralSequential,
                (Mode::Container, _) => CreateMode::Container,
                (Mode::Ttl, false) => CreateMode::PersistentWithTtl,
                (Mode::Ttl, true) => CreateMode::PersistentSequentialWithTtl,
            };
            MultiOp::Create2(CreateRequest {
                path: path.clone(),
                data: bytes(data),
                acl: wire::Acl::open_unsafe(),
                flags: mode.flags(),
            })
        }
        Write::Delete { path, version } => {
            MultiOp::Delete(DeleteRequest { path: path.clone(), version: *version })
        }
        Write::SetData { path, data, version } => MultiOp::SetData(SetDataRequest {
            path: path.clone(),
            data: bytes(data),
            version: *version,
        }),
        // Clients of a run do not set ACLs.
        Write::SetAcl { path, version } | Write::Check { path, version } => {
            MultiOp::Check(CheckVersionRequest { path: path.clone(), version: *version })
        }
    }
}

/// What a reply says.
///
/// # Errors
/// It cannot be read.
pub(crate) fn outcome(
    asked: &Request,
    error: i32,
    reader: &mut Reader<'_>,
) -> Result<Outcome, String> {
    if error != 0 {
        return Ok(Outcome::Error(ErrorCode(error)));
    }
    let op = request(asked).op();
    let response = Response::decode(op, reader).map_err(|error| format!("{op}: {error}"))?;
    Ok(Outcome::Ok(match response {
        Response::Path(path) if op == wire::client::OpCode::Create => {
            Answer::Created { path, stat: None }
        }
        Response::Create2(created) => {
            Answer::Created { path: created.path, stat: Some(stat(&created.stat)) }
        }
        Response::Stat(found) => Answer::Stat(stat(&found)),
        Response::GetData(found) => {
            Answer::Data { data: data(&found.data), stat: stat(&found.stat) }
        }
        Response::Names(names) => Answer::Children { names, stat: None },
        Response::GetChildren2(found) => {
            Answer::Children { names: found.children, stat: Some(stat(&found.stat)) }
        }
        Response::Multi(results) => Answer::Multi(results.into_iter().map(result).collect()),
        Response::Empty
        | Response::Path(_)
        | Response::GetAcl(_)
        | Response::Sasl(_)
        | Response::Count(_)
        | Response::Error(_)
        | Response::WhoAmI(_)
        | Response::Notification(_) => Answer::Done,
    }))
}

fn result(result: MultiResult) -> Outcome {
    match result {
        MultiResult::Create(path) => Outcome::Ok(Answer::Created { path, stat: None }),
        MultiResult::Create2(created) => {
            Outcome::Ok(Answer::Created { path: created.path, stat: Some(stat(&created.stat)) })
        }
        MultiResult::SetData(found) => Outcome::Ok(Answer::Stat(stat(&found))),
        MultiResult::Error(code) => Outcome::Error(ErrorCode(code)),
        MultiResult::Delete | MultiResult::Check => Outcome::Ok(Answer::Done),
        MultiResult::GetData(_) | MultiResult::GetChildren(_) => Outcome::Ok(Answer::Done),
    }
}

fn data(data: &Option<Bytes>) -> Data {
    Data::from(data.as_deref().unwrap_or_default())
}

fn stat(stat: &wire::Stat) -> Stat {
    Stat {
        czxid: Zxid(stat.czxid),
        mzxid: Zxid(stat.mzxid),
        pzxid: Zxid(stat.pzxid),
        ctime: stat.ctime,
        mtime: stat.mtime,
        version: stat.version,
        cversion: stat.cversion,
        aversion: stat.aversion,
        owner: SessionId(stat.ephemeral_owner),
        length: stat.data_length,
        children: stat.num_children,
    }
}

/// What an event announces.
///
/// # Errors
/// No watch announces that.
pub(crate) fn event(kind: EventType) -> Result<EventKind, String> {
    Ok(match kind {
        EventType::NodeCreated => EventKind::Created,
        EventType::NodeDeleted => EventKind::Deleted,
        EventType::NodeDataChanged => EventKind::DataChanged,
        EventType::NodeChildrenChanged => EventKind::ChildrenChanged,
        EventType::None
        | EventType::DataWatchRemoved
        | EventType::ChildWatchRemoved
        | EventType::PersistentWatchRemoved => return Err(format!("an event of kind {kind:?}")),
    })
}

/// A transaction as an entry of a log.
///
/// # Errors
/// It cannot be read.
pub(crate) fn transaction(payload: &Bytes) -> Result<Transaction, String> {
    let blob = TxnBlob::decode(&mut Reader::with_limit(payload, payload.len()));
    let blob = blob.map_err(|error| error.to_string())?;
    Ok(Transaction {
        zxid: Zxid(blob.header.zxid),
        session: SessionId(blob.header.client_id),
        xid: blob.header.cxid,
        time: Some(blob.header.time),
        txn: txn(&blob.txn)?,
    })
}

fn txn(txn_: &wire::txn::Txn) -> Result<Txn, String> {
    use wire::txn::Txn as Logged;
    Ok(match txn_ {
        Logged::CloseSession(paths) => Txn::CloseSession { paths: paths.clone() },
        Logged::CreateSession { .. } => Txn::CreateSession,
        Logged::Error { err } => Txn::Error(ErrorCode(*err)),
        Logged::Create(create) | Logged::Create2(create) => Txn::Create {
            path: create.path.clone(),
            data: data(&create.data),
            mode: if create.ephemeral { Mode::Ephemeral } else { Mode::Persistent },
        },
        Logged::CreateContainer(create) => Txn::Create {
            path: create.path.clone(),
            data: data(&create.data),
            mode: Mode::Container,
        },
        Logged::CreateTtl(create) => {
            Txn::Create { path: create.path.clone(), data: data(&create.data), mode: Mode::Ttl }
        }
        Logged::Delete(delete) | Logged::DeleteContainer(delete) => {
            Txn::Delete { path: delete.path.clone() }
        }
        Logged::SetData(set) => {
            Txn::SetData { path: set.path.clone(), data: data(&set.data), version: set.version }
        }
        Logged::SetAcl(set) => Txn::SetAcl { path: set.path.clone(), version: set.version },
        Logged::Check(check) => Txn::Check { path: check.path.clone() },
        Logged::Multi(parts) => match parts.iter().find_map(failure) {
            Some(code) => Txn::Error(code),
            None => Txn::Multi(parts.iter().map(txn).collect::<Result<_, _>>()?),
        },
        Logged::Reconfig(_) => return Err("a reconfiguration".to_owned()),
    })
}

/// Why a multi failed, if this part is what it failed at.
fn failure(part: &wire::txn::Txn) -> Option<ErrorCode> {
    let code = if let wire::txn::Txn::Error { err } = part { Some(ErrorCode(*err)) } else { None };
    code.filter(|code| ![ErrorCode::OK, ErrorCode::RUNTIME_INCONSISTENCY].contains(code))
}

/// The tree of a server.
pub(crate) fn tree(tree: &znode::Tree) -> TreeRecord {
    let snapshot = tree.snapshot();
    let found = snapshot.nodes().filter_map(|found| {
        let path = if found.path.is_empty() { "/" } else { found.path };
        let node = tree.node(path)?;
        let data = Data::from(found.data.map_or(&[][..], |data| &data[..]));
        Some(Node { path: path.to_owned(), data, stat: stat(&tree.stat(node)) })
    });
    TreeRecord { zxid: Zxid(tree.last_zxid()), nodes: found.collect() }
}
