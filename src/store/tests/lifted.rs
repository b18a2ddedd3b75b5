//! A file or a directory that was lost, or has another one's content, is not taken for what its
//! name says.

mod common;

use std::fs;
use std::path::Path;

use common::{Dir, create, empty_tree, log, sealed_at, snapshot};
use store::{Options, Repair, Store};

/// What an open that has to fail says; it fails again, since a refusal changes nothing.
fn refusal<T>(open: impl Fn() -> store::Result<T>) -> String {
    let mut said = String::new();
    for _ in 0..2 {
        said = open().err().expect("refused").to_string();
    }
    said
}

#[test]
fn a_snapshot_with_the_bytes_of_an_older_one_is_damaged() {
    // The log leads there: the older snapshot and the log have everything.
    let dir = Dir::new(&[("log.1", log(&[1, 2, 3, 4]))]);
    dir.write("snapshot.4", &sealed_at(2));
    let (zxids, repairs) = dir.found().expect("the log has everything");
    assert_eq!(zxids, [1, 2, 3, 4]);
    let [Repair::SnapshotSkipped { path, why }] = &repairs[..] else { panic!("{repairs:?}") };
    assert_eq!(*path, dir.path("snapshot.4"));
    for words in [&*dir.path("snapshot.4").display().to_string(), "0x4", "sealed at zxid 0x2"] {
        assert!(why.contains(words), "{words:?} is not in: {why}");
    }
    // It does not lead there: what lies between is lost.
    let dir = Dir::new(&[("log.1", log(&[1, 2, 3]))]);
    dir.write("snapshot.4", &sealed_at(0));
    assert!(refusal(|| dir.found()).contains("sealed at zxid 0x0"));
}

#[test]
fn two_snapshots_that_have_changed_their_places_lose_nothing() {
    let dir = Dir::new(&[("log.1", log(&[1, 2, 3, 4, 5]))]);
    dir.write("snapshot.4", &sealed_at(2));
    dir.write("snapshot.2", &sealed_at(4));
    // Records 3 and 4 are in the snapshot already, as in one that ZooKeeper wrote while it applied
    // them.
    assert_eq!(dir.found().expect("all records are there").0, [3, 4, 5]);
}

#[test]
fn a_snapshot_may_go_beyond_its_name_only_as_far_as_the_log() {
    for (end, fits) in [(4, true), (5, true), (3, false), (2, false)] {
        let zxids: Vec<u64> = (1..=end).collect();
        let dir = Dir::new(&[("log.1", log(&zxids))]);
        dir.write("snapshot.2", &sealed_at(4));
        if fits {
            assert_eq!(dir.found().expect("as ZooKeeper leaves it").0, zxids[2..]);
        } else {
            let said = refusal(|| dir.found());
            for words in ["snapshot.2", "0x2", "sealed at zxid 0x4", &format!("end at 0x{end:x}")] {
                assert!(said.contains(words), "{words:?} is not in: {said}");
            }
        }
    }
}

fn open_both(data: &Path, logs: &Path) -> store::Result<Vec<u64>> {
    let options = Options { preallocate_bytes: 4096, ..Options::default() };
    let (_, recovered) = Store::open(data, logs, options)?;
    Ok(recovered.log.iter().map(|entry| entry.zxid).collect())
}

#[test]
fn a_log_directory_that_is_not_mounted_is_not_taken_for_an_empty_log() {
    let (data, logs) = (tempfile::tempdir().expect("data"), tempfile::tempdir().expect("logs"));
    let (mut store, _) =
        Store::open(data.path(), logs.path(), Options::default()).expect("a fresh server");
    snapshot(&store, 0, &empty_tree());
    drop(store);
    // A server that has promised nothing yet has no log to lose.
    fs::remove_dir_all(logs.path().join("version-2")).expect("removed");
    (store, _) = Store::open(data.path(), logs.path(), Options::default()).expect("fresh still");
    store.write_accepted_epoch(1).expect("promised");
    store.write_current_epoch(1).expect("followed");
    store.append(0x1_0000_0001, &create(0x1_0000_0001, "/a", "acknowledged")).expect("appended");
    store.sync().expect("durable");
    drop(store);
    let mounted = logs.path().join("version-2");
    let elsewhere = logs.path().join("elsewhere");
    fs::rename(&mounted, &elsewhere).expect("not mounted");
    let said = refusal(|| open_both(data.path(), logs.path()));
    for words in [&*mounted.display().to_string(), "is not there", "acceptedEpoch is 1"] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    assert!(!mounted.exists(), "a refusal creates nothing");
    fs::rename(&elsewhere, &mounted).expect("mounted again");
    assert_eq!(open_both(data.path(), logs.path()).expect("all there"), [0x1_0000_0001]);
}

#[test]
fn a_snapshot_of_a_history_proves_that_there_was_a_log_directory() {
    let (data, logs) = (tempfile::tempdir().expect("data"), tempfile::tempdir().expect("logs"));
    fs::create_dir(data.path().join("version-2")).expect("created");
    fs::write(data.path().join("version-2/snapshot.4"), sealed_at(4)).expect("written");
    let said = refusal(|| open_both(data.path(), logs.path()));
    assert!(said.contains("snapshot.4"), "{said}");
    // With a log directory it is what a snapshot from the leader leaves: there is no log file yet.
    fs::create_dir(logs.path().join("version-2")).expect("created");
    assert_eq!(open_both(data.path(), logs.path()).expect("no log yet"), []);
}

#[test]
fn an_epoch_file_that_is_gone_is_refused_by_name_while_the_other_one_is_there() {
    for (gone, there) in [("acceptedEpoch", "currentEpoch"), ("currentEpoch", "acceptedEpoch")] {
        let dir = Dir::new(&[("log.100000001", log(&[0x1_0000_0001]))]);
        dir.write("acceptedEpoch", b"1");
        dir.write("currentEpoch", b"1");
        fs::remove_file(dir.path(gone)).expect("removed");
        fs::remove_file(dir.path("vivarium.acceptedEpoch")).expect("removed");
        let said = refusal(|| dir.found());
        for words in [&*dir.path(gone).display().to_string(), "is not there", there] {
            assert!(said.contains(words), "{words:?} is not in: {said}");
        }
        assert!(!dir.has(gone), "a refusal creates nothing");
        // Both are missing in a directory of a standalone server.
        fs::remove_file(dir.path(there)).expect("removed");
        assert_eq!(dir.found().expect("a standalone server's directory").0, [0x1_0000_0001]);
        assert_eq!((epoch(&dir, gone), epoch(&dir, there)), ("1".into(), "1".into()));
    }
}

/// What ZooKeeper reads of an epoch file: its first line.
fn epoch(dir: &Dir, name: &str) -> String {
    let text = String::from_utf8(dir.read(name)).expect("text");
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_promise_that_is_gone_or_damaged_is_there_a_second_time() {
    let dir = Dir::new(&[("log.100000001", log(&[0x1_0000_0001]))]);
    let (mut store, _) = dir.open().expect("it is whole");
    store.write_accepted_epoch(12).expect("a working disk");
    drop(store);
    let sealed = dir.read("acceptedEpoch");
    for damage in [None, Some(b"".to_vec()), Some(b"2".to_vec()), Some(b"xx".to_vec())] {
        match damage {
            None => fs::remove_file(dir.path("acceptedEpoch")).expect("removed"),
            Some(bytes) => {
                dir.write("acceptedEpoch", &[&bytes[..], &sealed[bytes.len()..]].concat())
            }
        }
        let (store, recovered) = dir.open().expect("the promise is beside the log");
        assert_eq!(recovered.accepted, 12);
        drop(store);
        assert_eq!(dir.read("acceptedEpoch"), sealed, "and in its place again");
    }
    // ZooKeeper has worked here since, and promised more.
    dir.write("acceptedEpoch", b"13\n");
    assert_eq!(dir.open().expect("ZooKeeper's file").1.accepted, 13);
    assert_eq!(epoch(&dir, "vivarium.acceptedEpoch"), "13");
}

#[test]
fn a_crash_while_both_epoch_files_are_written_first_is_no_missing_file() {
    let dir = Dir::new(&[("log.100000001", log(&[0x1_0000_0001]))]);
    dir.write("acceptedEpoch", b"1");
    dir.write("currentEpoch.tmp", b"1");
    fs::remove_file(dir.path("currentEpoch")).expect("removed");
    let (_, recovered) = dir.open().expect("what a crash leaves");
    assert_eq!((recovered.accepted, recovered.current), (1, 1));
    assert_eq!(epoch(&dir, "currentEpoch"), "1");
    assert!(!dir.has("currentEpoch.tmp"));
}

#[test]
fn whoever_is_told_to_let_a_server_begin_anew_is_told_when_that_is_safe() {
    // An empty server votes: with one that lags behind it is a quorum that lacks what was
    // acknowledged.
    let mut flipped = log(&[1, 2]);
    let end = flipped.len();
    flipped[end - 8] ^= 1;
    let torn = log(&[1, 2])[..end - 1].to_vec();
    let damaged = Dir::new(&[("log.1", flipped)]);
    let before_end = Dir::new(&[("log.1", torn), ("log.4", log(&[4]))]);
    let snapshot_lost = Dir::new(&[]);
    snapshot_lost.write("snapshot.4", b"ZKSN");
    let history_lost = Dir::new(&[]);
    fs::remove_file(history_lost.path("snapshot.0")).expect("removed");
    let epoch_lost = Dir::new(&[]);
    fs::remove_file(epoch_lost.path("currentEpoch")).expect("removed");
    for dir in [damaged, before_end, snapshot_lost, history_lost, epoch_lost] {
        let said = refusal(|| dir.found());
        for words in
            ["move both version-2", "but only while all the other servers are up and serve"]
        {
            assert!(said.contains(words), "{words:?} is not in: {said}");
        }
    }
}
