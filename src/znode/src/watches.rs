//! Who is told of which change: the watches of one server's connections, as data.
//!
//! (ZooKeeper: `WatchManager`, and the trigger calls of `DataTree`.)

mod recursive;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use thiserror::Error;
use wire::client::{EventType, SetWatches, SetWatches2, WatcherType};

use crate::acl::AclList;
use crate::path;
use crate::tree::Tree;
use table::Table;

/// One event, as a client sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventType,
    /// To which node; for [`EventType::NodeChildrenChanged`] the parent.
    pub path: Arc<str>,
}

/// What a transaction did to a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChangeKind {
    /// It was created.
    Created,
    /// It was deleted.
    Deleted,
    /// Its data was set.
    DataChanged,
}

/// A change that watches react to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The node it happened to.
    pub path: Arc<str>,
    /// The ACL of the node: after the change if it was created, else before.
    pub acl: AclList,
    /// The ACL of its parent.
    pub parent_acl: AclList,
}

/// An event for a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// The number the shell gave when the watch was set.
    pub connection: u64,
    /// What to tell.
    pub event: Event,
    /// Only a connection that may READ under this list is told (ZooKeeper since 3.8.4); the watch
    /// is used up all the same.
    pub acl: AclList,
}

/// The watches of a client that comes from another connection.
#[derive(Clone, Copy, Debug)]
pub struct WatchLists<'a> {
    relative_zxid: i64,
    data: &'a [String],
    exist: &'a [String],
    child: &'a [String],
    persistent: &'a [String],
    persistent_recursive: &'a [String],
}

impl<'a> From<&'a SetWatches> for WatchLists<'a> {
    fn from(lists: &'a SetWatches) -> Self {
        Self {
            relative_zxid: lists.relative_zxid,
            data: &lists.data_watches,
            exist: &lists.exist_watches,
            child: &lists.child_watches,
            persistent: &[],
            persistent_recursive: &[],
        }
    }
}

impl<'a> From<&'a SetWatches2> for WatchLists<'a> {
    fn from(lists: &'a SetWatches2) -> Self {
        Self {
            relative_zxid: lists.relative_zxid,
            data: &lists.data_watches,
            exist: &lists.exist_watches,
            child: &lists.child_watches,
            persistent: &lists.persistent_watches,
            persistent_recursive: &lists.persistent_recursive_watches,
        }
    }
}

/// How a watch stays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WatchMode {
    /// Fires once.
    Standard,
    /// Fires until it is removed.
    Persistent,
    /// Fires until it is removed, for the node and everything below it; never for changed children.
    PersistentRecursive,
}

/// Which of the two tables.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WatchTable {
    /// Set by exists and getData.
    Data,
    /// Set by getChildren.
    Child,
}

/// All watches of one server.
#[derive(Clone, Debug)]
pub struct Watches {
    data: Table,
    child: Table,
    limits: WatchLimits,
}

/// What watches may take in bytes. Each counts with the bytes of its path and 256 more; a
/// persistent one, which is in both tables, twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WatchLimits {
    /// Those of one connection.
    pub of_connection: usize,
    /// Those of all connections together.
    pub of_all: usize,
}

impl WatchLimits {
    /// No limits.
    pub const NONE: Self = Self { of_connection: usize::MAX, of_all: usize::MAX };
}

/// Whose watches are too many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watchers {
    /// Those of the connection that asks.
    Connection,
    /// Those of all connections.
    All,
}

impl fmt::Display for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "a connection",
            Self::All => "all connections together",
        })
    }
}

/// A connection wants more watches than there is room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "the watches of {of} take at most {max} bytes: they take {has}, and {wants} more are asked for"
)]
pub struct TooManyWatches {
    /// Whose.
    pub of: Watchers,
    /// Bytes that their watches may take.
    pub max: usize,
    /// Bytes that they take.
    pub has: usize,
    /// Bytes that the new ones would take.
    pub wants: usize,
}

/// What a watch takes beside its path, in a table: entries in two maps, and the list of those who
/// watch the path.
const WATCH_BYTES: usize = 256;

/// The memory that counts for a watch in one table, whoever else watches the path.
fn watch_bytes(path: &str) -> usize {
    WATCH_BYTES + path.len()
}

/// How many there are, for `wchs` and `mntr`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct WatchCounts {
    /// Connections with a watch in the table.
    pub connections: usize,
    /// Paths with a watch in the table.
    pub paths: usize,
    /// Pairs of connection and path.
    pub watches: usize,
}

impl Watches {
    /// No watches.
    pub fn new(limits: WatchLimits) -> Self {
        Self { data: Table::default(), child: Table::default(), limits }
    }

    /// Sets a watch; setting it twice changes nothing.
    ///
    /// # Errors
    /// The connection has too many already. Nothing is set.
    pub fn add(
        &mut self,
        table: WatchTable,
        connection: u64,
        path: &str,
        mode: WatchMode,
    ) -> Result<(), TooManyWatches> {
        self.check_room(connection, self.table(table).wants(connection, path))?;
        self.table_mut(table).add(connection, path, bit(mode));
        Ok(())
    }

    /// `addWatch`: a persistent watch is in both tables, a recursive one in that of data only.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_persistent(
        &mut self,
        connection: u64,
        path: &str,
        recursive: bool,
    ) -> Result<(), TooManyWatches> {
        self.check_room(connection, self.persistent_wants(connection, path, recursive))?;
        self.set_persistent(connection, path, recursive);
        Ok(())
    }

    fn set_persistent(&mut self, connection: u64, path: &str, recursive: bool) {
        if recursive {
            self.data.add(connection, path, RECURSIVE);
        } else {
            self.data.add(connection, path, PERSISTENT);
            self.child.add(connection, path, PERSISTENT);
        }
    }

    /// What [`Self::set_persistent`] would take.
    fn persistent_wants(&self, connection: u64, path: &str, recursive: bool) -> usize {
        let child = if recursive { 0 } else { self.child.wants(connection, path) };
        self.data.wants(connection, path) + child
    }

    fn check_room(&self, connection: u64, wants: usize) -> Result<(), TooManyWatches> {
        if wants == 0 {
            return Ok(());
        }
        let WatchLimits { of_connection, of_all } = self.limits;
        for (of, max, has) in [
            (Watchers::Connection, of_connection, self.bytes(connection)),
            (Watchers::All, of_all, self.data.bytes + self.child.bytes),
        ] {
            if has.saturating_add(wants) > max {
                return Err(TooManyWatches { of, max, has, wants });
            }
        }
        Ok(())
    }

    /// What the watches of a connection take.
    fn bytes(&self, connection: u64) -> usize {
        [&self.data, &self.child]
            .into_iter()
            .filter_map(|table| table.by_connection.get(&connection))
            .map(|watched| watched.bytes)
            .sum()
    }

    /// `checkWatches`: whether the connection has such a watch on the path.
    pub fn contains(&self, connection: u64, path: &str, watcher: WatcherType) -> bool {
        modes(watcher)
            .into_iter()
            .any(|(table, modes)| self.table(table).modes(connection, path) & modes != 0)
    }

    /// `removeWatches`: removes them; false if there was none.
    pub fn remove(&mut self, connection: u64, path: &str, watcher: WatcherType) -> bool {
        let mut found = false;
        for (table, modes) in modes(watcher) {
            found |= self.table_mut(table).remove(connection, path, modes) != 0;
        }
        found
    }

    /// The connection is gone, and its watches with it.
    pub fn remove_connection(&mut self, connection: u64) {
        self.data.remove_connection(connection);
        self.child.remove_connection(connection);
    }

    /// Whom a change concerns, in the order in which to tell: per table ascending by connection.
    /// Uses up the standard watches that fire.
    pub fn trigger(&mut self, change: &Change) -> Vec<Notification> {
        let mut out = Vec::new();
        let Change { kind, path, acl, parent_acl } = change;
        let fire = |table: &mut Table, kind, path: &Arc<str>, acl: &AclList, out: &mut Vec<_>| {
            table.fire(path, |connection| {
                let event = Event { kind, path: path.clone() };
                out.push(Notification { connection, event, acl: acl.clone() });
            });
        };
        match kind {
            ChangeKind::DataChanged => {
                fire(&mut self.data, EventType::NodeDataChanged, path, acl, &mut out);
                return out;
            }
            ChangeKind::Created => {
                fire(&mut self.data, EventType::NodeCreated, path, acl, &mut out);
            }
            ChangeKind::Deleted => {
                fire(&mut self.data, EventType::NodeDeleted, path, acl, &mut out);
                // Whoever has just been told as a watcher of the data is not told again; the watch
                // is used up.
                let told = out.len();
                let mut also = Vec::new();
                fire(&mut self.child, EventType::NodeDeleted, path, acl, &mut also);
                also.retain(|new| {
                    out[..told].binary_search_by_key(&new.connection, |old| old.connection).is_err()
                });
                out.append(&mut also);
            }
        }
        if let Some(parent) = path::parent(path)
            && let Some(parent) = self.child.watched(parent)
        {
            fire(&mut self.child, EventType::NodeChildrenChanged, &parent, parent_acl, &mut out);
        }
        out
    }

    /// Sets the watches a client had on another connection again, and tells what it has missed in
    /// between, in the order of the lists. What has fired is not set. (`DataTree.setWatches`.)
    ///
    /// # Errors
    /// The connection has too many already for all of these, whether they have fired or not.
    /// Nothing is set, and nothing told.
    pub fn set_watches(
        &mut self,
        tree: &Tree,
        connection: u64,
        lists: WatchLists<'_>,
        mut missed: impl FnMut(EventType, &str),
    ) -> Result<(), TooManyWatches> {
        self.check_room(connection, self.lists_want(connection, lists))?;
        for path in lists.data {
            match tree.node(path) {
                None => missed(EventType::NodeDeleted, path),
                Some(node) if node.stat_persisted().mzxid > lists.relative_zxid => {
                    missed(EventType::NodeDataChanged, path);
                }
                Some(_) => self.data.add(connection, path, STANDARD),
            }
        }
        for path in lists.exist {
            match tree.node(path) {
                None => self.data.add(connection, path, STANDARD),
                Some(_) => missed(EventType::NodeCreated, path),
            }
        }
        for path in lists.child {
            match tree.node(path) {
                None => missed(EventType::NodeDeleted, path),
                Some(node) if node.stat_persisted().pzxid > lists.relative_zxid => {
                    missed(EventType::NodeChildrenChanged, path);
                }
                Some(_) => self.child.add(connection, path, STANDARD),
            }
        }
        for path in lists.persistent {
            self.set_persistent(connection, path, false);
        }
        for path in lists.persistent_recursive {
            self.set_persistent(connection, path, true);
        }
        Ok(())
    }

    /// What all of the lists would take, if none of them has fired. A path that stands in them
    /// twice counts twice.
    fn lists_want(&self, connection: u64, lists: WatchLists<'_>) -> usize {
        let in_table = |table: &Table, paths: &[String]| -> usize {
            paths.iter().map(|path| table.wants(connection, path)).sum()
        };
        let persistent = |paths: &[String], recursive| -> usize {
            paths.iter().map(|path| self.persistent_wants(connection, path, recursive)).sum()
        };
        in_table(&self.data, lists.data)
            + in_table(&self.data, lists.exist)
            + in_table(&self.child, lists.child)
            + persistent(lists.persistent, false)
            + persistent(lists.persistent_recursive, true)
    }

    /// The counts of one table; ZooKeeper's `wchs` shows those of the data table.
    pub fn counts(&self, table: WatchTable) -> WatchCounts {
        let table = self.table(table);
        WatchCounts {
            connections: table.by_connection.len(),
            paths: table.by_path.len(),
            watches: table.watches,
        }
    }

    /// All watches of both tables, as `mntr` counts them.
    pub fn len(&self) -> usize {
        self.data.watches + self.child.watches
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each connection with the paths it watches in a table, both ascending (`wchc`). Of more than
    /// `watches_max` watches it is some of them.
    pub fn by_connection(
        &self,
        table: WatchTable,
        watches_max: usize,
    ) -> BTreeMap<u64, BTreeSet<Arc<str>>> {
        let mut some: BTreeMap<u64, BTreeSet<Arc<str>>> = BTreeMap::new();
        for (connection, path) in self.table(table).pairs().take(watches_max) {
            some.entry(connection).or_default().insert(path.clone());
        }
        some
    }

    /// Each watched path of a table with the connections that watch it, both ascending (`wchp`). Of
    /// more than `watches_max` watches it is some of them.
    pub fn by_path(
        &self,
        table: WatchTable,
        watches_max: usize,
    ) -> BTreeMap<Arc<str>, BTreeSet<u64>> {
        let mut some: BTreeMap<Arc<str>, BTreeSet<u64>> = BTreeMap::new();
        for (connection, path) in self.table(table).pairs().take(watches_max) {
            some.entry(path.clone()).or_default().insert(connection);
        }
        some
    }

    fn table(&self, table: WatchTable) -> &Table {
        match table {
            WatchTable::Data => &self.data,
            WatchTable::Child => &self.child,
        }
    }

    fn table_mut(&mut self, table: WatchTable) -> &mut Table {
        match table {
            WatchTable::Data => &mut self.data,
            WatchTable::Child => &mut self.child,
        }
    }
}

const STANDARD: u8 = 1;
const PERSISTENT: u8 = 2;
const RECURSIVE: u8 = 4;
const ALL: u8 = STANDARD | PERSISTENT | RECURSIVE;

fn bit(mode: WatchMode) -> u8 {
    match mode {
        WatchMode::Standard => STANDARD,
        WatchMode::Persistent => PERSISTENT,
        WatchMode::PersistentRecursive => RECURSIVE,
    }
}

/// The modes that a type of watcher means in each table.
fn modes(watcher: WatcherType) -> [(WatchTable, u8); 2] {
    let (data, child) = match watcher {
        WatcherType::Children => (0, STANDARD),
        WatcherType::Data => (STANDARD, 0),
        WatcherType::Any => (ALL, ALL),
        WatcherType::Persistent => (PERSISTENT, PERSISTENT),
        WatcherType::PersistentRecursive => (RECURSIVE, 0),
    };
    [(WatchTable::Data, data), (WatchTable::Child, child)]
}

#[cfg(test)]
mod tests;
