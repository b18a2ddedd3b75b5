//! Looking at single files, wherever they are. Nothing is changed, and nothing is locked: a file in
//! use is read as far as it goes.

use std::fs;
use std::path::Path;

use bytes::Bytes;

use crate::disk::File;
use crate::error::{At, Error, Result};
use crate::layout::{Compression, parse_log_name, parse_snapshot_name};
use crate::log::HEADER;
use crate::scan::{Next, scan};
use crate::snapshot::SnapshotItems;
use crate::tail::{Crash, Tail};

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A transaction log.
    Log,
    /// A snapshot.
    Snapshot(Compression),
}

impl FileKind {
    /// What a file is: its name says so, as those in a data directory do, or else how it begins.
    ///
    /// # Errors
    /// It cannot be read, or is neither.
    pub fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if parse_log_name(name).is_some() {
            return Ok(Self::Log);
        }
        if let Some((_, compression)) = parse_snapshot_name(name) {
            return Ok(Self::Snapshot(compression));
        }
        let mut first = [0; 4];
        let file = fs::File::open(path).at(path, "open")?;
        let read = File::read_at(&file, &mut first, 0).at(path, "read")?;
        match &first[..read] {
            begin if *begin == HEADER[..4] => Ok(Self::Log),
            b"ZKSN" => Ok(Self::Snapshot(Compression::None)),
            begin => Err(Error::Malformed {
                path: path.to_owned(),
                offset: 0,
                rule: "a log begins with \"ZKLG\", and a snapshot with \"ZKSN\"",
                found: format!("{begin:02x?}"),
            }),
        }
    }
}

/// A record of a log, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundRecord {
    /// Where it begins.
    pub offset: u64,
    /// Where the next one would begin.
    pub end: u64,
    /// The zxid in its `TxnHeader`.
    pub zxid: u64,
    /// TxnHeader, transaction, digest.
    pub blob: Bytes,
}

/// How a log ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogEnd {
    /// With its last record, and zeros perhaps.
    Clean,
    /// With the remains of a record, as a crash leaves them.
    Torn {
        /// Where they begin.
        offset: u64,
        /// The rule that they break, and what was found.
        why: String,
    },
    /// With something that no crash leaves.
    Damaged {
        /// Where it begins.
        offset: u64,
        /// The rule that it breaks, what was found, and what shows that it is no torn end.
        why: String,
    },
}

/// Reads a log from its beginning. `visit` answers whether to go on; if it does not, the end is
/// [`LogEnd::Clean`].
///
/// # Errors
/// The file cannot be read, or is no log.
pub fn read_log(path: &Path, mut visit: impl FnMut(FoundRecord) -> bool) -> Result<LogEnd> {
    let file = fs::File::open(path).at(path, "open")?;
    let scanned = scan(&file, path, Crash::OfProcess, |entry| {
        let record = FoundRecord {
            offset: entry.offset,
            end: entry.end,
            zxid: entry.zxid,
            blob: entry.blob,
        };
        Ok(if visit(record) { Next::Go } else { Next::Stop })
    })?;
    let offset = scanned.end;
    Ok(match scanned.tail {
        Tail::Clean => LogEnd::Clean,
        Tail::Torn(flaw) => {
            LogEnd::Torn { offset, why: format!("{}, found {}", flaw.rule, flaw.found) }
        }
        Tail::Damaged(flaw, proof) => {
            let why = format!("{}, found {}; {proof}", flaw.rule, flaw.found);
            LogEnd::Damaged { offset, why }
        }
    })
}

/// Reads a snapshot: sessions, then ACLs, then nodes. After the last item every seal was found
/// right.
///
/// # Errors
/// The file cannot be opened, or is no snapshot.
pub fn read_snapshot(path: &Path, compression: Compression) -> Result<SnapshotItems<fs::File>> {
    let file = fs::File::open(path).at(path, "open")?;
    SnapshotItems::new(file, path.to_owned(), compression)
}
