//! Whether the tree is the one whose digest was taken, in snapshots and in transactions.
//!
//! The seals of a file show only that its bytes are those that were written. The digest is that of
//! the tree in the memory of whoever wrote it, so it shows faults of that memory, and of the code
//! that writes and reads. (ZooKeeper compares it too, reports the difference, and goes on.) A
//! snapshot that comes over a link has no digest: it is compared with that of the first transaction
//! behind it.

use store::{Disk, Recovered, SnapshotDigest, SnapshotFile};
use tracing::info;
use wire::jute::{Reader, Record};
use wire::txn::{TxnBlob, TxnDigest};
use zab::Zxid;
use znode::{DigestMismatch, Tree};

/// How an operator gets out.
pub(crate) const BEGIN_ANEW: &str = "Let the server begin anew, but only while all the other servers are up and \
     serve (stop it, move both version-2 directories away, start it)";

/// How else, where digests differ.
const UNCOMPARED: &str = "With digest.enabled=false nothing is compared, and it may answer wrongly";

/// What a server says that stops because its tree is not the leader's.
pub(crate) fn stops(mismatch: &DigestMismatch) -> String {
    format!(
        "{mismatch}: what this server would answer may be wrong, so it stops. {BEGIN_ANEW}. {UNCOMPARED}"
    )
}

/// Compares the tree of the snapshot that the server starts from, and those to which the log behind
/// it leads, with the digests that were taken of them. Settles the tree if it is exactly that of
/// `base`.
///
/// ZooKeeper takes the digest of a snapshot when the nodes are written, at a later zxid than that
/// of the name, and the nodes may hold more than the digest: the first transactions of the log with
/// which the tree agrees show that nothing is wrong with it. From there on, and from the beginning
/// where the tree is exactly that of `base`, a difference means that a transaction is missing,
/// though no zxid shows it: the first of an epoch follows whatever was the last of an earlier one.
///
/// # Errors
/// The tree differs from a digest, or agrees with none.
pub(crate) fn check<D: Disk>(
    recovered: &Recovered<D>,
    base: Zxid,
    tree: &mut Tree,
) -> Result<(), String> {
    let file = recovered.snapshot.as_ref();
    // ZooKeeper writes 0 where it knows no digest.
    let comparable = |digest: &SnapshotDigest| {
        digest.version == TxnDigest::VERSION && digest.zxid != 0 && digest.zxid >= base.0
    };
    let digest = file.and_then(|file| file.tail().digest).filter(comparable);
    let is_first = base == Zxid::ZERO && tree.digest() == Tree::new(tree.options()).digest();
    let is_its = digest.is_some_and(|digest| digest.zxid == base.0 && digest.tree == tree.digest());
    if is_first || is_its {
        tree.settle();
    }
    let mut replay = Replay::begin(tree, base, digest);
    for entry in &recovered.log {
        // One that cannot be read stops the server when its turn comes.
        let Ok(blob) = TxnBlob::decode(&mut Reader::with_limit(&entry.blob, entry.blob.len()))
        else {
            break;
        };
        replay.apply(&blob).map_err(|mismatch| misses(&mismatch))?;
    }
    match (replay.agreed, file) {
        (Agreed::Since(zxid), Some(file)) if zxid > base => {
            info!("{}: the tree agrees with digests from {zxid} on", file.path().display());
            Ok(())
        }
        (Agreed::Since(_) | Agreed::NothingCompared, _) | (Agreed::Never(_), None) => Ok(()),
        (Agreed::Never(never), Some(file)) => Err(differs(file, never)),
    }
}

/// What the log lacks.
fn misses(mismatch: &DigestMismatch) -> String {
    format!(
        "the log: {mismatch}. So a transaction before it is missing, or was changed, though every file \
         is whole: a log file was removed, or one is of another server. {BEGIN_ANEW}. {UNCOMPARED}"
    )
}

fn differs<D: Disk>(file: &SnapshotFile<D>, Never { zxid, expected, found }: Never) -> String {
    format!(
        "{}: at zxid {zxid:#x} its tree has digest 0x{found:x}, where the tree that was written had 0x{expected:x}. \
         If an older snapshot and the log are there, move this file away. Else: {BEGIN_ANEW}. {UNCOMPARED}",
        file.path().display(),
    )
}

/// Whether a tree was found to be right.
enum Agreed {
    /// From this zxid on.
    Since(Zxid),
    NothingCompared,
    Never(Never),
}

/// A digest with which a tree does not agree.
#[derive(Clone, Copy)]
struct Never {
    zxid: u64,
    expected: u64,
    found: u64,
}

/// The log is replayed in a copy of the tree.
struct Replay {
    tree: Tree,
    /// Of the snapshot.
    digest: Option<SnapshotDigest>,
    agreed: Agreed,
}

impl Replay {
    fn begin(tree: &Tree, base: Zxid, digest: Option<SnapshotDigest>) -> Self {
        let agreed = match digest {
            _ if tree.is_settled() => Agreed::Since(base),
            Some(SnapshotDigest { zxid, tree: expected, .. }) => {
                Agreed::Never(Never { zxid, expected, found: tree.digest() })
            }
            None => Agreed::NothingCompared,
        };
        Self { tree: tree.clone(), digest, agreed }
    }

    /// # Errors
    /// The tree was right before, and is not now.
    fn apply(&mut self, blob: &TxnBlob) -> Result<(), DigestMismatch> {
        self.tree.apply(&blob.header, &blob.txn);
        let (zxid, now) = (Zxid(blob.header.zxid.cast_unsigned()), self.tree.digest());
        if let Some(digest) = self.digest.filter(|digest| digest.zxid == zxid.0) {
            if digest.tree == now {
                self.tree.settle();
            } else if let Agreed::Never(never) = &mut self.agreed {
                never.found = now;
            }
        }
        if let Some(digest) = &blob.digest {
            self.tree.check_digest(blob.header.zxid, digest)?;
            if let (TxnDigest::VERSION, Agreed::NothingCompared) = (digest.version, &self.agreed) {
                let expected = digest.tree_digest.cast_unsigned();
                self.agreed = Agreed::Never(Never { zxid: zxid.0, expected, found: now });
            }
        }
        match self.agreed {
            Agreed::NothingCompared | Agreed::Never(_) if self.tree.is_settled() => {
                self.agreed = Agreed::Since(zxid);
            }
            Agreed::NothingCompared | Agreed::Never(_) | Agreed::Since(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
