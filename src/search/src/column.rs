//! What is known of interned values, found by their ids alone.

use std::sync::OnceLock;

use crate::intern::{CHUNKS, chunk_len, place};

/// One result for each id of an [`Interner`](crate::intern::Interner), computed when it is first
/// asked for.
///
/// Ids are dense, so a look-up is an index: no key is hashed or compared, and no lock is taken.
pub struct Column<V> {
    chunks: [OnceLock<Box<[OnceLock<V>]>>; CHUNKS],
}

impl<V> Column<V> {
    /// An empty column.
    pub fn new() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS] }
    }

    /// The result for this id. `compute` must be a function of the id alone, and must not ask for
    /// the result of the same id.
    #[inline]
    pub fn get_or(&self, id: u32, compute: impl FnOnce() -> V) -> &V {
        let (chunk, offset) = place(id);
        let slots = self.chunks[chunk]
            .get_or_init(|| (0..chunk_len(chunk)).map(|_| OnceLock::new()).collect());
        slots[offset].get_or_init(compute)
    }

    /// Bytes held, without what the results themselves point to.
    pub fn bytes(&self) -> u64 {
        let slots: usize =
            self.chunks.iter().filter_map(|chunk| chunk.get()).map(|slots| slots.len()).sum();
        (slots * size_of::<OnceLock<V>>()) as u64
    }
}

impl<V> Default for Column<V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn each_result_is_computed_once_whatever_thread_asks() {
        let column = Column::new();
        let computed = AtomicU32::new(0);
        thread::scope(|scope| {
            for thread in 0..4u32 {
                let (column, computed) = (&column, &computed);
                scope.spawn(move || {
                    for turn in 0..5000 {
                        let id = (turn + thread * 1250) % 5000;
                        let result = column.get_or(id, || {
                            computed.fetch_add(1, Ordering::Relaxed);
                            u64::from(id) * 3
                        });
                        assert_eq!(*result, u64::from(id) * 3);
                    }
                });
            }
        });
        assert_eq!(computed.into_inner(), 5000);
        assert!(column.bytes() >= 5000 * 8);
    }
}
