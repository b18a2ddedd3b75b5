//! The tree at one zxid, to be written while the tree goes on.

use std::sync::Arc;

use bytes::Bytes;
use wire::{Acl, StatPersisted};

use super::Tree;
use crate::node::Node;
use crate::path;
use crate::sessions::SessionId;

/// The tree as it was when the snapshot was taken, in the parts and the order in which ZooKeeper's
/// snapshots hold it.
///
/// Taking one copies pointers: one per thousandth of the nodes, and those of the sessions' index.
/// What the tree changes afterwards it copies first. It can be sent to another thread.
#[derive(Clone)]
pub struct Snapshot {
    tree: Tree,
}

/// One node of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotNode<'a> {
    /// Its path; that of the root is empty.
    pub path: &'a str,
    /// Its data, or null.
    pub data: Option<&'a Bytes>,
    /// The number of its ACL in [`Snapshot::acls`]; -1 is world:anyone with all permissions.
    pub acl: i64,
    /// Its stat.
    pub stat: StatPersisted,
}

impl Tree {
    /// The tree as it is now, unchanged by whatever is applied later.
    pub fn snapshot(&self) -> Snapshot {
        let mut tree = Self::bare(self.options);
        tree.nodes = self.nodes.clone();
        tree.acls = self.acls.clone();
        tree.sessions = self.sessions.clone();
        (tree.last_zxid, tree.digest) = (self.last_zxid, self.digest);
        Snapshot { tree }
    }
}

impl Snapshot {
    /// Its nodes, to be read. It does not know which of them are ephemeral nodes of a session, or
    /// reapable.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The last transaction it contains; it contains all before, and none after.
    pub fn zxid(&self) -> i64 {
        self.tree.last_zxid
    }

    /// The digest of the tree.
    pub fn digest(&self) -> u64 {
        self.tree.digest
    }

    /// Each session with its timeout in ms, ascending.
    pub fn sessions(&self) -> impl ExactSizeIterator<Item = (SessionId, i32)> {
        self.tree.sessions()
    }

    /// Each ACL that a node has, with its number, ascending.
    pub fn acls(&self) -> impl ExactSizeIterator<Item = (i64, Vec<Acl>)> {
        self.tree.acls.iter().map(|(id, list)| (id, list.to_vec()))
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.tree.nodes.len()
    }

    /// All nodes, depth first, a parent before its children, children in byte order.
    pub fn nodes(&self) -> impl Iterator<Item = SnapshotNode<'_>> {
        let root = self.tree.node(path::ROOT);
        Walk { tree: &self.tree, root, open: Vec::new() }.map(|node| SnapshotNode {
            path: if node.path() == path::ROOT { "" } else { node.path() },
            data: node.data.as_ref(),
            acl: node.acl,
            stat: node.stat,
        })
    }
}

/// The nodes of a tree, depth first.
struct Walk<'a> {
    tree: &'a Tree,
    /// The root, until it is visited.
    root: Option<&'a Node>,
    /// Per level of the way down the children that are yet to be visited.
    open: Vec<Box<dyn Iterator<Item = &'a Arc<str>> + 'a>>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a Node;

    fn next(&mut self) -> Option<&'a Node> {
        let node = match self.root.take() {
            Some(root) => root,
            None => loop {
                match self.open.last_mut()?.next() {
                    None => drop(self.open.pop()),
                    // Every child is a node: invariant of the tree.
                    Some(path) => {
                        if let Some(node) = self.tree.node(path) {
                            break node;
                        }
                    }
                }
            },
        };
        if !node.children.is_empty() {
            self.open.push(Box::new(node.children.iter()));
        }
        Some(node)
    }
}
