//! Results of pure functions of small keys, shared by threads, with a cache for each thread in
//! front.

use std::sync::{Mutex, MutexGuard};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// A key of a [`Memo`]: ids packed into an integer. Implemented for `u64` and `u128`.
pub trait MemoKey: Copy + Eq + From<u32> {
    /// Spreads the key over 64 bits. Decides only where to look.
    fn mix(self) -> u64;
}

impl MemoKey for u64 {
    #[inline]
    fn mix(self) -> u64 {
        fold(self ^ PI_1, PI_2)
    }
}

impl MemoKey for u128 {
    #[inline]
    fn mix(self) -> u64 {
        fold(fold(self as u64 ^ PI_1, PI_2) ^ (self >> 64) as u64, PI_3)
    }
}

/// Both halves of the product, one on the other.
#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

/// A concurrent table from keys to results. Holds what was computed once, for all threads; nothing
/// is ever evicted.
///
/// Each thread looks it up through a [`MemoCache`] of its own.
pub struct Memo<K, V> {
    shards: Box<[Shard<K, V>]>,
}

type Shard<K, V> = Mutex<HashTable<(K, V)>>;

impl<K: MemoKey, V: Copy> Memo<K, V> {
    /// An empty table.
    pub fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::new(HashTable::new())).collect() }
    }

    /// The result for this key, if known.
    pub fn get(&self, key: K) -> Option<V> {
        let hash = key.mix();
        self.shard(hash).find(hash, |entry| entry.0 == key).map(|entry| entry.1)
    }

    /// Enters a result, unless there is one already; returns the one that is there. So all threads
    /// go on with the same result even if two computed it at once.
    pub fn insert(&self, key: K, value: V) -> V {
        let hash = key.mix();
        match self.shard(hash).entry(hash, |entry| entry.0 == key, |entry| entry.0.mix()) {
            Entry::Occupied(entry) => entry.get().1,
            Entry::Vacant(vacant) => vacant.insert((key, value)).get().1,
        }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, HashTable<(K, V)>> {
        // The table itself uses the lowest and the highest bits.
        self.shards[(hash >> 40) as usize % SHARDS].lock().expect("no holder panics")
    }
}

impl<K, V> Memo<K, V> {
    /// Number of results.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().expect("no holder panics").len()).sum()
    }

    /// Whether there is no result.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.lock().expect("no holder panics").allocation_size() as u64)
            .sum()
    }
}

impl<K: MemoKey, V: Copy> Default for Memo<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// One thread's recent results of one [`Memo`]: a direct-mapped cache, looked up without a lock.
///
/// Always give it the same memo.
#[derive(Debug, Clone)]
pub struct MemoCache<K, V> {
    /// A slot that was never filled holds a key that belongs to another slot.
    slots: Box<[(K, V)]>,
    shift: u32,
}

impl<K: MemoKey, V: Copy + Default> MemoCache<K, V> {
    /// A cache of `2^bits` slots.
    ///
    /// # Panics
    /// Unless `bits` is between 1 and 31.
    pub fn new(bits: u32) -> Self {
        assert!((1..32).contains(&bits), "a cache has 2^1 to 2^31 slots");
        let mut cache = Self { slots: Box::default(), shift: 64 - bits };
        let zero = K::from(0);
        let home = cache.slot(zero);
        let other = (1..)
            .map(K::from)
            .find(|&key| cache.slot(key) != home)
            .expect("keys spread over two slots");
        let mut slots = vec![(zero, V::default()); 1 << bits];
        slots[home].0 = other;
        cache.slots = slots.into_boxed_slice();
        cache
    }

    /// The result for this key: from the cache, else from the memo, else computed and entered into
    /// both.
    ///
    /// `compute` must be a function of the key alone. It may use other caches and the memo itself.
    #[inline]
    pub fn get_or(&mut self, memo: &Memo<K, V>, key: K, compute: impl FnOnce() -> V) -> V {
        match self.get(memo, key) {
            Some(value) => value,
            None => self.insert(memo, key, compute()),
        }
    }

    /// The result for this key, if known to the cache or the memo.
    #[inline]
    pub fn get(&mut self, memo: &Memo<K, V>, key: K) -> Option<V> {
        let slot = self.slot(key);
        let (cached, value) = self.slots[slot];
        if cached == key {
            return Some(value);
        }
        self.refill(memo, slot, key)
    }

    /// Enters a result into both, unless the memo has one; returns the one that is there.
    pub fn insert(&mut self, memo: &Memo<K, V>, key: K, value: V) -> V {
        let value = memo.insert(key, value);
        self.slots[self.slot(key)] = (key, value);
        value
    }

    #[cold]
    fn refill(&mut self, memo: &Memo<K, V>, slot: usize, key: K) -> Option<V> {
        let value = memo.get(key)?;
        self.slots[slot] = (key, value);
        Some(value)
    }

    #[inline]
    fn slot(&self, key: K) -> usize {
        (key.mix() >> self.shift) as usize
    }
}

/// Digits of pi: numbers with nothing special about them.
const PI_1: u64 = 0x243f_6a88_85a3_08d3;
const PI_2: u64 = 0x1319_8a2e_0370_7345;
const PI_3: u64 = 0xa409_3822_299f_31d1;
const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::thread;

    use super::*;

    #[test]
    fn each_result_is_computed_once() {
        let memo = Memo::<u64, u32>::new();
        let mut cache = MemoCache::new(4);
        let computed = Cell::new(0);
        for _ in 0..3 {
            for key in 0..1000u64 {
                let value = cache.get_or(&memo, key << 32 | key, || {
                    computed.set(computed.get() + 1);
                    key as u32 * 3
                });
                assert_eq!(value, key as u32 * 3);
            }
        }
        assert_eq!(computed.get(), 1000);
        assert_eq!(memo.len(), 1000);
        assert!(memo.bytes() >= 16_000);
    }

    #[test]
    fn an_empty_cache_knows_no_key() {
        for bits in 1..8 {
            let memo = Memo::<u128, u64>::new();
            let mut cache = MemoCache::new(bits);
            for key in (0..1000u128).chain([u128::MAX, u128::from(u64::MAX)]) {
                assert_eq!(cache.get(&memo, key), None);
            }
        }
    }

    #[test]
    fn the_first_result_stays() {
        let memo = Memo::<u64, u32>::new();
        let mut caches = [MemoCache::new(3), MemoCache::new(3)];
        assert_eq!(caches[0].insert(&memo, 5, 50), 50);
        assert_eq!(caches[1].insert(&memo, 5, 51), 50);
        assert_eq!(caches[1].get(&memo, 5), Some(50));
    }

    #[test]
    fn threads_share_results() {
        let memo = Memo::<u64, u64>::new();
        thread::scope(|scope| {
            for thread in 0..4 {
                let memo = &memo;
                scope.spawn(move || {
                    let mut cache = MemoCache::new(6);
                    for turn in 0..20_000u64 {
                        let key = (turn + thread * 5000) % 20_000;
                        assert_eq!(cache.get_or(memo, key, || key * key), key * key);
                    }
                });
            }
        });
        assert_eq!(memo.len(), 20_000);
    }
}
