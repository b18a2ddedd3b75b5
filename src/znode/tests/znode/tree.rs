//! What transactions do to the tree.

use bytes::Bytes;
use wire::client::CreateMode::{Ephemeral, Persistent};
use wire::client::Request;
use wire::jute::Record;
use wire::txn::{SetDataTxn, Txn, TxnDigest, TxnHeader};
use wire::{Acl, ErrorCode, Id, Stat, StatPersisted, perms};
use znode::{ChangeKind, LoadError, Options, Outcome, Tree, TreeBuilder};

use crate::harness::*;

const EMPTY_TREE: u64 = 1371985504;

fn changes(leader: &mut Leader) -> Vec<(ChangeKind, String)> {
    let applied = leader.apply_all().expect("one was prepared");
    applied.changes.into_iter().map(|change| (change.kind, change.path.to_string())).collect()
}

#[test]
fn the_digests_and_the_bytes_are_those_of_zookeeper() {
    let mut leader = Leader::new();
    assert_eq!(leader.tree.digest(), EMPTY_TREE);
    // zxid 2 and time 1000, as in the golden entry.
    let mut blob = {
        let mut at_two = Leader::new();
        at_two.prepare(&Request::CreateSession { timeout_ms: 4000 });
        at_two.apply_all();
        leader = at_two;
        leader.prepare_as(ANNE, &[], &create("/a", Persistent))
    };
    blob.header.time = 1000;
    leader.tree.apply(&blob.header, &blob.txn);
    assert_eq!(leader.tree.digest(), 2622883378);

    blob.digest = Some(TxnDigest { version: 2, tree_digest: 2622883378 });
    let mut bytes = Vec::new();
    blob.encode(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let golden = "0100000000000001 00000001 0000000000000002 00000000000003e8 00000001 \
                  00000002 2f61 00000001 78 00000001 0000001f 00000005 776f726c64 \
                  00000006 616e796f6e65 00 00000001 00000002 000000009c560632";
    assert_eq!(hex, golden.replace(' ', ""));
}

#[test]
fn a_new_tree_has_the_nodes_every_ensemble_has() {
    let tree = Tree::new(Options::default());
    let snapshot = tree.snapshot();
    let paths: Vec<_> = snapshot.nodes().map(|node| node.path).collect();
    assert_eq!(paths, ["", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]);
    let config = tree.node("/zookeeper/config").unwrap();
    assert_eq!(tree.acl(config).to_vec(), Acl::read_unsafe());
    assert_eq!(config.stat_persisted().aversion, -1);
    assert_eq!(
        tree.exists("/", &[]).unwrap(),
        Stat { cversion: -1, num_children: 1, ..Stat::default() }
    );
}

#[test]
fn the_stat_of_a_node_through_its_life() {
    let mut leader = Leader::new();
    leader.must(&create("/p", Persistent)); // 1
    leader.must(&create("/p/a", Persistent)); // 2
    leader.must(&create("/p/b", Ephemeral)); // 3
    leader.must(&set_data("/p", "longer", -1)); // 4
    leader.must(&set_acl("/p", Acl::read_unsafe(), -1)); // 5
    leader.must(&set_data("/p/a", "y", -1)); // 6
    let expected = Stat {
        czxid: 1,
        mzxid: 4,
        ctime: 1000,
        mtime: 4000,
        version: 1,
        cversion: 2,
        aversion: 1,
        ephemeral_owner: 0,
        data_length: 6,
        num_children: 2,
        pzxid: 3,
    };
    assert_eq!(leader.tree.exists("/p", &[]), Ok(expected));
    assert_eq!(leader.tree.exists("/p/b", &[]).unwrap().ephemeral_owner, ANNE);
}

#[test]
fn a_deletion_counts_in_cversion_and_pzxid_of_the_parent() {
    let mut leader = Leader::new();
    leader.must(&create("/p", Persistent));
    leader.must(&create("/p/a", Persistent));
    leader.must(&delete("/p/a", 0));
    let stat = leader.tree.exists("/p", &[]).unwrap();
    assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (2, 0, 3));
}

#[test]
fn changes_come_in_the_order_of_the_operations() {
    let mut leader = Leader::new();
    leader.must(&create("/p", Persistent));
    leader.prepare(&multi([
        part(create("/p/a", Persistent)),
        part(set_data("/p", "y", 0)),
        part(delete("/p/a", -1)),
        check("/p", 1),
    ]));
    use ChangeKind::{Created, DataChanged, Deleted};
    let path = |path: &str| path.to_owned();
    assert_eq!(
        changes(&mut leader),
        [(Created, path("/p/a")), (DataChanged, path("/p")), (Deleted, path("/p/a"))]
    );
    leader.prepare(&set_acl("/p", Acl::read_unsafe(), -1));
    assert_eq!(changes(&mut leader), [], "watches do not react to ACLs");
    leader.prepare(&create("/p/a", Persistent));
    assert_eq!(changes(&mut leader), [], "the ACL forbids it, and nothing changes");
}

#[test]
fn a_change_names_the_acls_that_decide_who_is_told() {
    let mut leader = Leader::new();
    let anne = Id::new("digest", "anne:hash");
    let own = vec![Acl::new(perms::ALL, anne.clone())];
    leader.must(&create_with_acl("/p", own.clone()));
    leader.prepare_as(ANNE, std::slice::from_ref(&anne), &create("/p/open", Persistent));
    let change = leader.apply_all().unwrap().changes.remove(0);
    assert_eq!(
        (change.acl.to_vec(), change.parent_acl.to_vec()),
        (Acl::open_unsafe(), own.clone())
    );
    leader.prepare_as(ANNE, &[anne], &set_data("/p", "y", -1));
    let change = leader.apply_all().unwrap().changes.remove(0);
    assert_eq!(change.acl.to_vec(), own);
}

#[test]
fn a_session_begins_and_ends_with_its_ephemeral_nodes() {
    let mut leader = Leader::new();
    assert_eq!(
        leader.run(&Request::CreateSession { timeout_ms: 6000 }),
        Outcome::SessionCreated { timeout_ms: 6000 }
    );
    assert_eq!(leader.tree.session_timeout_ms(ANNE), Some(6000));
    leader.must(&create("/b", Ephemeral));
    leader.must(&create("/a", Ephemeral));
    leader.must(&create("/stays", Persistent));
    leader.prepare_as(BOB, &[], &create("/bobs", Ephemeral));
    assert!(leader.tree.get_ephemerals(ANNE, "").eq(["/a", "/b"]));
    assert_eq!(
        leader.prepare(&Request::CloseSession),
        Txn::CloseSession(Some(vec!["/a".to_owned(), "/b".to_owned()]))
    );
    use ChangeKind::Deleted;
    assert_eq!(changes(&mut leader), [(Deleted, "/a".to_owned()), (Deleted, "/b".to_owned())]);
    assert_eq!(leader.tree.session_timeout_ms(ANNE), None);
    assert_eq!(leader.tree.ephemeral_count(), 1);
}

#[test]
fn a_session_whose_end_lists_no_paths_takes_its_nodes_along_too() {
    let mut leader = Leader::new();
    leader.must(&create("/a", Ephemeral));
    let header = TxnHeader { client_id: ANNE, zxid: 9, ..TxnHeader::default() };
    let applied = leader.tree.apply(&header, &Txn::CloseSession(None));
    assert_eq!((applied.outcome, applied.changes.len()), (Outcome::SessionClosed, 1));
    assert_eq!(leader.tree.digest(), leader.tree.recomputed_digest());
}

#[test]
fn a_snapshot_stays_what_it_was_and_loads_as_that() {
    let mut leader = Leader::new();
    leader.must(&Request::CreateSession { timeout_ms: 6000 });
    let acl =
        vec![Acl::new(perms::ALL, Id::new("digest", "anne:hash")), Acl::read_unsafe().remove(0)];
    for number in 0..3000 {
        leader.must(&create(
            &format!("/{number}"),
            if number % 7 == 0 { Ephemeral } else { Persistent },
        ));
        leader.must(&create_with_acl(&format!("/zookeeper/{number}"), acl.clone()));
    }
    let snapshot = leader.tree.snapshot();
    let before = image(&leader.tree);
    leader.must(&Request::CloseSession);
    leader.sessions.track(ANNE + 2, 10_000, 0);
    for number in (1..3000).filter(|number| number % 7 != 0) {
        leader.prepare_as(BOB, &[], &set_data(&format!("/{number}"), "changed", -1));
        leader.prepare_as(BOB, &[], &create(&format!("/{number}/child"), Persistent));
    }
    leader.apply_all();
    assert_ne!(image(&leader.tree), before);
    assert_eq!(snapshot.acls().count(), 2, "that of the configuration, and that of the test");
    assert_eq!(image(&load(&snapshot, Options::default())), before);
}

/// How upstream's fuzzy snapshots can look: what the log does again is already there.
#[test]
fn what_a_snapshot_has_already_is_not_done_twice() {
    let mut leader = Leader::new();
    leader.prepare(&create("/p", Persistent));
    leader.prepare(&create("/p/a", Persistent));
    leader.prepare(&set_data("/p/a", "y", -1));
    leader.prepare(&delete("/p/a", -1));
    leader.prepare(&create("/p/a", Persistent));
    leader.prepare(&create("/p/a/child", Persistent));
    leader.apply_all();
    let once = image(&leader.tree);
    let outcomes: Vec<_> =
        leader.log.iter().map(|blob| leader.tree.apply(&blob.header, &blob.txn).outcome).collect();
    assert_eq!(outcomes[0], Outcome::Failed(ErrorCode::NodeExists));
    assert_eq!(outcomes[3], Outcome::Deleted, "with the child that the log makes only later");
    assert_eq!(image(&leader.tree), once);
}

#[test]
fn the_last_zxid_only_moves_up() {
    let mut leader = Leader::new();
    leader.must(&create("/a", Persistent));
    leader.must(&create("/b", Persistent));
    let first = leader.log[0].clone();
    leader.tree.apply(&first.header, &first.txn);
    assert_eq!(leader.tree.last_zxid(), 2);
}

#[test]
fn a_tree_that_is_not_the_leaders_is_reported() {
    let mut tree = Tree::new(Options::default());
    let digest = TxnDigest { version: 2, tree_digest: 7 };
    let mismatch = tree.check_digest(5, &digest).unwrap_err();
    assert_eq!((mismatch.zxid, mismatch.expected, mismatch.found), (5, 7, EMPTY_TREE));
    let said = mismatch.to_string();
    assert!(said.contains("0x5 ") && said.contains("0x7"), "{said}");
    assert_eq!(tree.check_digest(5, &TxnDigest { version: 1, ..digest }), Ok(()));
    // Data of a node that does not exist: an answer, not a panic.
    let txn = Txn::SetData(SetDataTxn { path: "no path".to_owned(), data: None, version: 1 });
    let applied = tree.apply(&TxnHeader { zxid: 1, ..TxnHeader::default() }, &txn);
    assert_eq!(applied.outcome, Outcome::Failed(ErrorCode::NoNode));
}

/// ZooKeeper writes its snapshots while transactions go on.
#[test]
fn a_tree_from_a_snapshot_may_differ_until_it_agrees_once_or_is_settled() {
    let loaded = || {
        let mut parts = TreeBuilder::new(Options::default());
        parts.node("", None, -1, StatPersisted::default()).expect("the root");
        parts.finish(5).expect("a tree")
    };
    let other = TxnDigest { version: 2, tree_digest: 7 };
    let own = TxnDigest { version: 2, tree_digest: loaded().digest().cast_signed() };
    let mut agrees = loaded();
    assert_eq!(agrees.check_digest(6, &other), Ok(()));
    assert_eq!(agrees.check_digest(7, &own), Ok(()));
    assert!(agrees.check_digest(8, &other).is_err(), "it agreed with zxid 7");
    let mut settled = loaded();
    settled.settle();
    assert!(settled.check_digest(6, &other).is_err());
    let mut unknown = loaded();
    assert_eq!(unknown.check_digest(6, &TxnDigest { version: 3, ..own }), Ok(()));
    assert_eq!(unknown.check_digest(7, &other), Ok(()), "another version says nothing");
}

#[test]
fn the_configuration_is_shown_without_a_transaction() {
    let mut tree = Tree::new(Options::default());
    let change = tree.refresh_config(Bytes::from_static(b"version=100000000"), 1 << 32, 5000);
    assert_eq!((change.kind, &*change.path), (ChangeKind::DataChanged, "/zookeeper/config"));
    let (data, stat) = tree.get_data("/zookeeper/config", &[]).unwrap();
    assert_eq!(data.as_deref(), Some(&b"version=100000000"[..]));
    assert_eq!((stat.version, stat.mzxid, stat.mtime), (-1, 1 << 32, 5000));
    assert_eq!(tree.digest(), EMPTY_TREE);
}

#[test]
fn ephemeral_nodes_without_a_session_are_removed() {
    let mut leader = Leader::new();
    leader.must(&Request::CreateSession { timeout_ms: 6000 });
    leader.must(&create("/annes", Ephemeral));
    leader.prepare_as(BOB, &[], &create("/bobs", Ephemeral));
    leader.apply_all();
    assert_eq!(leader.tree.remove_orphans(), 1);
    assert!(leader.tree.node("/bobs").is_none() && leader.tree.node("/annes").is_some());
    assert_eq!(leader.tree.digest(), leader.tree.recomputed_digest());
}

#[test]
fn parts_that_make_no_tree_are_refused() {
    let stat = StatPersisted::default();
    let load = |paths: &[&str]| {
        let mut builder = TreeBuilder::new(Options::default());
        paths.iter().try_for_each(|path| builder.node(path, None, -1, stat))?;
        builder.finish(0)
    };
    let owned = |path: &str| path.to_owned();
    for (paths, error) in [
        (&[][..], LoadError::NoRoot(owned(""))),
        (&["/a"], LoadError::NoRoot(owned("/a"))),
        (&["", "/a/b"], LoadError::NoParent(owned("/a/b"))),
        (&["", "/a", "/a"], LoadError::Twice(owned("/a"))),
        (&["", ""], LoadError::Twice(owned(""))),
        (&["", "a"], LoadError::Path(owned("a"))),
        (&["", "/"], LoadError::Path(owned("/"))),
    ] {
        assert_eq!(load(paths).err(), Some(error), "{paths:?}");
    }
    for number in [-1, i64::MAX] {
        let refused = TreeBuilder::new(Options::default()).acl(number, Acl::open_unsafe());
        assert_eq!(refused, Err(LoadError::AclNumber(number)));
    }
}

#[test]
fn an_acl_that_is_not_in_the_table_yet_lets_nobody_in_until_the_log_sets_it() {
    let stat = StatPersisted::default();
    let mut builder = TreeBuilder::new(Options::default());
    builder.node("", None, -1, stat).unwrap();
    builder.node("/a", None, 4, stat).unwrap();
    assert_eq!(builder.unknown_acls(), 1);
    let mut tree = builder.finish(0).unwrap();
    assert_eq!(tree.exists("/a", &[]), Err(ErrorCode::NoAuth));

    let mut other = Leader::new();
    other.must(&create_with_acl("/a", Acl::read_unsafe()));
    let create = &other.log[0];
    assert_eq!(
        tree.apply(&create.header, &create.txn).outcome,
        Outcome::Failed(ErrorCode::NodeExists)
    );
    assert!(tree.exists("/a", &[]).is_ok());
}

#[test]
fn the_sums_of_the_tree_follow_its_nodes() {
    let mut leader = Leader::new();
    let empty = leader.tree.size_bytes();
    leader.must(&create("/p", Persistent));
    leader.must(&create("/p/a", Ephemeral));
    leader.must(&set_data("/p", "four", -1));
    assert_eq!(leader.tree.size_bytes() - empty, 2 + 4 + 4 + 1);
    assert_eq!((leader.tree.node_count(), leader.tree.ephemeral_count()), (6, 1));
    assert_eq!(leader.tree.descendant_count("/p"), Some(1));
    assert_eq!(leader.tree.descendant_count("/"), Some(5));
    leader.must(&delete("/p/a", -1));
    leader.must(&delete("/p", -1));
    assert_eq!(leader.tree.size_bytes(), empty);
}
