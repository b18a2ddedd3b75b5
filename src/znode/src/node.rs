//! One node, and the table of all of them.

use std::hash::BuildHasher;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use wire::{Stat, StatPersisted};

use crate::children::Children;
use crate::digest;
use crate::sessions::SessionId;

/// A node of the tree.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) path: Arc<str>,
    pub(crate) data: Option<Bytes>,
    /// Its number in the table of ACLs.
    pub(crate) acl: i64,
    pub(crate) stat: StatPersisted,
    pub(crate) children: Children,
    /// Invariant: [`digest::content_crc`] of path and data.
    content_crc: u32,
    /// Invariant: [`digest::node_digest`] of path, data and stat.
    digest: u32,
}

impl Node {
    pub(crate) fn new(path: Arc<str>, data: Option<Bytes>, acl: i64, stat: StatPersisted) -> Self {
        let content_crc = digest::content_crc(&path, data.as_deref());
        let digest = digest::node_digest(&path, content_crc, &stat);
        Self { path, data, acl, stat, children: Children::default(), content_crc, digest }
    }

    /// The absolute path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The data; `None` is the null that a client may set, different from no bytes.
    pub fn data(&self) -> Option<&Bytes> {
        self.data.as_ref()
    }

    /// The stat as it is stored: `cversion` counts creations of children only.
    pub fn stat_persisted(&self) -> &StatPersisted {
        &self.stat
    }

    /// The stat as clients see it.
    pub fn stat(&self, extended_types: bool) -> Stat {
        let stored = &self.stat;
        let num_children = int(self.children.len());
        let ephemeral_owner = match NodeOwner::of(stored.ephemeral_owner, extended_types) {
            NodeOwner::Session(session) => session,
            NodeOwner::None | NodeOwner::Container | NodeOwner::Ttl(_) => 0,
        };
        Stat {
            czxid: stored.czxid,
            mzxid: stored.mzxid,
            ctime: stored.ctime,
            mtime: stored.mtime,
            version: stored.version,
            // Creations and deletions: each creation that has left no child was followed by a
            // deletion.
            cversion: stored.cversion.wrapping_mul(2).wrapping_sub(num_children),
            aversion: stored.aversion,
            ephemeral_owner,
            data_length: int(self.data.as_ref().map_or(0, Bytes::len)),
            num_children,
            pzxid: stored.pzxid,
        }
    }

    pub(crate) fn digest(&self) -> u32 {
        self.digest
    }

    pub(crate) fn content_crc(&self) -> u32 {
        self.content_crc
    }

    /// To be called after each change of the stat.
    pub(crate) fn stat_changed(&mut self) {
        self.digest = digest::node_digest(&self.path, self.content_crc, &self.stat);
    }

    /// Replaces the data; [`Node::stat_changed`] must follow.
    pub(crate) fn set_data(&mut self, data: Option<Bytes>) {
        self.content_crc = digest::content_crc(&self.path, data.as_deref());
        self.data = data;
    }

    /// What the node adds to the size of the tree: its path and its data.
    pub(crate) fn size_bytes(&self) -> u64 {
        (self.path.len() + self.data.as_ref().map_or(0, Bytes::len)) as u64
    }
}

/// Counts go over the wire as i32; none that fits in memory exceeds it but in theory.
pub(crate) fn int(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// What the stored `ephemeralOwner` of a node means. (ZooKeeper: `EphemeralType`.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NodeOwner {
    /// A persistent node.
    None,
    /// An ephemeral node of this session.
    Session(SessionId),
    /// A container: removed when its last child is.
    Container,
    /// Removed when childless and not modified for so many ms.
    Ttl(i64),
}

impl NodeOwner {
    /// The longest time to live in ms: it has 40 bits.
    pub const TTL_MS_MAX: i64 = 0xff_ffff_ffff;

    /// Reads the stored value. A first byte 0xff marks the extended types only where those are
    /// enabled; elsewhere it may be a session id of server 255. An extended type that is not known
    /// counts as persistent.
    pub fn of(stored: i64, extended_types: bool) -> Self {
        match stored {
            0 => Self::None,
            CONTAINER_OWNER => Self::Container,
            _ if extended_types && stored & EXTENDED_MASK == EXTENDED_MASK => {
                match stored & !EXTENDED_MASK {
                    ttl @ 1..=Self::TTL_MS_MAX => Self::Ttl(ttl),
                    _ => Self::None,
                }
            }
            session => Self::Session(session),
        }
    }

    /// The stored value.
    pub fn stored(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Session(session) => session,
            Self::Container => CONTAINER_OWNER,
            Self::Ttl(ttl) => EXTENDED_MASK | ttl,
        }
    }
}

const CONTAINER_OWNER: i64 = i64::MIN;
const EXTENDED_MASK: i64 = 0xff << 56;

/// All nodes by path.
///
/// The table is cut into shards by hash, and each is shared until it changes: a clone copies a
/// pointer per shard, and the first change of a shard after it copies that shard's pointers to
/// nodes. No pause grows with the tree.
#[derive(Clone)]
pub(crate) struct Nodes {
    shards: Vec<Arc<HashTable<Arc<Node>>>>,
    hasher: RandomState,
    len: usize,
}

/// A power of two. With a million nodes a shard holds some thousand.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 10;

impl Default for Nodes {
    fn default() -> Self {
        Self { shards: vec![Arc::default(); SHARDS], hasher: RandomState::default(), len: 0 }
    }
}

impl Nodes {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Arc<Node>> {
        let hash = self.hasher.hash_one(path);
        self.shards[shard(hash)].find(hash, |node| *node.path == *path)
    }

    pub(crate) fn get_mut(&mut self, path: &str) -> Option<&mut Node> {
        let hash = self.hasher.hash_one(path);
        let shard = Arc::make_mut(&mut self.shards[shard(hash)]);
        shard.find_mut(hash, |node| *node.path == *path).map(Arc::make_mut)
    }

    /// Puts the node under its path, and gives back the one that was there.
    pub(crate) fn insert(&mut self, node: Node) -> Option<Arc<Node>> {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(&*node.path);
        let shard = Arc::make_mut(&mut self.shards[shard(hash)]);
        let same = |other: &Arc<Node>| other.path == node.path;
        match shard.entry(hash, same, |node| hasher.hash_one(&*node.path)) {
            Entry::Occupied(mut entry) => Some(std::mem::replace(entry.get_mut(), Arc::new(node))),
            Entry::Vacant(entry) => {
                entry.insert(Arc::new(node));
                self.len += 1;
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, path: &str) -> Option<Arc<Node>> {
        let hash = self.hasher.hash_one(path);
        let shared = &mut self.shards[shard(hash)];
        shared.find(hash, |node| *node.path == *path)?;
        let entry = Arc::make_mut(shared).find_entry(hash, |node| *node.path == *path).ok()?;
        self.len -= 1;
        Some(entry.remove().0)
    }

    /// In no order: for sums only.
    pub(crate) fn iter_unordered(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }
}

/// From bits in the middle: a shard's own table takes its from both ends.
fn shard(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stored_owner_means() {
        for (stored, extended, owner) in [
            (0, true, NodeOwner::None),
            (0x0100_0000_0000_0001, true, NodeOwner::Session(0x0100_0000_0000_0001)),
            (i64::MIN, true, NodeOwner::Container),
            (i64::MIN, false, NodeOwner::Container),
            ((0xff_i64 << 56) | 5000, true, NodeOwner::Ttl(5000)),
            ((0xff_i64 << 56) | 5000, false, NodeOwner::Session((0xff_i64 << 56) | 5000)),
            ((0xff_i64 << 56) | NodeOwner::TTL_MS_MAX, true, NodeOwner::Ttl(NodeOwner::TTL_MS_MAX)),
        ] {
            assert_eq!(NodeOwner::of(stored, extended), owner, "{stored:x}");
            assert_eq!(owner.stored(), stored);
        }
        let unknown = (0xff_i64 << 56) | (1 << 40) | 7;
        assert_eq!(NodeOwner::of(unknown, true), NodeOwner::None, "a feature to come");
    }

    #[test]
    fn clients_see_creations_and_deletions_in_cversion_and_no_owner_but_sessions() {
        let owner = NodeOwner::Ttl(60_000).stored();
        let stat =
            StatPersisted { cversion: 5, ephemeral_owner: owner, ..StatPersisted::default() };
        let mut node = Node::new("/n".into(), Some(Bytes::from_static(b"four")), -1, stat);
        node.children.insert("/n/a".into());
        node.children.insert("/n/b".into());
        let seen = node.stat(true);
        assert_eq!((seen.cversion, seen.num_children, seen.data_length), (8, 2, 4));
        assert_eq!(seen.ephemeral_owner, 0);
    }

    #[test]
    fn a_clone_of_the_table_does_not_see_later_changes() {
        let node = |name: usize, data: &'static [u8]| {
            let data = Some(Bytes::from_static(data));
            Node::new(format!("/{name}").into(), data, -1, StatPersisted::default())
        };
        let mut nodes = Nodes::default();
        for name in 0..5000 {
            assert!(nodes.insert(node(name, b"old")).is_none());
        }
        let snapshot = nodes.clone();
        for name in 0..1000 {
            nodes.get_mut(&format!("/{name}")).unwrap().set_data(None);
            assert!(nodes.remove(&format!("/{}", name + 1000)).is_some());
            assert!(nodes.insert(node(name + 5000, b"new")).is_none());
        }
        assert_eq!((snapshot.len(), nodes.len()), (5000, 5000));
        assert!(snapshot.iter_unordered().all(|node| node.data.as_deref() == Some(b"old")));
        assert!(snapshot.get("/1500").is_some() && nodes.get("/1500").is_none());
    }
}
