//! What a server begins with: from what is on its disk.

use bytes::Bytes;
use store::{Disk, Recovered, Store};
use zab::{DiskImage, Epoch, Txn, Zxid};
use znode::{SessionIds, Tree};

use crate::settings::Settings;
use crate::{digests, snapshots};

/// Why a server cannot begin with what is on its disk.
#[derive(thiserror::Error, Debug)]
pub enum Unusable {
    /// The data directory, or what is in it.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// A snapshot whose seals are right and whose content is none.
    #[error("the snapshot cannot be loaded: {0}")]
    Snapshot(String),
}

/// What a server begins with.
pub struct Beginning {
    /// For the core.
    pub image: DiskImage<Bytes>,
    /// For the state machine.
    pub tree: Tree,
    /// Ids for the sessions of its clients.
    pub session_ids: SessionIds,
}

/// What a server begins with that has opened its store. The first snapshot of a fresh directory is
/// written. `random`: a number that no other start has had.
///
/// A snapshot whose tree cannot be loaded, or is not the one whose digest was taken, is damage like
/// any other: it is set aside if others can give this server its data.
///
/// # Errors
/// What is on the disk cannot be used, or the disk.
pub fn begin<D: Disk>(
    store: Store<D>,
    recovered: Recovered<D>,
    settings: &Settings,
    random: u64,
) -> Result<(Store<D>, Beginning), Unusable> {
    let (store, recovered, mut tree) = match load(&recovered, settings) {
        Ok(tree) => (store, recovered, tree),
        Err(why) => match store.set_aside(&why)? {
            Some((store, recovered)) => {
                let tree = load(&recovered, settings).map_err(Unusable::Snapshot)?;
                (store, recovered, tree)
            }
            None => return Err(Unusable::Snapshot(why)),
        },
    };
    settings.show_members_in(&mut tree);
    if recovered.snapshot.is_none() && recovered.log.is_empty() {
        snapshots::begin(&store, &tree)?;
    }
    let base = base(&recovered);
    let image = image(recovered, base);
    let session_ids = SessionIds::new(random, settings.me.0);
    Ok((store, Beginning { image, tree, session_ids }))
}

/// The tree of the snapshot.
fn load<D: Disk>(recovered: &Recovered<D>, settings: &Settings) -> Result<Tree, String> {
    let base = base(recovered);
    let mut tree = snapshots::load(recovered, base, settings.tree)?;
    if settings.digest_enabled {
        digests::check(recovered, base, &mut tree)?;
    }
    Ok(tree)
}

/// The position in the history that the snapshot holds everything up to. ZooKeeper names snapshots
/// that it writes at the beginning of an epoch after the epoch, with counter 0: no transaction has
/// that number.
fn base<D: Disk>(recovered: &Recovered<D>) -> Zxid {
    let named = Zxid(recovered.snapshot.as_ref().map_or(0, store::SnapshotFile::zxid));
    match recovered.before {
        Some(before) if named.counter() == 0 => Zxid(before),
        Some(_) | None => named,
    }
}

fn image<D: Disk>(recovered: Recovered<D>, snapshot: Zxid) -> DiskImage<Bytes> {
    let log =
        recovered.log.into_iter().map(|entry| Txn { zxid: Zxid(entry.zxid), payload: entry.blob });
    DiskImage {
        accepted: Epoch(recovered.accepted),
        current: Epoch(recovered.current),
        snapshot,
        log: log.collect(),
        history_lost: recovered.history_lost,
    }
}
