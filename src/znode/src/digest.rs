//! The checksum of the tree that servers compare after each transaction.
//!
//! A node's digest is a CRC-32 of its path, data and stat; the tree's is the sum of those of its
//! nodes. (ZooKeeper: `DigestCalculator`, `AdHash`, digest version 2.)

use crc32fast::Hasher;
use wire::StatPersisted;

use crate::path;

/// The part of a node's digest that its stat does not touch. Kept with the node, so that a change
/// of a stat alone (that of a parent, at each creation of a child) does not read the data again.
pub(crate) fn content_crc(path: &str, data: Option<&[u8]>) -> u32 {
    let mut hasher = Hasher::new();
    // The root goes in under the name it has in snapshots.
    hasher.update(if path == path::ROOT { b"" } else { path.as_bytes() });
    hasher.update(data.unwrap_or_default());
    hasher.finalize()
}

/// The digest of the node; 0 for what the service keeps below `/zookeeper`, which may differ
/// between servers.
pub(crate) fn node_digest(path: &str, content_crc: u32, stat: &StatPersisted) -> u32 {
    if path.starts_with("/zookeeper/") {
        return 0;
    }
    let mut fields = [0; 60];
    let longs = [stat.czxid, stat.mzxid, stat.pzxid, stat.ctime, stat.mtime];
    for (field, long) in fields.chunks_exact_mut(8).zip(longs) {
        field.copy_from_slice(&long.to_be_bytes());
    }
    let ints = [stat.version, stat.cversion, stat.aversion];
    for (field, int) in fields[40..52].chunks_exact_mut(4).zip(ints) {
        field.copy_from_slice(&int.to_be_bytes());
    }
    fields[52..].copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
    let mut hasher = Hasher::new_with_initial(content_crc);
    hasher.update(&fields);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(path: &str, data: Option<&[u8]>, stat: &StatPersisted) -> u32 {
        node_digest(path, content_crc(path, data), stat)
    }

    #[test]
    fn golden_digests_of_zookeeper() {
        let zero = StatPersisted::default();
        assert_eq!(digest("/", None, &zero), 68323592);
        assert_eq!(digest("/zookeeper", Some(b""), &zero), 1303661912);
        assert_eq!(digest("/zookeeper/quota", Some(b""), &zero), 0);
        let root = StatPersisted { cversion: 1, pzxid: 2, ..zero };
        assert_eq!(digest("/", Some(b""), &root), 51738866);
        let a = StatPersisted { czxid: 2, mzxid: 2, pzxid: 2, ctime: 1000, mtime: 1000, ..zero };
        assert_eq!(digest("/a", Some(b"x"), &a), 1267482600);
    }
}
