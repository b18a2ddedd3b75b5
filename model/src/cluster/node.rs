//! One server of a cluster: the deployed machine, its disk, and the little that a shell adds.

use std::collections::BTreeSet;

use zab::{
    Action, After, Config, Decision, DiskImage, Halt, Input, LinkCmd, Message, Note, Notification,
    Outputs, Record, Refusal, Role, Sid, Timer, TimerCmd, WriteNo, Zxid,
};

use super::ghost::GhostEvent;
use super::machine::{Machine, Txn};
use super::mark::Mark;
use super::property::Property;
use super::quiet::caught;
use super::refinement::{self, OnDisk};

/// A server. Everything outside `machine` is what the shell of a deployed server keeps for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node<M> {
    /// The core.
    pub machine: M,
    /// What is on disk, and on its way there.
    pub disk: Disk,
    /// Messages that wait for the disk, in order.
    pub gated: Vec<Gated>,
    /// Timers that run.
    pub armed: BTreeSet<Timer>,
    /// The state machine: every transaction in it, in order.
    pub applied: Vec<Txn>,
    /// The leader that the shell dials.
    pub dialling: Option<Sid>,
}

/// A disk: what is durable, and the records that were issued behind it, in order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Disk {
    /// The fold of the durable records.
    pub image: DiskImage<u8>,
    /// What the snapshot of `image` holds.
    pub snapshot: Vec<Txn>,
    /// Issued, not durable.
    pub pending: Vec<Write>,
}

/// A record, with the snapshot that belongs to it if it is one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Write {
    /// As the core issued it.
    pub record: Record<u8>,
    /// What the received snapshot holds.
    pub content: Vec<Txn>,
}

/// A message that waits until `writes` more records are durable.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Gated {
    /// How many of the pending records it waits for.
    pub writes: u64,
    /// Over which link it will leave.
    pub to: Sid,
    /// What it says.
    pub envelope: Envelope,
}

/// A message on a link; a SNAP has the streamed state with it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Envelope {
    /// What the core said.
    pub message: Message<u8>,
    /// What the shell streamed: the sender's state machine when the message left.
    pub content: Vec<Txn>,
}

/// What can happen to a server in a model.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// The oracle decides.
    Elected(Decision),
    /// An election message arrives.
    Notify(Sid, Notification),
    /// The next message over the link to the peer arrives.
    Recv(Sid, Envelope),
    /// A link came up, or broke.
    Link(Sid, bool),
    /// An armed timer runs out.
    Timer(Timer),
    /// One more record is durable.
    Disk,
    /// The session layer proposes a transaction.
    Propose,
    /// The session layer asks for a confirmed sync.
    Sync,
    /// The shell writes a snapshot of its state machine, as far as the log on disk reaches, and purges the log.
    Compact,
    /// The server crashes and starts again.
    Crash,
}

/// What an event did to the rest of the cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Effects {
    /// Messages that left, in order.
    pub sends: Vec<(Sid, Envelope)>,
    /// Links closed at this end.
    pub closes: Vec<Sid>,
    /// Election messages.
    pub notifications: Vec<(Sid, Notification)>,
    /// What the ghosts have to know.
    pub ghost: Vec<GhostEvent>,
    /// Coverage: actions of the core, and companions.
    pub marks: u128,
    /// Properties that this step violates.
    pub violated: u64,
    /// What a server complained of, for people.
    pub complaint: Option<String>,
}

impl Disk {
    /// What a server that never ran has on disk.
    pub fn empty() -> Self {
        Self { image: DiskImage::empty(), snapshot: Vec::new(), pending: Vec::new() }
    }

    /// The history on this disk.
    pub fn durable_history(&self) -> Vec<Txn> {
        self.snapshot.iter().chain(&self.image.log).cloned().collect()
    }

    /// The history that will be on this disk once all that is pending has arrived.
    pub fn issued_history(&self) -> Vec<Txn> {
        let mut disk = self.clone();
        while disk.advance() {}
        disk.durable_history()
    }

    /// One more record becomes durable; false if there is none.
    pub fn advance(&mut self) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let write = self.pending.remove(0);
        self.image.apply(&write.record);
        if let Record::Snapshot { .. } = write.record {
            self.snapshot = write.content;
        }
        true
    }

    /// Replaces as much of the log as `applied` covers by a snapshot.
    fn compact(&mut self, applied: &[Txn]) -> bool {
        let Some(at) = applied.last().map(|txn| txn.zxid) else {
            return false;
        };
        let keep = self.image.log.iter().position(|txn| txn.zxid > at);
        let cut = keep.unwrap_or(self.image.log.len());
        if cut == 0 || self.image.log[cut - 1].zxid != at {
            return false;
        }
        self.image.log.drain(..cut);
        self.image.snapshot = at;
        self.snapshot = applied.to_vec();
        true
    }
}

impl<M: Machine> Node<M> {
    /// A server that starts with this disk.
    pub fn start(config: Config, disk: Disk) -> (Self, Effects) {
        let mut node = Self {
            machine: M::new(config),
            applied: disk.snapshot.clone(),
            disk,
            gated: Vec::new(),
            armed: BTreeSet::new(),
            dialling: None,
        };
        let mut effects = Effects::default();
        let image = node.disk.image.clone();
        node.step(config.me, Input::Start(image), None, &mut effects);
        (node, effects)
    }

    /// What happens at the event; `None` if the event cannot happen now.
    pub fn on(&self, config: Config, event: &Event) -> Option<(Self, Effects)> {
        let me = config.me;
        let mut node = self.clone();
        let mut effects = Effects::default();
        match event {
            Event::Elected(decision) => {
                let mut out = Outputs::new();
                node.machine.elected(*decision, &mut out);
                node.absorb(me, self, out, None, &mut effects);
            }
            Event::Notify(from, notification) => {
                let input = Input::Notify { from: *from, notification: *notification };
                node.step(me, input, None, &mut effects);
            }
            Event::Recv(peer, envelope) => {
                let Envelope { message, content } = envelope.clone();
                if let Message::Commit { .. } = message
                    && self.machine.established().is_none()
                {
                    effects.marks |= Mark::CommitBeforeUpToDate.bit();
                }
                node.step(me, Input::Recv { peer: *peer, message }, Some(content), &mut effects);
            }
            Event::Link(peer, up) => {
                node.gated.retain(|gated| gated.to != *peer);
                if *up && node.dialling == Some(*peer) {
                    node.dialling = None;
                }
                node.step(me, Input::Link { peer: *peer, up: *up }, None, &mut effects);
            }
            Event::Timer(timer) => {
                if !node.armed.remove(timer) {
                    return None;
                }
                node.step(me, Input::Timer(*timer), None, &mut effects);
            }
            Event::Disk => {
                let before = OnDisk::of(&node.disk);
                if !node.disk.advance() {
                    return None;
                }
                let (after, candidate) = (OnDisk::of(&node.disk), node.promises_to(me));
                effects.ghost.push(GhostEvent::Disk { sid: me, before, after, candidate });
                node.own_acknowledgement(me, &mut effects);
                node.release(&mut effects);
                node.step(me, Input::Durable { upto: WriteNo(1) }, None, &mut effects);
            }
            Event::Propose => node.step(me, Input::Propose(0), None, &mut effects),
            Event::Sync => {
                node.step(me, Input::Sync { origin: me, body: 0 }, None, &mut effects);
            }
            Event::Compact => {
                if !node.disk.compact(&self.applied) {
                    return None;
                }
                let (before, after) = (OnDisk::of(&self.disk), OnDisk::of(&node.disk));
                effects.ghost.push(GhostEvent::Disk { sid: me, before, after, candidate: me });
            }
            Event::Crash => {
                let mut disk = self.disk.clone();
                if matches!(disk.pending.first(), Some(w) if matches!(w.record, Record::CurrentEpoch(_)))
                {
                    effects.marks |= Mark::CrashBetweenHistoryAndEpoch.bit();
                }
                disk.pending.clear();
                let (fresh, started) = Self::start(config, disk);
                effects.marks |= started.marks;
                effects.violated |= started.violated;
                effects.notifications = started.notifications;
                if let Role::Leading = self.machine.zab().role() {
                    effects.ghost.push(GhostEvent::LeadershipEnded(me));
                }
                let snapshot = fresh.disk.snapshot.clone();
                effects.ghost.push(GhostEvent::Crashed { sid: me, snapshot });
                node = fresh;
            }
        }
        let kinds = effects.ghost.iter().filter_map(refinement::kind);
        effects.marks |= kinds.fold(0, |marks, kind| marks | Mark::of(kind));
        Some((node, effects))
    }

    /// To whom a promise that is durable now was made: whoever the ACKEPOCH that waits for it goes to. A candidate
    /// promises to itself; and so, as good as to nobody, does a server that has lost its leader meanwhile.
    fn promises_to(&self, me: Sid) -> Sid {
        let waits = |gated: &&Gated| {
            let promise = matches!(gated.envelope.message, Message::AckEpoch { .. });
            gated.writes == 1 && promise
        };
        self.gated.iter().find(waits).map_or(me, |gated| gated.to)
    }

    /// The same server under other names; `None` if names matter to it.
    pub fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Option<Self> {
        let gated = self.gated.iter().map(|gated| Gated { to: name(gated.to), ..gated.clone() });
        let armed = self.armed.iter().map(|timer| match timer {
            Timer::LearnerInitLimit(sid) => Timer::LearnerInitLimit(name(*sid)),
            Timer::LearnerSyncLimit(sid) => Timer::LearnerSyncLimit(name(*sid)),
            Timer::Resend
            | Timer::Finalize
            | Timer::InitLimit
            | Timer::SyncLimit
            | Timer::QuorumLoss
            | Timer::Ping => *timer,
        });
        let mut gated: Vec<_> = gated.collect();
        gated.sort_by_key(|gated| gated.to);
        Some(Self {
            machine: self.machine.renamed(name)?,
            disk: self.disk.clone(),
            gated,
            armed: armed.collect(),
            applied: self.applied.clone(),
            dialling: self.dialling.map(name),
        })
    }

    fn step(
        &mut self,
        me: Sid,
        input: Input<u8>,
        content: Option<Vec<Txn>>,
        effects: &mut Effects,
    ) {
        let before = self.clone();
        let mut out = Outputs::new();
        let machine = &mut self.machine;
        if let Err(said) = caught(|| machine.step(input, &mut out)) {
            // The step died half-way: what it left behind means nothing.
            effects.complaint = Some(format!("{me} panics: {said}"));
            effects.violated |= Property::Z13.bit();
            *self = before;
            return;
        }
        self.absorb(me, &before, out, content, effects);
    }

    /// Does what the shell does with the outputs of a step.
    fn absorb(
        &mut self,
        me: Sid,
        before: &Self,
        out: Outputs<u8>,
        content: Option<Vec<Txn>>,
        effects: &mut Effects,
    ) {
        let shift = self.machine.renumber();
        let relative = |no: WriteNo| no.0.saturating_sub(shift.0);
        if out.install.is_some() {
            self.applied = content.clone().unwrap_or_default();
        }
        for (_, record) in out.writes {
            let content = match record {
                Record::Snapshot { .. } => content.clone().unwrap_or_default(),
                Record::Txn(_)
                | Record::Truncate { .. }
                | Record::AcceptedEpoch(_)
                | Record::CurrentEpoch(_) => Vec::new(),
            };
            self.disk.pending.push(Write { record, content });
        }
        // A SNAP carries the state as it was before this step delivered more, never less than its label says.
        for send in out.sends {
            let content = match send.message {
                Message::Snap { .. } => self.applied.clone(),
                Message::LearnerInfo { .. }
                | Message::LeaderInfo { .. }
                | Message::AckEpoch { .. }
                | Message::Diff { .. }
                | Message::Trunc { .. }
                | Message::NewLeader { .. }
                | Message::AckNewLeader { .. }
                | Message::UpToDate
                | Message::Proposal(_)
                | Message::Ack { .. }
                | Message::Commit { .. }
                | Message::Inform(_)
                | Message::Ping { .. }
                | Message::Session(_) => Vec::new(),
            };
            let envelope = Envelope { message: send.message, content };
            match send.after {
                After::Durable(no) if relative(no) > 0 => {
                    self.gated.push(Gated { writes: relative(no), to: send.to, envelope });
                    // Only the order over one link means something.
                    self.gated.sort_by_key(|gated| gated.to);
                }
                After::Now | After::Durable(_) => self.leave(send.to, envelope, effects),
            }
        }
        for cmd in out.links {
            match cmd {
                LinkCmd::Connect(leader) => self.dialling = Some(leader),
                LinkCmd::Close(peer) => {
                    self.dialling = None;
                    self.gated.retain(|gated| gated.to != peer);
                    effects.closes.push(peer);
                }
            }
        }
        for cmd in out.timers {
            match cmd {
                TimerCmd::Arm(timer) => self.armed.insert(timer),
                TimerCmd::Disarm(timer) => self.armed.remove(&timer),
            };
        }
        effects.notifications.extend(out.notifications);
        match out.halt {
            // An ensemble without epochs left stops; that is an answer.
            None | Some(Halt::EpochsExhausted { .. }) => {}
            Some(
                Halt::LogOutOfOrder { .. }
                | Halt::CurrentEpochAhead { .. }
                | Halt::HistoryAhead { .. },
            ) => {
                effects.complaint = Some(format!("{me} refuses to start: {:?}", out.halt));
                effects.violated |= Property::Z12.bit();
            }
        }
        let proposed_on = self.applied.clone();
        let delivers = !out.deliver.is_empty();
        self.applied.extend(out.deliver);
        for note in out.notes {
            match note {
                Note::Action(action) => {
                    effects.marks |= 1 << (action as u32);
                    self.ghost_of(me, action, &proposed_on, effects);
                }
                Note::Established(epoch) => {
                    if let Role::Leading = self.machine.zab().role() {
                        effects.ghost.push(GhostEvent::Established { leader: me, epoch });
                    }
                }
                Note::Refused(peer, refusal) if is_fault(refusal) => {
                    effects.complaint = Some(format!("{me} refuses {peer}: {refusal:?}"));
                    effects.violated |= Property::Z13.bit();
                }
                Note::Refused(..) | Note::Role(..) | Note::Ignored(_) => {}
            }
        }
        if let (Role::Leading, false) =
            (before.machine.zab().role(), self.machine.zab().role() == Role::Leading)
        {
            effects.ghost.push(GhostEvent::LeadershipEnded(me));
        }
        if delivers || out.install.is_some() {
            effects.marks |= Mark::Delivered.bit();
            effects.ghost.push(GhostEvent::Delivered(me, self.applied.clone()));
        }
        for _ in out.synced {
            effects.ghost.push(GhostEvent::Synced(me, self.applied.clone()));
        }
        let zab = |node: &Self| {
            let zab = node.machine.zab();
            (zab.accepted_epoch(), zab.current_epoch())
        };
        let ((p, a), (p0, a0)) = (zab(self), zab(before));
        if p < p0 || a < a0 || a > p {
            effects.violated |= Property::Z8.bit();
        }
    }

    fn ghost_of(&self, me: Sid, action: Action, applied: &[Txn], effects: &mut Effects) {
        let history = || self.disk.issued_history();
        match action {
            Action::LeaderElected => effects.ghost.push(GhostEvent::Elected {
                leader: me,
                epoch: self.machine.zab().accepted_epoch().unwrap_or_default(),
                initial: history(),
            }),
            Action::LeaderPropose => {
                if let Some(txn) = history().pop() {
                    let applied = applied.to_vec();
                    effects.ghost.push(GhostEvent::Proposed { leader: me, txn, applied });
                }
            }
            Action::LeaderSyncRequest => effects.ghost.push(GhostEvent::SyncAsked(me)),
            Action::Start
            | Action::ElectionStartRound
            | Action::ElectionJoinRound
            | Action::ElectionAdoptVote
            | Action::ElectionCountVote
            | Action::ElectionResend
            | Action::ElectionAnswer
            | Action::ElectionFinalize
            | Action::ElectionElectSelf
            | Action::ElectionElectOther
            | Action::ElectionJoinEstablished
            | Action::BecomeLeading
            | Action::BecomeLearner
            | Action::LeaderAcceptLink
            | Action::LeaderProcessLearnerInfo
            | Action::LeaderChooseEpoch
            | Action::LeaderProcessAckEpoch
            | Action::LeaderSyncDiff
            | Action::LeaderSyncTrunc
            | Action::LeaderSyncTruncDiff
            | Action::LeaderSyncSnap
            | Action::LeaderProcessAckNewLeader
            | Action::LeaderEstablished
            | Action::LeaderUpToDate
            | Action::LeaderRollOver
            | Action::LeaderProcessAck
            | Action::LeaderCommit
            | Action::LeaderPing
            | Action::LeaderProcessPing
            | Action::LeaderSyncConfirmed
            | Action::LeaderLearnerGone
            | Action::LeaderStepDown
            | Action::LearnerSendInfo
            | Action::LearnerPromise
            | Action::LearnerPromiseAgain
            | Action::LearnerProcessDiff
            | Action::LearnerProcessTrunc
            | Action::LearnerProcessSnap
            | Action::LearnerProcessNewLeader
            | Action::LearnerProcessUpToDate
            | Action::LearnerProcessProposal
            | Action::LearnerProcessCommit
            | Action::LearnerProcessInform
            | Action::LearnerProcessPing
            | Action::LearnerLeave
            | Action::SessionForward
            | Action::SessionDeliver
            | Action::Durable => {}
        }
    }

    /// A message leaves: what it says about this disk has to be true.
    fn leave(&self, to: Sid, envelope: Envelope, effects: &mut Effects) {
        let disk = &self.disk;
        let image = &disk.image;
        let me = self.machine.zab().me();
        if let Message::AckEpoch { .. } | Message::AckNewLeader { .. } | Message::Ack { .. } =
            &envelope.message
        {
            effects.marks |= Mark::Acknowledged.bit();
        }
        match &envelope.message {
            Message::LeaderInfo { epoch } if image.accepted < *epoch => {
                effects.violated |= Property::Z6.bit();
            }
            Message::AckEpoch { current, last } => {
                let described = image.last() == *last
                    && current.is_none_or(|current| image.current == current)
                    && self.machine.zab().accepted_epoch() == Some(image.accepted);
                if !described {
                    effects.violated |= Property::Z11.bit();
                }
            }
            Message::AckNewLeader { epoch } => {
                if image.current != *epoch || image.accepted != *epoch {
                    effects.violated |= Property::Z6.bit();
                }
                let disk = OnDisk::of(disk);
                effects.ghost.push(GhostEvent::AckedInitial { sid: me, epoch: *epoch, disk });
            }
            Message::Ack { zxid } => {
                let durable =
                    *zxid <= image.snapshot || image.log.iter().any(|txn| txn.zxid == *zxid);
                if !durable || image.current != zxid.epoch() || image.accepted != zxid.epoch() {
                    effects.violated |= Property::Z6.bit();
                }
                let disk = OnDisk::of(disk);
                effects.ghost.push(GhostEvent::Acked { sid: me, zxid: *zxid, disk });
            }
            Message::LearnerInfo { .. }
            | Message::LeaderInfo { .. }
            | Message::Diff { .. }
            | Message::Trunc { .. }
            | Message::Snap { .. }
            | Message::NewLeader { .. }
            | Message::UpToDate
            | Message::Proposal(_)
            | Message::Commit { .. }
            | Message::Inform(_)
            | Message::Ping { .. }
            | Message::Session(_) => {}
        }
        effects.sends.push((to, envelope));
    }

    /// Lets go of the messages that waited for the record that has just become durable.
    fn release(&mut self, effects: &mut Effects) {
        let gated = std::mem::take(&mut self.gated);
        for mut gate in gated {
            gate.writes -= 1;
            if gate.writes == 0 {
                self.leave(gate.to, gate.envelope, effects);
            } else {
                self.gated.push(gate);
            }
        }
    }

    /// A leader acknowledges its own transactions by having them on disk.
    fn own_acknowledgement(&self, me: Sid, effects: &mut Effects) {
        let zab = self.machine.zab();
        let image = &self.disk.image;
        let epochs = (zab.accepted_epoch(), zab.current_epoch());
        let epoch = image.current;
        if zab.role() == Role::Leading
            && image.accepted == epoch
            && epochs == (Some(epoch), Some(epoch))
        {
            let (disk, zxid) = (OnDisk::of(&self.disk), image.last());
            if zxid.epoch() == epoch && zxid != Zxid::ZERO {
                let disk = disk.clone();
                effects.ghost.push(GhostEvent::Acked { sid: me, zxid, disk });
            }
            effects.ghost.push(GhostEvent::AckedInitial { sid: me, epoch, disk });
        }
    }
}

/// True if correct servers never refuse each other for this reason.
fn is_fault(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Unexpected(_)
        | Refusal::WrongEpoch { .. }
        | Refusal::Gap { .. }
        | Refusal::BadTrunc { .. }
        | Refusal::BadSnap { .. }
        | Refusal::BadCommit { .. }
        | Refusal::BadAck { .. }
        | Refusal::ImplausibleEpoch { .. } => true,
        Refusal::EpochTooOld { .. }
        | Refusal::LearnerAhead { .. }
        | Refusal::EpochsExhausted { .. }
        | Refusal::TimedOut
        | Refusal::RoleEnded => false,
    }
}
