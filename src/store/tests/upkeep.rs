//! Snapshots beside a log that goes on, purge, sizes.

mod common;

use std::io::Write;
use std::path::Path;

use common::{Dir, create, empty_tree, open, snapshot};
use store::{Compression, Error, FinishedSnapshot, SnapshotTail, Store};

fn append(store: &mut Store, zxids: impl IntoIterator<Item = u64>) {
    for zxid in zxids {
        store.append(zxid, &create(zxid, &format!("/n{zxid}"), "")).expect("it continues");
    }
    store.sync().expect("a working disk");
}

fn finished(store: &Store, zxid: u64) -> FinishedSnapshot<store::Os> {
    let mut writer = store.snapshot_writer(zxid).expect("a working disk");
    writer.write_all(&empty_tree()).expect("a working disk");
    writer.finish(SnapshotTail::default()).expect("a working disk")
}

fn names(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir.join("version-2")).expect("a directory");
    let mut names: Vec<_> =
        files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8")).collect();
    names.retain(|name| {
        name.starts_with("log.")
            || name.starts_with("snapshot.")
            || name.starts_with("vivarium.tmp")
    });
    names.sort();
    names
}

#[test]
fn a_log_does_not_begin_without_a_snapshot() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (mut store, recovered) = open(dir.path(), Compression::None).expect("a fresh directory");
    assert!(recovered.snapshot.is_none() && recovered.log.is_empty());
    assert!(matches!(store.append(1, &create(1, "/a", "")), Err(Error::Refused { .. })));
    snapshot(&store, 0, &empty_tree());
    append(&mut store, [1]);
}

#[test]
fn a_record_must_continue_and_be_what_it_is_called() {
    let dir = Dir::new(&[]);
    let (mut store, _) = dir.open().expect("a directory");
    append(&mut store, 1..=2);
    for (zxid, blob) in [
        (2, create(2, "/again", "")),
        (4, create(4, "/gap", "")),
        (0x1_0000_0002, create(0x1_0000_0002, "/epoch", "")),
        (3, create(4, "/other", "")),
        (3, vec![0; 31]),
        (0x8000_0000_0000_0001, create(0x8000_0000_0000_0001, "/negative", "")),
    ] {
        assert!(
            matches!(store.append(zxid, &blob), Err(Error::Refused { last: 2, .. })),
            "{zxid:x}"
        );
    }
    assert!(matches!(store.truncate(7), Err(Error::Refused { .. })));
    // A refusal changes nothing and is no failure of the disk.
    append(&mut store, 3..=3);
    drop(store);
    assert_eq!(dir.found().expect("in order").0, [1, 2, 3]);
}

#[test]
fn a_snapshot_waits_for_the_log_and_is_discarded_with_its_history() {
    let dir = Dir::new(&[]);
    let (mut store, _) = dir.open().expect("a directory");
    append(&mut store, 1..=2);
    store.append(3, &create(3, "/n3", "")).expect("it continues");
    assert!(matches!(finished(&store, 3).publish(), Err(Error::Refused { got: 3, last: 2, .. })));
    let early = finished(&store, 3);
    store.sync().expect("a working disk");
    assert!(early.publish().expect("the log is durable up to it"));
    append(&mut store, 4..=6);
    let late = finished(&store, 5);
    store.truncate(4).expect("a record of the log");
    assert!(!late.publish().expect("a working disk"), "its history is gone");
    let late = finished(&store, 4);
    store.install(finished(&store, 0x1_0000_0007)).expect("a working disk");
    assert!(!late.publish().expect("a working disk"), "its history is gone");
    assert_eq!(names(dir.0.path()), ["snapshot.100000007"]);
    append(&mut store, [0x1_0000_0008]);
    drop(finished(&store, 0x1_0000_0008));
    assert_eq!(
        names(dir.0.path()),
        ["log.100000008", "snapshot.100000007"],
        "what is not taken is removed"
    );
}

#[test]
fn a_snapshot_is_written_on_another_thread_while_the_log_goes_on() {
    let dir = Dir::new(&[]);
    let (mut store, _) = dir.open().expect("a directory");
    append(&mut store, 1..=5);
    store.roll().expect("a working disk");
    let mut writer = store.snapshot_writer(5).expect("a working disk");
    let background = std::thread::spawn(move || {
        writer.write_all(&empty_tree()).expect("a working disk");
        writer.finish(SnapshotTail::default()).and_then(FinishedSnapshot::publish)
    });
    append(&mut store, 6..=50);
    assert!(background.join().expect("no panic").expect("a working disk"));
    drop(store);
    let (_, recovered) = dir.open().expect("in order");
    assert_eq!(recovered.snapshot.as_ref().map(store::SnapshotFile::zxid), Some(5));
    assert_eq!((recovered.log.len(), recovered.last()), (45, 50));
}

#[test]
fn purge_keeps_three_snapshots_and_the_logs_behind_the_oldest_of_them() {
    let dir = Dir::new(&[]);
    let (mut store, _) = dir.open().expect("a directory");
    for round in 0..6 {
        // Each log file begins before a snapshot and goes on behind it.
        append(&mut store, round * 4 + 1..=round * 4 + 2);
        store.roll().expect("a working disk");
        append(&mut store, round * 4 + 3..=round * 4 + 4);
        assert!(finished(&store, round * 4 + 4).publish().expect("a working disk"));
    }
    // Not one of the three: it is damaged.
    dir.write("snapshot.17", b"ZKSN");
    assert_eq!(store.purge(1).expect("a working disk"), 4 + 4);
    let kept =
        ["log.13", "log.17", "log.f", "snapshot.10", "snapshot.14", "snapshot.17", "snapshot.18"];
    assert_eq!(names(dir.0.path()), kept);
    assert_eq!(store.purge(3).expect("a working disk"), 0);
    drop(store);
    assert_eq!(dir.found().expect("in order").0, []);
    // Even the oldest that is left leads to the end.
    for name in ["snapshot.14", "snapshot.17", "snapshot.18"] {
        std::fs::remove_file(dir.path(name)).expect("removed");
    }
    assert_eq!(dir.found().expect("in order").0, (0x11..=0x18).collect::<Vec<_>>());
}

#[test]
fn sizes_count_the_files_of_each_directory() {
    let (data, logs) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let options = store::Options { preallocate_bytes: 1 << 20, ..store::Options::default() };
    let (mut store, _) = Store::open(data.path(), logs.path(), options).expect("fresh directories");
    snapshot(&store, 0, &empty_tree());
    append(&mut store, [1]);
    let (data_bytes, log_bytes) = store.sizes().expect("a working disk");
    let on_disk =
        std::fs::metadata(data.path().join("version-2/snapshot.0")).expect("a file").len();
    let note = std::fs::metadata(logs.path().join("version-2/vivarium.running"));
    let note = note.expect("the server runs").len();
    // acceptedEpoch and currentEpoch are "0" and a checksum, and the copy of the former is beside
    // the log.
    let epoch = "0\nadler32 00310031\n".len() as u64;
    let mark = "0000000000000000 00310031\n".len() as u64;
    assert_eq!(
        (data_bytes, log_bytes),
        (on_disk + 2 * epoch, note + epoch + mark + 16 + (1 << 20))
    );
    store.roll().expect("a working disk");
    let log_bytes = store.sizes().expect("a working disk").1;
    assert!(log_bytes < note + 200, "the preallocated tail is given back");
}
