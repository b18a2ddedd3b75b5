use crate::jute::{Error, record};

record! {
    /// A watch has fired. Follows a [`ReplyHeader`](super::ReplyHeader) with the xid
    /// [`NOTIFICATION`](super::xid::NOTIFICATION).
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct WatcherEvent {
        /// A number of [`EventType`].
        pub kind: i32,
        /// A number of [`KeeperState`]; servers send `SyncConnected` only.
        pub state: i32,
        /// The node that changed; for `NodeChildrenChanged` the one whose children did.
        pub path: String,
    }
}

impl WatcherEvent {
    /// An event as a server sends it.
    pub fn new(kind: EventType, path: impl Into<String>) -> Self {
        Self { kind: kind.code(), state: KeeperState::SyncConnected.code(), path: path.into() }
    }
}

/// Declares an enum of numbers that records hold as `i32`.
macro_rules! numbers {
    ($(#[$meta:meta])* $name:ident, $field:literal, $allowed:literal {
        $($variant:ident = $code:literal, $doc:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i32)]
        pub enum $name {
            $(#[doc = $doc] $variant = $code,)*
        }

        impl $name {
            /// Its number.
            pub fn code(self) -> i32 {
                self as i32
            }
        }

        impl TryFrom<i32> for $name {
            type Error = Error;

            fn try_from(code: i32) -> Result<Self, Error> {
                match code {
                    $($code => Ok(Self::$variant),)*
                    _ => Err(Error::Value {
                        field: $field,
                        found: code.into(),
                        allowed: $allowed,
                    }),
                }
            }
        }
    };
}

numbers! {
    /// What has happened (`Watcher.Event.EventType`).
    EventType, "WatcherEvent.type", "-1, 1 to 7" {
        None = -1, "Nothing happened to a node; made by clients themselves.";
        NodeCreated = 1, "The node was created.";
        NodeDeleted = 2, "The node was deleted.";
        NodeDataChanged = 3, "The node's data was set.";
        NodeChildrenChanged = 4, "A child was created or deleted.";
        DataWatchRemoved = 5, "A data watch was removed; made by clients themselves.";
        ChildWatchRemoved = 6, "A child watch was removed; made by clients themselves.";
        PersistentWatchRemoved = 7, "A persistent watch was removed; made by clients themselves.";
    }
}

numbers! {
    /// The state of a session (`Watcher.Event.KeeperState`).
    KeeperState, "WatcherEvent.state", "-112, 0, 3 to 7" {
        Disconnected = 0, "Made by clients themselves.";
        SyncConnected = 3, "Connected; the only one that servers send.";
        AuthFailed = 4, "Made by clients themselves.";
        ConnectedReadOnly = 5, "Made by clients themselves.";
        SaslAuthenticated = 6, "Made by clients themselves.";
        Closed = 7, "Made by clients themselves.";
        Expired = -112, "Made by clients themselves.";
    }
}

numbers! {
    /// The modes of addWatch (`AddWatchMode`).
    AddWatchMode, "AddWatchRequest.mode", "0 PERSISTENT, 1 PERSISTENT_RECURSIVE" {
        Persistent = 0, "Fires again and again, for the node and its list of children.";
        PersistentRecursive = 1, "Fires again and again, for the node and all below it.";
    }
}

numbers! {
    /// Which watches checkWatches and removeWatches mean (`Watcher.WatcherType`).
    WatcherType, "CheckWatchesRequest.type", "1 to 5" {
        Children = 1, "Those of getChildren.";
        Data = 2, "Those of getData and exists.";
        Any = 3, "All.";
        Persistent = 4, "Those of addWatch, persistent.";
        PersistentRecursive = 5, "Those of addWatch, persistent and recursive.";
    }
}
