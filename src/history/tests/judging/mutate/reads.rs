//! What is read is wrong.

use super::places::*;
use super::*;

pub(super) fn stale_read_after_sync(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    move_read(records, rng, |zxid, seen| zxid < seen.synced)
}

pub(super) fn read_goes_back(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    // (What a sync has to be as new as is not below what anybody was told before it.)
    move_read(records, rng, |zxid, seen| {
        seen.synced == Zxid(0) && zxid >= seen.own && zxid < seen.any
    })
}

pub(super) fn own_write_not_read(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    move_read(records, rng, |zxid, seen| seen.synced == Zxid(0) && zxid < seen.own)
}

pub(super) fn stale_sync(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn wrong_version_read(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn invented_value(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    change_read(records, rng, |answer, _| match answer {
        Answer::Data { data, stat } if stat.length == 8 => {
            *data = Data::from("invented");
            true
        }
        _ => false,
    })
}

pub(super) fn wrong_child_read(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn older_data_read(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn node_denied(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn header_of_nothing(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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
