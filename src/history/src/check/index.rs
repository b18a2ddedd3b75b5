//! The records of each session, in its order.

use std::collections::{BTreeMap, HashMap, HashSet};

use thiserror::Error;

use crate::History;
use crate::operation::{ClientId, SessionId};
use crate::record::{Operation, Record, SessionChange};
use crate::report::{Call, Report, Rule};

/// Why a text that has the form of a history is none.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    /// Two requests of a session have the same number.
    #[error("two requests are numbered {0}")]
    SameNumber(Call),
    /// A request of a client has no positive number.
    #[error("the request {0} is not numbered from 1")]
    NotPositive(Call),
    /// An answer is older than its request.
    #[error("the request {0} is answered before it was made")]
    AnsweredBefore(Call),
    /// A session has records and no begin.
    #[error("the session {0} has records before one that says it has begun")]
    NotBegun(SessionId),
    /// The history has two begins.
    #[error("there are two trees that the history begins with")]
    TwoStarts,
    /// There are more records than can be numbered.
    #[error("there are more than 2^32 records")]
    TooMany,
}

/// The place of a record in the history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct RecordId(u32);

impl History {
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (RecordId, &Record)> {
        (0..).map(RecordId).zip(&self.records)
    }

    pub(crate) fn record(&self, id: RecordId) -> &Record {
        &self.records[id.0 as usize]
    }

    /// All operations with their places.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (RecordId, &Operation)> {
        self.numbered().filter_map(|(id, record)| match record {
            Record::Operation(operation) => Some((id, operation)),
            Record::Start(_)
            | Record::Session(_)
            | Record::Event(_)
            | Record::Transaction(_)
            | Record::Tree(_) => None,
        })
    }

    pub(crate) fn operation(&self, id: RecordId) -> &Operation {
        match self.record(id) {
            Record::Operation(operation) => operation,
            Record::Start(_)
            | Record::Session(_)
            | Record::Event(_)
            | Record::Transaction(_)
            | Record::Tree(_) => unreachable!("the id was made for an operation"),
        }
    }
}

impl Operation {
    pub(crate) fn call(&self) -> Call {
        Call { session: self.session, xid: self.xid }
    }
}

/// Where what is.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) streams: BTreeMap<SessionId, Vec<RecordId>>,
    pub(crate) by_call: HashMap<Call, RecordId>,
    begun: Vec<(SessionId, ClientId)>,
}

impl Index {
    pub(crate) fn of(history: &History) -> Result<Self, Malformed> {
        if u32::try_from(history.records.len()).is_err() {
            return Err(Malformed::TooMany);
        }
        let mut index = Self::default();
        let mut starts = 0;
        for (id, record) in history.numbered() {
            match record {
                Record::Start(_) => {
                    starts += 1;
                    if starts > 1 {
                        return Err(Malformed::TwoStarts);
                    }
                }
                Record::Session(change) => {
                    if let SessionChange::Begun { client } = change.change {
                        index.begun.push((change.session, client));
                        index.streams.entry(change.session).or_default();
                    }
                    index.push(change.session, id)?;
                }
                Record::Operation(operation) => {
                    let call = operation.call();
                    if call.xid <= 0 {
                        return Err(Malformed::NotPositive(call));
                    }
                    if index.by_call.insert(call, id).is_some() {
                        return Err(Malformed::SameNumber(call));
                    }
                    if operation.answered.as_ref().is_some_and(|a| a.at < operation.invoked) {
                        return Err(Malformed::AnsweredBefore(call));
                    }
                    index.push(operation.session, id)?;
                }
                Record::Event(event) => index.push(event.session, id)?,
                Record::Transaction(_) | Record::Tree(_) => {}
            }
        }
        Ok(index)
    }

    fn push(&mut self, session: SessionId, id: RecordId) -> Result<(), Malformed> {
        let stream = self.streams.get_mut(&session).ok_or(Malformed::NotBegun(session))?;
        stream.push(id);
        Ok(())
    }

    /// No session id is given twice.
    pub(crate) fn check_owners(&self, report: &mut Report) {
        let mut given = HashSet::new();
        for (session, client) in &self.begun {
            report.counts.sessions += 1;
            if !given.insert(session) {
                report.add(Rule::SessionIsOneClients, &[], &[], || {
                    let client = client.0;
                    format!("the session {session} is given to client {client}, and was before")
                });
            }
        }
    }
}
