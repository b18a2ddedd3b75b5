//! Values to dense ids and back, from several threads at once.

use std::cmp;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::content;

/// A set of values in which each has an id: 0, 1, 2, … in the order of arrival.
///
/// Equal values have equal ids, whatever thread brings them; which id is a matter of timing. Values
/// are never moved or dropped while the interner lives, so [`get`](Self::get) hands out plain
/// references, without a lock. Values are compared by `Eq`; the hash (of fixed seed) decides only
/// where to look.
pub struct Interner<T> {
    /// Chunk k holds `FIRST_CHUNK << k` values.
    chunks: [OnceLock<Box<[OnceLock<T>]>>; CHUNKS],
    /// Their digests, both halves, laid out the same way.
    digests: [OnceLock<Box<[Digest]>>; CHUNKS],
    next: AtomicU32,
    shards: Box<[Mutex<HashTable<Known>>]>,
    hasher: FixedState,
}

type Digest = [AtomicU64; 2];

/// The id of an interned value with the digest of its content. It hashes and orders by content, so
/// values that name others by handles have content digests themselves.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    id: u32,
    digest: [u64; 2],
}

impl From<Handle> for u32 {
    fn from(handle: Handle) -> Self {
        handle.id
    }
}

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Handle {}

impl Hash for Handle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest[0]);
        state.write_u64(self.digest[1]);
    }
}

impl PartialOrd for Handle {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Handle {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        (self.digest, self.id).cmp(&(other.digest, other.id))
    }
}

/// A value's place, with its hash: so growing a table hashes nothing again, and unequal values are
/// seldom compared.
#[derive(Clone, Copy)]
struct Known {
    hash: u64,
    id: u32,
}

impl<T: Eq + Hash> Interner<T> {
    /// An empty interner.
    pub fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            digests: [const { OnceLock::new() }; CHUNKS],
            next: AtomicU32::new(0),
            shards: (0..SHARDS).map(|_| Mutex::new(HashTable::new())).collect(),
            hasher: FixedState::default(),
        }
    }

    /// The id of a value; a new one if no equal value has come before.
    ///
    /// # Panics
    /// If there are 2^32 - 1024 values.
    pub fn intern(&self, value: T) -> u32 {
        let hash = self.hasher.hash_one(&value);
        let mut shard = self.shard(hash);
        match shard.entry(
            hash,
            |known| known.hash == hash && *self.get(known.id) == value,
            |known| known.hash,
        ) {
            Entry::Occupied(known) => known.get().id,
            Entry::Vacant(vacant) => {
                let id = self.store(value);
                vacant.insert(Known { hash, id });
                id
            }
        }
    }

    /// Like [`intern`](Self::intern), for a value that the caller keeps: cloned only if it is new.
    pub fn intern_ref(&self, value: &T) -> u32
    where
        T: Clone,
    {
        self.find(value).unwrap_or_else(|| self.intern(value.clone()))
    }

    /// The id of a value, if an equal one has come before.
    pub fn find(&self, value: &T) -> Option<u32> {
        let hash = self.hasher.hash_one(value);
        let shard = self.shard(hash);
        shard
            .find(hash, |known| known.hash == hash && self.get(known.id) == value)
            .map(|known| known.id)
    }

    fn shard(&self, hash: u64) -> std::sync::MutexGuard<'_, HashTable<Known>> {
        // The table itself uses the lowest and the highest bits.
        let shard = (hash >> 40) as usize % SHARDS;
        self.shards[shard].lock().expect("Eq and Hash of interned values do not panic")
    }

    fn store(&self, value: T) -> u32 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        assert!(id < IDS_MAX, "an interner holds fewer than {IDS_MAX} values");
        let (chunk, offset) = place(id);
        let slots = self.chunks[chunk]
            .get_or_init(|| (0..chunk_len(chunk)).map(|_| OnceLock::new()).collect());
        let digests = self.digests[chunk]
            .get_or_init(|| (0..chunk_len(chunk)).map(|_| Digest::default()).collect());
        let digest = content::digest(&value);
        digests[offset][0].store(digest as u64, Ordering::Relaxed);
        digests[offset][1].store((digest >> 64) as u64, Ordering::Relaxed);
        assert!(slots[offset].set(value).is_ok(), "an id is given out once");
        id
    }

    /// Like [`intern`](Self::intern), for values that others name.
    pub fn intern_handle(&self, value: T) -> Handle {
        self.handle(self.intern(value))
    }
}

impl<T> Interner<T> {
    /// The value with this id. Takes no lock.
    ///
    /// # Panics
    /// If `intern` has not returned this id.
    #[inline]
    pub fn get(&self, id: impl Into<u32>) -> &T {
        let (chunk, offset) = place(id.into());
        let value = self.chunks[chunk].get().and_then(|slots| slots[offset].get());
        value.expect("an id comes from this interner")
    }

    /// The digest of the content of the value with this id ([`content::digest`]), computed when the
    /// value came.
    ///
    /// # Panics
    /// If no id as large was ever given out.
    #[inline]
    pub fn digest(&self, id: u32) -> u128 {
        let [low, high] = self.halves(id);
        u128::from(high) << 64 | u128::from(low)
    }

    /// The id with its digest.
    pub fn handle(&self, id: u32) -> Handle {
        Handle { id, digest: self.halves(id) }
    }

    // Whoever has an id got it, by way of a lock, from the thread that stored the digest.
    #[inline]
    fn halves(&self, id: u32) -> [u64; 2] {
        let (chunk, offset) = place(id);
        let digests = self.digests[chunk].get().expect("an id comes from this interner");
        [0, 1].map(|half| digests[offset][half].load(Ordering::Relaxed))
    }

    /// Number of values. Exact when no thread is interning.
    pub fn len(&self) -> usize {
        self.next.load(Ordering::Relaxed) as usize
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held, without what the values themselves point to.
    pub fn bytes(&self) -> u64 {
        let slots: usize =
            self.chunks.iter().filter_map(|chunk| chunk.get()).map(|slots| slots.len()).sum();
        let known: usize = self
            .shards
            .iter()
            .map(|shard| shard.lock().map_or(0, |shard| shard.allocation_size()))
            .sum();
        (slots * (size_of::<OnceLock<T>>() + size_of::<Digest>()) + known) as u64
    }
}

impl<T: Eq + Hash> Default for Interner<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Chunk and offset of an id.
#[inline]
pub(crate) fn place(id: u32) -> (usize, usize) {
    let shifted = id as usize + FIRST_CHUNK;
    let chunk = shifted.ilog2() - FIRST_CHUNK.ilog2();
    (chunk as usize, shifted - (FIRST_CHUNK << chunk))
}

/// Slots of a chunk.
pub(crate) fn chunk_len(chunk: usize) -> usize {
    FIRST_CHUNK << chunk
}

/// Slots of the first chunk; each further chunk has twice as many as the one before.
const FIRST_CHUNK: usize = 1 << 10;
pub(crate) const CHUNKS: usize = 22;
const IDS_MAX: u32 = u32::MAX - FIRST_CHUNK as u32 + 1;
const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn chunks_are_filled_one_after_the_other() {
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(1023), (0, 1023));
        assert_eq!(place(1024), (1, 0));
        assert_eq!(place(3071), (1, 2047));
        assert_eq!(place(3072), (2, 0));
        assert_eq!(place(IDS_MAX - 1).0, CHUNKS - 1);
    }

    #[test]
    fn equal_values_have_one_id_and_come_back() {
        let interner = Interner::new();
        assert!(interner.is_empty());
        let ids: Vec<_> =
            (0..5000u32).map(|value| interner.intern(format!("value {value}"))).collect();
        assert_eq!(ids, (0..5000).collect::<Vec<_>>());
        assert_eq!(interner.intern_ref(&"value 77".to_owned()), 77);
        assert_eq!(interner.find(&"value 5000".to_owned()), None);
        assert_eq!(interner.get(4999u32), "value 4999");
        assert_eq!(interner.len(), 5000);
        assert!(interner.bytes() > 5000 * 24);
    }

    #[test]
    fn digests_are_of_content_whatever_the_order_of_arrival() {
        let (one, other) = (Interner::new(), Interner::new());
        for value in 0..3000u32 {
            one.intern(value);
            other.intern(2999 - value);
        }
        for value in 0..3000 {
            let ids = [one.find(&value).expect("there"), other.find(&value).expect("there")];
            assert_eq!(one.digest(ids[0]), content::digest(&value));
            assert_eq!(other.digest(ids[1]), content::digest(&value));
            let handles = [one.handle(ids[0]), other.handle(ids[1])];
            assert_eq!(content::digest(&handles[0]), content::digest(&handles[1]));
        }
    }

    #[test]
    fn threads_agree_on_ids() {
        let interner = Interner::new();
        let ids: Vec<Vec<u32>> = thread::scope(|scope| {
            let handles: Vec<_> = (0..4u64)
                .map(|thread| {
                    let interner = &interner;
                    // Each thread begins elsewhere.
                    scope.spawn(move || {
                        let mut ids = vec![0; 20_000];
                        for turn in 0..20_000 {
                            let value = (turn + thread * 5000) % 20_000;
                            ids[value as usize] = interner.intern(value);
                            assert_eq!(*interner.get(ids[value as usize]), value);
                        }
                        ids
                    })
                })
                .collect();
            handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
        });
        assert_eq!(interner.len(), 20_000);
        assert!(ids.iter().all(|of_thread| *of_thread == ids[0]));
    }
}
