//! A tree from the parts of a snapshot.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use wire::{Acl, StatPersisted};

use super::{Options, Tree};
use crate::acl::{ACL_ID_MAX, AclList};
use crate::node::Node;
use crate::path;
use crate::sessions::SessionId;

/// Builds a tree from a snapshot's parts, in their order: sessions, ACLs, nodes with each parent
/// before its children.
///
/// ZooKeeper writes its snapshots while transactions go on. So a node may have an ACL that is not
/// in the table yet (nobody may do anything with it until the log is replayed), and ACLs may be
/// there that no node has (they are dropped). (ZooKeeper: `DataTree.deserialize`.)
pub struct TreeBuilder {
    tree: Tree,
    unknown_acls: usize,
}

/// Why the parts do not make a tree.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum LoadError {
    /// The first node is not the root, or there is none.
    #[error("the first node of a snapshot is the root, with the empty path, not {0:?}")]
    NoRoot(String),
    /// A path that names no node.
    #[error("node {0:?} of the snapshot: a path starts with '/' and does not end with it")]
    Path(String),
    /// The parent has not come before.
    #[error("node {0:?} of the snapshot comes before its parent, or without it")]
    NoParent(String),
    /// The same path twice.
    #[error("node {0:?} of the snapshot comes twice")]
    Twice(String),
    /// The numbers of a table count up from 1; -1 stands for world:anyone and is not in it.
    #[error("an ACL of the snapshot has number {0}, allowed are 0 to {ACL_ID_MAX}")]
    AclNumber(i64),
}

impl TreeBuilder {
    /// Nothing yet.
    pub fn new(options: Options) -> Self {
        Self { tree: Tree::bare(options), unknown_acls: 0 }
    }

    /// A session with its timeout.
    pub fn session(&mut self, id: SessionId, timeout_ms: i32) {
        Arc::make_mut(&mut self.tree.sessions).insert(id, timeout_ms);
    }

    /// An entry of the table of ACLs.
    ///
    /// # Errors
    /// The number is negative or absurd.
    pub fn acl(&mut self, id: i64, entries: Vec<Acl>) -> Result<(), LoadError> {
        if !(0..=ACL_ID_MAX).contains(&id) {
            return Err(LoadError::AclNumber(id));
        }
        Arc::make_mut(&mut self.tree.acls).load(id, AclList::loaded(entries));
        Ok(())
    }

    /// The next node; the path of the root, which comes first, is empty.
    ///
    /// # Errors
    /// The path is none, its parent is missing, or it has come before.
    pub fn node(
        &mut self,
        path: &str,
        data: Option<Bytes>,
        acl: i64,
        stat: StatPersisted,
    ) -> Result<(), LoadError> {
        if path.is_empty() != (self.tree.nodes.len() == 0) {
            return Err(match path {
                "" => LoadError::Twice(path.to_owned()),
                _ => LoadError::NoRoot(path.to_owned()),
            });
        }
        if !path.is_empty() {
            if !path.starts_with('/') || path.ends_with('/') {
                return Err(LoadError::Path(path.to_owned()));
            }
            if path::parent(path).is_none_or(|parent| self.tree.nodes.get(parent).is_none()) {
                return Err(LoadError::NoParent(path.to_owned()));
            }
            if self.tree.nodes.get(path).is_some() {
                return Err(LoadError::Twice(path.to_owned()));
            }
        }
        if !self.tree.acls.contains(acl) {
            self.unknown_acls += 1;
        }
        Arc::make_mut(&mut self.tree.acls).retain(acl);
        self.tree.link(Node::new(path::canonical(path).into(), data, acl, stat));
        Ok(())
    }

    /// How many nodes have had an ACL that is not in the table. More than zero is in order only if
    /// the log behind the snapshot goes on to set them.
    pub fn unknown_acls(&self) -> usize {
        self.unknown_acls
    }

    /// The tree, with all transactions up to `last_zxid` in it and perhaps some behind that: it is
    /// not settled (see [`Tree::settle`]).
    ///
    /// # Errors
    /// There was no node.
    pub fn finish(mut self, last_zxid: i64) -> Result<Tree, LoadError> {
        if self.tree.nodes.len() == 0 {
            return Err(LoadError::NoRoot(String::new()));
        }
        Arc::make_mut(&mut self.tree.acls).purge();
        self.tree.ensure_config_node();
        self.tree.find_quotas();
        self.tree.last_zxid = last_zxid;
        Ok(self.tree)
    }
}
