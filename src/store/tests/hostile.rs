//! Whatever bytes a file holds: no panic, no memory for what is only announced.

mod common;

use std::io::Write;

use common::{Dir, empty_tree, log};
use quickcheck::{QuickCheck, TestResult};
use store::{Error, SnapshotFile};

/// How many of them: each makes a directory.
const TESTS: u64 = 60;

/// Opens a directory and reads all of it; what is refused is as good as what is read.
fn survive(dir: &Dir) -> Option<Error> {
    match dir.open() {
        Ok((_, recovered)) => {
            if let Some(items) = recovered.snapshot.as_ref().map(SnapshotFile::items) {
                assert!(items.expect("read once").all(|item| item.is_ok()));
            }
            None
        }
        Err(error) => Some(error),
    }
}

#[test]
fn any_bytes_as_a_log() {
    fn law(bytes: Vec<u8>, header: bool) -> bool {
        let bytes = if header { [log(&[1]), bytes].concat() } else { bytes };
        survive(&Dir::new(&[("log.1", bytes)]));
        true
    }
    QuickCheck::new().tests(TESTS).quickcheck(law as fn(Vec<u8>, bool) -> bool);
}

#[test]
fn a_log_with_a_few_wrong_bytes_never_loses_a_record_silently() {
    fn law(changes: Vec<(u16, u8)>) -> TestResult {
        let whole = log(&[1, 2, 3, 4]);
        let mut bytes = whole.clone();
        for (at, value) in changes.iter().take(3) {
            let at = usize::from(*at) % bytes.len();
            bytes[at] = *value;
        }
        if bytes == whole {
            return TestResult::discard();
        }
        let dir = Dir::new(&[("log.1", bytes.clone())]);
        match dir.found() {
            // dbid is of no meaning; everything else is noticed.
            Ok((zxids, repairs)) => TestResult::from_bool(
                bytes[16..] == whole[16..] && zxids == [1, 2, 3, 4]
                    || !repairs.is_empty() && (1..=zxids.len() as u64).eq(zxids),
            ),
            Err(_) => TestResult::passed(),
        }
    }
    QuickCheck::new().tests(TESTS).quickcheck(law as fn(Vec<(u16, u8)>) -> TestResult);
}

#[test]
fn any_bytes_as_a_snapshot() {
    fn law(bytes: Vec<u8>, kind: u8) -> bool {
        let dir = Dir::new(&[]);
        let (name, magic): (_, &[u8]) = match kind % 4 {
            0 => ("snapshot.1", b""),
            1 => ("snapshot.1", b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff"),
            2 => ("snapshot.1.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0]),
            _ => ("snapshot.1.snappy", b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"),
        };
        dir.write(name, &[magic, &bytes].concat());
        // Nothing leads to it, so it is refused rather than passed over; an empty file is no
        // snapshot at all.
        let empty = magic.is_empty() && bytes.is_empty();
        matches!(survive(&dir), Some(Error::SnapshotLost { .. })) || empty
    }
    QuickCheck::new().tests(TESTS).quickcheck(law as fn(Vec<u8>, u8) -> bool);
}

#[test]
fn a_snapshot_with_a_wrong_byte_anywhere_is_refused() {
    let dir = Dir::new(&[]);
    let good = dir.read("snapshot.0");
    for at in (0..good.len()).filter(|at| !(8..16).contains(at)) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x04;
        dir.write("snapshot.0", &bytes);
        assert!(matches!(survive(&dir), Some(Error::NoValidSnapshot { .. })), "byte {at}");
    }
}

#[test]
fn a_length_that_is_only_announced_reserves_nothing() {
    const ALLOWED_BYTES: u64 = 4 << 20;
    let huge = i32::MAX.to_be_bytes();
    let body = |at: usize| {
        let mut body = empty_tree();
        body[at..at + 4].copy_from_slice(&huge);
        body
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff").expect("a vector takes it");
    gzip.write_all(&body(12)).expect("a vector takes it");
    let header = b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
    for (name, bytes) in [
        ("log.1", [log(&[]), vec![0; 8], huge.to_vec(), vec![1; 40]].concat()),
        ("snapshot.1", [header.clone(), body(0)].concat()),
        ("snapshot.1", [header.clone(), body(4)].concat()),
        ("snapshot.1", [header.clone(), body(8)].concat()),
        ("snapshot.1", [header, body(12)].concat()),
        ("snapshot.1.gz", gzip.finish().expect("a vector takes it")),
        (
            "snapshot.1.snappy",
            b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\x7f\xff\xff\xff\xff\xff\xff\xff\x07".to_vec(),
        ),
        (
            "snapshot.1.snappy",
            b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x05\xff\xff\xff\xff\x07".to_vec(),
        ),
    ] {
        let dir = Dir::new(&[(name, bytes)]);
        let measured = allocation_counter::measure(|| {
            survive(&dir);
        });
        assert!(measured.bytes_max < ALLOWED_BYTES, "{name}: {}", measured.bytes_max);
    }
}
