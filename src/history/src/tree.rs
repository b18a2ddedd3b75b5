//! ZooKeeper's tree, small: what the transactions so far make of it, and what the next does.
//!
//! Changes since the last [`Tree::commit`] can be undone, so a multi that fails in its middle, or a
//! request that is only tried, leaves nothing.

mod write;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::answer::{Answer, Outcome, Stat};
use crate::operation::{Data, ErrorCode, Mode, Read, ReadKind, SessionId, Zxid};
use crate::record::{self, EventKind, TreeRecord};

/// A time that nobody has told yet.
pub(crate) const UNKNOWN_TIME: i64 = i64::MIN;

/// Below this, nodes are the server's own.
const RESERVED: &str = "/zookeeper";

/// Whether the nodes at this path are not checked.
pub(crate) fn is_reserved(path: &str) -> bool {
    path.strip_prefix(RESERVED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path of the parent; the root has none.
pub(crate) fn parent_of(path: &str) -> Option<&str> {
    match path.rsplit_once('/') {
        Some(("", "")) | None => None,
        Some(("", _)) => Some("/"),
        Some((parent, _)) => Some(parent),
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// A path that was used, as an index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct PathId(u32);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Node {
    data: Data,
    mode: Mode,
    owner: SessionId,
    czxid: Zxid,
    mzxid: Zxid,
    pzxid: Zxid,
    ctime: i64,
    mtime: i64,
    version: i32,
    aversion: i32,
    /// How many children were ever created: the next number of a sequential one.
    creates: i32,
}

#[derive(Debug)]
struct Slot {
    path: Arc<str>,
    parent: Option<PathId>,
    node: Option<Node>,
    children: BTreeSet<Arc<str>>,
    /// The session of the node that was here last, if that was ephemeral.
    last_owner: Option<SessionId>,
}

/// Something that watches are about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) kind: EventKind,
    pub(crate) path: Arc<str>,
}

#[derive(Debug)]
enum Undo {
    Node(PathId, Option<Node>),
    ChildAdded(PathId, Arc<str>),
    ChildRemoved(PathId, Arc<str>),
    Owned(SessionId, PathId),
    Disowned(SessionId, PathId),
}

/// Who does something, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) zxid: Zxid,
    pub(crate) session: SessionId,
    pub(crate) time: i64,
}

#[derive(Debug)]
pub(crate) struct Tree {
    ids: HashMap<Arc<str>, PathId>,
    slots: Vec<Slot>,
    owned: HashMap<SessionId, BTreeSet<PathId>>,
    undo: Vec<Undo>,
    changes: Vec<Change>,
}

impl Tree {
    /// The tree of a new ensemble.
    pub(crate) fn new() -> Self {
        let mut tree = Self {
            ids: HashMap::new(),
            slots: Vec::new(),
            owned: HashMap::new(),
            undo: Vec::new(),
            changes: Vec::new(),
        };
        for path in ["/", RESERVED, "/zookeeper/quota", "/zookeeper/config"] {
            tree.add(path, Data::default(), &Stat::default());
        }
        tree
    }

    /// The tree that a history begins with.
    pub(crate) fn of(start: &TreeRecord) -> Self {
        let mut tree = Self::new();
        // Parents first.
        let mut nodes: Vec<&record::Node> = start.nodes.iter().collect();
        nodes.sort_by_key(|node| &node.path);
        for node in nodes {
            tree.add(&node.path, node.data.clone(), &node.stat);
        }
        for node in &start.nodes {
            let id = tree.id(&node.path);
            let children = tree.slots[id.0 as usize].children.len() as i32;
            if let Some(kept) = &mut tree.slots[id.0 as usize].node {
                kept.creates = node.stat.cversion.saturating_add(children) / 2;
            }
        }
        tree
    }

    fn add(&mut self, path: &str, data: Data, stat: &Stat) {
        let id = self.id(path);
        let (owner, ephemeral) = (stat.owner, stat.owner != SessionId(0));
        if ephemeral {
            self.owned.entry(owner).or_default().insert(id);
        }
        if let Some(parent) = self.slots[id.0 as usize].parent {
            let name = name_of(path).into();
            self.slots[parent.0 as usize].children.insert(name);
        }
        self.slots[id.0 as usize].node = Some(Node {
            data,
            mode: if ephemeral { Mode::Ephemeral } else { Mode::Persistent },
            owner,
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            pzxid: stat.pzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            aversion: stat.aversion,
            creates: 0,
        });
    }

    fn id(&mut self, path: &str) -> PathId {
        if let Some(id) = self.ids.get(path) {
            return *id;
        }
        // A node is created where its parent is; no path costs more than its own length.
        let parent = parent_of(path).and_then(|parent| self.ids.get(parent).copied());
        let id = PathId(u32::try_from(self.slots.len()).expect("fewer paths than 2^32"));
        let path: Arc<str> = path.into();
        self.ids.insert(path.clone(), id);
        let children = BTreeSet::new();
        self.slots.push(Slot { path, parent, node: None, children, last_owner: None });
        id
    }

    fn find(&self, path: &str) -> Option<(&Slot, &Node)> {
        let slot = &self.slots[self.ids.get(path)?.0 as usize];
        slot.node.as_ref().map(|node| (slot, node))
    }

    /// What ZooKeeper says of a node.
    pub(crate) fn stat(&self, path: &str) -> Option<Stat> {
        self.find(path).map(|(slot, node)| stat(slot, node))
    }

    /// What a read is told.
    pub(crate) fn read(&self, read: &Read) -> Outcome {
        let Some((slot, node)) = self.find(&read.path) else {
            return Outcome::Error(ErrorCode::NO_NODE);
        };
        let stat = stat(slot, node);
        Outcome::Ok(match read.kind {
            ReadKind::Exists => Answer::Stat(stat),
            ReadKind::GetData => Answer::Data { data: node.data.clone(), stat },
            ReadKind::GetChildren => {
                let names = slot.children.iter().map(|name| name.to_string()).collect();
                Answer::Children { names, stat: Some(stat) }
            }
        })
    }

    /// Whether exactly these are the names of the node's children.
    pub(crate) fn has_children(&self, path: &str, names: &[String]) -> bool {
        let Some((slot, _)) = self.find(path) else { return false };
        let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted.len() == slot.children.len()
            && sorted.iter().zip(&slot.children).all(|(got, kept)| **got == **kept)
    }

    /// Takes over times that an answer tells and that were not known.
    pub(crate) fn learn(&mut self, path: &str, told: &Stat) {
        let Some(id) = self.ids.get(path) else { return };
        let Some(node) = &mut self.slots[id.0 as usize].node else { return };
        if node.ctime == UNKNOWN_TIME && node.czxid == told.czxid {
            node.ctime = told.ctime;
        }
        if node.mtime == UNKNOWN_TIME && node.mzxid == told.mzxid {
            node.mtime = told.mtime;
        }
    }

    /// The paths of a session's ephemeral nodes.
    pub(crate) fn owned_by(&self, session: SessionId) -> Vec<Arc<str>> {
        let ids = self.owned.get(&session).into_iter().flatten();
        ids.map(|id| self.slots[id.0 as usize].path.clone()).collect()
    }

    /// The session whose ephemeral node is at this path, or was the last there.
    pub(crate) fn last_owner(&self, path: &str) -> Option<SessionId> {
        self.slots[self.ids.get(path)?.0 as usize].last_owner
    }

    /// Whether the server may delete the node by itself, when it has no children.
    pub(crate) fn is_reapable(&self, path: &str) -> bool {
        self.find(path).is_some_and(|(slot, node)| match node.mode {
            Mode::Container | Mode::Ttl => slot.children.is_empty(),
            Mode::Persistent | Mode::Ephemeral => false,
        })
    }

    /// All nodes that are checked.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = record::Node> + '_ {
        self.slots.iter().filter_map(|slot| {
            let node = slot.node.as_ref().filter(|_| !is_reserved(&slot.path))?;
            let (path, data) = (slot.path.to_string(), node.data.clone());
            Some(record::Node { path, data, stat: stat(slot, node) })
        })
    }

    /// Makes what was done since the last time final; answers what watches are told of it.
    pub(crate) fn commit(&mut self) -> std::vec::Drain<'_, Change> {
        self.undo.clear();
        self.changes.drain(..)
    }

    /// Undoes what was done since the last [`Tree::commit`].
    pub(crate) fn roll_back(&mut self) {
        self.roll_back_to(0, 0);
    }

    fn roll_back_to(&mut self, undo: usize, changes: usize) {
        self.changes.truncate(changes);
        for step in self.undo.drain(undo..).rev() {
            match step {
                Undo::Node(id, node) => self.slots[id.0 as usize].node = node,
                Undo::ChildAdded(id, name) => {
                    self.slots[id.0 as usize].children.remove(&name);
                }
                Undo::ChildRemoved(id, name) => {
                    self.slots[id.0 as usize].children.insert(name);
                }
                Undo::Owned(session, id) => {
                    self.owned.entry(session).or_default().remove(&id);
                }
                Undo::Disowned(session, id) => {
                    self.owned.entry(session).or_default().insert(id);
                }
            }
        }
    }
}

fn stat(slot: &Slot, node: &Node) -> Stat {
    let children = slot.children.len() as i32;
    Stat {
        czxid: node.czxid,
        mzxid: node.mzxid,
        pzxid: node.pzxid,
        ctime: node.ctime,
        mtime: node.mtime,
        version: node.version,
        cversion: node.creates.wrapping_mul(2).wrapping_sub(children),
        aversion: node.aversion,
        owner: node.owner,
        length: i32::try_from(node.data.bytes().len()).unwrap_or(i32::MAX),
        children,
    }
}

/// In what a Stat differs from the one that it has to be, in words. A time that is not known yet
/// may be any.
pub(crate) fn difference(expected: &Stat, told: &Stat) -> Option<String> {
    let times_agree = |expected: i64, told: i64| expected == told || expected == UNKNOWN_TIME;
    let fields = [
        ("czxid", expected.czxid.to_string(), told.czxid.to_string()),
        ("mzxid", expected.mzxid.to_string(), told.mzxid.to_string()),
        ("pzxid", expected.pzxid.to_string(), told.pzxid.to_string()),
        ("version", expected.version.to_string(), told.version.to_string()),
        ("cversion", expected.cversion.to_string(), told.cversion.to_string()),
        ("aversion", expected.aversion.to_string(), told.aversion.to_string()),
        ("ephemeralOwner", expected.owner.to_string(), told.owner.to_string()),
        ("dataLength", expected.length.to_string(), told.length.to_string()),
        ("numChildren", expected.children.to_string(), told.children.to_string()),
        ("ctime", expected.ctime.to_string(), told.ctime.to_string()),
        ("mtime", expected.mtime.to_string(), told.mtime.to_string()),
    ];
    let is_time = |name: &str| ["ctime", "mtime"].contains(&name);
    let times_agree =
        times_agree(expected.ctime, told.ctime) && times_agree(expected.mtime, told.mtime);
    let differing = fields
        .iter()
        .filter(|(name, expected, told)| expected != told && (!is_time(name) || !times_agree));
    let words: Vec<String> =
        differing.map(|(name, expected, told)| format!("{name} {told}, not {expected}")).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Whether a Stat is the one that it has to be.
pub(crate) fn agrees(expected: &Stat, told: &Stat) -> bool {
    let times_agree = |expected: i64, told: i64| expected == told || expected == UNKNOWN_TIME;
    times_agree(expected.ctime, told.ctime)
        && times_agree(expected.mtime, told.mtime)
        && Stat { ctime: told.ctime, mtime: told.mtime, ..*expected } == *told
}
