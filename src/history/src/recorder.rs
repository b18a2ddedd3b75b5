//! How a driver of clients makes a history.

use std::collections::BTreeMap;

use crate::History;
use crate::answer::{Answered, Outcome};
use crate::operation::{ClientId, Request, SessionId, Time, Zxid};
use crate::record::{
    Event, EventKind, Operation, Record, SessionChange, SessionRecord, Transaction, TreeRecord,
};
use crate::report::Call;

/// Collects what clients see, in the order in which they see it.
///
/// One recorder may be used for all clients, or one for each; then the histories are put together
/// with [`History::append`]. All of them need one clock.
#[derive(Debug, Default)]
pub struct Recorder {
    history: History,
    open: BTreeMap<Call, Operation>,
}

impl Recorder {
    /// A recorder of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree that the history begins with, if it is not a new ensemble's.
    pub fn start(&mut self, tree: TreeRecord) {
        self.history.records.push(Record::Start(tree));
    }

    /// The client was given a session.
    pub fn begun(&mut self, client: ClientId, session: SessionId, at: Time) {
        self.change(session, at, SessionChange::Begun { client });
    }

    /// The session goes on over another connection.
    pub fn moved(&mut self, session: SessionId, at: Time) {
        self.abandon(session);
        self.change(session, at, SessionChange::Moved);
    }

    /// The connection is lost: what has no answer gets none.
    pub fn lost(&mut self, session: SessionId, at: Time) {
        self.abandon(session);
        self.change(session, at, SessionChange::Lost);
    }

    /// The client is told that the session has expired.
    pub fn expired(&mut self, session: SessionId, at: Time) {
        self.abandon(session);
        self.change(session, at, SessionChange::Expired);
    }

    /// The client asks something. Requests of a session are numbered from 1, whatever becomes of
    /// its connections.
    pub fn invoke(&mut self, session: SessionId, xid: i32, at: Time, asked: Request) -> Call {
        let call = Call { session, xid };
        let operation = Operation { session, xid, invoked: at, asked, answered: None };
        self.open.insert(call, operation);
        call
    }

    /// The answer has come. An answer to what was not asked, or has an answer, is ignored.
    pub fn respond(&mut self, call: Call, at: Time, zxid: Zxid, outcome: Outcome) {
        if let Some(mut operation) = self.open.remove(&call) {
            operation.answered = Some(Answered { at, zxid, outcome });
            self.history.records.push(Record::Operation(operation));
        }
    }

    /// An event has come, with the zxid in its header; a zxid that is not positive says nothing.
    pub fn event(
        &mut self,
        session: SessionId,
        at: Time,
        kind: EventKind,
        path: &str,
        zxid: Option<Zxid>,
    ) {
        let zxid = zxid.filter(|zxid| zxid.0 > 0);
        let event = Event { session, at, kind, path: path.to_owned(), zxid };
        self.history.records.push(Record::Event(event));
    }

    /// The next entry of the log.
    pub fn transaction(&mut self, transaction: Transaction) {
        self.history.records.push(Record::Transaction(transaction));
    }

    /// The tree of a server.
    pub fn tree(&mut self, tree: TreeRecord) {
        self.history.records.push(Record::Tree(tree));
    }

    /// The history up to now; what has no answer has an unknown outcome.
    #[must_use]
    pub fn finish(mut self) -> History {
        for operation in std::mem::take(&mut self.open).into_values() {
            self.history.records.push(Record::Operation(operation));
        }
        self.history
    }

    fn change(&mut self, session: SessionId, at: Time, change: SessionChange) {
        self.history.records.push(Record::Session(SessionRecord { session, at, change }));
    }

    fn abandon(&mut self, session: SessionId) {
        let first = Call { session, xid: i32::MIN };
        let last = Call { session, xid: i32::MAX };
        let calls: Vec<Call> = self.open.range(first..=last).map(|(call, _)| *call).collect();
        for call in calls {
            self.history.records.extend(self.open.remove(&call).map(Record::Operation));
        }
    }
}
