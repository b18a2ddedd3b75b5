//! ZooKeeper's files: transaction log, snapshots, epochs.
