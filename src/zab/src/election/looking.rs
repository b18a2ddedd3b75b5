//! A server that looks for a leader (`FastLeaderElection.lookForLeader`).

use super::ballots::{Ballot, InRound, Settlers, Stance};
use super::{Election, Electorate, Settled};
use crate::io::{Action, Ignored, Outputs, Timer};
use crate::message::{Notification, ServerState, Vote};
use crate::types::{Epoch, Sid, SidSet};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Looking {
    /// `logicalclock`, 1 to [`Election::ROUND_MAX`].
    round: u64,
    /// The vote with which each round begins: this server itself. `None` without a vote.
    own: Option<Vote>,
    /// What this server is for. Within a round it only grows, and it is `None` only if `own` is.
    proposal: Option<Vote>,
    in_round: InRound,
    settlers: Settlers,
    /// True exactly if a quorum is for the proposal; then, and only then, [`Timer::Finalize`] is armed.
    finalizing: bool,
}

impl Looking {
    pub(super) fn start<P>(
        us: Electorate,
        round: u64,
        own: Option<Vote>,
        out: &mut Outputs<P>,
    ) -> Self {
        out.action(Action::ElectionStartRound);
        let mut looking = Self {
            round,
            own,
            proposal: own,
            in_round: InRound::default(),
            settlers: Settlers::default(),
            finalizing: false,
        };
        looking.broadcast(us, out);
        looking.weigh(us, true, out);
        looking
    }

    pub(super) fn round(&self) -> u64 {
        self.round
    }

    pub(super) fn proposal(&self) -> Option<Vote> {
        self.proposal
    }

    pub(super) fn notify<P>(
        &mut self,
        us: Electorate,
        from: Sid,
        n: &Notification,
        out: &mut Outputs<P>,
    ) -> Option<Settled> {
        match n.state {
            ServerState::Looking => {
                self.hear_looking(us, from, n, out);
                None
            }
            ServerState::Following => self.hear_settled(us, from, n, Stance::Following, out),
            ServerState::Leading => self.hear_settled(us, from, n, Stance::Leading, out),
            ServerState::Observing => {
                out.ignored(Ignored::NotVoter);
                None
            }
        }
    }

    pub(super) fn timer<P>(
        &mut self,
        us: Electorate,
        timer: Timer,
        out: &mut Outputs<P>,
    ) -> Option<Settled> {
        match timer {
            Timer::Resend => {
                out.action(Action::ElectionResend);
                self.broadcast(us, out);
                None
            }
            Timer::Finalize => match self.proposal {
                Some(vote) if self.finalizing => {
                    self.finalizing = false;
                    out.action(if vote.leader == us.me {
                        Action::ElectionElectSelf
                    } else {
                        Action::ElectionElectOther
                    });
                    Some(Settled { round: self.round, vote })
                }
                Some(_) | None => {
                    out.ignored(Ignored::StaleTimer);
                    None
                }
            },
            Timer::InitLimit
            | Timer::SyncLimit
            | Timer::LearnerInitLimit(_)
            | Timer::LearnerSyncLimit(_)
            | Timer::QuorumLoss
            | Timer::Ping => {
                out.ignored(Ignored::StaleTimer);
                None
            }
        }
    }

    /// Stops the timers that run: the server no longer looks, or begins anew.
    pub(super) fn disarm<P>(&self, out: &mut Outputs<P>) {
        out.disarm(Timer::Resend);
        if self.finalizing {
            out.disarm(Timer::Finalize);
        }
    }

    /// A notification of a looking server.
    fn hear_looking<P>(
        &mut self,
        us: Electorate,
        from: Sid,
        n: &Notification,
        out: &mut Outputs<P>,
    ) {
        let behind = n.round < self.round;
        let asks = n.round == self.round && !us.is_voter(from);
        if us.votes && (behind || asks) {
            self.settlers.forget(from);
            out.action(Action::ElectionAnswer);
            out.notifications.push((from, self.word(us)));
            return;
        }
        let vote = match countable(us, from, n) {
            Ok(vote) => vote,
            Err(why) => return out.ignored(why),
        };
        let returned = self.settlers.forget(from);
        if behind {
            // Not counted, but no longer counted as settled either.
            return if returned {
                out.action(Action::ElectionCountVote)
            } else {
                out.ignored(Ignored::OldRound)
            };
        }

        let renewed = if n.round > self.round {
            out.action(Action::ElectionJoinRound);
            self.round = n.round;
            self.in_round = InRound::default();
            self.proposal = self.own.max(Some(vote));
            true
        } else if Some(vote) > self.proposal {
            out.action(Action::ElectionAdoptVote);
            self.proposal = Some(vote);
            true
        } else {
            false
        };
        if renewed {
            self.broadcast(us, out);
        }
        let stance = Stance::Looking;
        let counted = self.in_round.record(from, Ballot { stance, vote });
        if counted || returned {
            out.action(Action::ElectionCountVote);
        } else if !renewed {
            out.ignored(Ignored::NoNews);
        }
        self.weigh(us, renewed, out);
    }

    /// A notification of a server that has settled. Joins it if a quorum has, with the leader's own word for it.
    fn hear_settled<P>(
        &mut self,
        us: Electorate,
        from: Sid,
        n: &Notification,
        stance: Stance,
        out: &mut Outputs<P>,
    ) -> Option<Settled> {
        let vote = match countable(us, from, n) {
            Ok(vote) => vote,
            Err(why) => {
                out.ignored(why);
                return None;
            }
        };
        let ballot = Ballot { stance, vote };
        let same_round = n.round == self.round;
        let left = if same_round {
            self.in_round.record(from, ballot)
        } else {
            self.in_round.forget(from)
        };
        let came = self.settlers.record(from, &ballot);

        // `checkLeader`: another must have said itself that it leads, in the very table in which the votes are counted
        // (ZOOKEEPER-975, 3537); this server leads only in its own round (ZOOKEEPER-1514).
        let in_round = same_round && {
            let for_it = self.supporters(us, &ballot);
            let leads = vote.leader == us.me || self.in_round.leads(vote.leader);
            us.quorum.is_quorum(&for_it) && leads
        };
        let in_any_round = || {
            let for_it = self.settlers.supporters(&ballot);
            let leads =
                if vote.leader == us.me { same_round } else { self.settlers.leads(vote.leader) };
            us.quorum.is_quorum(&for_it) && leads
        };
        if in_round || in_any_round() {
            out.action(if vote.leader == us.me {
                Action::ElectionElectSelf
            } else {
                Action::ElectionJoinEstablished
            });
            return Some(Settled { round: n.round, vote });
        }

        if left || came {
            out.action(Action::ElectionCountVote);
        } else {
            out.ignored(Ignored::NoNews);
        }
        self.weigh(us, false, out);
        None
    }

    /// Starts or stops the finalize wait, so that it runs while a quorum is for the proposal. A `renewed` proposal, or
    /// round, waits from the beginning.
    fn weigh<P>(&mut self, us: Electorate, renewed: bool, out: &mut Outputs<P>) {
        let agreed = self.proposal.is_some_and(|vote| {
            let stance = Stance::Looking;
            let ballot = Ballot { stance, vote };
            us.quorum.is_quorum(&self.supporters(us, &ballot))
        });
        if agreed && (renewed || !self.finalizing) {
            out.action(Action::ElectionFinalize);
            out.arm(Timer::Finalize);
        } else if self.finalizing && !agreed {
            out.disarm(Timer::Finalize);
        }
        self.finalizing = agreed;
    }

    /// Who is for the same as `ballot`, this server among them if it may vote.
    fn supporters(&self, us: Electorate, ballot: &Ballot) -> SidSet {
        let own = self.proposal.filter(|_| us.votes);
        self.in_round.supporters(ballot, us.me, own)
    }

    /// Tells all other voters, and starts the wait for the next time.
    fn broadcast<P>(&self, us: Electorate, out: &mut Outputs<P>) {
        let word = self.word(us);
        out.notifications.extend(us.others().map(|sid| (sid, word)));
        out.arm(Timer::Resend);
    }

    /// What this server says of itself. A voter that may not vote at present says no vote, as the others would
    /// count it.
    fn word(&self, us: Electorate) -> Notification {
        let vote = self.proposal.filter(|_| us.votes || !us.is_voter(us.me));
        Notification { state: ServerState::Looking, vote, round: self.round }
    }
}

/// The vote in a notification, if it may be counted.
fn countable(us: Electorate, from: Sid, n: &Notification) -> Result<Vote, Ignored> {
    match n.vote {
        Some(vote) if us.is_voter(from) && us.may_lead(vote.leader) => {
            if n.round > Election::ROUND_MAX {
                Err(Ignored::RoundTooHigh)
            } else if vote.peer_epoch > Epoch::MAX || vote.zxid.epoch() > Epoch::MAX {
                Err(Ignored::ImpossibleVote)
            } else {
                Ok(vote)
            }
        }
        Some(_) | None => Err(Ignored::NotVoter),
    }
}
