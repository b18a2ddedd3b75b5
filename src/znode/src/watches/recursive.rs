//! Recursive watches, found from the nodes below them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::path;

/// Who watches which path and everything below it.
///
/// The ancestors of a path are as long together as the square of its depth: to hash each by itself
/// takes a third of a second for a path of ten thousand parts. So they share one pass over the
/// path, with a hash that each prefix continues.
#[derive(Clone, Default, Debug)]
pub(super) struct Recursive {
    /// By length and hash. Paths of one length that share a hash share an entry.
    roots: HashMap<(usize, u64), Vec<Root>>,
    /// The lengths of the paths, and how many paths have each: only ancestors of such a length
    /// matter.
    lengths: BTreeMap<usize, usize>,
}

#[derive(Clone, Debug)]
struct Root {
    path: Arc<str>,
    /// Never empty.
    connections: BTreeSet<u64>,
}

impl Recursive {
    pub(super) fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Adding a pair twice changes nothing.
    pub(super) fn add(&mut self, path: &Arc<str>, connection: u64) {
        let roots = self.roots.entry(key(path)).or_default();
        if let Some(root) = roots.iter_mut().find(|root| root.path == *path) {
            root.connections.insert(connection);
        } else {
            roots.push(Root { path: path.clone(), connections: [connection].into() });
            *self.lengths.entry(path.len()).or_default() += 1;
        }
    }

    /// Removing a pair that is not there changes nothing.
    pub(super) fn remove(&mut self, path: &str, connection: u64) {
        let key = key(path);
        let Some(roots) = self.roots.get_mut(&key) else { return };
        let Some(at) = roots.iter().position(|root| &*root.path == path) else { return };
        roots[at].connections.remove(&connection);
        if !roots[at].connections.is_empty() {
            return;
        }
        roots.swap_remove(at);
        if roots.is_empty() {
            self.roots.remove(&key);
        }
        if let Some(paths) = self.lengths.get_mut(&path.len()) {
            *paths -= 1;
            if *paths == 0 {
                self.lengths.remove(&path.len());
            }
        }
    }

    /// Those who watch a path above this one: for each path, in no order.
    pub(super) fn above<'a>(&'a self, path: &'a str) -> impl Iterator<Item = u64> + 'a {
        self.roots_above(path).flat_map(|root| root.connections.iter().copied())
    }

    /// Not more ancestors are looked for than there are lengths of watched paths, however deep the
    /// path is.
    fn roots_above<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Root> {
        let lengths = self.lengths.range(..path.len()).map(|(&length, _)| length);
        let (mut hashed, mut hash) = (0, EMPTY);
        lengths.filter_map(move |length| {
            let ancestor = path::ancestor(path, length)?;
            hash = go_on(hash, &ancestor.as_bytes()[hashed..]);
            hashed = length;
            let roots = self.roots.get(&(length, hash))?;
            roots.iter().find(|root| &*root.path == ancestor)
        })
    }
}

fn key(path: &str) -> (usize, u64) {
    (path.len(), go_on(EMPTY, path.as_bytes()))
}

/// The hash of nothing (FNV-1a, 64 bits).
const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash of what `hash` is of, and these bytes behind it.
fn go_on(hash: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    /// A path of up to five parts, each of which is one of three.
    fn path_of(parts: &[u8]) -> Arc<str> {
        let parts: Vec<_> =
            parts.iter().take(5).map(|part| ["a", "b", "aa"][usize::from(part % 3)]).collect();
        format!("/{}", parts.join("/")).into()
    }

    quickcheck! {
        fn whoever_watches_an_ancestor_is_found(
            steps: Vec<(bool, Vec<u8>, u8)>,
            changed: Vec<Vec<u8>>
        ) -> bool {
            let (mut recursive, mut pairs) = (Recursive::default(), BTreeSet::new());
            for (is_added, parts, connection) in &steps {
                let (path, connection) = (path_of(parts), u64::from(connection % 4));
                if *is_added {
                    recursive.add(&path, connection);
                    pairs.insert((path, connection));
                } else {
                    recursive.remove(&path, connection);
                    pairs.remove(&(path, connection));
                }
            }
            let is_above = |above: &str, path: &str| {
                let below = path.strip_prefix(above);
                path != above && below.is_some_and(|below| above == "/" || below.starts_with('/'))
            };
            let agrees = changed.iter().map(|parts| path_of(parts)).all(|path| {
                let mut found: Vec<_> = recursive.above(&path).collect();
                found.sort_unstable();
                let watching = pairs.iter().filter(|(above, _)| is_above(above, &path));
                let mut expected: Vec<_> = watching.map(|(_, connection)| *connection).collect();
                expected.sort_unstable();
                found == expected
            });
            let lengths: BTreeSet<_> = pairs.iter().map(|(path, _)| path.len()).collect();
            agrees && recursive.lengths.keys().copied().eq(lengths)
                && recursive.is_empty() == pairs.is_empty()
                && recursive.roots.is_empty() == pairs.is_empty()
        }
    }

    #[test]
    fn a_watch_far_above_a_deep_node_costs_a_look_at_one_path() {
        let mut recursive = Recursive::default();
        recursive.add(&"/b/b".into(), 1);
        let deep = "/a".repeat(10_000);
        assert_eq!(recursive.above(&deep).count(), 0);
        recursive.add(&"/a/a".into(), 2);
        assert_eq!(recursive.above(&deep).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_hash_goes_on_from_each_ancestor_to_the_next() {
        let paths = ["/", "/a", "/a/bc", "/a/bc/d"];
        let mut recursive = Recursive::default();
        for (connection, path) in (1..).zip(paths) {
            recursive.add(&path.into(), connection);
        }
        assert_eq!(recursive.above("/a/bc/d/e").collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(go_on(key("/a").1, b"/bc"), key("/a/bc").1);
    }
}
