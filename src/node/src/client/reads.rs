//! Reads, answered from the tree of this server.

use bytes::Bytes;
use tracing::debug;
use wire::client::{
    AddWatchMode, GetAclResponse, MultiHeader, MultiReadOp, OpCode, PathWatchRequest, Request,
    Response, WatcherEvent, WatcherType, encode_event, encode_names, encode_reply,
    encode_reply_error,
};
use wire::jute::{Record, Writer};
use wire::{ErrorCode, Id, Stat};
use znode::{TooManyWatches, Tree, WatchLists, WatchMode, WatchTable};

use super::auth;
use super::connection::Connection;
use super::shared::Shared;
use super::sizes;

/// Appends the reply to a read: whatever it sees, every event about something older was queued
/// before.
///
/// No reply is longer than `answer_bytes_max`. How long one will be is known before memory is taken
/// for it, and before its watch is set: a read whose reply would be longer is refused with
/// MarshallingError, and leaves no watch. So is a read that would set a watch, where the connection
/// has as many as it may.
pub(super) fn answer(
    xid: i32,
    request: &Request,
    connection: &Connection,
    auth: &[Id],
    tree: &Tree,
    shared: &Shared,
    out: &mut Vec<u8>,
) -> After {
    let zxid = tree.last_zxid();
    connection.stats.answered_at(zxid);
    let max = shared.settings.answer_bytes_max as usize - sizes::REPLY_BYTES;
    let watched = |read: &PathWatchRequest, table| {
        if !read.watch {
            return Ok(());
        }
        let set = shared.watches().add(table, connection.id(), &read.path, WatchMode::Standard);
        set.map_err(|error| too_many(connection, error))
    };
    let mut after = After::GoOn;
    let answered: Result<Response, ErrorCode> = match request {
        Request::GetData(read) => match data(tree, &read.path, auth, max)
            .and_then(|found| watched(read, WatchTable::Data).map(|()| found))
        {
            Ok((data, stat)) => {
                sizes::make_room(out, sizes::data(&data) + Stat::BYTES);
                encode_reply(out, xid, zxid, |out| {
                    out.buffer(data.as_deref());
                    stat.encode(out);
                });
                return after;
            }
            Err(error) => Err(error),
        },
        Request::Exists(read) => match tree.exists(&read.path, auth) {
            // Who waits for a node to come into being watches what is not there.
            found @ (Ok(_) | Err(ErrorCode::NoNode)) => {
                watched(read, WatchTable::Data).and(found.map(Response::Stat))
            }
            Err(error) => Err(error),
        },
        Request::GetChildren(read) => match children(tree, &read.path, auth, max)
            .and_then(|found| watched(read, WatchTable::Child).map(|()| found))
        {
            Ok((names, bytes, _)) => {
                sizes::make_room(out, bytes);
                encode_reply(out, xid, zxid, |out| encode_names(names, out));
                return after;
            }
            Err(error) => Err(error),
        },
        Request::GetChildren2(read) => match children(tree, &read.path, auth, max)
            .and_then(|found| watched(read, WatchTable::Child).map(|()| found))
        {
            Ok((names, bytes, stat)) => {
                sizes::make_room(out, bytes + Stat::BYTES);
                encode_reply(out, xid, zxid, |out| {
                    encode_names(names, out);
                    stat.encode(out);
                });
                return after;
            }
            Err(error) => Err(error),
        },
        Request::Ping => Ok(Response::Empty),
        Request::GetAcl(read) => tree.get_acl(&read.path, auth).and_then(|(acl, stat)| {
            let found = GetAclResponse { acl, stat };
            sizes::within(found.encoded_len(), max)?;
            Ok(Response::GetAcl(found))
        }),
        Request::GetAllChildrenNumber(read) => {
            tree.get_all_children_number(&read.path, auth).map(Response::Count)
        }
        Request::GetEphemerals(read) => {
            let paths = tree.get_ephemerals(connection.session(), &read.path);
            match sizes::names(paths.clone(), max) {
                Ok((count, bytes)) => {
                    sizes::make_room(out, bytes);
                    encode_reply(out, xid, zxid, |out| {
                        out.count(count);
                        paths.for_each(|path| out.str(path));
                    });
                    return after;
                }
                Err(error) => Err(error),
            }
        }
        Request::WhoAmI => Ok(Response::WhoAmI(auth.iter().map(auth::shown).collect())),
        Request::MultiRead(reads) => {
            // With an error for every operation it is no longer than the request.
            encode_reply(out, xid, zxid, |out| read_many(reads, auth, tree, max, out));
            return after;
        }
        Request::SetWatches(lists) => {
            set_watches(lists.into(), connection, tree, shared, out, &mut after)
        }
        Request::SetWatches2(lists) => {
            set_watches(lists.into(), connection, tree, shared, out, &mut after)
        }
        Request::AddWatch(watch) => match AddWatchMode::try_from(watch.mode) {
            Ok(mode) => {
                let recursive = mode == AddWatchMode::PersistentRecursive;
                let set = shared.watches().add_persistent(connection.id(), &watch.path, recursive);
                set.map(|()| Response::Error(ErrorCode::Ok.code()))
                    .map_err(|error| too_many(connection, error))
            }
            Err(_) => Err(ErrorCode::MarshallingError),
        },
        Request::CheckWatches(watch) => watcher(watch.kind, |kind| {
            shared.watches().contains(connection.id(), &watch.path, kind)
        }),
        Request::RemoveWatches(watch) => {
            watcher(watch.kind, |kind| shared.watches().remove(connection.id(), &watch.path, kind))
        }
        Request::Create(_)
        | Request::Delete(_)
        | Request::SetData(_)
        | Request::SetAcl(_)
        | Request::Sync(_)
        | Request::Check(_)
        | Request::Create2(_)
        | Request::Reconfig(_)
        | Request::CreateContainer(_)
        | Request::DeleteContainer(_)
        | Request::CreateTtl(_)
        | Request::Auth(_)
        | Request::Multi(_)
        | Request::Sasl(_)
        | Request::CreateSession { .. }
        | Request::CloseSession => Err(ErrorCode::Unimplemented),
    };
    match answered {
        Ok(response) => encode_reply(out, xid, zxid, |out| response.encode(out)),
        Err(error) => encode_reply_error(out, xid, zxid, error),
    }
    after
}

/// What becomes of the connection once a read is answered.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum After {
    GoOn,
    /// It ends behind the answer. Clients do not look at the answer to setWatches: one that went on
    /// would wait for events that nobody sends.
    End,
}

fn too_many(connection: &Connection, error: TooManyWatches) -> ErrorCode {
    debug!("client {}: {error}", connection.address());
    ErrorCode::MarshallingError
}

/// The data of a node, if it fits into `max` bytes of a reply together with the stat.
fn data(
    tree: &Tree,
    path: &str,
    auth: &[Id],
    max: usize,
) -> Result<(Option<Bytes>, Stat), ErrorCode> {
    let (data, stat) = tree.get_data(path, auth)?;
    sizes::within(sizes::data(&data) + Stat::BYTES, max)?;
    Ok((data, stat))
}

/// The children of a node and the length of their list, if it fits into `max` bytes of a reply
/// together with the stat.
pub(super) fn children<'a>(
    tree: &'a Tree,
    path: &str,
    auth: &[Id],
    max: usize,
) -> Result<(impl ExactSizeIterator<Item = &'a str> + use<'a>, usize, Stat), ErrorCode> {
    let (names, stat) = tree.get_children(path, auth)?;
    // A node may have a million children: most lists that are too long are seen to be so without a
    // look at them.
    sizes::within(names.len() * sizes::NAME_BYTES_MIN, max)?;
    let (_, bytes) = sizes::names(names.clone(), max.saturating_sub(Stat::BYTES))?;
    Ok((names, bytes, stat))
}

/// Appends the results of a multiRead, at most `max` bytes. They are found twice: once for their
/// length, so that memory is taken for them once.
fn read_many(reads: &[MultiReadOp], auth: &[Id], tree: &Tree, max: usize, out: &mut Vec<u8>) {
    let mut bytes = sizes::MULTI_HEADER_BYTES;
    results(reads, auth, tree, max, |result| bytes += result.bytes());
    sizes::make_room(out, bytes);
    results(reads, auth, tree, max, |result| result.encode(out));
    MultiHeader::END.encode(out);
}

/// Tells the results of a multiRead, one by one. From the first one on that does not fit all are
/// errors: so nobody is made to look for what fits, again and again.
fn results<'a>(
    reads: &[MultiReadOp],
    auth: &[Id],
    tree: &'a Tree,
    max: usize,
    mut tell: impl FnMut(ReadResult<'a>),
) {
    let errors = reads.len() * sizes::ERROR_RESULT_BYTES + sizes::MULTI_HEADER_BYTES;
    // What the results may take beyond errors in the place of all of them.
    let mut left = max.saturating_sub(errors);
    let mut is_full = false;
    for read in reads {
        let room = left + sizes::ERROR_RESULT_BYTES - sizes::MULTI_HEADER_BYTES;
        let found = match read {
            _ if is_full => Err(ErrorCode::MarshallingError),
            MultiReadOp::GetData(read) => data(tree, &read.path, auth, room)
                .map(|(data, stat)| ReadResult::Data(data, Box::new(stat))),
            MultiReadOp::GetChildren(read) => children(tree, &read.path, auth, room)
                .map(|(names, bytes, _)| ReadResult::Names(Box::new(names), bytes)),
        };
        let result = found.unwrap_or_else(|error| {
            is_full |= error == ErrorCode::MarshallingError;
            ReadResult::Error(error)
        });
        left = left.saturating_sub(result.bytes().saturating_sub(sizes::ERROR_RESULT_BYTES));
        tell(result);
    }
}

/// The result of an operation of a multiRead, in the tree.
enum ReadResult<'a> {
    Data(Option<Bytes>, Box<Stat>),
    /// The names, and how long their list is.
    Names(Box<dyn ExactSizeIterator<Item = &'a str> + 'a>, usize),
    Error(ErrorCode),
}

impl ReadResult<'_> {
    fn bytes(&self) -> usize {
        match self {
            Self::Data(data, _) => sizes::MULTI_HEADER_BYTES + sizes::data(data) + Stat::BYTES,
            Self::Names(_, bytes) => sizes::MULTI_HEADER_BYTES + bytes,
            Self::Error(_) => sizes::ERROR_RESULT_BYTES,
        }
    }

    fn encode(self, out: &mut Vec<u8>) {
        let head = |op: OpCode, err, out: &mut _| {
            MultiHeader { op: op.code(), done: false, err }.encode(out)
        };
        match self {
            Self::Data(data, stat) => {
                head(OpCode::GetData, 0, out);
                out.buffer(data.as_deref());
                stat.encode(out);
            }
            Self::Names(names, _) => {
                head(OpCode::GetChildren, 0, out);
                encode_names(names, out);
            }
            Self::Error(error) => {
                head(OpCode::Error, error.code(), out);
                out.i32(error.code());
            }
        }
    }
}

fn set_watches(
    lists: WatchLists<'_>,
    connection: &Connection,
    tree: &Tree,
    shared: &Shared,
    out: &mut Vec<u8>,
    after: &mut After,
) -> Result<Response, ErrorCode> {
    let set = shared.watches().set_watches(tree, connection.id(), lists, |kind, path| {
        encode_event(out, -1, &WatcherEvent::new(kind, path));
    });
    set.map(|()| Response::Empty).map_err(|error| {
        *after = After::End;
        too_many(connection, error)
    })
}

fn watcher(kind: i32, found: impl FnOnce(WatcherType) -> bool) -> Result<Response, ErrorCode> {
    match WatcherType::try_from(kind) {
        Err(_) => Err(ErrorCode::MarshallingError),
        Ok(kind) if found(kind) => Ok(Response::Empty),
        Ok(_) => Err(ErrorCode::NoWatcher),
    }
}
