//! Reads, answered from the tree of this server.

use wire::client::{
    AddWatchMode, GetAclResponse, MultiReadOp, MultiResult, Request, Response, SetWatches2,
    WatcherEvent, WatcherType, encode_event, encode_names, encode_reply, encode_reply_error,
};
use wire::jute::{Record, Writer};
use wire::{ErrorCode, Id};
use znode::{Tree, WatchMode, WatchTable};

use super::auth;
use super::connection::Connection;
use super::shared::Shared;

/// Appends the reply to a read: whatever it sees, every event about something older was queued before.
pub(super) fn answer(
    xid: i32,
    request: &Request,
    connection: &Connection,
    auth: &[Id],
    tree: &Tree,
    shared: &Shared,
    out: &mut Vec<u8>,
) {
    let zxid = tree.last_zxid();
    connection.stats.answered_at(zxid);
    let watch = |wanted: bool, table: WatchTable, path: &str| {
        if wanted {
            shared.watches().add(table, connection.id(), path, WatchMode::Standard);
        }
    };
    let answered: Result<Response, ErrorCode> = match request {
        Request::GetData(read) => match tree.get_data(&read.path, auth) {
            Ok((data, stat)) => {
                watch(read.watch, WatchTable::Data, &read.path);
                return encode_reply(out, xid, zxid, |out| {
                    out.buffer(data.as_deref());
                    stat.encode(out);
                });
            }
            Err(error) => Err(error),
        },
        Request::Exists(read) => {
            let found = tree.exists(&read.path, auth);
            // Who waits for a node to come into being watches what is not there.
            if matches!(found, Ok(_) | Err(ErrorCode::NoNode)) {
                watch(read.watch, WatchTable::Data, &read.path);
            }
            found.map(Response::Stat)
        }
        Request::GetChildren(read) => match tree.get_children(&read.path, auth) {
            Ok((names, _)) => {
                watch(read.watch, WatchTable::Child, &read.path);
                return encode_reply(out, xid, zxid, |out| encode_names(names, out));
            }
            Err(error) => Err(error),
        },
        Request::GetChildren2(read) => match tree.get_children(&read.path, auth) {
            Ok((names, stat)) => {
                watch(read.watch, WatchTable::Child, &read.path);
                return encode_reply(out, xid, zxid, |out| {
                    encode_names(names, out);
                    stat.encode(out);
                });
            }
            Err(error) => Err(error),
        },
        Request::Ping => Ok(Response::Empty),
        Request::GetAcl(read) => tree
            .get_acl(&read.path, auth)
            .map(|(acl, stat)| Response::GetAcl(GetAclResponse { acl, stat })),
        Request::GetAllChildrenNumber(read) => {
            tree.get_all_children_number(&read.path, auth).map(Response::Count)
        }
        Request::GetEphemerals(read) => {
            let paths = tree.get_ephemerals(connection.session(), &read.path);
            Ok(Response::Names(paths.iter().map(ToString::to_string).collect()))
        }
        Request::WhoAmI => Ok(Response::WhoAmI(auth.iter().map(auth::shown).collect())),
        Request::MultiRead(reads) => {
            Ok(Response::Multi(reads.iter().map(|read| one_of_many(read, auth, tree)).collect()))
        }
        Request::SetWatches(lists) => {
            let lists = SetWatches2 {
                relative_zxid: lists.relative_zxid,
                data_watches: lists.data_watches.clone(),
                exist_watches: lists.exist_watches.clone(),
                child_watches: lists.child_watches.clone(),
                ..SetWatches2::default()
            };
            set_watches(&lists, connection, tree, shared, out);
            Ok(Response::Empty)
        }
        Request::SetWatches2(lists) => {
            set_watches(lists, connection, tree, shared, out);
            Ok(Response::Empty)
        }
        Request::AddWatch(watch) => match AddWatchMode::try_from(watch.mode) {
            Ok(mode) => {
                shared.watches().add_persistent(
                    connection.id(),
                    &watch.path,
                    mode == AddWatchMode::PersistentRecursive,
                );
                Ok(Response::Error(ErrorCode::Ok.code()))
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
}

fn one_of_many(read: &MultiReadOp, auth: &[Id], tree: &Tree) -> MultiResult {
    let answered = match read {
        MultiReadOp::GetData(read) => tree
            .get_data(&read.path, auth)
            .map(|(data, stat)| MultiResult::GetData(wire::client::GetDataResponse { data, stat })),
        MultiReadOp::GetChildren(read) => tree
            .get_children(&read.path, auth)
            .map(|(names, _)| MultiResult::GetChildren(names.map(str::to_owned).collect())),
    };
    answered.unwrap_or_else(|error| MultiResult::Error(error.code()))
}

fn set_watches(
    lists: &SetWatches2,
    connection: &Connection,
    tree: &Tree,
    shared: &Shared,
    out: &mut Vec<u8>,
) {
    for event in shared.watches().set_watches(tree, connection.id(), lists) {
        encode_event(out, -1, &WatcherEvent::new(event.kind, &*event.path));
    }
}

fn watcher(kind: i32, found: impl FnOnce(WatcherType) -> bool) -> Result<Response, ErrorCode> {
    match WatcherType::try_from(kind) {
        Err(_) => Err(ErrorCode::MarshallingError),
        Ok(kind) if found(kind) => Ok(Response::Empty),
        Ok(_) => Err(ErrorCode::NoWatcher),
    }
}
