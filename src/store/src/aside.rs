//! A history that was found damaged, set aside so that a leader can give the server another one.
//!
//! Nothing is deleted: each file gets the name `vivarium.aside.N.NAME`, where it is. What stays is
//! the promise (`acceptedEpoch`), and `vivarium.history-lost` beside it, which says that this
//! server may lack what it has acknowledged. That file is durable before the first name changes,
//! and goes once the server has accepted an epoch with all that its leader held: the core has no
//! say in anything as long as it is there ([`zab`'s `DiskImage::history_lost`]). So a crash at any
//! moment in between leaves a server that waits for a leader, with a part of a history or with
//! none.
//!
//! [`zab`'s `DiskImage::history_lost`]: https://docs.rs/zab

use std::path::PathBuf;

use crate::disk::Disk;
use crate::epochs;
use crate::error::{At, Error, Result};
use crate::intent;
use crate::layout::{Layout, OWN_TMP, parse_log_name};
use crate::mark::MARK;
use crate::recovered::Repair;

/// The file that says so.
pub(crate) const LOST: &str = "vivarium.history-lost";
const ASIDE: &str = "vivarium.aside.";

/// The note about a history that was set aside and not replaced yet, if there is one.
pub(crate) fn noted<D: Disk>(layout: &Layout<D>) -> Result<Option<PathBuf>> {
    let path = layout.snap.join(LOST);
    Ok(layout.read_small(&path)?.map(|_| path))
}

/// Sets everything aside but the promise, durably. `why` is for people.
pub(crate) fn set_aside<D: Disk>(layout: &Layout<D>, why: &str) -> Result<Repair> {
    let number = next_number(layout)?;
    layout.write_atomically(LOST, &format!("{ASIDE}{number}: {why}\n"))?;
    let mut files = 0;
    for (dir, has_snapshots) in [(&layout.snap, true), (&layout.log, false)] {
        if !has_snapshots && !layout.separate() {
            continue;
        }
        for (name, _) in layout.list(dir)? {
            if belongs_to_history(&name) {
                let (from, to) = (dir.join(&name), dir.join(format!("{ASIDE}{number}.{name}")));
                layout.disk.rename(&from, &to).at(&from, "rename")?;
                files += 1;
            }
        }
        layout.sync_dir(dir)?;
    }
    Ok(Repair::SetAside { files, prefix: format!("{ASIDE}{number}."), why: why.to_owned() })
}

/// The server has a history again: the note goes, durably.
pub(crate) fn restored<D: Disk>(layout: &Layout<D>) -> Result<()> {
    layout.remove(&layout.snap.join(LOST))?;
    layout.sync_dir(&layout.snap)
}

/// Whether what is there may be set aside: the promise is known, and it is not just that the
/// directory of the snapshots is another one than before.
///
/// # Errors
/// `error`, if not.
pub(crate) fn may_be_set_aside<D: Disk>(layout: &Layout<D>, error: Error) -> Result<()> {
    let bare = !layout
        .list(&layout.snap)?
        .iter()
        .any(|(name, _)| belongs_to_history(name) || name == epochs::ACCEPTED || name == LOST);
    let promised = epochs::accepted(layout).is_ok_and(|accepted| accepted.is_some());
    if error.is_damage() && promised && !bare { Ok(()) } else { Err(error) }
}

fn belongs_to_history(name: &str) -> bool {
    name.starts_with("snapshot.")
        || parse_log_name(name).is_some()
        || name.starts_with(OWN_TMP)
        || [epochs::CURRENT, epochs::CURRENT_TMP, intent::INTENT, MARK].contains(&name)
}

fn next_number<D: Disk>(layout: &Layout<D>) -> Result<u32> {
    let mut next = 1;
    for dir in [&layout.snap, &layout.log] {
        for (name, _) in layout.list(dir)? {
            let number =
                name.strip_prefix(ASIDE).and_then(|rest| rest.split('.').next()?.parse().ok());
            next = next.max(number.map_or(1, |number: u32| number.saturating_add(1)));
        }
    }
    Ok(next)
}

#[cfg(test)]
mod tests;
