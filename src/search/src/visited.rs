//! The visited set: 128-bit fingerprints in sharded, sorted open-addressing tables.
//!
//! A fingerprint's top bits choose the shard, the bits below its home slot, by scaling them to the
//! table's length. As the scaling is monotone, linear probing can keep every table *sorted*: a
//! probe ends at the first larger entry, so tables stay quick at a load of 0.9, and growing is one
//! sequential pass. A shard grows by an eighth, and the shards' first capacities are staggered, so
//! that they grow one after the other: neither the bytes per state nor the memory in use ever jump.

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A concurrent set of fingerprints. None is 0: that is the empty slot.
pub(super) struct Visited {
    shards: Box<[Mutex<Shard>]>,
    bytes: AtomicU64,
}

impl Visited {
    /// An empty set.
    pub(super) fn new() -> Self {
        let shards: Box<[_]> =
            (0..SHARDS).map(|index| Mutex::new(Shard::new(first_capacity(index)))).collect();
        let bytes = shards.iter().map(|shard| shard.lock().expect("new").bytes()).sum();
        Self { shards, bytes: AtomicU64::new(bytes) }
    }

    /// The shard that a fingerprint belongs to.
    #[inline]
    pub(super) fn shard_of(fingerprint: u128) -> usize {
        (fingerprint >> (128 - SHARD_BITS)) as usize
    }

    /// Inserts those `fingerprints` that `group` points to, all of one shard, in the order of
    /// `group`, and sets `fresh` at the same places for those that were not there before.
    pub(super) fn insert(
        &self,
        shard: usize,
        group: &[u32],
        fingerprints: &[u128],
        fresh: &mut [bool],
    ) {
        let mut table = self.shards[shard].lock().expect("no holder panics");
        let before = table.bytes();
        table.touch(group, fingerprints);
        for &index in group {
            fresh[index as usize] = table.insert(fingerprints[index as usize]);
        }
        let grown = table.bytes() - before;
        drop(table);
        if grown > 0 {
            self.bytes.fetch_add(grown, Ordering::Relaxed);
        }
    }

    /// Bytes of all tables.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// One sorted table.
///
/// Invariants: occupied slots ascend; an entry stands at its home or after it, with no empty slot
/// between; at least one slot at the end is empty.
struct Shard {
    slots: Box<[u128]>,
    /// Home slots: `0..capacity`. `slots` is longer by a tail, for entries whose home is near the
    /// end.
    capacity: u64,
    occupied: u64,
}

impl Shard {
    fn new(capacity: u64) -> Self {
        let slots = vec![0; (capacity + capacity / 64 + TAIL_MIN) as usize].into_boxed_slice();
        Self { slots, capacity, occupied: 0 }
    }

    fn bytes(&self) -> u64 {
        (self.slots.len() * size_of::<u128>()) as u64
    }

    #[inline]
    fn home(&self, fingerprint: u128) -> usize {
        let scaled = (fingerprint >> (64 - SHARD_BITS)) as u64;
        ((u128::from(scaled) * u128::from(self.capacity)) >> 64) as usize
    }

    /// Reads all home slots once. The reads do not depend on each other, so the processor has their
    /// cache misses under way together; the probes that follow find the lines there.
    #[inline]
    fn touch(&self, group: &[u32], fingerprints: &[u128]) {
        let mut sum = 0;
        for &index in group {
            sum ^= self.slots[self.home(fingerprints[index as usize])] as u64;
        }
        black_box(sum);
    }

    /// Whether the fingerprint was new.
    #[inline]
    fn insert(&mut self, fingerprint: u128) -> bool {
        let mut at = self.home(fingerprint);
        while self.slots[at] < fingerprint && self.slots[at] != 0 {
            at += 1;
        }
        if self.slots[at] == fingerprint {
            return false;
        }
        self.place(at, fingerprint);
        true
    }

    /// Puts a new fingerprint into slot `at`, moving what stands there and after it by one.
    fn place(&mut self, at: usize, fingerprint: u128) {
        let mut end = at;
        while self.slots[end] != 0 {
            end += 1;
        }
        self.slots.copy_within(at..end, at + 1);
        self.slots[at] = fingerprint;
        self.occupied += 1;
        if self.occupied * LOAD_DENOMINATOR > self.capacity * LOAD_NUMERATOR
            || end + 1 == self.slots.len()
        {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let mut capacity = self.capacity;
        loop {
            capacity += capacity / GROWTH_DIVISOR;
            let mut next = Self::new(capacity);
            if next.fill(&self.slots) {
                *self = next;
                return;
            }
        }
    }

    /// Copies sorted entries into this empty table; false if the tail is too short for them.
    fn fill(&mut self, sorted: &[u128]) -> bool {
        let mut free = 0;
        for &entry in sorted.iter().filter(|&&entry| entry != 0) {
            let at = free.max(self.home(entry));
            if at + 1 >= self.slots.len() {
                return false;
            }
            self.slots[at] = entry;
            self.occupied += 1;
            free = at + 1;
        }
        true
    }
}

/// First capacity of a shard: from 256, up to one growth step more for the last shard,
/// exponentially between.
fn first_capacity(shard: usize) -> u64 {
    let step = 1.0 + 1.0 / GROWTH_DIVISOR as f64;
    (256.0 * step.powf(shard as f64 / SHARDS as f64)) as u64
}

/// Shards lock and grow separately: enough of them that two threads seldom meet, and that one
/// growing is a small part.
const SHARD_BITS: u32 = 8;
pub(super) const SHARDS: usize = 1 << SHARD_BITS;

/// Largest load before a shard grows: 9/10. At 7/8 a look-up is a little quicker, and a state takes
/// a byte more.
const LOAD_NUMERATOR: u64 = 9;
const LOAD_DENOMINATOR: u64 = 10;

/// A shard grows by 1/8, so that its load stays at 0.8 or above: at most 20 bytes a fingerprint.
const GROWTH_DIVISOR: u64 = 8;

/// Slots after the last home of a small table.
const TAIL_MIN: u64 = 64;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::content::digest;

    #[test]
    fn a_shard_is_a_set_and_stays_sorted() {
        let mut shard = Shard::new(256);
        let mut reference = HashSet::new();
        for round in 0..3u32 {
            for value in 0..20_000u32 {
                let print = digest(&(value * (round + 1) % 30_000)) >> SHARD_BITS;
                assert_eq!(
                    shard.insert(print),
                    reference.insert(print),
                    "{value} in round {round}"
                );
            }
        }
        let entries: Vec<_> = shard.slots.iter().copied().filter(|&entry| entry != 0).collect();
        assert!(entries.is_sorted());
        assert_eq!(entries.len(), reference.len());
        assert_eq!(shard.occupied as usize, reference.len());
    }

    #[test]
    fn a_cluster_at_the_end_makes_the_table_grow() {
        let mut shard = Shard::new(256);
        for value in 0..500 {
            assert!(shard.insert((u128::MAX >> SHARD_BITS) - value));
        }
        for value in 0..500 {
            assert!(!shard.insert((u128::MAX >> SHARD_BITS) - value));
        }
    }

    #[test]
    fn the_first_of_equal_fingerprints_is_fresh() {
        let visited = Visited::new();
        let prints = [7, 9, 7, 9, 9];
        let mut fresh = [true; 5];
        visited.insert(0, &[0, 1, 2, 3, 4], &prints, &mut fresh);
        assert_eq!(fresh, [true, true, false, false, false]);
        assert_eq!(Visited::shard_of(u128::MAX), SHARDS - 1);
    }
}
