//! Whether the tree is the one whose digest was taken, in snapshots and in transactions.
//!
//! The seals of a file show only that its bytes are those that were written. The digest is that of
//! the tree in the memory of whoever wrote it, so it shows faults of that memory, and of the code
//! that writes and reads. (ZooKeeper compares it too, reports the difference, and goes on.) A
//! snapshot that comes over a link has no digest: it is compared with that of the first transaction
//! behind it.

use store::{Disk, LogEntry, Recovered, SnapshotDigest, SnapshotFile};
use tracing::info;
use wire::jute::{Reader, Record};
use wire::txn::{TxnBlob, TxnDigest};
use zab::Zxid;
use znode::{DigestMismatch, Tree};

/// How an operator gets out.
const WAY_OUT: &str = "Let the server begin anew, but only while all the other servers are up and serve (stop \
     it, move both version-2 directories away, start it). With digest.enabled=false nothing is \
     compared, and it may answer wrongly";

/// What a server says that stops because its tree is not the leader's.
pub(crate) fn stops(mismatch: &DigestMismatch) -> String {
    format!("{mismatch}: what this server would answer may be wrong, so it stops. {WAY_OUT}")
}

/// Compares the tree of the snapshot that the server starts from, and settles it if it is exactly
/// that of `base`.
///
/// ZooKeeper takes the digest when the nodes are written, at a later zxid than that of the name.
/// Then the log is replayed in a copy up to that zxid. And the nodes may hold more than the digest:
/// the first transactions of the log with which the tree agrees show that nothing is wrong with it.
///
/// # Errors
/// The tree agrees neither with the digest nor with any transaction in the log behind it.
pub(crate) fn check<D: Disk>(
    recovered: &Recovered<D>,
    base: Zxid,
    tree: &mut Tree,
) -> Result<(), String> {
    let Some(file) = &recovered.snapshot else {
        return Ok(());
    };
    // ZooKeeper writes 0 where it knows no digest.
    let comparable = |digest: &SnapshotDigest| {
        digest.version == TxnDigest::VERSION && digest.zxid != 0 && digest.zxid >= base.0
    };
    let Some(digest) = file.tail().digest.filter(comparable) else {
        return Ok(());
    };
    if digest.zxid == base.0 && digest.tree == tree.digest() {
        tree.settle();
        return Ok(());
    }
    let found = if digest.zxid == base.0 { Some(tree.digest()) } else { None };
    match replayed(tree.clone(), &recovered.log, digest, found) {
        Replayed::Agrees(zxid) => {
            info!("{}: the tree agrees with digests from {zxid} on", file.path().display());
            Ok(())
        }
        Replayed::Differs(found) => Err(differs(file, digest, found)),
    }
}

fn differs<D: Disk>(file: &SnapshotFile<D>, digest: SnapshotDigest, found: u64) -> String {
    format!(
        "{}: at zxid 0x{:x} its tree has digest 0x{found:x}, where the tree that was written had 0x{:x}. \
         If an older snapshot and the log are there, move this file away. Else: {WAY_OUT}",
        file.path().display(),
        digest.zxid,
        digest.tree,
    )
}

enum Replayed {
    /// With a digest at this zxid.
    Agrees(Zxid),
    /// This is the digest at the snapshot's zxid.
    Differs(u64),
}

/// `found`: the digest of the tree, if it is at the zxid of `digest` already.
fn replayed(
    mut tree: Tree,
    log: &[LogEntry],
    digest: SnapshotDigest,
    mut found: Option<u64>,
) -> Replayed {
    for entry in log {
        // One that cannot be read stops the server when its turn comes.
        let Ok(blob) = TxnBlob::decode(&mut Reader::with_limit(&entry.blob, entry.blob.len()))
        else {
            break;
        };
        tree.apply(&blob.header, &blob.txn);
        if entry.zxid < digest.zxid {
            continue;
        }
        let now = tree.digest();
        found.get_or_insert(now);
        let says = |txn: &TxnDigest| {
            txn.version == TxnDigest::VERSION && txn.tree_digest.cast_unsigned() == now
        };
        let agrees_with_snapshot = entry.zxid == digest.zxid && now == digest.tree;
        if agrees_with_snapshot || blob.digest.as_ref().is_some_and(says) {
            return Replayed::Agrees(Zxid(entry.zxid));
        }
    }
    Replayed::Differs(found.unwrap_or_else(|| tree.digest()))
}

#[cfg(test)]
mod tests;
