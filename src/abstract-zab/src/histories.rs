//! Histories as ids: equal ids are equal histories, and a longer history knows the one that it
//! extends.

use std::hash::Hash;

use zab::{Txn, Zxid};

use search::intern::{Handle, Interner};

/// A history: a sequence of transactions, by its id in [`Histories`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct History(Option<Handle>);

impl History {
    /// No transaction.
    pub const EMPTY: Self = Self(None);
}

/// The last transaction of a history and what is before it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Link<P> {
    before: History,
    /// A shorter prefix: how long it is follows from the length, and from any history a few jumps
    /// and steps lead to each of its prefixes.
    jump: History,
    length: u32,
    last: Txn<P>,
}

/// All histories met, each once, as a tree: each but the empty one extends another by one
/// transaction.
///
/// Whether one history begins another is answered in as many steps as the logarithm of the
/// difference of their lengths.
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
        let (near, far) = (self.jump(history), self.jump(self.jump(history)));
        let spans = [(history, near), (near, far)].map(|(a, b)| self.length(a) - self.length(b));
        // Two jumps of the same length are joined to one (Myers, 1983: a skew-binary tree).
        let jump = if spans[0] == spans[1] { far } else { history };
        let link = Link { before: history, jump, length: self.length(history) + 1, last: txn };
        History(Some(self.0.intern_handle(link)))
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
        history.0.map(|handle| self.0.get(handle))
    }

    fn jump(&self, history: History) -> History {
        self.link(history).map_or(History::EMPTY, |link| link.jump)
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
            history = if self.length(link.jump) >= n { link.jump } else { link.before };
        }
        history
    }

    /// The prefix that ends with this zxid, if there is one. Zxids ascend in a history.
    pub fn ending_at(&self, mut history: History, zxid: Zxid) -> Option<History> {
        while let Some(link) = self.link(history).filter(|link| link.last.zxid > zxid) {
            let jumps = self.last_zxid(link.jump) >= zxid;
            history = if jumps { link.jump } else { link.before };
        }
        (self.last_zxid(history) == zxid).then_some(history)
    }

    /// `short ⊑ long`.
    pub fn begins(&self, short: History, long: History) -> bool {
        self.length(short) <= self.length(long) && self.prefix(long, self.length(short)) == short
    }

    /// The longest common prefix.
    pub fn common(&self, a: History, b: History) -> History {
        let n = self.length(a).min(self.length(b));
        let (mut a, mut b) = (self.prefix(a, n), self.prefix(b, n));
        // Both have the same length, and so have their jumps.
        while let (Some(of_a), Some(of_b)) = (self.link(a), self.link(b))
            && a != b
        {
            (a, b) = if of_a.jump == of_b.jump {
                (of_a.before, of_b.before)
            } else {
                (of_a.jump, of_b.jump)
            };
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

#[cfg(test)]
mod tests {
    use zab::Epoch;

    use super::*;

    fn txns(history: &[bool]) -> Vec<Txn<bool>> {
        let zxid = |counter: usize| Zxid::new(Epoch(1), counter as u32 + 1);
        history.iter().enumerate().map(|(i, &payload)| Txn { zxid: zxid(i), payload }).collect()
    }

    #[test]
    fn histories_are_the_sequences_that_they_stand_for() {
        fn law(common: Vec<bool>, one: Vec<bool>, other: Vec<bool>) {
            let histories = Histories::new();
            let [one, other] = [one, other].map(|rest| txns(&[common.clone(), rest].concat()));
            let (a, b) = (histories.of(&one), histories.of(&other));
            assert_eq!(a == b, one == other);
            assert_eq!(histories.txns(a), one);
            let shared = one.iter().zip(&other).take_while(|(x, y)| x == y).count();
            assert_eq!(histories.common(a, b), histories.of(&one[..shared]));
            assert_eq!(histories.begins(a, b), other.starts_with(&one));
            for n in 0..=one.len() {
                let prefix = histories.of(&one[..n]);
                assert_eq!(histories.prefix(a, n as u32), prefix);
                assert!(histories.begins(prefix, a));
                assert_eq!(histories.begins(prefix, b), n <= shared);
            }
        }
        quickcheck::quickcheck(law as fn(Vec<bool>, Vec<bool>, Vec<bool>));
    }
}
