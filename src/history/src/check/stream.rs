//! Each session in the order in which its client saw it: what it may be told next.

use std::collections::{HashMap, HashSet};

use super::index::RecordId;
use super::order::{Floors, has_transaction, is_close, witness};
use super::sweep::Swept;
use crate::History;
use crate::answer::{Answered, Outcome};
use crate::operation::{ErrorCode, ReadKind, Request, SetWatches, Zxid};
use crate::record::{Event, EventKind, Operation, Record, SessionChange, SessionRecord};
use crate::report::{Call, Report, Rule};
use crate::tree::{is_reserved, parent_of};
use crate::watch::{ChangeId, Changes, Kind, Table, Watched};

/// What all sessions have in common.
pub(crate) struct Context<'h, 'a> {
    pub(crate) history: &'h History,
    pub(crate) floors: &'a Floors,
    pub(crate) changes: &'a Changes<'h>,
    pub(crate) swept: &'a Swept<'h>,
}

/// An event, without its session.
type Told<'h> = (EventKind, &'h str);

struct Stream<'h, 'a> {
    context: &'a Context<'h, 'a>,
    report: &'a mut Report,
    records: &'a [RecordId],
    /// The greatest zxid that the session was told, and by what.
    floor: Option<(Zxid, RecordId)>,
    /// The last transaction of the session's own.
    own: Option<(Zxid, Call)>,
    /// What the last sync has to be as new as, with the sync.
    synced: Option<(Zxid, Call)>,
    last_xid: i32,
    expired: bool,
    /// The session's close was answered: until the connection ends, its watches may still fire, and
    /// need not.
    closed: bool,
    table: Table<'h>,
    /// Events that setWatches of this connection announces: how often each may and must come.
    announced: HashMap<Told<'h>, u32>,
    /// Announced events that have come.
    came: HashSet<Told<'h>>,
    /// Events of this connection that have come, with the last change of each.
    delivered: HashMap<Told<'h>, Zxid>,
    /// Events that came too late, which has been reported.
    late: HashSet<RecordId>,
}

/// Checks one session.
pub(crate) fn check(context: &Context<'_, '_>, records: &[RecordId], report: &mut Report) {
    let mut stream = Stream {
        context,
        report,
        records,
        floor: None,
        own: None,
        synced: None,
        last_xid: 0,
        expired: false,
        closed: false,
        table: Table::default(),
        announced: HashMap::new(),
        came: HashSet::new(),
        delivered: HashMap::new(),
        late: HashSet::new(),
    };
    for (place, id) in records.iter().enumerate() {
        match context.history.record(*id) {
            Record::Session(change) => stream.changes(place, *change),
            Record::Operation(operation) => stream.operation(place, *id, operation),
            Record::Event(event) => stream.event(place, *id, event),
            Record::Start(_) | Record::Transaction(_) | Record::Tree(_) => {}
        }
    }
}

impl<'h> Stream<'h, '_> {
    fn changes(&mut self, place: usize, record: SessionRecord) {
        match record.change {
            SessionChange::Begun { .. } => self.connected(place),
            SessionChange::Moved => {
                self.report.counts.moves += 1;
                if self.expired {
                    let session = record.session;
                    self.report.add(Rule::SessionEndsOnce, &[], &[], || {
                        format!("the session {session} goes on after its client was told its end")
                    });
                }
                self.connected(place);
            }
            SessionChange::Lost => {
                self.report.counts.connections_lost += 1;
                self.disconnected();
            }
            SessionChange::Expired => {
                self.report.counts.expiries += 1;
                if std::mem::replace(&mut self.expired, true) {
                    let session = record.session;
                    self.report.add(Rule::SessionEndsOnce, &[], &[], || {
                        format!("the client was told twice that the session {session} has expired")
                    });
                }
                self.disconnected();
            }
        }
    }

    fn disconnected(&mut self) {
        self.closed = false;
        self.table = Table::default();
        self.announced.clear();
        self.came.clear();
        self.delivered.clear();
    }

    /// A new connection, with the events that its setWatches will announce.
    fn connected(&mut self, place: usize) {
        self.disconnected();
        for id in self.of_connection(place) {
            for told in self.context.swept.announced.get(&id).into_iter().flatten() {
                *self.announced.entry(*told).or_default() += 1;
            }
        }
    }

    /// The records behind this place that are of the same connection.
    fn of_connection(&self, place: usize) -> Vec<RecordId> {
        let history = self.context.history;
        let behind = self.records.iter().skip(place + 1).copied();
        behind.take_while(|id| !matches!(history.record(*id), Record::Session(_))).collect()
    }

    fn operation(&mut self, place: usize, id: RecordId, operation: &'h Operation) {
        self.report.counts.operations += 1;
        let Some(told) = operation.answered.as_ref() else { return };
        let (call, zxid) = (operation.call(), told.zxid);
        if self.expired {
            self.report.add(Rule::SessionEndsOnce, &[call], &[zxid], || {
                let asked = &operation.asked;
                format!("{asked} ({call}) is answered after the client was told of the expiry")
            });
        }
        if operation.xid < self.last_xid {
            let last = self.last_xid;
            self.report.add(Rule::SessionOrder, &[call], &[zxid], || {
                format!("{} ({call}) is answered after the later request {last}", operation.asked)
            });
        }
        self.last_xid = self.last_xid.max(operation.xid);
        if told.outcome.error().is_some_and(|code| !code.is_of_the_tree()) {
            return;
        }
        self.check_floors(operation, told);
        let due_until = if is_close(&operation.asked) { zxid.previous() } else { zxid };
        self.check_due(place, due_until, call);
        self.note(id, operation, told);
        self.watch(place, id, operation, told);
    }

    /// What is told is not older than it has to be.
    fn check_floors(&mut self, operation: &Operation, told: &Answered) {
        let (call, zxid, asked) = (operation.call(), told.zxid, &operation.asked);
        if let Request::Sync { .. } = asked {
            self.report.counts.syncs += 1;
            if let Some((floor, by)) = self.context.floors.before(operation.invoked)
                && zxid < floor
            {
                let (what, mut calls) = witness(self.context.history, by);
                calls.push(call);
                self.report.add(Rule::SyncIsFresh, &calls, &[zxid, floor], || {
                    format!("{asked} ({call}) is at {zxid}; before it began, {what} showed {floor}")
                });
                return;
            }
        } else if self.synced.is_some()
            && let Request::Read(_) = asked
        {
            self.report.counts.reads_after_sync += 1;
        }
        match (&self.synced, &self.own, &self.floor) {
            (Some((synced, sync)), _, _) if zxid < *synced => {
                let (synced, sync) = (*synced, *sync);
                self.report.add(Rule::SyncIsFresh, &[sync, call], &[zxid, synced], || {
                    format!("{asked} ({call}) is at {zxid}, older than {synced} of the sync {sync}")
                });
            }
            (_, Some((own, write)), _) if zxid < *own => {
                let (own, write) = (*own, *write);
                self.report.add(Rule::ReadYourWrites, &[write, call], &[zxid, own], || {
                    format!("{asked} ({call}) is at {zxid}, older than its own {own}, {write}")
                });
            }
            (_, _, Some((floor, by))) if zxid < *floor => {
                let (floor, (what, mut calls)) = (*floor, witness(self.context.history, *by));
                calls.push(call);
                self.report.add(Rule::ReadsNeverGoBack, &calls, &[zxid, floor], || {
                    format!("{asked} ({call}) is at {zxid}; the session knew {floor} from {what}")
                });
            }
            (_, _, _) => {}
        }
    }

    fn note(&mut self, id: RecordId, operation: &Operation, told: &Answered) {
        let (call, zxid) = (operation.call(), told.zxid);
        if has_transaction(operation) {
            if let Some((own, write)) = self.own.filter(|(own, _)| *own >= zxid) {
                self.report.add(Rule::SessionOrder, &[write, call], &[own, zxid], || {
                    let asked = &operation.asked;
                    format!("{asked} ({call}) is {zxid}, not behind {own} of {write} before it")
                });
            }
            self.own = self.own.max(Some((zxid, call)));
        }
        if let Request::Sync { .. } = operation.asked
            && told.outcome.error().is_none()
        {
            let before = self.context.floors.before(operation.invoked);
            let fresh = before.map_or(zxid, |(floor, _)| floor.max(zxid));
            self.synced = self.synced.max(Some((fresh, call)));
        }
        if self.floor.as_ref().is_none_or(|(floor, _)| *floor < zxid) {
            self.floor = Some((zxid, id));
        }
    }

    /// Every change up to this zxid has been announced.
    fn check_due(&mut self, place: usize, until: Zxid, by: Call) {
        while let Some(due) = self.table.first_due().filter(|_| !self.closed) {
            let changes = self.context.changes;
            let change = changes.get(due);
            if change.zxid > until {
                break;
            }
            let told = (change.change.kind, &*change.change.path);
            let zxid = change.zxid;
            let late = self.later(place, told, zxid);
            let rule = match late {
                Some(late) => {
                    self.late.insert(late);
                    Rule::WatchBeforeNewerData
                }
                None => Rule::WatchFires,
            };
            self.report.add(rule, &[], &[zxid, until], || {
                let (kind, path) = told;
                let when = if late.is_some() { "comes only after" } else { "is not told before" };
                format!("{kind} {path} of {zxid} {when} {by}, which shows {until}")
            });
            self.fire(due);
        }
    }

    /// The record behind this place, of the same connection, that tells of a change.
    fn later(&self, place: usize, (kind, path): Told<'_>, zxid: Zxid) -> Option<RecordId> {
        self.of_connection(place).into_iter().find(|id| match self.context.history.record(*id) {
            Record::Event(event) => {
                event.kind == kind
                    && event.path == path
                    && event.zxid.is_none_or(|told| told == zxid)
                    && !self.late.contains(id)
            }
            Record::Start(_)
            | Record::Session(_)
            | Record::Operation(_)
            | Record::Transaction(_)
            | Record::Tree(_) => false,
        })
    }

    /// The changes after a zxid that a watch is told of next. Changes of nodes that are not known
    /// by then are left out.
    fn next_changes(&self, watched: Watched<'h>, after: Zxid) -> Vec<ChangeId> {
        let changes = self.context.changes;
        let is_known = |id: &ChangeId| {
            let change = changes.get(*id);
            !self.context.swept.taint.hides(&change.change.path, change.zxid)
        };
        let mut after = after;
        loop {
            let next = changes.next(watched, after);
            let Some(first) = next.first() else { return Vec::new() };
            let known: Vec<ChangeId> = next.iter().copied().filter(is_known).collect();
            // What is hidden once stays hidden, so only a recursive watch may know of others.
            if !known.is_empty() || watched.0 != Kind::Recursive {
                return known;
            }
            after = changes.get(*first).zxid;
        }
    }

    fn fire(&mut self, change: ChangeId) {
        let zxid = self.context.changes.get(change).zxid;
        for watched in self.table.fire(change) {
            let next = self.next_changes(watched, zxid);
            self.table.arm(watched, &next);
        }
    }

    fn event(&mut self, place: usize, id: RecordId, event: &'h Event) {
        self.report.counts.events += 1;
        if self.late.contains(&id) {
            return;
        }
        let changes = self.context.changes;
        let told = (event.kind, event.path.as_str());
        let is_it = |id: &ChangeId| {
            let change = changes.get(*id);
            change.change.kind == event.kind
                && *change.change.path == *event.path
                && event.zxid.is_none_or(|zxid| zxid == change.zxid)
        };
        let is_known = self.context.swept.taint.since(&event.path).is_none();
        let later = || self.due_later(&event.path, is_it).filter(|_| is_known);
        let Some(due) = self.table.due().find(is_it).or_else(later) else {
            self.without_change(event);
            return;
        };
        let zxid = changes.get(due).zxid;
        // What is due before has to come before, or is missing.
        let closed = self.closed;
        let is_before = |id: &ChangeId| !closed && changes.get(*id).zxid < zxid;
        while let Some(first) = self.table.first_due().filter(is_before) {
            let change = changes.get(first);
            let missed = (change.change.kind, &*change.change.path, change.zxid);
            let late = self.later(place, (missed.0, missed.1), missed.2);
            let rule = if late.is_some() { Rule::EventsInOrder } else { Rule::WatchFires };
            self.late.extend(late);
            let session = event.session;
            self.report.add(rule, &[], &[missed.2, zxid], || {
                let ((kind, path, zxid_missed), (told_kind, told_path)) = (missed, told);
                format!(
                    "{kind} {path} of {zxid_missed} does not come to {session} before \
                     {told_kind} {told_path} of {zxid}"
                )
            });
            self.fire(first);
        }
        self.fire(due);
        self.delivered.insert(told, zxid);
        if self.floor.as_ref().is_none_or(|(floor, _)| *floor < zxid) {
            self.floor = Some((zxid, id));
        }
    }

    /// The change that a persistent watch will be told of once it has been told those before.
    fn due_later(&self, path: &'h str, is_it: impl Fn(&ChangeId) -> bool) -> Option<ChangeId> {
        let above = std::iter::successors(Some(path), |path| parent_of(path));
        let watching = above.map(|path| (Kind::Recursive, path)).chain([(Kind::Persistent, path)]);
        let later = watching.filter_map(|watched| {
            let last = self.table.last_due_of(watched)?;
            self.context.changes.find(watched, last, &is_it)
        });
        later.min()
    }

    /// An event that no change is due for.
    fn without_change(&mut self, event: &'h Event) {
        let told = (event.kind, event.path.as_str());
        if let Some(left) = self.announced.get_mut(&told).filter(|left| **left > 0) {
            *left -= 1;
            self.came.insert(told);
            return;
        }
        if is_reserved(&event.path) {
            return;
        }
        if self.context.swept.taint.since(&event.path).is_some() {
            self.report.counts.undecided += 1;
            return;
        }
        let (kind, path, session) = (event.kind, &event.path, event.session);
        let zxids: Vec<Zxid> = event.zxid.into_iter().collect();
        let before = self.delivered.get(&told).copied();
        let again = before.is_some_and(|before| event.zxid.is_none_or(|zxid| zxid == before))
            || self.came.contains(&told);
        let rule = if again { Rule::WatchFiresOnce } else { Rule::EventHasCause };
        self.report.add(rule, &[], &zxids, || {
            let what = if again { "a second time" } else { "without a change that is watched" };
            format!("{kind} {path} comes to {session} {what}")
        });
    }

    /// The watches that an answer leaves or takes away.
    fn watch(&mut self, place: usize, id: RecordId, operation: &'h Operation, told: &Answered) {
        let (zxid, error) = (told.zxid, told.outcome.error());
        match &operation.asked {
            Request::Read(read) => {
                let missing = Outcome::Error(ErrorCode::NO_NODE);
                let of_nothing = read.kind == ReadKind::Exists && told.outcome == missing;
                if read.watch && (error.is_none() || of_nothing) {
                    self.arm((Kind::of_read(read.kind), &read.path), zxid);
                }
            }
            Request::AddWatch { path, recursive } if error.is_none() => {
                let kind = if *recursive { Kind::Recursive } else { Kind::Persistent };
                self.arm((kind, path), zxid);
            }
            Request::RemoveWatches { path, kind } if error.is_none() => {
                for kind in Kind::removed(*kind) {
                    self.table.disarm((*kind, path));
                }
            }
            Request::SetWatches(lists) if error.is_none() => {
                self.renew(place, id, lists, zxid);
            }
            Request::Close if error.is_none() => self.closed = true,
            Request::AddWatch { .. }
            | Request::RemoveWatches { .. }
            | Request::SetWatches(_)
            | Request::Close
            | Request::Write(_)
            | Request::Multi(_)
            | Request::Sync { .. } => {}
        }
    }

    fn arm(&mut self, watched: Watched<'h>, zxid: Zxid) {
        self.report.counts.watches += 1;
        if !self.table.has(watched) {
            let next = self.next_changes(watched, zxid);
            self.table.arm(watched, &next);
        }
    }

    /// setWatches is answered: what it announces has come, and the rest is armed.
    fn renew(&mut self, place: usize, id: RecordId, lists: &'h SetWatches, zxid: Zxid) {
        let swept = self.context.swept;
        let announced: &[Told<'h>] = swept.announced.get(&id).map_or(&[], Vec::as_slice);
        for told in announced.iter().filter(|told| !self.came.contains(*told)) {
            let late = self.later(place, *told, zxid);
            self.late.extend(late);
            let late = late.is_some();
            let rule = if late { Rule::WatchBeforeNewerData } else { Rule::WatchFires };
            self.report.add(rule, &[], &[zxid, lists.since], || {
                let ((kind, path), since) = (*told, lists.since);
                let when = if late { "only after" } else { "not before" };
                format!("setWatches since {since} at {zxid}: {kind} {path} comes {when} its answer")
            });
        }
        let is_announced: HashSet<&str> = announced.iter().map(|(_, path)| *path).collect();
        let kinds = [
            (Kind::Data, &lists.data),
            (Kind::Data, &lists.exist),
            (Kind::Child, &lists.child),
            (Kind::Persistent, &lists.persistent),
            (Kind::Recursive, &lists.recursive),
        ];
        for (kind, paths) in kinds {
            for path in paths {
                self.report.counts.watches_renewed += 1;
                let fired = kind.is_one_shot() && is_announced.contains(path.as_str()) && {
                    let child = |told: EventKind| told == EventKind::ChildrenChanged;
                    announced.iter().any(|(told, of)| {
                        of == path
                            && (*told == EventKind::Deleted
                                || child(*told) == (kind == Kind::Child))
                    })
                };
                if !fired {
                    self.arm((kind, path), zxid);
                }
            }
        }
    }
}
