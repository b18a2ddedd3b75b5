//! The watches of one kind, from both sides.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::recursive::Recursive;
use super::{RECURSIVE, STANDARD, watch_bytes};

#[derive(Clone, Default, Debug)]
pub(super) struct Table {
    /// The modes of each watcher, never 0; no entry is empty.
    pub(super) by_path: HashMap<Arc<str>, BTreeMap<u64, u8>>,
    /// The same pairs from the other side; no entry is empty.
    pub(super) by_connection: HashMap<u64, Watched>,
    /// The number of those pairs.
    pub(super) watches: usize,
    /// The sum of their [`watch_bytes`].
    pub(super) bytes: usize,
    /// The pairs with a recursive mode.
    recursive: Recursive,
}

/// What one connection watches in a table.
#[derive(Clone, Default, Debug)]
pub(super) struct Watched {
    pub(super) paths: HashSet<Arc<str>>,
    /// The sum of their [`watch_bytes`].
    pub(super) bytes: usize,
}

impl Table {
    /// Every watcher with every path that it watches, in no order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (u64, &Arc<str>)> {
        let all = self.by_connection.iter();
        all.flat_map(|(&connection, watched)| {
            watched.paths.iter().map(move |path| (connection, path))
        })
    }

    pub(super) fn modes(&self, connection: u64, path: &str) -> u8 {
        self.by_path.get(path).and_then(|watchers| watchers.get(&connection)).copied().unwrap_or(0)
    }

    /// What a watch would take: nothing if there is one.
    pub(super) fn wants(&self, connection: u64, path: &str) -> usize {
        if self.modes(connection, path) == 0 { watch_bytes(path) } else { 0 }
    }

    /// The shared form of a path somebody watches exactly.
    pub(super) fn watched(&self, path: &str) -> Option<Arc<str>> {
        self.by_path.get_key_value(path).map(|(path, _)| path.clone())
    }

    pub(super) fn add(&mut self, connection: u64, path: &str, mode: u8) {
        let path = self.watched(path).unwrap_or_else(|| path.into());
        if mode & RECURSIVE != 0 {
            self.recursive.add(&path, connection);
        }
        let modes = self.by_path.entry(path.clone()).or_default().entry(connection).or_insert(0);
        if *modes == 0 {
            self.watches += 1;
            let watched = self.by_connection.entry(connection).or_default();
            watched.bytes += watch_bytes(&path);
            self.bytes += watch_bytes(&path);
            watched.paths.insert(path);
        }
        *modes |= mode;
    }

    /// Removes those of the modes that there are, and says which.
    pub(super) fn remove(&mut self, connection: u64, path: &str, modes: u8) -> u8 {
        let Some(watchers) = self.by_path.get_mut(path) else { return 0 };
        let Some(present) = watchers.get_mut(&connection) else { return 0 };
        let removed = *present & modes;
        *present &= !modes;
        if *present == 0 {
            watchers.remove(&connection);
            if watchers.is_empty() {
                self.by_path.remove(path);
            }
            self.forget(connection, path);
        }
        if removed & RECURSIVE != 0 {
            self.recursive.remove(path, connection);
        }
        removed
    }

    pub(super) fn remove_connection(&mut self, connection: u64) {
        for path in self.by_connection.remove(&connection).unwrap_or_default().paths {
            self.watches -= 1;
            self.bytes -= watch_bytes(&path);
            let Some(watchers) = self.by_path.get_mut(&path) else { continue };
            let modes = watchers.remove(&connection).unwrap_or(0);
            if watchers.is_empty() {
                self.by_path.remove(&path);
            }
            if modes & RECURSIVE != 0 {
                self.recursive.remove(&path, connection);
            }
        }
    }

    /// Calls `tell` once for each connection that watches the path, or recursively one above it,
    /// ascending; uses up standard watches.
    pub(super) fn fire(&mut self, path: &str, mut tell: impl FnMut(u64)) {
        if self.recursive.is_empty() {
            for connection in self.use_up(path) {
                tell(connection);
            }
            return;
        }
        let mut told = self.use_up(path);
        told.extend(self.recursive.above(path));
        told.sort_unstable();
        told.dedup();
        told.into_iter().for_each(tell);
    }

    /// All watchers of exactly this path, ascending; their standard watches are removed.
    pub(super) fn use_up(&mut self, path: &str) -> Vec<u64> {
        let Some(watchers) = self.by_path.get_mut(path) else { return Vec::new() };
        let told: Vec<u64> = watchers.keys().copied().collect();
        watchers.retain(|_, modes| {
            *modes &= !STANDARD;
            *modes != 0
        });
        let gone: Vec<u64> =
            told.iter().copied().filter(|connection| !watchers.contains_key(connection)).collect();
        if watchers.is_empty() {
            self.by_path.remove(path);
        }
        for connection in gone {
            self.forget(connection, path);
        }
        told
    }

    /// The pair is no longer in `by_path`.
    pub(super) fn forget(&mut self, connection: u64, path: &str) {
        self.watches -= 1;
        self.bytes -= watch_bytes(path);
        if let Some(watched) = self.by_connection.get_mut(&connection) {
            watched.paths.remove(path);
            watched.bytes -= watch_bytes(path);
            if watched.paths.is_empty() {
                self.by_connection.remove(&connection);
            }
        }
    }
}
