//! Histories as ids: equal ids are equal histories, and a longer history knows the one that it extends.

use std::hash::Hash;

use zab::{Txn, Zxid};

use crate::search::intern::Interner;

/// A history: a sequence of transactions, by its id in [`Histories`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct History(u32);

impl History {
    /// No transaction.
    pub const EMPTY: Self = Self(0);
}

/// The last transaction of a history and what is before it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Link<P> {
    before: History,
    length: u32,
    last: Txn<P>,
}

/// All histories met, each once, as a tree: each but the empty one extends another by one transaction.
///
/// Whether one history begins another is answered in as many steps as they differ in length, which for the histories of a
/// protocol are few, however long they are.
pub struct Histories<P>(Interner<Link<P>>);

impl<P: Clone + Eq + Hash> Default for Histories<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Clone + Eq + Hash> Histories<P> {
    /// Only the empty history.
    pub fn new() -> Self {
        Self(Interner::new())
    }

    /// `history ++ [txn]`.
    pub fn push(&self, history: History, txn: Txn<P>) -> History {
        let link = Link { before: history, length: self.length(history) + 1, last: txn };
        History(self.0.intern(link) + 1)
    }

    /// `history ++ txns`.
    pub fn extend(&self, history: History, txns: impl IntoIterator<Item = Txn<P>>) -> History {
        txns.into_iter().fold(history, |history, txn| self.push(history, txn))
    }

    /// The history that holds these.
    pub fn of(&self, txns: &[Txn<P>]) -> History {
        self.extend(History::EMPTY, txns.iter().cloned())
    }

    fn link(&self, history: History) -> Option<&Link<P>> {
        history.0.checked_sub(1).map(|id| self.0.get(id))
    }

    /// How many transactions it holds.
    pub fn length(&self, history: History) -> u32 {
        self.link(history).map_or(0, |link| link.length)
    }

    /// The zxid of its last transaction; [`Zxid::ZERO`] if it is empty.
    pub fn last_zxid(&self, history: History) -> Zxid {
        self.link(history).map_or(Zxid::ZERO, |link| link.last.zxid)
    }

    /// The last transaction, and the history before it.
    pub fn split_last(&self, history: History) -> Option<(History, &Txn<P>)> {
        self.link(history).map(|link| (link.before, &link.last))
    }

    /// The first `n` transactions; all, if there are fewer.
    pub fn prefix(&self, mut history: History, n: u32) -> History {
        while let Some(link) = self.link(history).filter(|link| link.length > n) {
            history = link.before;
        }
        history
    }

    /// `short ⊑ long`.
    pub fn begins(&self, short: History, long: History) -> bool {
        self.length(short) <= self.length(long) && self.prefix(long, self.length(short)) == short
    }

    /// The longest common prefix.
    pub fn common(&self, a: History, b: History) -> History {
        let n = self.length(a).min(self.length(b));
        let (mut a, mut b) = (self.prefix(a, n), self.prefix(b, n));
        while a != b {
            // Both have the same length, and are not empty, or they would be equal.
            a = self.prefix(a, self.length(a) - 1);
            b = self.prefix(b, self.length(b) - 1);
        }
        a
    }

    /// All prefixes, the empty one first.
    pub fn prefixes(&self, history: History) -> Vec<History> {
        let mut all = vec![history];
        all.extend(std::iter::successors(self.link(history).map(|link| link.before), |&h| {
            self.link(h).map(|link| link.before)
        }));
        all.reverse();
        all
    }

    /// The transactions in order.
    pub fn txns(&self, history: History) -> Vec<Txn<P>> {
        let last = |h| self.link(h).map(|link| link.last.clone());
        self.prefixes(history).into_iter().filter_map(last).collect()
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}
