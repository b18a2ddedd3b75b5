//! Reads that take long, answered by the connection's own task.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use wire::Id;
use znode::Tree;

use super::{Connection, Ready};
use crate::client::counters::{Asked, Tally};
use crate::client::reads::After;
use crate::client::shared::Shared;
use crate::client::{cost, reads};

impl Connection {
    /// The next request, if it is a read that takes long, and who asks. Nothing stands behind it,
    /// and nothing more is taken while the connection's own task answers it.
    pub(super) fn take_costly(&self) -> Option<(Ready, Arc<[Id]>)> {
        let mut state = self.lock();
        if !state.pending.next_is_costly() {
            return None;
        }
        self.held_back.store(false, Ordering::Relaxed);
        Some((state.pending.pop_ready()?, Arc::clone(&state.auth)))
    }

    /// Answers a read that takes long. Neither the connection nor its outbox is locked meanwhile,
    /// so that the node can tell it of what its watches see. Those are changes behind the ones that
    /// the answer shows, so they are told behind it: its place is kept from before the tree can
    /// change again.
    pub(super) fn answer_costly(&self, ready: Ready, auth: &[Id], shared: &Shared, at: Duration) {
        let Ready::Read { xid, asked: (request, since), is_costly: _ } = ready else { return };
        let (mut out, mut after) = (Vec::new(), After::GoOn);
        let mut fill = |tree: &Tree| {
            after = reads::answer(xid, &request, self, auth, tree, shared, &mut out);
        };
        let tree = shared.read_tree();
        self.outbox.keep_place();
        if cost::needs_the_tree(&request) {
            fill(&tree);
            drop(tree);
        } else {
            let snapshot = tree.snapshot();
            drop(tree);
            fill(snapshot.tree());
        }
        let bytes = out.len();
        self.outbox.fill_place(out);
        match after {
            After::GoOn => {}
            After::End => self.outbox.close(),
        }
        let mut tally = Tally::default();
        tally.answer(bytes);
        tally.answered(Asked::Read, since, at, shared.counts());
        tally.count(&self.stats, &shared.stats, shared.counts());
        shared.relieve();
    }
}
