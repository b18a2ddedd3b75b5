//! A torn tail is told from corruption, and whatever may mean that records are lost is refused by
//! name.

mod common;

use common::{Dir, create, entry, log, sealed_at};
use store::{Error, Proof, Repair};

/// Where the entries of `log(&zxids)` begin and end.
fn bounds(zxids: &[u64]) -> Vec<usize> {
    (0..=zxids.len()).map(|count| log(&zxids[..count]).len()).collect()
}

fn padded(mut bytes: Vec<u8>, size: usize) -> Vec<u8> {
    bytes.resize(size, 0);
    bytes
}

#[test]
fn a_log_cut_anywhere_keeps_the_records_before_the_cut() {
    let (whole, bounds) = (log(&[1, 2, 3]), bounds(&[1, 2, 3]));
    for (size, step) in [(None, 1), (Some(4096), 5)] {
        for cut in (0..=whole.len()).step_by(step) {
            let torn = whole[..cut].to_vec();
            let dir = Dir::new(&[(
                "log.1",
                size.map_or(torn.clone(), |size| padded(torn.clone(), size)),
            )]);
            let (zxids, repairs) =
                dir.found().unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            let kept = bounds[1..].iter().filter(|end| **end <= cut).count();
            assert_eq!(zxids, (1..=kept as u64).collect::<Vec<_>>(), "cut at {cut}");
            // The first bytes of a checksum are zeros, as what was preallocated is.
            let end = bounds.iter().rev().find(|end| **end <= cut);
            let clean =
                kept > 0 && end.is_some_and(|end| whole[*end..cut].iter().all(|byte| *byte == 0));
            assert_eq!(repairs.is_empty(), clean, "cut at {cut}: {repairs:?}");
            // Repaired once is repaired.
            assert_eq!(dir.found().expect("repaired").1, [], "cut at {cut}");
            assert_eq!(dir.has("log.1"), kept > 0, "a file without records is removed");
        }
    }
}

#[test]
fn a_wrong_byte_in_a_record_with_good_ones_behind_it_is_refused_with_its_offset() {
    let (whole, bounds) = (log(&[1, 2, 3]), bounds(&[1, 2, 3]));
    for at in (bounds[0]..bounds[2]).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let dir = Dir::new(&[("log.1", padded(bytes.clone(), 2048))]);
        let begin = bounds.iter().rev().find(|begin| **begin <= at).copied();
        let error = dir.found().expect_err("a record is damaged");
        let Error::Damaged { path, offset, proof: Proof::GoodRecord { offset: good_at }, .. } =
            error
        else {
            panic!("byte {at}: {error}")
        };
        assert_eq!(path, dir.path("log.1"));
        assert_eq!(Some(offset), begin.map(|begin| begin as u64), "byte {at}");
        assert!(bounds.contains(&(good_at as usize)), "byte {at}: {good_at}");
        assert_eq!(
            dir.read("log.1"),
            padded(bytes, 2048),
            "nothing is changed in a directory that is refused"
        );
    }
}

#[test]
fn the_refusal_of_a_flipped_bit_in_the_last_record_names_file_offset_and_checksums() {
    let whole = log(&[1, 2]);
    let begin = log(&[1]).len();
    let mut bytes = padded(whole.clone(), 4096);
    bytes[whole.len() - 8] ^= 1;
    let dir = Dir::new(&[("log.1", bytes)]);
    let error = dir.found().expect_err("the last record is damaged");
    assert!(matches!(&error, Error::Damaged { offset, .. } if *offset == begin as u64), "{error}");
    let said = error.to_string();
    let path = dir.path("log.1").display().to_string();
    for words in [
        &*path,
        &format!("offset {begin}"),
        "the checksum is the Adler-32 of the record",
        "where the bytes have 0x",
        "the record is whole",
        "nothing is cut",
    ] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
}

#[test]
fn a_good_record_behind_a_stretch_of_zeros_is_found() {
    let mut bytes = padded(log(&[1]), 1 << 19);
    bytes.extend(entry(&create(2, "/late", "x")));
    let dir = Dir::new(&[("log.1", bytes)]);
    assert!(matches!(
        dir.found(),
        Err(Error::Damaged { proof: Proof::GoodRecord { offset: 0x80000 }, .. })
    ));
}

#[test]
fn remains_of_older_records_behind_the_end_are_no_records() {
    // An intact entry whose zxid is not new cannot be a record that was lost: here it is data of
    // the one that is torn.
    let torn = entry(&[create(3, "/n3", ""), entry(&create(2, "/n2", "data"))].concat());
    let bytes = [&log(&[1, 2]), &torn[..torn.len() - 2]].concat();
    let dir = Dir::new(&[("log.1", bytes)]);
    assert_eq!(dir.found().expect("a torn tail").0, [1, 2]);
}

#[test]
fn what_no_write_leaves_when_it_is_cut_is_refused() {
    let (third, bytes) = (entry(&create(3, "/n3", "data")), log(&[1, 2]));
    let wrong_end = [&third[..third.len() - 1], b"C"].concat();
    let short = [&[0; 4], &[1; 4], &31_u32.to_be_bytes()[..], &third[12..]].concat();
    for (what, tail, expected) in [
        ("bytes of something else", vec![0xff; 5], Proof::NoHead),
        ("a length that is too small", short, Proof::NoHead),
        ("another byte behind the record", wrong_end, Proof::Whole),
        (
            "a record without its last byte, and more behind it",
            [&third[..third.len() - 1], &[0, 0, 7]].concat(),
            Proof::DataBehind { offset: (bytes.len() + third.len() + 1) as u64 },
        ),
        (
            "a byte behind zeros",
            padded(vec![], 100).into_iter().chain([7]).collect(),
            Proof::NoHead,
        ),
        (
            "a length that is too large",
            [&third[..8], &[0x40], &third[9..]].concat(),
            Proof::WholeButForLength { length: (third.len() - 13) as u64 },
        ),
    ] {
        for padding in [0, 4096] {
            let tail = [&bytes[..], &tail].concat();
            let dir = Dir::new(&[("log.1", padded(tail.clone(), tail.len() + padding))]);
            let error = dir.found().expect_err(what);
            assert!(
                matches!(&error, Error::Damaged { proof, .. } if *proof == expected),
                "{what}: {error}"
            );
        }
    }
}

#[test]
fn a_last_file_without_a_record_is_removed() {
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("zeros", vec![0; 4096]),
        ("half a header", b"ZKLG\0\0".to_vec()),
        ("half a header and zeros", padded(b"ZKL".to_vec(), 4096)),
        ("a header", log(&[])),
        ("a header and zeros", padded(log(&[]), 4096)),
        ("a header and half a record", log(&[3])[..40].to_vec()),
    ] {
        let dir = Dir::new(&[("log.1", log(&[1, 2])), ("log.3", bytes)]);
        let (zxids, repairs) = dir.found().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(zxids, [1, 2], "{what}");
        assert_eq!(repairs, [Repair::EmptyLog { path: dir.path("log.3") }], "{what}");
        assert!(!dir.has("log.3"), "{what}");
    }
}

#[test]
fn what_is_no_log_is_refused() {
    for bytes in
        [b"GKLZ\0\0\0\x02\0\0\0\0\0\0\0\0".to_vec(), b"ZKLG\0\0\0\x03\0\0\0\0\0\0\0\0".to_vec()]
    {
        let dir = Dir::new(&[("log.1", bytes)]);
        assert!(matches!(dir.found(), Err(Error::Malformed { offset: 0, .. })));
    }
    // A lost header does not lose the records behind it.
    let mut bytes = log(&[1, 2]);
    bytes[..16].fill(0);
    assert!(matches!(
        Dir::new(&[("log.1", bytes)]).found(),
        Err(Error::Damaged { proof: Proof::GoodRecord { offset: 16 }, .. })
    ));
    // An intact entry that is too short to be a record.
    let mut bytes = log(&[1]);
    bytes.extend(entry(b"short"));
    assert!(matches!(Dir::new(&[("log.1", bytes)]).found(), Err(Error::Malformed { .. })));
}

#[test]
fn a_torn_tail_before_the_last_file_must_be_proved_harmless() {
    let torn = log(&[1, 2, 3])[..log(&[1, 2]).len() + 50].to_vec();
    // The next zxid of the epoch: nothing can be between.
    let dir = Dir::new(&[("log.1", torn.clone()), ("log.3", log(&[3]))]);
    let (zxids, repairs) = dir.found().expect("nothing is missing");
    assert_eq!(zxids, [1, 2, 3]);
    assert!(matches!(repairs[..], [Repair::TornBeforeEnd { .. }]));
    // Another epoch: the damaged one may have been an acknowledged record.
    let dir = Dir::new(&[("log.1", torn.clone()), ("log.100000001", log(&[0x1_0000_0001]))]);
    let error = dir.found().expect_err("a record may be missing");
    assert!(
        matches!(error, Error::DamagedBeforeEnd { last: 2, next_zxid: 0x1_0000_0001, .. }),
        "{error}"
    );
    // Nothing behind it but a file without records: it is the end.
    let dir = Dir::new(&[("log.1", torn), ("log.3", log(&[]))]);
    assert_eq!(dir.found().expect("a torn tail").0, [1, 2]);
    assert_eq!(dir.found().expect("repaired").1, []);
}

#[test]
fn records_continue_or_are_refused() {
    const E1: u64 = 0x1_0000_0000;
    let gap = |logs: &[(&str, Vec<u8>)]| match Dir::new(logs).found() {
        Err(Error::Gap { last, found, .. }) => (last, found),
        other => panic!("{other:?}"),
    };
    assert_eq!(gap(&[("log.1", log(&[1, 3]))]), (1, 3), "within a file");
    assert_eq!(gap(&[("log.1", log(&[1, 2])), ("log.4", log(&[4]))]), (2, 4), "a file is missing");
    assert_eq!(gap(&[("log.2", log(&[2]))]), (0, 2), "the first file is missing");
    assert_eq!(gap(&[("log.1", log(&[1, E1 + 2]))]), (1, E1 + 2), "an epoch begins with 1");
    let dir = Dir::new(&[("log.1", log(&[1, 2, E1 + 1, 3 * E1 + 1]))]);
    assert_eq!(dir.found().expect("epochs may be skipped").0, [1, 2, E1 + 1, 3 * E1 + 1]);
    let dir = Dir::new(&[("log.2", log(&[1, 2]))]);
    assert!(matches!(dir.found(), Err(Error::Malformed { .. })), "the first record gives the name");
    let dir = Dir::new(&[
        ("log.1", log(&[1])),
        ("log.900000001", log(&[9 * E1 + 1])),
        ("log.a00000001", log(&[10 * E1 + 1])),
    ]);
    assert!(matches!(dir.found(), Err(Error::Epochs { accepted: 9, .. })), "beyond acceptedEpoch");
}

#[test]
fn a_repetition_is_skipped_and_another_history_is_not() {
    let dir = Dir::new(&[("log.1", log(&[1, 2, 3])), ("log.2", log(&[2, 3, 4]))]);
    let (zxids, repairs) = dir.found().expect("the same records again");
    assert_eq!(zxids, [1, 2, 3, 4]);
    assert_eq!(repairs, [Repair::Repeated { path: dir.path("log.2"), records: 2 }]);
    // Cut behind a record that stands in both files, nothing of what followed comes back.
    let (mut store, _) = dir.open().expect("the same records again");
    store.truncate(2).expect("a record of the log");
    drop(store);
    assert_eq!(dir.found().expect("just cut").0, [1, 2]);
    let other = [log(&[1]), entry(&create(2, "/other", "data"))].concat();
    let dir = Dir::new(&[
        ("log.1", log(&[1, 2, 3])),
        ("log.2", [log(&[]), entry(&create(2, "/other", ""))].concat()),
    ]);
    assert!(matches!(dir.found(), Err(Error::Order { last: 3, found: 2, .. })));
    let dir = Dir::new(&[("log.1", [other, entry(&create(1, "/n1", "data"))].concat())]);
    assert_eq!(dir.found().expect("record 1 again").0, [1, 2]);
}

#[test]
fn a_damaged_snapshot_is_passed_over_only_if_the_log_leads_to_it() {
    let dir = Dir::new(&[("log.1", log(&[1, 2, 3]))]);
    let good = dir.read("snapshot.0");
    for (what, bytes) in [
        ("cut", good[..good.len() - 1].to_vec()),
        ("half", good[..good.len() / 2].to_vec()),
        ("one wrong byte", {
            let mut bytes = good.clone();
            bytes[40] ^= 1;
            bytes
        }),
        ("something behind it", [good.clone(), vec![0]].concat()),
    ] {
        dir.write("snapshot.2", &bytes);
        let (zxids, repairs) = dir.found().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(zxids, [1, 2, 3], "{what}");
        assert!(matches!(&repairs[..], [Repair::SnapshotSkipped { .. }]), "{what}");
        dir.write("snapshot.4", &bytes);
        assert!(matches!(dir.found(), Err(Error::SnapshotLost { older: 0, .. })), "{what}");
        std::fs::remove_file(dir.path("snapshot.4")).expect("removed");
    }
    // An empty file is what ZooKeeper leaves when it cannot write; it never held anything.
    dir.write("snapshot.2", &sealed_at(2));
    dir.write("snapshot.4", b"");
    assert_eq!(dir.found().expect("snapshot.2 is whole").0, [3]);
    dir.write("snapshot.2", b"ZKSN");
    dir.write("snapshot.0", b"ZKSN");
    assert!(matches!(dir.found(), Err(Error::NoValidSnapshot { tried: 2, .. })));
    std::fs::remove_file(dir.path("snapshot.0")).expect("removed");
    std::fs::remove_file(dir.path("snapshot.2")).expect("removed");
    let Err(error @ Error::LogWithoutSnapshot { .. }) = dir.found() else { panic!("refused") };
    assert!(!error.to_string().contains('='), "no setting helps, and none is named: {error}");
}

#[test]
fn a_directory_with_epochs_and_nothing_else_is_not_taken_for_a_fresh_one() {
    // A snapshot that came from the leader was the only copy of the history, and has become an
    // empty file; or is gone.
    let dir = Dir::new(&[]);
    for lost in ["emptied", "removed"] {
        match lost {
            "emptied" => dir.write("snapshot.0", b""),
            _ => std::fs::remove_file(dir.path("snapshot.0")).expect("removed"),
        }
        for accepted in ["9", "1"] {
            dir.write("acceptedEpoch", accepted.as_bytes());
            let error = dir.found().expect_err(lost);
            assert!(matches!(error, Error::HistoryLost { .. }), "{lost}: {error}");
        }
    }
    // Before the first epoch there is nothing to lose.
    dir.write("acceptedEpoch", b"0");
    assert_eq!(dir.found().expect("a fresh directory").0, []);
}

#[test]
fn epochs_are_read_as_zookeeper_writes_them_or_refused() {
    let logs = [("log.200000001", log(&[0x2_0000_0001]))];
    for (accepted, current, tmp, outcome) in [
        (Some("3\n"), Some("2"), None, Some((3, 2))),
        (None, None, None, Some((2, 2))),
        (Some("3"), Some("1"), None, Some((3, 1))),
        (Some("3"), Some("1"), Some("3"), Some((3, 3))),
        (Some("13"), Some("1"), Some("1"), Some((13, 1))),
        (Some("3"), Some("2"), Some("3"), Some((3, 2))),
        (Some("1"), Some("1"), None, None),
        (Some("2"), Some("3"), None, None),
        (Some("x"), Some("2"), None, None),
        (Some(""), Some("2"), None, None),
        (Some("2147483648"), Some("2"), None, None),
    ] {
        let dir = Dir::new(&logs);
        for (name, text) in
            [("acceptedEpoch", accepted), ("currentEpoch", current), ("currentEpoch.tmp", tmp)]
        {
            match text {
                Some(text) => dir.write(name, text.as_bytes()),
                None => drop(std::fs::remove_file(dir.path(name))),
            }
        }
        drop(std::fs::remove_file(dir.path("vivarium.acceptedEpoch")));
        for _ in 0..2 {
            let found =
                dir.open().ok().map(|(_, recovered)| (recovered.accepted, recovered.current));
            assert_eq!(found, outcome, "{accepted:?} {current:?} {tmp:?}");
        }
        assert_eq!(dir.has("currentEpoch.tmp"), outcome.is_none() && tmp.is_some());
    }
}

#[test]
fn a_directory_belongs_to_one_server_and_files_to_their_directory() {
    let dir = Dir::new(&[]);
    let held = dir.open().expect("nobody has it");
    assert!(matches!(dir.open(), Err(Error::Locked { .. })));
    drop(held);
    dir.open().expect("nobody has it any more");
    // No promise yet, so a new directory for logs lacks nothing.
    dir.write("acceptedEpoch", b"0");
    let logs = tempfile::tempdir().expect("a temporary directory");
    let open = || store::Store::open(dir.0.path(), logs.path(), store::Options::default());
    open().expect("two directories");
    dir.write("log.1", &log(&[1]));
    assert!(matches!(open(), Err(Error::Misplaced { belongs: "dataLogDir", .. })));
    std::fs::rename(dir.path("log.1"), logs.path().join("version-2/log.1")).expect("renamed");
    assert_eq!(open().expect("in its place").1.log.len(), 1);
    std::fs::write(logs.path().join("version-2/snapshot.1"), b"").expect("written");
    assert!(matches!(open(), Err(Error::Misplaced { belongs: "dataDir", .. })));
}
