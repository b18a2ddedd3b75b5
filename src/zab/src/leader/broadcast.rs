//! Phase 3: proposals, their acknowledgements and commits, and the session layer's own messages.

use super::{Leader, Learner, Progress, Stage, send};
use crate::io::{Action, After, Fact, Ignored, Outputs, Refusal};
use crate::message::{LearnerKind, Message, MessageKind, Payload, SessionMessage, Txn};
use crate::replica::Replica;
use crate::types::{Sid, SidSet, Zxid};
use crate::zab::Next;

impl<P: Payload> Leader<P> {
    /// A transaction from the session layer. `Leader.propose`.
    pub(crate) fn propose(
        &mut self,
        payload: P,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Next {
        let Stage::Broadcast { epoch, .. } = self.stage else {
            out.ignored(Ignored::NotLeading);
            return Next::Stay;
        };
        let last = replica.history.last();
        let counter = if last.epoch() == epoch { last.counter() } else { 0 };
        if counter >= replica.config.counter_max {
            out.action(Action::LeaderRollOver);
            return Next::Look;
        }
        out.action(Action::LeaderPropose);
        let txn = Txn { zxid: Zxid::new(epoch, counter + 1), payload };
        for (&sid, learner) in &self.learners {
            if learner.is_follower() && learner.is_forwarded_to() {
                send(sid, Message::Proposal(txn.clone()), After::Now, out);
            }
        }
        out.facts.push(Fact::Proposed(txn.clone()));
        replica.append(txn, out);
        Next::Stay
    }

    /// ACK. `Leader.processAck`.
    pub(super) fn on_ack(
        &mut self,
        peer: Sid,
        learner: Learner,
        zxid: Zxid,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let (Stage::Broadcast { epoch, .. }, Progress::UpToDate { acked, pings }) =
            (self.stage, learner.progress)
        else {
            return Err(Refusal::Unexpected(MessageKind::Ack));
        };
        let last = replica.history.last();
        if zxid.epoch() != epoch || zxid.counter() == 0 || zxid > last {
            return Err(Refusal::BadAck { last, zxid });
        }
        if !learner.is_follower() || zxid <= acked {
            out.ignored(Ignored::NotCounted);
            return Ok(());
        }
        out.action(Action::LeaderProcessAck);
        let progress = Progress::UpToDate { acked: zxid, pings };
        self.learners.insert(peer, Learner { progress, ..learner });
        self.try_commit(replica, out);
        Ok(())
    }

    /// Commits the longest prefix that a quorum has on disk. `Leader.tryToCommit`; the leader's own disk counts like
    /// any other, so followers may commit before it.
    pub(super) fn try_commit(&mut self, replica: &mut Replica<P>, out: &mut Outputs<P>) {
        let Stage::Broadcast { epoch, committed, .. } = &mut self.stage else {
            return;
        };
        let me = replica.config.me;
        let own = replica.durable_in(*epoch).unwrap_or(Zxid::ZERO);
        let acked = |learner: &Learner| match learner.progress {
            Progress::UpToDate { acked, .. } if learner.is_follower() => acked,
            Progress::UpToDate { .. }
            | Progress::Connected
            | Progress::Informed { .. }
            | Progress::Promised { .. }
            | Progress::Synchronizing
            | Progress::Accepted => Zxid::ZERO,
        };
        let is_chosen = |zxid: Zxid| {
            let mut have: SidSet = self
                .learners
                .iter()
                .filter(|(_, learner)| acked(learner) >= zxid)
                .map(|(&sid, _)| sid)
                .collect();
            if own >= zxid {
                have.insert(me);
            }
            replica.config.quorum.is_quorum(&have)
        };
        let chosen = self
            .learners
            .values()
            .map(acked)
            .chain([own])
            .filter(|&zxid| zxid > *committed && is_chosen(zxid))
            .max();
        let Some(zxid) = chosen else {
            return;
        };
        out.action(Action::LeaderCommit);
        let before = core::mem::replace(committed, zxid);
        for (&sid, learner) in self.learners.iter().filter(|(_, l)| l.is_forwarded_to()) {
            match learner.kind {
                LearnerKind::Follower => send(sid, Message::Commit { zxid }, After::Now, out),
                LearnerKind::Observer => {
                    for txn in replica.history.between(before, zxid) {
                        send(sid, Message::Inform(txn.clone()), After::Now, out);
                    }
                }
            }
        }
        replica.deliver(zxid, out);
        self.answer_syncs(replica, out);
    }

    pub(super) fn on_session(
        &mut self,
        peer: Sid,
        learner: Learner,
        message: SessionMessage<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let Progress::UpToDate { .. } = learner.progress else {
            return Err(Refusal::Unexpected(MessageKind::Session));
        };
        out.action(Action::SessionDeliver);
        out.session.push((peer, message));
        Ok(())
    }

    pub(crate) fn send_session(
        &mut self,
        peer: Sid,
        message: SessionMessage<P>,
        out: &mut Outputs<P>,
    ) {
        if !self.is_up_to_date(peer) {
            return out.ignored(Ignored::NotUpToDate);
        }
        out.action(Action::SessionForward);
        send(peer, Message::Session(message), After::Now, out);
    }
}
