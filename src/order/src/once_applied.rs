//! What waits until everything is applied that was committed before it.

use std::collections::VecDeque;

/// What happens once everything is applied that was committed before it, oldest first: the answer
/// to a sync, the beginning of a session that came back. `Z` is a position in the history.
///
/// What is committed may wait to be applied. An answer that is true of everything that is committed
/// must not be given from a tree that lacks some of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OnceApplied<Z, D> {
    due: VecDeque<(Z, D)>,
}

impl<Z, D> Default for OnceApplied<Z, D> {
    fn default() -> Self {
        Self { due: VecDeque::new() }
    }
}

impl<Z: PartialOrd, D> OnceApplied<Z, D> {
    /// Something waits. `last`: the end of what is committed, as far as it is not applied.
    pub fn push(&mut self, last: Z, due: D) {
        self.due.push_back((last, due));
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// What the oldest waits for: behind it nothing may be applied before that has happened.
    pub fn first(&self) -> Option<&Z> {
        self.due.front().map(|(last, _)| last)
    }

    /// The oldest, if it waits for nothing any more. `unapplied`: the next that is to be applied.
    pub fn next(&mut self, unapplied: Option<&Z>) -> Option<D> {
        let due = self.due.pop_front_if(|(last, _)| unapplied.is_none_or(|next| &*last < next));
        due.map(|(_, due)| due)
    }

    /// What waits, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &D> {
        self.due.iter().map(|(_, due)| due)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.due.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_happens_once_everything_before_it_is_applied_and_in_order() {
        let mut due = OnceApplied::default();
        due.push(2, "a");
        due.push(2, "b");
        due.push(4, "c");
        assert_eq!(due.first(), Some(&2));
        assert_eq!(due.next(Some(&2)), None, "2 is not applied");
        assert_eq!(due.next(Some(&3)), Some("a"));
        assert_eq!(due.iter().collect::<Vec<_>>(), [&"b", &"c"]);
        assert_eq!(due.next(Some(&3)), Some("b"));
        assert_eq!(due.next(Some(&4)), None);
        assert_eq!(due.next(None), Some("c"), "nothing is left to be applied");
        assert!(due.is_empty());
        due.push(5, "d");
        due.clear();
        assert_eq!(due.next(None), None);
    }
}
