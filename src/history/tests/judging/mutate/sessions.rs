//! The life of a session, or a server's whole tree, is wrong.

use super::places::*;
use super::writes::append;
use super::*;

/// The end of each session by its transaction.
fn ends(records: &[Record]) -> Vec<(usize, Transaction)> {
    let log = records.iter().enumerate();
    let ends = log.filter_map(|(index, record)| Some((index, transaction(record)?.clone())));
    ends.filter(|(_, txn)| matches!(txn.txn, Txn::CloseSession { .. })).collect()
}

/// A read that finds nothing where there was an ephemeral node, and is told of it nevertheless.
pub(super) fn ephemeral_outlives_session(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn ephemeral_left_by_close(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn ephemeral_deleted_by_server(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn session_ends_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let ends = ends(records);
    let Some((_, end)) = ends.get(rng.below(ends.len())).cloned() else { return false };
    append(records, end.session, 0, Txn::CloseSession { paths: None });
    true
}

pub(super) fn expired_client_goes_on(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| told(record).is_some()) else { return false };
    let (operation, told) = told(&records[index]).unwrap();
    let (session, at) = (operation.session, told.at);
    let change = SessionChange::Expired;
    records.insert(index, Record::Session(SessionRecord { session, at, change }));
    true
}

/// A request of a session that has ended, whose outcome its client does not know, is done late.
pub(super) fn committed_after_the_end(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
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

pub(super) fn session_given_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| matches!(record, Record::Session(_))) else {
        return false;
    };
    let Record::Session(mut change) = records[index].clone() else { return false };
    change.change = SessionChange::Begun { client: ClientId(99) };
    records.push(Record::Session(change));
    true
}

pub(super) fn session_created_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) =
        place(records, rng, |r| transaction(r).is_some_and(|txn| txn.txn == Txn::CreateSession))
    else {
        return false;
    };
    let session = transaction(&records[index]).unwrap().session;
    append(records, session, 0, Txn::CreateSession);
    true
}

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

pub(super) fn node_lost_in_a_tree(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    change_tree(records, rng, |tree, rng| {
        tree.nodes.remove(1 + rng.below(tree.nodes.len() - 1));
    })
}

pub(super) fn node_made_up_in_a_tree(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    change_tree(records, rng, |tree, _| {
        let mut node = tree.nodes.last().unwrap().clone();
        node.path.push_str("-made-up");
        node.stat.owner = SessionId(0);
        tree.nodes.push(node);
    })
}

pub(super) fn tree_with_other_data(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    change_tree(records, rng, |tree, rng| {
        let index = rng.below(tree.nodes.len());
        tree.nodes[index].data = Data::from("other");
    })
}
