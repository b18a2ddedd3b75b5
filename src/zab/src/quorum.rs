//! Quorums: which sets of servers may decide.

use crate::types::{Sid, SidSet};

/// The quorum system of an ensemble. The only fact that the protocol relies on is that any two
/// quorums share a member; how they are formed is known here and nowhere else.
///
/// Weights and groups (ZooKeeper's `QuorumHierarchical`) are further variants of its rule, not
/// changes to the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Quorum {
    voters: SidSet,
    rule: Rule,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Rule {
    /// More than half of the voters (ZooKeeper's `QuorumMaj`).
    Majority,
}

impl Quorum {
    /// Majorities of `voters`.
    pub const fn majority(voters: SidSet) -> Self {
        Self { voters, rule: Rule::Majority }
    }

    /// True if `members` is a quorum. Servers that are no voters are not counted
    /// (ZOOKEEPER-2959: an observer must never complete a quorum).
    pub fn is_quorum(&self, members: &SidSet) -> bool {
        let counted = members.intersection(&self.voters);
        match self.rule {
            Rule::Majority => counted.len() * 2 > self.voters.len(),
        }
    }

    /// True if `sid` has a vote (ZooKeeper: a weight other than zero).
    pub fn is_voter(&self, sid: Sid) -> bool {
        self.voters.contains(sid)
    }

    /// The same quorum system under other names.
    pub(crate) fn renamed(&self, name: impl Fn(Sid) -> Sid) -> Self {
        Self { voters: self.voters.renamed(name), ..*self }
    }

    /// All voters.
    pub fn voters(&self) -> SidSet {
        self.voters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(sids: impl IntoIterator<Item = u8>) -> SidSet {
        sids.into_iter().map(Sid).collect()
    }

    /// The members whose bits are set.
    fn subset(bits: u16) -> SidSet {
        set((1..=9).filter(|sid| bits & (1 << (sid - 1)) != 0))
    }

    #[test]
    fn more_than_half_of_the_voters_decide() {
        //             voters:  1  2  3  4  5  6  7  8  9
        let smallest: [u8; 9] = [1, 2, 2, 3, 3, 4, 4, 5, 5];
        for (voters, smallest) in (1..).zip(smallest) {
            let quorum = Quorum::majority(set(1..=voters));
            for members in 0..=voters {
                let members = set(1..=members);
                let decides = quorum.is_quorum(&members);
                assert_eq!(
                    decides,
                    members.len() >= u32::from(smallest),
                    "{members:?} of {voters}"
                );
            }
        }
    }

    #[test]
    fn any_two_quorums_share_a_member() {
        for voters in 1..=9_u32 {
            let quorum = Quorum::majority(subset((1 << voters) - 1));
            let quorums = || (0..1_u16 << voters).filter(|&bits| quorum.is_quorum(&subset(bits)));
            for one in quorums() {
                assert!(quorums().all(|other| one & other != 0), "{one:b} of {voters}");
            }
        }
    }

    /// ZOOKEEPER-2959.
    #[test]
    fn servers_without_a_vote_are_not_counted() {
        let quorum = Quorum::majority(set([1, 2, 3]));
        assert!(!quorum.is_quorum(&set([1, 4, 5, 255])));
        assert!(quorum.is_quorum(&set([1, 2, 4])));
        assert!(quorum.is_voter(Sid(3)) && !quorum.is_voter(Sid(4)));
    }

    #[test]
    fn nobody_decides_where_nobody_votes() {
        let quorum = Quorum::majority(SidSet::EMPTY);
        assert!(!quorum.is_quorum(&SidSet::EMPTY));
        assert!(!quorum.is_quorum(&set([1])));
    }

    #[test]
    fn a_quorum_is_one_under_other_names() {
        let quorum = Quorum::majority(set([1, 2, 3])).renamed(|sid| Sid(sid.0 + 100));
        assert_eq!(quorum.voters(), set([101, 102, 103]));
        assert!(quorum.is_quorum(&set([101, 103])));
    }
}
