//! What clients see, and what those who reconnect are told.

use wire::client::CreateMode::{Ephemeral, Persistent};
use wire::client::{EventType, SetWatches2, WatcherType};
use wire::{Acl, ErrorCode, Id, perms};
use znode::{WatchTable, Watches};

use crate::harness::*;

#[test]
fn reads_are_refused_without_permission_and_without_a_node() {
    let mut leader = Leader::new();
    let anne = [Id::new("digest", "anne:hash")];
    let entries = vec![
        Acl::new(perms::READ, anne[0].clone()),
        Acl::new(perms::ADMIN, Id::new("digest", "bob:other")),
    ];
    leader.must(&create_with_acl("/a", entries.clone()));
    let tree = &leader.tree;
    let (no_node, no_auth) = (ErrorCode::NoNode, ErrorCode::NoAuth);
    for (path, expected) in [("/missing", no_node), ("/a", no_auth)] {
        assert_eq!(tree.exists(path, &[]), Err(expected));
        assert_eq!(tree.get_data(path, &[]), Err(expected));
        assert_eq!(tree.get_children(path, &[]).err(), Some(expected));
        assert_eq!(tree.get_acl(path, &[]), Err(expected));
        assert_eq!(tree.get_all_children_number(path, &[]), Err(expected));
    }
    assert_eq!(tree.exists("/a\0", &[]), Err(ErrorCode::BadArguments));
    assert!(tree.get_data("/a", &anne).is_ok());

    let (seen, _) = tree.get_acl("/a", &anne).unwrap();
    assert_eq!(seen[1].id.id, "bob:x", "hashes are for those with ADMIN");
    let bob = [Id::new("digest", "bob:other")];
    assert_eq!(tree.get_data("/a", &bob), Err(no_auth));
    assert_eq!(tree.get_acl("/a", &bob).unwrap().0, entries);
}

#[test]
fn children_come_by_name_and_in_order() {
    let mut leader = Leader::new();
    for path in ["/b", "/a", "/a/y", "/a/x", "/a/x/z"] {
        leader.must(&create(path, Persistent));
    }
    let names = |path| leader.tree.get_children(path, &[]).unwrap().0.collect::<Vec<_>>();
    assert_eq!(names("/"), ["a", "b", "zookeeper"]);
    assert_eq!(names("/a"), ["x", "y"]);
    assert_eq!(leader.tree.get_children("/a", &[]).unwrap().0.len(), 2);
    assert_eq!(leader.tree.get_all_children_number("/a", &[]), Ok(3));
    assert_eq!(leader.tree.get_all_children_number("/", &[]), Ok(8));
}

#[test]
fn ephemerals_are_found_by_plain_prefix() {
    let mut leader = Leader::new();
    for path in ["/ab", "/ac", "/b"] {
        leader.must(&create(path, Ephemeral));
    }
    for (prefix, count) in [("", 3), (" ", 3), ("/", 3), ("/a", 2), ("/ab", 1), ("/c", 0)] {
        assert_eq!(leader.tree.get_ephemerals(ANNE, prefix).count(), count, "{prefix:?}");
    }
    assert_eq!(leader.tree.get_ephemerals(BOB, "/").count(), 0);
}

/// The client has seen everything up to zxid 3, on another server.
#[test]
fn who_reconnects_is_told_what_was_missed_and_watches_the_rest() {
    let mut leader = Leader::new();
    for path in ["/old", "/changed", "/parent"] {
        leader.must(&create(path, Persistent));
    }
    leader.must(&set_data("/changed", "y", -1));
    leader.must(&create("/parent/child", Persistent));
    let paths = |paths: &[&str]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    let lists = SetWatches2 {
        relative_zxid: 3,
        data_watches: paths(&["/old", "/changed", "/parent", "/gone"]),
        exist_watches: paths(&["/old", "/not-yet"]),
        child_watches: paths(&["/old", "/parent", "/gone"]),
        persistent_watches: paths(&["/changed", "/gone"]),
        persistent_recursive_watches: paths(&["/parent"]),
    };
    let mut watches = Watches::new(znode::WatchLimits::NONE);
    let mut events = Vec::new();
    let missed = |kind, path: &str| events.push((kind, path.to_owned()));
    watches.set_watches(&leader.tree, 7, (&lists).into(), missed).expect("room");
    assert_eq!(
        events,
        [
            (EventType::NodeDataChanged, "/changed".to_owned()),
            (EventType::NodeDeleted, "/gone".to_owned()),
            (EventType::NodeCreated, "/old".to_owned()),
            (EventType::NodeChildrenChanged, "/parent".to_owned()),
            (EventType::NodeDeleted, "/gone".to_owned()),
        ]
    );
    let set = |path, watcher| watches.contains(7, path, watcher);
    for (path, watcher) in [
        ("/old", WatcherType::Data),
        ("/parent", WatcherType::Data),
        ("/not-yet", WatcherType::Data),
        ("/old", WatcherType::Children),
        ("/changed", WatcherType::Persistent),
        ("/gone", WatcherType::Persistent),
        ("/parent", WatcherType::PersistentRecursive),
    ] {
        assert!(set(path, watcher), "{path} {watcher:?}");
    }
    assert_eq!(watches.counts(WatchTable::Data).watches, 5);
    assert_eq!(watches.counts(WatchTable::Child).watches, 3);
    assert!(!set("/changed", WatcherType::Data) && !set("/parent", WatcherType::Children));
}
