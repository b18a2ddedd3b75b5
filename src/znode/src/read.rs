//! Reads: what a client sees of the tree, and whether it may.
//!
//! Each is answered from the local tree, for a caller with the given ids. (ZooKeeper:
//! `FinalRequestProcessor`.)

use std::sync::Arc;

use bytes::Bytes;
use wire::{Acl, ErrorCode, Id, Stat, perms};

use crate::node::{Node, int};
use crate::path;
use crate::sessions::SessionId;
use crate::tree::Tree;

impl Tree {
    /// The stat of a node. After NoNode too a watch is to be set, in the data table.
    ///
    /// # Errors
    /// BadArguments for a path with a NUL; NoNode; NoAuth without READ.
    pub fn exists(&self, path: &str, auth: &[Id]) -> Result<Stat, ErrorCode> {
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        self.readable(path, perms::READ, auth).map(|node| self.stat(node))
    }

    /// The data of a node, or null, and its stat. A watch goes into the data table.
    ///
    /// # Errors
    /// NoNode; NoAuth without READ.
    pub fn get_data(&self, path: &str, auth: &[Id]) -> Result<(Option<Bytes>, Stat), ErrorCode> {
        let node = self.readable(path, perms::READ, auth)?;
        Ok((node.data.clone(), self.stat(node)))
    }

    /// The names of a node's children in byte order, and the node's stat; for getChildren and
    /// getChildren2. A watch goes into the child table.
    ///
    /// # Errors
    /// NoNode; NoAuth without READ.
    pub fn get_children<'a>(
        &'a self,
        path: &str,
        auth: &[Id],
    ) -> Result<(impl ExactSizeIterator<Item = &'a str> + Clone + use<'a>, Stat), ErrorCode> {
        let node = self.readable(path, perms::READ, auth)?;
        Ok((Names::of(node), self.stat(node)))
    }

    /// The ACL of a node and its stat. Who has not ADMIN does not see hashes.
    ///
    /// # Errors
    /// NoNode; NoAuth without READ or ADMIN.
    pub fn get_acl(&self, path: &str, auth: &[Id]) -> Result<(Vec<Acl>, Stat), ErrorCode> {
        let node = self.readable(path, perms::READ | perms::ADMIN, auth)?;
        let acl = self.acl(node);
        let whole = self.options().skip_acl || acl.permits(perms::ADMIN, auth);
        Ok((if whole { acl.to_vec() } else { acl.masked() }, self.stat(node)))
    }

    /// How many nodes are below a node.
    ///
    /// # Errors
    /// NoNode; NoAuth without READ.
    pub fn get_all_children_number(&self, path: &str, auth: &[Id]) -> Result<i32, ErrorCode> {
        self.readable(path, perms::READ, auth)?;
        self.descendant_count(path).map(int).ok_or(ErrorCode::NoNode)
    }

    /// The ephemeral nodes of a session whose path begins with `prefix`, in byte order. A blank
    /// prefix means all.
    pub fn get_ephemerals<'a>(
        &'a self,
        session: SessionId,
        prefix: &'a str,
    ) -> impl Iterator<Item = &'a str> + Clone {
        let prefix = if prefix.trim().is_empty() { path::ROOT } else { prefix };
        self.ephemerals(session).map(|path| &**path).filter(move |path| path.starts_with(prefix))
    }

    fn readable(&self, path: &str, wanted: i32, auth: &[Id]) -> Result<&Node, ErrorCode> {
        let node = self.node(path).ok_or(ErrorCode::NoNode)?;
        if self.options().skip_acl || self.acl(node).permits(wanted, auth) {
            Ok(node)
        } else {
            Err(ErrorCode::NoAuth)
        }
    }
}

/// The names of a node's children, counted.
#[derive(Clone)]
struct Names<I> {
    paths: I,
    /// How much of a path is not the name.
    prefix: usize,
    left: usize,
}

impl<'a> Names<()> {
    fn of(node: &'a Node) -> Names<impl Iterator<Item = &'a Arc<str>> + Clone> {
        let prefix = if node.path() == path::ROOT { 1 } else { node.path().len() + 1 };
        Names { paths: node.children.iter(), prefix, left: node.children.len() }
    }
}

impl<'a, I: Iterator<Item = &'a Arc<str>>> Iterator for Names<I> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let path = self.paths.next()?;
        self.left -= 1;
        Some(&path[self.prefix..])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, I: Iterator<Item = &'a Arc<str>>> ExactSizeIterator for Names<I> {}
