//! The tree: what all servers agree on.

mod apply;
mod load;
mod quota;
mod reap;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use wire::{Acl, Stat, StatPersisted};

use crate::acl::{AclList, AclSchemes, AclTable, OPEN_ACL_ID};
use crate::node::{Node, NodeOwner, Nodes};
use crate::path;
use crate::quota::Usage;
use crate::sessions::SessionId;
use crate::watches::{Change, ChangeKind};

use quota::{Quotas, bytes, usage_of};

pub use apply::{Applied, DigestMismatch, Outcome};
pub use load::{LoadError, TreeBuilder};
pub use quota::Quota;
pub use reap::{NeverUsed, Scan};
pub use snapshot::{Snapshot, SnapshotNode};

/// What the configuration says about the meaning of the tree. Must be the same on all servers of an
/// ensemble.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// `extendedTypesEnabled`: whether nodes may have a time to live.
    pub extended_types: bool,
    /// `skipACL`: whether everyone may do everything.
    pub skip_acl: bool,
    /// The schemes that may stand in ACLs.
    pub acl_schemes: AclSchemes,
    /// `enforceQuota`: whether what would exceed a hard limit is refused.
    pub enforce_quota: bool,
}

/// The replicated state: nodes, ACLs, sessions.
///
/// (ZooKeeper: `DataTree`, and the session map of `ZKDatabase`.)
#[derive(Clone)]
pub struct Tree {
    options: Options,
    nodes: Nodes,
    acls: Arc<AclTable>,
    /// Each session with its timeout in ms.
    sessions: Arc<BTreeMap<SessionId, i32>>,
    /// The ephemeral nodes of each session that has one: an index of the nodes.
    ephemerals: HashMap<SessionId, BTreeSet<Arc<str>>>,
    /// Container and TTL nodes: an index of the nodes.
    reapable: BTreeSet<Arc<str>>,
    quotas: Quotas,
    last_zxid: i64,
    /// The sum of the nodes' digests: invariant.
    digest: u64,
    /// It holds exactly the transactions up to `last_zxid`, so a digest that differs is a fault.
    is_settled: bool,
    /// The sum of the nodes' sizes: invariant.
    size_bytes: u64,
}

/// Why a change of the tree did not happen. Deterministic: all servers agree on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refused {
    NoNode,
    NodeExists,
}

impl Tree {
    /// The tree of an ensemble that has not done anything yet: the root and the built-in nodes, at
    /// zxid 0.
    pub fn new(options: Options) -> Self {
        let mut tree = Self::bare(options);
        for path in [path::ROOT, path::ZOOKEEPER, path::QUOTA] {
            tree.add_built_in(path);
        }
        tree.ensure_config_node();
        tree.is_settled = true;
        tree
    }

    /// Without any node, which no caller gets to see.
    fn bare(options: Options) -> Self {
        Self {
            options,
            nodes: Nodes::default(),
            acls: Arc::default(),
            sessions: Arc::default(),
            ephemerals: HashMap::new(),
            reapable: BTreeSet::new(),
            quotas: Quotas::default(),
            last_zxid: 0,
            digest: 0,
            is_settled: false,
            size_bytes: 0,
        }
    }

    /// What the tree was made with.
    pub fn options(&self) -> Options {
        self.options
    }

    /// The zxid of the last transaction applied.
    pub fn last_zxid(&self) -> i64 {
        self.last_zxid
    }

    /// The digest of the whole tree, of version [`wire::txn::TxnDigest::VERSION`].
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The digest computed from nothing but the nodes; differs from [`Tree::digest`] only by a bug.
    /// Takes time proportional to the tree.
    pub fn recomputed_digest(&self) -> u64 {
        let digests = self.nodes.iter_unordered().map(|node| {
            let node = Node::new(node.path.clone(), node.data.clone(), node.acl, node.stat);
            u64::from(node.digest())
        });
        digests.fold(0, u64::wrapping_add)
    }

    /// The node with this path; the empty path is the root.
    pub fn node(&self, path: &str) -> Option<&Node> {
        self.shared_node(path).map(|node| &**node)
    }

    pub(crate) fn shared_node(&self, path: &str) -> Option<&Arc<Node>> {
        self.nodes.get(path::canonical(path))
    }

    /// The stat of a node as clients see it.
    pub fn stat(&self, node: &Node) -> Stat {
        node.stat(self.options.extended_types)
    }

    /// The ACL of a node.
    pub fn acl(&self, node: &Node) -> AclList {
        self.acls.get(node.acl)
    }

    /// All sessions with their timeouts in ms, ascending by id.
    pub fn sessions(&self) -> impl ExactSizeIterator<Item = (SessionId, i32)> {
        self.sessions.iter().map(|(&id, &timeout_ms)| (id, timeout_ms))
    }

    /// The timeout of a session in ms; `None` if there is no such session.
    pub fn session_timeout_ms(&self, id: SessionId) -> Option<i32> {
        self.sessions.get(&id).copied()
    }

    /// The paths of the session's ephemeral nodes, in byte order.
    pub fn ephemerals(&self, id: SessionId) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.ephemerals.get(&id).into_iter().flatten()
    }

    /// The sessions that have ephemeral nodes, ascending (`dump`).
    pub fn ephemeral_owners(&self) -> Vec<SessionId> {
        let mut owners: Vec<_> = self.ephemerals.keys().copied().collect();
        owners.sort_unstable();
        owners
    }

    /// How many nodes there are, the built-in ones included.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many of them are ephemeral.
    pub fn ephemeral_count(&self) -> usize {
        self.ephemerals.values().map(BTreeSet::len).sum()
    }

    /// Bytes of all paths and data.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How many nodes are below this one; `None` if it does not exist.
    pub fn descendant_count(&self, path: &str) -> Option<usize> {
        let node = self.node(path)?;
        if &*node.path == path::ROOT {
            return Some(self.nodes.len() - 1);
        }
        let mut count = 0;
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            count += node.children.len();
            let children = node.children.iter().filter_map(|child| self.node(child));
            // What has no children needs no memory: a node may have a million of those.
            open.extend(children.filter(|child| !child.children.is_empty()));
        }
        Some(count)
    }

    /// The configuration of the ensemble as clients may read it, put into its node without a
    /// transaction: version -1, mzxid the version of the configuration.
    pub fn refresh_config(&mut self, text: Bytes, config_version: i64, time_ms: i64) -> Change {
        self.ensure_config_node();
        let set = self.set_data(path::CONFIG, Some(&text), -1, config_version, time_ms);
        set.expect("the node has just been made sure of").1
    }

    /// Deletes the ephemeral nodes of sessions that do not exist, as may be left over in a
    /// directory; how many there were.
    pub fn remove_orphans(&mut self) -> usize {
        let mut orphans: Vec<_> =
            self.ephemerals.keys().copied().filter(|id| !self.sessions.contains_key(id)).collect();
        orphans.sort_unstable();
        let mut removed = 0;
        for session in orphans {
            for path in self.ephemerals.get(&session).cloned().unwrap_or_default() {
                removed += usize::from(self.delete(&path, self.last_zxid).is_ok());
            }
        }
        removed
    }

    fn add_built_in(&mut self, path: &str) {
        let data = Some(Bytes::new());
        self.link(Node::new(path.into(), data, OPEN_ACL_ID, StatPersisted::default()));
    }

    /// Everyone may read the configuration; nobody may set it but the super user.
    fn ensure_config_node(&mut self) {
        for path in [path::ZOOKEEPER, path::CONFIG] {
            if self.nodes.get(path).is_none() {
                self.add_built_in(path);
                if path == path::CONFIG {
                    let read_only = AclList::new(Acl::read_unsafe());
                    // Upstream sets this ACL with version -1.
                    let _ = self.set_acl(path, &read_only, -1);
                }
            }
        }
    }

    /// Enters a new node under its parent's children, in the indexes and the sums. The parent, if
    /// any, exists.
    fn link(&mut self, node: Node) {
        self.digest = self.digest.wrapping_add(u64::from(node.digest()));
        self.size_bytes += node.size_bytes();
        match NodeOwner::of(node.stat.ephemeral_owner, self.options.extended_types) {
            NodeOwner::None => {}
            NodeOwner::Session(id) => {
                self.ephemerals.entry(id).or_default().insert(node.path.clone());
            }
            NodeOwner::Container | NodeOwner::Ttl(_) => {
                self.reapable.insert(node.path.clone());
            }
        }
        if let Some(parent) = path::parent(&node.path)
            && let Some(parent) = self.nodes.get_mut(parent)
        {
            parent.children.insert(node.path.clone());
        }
        let (path, usage) = (node.path.clone(), usage_of(&node));
        let before = self.nodes.insert(node);
        debug_assert!(before.is_none(), "a node is entered once");
        self.count(&path, usage);
    }

    /// The opposite of [`Tree::link`], but for the parent's children. The node and the ACL that it
    /// had.
    fn unlink(&mut self, path: &str) -> Option<(Arc<Node>, AclList)> {
        let node = self.nodes.remove(path)?;
        let Usage { count, bytes } = usage_of(&node);
        self.count(path, Usage { count: -count, bytes: -bytes });
        self.quota_node_deleted(path);
        let acl = self.acls.get(node.acl);
        self.digest = self.digest.wrapping_sub(u64::from(node.digest()));
        self.size_bytes -= node.size_bytes();
        if node.acl != OPEN_ACL_ID {
            Arc::make_mut(&mut self.acls).release(node.acl);
        }
        match NodeOwner::of(node.stat.ephemeral_owner, self.options.extended_types) {
            NodeOwner::None => {}
            NodeOwner::Session(id) => {
                if let Some(paths) = self.ephemerals.get_mut(&id) {
                    paths.remove(path);
                    if paths.is_empty() {
                        self.ephemerals.remove(&id);
                    }
                }
            }
            NodeOwner::Container | NodeOwner::Ttl(_) => {
                self.reapable.remove(path);
            }
        }
        Some((node, acl))
    }

    /// Changes the stat, and perhaps more, of a node, and keeps the sums right.
    fn update<R>(&mut self, path: &str, change: impl FnOnce(&mut Node) -> R) -> Option<R> {
        let node = self.nodes.get_mut(path)?;
        let (digest, size_bytes) = (node.digest(), node.size_bytes());
        let result = change(node);
        node.stat_changed();
        self.digest =
            self.digest.wrapping_sub(u64::from(digest)).wrapping_add(u64::from(node.digest()));
        self.size_bytes = self.size_bytes - size_bytes + node.size_bytes();
        Some(result)
    }

    fn acquire_acl(&mut self, list: &AclList) -> i64 {
        if *list == AclList::OPEN {
            return OPEN_ACL_ID;
        }
        Arc::make_mut(&mut self.acls).acquire(list)
    }

    /// `parent_cversion` -1 is that of a transaction without one: count from what there is.
    fn create(&mut self, new: NewNode<'_>) -> Result<(Stat, Change), Refused> {
        let NewNode { path, data, acl, owner, parent_cversion, zxid, time_ms } = new;
        let parent_path = path::parent(path).ok_or(Refused::NodeExists)?;
        let parent = self.nodes.get(parent_path).ok_or(Refused::NoNode)?;
        let parent_acl = self.acls.get(parent.acl);
        // A snapshot may be ahead of the log: then the parent has been through this already, and
        // perhaps through more.
        self.update(parent_path, |parent| {
            let cversion = match parent_cversion {
                -1 => parent.stat.cversion.wrapping_add(1),
                cversion => cversion,
            };
            // Larger, also where the counter has wrapped in between.
            if cversion.wrapping_sub(parent.stat.cversion) > 0 {
                parent.stat.cversion = cversion;
                parent.stat.pzxid = zxid;
            }
        });
        let acl_id = self.acquire_acl(acl);
        if let Some(existing) = self.nodes.get_mut(path) {
            let old = std::mem::replace(&mut existing.acl, acl_id);
            if old != OPEN_ACL_ID {
                Arc::make_mut(&mut self.acls).release(old);
            }
            return Err(Refused::NodeExists);
        }
        let stat = StatPersisted {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: time_ms,
            mtime: time_ms,
            ephemeral_owner: owner.stored(),
            ..StatPersisted::default()
        };
        let data = data.map(own);
        let node = Node::new(path.into(), data, acl_id, stat);
        let (stat, path) = (self.stat(&node), node.path.clone());
        self.link(node);
        self.quota_node_changed(&path);
        Ok((stat, Change { kind: ChangeKind::Created, path, acl: acl.clone(), parent_acl }))
    }

    /// Children of the node, which only a snapshot ahead of the log can have, go with it: whatever
    /// made them comes later in the log.
    fn delete(&mut self, path: &str, zxid: i64) -> Result<Change, Refused> {
        let parent_path = path::parent(path).ok_or(Refused::NoNode)?;
        let parent = self.nodes.get(parent_path).ok_or(Refused::NoNode)?;
        let parent_acl = self.acls.get(parent.acl);
        self.update(parent_path, |parent| {
            parent.children.remove(path);
            parent.stat.pzxid = parent.stat.pzxid.max(zxid);
        });
        self.take_out(path, parent_acl)
    }

    /// As [`Tree::delete`] of each of these paths, which are in byte order. A session may have any
    /// number of nodes: so each of their parents is changed once, and not once for each child.
    fn delete_all(&mut self, paths: Vec<Arc<str>>, zxid: i64, changes: &mut Vec<Change>) {
        let mut by_parent: HashMap<&str, (AclList, Vec<Arc<str>>)> = HashMap::new();
        for path in &paths {
            let Some(parent) = path::parent(path) else { continue };
            if let Some((_, children)) = by_parent.get_mut(parent) {
                children.push(path.clone());
            } else if let Some(node) = self.nodes.get(parent) {
                by_parent.insert(parent, (self.acls.get(node.acl), vec![path.clone()]));
            }
        }
        for (parent, (_, children)) in &by_parent {
            self.update(parent, |parent| {
                parent.children.remove_all(children);
                parent.stat.pzxid = parent.stat.pzxid.max(zxid);
            });
        }
        changes.reserve(paths.len());
        for path in &paths {
            if let Some((acl, _)) = path::parent(path).and_then(|parent| by_parent.get(parent)) {
                changes.extend(self.take_out(path, acl.clone()));
            }
        }
    }

    /// Takes a node out which its parent does not have among its children any more.
    fn take_out(&mut self, path: &str, parent_acl: AclList) -> Result<Change, Refused> {
        let (node, acl) = self.unlink(path).ok_or(Refused::NoNode)?;
        let mut open: Vec<_> = node.children.iter().cloned().collect();
        while let Some(path) = open.pop() {
            if let Some((node, _)) = self.unlink(&path) {
                open.extend(node.children.iter().cloned());
            }
        }
        Ok(Change { kind: ChangeKind::Deleted, path: node.path.clone(), acl, parent_acl })
    }

    fn set_data(
        &mut self,
        path: &str,
        data: Option<&Bytes>,
        version: i32,
        zxid: i64,
        time_ms: i64,
    ) -> Result<(Stat, Change), Refused> {
        let extended_types = self.options.extended_types;
        let updated = self.update(path::canonical(path), |node| {
            let had = bytes(node.data.as_ref());
            node.set_data(data.map(own));
            node.stat.version = version;
            node.stat.mzxid = zxid;
            node.stat.mtime = time_ms;
            let more = bytes(node.data.as_ref()) - had;
            (node.stat(extended_types), node.path.clone(), node.acl, more)
        });
        let (stat, path, acl, more) = updated.ok_or(Refused::NoNode)?;
        self.count(&path, Usage { count: 0, bytes: more });
        self.quota_node_changed(&path);
        let (acl, parent_acl) = (self.acls.get(acl), AclList::OPEN);
        Ok((stat, Change { kind: ChangeKind::DataChanged, path, acl, parent_acl }))
    }

    fn set_acl(&mut self, path: &str, acl: &AclList, aversion: i32) -> Result<Stat, Refused> {
        let path = path::canonical(path);
        if self.nodes.get(path).is_none() {
            return Err(Refused::NoNode);
        }
        let id = self.acquire_acl(acl);
        let extended_types = self.options.extended_types;
        let updated = self.update(path, |node| {
            node.stat.aversion = aversion;
            (std::mem::replace(&mut node.acl, id), node.stat(extended_types))
        });
        let (old, stat) = updated.ok_or(Refused::NoNode)?;
        if old != OPEN_ACL_ID {
            Arc::make_mut(&mut self.acls).release(old);
        }
        Ok(stat)
    }
}

/// What a node comes into being with.
struct NewNode<'a> {
    path: &'a str,
    data: Option<&'a Bytes>,
    acl: &'a AclList,
    owner: NodeOwner,
    parent_cversion: i32,
    zxid: i64,
    time_ms: i64,
}

/// A copy: what comes in a transaction shares memory with the whole frame it came in, which a node
/// must not keep alive.
fn own(data: &Bytes) -> Bytes {
    Bytes::copy_from_slice(data)
}
