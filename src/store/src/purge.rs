//! Removing what newer snapshots cover (`PurgeTxnLog`).

use crate::disk::Disk;
use crate::error::Result;
use crate::layout::Layout;
use crate::snapshot;

/// `PurgeTxnLog` refuses to keep fewer.
const RETAIN_MIN: usize = 3;

/// With K the zxid of the oldest snapshot to keep: removes snapshots below K, and logs below K
/// except the last one at or below K, which may hold records behind it. Snapshots go first and the
/// oldest before the newer, each kind durably before the next, so that no snapshot ever remains
/// whose log is gone.
pub(crate) fn purge<D: Disk>(layout: &Layout<D>, retain: usize) -> Result<usize> {
    let snapshots = layout.snapshots()?;
    let mut kept = 0;
    let mut oldest = None;
    for snapshot in &snapshots {
        if kept < retain.max(RETAIN_MIN) && snapshot::looks_whole(layout, snapshot)? {
            kept += 1;
            oldest = Some(snapshot.zxid);
        }
    }
    let Some(oldest) = oldest else { return Ok(0) };
    let mut removed = 0;
    for snapshot in snapshots.iter().rev().filter(|snapshot| snapshot.zxid < oldest) {
        layout.remove(&layout.snap.join(&snapshot.name))?;
        removed += 1;
    }
    layout.sync_dir(&layout.snap)?;
    let logs = layout.logs()?;
    let needed = logs.iter().rposition(|log| log.zxid <= oldest).unwrap_or(0);
    for log in &logs[..needed] {
        layout.remove(&layout.log.join(&log.name))?;
        removed += 1;
    }
    layout.sync_dir(&layout.log)?;
    Ok(removed)
}
