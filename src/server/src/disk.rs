//! The disk thread: the one writer of the transaction log and of the epochs, in the order in which
//! the core issued its records.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use store::Store;
use zab::{Record, WriteNo, Zxid};
use znode::Snapshot;

use crate::snapshots;

/// Work for the disk, in order.
pub(crate) enum Job {
    Write(WriteNo, Record<Bytes>),
    /// [`Record::Snapshot`], with what it holds.
    Install(WriteNo, Zxid, Snapshot),
    /// A snapshot of the state as it is behind everything before. The next transaction begins a new
    /// log file.
    TakeSnapshot(Snapshot, snapshots::Done),
}

/// How the disk thread reports: called on that thread.
pub(crate) trait Report: Send + 'static {
    /// Everything up to this record is on disk.
    fn durable(&self, upto: WriteNo);
    /// A write or an fsync failed: nothing more will be written.
    fn failed(&self, error: store::Error);
}

/// The engine's end.
pub(crate) struct Disk {
    jobs: Option<Sender<Vec<Job>>>,
    queued: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// `purge`: how many snapshots are kept; `None` keeps all.
    pub(crate) fn start(
        store: Store,
        purge: Option<usize>,
        report: impl Report,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let taken = Arc::clone(&queued);
        let thread = std::thread::Builder::new().name("disk".into()).spawn(move || {
            Writer { store, purge, inbox, taken, last: None, dirty: false }.run(&report)
        })?;
        Ok(Self { jobs: Some(jobs), queued, thread: Some(thread) })
    }

    /// Hands over work. Never waits: see [`Self::queued`].
    pub(crate) fn submit(&self, jobs: Vec<Job>) {
        self.queued.fetch_add(jobs.len(), Ordering::Relaxed);
        if let Some(sender) = &self.jobs {
            // The thread is gone only after it reported a failure, which stops this server.
            let _ = sender.send(jobs);
        }
    }

    /// Records handed over and not yet durable. The engine takes no more writes from clients while
    /// there are many.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Writes what was handed over, and ends the thread.
    pub(crate) fn finish(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the disk thread was printed by it.
            let _ = thread.join();
        }
    }
}

struct Writer {
    store: Store,
    purge: Option<usize>,
    inbox: Receiver<Vec<Job>>,
    taken: Arc<AtomicUsize>,
    last: Option<WriteNo>,
    /// The log holds records that are not synced.
    dirty: bool,
}

impl Writer {
    /// Group commit: takes all that is queued, writes it, one sync, one report.
    fn run(mut self, report: &impl Report) {
        while let Ok(jobs) = self.inbox.recv() {
            let mut done = 0;
            let mut batch = Some(jobs);
            while let Some(jobs) = batch {
                done += jobs.len();
                for job in jobs {
                    if let Err(error) = self.write(job) {
                        return report.failed(error);
                    }
                }
                batch = self.inbox.try_recv().ok();
            }
            if let Err(error) = self.sync() {
                return report.failed(error);
            }
            self.taken.fetch_sub(done, Ordering::Relaxed);
            if let Some(upto) = self.last.take() {
                report.durable(upto);
            }
        }
    }

    /// One order of writes: whatever goes to another file than the log begins only when the log is
    /// synced.
    fn write(&mut self, job: Job) -> Result<(), store::Error> {
        match job {
            Job::TakeSnapshot(snapshot, done) => {
                self.sync()?;
                self.store.roll()?;
                let writer = self.store.snapshot_writer(snapshot.zxid().cast_unsigned())?;
                snapshots::take_in_background(writer, snapshot, done);
                if let Some(retain) = self.purge {
                    self.store.purge(retain)?;
                }
            }
            Job::Install(no, zxid, snapshot) => {
                self.sync()?;
                snapshots::install(&mut self.store, zxid, &snapshot)?;
                self.last = Some(no);
            }
            Job::Write(no, record) => {
                match record {
                    Record::Txn(txn) => {
                        self.store.append(txn.zxid.0, &txn.payload)?;
                        self.dirty = true;
                    }
                    Record::Truncate { to } => {
                        self.sync()?;
                        self.store.truncate(to.0)?;
                    }
                    Record::AcceptedEpoch(epoch) => {
                        self.sync()?;
                        self.store.write_accepted_epoch(epoch.0)?;
                    }
                    Record::CurrentEpoch(epoch) => {
                        self.sync()?;
                        self.store.write_current_epoch(epoch.0)?;
                    }
                    Record::Snapshot { .. } => {
                        unreachable!("the engine turns it into Job::Install")
                    }
                }
                self.last = Some(no);
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), store::Error> {
        if std::mem::take(&mut self.dirty) {
            self.store.sync()?;
        }
        Ok(())
    }
}
