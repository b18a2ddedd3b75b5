//! Answers that leave together.

use std::convert::Infallible;
use std::time::Duration;

use super::connection::Connection;
use super::counters::{Asked, Tally};
use super::shared::Shared;
use crate::outbox::Filling;

/// Messages to one client that are made in one go: the outbox is taken once, the counters are
/// written to once, and what waits for all clients is looked at once. [`Self::finish`] says that it
/// is done.
pub(super) struct Batch<'a> {
    connection: &'a Connection,
    shared: &'a Shared,
    filling: Filling<'a, Infallible>,
    at: Duration,
    tally: Tally,
    ends: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn begin(connection: &'a Connection, shared: &'a Shared, at: Duration) -> Self {
        let (filling, tally) = (connection.outbox.fill(), Tally::default());
        Self { connection, shared, filling, at, tally, ends: false }
    }

    /// Appends one message.
    pub(super) fn push(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        let tally = &mut self.tally;
        self.filling.push(|out| {
            let before = out.len();
            fill(out);
            tally.answer(out.len() - before);
        });
    }

    /// A request that came at `since` is answered.
    pub(super) fn answered(&mut self, what: Asked, since: Duration) {
        self.tally.answered(what, since, self.at, self.shared.counts());
    }

    /// Nothing is said behind this.
    pub(super) fn close(&mut self) {
        self.filling.close();
        self.ends = true;
    }

    /// Bytes that have not left yet.
    pub(super) fn queued(&self) -> usize {
        self.filling.queued()
    }

    /// The same, or the next one if this is long: no batch hides more than a chunk and one answer
    /// from what waits for all clients.
    pub(super) fn go_on(self) -> Self {
        if !self.filling.is_long() {
            return self;
        }
        let (connection, shared, at) = (self.connection, self.shared, self.at);
        self.finish();
        Self::begin(connection, shared, at)
    }

    pub(super) fn finish(self) {
        let Self { connection, shared, filling, at: _, tally, ends } = self;
        drop(filling);
        if ends {
            connection.outbox.wake();
        }
        tally.count(&connection.stats, &shared.stats, shared.counts());
        shared.relieve();
    }
}
