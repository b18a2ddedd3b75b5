//! Whatever of a member's files is damaged, it starts: with all that it had, or without a vote.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;
use crate::crash::{DATA, blob, written};
use crate::recovered::Recovered;
use crate::sim::{Image, SimDisk};
use crate::snapshot::FinishedSnapshot;
use crate::store::{Options, Store};

const ACCEPTED_EPOCH: u32 = 3;

fn open(disk: &SimDisk, restorable: bool) -> Result<(Store<SimDisk>, Recovered<SimDisk>)> {
    let options = Options { preallocate_bytes: 0, restorable, ..Options::default() };
    Store::open_on(disk.clone(), Path::new(DATA), Path::new(DATA), options)
}

fn path(name: &str) -> PathBuf {
    Path::new(DATA).join("version-2").join(name)
}

/// A member with two log files, a snapshot between them, an epoch accepted and a later one
/// promised.
fn member() -> Image {
    let disk = SimDisk::new(Image::new());
    let (mut store, _) = open(&disk, true).expect("a fresh directory");
    let first = written(&store, &[]).and_then(FinishedSnapshot::publish);
    assert!(first.expect("a working disk"));
    store.write_accepted_epoch(1).expect("a working disk");
    store.write_current_epoch(1).expect("a working disk");
    let history: Vec<(u64, i32)> = (1..=4).map(|counter| (1 << 32 | counter, 7)).collect();
    for (zxid, mark) in &history[..3] {
        store.append(*zxid, &blob(*zxid, *mark)).expect("it continues");
    }
    store.roll().expect("a working disk");
    let snapshot = written(&store, &history[..3]).and_then(FinishedSnapshot::publish);
    assert!(snapshot.expect("a working disk"));
    let (zxid, mark) = history[3];
    store.append(zxid, &blob(zxid, mark)).expect("it continues");
    store.sync().expect("a working disk");
    store.write_accepted_epoch(ACCEPTED_EPOCH).expect("a working disk");
    drop(store);
    disk.image()
}

/// How a member with this directory starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Whole,
    WithoutVote,
    /// It votes, and records are missing.
    Short,
}

fn fate(image: &Image, what: &str) -> Fate {
    let disk = SimDisk::new(image.clone());
    let (_, found) = open(&disk, true).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(found.accepted, ACCEPTED_EPOCH, "{what}: the promise");
    let last = found.last();
    if found.history_lost {
        assert!(found.repairs.iter().any(|repair| matches!(repair, Repair::SetAside { .. })));
        let kept = |name: &str| disk.image().keys().any(|path| path.ends_with(name));
        for name in image.keys().filter_map(|path| path.file_name()?.to_str()) {
            if belongs_to_history(name) {
                assert!(kept(&format!("{ASIDE}1.{name}")), "{what}: {name} is set aside");
            }
        }
        Fate::WithoutVote
    } else if (found.current, last) == (1, 1 << 32 | 4) {
        Fate::Whole
    } else {
        Fate::Short
    }
}

#[test]
fn a_file_that_is_missing_emptied_or_zeroed_costs_a_vote_at_most() {
    let whole = member();
    assert_eq!(fate(&whole, "nothing"), Fate::Whole);
    let mut without_vote = 0;
    for (file, bytes) in &whole {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        for (how, damaged) in [
            ("is missing", None),
            ("is empty", Some(Vec::new())),
            ("is cut in half", Some(bytes[..bytes.len() / 2].to_vec())),
            ("is zeroed", Some(vec![0; bytes.len()])),
            ("is something else", Some(vec![0xa5; bytes.len().max(40)])),
        ] {
            let mut image = whole.clone();
            match damaged {
                None => drop(image.remove(file)),
                Some(bytes) => drop(image.insert(file.clone(), bytes)),
            }
            let what = format!("{name} {how}");
            let fate = fate(&image, &what);
            without_vote += usize::from(fate == Fate::WithoutVote);
            assert_ne!(fate, Fate::Short, "{what}");
        }
    }
    assert!(without_vote >= 11, "{without_vote}");
}

#[test]
fn no_flipped_bit_of_any_file_costs_a_record_or_a_promise() {
    let whole = member();
    let (mut flips, mut without_vote) = (0, 0);
    for (file, bytes) in &whole {
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut image = whole.clone();
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                image.insert(file.clone(), flipped);
                let what = format!("{}: byte {at}, bit {bit}", file.display());
                let fate = fate(&image, &what);
                assert_ne!(fate, Fate::Short, "{what}");
                flips += 1;
                without_vote += usize::from(fate == Fate::WithoutVote);
            }
        }
    }
    assert!(flips > 2000 && without_vote > 1000, "{without_vote} of {flips}");
}

#[test]
fn a_log_that_ends_before_what_was_durable_is_missed_wherever_it_is_cut() {
    let whole = member();
    let log = path("log.100000001");
    // The last file is gone, and the one before ends anywhere: that is all that looks like a crash.
    let mut without = whole.clone();
    without.remove(&path("log.100000004"));
    without.remove(&path("snapshot.100000003"));
    for cut in 0..whole[&log].len() {
        for zeros in [false, true] {
            let mut image = without.clone();
            let mut bytes = whole[&log][..cut].to_vec();
            if zeros {
                bytes.resize(whole[&log].len() + 100, 0);
            }
            image.insert(log.clone(), bytes);
            assert_eq!(fate(&image, &format!("cut at {cut}")), Fate::WithoutVote);
        }
    }
    // Alone it refuses, and says how to go on.
    let disk = SimDisk::new(without.clone());
    let error = open(&disk, false).expect_err("records are missing");
    assert!(matches!(error, Error::LogCut { .. }), "{error}");
    assert!(error.to_string().contains("remove vivarium.durable"), "{error}");
    without.remove(&path("vivarium.durable"));
    let (_, found) = open(&SimDisk::new(without.clone()), false).expect("taken away on purpose");
    assert_eq!(found.last(), 1 << 32 | 3);
    // ZooKeeper cuts the log itself, and writes its own acceptedEpoch.
    let mut cut = whole;
    cut.remove(&path("log.100000004"));
    cut.insert(path("acceptedEpoch"), b"3".to_vec());
    assert_eq!(fate(&cut, "ZooKeeper was here"), Fate::Short);
}

#[test]
fn a_crash_while_it_is_set_aside_leaves_a_server_without_a_vote() {
    let mut damaged = member();
    let log = path("log.100000001");
    damaged.get_mut(&log).expect("the log")[60] ^= 1;
    let disk = SimDisk::new(damaged);
    drop(open(&disk, true).expect("it is set aside"));
    let mut crashes = 0;
    for count in 0..=disk.ops() {
        for (image, _) in disk.crashes(count) {
            let after = SimDisk::new(image);
            let (_, found) = open(&after, true).expect("as before");
            assert!(found.history_lost, "after {count} operations");
            assert_eq!(found.accepted, ACCEPTED_EPOCH, "after {count} operations");
            crashes += 1;
        }
    }
    assert!(crashes > 20, "{crashes}");
}

#[test]
fn it_votes_again_once_it_has_accepted_an_epoch_with_what_its_leader_held_and_not_before() {
    let mut damaged = member();
    damaged.remove(&path("currentEpoch"));
    let disk = SimDisk::new(damaged);
    let (mut store, found) = open(&disk, true).expect("it is set aside");
    assert!(found.history_lost && found.snapshot.is_none());
    let history = [(1 << 32 | 1, 9), (3 << 32 | 1, 9)];
    store.write_accepted_epoch(4).expect("a working disk");
    let snapshot = written(&store, &history).expect("a working disk");
    store.install(snapshot).expect("a working disk");
    let next = 3 << 32 | 2;
    store.append(next, &blob(next, 9)).expect("it continues");
    store.sync().expect("a working disk");
    let restored = disk.ops();
    store.write_current_epoch(4).expect("a working disk");
    drop(store);
    let mut voters = 0;
    for count in 0..=disk.ops() {
        for (image, _) in disk.crashes(count) {
            let (_, found) = open(&SimDisk::new(image), true).expect("it starts");
            assert!(found.history_lost || count > restored, "after {count} operations");
            if !found.history_lost {
                assert_eq!((found.accepted, found.current, found.last()), (4, 4, next));
                voters += 1;
            }
        }
    }
    assert!(voters > 0);
    let (_, found) = open(&disk, false).expect("a server like any other");
    assert_eq!((found.history_lost, found.last()), (false, next));
}

#[test]
fn who_has_nobody_to_get_it_from_is_refused_as_before() {
    let mut damaged = member();
    damaged.get_mut(&path("log.100000001")).expect("the log")[60] ^= 1;
    let disk = SimDisk::new(damaged.clone());
    assert!(matches!(open(&disk, false), Err(Error::Damaged { .. })));
    assert!(disk.image() == damaged, "nothing is changed");
    // Set aside as a member, started alone: it would begin with nothing.
    drop(open(&disk, true).expect("it is set aside"));
    let error = open(&disk, false).expect_err("it waits for a leader");
    assert!(matches!(error, Error::HistoryNotRestored { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains(LOST) && said.contains("give the files their names back"), "{said}");
    let mut named_back = Image::new();
    for (file, bytes) in disk.image() {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let name = name.strip_prefix("vivarium.aside.1.").map_or(name.clone(), str::to_owned);
        if name != LOST && !(name == "currentEpoch" && bytes.starts_with(b"the history")) {
            named_back.insert(path(&name), bytes);
        }
    }
    let error = open(&SimDisk::new(named_back), false).expect_err("it is as it was");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    // Without any promise nothing is set aside: whatever it had promised would be forgotten.
    for name in ["acceptedEpoch", "vivarium.acceptedEpoch"] {
        damaged.insert(path(name), b"x".to_vec());
    }
    let disk = SimDisk::new(damaged.clone());
    assert!(open(&disk, true).is_err());
    assert!(disk.image() == damaged, "nothing is changed");
}

#[test]
fn whoever_is_told_that_its_history_is_lost_keeps_its_files_and_has_no_vote() {
    let mut image = member();
    image.insert(path(LOST), b"by hand".to_vec());
    let disk = SimDisk::new(image);
    let (store, found) = open(&disk, true).expect("a member");
    assert!(found.history_lost && found.repairs.is_empty());
    assert_eq!((found.accepted, found.last()), (ACCEPTED_EPOCH, 1 << 32 | 4));
    drop(store);
    // Taken back, it is as before.
    let mut image = disk.image();
    image.remove(&path(LOST));
    assert_eq!(fate(&image, "taken back"), Fate::Whole);
}

#[test]
fn zookeeper_does_not_begin_with_nothing_where_a_history_is_lost() {
    let mut damaged = member();
    damaged.remove(&path("snapshot.0"));
    damaged.get_mut(&path("log.100000001")).expect("the log")[60] ^= 1;
    damaged.get_mut(&path("snapshot.100000003")).expect("a snapshot")[20] ^= 1;
    let disk = SimDisk::new(damaged);
    for _ in 0..2 {
        let (_, found) = open(&disk, true).expect("it is set aside");
        assert!(found.history_lost && found.current == 0);
        // It reads the first line as a number, and ends if that is none.
        let text = disk.image().remove(&path("currentEpoch")).expect("it is there");
        assert!(text.starts_with(b"the history is lost"));
    }
}

#[test]
fn a_directory_of_snapshots_that_is_another_one_is_not_taken_for_a_damaged_one() {
    let logs = "/logs";
    let image = member();
    let mut moved = Image::new();
    for (file, bytes) in image {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        if name.starts_with("log.") || name == "vivarium.acceptedEpoch" {
            moved.insert(Path::new(logs).join("version-2").join(name), bytes);
        }
    }
    let disk = SimDisk::new(moved.clone());
    let options = Options { restorable: true, ..Options::default() };
    let opened = Store::open_on(disk.clone(), Path::new(DATA), Path::new(logs), options);
    assert!(matches!(opened, Err(Error::LogWithoutSnapshot { .. })), "{opened:?}");
    assert!(moved.iter().all(|(path, bytes)| disk.image().get(path) == Some(bytes)));
}

#[test]
fn what_is_whole_and_has_a_content_that_cannot_be_loaded_is_set_aside_when_asked_for() {
    let disk = SimDisk::new(member());
    let (store, _) = open(&disk, true).expect("it is whole");
    let (mut store, found) =
        store.set_aside("the digest is another").expect("set aside").expect("may");
    assert!(found.history_lost);
    assert_eq!((found.accepted, found.current, found.last()), (ACCEPTED_EPOCH, 0, 0));
    let mut writer = store.snapshot_writer(0).expect("a working disk");
    writer.write_all(&[0; 8]).expect("a working disk");
    store.write_accepted_epoch(5).expect("a working disk");
    drop(store);
    let (store, found) = open(&disk, false)
        .map(|(store, _)| (store, ()))
        .err()
        .map_or_else(|| panic!("it waits for a leader"), |_| open(&disk, true).expect("a member"));
    assert!(found.history_lost && found.accepted == 5);
    drop(store);
    let alone = SimDisk::new(Image::new());
    let (store, _) = open(&alone, false).expect("a fresh directory");
    assert!(store.set_aside("anything").expect("asked").is_none());
}
