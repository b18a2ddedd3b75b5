//! Directories, records and snapshots for the tests of the public interface.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use store::{Compression, Options, Os, Recovered, Result, SnapshotDigest, SnapshotTail, Store};
use wire::StatPersisted;
use wire::snapshot::{END_MARK, OPEN_UNSAFE_ACL_ID, encode_node};

/// A record that creates a node for everybody, as ZooKeeper before 3.6 logged it.
pub fn create(zxid: u64, path: &str, data: &str) -> Vec<u8> {
    let mut blob = 0x0100_0000_0000_0001_u64.to_be_bytes().to_vec();
    blob.extend_from_slice(&1_i32.to_be_bytes());
    blob.extend_from_slice(&zxid.to_be_bytes());
    blob.extend_from_slice(&1000_i64.to_be_bytes());
    blob.extend_from_slice(&1_i32.to_be_bytes());
    let mut text = |text: &str| {
        blob.extend_from_slice(&(text.len() as u32).to_be_bytes());
        blob.extend_from_slice(text.as_bytes());
    };
    text(path);
    text(data);
    blob.extend_from_slice(&1_i32.to_be_bytes());
    blob.extend_from_slice(&31_i32.to_be_bytes());
    let mut text = |text: &str| {
        blob.extend_from_slice(&(text.len() as u32).to_be_bytes());
        blob.extend_from_slice(text.as_bytes());
    };
    text("world");
    text("anyone");
    blob.push(0);
    blob.extend_from_slice(&1_i32.to_be_bytes());
    blob
}

/// An entry of a log file, byte by byte.
pub fn entry(blob: &[u8]) -> Vec<u8> {
    let (mut a, mut b) = (1_u64, 0_u64);
    for byte in blob {
        a = (a + u64::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    let mut entry = (b << 16 | a).to_be_bytes().to_vec();
    entry.extend_from_slice(&(blob.len() as u32).to_be_bytes());
    entry.extend_from_slice(blob);
    entry.push(0x42);
    entry
}

/// A log file with creates of these zxids.
pub fn log(zxids: &[u64]) -> Vec<u8> {
    let mut log = b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0".to_vec();
    for zxid in zxids {
        log.extend(entry(&create(*zxid, &format!("/n{zxid}"), "data")));
    }
    log
}

/// The body of a snapshot of the tree that every ZooKeeper has.
pub fn empty_tree() -> Vec<u8> {
    let mut body = vec![0; 8];
    for path in ["", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"] {
        encode_node(path, Some(b""), OPEN_UNSAFE_ACL_ID, &StatPersisted::default(), &mut body);
    }
    body.extend_from_slice(END_MARK);
    body
}

/// Writes and publishes a snapshot.
pub fn snapshot(store: &Store, zxid: u64, body: &[u8]) {
    let mut writer = store.snapshot_writer(zxid).expect("a working disk");
    writer.write_all(body).expect("a working disk");
    let digest = Some(SnapshotDigest { zxid, version: 2, tree: 7 });
    let finished = writer.finish(SnapshotTail { digest, last_zxid: Some(zxid) });
    assert!(finished.and_then(store::FinishedSnapshot::publish).expect("a working disk"));
}

/// The bytes of a snapshot at a zxid, sealed as this crate seals it.
pub fn sealed_at(zxid: u64) -> Vec<u8> {
    let zxids: Vec<u64> = (1..=zxid).collect();
    let dir = Dir::new(&[("log.1", log(&zxids))]);
    let (store, _) = dir.open().expect("a history up to there");
    snapshot(&store, zxid, &empty_tree());
    drop(store);
    dir.read(&format!("snapshot.{zxid:x}"))
}

/// A data directory with a snapshot of the empty tree and these log files.
pub struct Dir(pub tempfile::TempDir);

impl Dir {
    pub fn new(logs: &[(&str, Vec<u8>)]) -> Self {
        let dir = Self(tempfile::tempdir().expect("a temporary directory"));
        let (store, _) = dir.open().expect("a fresh directory");
        snapshot(&store, 0, &empty_tree());
        drop(store);
        for (name, bytes) in logs {
            dir.write(name, bytes);
        }
        // Any history is within the epochs promised.
        dir.write("acceptedEpoch", b"9");
        dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("version-2").join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("written");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("read")
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub fn open(&self) -> Result<(Store, Recovered<Os>)> {
        open(self.0.path(), Compression::None)
    }

    /// The zxids of the log, and what was repaired, shortly.
    pub fn found(&self) -> Result<(Vec<u64>, Vec<store::Repair>)> {
        let (_, recovered) = self.open()?;
        Ok((recovered.log.iter().map(|entry| entry.zxid).collect(), recovered.repairs))
    }
}

pub fn open(dir: &Path, compression: Compression) -> Result<(Store, Recovered<Os>)> {
    let options = Options { preallocate_bytes: 4096, compression, ..Options::default() };
    Store::open(dir, dir, options)
}
