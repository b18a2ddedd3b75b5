//! Phase 0: fast leader election (ZooKeeper's `FastLeaderElection`), alone and pure.
//!
//! Every looking server proposes itself, adopts each better vote that it hears, and tells all voters whenever its
//! proposal changes. When a quorum proposes the same, it waits a moment for something better
//! ([`Timer::Finalize`]) and settles. A server that is not looking answers one that is, so that a newcomer finds
//! the leader that is there.
//!
//! Nothing here is durable and no safety rests on it: a wrong decision costs time, and Zab proper refuses what must
//! not be. What the election owes is an end: once faults cease, all agree on a leader that a quorum follows.
//!
//! The network may lose, delay and repeat notifications, but a sender's arrive in order. A peer in the same round gets no
//! answer, so one that comes back relies on the others to say again what they said last: by
//! [`Timer::Resend`], and sooner if the shell repeats the last message to a peer on each new connection, as ZooKeeper does.
//!
//! # Where it departs from ZooKeeper
//!
//! 1. *The finalize wait hears everything.* ZooKeeper drops, while it waits, each notification that is not a better
//!    vote; a higher round is forgotten by that. Here every notification is processed as at any other time. The wait
//!    ends when its quorum does: by a better vote, a higher round, or a voter that changes its mind. Other
//!    messages do not prolong it, so nobody can stretch it for ever.
//! 2. *No message to self.* The own vote is the proposal, and is counted from there.
//! 3. *A server is believed by its last word.* One that looks again no longer counts as following somebody, and one
//!    that settled in another round no longer counts in this one. ZooKeeper keeps both until something
//!    overwrites them.
//! 4. *A server without a vote answers nobody*, as nobody counts it; and a voter answers such a server only if it looks and
//!    its round is not ahead, as otherwise the answer is of no use to it. With ZooKeeper's rule, answer
//!    always, a looking observer of a higher round and a looking voter answer each other without end.
//! 5. *A looking server tells an observer its proposal.* ZooKeeper tells it the vote of the election before.
//! 6. *Rounds end at [`Election::ROUND_MAX`]*, and votes that no server can have are refused by name.
//!
//! ZooKeeper's zxid -1, the mark of an empty database that must not be trusted, has no counterpart: the empty history
//! ends at zxid 0, as any other ends somewhere. Arriving from elsewhere, -1 is a zxid that no server can have (6).
//! Nor is there an oracle for ensembles of two: it gives up that quorums intersect.

mod ballots;
mod looking;

use crate::config::Config;
use crate::io::{Action, Ignored, Outputs, Timer};
use crate::message::{Notification, ServerState, Vote};
use crate::quorum::Quorum;
use crate::types::{Epoch, Sid, Zxid};
use crate::zab::Decision;

use looking::Looking;

/// The election machine of one server.
///
/// Equal values behave equally: what no longer matters is not kept. Rounds and tables live in memory only.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Election {
    electorate: Electorate,
    phase: Phase,
}

/// Who takes part.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Electorate {
    me: Sid,
    /// This server is a voter, and may vote at present.
    votes: bool,
    quorum: Quorum,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// Has never looked.
    Idle,
    /// Electing.
    Looking(Looking),
    /// Has decided, and tells those who look.
    Settled(Settled),
}

/// A decision, as told to servers that look. The state in which it is told follows from the leader.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Settled {
    /// The round in which this was decided, by this server or by those whom it joined.
    round: u64,
    /// The leader is a voter.
    vote: Vote,
}

impl Election {
    /// The largest round. A larger one from a peer is ignored, whatever it comes with.
    ///
    /// ZooKeeper's round is a signed 64-bit number that is never checked. A round grows by one with each election, so
    /// at five elections a second this limit lasts for more than a million years, and a larger round is
    /// an error or malice. Were it adopted, all would have to follow it, up to where it cannot grow. All
    /// servers have the same limit and none exceeds it, so they never refuse each other. A peer can still bring all
    /// servers *to* the limit. There a new election bears the number of the one before: late votes of the old one
    /// are counted, which may cost time and further elections, and all else goes on.
    pub const ROUND_MAX: u64 = (1 << 48) - 1;

    /// A server that has not looked yet: round 0, no vote, no answer to anybody.
    pub fn new(config: &Config) -> Self {
        let (me, votes, quorum) = (config.me, config.is_voter(), config.quorum);
        Self { electorate: Electorate { me, votes, quorum }, phase: Phase::Idle }
    }

    /// Whether this server may vote at present: a voter that has lost its history must not, until it has got one from a
    /// leader. Before that it takes part as a server without a vote does: it looks for a leader that others follow.
    ///
    /// Called while this server is not looking.
    pub fn set_voting(&mut self, votes: bool) {
        self.electorate.votes = votes;
    }

    /// Starts a new round with this server's own `currentEpoch` and the end of its history, and tells all voters.
    ///
    /// Never decides at once: in an ensemble of one voter it arms [`Timer::Finalize`] right here, so that there is one
    /// way only from votes to a decision.
    pub fn look<P>(&mut self, current: Epoch, last: Zxid, out: &mut Outputs<P>) {
        if let Phase::Looking(looking) = &self.phase {
            looking.disarm(out);
        }
        let electorate = self.electorate;
        let own = electorate.votes.then_some(Vote {
            peer_epoch: current,
            zxid: last,
            leader: electorate.me,
        });
        let round = Self::ROUND_MAX.min(self.round() + 1);
        self.phase = Phase::Looking(Looking::start(electorate, round, own, out));
    }

    /// Takes in what `from` says. The sender is who the connection belongs to, not who the message says.
    pub fn notify<P>(
        &mut self,
        from: Sid,
        n: &Notification,
        out: &mut Outputs<P>,
    ) -> Option<Decision> {
        if from == self.electorate.me {
            out.ignored(Ignored::FromSelf);
            return None;
        }
        match &mut self.phase {
            Phase::Idle => {
                out.ignored(Ignored::NotNow);
                None
            }
            Phase::Looking(looking) => {
                let settled = looking.notify(self.electorate, from, n, out)?;
                Some(self.settle(settled, out))
            }
            Phase::Settled(settled) => {
                settled.notify(self.electorate, from, n, out);
                None
            }
        }
    }

    /// A timer ran out. [`Timer::Resend`] is armed as long as this server looks: armed again after it ran out, it may
    /// take longer than before; armed again for any other reason, it starts from its shortest.
    /// [`Timer::Finalize`] is armed as long as a quorum agrees. All other timers are none of the election's.
    pub fn timer<P>(&mut self, timer: Timer, out: &mut Outputs<P>) -> Option<Decision> {
        match &mut self.phase {
            Phase::Looking(looking) => {
                let settled = looking.timer(self.electorate, timer, out)?;
                Some(self.settle(settled, out))
            }
            Phase::Idle | Phase::Settled(_) => {
                out.ignored(Ignored::StaleTimer);
                None
            }
        }
    }

    /// The leader of `epoch`, on whom this server has settled, is established: at the leader when a quorum has accepted
    /// NEWLEADER, at a learner when it is up to date. Does nothing before the decision.
    ///
    /// The vote that is told from now on carries the new epoch (`QuorumPeer.updateElectionVote`), so that all
    /// members tell the same and a newcomer can join, however each of them came in
    /// (ZOOKEEPER-1732, 1805, 1817). Its zxid and round stay: they may differ, and are not compared.
    pub fn established(&mut self, epoch: Epoch) {
        match &mut self.phase {
            Phase::Settled(settled) => settled.vote.peer_epoch = epoch,
            Phase::Idle | Phase::Looking(_) => {}
        }
    }

    /// True from `look` to the decision.
    pub fn is_looking(&self) -> bool {
        match self.phase {
            Phase::Looking(_) => true,
            Phase::Idle | Phase::Settled(_) => false,
        }
    }

    /// The present round, or the one of the last decision; at most [`Self::ROUND_MAX`]. Joining an ensemble may lower it.
    pub fn round(&self) -> u64 {
        match &self.phase {
            Phase::Idle => 0,
            Phase::Looking(looking) => looking.round(),
            Phase::Settled(settled) => settled.round,
        }
    }

    /// What this server proposes, or has settled on. `None` before the first `look`, and at a server without a vote
    /// that has not heard of any.
    pub fn vote(&self) -> Option<Vote> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Looking(looking) => looking.proposal(),
            Phase::Settled(settled) => Some(settled.vote),
        }
    }

    fn settle<P>(&mut self, settled: Settled, out: &mut Outputs<P>) -> Decision {
        if let Phase::Looking(looking) = &self.phase {
            looking.disarm(out);
        }
        self.phase = Phase::Settled(settled);
        if settled.vote.leader == self.electorate.me {
            Decision::Lead
        } else {
            Decision::Follow(settled.vote.leader)
        }
    }
}

impl Electorate {
    fn is_voter(&self, sid: Sid) -> bool {
        self.quorum.is_voter(sid)
    }

    /// Whether votes for `sid` count: they may be of a time when this server could lead.
    fn may_lead(&self, sid: Sid) -> bool {
        if sid == self.me { self.votes } else { self.is_voter(sid) }
    }

    /// The voters that have to be told, in ascending order.
    fn others(&self) -> impl Iterator<Item = Sid> + use<> {
        let me = self.me;
        self.quorum.voters().iter().filter(move |sid| *sid != me)
    }
}

impl Settled {
    /// A looking server is told what was decided here; others have nothing to say that matters.
    fn notify<P>(&self, us: Electorate, from: Sid, n: &Notification, out: &mut Outputs<P>) {
        match n.state {
            ServerState::Looking if us.votes => {
                out.action(Action::ElectionAnswer);
                let state = if self.vote.leader == us.me {
                    ServerState::Leading
                } else {
                    ServerState::Following
                };
                let answer = Notification { state, vote: Some(self.vote), round: self.round };
                out.notifications.push((from, answer));
            }
            ServerState::Looking
            | ServerState::Following
            | ServerState::Leading
            | ServerState::Observing => out.ignored(Ignored::NoNews),
        }
    }
}
