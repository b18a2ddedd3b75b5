//! Names in the two `version-2` directories, and helpers that make a name durable.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, File};
use crate::error::{At, Error, Result};

/// The directory below dataDir and dataLogDir.
pub(crate) const VERSION_DIR: &str = "version-2";
/// Names that begin so are this crate's own; ZooKeeper looks at none of them.
pub(crate) const OWN_TMP: &str = "vivarium.tmp.";

/// How a snapshot is compressed: ZooKeeper's `snapshot.compression.method`, and the last part of
/// its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    /// Not at all (the default).
    #[default]
    None,
    /// `gz`: gzip.
    Gzip,
    /// `snappy`: the stream format of snappy-java, which is not the framing of the snappy project.
    Snappy,
}

impl Compression {
    const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Snappy => ".snappy",
        }
    }
}

/// `log.<hex zxid of its first record>`.
pub(crate) fn log_name(zxid: u64) -> String {
    format!("log.{zxid:x}")
}

/// `snapshot.<hex zxid>`, with the suffix of its compression.
pub(crate) fn snapshot_name(zxid: u64, compression: Compression) -> String {
    format!("snapshot.{zxid:x}{}", compression.suffix())
}

/// The zxid in the name of a log, as `Util.getZxidFromName`, but nothing may follow.
pub(crate) fn parse_log_name(name: &str) -> Option<u64> {
    parse_zxid(name.strip_prefix("log.")?)
}

/// The zxid and the compression in the name of a snapshot; `None` for ZooKeeper's unfinished `.tmp`
/// files.
pub(crate) fn parse_snapshot_name(name: &str) -> Option<(u64, Compression)> {
    let rest = name.strip_prefix("snapshot.")?;
    let (zxid, compression) = match rest.split_once('.') {
        None => (rest, Compression::None),
        Some((zxid, "gz")) => (zxid, Compression::Gzip),
        Some((zxid, "snappy")) => (zxid, Compression::Snappy),
        Some(_) => return None,
    };
    Some((parse_zxid(zxid)?, compression))
}

/// Hexadecimal, and a positive signed 64-bit number: `Long.parseLong(name, 16)`.
pub(crate) fn parse_zxid(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let zxid = u64::from_str_radix(text, 16).ok()?;
    (plain && i64::try_from(zxid).is_ok()).then_some(zxid)
}

/// A log file in the directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LogName {
    pub(crate) zxid: u64,
    pub(crate) name: String,
    pub(crate) len: u64,
}

/// A snapshot in the directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SnapshotName {
    pub(crate) zxid: u64,
    pub(crate) compression: Compression,
    pub(crate) name: String,
    pub(crate) len: u64,
}

/// The two `version-2` directories; they may be one.
#[derive(Clone, Debug)]
pub(crate) struct Layout<D> {
    pub(crate) disk: D,
    /// Snapshots, epochs, this crate's intent.
    pub(crate) snap: PathBuf,
    /// Logs.
    pub(crate) log: PathBuf,
}

impl<D: Disk> Layout<D> {
    pub(crate) fn new(disk: D, data_dir: &Path, data_log_dir: &Path) -> Self {
        Self { disk, snap: data_dir.join(VERSION_DIR), log: data_log_dir.join(VERSION_DIR) }
    }

    pub(crate) fn separate(&self) -> bool {
        self.snap != self.log
    }

    pub(crate) fn list(&self, dir: &Path) -> Result<Vec<(String, u64)>> {
        self.disk.list(dir).at(dir, "list")
    }

    /// True if there is such a directory.
    pub(crate) fn has_dir(&self, dir: &Path) -> Result<bool> {
        match self.disk.list(dir) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io(dir, "list", error)),
        }
    }

    /// The logs, oldest first.
    pub(crate) fn logs(&self) -> Result<Vec<LogName>> {
        let mut logs: Vec<LogName> = (self.list(&self.log)?.into_iter())
            .filter_map(|(name, len)| Some(LogName { zxid: parse_log_name(&name)?, name, len }))
            .collect();
        logs.sort_by(|a, b| (a.zxid, &a.name).cmp(&(b.zxid, &b.name)));
        Ok(logs)
    }

    /// The snapshots, newest first.
    pub(crate) fn snapshots(&self) -> Result<Vec<SnapshotName>> {
        let mut snapshots: Vec<SnapshotName> = (self.list(&self.snap)?.into_iter())
            .filter_map(|(name, len)| {
                let (zxid, compression) = parse_snapshot_name(&name)?;
                Some(SnapshotName { zxid, compression, name, len })
            })
            .collect();
        snapshots.sort_by(|a, b| (b.zxid, &b.name).cmp(&(a.zxid, &a.name)));
        Ok(snapshots)
    }

    /// `FileTxnSnapLog.checkLogDir` and `checkSnapDir`.
    pub(crate) fn check_places(&self) -> Result<()> {
        if !self.separate() {
            return Ok(());
        }
        let misplaced = |dir: &Path, prefix, belongs| -> Result<()> {
            match self.list(dir)?.into_iter().find(|(name, _)| name.starts_with(prefix)) {
                Some((name, _)) => Err(Error::Misplaced { path: dir.join(name), belongs }),
                None => Ok(()),
            }
        };
        misplaced(&self.snap, "log.", "dataLogDir")?;
        misplaced(&self.log, "snapshot.", "dataDir")
    }

    /// Takes the lock files of both directories.
    pub(crate) fn lock(&self) -> Result<Vec<D::Lock>> {
        let mut locks = Vec::new();
        for dir in [&self.snap, &self.log] {
            let path = dir.join("vivarium.lock");
            if locks.is_empty() || self.separate() {
                let lock = self.disk.lock(&path).at(&path, "lock")?;
                locks.push(lock.ok_or(Error::Locked { path })?);
            }
        }
        Ok(locks)
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<()> {
        self.disk.remove(path).at(path, "remove")
    }

    pub(crate) fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.disk.sync_dir(dir).at(dir, "fsync")
    }

    /// Replaces a file of the snapshot directory in one step: written as NAME.tmp, fsynced,
    /// renamed, directory fsynced (`AtomicFileOutputStream`, and the last step, which it lacks).
    pub(crate) fn write_atomically(&self, name: &str, content: &str) -> Result<()> {
        self.write_aside(&self.snap, name, content)?;
        self.put_in_place(&self.snap, name)
    }

    /// Writes NAME.tmp and fsyncs it; its name is not durable yet.
    pub(crate) fn write_aside(&self, dir: &Path, name: &str, content: &str) -> Result<()> {
        let tmp_name = format!("{name}.tmp");
        let tmp = dir.join(&tmp_name);
        if self.list(dir)?.iter().any(|(found, _)| *found == tmp_name) {
            self.remove(&tmp)?;
        }
        let mut file = self.disk.create_new(&tmp).at(&tmp, "create")?;
        file.write_all_at(content.as_bytes(), 0).at(&tmp, "write")?;
        file.sync().at(&tmp, "fsync")
    }

    /// Gives NAME.tmp its name, durably.
    pub(crate) fn put_in_place(&self, dir: &Path, name: &str) -> Result<()> {
        let (tmp, path) = (dir.join(format!("{name}.tmp")), dir.join(name));
        self.disk.rename(&tmp, &path).at(&path, "rename into place")?;
        self.sync_dir(dir)
    }

    /// The beginning of a small text file; `None` if there is none.
    pub(crate) fn read_small(&self, path: &Path) -> Result<Option<String>> {
        const SMALL_BYTES_MAX: usize = 4096;
        let file = match self.disk.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path, "open", error)),
        };
        let mut bytes = vec![0; SMALL_BYTES_MAX];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], filled as u64).at(path, "read")? {
                0 => break,
                n => filled += n,
            }
        }
        bytes.truncate(filled);
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_zookeeper_reads_and_writes_them() {
        for (name, zxid) in [
            ("log.1", Some(1)),
            ("log.100000001", Some(0x1_0000_0001)),
            ("log.7fffffffffffffff", Some(0x7fff_ffff_ffff_ffff)),
            ("log.8000000000000000", None),
            ("log.", None),
            ("log.+1", None),
            ("log.1.bak", None),
            ("snapshot.1", None),
        ] {
            assert_eq!(parse_log_name(name), zxid, "{name}");
        }
        for (name, found) in [
            ("snapshot.0", Some((0, Compression::None))),
            ("snapshot.a.gz", Some((10, Compression::Gzip))),
            ("snapshot.a.snappy", Some((10, Compression::Snappy))),
            ("snapshot.a.tmp", None),
            ("snapshot.a.gz.tmp", None),
            ("vivarium.tmp.1.snapshot.a", None),
        ] {
            assert_eq!(parse_snapshot_name(name), found, "{name}");
            if let Some((zxid, compression)) = found {
                assert_eq!(snapshot_name(zxid, compression), name);
            }
        }
    }
}
