//! What a client may ask to be changed.

use bytes::Bytes;
use wire::{Acl, ErrorCode};

/// A request that becomes a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// A session begins: the one that asks.
    CreateSession {
        /// Its timeout.
        timeout_ms: i32,
    },
    /// The session that asks ends.
    CloseSession,
    /// One operation.
    One(Op),
    /// All operations or none.
    Multi(Vec<Op>),
    /// What could not be parsed (MarshallingError), or is not offered (Unimplemented). It becomes an error transaction.
    Refused(ErrorCode),
}

/// A change of a node, or the condition for one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// create, create2, createContainer, createTTL.
    Create(Create),
    /// delete.
    Delete {
        /// The node.
        path: String,
        /// Its version, or -1 for any.
        version: i32,
    },
    /// deleteContainer: the leader's own, for what [`crate::Tree::reapable`] names. Not to be taken from clients: it
    /// checks no ACL.
    DeleteContainer {
        /// The node.
        path: String,
    },
    /// setData.
    SetData {
        /// The node.
        path: String,
        /// The new data, or null.
        data: Option<Bytes>,
        /// The version it has now, or -1 for any.
        version: i32,
    },
    /// setACL; not within a multi.
    SetAcl {
        /// The node.
        path: String,
        /// The new ACL.
        acl: Vec<Acl>,
        /// The aversion it has now, or -1 for any.
        version: i32,
    },
    /// check; only within a multi.
    Check {
        /// The node.
        path: String,
        /// The version it must have, or -1 for any.
        version: i32,
    },
}

impl Op {
    /// Whether clients may put it into a multi. A multi with another one is refused as a whole.
    pub fn within_multi(&self) -> bool {
        match self {
            Self::Create(_) | Self::Delete { .. } | Self::SetData { .. } | Self::Check { .. } => {
                true
            }
            Self::SetAcl { .. } | Self::DeleteContainer { .. } => false,
        }
    }
}

/// A node to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Create {
    /// By which operation.
    pub kind: CreateKind,
    /// The path; for a sequential node without the number.
    pub path: String,
    /// The data, or null.
    pub data: Option<Bytes>,
    /// The ACL.
    pub acl: Vec<Acl>,
    /// A number of [`CreateMode`], as the client sent it.
    pub flags: i32,
}

/// The four operations that create a node; they decide about the type of the transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CreateKind {
    /// create (1).
    Create,
    /// create2 (15).
    Create2,
    /// createContainer (19).
    Container,
    /// createTTL (21), with the time to live in ms.
    Ttl(i64),
}

/// What kind of node to create (`CreateMode`); the numbers are the flags of the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(i32)]
pub enum CreateMode {
    /// Stays.
    Persistent = 0,
    /// Goes with its session.
    Ephemeral = 1,
    /// Stays, and is numbered by its parent.
    PersistentSequential = 2,
    /// Goes with its session, and is numbered by its parent.
    EphemeralSequential = 3,
    /// Goes with its last child.
    Container = 4,
    /// Goes when it has been childless and unmodified for its time to live.
    PersistentWithTtl = 5,
    /// As that, and is numbered by its parent.
    PersistentSequentialWithTtl = 6,
}

impl CreateMode {
    /// The mode with this number.
    pub fn from_flags(flags: i32) -> Option<Self> {
        match flags {
            0 => Some(Self::Persistent),
            1 => Some(Self::Ephemeral),
            2 => Some(Self::PersistentSequential),
            3 => Some(Self::EphemeralSequential),
            4 => Some(Self::Container),
            5 => Some(Self::PersistentWithTtl),
            6 => Some(Self::PersistentSequentialWithTtl),
            _ => None,
        }
    }

    /// Whether the node belongs to the session.
    pub fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    /// Whether the parent numbers it.
    pub fn is_sequential(self) -> bool {
        matches!(
            self,
            Self::PersistentSequential
                | Self::EphemeralSequential
                | Self::PersistentSequentialWithTtl
        )
    }

    /// Whether it has a time to live.
    pub fn is_ttl(self) -> bool {
        matches!(self, Self::PersistentWithTtl | Self::PersistentSequentialWithTtl)
    }
}
