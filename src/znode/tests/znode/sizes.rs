//! How large a transaction may be: whatever is prepared, every server takes.

use bytes::Bytes;
use wire::client::CreateMode::{Ephemeral, Persistent};
use wire::client::{Request, SetDataRequest};
use wire::jute::{Reader, Record};
use wire::limits::CLOSED_PATHS_BYTES_MAX;
use wire::txn::{Txn, TxnBlob};
use wire::{Acl, ErrorCode, Id, perms};
use znode::{Outcome, Prep};

use crate::harness::*;

fn set_bytes(path: &str, bytes: usize) -> Request {
    let data = Some(Bytes::from(vec![7; bytes]));
    Request::SetData(SetDataRequest { path: path.to_owned(), data, version: -1 })
}

fn bounded(txn_bytes_max: usize) -> Leader {
    let mut leader = Leader::new();
    leader.must(&create("/a", Persistent));
    leader.prep = Prep::with_txn_bytes_max(txn_bytes_max);
    leader
}

#[test]
fn a_session_that_owns_more_than_fits_into_a_transaction_ends_without_a_list() {
    let mut leader = Leader::new();
    leader.must(&create("/svc", Persistent));
    let path = |number: usize| format!("/svc/{number:05}-{}", "e".repeat(150));
    let count = CLOSED_PATHS_BYTES_MAX / (path(0).len() + 4) + 1;
    for number in 0..count {
        leader.prepare(&create(&path(number), Ephemeral));
    }
    // Half of them are applied when the session ends, the other half is still on its way.
    for _ in 0..count / 2 {
        leader.apply_next();
    }
    leader.prepare_as(BOB, &[], &create("/svc/other", Ephemeral));
    let closed = leader.prepare_as(ANNE, &[], &Request::CloseSession);
    assert_eq!((&closed.txn, closed.digest), (&Txn::CloseSession(None), None));
    let bytes = Bytes::from(closed.to_vec());
    assert!(bytes.len() < 100, "{} bytes", bytes.len());
    assert_eq!(TxnBlob::decode(&mut Reader::new(&bytes)).as_ref(), Ok(&closed));

    // What is judged behind it sees the tree without them, before that is applied.
    let again = create(&path(0), Persistent);
    assert_eq!(refused(&leader.prepare_as(BOB, &[], &again).txn), None);
    let gone = delete(&path(1), -1);
    assert_eq!(refused(&leader.prepare_as(BOB, &[], &gone).txn), Some(ErrorCode::NoNode));
    leader.apply_all();
    assert_eq!(leader.tree.get_ephemerals(ANNE, "/").count(), 0);
    let parent = leader.tree.node("/svc").expect("it stays");
    assert_eq!(leader.tree.stat(parent).num_children, 2, "Bob's, and the one made again");
    assert_eq!(leader.tree.digest(), leader.tree.recomputed_digest());
}

#[test]
fn a_session_that_owns_as_much_as_fits_ends_with_the_list() {
    let mut leader = Leader::new();
    leader.must(&create("/a", Ephemeral));
    let closed = leader.prepare_as(ANNE, &[], &Request::CloseSession);
    assert_eq!(closed.txn, Txn::CloseSession(Some(vec!["/a".to_owned()])));
    assert!(closed.digest.is_some());
}

/// A set of 100 bytes: TxnHeader 32, path 6, data 104, version 4, digest 12.
#[test]
fn a_transaction_is_as_long_as_the_bound_and_no_longer() {
    assert_eq!(bounded(158).refused(&set_bytes("/a", 100)), None);
    assert_eq!(bounded(157).refused(&set_bytes("/a", 100)), Some(ErrorCode::MarshallingError));
}

#[test]
fn a_request_whose_transaction_is_too_long_is_refused_and_leaves_nothing_behind() {
    let everybody: Vec<_> = (0..20).map(|n| Id::new("digest", format!("user{n}:hash"))).collect();
    let auth = Acl { perms: perms::ALL, id: Id::new("auth", "") };
    let many = (0..10).map(|n| part(create(&format!("/m{n}"), Ephemeral)));
    let mixed = [part(set_data("/a", "z", -1)), part(set_bytes("/a", 300))];
    for (request, what) in [
        (set_bytes("/a", 300), "data"),
        (create(&format!("/{}", "n".repeat(300)), Ephemeral), "a path"),
        (set_acl("/a", vec![auth.clone()], -1), "an ACL that grows"),
        (create_with_acl("/b", vec![auth]), "an ACL that grows, of a new node"),
        (multi(many), "a multi of many"),
        (multi(mixed), "a multi with one that is large"),
    ] {
        let mut leader = bounded(300);
        let blob = leader.prepare_as(ANNE, &everybody, &request);
        assert_eq!(refused(&blob.txn), Some(ErrorCode::MarshallingError), "{what}");
        assert_eq!(leader.prep.outstanding(), 0, "{what}");
        let applied = leader.apply_all().expect("it takes a zxid");
        assert_eq!(applied.outcome, Outcome::Failed(ErrorCode::MarshallingError), "{what}");
        // The tree that the next one is judged against, and its digest, are as if it had not been.
        assert_eq!(leader.refused(&set_data("/a", "y", 0)), None, "{what}");
        leader.apply_all();
        assert_eq!(leader.prepare(&Request::CloseSession), Txn::CloseSession(Some(vec![])));
    }
}

#[test]
fn data_is_bounded_by_the_transaction_alone_and_not_by_a_default() {
    let mut leader = bounded(64 << 20);
    assert_eq!(leader.refused(&set_bytes("/a", 5 << 20)), None);
}
