//! A crash at any moment leaves exactly a prefix of the records that were issued, with everything
//! that was synced.
//!
//! Each script is run once. Then, for every number of disk operations and for everything that a
//! crash after so many may leave, the directory is opened: what is recovered must be the fold of
//! the first m records, for an m between what was synced and what was issued by then. The same for
//! every crash during that recovery. A crash may leave sectors of what was not synced in any
//! combination: none of that is refused.
//!
//! A snapshot here holds the history itself, as sessions, so that nothing about a recovered history
//! is taken on trust.

use std::io::Write;
use std::path::Path;

use wire::snapshot::Item;

use crate::disk::Disk;
use crate::error::Result;
use crate::recovered::Recovered;
use crate::sim::{Image, SimDisk};
use crate::snapshot::{FinishedSnapshot, SnapshotTail};
use crate::store::{Options, Store};

pub(crate) const DATA: &str = "/data";

/// What a server does with its disk. Numbers are relative to the history, so that any sequence
/// makes sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Appends the next record of the epoch.
    Append,
    /// Appends the first record of acceptedEpoch, or the next one if it has begun.
    AppendNewEpoch,
    Sync,
    Roll,
    /// Keeps the snapshot, and this many of the records behind it, at most.
    Truncate(usize),
    /// acceptedEpoch goes up by one.
    Accept,
    /// currentEpoch becomes acceptedEpoch.
    Current,
    /// A snapshot of another history, with this many transactions, comes from the leader.
    Install(u32),
    /// An ordinary snapshot of everything synced.
    Snapshot,
    Purge,
}

use Step::{
    Accept, Append, AppendNewEpoch, Current, Install, Purge, Roll, Snapshot, Sync, Truncate,
};

/// What a disk means: epochs, and the whole history with a mark on each record that tells it from
/// others of its zxid.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Meaning {
    accepted: u32,
    current: u32,
    history: Vec<(u64, i32)>,
}

impl Meaning {
    fn last(&self) -> u64 {
        self.history.last().map_or(0, |(zxid, _)| *zxid)
    }
}

/// A run of a script: the store, the fold after each record, and how many of them are certainly
/// durable.
struct Run {
    store: Store<SimDisk>,
    folds: Vec<Meaning>,
    durable: usize,
    snapshot: usize,
    mark: i32,
    /// By how many bytes a record is longer than its TxnHeader and its mark.
    filler: usize,
}

pub(crate) fn blob(zxid: u64, mark: i32) -> Vec<u8> {
    let mut blob = vec![0; 32];
    blob[12..20].copy_from_slice(&zxid.to_be_bytes());
    blob.extend_from_slice(&mark.to_be_bytes());
    blob
}

fn body(history: &[(u64, i32)]) -> Vec<u8> {
    let mut body = (history.len() as u32).to_be_bytes().to_vec();
    for (zxid, mark) in history {
        body.extend_from_slice(&zxid.to_be_bytes());
        body.extend_from_slice(&mark.to_be_bytes());
    }
    body.extend_from_slice(&[0; 4]);
    body.extend_from_slice(&[0, 0, 0, 1, b'/']);
    body
}

pub(crate) fn written<D: Disk>(
    store: &Store<D>,
    history: &[(u64, i32)],
) -> Result<FinishedSnapshot<D>> {
    let zxid = history.last().map_or(0, |(zxid, _)| *zxid);
    let mut writer = store.snapshot_writer(zxid)?;
    // A failed write is remembered by the store, with more to say than an io::Error.
    let _ = writer.write_all(&body(history));
    writer.finish(SnapshotTail::default())
}

fn meaning<D: Disk>(recovered: &Recovered<D>) -> Meaning {
    let mut history = Vec::new();
    if let Some(snapshot) = &recovered.snapshot {
        for item in snapshot.items().expect("a snapshot that was read once") {
            match item.expect("a snapshot that was read once") {
                Item::Session(session) => {
                    history.push((session.id.cast_unsigned(), session.timeout_ms));
                }
                Item::Acl(_) | Item::Node(_) => {}
            }
        }
    }
    for entry in &recovered.log {
        let mark = entry.blob[32..36].try_into().map(i32::from_be_bytes).expect("four bytes");
        history.push((entry.zxid, mark));
    }
    Meaning { accepted: recovered.accepted, current: recovered.current, history }
}

fn options(preallocate_bytes: u64) -> Options {
    Options { preallocate_bytes, ..Options::default() }
}

pub(crate) fn open(
    disk: &SimDisk,
    preallocate: u64,
    logs: &str,
) -> Result<(Store<SimDisk>, Recovered<SimDisk>)> {
    Store::open_on(disk.clone(), Path::new(DATA), Path::new(logs), options(preallocate))
}

impl Run {
    fn start(store: Store<SimDisk>) -> Self {
        Self { store, folds: vec![Meaning::default()], durable: 0, snapshot: 0, mark: 0, filler: 0 }
    }

    fn now(&self) -> Meaning {
        self.folds.last().expect("there is a first one").clone()
    }

    /// The fold gains a record, before anything is done for it.
    fn issue(&mut self, change: impl FnOnce(&mut Meaning)) {
        let mut next = self.now();
        change(&mut next);
        self.folds.push(next);
    }

    fn take(&mut self, step: Step) -> Result<()> {
        let now = self.now();
        match step {
            Append | AppendNewEpoch => {
                let last = now.last();
                let epoch = if step == Append { (last >> 32) as u32 } else { now.accepted };
                let next = if u64::from(epoch) == last >> 32 {
                    last + 1
                } else {
                    (u64::from(epoch) << 32) + 1
                };
                self.mark += 1;
                let mark = self.mark;
                self.issue(|meaning| meaning.history.push((next, mark)));
                let mut blob = blob(next, mark);
                // Now and then data that looks like sectors which are missing.
                blob.resize(blob.len() + self.filler, if mark % 2 == 0 { 0 } else { b'x' });
                self.store.append(next, &blob)?;
                return Ok(());
            }
            Sync => self.store.sync()?,
            Roll => self.store.roll()?,
            Truncate(keep) => {
                let keep = (self.snapshot + keep).min(now.history.len());
                self.issue(|meaning| meaning.history.truncate(keep));
                let to = self.now().last();
                self.store.truncate(to)?;
            }
            Accept => {
                self.issue(|meaning| meaning.accepted += 1);
                self.store.write_accepted_epoch(now.accepted + 1)?;
            }
            Current => {
                self.issue(|meaning| meaning.current = meaning.accepted);
                self.store.write_current_epoch(now.accepted)?;
            }
            Install(count) => {
                self.mark += 1;
                let epoch = u64::from(now.accepted) << 32;
                let history: Vec<_> =
                    (1..=count).map(|i| (epoch + u64::from(i), self.mark * 100)).collect();
                // The content is written aside before the record is due.
                let snapshot = written(&self.store, &history)?;
                self.snapshot = history.len();
                self.issue(|meaning| meaning.history = history);
                self.store.install(snapshot)?;
            }
            Snapshot => {
                self.store.sync()?;
                self.durable = self.folds.len() - 1;
                let snapshot = written(&self.store, &now.history)?;
                self.snapshot = now.history.len();
                assert!(snapshot.publish()?);
            }
            Purge => {
                self.store.purge(0)?;
                return Ok(());
            }
        }
        self.durable = self.folds.len() - 1;
        Ok(())
    }
}

/// Counts, so that a test can say that it was not empty.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    crashes: usize,
    reordered: usize,
    repaired: usize,
    between: usize,
}

fn check(script: &[Step], preallocate: u64, logs: &str, filler: usize, seen: &mut Seen) {
    let disk = SimDisk::new(Image::new());
    // Records issued, and records durable, once so many operations were done.
    let mut issued = vec![];
    let mut durable = vec![];
    let (store, recovered) = open(&disk, preallocate, logs).expect("a fresh directory");
    assert_eq!(meaning(&recovered), Meaning::default());
    let mut run = Run { filler, ..Run::start(store) };
    durable.resize(disk.ops() + 1, 0);
    let empty = written(&run.store, &[]).and_then(FinishedSnapshot::publish);
    assert!(empty.expect("a working disk"));
    for step in script {
        // From the last operation before the step on, everything the step issues may be there.
        let before = disk.ops();
        issued.resize(before, run.folds.len() - 1);
        run.take(*step).unwrap_or_else(|error| panic!("{script:?}: {step:?}: {error}"));
        durable.resize(disk.ops(), *durable.last().expect("not empty"));
        durable.push(run.durable);
        issued.resize(disk.ops() + 1, run.folds.len() - 1);
    }
    durable.resize(disk.ops() + 1, run.durable);
    for count in 0..=disk.ops() {
        let allowed = &run.folds[durable[count]..=issued[count]];
        for (image, reordered) in disk.crashes(count) {
            seen.crashes += 1;
            let after = SimDisk::new(image);
            let found = recover(&after, preallocate, logs, allowed, script, count, seen);
            seen.reordered += usize::from(reordered);
            if allowed.len() > 1 && found != allowed[0] {
                seen.between += 1;
            }
            for again in 0..after.ops() {
                for (image, _) in after.crashes(again) {
                    let twice = SimDisk::new(image);
                    recover(&twice, preallocate, logs, allowed, script, count, seen);
                }
            }
            go_on(&after, preallocate, logs, &found, &format!("{script:?} after {count}"));
        }
    }
}

/// What was recovered stays, and the history goes on from there, in a later epoch, where a torn
/// tail left behind would be taken for corruption. Whatever was repaired must not come undone by
/// the next crash.
fn go_on(disk: &SimDisk, preallocate: u64, logs: &str, found: &Meaning, context: &str) {
    let (store, recovered) = open(disk, preallocate, logs).expect("just recovered");
    assert_eq!(meaning(&recovered), *found, "{context}, opened twice");
    assert_eq!(recovered.repairs, [], "{context}: repaired twice");
    if recovered.snapshot.is_none() {
        return;
    }
    let mut run = Run::start(store);
    run.folds = vec![found.clone()];
    for step in [Accept, AppendNewEpoch, Sync] {
        run.take(step).expect("a working disk");
    }
    let now = run.now();
    drop(run);
    for (image, _) in disk.crashes(disk.ops()) {
        let reopened = open(&SimDisk::new(image), preallocate, logs);
        let (_, recovered) = reopened.unwrap_or_else(|error| panic!("{context}, gone on: {error}"));
        assert_eq!(meaning(&recovered), now, "{context}, gone on");
    }
}

#[allow(clippy::too_many_arguments, reason = "all of it is for the message when it fails")]
fn recover(
    disk: &SimDisk,
    preallocate: u64,
    logs: &str,
    allowed: &[Meaning],
    script: &[Step],
    count: usize,
    seen: &mut Seen,
) -> Meaning {
    match open(disk, preallocate, logs) {
        Ok((_, recovered)) => {
            let found = meaning(&recovered);
            assert!(
                allowed.contains(&found),
                "{script:?} after {count} operations: {found:?} is none of {allowed:?}\n{:#?}",
                recovered.repairs
            );
            seen.repaired += usize::from(!recovered.repairs.is_empty());
            found
        }
        Err(error) => panic!("{script:?} after {count} operations: {error}"),
    }
}

#[test]
fn what_a_killed_process_has_written_is_durable_once_it_was_read() {
    let disk = SimDisk::new(Image::new());
    let (store, _) = open(&disk, 0, DATA).expect("a fresh directory");
    let mut run = Run::start(store);
    for step in [Snapshot, Accept, AppendNewEpoch, Sync, Append] {
        run.take(step).expect("a working disk");
    }
    // The record is written, and the process ends before the fsync.
    disk.fail_at(disk.ops() + 1);
    run.take(Sync).expect_err("the fsync is the second operation");
    let killed = disk.after_a_kill();
    drop(run);
    let (_, recovered) = open(&killed, 0, DATA).expect("a killed process");
    let found = meaning(&recovered);
    assert_eq!(found.history.len(), 2, "a server would acknowledge it now");
    let crashes = killed.crashes(killed.ops());
    assert!(!crashes.is_empty());
    for (image, _) in crashes {
        let (_, recovered) = open(&SimDisk::new(image), 0, DATA).expect("a prefix");
        assert_eq!(meaning(&recovered), found);
    }
}

#[test]
fn every_crash_of_every_short_script_leaves_a_prefix() {
    let letters = [
        Append,
        AppendNewEpoch,
        Sync,
        Roll,
        Truncate(0),
        Truncate(1),
        Accept,
        Current,
        Install(1),
        Install(3),
        Snapshot,
    ];
    let mut seen = Seen::default();
    for first in letters {
        for second in letters {
            check(&[Accept, Append, Append, first, second, Sync], 64, DATA, 0, &mut seen);
        }
    }
    assert!(seen.crashes > 10_000 && seen.repaired > 1_000 && seen.between > 1_000, "{seen:?}");
}

#[test]
fn crashes_in_longer_lives() {
    let stories: &[&[Step]] = &[
        // A follower's first minutes: promise, snapshot, NEWLEADER, broadcast.
        &[Accept, Install(3), Current, Append, Sync, Append, Append, Sync, Roll, Append, Sync],
        // Cut over three files, to the middle of the first, and go on in a new epoch.
        &[
            Accept,
            Append,
            Append,
            Sync,
            Roll,
            Append,
            Append,
            Roll,
            Append,
            Truncate(1),
            Accept,
            AppendNewEpoch,
            Sync,
        ],
        // Cut to the snapshot itself.
        &[Accept, Append, Snapshot, Append, Roll, Append, Sync, Truncate(0), Append, Sync],
        // A shorter history replaces a longer one, twice.
        &[
            Accept,
            Append,
            Append,
            Append,
            Append,
            Sync,
            Install(2),
            Append,
            Sync,
            Accept,
            Install(1),
            Append,
            Sync,
        ],
        // A history of a later epoch is logged before currentEpoch follows.
        &[
            Accept,
            Accept,
            AppendNewEpoch,
            Sync,
            Current,
            Append,
            Sync,
            Accept,
            AppendNewEpoch,
            Current,
        ],
        // Snapshots and purges while the log goes on.
        &[
            Accept, Append, Roll, Snapshot, Append, Roll, Snapshot, Append, Roll, Snapshot, Append,
            Roll, Snapshot, Append, Purge, Append, Sync,
        ],
        // Many records in one fsync.
        &[Accept, Append, Append, Append, Append, Append, Append, Sync],
    ];
    for (preallocate, logs) in [(0, DATA), (100, DATA), (100, "/logs")] {
        let mut seen = Seen::default();
        for story in stories {
            check(story, preallocate, logs, 0, &mut seen);
        }
        assert!(seen.repaired > 0, "{seen:?}");
    }
}

/// Any sectors of a batch that was not acknowledged may be on disk: later ones without earlier
/// ones, whole records behind torn ones. What was acknowledged before stays, and nobody is refused.
#[test]
fn sectors_of_a_batch_reach_the_disk_in_any_order() {
    let stories: &[&[Step]] = &[
        &[Accept, Append, Sync, Append, Append, Append, Append, Sync, Append],
        &[Accept, Append, Append, Append, Roll, Append, Append, Truncate(2), Append, Append],
    ];
    // From several records in a sector to several sectors in a record.
    for filler in [60, 200, 460, 475, 700, 1500] {
        for preallocate in [0, 4096] {
            let mut seen = Seen::default();
            for story in stories {
                check(story, preallocate, DATA, filler, &mut seen);
            }
            assert!(seen.reordered > 10 && seen.repaired > 10, "{filler}: {seen:?}");
        }
    }
}

#[test]
fn a_failed_operation_is_the_last_and_its_error_stays() {
    let script = [
        Accept,
        Append,
        Sync,
        Append,
        Roll,
        Append,
        Truncate(1),
        Current,
        Install(2),
        Append,
        Sync,
        Snapshot,
        Purge,
    ];
    let mut failures = 0;
    for fails in 0.. {
        let disk = SimDisk::new(Image::new());
        disk.fail_at(fails);
        let Ok((store, _)) = open(&disk, 64, DATA) else { continue };
        let mut run = Run::start(store);
        let mut outcome = written(&run.store, &[]).and_then(FinishedSnapshot::publish).map(drop);
        for step in script {
            outcome = outcome.and_then(|()| run.take(step));
        }
        let Err(error) = outcome else {
            assert!(disk.ops() <= fails, "an operation failed and nobody noticed: {fails}");
            break;
        };
        failures += 1;
        let ops = disk.ops();
        let sayings: Vec<String> = [
            run.store.sync(),
            run.store.append(run.store.last() + 1, &blob(run.store.last() + 1, 0)),
            run.store.roll(),
            run.store.truncate(0),
            run.store.write_accepted_epoch(9),
            run.store.write_current_epoch(9),
            run.store.purge(3).map(drop),
            run.store.snapshot_writer(0).map(drop),
        ]
        .into_iter()
        .map(|answer| answer.expect_err("the store has failed").to_string())
        .collect();
        assert!(error.to_string().contains("injected"), "{error}");
        assert_eq!(sayings, vec![error.to_string(); sayings.len()], "operation {fails}");
        assert_eq!(disk.ops(), ops, "something was tried again after operation {fails} failed");
        drop(run.store);
        for (image, _) in disk.crashes(ops) {
            let after = SimDisk::new(image);
            let allowed = &run.folds[run.durable..];
            recover(&after, 64, DATA, allowed, &script, ops, &mut Seen::default());
        }
    }
    assert!(failures > 40, "{failures}");
}
