//! Which container and TTL nodes are due to be deleted.

use std::ops::Bound;
use std::sync::Arc;

use wire::StatPersisted;

use super::Tree;
use crate::node::NodeOwner;

/// When a container that never had a child is deleted (`znode.container.maxNeverUsedIntervalMs`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum NeverUsed {
    /// Never.
    #[default]
    Stays,
    /// When its data was last set more than so many ms ago.
    GoesAfter(i64),
}

/// A part of the container and TTL nodes, looked at in one go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// The paths that are due, in byte order.
    pub due: Vec<Arc<str>>,
    /// The last path that was looked at: the next part begins behind it. `None`: there are no more.
    pub last: Option<Arc<str>>,
}

impl Tree {
    /// Looks for nodes that are due, among the container and TTL nodes whose paths come behind
    /// `after` in byte order. It looks at no more than `looks_max` nodes and finds no more than
    /// `due_max`: the tree is locked meanwhile. `time_ms` is wall clock time, as the headers of
    /// transactions have it.
    pub fn reapable(
        &self,
        after: Option<&str>,
        (looks_max, due_max): (usize, usize),
        never_used: NeverUsed,
        time_ms: i64,
    ) -> Scan {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut scan = Scan { due: Vec::new(), last: None };
        for (looks, path) in self.reapable.range::<str, _>((start, Bound::Unbounded)).enumerate() {
            if looks == looks_max || scan.due.len() == due_max {
                return scan;
            }
            scan.last = Some(path.clone());
            if let Some(node) = self.node(path)
                && self.is_due(&node.stat, node.children.len(), never_used, time_ms)
            {
                scan.due.push(path.clone());
            }
        }
        scan.last = None;
        scan
    }

    /// Whether a node with this stat and so many children is to be deleted now: a container that
    /// has had children, or was not used for too long; a TTL node whose data was last set longer
    /// ago than its time to live. A clock that is set back makes it wait longer, one that is set
    /// ahead makes it go early, as in ZooKeeper.
    pub(crate) fn is_due(
        &self,
        stat: &StatPersisted,
        child_count: usize,
        never_used: NeverUsed,
        time_ms: i64,
    ) -> bool {
        let idle_ms = time_ms.saturating_sub(stat.mtime);
        let over = match NodeOwner::of(stat.ephemeral_owner, self.options.extended_types) {
            NodeOwner::None | NodeOwner::Session(_) => false,
            // The stored cversion counts creations, and 0 comes back only once it has wrapped.
            NodeOwner::Container if stat.cversion != 0 => true,
            NodeOwner::Container => match never_used {
                NeverUsed::Stays => false,
                NeverUsed::GoesAfter(ms) => idle_ms > ms,
            },
            NodeOwner::Ttl(ttl_ms) => idle_ms > ttl_ms,
        };
        over && child_count == 0
    }

    /// How many container and TTL nodes there are.
    pub fn reapable_count(&self) -> usize {
        self.reapable.len()
    }
}
