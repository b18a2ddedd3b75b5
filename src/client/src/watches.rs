//! The watches that a client has, so that another server learns of them.

use std::collections::BTreeSet;

use wire::ErrorCode;
use wire::client::{
    AddWatchMode, EventType, PathAndTypeRequest, Request, SetWatches2, WatcherEvent, WatcherType,
};

/// Paths as servers know them.
#[derive(Clone, Default, Debug)]
pub(crate) struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

/// The watch that a request leaves, if it is answered so.
#[derive(Clone, Debug)]
pub(crate) enum Leaves {
    Nothing,
    /// getData.
    Data(String),
    /// exists: of a node that is there, or of one that is not.
    Exist(String),
    Child(String),
    Persistent(String),
    Recursive(String),
    /// removeWatches: those of a kind are gone.
    Removed(PathAndTypeRequest),
}

impl Leaves {
    pub(crate) fn of(request: &Request) -> Self {
        let watched = |path: &str, watch: bool, leaves: fn(String) -> Self| {
            if watch { leaves(path.to_owned()) } else { Self::Nothing }
        };
        match request {
            Request::GetData(read) => watched(&read.path, read.watch, Self::Data),
            Request::Exists(read) => watched(&read.path, read.watch, Self::Exist),
            Request::GetChildren(read) | Request::GetChildren2(read) => {
                watched(&read.path, read.watch, Self::Child)
            }
            Request::AddWatch(add) if add.mode == AddWatchMode::Persistent.code() => {
                Self::Persistent(add.path.clone())
            }
            Request::AddWatch(add) => Self::Recursive(add.path.clone()),
            Request::RemoveWatches(remove) => Self::Removed(remove.clone()),
            Request::Create(_)
            | Request::Delete(_)
            | Request::SetData(_)
            | Request::GetAcl(_)
            | Request::SetAcl(_)
            | Request::Sync(_)
            | Request::Check(_)
            | Request::Create2(_)
            | Request::Reconfig(_)
            | Request::CheckWatches(_)
            | Request::CreateContainer(_)
            | Request::DeleteContainer(_)
            | Request::CreateTtl(_)
            | Request::Auth(_)
            | Request::SetWatches(_)
            | Request::GetEphemerals(_)
            | Request::GetAllChildrenNumber(_)
            | Request::SetWatches2(_)
            | Request::Ping
            | Request::Multi(_)
            | Request::MultiRead(_)
            | Request::Sasl(_)
            | Request::WhoAmI
            | Request::CreateSession { .. }
            | Request::CloseSession => Self::Nothing,
        }
    }
}

impl Watches {
    /// A request was answered with this error code.
    pub(crate) fn answered(&mut self, leaves: Leaves, error: i32) {
        let done = error == ErrorCode::Ok.code();
        match leaves {
            Leaves::Exist(path) if error == ErrorCode::NoNode.code() => {
                self.exist.insert(path);
            }
            Leaves::Data(path) | Leaves::Exist(path) if done => {
                self.data.insert(path);
            }
            Leaves::Child(path) if done => {
                self.child.insert(path);
            }
            Leaves::Persistent(path) if done => {
                self.persistent.insert(path);
            }
            Leaves::Recursive(path) if done => {
                self.recursive.insert(path);
            }
            Leaves::Removed(removed) if done => self.remove(&removed),
            Leaves::Nothing
            | Leaves::Data(_)
            | Leaves::Exist(_)
            | Leaves::Child(_)
            | Leaves::Persistent(_)
            | Leaves::Recursive(_)
            | Leaves::Removed(_) => {}
        }
    }

    fn remove(&mut self, PathAndTypeRequest { path, kind }: &PathAndTypeRequest) {
        let Self { data, exist, child, persistent, recursive } = self;
        let kinds = match WatcherType::try_from(*kind) {
            Ok(WatcherType::Children) => vec![child],
            Ok(WatcherType::Data) => vec![data, exist],
            Ok(WatcherType::Persistent) => vec![persistent],
            Ok(WatcherType::PersistentRecursive) => vec![recursive],
            Ok(WatcherType::Any) => vec![data, exist, child, persistent, recursive],
            Err(_) => Vec::new(),
        };
        for paths in kinds {
            paths.remove(path);
        }
    }

    /// An event has used up those that fire once.
    pub(crate) fn fired(&mut self, event: &WatcherEvent) {
        let Self { data, exist, child, persistent: _, recursive: _ } = self;
        let spent = match EventType::try_from(event.kind) {
            Ok(EventType::NodeCreated | EventType::NodeDataChanged) => vec![data, exist],
            Ok(EventType::NodeDeleted) => vec![data, exist, child],
            Ok(EventType::NodeChildrenChanged) => vec![child],
            Ok(
                EventType::None
                | EventType::DataWatchRemoved
                | EventType::ChildWatchRemoved
                | EventType::PersistentWatchRemoved,
            )
            | Err(_) => Vec::new(),
        };
        for paths in spent {
            paths.remove(&event.path);
        }
    }

    /// What another server is told of them; `None` if there are none. `since`: the last zxid that
    /// the client has seen.
    pub(crate) fn to_set(&self, since: i64) -> Option<Request> {
        let list = |paths: &BTreeSet<String>| paths.iter().cloned().collect();
        let Self { data, exist, child, persistent, recursive } = self;
        let some = [data, exist, child, persistent, recursive].iter().any(|them| !them.is_empty());
        some.then(|| {
            Request::SetWatches2(SetWatches2 {
                relative_zxid: since,
                data_watches: list(data),
                exist_watches: list(exist),
                child_watches: list(child),
                persistent_watches: list(persistent),
                persistent_recursive_watches: list(recursive),
            })
        })
    }
}
