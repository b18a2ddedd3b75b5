//! The leader: discovery, synchronisation and broadcast as seen from the one who leads, a module for each.
//!
//! Source: the Zab paper, phases 1 to 3; ZooKeeper's `Leader` and `LearnerHandler`.

mod broadcast;
mod confirmation;
mod discovery;
mod synchronisation;

use alloc::collections::BTreeMap;

use crate::io::{Action, After, Halt, Ignored, LinkCmd, Note, Outputs, Refusal, Send, Timer};
use crate::message::{LearnerKind, Message, Payload};
use crate::replica::Replica;
use crate::syncs::Syncs;
use crate::types::{Epoch, Sid, SidSet, Zxid};
use crate::zab::Next;

use confirmation::ping;

/// A server that leads, or tries to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Leader<P> {
    stage: Stage,
    learners: BTreeMap<Sid, Learner>,
    syncs: Syncs<P>,
}

/// How far the leadership has come. Every quorum that is waited for includes the leader itself
/// (ZOOKEEPER-1270), which counts itself only once its own disk has the promise, or the epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Stage {
    /// Waiting for a quorum of FOLLOWERINFO, to choose an epoch above all that were promised.
    Discovery,
    /// Waiting for a quorum of promises (`Leader.waitForEpochAck`).
    AwaitAckEpoch { epoch: Epoch, promised: SidSet },
    /// Elected: the history is the initial history of the epoch. Waiting for a quorum that has accepted it
    /// (`Leader.waitForNewLeaderAck`).
    AwaitAckNewLeader { epoch: Epoch, accepted: SidSet },
    /// Established.
    Broadcast { epoch: Epoch, committed: Zxid, quorum_lost: bool },
}

/// What the leader knows of a learner whose link is up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Learner {
    kind: LearnerKind,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Progress {
    /// The link is up; who it is has to be heard.
    Connected,
    /// FOLLOWERINFO or OBSERVERINFO was heard. Once an epoch is chosen, LEADERINFO has been answered.
    Informed { accepted: Epoch },
    /// ACKEPOCH was heard; the plan waits for the quorum of promises.
    Promised { last: Zxid },
    /// Plan, history and NEWLEADER are on their way, and from now on everything that is proposed
    /// (`Leader.startForwarding`).
    Synchronizing,
    /// NEWLEADER was acknowledged; UPTODATE waits until the leader is established.
    Accepted,
    /// UPTODATE is on its way.
    UpToDate {
        /// Everything up to here is durable there, if it is of this epoch.
        acked: Zxid,
        /// PINGs not yet answered.
        pings: u32,
    },
}

impl Learner {
    fn is_forwarded_to(&self) -> bool {
        match self.progress {
            Progress::Connected | Progress::Informed { .. } | Progress::Promised { .. } => false,
            Progress::Synchronizing | Progress::Accepted | Progress::UpToDate { .. } => true,
        }
    }

    fn is_follower(&self) -> bool {
        match self.kind {
            LearnerKind::Follower => true,
            LearnerKind::Observer => false,
        }
    }
}

impl<P: Payload> Leader<P> {
    /// Begins to lead. `Leader.lead`.
    ///
    /// # Errors
    /// The largest epoch is already promised: this server can never lead again.
    pub(crate) fn begin(replica: &mut Replica<P>, out: &mut Outputs<P>) -> Result<Self, Halt> {
        if replica.accepted >= replica.config.epoch_max {
            return Err(Halt::EpochsExhausted { accepted: replica.accepted });
        }
        out.arm(Timer::InitLimit);
        let mut leader =
            Self { stage: Stage::Discovery, learners: BTreeMap::new(), syncs: Syncs::new() };
        leader.try_choose_epoch(replica, out);
        Ok(leader)
    }

    pub(crate) fn renamed(&self, name: impl Fn(Sid) -> Sid) -> Self {
        let stage = match self.stage {
            Stage::Discovery => Stage::Discovery,
            Stage::AwaitAckEpoch { epoch, promised } => {
                Stage::AwaitAckEpoch { epoch, promised: promised.renamed(&name) }
            }
            Stage::AwaitAckNewLeader { epoch, accepted } => {
                Stage::AwaitAckNewLeader { epoch, accepted: accepted.renamed(&name) }
            }
            Stage::Broadcast { .. } => self.stage,
        };
        let learners = self.learners.iter().map(|(&sid, learner)| (name(sid), *learner)).collect();
        Self { stage, learners, syncs: self.syncs.renamed(&name) }
    }

    /// The epoch, once it is established.
    pub(crate) fn established(&self) -> Option<Epoch> {
        match self.stage {
            Stage::Discovery | Stage::AwaitAckEpoch { .. } | Stage::AwaitAckNewLeader { .. } => {
                None
            }
            Stage::Broadcast { epoch, .. } => Some(epoch),
        }
    }

    /// Leaves the role: every link is closed, every timer stopped.
    pub(crate) fn end(&mut self, out: &mut Outputs<P>) {
        out.disarm(Timer::InitLimit);
        out.disarm(Timer::Ping);
        out.disarm(Timer::QuorumLoss);
        while let Some((sid, _)) = self.learners.pop_first() {
            out.disarm(Timer::LearnerInitLimit(sid));
            out.disarm(Timer::LearnerSyncLimit(sid));
            out.links.push(LinkCmd::Close(sid));
        }
    }

    // ---- links and timers

    /// A new link replaces the old one of the same server, and with it all that was known of the learner.
    pub(crate) fn link_up(&mut self, peer: Sid, replica: &Replica<P>, out: &mut Outputs<P>) {
        out.action(Action::LeaderAcceptLink);
        out.disarm(Timer::LearnerSyncLimit(peer));
        out.arm(Timer::LearnerInitLimit(peer));
        let learner = Learner { kind: LearnerKind::Observer, progress: Progress::Connected };
        self.learners.insert(peer, learner);
        self.syncs.forget(peer);
        self.watch_quorum(replica, out);
    }

    pub(crate) fn link_down(&mut self, peer: Sid, replica: &Replica<P>, out: &mut Outputs<P>) {
        if self.learners.remove(&peer).is_none() {
            return out.ignored(Ignored::NoLink);
        }
        out.action(Action::LeaderLearnerGone);
        out.disarm(Timer::LearnerInitLimit(peer));
        out.disarm(Timer::LearnerSyncLimit(peer));
        self.syncs.forget(peer);
        self.watch_quorum(replica, out);
    }

    pub(crate) fn timer(
        &mut self,
        timer: Timer,
        replica: &Replica<P>,
        out: &mut Outputs<P>,
    ) -> Next {
        match (timer, self.stage) {
            (
                Timer::InitLimit,
                Stage::Discovery | Stage::AwaitAckEpoch { .. } | Stage::AwaitAckNewLeader { .. },
            )
            | (Timer::QuorumLoss, Stage::Broadcast { quorum_lost: true, .. }) => {
                out.action(Action::LeaderStepDown);
                return Next::Look;
            }
            (Timer::LearnerInitLimit(peer) | Timer::LearnerSyncLimit(peer), _)
                if self.learners.contains_key(&peer) =>
            {
                self.refuse(peer, Refusal::TimedOut, replica, out);
            }
            (Timer::Ping, Stage::Broadcast { .. }) => {
                out.action(Action::LeaderPing);
                for (&sid, learner) in &mut self.learners {
                    ping(sid, learner, out);
                }
                out.arm(Timer::Ping);
            }
            (
                Timer::Resend
                | Timer::Finalize
                | Timer::InitLimit
                | Timer::SyncLimit
                | Timer::LearnerInitLimit(_)
                | Timer::LearnerSyncLimit(_)
                | Timer::QuorumLoss
                | Timer::Ping,
                Stage::Discovery
                | Stage::AwaitAckEpoch { .. }
                | Stage::AwaitAckNewLeader { .. }
                | Stage::Broadcast { .. },
            ) => out.ignored(Ignored::StaleTimer),
        }
        Next::Stay
    }

    // ---- messages and the disk

    pub(crate) fn recv(
        &mut self,
        peer: Sid,
        message: Message<P>,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Next {
        let Some(&learner) = self.learners.get(&peer) else {
            out.ignored(Ignored::NoLink);
            return Next::Stay;
        };
        if let Progress::UpToDate { .. } = learner.progress {
            out.arm(Timer::LearnerSyncLimit(peer));
        }
        let kind = message.kind();
        let outcome = match message {
            Message::LearnerInfo { kind, accepted } => {
                self.on_learner_info(peer, learner, kind, accepted, replica, out)
            }
            Message::AckEpoch { current, last } => {
                self.on_ack_epoch(peer, learner, current, last, replica, out)
            }
            Message::AckNewLeader { epoch } => {
                self.on_ack_new_leader(peer, learner, epoch, replica, out)
            }
            Message::Ack { zxid } => self.on_ack(peer, learner, zxid, replica, out),
            Message::Ping { body: _ } => self.on_ping(peer, learner, replica, out),
            Message::Session(message) => self.on_session(peer, learner, message, out),
            Message::LeaderInfo { .. }
            | Message::Diff { .. }
            | Message::Trunc { .. }
            | Message::Snap { .. }
            | Message::NewLeader { .. }
            | Message::UpToDate
            | Message::Proposal(_)
            | Message::Commit { .. }
            | Message::Inform(_) => Err(Refusal::Unexpected(kind)),
        };
        if let Err(refusal) = outcome {
            self.refuse(peer, refusal, replica, out);
        }
        Next::Stay
    }

    /// The leader's disk has caught up: its own promise, acceptance and acknowledgements count from now on.
    pub(crate) fn on_durable(&mut self, replica: &mut Replica<P>, out: &mut Outputs<P>) {
        let me = replica.config.me;
        match &mut self.stage {
            Stage::Discovery => {}
            Stage::AwaitAckEpoch { epoch, promised } => {
                if replica.promise_is_durable(*epoch) && promised.insert(me) {
                    self.try_be_elected(replica, out);
                }
            }
            Stage::AwaitAckNewLeader { epoch, accepted } => {
                if replica.durable_in(*epoch).is_some() && accepted.insert(me) {
                    self.try_establish(replica, out);
                }
            }
            Stage::Broadcast { .. } => self.try_commit(replica, out),
        }
    }

    // ---- small helpers

    fn is_up_to_date(&self, peer: Sid) -> bool {
        self.learners
            .get(&peer)
            .is_some_and(|learner| matches!(learner.progress, Progress::UpToDate { .. }))
    }

    /// An established leader without a quorum of links gives up, unless enough learners come back in time.
    fn watch_quorum(&mut self, replica: &Replica<P>, out: &mut Outputs<P>) {
        let Stage::Broadcast { quorum_lost, .. } = &mut self.stage else {
            return;
        };
        let mut present: SidSet = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.is_follower())
            .map(|(&sid, _)| sid)
            .collect();
        present.insert(replica.config.me);
        let lost = !replica.config.quorum.is_quorum(&present);
        match (*quorum_lost, lost) {
            (false, true) => out.arm(Timer::QuorumLoss),
            (true, false) => out.disarm(Timer::QuorumLoss),
            (false, false) | (true, true) => {}
        }
        *quorum_lost = lost;
    }

    fn refuse(&mut self, peer: Sid, refusal: Refusal, replica: &Replica<P>, out: &mut Outputs<P>) {
        out.notes.push(Note::Refused(peer, refusal));
        out.links.push(LinkCmd::Close(peer));
        self.link_down(peer, replica, out);
    }
}

fn send<P>(to: Sid, message: Message<P>, after: After, out: &mut Outputs<P>) {
    out.sends.push(Send { to, message, after });
}
