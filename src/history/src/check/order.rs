//! The order of transactions, and that it agrees with real time.

use std::collections::{HashMap, HashSet};

use super::index::{Index, RecordId};
use crate::History;
use crate::operation::{ErrorCode, Request, SessionId, Time, Zxid};
use crate::record::{Record, Transaction, Txn};
use crate::report::{Call, Report, Rule};

/// How new what clients were told was, at each moment.
#[derive(Debug)]
pub(crate) struct Floors {
    /// Moments with the greatest zxid told until then, and by what; both grow.
    steps: Vec<(Time, Zxid, RecordId)>,
}

/// The greatest zxid that was told before a moment, and what told it.
pub(crate) type Floor = Option<(Zxid, RecordId)>;

impl Floors {
    pub(crate) fn of(history: &History) -> Self {
        let told = history.numbered().filter_map(|(id, record)| match record {
            Record::Operation(operation) => {
                operation.answered.as_ref().map(|answered| (answered.at, answered.zxid, id))
            }
            Record::Event(event) => event.zxid.map(|zxid| (event.at, zxid, id)),
            Record::Start(_) | Record::Session(_) | Record::Transaction(_) | Record::Tree(_) => {
                None
            }
        });
        let mut steps: Vec<(Time, Zxid, RecordId)> = told.collect();
        steps.sort_unstable();
        let mut greatest = None;
        steps.retain(|(_, zxid, _)| {
            let grows = greatest.is_none_or(|greatest| *zxid > greatest);
            if grows {
                greatest = Some(*zxid);
            }
            grows
        });
        steps.shrink_to_fit();
        Self { steps }
    }

    /// The greatest zxid that anybody was told before `moment`.
    pub(crate) fn before(&self, moment: Time) -> Floor {
        let index = self.steps.partition_point(|(at, _, _)| *at < moment);
        let (_, zxid, id) = self.steps.get(index.checked_sub(1)?)?;
        Some((*zxid, *id))
    }
}

/// A record in words: who was told it.
pub(crate) fn witness(history: &History, id: RecordId) -> (String, Vec<Call>) {
    match history.record(id) {
        Record::Operation(operation) => {
            let call = operation.call();
            (format!("{} ({call})", operation.asked), vec![call])
        }
        Record::Event(event) => {
            (format!("{} {} (event of {})", event.kind, event.path, event.session), Vec::new())
        }
        Record::Start(_) | Record::Session(_) | Record::Transaction(_) | Record::Tree(_) => {
            (String::new(), Vec::new())
        }
    }
}

/// A transaction at its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'h> {
    pub(crate) zxid: Zxid,
    pub(crate) session: SessionId,
    /// What a client asked, if it is recorded.
    pub(crate) asked: Option<RecordId>,
    /// What the log says, if there is one.
    pub(crate) logged: Option<&'h Transaction>,
}

/// The transactions, in the order of their zxids.
#[derive(Debug)]
pub(crate) struct Order<'h> {
    pub(crate) entries: Vec<Entry<'h>>,
    pub(crate) has_log: bool,
    /// Which entry is of which operation.
    place: HashMap<RecordId, usize>,
    /// The first and the last zxid of the log.
    pub(crate) bounds: Option<(Zxid, Zxid)>,
}

/// Whether a request was answered with a success or an error that only the tree decides, so that
/// it has its own transaction.
pub(crate) fn has_transaction(operation: &crate::record::Operation) -> bool {
    operation.asked.is_write()
        && operation
            .answered
            .as_ref()
            .is_some_and(|answered| answered.outcome.error().is_none_or(ErrorCode::is_of_the_tree))
}

impl<'h> Order<'h> {
    pub(crate) fn of(history: &'h History, index: &Index, report: &mut Report) -> Self {
        let log: Vec<&Transaction> = history
            .records
            .iter()
            .filter_map(|record| match record {
                Record::Transaction(transaction) => Some(transaction),
                Record::Start(_)
                | Record::Session(_)
                | Record::Operation(_)
                | Record::Event(_)
                | Record::Tree(_) => None,
            })
            .collect();
        if log.is_empty() { Self::seen(history, report) } else { Self::logged(&log, index, report) }
    }

    /// The order that the log has.
    fn logged(log: &[&'h Transaction], index: &Index, report: &mut Report) -> Self {
        let (mut entries, mut place) = (Vec::with_capacity(log.len()), HashMap::new());
        let mut last: Option<Zxid> = None;
        let mut last_xid: HashMap<SessionId, i32> = HashMap::new();
        for transaction in log {
            let (zxid, session, xid) = (transaction.zxid, transaction.session, transaction.xid);
            let call = Call { session, xid };
            report.counts.transactions += 1;
            match last.map(|last| last.cmp(&zxid)) {
                Some(std::cmp::Ordering::Equal) => {
                    report.add(Rule::OneTransactionAZxid, &[call], &[zxid], || {
                        format!("the log has two transactions {zxid}; the second is of {call}")
                    });
                }
                Some(std::cmp::Ordering::Greater) => {
                    report.add(Rule::ZxidsGrow, &[call], &[zxid], || {
                        let last = last.unwrap_or_default();
                        format!("in the log {zxid}, of {call}, stands behind {last}")
                    });
                }
                Some(std::cmp::Ordering::Less) | None => {}
            }
            last = last.max(Some(zxid));
            let asked = index.by_call.get(&call).copied();
            if let Some(asked) = asked {
                if place.insert(asked, entries.len()).is_some() {
                    report.add(Rule::NothingUnasked, &[call], &[zxid], || {
                        format!("the request {call} is in the log twice, the second time as {zxid}")
                    });
                }
                let before = last_xid.insert(session, xid).unwrap_or(0);
                // What a session asks for behind its end is refused, whenever it comes.
                let is_refused = transaction.txn == Txn::Error(ErrorCode::SESSION_EXPIRED);
                if before > xid && !is_refused {
                    report.add(Rule::SessionOrder, &[call], &[zxid], || {
                        format!("the log has {call} as {zxid}, behind the later request {before}")
                    });
                }
            } else if index.streams.contains_key(&session) && is_a_clients(transaction) {
                report.add(Rule::NothingUnasked, &[call], &[zxid], || {
                    format!("nobody asked for {zxid}, {}, of {call}", transaction.txn)
                });
            }
            entries.push(Entry { zxid, session, asked, logged: Some(transaction) });
        }
        let bounds = log.first().zip(last).map(|(first, last)| (first.zxid, last));
        Self { entries, has_log: true, place, bounds }
    }

    /// The order of what was acknowledged, where there is no log.
    fn seen(history: &'h History, report: &mut Report) -> Self {
        let mut entries: Vec<Entry<'h>> = history
            .operations()
            .filter(|(_, operation)| has_transaction(operation))
            .filter_map(|(id, operation)| {
                let zxid = operation.answered.as_ref()?.zxid;
                let session = operation.session;
                Some(Entry { zxid, session, asked: Some(id), logged: None })
            })
            .collect();
        entries.sort_by_key(|entry| entry.zxid);
        let mut numbers = HashSet::with_capacity(entries.len());
        let mut place = HashMap::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let Some(id) = entry.asked else { continue };
            place.insert(id, index);
            if !numbers.insert(entry.zxid) {
                let (call, zxid) = (history.operation(id).call(), entry.zxid);
                report.add(Rule::OneTransactionAZxid, &[call], &[zxid], || {
                    format!("the zxid {zxid} is of two writes; the second is {call}")
                });
            }
        }
        Self { entries, has_log: false, place, bounds: None }
    }

    /// The transaction of an operation.
    pub(crate) fn entry_of(&self, operation: RecordId) -> Option<&Entry<'h>> {
        self.place.get(&operation).map(|index| &self.entries[*index])
    }

    /// Every zxid that an answer shows is one of the log's: the server had processed it.
    pub(crate) fn check_headers(&self, history: &History, report: &mut Report) {
        let Some((first, _)) = self.bounds else { return };
        let mut known: Vec<Zxid> = self.entries.iter().map(|entry| entry.zxid).collect();
        known.sort_unstable();
        for (_, operation) in history.operations().filter(|(_, op)| !has_transaction(op)) {
            let Some(answered) = &operation.answered else { continue };
            let zxid = answered.zxid;
            if zxid >= first && !zxid.is_begin_of_epoch() && known.binary_search(&zxid).is_err() {
                let call = operation.call();
                report.add(Rule::AcknowledgedIsThere, &[call], &[zxid], || {
                    let asked = &operation.asked;
                    format!("{asked} ({call}) was answered at {zxid}, which is not in the log")
                });
            }
        }
    }

    /// A write that begins after an answer comes behind what the answer shows; and what was
    /// acknowledged is in the log, where it was answered to be.
    pub(crate) fn check_real_time(&self, history: &History, floors: &Floors, report: &mut Report) {
        for (id, operation) in history.operations().filter(|(_, op)| op.asked.is_write()) {
            let (call, asked) = (operation.call(), &operation.asked);
            let entry = self.entry_of(id);
            if has_transaction(operation) {
                let zxid = operation.answered.as_ref().map(|a| a.zxid).unwrap_or_default();
                let before_log = self.bounds.is_some_and(|(first, _)| zxid < first);
                match entry {
                    None if before_log => report.counts.undecided += 1,
                    None => report.add(Rule::AcknowledgedIsThere, &[call], &[zxid], || {
                        format!("{asked} ({call}) was answered as {zxid}, and is not in the log")
                    }),
                    Some(entry) if entry.zxid != zxid => {
                        report.add(Rule::LogIsWhatWasAsked, &[call], &[zxid, entry.zxid], || {
                            let logged = entry.zxid;
                            format!("{asked} ({call}) was answered as {zxid}, the log has {logged}")
                        });
                    }
                    Some(_) => {}
                }
            } else if operation.answered.is_none() && self.has_log {
                match entry.and_then(|entry| entry.logged) {
                    Some(Transaction { txn: Txn::Error(_), .. }) | None => {
                        report.counts.unknown_not_done += 1;
                    }
                    Some(_) => report.counts.unknown_done += 1,
                }
            }
            let Some(entry) = entry else { continue };
            if let Some((floor, by)) = floors.before(operation.invoked)
                && entry.zxid <= floor
            {
                let (zxid, (told, mut calls)) = (entry.zxid, witness(history, by));
                calls.push(call);
                report.add(Rule::WritesFollowRealTime, &calls, &[zxid, floor], || {
                    format!("{asked} ({call}) is {zxid}; before it began, {told} showed {floor}")
                });
            }
        }
    }
}

/// Whether only a client's request can be the reason of a transaction.
fn is_a_clients(transaction: &Transaction) -> bool {
    match transaction.txn {
        Txn::CreateSession | Txn::CloseSession { .. } | Txn::Error(_) => false,
        Txn::Create { .. }
        | Txn::Delete { .. }
        | Txn::SetData { .. }
        | Txn::SetAcl { .. }
        | Txn::Check { .. }
        | Txn::Multi(_) => true,
    }
}

/// Whether a request ends its session.
pub(crate) fn is_close(asked: &Request) -> bool {
    *asked == Request::Close
}
