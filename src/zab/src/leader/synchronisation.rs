//! Phase 2: every learner gets the leader's history; once a quorum has accepted it, the leader is established.

use super::confirmation::ping;
use super::{Leader, Learner, Progress, Stage, send};
use crate::io::{Action, After, Fact, Ignored, Note, Outputs, Refusal, Timer};
use crate::message::{LearnerKind, Message, MessageKind, Payload};
use crate::plan::SyncPlan;
use crate::replica::Replica;
use crate::types::{Epoch, Sid, SidSet, Zxid};

impl<P: Payload> Leader<P> {
    /// Sends the plan, the history that the learner lacks, and NEWLEADER behind it (never before it: ZOOKEEPER-1136,
    /// 3104). From now on the learner is sent every proposal. `LearnerHandler.syncFollower`, `Leader.startForwarding`.
    pub(super) fn synchronize(
        &mut self,
        peer: Sid,
        kind: LearnerKind,
        last: Zxid,
        epoch: Epoch,
        replica: &Replica<P>,
        out: &mut Outputs<P>,
    ) {
        let committed = self.committed(replica);
        let plan = SyncPlan::choose(&replica.history, last);
        let (first, from) = match plan {
            SyncPlan::Diff => (Message::Diff { committed }, last),
            SyncPlan::Trunc { to } => (Message::Trunc { to, committed }, to),
            SyncPlan::Snap => (Message::Snap { zxid: replica.delivered }, replica.delivered),
        };
        let upto = match kind {
            LearnerKind::Follower => replica.history.last(),
            LearnerKind::Observer => committed,
        };
        let mut behind = replica.history.between(from, upto).peekable();
        out.action(match plan {
            SyncPlan::Diff => Action::LeaderSyncDiff,
            SyncPlan::Trunc { .. } if behind.peek().is_none() => Action::LeaderSyncTrunc,
            SyncPlan::Trunc { .. } => Action::LeaderSyncTruncDiff,
            SyncPlan::Snap => Action::LeaderSyncSnap,
        });
        send(peer, first, After::Now, out);
        for txn in behind {
            send(peer, Message::Proposal(txn.clone()), After::Now, out);
        }
        if let SyncPlan::Snap = plan
            && committed > replica.delivered
        {
            send(peer, Message::Commit { zxid: committed }, After::Now, out);
        }
        send(peer, Message::NewLeader { epoch }, After::Now, out);
        self.learners.insert(peer, Learner { kind, progress: Progress::Synchronizing });
    }

    /// The ACK that answers NEWLEADER.
    pub(super) fn on_ack_new_leader(
        &mut self,
        peer: Sid,
        learner: Learner,
        got: Epoch,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let unexpected = Refusal::Unexpected(MessageKind::AckNewLeader);
        let expected = match self.stage {
            Stage::Discovery | Stage::AwaitAckEpoch { .. } => return Err(unexpected),
            Stage::AwaitAckNewLeader { epoch, .. } | Stage::Broadcast { epoch, .. } => epoch,
        };
        match learner.progress {
            Progress::Connected | Progress::Informed { .. } | Progress::Promised { .. } => {
                return Err(unexpected);
            }
            Progress::Synchronizing if got != expected => {
                return Err(Refusal::WrongEpoch { expected, got });
            }
            Progress::Accepted | Progress::UpToDate { .. } => {
                out.ignored(Ignored::NotCounted);
                return Ok(());
            }
            Progress::Synchronizing => {}
        }
        out.action(Action::LeaderProcessAckNewLeader);
        out.disarm(Timer::LearnerInitLimit(peer));
        self.learners.insert(peer, Learner { progress: Progress::Accepted, ..learner });
        match &mut self.stage {
            Stage::AwaitAckNewLeader { accepted, .. } => {
                if learner.is_follower() {
                    accepted.insert(peer);
                }
                self.try_establish(replica, out);
            }
            Stage::Broadcast { .. } => self.tell_up_to_date(peer, out),
            Stage::Discovery | Stage::AwaitAckEpoch { .. } => {}
        }
        Ok(())
    }

    /// A quorum, with the leader in it, has accepted epoch and initial history: that history is committed.
    pub(super) fn try_establish(&mut self, replica: &mut Replica<P>, out: &mut Outputs<P>) {
        let Stage::AwaitAckNewLeader { epoch, accepted } = self.stage else {
            return;
        };
        if !accepted.contains(replica.config.me) || !replica.config.quorum.is_quorum(&accepted) {
            return;
        }
        out.action(Action::LeaderEstablished);
        out.notes.push(Note::Established(epoch));
        out.facts.push(Fact::Established { epoch });
        out.disarm(Timer::InitLimit);
        out.arm(Timer::Ping);
        let committed = replica.history.last();
        replica.deliver(committed, out);
        self.stage = Stage::Broadcast { epoch, committed, quorum_lost: false };
        let accepted: SidSet = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.progress == Progress::Accepted)
            .map(|(&sid, _)| sid)
            .collect();
        for sid in accepted.iter() {
            self.tell_up_to_date(sid, out);
        }
        self.watch_quorum(replica, out);
    }

    pub(super) fn tell_up_to_date(&mut self, peer: Sid, out: &mut Outputs<P>) {
        let Some(learner) = self.learners.get_mut(&peer) else {
            return;
        };
        out.action(Action::LeaderUpToDate);
        out.arm(Timer::LearnerSyncLimit(peer));
        learner.progress = Progress::UpToDate { acked: Zxid::ZERO, pings: 0 };
        send(peer, Message::UpToDate, After::Now, out);
        if self.syncs.is_asking() {
            self.syncs.ask(peer, 1);
            ping(peer, learner, out);
        }
    }

    /// What a learner may take for committed once it is told that it is up to date: before the leader is
    /// established that is the whole initial history.
    pub(super) fn committed(&self, replica: &Replica<P>) -> Zxid {
        match self.stage {
            Stage::Discovery | Stage::AwaitAckEpoch { .. } | Stage::AwaitAckNewLeader { .. } => {
                replica.history.last()
            }
            Stage::Broadcast { committed, .. } => committed,
        }
    }
}
