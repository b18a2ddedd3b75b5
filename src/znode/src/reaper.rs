//! The leader's clockwork that deletes containers and TTL nodes. (ZooKeeper: `ContainerManager`.)
//!
//! It only says what to try when; [`Prep::reap`](crate::Prep::reap) decides, for a node may get a
//! child in between. It holds nothing that must survive a change of leader: the next leader begins
//! with an interval of its own.

use std::sync::Arc;

use crate::tree::{NeverUsed, Tree};

/// How often to look for nodes, and how many to delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReapLimits {
    /// From the beginning of one pass over the nodes to that of the next
    /// (`znode.container.checkIntervalMs`).
    pub interval_ms: u64,
    /// Deletions in a minute (`znode.container.maxPerMinute`), at least 1.
    pub per_minute: u32,
    /// What happens to containers that never had a child.
    pub never_used: NeverUsed,
}

/// Passes over the container and TTL nodes, each in steps that are short and spread out.
#[derive(Clone, Debug)]
pub struct Reaper {
    limits: ReapLimits,
    /// When the next step is due, on the clock that [`Reaper::step`] is given.
    due_ms: u64,
    /// When the pass began, and the path behind which it goes on; `None` between two passes.
    pass: Option<(u64, Option<Arc<str>>)>,
}

/// Nodes looked at in one step. The tree is locked meanwhile, some tens of microseconds.
const LOOKS_MAX: usize = 1_000;

/// From a step that found little to the next one of the same pass, in ms.
const PAUSE_MS: u64 = 5;

/// Deletions of one step: what the rate allows in a tenth of a second.
fn step_max(per_minute: u32) -> usize {
    (per_minute as usize / 600).clamp(1, LOOKS_MAX)
}

impl Reaper {
    /// The first pass begins an interval from now.
    pub fn new(limits: ReapLimits, now_ms: u64) -> Self {
        Self { limits, due_ms: now_ms.saturating_add(limits.interval_ms), pass: None }
    }

    /// What happens to containers that never had a child.
    pub fn never_used(&self) -> NeverUsed {
        self.limits.never_used
    }

    /// When to call [`Reaper::step`] next, in ms of a monotonic clock.
    pub fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// The nodes that are to be deleted now, if the next step is due: some of those that `tree`
    /// says are. `now_ms` is the monotonic clock, `time_ms` the wall clock.
    pub fn step(&mut self, tree: &Tree, now_ms: u64, time_ms: i64) -> Vec<Arc<str>> {
        if now_ms < self.due_ms {
            return Vec::new();
        }
        let ReapLimits { interval_ms, per_minute, never_used } = self.limits;
        let (began, after) = self.pass.take().unwrap_or((now_ms, None));
        let bounds = (LOOKS_MAX, step_max(per_minute));
        let scan = tree.reapable(after.as_deref(), bounds, never_used, time_ms);
        // So long must the next deletion wait, whatever finds it.
        let spent_ms = (scan.due.len() as u64 * 60_000).div_ceil(u64::from(per_minute.max(1)));
        self.due_ms = match &scan.last {
            Some(_) => now_ms + spent_ms.max(PAUSE_MS),
            None => began.saturating_add(interval_ms).max(now_ms + spent_ms.max(PAUSE_MS)),
        };
        self.pass = scan.last.map(|last| (began, Some(last)));
        scan.due
    }
}
