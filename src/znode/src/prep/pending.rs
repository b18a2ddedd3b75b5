//! The changes that are prepared and not applied.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::quality::RandomState;
use wire::StatPersisted;
use wire::jute::Field;

use super::counting::Counting;
use crate::acl::AclList;
use crate::digest;
use crate::node::{Node, NodeOwner};
use crate::path;
use crate::quota::Usage;
use crate::sessions::SessionId;
use crate::tree::Tree;

/// A node as it will be, as far as checks and the digest need it (`ChangeRecord`).
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) path: Arc<str>,
    pub(super) stat: StatPersisted,
    pub(super) child_count: usize,
    pub(super) acl: AclList,
    /// [`digest::content_crc`] of the path and the data.
    pub(super) content_crc: u32,
    pub(super) data_bytes: usize,
}

impl Record {
    fn digest(&self) -> u32 {
        digest::node_digest(&self.path, self.content_crc, &self.stat)
    }
}

/// What the newest prepared transaction that touches a path makes of it.
#[derive(Debug)]
struct Change {
    zxid: i64,
    /// `None`: deleted.
    record: Option<Record>,
    /// Of the record; 0 if deleted.
    digest: u32,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    by_path: HashMap<Arc<str>, Change, RandomState>,
    /// Every change with the zxid of its transaction, ascending: what to forget when. A path of
    /// which `by_path` has a newer change is to be kept.
    order: VecDeque<(i64, Arc<str>)>,
    /// The paths of `by_path` that are ephemeral nodes of a session.
    ephemerals: HashMap<SessionId, BTreeSet<Arc<str>>>,
    /// The sessions whose end is prepared, with the zxid of that. The ephemeral nodes that they
    /// have in the tree will not exist, though `by_path` does not name each of them: a session may
    /// have any number.
    ended: HashMap<SessionId, i64>,
    /// The digest of the tree after all changes; that of the tree itself if there are none.
    digest: u64,
    /// What subtrees with a quota get by prepared transactions, each with the zxid of its
    /// transaction, ascending; what is taken away from them is not in it.
    gains: VecDeque<(i64, Arc<str>, Usage)>,
    /// The sum of those of each subtree.
    gained: HashMap<Arc<str>, Usage, RandomState>,
    /// What quotas are going to be made, and how many more may be.
    pub(super) counting: Counting,
    /// What the transaction that is being prepared has replaced, to take it back.
    undo: Vec<(Arc<str>, Option<Change>)>,
    /// The session ids with a first byte of 0xff are no times to live.
    extended_types: bool,
}

/// How things were before an operation that may have to be taken back.
pub(super) struct Mark {
    changes: usize,
    digest: u64,
    undo: usize,
    gains: usize,
}

impl Pending {
    /// A transaction is going to be prepared.
    pub(super) fn begin(&mut self, tree: &Tree) {
        self.undo.clear();
        self.extended_types = tree.options().extended_types;
        if self.order.is_empty() && self.ended.is_empty() {
            self.digest = tree.digest();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    /// The node as it will be; `None` if it will not exist.
    pub(super) fn get(&self, tree: &Tree, path: &str) -> Option<Record> {
        let path = path::canonical(path);
        if let Some(change) = self.by_path.get(path) {
            return change.record.clone();
        }
        let node = self.node(tree, path)?;
        Some(Record {
            path: node.path.clone(),
            stat: node.stat,
            child_count: node.children.len(),
            acl: tree.acl(node),
            content_crc: node.content_crc(),
            data_bytes: node.data().map_or(0, Bytes::len),
        })
    }

    /// Whether the node will exist.
    pub(super) fn contains(&self, tree: &Tree, path: &str) -> bool {
        match self.by_path.get(path) {
            Some(change) => change.record.is_some(),
            None => self.node(tree, path).is_some(),
        }
    }

    /// The node in the tree, if `by_path` does not say anything about it and it will go on to
    /// exist.
    fn node<'t>(&self, tree: &'t Tree, path: &str) -> Option<&'t Node> {
        let node = tree.node(path)?;
        match self.session_of(node.stat.ephemeral_owner) {
            Some(session) if self.ended.contains_key(&session) => None,
            Some(_) | None => Some(node),
        }
    }

    /// The session that owns a node, by what its stat says.
    fn session_of(&self, stored_owner: i64) -> Option<SessionId> {
        match NodeOwner::of(stored_owner, self.extended_types) {
            NodeOwner::Session(session) => Some(session),
            NodeOwner::None | NodeOwner::Container | NodeOwner::Ttl(_) => None,
        }
    }

    /// The node will be so.
    pub(super) fn put(&mut self, tree: &Tree, zxid: i64, record: Record) {
        self.replace(tree, zxid, record.path.clone(), Some(record));
    }

    /// A child of the node will not exist.
    pub(super) fn child_deleted(&mut self, tree: &Tree, zxid: i64, mut parent: Record) {
        parent.child_count = parent.child_count.saturating_sub(1);
        parent.stat.pzxid = zxid;
        self.put(tree, zxid, parent);
    }

    /// The node will not exist.
    pub(super) fn delete(&mut self, tree: &Tree, zxid: i64, path: Arc<str>) {
        self.replace(tree, zxid, path, None);
    }

    /// The session ends, and the ephemeral nodes that it will have then go with it. Returns their
    /// paths in byte order, or `None` if a list of them would be longer than `list_bytes_max`.
    pub(super) fn end_session(
        &mut self,
        tree: &Tree,
        zxid: i64,
        session: SessionId,
        list_bytes_max: usize,
    ) -> Option<Vec<String>> {
        let mut list = List::new(list_bytes_max);
        let mut parents: HashMap<String, usize> = HashMap::new();
        let mut of_parent = |path: &str| {
            if let Some(parent) = path::parent(path) {
                match parents.get_mut(parent) {
                    Some(count) => *count += 1,
                    None => drop(parents.insert(parent.to_owned(), 1)),
                }
            }
        };
        // Those with a change of their own, one by one; the others, which may be any number, by the
        // name of the session.
        for path in self.ephemerals.get(&session).cloned().unwrap_or_default() {
            list.push(&path);
            of_parent(&path);
            self.delete(tree, zxid, path);
        }
        if !self.ended.contains_key(&session) {
            for path in tree.ephemerals(session).filter(|path| !self.by_path.contains_key(*path)) {
                list.push(path);
                of_parent(path);
                let digest = tree.node(path).map_or(0, Node::digest);
                self.digest = self.digest.wrapping_sub(u64::from(digest));
            }
            self.ended.insert(session, zxid);
        }
        for (path, count) in parents {
            if let Some(mut parent) = self.get(tree, &path) {
                parent.child_count = parent.child_count.saturating_sub(count);
                parent.stat.pzxid = zxid;
                self.put(tree, zxid, parent);
            }
        }
        list.paths()
    }

    pub(super) fn mark(&self) -> Mark {
        let (changes, undo, gains) = (self.order.len(), self.undo.len(), self.gains.len());
        Mark { changes, digest: self.digest, undo, gains }
    }

    /// Takes back all changes since the mark, which is of the same transaction.
    pub(super) fn roll_back(&mut self, mark: &Mark) {
        while self.undo.len() > mark.undo
            && let Some((path, before)) = self.undo.pop()
        {
            self.enter(path, before);
        }
        while self.gains.len() > mark.gains
            && let Some((_, subtree, gain)) = self.gains.pop_back()
        {
            self.lose(&subtree, gain);
        }
        self.order.truncate(mark.changes);
        self.digest = mark.digest;
    }

    /// Forgets what is applied.
    pub(super) fn committed(&mut self, zxid: i64) {
        self.ended.retain(|_, end| *end > zxid);
        self.counting.committed(zxid);
        while let Some((first, ..)) = self.gains.front()
            && *first <= zxid
            && let Some((_, subtree, gain)) = self.gains.pop_front()
        {
            self.lose(&subtree, gain);
        }
        while let Some((first, _)) = self.order.front()
            && *first <= zxid
            && let Some((zxid, path)) = self.order.pop_front()
        {
            if self.by_path.get(&path).is_some_and(|change| change.zxid == zxid) {
                self.enter(path, None);
            }
        }
    }

    /// A subtree with a quota gets more by the transaction.
    pub(super) fn gain(&mut self, zxid: i64, subtree: &Arc<str>, gain: Usage) {
        self.gains.push_back((zxid, subtree.clone(), gain));
        self.gained.entry(subtree.clone()).or_default().add(gain);
    }

    /// What a subtree with a quota gets by all that is prepared.
    pub(super) fn gained(&self, subtree: &str) -> Usage {
        self.gained.get(subtree).copied().unwrap_or_default()
    }

    fn lose(&mut self, subtree: &str, gain: Usage) {
        if let Some(sum) = self.gained.get_mut(subtree) {
            sum.remove(gain);
            if *sum == Usage::default() {
                self.gained.remove(subtree);
            }
        }
    }

    fn replace(&mut self, tree: &Tree, zxid: i64, path: Arc<str>, record: Option<Record>) {
        let old = match self.by_path.get(&path) {
            Some(change) => change.digest,
            None => self.node(tree, &path).map_or(0, Node::digest),
        };
        let digest = record.as_ref().map_or(0, Record::digest);
        self.digest = self.digest.wrapping_sub(u64::from(old)).wrapping_add(u64::from(digest));
        self.order.push_back((zxid, path.clone()));
        let before = self.enter(path.clone(), Some(Change { zxid, record, digest }));
        self.undo.push((path, before));
    }

    /// Sets what `by_path` has for a path, keeps `ephemerals` in step, and gives back what was
    /// there.
    fn enter(&mut self, path: Arc<str>, change: Option<Change>) -> Option<Change> {
        let session = |pending: &Self, change: &Option<Change>| {
            pending.session_of(change.as_ref()?.record.as_ref()?.stat.ephemeral_owner)
        };
        let new = session(self, &change);
        let before = match change {
            Some(change) => self.by_path.insert(path.clone(), change),
            None => self.by_path.remove(&path),
        };
        let old = session(self, &before);
        if old != new {
            if let Some(old) = old
                && let Some(paths) = self.ephemerals.get_mut(&old)
            {
                paths.remove(&path);
                if paths.is_empty() {
                    self.ephemerals.remove(&old);
                }
            }
            if let Some(new) = new {
                self.ephemerals.entry(new).or_default().insert(path);
            }
        }
        before
    }
}

/// Paths, unless they are more than a list of so many bytes has room for.
struct List {
    paths: Option<Vec<String>>,
    room: usize,
}

impl List {
    /// `bytes_max`: of the list as it is encoded.
    fn new(bytes_max: usize) -> Self {
        let empty = Vec::<String>::new();
        Self { room: bytes_max.saturating_sub(empty.written_len()), paths: Some(empty) }
    }

    fn push(&mut self, path: &str) {
        let Some(paths) = &mut self.paths else { return };
        let path = path.to_owned();
        match self.room.checked_sub(path.written_len()) {
            Some(room) => {
                self.room = room;
                paths.push(path);
            }
            None => self.paths = None,
        }
    }

    /// In byte order.
    fn paths(self) -> Option<Vec<String>> {
        let mut paths = self.paths?;
        paths.sort_unstable();
        Some(paths)
    }
}
