//! One server of a cluster: the deployed host with the deployed core in it, its disk, and what is
//! around them.

use std::collections::BTreeSet;
use std::mem;

use host::{Effect, Host, Link, Timer};
use zab::{
    Action, Config, Decision, Fact, Halt, Message, Note, Notification, Record, Refusal, Sid,
    WriteNo, Zxid,
};

use super::disk::{Disk, Write};
use super::frame::Frame;
use super::ghost::GhostEvent;
use super::machine::{Facts, Machine, Txn};
use super::mark::Mark;
use super::payload::{Origin, Over};
use super::property::Property;
use super::quiet::caught;
use super::refinement::{Held, OnDisk, Step};
use super::session::{Asking, Layer, Said};

/// A server. Everything outside `host` is what surrounds a deployed server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node<M: Machine> {
    /// The host, and the core in it.
    pub host: Host<M>,
    /// What is on disk, and on its way there.
    pub disk: Disk,
    /// Timers that run.
    pub armed: BTreeSet<Timer>,
    /// The state machine: every transaction in it, in order.
    pub applied: Vec<Txn>,
    /// The leader that is dialled.
    pub dialling: Option<Sid>,
    /// What it does for sessions, if the cluster has clients.
    pub layer: Option<Box<Layer>>,
}

/// What can happen to a server in a model.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// The oracle decides.
    Elected(Decision),
    /// An election message arrives.
    Notify(Sid, Notification),
    /// The next packet of a connection arrives.
    Recv(Link, Frame),
    /// Packets of a connection arrive together.
    RecvRun(Link, Vec<Frame>),
    /// A connection is up: the leader that was dialled answers, or a learner has dialled.
    Opened {
        /// Which one.
        link: Link,
        /// By this server.
        dialled: bool,
    },
    /// A connection broke.
    Closed(Link),
    /// An armed timer runs out.
    Timer(Timer),
    /// One more record is durable, and the disk thread says so.
    Disk,
    /// All records that were issued are durable, and the disk thread says so once.
    Disks,
    /// The session layer proposes a transaction with this number.
    Propose(Origin),
    /// The session layer asks for a confirmed sync.
    Sync,
    /// A client attaches.
    Attach {
        /// Over which connection.
        over: Over,
        /// Its session begins here.
        is_new: bool,
    },
    /// A client's connection ends at the client.
    Detach(Over),
    /// There is time to apply one more transaction.
    Apply,
    /// A client asks for something.
    Ask {
        /// Over which connection.
        over: Over,
        /// The number of the request on the connection.
        xid: u8,
        /// The number of the write, if it is one.
        number: u8,
        /// What for.
        asking: Asking,
    },
    /// The shell writes a snapshot of its state machine, as far as the log on disk reaches, and
    /// purges the log.
    Compact,
    /// The server crashes and starts again.
    Crash,
    /// The server crashes, and starts again without its history, which was found damaged.
    Damage,
}

/// What an event did to the rest of the cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Effects {
    /// Packets that left, in order.
    pub sends: Vec<(Link, Frame)>,
    /// Connections closed at this end.
    pub closes: Vec<Link>,
    /// Election messages.
    pub notifications: Vec<(Sid, Notification)>,
    /// What the core has reported.
    pub facts: Vec<Fact<Origin>>,
    /// The disk after each record that became durable.
    pub disks: Vec<OnDisk>,
    /// What the ghosts have to know.
    pub ghost: Vec<GhostEvent>,
    /// What clients were told, in order.
    pub told: Vec<(Over, Said)>,
    /// Coverage: actions of the core, and companions.
    pub marks: u128,
    /// Properties that this step violates.
    pub violated: u64,
    /// What a server complained of, for people.
    pub complaint: Option<String>,
}

impl<M: Machine> Node<M> {
    /// A server that starts with this disk.
    pub fn start(config: Config, disk: Disk) -> (Self, Effects) {
        let mut node = Self {
            host: Host::new(M::new(config), "".into()),
            applied: disk.snapshot.clone(),
            disk,
            armed: BTreeSet::new(),
            dialling: None,
            layer: None,
        };
        let mut effects = Effects::default();
        let image = node.disk.image.clone();
        node.happens(config.me, host::Event::Start(image), &mut effects);
        (node, effects)
    }

    /// What happens at the event; `None` if the event cannot happen now.
    pub fn on(&self, config: Config, event: &Event) -> Option<(Self, Effects)> {
        let me = config.me;
        let mut node = self.clone();
        let mut effects = Effects::default();
        match event {
            Event::Elected(decision) => {
                let mut asked = Vec::new();
                let mut shell = Facts(&mut effects.facts);
                M::decide(&mut node.host, *decision, &mut shell, &mut asked);
                node.host.flush(&mut asked);
                node.carry_out(me, self, asked, &mut effects);
            }
            Event::Notify(from, notification) => {
                let event = host::Event::Notified { from: *from, notification: *notification };
                node.happens(me, event, &mut effects);
            }
            Event::Recv(link, frame) => {
                let message = frame.message();
                if let Message::Commit { .. } = message
                    && self.core().established().is_none()
                {
                    effects.marks |= Mark::CommitBeforeUpToDate.bit();
                }
                let (link, state) = (*link, frame.content.clone());
                let event = if let Message::Snap { zxid } = message {
                    host::Event::State { link, zxid, state }
                } else {
                    host::Event::Received { link, messages: vec![message] }
                };
                node.happens(me, event, &mut effects);
            }
            Event::RecvRun(link, frames) => {
                let messages = frames.iter().map(Frame::message).collect();
                node.happens(me, host::Event::Received { link: *link, messages }, &mut effects);
            }
            Event::Opened { link, dialled } => {
                if *dialled {
                    node.dialling = None;
                }
                let event = host::Event::Opened { link: *link, dialled: *dialled };
                node.happens(me, event, &mut effects);
            }
            Event::Closed(link) => node.happens(me, host::Event::Closed(*link), &mut effects),
            Event::Timer(timer) => {
                if !node.armed.remove(timer) {
                    return None;
                }
                node.happens(me, host::Event::Timer(*timer), &mut effects);
            }
            Event::Disk => {
                if !node.advance(&mut effects) {
                    return None;
                }
                node.happens(me, host::Event::Durable(WriteNo(1)), &mut effects);
            }
            Event::Disks => {
                let records = node.disk.pending.len();
                if records < 2 {
                    return None;
                }
                let records = WriteNo(records as u64);
                while node.advance(&mut effects) {}
                node.happens(me, host::Event::Durable(records), &mut effects);
            }
            Event::Propose(number) => {
                node.happens(me, host::Event::Propose(*number), &mut effects);
            }
            Event::Sync => {
                let body = Origin::default();
                node.happens(me, host::Event::Sync { body }, &mut effects);
            }
            Event::Attach { over, is_new } => {
                if !node.attach(me, *over, *is_new, &mut effects) {
                    return None;
                }
            }
            Event::Detach(over) => node.detach(*over),
            Event::Apply => {
                if !node.apply_next(&mut effects) {
                    return None;
                }
            }
            Event::Ask { over, xid, number, asking } => {
                if !node.ask(me, *over, (*xid, *number, *asking), &mut effects) {
                    return None;
                }
            }
            Event::Compact => {
                if !node.disk.compact(&self.applied) {
                    return None;
                }
            }
            Event::Crash | Event::Damage => {
                let damaged = *event == Event::Damage;
                let mut disk = if damaged { self.disk.damaged() } else { self.disk.clone() };
                if matches!(disk.pending.first(), Some(w) if matches!(w.record, Record::CurrentEpoch(_)))
                {
                    effects.marks |= Mark::CrashBetweenHistoryAndEpoch.bit();
                }
                disk.pending.clear();
                let (fresh, started) = Self::start(config, disk);
                node.stop_serving(&mut effects);
                let layer = self.layer.as_ref();
                let layer = layer.map(|layer| Box::new(Layer::new(layer.is_slow())));
                let (marks, told) = (effects.marks | started.marks, effects.told);
                effects = Effects { marks, told, ..started };
                node = Self { layer, ..fresh };
            }
        }
        if let Some(layer) = &node.layer {
            node.end_turn(me, !layer.is_slow(), &mut effects);
        }
        let (before, after) = (self.held(), node.held());
        let (facts, disks) = (mem::take(&mut effects.facts), mem::take(&mut effects.disks));
        if !facts.is_empty() || !disks.is_empty() || before != after {
            let step = Step { sid: me, before, facts, disks, after };
            effects.ghost.insert(0, GhostEvent::Step(Box::new(step)));
        }
        Some((node, effects))
    }

    fn held(&self) -> Held {
        Held { disk: OnDisk::of(&self.disk), applied: self.applied.clone() }
    }

    /// The core.
    pub fn core(&self) -> &M {
        self.host.core()
    }

    /// How many messages wait for the disk.
    pub fn waiting(&self) -> usize {
        self.host.peers().map(|peer| self.host.gated(peer).count()).sum()
    }

    /// One more record is durable; false if there is none.
    fn advance(&mut self, effects: &mut Effects) -> bool {
        let lost = self.disk.lost.is_some();
        let advances = self.disk.advance();
        if lost && self.disk.lost.is_none() {
            effects.marks |= Mark::HistoryRestored.bit();
        }
        if advances {
            effects.disks.push(OnDisk::of(&self.disk));
        }
        advances
    }

    /// The same server under other names; `None` if names matter to it.
    pub fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Option<Self> {
        use zab::Timer as Core;
        let link = |link: Link| Link { peer: name(link.peer), ..link };
        let armed = self.armed.iter().map(|timer| match *timer {
            Timer::Core(Core::LearnerInitLimit(sid)) => {
                Timer::Core(Core::LearnerInitLimit(name(sid)))
            }
            Timer::Core(Core::LearnerSyncLimit(sid)) => {
                Timer::Core(Core::LearnerSyncLimit(name(sid)))
            }
            Timer::Core(
                Core::Resend
                | Core::Finalize
                | Core::InitLimit
                | Core::SyncLimit
                | Core::QuorumLoss
                | Core::Ping,
            ) => *timer,
            Timer::Answer(peer) => Timer::Answer(name(peer)),
            Timer::Claim(claim) => Timer::Claim(link(claim)),
        });
        Some(Self {
            host: M::renamed(&self.host, name)?,
            disk: self.disk.clone(),
            armed: armed.collect(),
            applied: self.applied.clone(),
            dialling: self.dialling.map(name),
            layer: self.layer.as_ref().map(|layer| Box::new(layer.renamed(name))),
        })
    }

    /// Lets the host handle an event, and carries out what it asks for.
    pub(super) fn happens(
        &mut self,
        me: Sid,
        event: host::Event<Origin, Vec<Txn>>,
        effects: &mut Effects,
    ) {
        let before = self.clone();
        let mut asked = Vec::new();
        let host = &mut self.host;
        let handled = caught(|| {
            host.handle(event, &mut Facts(&mut effects.facts), &mut asked);
            host.flush(&mut asked);
        });
        if let Err(said) = handled {
            // The step died half-way: what it left behind means nothing.
            effects.complaint = Some(format!("{me} panics: {said}"));
            effects.violated |= Property::Z13.bit();
            *self = before;
            return;
        }
        self.carry_out(me, &before, asked, effects);
    }

    /// Does, in their order, what the host asks for.
    fn carry_out(
        &mut self,
        me: Sid,
        before: &Self,
        asked: Vec<Effect<Origin, Vec<Txn>>>,
        effects: &mut Effects,
    ) {
        self.host.renumber();
        let (mut synced, mut notes) = (0, Vec::new());
        for effect in asked {
            match effect {
                Effect::Install { zxid, state } => {
                    self.forget_committed();
                    self.holds(me, &state, zxid, effects);
                    self.applied = state;
                    effects.marks |= Mark::Delivered.bit();
                }
                Effect::Write(_, record) => {
                    let content = match record {
                        Record::Snapshot { .. } => self.applied.clone(),
                        Record::Txn(_)
                        | Record::Truncate { .. }
                        | Record::AcceptedEpoch(_)
                        | Record::CurrentEpoch(_) => Vec::new(),
                    };
                    self.disk.pending.push(Write { record, content });
                }
                Effect::Deliver(txn) => {
                    self.deliver(txn);
                    effects.marks |= Mark::Delivered.bit();
                }
                Effect::Frames { link, bytes } => {
                    for frame in Frame::of(&bytes) {
                        self.leaves(link, frame, effects);
                    }
                }
                Effect::SendState { link, zxid } => {
                    self.apply_committed(effects);
                    self.holds(me, &self.applied, zxid, effects);
                    let sent = effects.sends.last_mut().filter(|(to, _)| *to == link);
                    let (_, frame) = sent.expect("SNAP comes before its state");
                    frame.content.clone_from(&self.applied);
                }
                Effect::Close(link) => effects.closes.push(link),
                Effect::Dial(leader) => self.dialling = Some(leader),
                Effect::StopDialling(_) => self.dialling = None,
                Effect::Notify { to, bytes, looks: _ } => {
                    let said = host::decode_notification(&bytes[4..].to_vec().into());
                    effects.notifications.push((to, said.expect("an election message of a host")));
                }
                Effect::Greet { .. } => {}
                Effect::Arm(timer) => {
                    self.armed.insert(timer);
                }
                Effect::Disarm(timer) => {
                    self.armed.remove(&timer);
                }
                Effect::Halt(halt) => refuses_to_start(me, halt, effects),
                Effect::Note(note) => {
                    match note {
                        Note::Role(role, _) => self.role_changed(role, effects),
                        Note::Established(_) => self.established(),
                        Note::Action(_) | Note::Refused(..) | Note::Ignored(_) => {}
                    }
                    notes.push(note);
                }
                Effect::Synced(body) => {
                    self.sync_confirmed(body);
                    synced += 1;
                }
                Effect::Session(link, message) => self.hear(link, message),
                Effect::Reported(..) | Effect::Remark(_) => {}
            }
        }
        for note in notes {
            match note {
                Note::Action(action) => {
                    effects.marks |= 1 << (action as u32);
                    // Of clients' syncs it is the clients who know what they may expect.
                    if action == Action::LeaderSyncRequest && self.layer.is_none() {
                        effects.ghost.push(GhostEvent::SyncAsked(me));
                    }
                }
                Note::Refused(peer, refusal) if is_fault(refusal) => {
                    effects.complaint = Some(format!("{me} refuses {peer}: {refusal:?}"));
                    effects.violated |= Property::Z13.bit();
                }
                Note::Refused(..) | Note::Role(..) | Note::Established(_) | Note::Ignored(_) => {}
            }
        }
        if self.layer.is_some() {
            synced = 0;
        }
        for _ in 0..synced {
            effects.ghost.push(GhostEvent::Synced(me, self.applied.clone()));
        }
        let zab = |node: &Self| {
            let zab = node.core().zab();
            (zab.accepted_epoch(), zab.current_epoch())
        };
        let ((p, a), (p0, a0)) = (zab(self), zab(before));
        if p < p0 || a < a0 || a > p {
            effects.violated |= Property::Z8.bit();
        }
    }

    /// What travels with a SNAP is exactly the state at its label.
    fn holds(&self, me: Sid, state: &[Txn], label: Zxid, effects: &mut Effects) {
        let last = state.last().map_or(Zxid::ZERO, |txn| txn.zxid);
        if last != label {
            effects.complaint = Some(format!("{me}: SNAP of {label:?} with a state of {last:?}"));
            effects.violated |= Property::Z11.bit();
        }
    }

    /// A packet leaves: what it says about this disk has to be true.
    fn leaves(&self, link: Link, frame: Frame, effects: &mut Effects) {
        let image = &self.disk.image;
        let message = frame.message();
        if let Message::AckEpoch { .. } | Message::AckNewLeader { .. } | Message::Ack { .. } =
            message
        {
            effects.marks |= Mark::Acknowledged.bit();
        }
        match &message {
            Message::LeaderInfo { epoch } if image.accepted < *epoch => {
                effects.violated |= Property::Z6.bit();
            }
            Message::AckEpoch { current, last } => {
                let described = image.last() == *last
                    && current.is_none_or(|current| image.current == current)
                    && self.core().zab().accepted_epoch() == Some(image.accepted);
                if !described {
                    effects.violated |= Property::Z11.bit();
                }
            }
            Message::AckNewLeader { epoch } => {
                if image.current != *epoch || image.accepted != *epoch {
                    effects.violated |= Property::Z6.bit();
                }
            }
            Message::Ack { zxid } => {
                let durable =
                    *zxid <= image.snapshot || image.log.iter().any(|txn| txn.zxid == *zxid);
                if !durable || image.current != zxid.epoch() || image.accepted != zxid.epoch() {
                    effects.violated |= Property::Z6.bit();
                }
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
        effects.sends.push((link, frame));
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

fn refuses_to_start(me: Sid, halt: Halt, effects: &mut Effects) {
    match halt {
        // An ensemble without epochs left stops; that is an answer.
        Halt::EpochsExhausted { .. } => {}
        Halt::LogOutOfOrder { .. } | Halt::CurrentEpochAhead { .. } | Halt::HistoryAhead { .. } => {
            effects.complaint = Some(format!("{me} refuses to start: {halt:?}"));
            effects.violated |= Property::Z12.bit();
        }
    }
}
