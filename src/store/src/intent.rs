//! Steps that touch several files and still happen in one step, as far as recovery can see.
//!
//! ZooKeeper's layout has no place for "from here on, the history is another one": replacing
//! snapshot and log takes several renames and removals, and cutting the log over several files as
//! many. A crash between any two of them would leave a mixture: old records behind a new snapshot,
//! or an old snapshot whose log is gone. So the step is first written down, in the file
//! `vivarium.intent` beside the snapshots (ZooKeeper looks at no such name). The rename that puts
//! this file in place is the one moment at which the step happens:
//!
//! - before it is durable, nothing that was there has been touched, and recovery sees the old
//!   history (a new snapshot lies aside under a temporary name, fsynced, and is discarded);
//! - after it, [`finish`] is run, now or by the next open, as often as it takes: each of its
//!   actions may be repeated, and none depends on what the others left;
//! - the intent is removed, durably, before anything else is written. So no file of the new history
//!   exists as long as there is an intent, and "remove every log" cannot hit one.
//!
//! While an intent is pending, ZooKeeper must not be started on the directory: it would not finish
//! it. Start and stop this server first. (Even then logs are removed newest first, so what
//! ZooKeeper found would be a shorter history and not one with a hole.)

use std::fmt;

use crate::disk::{Disk, File};
use crate::error::{At, Error, Result};
use crate::layout::{Layout, OWN_TMP, parse_snapshot_name, parse_zxid};
use crate::scan::{Next, scan};
use crate::tail::Crash;

pub(crate) const INTENT: &str = "vivarium.intent";
const HEAD: &str = "vivarium intent 2";

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Intent {
    /// The file `pending` becomes the snapshot `name`; every other snapshot, and every log, goes.
    Install { pending: String, name: String },
    /// Every record above this zxid goes.
    Truncate { to: u64 },
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install { pending, name } => write!(f, "install {pending} {name}"),
            Self::Truncate { to } => write!(f, "truncate {to:x}"),
        }
    }
}

impl Intent {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let intent = match words.next()? {
            "install" => {
                let (pending, name) = (words.next()?, words.next()?);
                parse_snapshot_name(name)?;
                let plain = pending.starts_with(OWN_TMP) && !pending.contains('/');
                plain
                    .then(|| Self::Install { pending: pending.to_owned(), name: name.to_owned() })?
            }
            "truncate" => Self::Truncate { to: parse_zxid(words.next()?)? },
            _ => return None,
        };
        words.next().is_none().then_some(intent)
    }
}

/// The content of the file: what is to be done, and the Adler-32 of that, for another zxid would
/// cut another history.
fn encode(intent: &Intent) -> String {
    let text = format!("{HEAD}\n{intent}\n");
    let sum = simd_adler32::adler32(&text.as_bytes());
    format!("{text}{sum:08x}\n")
}

fn decode(text: &str) -> Option<Intent> {
    let intent = text.lines().nth(1).and_then(Intent::parse)?;
    (encode(&intent) == text).then_some(intent)
}

/// Does it, in one step.
pub(crate) fn carry_out<D: Disk>(layout: &Layout<D>, intent: &Intent) -> Result<()> {
    layout.write_atomically(INTENT, &encode(intent))?;
    finish(layout, intent)
}

/// Whether a step over several files is under way, or was interrupted.
pub(crate) fn is_pending<D: Disk>(layout: &Layout<D>) -> Result<bool> {
    Ok(layout.read_small(&layout.snap.join(INTENT))?.is_some())
}

/// Finishes what a crash interrupted, and discards what had not begun to count. Answers with what
/// was finished.
pub(crate) fn recover<D: Disk>(layout: &Layout<D>) -> Result<Option<Intent>> {
    let path = layout.snap.join(INTENT);
    let pending = match layout.read_small(&path)? {
        None => None,
        Some(text) => {
            let intent = decode(&text).ok_or_else(|| Error::Content {
                path,
                rule: "an intent says \"install\" or \"truncate\" and what, with the checksum of these words; it is \
                       written whole or not at all",
                found: text.chars().take(80).collect(),
            })?;
            finish(layout, &intent)?;
            Some(intent)
        }
    };
    let tmp_intent = format!("{INTENT}.tmp");
    let mut removed = false;
    for (name, _) in layout.list(&layout.snap)? {
        if name.starts_with(OWN_TMP) || name == tmp_intent {
            layout.remove(&layout.snap.join(name))?;
            removed = true;
        }
    }
    if removed {
        layout.sync_dir(&layout.snap)?;
    }
    Ok(pending)
}

fn finish<D: Disk>(layout: &Layout<D>, intent: &Intent) -> Result<()> {
    match intent {
        Intent::Install { pending, name } => install(layout, pending, name)?,
        Intent::Truncate { to } => truncate(layout, *to)?,
    }
    layout.remove(&layout.snap.join(INTENT))?;
    layout.sync_dir(&layout.snap)
}

fn install<D: Disk>(layout: &Layout<D>, pending: &str, name: &str) -> Result<()> {
    let path = layout.snap.join(name);
    let files = layout.list(&layout.snap)?;
    if files.iter().any(|(found, _)| found == pending) {
        let from = layout.snap.join(pending);
        layout.disk.rename(&from, &path).at(&path, "rename into place")?;
        layout.sync_dir(&layout.snap)?;
    } else if !files.iter().any(|(found, _)| found == name) {
        let rule = "the snapshot that an intent installs lies beside it";
        return Err(Error::Content { path, rule, found: "no such file".to_owned() });
    }
    for log in layout.logs()?.iter().rev() {
        layout.remove(&layout.log.join(&log.name))?;
    }
    layout.sync_dir(&layout.log)?;
    for snapshot in layout.snapshots()? {
        if snapshot.name != name {
            layout.remove(&layout.snap.join(&snapshot.name))?;
        }
    }
    layout.sync_dir(&layout.snap)
}

fn truncate<D: Disk>(layout: &Layout<D>, to: u64) -> Result<()> {
    let logs = layout.logs()?;
    for log in logs.iter().rev().take_while(|log| log.zxid > to) {
        layout.remove(&layout.log.join(&log.name))?;
    }
    layout.sync_dir(&layout.log)?;
    // ZooKeeper may have repeated the end of one file at the beginning of the next: each of them is
    // looked at.
    for log in logs.iter().rev().filter(|log| log.zxid <= to) {
        let path = layout.log.join(&log.name);
        let mut file = layout.disk.open(&path).at(&path, "open")?;
        let mut cut = None;
        scan(&file, &path, Crash::OfProcess, |entry| {
            if entry.zxid > to {
                cut = Some(entry.offset);
                return Ok(Next::Stop);
            }
            Ok(Next::Go)
        })?;
        if let Some(cut) = cut {
            file.set_len(cut).at(&path, "truncate")?;
            file.sync().at(&path, "fsync")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_read_as_it_was_written_and_with_no_bit_of_it_changed() {
        for intent in [
            Intent::Truncate { to: 0x1_0000_0007 },
            Intent::Install {
                pending: "vivarium.tmp.0.snapshot.a".to_owned(),
                name: "snapshot.a".to_owned(),
            },
        ] {
            let text = encode(&intent);
            assert_eq!(decode(&text), Some(intent));
            for at in 0..text.len() {
                for bit in 0..8 {
                    let mut bytes = text.clone().into_bytes();
                    bytes[at] ^= 1 << bit;
                    let changed = String::from_utf8_lossy(&bytes);
                    assert_eq!(decode(&changed), None, "{changed:?}");
                }
                assert_eq!(decode(&text[..at]), None, "half an intent");
            }
        }
    }
}
