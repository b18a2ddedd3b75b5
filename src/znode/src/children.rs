//! The children of one node: an ordered set of paths that copies little when a snapshot shares it.

use std::sync::Arc;

/// The paths of a node's children, in byte order.
///
/// The set is a list of sorted chunks, each behind its own `Arc`. A clone copies one pointer per
/// chunk; the first change after it copies the pointers and one chunk, not the whole set. So a node
/// of a million children costs a snapshot some thousand pointers.
///
/// The entries are the full paths, shared with the nodes they name. All have the same parent, so
/// they order as the names do.
#[derive(Clone, Default, Debug)]
pub(crate) struct Children {
    /// No chunk is empty; all of a chunk is before all of the next one.
    chunks: Vec<Arc<Vec<Arc<str>>>>,
    len: usize,
}

impl Children {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// In byte order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Adds a child; false if it was there.
    pub(crate) fn insert(&mut self, path: Arc<str>) -> bool {
        let index = self.chunk_of(&path);
        let Some(shared) = self.chunks.get_mut(index) else {
            self.chunks.push(Arc::new(vec![path]));
            self.len = 1;
            return true;
        };
        let Err(at) = shared.binary_search_by(|child| (**child).cmp(&path)) else {
            return false;
        };
        let chunk = Arc::make_mut(shared);
        chunk.insert(at, path);
        if chunk.len() > CHUNK_LEN_MAX {
            // Queues grow at their end: there the full chunk stays whole and the new one starts
            // small.
            let cut = if at + 1 == chunk.len() { at } else { chunk.len() / 2 };
            let tail = chunk.split_off(cut);
            self.chunks.insert(index + 1, Arc::new(tail));
        }
        self.len += 1;
        true
    }

    /// Removes a child; false if it was not there.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        let index = self.chunk_of(path);
        let Some(shared) = self.chunks.get_mut(index) else { return false };
        let Ok(at) = shared.binary_search_by(|child| (**child).cmp(path)) else { return false };
        let chunk = Arc::make_mut(shared);
        chunk.remove(at);
        if chunk.is_empty() {
            self.chunks.remove(index);
        }
        self.len -= 1;
        true
    }

    /// Removes all of these, which are in byte order, in one pass; those that are not there do not
    /// matter.
    pub(crate) fn remove_all(&mut self, paths: &[Arc<str>]) {
        let mut paths = paths.iter().peekable();
        let mut removed = 0;
        self.chunks.retain_mut(|shared| {
            let Some((first, last)) = shared.first().zip(shared.last()) else { return false };
            while paths.next_if(|path| *path < first).is_some() {}
            if paths.peek().is_some_and(|path| *path <= last) {
                Arc::make_mut(shared).retain(|child| {
                    while paths.next_if(|path| *path < child).is_some() {}
                    let goes = paths.next_if(|path| *path == child).is_some();
                    removed += usize::from(goes);
                    !goes
                });
            }
            !shared.is_empty()
        });
        self.len -= removed;
    }

    /// The chunk that holds `path` if any does; 0 for an empty set.
    fn chunk_of(&self, path: &str) -> usize {
        self.chunks.partition_point(|chunk| &*chunk[0] <= path).saturating_sub(1)
    }
}

/// The most paths of a chunk: the cost of an insertion is to move half of that, and to copy it
/// after a snapshot.
const CHUNK_LEN_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quickcheck::quickcheck;

    use super::*;

    fn path(number: u16) -> Arc<str> {
        format!("/parent/{number:04x}").into()
    }

    quickcheck! {
        /// Numbers are inserted, or removed where the flag says so; three thousand of them split
        /// and empty chunks.
        fn is_an_ordered_set(seed: u64, removals: bool) -> bool {
            let mut state = seed;
            let (mut set, mut model) = (Children::default(), BTreeSet::new());
            let mut agree = true;
            for step in 0..3000 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let path = path((state >> 48) as u16 % 2048);
                if removals && step > 1000 && state >> 32 & 3 != 0 {
                    agree &= set.remove(&path) == model.remove(&path);
                } else {
                    agree &= set.insert(path.clone()) == model.insert(path);
                }
            }
            agree && set.len() == model.len() && set.iter().eq(model.iter())
        }
    }

    quickcheck! {
        /// Of the numbers inserted, and of some that were not, those that a bit of the seed selects
        /// are removed at once.
        fn many_are_removed_at_once(numbers: Vec<u16>, others: Vec<u16>, seed: u64) -> bool {
            let numbers = numbers.into_iter().chain((0..2000).filter(|_| seed & 1 == 0));
            let model: BTreeSet<_> = numbers.map(path).collect();
            let mut set = Children::default();
            for path in &model {
                set.insert(path.clone());
            }
            let selected = |index: usize| seed.rotate_left(index as u32 % 61) & 2 != 0;
            let some = model.iter().enumerate().filter(|(index, _)| selected(*index));
            let gone: BTreeSet<_> =
                some.map(|(_, path)| path.clone()).chain(others.into_iter().map(path)).collect();
            let (before, list) = (set.clone(), gone.iter().cloned().collect::<Vec<_>>());
            set.remove_all(&list);
            set.iter().eq(model.difference(&gone))
                && set.len() == model.difference(&gone).count()
                && set.chunks.iter().all(|chunk| !chunk.is_empty())
                && before.iter().eq(model.iter())
        }
    }

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let mut set = Children::default();
        for number in 0..1000 {
            set.insert(path(number));
        }
        let before: Vec<_> = set.iter().cloned().collect();
        let snapshot = set.clone();
        for number in 0..500 {
            set.remove(&path(number));
            set.insert(path(number + 2000));
        }
        assert!(snapshot.iter().eq(before.iter()));
        assert_eq!(set.len(), 1000);
    }

    #[test]
    fn chunks_stay_bounded_and_appending_fills_them() {
        let mut set = Children::default();
        for number in 0..10_000 {
            set.insert(path(number));
        }
        assert!(set.chunks.iter().all(|chunk| chunk.len() <= CHUNK_LEN_MAX));
        assert_eq!(set.chunks.len(), 10_000_usize.div_ceil(CHUNK_LEN_MAX));
    }
}
