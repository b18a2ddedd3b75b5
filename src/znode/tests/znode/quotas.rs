//! Quotas: what is counted, and what is refused.

use bytes::Bytes;
use quickcheck::quickcheck;
use wire::ErrorCode;
use wire::client::CreateMode::{Ephemeral, Persistent};
use wire::client::Request;
use wire::txn::Txn;
use znode::{Options, Outcome};

use crate::harness::*;
use crate::laws::Step;

const ENFORCED: Options = Options {
    extended_types: true,
    skip_acl: false,
    acl_schemes: znode::AclSchemes { digest: true, sasl: false, x509: false },
    enforce_quota: true,
};

/// A quota as ZooKeeper's command line makes one.
fn set_quota(leader: &mut Leader, subtree: &str, limits: &'static str) {
    let mut path = "/zookeeper/quota".to_owned();
    for name in subtree.split('/').skip(1) {
        path = format!("{path}/{name}");
        leader.run(&create(&path, Persistent));
    }
    let of_quota = |name: &str| format!("{path}/zookeeper_{name}");
    leader.must(&create(&of_quota("limits"), Persistent));
    leader.must(&set_data(&of_quota("limits"), limits, -1));
    leader.must(&create(&of_quota("stats"), Persistent));
}

fn stats(leader: &Leader, subtree: &str) -> String {
    let path = format!("/zookeeper/quota{subtree}/zookeeper_stats");
    let (data, _) = leader.tree.get_data(&path, &[]).expect("it is there");
    String::from_utf8(data.unwrap_or_default().to_vec()).expect("text")
}

#[test]
fn the_nodes_and_the_bytes_of_a_subtree_are_counted() {
    let mut leader = Leader::new();
    leader.must(&create("/a", Persistent));
    leader.must(&create("/a/old", Persistent));
    set_quota(&mut leader, "/a", "count=1,bytes=1");
    assert_eq!(stats(&leader, "/a"), "count=2,bytes=2", "what was there before");
    let stat = leader.tree.exists("/zookeeper/quota/a/zookeeper_stats", &[]).expect("there");
    leader.must(&create("/a/b", Ephemeral));
    leader.must(&create("/ab", Persistent));
    leader.must(&set_data("/a/old", "four", -1));
    assert_eq!(stats(&leader, "/a"), "count=3,bytes=6", "and a soft limit refuses nothing");
    leader.must(&Request::CloseSession);
    assert_eq!(stats(&leader, "/a"), "count=2,bytes=5");
    leader.must_as_bob(&multi([part(create("/a/c", Persistent)), part(delete("/a/old", -1))]));
    assert_eq!(stats(&leader, "/a"), "count=2,bytes=2");
    let after = leader.tree.exists("/zookeeper/quota/a/zookeeper_stats", &[]).expect("there");
    assert_eq!((after.version, after.mzxid), (stat.version, stat.mzxid), "no transaction did it");
}

#[test]
fn quotas_are_found_however_deep_they_and_the_paths_are() {
    let mut leader = Leader::new();
    let mut path = String::new();
    for depth in 0..200 {
        path = format!("{path}/{}", ["a", "a-b", "a.b"][depth % 3]);
        leader.must(&create(&path, Persistent));
    }
    let at =
        |depth: usize| path.match_indices('/').nth(depth).map_or(&*path, |(at, _)| &path[..at]);
    for depth in [1, 2, 7, 150] {
        set_quota(&mut leader, at(depth), "count=1000");
    }
    leader.must(&create(&format!("{path}/more"), Persistent));
    leader.must(&create(&format!("{}-not-in-it", at(7)), Persistent));
    for (depth, nodes) in [(1, 202), (2, 201), (7, 195), (150, 52)] {
        let expected = format!("count={nodes},");
        let is = stats(&leader, at(depth));
        assert!(is.starts_with(&expected), "{depth}: {is}");
    }
}

#[test]
fn quotas_within_quotas_have_an_end() {
    let mut leader = Leader::new();
    let mut path = String::new();
    for depth in 0..20 {
        path = format!("{path}/n");
        leader.must(&create(&path, Persistent));
        let quota = format!("/zookeeper/quota{path}");
        leader.must(&create(&quota, Persistent));
        let limits = create(&format!("{quota}/zookeeper_limits"), Persistent);
        let refused = leader.refused(&limits);
        assert_eq!(refused, (depth >= 16).then_some(ErrorCode::BadArguments), "{depth}");
        leader.apply_all();
    }
    // Nor may one be put around, or into the middle of, as many.
    leader.must(&delete("/zookeeper/quota/n/n/n/zookeeper_limits", -1));
    let into = create("/zookeeper/quota/n/n/n/zookeeper_limits", Persistent);
    leader.must(&into);
    let many = multi((17..20).map(|depth| {
        let subtree = "/n".repeat(depth);
        part(create(&format!("/zookeeper/quota{subtree}/zookeeper_limits"), Persistent))
    }));
    leader.must(&many);
    assert!(leader.tree.exists("/zookeeper/quota/n/n/n/zookeeper_limits", &[]).is_ok());
    let inner = format!("/zookeeper/quota{}/zookeeper_limits", "/n".repeat(17));
    assert!(leader.tree.exists(&inner, &[]).is_err());
}

#[test]
fn making_and_removing_quotas_does_not_count_a_large_tree_again_and_again() {
    let mut leader = Leader::new();
    leader.must(&create("/a", Persistent));
    for child in 0..20_000 {
        leader.must(&create(&format!("/a/{child}"), Persistent));
    }
    set_quota(&mut leader, "/a", "count=1");
    let limits = "/zookeeper/quota/a/zookeeper_limits";
    let mut made = 0;
    for _ in 0..1000 {
        leader.must(&delete(limits, -1));
        match leader.refused(&create(limits, Persistent)) {
            None => made += 1,
            Some(refused) => {
                assert_eq!(refused, ErrorCode::ThrottledOp);
                break;
            }
        }
        leader.apply_all();
    }
    assert!((50..200).contains(&made), "{made}");
}

#[test]
fn what_a_client_writes_into_the_statistics_does_not_stay() {
    let mut leader = Leader::new();
    leader.must(&create("/a", Persistent));
    set_quota(&mut leader, "/a", "count=9");
    leader.must(&set_data("/zookeeper/quota/a/zookeeper_stats", "count=0,bytes=0", -1));
    assert_eq!(stats(&leader, "/a"), "count=1,bytes=1");
    leader.must(&delete("/zookeeper/quota/a/zookeeper_limits", -1));
    leader.must(&create("/a/b", Persistent));
    assert_eq!(stats(&leader, "/a"), "count=1,bytes=1", "without limits nothing is counted");
}

#[test]
fn a_hard_limit_holds_where_it_is_enforced() {
    let exceeds = Some(ErrorCode::QuotaExceeded);
    for (options, refusal) in [(ENFORCED, exceeds), (Options::default(), None)] {
        let mut leader = Leader::with_options(options);
        leader.must(&create("/a", Persistent));
        set_quota(&mut leader, "/a", "count=1,bytes=1=;byteHardLimit=6;countHardLimit=3");
        // None of them is applied when the next one is judged.
        assert_eq!(leader.refused(&create("/a/b", Persistent)), None);
        assert_eq!(leader.refused(&create("/a/c", Persistent)), None);
        assert_eq!(leader.refused(&create("/a/d", Persistent)), refusal);
        assert_eq!(leader.refused(&set_data("/a/b", "four", -1)), None);
        assert_eq!(leader.refused(&set_data("/a/c", "four", -1)), refusal);
        assert_eq!(leader.prep.take_exceeded().is_some(), refusal.is_some());
        assert_eq!(leader.refused(&create("/b", Persistent)), None);
        leader.apply_all();
        let room = [delete("/a/c", -1), create("/a/e", Persistent)];
        for request in &room {
            assert!(!matches!(leader.run(request), Outcome::Failed(_)), "{request:?}");
        }
        let too_many = multi([part(delete("/a/b", -1)), part(create("/a/f", Persistent))]);
        let Txn::Multi(parts) = leader.prepare(&too_many) else { panic!() };
        assert_eq!(refused(&parts[1]), refusal, "what goes counts once it is gone");
        leader.apply_all();
    }
}

#[test]
fn what_a_refused_multi_would_have_taken_is_free() {
    let mut leader = Leader::with_options(ENFORCED);
    leader.must(&create("/a", Persistent));
    set_quota(&mut leader, "/a", "countHardLimit=2");
    let fails = multi([part(create("/a/b", Persistent)), part(create("/a", Persistent))]);
    let Txn::Multi(parts) = leader.prepare(&fails) else { panic!() };
    assert_eq!(refused(&parts[1]), Some(ErrorCode::NodeExists));
    assert_eq!(leader.refused(&create("/a/c", Persistent)), None);
    assert_eq!(leader.refused(&create("/a/d", Persistent)), Some(ErrorCode::QuotaExceeded));
}

#[test]
fn the_whole_tree_and_the_quotas_themselves_have_none() {
    let mut leader = Leader::with_options(ENFORCED);
    leader.must(&create("/zookeeper/quota/zookeeper", Persistent));
    for path in ["/zookeeper/quota", "/zookeeper/quota/zookeeper"] {
        let limits = create(&format!("{path}/zookeeper_limits"), Persistent);
        assert_eq!(leader.refused(&limits), Some(ErrorCode::BadArguments), "{path}");
    }
}

#[test]
fn limits_that_cannot_be_read_are_not_guessed() {
    let mut leader = Leader::with_options(ENFORCED);
    leader.must(&create("/a", Persistent));
    set_quota(&mut leader, "/a", "many");
    let wrong = Some(ErrorCode::MarshallingError);
    assert_eq!(leader.refused(&create("/a/b", Persistent)), wrong);
}

quickcheck! {
    /// Whatever happens, a server that reads its snapshot counts as one that goes on.
    fn a_tree_that_is_read_again_counts_the_same(steps: Vec<Step>) -> bool {
        let mut leader = Leader::with_options(ENFORCED);
        for subtree in ["/a", "/a/b"] {
            set_quota(&mut leader, subtree, "count=2,bytes=99=;countHardLimit=3");
        }
        for step in steps {
            leader.prepare_as(step.session, &[], &step.request);
            for _ in 0..step.apply.min(leader.log.len() - leader.applied) {
                leader.apply_next();
            }
        }
        leader.apply_all();
        let read = load(&leader.tree.snapshot(), ENFORCED);
        let shown = |subtree: &str| Bytes::from(stats(&leader, subtree));
        let counted = |subtree: &str| {
            let path = format!("/zookeeper/quota{subtree}/zookeeper_stats");
            read.get_data(&path, &[]).expect("it is there").0.unwrap_or_default()
        };
        ["/a", "/a/b"].iter().all(|subtree| shown(subtree) == counted(subtree))
            && image(&read) == image(&leader.tree)
    }
}
