//! Containers and nodes with a time to live: a leader deletes those that are due, by transactions
//! like any other.

use tracing::debug;

use super::Node;
use super::sessions::{LOCAL, Service};

impl Node {
    /// Tries to delete the nodes that the leader's clockwork names now. Each is judged once more,
    /// against what is prepared.
    pub(super) fn reap(&mut self) {
        let now_ms = self.now.ms();
        let Service::Leader(leading) = &mut self.service else {
            return;
        };
        if leading.reaper.due_ms() > now_ms {
            return;
        }
        let due = leading.reaper.step(&self.shared.read_tree(), now_ms, self.now.wall_ms);
        for path in due {
            self.reap_one(&path);
        }
    }

    fn reap_one(&mut self, path: &str) {
        let Some(context) = self.context(LOCAL) else {
            return;
        };
        let Service::Leader(leading) = &mut self.service else {
            return;
        };
        let never_used = leading.reaper.never_used();
        let blob = leading.prep.reap(&self.shared.read_tree(), path, never_used, context);
        if let Some(blob) = blob {
            debug!("{path} is deleted: it has no child, and its time is over");
            self.propose(&blob);
        }
    }
}
