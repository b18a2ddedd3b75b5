//! What is delivered becomes part of the tree, perhaps later.

use zab::Zxid;

use super::super::machine::{Machine, Txn};
use super::super::node::{Effects, Node};
use super::Due;

impl<M: Machine> Node<M> {
    /// A transaction is delivered.
    pub(in super::super) fn deliver(&mut self, txn: Txn) {
        self.applied.push(txn);
        if let Some(layer) = &mut self.layer {
            layer.behind += 1;
        }
    }

    /// It happens once everything is applied that is committed now.
    pub(super) fn once_applied(&mut self, due: Due) {
        let is_behind = self.layer().is_behind();
        let last = self.applied.last().filter(|_| is_behind).map_or(Zxid::ZERO, |txn| txn.zxid);
        self.layer().due.push(last, due);
    }

    /// Does what waits for nothing that is not applied.
    pub(super) fn do_due(&mut self, effects: &mut Effects) {
        while let Some(due) = {
            let behind = self.layer().behind;
            let next = self.applied[self.applied.len() - behind..].first().map(|txn| txn.zxid);
            self.layer().due.next(next.as_ref())
        } {
            match due {
                Due::Established => self.serve_from(),
                Due::Synced(over) => self.sync_done(over, effects),
                Due::Renewed(over) => self.renewed(over, effects),
            }
        }
    }

    /// Everything that is delivered becomes part of the tree, and is told.
    pub(in super::super) fn apply_committed(&mut self, effects: &mut Effects) {
        while self.apply_next(effects) {}
    }

    /// The next transaction becomes part of the tree, and is told; false if there is none.
    pub(in super::super) fn apply_next(&mut self, effects: &mut Effects) -> bool {
        let Some(layer) = self.layer.as_mut().filter(|layer| layer.behind > 0) else {
            return false;
        };
        let txn = self.applied[self.applied.len() - layer.behind].clone();
        layer.behind -= 1;
        order::events_first(
            &mut (&mut *self, &mut *effects),
            |(node, effects)| node.trigger(effects),
            |(node, effects)| node.answer(&txn, effects),
        );
        self.do_due(effects);
        true
    }

    /// A snapshot replaces the tree.
    pub(in super::super) fn forget_committed(&mut self) {
        if let Some(layer) = &mut self.layer {
            layer.behind = 0;
            layer.due.clear();
        }
    }

    /// What is part of the tree.
    pub(super) fn tree(&self) -> &[Txn] {
        let behind = self.layer.as_ref().map_or(0, |layer| layer.behind);
        &self.applied[..self.applied.len() - behind]
    }
}
