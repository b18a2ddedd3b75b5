//! Containers and TTL nodes: which are deleted, when, and how fast.

use wire::ErrorCode;
use wire::client::CreateMode::{Persistent, PersistentWithTtl};
use wire::txn::{DeleteTxn, Txn};
use znode::{AclSchemes, NeverUsed, Options, ReapLimits, Reaper, Tree};

use crate::harness::*;

const EXTENDED: Options = Options {
    extended_types: true,
    skip_acl: false,
    acl_schemes: AclSchemes { digest: true, sasl: false, x509: false },
    enforce_quota: false,
};

fn due(tree: &Tree, time_ms: i64, never_used: NeverUsed) -> Vec<String> {
    let scan = tree.reapable(None, (usize::MAX, usize::MAX), never_used, time_ms);
    assert_eq!(scan.last, None, "all of them were looked at");
    scan.due.iter().map(ToString::to_string).collect()
}

#[test]
fn a_container_is_due_without_its_children_and_a_ttl_node_when_its_time_is_over() {
    let mut leader = Leader::with_options(EXTENDED);
    leader.must(&create_container("/used"));
    leader.must(&create("/used/child", Persistent));
    leader.must(&create_container("/unused"));
    leader.must(&create_ttl("/ttl", PersistentWithTtl, 5000));
    assert!(due(&leader.tree, 4000, NeverUsed::Stays).is_empty());
    leader.must(&delete("/used/child", -1));
    assert_eq!(due(&leader.tree, 9000, NeverUsed::Stays), ["/used"]);
    assert_eq!(due(&leader.tree, 9001, NeverUsed::Stays), ["/ttl", "/used"]);
    let after_5_s = NeverUsed::GoesAfter(5000);
    assert_eq!(due(&leader.tree, 8000, after_5_s), ["/used"], "/unused is 5000 ms old");
    assert_eq!(due(&leader.tree, 9001, after_5_s), ["/ttl", "/unused", "/used"]);
    // A clock that is set back.
    assert_eq!(due(&leader.tree, 0, after_5_s), ["/used"]);
    assert_eq!(leader.tree.reapable_count(), 3);
}

#[test]
fn setting_its_data_begins_the_time_of_a_ttl_node_anew_and_a_child_stops_it() {
    let mut leader = Leader::with_options(EXTENDED);
    leader.must(&create_ttl("/ttl", PersistentWithTtl, 5000));
    leader.must(&set_data("/ttl", "y", -1));
    assert!(due(&leader.tree, 7000, NeverUsed::Stays).is_empty());
    assert_eq!(due(&leader.tree, 7001, NeverUsed::Stays), ["/ttl"]);
    leader.must(&create("/ttl/child", Persistent));
    assert!(due(&leader.tree, i64::MAX, NeverUsed::Stays).is_empty());
    leader.must(&delete("/ttl/child", -1));
    assert_eq!(due(&leader.tree, 7001, NeverUsed::Stays), ["/ttl"]);
}

#[test]
fn without_extended_types_there_is_no_time_to_live() {
    let mut leader = Leader::new();
    let ttl = create_ttl("/ttl", PersistentWithTtl, 5000);
    assert_eq!(leader.refused(&ttl), Some(ErrorCode::Unimplemented));
    let Txn::Multi(parts) = leader.prepare(&multi([part(create("/a", Persistent)), part(ttl)]))
    else {
        panic!("a multi");
    };
    assert_eq!(refused(&parts[1]), Some(ErrorCode::Unimplemented));
    leader.apply_all();
    assert!(leader.tree.node("/a").is_none(), "all or nothing");
    // A tree that has such nodes, from a server where they were enabled, keeps them.
    let mut other = Leader::with_options(EXTENDED);
    other.must(&create_ttl("/ttl", PersistentWithTtl, 1));
    let loaded = load(&other.tree.snapshot(), Options::default());
    assert!(due(&loaded, i64::MAX, NeverUsed::Stays).is_empty());
    let loaded = load(&other.tree.snapshot(), EXTENDED);
    assert_eq!(due(&loaded, i64::MAX, NeverUsed::Stays), ["/ttl"], "the index is of the snapshot");
}

#[test]
fn what_was_due_is_judged_again_by_what_is_prepared_meanwhile() {
    let mut leader = Leader::with_options(EXTENDED);
    for path in ["/child", "/gone", "/set", "/remade"] {
        leader.must(&create_ttl(path, PersistentWithTtl, 5000));
    }
    let time_ms = 100_000;
    assert_eq!(due(&leader.tree, time_ms, NeverUsed::Stays).len(), 4);
    // Nothing of this is applied.
    leader.prepare_at(99_000, &create("/child/late", Persistent));
    leader.prepare_at(99_000, &delete("/gone", -1));
    leader.prepare_at(99_000, &set_data("/set", "y", -1));
    leader.prepare_at(99_000, &delete("/remade", -1));
    leader.prepare_at(99_000, &create("/remade", Persistent));
    for path in ["/child", "/gone", "/set", "/remade", "/never", "/", "/zookeeper"] {
        assert_eq!(leader.reap(path, time_ms), None, "{path}");
    }
    leader.prepare_at(99_000, &delete("/child/late", -1));
    let reaped = leader.reap("/child", time_ms).expect("it has no child any more");
    assert_eq!(reaped.txn, Txn::DeleteContainer(DeleteTxn { path: "/child".to_owned() }));
    assert_eq!((reaped.header.client_id, reaped.header.cxid), (0, 0));
    assert_eq!(leader.reap("/child", time_ms), None, "it is deleted once");
    assert_eq!(leader.refused(&create("/child/later", Persistent)), Some(ErrorCode::NoNode));
    leader.apply_all();
    assert!(leader.tree.node("/child").is_none() && leader.tree.node("/remade").is_some());
    assert_eq!(leader.tree.reapable_count(), 1, "/set");
}

#[test]
fn no_client_and_no_server_may_ask_for_it() {
    let mut leader = Leader::new();
    leader.must(&create_container("/used"));
    leader.must(&create("/used/child", Persistent));
    leader.must(&delete("/used/child", -1));
    for session in [ANNE, 0] {
        let txn = leader.prepare_as(session, &[], &delete_container("/used")).txn;
        assert_eq!(refused(&txn), Some(ErrorCode::Unimplemented));
    }
}

/// A tree with so many containers that were used, and one TTL node that is never due.
fn with_containers(count: usize) -> Tree {
    let mut leader = Leader::with_options(EXTENDED);
    leader.must(&create_ttl("/a", PersistentWithTtl, 1 << 39));
    for number in 0..count {
        let path = format!("/c{number:05}");
        leader.must(&create_container(&path));
        leader.must(&create(&format!("{path}/child"), Persistent));
        leader.must(&delete(&format!("{path}/child"), -1));
    }
    leader.tree
}

#[test]
fn a_pass_takes_every_node_once_at_the_rate_that_is_allowed() {
    let tree = with_containers(3000);
    let limits = ReapLimits { interval_ms: 1000, per_minute: 6000, never_used: NeverUsed::Stays };
    let mut reaper = Reaper::new(limits, 7);
    assert_eq!(reaper.due_ms(), 1007);
    assert!(reaper.step(&tree, 1006, 0).is_empty(), "it is not yet time");
    let (mut now, mut taken) = (1007, Vec::new());
    // The tree stays as it is: within a pass nothing is tried twice all the same.
    while taken.len() < 3000 {
        taken.extend(reaper.step(&tree, now, 0));
        let elapsed = now - 1007;
        assert!(taken.len() as u64 <= 10 + elapsed / 10, "{} after {elapsed} ms", taken.len());
        assert!(reaper.due_ms() > now);
        now = reaper.due_ms();
    }
    assert!(taken.is_sorted_by(|a, b| a < b), "in order, each once");
    assert_eq!(now, 1007 + 30_000, "a step for ten nodes takes a tenth of a second");
    // The pass took longer than the interval: the next one begins at once, at its beginning.
    let first: Vec<_> = reaper.step(&tree, now, 0);
    assert_eq!(&*first[0], "/c00000");
}

#[test]
fn many_nodes_that_are_not_due_are_passed_in_short_steps_and_the_next_pass_keeps_the_interval() {
    let mut leader = Leader::new();
    for number in 0..2500 {
        leader.must(&create_container(&format!("/c{number:05}")));
    }
    let limits =
        ReapLimits { interval_ms: 60_000, per_minute: 10_000, never_used: NeverUsed::Stays };
    let mut reaper = Reaper::new(limits, 0);
    let mut steps = Vec::new();
    for _ in 0..4 {
        let now = reaper.due_ms();
        assert!(reaper.step(&leader.tree, now, 0).is_empty());
        steps.push(now);
    }
    assert_eq!(steps, [60_000, 60_005, 60_010, 120_000]);
}

#[test]
fn a_rate_below_one_in_a_step_spreads_the_steps() {
    let tree = with_containers(2);
    let limits = ReapLimits { interval_ms: 1, per_minute: 1, never_used: NeverUsed::Stays };
    let mut reaper = Reaper::new(limits, 0);
    assert_eq!(reaper.step(&tree, 1, 0).len(), 1);
    assert_eq!(reaper.due_ms(), 60_001);
    assert_eq!(reaper.step(&tree, 60_001, 0).len(), 1);
    assert_eq!(reaper.due_ms(), 120_001);
}
