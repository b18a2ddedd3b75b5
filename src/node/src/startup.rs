//! What a server begins with: from what is on its disk.

use bytes::Bytes;
use store::{Disk, Recovered, Store};
use wire::jute::{Reader, Record};
use wire::txn::TxnHeader;
use zab::{DiskImage, Epoch, Sid, Txn, Zxid};
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
/// written.
///
/// # Errors
/// What is on the disk cannot be used, or the disk.
pub fn begin<D: Disk>(
    store: &Store<D>,
    recovered: Recovered<D>,
    settings: &Settings,
    wall_ms: i64,
) -> Result<Beginning, Unusable> {
    let base = base(&recovered);
    let mut tree = snapshots::load(&recovered, base, settings.tree).map_err(Unusable::Snapshot)?;
    if settings.digest_enabled {
        digests::check(&recovered, base, &mut tree).map_err(Unusable::Snapshot)?;
    }
    settings.show_members_in(&mut tree);
    if recovered.snapshot.is_none() && recovered.log.is_empty() {
        snapshots::begin(store, &tree)?;
    }
    let image = image(recovered, base);
    let session_ids = session_ids(wall_ms.unsigned_abs(), settings.me, &tree, &image.log);
    Ok(Beginning { image, tree, session_ids })
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
    }
}

/// Ids for the sessions of this server's clients: none that the tree knows, nor any that the log
/// behind it names.
fn session_ids(wall_ms: u64, me: Sid, tree: &Tree, log: &[Txn<Bytes>]) -> SessionIds {
    let mut ids = SessionIds::new(wall_ms, me.0);
    tree.sessions().for_each(|(session, _)| ids.pass(session));
    for txn in log {
        if let Ok(header) = TxnHeader::decode(&mut Reader::new(&txn.payload)) {
            ids.pass(header.client_id);
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use znode::Options;

    use super::*;

    const ME: Sid = Sid(3);
    const CLOCK_MS: u64 = 1_700_000_000_000;

    fn create_session(zxid: u64, session: i64) -> Txn<Bytes> {
        let header =
            TxnHeader { client_id: session, zxid: zxid.cast_signed(), ..TxnHeader::default() };
        let mut payload = Vec::new();
        wire::txn::TxnBlob::new(header, wire::txn::Txn::CreateSession { timeout_ms: 4000 }, None)
            .encode(&mut payload);
        Txn { zxid: Zxid(zxid), payload: payload.into() }
    }

    /// What a server gives out after a start that finds this tree and log.
    fn first_after(wall_ms: u64, tree: &Tree, log: &[Txn<Bytes>]) -> i64 {
        session_ids(wall_ms, ME, tree, log).next(|_| false)
    }

    #[test]
    fn a_server_that_starts_again_under_a_frozen_clock_gives_out_no_id_twice() {
        let mut tree = Tree::new(Options::default());
        let first = first_after(CLOCK_MS, &tree, &[]);
        // It is in the log, not yet in the tree.
        let log = [create_session(1, first), create_session(2, 0x0400_0000_0000_0009)];
        let second = first_after(CLOCK_MS, &tree, &log);
        assert_eq!(second, first + 1);
        // A snapshot covers it, and the clock was set back by an hour.
        for txn in log.iter().chain([&create_session(3, second)]) {
            let blob =
                wire::txn::TxnBlob::decode(&mut Reader::new(&txn.payload)).expect("just made");
            tree.apply(&blob.header, &blob.txn);
        }
        assert_eq!(first_after(CLOCK_MS - 3_600_000, &tree, &[]), second + 1);
    }
}
