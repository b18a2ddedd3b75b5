//! What a history consists of.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::answer::{Answered, Stat};
use crate::operation::{ClientId, Data, ErrorCode, Mode, Request, SessionId, Time, Zxid};

/// One request of a session and what became of it. Its place among the records of its session is
/// that of its answer or, if there was none, anywhere behind its invocation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// Who asked.
    pub session: SessionId,
    /// The number of the request. A session's requests have growing numbers from 1, over all its
    /// connections.
    pub xid: i32,
    /// When it was asked.
    pub invoked: Time,
    /// What was asked.
    pub asked: Request,
    /// What came back; nothing if the connection was lost before: then it may or may not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answered>,
}

/// What a watch announces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// NodeCreated.
    Created,
    /// NodeDeleted.
    Deleted,
    /// NodeDataChanged.
    DataChanged,
    /// NodeChildrenChanged.
    ChildrenChanged,
}

/// An event of a watch, at its place among the records of its session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Who was told.
    pub session: SessionId,
    /// When.
    pub at: Time,
    /// What happened.
    pub kind: EventKind,
    /// To which node; of [`EventKind::ChildrenChanged`] the parent.
    pub path: String,
    /// The transaction, if the server says it (ZooKeeper since 3.9, but for setWatches).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zxid: Option<Zxid>,
}

/// What happens to a session, at its place among the session's records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionChange {
    /// The client was given it.
    Begun {
        /// To whom it was given.
        client: ClientId,
    },
    /// The client was accepted with it on another connection, perhaps to another server. Its
    /// watches are those that it sends with setWatches.
    Moved,
    /// The connection was lost; requests without an answer get none.
    Lost,
    /// The client was told that it has expired.
    Expired,
}

/// A change of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The session.
    pub session: SessionId,
    /// When.
    pub at: Time,
    /// What happened.
    pub change: SessionChange,
}

/// What a transaction does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Txn {
    /// A node is created.
    Create {
        /// Its path, with the number if it is sequential.
        path: String,
        /// Its data.
        #[serde(default)]
        data: Data,
        /// How long it lives.
        #[serde(default)]
        mode: Mode,
    },
    /// A node is deleted.
    Delete {
        /// Its path.
        path: String,
    },
    /// Data is set.
    SetData {
        /// The node.
        path: String,
        /// The new data.
        #[serde(default)]
        data: Data,
        /// The version that it has from now on.
        version: i32,
    },
    /// An ACL is set.
    SetAcl {
        /// The node.
        path: String,
        /// The version that its ACL has from now on.
        version: i32,
    },
    /// Nothing is changed: a condition within a multi.
    Check {
        /// The node.
        path: String,
    },
    /// All of these at once.
    Multi(Vec<Txn>),
    /// A session begins.
    CreateSession,
    /// A session ends, and its ephemeral nodes with it.
    CloseSession {
        /// The nodes, if the log says which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        paths: Option<Vec<String>>,
    },
    /// Nothing is changed: a request could not be done. A multi that failed is this, too.
    Error(ErrorCode),
}

/// An entry of the transaction log, which holds all that was committed, in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transaction {
    /// Its number.
    pub zxid: Zxid,
    /// The session that asked for it; of a transaction that begins or ends a session, that one. 0
    /// if it is the server's own.
    pub session: SessionId,
    /// The number of the request; 0 if no client asked.
    #[serde(default)]
    pub xid: i32,
    /// The leader's clock, which ctime and mtime are from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
    /// What it does.
    pub txn: Txn,
}

/// A node, as a whole tree lists it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its path.
    pub path: String,
    /// Its data.
    #[serde(default)]
    pub data: Data,
    /// Its Stat.
    pub stat: Stat,
}

/// The tree of a server at a moment. Nodes at and below `/zookeeper` need not be listed, and are
/// not checked.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TreeRecord {
    /// The last transaction in it.
    pub zxid: Zxid,
    /// Its nodes, in any order.
    pub nodes: Vec<Node>,
}

/// A part of a history; a line of a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The tree that the history begins with, if it is not a new ensemble's. At most one.
    Start(TreeRecord),
    /// What happens to a session.
    Session(SessionRecord),
    /// A request of a client.
    Operation(Operation),
    /// An event that a client was told.
    Event(Event),
    /// An entry of the log. A history has either all that were committed since it began, or none.
    Transaction(Transaction),
    /// The tree of a server, for instance at the end.
    Tree(TreeRecord),
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "NodeCreated",
            Self::Deleted => "NodeDeleted",
            Self::DataChanged => "NodeDataChanged",
            Self::ChildrenChanged => "NodeChildrenChanged",
        })
    }
}

impl fmt::Display for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { path, .. } => write!(f, "create {path}"),
            Self::Delete { path } => write!(f, "delete {path}"),
            Self::SetData { path, data, version } => {
                write!(f, "setData {path} to {data}, version {version}")
            }
            Self::SetAcl { path, version } => write!(f, "setACL {path}, version {version}"),
            Self::Check { path } => write!(f, "check {path}"),
            Self::Multi(parts) => {
                let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                write!(f, "multi [{}]", parts.join("; "))
            }
            Self::CreateSession => f.write_str("createSession"),
            Self::CloseSession { .. } => f.write_str("closeSession"),
            Self::Error(code) => write!(f, "error {code}"),
        }
    }
}
