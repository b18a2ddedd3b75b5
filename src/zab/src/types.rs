//! Identifiers and counters, each its own type, so that an epoch cannot pass for an index.

use core::fmt;

/// A server's id, as `myid` and the `server.N` lines of the configuration give it: 0 to 255.
///
/// Ids order votes (fast leader election prefers the larger one between equals), so servers are
/// never interchangeable where the real election takes part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sid(pub u8);

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// A set of servers: a bitmap, so it is copied freely and iterates in ascending order.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SidSet([u64; 4]);

impl SidSet {
    /// The set without members.
    pub const EMPTY: Self = Self([0; 4]);

    /// Adds a server; true if it was not a member before.
    pub fn insert(&mut self, sid: Sid) -> bool {
        let (word, bit) = Self::place(sid);
        let fresh = self.0[word] & bit == 0;
        self.0[word] |= bit;
        fresh
    }

    /// Removes a server; true if it was a member.
    pub fn remove(&mut self, sid: Sid) -> bool {
        let (word, bit) = Self::place(sid);
        let present = self.0[word] & bit != 0;
        self.0[word] &= !bit;
        present
    }

    /// True if the server is a member.
    pub fn contains(&self, sid: Sid) -> bool {
        let (word, bit) = Self::place(sid);
        self.0[word] & bit != 0
    }

    /// Number of members, 0 to 256.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// True if there is no member.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// The members that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    /// The members of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// The members under other names.
    #[must_use]
    pub(crate) fn renamed(&self, name: impl Fn(Sid) -> Sid) -> Self {
        self.iter().map(name).collect()
    }

    /// The members, in ascending order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = Sid> + use<> {
        let mut words = self.0;
        core::iter::from_fn(move || {
            let word = words.iter().position(|word| *word != 0)?;
            let bit = words[word].trailing_zeros();
            words[word] &= words[word] - 1;
            u8::try_from(word * 64 + bit as usize).ok().map(Sid)
        })
    }

    fn place(sid: Sid) -> (usize, u64) {
        (usize::from(sid.0 / 64), 1 << (sid.0 % 64))
    }
}

impl FromIterator<Sid> for SidSet {
    fn from_iter<I: IntoIterator<Item = Sid>>(sids: I) -> Self {
        let mut set = Self::EMPTY;
        for sid in sids {
            set.insert(sid);
        }
        set
    }
}

impl fmt::Debug for SidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// An epoch: the number of one leadership. 0 is "before any leader".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Epoch(pub u32);

impl Epoch {
    /// The largest epoch a zxid can carry: ZooKeeper's zxid is a signed 64-bit number.
    pub const MAX: Self = Self(0x7fff_ffff);
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A transaction id: epoch in the high 32 bits, counter in the low 32, compared as one number.
///
/// The counter of a transaction starts at 1. A zxid with counter 0 is *not* a position in a
/// history (`zab-correctness` hazards 790, 2832): it only names an epoch on the wire. The zero
/// zxid stands for the empty history.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Zxid(pub u64);

impl Zxid {
    /// The end of the empty history.
    pub const ZERO: Self = Self(0);

    /// The zxid with this epoch and this counter.
    pub const fn new(epoch: Epoch, counter: u32) -> Self {
        Self(((epoch.0 as u64) << 32) | counter as u64)
    }

    /// The high 32 bits.
    pub const fn epoch(self) -> Epoch {
        Epoch((self.0 >> 32) as u32)
    }

    /// The low 32 bits.
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// True if a transaction with id `next` may stand directly behind one with this id: the next
    /// counter of the same epoch, or the first counter of a later one (ZooKeeper's `Learner`
    /// demands the same of a sync stream).
    pub const fn is_followed_by(self, next: Self) -> bool {
        if next.epoch().0 == self.epoch().0 {
            next.0 > self.0 && next.0 - self.0 == 1
        } else {
            next.0 > self.0 && next.counter() == 1
        }
    }
}

impl fmt::Debug for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{},{}>", self.epoch().0, self.counter())
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// The number of a write of one incarnation: the first record issued after a start is 1.
///
/// Acknowledgements from the disk name a number and never content, and are cumulative, so an old
/// acknowledgement cannot be taken for a newer write with the same bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WriteNo(pub u64);

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;
    use std::vec::Vec;

    use quickcheck::quickcheck;

    use super::*;

    const fn zxid((epoch, counter): (u32, u32)) -> Zxid {
        Zxid::new(Epoch(epoch), counter)
    }

    #[test]
    fn what_may_stand_behind_what() {
        let max = u32::MAX;
        let cases = [
            // The first transactions.
            ((0, 0), (1, 1), true),
            ((0, 0), (3, 1), true),
            ((0, 0), (1, 2), false),
            ((0, 0), (0, 0), false),
            // One epoch: the next counter.
            ((1, 1), (1, 2), true),
            ((1, 1), (1, 1), false),
            ((1, 1), (1, 3), false),
            ((1, 2), (1, 1), false),
            ((1, max - 1), (1, max), true),
            // A later one: the first counter. <e,0> names an epoch, and no transaction.
            ((1, 5), (2, 1), true),
            ((1, 5), (9, 1), true),
            ((1, 5), (2, 0), false),
            ((1, 5), (2, 6), false),
            ((2, 1), (1, 1), false),
            ((2, 1), (1, 2), false),
            // A counter does not run over into the epoch.
            ((1, max), (2, 0), false),
            ((1, max), (2, 1), true),
            ((1, max), (1, 0), false),
            // The largest numbers there are.
            ((max, max), (max, max), false),
            ((max, max), (0, 0), false),
            ((max, max), (0, 1), false),
            ((max, max - 1), (max, max), true),
        ];
        for (last, next, expected) in cases {
            let (last, next) = (zxid(last), zxid(next));
            assert_eq!(last.is_followed_by(next), expected, "{last:?} {next:?}");
        }
    }

    quickcheck! {
        fn zxids_are_ordered_by_epoch_and_counter(one: (u32, u32), other: (u32, u32)) -> bool {
            zxid(one).cmp(&zxid(other)) == one.cmp(&other)
        }

        fn a_zxid_is_its_two_halves(halves: (u32, u32)) -> bool {
            let zxid = zxid(halves);
            (zxid.epoch().0, zxid.counter()) == halves
        }

        fn what_follows_is_larger(last: u64, next: u64) -> bool {
            !Zxid(last).is_followed_by(Zxid(next)) || last < next
        }

        fn a_set_of_servers_is_a_set(changes: Vec<(bool, u8)>, others: Vec<u8>) -> bool {
            let (mut set, mut model) = (SidSet::EMPTY, BTreeSet::new());
            let changed = changes.iter().all(|&(insert, sid)| match insert {
                true => set.insert(Sid(sid)) == model.insert(Sid(sid)),
                false => set.remove(Sid(sid)) == model.remove(&Sid(sid)),
            });
            let other: SidSet = others.iter().copied().map(Sid).collect();
            let other_model: BTreeSet<_> = others.into_iter().map(Sid).collect();
            changed
                && set.iter().eq(model.iter().copied())
                && set.len() as usize == model.len()
                && set.is_empty() == model.is_empty()
                && (0..=255).all(|sid| set.contains(Sid(sid)) == model.contains(&Sid(sid)))
                && set.union(&other).iter().eq(model.union(&other_model).copied())
                && set.intersection(&other).iter().eq(model.intersection(&other_model).copied())
        }
    }
}
