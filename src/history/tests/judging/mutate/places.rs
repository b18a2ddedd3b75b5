//! Places in a history.

use super::*;

pub(super) fn operation(record: &Record) -> Option<&Operation> {
    match record {
        Record::Operation(operation) => Some(operation),
        _ => None,
    }
}

pub(super) fn transaction(record: &Record) -> Option<&Transaction> {
    match record {
        Record::Transaction(transaction) => Some(transaction),
        _ => None,
    }
}

pub(super) fn event(record: &Record) -> Option<&Event> {
    match record {
        Record::Event(event) => Some(event),
        _ => None,
    }
}

pub(super) fn told(record: &Record) -> Option<(&Operation, &Answered)> {
    let operation = operation(record)?;
    Some((operation, operation.answered.as_ref()?))
}

pub(super) fn told_mut(record: &mut Record) -> &mut Answered {
    match record {
        Record::Operation(operation) => operation.answered.as_mut().unwrap(),
        _ => unreachable!("it was an operation"),
    }
}

pub(super) fn transaction_mut(record: &mut Record) -> &mut Transaction {
    match record {
        Record::Transaction(transaction) => transaction,
        _ => unreachable!("it was a transaction"),
    }
}

pub(super) fn session_of(record: &Record) -> Option<SessionId> {
    match record {
        Record::Operation(operation) => Some(operation.session),
        Record::Event(event) => Some(event.session),
        Record::Session(change) => Some(change.session),
        Record::Start(_) | Record::Transaction(_) | Record::Tree(_) => None,
    }
}

/// One of the places where this holds.
pub(super) fn place(
    records: &[Record],
    rng: &mut Rng,
    is_it: impl Fn(&Record) -> bool,
) -> Option<usize> {
    let places: Vec<usize> = (0..records.len()).filter(|index| is_it(&records[*index])).collect();
    places.get(rng.below(places.len())).copied()
}

pub(super) fn one<T: Copy>(places: &[T], rng: &mut Rng) -> Option<T> {
    places.get(rng.below(places.len())).copied()
}

/// The places of the records of a session's connection behind a place.
pub(super) fn rest_of_connection(records: &[Record], place: usize) -> Vec<usize> {
    let session = session_of(&records[place]);
    let behind = place + 1..records.len();
    let own = behind.filter(|index| session_of(&records[*index]) == session);
    own.take_while(|index| !matches!(records[*index], Record::Session(_))).collect()
}

pub(super) fn stat(outcome: &Outcome) -> Option<&Stat> {
    match outcome {
        Outcome::Ok(Answer::Stat(stat) | Answer::Data { stat, .. }) => Some(stat),
        Outcome::Ok(Answer::Children { stat, .. }) => stat.as_ref(),
        _ => None,
    }
}

/// The zxids of effective transactions by request.
pub(super) fn log_of(records: &[Record]) -> HashMap<(SessionId, i32), Transaction> {
    let log = records.iter().filter_map(transaction).filter(|txn| txn.xid > 0);
    log.map(|txn| ((txn.session, txn.xid), txn.clone())).collect()
}

pub(super) fn is_effective(txn: &Txn) -> bool {
    !matches!(txn, Txn::Error(_) | Txn::CreateSession | Txn::CloseSession { .. })
}

/// What a session was told before a place.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) any: Zxid,
    pub(super) own: Zxid,
    pub(super) synced: Zxid,
}

/// Every read that could also be the tree's at the lower zxid that is given, with what its session
/// had been told before.
pub(super) fn movable_reads(records: &[Record]) -> Vec<(usize, Zxid, Seen)> {
    let mut seen: BTreeMap<SessionId, Seen> = BTreeMap::new();
    let mut reads = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let Some((operation, told)) = told(record) else { continue };
        let before = seen.entry(operation.session).or_default();
        if let Request::Read(read) = &operation.asked
            && let Some(stat) = stat(&told.outcome)
            && stat.aversion == 0
            && !read.watch
        {
            reads.push((index, stat.mzxid.max(stat.pzxid), *before));
        }
        before.any = before.any.max(told.zxid);
        if operation.asked.is_write() {
            before.own = before.own.max(told.zxid);
        }
        if let Request::Sync { .. } = operation.asked {
            before.synced = before.synced.max(told.zxid);
        }
    }
    reads
}

pub(super) fn move_read(
    records: &mut [Record],
    rng: &mut Rng,
    is_wrong: fn(Zxid, &Seen) -> bool,
) -> bool {
    let reads = movable_reads(records);
    let places: Vec<(usize, Zxid)> = reads
        .iter()
        .filter(|(_, zxid, seen)| is_wrong(*zxid, seen))
        .map(|(index, zxid, _)| (*index, *zxid))
        .collect();
    let Some((index, zxid)) = one(&places, rng) else { return false };
    told_mut(&mut records[index]).zxid = zxid;
    true
}
