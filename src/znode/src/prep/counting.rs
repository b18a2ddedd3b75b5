//! How much a leader lets be counted.
//!
//! Who makes a quota has its subtree counted, by every server and in the turn that applies the
//! transaction, because what is counted is data that clients read. That is work by the size of the
//! tree for a request of a few bytes, and a request may make and remove thousands of quotas. So the
//! leader takes as many of them as keep the others served, and answers ThrottledOp to the rest.

use std::collections::VecDeque;
use std::sync::Arc;

/// Nodes that may be counted in a second: some 4 % of the time of a server (0.2 us each).
const NODES_PER_SECOND: u64 = 200_000;
/// Nodes that may be counted at once, after a time in which nothing was.
const NODES_AT_ONCE: u64 = 2_000_000;
/// Quotas that may be one in the other: each write updates all those that it is in. ZooKeeper's own
/// shell makes none inside of another.
pub(super) const NESTED_MAX: usize = 16;
/// Quotas that are made and not applied yet.
const PREPARED_MAX: usize = 256;

/// What may be counted now, and which quotas are going to be made.
#[derive(Debug)]
pub(super) struct Counting {
    /// Of nodes. A tree may have more than this allows: whoever begins while something is left may
    /// use more than is left.
    left: i64,
    at_ms: Option<u64>,
    /// The subtrees of prepared quotas, each with the zxid of its transaction, ascending.
    prepared: VecDeque<(i64, Arc<str>)>,
}

impl Default for Counting {
    fn default() -> Self {
        Self { left: NODES_AT_ONCE.cast_signed(), at_ms: None, prepared: VecDeque::new() }
    }
}

impl Counting {
    /// Whether a subtree of a tree with so many nodes may be counted now; if so it is as good as
    /// counted.
    pub(super) fn takes(&mut self, nodes: usize, now_ms: u64) -> bool {
        let since_ms = now_ms.saturating_sub(self.at_ms.replace(now_ms).unwrap_or(now_ms));
        let more = i64::try_from(since_ms.saturating_mul(NODES_PER_SECOND / 1000));
        let left = self.left.saturating_add(more.unwrap_or(i64::MAX));
        self.left = left.min(NODES_AT_ONCE.cast_signed());
        if self.left <= 0 || self.prepared.len() >= PREPARED_MAX {
            return false;
        }
        self.left -= i64::try_from(nodes).unwrap_or(i64::MAX);
        true
    }

    /// A quota is going to be made.
    pub(super) fn prepare(&mut self, zxid: i64, subtree: &str) {
        self.prepared.push_back((zxid, subtree.into()));
    }

    /// How many prepared quotas are around or within this subtree.
    pub(super) fn prepared_along(&self, subtree: &str) -> usize {
        let is_along = |other: &str| is_within(other, subtree) || is_within(subtree, other);
        self.prepared.iter().filter(|(_, other)| is_along(other)).count()
    }

    /// Everything up to this transaction is applied.
    pub(super) fn committed(&mut self, zxid: i64) {
        while self.prepared.front().is_some_and(|(first, _)| *first <= zxid) {
            self.prepared.pop_front();
        }
    }
}

fn is_within(path: &str, subtree: &str) -> bool {
    path.strip_prefix(subtree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_tree_is_counted_as_often_as_anybody_likes_and_a_large_one_now_and_then() {
        let mut counting = Counting::default();
        assert!((0..6000).all(|_| counting.takes(300, 5)));
        let mut counting = Counting::default();
        let taken = (0..6000).filter(|_| counting.takes(20_000, 5)).count();
        assert_eq!(taken, 100);
        assert!(!counting.takes(20_000, 5));
        // Ten a second from then on.
        let taken = (5..10_005).filter(|now| counting.takes(20_000, *now)).count();
        assert!((99..=101).contains(&taken), "{taken}");
        // The largest tree is counted, too, and then for some time none.
        let mut counting = Counting::default();
        assert!(counting.takes(50_000_000, 0));
        assert!(!counting.takes(1, 200_000));
        assert!(counting.takes(1, 300_000));
    }

    #[test]
    fn prepared_quotas_are_known_until_they_are_applied() {
        let mut counting = Counting::default();
        for (zxid, subtree) in [(1, "/a"), (1, "/a/b"), (2, "/ab"), (3, "/a/b/c")] {
            counting.prepare(zxid, subtree);
        }
        assert_eq!(counting.prepared_along("/a/b"), 3);
        assert_eq!(counting.prepared_along("/ab/x"), 1);
        counting.committed(2);
        assert_eq!(counting.prepared_along("/a/b"), 1);
    }
}
