//! What a session that has moved may see: more than ZooKeeper promises, and what the node does.

use std::collections::BTreeMap;

use history::History;
use history::operation::SessionId;
use history::record::{Record, Txn};

/// A request of a session that was cut off without an answer, and yet was done behind what the
/// session was told later: a server confirms that a session has moved to it once everything is
/// committed, and applied there, that was proposed for it. (ZooKeeper confirms it at once; then a
/// client may read that its write was not done, and it is done all the same.)
pub(crate) fn done_afterwards(history: &History) -> Option<String> {
    let mut done = BTreeMap::new();
    for record in &history.records {
        if let Record::Transaction(transaction) = record
            && !matches!(transaction.txn, Txn::Error(_))
        {
            done.insert((transaction.session, transaction.xid), transaction.zxid);
        }
    }
    let mut cut_off = BTreeMap::<SessionId, _>::new();
    for record in &history.records {
        let Record::Operation(operation) = record else { continue };
        let session = operation.session;
        match &operation.answered {
            None => {
                if let Some(&zxid) = done.get(&(session, operation.xid)) {
                    let last = cut_off.entry(session).or_insert((zxid, operation.xid));
                    *last = (*last).max((zxid, operation.xid));
                }
            }
            Some(told) => {
                let is_of_the_tree =
                    told.outcome.error().is_none_or(history::operation::ErrorCode::is_of_the_tree);
                if let Some((zxid, xid)) = cut_off.get(&session)
                    && is_of_the_tree
                    && told.zxid < *zxid
                {
                    return Some(format!(
                        "{} ({session}#{}) is answered at {}, before the request {xid} of its \
                         session was done at {zxid}",
                        operation.asked, operation.xid, told.zxid
                    ));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use history::Recorder;
    use history::answer::{Answer, Outcome};
    use history::operation::{ClientId, Data, Request, Time, Write, Zxid};
    use history::record::Transaction;

    use super::*;

    /// A write at zxid 7 whose connection was lost, and a sync that is answered at `told`.
    fn history(told: i64) -> History {
        let (mut recorder, session) = (Recorder::new(), SessionId(1));
        let path = "/a".to_owned();
        let write = Write::SetData { path: path.clone(), data: Data::from(&b"1"[..]), version: -1 };
        recorder.begun(ClientId(1), session, Time(1));
        recorder.invoke(session, 1, Time(2), Request::Write(write));
        recorder.lost(session, Time(3));
        recorder.moved(session, Time(4));
        let call = recorder.invoke(session, 2, Time(5), Request::Sync { path: path.clone() });
        recorder.respond(call, Time(6), Zxid(told), Outcome::Ok(Answer::Done));
        let txn = Txn::SetData { path, data: Data::from(&b"1"[..]), version: 1 };
        recorder.transaction(Transaction { zxid: Zxid(7), session, xid: 1, time: None, txn });
        recorder.finish()
    }

    #[test]
    fn what_was_cut_off_is_done_before_the_session_goes_on() {
        assert_eq!(done_afterwards(&history(7)), None);
        assert!(done_afterwards(&history(6)).is_some_and(|why| why.contains("request 1")));
    }
}
