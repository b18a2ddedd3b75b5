//! `acceptedEpoch` and `currentEpoch`: decimal text, replaced in one step
//! (`QuorumPeer.loadDataBase`, `writeLongToFile`).

use std::path::Path;

use crate::disk::{Disk, File};
use crate::error::{At, Error, Result};
use crate::layout::Layout;
use crate::recovered::Repair;

pub(crate) const ACCEPTED: &str = "acceptedEpoch";
pub(crate) const CURRENT: &str = "currentEpoch";
/// The promise a second time, beside the log: the one thing that nobody else can give back.
const COPY: &str = "vivarium.acceptedEpoch";
pub(crate) const CURRENT_TMP: &str = "currentEpoch.tmp";
/// What `currentEpoch` says of a history that is lost. ZooKeeper knows no such server, and would
/// begin with an empty history and vote: it refuses an epoch that is no number.
const HISTORY_LOST: &str = "the history is lost, see vivarium.history-lost\n";
/// The largest epoch a zxid can carry: it is a signed 64-bit number.
const EPOCH_MAX: u32 = 0x7fff_ffff;

/// Both epochs, and what has to be written so that the files say so.
#[derive(Debug)]
pub(crate) struct Epochs {
    pub(crate) accepted: u32,
    pub(crate) current: u32,
    write_both: bool,
    adopt_tmp: bool,
    remove_tmp: bool,
    /// `acceptedEpoch`, or its copy, does not say `accepted`.
    write_accepted: bool,
    /// ZooKeeper has written `acceptedEpoch`.
    pub(crate) by_zookeeper: bool,
    /// The history is lost, and `currentEpoch` does not say so yet.
    write_lost: bool,
    pub(crate) repairs: Vec<Repair>,
}

fn read<D: Disk>(layout: &Layout<D>, name: &str) -> Result<Option<u32>> {
    let path = layout.snap.join(name);
    layout.read_small(&path)?.map(|text| parse(&path, &text)).transpose()
}

/// Refuses a dataLogDir without `version-2` where dataDir proves that a server has worked with it:
/// every server creates both directories before its first snapshot and its first promise. Changes
/// nothing.
pub(crate) fn check_log_directory<D: Disk>(layout: &Layout<D>) -> Result<()> {
    if !layout.separate() || layout.has_dir(&layout.log)? || !layout.has_dir(&layout.snap)? {
        return Ok(());
    }
    // A dataLogDir that is new, and logs that are not in it yet: they are refused by name behind
    // this.
    if layout.list(&layout.snap)?.iter().any(|(name, _)| name.starts_with("log.")) {
        return Ok(());
    }
    let snapshot = layout.snapshots()?.into_iter().find(|snapshot| snapshot.zxid > 0);
    let mut proof = snapshot.map(|snapshot| format!("dataDir holds {}", snapshot.name));
    for name in [ACCEPTED, CURRENT] {
        let epoch = read(layout, name).ok().flatten().filter(|epoch| *epoch > 0);
        proof = proof.or(epoch.map(|epoch| format!("{name} is {epoch}")));
    }
    match proof {
        Some(proof) => Err(Error::LogDirectoryLost { path: layout.log.clone(), proof }),
        None => Ok(()),
    }
}

/// `acceptedEpoch`: what the file or its copy says, and whether both say so. The larger one counts,
/// for a promise only grows: the copy is written first, and ZooKeeper writes the file alone.
///
/// # Errors
/// One of them is damaged, and the other one does not make up for it.
pub(crate) fn accepted<D: Disk>(layout: &Layout<D>) -> Result<Option<(u32, bool)>> {
    let copy = layout.log.join(COPY);
    let copy = layout.read_small(&copy)?.map(|text| parse(&copy, &text)).transpose();
    match (read(layout, ACCEPTED), copy) {
        (Ok(None), Ok(None)) => Ok(None),
        (Ok(Some(file)), Ok(Some(copy))) => Ok(Some((file.max(copy), file == copy))),
        (Ok(Some(epoch)), Ok(None) | Err(_)) | (Ok(None) | Err(_), Ok(Some(epoch))) => {
            Ok(Some((epoch, false)))
        }
        (Err(error), Ok(None) | Err(_)) | (Ok(None), Err(error)) => Err(error),
    }
}

/// Reads the epoch files of a server whose history ends at `last`. Nothing is changed yet.
///
/// - `acceptedEpoch` has a copy, which makes up for it.
/// - Where both files are missing, they get the epoch of `last`, as in ZooKeeper: the directory is
///   fresh, or that of a standalone server. A directory that lost both looks the same.
/// - Where one is missing and the other one is there, it was lost, and is refused: a promise may
///   have been in it. ZooKeeper writes the epoch of `last` instead, since a crash in its first
///   start leaves one file. [`Epochs::settle`] leaves acceptedEpoch only together with a
///   `currentEpoch.tmp` that says the same, which is adopted.
/// - ZooKeeper refuses a history beyond currentEpoch, except that it adopts `currentEpoch.tmp` if
///   there is one. A history beyond currentEpoch is an ordinary state here: a learner logs its
///   leader's history before it writes currentEpoch, and may crash between. It is refused only
///   beyond acceptedEpoch. `currentEpoch.tmp` is adopted if it says the same as acceptedEpoch: then
///   everything before it was durable when it was begun. Half a number never says the same.
/// - A `currentEpoch.tmp` that is not adopted is removed, or it would be taken for a later attempt.
pub(crate) fn load<D: Disk>(layout: &Layout<D>, last: u64, history_lost: bool) -> Result<Epochs> {
    let dir = &layout.snap;
    let last_epoch = u32::try_from(last >> 32).unwrap_or(u32::MAX);
    let found = accepted(layout)?;
    let current_file = match read(layout, CURRENT) {
        Err(Error::Content { .. }) if history_lost => None,
        current => current?,
    };
    let accepted_file = found.map(|(epoch, _)| epoch);
    let write_accepted = found.is_some_and(|(_, same)| !same);
    let accepted = accepted_file.unwrap_or(last_epoch);
    let of_nothing = history_lost && current_file.is_none();
    let mut current = current_file.unwrap_or(if of_nothing { 0 } else { last_epoch });
    let mut repairs = Vec::new();
    if let (Some(epoch), Ok(None) | Err(_)) = (accepted_file, read(layout, ACCEPTED)) {
        repairs.push(Repair::PromiseFromCopy { path: dir.join(ACCEPTED), epoch });
    }
    let tmp = dir.join(CURRENT_TMP);
    let tmp_text = layout.read_small(&tmp)?;
    let mut adopted = false;
    let has_accepted_only = accepted_file.is_some() && current_file.is_none();
    if let Some(text) = &tmp_text
        && (last_epoch > current || has_accepted_only)
        && parse(&tmp, text).is_ok_and(|value| value == accepted)
    {
        adopted = true;
        current = accepted;
        repairs.push(Repair::CurrentEpochAdopted { path: tmp, epoch: accepted });
    }
    let lost = match (accepted_file, current_file) {
        (Some(epoch), None) if !adopted && !history_lost => Some((CURRENT, ACCEPTED, epoch)),
        (None, Some(epoch)) => Some((ACCEPTED, CURRENT, epoch)),
        (Some(_), None | Some(_)) | (None, None) => None,
    };
    if let Some((name, other, epoch)) = lost {
        return Err(Error::EpochFileLost { path: layout.snap.join(name), other, epoch });
    }
    let rule = if current > accepted {
        Some("currentEpoch is at most acceptedEpoch")
    } else if last_epoch > accepted {
        Some("the epoch of the last zxid is at most acceptedEpoch")
    } else {
        None
    };
    if let Some(rule) = rule {
        return Err(Error::Epochs { path: dir.clone(), rule, accepted, current, last });
    }
    Ok(Epochs {
        accepted,
        current,
        write_both: accepted_file.is_none(),
        adopt_tmp: adopted,
        remove_tmp: tmp_text.is_some(),
        write_accepted,
        by_zookeeper: by_zookeeper(layout)?,
        write_lost: of_nothing && !adopted && accepted_file.is_some(),
        repairs,
    })
}

/// Whether `acceptedEpoch` has no second line.
fn by_zookeeper<D: Disk>(layout: &Layout<D>) -> Result<bool> {
    let text = layout.read_small(&layout.snap.join(ACCEPTED))?;
    Ok(text.is_some_and(|text| text.lines().nth(1).is_none()))
}

impl Epochs {
    /// Makes the files say what was read.
    pub(crate) fn settle<D: Disk>(&self, layout: &Layout<D>) -> Result<()> {
        if self.write_both {
            // With `currentEpoch.tmp` beside it, acceptedEpoch alone is no file whose other one was
            // lost.
            layout.write_aside(&layout.snap, CURRENT, &text(self.current))?;
            layout.sync_dir(&layout.snap)?;
            write_accepted(layout, self.accepted)?;
            layout.put_in_place(&layout.snap, CURRENT)?;
        } else if self.adopt_tmp {
            // It is never absent before currentEpoch says what it says. A process that crashed may
            // not have synced it.
            let tmp = layout.snap.join(CURRENT_TMP);
            let mut file = layout.disk.open(&tmp).at(&tmp, "open")?;
            file.sync().at(&tmp, "fsync")?;
            layout.put_in_place(&layout.snap, CURRENT)?;
        } else if self.remove_tmp {
            layout.remove(&layout.snap.join(CURRENT_TMP))?;
            layout.sync_dir(&layout.snap)?;
        }
        if self.write_accepted {
            write_accepted(layout, self.accepted)?;
        }
        let says_so = || layout.read_small(&layout.snap.join(CURRENT));
        if self.write_lost && says_so()?.as_deref() != Some(HISTORY_LOST) {
            layout.write_atomically(CURRENT, HISTORY_LOST)?;
        }
        Ok(())
    }
}

/// Replaces `acceptedEpoch`, durably, and before it its copy.
pub(crate) fn write_accepted<D: Disk>(layout: &Layout<D>, epoch: u32) -> Result<()> {
    layout.write_aside(&layout.log, COPY, &text(epoch))?;
    layout.put_in_place(&layout.log, COPY)?;
    layout.write_atomically(ACCEPTED, &text(epoch))
}

/// Replaces `currentEpoch`, durably.
pub(crate) fn write_current<D: Disk>(layout: &Layout<D>, epoch: u32) -> Result<()> {
    layout.write_atomically(CURRENT, &text(epoch))
}

/// The number, and behind it, where ZooKeeper does not look, the Adler-32 of its line: one digit
/// for another is a number too.
fn text(epoch: u32) -> String {
    let line = epoch.to_string();
    format!("{line}\n{}\n", sum(&line))
}

fn sum(line: &str) -> String {
    format!("adler32 {:08x}", simd_adler32::adler32(&line.as_bytes()))
}

/// What a file says, by ZooKeeper or by [`text`].
fn parse(path: &Path, text: &str) -> Result<u32> {
    let mut lines = text.lines();
    let line = lines.next().unwrap_or("");
    if let Some(second) = lines.next().filter(|second| !second.is_empty())
        && second != sum(line)
    {
        return Err(Error::Content {
            path: path.to_owned(),
            rule: "the second line is the Adler-32 of the first, if there is one",
            found: text.chars().take(40).collect(),
        });
    }
    let digits = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    let epoch = line.parse().ok().filter(|epoch| digits && *epoch <= EPOCH_MAX);
    epoch.ok_or_else(|| Error::Content {
        path: path.to_owned(),
        rule: "the first line is an epoch, a decimal number from 0 to 2147483647",
        found: line.chars().take(40).collect(),
    })
}
