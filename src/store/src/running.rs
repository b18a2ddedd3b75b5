//! `vivarium.running`, beside the logs: a server works here, and under which boot of the system it
//! began.
//!
//! It is there, durably, before anything is appended, and goes when the server stops in order. So
//! the next start knows whether the system itself may have crashed under the server: then, and only
//! then, sectors may be missing in the middle of what was not synced. ZooKeeper looks at no such
//! name.

use crate::disk::{Disk, File};
use crate::error::{At, Result};
use crate::layout::Layout;
use crate::tail::Crash;

const RUNNING: &str = "vivarium.running";

/// How the server that worked here last may have ended. Half a note says the same as one of another
/// boot.
pub(crate) fn last_crash<D: Disk>(layout: &Layout<D>) -> Result<Crash> {
    let noted = layout.read_small(&layout.log.join(RUNNING))?;
    let now = note(layout);
    Ok(match (noted, now) {
        (None, _) => Crash::OfProcess,
        (Some(noted), Some(now)) if noted == now => Crash::OfProcess,
        (Some(_), Some(_) | None) => Crash::OfSystem,
    })
}

/// Notes that a server works here, durably. What the last one left is repaired before.
pub(crate) fn begin<D: Disk>(layout: &Layout<D>) -> Result<()> {
    let path = layout.log.join(RUNNING);
    let (noted, now) = (layout.read_small(&path)?, note(layout));
    if now.is_some() && noted == now {
        return Ok(());
    }
    let text = now.unwrap_or_else(|| "an unknown boot\n".to_owned());
    let mut file = match noted {
        Some(_) => layout.disk.open(&path).at(&path, "open")?,
        None => layout.disk.create_new(&path).at(&path, "create")?,
    };
    file.write_all_at(text.as_bytes(), 0).at(&path, "write")?;
    file.set_len(text.len() as u64).at(&path, "cut")?;
    file.sync().at(&path, "fsync")?;
    if noted.is_none() { layout.sync_dir(&layout.log) } else { Ok(()) }
}

/// Everything is durable, and nobody works here any more.
pub(crate) fn end<D: Disk>(layout: &Layout<D>) -> Result<()> {
    layout.remove(&layout.log.join(RUNNING))?;
    layout.sync_dir(&layout.log)
}

fn note<D: Disk>(layout: &Layout<D>) -> Option<String> {
    layout.disk.boot().map(|boot| format!("{boot}\n"))
}
