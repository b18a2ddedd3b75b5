//! The transactions, one after the other, and between them everything that was read there.

use std::collections::{HashMap, HashSet};

use super::answers::{is_the_txn, parts, rule_of_difference};
use super::index::{Index, RecordId};
use super::order::{Entry, Floors, Order, has_transaction, is_close};
use super::reads::{self, Suspects};
use super::taint::Taint;
use crate::History;
use crate::answer::{Answer, Answered, Outcome};
use crate::operation::{ErrorCode, Mode, Request, SessionId, SetWatches, Write, Zxid};
use crate::record::{EventKind, Operation, Record, Transaction, Txn};
use crate::report::{Report, Rule};
use crate::tree::{Stamp, Tree, UNKNOWN_TIME, is_reserved, parent_of};
use crate::watch::Changes;

/// What the sessions' streams are compared with, beside the changes.
#[derive(Debug)]
pub(crate) struct Swept<'h> {
    /// What setWatches announces at once.
    pub(crate) announced: HashMap<RecordId, Vec<(EventKind, &'h str)>>,
    pub(crate) taint: Taint,
}

pub(super) struct Sweep<'h, 'a> {
    pub(super) history: &'h History,
    pub(super) report: &'a mut Report,
    pub(super) tree: Tree,
    pub(super) taint: Taint,
    /// The sessions that have ended, and by which transaction.
    pub(super) ended: HashMap<SessionId, Zxid>,
    pub(super) suspects: Suspects,
    pub(super) floors: &'a Floors,
    pub(super) start: Zxid,
    changes: &'a mut Changes<'h>,
    created: HashSet<SessionId>,
    announced: HashMap<RecordId, Vec<(EventKind, &'h str)>>,
    /// Sessions whose end is not known, by the last zxid that they were told, latest first.
    unseen_ends: Vec<(Zxid, SessionId)>,
}

/// Replays the transactions and judges every write, read and tree.
pub(crate) fn sweep<'h>(
    history: &'h History,
    index: &Index,
    floors: &Floors,
    order: &Order<'h>,
    changes: &mut Changes<'h>,
    report: &mut Report,
) -> Swept<'h> {
    let start = history.records.iter().find_map(|record| match record {
        Record::Start(tree) => Some(tree),
        Record::Session(_)
        | Record::Operation(_)
        | Record::Event(_)
        | Record::Transaction(_)
        | Record::Tree(_) => None,
    });
    let known = order.has_log;
    let taint = if known { Taint::default() } else { Taint::of_unknown(history, floors) };
    let unseen_ends = if known { Vec::new() } else { unseen_ends(history, index) };
    let mut sweep = Sweep {
        history,
        report,
        tree: start.map_or_else(Tree::new, Tree::of),
        taint,
        ended: HashMap::new(),
        suspects: Suspects::default(),
        floors,
        start: start.map_or(Zxid(0), |tree| tree.zxid),
        changes,
        created: HashSet::new(),
        announced: HashMap::new(),
        unseen_ends,
    };
    let mut readers = readers(history).into_iter().peekable();
    for entry in &order.entries {
        while let Some((zxid, id)) = readers.next_if(|(zxid, _)| *zxid < entry.zxid) {
            sweep.judge(zxid, id);
        }
        sweep.advance(entry.zxid);
        sweep.apply(entry);
        for change in sweep.tree.commit() {
            sweep.changes.push(entry.zxid, change);
        }
    }
    for (zxid, id) in readers {
        sweep.judge(zxid, id);
    }
    sweep.resolve_suspects();
    Swept { announced: sweep.announced, taint: sweep.taint }
}

/// What is compared with the tree at a zxid, in the order of zxids.
fn readers(history: &History) -> Vec<(Zxid, RecordId)> {
    let zxid_of = |record: &Record| match record {
        Record::Operation(operation) => {
            let answered = operation.answered.as_ref()?;
            let is_read = match operation.asked {
                Request::Read(_) | Request::SetWatches(_) => true,
                Request::Write(_) | Request::Multi(_) => answered.outcome.error().is_some(),
                Request::Sync { .. }
                | Request::AddWatch { .. }
                | Request::RemoveWatches { .. }
                | Request::Close => false,
            };
            is_read.then_some(answered.zxid)
        }
        Record::Tree(tree) => Some(tree.zxid),
        Record::Start(_) | Record::Session(_) | Record::Event(_) | Record::Transaction(_) => None,
    };
    let readers = history.numbered().filter_map(|(id, record)| Some((zxid_of(record)?, id)));
    let mut readers: Vec<(Zxid, RecordId)> = readers.collect();
    readers.sort_unstable();
    readers
}

/// The sessions that are not seen to end, with the last zxid that each was told; latest first.
fn unseen_ends(history: &History, index: &Index) -> Vec<(Zxid, SessionId)> {
    let mut ends = Vec::new();
    for (session, stream) in &index.streams {
        let mut last = Zxid(0);
        let mut is_closed = false;
        for id in stream {
            match history.record(*id) {
                Record::Operation(Operation { asked, answered: Some(answered), .. }) => {
                    last = last.max(answered.zxid);
                    is_closed |= is_close(asked) && answered.outcome.error().is_none();
                }
                Record::Event(event) => last = last.max(event.zxid.unwrap_or_default()),
                Record::Operation(_)
                | Record::Start(_)
                | Record::Session(_)
                | Record::Transaction(_)
                | Record::Tree(_) => {}
            }
        }
        if !is_closed {
            ends.push((last, *session));
        }
    }
    ends.sort_unstable_by(|one, other| other.cmp(one));
    ends
}

impl<'h> Sweep<'h, '_> {
    /// From here on, sessions may have ended that were last told something older.
    fn advance(&mut self, to: Zxid) {
        while let Some((last, session)) = self.unseen_ends.pop_if(|(last, _)| *last < to) {
            for path in self.tree.owned_by(session) {
                self.taint.existence(&path, last.next());
            }
        }
    }

    fn stamp(&self, entry: &Entry<'h>) -> Stamp {
        let time = entry.logged.and_then(|transaction| transaction.time).unwrap_or(UNKNOWN_TIME);
        Stamp { zxid: entry.zxid, session: entry.session, time }
    }

    fn apply(&mut self, entry: &Entry<'h>) {
        let operation = entry.asked.map(|id| self.history.operation(id));
        match (entry.logged, operation) {
            (Some(transaction), operation) => self.apply_logged(entry, transaction, operation),
            (None, Some(operation)) => self.apply_seen(entry, operation),
            (None, None) => {}
        }
    }

    /// A transaction must not be of a session that has ended.
    fn check_lives(&mut self, entry: &Entry<'h>, what: &dyn std::fmt::Display) {
        if let Some(end) = self.ended.get(&entry.session) {
            let (session, zxid, end) = (entry.session, entry.zxid, *end);
            self.report.add(Rule::NothingAfterTheEnd, &[], &[zxid, end], || {
                format!("{what} of session {session} is {zxid}; the session ended with {end}")
            });
        }
    }

    fn close(&mut self, entry: &Entry<'h>, named: Option<&Vec<String>>) {
        let (session, zxid) = (entry.session, entry.zxid);
        let paths = self.tree.owned_by(session);
        if let Some(end) = self.ended.insert(session, zxid) {
            self.report.add(Rule::SessionEndsOnce, &[], &[zxid, end], || {
                format!("the session {session} ends with {zxid}, and has ended with {end}")
            });
        }
        if let Some(named) = named {
            let named: HashSet<&str> = named.iter().map(String::as_str).collect();
            let owned: HashSet<&str> = paths.iter().map(|path| &**path).collect();
            let mut differing: Vec<&&str> = named.symmetric_difference(&owned).collect();
            differing.sort_unstable();
            if let Some(path) = differing.first() {
                self.report.add(Rule::EphemeralsLiveAsTheirSession, &[], &[zxid], || {
                    let wrong = if named.contains(**path) { "deletes" } else { "leaves" };
                    let is = if named.contains(**path) { "is not" } else { "is" };
                    format!("the end of {session}, {zxid}, {wrong} {path}, which {is} its own")
                });
            }
        }
        self.report.counts.sessions_closed += 1;
        self.report.counts.ephemerals_ended += self.tree.close(self.stamp(entry)) as u64;
    }

    fn apply_logged(
        &mut self,
        entry: &Entry<'h>,
        transaction: &'h Transaction,
        operation: Option<&'h Operation>,
    ) {
        let (txn, zxid, session) = (&transaction.txn, entry.zxid, entry.session);
        match (txn, operation) {
            (Txn::CreateSession, _) => {
                if !self.created.insert(session) {
                    self.report.add(Rule::SessionIsOneClients, &[], &[zxid], || {
                        format!("{zxid} begins the session {session}, which has begun before")
                    });
                }
            }
            (Txn::CloseSession { paths }, asked) => {
                if let Some(operation) = asked.filter(|operation| !is_close(&operation.asked)) {
                    self.disagrees(entry, operation, Rule::LogIsWhatWasAsked);
                }
                self.close(entry, paths.as_ref());
            }
            (Txn::Error(code), Some(operation)) => {
                self.check_error(entry, *code, operation);
            }
            (Txn::Error(_), None) => {}
            (_, Some(operation)) => {
                self.check_lives(entry, txn);
                self.apply_asked(entry, txn, operation);
            }
            (_, None) => {
                self.check_lives(entry, txn);
                if let Txn::Delete { path } = txn
                    && session == SessionId(0)
                    && !self.tree.is_reapable(path)
                    && !is_reserved(path)
                {
                    self.report.add(Rule::EphemeralsLiveAsTheirSession, &[], &[zxid], || {
                        format!("{zxid} deletes {path}, and no client has asked for that")
                    });
                }
                self.apply_raw(entry, txn);
            }
        }
    }

    /// The log says that a request was not done.
    fn check_error(&mut self, entry: &Entry<'h>, code: ErrorCode, operation: &'h Operation) {
        let (call, zxid, asked) = (operation.call(), entry.zxid, &operation.asked);
        let told = operation.answered.as_ref();
        if told.is_some_and(|told| told.outcome.error().is_none()) {
            self.report.add(Rule::AcknowledgedIsThere, &[call], &[zxid], || {
                format!("{asked} ({call}) was acknowledged; in the log {zxid} is {code}")
            });
        } else if told.is_none() && code.is_of_the_tree() {
            let outcome = self.try_writes(entry.zxid, operation);
            if outcome.error() != Some(code) {
                self.report.add(Rule::WriteResult, &[call], &[zxid], || {
                    format!("{asked} ({call}) failed as {zxid} with {code}; it gives {outcome}")
                });
            }
        }
    }

    /// The log's transaction for a request that is recorded.
    fn apply_asked(&mut self, entry: &Entry<'h>, txn: &'h Txn, operation: &'h Operation) {
        let writes = operation.asked.writes();
        if writes.iter().any(|write| is_reserved(write.path())) {
            let _ = self.tree.apply(txn, self.stamp(entry));
            return;
        }
        let told = operation.answered.as_ref();
        if let Some(code) = told.and_then(|told| told.outcome.error()) {
            let (call, zxid, asked) = (operation.call(), entry.zxid, &operation.asked);
            self.report.add(Rule::WriteResult, &[call], &[zxid], || {
                format!("{asked} ({call}) was answered {code}, and the log has it as {zxid}")
            });
        }
        match self.tree.write_all(writes, self.stamp(entry)) {
            Ok(done) if is_the_txn(&done, txn, &operation.asked) => {
                self.count_done(operation);
                if let Some(told) = told.filter(|told| told.outcome.error().is_none()) {
                    self.check_answer(&done, operation, told, entry.zxid);
                }
            }
            Ok(done) => {
                let rule = rule_of_difference(&operation.asked, &done, txn);
                self.tree.roll_back();
                self.disagrees(entry, operation, rule);
                self.apply_raw(entry, txn);
            }
            Err((_, code)) => {
                let (call, zxid, asked) = (operation.call(), entry.zxid, &operation.asked);
                let rule = if let Request::Multi(_) = asked {
                    Rule::MultiIsAtomic
                } else {
                    Rule::WriteResult
                };
                self.report.add(rule, &[call], &[zxid], || {
                    format!("{asked} ({call}) was done as {zxid}; at that point it gives {code}")
                });
                self.apply_raw(entry, txn);
            }
        }
    }

    fn disagrees(&mut self, entry: &Entry<'h>, operation: &Operation, rule: Rule) {
        let (call, zxid, asked) = (operation.call(), entry.zxid, &operation.asked);
        let txn = entry.logged.map(|logged| logged.txn.to_string()).unwrap_or_default();
        self.report.add(rule, &[call], &[zxid], || {
            format!("{asked} ({call}) is {zxid}, which does something else: {txn}")
        });
    }

    fn apply_raw(&mut self, entry: &Entry<'h>, txn: &Txn) {
        if let Err(why) = self.tree.apply(txn, self.stamp(entry)) {
            let zxid = entry.zxid;
            self.report.add(Rule::LogIsWhatWasAsked, &[], &[zxid], || {
                format!("the transaction {zxid} {why}")
            });
        }
    }

    /// A write that was acknowledged, where there is no log.
    fn apply_seen(&mut self, entry: &Entry<'h>, operation: &'h Operation) {
        let Some(told) = operation.answered.as_ref() else { return };
        if told.outcome.error().is_some() {
            return;
        }
        self.check_lives(entry, &operation.asked);
        if is_close(&operation.asked) {
            self.close(entry, None);
            return;
        }
        let writes = operation.asked.writes();
        if writes.iter().any(|write| self.is_hidden(write, entry.zxid)) {
            self.report.counts.undecided += 1;
            self.adopt(entry, operation, told);
            self.forget_reapable(entry, operation, told);
            return;
        }
        self.forget_reapable(entry, operation, told);
        match self.tree.write_all(writes, self.stamp(entry)) {
            Ok(done) => {
                self.count_done(operation);
                self.check_answer(&done, operation, told, entry.zxid);
            }
            Err((_, code)) => {
                let (call, zxid, asked) = (operation.call(), entry.zxid, &operation.asked);
                let rule = if let Request::Multi(_) = asked {
                    Rule::MultiIsAtomic
                } else {
                    Rule::WriteResult
                };
                self.report.add(rule, &[call], &[zxid], || {
                    format!("{asked} ({call}) was acknowledged as {zxid}; there it gives {code}")
                });
                self.adopt(entry, operation, told);
            }
        }
    }

    /// The server deletes containers and TTL nodes when it likes, and only a log shows that.
    fn forget_reapable(&mut self, entry: &Entry<'h>, operation: &Operation, told: &Answered) {
        for (write, part) in operation.asked.writes().iter().zip(parts(&told.outcome)) {
            if let Write::Create { mode: Mode::Container | Mode::Ttl, .. } = write
                && let Outcome::Ok(Answer::Created { path, .. }) = part
            {
                self.taint.existence(path, entry.zxid.next());
            }
        }
    }

    pub(super) fn is_hidden(&self, write: &Write, at: Zxid) -> bool {
        let numbers_hidden = match write {
            Write::Create { path, sequential: true, .. } => {
                parent_of(path).is_some_and(|parent| self.taint.hides(parent, at))
            }
            Write::Create { .. }
            | Write::Delete { .. }
            | Write::SetData { .. }
            | Write::SetAcl { .. }
            | Write::Check { .. } => false,
        };
        numbers_hidden || is_reserved(write.path()) || self.taint.hides(write.path(), at)
    }

    /// Takes over what a write is said to have done, as far as that is possible.
    fn adopt(&mut self, entry: &Entry<'h>, operation: &Operation, told: &Answered) {
        for (write, part) in operation.asked.writes().iter().zip(parts(&told.outcome)) {
            let version = match part {
                Outcome::Ok(Answer::Stat(stat)) => (stat.version, stat.aversion),
                Outcome::Ok(_) | Outcome::Error(_) => (0, 0),
            };
            let txn = match write {
                Write::Create { path, data, mode, .. } => {
                    let path = match part {
                        Outcome::Ok(Answer::Created { path, .. }) => path.clone(),
                        Outcome::Ok(_) | Outcome::Error(_) => path.clone(),
                    };
                    Txn::Create { path, data: data.clone(), mode: *mode }
                }
                Write::Delete { path, .. } => Txn::Delete { path: path.clone() },
                Write::SetData { path, data, .. } => {
                    Txn::SetData { path: path.clone(), data: data.clone(), version: version.0 }
                }
                Write::SetAcl { path, .. } => {
                    Txn::SetAcl { path: path.clone(), version: version.1 }
                }
                Write::Check { path, .. } => Txn::Check { path: path.clone() },
            };
            // It may be impossible on this tree: that has been reported, or cannot be decided.
            let _ = self.tree.apply(&txn, self.stamp(entry));
        }
    }

    /// Judges what was read at a zxid, when the tree is that of the zxid.
    fn judge(&mut self, zxid: Zxid, id: RecordId) {
        self.advance(zxid);
        match self.history.record(id) {
            Record::Tree(tree) => self.judge_tree(tree),
            Record::Operation(operation) => {
                let Some(told) = operation.answered.as_ref() else { return };
                if zxid < self.start {
                    self.report.counts.undecided += 1;
                    return;
                }
                match &operation.asked {
                    Request::Read(read) => self.judge_read(id, operation, read, told),
                    Request::SetWatches(lists) => self.announce(id, lists, told),
                    Request::Write(_) | Request::Multi(_) => self.judge_failed(operation, told),
                    Request::Sync { .. }
                    | Request::AddWatch { .. }
                    | Request::RemoveWatches { .. }
                    | Request::Close => {}
                }
            }
            Record::Start(_) | Record::Session(_) | Record::Event(_) | Record::Transaction(_) => {}
        }
    }

    /// What these writes would be told here. Nothing of it stays.
    fn try_writes(&mut self, zxid: Zxid, operation: &Operation) -> Outcome {
        let stamp = Stamp { zxid, session: operation.session, time: UNKNOWN_TIME };
        let writes = operation.asked.writes();
        let tried = self.tree.write_all(writes, stamp);
        self.tree.roll_back();
        match (&operation.asked, tried) {
            (Request::Multi(_), Err((failed, code))) => {
                Outcome::failed_multi(writes.len(), failed, code)
            }
            (_, Err((_, code))) => Outcome::Error(code),
            (_, Ok(_)) => Outcome::Ok(Answer::Done),
        }
    }

    /// A write that was told an error.
    fn judge_failed(&mut self, operation: &'h Operation, told: &Answered) {
        let (call, zxid, asked) = (operation.call(), told.zxid, &operation.asked);
        self.report.counts.writes_failed += 1;
        if !has_transaction(operation) {
            self.report.counts.refused += 1;
            return;
        }
        if asked.writes().iter().any(|write| self.is_hidden(write, zxid)) {
            self.report.counts.undecided += 1;
            return;
        }
        if let Request::Multi(_) = asked {
            self.report.counts.multis_failed += 1;
        }
        let expected = self.try_writes(zxid, operation);
        // Some client libraries tell of a failed multi only why it failed.
        let agrees = expected == told.outcome
            || (expected.error().is_some()
                && told.outcome == Outcome::Error(expected.error().unwrap_or(ErrorCode::OK)));
        if !agrees {
            let rule =
                if let Request::Multi(_) = asked { Rule::MultiIsAtomic } else { Rule::WriteResult };
            self.report.add(rule, &[call], &[zxid], || {
                let told = &told.outcome;
                format!("{asked} ({call}) at {zxid} was told {told}; there it gives {expected}")
            });
        }
    }

    /// What setWatches finds changed since the client last saw anything.
    fn announce(&mut self, id: RecordId, lists: &'h SetWatches, told: &Answered) {
        if told.outcome.error().is_some() {
            return;
        }
        let lists = [(&lists.data, false, Some(lists.since)), (&lists.exist, true, None)]
            .into_iter()
            .map(|(paths, exist, since)| (paths, exist, since, false))
            .chain([(&lists.child, false, Some(lists.since), true)]);
        let mut announced = Vec::new();
        for (paths, is_exist, since, is_child) in lists {
            for path in paths.iter().filter(|path| !self.taint.hides(path, told.zxid)) {
                let kind = match (self.tree.stat(path), is_exist, is_child) {
                    (None, false, _) => Some(EventKind::Deleted),
                    (None, true, _) => None,
                    (Some(_), true, _) => Some(EventKind::Created),
                    (Some(stat), false, false) => {
                        (Some(stat.mzxid) > since).then_some(EventKind::DataChanged)
                    }
                    (Some(stat), false, true) => {
                        (Some(stat.pzxid) > since).then_some(EventKind::ChildrenChanged)
                    }
                };
                announced.extend(kind.map(|kind| (kind, path.as_str())));
            }
        }
        self.announced.insert(id, announced);
    }

    fn resolve_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        reads::resolve(suspects, self.history, self.report);
    }
}
