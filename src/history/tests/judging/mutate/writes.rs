//! What is written, or the log, is wrong.

use super::places::*;
use super::*;

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

pub(super) fn lost_write(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, _)) = done_write(records, rng, |_, _| true) else { return false };
    records.remove(index);
    true
}

pub(super) fn failed_write_acknowledged(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn done_write_refused(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let is_single = |op: &Operation, _: &Transaction| matches!(op.asked, Request::Write(_));
    let Some((_, asked)) = done_write(records, rng, is_single) else { return false };
    told_mut(&mut records[asked]).outcome = Outcome::Error(ErrorCode::NO_NODE);
    true
}

pub(super) fn wrong_error(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn wrong_version_written(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let is_set = |op: &Operation, _: &Transaction| {
        matches!(op.asked, Request::Write(Write::SetData { .. } | Write::SetAcl { .. }))
    };
    let Some((_, asked)) = done_write(records, rng, is_set) else { return false };
    if let Outcome::Ok(Answer::Stat(stat)) = &mut told_mut(&mut records[asked]).outcome {
        stat.version += 1;
    }
    true
}

pub(super) fn other_data_in_log(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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
pub(super) fn answered_elsewhere(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn number_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((_, asked)) = done_write(records, rng, is_sequential) else { return false };
    match &mut told_mut(&mut records[asked]).outcome {
        Outcome::Ok(Answer::Created { path, .. }) => number_before(path),
        _ => false,
    }
}

pub(super) fn number_twice_in_log(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn half_a_multi(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn multi_out_of_order(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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
pub(super) fn failed_multi_done_in_part(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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
pub(super) fn zxid_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, asked)) = done_write(records, rng, |_, _| true) else { return false };
    let Some(before) = index.checked_sub(1).and_then(|index| transaction(&records[index])) else {
        return false;
    };
    let zxid = before.zxid;
    transaction_mut(&mut records[index]).zxid = zxid;
    told_mut(&mut records[asked]).zxid = zxid;
    true
}

pub(super) fn zxid_goes_back(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, _)) = done_write(records, rng, |_, _| true) else { return false };
    if transaction(&records[index - 1]).is_none() {
        return false;
    }
    records.swap(index, index - 1);
    true
}

pub(super) fn append(records: &mut Vec<Record>, session: SessionId, xid: i32, txn: Txn) {
    let log = records.iter().filter_map(transaction);
    let zxid = Zxid(log.map(|txn| txn.zxid.0).max().unwrap() + 1);
    records.push(Record::Transaction(Transaction { zxid, session, xid, time: Some(0), txn }));
}

pub(super) fn done_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, _)) = done_write(records, rng, |_, _| true) else { return false };
    let txn = transaction(&records[index]).unwrap().clone();
    append(records, txn.session, txn.xid, txn.txn);
    true
}

/// A write begins only when somebody has already been told something newer.
pub(super) fn write_from_the_past(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn answers_swapped(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(first) = place(records, rng, |record| told(record).is_some()) else { return false };
    let behind = rest_of_connection(records, first);
    let Some(second) = behind.first().copied().filter(|at| told(&records[*at]).is_some()) else {
        return false;
    };
    records.swap(first, second);
    true
}

/// Two writes of a session are done in the other order than they were asked in.
pub(super) fn requests_swapped(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let (mut last_of, mut pairs) = (HashMap::new(), Vec::new());
    for (index, record) in records.iter().enumerate() {
        if let Some(txn) = transaction(record).filter(|txn| txn.xid > 0)
            && let Some(before) = last_of.insert(txn.session, index)
        {
            pairs.push((before, index));
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
