//! Which container and TTL nodes are due to be deleted. (ZooKeeper: `ContainerManager`.)

use std::sync::Arc;

use super::Tree;
use crate::node::NodeOwner;

impl Tree {
    /// The paths of childless containers that have had children, or were never used for `unused_ms_max` since their data
    /// was last set (0: those stay), and of childless TTL nodes whose time is over; in byte order. `now_ms` is wall clock
    /// time, as the transactions' headers have it.
    pub fn reapable(&self, now_ms: i64, unused_ms_max: i64) -> impl Iterator<Item = &Arc<str>> {
        self.reapable.iter().filter(move |path| {
            let Some(node) = self.node(path) else { return false };
            let idle_ms = now_ms.saturating_sub(node.stat.mtime);
            let due = match NodeOwner::of(node.stat.ephemeral_owner, self.options.extended_types) {
                NodeOwner::None | NodeOwner::Session(_) => false,
                NodeOwner::Container if node.stat.cversion > 0 => true,
                NodeOwner::Container => unused_ms_max != 0 && idle_ms > unused_ms_max,
                NodeOwner::Ttl(ttl_ms) => idle_ms > ttl_ms,
            };
            due && node.children.is_empty()
        })
    }

    /// How many container and TTL nodes there are.
    pub fn reapable_count(&self) -> usize {
        self.reapable.len()
    }
}
