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
