//! A copy of a directory's history, or of its beginning: backups, and the state at an earlier
//! transaction. The copy is another directory; nothing in the first one changes.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::aside::LOST;
use crate::disk::{Disk, Os};
use crate::epochs::{ACCEPTED, CURRENT};
use crate::error::{At, Error, Result};
use crate::inspect::{LogEnd, read_log};
use crate::intent;
use crate::layout::{Layout, VERSION_DIR};
use crate::overlay::Overlay;
use crate::snapshot;

/// What was copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copied {
    /// The zxid of the snapshot; `None` if there is none.
    pub snapshot: Option<u64>,
    /// How many log files.
    pub logs: usize,
    /// The last transaction: of the log, or of the snapshot.
    pub last: u64,
}

/// Copies the newest snapshot, the log behind it, and the epochs into `target/version-2`, which is
/// made; with `until`, no transaction behind that one, and a snapshot that has none. A server may
/// be at work in the source: the log is copied first and the epochs last, so that the copy is what
/// a crash would have left. The remains of a record that is being written are left out.
///
/// Whoever calls opens the copy before it is relied on: files may have gone while they were read.
///
/// # Errors
/// The source holds no history up to there, or is damaged; there is something at the target.
pub fn copy(
    data_dir: &Path,
    data_log_dir: &Path,
    target: &Path,
    until: Option<u64>,
) -> Result<Copied> {
    let layout = Layout::new(Overlay::default(), data_dir, data_log_dir);
    if intent::is_pending(&layout)? {
        return Err(refused(&layout.snap, "a step of the server is under way, try again"));
    }
    let limit = until.unwrap_or(u64::MAX);
    let snapshot = snapshot::newest_up_to(&layout, limit)?;
    let base = snapshot.as_ref().map_or(0, |snapshot| snapshot.zxid());
    let logs = layout.logs()?;
    let start = logs.iter().rposition(|log| log.zxid <= base).unwrap_or(0);
    let into = target.join(VERSION_DIR);
    fs::create_dir_all(target).at(target, "create")?;
    fs::create_dir(&into).at(&into, "create")?;
    let mut copied =
        Copied { snapshot: snapshot.as_ref().map(|it| it.zxid()), logs: 0, last: base };
    for log in logs[start..].iter().filter(|log| log.zxid <= limit) {
        let path = layout.log.join(&log.name);
        let mut until_here = None;
        let end = read_log(&path, |record| {
            let is_within = record.zxid <= limit;
            if is_within {
                until_here = Some(record.end);
                copied.last = copied.last.max(record.zxid);
            }
            is_within
        })?;
        if let LogEnd::Damaged { offset, why } = end {
            let (rule, found) = ("a log that is copied is whole", why);
            return Err(Error::Malformed { path, offset, rule, found });
        }
        if let Some(end) = until_here {
            copy_file(&path, &into.join(&log.name), end)?;
            copied.logs += 1;
        }
    }
    if let Some(snapshot) = &snapshot {
        let path = snapshot.path();
        copy_file(path, &into.join(path.file_name().unwrap_or_default()), u64::MAX)?;
    }
    for name in [ACCEPTED, CURRENT, LOST] {
        let path = layout.snap.join(name);
        if path.exists() {
            copy_file(&path, &into.join(name), u64::MAX)?;
        }
    }
    for dir in [&into, &target.to_path_buf()] {
        Os.sync_dir(dir).at(dir, "fsync")?;
    }
    Ok(copied)
}

/// The first `len` bytes of a file, durably.
fn copy_file(from: &Path, to: &Path, len: u64) -> Result<()> {
    let source = fs::File::open(from).at(from, "open")?;
    let mut file = fs::File::create_new(to).at(to, "create")?;
    io::copy(&mut source.take(len), &mut file).at(to, "write")?;
    file.flush().at(to, "write")?;
    file.sync_all().at(to, "fsync")
}

fn refused(path: &Path, why: &str) -> Error {
    Error::io(path, "copy", io::Error::other(why.to_owned()))
}
