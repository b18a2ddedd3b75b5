//! The replicated state machine, pure: tree, sessions, watches; request to transaction to effect.
//!
//! A write takes this way. On the leader [`Prep::prepare`] judges the request against the tree as
//! it will be and makes it a transaction, with the digest of the tree after it; requests that fail
//! become transactions too. Once it is committed, every server gives it to [`Tree::apply`], and
//! gets the answer for the client and the changes that its [`Watches`] react to. Reads are methods
//! of the [`Tree`].
//!
//! Nothing here reads a clock, draws a random number that anybody could see, or does I/O: time and
//! what a connection has proved to be are arguments. The same transactions give the same tree on
//! every server; hash tables are never walked where their order could show.
//!
//! | type | what it holds | ZooKeeper's counterpart |
//! |---|---|---|
//! | [`Tree`], [`Snapshot`], [`TreeBuilder`] | nodes, ACLs, sessions, digest | `DataTree`, `ZKDatabase` |
//! | [`Prep`] | what is prepared and not applied | `PrepRequestProcessor` |
//! | [`Sessions`], [`SessionIds`] | the leader's clockwork of sessions | `SessionTrackerImpl` |
//! | [`Reaper`] | when the leader looks for containers and TTL nodes to delete | `ContainerManager` |
//! | [`Watches`] | who is told of which change | `WatchManager` |
//! | [`AclList`] | who may do what | `ZooKeeperServer.checkACL` |

mod acl;
mod children;
mod digest;
mod node;
pub mod path;
mod prep;
mod quota;
mod read;
mod reaper;
mod sessions;
mod tree;
mod watches;

pub use acl::{AclList, AclSchemes, InvalidAcl, fixup};
pub use node::{Node, NodeOwner};
pub use prep::{Context, Prep};
pub use quota::QuotaExceeded;
pub use reaper::{ReapLimits, Reaper};
pub use sessions::{Owner, SessionError, SessionId, SessionIds, Sessions};
pub use tree::{
    Applied, DigestMismatch, LoadError, NeverUsed, Options, Outcome, Quota, Scan, Snapshot,
    SnapshotNode, Tree, TreeBuilder,
};
pub use watches::{
    Change, ChangeKind, Event, Notification, TooManyWatches, WatchCounts, WatchLimits, WatchLists,
    WatchMode, WatchTable, Watchers, Watches,
};
