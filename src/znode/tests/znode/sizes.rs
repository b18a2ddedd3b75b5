//! How large a transaction may be: whatever is prepared, every server takes.

use std::time::Duration;

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

/// How long this thread has worked: no time passes while the machine has other things to do.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("not negative")
}

/// An ACL of 20,000 entries costs what its own request costs, and not what each check of it costs
/// again.
#[test]
fn a_thousand_checks_of_a_long_acl_take_no_longer_than_a_few_such_acls() {
    let mut leader = Leader::new();
    let network = |n: u32| format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255);
    let entry = |n| Acl { perms: perms::ALL, id: Id::new("ip", network(n)) };
    let ids = [Id::new("ip", network(19_999))];
    let begun = cpu_time();
    let created = create_with_acl("/a", (0..20_000).map(entry).collect());
    assert_eq!(refused(&leader.prepare_as(ANNE, &ids, &created).txn), None);
    leader.apply_all();
    let once = cpu_time() - begun;
    let checks = || multi((0..1000).map(|_| part(set_data("/a", "", -1))));
    let begun = cpu_time();
    assert_eq!(refused(&leader.prepare_as(ANNE, &ids, &checks()).txn), None);
    let thousand = cpu_time() - begun;
    assert!(thousand < 20 * once, "{thousand:?} for a thousand checks, {once:?} for the list");
}

/// 31 ids, and 60,000 entries of 16 bytes that stand for all of them, would be 90 MB.
#[test]
fn what_auth_stands_for_is_bounded_while_it_is_made() {
    let everybody: Vec<_> = (0..31).map(|n| Id::new("digest", format!("user{n}:hash"))).collect();
    let auth = |perms| Acl { perms, id: Id::new("auth", "") };
    let list = |count: i32| (1..=count).map(auth).collect::<Vec<_>>();
    for (request, what) in [
        (create_with_acl("/b", list(60_000)), "a new node"),
        (set_acl("/a", list(60_000), -1), "an ACL"),
    ] {
        let mut leader = Leader::new();
        leader.must(&create("/a", Persistent));
        let blob = leader.prepare_as(ANNE, &everybody, &request);
        assert_eq!(refused(&blob.txn), Some(ErrorCode::MarshallingError), "{what}");
    }
    // The operations of a multi share the room.
    let mut leader = Leader::new();
    let many = (0..1000).map(|n| part(create_with_acl(&format!("/m{n}"), list(500))));
    let blob = leader.prepare_as(ANNE, &everybody, &multi(many));
    assert!(blob.encoded_len() < 80 << 20, "{} bytes", blob.encoded_len());
    let Txn::Multi(parts) = &blob.txn else { panic!("{:?}", blob.header) };
    assert!(parts.iter().any(|part| refused(part) == Some(ErrorCode::MarshallingError)));
    // What people do: a few ids, in each of many nodes.
    let usual = (0..1000).map(|n| part(create_with_acl(&format!("/m{n}"), list(1))));
    let blob = leader.prepare_as(ANNE, &everybody[..3], &multi(usual));
    assert!(
        matches!(&blob.txn, Txn::Multi(parts) if parts.iter().all(|part| refused(part).is_none()))
    );
}

/// However many nodes a session owns, it ends in about the time that one multi of them takes: the
/// leader and every server do nothing else meanwhile.
#[test]
fn the_end_of_a_session_costs_little_for_each_of_its_nodes() {
    let mut leader = Leader::new();
    leader.must(&create("/svc", Persistent));
    let path = |number: usize| format!("/svc/{number:06}");
    let mut multis = Vec::new();
    for first in (0..50_000).step_by(5000) {
        let nodes = (first..first + 5000).map(|number| part(create(&path(number), Ephemeral)));
        let nodes = multi(nodes);
        let begun = cpu_time();
        leader.must(&nodes);
        multis.push(cpu_time() - begun);
    }
    multis.sort_unstable();
    let one = multis[multis.len() / 2];
    let begun = cpu_time();
    let closed = leader.prepare_as(ANNE, &[], &Request::CloseSession);
    let prepared = cpu_time() - begun;
    assert_eq!(closed.txn, Txn::CloseSession(None));
    assert!(prepared < 2 * one, "{prepared:?} for 50,000 nodes; {one:?} for a multi of 5,000");
    assert_eq!(leader.prep.outstanding(), 1, "their parent");

    // What is judged behind it sees the tree without them.
    let again = leader.prepare_as(BOB, &[], &create(&path(7), Persistent));
    assert_eq!(refused(&again.txn), None);
    assert_eq!(
        refused(&leader.prepare_as(BOB, &[], &delete(&path(8), -1)).txn),
        Some(ErrorCode::NoNode)
    );
    assert_eq!(
        refused(&leader.prepare_as(BOB, &[], &delete("/svc", -1)).txn),
        Some(ErrorCode::NotEmpty)
    );
    leader.apply_all();
    assert_eq!(leader.tree.get_ephemerals(ANNE, "/").count(), 0);
    let parent = leader.tree.node("/svc").expect("it stays");
    assert_eq!(leader.tree.stat(parent).num_children, 1, "Bob's");
    assert_eq!(leader.tree.digest(), leader.tree.recomputed_digest());
}
