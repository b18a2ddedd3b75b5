//! From request to transaction: what is checked, in which order, and what comes of it.

use bytes::Bytes;
use wire::client::CreateMode::{
    Container, Ephemeral, EphemeralSequential, Persistent, PersistentSequential, PersistentWithTtl,
};
use wire::client::{CreateMode, OpCode, PathRequest, Request};
use wire::txn::Txn;
use wire::{Acl, ErrorCode, Id, perms};
use znode::{AclSchemes, NodeOwner, Options, Outcome, Owner};

use crate::harness::*;

const EXTENDED: Options = Options {
    extended_types: true,
    skip_acl: false,
    acl_schemes: AclSchemes { digest: true, sasl: false, x509: false },
    enforce_quota: false,
};

fn created(txn: &Txn) -> &str {
    if let Txn::Create(create) | Txn::Create2(create) = txn { &create.path } else { "" }
}

fn read_only() -> Vec<Acl> {
    Acl::read_unsafe()
}

/// Each line breaks the rule of its error and all those behind it.
#[test]
fn a_create_is_checked_in_the_order_of_zookeeper() {
    let mut leader = Leader::new();
    leader.must(&create("/ephemeral", Ephemeral));
    leader.must(&create("/ephemerals-sibling", Persistent));
    leader.must(&create_with_acl("/closed", read_only()));
    let unfixable = vec![Acl::new(perms::ALL, Id::new("auth", ""))];
    let with = |path: &str, flags: i32, acl: &[Acl]| {
        let Request::Create(mut record) = create(path, Persistent) else { unreachable!() };
        (record.flags, record.acl) = (flags, acl.to_vec());
        Request::Create(record)
    };
    let unknown = 0x0700_0000_0000_0000;
    for (session, path, flags, acl, expected) in [
        (unknown, "no-slash", 9, &unfixable[..], ErrorCode::BadArguments),
        (unknown, "no-slash", 5, &unfixable, ErrorCode::Unimplemented),
        (unknown, "no-slash", 0, &unfixable, ErrorCode::SessionExpired),
        (ANNE, "no-slash", 0, &unfixable, ErrorCode::BadArguments),
        (ANNE, "/nul\0/\u{1}", 0, &unfixable, ErrorCode::BadArguments),
        (ANNE, "/missing/\u{1}", 0, &unfixable, ErrorCode::InvalidACL),
        (ANNE, "/missing/\u{1}", 0, &read_only(), ErrorCode::NoNode),
        (ANNE, "/closed/\u{1}", 0, &read_only(), ErrorCode::NoAuth),
        (ANNE, "/ephemeral/\u{1}", 0, &read_only(), ErrorCode::BadArguments),
        (ANNE, "/ephemeral/", 0, &read_only(), ErrorCode::BadArguments),
        (ANNE, "/ephemeral", 0, &read_only(), ErrorCode::NodeExists),
        (ANNE, "/", 0, &read_only(), ErrorCode::NodeExists),
        (ANNE, "/ephemeral/a", 0, &read_only(), ErrorCode::NoChildrenForEphemerals),
    ] {
        let txn = leader.prepare_as(session, &[], &with(path, flags, acl)).txn;
        assert_eq!(refused(&txn), Some(expected), "{path:?} with flags {flags}");
    }
    assert_eq!(leader.refused(&with("/fine", 0, &read_only())), None);
}

#[test]
fn a_time_to_live_belongs_to_ttl_modes_and_needs_the_extended_types() {
    let ttl = |ttl, mode| create_ttl("/t", mode, ttl);
    assert_eq!(
        Leader::new().refused(&ttl(5000, PersistentWithTtl)),
        Some(ErrorCode::Unimplemented)
    );
    let bad = Some(ErrorCode::BadArguments);
    for (request, expected) in [
        (ttl(0, PersistentWithTtl), bad),
        (ttl(NodeOwner::TTL_MS_MAX + 1, PersistentWithTtl), bad),
        (ttl(5000, Persistent), bad),
        (ttl(-1, Persistent), bad),
        // Here it is what ZooKeeper looks at last.
        (create_ttl("/zookeeper", Persistent, -1), Some(ErrorCode::NodeExists)),
        (create_ttl("/missing/t", Persistent, -1), Some(ErrorCode::NoNode)),
        (create_ttl("/missing/t", Persistent, 0), bad),
        (create("/t", PersistentWithTtl), bad),
        (ttl(NodeOwner::TTL_MS_MAX, PersistentWithTtl), None),
        (ttl(1, CreateMode::PersistentSequentialWithTtl), None),
    ] {
        assert_eq!(Leader::with_options(EXTENDED).refused(&request), expected, "{request:?}");
    }
}

#[test]
fn a_delete_is_checked_in_the_order_of_zookeeper() {
    let mut leader = Leader::new();
    leader.must(&create("/p", Persistent));
    leader.must(&create("/p/a", Persistent));
    leader.must(&create_with_acl("/closed", read_only()));
    let moved = Owner(9);
    leader.sessions.set_owner(BOB, moved).unwrap();
    assert_eq!(
        refused(&leader.prepare_as(BOB, &[], &delete("/", 7)).txn),
        Some(ErrorCode::SessionMoved)
    );
    for (path, version, expected) in [
        ("/", 7, ErrorCode::BadArguments),
        ("/zookeeper", 7, ErrorCode::BadArguments),
        ("/zookeeper/quota", 7, ErrorCode::BadArguments),
        ("/zookeeper/config", 7, ErrorCode::BadArguments),
        ("no-slash", 7, ErrorCode::BadArguments),
        ("/a\0", 7, ErrorCode::BadArguments),
        ("/missing/a", 7, ErrorCode::NoNode),
        ("/closed/missing", 7, ErrorCode::NoAuth),
        ("/p/missing", 7, ErrorCode::NoNode),
        ("/p", 7, ErrorCode::BadVersion),
        ("/p", 0, ErrorCode::NotEmpty),
    ] {
        assert_eq!(leader.refused(&delete(path, version)), Some(expected), "{path:?}");
    }
    assert_eq!(leader.refused(&delete("/p/a", 0)), None);
}

#[test]
fn set_data_set_acl_and_check_are_checked_in_the_order_of_zookeeper() {
    let mut leader = Leader::new();
    leader.must(&create_with_acl("/closed", vec![Acl::new(perms::CREATE, Id::anyone())]));
    leader.must(&create("/open", Persistent));
    for (path, version, expected) in [
        ("/closed/", 7, ErrorCode::BadArguments),
        ("/missing", 7, ErrorCode::NoNode),
        ("/closed", 7, ErrorCode::NoAuth),
        ("/open", 7, ErrorCode::BadVersion),
    ] {
        assert_eq!(leader.refused(&set_data(path, "y", version)), Some(expected), "{path}");
        assert_eq!(leader.refused(&set_acl(path, read_only(), version)), Some(expected), "{path}");
        let Txn::Multi(parts) = leader.prepare(&multi([check(path, version)])) else { panic!() };
        assert_eq!(refused(&parts[0]), Some(expected), "{path}");
    }
    assert_eq!(leader.refused(&set_acl("/missing", vec![], 7)), Some(ErrorCode::InvalidACL));
    assert_eq!(leader.refused(&set_acl("/missing/", vec![], 7)), Some(ErrorCode::BadArguments));
}

#[test]
fn an_error_takes_a_zxid_and_changes_nothing() {
    let mut leader = Leader::new();
    let before = leader.tree.digest();
    let blob = leader.prepare_as(ANNE, &[], &delete("/missing", -1));
    assert_eq!((blob.header.zxid, blob.header.kind, blob.digest), (1, -1, None));
    assert_eq!((blob.header.client_id, blob.header.cxid), (ANNE, 1));
    assert_eq!(leader.apply_next().outcome, Outcome::Failed(ErrorCode::NoNode));
    assert_eq!((leader.tree.last_zxid(), leader.tree.digest()), (1, before));
}

#[test]
fn what_cannot_be_parsed_or_is_no_write_becomes_an_error() {
    let mut leader = Leader::new();
    for (op, body, expected) in [
        (OpCode::SetData.code(), vec![0, 0, 0, 9, b'/'], ErrorCode::MarshallingError),
        (OpCode::Multi.code(), vec![], ErrorCode::MarshallingError),
        (99, vec![], ErrorCode::Unimplemented),
        (OpCode::Ping.code(), vec![], ErrorCode::Unimplemented),
        (OpCode::Check.code(), vec![0, 0, 0, 1, b'/', 0, 0, 0, 0], ErrorCode::Unimplemented),
    ] {
        let blob = leader.prepare_raw(ANNE, &[], op, body);
        assert_eq!(refused(&blob.txn), Some(expected), "operation {op}");
    }
}

#[test]
fn requests_see_those_prepared_before_them() {
    let mut leader = Leader::new();
    assert_eq!(leader.refused(&create("/p", Persistent)), None);
    assert_eq!(leader.refused(&create("/p", Persistent)), Some(ErrorCode::NodeExists));
    assert_eq!(leader.refused(&create("/p/a", Persistent)), None);
    assert_eq!(leader.refused(&delete("/p", -1)), Some(ErrorCode::NotEmpty));
    assert_eq!(leader.refused(&set_data("/p/a", "y", 0)), None);
    assert_eq!(leader.refused(&set_data("/p/a", "z", 0)), Some(ErrorCode::BadVersion));
    assert_eq!(leader.refused(&delete("/p/a", 1)), None);
    assert_eq!(leader.refused(&set_acl("/p", read_only(), 0)), None);
    assert_eq!(leader.refused(&create("/p/b", Persistent)), Some(ErrorCode::NoAuth));
    assert_eq!(leader.refused(&delete("/p", -1)), None);
    assert_eq!(leader.refused(&set_data("/p", "y", -1)), Some(ErrorCode::NoNode));
    // Half of it is applied: what is prepared still stands, whichever way it is known.
    for _ in 0..6 {
        leader.apply_next();
    }
    assert_eq!(leader.refused(&set_data("/p", "y", -1)), Some(ErrorCode::NoNode));
    leader.apply_all();
    assert_eq!(leader.prep.outstanding(), 0);
    assert_eq!(leader.tree.node_count(), 4);
}

#[test]
fn what_was_prepared_is_forgotten_when_leadership_ends() {
    let mut leader = Leader::new();
    leader.prepare(&create("/p", Persistent));
    leader.prep.reset();
    leader.log.clear();
    assert_eq!(leader.refused(&create("/p/a", Persistent)), Some(ErrorCode::NoNode));
    leader.must(&create("/p", Persistent));
}

#[test]
fn sequence_numbers_count_all_creations_under_the_parent_and_no_deletions() {
    let mut leader = Leader::new();
    leader.must(&create("/q", Persistent));
    let mut number = |request| created(&leader.prepare(&request)).to_owned();
    assert_eq!(number(create("/q/n-", PersistentSequential)), "/q/n-0000000000");
    assert_eq!(number(create("/q/plain", Persistent)), "/q/plain");
    assert_eq!(number(delete("/q/plain", -1)), "");
    assert_eq!(number(create("/q/", EphemeralSequential)), "/q/0000000002");
    let both = multi([
        part(create("/q/n-", PersistentSequential)),
        part(create("/q/n-", PersistentSequential)),
    ]);
    let Txn::Multi(parts) = leader.prepare(&both) else { panic!() };
    assert_eq!(
        parts.iter().map(created).collect::<Vec<_>>(),
        ["/q/n-0000000003", "/q/n-0000000004"]
    );
}

#[test]
fn the_sequence_counter_wraps_like_everything_else() {
    let mut leader = Leader::new();
    leader.must(&create("/q", Persistent));
    let Txn::Create(mut far) = leader.prepare(&create("/q/far", Persistent)) else { panic!() };
    far.parent_cversion = i32::MAX;
    let mut blob = leader.log.pop().unwrap();
    blob.txn = Txn::Create(far);
    leader.tree.apply(&blob.header, &blob.txn);
    leader.prep.reset();
    for expected in ["/q/n2147483647", "/q/n-2147483648", "/q/n-2147483647"] {
        assert_eq!(created(&leader.prepare(&create("/q/n", PersistentSequential))), expected);
        leader.apply_all();
    }
}

#[test]
fn a_version_of_minus_one_is_stepped_over() {
    let mut leader = Leader::new();
    leader.must(&create("/a", Persistent));
    let mut blob = leader.prepare_as(ANNE, &[], &set_data("/a", "y", -1));
    if let Txn::SetData(set) = &mut blob.txn {
        set.version = -2;
    }
    leader.log.pop();
    leader.tree.apply(&blob.header, &blob.txn);
    leader.prep.reset();
    leader.must(&set_data("/a", "z", -2));
    assert_eq!(leader.tree.exists("/a", &[]).unwrap().version, 0);
}

#[test]
fn a_multi_is_all_or_nothing() {
    let mut leader = Leader::new();
    let before = leader.tree.digest();
    let blob = leader.prepare_as(
        ANNE,
        &[],
        &multi([
            part(create("/a", Ephemeral)),
            part(create("/a/b", Persistent)),
            part(create("/c", Persistent)),
        ]),
    );
    let Txn::Multi(parts) = &blob.txn else { panic!() };
    assert_eq!(blob.header.kind, 14);
    assert_eq!(created(&parts[0]), "/a", "what succeeded stays what it was");
    let codes: Vec<_> = parts.iter().map(refused).collect();
    assert_eq!(
        codes,
        [None, Some(ErrorCode::NoChildrenForEphemerals), Some(ErrorCode::RuntimeInconsistency)]
    );
    assert_eq!(blob.digest.unwrap().tree_digest.cast_unsigned(), before);
    assert_eq!(leader.prep.outstanding(), 0);
    // Nothing of it is left for what comes next, the session's ephemeral node included.
    assert_eq!(leader.refused(&set_data("/a", "y", -1)), Some(ErrorCode::NoNode));
    assert_eq!(leader.prepare(&Request::CloseSession), Txn::CloseSession(Some(vec![])));
    let outcome = leader.apply_next().outcome;
    let failed = |code| Outcome::Failed(code);
    assert_eq!(
        outcome,
        Outcome::Multi(vec![
            failed(ErrorCode::Ok),
            failed(ErrorCode::NoChildrenForEphemerals),
            failed(ErrorCode::RuntimeInconsistency)
        ])
    );
    assert_eq!(leader.tree.node_count(), 4);
}

#[test]
fn a_failed_multi_takes_back_only_its_own_changes() {
    let mut leader = Leader::new();
    leader.prepare(&create("/a", Ephemeral));
    leader.prepare(&set_data("/a", "y", 0));
    leader.prepare(&multi([part(delete("/a", 1)), part(create("/a", Persistent)), check("/a", 3)]));
    assert_eq!(leader.refused(&set_data("/a", "z", 0)), Some(ErrorCode::BadVersion));
    assert_eq!(leader.refused(&set_data("/a", "z", 1)), None);
    let closed = leader.prepare(&Request::CloseSession);
    assert_eq!(closed, Txn::CloseSession(Some(vec!["/a".to_owned()])));
    leader.apply_all();
}

#[test]
fn the_end_of_a_session_lists_the_nodes_it_will_have() {
    let mut leader = Leader::new();
    leader.must(&create("/applied", Ephemeral));
    leader.must(&create("/deleted", Ephemeral));
    leader.must(&create("/remade", Ephemeral));
    leader.prepare(&create("/prepared", Ephemeral));
    leader.prepare(&delete("/deleted", -1));
    leader.prepare(&delete("/remade", -1));
    leader.prepare_as(BOB, &[], &create("/remade", Ephemeral));
    let txn = leader.prepare(&Request::CloseSession);
    let paths = ["/applied", "/prepared"].map(str::to_owned).to_vec();
    assert_eq!(txn, Txn::CloseSession(Some(paths)));
    assert_eq!(leader.refused(&create("/late", Ephemeral)), Some(ErrorCode::SessionExpired));
    leader.apply_all();
    assert!(leader.tree.get_ephemerals(BOB, "/").eq(["/remade"]));
}

#[test]
fn the_node_of_an_operation_follows_the_operation() {
    let mut leader = Leader::with_options(EXTENDED);
    leader.must(&create_container("/container"));
    leader.must(&create_ttl("/ttl", PersistentWithTtl, 5000));
    leader.must(&create("/plain", Container));
    let owner = |path| {
        let stored = leader.tree.node(path).unwrap().stat_persisted().ephemeral_owner;
        NodeOwner::of(stored, true)
    };
    assert_eq!(owner("/container"), NodeOwner::Container);
    assert_eq!(owner("/ttl"), NodeOwner::Ttl(5000));
    assert_eq!(owner("/plain"), NodeOwner::None);
    assert_eq!(leader.refused(&create("/container/child", Persistent)), None);
}

#[test]
fn permissions_are_those_of_the_connection_and_skip_acl_overrides_them() {
    let anne = [Id::new("digest", "anne:hash")];
    let own = vec![Acl::new(perms::ALL, Id::new("auth", ""))];
    for skip_acl in [false, true] {
        let mut leader = Leader::with_options(Options { skip_acl, ..Options::default() });
        let txn = leader.prepare_as(ANNE, &anne, &create_with_acl("/a", own.clone())).txn;
        let Txn::Create2(create) = txn else { panic!() };
        assert_eq!(create.acl, [Acl::new(perms::ALL, anne[0].clone())]);
        let stranger = if skip_acl { None } else { Some(ErrorCode::NoAuth) };
        assert_eq!(leader.refused(&set_data("/a", "y", -1)), stranger);
        assert_eq!(refused(&leader.prepare_as(ANNE, &anne, &set_data("/a", "y", -1)).txn), None);
        let mallory = [Id::new("super", "")];
        assert_eq!(refused(&leader.prepare_as(BOB, &mallory, &delete("/a", -1)).txn), None);
    }
}

#[test]
fn a_session_is_tracked_as_soon_as_it_is_prepared() {
    let mut leader = Leader::new();
    let carol = 0x0300_0000_0000_0007;
    let begin = Request::CreateSession { timeout_ms: 4000 };
    leader.prepare_as(carol, &[], &begin);
    assert_eq!(refused(&leader.prepare_as(carol, &[], &create("/c", Ephemeral)).txn), None);
    leader.apply_all();
    assert_eq!(leader.tree.session_timeout_ms(carol), Some(4000));
    // It expires: the leader closes it in its own name.
    let expired = leader.sessions.expired(6000);
    assert_eq!(expired, [carol]);
    let txn = leader.prepare_as(carol, &[], &Request::CloseSession).txn;
    assert_eq!(txn, Txn::CloseSession(Some(vec!["/c".to_owned()])));
}

#[test]
fn nobody_gets_a_session_that_somebody_has() {
    let mut leader = Leader::new();
    let begin = |timeout_ms| Request::CreateSession { timeout_ms };
    let taken = Some(ErrorCode::BadArguments);
    let carol = 0x0300_0000_0000_0007;
    leader.prepare_as(carol, &[], &begin(4000));
    // Before it is applied, and after.
    assert_eq!(refused(&leader.prepare_as(carol, &[], &begin(40_000)).txn), taken);
    leader.apply_all();
    assert_eq!(refused(&leader.prepare_as(carol, &[], &begin(40_000)).txn), taken);
    leader.apply_all();
    assert_eq!(leader.tree.session_timeout_ms(carol), Some(4000), "it is what it was");
    assert_eq!(leader.sessions.next_expiry(), Some(6000), "and is not kept alive");
    // The tree knows it, though nobody tracks it.
    leader.sessions.remove(carol);
    assert_eq!(refused(&leader.prepare_as(carol, &[], &begin(40_000)).txn), taken);
    leader.apply_all();
    // It is being closed.
    leader.sessions.track(carol, 4000, 0);
    leader.prepare_as(carol, &[], &Request::CloseSession);
    assert_eq!(refused(&leader.prepare_as(carol, &[], &begin(40_000)).txn), taken);
    leader.apply_all();
    assert_eq!(leader.tree.session_timeout_ms(carol), None);
    assert_eq!(refused(&leader.prepare_as(0, &[], &begin(4000)).txn), taken, "0 is no session");
}

#[test]
fn the_configuration_is_read_by_everyone_and_written_by_no_client() {
    let mut leader = Leader::new();
    let text = Bytes::from_static(b"server.1=a:1:2:participant\nversion=0");
    let digest = leader.tree.digest();
    leader.tree.refresh_config(text.clone(), 0, 0);
    assert_eq!(leader.tree.digest(), digest, "it is no part of what servers compare");
    let (data, stat) = leader.tree.get_data("/zookeeper/config", &[]).expect("anyone may");
    assert_eq!((data, stat.version, stat.mzxid), (Some(text), -1, 0));
    for (request, error) in [
        (set_data("/zookeeper/config", "x", -1), ErrorCode::NoAuth),
        (set_acl("/zookeeper/config", Acl::open_unsafe(), -1), ErrorCode::NoAuth),
        (create("/zookeeper/config/x", Persistent), ErrorCode::NoAuth),
        (delete("/zookeeper/config", -1), ErrorCode::BadArguments),
    ] {
        assert_eq!(leader.refused(&request), Some(error), "{request:?}");
    }
}

#[test]
fn reconfiguration_is_not_offered_yet() {
    let request = Request::Reconfig(wire::client::ReconfigRequest {
        joining: None,
        leaving: None,
        new_members: None,
        cur_config_id: -1,
    });
    assert_eq!(Leader::new().refused(&request), Some(ErrorCode::ReconfigDisabled));
    let sync = Request::Sync(PathRequest { path: "/".to_owned() });
    assert_eq!(Leader::new().refused(&sync), Some(ErrorCode::Unimplemented));
}
