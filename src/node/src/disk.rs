//! Work for the disk, and in which order it is done: the one writer of the transaction log and of
//! the epochs.

use bytes::Bytes;
use store::{Disk, SnapshotWriter, Store};
use zab::{Record, WriteNo, Zxid};
use znode::Snapshot;

use crate::snapshots::{self, Done};

/// Work for the disk, in order.
pub enum Job {
    /// A record.
    Write(WriteNo, Record<Bytes>),
    /// [`Record::Snapshot`], with what it holds.
    Install(WriteNo, Zxid, Snapshot),
    /// A snapshot of the state as it is behind everything before. The next transaction begins a new
    /// log file.
    TakeSnapshot(Snapshot, Done),
}

/// A snapshot that is to be written beside all that follows: [`snapshots::write_out`] does it.
pub struct Background<D: Disk> {
    /// Where to.
    pub writer: SnapshotWriter<D>,
    /// What.
    pub snapshot: Snapshot,
    /// Dropped when it is done.
    pub done: Done,
}

/// Writes in the order in which the core issued its records. Group commit is the business of
/// whoever drives it: any number of [`Writer::write`], then [`Writer::sync`], which says up to
/// where everything is on disk.
pub struct Writer<D: Disk> {
    store: Store<D>,
    purge: Option<usize>,
    last: Option<WriteNo>,
    /// The log holds records that are not synced.
    dirty: bool,
}

impl<D: Disk> Writer<D> {
    /// `purge`: how many snapshots are kept; `None` keeps all.
    pub fn new(store: Store<D>, purge: Option<usize>) -> Self {
        Self { store, purge, last: None, dirty: false }
    }

    /// One order of writes: whatever goes to another file than the log begins only when the log is
    /// synced. A snapshot that is taken is handed back, to be written while others follow.
    ///
    /// # Errors
    /// Nothing may be written any more, and nothing behind the last sync is durable.
    pub fn write(&mut self, job: Job) -> Result<Option<Background<D>>, store::Error> {
        match job {
            Job::TakeSnapshot(snapshot, done) => {
                self.settle()?;
                self.store.roll()?;
                let writer = self.store.snapshot_writer(snapshot.zxid().cast_unsigned())?;
                if let Some(retain) = self.purge {
                    self.store.purge(retain)?;
                }
                return Ok(Some(Background { writer, snapshot, done }));
            }
            Job::Install(no, zxid, snapshot) => {
                self.settle()?;
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
                        self.settle()?;
                        self.store.truncate(to.0)?;
                    }
                    Record::AcceptedEpoch(epoch) => {
                        self.settle()?;
                        self.store.write_accepted_epoch(epoch.0)?;
                    }
                    Record::CurrentEpoch(epoch) => {
                        self.settle()?;
                        self.store.write_current_epoch(epoch.0)?;
                    }
                    Record::Snapshot { .. } => {
                        unreachable!("the node turns it into Job::Install")
                    }
                }
                self.last = Some(no);
            }
        }
        Ok(None)
    }

    /// Makes everything durable that was written. The last record that was not durable before;
    /// `None` if there is none.
    ///
    /// # Errors
    /// As of [`Self::write`].
    pub fn sync(&mut self) -> Result<Option<WriteNo>, store::Error> {
        self.settle()?;
        Ok(self.last.take())
    }

    fn settle(&mut self) -> Result<(), store::Error> {
        if std::mem::take(&mut self.dirty) {
            self.store.sync()?;
        }
        Ok(())
    }
}
