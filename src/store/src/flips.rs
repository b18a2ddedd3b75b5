//! Every small damage at every place of a small log: it is refused, or no record is missing, or it
//! is one of the cases that nothing tells from the torn end of a crash. These are asserted exactly.

use std::path::{Path, PathBuf};

use crate::crash::{DATA, blob, open, written};
use crate::log::{HEADER, encode_entry};
use crate::sim::{Image, SimDisk};
use crate::snapshot::FinishedSnapshot;

/// What a damaged directory turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// The server does not start, and changed nothing.
    Refused,
    /// All records are there.
    Whole,
    /// The server starts with only this many records.
    Lost(usize),
}

fn path(name: &str) -> PathBuf {
    Path::new(DATA).join("version-2").join(name)
}

/// A directory with a snapshot of the empty tree, and these files.
fn image(files: &[(&str, &[u8])]) -> Image {
    let disk = SimDisk::new(Image::new());
    let (store, _) = open(&disk, 0, DATA).expect("a fresh directory");
    let snapshot = written(&store, &[]).and_then(FinishedSnapshot::publish);
    assert!(snapshot.expect("a working disk"));
    drop(store);
    let mut image = disk.image();
    for (name, bytes) in files {
        image.insert(path(name), bytes.to_vec());
    }
    image
}

/// A log with these records, of a TxnHeader and this many bytes of a kind.
fn log(records: &[(u64, u8, usize)]) -> Vec<u8> {
    let mut log = HEADER.to_vec();
    for (zxid, kind, count) in records {
        let mut blob = blob(*zxid, 7);
        blob.resize(blob.len() + count, *kind);
        encode_entry(&blob, blob.len() as u32, &mut log);
    }
    log
}

/// Opens a directory in which the log has this content.
fn fate(image: &Image, name: &str, bytes: &[u8], records: usize) -> Fate {
    let mut image = image.clone();
    image.insert(path(name), bytes.to_vec());
    let disk = SimDisk::new(image.clone());
    match open(&disk, 0, DATA) {
        Ok((_, recovered)) => {
            let zxids: Vec<u64> = recovered.log.iter().map(|entry| entry.zxid).collect();
            assert!(zxids.iter().copied().eq(1..=zxids.len() as u64), "{zxids:?}");
            if zxids.len() == records { Fate::Whole } else { Fate::Lost(zxids.len()) }
        }
        Err(_) => {
            assert!(disk.image() == image, "nothing is changed in a directory that is refused");
            Fate::Refused
        }
    }
}

fn padded(mut bytes: Vec<u8>, more: usize) -> Vec<u8> {
    bytes.resize(bytes.len() + more, 0);
    bytes
}

/// A short record, one of 300 bytes (its length takes two), one that ends with zeros, and a last
/// one.
fn records(last: (u8, usize)) -> Vec<u8> {
    log(&[(1, b'x', 9), (2, b'x', 300), (3, 0, 40), (4, last.0, last.1)])
}

#[test]
fn no_flipped_bit_of_any_record_loses_an_acknowledged_one() {
    for last in [(b'x', 9), (0, 1500)] {
        let whole = records(last);
        for padding in [0, 64] {
            let image = image(&[]);
            for at in 0..whole.len() + padding {
                for bit in 0..8 {
                    let mut bytes = padded(whole.clone(), padding);
                    bytes[at] ^= 1 << bit;
                    let fate = fate(&image, "log.1", &bytes, 4);
                    let context = format!("byte {at} of {}, bit {bit}: {fate:?}", whole.len());
                    if at < whole.len() {
                        assert_eq!(fate, Fate::Refused, "{context}");
                    } else {
                        // Behind the records nothing can be lost.
                        assert!(!matches!(fate, Fate::Lost(_)), "{context}");
                    }
                }
            }
        }
    }
}

#[test]
fn no_flipped_bit_of_an_earlier_file_loses_a_record() {
    let whole = records((b'x', 9));
    let image = image(&[("log.5", &log(&[(5, b'x', 9), (6, b'x', 9)]))]);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let expected = Fate::Refused;
            assert_eq!(fate(&image, "log.1", &bytes, 6), expected, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn zeros_lose_a_record_only_if_they_reach_the_end_of_the_log() {
    let whole = records((b'x', 9));
    for padding in [0, 64] {
        let image = image(&[]);
        for from in HEADER.len()..whole.len() {
            for to in (from + 1..=whole.len()).rev().step_by(3) {
                let mut bytes = padded(whole.clone(), padding);
                bytes[from..to].fill(0);
                let unchanged = bytes[..whole.len()] == whole[..];
                let fate = fate(&image, "log.1", &bytes, 4);
                let context = format!("{from}..{to} of {}: {fate:?}", whole.len());
                if unchanged {
                    assert_eq!(fate, Fate::Whole, "{context}");
                } else if to == whole.len() {
                    assert!(matches!(fate, Fate::Lost(_)), "{context}");
                } else {
                    assert_eq!(fate, Fate::Refused, "{context}");
                }
            }
        }
    }
}

/// A sector of zeros with records behind it is what a crash of the system leaves of a batch, and
/// what a disk leaves that has lost the sector. While the system is up it can only be the latter.
#[test]
fn a_lost_sector_is_refused_unless_the_system_may_have_crashed_under_the_server() {
    const LOST: std::ops::Range<usize> = 512..1024;
    let disk = SimDisk::new(Image::new());
    let (mut store, _) = open(&disk, 0, DATA).expect("a fresh directory");
    let snapshot = written(&store, &[]).and_then(FinishedSnapshot::publish);
    assert!(snapshot.expect("a working disk"));
    for zxid in 1..=4 {
        let blob = [blob(zxid, 7), vec![b'x'; 600]].concat();
        store.append(zxid, &blob).expect("it continues");
    }
    store.sync().expect("a working disk");
    let lost = |mut image: Image| {
        let log = image.get_mut(&path("log.1")).expect("the log");
        assert!(log.len() > LOST.end + 600, "records stand behind it");
        log[LOST].fill(0);
        // The records were not synced, so nothing says that they were.
        image.remove(&path("vivarium.durable"));
        image
    };
    // The process is killed.
    std::mem::forget(store);
    let killed = lost(disk.image());
    assert!(open(&SimDisk::same_boot(&disk, killed.clone()), 0, DATA).is_err());
    let (_, recovered) = open(&SimDisk::new(killed), 0, DATA).expect("a torn batch");
    assert!(recovered.log.is_empty(), "its first record is torn");
    // It is started again, and stops in order.
    let (store, recovered) = open(&disk, 0, DATA).expect("nothing is wrong with it");
    assert_eq!(recovered.log.len(), 4);
    drop(store);
    assert!(open(&SimDisk::new(lost(disk.image())), 0, DATA).is_err());
}
