//! Snapshot files (`FileSnap`, `SnapStream`).
//!
//! ```text
//! header  : i32 magic "ZKSN" | i32 version 2 | i64 dbid -1
//! sessions: i32 count | count x { i64 session | i32 timeout in ms }
//! ACLs    : i32 count | count x { i64 id | vector of ACL }
//! nodes   : { string path | buffer data | i64 ACL id | StatPersisted }* | string "/"
//! seal    : i64 Adler-32 of all bytes so far | string "/"
//! digest  : i64 zxid | i32 version 2 | i64 digest of the tree | seal             since 3.6
//! last    : i64 zxid | seal                                                      since 3.9
//! ```
//!
//! Checksums are over the uncompressed bytes from the first on, earlier seals included.

mod encode;
mod read;
mod stream;
mod write;
mod xerial;

use std::path::PathBuf;

use crate::disk::{Disk, File};
use crate::error::{At, Error, Result};
use crate::layout::{Compression, Layout, SnapshotName};

pub use encode::SnapshotEncoder;
pub use read::SnapshotItems;
pub use write::{FinishedSnapshot, SnapshotWriter};

/// "ZKSN", version 2, dbid -1.
const HEADER: [u8; 16] = *b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff";
/// The string "/", which ends the nodes and each seal.
const SEAL_END: [u8; 5] = [0, 0, 0, 1, b'/'];
/// `FileSnap` tries no more.
const TRIED_MAX: usize = 100;

/// What stands behind the nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SnapshotTail {
    /// The digest of the tree, if it is known.
    pub digest: Option<SnapshotDigest>,
    /// The last transaction applied when the snapshot was complete. Written only together with a
    /// digest.
    pub last_zxid: Option<u64>,
}

/// The digest of a tree (`ZxidDigest`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotDigest {
    /// The last transaction in the tree; 0 for none.
    pub zxid: u64,
    /// `DigestCalculator.DIGEST_VERSION`: 2.
    pub version: i32,
    /// The sum of the digests of the nodes; 0 for versions below 2, which stored text.
    pub tree: u64,
}

/// A snapshot that was read to its end once: every seal is right, and it is sealed at its name's
/// zxid or later.
#[derive(Clone, Debug)]
pub struct SnapshotFile<D: Disk> {
    disk: D,
    path: PathBuf,
    zxid: u64,
    compression: Compression,
    tail: SnapshotTail,
}

impl<D: Disk> SnapshotFile<D> {
    /// The zxid of its name. In a snapshot of this crate it is that of the last transaction in it;
    /// ZooKeeper writes while it applies more, which are repeated from the log.
    pub fn zxid(&self) -> u64 {
        self.zxid
    }

    /// The file.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The last transaction in it, if it says more than its name. ZooKeeper writes while it
    /// applies, so it may seal a snapshot beyond its name, but never before it.
    pub(crate) fn sealed_beyond(&self) -> Option<u64> {
        let digest = self.tail.digest.map(|digest| digest.zxid);
        self.tail.last_zxid.max(digest).filter(|sealed| *sealed > self.zxid)
    }

    /// What stands behind the nodes.
    pub fn tail(&self) -> SnapshotTail {
        self.tail
    }

    /// Reads it again: sessions, then ACLs, then nodes, each in the order of the file.
    ///
    /// # Errors
    /// If the file cannot be opened, or has changed since.
    pub fn items(&self) -> Result<SnapshotItems<D::File>> {
        let file = self.disk.open(&self.path).at(&self.path, "open")?;
        SnapshotItems::new(file, self.path.clone(), self.compression)
    }
}

/// A snapshot that is not whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Skipped {
    pub(crate) zxid: u64,
    pub(crate) path: PathBuf,
    pub(crate) why: String,
}

/// The newest snapshot that is whole, of at most 100, and the newer ones that are not. Those that
/// are empty files are not mentioned: ZooKeeper leaves them when it cannot write.
///
/// # Errors
/// [`Error::NoValidSnapshot`] if there are some and none is whole.
pub(crate) fn newest<D: Disk>(
    layout: &Layout<D>,
) -> Result<(Option<SnapshotFile<D>>, Vec<Skipped>)> {
    let candidates: Vec<SnapshotName> =
        layout.snapshots()?.into_iter().filter(|name| name.len > 0).take(TRIED_MAX).collect();
    let mut skipped = Vec::new();
    let mut first = None;
    for name in &candidates {
        match open(layout, name) {
            Ok(snapshot) => return Ok((Some(snapshot), skipped)),
            Err(error) => {
                let (path, why) = (layout.snap.join(&name.name), error.to_string());
                first.get_or_insert_with(|| why.clone());
                skipped.push(Skipped { zxid: name.zxid, path, why });
            }
        }
    }
    match first {
        None => Ok((None, Vec::new())),
        Some(newest) => Err(Error::NoValidSnapshot {
            path: layout.snap.clone(),
            tried: candidates.len(),
            newest,
        }),
    }
}

/// The newest whole snapshot without a transaction behind `limit`; `None` if there is none at all.
///
/// # Errors
/// None of those is whole: what is wrong with the newest of them.
pub(crate) fn newest_up_to<D: Disk>(
    layout: &Layout<D>,
    limit: u64,
) -> Result<Option<SnapshotFile<D>>> {
    let names = layout.snapshots()?.into_iter();
    let mut broken = None;
    for name in names.filter(|name| name.len > 0 && name.zxid <= limit).take(TRIED_MAX) {
        match open(layout, &name) {
            Ok(found) if found.sealed_beyond().is_none_or(|sealed| sealed <= limit) => {
                return Ok(Some(found));
            }
            Ok(_) => {}
            Err(error) => broken = broken.or(Some(error)),
        }
    }
    broken.map_or(Ok(None), Err)
}

fn open<D: Disk>(layout: &Layout<D>, name: &SnapshotName) -> Result<SnapshotFile<D>> {
    let path = layout.snap.join(&name.name);
    let file = layout.disk.open(&path).at(&path, "open")?;
    let mut items = SnapshotItems::new(file, path.clone(), name.compression)?;
    for item in &mut items {
        item?;
    }
    let (zxid, compression, tail) = (name.zxid, name.compression, items.tail());
    if let Some(sealed) = tail.last_zxid.filter(|sealed| *sealed < zxid) {
        return Err(Error::SnapshotName { path, label: zxid, sealed });
    }
    Ok(SnapshotFile { disk: layout.disk.clone(), path, zxid, compression, tail })
}

/// `SnapStream.isValidSnapshot`: what can be said without reading a file whole.
pub(crate) fn looks_whole<D: Disk>(layout: &Layout<D>, name: &SnapshotName) -> Result<bool> {
    let path = layout.snap.join(&name.name);
    let file = layout.disk.open(&path).at(&path, "open")?;
    let len = file.len().at(&path, "ask the size of")?;
    let (offset, wanted): (u64, &[u8]) = match name.compression {
        Compression::None if len < 10 => return Ok(false),
        Compression::None => (len - SEAL_END.len() as u64, &SEAL_END),
        Compression::Gzip => (0, &[0x1f, 0x8b]),
        Compression::Snappy => (0, &xerial::MAGIC),
    };
    let mut found = [0; 8];
    let mut filled = 0;
    while filled < wanted.len() {
        let at = offset + filled as u64;
        match file.read_at(&mut found[filled..wanted.len()], at).at(&path, "read")? {
            0 => return Ok(false),
            count => filled += count,
        }
    }
    Ok(found[..wanted.len()] == *wanted)
}
