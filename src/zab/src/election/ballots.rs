//! The two tables of a looking server, and when votes in them count as the same.

use alloc::collections::BTreeMap;

use crate::message::Vote;
use crate::types::{Epoch, Sid, SidSet};

/// What a voter was doing when it told its vote. (`Observing` is not among them: it is not a voter's.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Stance {
    Looking,
    Following,
    Leading,
}

/// A vote, and how it was told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Ballot {
    pub(super) stance: Stance,
    pub(super) vote: Vote,
}

impl Ballot {
    /// Whether two ballots of one round are for the same (`Vote.equals`). Those of two servers that have settled need
    /// to agree on leader and epoch only: they may have come to the leader by different ways
    /// (ZOOKEEPER-1732). A proposal that may still change has to be the same in all its parts.
    fn agrees_with(&self, other: &Self) -> bool {
        match (self.stance, other.stance) {
            (Stance::Looking, Stance::Looking | Stance::Following | Stance::Leading)
            | (Stance::Following | Stance::Leading, Stance::Looking) => self.vote == other.vote,
            (Stance::Following | Stance::Leading, Stance::Following | Stance::Leading) => {
                self.vote.leader == other.vote.leader
                    && self.vote.peer_epoch == other.vote.peer_epoch
            }
        }
    }
}

/// The votes of the present round, of looking servers and of settled ones (`recvset`). The own vote is not in it.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct InRound(BTreeMap<Sid, Ballot>);

impl InRound {
    /// Replaces the sender's ballot; true if it was another.
    pub(super) fn record(&mut self, from: Sid, ballot: Ballot) -> bool {
        self.0.insert(from, ballot) != Some(ballot)
    }

    /// The sender is no longer in this round; true if it was.
    pub(super) fn forget(&mut self, from: Sid) -> bool {
        self.0.remove(&from).is_some()
    }

    /// Who is for the same as `ballot`, by these votes and the own proposal.
    pub(super) fn supporters(&self, ballot: &Ballot, me: Sid, proposal: Option<Vote>) -> SidSet {
        let own = proposal.map(|vote| Ballot { stance: Stance::Looking, vote });
        let others = self.0.iter().map(|(sid, other)| (*sid, *other));
        others
            .chain(own.map(|own| (me, own)))
            .filter(|(_, other)| other.agrees_with(ballot))
            .map(|(sid, _)| sid)
            .collect()
    }

    /// Whether `leader` has said itself, in this table, that it leads.
    pub(super) fn leads(&self, leader: Sid) -> bool {
        self.0.get(&leader).is_some_and(|ballot| match ballot.stance {
            Stance::Leading => true,
            Stance::Looking | Stance::Following => false,
        })
    }
}

/// What a settled server said, as far as it matters to somebody who wants to join in whatever round.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Allegiance {
    leads: bool,
    leader: Sid,
    epoch: Epoch,
}

impl Allegiance {
    fn of(ballot: &Ballot) -> Self {
        Self {
            leads: match ballot.stance {
                Stance::Leading => true,
                Stance::Looking | Stance::Following => false,
            },
            leader: ballot.vote.leader,
            epoch: ballot.vote.peer_epoch,
        }
    }
}

/// The votes of settled servers, of any round (`outofelection`).
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct Settlers(BTreeMap<Sid, Allegiance>);

impl Settlers {
    /// Replaces the sender's vote; true if it was another. The ballot is a settled server's.
    pub(super) fn record(&mut self, from: Sid, ballot: &Ballot) -> bool {
        let allegiance = Allegiance::of(ballot);
        self.0.insert(from, allegiance) != Some(allegiance)
    }

    /// The sender looks again; true if it did not before.
    pub(super) fn forget(&mut self, from: Sid) -> bool {
        self.0.remove(&from).is_some()
    }

    /// Who has settled on the same leader and epoch as `ballot`.
    pub(super) fn supporters(&self, ballot: &Ballot) -> SidSet {
        let wanted = Allegiance::of(ballot);
        self.0
            .iter()
            .filter(|(_, other)| other.leader == wanted.leader && other.epoch == wanted.epoch)
            .map(|(sid, _)| *sid)
            .collect()
    }

    /// Whether `leader` has said itself, in this table, that it leads.
    pub(super) fn leads(&self, leader: Sid) -> bool {
        self.0.get(&leader).is_some_and(|allegiance| allegiance.leads)
    }
}
