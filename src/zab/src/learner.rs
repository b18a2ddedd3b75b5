//! The learner, follower or observer: discovery, synchronisation and broadcast as seen from one who follows.
//!
//! Source: the Zab paper, phases 1 to 3; ZooKeeper's `Learner`, `Follower` and `Observer`.

use crate::io::{Action, After, Ignored, LinkCmd, Note, Outputs, Refusal, Send, Timer};
use crate::message::{LearnerKind, Message, MessageKind, Payload, SessionMessage, Txn};
use crate::replica::Replica;
use crate::types::{Epoch, Sid, Zxid};

/// A server attached, or attaching, to a leader.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Learner {
    leader: Sid,
    kind: LearnerKind,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Stage {
    /// Waiting for the link.
    Connecting,
    /// FOLLOWERINFO is sent.
    Discovery,
    /// The epoch is promised; waiting for the plan.
    AwaitPlan { epoch: Epoch },
    /// The plan came; what the leader holds follows, up to NEWLEADER.
    Synchronizing { epoch: Epoch, committed: Zxid },
    /// NEWLEADER is accepted; what `committed` says becomes true with UPTODATE.
    AwaitUpToDate { epoch: Epoch, committed: Zxid },
    /// Up to date.
    Broadcast { epoch: Epoch },
}

impl Learner {
    /// Begins to follow. `Learner.connectToLeader`.
    pub(crate) fn begin<P>(leader: Sid, kind: LearnerKind, out: &mut Outputs<P>) -> Self {
        out.arm(Timer::InitLimit);
        out.links.push(LinkCmd::Connect(leader));
        Self { leader, kind, stage: Stage::Connecting }
    }

    pub(crate) fn renamed(&self, name: impl Fn(Sid) -> Sid) -> Self {
        Self { leader: name(self.leader), ..self.clone() }
    }

    pub(crate) fn leader(&self) -> Sid {
        self.leader
    }

    pub(crate) fn kind(&self) -> LearnerKind {
        self.kind
    }

    /// The leader's epoch, once this learner is up to date.
    pub(crate) fn established(&self) -> Option<Epoch> {
        match self.stage {
            Stage::Connecting
            | Stage::Discovery
            | Stage::AwaitPlan { .. }
            | Stage::Synchronizing { .. }
            | Stage::AwaitUpToDate { .. } => None,
            Stage::Broadcast { epoch } => Some(epoch),
        }
    }

    /// Leaves the leader: the link is closed, every timer stopped.
    pub(crate) fn end<P>(&mut self, out: &mut Outputs<P>) {
        out.disarm(Timer::InitLimit);
        out.disarm(Timer::SyncLimit);
        out.links.push(LinkCmd::Close(self.leader));
    }

    /// The link is up: say what was promised.
    pub(crate) fn link_up<P: Payload>(&mut self, replica: &Replica<P>, out: &mut Outputs<P>) {
        let Stage::Connecting = self.stage else {
            return out.ignored(Ignored::NotNow);
        };
        out.action(Action::LearnerSendInfo);
        self.stage = Stage::Discovery;
        let accepted = replica.accepted;
        self.send(Message::LearnerInfo { kind: self.kind, accepted }, After::Now, out);
    }

    /// True if the timer means that the leader has to be left.
    pub(crate) fn is_due(&self, timer: Timer) -> bool {
        match (timer, self.stage) {
            (
                Timer::InitLimit,
                Stage::Connecting
                | Stage::Discovery
                | Stage::AwaitPlan { .. }
                | Stage::Synchronizing { .. }
                | Stage::AwaitUpToDate { .. },
            )
            | (Timer::SyncLimit, Stage::Broadcast { .. }) => true,
            (
                Timer::InitLimit
                | Timer::SyncLimit
                | Timer::Resend
                | Timer::Finalize
                | Timer::LearnerInitLimit(_)
                | Timer::LearnerSyncLimit(_)
                | Timer::QuorumLoss
                | Timer::Ping,
                Stage::Connecting
                | Stage::Discovery
                | Stage::AwaitPlan { .. }
                | Stage::Synchronizing { .. }
                | Stage::AwaitUpToDate { .. }
                | Stage::Broadcast { .. },
            ) => false,
        }
    }

    /// A message from the leader.
    ///
    /// # Errors
    /// The leader has to be left, for this reason.
    pub(crate) fn recv<P: Payload>(
        &mut self,
        message: Message<P>,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        if let Stage::Broadcast { .. } = self.stage {
            out.arm(Timer::SyncLimit);
        }
        let kind = message.kind();
        match message {
            Message::LeaderInfo { epoch } => self.on_leader_info(epoch, replica, out),
            Message::Diff { committed } => self.on_diff(committed, out),
            Message::Trunc { to, committed } => self.on_trunc(to, committed, replica, out),
            Message::Snap { zxid } => self.on_snap(zxid, replica, out),
            Message::NewLeader { epoch } => self.on_new_leader(epoch, replica, out),
            Message::UpToDate => self.on_up_to_date(replica, out),
            Message::Proposal(txn) => self.on_proposal(txn, replica, out),
            Message::Commit { zxid } => self.on_commit(zxid, replica, out),
            Message::Inform(txn) => self.on_inform(txn, replica, out),
            Message::Ping { body: _ } => self.on_ping(out),
            Message::Session(message) => self.on_session(message, out),
            Message::LearnerInfo { .. }
            | Message::AckEpoch { .. }
            | Message::AckNewLeader { .. }
            | Message::Ack { .. } => Err(Refusal::Unexpected(kind)),
        }
    }

    // ---- phase 1: discovery

    /// LEADERINFO: promise the epoch if it is newer than every one promised before. ACKEPOCH leaves once the promise
    /// is durable, and with it the history that it reports.
    fn on_leader_info<P: Payload>(
        &mut self,
        epoch: Epoch,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let Stage::Discovery = self.stage else {
            return Err(Refusal::Unexpected(MessageKind::LeaderInfo));
        };
        let accepted = replica.accepted;
        if !replica.config.is_plausible(epoch, accepted) {
            return Err(Refusal::ImplausibleEpoch { accepted, got: epoch });
        }
        if epoch > replica.config.epoch_max {
            return Err(Refusal::EpochsExhausted { accepted: epoch });
        }
        let current = match epoch.cmp(&accepted) {
            core::cmp::Ordering::Less => {
                return Err(Refusal::EpochTooOld { accepted, got: epoch });
            }
            core::cmp::Ordering::Equal => {
                out.action(Action::LearnerPromiseAgain);
                None
            }
            core::cmp::Ordering::Greater => {
                out.action(Action::LearnerPromise);
                replica.promise(epoch, self.leader, out);
                // Whoever lost its history cannot say what a leader of this epoch has to know.
                (!replica.history_lost).then_some(replica.current)
            }
        };
        self.stage = Stage::AwaitPlan { epoch };
        let last = replica.history.last();
        self.send(Message::AckEpoch { current, last }, replica.gate(), out);
        Ok(())
    }

    // ---- phase 2: synchronisation

    fn begin_synchronizing(&mut self, kind: MessageKind, committed: Zxid) -> Result<(), Refusal> {
        let Stage::AwaitPlan { epoch } = self.stage else {
            return Err(Refusal::Unexpected(kind));
        };
        self.stage = Stage::Synchronizing { epoch, committed };
        Ok(())
    }

    fn on_diff<P>(&mut self, committed: Zxid, out: &mut Outputs<P>) -> Result<(), Refusal> {
        self.begin_synchronizing(MessageKind::Diff, committed)?;
        out.action(Action::LearnerProcessDiff);
        Ok(())
    }

    fn on_trunc<P: Payload>(
        &mut self,
        to: Zxid,
        committed: Zxid,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        self.begin_synchronizing(MessageKind::Trunc, committed)?;
        let last = replica.history.last();
        if to < replica.delivered || replica.history.floor(to) != Some(to) {
            return Err(Refusal::BadTrunc { last, to });
        }
        out.action(Action::LearnerProcessTrunc);
        if to < last {
            replica.truncate(to, out);
        }
        Ok(())
    }

    fn on_snap<P: Payload>(
        &mut self,
        zxid: Zxid,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        self.begin_synchronizing(MessageKind::Snap, zxid)?;
        if zxid.epoch() > replica.accepted {
            return Err(Refusal::WrongEpoch { expected: replica.accepted, got: zxid.epoch() });
        }
        let delivered = replica.delivered;
        if zxid < delivered {
            return Err(Refusal::BadSnap { delivered, zxid });
        }
        out.action(Action::LearnerProcessSnap);
        replica.install(zxid, out);
        Ok(())
    }

    /// NEWLEADER: what the leader holds is here, all of it issued to the disk; the epoch comes behind it, and the
    /// acknowledgement when all of that is durable. Proposals of this epoch that came before NEWLEADER are acknowledged
    /// behind it, never before (ZOOKEEPER-4685).
    fn on_new_leader<P: Payload>(
        &mut self,
        got: Epoch,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let Stage::Synchronizing { epoch, committed } = self.stage else {
            return Err(Refusal::Unexpected(MessageKind::NewLeader));
        };
        if got != epoch {
            return Err(Refusal::WrongEpoch { expected: epoch, got });
        }
        out.action(Action::LearnerProcessNewLeader);
        replica.accept(epoch, out);
        self.stage = Stage::AwaitUpToDate { epoch, committed };
        self.send(Message::AckNewLeader { epoch }, replica.gate(), out);
        let last = replica.history.last();
        if last.epoch() == epoch && self.kind == LearnerKind::Follower {
            self.send(Message::Ack { zxid: last }, replica.gate(), out);
        }
        Ok(())
    }

    fn on_up_to_date<P: Payload>(
        &mut self,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let Stage::AwaitUpToDate { epoch, committed } = self.stage else {
            return Err(Refusal::Unexpected(MessageKind::UpToDate));
        };
        out.action(Action::LearnerProcessUpToDate);
        out.notes.push(Note::Established(epoch));
        out.disarm(Timer::InitLimit);
        out.arm(Timer::SyncLimit);
        self.stage = Stage::Broadcast { epoch };
        replica.deliver(committed, out);
        Ok(())
    }

    // ---- phase 3: broadcast, and the part of it that begins during phase 2

    /// PROPOSAL. In phase 2 part of the history (of any epoch), behind NEWLEADER a new transaction of this epoch.
    fn on_proposal<P: Payload>(
        &mut self,
        txn: Txn<P>,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let unexpected = Refusal::Unexpected(MessageKind::Proposal);
        let acknowledge = match (self.stage, self.kind) {
            (Stage::Connecting | Stage::Discovery | Stage::AwaitPlan { .. }, _)
            | (Stage::AwaitUpToDate { .. } | Stage::Broadcast { .. }, LearnerKind::Observer) => {
                return Err(unexpected);
            }
            (Stage::Synchronizing { .. }, _) => false,
            (Stage::AwaitUpToDate { .. } | Stage::Broadcast { .. }, LearnerKind::Follower) => true,
        };
        let zxid = txn.zxid;
        if !self.append(txn, replica, out)? {
            return Ok(());
        }
        out.action(Action::LearnerProcessProposal);
        if acknowledge {
            self.send(Message::Ack { zxid }, replica.gate(), out);
        }
        Ok(())
    }

    /// COMMIT. Until this learner is up to date it is only remembered: the leader need not be established yet.
    fn on_commit<P: Payload>(
        &mut self,
        zxid: Zxid,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let last = replica.history.last();
        let known = zxid <= last;
        match &mut self.stage {
            Stage::Connecting | Stage::Discovery | Stage::AwaitPlan { .. } => {
                return Err(Refusal::Unexpected(MessageKind::Commit));
            }
            Stage::Broadcast { .. } if self.kind == LearnerKind::Observer => {
                return Err(Refusal::Unexpected(MessageKind::Commit));
            }
            Stage::Synchronizing { .. } | Stage::AwaitUpToDate { .. } | Stage::Broadcast { .. }
                if !known =>
            {
                return Err(Refusal::BadCommit { last, zxid });
            }
            Stage::Synchronizing { committed, .. } | Stage::AwaitUpToDate { committed, .. } => {
                *committed = zxid.max(*committed);
            }
            Stage::Broadcast { .. } => replica.deliver(zxid, out),
        }
        out.action(Action::LearnerProcessCommit);
        Ok(())
    }

    /// INFORM: a proposal and its commit in one, for observers.
    fn on_inform<P: Payload>(
        &mut self,
        txn: Txn<P>,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let unexpected = Refusal::Unexpected(MessageKind::Inform);
        match (self.kind, self.stage) {
            (LearnerKind::Follower, _)
            | (_, Stage::Connecting | Stage::Discovery | Stage::AwaitPlan { .. }) => {
                return Err(unexpected);
            }
            (
                LearnerKind::Observer,
                Stage::Synchronizing { .. } | Stage::AwaitUpToDate { .. } | Stage::Broadcast { .. },
            ) => {}
        }
        let zxid = txn.zxid;
        if !self.append(txn, replica, out)? {
            return Ok(());
        }
        out.action(Action::LearnerProcessInform);
        match &mut self.stage {
            Stage::Synchronizing { committed, .. } | Stage::AwaitUpToDate { committed, .. } => {
                *committed = zxid.max(*committed);
            }
            Stage::Broadcast { .. } => replica.deliver(zxid, out),
            Stage::Connecting | Stage::Discovery | Stage::AwaitPlan { .. } => {}
        }
        Ok(())
    }

    /// Appends what continues the history; false if it is there already (ZooKeeper's fuzzy SNAP may say things twice).
    fn append<P: Payload>(
        &self,
        txn: Txn<P>,
        replica: &mut Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<bool, Refusal> {
        let (last, got) = (replica.history.last(), txn.zxid);
        let (of_epoch, is_history) = match self.stage {
            Stage::Connecting | Stage::Discovery => {
                return Err(Refusal::Unexpected(MessageKind::Proposal));
            }
            Stage::AwaitPlan { epoch } | Stage::Synchronizing { epoch, .. } => (epoch, true),
            Stage::AwaitUpToDate { epoch, .. } | Stage::Broadcast { epoch } => (epoch, false),
        };
        if got <= replica.history.base() || replica.history.floor(got) == Some(got) {
            out.ignored(Ignored::Duplicate);
            return Ok(false);
        }
        if got.epoch() > of_epoch || (!is_history && got.epoch() != of_epoch) {
            return Err(Refusal::WrongEpoch { expected: of_epoch, got: got.epoch() });
        }
        if !last.is_followed_by(got) {
            return Err(Refusal::Gap { last, got });
        }
        replica.append(txn, out);
        Ok(true)
    }

    fn on_ping<P>(&mut self, out: &mut Outputs<P>) -> Result<(), Refusal> {
        let Stage::Broadcast { .. } = self.stage else {
            out.ignored(Ignored::NotUpToDate);
            return Ok(());
        };
        out.action(Action::LearnerProcessPing);
        self.send(Message::Ping { body: None }, After::Now, out);
        Ok(())
    }

    // ---- the session layer's own messages

    fn on_session<P>(
        &mut self,
        message: SessionMessage<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let Stage::Broadcast { .. } = self.stage else {
            out.ignored(Ignored::NotUpToDate);
            return Ok(());
        };
        out.action(Action::SessionDeliver);
        out.session.push((self.leader, message));
        Ok(())
    }

    pub(crate) fn send_session<P>(
        &mut self,
        peer: Sid,
        message: SessionMessage<P>,
        out: &mut Outputs<P>,
    ) {
        let (true, Stage::Broadcast { .. }) = (peer == self.leader, self.stage) else {
            return out.ignored(Ignored::NotUpToDate);
        };
        out.action(Action::SessionForward);
        self.send(Message::Session(message), After::Now, out);
    }

    fn send<P>(&self, message: Message<P>, after: After, out: &mut Outputs<P>) {
        out.sends.push(Send { to: self.leader, message, after });
    }
}
