//! The replicated state machine, pure: tree, sessions, watches; request to transaction to effect.

mod acl;
mod children;
mod digest;
mod node;
pub mod path;
mod prep;
mod read;
mod sessions;
mod tree;
mod watches;

pub use acl::{AclList, InvalidAcl, fixup};
pub use node::{Node, NodeOwner};
pub use prep::{Context, Prep};
pub use sessions::{Owner, SessionError, SessionId, SessionIds, Sessions};
pub use tree::{
    Applied, DigestMismatch, LoadError, Options, Outcome, Snapshot, SnapshotNode, Tree, TreeBuilder,
};
pub use watches::{
    Change, ChangeKind, Event, Notification, WatchCounts, WatchMode, WatchTable, Watches,
};
