//! The leader: discovery, synchronisation and broadcast as seen from the one who leads.
//!
//! Source: the Zab paper, phases 1 to 3; ZooKeeper's `Leader` and `LearnerHandler`.

use alloc::collections::BTreeMap;

use crate::io::{Action, After, Halt, Ignored, LinkCmd, Note, Outputs, Refusal, Send, Timer};
use crate::message::{LearnerKind, Message, MessageKind, Payload, SessionMessage, Txn};
use crate::plan::SyncPlan;
use crate::replica::Replica;
use crate::syncs::Syncs;
use crate::types::{Epoch, Sid, SidSet, Zxid};
use crate::zab::Next;

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

    // ---- messages

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

    /// FOLLOWERINFO, OBSERVERINFO. `Leader.getEpochToPropose`.
    fn on_learner_info(
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
    fn try_choose_epoch(&mut self, replica: &mut Replica<P>, out: &mut Outputs<P>) {
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
        let epoch = Epoch(highest.0 + 1);
        replica.promise(epoch, out);
        self.stage = Stage::AwaitAckEpoch { epoch, promised: SidSet::EMPTY };
        for (&sid, learner) in &self.learners {
            if let Progress::Informed { .. } = learner.progress {
                send(sid, Message::LeaderInfo { epoch }, replica.gate(), out);
            }
        }
    }

    /// ACKEPOCH. `Leader.waitForEpochAck`: a learner that had promised this epoch before does not count, and neither
    /// does an observer; one with a more recent history than the leader's must not count either, and is sent away.
    fn on_ack_epoch(
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
    fn try_be_elected(&mut self, replica: &mut Replica<P>, out: &mut Outputs<P>) {
        let Stage::AwaitAckEpoch { epoch, promised } = self.stage else {
            return;
        };
        if !promised.contains(replica.config.me) || !replica.config.quorum.is_quorum(&promised) {
            return;
        }
        out.action(Action::LeaderElected);
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

    /// Sends the plan, the history that the learner lacks, and NEWLEADER behind it (never before it: ZOOKEEPER-1136,
    /// 3104). From now on the learner is sent every proposal. `LearnerHandler.syncFollower`, `Leader.startForwarding`.
    fn synchronize(
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
    fn on_ack_new_leader(
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
    fn try_establish(&mut self, replica: &mut Replica<P>, out: &mut Outputs<P>) {
        let Stage::AwaitAckNewLeader { epoch, accepted } = self.stage else {
            return;
        };
        if !accepted.contains(replica.config.me) || !replica.config.quorum.is_quorum(&accepted) {
            return;
        }
        out.action(Action::LeaderEstablished);
        out.notes.push(Note::Established(epoch));
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

    fn tell_up_to_date(&mut self, peer: Sid, out: &mut Outputs<P>) {
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
        replica.append(txn, out);
        Next::Stay
    }

    /// ACK. `Leader.processAck`.
    fn on_ack(
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

    /// Commits the longest prefix that a quorum has on disk. `Leader.tryToCommit`; the leader's own disk counts like
    /// any other, so followers may commit before it.
    fn try_commit(&mut self, replica: &mut Replica<P>, out: &mut Outputs<P>) {
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

    fn on_ping(
        &mut self,
        peer: Sid,
        learner: Learner,
        replica: &Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let Progress::UpToDate { acked, pings: unanswered @ 1.. } = learner.progress else {
            return Err(Refusal::Unexpected(MessageKind::Ping));
        };
        out.action(Action::LeaderProcessPing);
        let progress = Progress::UpToDate { acked, pings: unanswered - 1 };
        self.learners.insert(peer, Learner { progress, ..learner });
        if self.syncs.heard(peer, learner.is_follower()) {
            self.answer_syncs(replica, out);
        }
        Ok(())
    }

    // ---- sync as a quorum operation

    /// A sync is answered once a quorum has confirmed this leadership after it came, and what had been proposed when
    /// it came is committed. ZooKeeper asks nobody (ZOOKEEPER-1675), so that a deposed leader may answer.
    pub(crate) fn sync(
        &mut self,
        origin: Sid,
        body: P,
        replica: &Replica<P>,
        out: &mut Outputs<P>,
    ) {
        let Stage::Broadcast { .. } = self.stage else {
            return out.ignored(Ignored::NotLeading);
        };
        if origin != replica.config.me && !self.is_up_to_date(origin) {
            return out.ignored(Ignored::NotUpToDate);
        }
        out.action(Action::LeaderSyncRequest);
        self.syncs.push(origin, body, replica.history.last());
        if !self.syncs.is_asking() {
            self.ask_for_confirmation(replica, out);
            self.answer_syncs(replica, out);
        }
    }

    fn ask_for_confirmation(&mut self, replica: &Replica<P>, out: &mut Outputs<P>) {
        self.syncs.begin(replica.config.me);
        for (&sid, learner) in &mut self.learners {
            ping(sid, learner, out);
            if let Progress::UpToDate { pings, .. } = learner.progress {
                self.syncs.ask(sid, pings);
            }
        }
    }

    fn answer_syncs(&mut self, replica: &Replica<P>, out: &mut Outputs<P>) {
        while self.syncs.try_confirm(&replica.config.quorum) {
            out.action(Action::LeaderSyncConfirmed);
            if self.syncs.is_waiting() {
                self.ask_for_confirmation(replica, out);
            }
        }
        let committed = self.committed(replica);
        while let Some((origin, body)) = self.syncs.pop(committed) {
            if origin == replica.config.me {
                out.synced.push(body);
            } else if self.is_up_to_date(origin) {
                let message = Message::Session(SessionMessage::Sync(body));
                send(origin, message, After::Now, out);
            }
        }
    }

    // ---- the session layer's own messages

    fn on_session(
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

    // ---- small helpers

    fn is_up_to_date(&self, peer: Sid) -> bool {
        self.learners
            .get(&peer)
            .is_some_and(|learner| matches!(learner.progress, Progress::UpToDate { .. }))
    }

    /// What a learner may take for committed once it is told that it is up to date: before the leader is
    /// established that is the whole initial history.
    fn committed(&self, replica: &Replica<P>) -> Zxid {
        match self.stage {
            Stage::Discovery | Stage::AwaitAckEpoch { .. } | Stage::AwaitAckNewLeader { .. } => {
                replica.history.last()
            }
            Stage::Broadcast { committed, .. } => committed,
        }
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

fn ping<P>(sid: Sid, learner: &mut Learner, out: &mut Outputs<P>) {
    if let Progress::UpToDate { pings, .. } = &mut learner.progress {
        *pings = pings.saturating_add(1);
        send(sid, Message::Ping { body: None }, After::Now, out);
    }
}
