//! What each command asks of the ensemble.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "any answer but the one that is due is one of another kind"
)]

use std::collections::VecDeque;

use ::client::{Client, Failure};
use bytes::Bytes;
use serde_json::json;
use wire::client::{
    AddWatchMode, AddWatchRequest, AuthPacket, CreateMode, CreateRequest, CreateTtlRequest,
    DeleteRequest, MultiOp, PathAndTypeRequest, PathRequest, PathWatchRequest, Request, Response,
    SetAclRequest, SetDataRequest, WatcherType,
};
use wire::{ErrorCode, Stat};

use super::bytes::{from_base64, hex_dump, to_base64};
use super::commands::{ANY, Command, WatchKind, WatchMode};
use super::output::{self, Output};
use super::quota;

/// Why a command is not done, as it is to be said.
pub(super) type Done<T = Output> = Result<T, String>;

/// A session, and what commands ask over it.
pub(super) struct Asker<'a>(pub(super) &'a Client);

impl Asker<'_> {
    /// Does a command that concerns the ensemble.
    pub(super) async fn perform(&self, command: Command) -> Done {
        match command {
            Command::Ls { stat, watch, recursive, path } => {
                self.list(&path, stat, watch, recursive).await
            }
            Command::Get { stat, watch, base64, hex, path } => {
                let (data, found) = self.get(&path, watch).await?;
                let bytes = data.as_deref();
                let (text, json) = match bytes {
                    None => ("null".to_owned(), serde_json::Value::Null),
                    Some(bytes) if base64 => (to_base64(bytes), json!(to_base64(bytes))),
                    Some(bytes) if hex => (hex_dump(bytes), output::data_json(Some(bytes))),
                    Some(bytes) => (
                        String::from_utf8_lossy(bytes).into_owned(),
                        output::data_json(Some(bytes)),
                    ),
                };
                Ok(Output::new(text, json!({"data": json})).with_stat(stat, &found))
            }
            Command::Create { sequential, ephemeral, container, ttl, path, data, acl } => {
                let mode = mode(sequential, ephemeral, container, ttl.is_some());
                self.create(path, data.into(), &acl, mode, ttl).await
            }
            Command::Set { stat, base64, version, path, data } => {
                let data = if base64 { from_base64(&data)? } else { data.into_bytes() };
                let set = SetDataRequest { path: path.clone(), data: Some(data.into()), version };
                let found = self.stat_of(Request::SetData(set), &path).await?;
                Ok(Output::nothing().with_stat(stat, &found))
            }
            Command::Delete { version, path } => {
                let request = Request::Delete(DeleteRequest { path: path.clone(), version });
                self.ask(request, &path).await.map(|_| Output::nothing())
            }
            Command::Deleteall { path, batch } => self.delete_all(&path, batch.into()).await,
            Command::Stat { watch, path } => {
                let request = Request::Exists(PathWatchRequest { path: path.clone(), watch });
                let found = self.stat_of(request, &path).await?;
                Ok(Output::new("", json!({})).with_stat(true, &found))
            }
            Command::GetAcl { stat, path } => {
                let request = Request::GetAcl(PathRequest { path: path.clone() });
                match self.ask(request, &path).await? {
                    Response::GetAcl(found) => {
                        Ok(output::acl(&found.acl).with_stat(stat, &found.stat))
                    }
                    other => Err(unexpected(&other)),
                }
            }
            Command::SetAcl { stat, version, recursive, path, acl } => {
                self.set_acl(&path, &acl, version, recursive, stat).await
            }
            Command::Sync { path } => {
                let request = Request::Sync(PathRequest { path: path.clone() });
                self.ask(request, &path).await?;
                Ok(Output::new("Sync is OK", json!({"ok": true})))
            }
            Command::Addauth { scheme, auth } => {
                let auth = Some(Bytes::from(auth));
                let request = Request::Auth(AuthPacket { kind: 0, scheme: scheme.clone(), auth });
                self.ask(request, &scheme).await.map(|_| Output::nothing())
            }
            Command::AddWatch { mode, path } => {
                let mode = match mode {
                    WatchMode::Persistent => AddWatchMode::Persistent,
                    WatchMode::PersistentRecursive => AddWatchMode::PersistentRecursive,
                };
                let request = AddWatchRequest { path: path.clone(), mode: mode.code() };
                self.ask(Request::AddWatch(request), &path).await.map(|_| Output::nothing())
            }
            Command::Removewatches { path, kind } => {
                let kind = watcher_type(&kind).code();
                let request = PathAndTypeRequest { path: path.clone(), kind };
                self.ask(Request::RemoveWatches(request), &path).await.map(|_| Output::nothing())
            }
            Command::GetEphemerals { path } => {
                let request = Request::GetEphemerals(PathRequest { path: path.clone() });
                let paths = self.names(request, &path).await?;
                Ok(Output::new(output::list(&paths), json!({"ephemerals": paths})))
            }
            Command::GetAllChildrenNumber { path } => {
                let request = Request::GetAllChildrenNumber(PathRequest { path: path.clone() });
                match self.ask(request, &path).await? {
                    Response::Count(count) => {
                        Ok(Output::new(count.to_string(), json!({"count": count})))
                    }
                    other => Err(unexpected(&other)),
                }
            }
            Command::Whoami => match self.ask(Request::WhoAmI, "whoami").await? {
                Response::WhoAmI(ids) => {
                    let lines = ids.iter().map(|id| format!("{}: {}", id.auth_scheme, id.user));
                    let text = std::iter::once("Auth scheme: User".to_owned()).chain(lines);
                    let json = |id: &wire::client::ClientInfo| json!({"scheme": id.auth_scheme, "user": id.user});
                    let ids: Vec<_> = ids.iter().map(json).collect();
                    Ok(Output::new(text.collect::<Vec<_>>().join("\n"), json!({"ids": ids})))
                }
                other => Err(unexpected(&other)),
            },
            Command::Config { client, watch, stat } => {
                let (data, found) = self.get("/zookeeper/config", watch).await?;
                let text =
                    String::from_utf8_lossy(data.as_deref().unwrap_or_default()).into_owned();
                let text = if client { clients(&text) } else { text };
                Ok(Output::new(text.clone(), json!({"config": text})).with_stat(stat, &found))
            }
            Command::Setquota { limits, path } => quota::set(self, &path, &limits).await,
            Command::Listquota { path } => quota::show(self, &path).await,
            Command::Delquota { count, bytes, hard_count, hard_bytes, path } => {
                quota::remove(self, &path, [count, bytes, hard_count, hard_bytes]).await
            }
            Command::Version
            | Command::History
            | Command::Redo { .. }
            | Command::Printwatches { .. }
            | Command::Connect { .. }
            | Command::Close
            | Command::Quit => Ok(Output::nothing()),
        }
    }

    /// Asks; `about` is what an error speaks of.
    pub(super) async fn ask(&self, request: Request, about: &str) -> Done<Response> {
        self.0.ask(request).await.map_err(|failure| match failure {
            Failure::Refused(code) => output::refusal(code, about),
            Failure::Lost(_) | Failure::AuthFailed | Failure::Closed => failure.to_string(),
        })
    }

    pub(super) async fn get(&self, path: &str, watch: bool) -> Done<(Option<Bytes>, Stat)> {
        let request = Request::GetData(PathWatchRequest { path: path.to_owned(), watch });
        match self.ask(request, path).await? {
            Response::GetData(found) => Ok((found.data, found.stat)),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`Self::get`]; `None`: there is no such node.
    pub(super) async fn find(&self, path: &str) -> Done<Option<Bytes>> {
        let request = Request::GetData(PathWatchRequest { path: path.to_owned(), watch: false });
        match self.0.ask(request).await {
            Ok(Response::GetData(found)) => Ok(Some(found.data.unwrap_or_default())),
            Ok(other) => Err(unexpected(&other)),
            Err(Failure::Refused(code)) if code == ErrorCode::NoNode.code() => Ok(None),
            Err(Failure::Refused(code)) => Err(output::refusal(code, path)),
            Err(failure) => Err(failure.to_string()),
        }
    }

    pub(super) async fn children(&self, path: &str, watch: bool) -> Done<(Vec<String>, Stat)> {
        let request = Request::GetChildren2(PathWatchRequest { path: path.to_owned(), watch });
        match self.ask(request, path).await? {
            Response::GetChildren2(found) => {
                let mut children = found.children;
                children.sort();
                Ok((children, found.stat))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn names(&self, request: Request, about: &str) -> Done<Vec<String>> {
        match self.ask(request, about).await? {
            Response::Names(mut names) => {
                names.sort();
                Ok(names)
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn stat_of(&self, request: Request, about: &str) -> Done<Stat> {
        match self.ask(request, about).await? {
            Response::Stat(stat) => Ok(stat),
            other => Err(unexpected(&other)),
        }
    }

    /// The node and all below it, parents first.
    pub(super) async fn subtree(&self, path: &str) -> Done<Vec<String>> {
        let (mut all, mut next) = (Vec::new(), VecDeque::from([path.to_owned()]));
        while let Some(path) = next.pop_front() {
            let below = if path == "/" { "" } else { &path };
            match self.children(&path, false).await {
                Ok((children, _)) => {
                    next.extend(children.iter().map(|child| format!("{below}/{child}")));
                    all.push(path);
                }
                // One that is gone meanwhile is not there.
                Err(_) if !all.is_empty() && self.find(&path).await?.is_none() => {}
                Err(why) => return Err(why),
            }
        }
        Ok(all)
    }

    async fn list(&self, path: &str, stat: bool, watch: bool, recursive: bool) -> Done {
        if recursive {
            let mut all = self.subtree(path).await?;
            all.sort();
            return Ok(Output::new(all.join("\n"), json!({"paths": all})));
        }
        let (children, found) = self.children(path, watch).await?;
        let text = output::list(&children);
        Ok(Output::new(text, json!({"children": children})).with_stat(stat, &found))
    }

    async fn create(
        &self,
        path: String,
        data: Vec<u8>,
        acl: &str,
        mode: CreateMode,
        ttl: Option<i64>,
    ) -> Done {
        let (acl, flags, data) = (output::parse_acl(acl)?, mode.flags(), Some(Bytes::from(data)));
        let about = path.clone();
        let request = match ttl {
            Some(ttl) => Request::CreateTtl(CreateTtlRequest { path, data, acl, flags, ttl }),
            None => {
                let create = CreateRequest { path, data, acl, flags };
                let is_container = mode.is_container();
                if is_container {
                    Request::CreateContainer(create)
                } else {
                    Request::Create(create)
                }
            }
        };
        let path = match self.ask(request, &about).await? {
            Response::Path(path) => path,
            Response::Create2(created) => created.path,
            other => return Err(unexpected(&other)),
        };
        Ok(Output::new(format!("Created {path}"), json!({"created": path})))
    }

    /// Deletes the node and all below it, children first, many by one request. Nodes that cannot be
    /// deleted keep no others from it.
    async fn delete_all(&self, path: &str, batch: usize) -> Done {
        let mut all = self.subtree(path).await?;
        all.reverse();
        let (mut refused, mut first) = (0, None);
        let mut done = 0;
        for paths in parts(&all, batch, DELETE_BYTES_MAX) {
            let after = |why| format!("after {done} of {} nodes: {why}", all.len());
            for why in self.delete(paths).await.map_err(after)? {
                refused += 1;
                first.get_or_insert(why);
            }
            done += paths.len();
        }
        match first {
            None => Ok(Output::new("", json!({"deleted": all.len()}))),
            Some(why) => {
                let all = all.len();
                Err(format!("{refused} of {all} nodes are not deleted; the first: {why}"))
            }
        }
    }

    /// Deletes these nodes. Why those are not deleted that are left.
    async fn delete(&self, paths: &[String]) -> Done<Vec<String>> {
        let delete = |path: &String| DeleteRequest { path: path.clone(), version: ANY };
        let parts = paths.iter().map(|path| MultiOp::Delete(delete(path))).collect();
        let whole = self.0.ask(Request::Multi(parts)).await;
        let is_done = match whole {
            Ok(Response::Multi(results)) => results.iter().find_map(failed).is_none(),
            Ok(other) => return Err(unexpected(&other)),
            // As a whole: the server may know no multi of this size.
            Err(Failure::Refused(_)) => false,
            Err(failure) => return Err(failure.to_string()),
        };
        let mut left = Vec::new();
        if is_done {
            return Ok(left);
        }
        for path in paths {
            match self.0.ask(Request::Delete(delete(path))).await {
                Ok(_) => {}
                // Somebody else was first.
                Err(Failure::Refused(code)) if code == ErrorCode::NoNode.code() => {}
                Err(Failure::Refused(code)) => left.push(output::refusal(code, path)),
                Err(failure) => return Err(failure.to_string()),
            }
        }
        Ok(left)
    }

    async fn set_acl(
        &self,
        path: &str,
        acl: &str,
        version: i32,
        recursive: bool,
        stat: bool,
    ) -> Done {
        let acl = output::parse_acl(acl)?;
        let paths = if recursive { self.subtree(path).await? } else { vec![path.to_owned()] };
        let mut output = Output::nothing();
        for path in paths {
            let request = SetAclRequest { path: path.clone(), acl: acl.clone(), version };
            let found = self.stat_of(Request::SetAcl(request), &path).await?;
            output = Output::nothing().with_stat(stat, &found);
        }
        Ok(output)
    }
}

/// The longest paths that `deleteall` puts into one request, in bytes of all of them: far less than
/// any server takes, however small its `jute.maxbuffer`.
const DELETE_BYTES_MAX: usize = 64 << 10;

/// The paths, in parts of so many and so many bytes; a part has at least one.
fn parts(paths: &[String], count_max: usize, bytes_max: usize) -> impl Iterator<Item = &[String]> {
    let mut left = paths;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |path: &&String| {
            bytes += path.len();
            bytes <= bytes_max
        };
        let count = left.iter().take(count_max).take_while(fits).count().max(1);
        let (part, rest) = left.split_at_checked(count)?;
        left = rest;
        Some(part)
    })
}

/// The error of a part of a multi, if it is the one that made the multi fail.
fn failed(result: &wire::client::MultiResult) -> Option<i32> {
    let wire::client::MultiResult::Error(code) = result else { return None };
    let is_reason = ![ErrorCode::Ok.code(), ErrorCode::RuntimeInconsistency.code()].contains(code);
    is_reason.then_some(*code)
}

fn mode(sequential: bool, ephemeral: bool, container: bool, has_ttl: bool) -> CreateMode {
    match (sequential, ephemeral, has_ttl) {
        _ if container => CreateMode::Container,
        (false, _, true) => CreateMode::PersistentWithTtl,
        (true, _, true) => CreateMode::PersistentSequentialWithTtl,
        (false, false, false) => CreateMode::Persistent,
        (false, true, false) => CreateMode::Ephemeral,
        (true, false, false) => CreateMode::PersistentSequential,
        (true, true, false) => CreateMode::EphemeralSequential,
    }
}

fn watcher_type(kind: &WatchKind) -> WatcherType {
    let WatchKind { children, data, any: _, persistent, recursive } = kind;
    let chosen = [
        (*children, WatcherType::Children),
        (*data, WatcherType::Data),
        (*persistent, WatcherType::Persistent),
        (*recursive, WatcherType::PersistentRecursive),
    ];
    chosen.into_iter().find(|(is_it, _)| *is_it).map_or(WatcherType::Any, |(_, kind)| kind)
}

/// Where clients connect, of the lines `server.N=host:port:port:role;address:port`.
fn clients(config: &str) -> String {
    let client = |line: &str| {
        let (member, client) = line.strip_prefix("server.")?.split_once(';')?;
        let host = member.split_once('=')?.1;
        let host = match host.strip_prefix('[') {
            Some(rest) => format!("[{}]", rest.split_once(']')?.0),
            None => host.split(':').next()?.to_owned(),
        };
        Some(match client.rsplit_once(':') {
            None | Some(("" | "0.0.0.0" | "[::]" | "*", _)) => {
                format!("{host}:{}", client.rsplit(':').next()?)
            }
            Some(_) => client.to_owned(),
        })
    };
    config.lines().filter_map(client).collect::<Vec<_>>().join(",")
}

fn unexpected(response: &Response) -> String {
    let text = format!("{response:?}");
    format!("the server gives an answer of another kind: {text:.80}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_deleted_in_parts_of_a_bounded_number_and_length() {
        let paths = ["/1", "/22", "/333", "/4444444444", "/5", "/6", "/7"].map(str::to_owned);
        let parts = |count, bytes| parts(&paths, count, bytes).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(parts(100, 1000), [7]);
        assert_eq!(parts(3, 1000), [3, 3, 1]);
        assert_eq!(parts(3, 9), [3, 1, 3]);
        assert_eq!(parts(100, 0), [1; 7]);
        assert_eq!(super::parts(&[], 1, 1).count(), 0);
    }

    #[test]
    fn where_clients_connect_is_read_off_the_configuration() {
        let config = "server.1=a:2888:3888:participant;0.0.0.0:2181\nserver.2=[::1]:2888:3888:participant;2182\n\
                      server.3=c:2888:3888:observer;10.0.0.3:2183\nserver.4=d:2888:3888:participant\nversion=0";
        assert_eq!(clients(config), "a:2181,[::1]:2182,10.0.0.3:2183");
    }
}
