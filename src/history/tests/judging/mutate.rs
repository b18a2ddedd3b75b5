//! Ways to make a right history wrong in one place.

use std::collections::{BTreeMap, HashMap, HashSet};

use history::Rule;
use history::answer::{Answer, Answered, Outcome, Stat};
use history::operation::{
    ClientId, Data, ErrorCode, Mode, ReadKind, Request, SessionId, Time, Write, Zxid,
};
use history::record::{
    Event, Operation, Record, SessionChange, SessionRecord, Transaction, TreeRecord, Txn,
};

use crate::world::Rng;

/// A way to make a history wrong.
pub(crate) struct Mutator {
    pub(crate) name: &'static str,
    /// The rules of which one has to be found broken.
    pub(crate) rules: &'static [Rule],
    /// Makes the records wrong in one place; says if there was such a place.
    pub(crate) apply: fn(&mut Vec<Record>, &mut Rng) -> bool,
}

macro_rules! mutators {
    ($($name:ident => $($rule:ident)|+;)+) => {
        pub(crate) const ALL: &[Mutator] = &[$(
            Mutator { name: stringify!($name), rules: &[$(Rule::$rule),+], apply: $name },
        )+];
    };
}

mutators! {
    stale_read_after_sync => SyncIsFresh;
    stale_sync => SyncIsFresh;
    read_goes_back => ReadsNeverGoBack;
    own_write_not_read => ReadYourWrites;
    wrong_version_read => ReadIsTheTree;
    older_data_read => ReadIsTheTree;
    wrong_child_read => ReadIsTheTree | EphemeralsLiveAsTheirSession;
    invented_value => NothingInvented;
    node_denied => ReadIsTheTree | EphemeralsLiveAsTheirSession;
    header_of_nothing => AcknowledgedIsThere;
    lost_write => AcknowledgedIsThere;
    failed_write_acknowledged => AcknowledgedIsThere;
    done_write_refused => WriteResult;
    wrong_error => WriteResult;
    wrong_version_written => WriteResult;
    other_data_in_log => LogIsWhatWasAsked;
    answered_elsewhere => LogIsWhatWasAsked;
    number_twice => SequentialNumber;
    number_twice_in_log => SequentialNumber;
    half_a_multi => MultiIsAtomic;
    multi_out_of_order => MultiIsAtomic;
    failed_multi_done_in_part => MultiIsAtomic;
    zxid_twice => OneTransactionAZxid;
    zxid_goes_back => ZxidsGrow;
    done_twice => NothingUnasked;
    write_from_the_past => WritesFollowRealTime;
    answers_swapped => SessionOrder;
    requests_swapped => SessionOrder;
    event_twice => WatchFiresOnce;
    event_missing => WatchFires;
    announced_event_missing => WatchFires;
    event_after_newer_data => WatchBeforeNewerData;
    events_swapped => EventsInOrder;
    event_without_watch => EventHasCause;
    ephemeral_outlives_session => EphemeralsLiveAsTheirSession;
    ephemeral_left_by_close => EphemeralsLiveAsTheirSession;
    ephemeral_deleted_by_server => EphemeralsLiveAsTheirSession;
    session_ends_twice => SessionEndsOnce;
    expired_client_goes_on => SessionEndsOnce;
    committed_after_the_end => NothingAfterTheEnd;
    session_given_twice => SessionIsOneClients;
    session_created_twice => SessionIsOneClients;
    node_lost_in_a_tree => TreeIsTheLogs;
    node_made_up_in_a_tree => TreeIsTheLogs;
    tree_with_other_data => TreeIsTheLogs;
}

// Finding places.

fn operation(record: &Record) -> Option<&Operation> {
    match record {
        Record::Operation(operation) => Some(operation),
        _ => None,
    }
}

fn transaction(record: &Record) -> Option<&Transaction> {
    match record {
        Record::Transaction(transaction) => Some(transaction),
        _ => None,
    }
}

fn event(record: &Record) -> Option<&Event> {
    match record {
        Record::Event(event) => Some(event),
        _ => None,
    }
}

fn told(record: &Record) -> Option<(&Operation, &Answered)> {
    let operation = operation(record)?;
    Some((operation, operation.answered.as_ref()?))
}

fn told_mut(record: &mut Record) -> &mut Answered {
    match record {
        Record::Operation(operation) => operation.answered.as_mut().unwrap(),
        _ => unreachable!("it was an operation"),
    }
}

fn transaction_mut(record: &mut Record) -> &mut Transaction {
    match record {
        Record::Transaction(transaction) => transaction,
        _ => unreachable!("it was a transaction"),
    }
}

fn session_of(record: &Record) -> Option<SessionId> {
    match record {
        Record::Operation(operation) => Some(operation.session),
        Record::Event(event) => Some(event.session),
        Record::Session(change) => Some(change.session),
        Record::Start(_) | Record::Transaction(_) | Record::Tree(_) => None,
    }
}

/// One of the places where this holds.
fn place(records: &[Record], rng: &mut Rng, is_it: impl Fn(&Record) -> bool) -> Option<usize> {
    let places: Vec<usize> = (0..records.len()).filter(|index| is_it(&records[*index])).collect();
    places.get(rng.below(places.len())).copied()
}

fn one<T: Copy>(places: &[T], rng: &mut Rng) -> Option<T> {
    places.get(rng.below(places.len())).copied()
}

/// The places of the records of a session's connection behind a place.
fn rest_of_connection(records: &[Record], place: usize) -> Vec<usize> {
    let session = session_of(&records[place]);
    let behind = place + 1..records.len();
    let own = behind.filter(|index| session_of(&records[*index]) == session);
    own.take_while(|index| !matches!(records[*index], Record::Session(_))).collect()
}

fn stat(outcome: &Outcome) -> Option<&Stat> {
    match outcome {
        Outcome::Ok(Answer::Stat(stat) | Answer::Data { stat, .. }) => Some(stat),
        Outcome::Ok(Answer::Children { stat, .. }) => stat.as_ref(),
        _ => None,
    }
}

/// The zxids of effective transactions by request.
fn log_of(records: &[Record]) -> HashMap<(SessionId, i32), Transaction> {
    let log = records.iter().filter_map(transaction).filter(|txn| txn.xid > 0);
    log.map(|txn| ((txn.session, txn.xid), txn.clone())).collect()
}

fn is_effective(txn: &Txn) -> bool {
    !matches!(txn, Txn::Error(_) | Txn::CreateSession | Txn::CloseSession { .. })
}

/// What a session was told before a place.
#[derive(Clone, Copy, Default)]
struct Seen {
    any: Zxid,
    own: Zxid,
    synced: Zxid,
}

/// Every read that could also be the tree's at the lower zxid that is given, with what its session
/// had been told before.
fn movable_reads(records: &[Record]) -> Vec<(usize, Zxid, Seen)> {
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

fn move_read(records: &mut [Record], rng: &mut Rng, is_wrong: fn(Zxid, &Seen) -> bool) -> bool {
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

// Reads.

fn stale_read_after_sync(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    move_read(records, rng, |zxid, seen| zxid < seen.synced)
}

fn read_goes_back(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    // (What a sync has to be as new as is not below what anybody was told before it.)
    move_read(records, rng, |zxid, seen| {
        seen.synced == Zxid(0) && zxid >= seen.own && zxid < seen.any
    })
}

fn own_write_not_read(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    move_read(records, rng, |zxid, seen| seen.synced == Zxid(0) && zxid < seen.own)
}

fn stale_sync(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let log: Vec<Zxid> = records.iter().filter_map(transaction).map(|txn| txn.zxid).collect();
    let newest_before = |at: Time| {
        let told = records.iter().filter_map(told).filter(|(_, told)| told.at < at);
        told.map(|(_, told)| told.zxid).max().unwrap_or_default()
    };
    let Some(index) = place(records, rng, |record| {
        operation(record)
            .is_some_and(|op| matches!(op.asked, Request::Sync { .. }) && op.answered.is_some())
    }) else {
        return false;
    };
    let floor = newest_before(operation(&records[index]).unwrap().invoked);
    let Some(older) = log.iter().rev().find(|zxid| **zxid < floor) else { return false };
    told_mut(&mut records[index]).zxid = *older;
    true
}

fn change_read(
    records: &mut [Record],
    rng: &mut Rng,
    change: fn(&mut Answer, &mut Rng) -> bool,
) -> bool {
    for _ in 0..200 {
        let Some(index) = place(records, rng, |record| {
            told(record).is_some_and(|(op, told)| {
                matches!(op.asked, Request::Read(_)) && told.outcome.error().is_none()
            })
        }) else {
            return false;
        };
        if let Outcome::Ok(answer) = &mut told_mut(&mut records[index]).outcome
            && change(answer, rng)
        {
            return true;
        }
    }
    false
}

fn wrong_version_read(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    change_read(records, rng, |answer, rng| match answer {
        Answer::Stat(stat) | Answer::Data { stat, .. } => {
            match rng.below(5) {
                0 => stat.version += 1,
                1 => stat.mzxid.0 -= 1,
                2 => stat.cversion -= 1,
                3 => stat.ctime += 1,
                _ => stat.children += 1,
            }
            true
        }
        _ => false,
    })
}

fn invented_value(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    change_read(records, rng, |answer, _| match answer {
        Answer::Data { data, stat } if stat.length == 8 => {
            *data = Data::from("invented");
            true
        }
        _ => false,
    })
}

fn wrong_child_read(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    change_read(records, rng, |answer, rng| match answer {
        Answer::Children { names, stat } => {
            // An older server's answer, which has no Stat that would give it away.
            *stat = None;
            if rng.one_in(2) || names.is_empty() {
                names.push("made-up".to_owned());
            } else {
                names.remove(0);
            }
            true
        }
        _ => false,
    })
}

fn older_data_read(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let mut values: HashMap<String, HashSet<Data>> = HashMap::new();
    for (operation, told) in records.iter().filter_map(told) {
        if let (Request::Read(read), Outcome::Ok(Answer::Data { data, .. })) =
            (&operation.asked, &told.outcome)
        {
            values.entry(read.path.clone()).or_default().insert(data.clone());
        }
    }
    let mut places = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if let Some((operation, told)) = told(record)
            && let (Request::Read(read), Outcome::Ok(Answer::Data { data, .. })) =
                (&operation.asked, &told.outcome)
        {
            let mut others: Vec<&Data> =
                values[&read.path].iter().filter(|other| *other != data).collect();
            others.sort_by_key(|data| data.bytes());
            places.extend(others.first().map(|other| (index, (*other).clone())));
        }
    }
    let Some((index, other)) = places.get(rng.below(places.len())).cloned() else { return false };
    if let Outcome::Ok(Answer::Data { data, .. }) = &mut told_mut(&mut records[index]).outcome {
        *data = other;
    }
    true
}

fn node_denied(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| {
        told(record).is_some_and(|(op, told)| match &op.asked {
            // (Of a getData that finds nothing, no watch is left.)
            Request::Read(read) => !read.watch && told.outcome.error().is_none(),
            _ => false,
        })
    }) else {
        return false;
    };
    told_mut(&mut records[index]).outcome = Outcome::Error(ErrorCode::NO_NODE);
    true
}

fn header_of_nothing(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let last = records.iter().filter_map(transaction).map(|txn| txn.zxid).max().unwrap();
    // The last answer of a session, so that nothing else is older than it.
    let mut last_of = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        if let Some((operation, _)) = told(record) {
            let is_read = matches!(operation.asked, Request::Read(_) | Request::Sync { .. });
            last_of.insert(operation.session, is_read.then_some(index));
        }
    }
    let places: Vec<usize> = last_of.into_values().flatten().collect();
    let Some(index) = one(&places, rng) else { return false };
    told_mut(&mut records[index]).zxid = Zxid(last.0 + 7);
    true
}

// Writes and the log.

/// The place of an effective transaction whose request was acknowledged, and of the request.
fn done_write(
    records: &[Record],
    rng: &mut Rng,
    is_it: impl Fn(&Operation, &Transaction) -> bool,
) -> Option<(usize, usize)> {
    let mut by_call = HashMap::new();
    for (index, record) in records.iter().enumerate() {
        if let Some((operation, _)) = told(record) {
            by_call.insert((operation.session, operation.xid), index);
        }
    }
    let mut places = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if let Some(txn) = transaction(record).filter(|txn| is_effective(&txn.txn))
            && let Some(asked) = by_call.get(&(txn.session, txn.xid))
            && is_it(operation(&records[*asked]).unwrap(), txn)
        {
            places.push((index, *asked));
        }
    }
    one(&places, rng)
}

fn lost_write(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, _)) = done_write(records, rng, |_, _| true) else { return false };
    records.remove(index);
    true
}

fn failed_write_acknowledged(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| {
        told(record).is_some_and(|(op, told)| {
            matches!(op.asked, Request::Write(Write::Delete { .. }))
                && told.outcome.error().is_some()
        })
    }) else {
        return false;
    };
    told_mut(&mut records[index]).outcome = Outcome::Ok(Answer::Done);
    true
}

fn done_write_refused(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let is_single = |op: &Operation, _: &Transaction| matches!(op.asked, Request::Write(_));
    let Some((_, asked)) = done_write(records, rng, is_single) else { return false };
    told_mut(&mut records[asked]).outcome = Outcome::Error(ErrorCode::NO_NODE);
    true
}

fn wrong_error(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| {
        told(record).is_some_and(|(op, told)| {
            matches!(op.asked, Request::Write(_))
                && told.outcome == Outcome::Error(ErrorCode::NO_NODE)
        })
    }) else {
        return false;
    };
    told_mut(&mut records[index]).outcome = Outcome::Error(ErrorCode::NOT_EMPTY);
    true
}

fn wrong_version_written(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let is_set = |op: &Operation, _: &Transaction| {
        matches!(op.asked, Request::Write(Write::SetData { .. } | Write::SetAcl { .. }))
    };
    let Some((_, asked)) = done_write(records, rng, is_set) else { return false };
    if let Outcome::Ok(Answer::Stat(stat)) = &mut told_mut(&mut records[asked]).outcome {
        stat.version += 1;
    }
    true
}

fn other_data_in_log(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let is_single = |op: &Operation, txn: &Transaction| {
        matches!(op.asked, Request::Write(_))
            && matches!(txn.txn, Txn::SetData { .. } | Txn::Create { .. })
    };
    let Some((index, _)) = done_write(records, rng, is_single) else { return false };
    if let Txn::SetData { data, .. } | Txn::Create { data, .. } =
        &mut transaction_mut(&mut records[index]).txn
    {
        *data = Data::from("somebody");
    }
    true
}

/// The header of a write's answer says the transaction before or behind its own.
fn answered_elsewhere(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let log: Vec<Zxid> = records.iter().filter_map(transaction).map(|txn| txn.zxid).collect();
    let Some((_, asked)) = done_write(records, rng, |_, _| true) else { return false };
    let told = told_mut(&mut records[asked]);
    let own = log.iter().position(|zxid| *zxid == told.zxid).unwrap();
    let Some(next) = log.get(own + 1) else { return false };
    told.zxid = *next;
    true
}

fn is_sequential(op: &Operation, _: &Transaction) -> bool {
    matches!(op.asked, Request::Write(Write::Create { sequential: true, .. }))
}

fn number_before(path: &mut String) -> bool {
    let cut = path.len() - 10;
    let number: i32 = path[cut..].parse().unwrap();
    path.replace_range(cut.., &format!("{:010}", number - 1));
    number > 0
}

fn number_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((_, asked)) = done_write(records, rng, is_sequential) else { return false };
    match &mut told_mut(&mut records[asked]).outcome {
        Outcome::Ok(Answer::Created { path, .. }) => number_before(path),
        _ => false,
    }
}

fn number_twice_in_log(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, asked)) = done_write(records, rng, is_sequential) else { return false };
    let is_changed = match &mut transaction_mut(&mut records[index]).txn {
        Txn::Create { path, .. } => number_before(path),
        _ => false,
    };
    if let Outcome::Ok(Answer::Created { path, .. }) = &mut told_mut(&mut records[asked]).outcome {
        number_before(path);
    }
    is_changed
}

fn half_a_multi(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let is_it = |_: &Operation, txn: &Transaction| match &txn.txn {
        Txn::Multi(parts) => parts.len() > 1,
        _ => false,
    };
    let Some((index, _)) = done_write(records, rng, is_it) else { return false };
    if let Txn::Multi(parts) = &mut transaction_mut(&mut records[index]).txn {
        parts.remove(rng.below(parts.len()));
    }
    true
}

fn multi_out_of_order(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| {
        told(record).is_some_and(|(_, told)| match &told.outcome {
            Outcome::Ok(Answer::Multi(parts)) => parts.windows(2).any(|two| two[0] != two[1]),
            _ => false,
        })
    }) else {
        return false;
    };
    if let Outcome::Ok(Answer::Multi(parts)) = &mut told_mut(&mut records[index]).outcome {
        let at = parts.windows(2).position(|two| two[0] != two[1]).unwrap();
        parts.swap(at, at + 1);
    }
    true
}

/// A multi that failed was done as far as it could be.
fn failed_multi_done_in_part(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let mut writes = HashMap::new();
    for (operation, told) in records.iter().filter_map(told) {
        if let (Request::Multi(multi), Outcome::Ok(Answer::Multi(parts))) =
            (&operation.asked, &told.outcome)
            && let (Write::SetData { path, data, .. }, Outcome::Error(ErrorCode(0))) =
                (&multi[0], &parts[0])
        {
            let txn = Txn::SetData { path: path.clone(), data: data.clone(), version: 0 };
            writes.insert((operation.session, operation.xid), txn);
        }
    }
    let Some(index) = place(records, rng, |record| {
        transaction(record).is_some_and(|txn| writes.contains_key(&(txn.session, txn.xid)))
    }) else {
        return false;
    };
    let txn = transaction_mut(&mut records[index]);
    txn.txn = Txn::Multi(vec![writes[&(txn.session, txn.xid)].clone()]);
    true
}

/// Two neighbours in the log have one zxid, and so says the answer.
fn zxid_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, asked)) = done_write(records, rng, |_, _| true) else { return false };
    let Some(before) = index.checked_sub(1).and_then(|index| transaction(&records[index])) else {
        return false;
    };
    let zxid = before.zxid;
    transaction_mut(&mut records[index]).zxid = zxid;
    told_mut(&mut records[asked]).zxid = zxid;
    true
}

fn zxid_goes_back(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, _)) = done_write(records, rng, |_, _| true) else { return false };
    if transaction(&records[index - 1]).is_none() {
        return false;
    }
    records.swap(index, index - 1);
    true
}

fn append(records: &mut Vec<Record>, session: SessionId, xid: i32, txn: Txn) {
    let log = records.iter().filter_map(transaction);
    let zxid = Zxid(log.map(|txn| txn.zxid.0).max().unwrap() + 1);
    records.push(Record::Transaction(Transaction { zxid, session, xid, time: Some(0), txn }));
}

fn done_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, _)) = done_write(records, rng, |_, _| true) else { return false };
    let txn = transaction(&records[index]).unwrap().clone();
    append(records, txn.session, txn.xid, txn.txn);
    true
}

/// A write begins only when somebody has already been told something newer.
fn write_from_the_past(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((_, asked)) = done_write(records, rng, |_, _| true) else { return false };
    let (own, own_told) = told(&records[asked]).unwrap();
    let newer = records
        .iter()
        .filter_map(told)
        .filter(|(other, told)| other.session != own.session && told.zxid >= own_told.zxid);
    let Some(at) = newer.map(|(_, told)| told.at).min() else { return false };
    if let Record::Operation(operation) = &mut records[asked] {
        operation.invoked = Time(at.0 + 1);
        let answered = operation.answered.as_mut().unwrap();
        answered.at = answered.at.max(operation.invoked);
    }
    true
}

fn answers_swapped(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(first) = place(records, rng, |record| told(record).is_some()) else { return false };
    let behind = rest_of_connection(records, first);
    let Some(second) = behind.first().copied().filter(|at| told(&records[*at]).is_some()) else {
        return false;
    };
    records.swap(first, second);
    true
}

/// Two writes of a session are done in the other order than they were asked in.
fn requests_swapped(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let (mut last_of, mut pairs) = (HashMap::new(), Vec::new());
    for (index, record) in records.iter().enumerate() {
        if let Some(txn) = transaction(record).filter(|txn| txn.xid > 0) {
            if let Some(before) = last_of.insert(txn.session, index) {
                pairs.push((before, index));
            }
        }
    }
    let Some((first, second)) = one(&pairs, rng) else { return false };
    let (one, other) = (records[first].clone(), records[second].clone());
    let (one, other) = (transaction(&one).unwrap(), transaction(&other).unwrap());
    let renumber =
        |txn: &Transaction, zxid| Record::Transaction(Transaction { zxid, ..txn.clone() });
    records[first] = renumber(other, one.zxid);
    records[second] = renumber(one, other.zxid);
    true
}

// Watches.

/// The places of events of changes that are followed, on their connection, by something newer.
fn followed_events(records: &[Record]) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let Some(zxid) = event(record).and_then(|event| event.zxid) else { continue };
        let behind = rest_of_connection(records, index);
        let newer = behind.into_iter().find(|at| {
            told(&records[*at])
                .is_some_and(|(op, told)| told.zxid >= zxid && op.asked != Request::Close)
        });
        places.extend(newer.map(|newer| (index, newer)));
    }
    places
}

fn event_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| event(record).is_some_and(|e| e.zxid.is_some()))
    else {
        return false;
    };
    records.insert(index + 1, records[index].clone());
    true
}

fn event_missing(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, _)) = one(&followed_events(records), rng) else { return false };
    records.remove(index);
    true
}

fn announced_event_missing(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let mut places = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if event(record).is_some_and(|event| event.zxid.is_none()) {
            let behind = rest_of_connection(records, index);
            let twin = |at: &usize| {
                event(&records[*at]).map(|e| (e.kind, &e.path))
                    == event(record).map(|e| (e.kind, &e.path))
            };
            let own = session_of(record);
            let before = records[..index].iter().rev().filter(|other| session_of(other) == own);
            let before = before.take_while(|other| !matches!(other, Record::Session(_)));
            let is_first = !before.into_iter().any(|other| {
                event(other).map(|e| (e.kind, &e.path)) == event(record).map(|e| (e.kind, &e.path))
            });
            let renews = |at: &usize| {
                told(&records[*at])
                    .is_some_and(|(op, _)| matches!(op.asked, Request::SetWatches(_)))
            };
            if behind.iter().any(renews) && !behind.iter().any(twin) && is_first {
                places.push(index);
            }
        }
    }
    let Some(index) = one(&places, rng) else { return false };
    records.remove(index);
    true
}

fn event_after_newer_data(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let mut places = followed_events(records);
    // (Behind another event it would break another rule as well.)
    places.retain(|(index, newer)| {
        let between = &records[index + 1..*newer];
        let own = session_of(&records[*index]);
        !between.iter().any(|other| event(other).is_some() && session_of(other) == own)
    });
    let Some((index, newer)) = one(&places, rng) else { return false };
    let event = records.remove(index);
    records.insert(newer, event);
    true
}

fn events_swapped(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let mut places = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let behind = rest_of_connection(records, index);
        if let Some(next) = behind.first()
            && let (Some(one), Some(other)) = (event(record), event(&records[*next]))
            && let (Some(first), Some(second)) = (one.zxid, other.zxid)
            && first < second
        {
            places.push((index, *next));
        }
    }
    let Some((first, second)) = one(&places, rng) else { return false };
    records.swap(first, second);
    true
}

fn event_without_watch(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| told(record).is_some()) else { return false };
    let (operation, told) = told(&records[index]).unwrap();
    let (session, at) = (operation.session, told.at);
    let (kind, path) = (history::record::EventKind::DataChanged, "/unwatched".to_owned());
    records.insert(index + 1, Record::Event(Event { session, at, kind, path, zxid: None }));
    true
}

// Sessions.

/// The end of each session by its transaction.
fn ends(records: &[Record]) -> Vec<(usize, Transaction)> {
    let log = records.iter().enumerate();
    let ends = log.filter_map(|(index, record)| Some((index, transaction(record)?.clone())));
    ends.filter(|(_, txn)| matches!(txn.txn, Txn::CloseSession { .. })).collect()
}

/// A read that finds nothing where there was an ephemeral node, and is told of it nevertheless.
fn ephemeral_outlives_session(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let ends: HashMap<SessionId, Zxid> =
        ends(records).into_iter().map(|(_, txn)| (txn.session, txn.zxid)).collect();
    let mut nodes: HashMap<String, (Zxid, Stat)> = HashMap::new();
    for (operation, told) in records.iter().filter_map(told) {
        if let (Request::Read(read), Some(stat)) = (&operation.asked, stat(&told.outcome))
            && let Some(end) = ends.get(&stat.owner)
        {
            nodes.insert(read.path.clone(), (*end, *stat));
        }
    }
    let stat_for = |record: &Record| {
        let (operation, told) = told(record)?;
        match &operation.asked {
            Request::Read(read) if read.kind == ReadKind::Exists && !read.watch => {
                let (end, stat) = nodes.get(&read.path)?;
                (told.outcome.error().is_some() && told.zxid >= *end).then_some(*stat)
            }
            _ => None,
        }
    };
    let Some(index) = place(records, rng, |record| stat_for(record).is_some()) else {
        return false;
    };
    let stat = stat_for(&records[index]).unwrap();
    told_mut(&mut records[index]).outcome = Outcome::Ok(Answer::Stat(stat));
    true
}

fn ephemeral_left_by_close(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| match transaction(record) {
        Some(Transaction { txn: Txn::CloseSession { paths: Some(paths) }, .. }) => {
            !paths.is_empty()
        }
        _ => false,
    }) else {
        return false;
    };
    if let Txn::CloseSession { paths: Some(paths) } = &mut transaction_mut(&mut records[index]).txn
    {
        paths.remove(rng.below(paths.len()));
    }
    true
}

fn ephemeral_deleted_by_server(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    // The last state of the tree has the ephemeral nodes of those that live.
    let Some(Record::Tree(tree)) = records.iter().rev().find(|r| matches!(r, Record::Tree(_)))
    else {
        return false;
    };
    let paths: Vec<String> = tree
        .nodes
        .iter()
        .filter(|node| node.stat.owner != SessionId(0))
        .map(|node| node.path.clone())
        .collect();
    let Some(path) = paths.get(rng.below(paths.len())).cloned() else { return false };
    append(records, SessionId(0), 0, Txn::Delete { path });
    true
}

fn session_ends_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let ends = ends(records);
    let Some((_, end)) = ends.get(rng.below(ends.len())).cloned() else { return false };
    append(records, end.session, 0, Txn::CloseSession { paths: None });
    true
}

fn expired_client_goes_on(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| told(record).is_some()) else { return false };
    let (operation, told) = told(&records[index]).unwrap();
    let (session, at) = (operation.session, told.at);
    let change = SessionChange::Expired;
    records.insert(index, Record::Session(SessionRecord { session, at, change }));
    true
}

/// A request of a session that has ended, whose outcome its client does not know, is done late.
fn committed_after_the_end(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let log = log_of(records);
    let ended: HashSet<SessionId> = ends(records).iter().map(|(_, txn)| txn.session).collect();
    let is_it = |operation: &Operation| {
        operation.answered.is_none()
            && ended.contains(&operation.session)
            && !log.contains_key(&(operation.session, operation.xid))
            && matches!(
                operation.asked,
                Request::Write(Write::Create { sequential: false, mode: Mode::Persistent, .. })
                    | Request::Write(Write::SetData { .. })
            )
    };
    let Some(index) = place(records, rng, |record| operation(record).is_some_and(is_it)) else {
        return false;
    };
    let asked = operation(&records[index]).unwrap().clone();
    let txn = match &asked.asked {
        Request::Write(Write::Create { path, data, mode, .. }) => {
            Txn::Create { path: path.clone(), data: data.clone(), mode: *mode }
        }
        Request::Write(Write::SetData { path, data, .. }) => {
            Txn::SetData { path: path.clone(), data: data.clone(), version: 1 }
        }
        _ => unreachable!("one of these"),
    };
    append(records, asked.session, asked.xid, txn);
    true
}

fn session_given_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| matches!(record, Record::Session(_))) else {
        return false;
    };
    let Record::Session(mut change) = records[index].clone() else { return false };
    change.change = SessionChange::Begun { client: ClientId(99) };
    records.push(Record::Session(change));
    true
}

fn session_created_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) =
        place(records, rng, |r| transaction(r).is_some_and(|txn| txn.txn == Txn::CreateSession))
    else {
        return false;
    };
    let session = transaction(&records[index]).unwrap().session;
    append(records, session, 0, Txn::CreateSession);
    true
}

// Trees.

fn change_tree(
    records: &mut [Record],
    rng: &mut Rng,
    change: fn(&mut TreeRecord, &mut Rng),
) -> bool {
    let Some(index) = place(records, rng, |record| match record {
        Record::Tree(tree) => tree.nodes.len() > 1,
        _ => false,
    }) else {
        return false;
    };
    if let Record::Tree(tree) = &mut records[index] {
        change(tree, rng);
    }
    true
}

fn node_lost_in_a_tree(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    change_tree(records, rng, |tree, rng| {
        tree.nodes.remove(1 + rng.below(tree.nodes.len() - 1));
    })
}

fn node_made_up_in_a_tree(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    change_tree(records, rng, |tree, _| {
        let mut node = tree.nodes.last().unwrap().clone();
        node.path.push_str("-made-up");
        node.stat.owner = SessionId(0);
        tree.nodes.push(node);
    })
}

fn tree_with_other_data(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    change_tree(records, rng, |tree, rng| {
        let index = rng.below(tree.nodes.len());
        tree.nodes[index].data = Data::from("other");
    })
}
