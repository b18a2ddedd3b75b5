//! What can be wrong with a directory, and what can go wrong with a disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::tail::Proof;

/// Everything that this crate refuses, or that the operating system refused it. Each message names
/// the file, the rule and the value found.
///
/// The error is cheap to clone: the first failed write or fsync is kept, and every later call
/// answers with it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused. A failed write or fsync is never retried: what the disk holds
    /// is unknown from then on.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Another server works on the directory.
    #[error("{path}: locked; a directory belongs to one running server, and another one holds it")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// `FileTxnSnapLog`: with separate directories, logs belong into one and snapshots into the
    /// other.
    #[error("{path}: misplaced; with separate dataDir and dataLogDir it belongs into {belongs}")]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// `dataDir` or `dataLogDir`.
        belongs: &'static str,
    },
    /// A record is damaged, and not as a crash leaves the one that was being written: records that
    /// were acknowledged may be missing.
    #[error(
        "{path}: offset {offset}: {rule}, found {found}; {proof}, so this is not the torn end of a crash and \
         nothing is cut. Restore \
         the file; or let this server fetch its data from the ensemble, but only while all the other servers are \
         up and serve (stop it, move both version-2 directories away, start it)"
    )]
    Damaged {
        /// The log file.
        path: PathBuf,
        /// Where the damaged record begins.
        offset: u64,
        /// What a record must fulfil.
        rule: &'static str,
        /// What it holds.
        found: String,
        /// What shows that it is no torn end.
        proof: Proof,
    },
    /// A log file that is not the last one ends in damage, and what follows does not prove that
    /// nothing is missing.
    #[error(
        "{path}: offset {offset}: {rule}, found {found}; the log goes on in {next} with zxid 0x{next_zxid:x}, which \
         is not the next one after 0x{last:x} in its epoch, so records may be missing and nothing is cut. Restore \
         the file; or let this server fetch its data from the ensemble, but only while all the other servers are \
         up and serve (stop it, move both version-2 directories away, start it)"
    )]
    DamagedBeforeEnd {
        /// The log file.
        path: PathBuf,
        /// Where the damaged record begins.
        offset: u64,
        /// What a record must fulfil.
        rule: &'static str,
        /// What it holds.
        found: String,
        /// The last zxid known before the damage.
        last: u64,
        /// The file behind it.
        next: String,
        /// The zxid with which that file begins.
        next_zxid: u64,
    },
    /// The bytes are as they were written, but not what a ZooKeeper log may hold.
    #[error("{path}: offset {offset}: {rule}, found {found}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What must be there.
        rule: &'static str,
        /// What is there.
        found: String,
    },
    /// The log does not continue: between `last` and `found` records are missing.
    #[error(
        "{path}: offset {offset}: zxid 0x{found:x} does not continue 0x{last:x}; within an epoch each zxid is the one \
         before plus 1, and an epoch begins with counter 1"
    )]
    Gap {
        /// The log file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What stands before it, in the log or as the snapshot's zxid.
        last: u64,
        /// Its zxid.
        found: u64,
    },
    /// A log file was begun behind a zxid that is neither in the snapshot nor in the log before it:
    /// a file is missing.
    #[error(
        "{path}: was begun behind zxid 0x{behind:x}, and the snapshot and the log before it end at 0x{last:x}: a log \
         file is missing"
    )]
    FileMissing {
        /// The log file.
        path: PathBuf,
        /// The zxid behind which it was begun.
        behind: u64,
        /// What stands before it.
        last: u64,
    },
    /// The log ends before a record that was durable.
    #[error(
        "{path}: the log ends at zxid 0x{last:x}, and vivarium.durable says that it was durable up to 0x{durable:x}: \
         records are missing. Restore the files; or, if the end was taken away on purpose, remove vivarium.durable"
    )]
    LogCut {
        /// The log directory.
        path: PathBuf,
        /// What was durable.
        durable: u64,
        /// The end of the log, or of the snapshot.
        last: u64,
    },
    /// A record goes back behind what was read, and is not a repetition of it.
    #[error(
        "{path}: offset {offset}: zxid 0x{found:x} stands behind 0x{last:x}; only an identical repetition of a \
         record may do so"
    )]
    Order {
        /// The log file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// The newest zxid before it.
        last: u64,
        /// Its zxid.
        found: u64,
    },
    /// There are snapshots, and none of them is whole.
    #[error("{path}: no valid snapshot among {tried}; the newest: {newest}")]
    NoValidSnapshot {
        /// The directory.
        path: PathBuf,
        /// How many were tried.
        tried: usize,
        /// What is wrong with the newest.
        newest: String,
    },
    /// A snapshot newer than the one that can be read is damaged, and the log does not show that it
    /// leads there: the damaged one may have come from another server, as the only copy of what
    /// lies between.
    #[error(
        "{path}: damaged ({why}), and the log behind the older snapshot 0x{older:x} does not lead to it, so falling \
         back would lose what is between. \
         Restore the file; or let this server fetch its data from the ensemble, but only while all the other servers are \
         up and serve (stop it, move both version-2 directories away, start it)"
    )]
    SnapshotLost {
        /// The damaged snapshot.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// The zxid of the newest one that is whole.
        older: u64,
    },
    /// A snapshot is not what a ZooKeeper snapshot may be.
    #[error("{path}: offset {offset} (uncompressed): {rule}, found {found}")]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Where, in the uncompressed bytes.
        offset: u64,
        /// What must be there.
        rule: &'static str,
        /// What is there.
        found: String,
    },
    /// A snapshot is whole, but older than its name says: it is another file's content.
    #[error(
        "{path}: a snapshot holds everything up to the zxid of its name, 0x{label:x}, found one sealed at zxid \
         0x{sealed:x}"
    )]
    SnapshotName {
        /// The file.
        path: PathBuf,
        /// The zxid of its name.
        label: u64,
        /// The last zxid in it.
        sealed: u64,
    },
    /// A snapshot holds transactions that the log behind it lacks. ZooKeeper's snapshots may go
    /// beyond their names, while the same transactions go to the log.
    #[error(
        "{path}: a snapshot sealed beyond the zxid of its name, 0x{label:x}, needs the log up to where it is sealed, \
         found it sealed at zxid 0x{sealed:x} and the log to end at 0x{last:x}. The file has another snapshot's name, or \
         records are missing"
    )]
    SnapshotAhead {
        /// The file.
        path: PathBuf,
        /// The zxid of its name.
        label: u64,
        /// The last zxid in it.
        sealed: u64,
        /// The end of the log.
        last: u64,
    },
    /// `FileTxnSnapLog.restore`: logs without any snapshot are the remains of a state that is lost.
    #[error(
        "{path}: there is no snapshot, but the log {log}; the state before it is lost, unless the snapshot is found again \
         and put there"
    )]
    LogWithoutSnapshot {
        /// The snapshot directory.
        path: PathBuf,
        /// A log file.
        log: String,
    },
    /// The epochs say that there was a history, and nothing of it is there: from the first epoch on
    /// a directory has a snapshot, of the empty tree at least.
    #[error(
        "{path}: there is no snapshot and no log, but acceptedEpoch is {accepted}: the history that was here is lost. \
         Restore the files; or let this server fetch its data from the ensemble, but only while all the other servers are \
         up and serve (stop it, move both version-2 directories away, start it)"
    )]
    HistoryLost {
        /// The snapshot directory.
        path: PathBuf,
        /// As found.
        accepted: u32,
    },
    /// What was here was set aside by a member of an ensemble, and this server has no other members
    /// that could give it another history.
    #[error(
        "{path}: the history that was here was damaged and was set aside (vivarium.aside.*), and nobody has given this \
         server another one. Start it as the member of its ensemble that it was; or give the files their names \
         back and remove this one; or, to begin with nothing, move both version-2 directories away"
    )]
    HistoryNotRestored {
        /// The file that says so.
        path: PathBuf,
    },
    /// dataLogDir is another directory than dataDir, and not even `version-2` is in it, though a
    /// server has worked here: a disk that is not mounted looks like that.
    #[error(
        "{path}: is not there, but {proof}: a server has worked with this dataDir, and its log is missing. Is the disk of \
         dataLogDir mounted, and is dataLogDir the same as before? Nothing was created"
    )]
    LogDirectoryLost {
        /// The log directory.
        path: PathBuf,
        /// What shows that there was one.
        proof: String,
    },
    /// An epoch file is missing and the other one is there. Both are written before a server takes
    /// part in anything.
    #[error(
        "{path}: is not there, but {other} says {epoch}: both epoch files are there or none is, and without this one the \
         server could vote twice in an epoch. Restore the file; or let this server fetch its data from the ensemble, \
         but only while all the other servers are up and serve (stop it, move both version-2 directories away, start \
         it)"
    )]
    EpochFileLost {
        /// The file that is missing.
        path: PathBuf,
        /// The name of the other one.
        other: &'static str,
        /// What the other one says.
        epoch: u32,
    },
    /// An epoch file, or this crate's intent file, holds something else.
    #[error("{path}: {rule}, found {found:?}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What must be in it.
        rule: &'static str,
        /// What is in it (the beginning).
        found: String,
    },
    /// epoch(last zxid) <= acceptedEpoch and currentEpoch <= acceptedEpoch hold at every moment.
    #[error(
        "{path}: {rule}, found acceptedEpoch {accepted}, currentEpoch {current}, last zxid 0x{last:x}"
    )]
    Epochs {
        /// The directory.
        path: PathBuf,
        /// What is broken.
        rule: &'static str,
        /// As found.
        accepted: u32,
        /// As found.
        current: u32,
        /// The end of the history.
        last: u64,
    },
    /// The caller broke a rule of this crate; nothing was changed.
    #[error("{rule}, got 0x{got:x} where the history ends at 0x{last:x}")]
    Refused {
        /// What the caller must fulfil.
        rule: &'static str,
        /// The zxid given.
        got: u64,
        /// The end of the history.
        last: u64,
    },
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// True if what is on the disk is not what was written, and no more can be said of the rest of
    /// it: others may have it. The disk itself has failed only as far as it cannot read.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Io { action, .. } => *action == "read",
            Self::Damaged { .. }
            | Self::DamagedBeforeEnd { .. }
            | Self::Malformed { .. }
            | Self::Gap { .. }
            | Self::FileMissing { .. }
            | Self::LogCut { .. }
            | Self::Order { .. }
            | Self::NoValidSnapshot { .. }
            | Self::SnapshotLost { .. }
            | Self::Snapshot { .. }
            | Self::SnapshotName { .. }
            | Self::SnapshotAhead { .. }
            | Self::LogWithoutSnapshot { .. }
            | Self::HistoryLost { .. }
            | Self::EpochFileLost { .. }
            | Self::Content { .. }
            | Self::Epochs { .. } => true,
            Self::Locked { .. }
            | Self::Misplaced { .. }
            | Self::HistoryNotRestored { .. }
            | Self::LogDirectoryLost { .. }
            | Self::Refused { .. } => false,
        }
    }

    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source: Arc::new(source) }
    }
}

/// Adds to an [`io::Error`] what was tried on what.
pub(crate) trait At<T> {
    fn at(self, path: &Path, action: &'static str) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path, action: &'static str) -> Result<T> {
        self.map_err(|source| Error::io(path, action, source))
    }
}
