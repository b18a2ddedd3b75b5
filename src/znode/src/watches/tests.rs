use quickcheck::quickcheck;

use super::*;

const ANNE: u64 = 1;
const BOB: u64 = 2;

fn change(kind: ChangeKind, path: &str) -> Change {
    Change { kind, path: path.into(), acl: AclList::OPEN, parent_acl: AclList::OPEN }
}

/// What each connection is told of a change, in order.
fn told(watches: &mut Watches, kind: ChangeKind, path: &str) -> Vec<(u64, EventType, String)> {
    let notifications = watches.trigger(&change(kind, path));
    notifications
        .into_iter()
        .map(|told| (told.connection, told.event.kind, told.event.path.to_string()))
        .collect()
}

fn event(connection: u64, kind: EventType, path: &str) -> (u64, EventType, String) {
    (connection, kind, path.to_owned())
}

use ChangeKind::{Created, DataChanged, Deleted};
use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};

/// The table of one-shot watches: which change of `/p` or of its child `/p/c` fires which watch on
/// `/p`.
#[test]
fn which_one_shot_watch_reacts_to_what() {
    let changes = [
        (Created, "/p"),
        (DataChanged, "/p"),
        (Deleted, "/p"),
        (Created, "/p/c"),
        (Deleted, "/p/c"),
    ];
    for (table, reactions) in [
        (
            WatchTable::Data,
            [Some(NodeCreated), Some(NodeDataChanged), Some(NodeDeleted), None, None],
        ),
        (
            WatchTable::Child,
            [None, None, Some(NodeDeleted), Some(NodeChildrenChanged), Some(NodeChildrenChanged)],
        ),
    ] {
        for ((kind, path), reaction) in changes.into_iter().zip(reactions) {
            let mut watches = Watches::new(WatchLimits::NONE);
            watches.add(table, ANNE, "/p", WatchMode::Standard).expect("room");
            let expected: Vec<_> =
                reaction.map(|kind| event(ANNE, kind, "/p")).into_iter().collect();
            assert_eq!(
                told(&mut watches, kind, path),
                expected,
                "{table:?} watch, {kind:?} {path}"
            );
            assert_eq!(watches.is_empty(), reaction.is_some(), "what fires is used up");
        }
    }
}

#[test]
fn a_connection_hears_of_a_deletion_once_though_it_watches_data_and_children() {
    let mut watches = Watches::new(WatchLimits::NONE);
    watches.add(WatchTable::Data, ANNE, "/p", WatchMode::Standard).expect("room");
    watches.add(WatchTable::Child, ANNE, "/p", WatchMode::Standard).expect("room");
    watches.add(WatchTable::Child, BOB, "/p", WatchMode::Standard).expect("room");
    watches.add(WatchTable::Child, BOB, "/", WatchMode::Standard).expect("room");
    assert_eq!(
        told(&mut watches, Deleted, "/p"),
        [
            event(ANNE, NodeDeleted, "/p"),
            event(BOB, NodeDeleted, "/p"),
            event(BOB, NodeChildrenChanged, "/")
        ]
    );
    assert!(watches.is_empty(), "the watch that was not told of is used up too");
}

#[test]
fn a_persistent_watch_stays_and_a_standard_one_beside_it_does_not() {
    let mut watches = Watches::new(WatchLimits::NONE);
    watches.add(WatchTable::Data, ANNE, "/p", WatchMode::Standard).expect("room");
    watches.add_persistent(ANNE, "/p", false).expect("room");
    assert!(watches.contains(ANNE, "/p", WatcherType::Data));
    assert_eq!(told(&mut watches, DataChanged, "/p"), [event(ANNE, NodeDataChanged, "/p")]);
    assert!(!watches.contains(ANNE, "/p", WatcherType::Data));
    assert_eq!(told(&mut watches, Created, "/p/c"), [event(ANNE, NodeChildrenChanged, "/p")]);
    assert_eq!(told(&mut watches, Deleted, "/p"), [event(ANNE, NodeDeleted, "/p")]);
    assert_eq!(watches.len(), 2, "one in each table");
}

#[test]
fn a_recursive_watch_sees_all_below_it_and_never_changed_children() {
    let mut watches = Watches::new(WatchLimits::NONE);
    watches.add_persistent(ANNE, "/", true).expect("room");
    watches.add_persistent(ANNE, "/a", true).expect("room");
    watches.add_persistent(BOB, "/a/b", true).expect("room");
    assert_eq!(
        told(&mut watches, Created, "/a/b/c"),
        [event(ANNE, NodeCreated, "/a/b/c"), event(BOB, NodeCreated, "/a/b/c")]
    );
    assert_eq!(told(&mut watches, DataChanged, "/ab"), [event(ANNE, NodeDataChanged, "/ab")]);
    assert_eq!(told(&mut watches, Deleted, "/a"), [event(ANNE, NodeDeleted, "/a")]);
    assert!(watches.remove(ANNE, "/", WatcherType::PersistentRecursive));
    assert!(watches.remove(ANNE, "/a", WatcherType::Any));
    assert_eq!(told(&mut watches, DataChanged, "/a"), []);
}

#[test]
fn removing_names_what_was_there() {
    let mut watches = Watches::new(WatchLimits::NONE);
    watches.add(WatchTable::Child, ANNE, "/p", WatchMode::Standard).expect("room");
    assert!(!watches.remove(ANNE, "/p", WatcherType::Data));
    assert!(!watches.remove(BOB, "/p", WatcherType::Any));
    assert!(watches.remove(ANNE, "/p", WatcherType::Children));
    assert!(!watches.remove(ANNE, "/p", WatcherType::Children));
}

#[test]
fn watches_die_with_their_connection() {
    let mut watches = Watches::new(WatchLimits::NONE);
    watches.add(WatchTable::Data, ANNE, "/p", WatchMode::Standard).expect("room");
    watches.add(WatchTable::Data, BOB, "/p", WatchMode::Standard).expect("room");
    watches.add_persistent(ANNE, "/q", true).expect("room");
    watches.add(WatchTable::Child, ANNE, "/p", WatchMode::Standard).expect("room");
    assert_eq!(
        watches.counts(WatchTable::Data),
        WatchCounts { connections: 2, paths: 2, watches: 3 }
    );
    watches.remove_connection(ANNE);
    assert_eq!(
        watches.counts(WatchTable::Data),
        WatchCounts { connections: 1, paths: 1, watches: 1 }
    );
    assert_eq!(watches.counts(WatchTable::Child), WatchCounts::default());
    let all = usize::MAX;
    assert_eq!(watches.by_connection(WatchTable::Data, all), [(BOB, ["/p".into()].into())].into());
    assert_eq!(watches.by_path(WatchTable::Data, all), [("/p".into(), [BOB].into())].into());
    watches.add(WatchTable::Data, BOB, "/q", WatchMode::Standard).expect("room");
    assert_eq!(watches.by_path(WatchTable::Data, 1).len(), 1, "as many as may be shown");
    assert_eq!(watches.by_connection(WatchTable::Data, 1)[&BOB].len(), 1);
}

/// The definition, without indexes: a list of registrations.
#[derive(Default)]
struct Naive(Vec<(WatchTable, u64, String, WatchMode)>);

impl Naive {
    fn fire(
        &mut self,
        table: WatchTable,
        kind: EventType,
        path: &str,
    ) -> Vec<(u64, EventType, String)> {
        let mut connections: Vec<u64> = self
            .0
            .iter()
            .filter(|(of, _, watched, mode)| {
                let below = watched == "/"
                    || path.strip_prefix(&**watched).is_some_and(|rest| rest.starts_with('/'));
                *of == table
                    && (watched == path || below && *mode == WatchMode::PersistentRecursive)
            })
            .map(|(_, connection, _, _)| *connection)
            .collect();
        connections.sort_unstable();
        connections.dedup();
        self.0.retain(|(of, _, watched, mode)| {
            *of != table || watched != path || *mode != WatchMode::Standard
        });
        connections.into_iter().map(|connection| event(connection, kind, path)).collect()
    }

    fn trigger(&mut self, kind: ChangeKind, path: &str) -> Vec<(u64, EventType, String)> {
        let mut told = match kind {
            DataChanged => return self.fire(WatchTable::Data, NodeDataChanged, path),
            Created => self.fire(WatchTable::Data, NodeCreated, path),
            Deleted => {
                let mut told = self.fire(WatchTable::Data, NodeDeleted, path);
                let mut more = self.fire(WatchTable::Child, NodeDeleted, path);
                more.retain(|new| !told.contains(new));
                told.append(&mut more);
                told
            }
        };
        told.append(&mut self.fire(
            WatchTable::Child,
            NodeChildrenChanged,
            path::parent(path).unwrap(),
        ));
        told
    }

    fn pairs(&self) -> BTreeSet<(bool, u64, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(table, id, path, _)| (*table == WatchTable::Data, *id, &**path)).collect()
    }

    fn len(&self) -> usize {
        self.pairs().len()
    }

    fn bytes(&self) -> usize {
        self.pairs().into_iter().map(|(_, _, path)| watch_bytes(path)).sum()
    }
}

quickcheck! {
    fn the_tables_do_what_a_list_of_registrations_would(steps: Vec<(u8, u8, u8)>) -> bool {
        let paths = ["/a", "/a/b", "/a/b/c", "/ab", "/d"];
        let (mut watches, mut naive) = (Watches::new(WatchLimits::NONE), Naive::default());
        steps.into_iter().all(|(what, connection, path)| {
            let (connection, path) = (u64::from(connection % 3), paths[usize::from(path) % paths.len()]);
            let mut add = |table, mode| {
                watches.add(table, connection, path, mode).expect("room");
                naive.0.push((table, connection, path.to_owned(), mode));
            };
            let agree = match what % 8 {
                0 => { add(WatchTable::Data, WatchMode::Standard); true }
                1 => { add(WatchTable::Child, WatchMode::Standard); true }
                2 => { add(WatchTable::Data, WatchMode::PersistentRecursive); true }
                3 => { add(WatchTable::Child, WatchMode::Persistent); true }
                4 => {
                    watches.remove_connection(connection);
                    naive.0.retain(|(_, of, _, _)| *of != connection);
                    true
                }
                5 => told(&mut watches, Created, path) == naive.trigger(Created, path),
                6 => told(&mut watches, Deleted, path) == naive.trigger(Deleted, path),
                _ => told(&mut watches, DataChanged, path) == naive.trigger(DataChanged, path),
            };
            let bytes: usize = (0..3).map(|connection| watches.bytes(connection)).sum();
            let all = watches.data.bytes + watches.child.bytes;
            agree
                && watches.len() == naive.len()
                && bytes == naive.bytes()
                && all == bytes
        })
    }
}

/// However deep a node is, who watches above it is told.
#[test]
fn a_deep_node_tells_a_recursive_watch_far_above_it() {
    let deep = "/a".repeat(4000);
    let changed = change(DataChanged, &deep);
    let mut watches = Watches::new(WatchLimits::NONE);
    watches.add_persistent(BOB, &deep, false).expect("room");
    assert_eq!(watches.trigger(&changed).len(), 1);
    watches.add_persistent(ANNE, "/a/a", true).expect("room");
    assert_eq!(watches.trigger(&changed).len(), 2);
    // It ends with its connection.
    watches.remove_connection(ANNE);
    assert_eq!(watches.trigger(&changed).len(), 1);
    watches.add_persistent(ANNE, "/a", true).expect("room");
    assert!(watches.remove(ANNE, "/a", WatcherType::PersistentRecursive));
    assert_eq!(watches.trigger(&changed).len(), 1);
}

/// Room for two watches of paths like `/p`, and no more.
fn narrow() -> Watches {
    Watches::new(WatchLimits { of_connection: 2 * watch_bytes("/p"), ..WatchLimits::NONE })
}

#[test]
fn a_connection_has_no_more_watches_than_it_may_and_others_have_theirs() {
    let mut watches = narrow();
    watches.add(WatchTable::Data, ANNE, "/p", WatchMode::Standard).expect("room");
    watches.add_persistent(ANNE, "/p", false).expect("the data table has it already");
    let refused = watches.add(WatchTable::Data, ANNE, "/q", WatchMode::Standard);
    let (max, wants) = (2 * watch_bytes("/p"), watch_bytes("/q"));
    assert_eq!(refused, Err(TooManyWatches { of: Watchers::Connection, max, has: max, wants }));
    assert!(watches.add_persistent(ANNE, "/q", true).is_err());
    assert_eq!(watches.len(), 2, "what is refused is not set");
    watches.add(WatchTable::Child, ANNE, "/p", WatchMode::Standard).expect("it is there already");
    watches.add_persistent(BOB, "/q", false).expect("room of its own");

    // What is used up, or removed, makes room.
    assert!(watches.remove(ANNE, "/p", WatcherType::Any));
    watches.add(WatchTable::Data, ANNE, "/q", WatchMode::Standard).expect("room");
    assert!(watches.add_persistent(ANNE, "/r", false).is_err(), "half of it would fit");
    told(&mut watches, Created, "/q");
    watches.add_persistent(ANNE, "/r", false).expect("room");
    watches.remove_connection(ANNE);
    watches.add_persistent(ANNE, "/s", false).expect("room");
}

#[test]
fn all_connections_together_have_no_more_watches_than_there_is_room_for() {
    let of_all = 3 * watch_bytes("/p");
    let mut watches = Watches::new(WatchLimits { of_all, ..WatchLimits::NONE });
    watches.add_persistent(ANNE, "/p", false).expect("room for two");
    watches.add(WatchTable::Data, BOB, "/p", WatchMode::Standard).expect("room for one");
    let refused = watches.add(WatchTable::Data, BOB, "/q", WatchMode::Standard);
    let wants = watch_bytes("/q");
    let error = TooManyWatches { of: Watchers::All, max: of_all, has: of_all, wants };
    assert_eq!(refused, Err(error));
    assert!(error.to_string().starts_with("the watches of all connections together"), "{error}");
    watches.add(WatchTable::Data, BOB, "/p", WatchMode::Standard).expect("it is there already");
    // Whatever goes makes room: an event, a removal, a connection that ends.
    told(&mut watches, DataChanged, "/p");
    watches.add(WatchTable::Data, BOB, "/q", WatchMode::Standard).expect("Bob's was used up");
    assert!(watches.remove(BOB, "/q", WatcherType::Any));
    watches.add(WatchTable::Child, BOB, "/q", WatchMode::Standard).expect("room");
    watches.remove_connection(ANNE);
    watches.add_persistent(BOB, "/r", false).expect("Anne's");
    watches.remove_connection(BOB);
    assert_eq!(watches.data.bytes + watches.child.bytes, 0);
}

#[test]
fn of_lists_that_are_too_long_nothing_is_set_and_nothing_told() {
    let tree = Tree::new(crate::Options::default());
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let empty = SetWatches2::default;
    for lists in [
        SetWatches2 { data_watches: names(&["/p", "/q", "/r"]), ..empty() },
        SetWatches2 { exist_watches: names(&["/p", "/q", "/r"]), ..empty() },
        SetWatches2 { child_watches: names(&["/p", "/q", "/r"]), ..empty() },
        SetWatches2 { persistent_watches: names(&["/p", "/q"]), ..empty() },
        SetWatches2 { persistent_recursive_watches: names(&["/p", "/q", "/r"]), ..empty() },
    ] {
        let mut watches = narrow();
        let missed = |kind, path: &str| panic!("{kind:?} {path}");
        let refused = watches.set_watches(&tree, ANNE, (&lists).into(), missed);
        assert!(refused.is_err(), "{lists:?}");
        assert!(watches.is_empty(), "{lists:?}");
    }
    let mut watches = narrow();
    let lists = SetWatches2 { exist_watches: names(&["/p", "/q"]), ..empty() };
    for _ in 0..2 {
        watches.set_watches(&tree, ANNE, (&lists).into(), |_, _| {}).expect("they fit");
    }
    assert_eq!(watches.len(), 2);
}
