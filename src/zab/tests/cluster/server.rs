//! One server: the core, its disk, and the little that a shell adds.

use std::collections::{BTreeSet, VecDeque};

use zab::{
    After, Config, Decision, DiskImage, Input, LinkCmd, Message, Outputs, Peer, Record, Role, Sid,
    Timer, TimerCmd, WriteNo, Zab, Zxid,
};

use super::link::Envelope;

/// What transactions carry here.
pub(crate) type P = String;
pub(crate) type Txn = zab::Txn<P>;
pub(crate) type Out = Outputs<P>;
/// Messages, and where they go.
pub(crate) type Leaving = Vec<(Sid, Envelope)>;

/// A server. All but `machine` is what a shell keeps.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) config: Config,
    decreed: bool,
    pub(crate) machine: Machine,
    pub(crate) disk: Disk,
    pub(crate) gated: Vec<Gated>,
    pub(crate) armed: BTreeSet<Timer>,
    /// The state machine: every transaction in it, in order.
    pub(crate) applied: Vec<Txn>,
    /// The leader that the shell dials.
    pub(crate) dialling: Option<Sid>,
    /// What left in the last step.
    pub(super) leaving: Leaving,
    /// Every step since this was looked at last, if somebody looks.
    pub(crate) watched: Option<Vec<Stepped>>,
}

/// A step of the core, with the machine before and after it.
#[derive(Clone, Debug)]
pub(crate) struct Stepped {
    pub(crate) before: Machine,
    pub(crate) given: Given,
    pub(crate) out: Out,
    pub(crate) after: Machine,
    /// The last record issued before.
    pub(crate) issued: WriteNo,
}

/// What a step was given.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    Input(Input<P>),
    Decree(Decision),
}

/// The deployed machine, or Zab proper alone under decisions of the test.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are three of them")]
pub(crate) enum Machine {
    Whole(Peer<P>),
    Decreed(Zab<P>),
}

/// What is durable, and what was issued behind it.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) image: DiskImage<P>,
    /// What the snapshot of `image` holds.
    pub(crate) snapshot: Vec<Txn>,
    pub(crate) pending: VecDeque<Write>,
    /// The last durable record of this incarnation.
    pub(crate) durable: WriteNo,
}

/// A record on its way, with the snapshot that belongs to it, if it is one.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) record: Record<P>,
    pub(crate) content: Vec<Txn>,
}

/// A message that waits for the disk.
#[derive(Clone, Debug)]
pub(crate) struct Gated {
    pub(crate) after: WriteNo,
    pub(crate) to: Sid,
    pub(crate) envelope: Envelope,
}

impl Machine {
    fn new(config: Config, decreed: bool) -> Self {
        if decreed { Self::Decreed(Zab::new(config)) } else { Self::Whole(Peer::new(config)) }
    }

    pub(crate) fn zab(&self) -> &Zab<P> {
        match self {
            Self::Whole(peer) => peer.zab(),
            Self::Decreed(zab) => zab,
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.zab().role()
    }

    pub(crate) fn give(&mut self, given: Given, out: &mut Out) {
        match (self, given) {
            (Self::Whole(peer), Given::Input(input)) => peer.step(input, out),
            (Self::Decreed(zab), Given::Input(input)) => zab.step(input, out),
            (Self::Decreed(zab), Given::Decree(decision)) => zab.elected(decision, out),
            (Self::Whole(_), Given::Decree(_)) => unreachable!("nobody decrees here"),
        }
    }

    pub(crate) fn renumber(&mut self) -> WriteNo {
        match self {
            Self::Whole(peer) => peer.renumber(),
            Self::Decreed(zab) => zab.renumber(),
        }
    }
}

impl Disk {
    /// The history on this disk.
    pub(crate) fn durable_history(&self) -> Vec<Txn> {
        self.snapshot.iter().chain(&self.image.log).cloned().collect()
    }

    /// The history once all that is on its way has arrived.
    pub(crate) fn issued_history(&self) -> Vec<Txn> {
        let mut disk = self.clone();
        while disk.advance().is_some() {}
        disk.durable_history()
    }

    pub(crate) fn issued(&self) -> WriteNo {
        WriteNo(self.durable.0 + self.pending.len() as u64)
    }

    fn advance(&mut self) -> Option<Record<P>> {
        let write = self.pending.pop_front()?;
        self.durable.0 += 1;
        self.image.apply(&write.record);
        if let Record::Snapshot { .. } = write.record {
            self.snapshot = write.content;
        }
        Some(write.record)
    }
}

impl Server {
    pub(super) fn new(config: Config, decreed: bool) -> Self {
        let image = DiskImage::empty();
        let (snapshot, pending) = (Vec::new(), VecDeque::new());
        Self {
            config,
            decreed,
            machine: Machine::new(config, decreed),
            disk: Disk { image, snapshot, pending, durable: WriteNo(0) },
            gated: Vec::new(),
            armed: BTreeSet::new(),
            applied: Vec::new(),
            dialling: None,
            leaving: Vec::new(),
            watched: None,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.machine.role() != Role::Down
    }

    /// A new process, with what the disk holds.
    pub(super) fn start(&mut self) -> Out {
        self.crash();
        self.applied = self.disk.snapshot.clone();
        let image = self.disk.image.clone();
        self.step(Input::Start(image), None)
    }

    pub(super) fn crash(&mut self) {
        let fresh = Self::new(self.config, self.decreed);
        let (image, snapshot) = (self.disk.image.clone(), std::mem::take(&mut self.disk.snapshot));
        let watched = self.watched.take();
        *self = Self { disk: Disk { image, snapshot, ..fresh.disk }, watched, ..fresh };
    }

    /// Replaces as much of the log as is applied by a snapshot; false if the log on disk does not
    /// reach that far.
    pub(super) fn compact(&mut self) -> bool {
        let Some(at) = self.applied.last().map(|txn| txn.zxid) else {
            return false;
        };
        let log = &mut self.disk.image.log;
        let Some(cut) = log.iter().position(|txn| txn.zxid == at) else {
            return false;
        };
        log.drain(..=cut);
        self.disk.image.snapshot = at;
        self.disk.snapshot = self.applied.clone();
        true
    }

    pub(super) fn decree(&mut self, decision: Decision) -> Result<Out, String> {
        if let Machine::Whole(_) = self.machine {
            return Err("these servers elect by themselves".into());
        }
        Ok(self.give(Given::Decree(decision), None))
    }

    /// The next record is durable; what waited for it leaves.
    pub(super) fn advance(&mut self) -> Option<(Record<P>, Leaving)> {
        let record = self.disk.advance()?;
        let durable = self.disk.durable;
        let (ready, waiting) =
            std::mem::take(&mut self.gated).into_iter().partition(|gated| gated.after <= durable);
        self.gated = waiting;
        let ready: Vec<Gated> = ready;
        Some((record, ready.into_iter().map(|gated| (gated.to, gated.envelope)).collect()))
    }

    pub(super) fn step(&mut self, input: Input<P>, content: Option<Vec<Txn>>) -> Out {
        self.give(Given::Input(input), content)
    }

    fn give(&mut self, given: Given, content: Option<Vec<Txn>>) -> Out {
        let before = self.watched.is_some().then(|| (self.machine.clone(), given.clone()));
        let mut out = Out::new();
        self.machine.give(given, &mut out);
        if let (Some((before, given)), Some(watched)) = (before, &mut self.watched) {
            let (after, issued) = (self.machine.clone(), self.disk.issued());
            watched.push(Stepped { before, given, out: out.clone(), after, issued });
        }
        self.absorb(&out, content);
        out
    }

    /// Does what a shell does with outputs.
    fn absorb(&mut self, out: &Out, content: Option<Vec<Txn>>) {
        let content = content.unwrap_or_default();
        if out.install.is_some() {
            self.applied = content.clone();
        }
        for (_, record) in &out.writes {
            let content =
                if let Record::Snapshot { .. } = record { content.clone() } else { Vec::new() };
            self.disk.pending.push_back(Write { record: record.clone(), content });
        }
        for send in &out.sends {
            let content = match send.message {
                Message::Snap { zxid } => self.applied_upto(zxid),
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
            let envelope = Envelope { message: send.message.clone(), content };
            match send.after {
                After::Durable(after) if after > self.disk.durable => {
                    self.gated.push(Gated { after, to: send.to, envelope });
                }
                After::Now | After::Durable(_) => self.leaving.push((send.to, envelope)),
            }
        }
        for cmd in &out.links {
            match cmd {
                LinkCmd::Connect(leader) => self.dialling = Some(*leader),
                LinkCmd::Close(peer) => {
                    self.dialling = None;
                    self.gated.retain(|gated| gated.to != *peer);
                }
            }
        }
        for cmd in &out.timers {
            match cmd {
                TimerCmd::Arm(timer) => self.armed.insert(*timer),
                TimerCmd::Disarm(timer) => self.armed.remove(timer),
            };
        }
        self.applied.extend(out.deliver.iter().cloned());
    }

    /// The state machine as it was at `zxid`: what the shell streams with a SNAP of it.
    fn applied_upto(&self, zxid: Zxid) -> Vec<Txn> {
        self.applied.iter().filter(|txn| txn.zxid <= zxid).cloned().collect()
    }
}
