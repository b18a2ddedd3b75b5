//! Phase 1: a quorum's promises for an epoch above all that were promised before.

use super::{Leader, Learner, Progress, Stage, send};
use crate::io::{Action, Fact, Outputs, Refusal};
use crate::message::{LearnerKind, Message, MessageKind, Payload};
use crate::replica::Replica;
use crate::types::{Epoch, Sid, SidSet, Zxid};

impl<P: Payload> Leader<P> {
    /// FOLLOWERINFO, OBSERVERINFO. `Leader.getEpochToPropose`. ZooKeeper believes whatever number
    /// the learner says.
    pub(super) fn on_learner_info(
        &mut self,
        peer: Sid,
        learner: Learner,
        kind: LearnerKind,
        accepted: Epoch,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let Progress::Connected = learner.progress else {
            return Err(Refusal::Unexpected(MessageKind::LearnerInfo));
        };
        if !replica.config.is_plausible(accepted, replica.accepted) {
            return Err(Refusal::ImplausibleEpoch { accepted: replica.accepted, got: accepted });
        }
        if accepted >= replica.config.epoch_max {
            return Err(Refusal::EpochsExhausted { accepted });
        }
        out.action(Action::LeaderProcessLearnerInfo);
        self.learners.insert(peer, Learner { kind, progress: Progress::Informed { accepted } });
        self.watch_quorum(replica, out);
        match self.stage {
            Stage::Discovery => self.try_choose_epoch(replica, out),
            Stage::AwaitAckEpoch { epoch, .. }
            | Stage::AwaitAckNewLeader { epoch, .. }
            | Stage::Broadcast { epoch, .. } => {
                send(peer, Message::LeaderInfo { epoch }, replica.gate(), out);
            }
        }
        Ok(())
    }

    /// Once a quorum of voters has said what it promised, the leader's own promise comes first: LEADERINFO
    /// leaves only when that is durable (ZOOKEEPER-1291).
    ///
    /// The epoch is larger than all promises, but never more than a step above the leader's own, so
    /// that no word of a learner uses up the epochs. A learner that has promised more leaves, as
    /// from any epoch that is too old.
    pub(super) fn try_choose_epoch(&mut self, replica: &mut Replica<P>, out: &mut Outputs<P>) {
        let mut informed = SidSet::from_iter([replica.config.me]);
        let mut highest = replica.accepted;
        for (&sid, learner) in &self.learners {
            if let Progress::Informed { accepted } = learner.progress {
                highest = highest.max(accepted);
                if learner.is_follower() {
                    informed.insert(sid);
                }
            }
        }
        if !replica.config.quorum.is_quorum(&informed) {
            return;
        }
        out.action(Action::LeaderChooseEpoch);
        let epoch = Epoch(highest.0 + 1).min(replica.config.epoch_after(replica.accepted));
        replica.promise(epoch, replica.config.me, out);
        self.stage = Stage::AwaitAckEpoch { epoch, promised: SidSet::EMPTY };
        for (&sid, learner) in &self.learners {
            if let Progress::Informed { .. } = learner.progress {
                send(sid, Message::LeaderInfo { epoch }, replica.gate(), out);
            }
        }
    }

    /// ACKEPOCH. `Leader.waitForEpochAck`: a learner that had promised this epoch before does not count, and neither
    /// does an observer; one with a more recent history than the leader's must not count either, and is sent away.
    pub(super) fn on_ack_epoch(
        &mut self,
        peer: Sid,
        learner: Learner,
        current: Option<Epoch>,
        last: Zxid,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let unexpected = Refusal::Unexpected(MessageKind::AckEpoch);
        let Progress::Informed { .. } = learner.progress else {
            return Err(unexpected);
        };
        let progress = Progress::Promised { last };
        match &mut self.stage {
            Stage::Discovery => return Err(unexpected),
            Stage::AwaitAckEpoch { promised, .. } => {
                if let (Some(current), true) = (current, learner.is_follower()) {
                    if (current, last) > (replica.current, replica.history.last()) {
                        return Err(Refusal::LearnerAhead { current, last });
                    }
                    promised.insert(peer);
                }
                out.action(Action::LeaderProcessAckEpoch);
                self.learners.insert(peer, Learner { progress, ..learner });
                self.try_be_elected(replica, out);
            }
            Stage::AwaitAckNewLeader { epoch, .. } | Stage::Broadcast { epoch, .. } => {
                let epoch = *epoch;
                out.action(Action::LeaderProcessAckEpoch);
                self.learners.insert(peer, Learner { progress, ..learner });
                self.synchronize(peer, learner.kind, last, epoch, replica, out);
            }
        }
        Ok(())
    }

    /// `Elect` of the abstract protocol: a quorum with the leader in it has promised, nobody in it knows more than the
    /// leader, so the leader's history becomes the initial history of the epoch.
    pub(super) fn try_be_elected(&mut self, replica: &mut Replica<P>, out: &mut Outputs<P>) {
        let Stage::AwaitAckEpoch { epoch, promised } = self.stage else {
            return;
        };
        if !promised.contains(replica.config.me) || !replica.config.quorum.is_quorum(&promised) {
            return;
        }
        out.action(Action::LeaderElected);
        out.facts.push(Fact::Elected { epoch, last: replica.history.last() });
        replica.accept(epoch, out);
        self.stage = Stage::AwaitAckNewLeader { epoch, accepted: SidSet::EMPTY };
        let promised: alloc::vec::Vec<_> = self
            .learners
            .iter()
            .filter_map(|(&sid, learner)| match learner.progress {
                Progress::Promised { last } => Some((sid, learner.kind, last)),
                Progress::Connected
                | Progress::Informed { .. }
                | Progress::Synchronizing
                | Progress::Accepted
                | Progress::UpToDate { .. } => None,
            })
            .collect();
        for (sid, kind, last) in promised {
            self.synchronize(sid, kind, last, epoch, replica, out);
        }
    }
}
