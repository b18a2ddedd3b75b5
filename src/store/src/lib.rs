//! ZooKeeper's files: transaction log, snapshots, epochs.
//!
//! One [`Store`] is the disk of one server. It is synchronous and meant to be called by one thread;
//! only snapshots may be written by others ([`SnapshotWriter`]).
//!
//! | file | what it holds |
//! |---|---|
//! | `dataDir/version-2/snapshot.H` (`.gz`, `.snappy`) | the tree after the transaction with zxid H |
//! | `dataDir/version-2/acceptedEpoch`, `currentEpoch` | the epoch promised, the epoch of the history |
//! | `dataDir/version-2/vivarium.intent`, `vivarium.tmp.*` | a step over several files that is under way |
//! | `dataLogDir/version-2/log.H` | transactions, the first of which has zxid H |
//! | `dataLogDir/version-2/vivarium.running` | a server has not stopped in order since this boot of the system |
//! | `dataLogDir/version-2/vivarium.acceptedEpoch` | the epoch promised, a second time |
//! | `dataDir/version-2/vivarium.history-lost` | what was here was damaged, and nothing has replaced it yet (`aside`) |
//! | `dataLogDir/version-2/vivarium.durable` | the last record that was made durable (`mark`) |
//! | `version-2/vivarium.aside.*` | what was damaged |
//! | `version-2/vivarium.lock` | held by the running server |
//!
//! The formats are Apache ZooKeeper's, which can start from the directory of a stopped server, as
//! this crate can from its. Where ZooKeeper is lenient this crate is not: a torn tail is told from
//! damage (`tail`), zxids must continue (`replay`), directories are fsynced, snapshots are complete
//! before they have their name, and steps that touch several files happen at once (`intent`).

mod aside;
mod copy;
#[cfg(test)]
mod crash;
mod disk;
mod epochs;
mod error;
#[cfg(test)]
mod flips;
mod inspect;
mod intent;
mod layout;
mod log;
mod mark;
mod overlay;
mod purge;
mod recovered;
mod replay;
mod running;
mod scan;
#[cfg(any(test, feature = "sim"))]
mod sim;
mod snapshot;
mod store;
mod tail;
mod window;

pub use copy::{Copied, copy};
pub use disk::{Disk, File, Os};
pub use error::{Error, Result};
pub use inspect::{FileKind, FoundRecord, LogEnd, read_log, read_snapshot};
pub use layout::Compression;
pub use overlay::{Overlay, OverlayFile};
pub use recovered::{LogEntry, Recovered, Repair};
#[cfg(any(test, feature = "sim"))]
pub use sim::{Image, SimDisk, SimFile};
pub use snapshot::{
    FinishedSnapshot, SnapshotDigest, SnapshotEncoder, SnapshotFile, SnapshotItems, SnapshotTail,
    SnapshotWriter,
};
pub use store::{Options, Store};
pub use tail::Proof;
