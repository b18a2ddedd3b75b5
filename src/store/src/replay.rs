//! The records behind a snapshot, from all log files that may hold some (`FileTxnLog.read`).

use std::path::PathBuf;

use crate::disk::{Disk, File};
use crate::error::{At, Error, Result};
use crate::layout::{Layout, LogName};
use crate::recovered::{LogEntry, Repair};
use crate::scan::{Next, Scanned, begun_behind, scan};
use crate::tail::{Crash, Tail};
use crate::window::Flaw;

/// The log behind a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) log: Vec<LogEntry>,
    pub(crate) before: Option<u64>,
    pub(crate) repairs: Vec<Repair>,
    /// Cuts to make, newest file first: all of the file, or at an offset.
    cuts: Vec<(PathBuf, Option<u64>)>,
}

/// True if a history that ends at `last` may go on with `next`: within an epoch the counter goes up
/// by 1; a later epoch begins with counter 1.
pub(crate) fn continues(last: u64, next: u64) -> bool {
    if next >> 32 == last >> 32 {
        next == last + 1
    } else {
        next >> 32 > last >> 32 && next & 0xffff_ffff == 1
    }
}

/// Reads the log files that may hold records behind `snapshot`: from the last one whose name is at
/// most that, on. Changes nothing.
///
/// - Each record behind the snapshot continues the one before it ([`continues`]), over files as
///   within them. ZooKeeper itself leaves a gap only where it took a snapshot from its leader,
///   which is then the snapshot to start from.
/// - A record that goes back must repeat one already read, byte for byte (ZooKeeper logs again what
///   a leader sends it again); it is skipped. Anything else is another history, and refused.
/// - The first record of a file has the zxid of its name.
/// - The zxid behind which a file was begun is in the snapshot or in the log before it; ZooKeeper's
///   files do not say it. So a file is missed also where the next one begins an epoch.
/// - A torn tail with records in later files is accepted if the first of them is the next one in
///   the same epoch: then nothing can be missing between them. It is refused otherwise.
/// - A torn tail with nothing behind it is cut; files without a record at the end are removed.
pub(crate) fn replay<D: Disk>(
    layout: &Layout<D>,
    logs: &[LogName],
    snapshot: u64,
    crash: Crash,
) -> Result<Replay> {
    let start = logs.iter().rposition(|log| log.zxid <= snapshot).unwrap_or(0);
    let mut replay = Replay::default();
    // Files since the one with the last record, that one included.
    let mut trailing: Vec<(PathBuf, Scanned)> = Vec::new();
    for name in &logs[start..] {
        let path = layout.log.join(&name.name);
        let file = layout.disk.open(&path).at(&path, "open")?;
        let (mut repeated, mut first, behind) = (0, true, begun_behind(&file, &path)?);
        // A file is synced before the next one is begun.
        let crash = if logs.last() == Some(name) { crash } else { Crash::OfProcess };
        let scanned = scan(&file, &path, crash, |entry| {
            if first {
                first = false;
                if entry.zxid != name.zxid {
                    return Err(Error::Malformed {
                        path: path.clone(),
                        offset: entry.offset,
                        rule: "the first record of a log has the zxid of its name",
                        found: format!("zxid 0x{:x}", entry.zxid),
                    });
                }
                let last = replay.log.last().map_or(snapshot, |entry| entry.zxid);
                if behind > last.max(replay.before.unwrap_or(0)) && entry.zxid > snapshot {
                    return Err(Error::FileMissing { path: path.clone(), behind, last });
                }
                replay.repairs.extend(settle_torn(&trailing, last, name)?);
                trailing.clear();
            }
            let last = replay.log.last().map(|entry| entry.zxid);
            match last {
                None if entry.zxid <= snapshot => {
                    replay.before = replay.before.max(Some(entry.zxid))
                }
                Some(last) if entry.zxid <= last => {
                    let same = replay.log.binary_search_by_key(&entry.zxid, |known| known.zxid);
                    if !same.is_ok_and(|at| replay.log[at].blob == entry.blob) {
                        let (offset, found) = (entry.offset, entry.zxid);
                        return Err(Error::Order { path: path.clone(), offset, last, found });
                    }
                    repeated += 1;
                }
                None | Some(_) => {
                    let last = last.unwrap_or(snapshot);
                    if !continues(last, entry.zxid) {
                        let (offset, found) = (entry.offset, entry.zxid);
                        return Err(Error::Gap { path: path.clone(), offset, last, found });
                    }
                    replay.log.push(LogEntry { zxid: entry.zxid, blob: entry.blob });
                }
            }
            Ok(Next::Go)
        })?;
        if repeated > 0 {
            replay.repairs.push(Repair::Repeated { path: path.clone(), records: repeated });
        }
        if let Tail::Damaged(Flaw { rule, found, .. }, proof) = scanned.tail {
            return Err(Error::Damaged { path, offset: scanned.end, rule, found, proof });
        }
        trailing.push((path, scanned));
    }
    for (path, scanned) in trailing.into_iter().rev() {
        if scanned.entries == 0 {
            replay.repairs.push(Repair::EmptyLog { path: path.clone() });
            replay.cuts.push((path, None));
        } else if let Tail::Torn(Flaw { rule, found, .. }) = scanned.tail {
            let offset = scanned.end;
            replay.repairs.push(Repair::TornTail { path: path.clone(), offset, rule, found });
            replay.cuts.push((path, Some(offset)));
        }
    }
    Ok(replay)
}

/// Torn tails of earlier files, now that a record of a later file was found.
fn settle_torn(trailing: &[(PathBuf, Scanned)], last: u64, next: &LogName) -> Result<Vec<Repair>> {
    let mut repairs = Vec::new();
    for (path, scanned) in trailing {
        if let Tail::Torn(flaw) = &scanned.tail {
            if next.zxid != last + 1 {
                return Err(Error::DamagedBeforeEnd {
                    path: path.clone(),
                    offset: scanned.end,
                    rule: flaw.rule,
                    found: flaw.found.clone(),
                    last,
                    next: next.name.clone(),
                    next_zxid: next.zxid,
                });
            }
            repairs.push(Repair::TornBeforeEnd { path: path.clone(), offset: scanned.end });
        }
    }
    Ok(repairs)
}

impl Replay {
    /// True if the records read lead to a snapshot with this zxid. A name with counter 0 says only
    /// that the epoch had begun when the snapshot was taken.
    pub(crate) fn leads_to(&self, zxid: u64) -> bool {
        let wanted = if zxid & 0xffff_ffff == 0 { zxid + 1 } else { zxid };
        self.log.binary_search_by_key(&wanted, |entry| entry.zxid).is_ok()
    }

    /// True if the records read hold every transaction of a snapshot that was sealed at this zxid,
    /// beyond its name. One with counter 0 is no transaction: an epoch had begun.
    pub(crate) fn reaches(&self, sealed: u64) -> bool {
        sealed & 0xffff_ffff == 0 || self.leads_to(sealed)
    }

    /// Makes the cuts, durably.
    pub(crate) fn settle<D: Disk>(&self, layout: &Layout<D>) -> Result<()> {
        let mut removed = false;
        for (path, cut) in &self.cuts {
            match cut {
                Some(offset) => {
                    let mut file = layout.disk.open(path).at(path, "open")?;
                    file.set_len(*offset).at(path, "cut")?;
                    file.sync().at(path, "fsync")?;
                }
                None => {
                    layout.remove(path)?;
                    removed = true;
                }
            }
        }
        if removed { layout.sync_dir(&layout.log) } else { Ok(()) }
    }
}
