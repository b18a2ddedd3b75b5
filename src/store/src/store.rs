//! The disk of one server.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::aside;
use crate::disk::{Disk, File, Os};
use crate::epochs;
use crate::error::{At, Error, Result};
use crate::intent::{self, Intent};
use crate::layout::{Compression, Layout, log_name};
use crate::log::{LogFile, blob_zxid};
use crate::mark::{self, Mark};
use crate::recovered::{Recovered, Repair};
use crate::replay::{Replay, continues, replay};
use crate::running;
use crate::scan::{Next, scan};
use crate::snapshot::{self, FinishedSnapshot, Skipped, SnapshotWriter};
use crate::tail::Crash;

/// What a store is opened with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// By how many bytes a log file grows ahead of what is written; 0 turns it off
    /// (`zookeeper.preAllocSize`, there in KiB).
    pub preallocate_bytes: u64,
    /// How new snapshots are compressed (`zookeeper.snapshot.compression.method`). All kinds are
    /// read.
    pub compression: Compression,
    /// Replays a log without any snapshot onto the empty tree (`zookeeper.snapshot.trust.empty`).
    pub trust_empty_snapshot: bool,
    /// Others can give this server its data: what is found damaged is set aside instead of refused,
    /// as long as the promise is known.
    pub restorable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            preallocate_bytes: 64 << 20,
            compression: Compression::None,
            trust_empty_snapshot: false,
            restorable: false,
        }
    }
}

/// The files of one server: dataDir and dataLogDir, locked against other processes as long as this
/// lives.
///
/// The records that a server issues form one sequence, and a crash leaves a prefix of it: each
/// method that touches another file than the log makes first durable what was appended, and returns
/// only when its own effect is durable. Appended records become durable by [`Store::sync`],
/// together.
///
/// A write or fsync that failed is never tried again, since nobody can tell what the disk then
/// holds: that call and every later one answer with the same error.
#[derive(Debug)]
pub struct Store<D: Disk = Os> {
    layout: Layout<D>,
    options: Options,
    shared: Arc<Shared>,
    log: Option<LogFile<D::File>>,
    mark: Mark<D::File>,
    /// The end of the history, as issued.
    last: u64,
    /// What was here was set aside, and no epoch was accepted since.
    history_lost: bool,
    locks: Vec<D::Lock>,
}

/// What [`Store::read`] has found.
struct Found<D: Disk> {
    snapshot: Option<snapshot::SnapshotFile<D>>,
    replay: Replay,
    epochs: epochs::Epochs,
    history_lost: bool,
    base: u64,
    last: u64,
    repairs: Vec<Repair>,
}

/// What the store and its snapshot writers, which may run on other threads, both know.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    failed: OnceLock<Error>,
    /// The end of the history, as synced.
    pub(crate) durable: AtomicU64,
    /// The zxid of the newest snapshot.
    pub(crate) base: AtomicU64,
    /// There is a snapshot.
    pub(crate) has_snapshot: AtomicBool,
    /// Numbers the temporary names.
    pub(crate) writers: AtomicU64,
    /// How often history was replaced or cut: a snapshot begun before that is of no use. Held while
    /// names of snapshots change.
    generation: Mutex<u64>,
}

impl Shared {
    /// The first failure, if there was one.
    pub(crate) fn check(&self) -> Result<()> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Remembers a failure of the disk; a call that was refused is none.
    pub(crate) fn note(&self, error: Error) -> Error {
        if let Error::Refused { .. } = error {
            return error;
        }
        self.failed.get_or_init(|| error).clone()
    }

    pub(crate) fn generation(&self) -> MutexGuard<'_, u64> {
        self.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store<Os> {
    /// Opens the directories `data_dir/version-2` and `data_log_dir/version-2` (which may be the
    /// same), creating what is missing, and reads what a crash or an orderly stop has left there.
    ///
    /// A fresh directory has no snapshot. Before the first record is appended there has to be one,
    /// of the empty tree and with zxid 0: ZooKeeper does not start from a log alone.
    ///
    /// # Errors
    /// What is wrong with the directory, or what the system refused. Whatever looks like lost
    /// records is refused.
    pub fn open(
        data_dir: &Path,
        data_log_dir: &Path,
        options: Options,
    ) -> Result<(Self, Recovered<Os>)> {
        Self::open_on(Os, data_dir, data_log_dir, options)
    }
}

impl<D: Disk> Store<D> {
    /// As [`Store::open`], on another file system.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(
        disk: D,
        data_dir: &Path,
        data_log_dir: &Path,
        options: Options,
    ) -> Result<(Self, Recovered<D>)> {
        let layout = Layout::new(disk, data_dir, data_log_dir);
        epochs::check_log_directory(&layout)?;
        for dir in [&layout.snap, &layout.log] {
            layout.disk.create_dirs(dir).at(dir, "create")?;
        }
        let locks = layout.lock()?;
        layout.check_places()?;
        let set_aside = match Self::read(&layout, options) {
            Ok(found) => return Self::settle(layout, options, locks, found, Vec::new()),
            Err(error) if options.restorable => {
                let why = error.to_string();
                aside::may_be_set_aside(&layout, error)?;
                aside::set_aside(&layout, &why)?
            }
            Err(error) => return Err(error),
        };
        let found = Self::read(&layout, options)?;
        Self::settle(layout, options, locks, found, vec![set_aside])
    }

    /// Sets aside what is here, whose files are whole and whose content is not (`why`), and opens
    /// what is left. A server that nobody could give other data answers `None`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn set_aside(mut self, why: &str) -> Result<Option<(Self, Recovered<D>)>> {
        if !self.options.restorable {
            return Ok(None);
        }
        let (layout, options) = (self.layout.clone(), self.options);
        let locks = std::mem::take(&mut self.locks);
        drop(self);
        let set_aside = aside::set_aside(&layout, why)?;
        let found = Self::read(&layout, options)?;
        Self::settle(layout, options, locks, found, vec![set_aside]).map(Some)
    }

    /// What the directories hold. Nothing is changed but what an intent demands.
    fn read(layout: &Layout<D>, options: Options) -> Result<Found<D>> {
        let mut repairs = Vec::new();
        let lost = aside::noted(layout)?;
        if let (Some(path), false) = (&lost, options.restorable) {
            return Err(Error::HistoryNotRestored { path: path.clone() });
        }
        let history_lost = lost.is_some();
        if let Some(intent) = intent::recover(layout)? {
            repairs.push(Repair::Finished { what: intent.to_string() });
        }
        let (snapshot, skipped) = snapshot::newest(layout)?;
        let logs = layout.logs()?;
        if let (None, Some(log), false) = (&snapshot, logs.last(), options.trust_empty_snapshot) {
            let (path, log) = (layout.snap.clone(), log.name.clone());
            return Err(Error::LogWithoutSnapshot { path, log });
        }
        let base = snapshot.as_ref().map_or(0, |snapshot| snapshot.zxid());
        let replay = replay(layout, &logs, base, running::last_crash(layout)?)?;
        for Skipped { zxid, path, why } in skipped {
            if !replay.leads_to(zxid) {
                return Err(Error::SnapshotLost { path, why, older: base });
            }
            repairs.push(Repair::SnapshotSkipped { path, why });
        }
        let last = replay.log.last().map_or(base, |entry| entry.zxid);
        if let Some(snapshot) = &snapshot
            && let Some(sealed) = snapshot.sealed_beyond()
            && !replay.reaches(sealed)
        {
            let (path, label) = (snapshot.path().to_owned(), base);
            return Err(Error::SnapshotAhead { path, label, sealed, last });
        }
        let epochs = epochs::load(layout, last, history_lost)?;
        let empty = snapshot.is_none() && logs.is_empty();
        if empty && epochs.accepted > 0 && !options.trust_empty_snapshot && !history_lost {
            let (path, accepted) = (layout.snap.clone(), epochs.accepted);
            return Err(Error::HistoryLost { path, accepted });
        }
        if let Some(durable) = mark::read(layout)?
            && durable > last
            && !epochs.by_zookeeper
        {
            let path = layout.log.clone();
            return Err(Error::LogCut { path, durable, last });
        }
        Ok(Found { snapshot, replay, epochs, history_lost, base, last, repairs })
    }

    /// Everything was found in order: now the repairs.
    fn settle(
        layout: Layout<D>,
        options: Options,
        locks: Vec<D::Lock>,
        found: Found<D>,
        mut repairs: Vec<Repair>,
    ) -> Result<(Self, Recovered<D>)> {
        let Found { snapshot, replay, epochs, history_lost, base, last, .. } = found;
        repairs.extend(found.repairs);
        replay.settle(&layout)?;
        make_durable(&layout)?;
        epochs.settle(&layout)?;
        running::begin(&layout)?;
        repairs.extend(replay.repairs);
        repairs.extend(epochs.repairs);
        for repair in &repairs {
            tracing::warn!("{repair}");
        }
        let shared = Shared {
            durable: AtomicU64::new(last),
            base: AtomicU64::new(base),
            has_snapshot: AtomicBool::new(snapshot.is_some()),
            ..Shared::default()
        };
        let shared = Arc::new(shared);
        let mut mark = Mark::open(&layout)?;
        if last > 0 {
            mark.put(last)?;
        }
        let store = Self { layout, options, shared, log: None, mark, last, history_lost, locks };
        let recovered = Recovered {
            accepted: epochs.accepted,
            current: epochs.current,
            snapshot,
            log: replay.log,
            before: replay.before,
            history_lost,
            repairs,
        };
        Ok((store, recovered))
    }

    /// The end of the history as appended: the last record, or the zxid of the snapshot.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Appends a record: TxnHeader, transaction, digest, as they were proposed. It is durable after
    /// the next [`Store::sync`]. The first one after open or [`Store::roll`] begins a new file.
    ///
    /// # Errors
    /// [`Error::Refused`] if the zxid does not continue the history, or is not the one in the blob,
    /// or if there is no snapshot yet. Else what the system refused.
    pub fn append(&mut self, zxid: u64, blob: &[u8]) -> Result<()> {
        self.checked(|store| {
            let trusted = store.options.trust_empty_snapshot;
            if !trusted && !store.shared.has_snapshot.load(Ordering::Acquire) {
                return Err(store
                    .refused("a log begins behind a snapshot, of the empty tree at least", zxid));
            }
            if !continues(store.last, zxid) || i64::try_from(zxid).is_err() {
                return Err(store.refused("a record continues the history", zxid));
            }
            let len = u32::try_from(blob.len()).ok().filter(|len| i32::try_from(*len).is_ok());
            let Some(len) = len.filter(|_| blob_zxid(blob) == Some(zxid)) else {
                return Err(store
                    .refused("a record has a TxnHeader with its zxid, and less than 2 GiB", zxid));
            };
            let log = match &mut store.log {
                Some(log) => log,
                None => store.log.insert(LogFile::create(
                    &store.layout.disk,
                    &store.layout.log,
                    &log_name(zxid),
                    store.last,
                    store.options.preallocate_bytes,
                )?),
            };
            log.append(blob, len)?;
            store.last = zxid;
            Ok(())
        })
    }

    /// Makes everything appended durable, with one fdatasync.
    ///
    /// # Errors
    /// What the system refused.
    pub fn sync(&mut self) -> Result<()> {
        self.checked(Self::sync_log)
    }

    fn sync_log(&mut self) -> Result<()> {
        if self.shared.durable.load(Ordering::Acquire) != self.last
            && let Some(log) = &mut self.log
        {
            log.sync()?;
            self.mark.put(self.last)?;
        }
        self.shared.durable.store(self.last, Ordering::Release);
        Ok(())
    }

    /// Ends the present log file, durably; the next record begins another one.
    ///
    /// # Errors
    /// What the system refused.
    pub fn roll(&mut self) -> Result<()> {
        self.checked(Self::close_log)
    }

    fn close_log(&mut self) -> Result<()> {
        self.sync_log()?;
        self.log.take().map_or(Ok(()), LogFile::close)
    }

    /// Replaces `acceptedEpoch`, durably, behind everything appended.
    ///
    /// # Errors
    /// What the system refused.
    pub fn write_accepted_epoch(&mut self, epoch: u32) -> Result<()> {
        self.checked(|store| {
            store.sync_log()?;
            epochs::write_accepted(&store.layout, epoch)
        })
    }

    /// Replaces `currentEpoch`, durably, behind everything appended. From here on the history is
    /// whole.
    ///
    /// # Errors
    /// What the system refused.
    pub fn write_current_epoch(&mut self, epoch: u32) -> Result<()> {
        self.checked(|store| {
            store.sync_log()?;
            epochs::write_current(&store.layout, epoch)?;
            if store.history_lost {
                aside::restored(&store.layout)?;
                store.history_lost = false;
            }
            Ok(())
        })
    }

    /// Removes every record above `to`, durably and in one step, however many files that touches.
    ///
    /// # Errors
    /// [`Error::Refused`] if `to` is neither the zxid of the newest snapshot nor that of a record
    /// behind it. Else what the system refused.
    pub fn truncate(&mut self, to: u64) -> Result<()> {
        self.checked(|store| {
            if to == store.last {
                return store.sync_log();
            }
            let base = store.shared.base.load(Ordering::Acquire);
            if to != base && !(to > base && to < store.last && store.holds(to)?) {
                return Err(
                    store.refused("a log is cut at one of its records or at the snapshot", to)
                );
            }
            store.close_log()?;
            let shared = Arc::clone(&store.shared);
            let mut generation = shared.generation();
            *generation += 1;
            store.mark.forget()?;
            intent::carry_out(&store.layout, &Intent::Truncate { to })?;
            store.ends_at(to);
            Ok(())
        })
    }

    /// True if the log has a record with this zxid, on disk or still in memory.
    fn holds(&mut self, zxid: u64) -> Result<bool> {
        self.sync_log()?;
        let logs = self.layout.logs()?;
        let Some(log) = logs.iter().rev().find(|log| log.zxid <= zxid) else { return Ok(false) };
        let path = self.layout.log.join(&log.name);
        let file = self.layout.disk.open(&path).at(&path, "open")?;
        let mut found = false;
        scan(&file, &path, Crash::OfProcess, |entry| {
            found = entry.zxid == zxid;
            Ok(if entry.zxid < zxid { Next::Go } else { Next::Stop })
        })?;
        Ok(found)
    }

    /// Begins a snapshot; the writer may be used on another thread while records are appended. It
    /// ends as [`FinishedSnapshot::publish`] (an ordinary snapshot) or [`Store::install`] (what
    /// came with a SNAP message).
    ///
    /// # Errors
    /// What the system refused.
    pub fn snapshot_writer(&self, zxid: u64) -> Result<SnapshotWriter<D>> {
        self.shared.check()?;
        SnapshotWriter::create(&self.layout, &self.shared, zxid, self.options.compression)
    }

    /// Replaces snapshot and log by this snapshot, durably and in one step.
    ///
    /// # Errors
    /// What the system refused.
    pub fn install(&mut self, snapshot: FinishedSnapshot<D>) -> Result<()> {
        self.checked(|store| {
            store.close_log()?;
            let shared = Arc::clone(&store.shared);
            let mut generation = shared.generation();
            *generation += 1;
            let zxid = snapshot.zxid();
            let (pending, name) = snapshot.into_names();
            store.mark.forget()?;
            intent::carry_out(&store.layout, &Intent::Install { pending, name })?;
            shared.base.store(zxid, Ordering::Release);
            shared.has_snapshot.store(true, Ordering::Release);
            store.ends_at(zxid);
            Ok(())
        })
    }

    /// Removes what the newest `retain` snapshots (3 at least) make unnecessary, and answers how
    /// many files that were (`PurgeTxnLog`): older snapshots, and logs of which every record is
    /// covered by the oldest of them.
    ///
    /// # Errors
    /// What the system refused.
    pub fn purge(&mut self, retain: usize) -> Result<usize> {
        self.checked(|store| {
            let shared = Arc::clone(&store.shared);
            let _names_stay = shared.generation();
            crate::purge::purge(&store.layout, retain)
        })
    }

    /// Sizes of all files in the data directory and in the log directory, in bytes (the words
    /// `conf` and `dirs`); a directory that is both counts for both.
    ///
    /// # Errors
    /// What the system refused.
    pub fn sizes(&self) -> Result<(u64, u64)> {
        let sum = |dir| Ok(self.layout.list(dir)?.iter().map(|(_, len)| len).sum());
        Ok((sum(&self.layout.snap)?, sum(&self.layout.log)?))
    }

    fn ends_at(&mut self, zxid: u64) {
        self.last = zxid;
        self.shared.durable.store(zxid, Ordering::Release);
    }

    fn refused(&self, rule: &'static str, got: u64) -> Error {
        Error::Refused { rule, got, last: self.last }
    }

    /// Runs a step unless an earlier one failed, and remembers if this one does.
    fn checked<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.shared.check()?;
        step(self).map_err(|error| self.shared.note(error))
    }
}

impl<D: Disk> Drop for Store<D> {
    /// A store in order is closed. One that failed, or holds records that were not synced, leaves
    /// the directory as a crash of its process does.
    fn drop(&mut self) {
        let synced = self.shared.durable.load(Ordering::Acquire) == self.last;
        if synced && self.shared.check().is_ok() && !std::thread::panicking() {
            // If the note stays, the next start is told less than it could be.
            let _ = running::end(&self.layout);
        }
    }
}

/// A process that was killed leaves records that it had written and not synced, and whoever opens
/// the log takes them for durable: so they are made durable before anybody hears of them. Only the
/// last file may have such: each other one was synced before the next was begun. The same goes for
/// names that files were given.
fn make_durable<D: Disk>(layout: &Layout<D>) -> Result<()> {
    if let Some(last) = layout.logs()?.last() {
        let path = layout.log.join(&last.name);
        let mut file = layout.disk.open(&path).at(&path, "open")?;
        file.sync().at(&path, "fsync")?;
    }
    for dir in [&layout.snap, &layout.log] {
        layout.sync_dir(dir)?;
    }
    Ok(())
}
