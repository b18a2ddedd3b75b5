//! What [`crate::Store::open`] found, and what it had to repair.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;

use crate::disk::Disk;
use crate::snapshot::SnapshotFile;

/// What a directory holds: the fold of a prefix of the records that were written, at least as long
/// as what was synced.
#[derive(Debug)]
pub struct Recovered<D: Disk> {
    /// `acceptedEpoch`.
    pub accepted: u32,
    /// `currentEpoch`.
    pub current: u32,
    /// The newest valid snapshot; `None` in a fresh directory (and with `trust_empty_snapshot`).
    pub snapshot: Option<SnapshotFile<D>>,
    /// The records behind the snapshot, in order: each zxid continues the one before.
    pub log: Vec<LogEntry>,
    /// The zxid of the last record in the log files read that the snapshot covers, if any. The name
    /// of a snapshot that ZooKeeper wrote may have counter 0, which is no position in a history;
    /// this one is.
    pub before: Option<u64>,
    /// What was here was found damaged and set aside, now or before an earlier start, and no leader
    /// has given this server another history since: it may lack what it has acknowledged.
    pub history_lost: bool,
    /// What was not as it should be, in the order in which it was found. Each was logged as a
    /// warning, too.
    pub repairs: Vec<Repair>,
}

impl<D: Disk> Recovered<D> {
    /// The end of the history: the last record, or else the snapshot's zxid, or else 0.
    pub fn last(&self) -> u64 {
        self.log
            .last()
            .map_or(self.snapshot.as_ref().map_or(0, SnapshotFile::zxid), |entry| entry.zxid)
    }
}

/// A record of the transaction log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEntry {
    /// The zxid in its `TxnHeader`.
    pub zxid: u64,
    /// TxnHeader, transaction, digest: as they are proposed.
    pub blob: Bytes,
}

/// Something that was not as an orderly stop leaves it. None of these loses a record that may have
/// been acknowledged, except as [`Repair::TornTail`] says.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Repair {
    /// The log ended in the remains of a record; they were cut off. After a crash this is what a
    /// write that was under way leaves. If there was no crash, the end of the log was overwritten
    /// with zeros or cut off, and the server lacks what stood there.
    TornTail {
        /// The log file.
        path: PathBuf,
        /// The new end of the file.
        offset: u64,
        /// What the remains do not fulfil.
        rule: &'static str,
        /// What was found.
        found: String,
    },
    /// The last log files held no record, and were removed.
    EmptyLog {
        /// The log file.
        path: PathBuf,
    },
    /// An earlier log file ends in the remains of a record, as ZooKeeper leaves them; the next file
    /// continues where it ends, so nothing is missing. Nothing was changed.
    TornBeforeEnd {
        /// The log file.
        path: PathBuf,
        /// Where the remains begin.
        offset: u64,
    },
    /// Records stand in the log twice, the same both times. The repetitions were skipped.
    Repeated {
        /// The log file with the repetitions.
        path: PathBuf,
        /// How many.
        records: u64,
    },
    /// A snapshot is not whole; an older one, and the log that leads to it, was used instead.
    SnapshotSkipped {
        /// The snapshot.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The history is beyond currentEpoch, and `currentEpoch.tmp` says what currentEpoch was about
    /// to be.
    CurrentEpochAdopted {
        /// `currentEpoch.tmp`.
        path: PathBuf,
        /// The epoch.
        epoch: u32,
    },
    /// An installation or truncation that a crash interrupted was finished.
    Finished {
        /// Which one.
        what: String,
    },
    /// `acceptedEpoch` was missing or damaged, and its second copy is there.
    PromiseFromCopy {
        /// `acceptedEpoch`.
        path: PathBuf,
        /// The epoch.
        epoch: u32,
    },
    /// What was here is damaged, and has other names now; a leader has to give this server another
    /// history.
    SetAside {
        /// How many files.
        files: usize,
        /// What their names begin with now.
        prefix: String,
        /// What is wrong.
        why: String,
    },
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail { path, offset, rule, found } => write!(
                f,
                "{}: the remains of a record were cut off at offset {offset} ({rule}, found {found})",
                path.display()
            ),
            Self::EmptyLog { path } => {
                write!(f, "{}: held no record and was removed", path.display())
            }
            Self::TornBeforeEnd { path, offset } => write!(
                f,
                "{}: ends in the remains of a record at offset {offset}; the next file continues there",
                path.display()
            ),
            Self::Repeated { path, records } => {
                write!(f, "{}: repeats {records} records of the files before it", path.display())
            }
            Self::SnapshotSkipped { path, why } => {
                write!(f, "{}: skipped, an older snapshot is used: {why}", path.display())
            }
            Self::CurrentEpochAdopted { path, epoch } => {
                write!(f, "{}: adopted as currentEpoch {epoch}", path.display())
            }
            Self::Finished { what } => write!(f, "finished what a crash had interrupted: {what}"),
            Self::PromiseFromCopy { path, epoch } => write!(
                f,
                "{}: missing or damaged; its copy beside the log says {epoch}",
                path.display()
            ),
            Self::SetAside { files, prefix, why } => write!(
                f,
                "{files} files were set aside as {prefix}*, and this server waits for a leader to \
                 give it its data, without a vote until then; what was wrong: {why}"
            ),
        }
    }
}
