//! Ghost: what a looking server heard, kept beside the tables of the deployed machine and by their
//! documentation only, so that decisions can be judged.

use std::collections::BTreeMap;

use zab::{Config, Epoch, Notification, Quorum, ServerState, Sid, SidSet, Vote};

/// The last words of voters that matter to a looking server.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Heard {
    /// The last word of each in the present round.
    in_round: BTreeMap<Sid, Word>,
    /// Those whose last word was that they have settled.
    settled: BTreeMap<Sid, Allegiance>,
}

/// A vote, and whether it was told as a proposal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Word {
    proposes: bool,
    vote: Vote,
}

/// Whom somebody has settled on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Allegiance {
    leader: Sid,
    epoch: Epoch,
    leads: bool,
}

impl Heard {
    /// Takes note of a message that a server reads while it looks, in this round.
    pub fn hear(&mut self, quorum: &Quorum, round: u64, from: Sid, n: &Notification) {
        let Some(vote) = n.vote.filter(|_| quorum.is_voter(from)) else {
            return;
        };
        match n.state {
            ServerState::Looking => {
                self.settled.remove(&from);
                if n.round > round {
                    self.in_round.clear();
                }
                if n.round >= round {
                    self.in_round.insert(from, Word { proposes: true, vote });
                }
            }
            ServerState::Following | ServerState::Leading => {
                if n.round == round {
                    self.in_round.insert(from, Word { proposes: false, vote });
                } else {
                    self.in_round.remove(&from);
                }
                let leads = n.state == ServerState::Leading;
                let allegiance = Allegiance { leader: vote.leader, epoch: vote.peer_epoch, leads };
                self.settled.insert(from, allegiance);
            }
            ServerState::Observing => {}
        }
    }

    /// Whether this is enough to decide for `leader`; `proposed` tells whether the server itself
    /// was for it.
    pub fn is_reason(&self, config: &Config, leader: Sid, proposed: bool) -> bool {
        let mut in_round: SidSet = self
            .in_round
            .iter()
            .filter(|(_, word)| word.vote.leader == leader)
            .map(|(sid, _)| *sid)
            .collect();
        if proposed {
            in_round.insert(config.me);
        }
        if config.quorum.is_quorum(&in_round) {
            return true;
        }
        let leads = leader == config.me || self.settled.get(&leader).is_some_and(|one| one.leads);
        let mut epochs = self.settled.values().map(|one| one.epoch);
        leads
            && epochs.any(|epoch| {
                let of_epoch = self
                    .settled
                    .iter()
                    .filter(|(_, one)| one.leader == leader && one.epoch == epoch)
                    .map(|(sid, _)| *sid)
                    .collect();
                config.quorum.is_quorum(&of_epoch)
            })
    }

    /// The best proposal of the round.
    pub fn best(&self) -> Option<Vote> {
        self.in_round.values().filter(|word| word.proposes).map(|word| word.vote).max()
    }
}
