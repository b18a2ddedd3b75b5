//! Transactions by zxid, in little memory: 48 bytes each.

use std::collections::BTreeMap;

use recording::Digest;
use zab::Zxid;

use crate::verdict::Place;

/// What is known of one zxid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    counter: u8,
    pub(crate) digest: Digest,
    /// Where it was seen first.
    pub(crate) seen: Place,
    pub(crate) proposed: Option<Place>,
    pub(crate) delivered: Option<Place>,
}

/// Entries in blocks of 256 zxids; a block holds only what was seen.
#[derive(Debug, Default)]
pub(crate) struct Table {
    blocks: BTreeMap<u64, Vec<Entry>>,
}

impl Table {
    /// The entry of `zxid`, made if it is not there.
    pub(crate) fn entry(&mut self, zxid: Zxid, digest: Digest, seen: Place) -> &mut Entry {
        let counter = zxid.0.to_le_bytes()[0];
        let block = self.blocks.entry(zxid.0 >> 8).or_default();
        // In order, nearly always.
        let at = match block.last() {
            Some(last) if last.counter < counter => block.len(),
            Some(_) | None => block.partition_point(|entry| entry.counter < counter),
        };
        if block.get(at).is_none_or(|entry| entry.counter != counter) {
            block.insert(at, Entry { counter, digest, seen, proposed: None, delivered: None });
        }
        &mut block[at]
    }

    /// Everything strictly between, in order.
    pub(crate) fn between(&self, low: Zxid, high: Zxid) -> impl Iterator<Item = (Zxid, &Entry)> {
        let blocks = (low < high).then(|| self.blocks.range(low.0 >> 8..=high.0 >> 8));
        blocks
            .into_iter()
            .flatten()
            .flat_map(|(&high_bits, block)| {
                block
                    .iter()
                    .map(move |entry| (Zxid(high_bits << 8 | u64::from(entry.counter)), entry))
            })
            .filter(move |(zxid, _)| low < *zxid && *zxid < high)
    }

    /// Everything, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Zxid, &Entry)> {
        self.between(Zxid::ZERO, Zxid(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_again_and_listed_in_order() {
        let mut table = Table::default();
        let fact = Place::new(0, 0);
        let zxids = [7, 3, 256, 255, 1 << 32 | 1, 3, 9 << 32, 257].map(Zxid);
        for zxid in zxids {
            let digest = Digest::of(&zxid.0.to_le_bytes());
            assert_eq!(table.entry(zxid, digest, fact).digest, digest, "{zxid:?}");
        }
        let listed = |low, high| table.between(Zxid(low), Zxid(high)).map(|(zxid, _)| zxid.0);
        assert_eq!(
            listed(0, u64::MAX).collect::<Vec<_>>(),
            [3, 7, 255, 256, 257, 1 << 32 | 1, 9 << 32]
        );
        assert_eq!(listed(3, 257).collect::<Vec<_>>(), [7, 255, 256], "both ends are left out");
        assert_eq!(listed(257, 3).count(), 0);
        assert!(size_of::<Entry>() <= 64);
    }
}
