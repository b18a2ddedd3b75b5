//! One server over one recording: what its inputs and recorded outputs add up to, without looking
//! at the core's state.

use std::collections::VecDeque;

use recording::Digest;
use zab::{
    Action, After, DiskImage, Epoch, Input, Message, Note, Outputs, Peer, Record, Refusal, Role,
    Send, Sid, WriteNo, Zxid,
};

use crate::merged::Merged;
use crate::property::Property;
use crate::verdict::{Fact, Witness};

/// What a disk holds, or will.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) accepted: Epoch,
    pub(crate) current: Epoch,
    pub(crate) last: Zxid,
}

impl Disk {
    pub(crate) fn of(image: &DiskImage<Digest>) -> Self {
        Self { accepted: image.accepted, current: image.current, last: image.last() }
    }

    fn apply(&mut self, pending: Pending) {
        match pending {
            Pending::Accepted(epoch) => self.accepted = epoch,
            Pending::Current(epoch) => self.current = epoch,
            Pending::Txn(zxid) | Pending::Truncate(zxid) => self.last = zxid,
            Pending::Snapshot { zxid, delivered: _ } => self.last = zxid,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Pending {
    Accepted(Epoch),
    Current(Epoch),
    Txn(Zxid),
    Truncate(Zxid),
    Snapshot {
        zxid: Zxid,
        /// What was delivered before: of the history up to there it is known that the snapshot has
        /// it.
        delivered: Zxid,
    },
}

/// A server between its start and the end of the recording.
#[derive(Debug)]
pub(crate) struct Shadow {
    me: Sid,
    issued: Disk,
    durable: Disk,
    /// The number of the last durable record.
    upto: u64,
    pending: VecDeque<Pending>,
    delivered: Zxid,
    role: Role,
    /// The epoch in which this server is elected, from then to the end of its leadership.
    elected: Option<Epoch>,
    proposed: bool,
}

impl Shadow {
    pub(crate) fn start(me: Sid, image: &DiskImage<Digest>, merged: &mut Merged, at: Fact) -> Self {
        let disk = Disk::of(image);
        merged.bases.push((image.snapshot, at));
        let mut before = image.snapshot;
        for txn in &image.log {
            merged.see(txn.zxid, txn.payload, at);
            merged.append(before, txn.zxid, at);
            before = txn.zxid;
        }
        let shadow = Self {
            me,
            issued: disk,
            durable: disk,
            upto: 0,
            pending: VecDeque::new(),
            delivered: image.snapshot,
            role: Role::Looking,
            elected: None,
            proposed: false,
        };
        shadow.epochs(merged, at);
        shadow.settle(merged, at);
        shadow
    }

    pub(crate) fn durable(&self) -> Disk {
        self.durable
    }

    pub(crate) fn delivered(&self) -> Zxid {
        self.delivered
    }

    /// Every disk that a crash can leave now.
    pub(crate) fn possible_disks(&self) -> Vec<Disk> {
        let mut disk = self.durable;
        let applied = self.pending.iter().map(|&pending| {
            disk.apply(pending);
            disk
        });
        std::iter::once(self.durable).chain(applied).collect()
    }

    /// The longest history that is durable here, and that no later record may cut.
    pub(crate) fn kept(&self) -> Zxid {
        let kept = self.durable.last.min(self.delivered);
        self.pending.iter().fold(kept, |kept, pending| match pending {
            Pending::Truncate(to) => kept.min(*to),
            Pending::Snapshot { delivered, .. } => kept.min(*delivered),
            Pending::Accepted(_) | Pending::Current(_) | Pending::Txn(_) => kept,
        })
    }

    /// A step, as it was recorded.
    pub(crate) fn step(
        &mut self,
        input: &Input<Digest>,
        out: &Outputs<Digest>,
        merged: &mut Merged,
        at: Fact,
    ) {
        let delivered_before = self.delivered;
        match input {
            Input::Recv { peer, message } => self.received(*peer, message, merged, at),
            Input::Durable { upto } => self.on_durable(*upto, merged, at),
            Input::Start(_)
            | Input::Notify { .. }
            | Input::Link { .. }
            | Input::Timer(_)
            | Input::Propose(_)
            | Input::Sync { .. }
            | Input::Session { .. }
            | Input::Resign => {}
        }
        for (no, record) in &out.writes {
            self.written(*no, record, merged, at);
            if let (Record::Txn(txn), Input::Propose(_)) = (record, input) {
                merged.propose(self.me, txn.zxid, txn.payload, at);
                if !std::mem::replace(&mut self.proposed, true) {
                    merged.broadcasts.push((txn.zxid.epoch(), delivered_before, at));
                }
            }
        }
        if let Some(zxid) = out.install {
            self.delivered = zxid;
            merged.bases.push((zxid, at));
        }
        for txn in &out.deliver {
            merged.deliver(self.delivered, txn.zxid, txn.payload, at);
            self.delivered = txn.zxid;
        }
        for send in &out.sends {
            self.sent(send, merged, at);
        }
        for note in &out.notes {
            self.noted(*note, merged, at);
        }
    }

    /// The replayed core has to be where this shadow is.
    pub(crate) fn compare(&self, peer: &Peer<Digest>, merged: &mut Merged, at: Fact) {
        let zab = peer.zab();
        let memory = (zab.accepted_epoch(), zab.current_epoch(), zab.last(), zab.delivered());
        let (Some(accepted), Some(current), Some(last), Some(delivered)) = memory else {
            return;
        };
        let same = Disk { accepted, current, last } == self.issued
            && delivered == self.delivered
            && delivered <= last;
        merged.tallies.check(Property::Z11, same, || {
            let memory = format!(
                "in memory: acceptedEpoch {accepted}, currentEpoch {current}, history to {last:?}, delivered {delivered:?}"
            );
            let Disk { accepted, current, last } = self.issued;
            let records = format!(
                "by its records and deliveries: acceptedEpoch {accepted}, currentEpoch {current}, history to {last:?}, delivered {:?}",
                self.delivered
            );
            vec![Witness(at, memory), Witness(at, records)]
        });
    }

    fn received(&self, peer: Sid, message: &Message<Digest>, merged: &mut Merged, at: Fact) {
        match message {
            Message::Proposal(txn) | Message::Inform(txn) => {
                merged.see(txn.zxid, txn.payload, at);
            }
            Message::Ack { zxid } => {
                let known = merged.acknowledged.entry((peer, zxid.epoch())).or_insert((*zxid, at));
                if known.0 < *zxid {
                    *known = (*zxid, at);
                }
            }
            Message::LearnerInfo { .. }
            | Message::LeaderInfo { .. }
            | Message::AckEpoch { .. }
            | Message::Diff { .. }
            | Message::Trunc { .. }
            | Message::Snap { .. }
            | Message::NewLeader { .. }
            | Message::AckNewLeader { .. }
            | Message::UpToDate => {
                let count = merged.messages.entry((peer, self.me, message.clone())).or_default();
                *count = (count.0, count.1 + 1, Some(at));
            }
            Message::Commit { .. } | Message::Ping { .. } | Message::Session(_) => {}
        }
    }

    fn on_durable(&mut self, upto: WriteNo, merged: &mut Merged, at: Fact) {
        // What was never issued, or is not new, says nothing: the core ignores it too.
        if upto.0 > self.upto + self.pending.len() as u64 {
            return;
        }
        while self.upto < upto.0 {
            let Some(pending) = self.pending.pop_front() else { return };
            self.upto += 1;
            self.durable.apply(pending);
            self.settle(merged, at);
        }
    }

    /// Under an epoch that is both promised and accepted, the history on disk is the leader's.
    fn settle(&self, merged: &mut Merged, at: Fact) {
        let Disk { accepted, current, last } = self.durable;
        if accepted == current && accepted > Epoch(0) {
            merged.on_disk(self.me, accepted, last, at);
        }
    }

    fn epochs(&self, merged: &mut Merged, at: Fact) {
        let Disk { accepted, current, last } = self.issued;
        let holds = current <= accepted && last.epoch() <= accepted;
        merged.tallies.check(Property::Z8, holds, || {
            vec![Witness(
                at,
                format!(
                    "acceptedEpoch is {accepted}, currentEpoch {current}, and the history ends at {last:?}"
                ),
            )]
        });
    }

    fn written(&mut self, no: WriteNo, record: &Record<Digest>, merged: &mut Merged, at: Fact) {
        let expected = self.upto + self.pending.len() as u64 + 1;
        merged.tallies.check(Property::Z11, no.0 == expected, || {
            vec![Witness(at, format!("record {} is issued where {expected} is due", no.0))]
        });
        let before = self.issued;
        let pending = match record {
            Record::Txn(txn) => {
                merged.see(txn.zxid, txn.payload, at);
                merged.append(before.last, txn.zxid, at);
                Pending::Txn(txn.zxid)
            }
            Record::Truncate { to } => Pending::Truncate(*to),
            Record::Snapshot { zxid } => {
                Pending::Snapshot { zxid: *zxid, delivered: self.delivered }
            }
            Record::AcceptedEpoch(epoch) => Pending::Accepted(*epoch),
            Record::CurrentEpoch(epoch) => Pending::Current(*epoch),
        };
        self.issued.apply(pending);
        self.pending.push_back(pending);
        let Disk { accepted, current, .. } = self.issued;
        let holds = match record {
            Record::AcceptedEpoch(_) => accepted > before.accepted,
            Record::CurrentEpoch(_) => current > before.current,
            Record::Txn(_) | Record::Truncate { .. } | Record::Snapshot { .. } => true,
        };
        merged.tallies.check(Property::Z8, holds, || {
            vec![Witness(at, format!("{record:?} is issued behind {before:?}"))]
        });
        self.epochs(merged, at);
    }

    fn sent(&self, send: &Send<Digest>, merged: &mut Merged, at: Fact) {
        let message = &send.message;
        match message {
            Message::Proposal(txn) | Message::Inform(txn) => {
                merged.see(txn.zxid, txn.payload, at);
            }
            Message::Ack { zxid } => {
                let speaks = zxid.epoch() == self.issued.current && *zxid <= self.issued.last;
                self.gated(send, speaks, self.needed(*zxid), merged, at);
            }
            Message::AckNewLeader { epoch } => {
                let speaks = *epoch == self.issued.current && *epoch == self.issued.accepted;
                self.gated(send, speaks, self.pending.len(), merged, at);
            }
            Message::AckEpoch { current, last } => {
                self.gated(send, true, self.pending.len(), merged, at);
                let Disk { current: issued, last: end, .. } = self.issued;
                let reports = *last == end && current.is_none_or(|current| current == issued);
                merged.tallies.check(Property::Z11, reports, || {
                    vec![Witness(at, format!(
                        "{message:?} is sent with currentEpoch {issued} and a history to {end:?}"
                    ))]
                });
            }
            Message::LeaderInfo { epoch } => {
                let promise = self.pending.iter().rposition(
                    |pending| matches!(pending, Pending::Accepted(accepted) if accepted == epoch),
                );
                let speaks = *epoch == self.issued.accepted;
                self.gated(send, speaks, promise.map_or(0, |at| at + 1), merged, at);
            }
            Message::LearnerInfo { .. }
            | Message::Diff { .. }
            | Message::Trunc { .. }
            | Message::Snap { .. }
            | Message::NewLeader { .. }
            | Message::UpToDate
            | Message::Commit { .. }
            | Message::Ping { .. }
            | Message::Session(_) => {}
        }
        match message {
            Message::LearnerInfo { .. }
            | Message::LeaderInfo { .. }
            | Message::AckEpoch { .. }
            | Message::Diff { .. }
            | Message::Trunc { .. }
            | Message::Snap { .. }
            | Message::NewLeader { .. }
            | Message::AckNewLeader { .. }
            | Message::UpToDate => {
                merged.messages.entry((self.me, send.to, message.clone())).or_default().0 += 1;
            }
            Message::Proposal(_)
            | Message::Ack { .. }
            | Message::Commit { .. }
            | Message::Inform(_)
            | Message::Ping { .. }
            | Message::Session(_) => {}
        }
    }

    /// How many of the pending records an ACK of `zxid` has to wait for: all but transactions
    /// behind it.
    fn needed(&self, zxid: Zxid) -> usize {
        let speaks_of = |pending: &Pending| match pending {
            Pending::Txn(written) => *written <= zxid,
            Pending::Accepted(_)
            | Pending::Current(_)
            | Pending::Truncate(_)
            | Pending::Snapshot { .. } => true,
        };
        self.pending.iter().rposition(speaks_of).map_or(0, |at| at + 1)
    }

    /// `speaks`: what the message says is so, once the first `needed` of the pending records are
    /// durable.
    fn gated(
        &self,
        send: &Send<Digest>,
        speaks: bool,
        needed: usize,
        merged: &mut Merged,
        at: Fact,
    ) {
        let due = self.upto + needed as u64;
        let waits = match send.after {
            After::Now => needed == 0,
            After::Durable(no) => no.0 >= due,
        };
        merged.tallies.check(Property::Z6, speaks && waits, || {
            let Disk { accepted, current, last } = self.issued;
            let (to, message, after) = (send.to, &send.message, send.after);
            vec![
                Witness(at, format!("{message:?} to {to} may leave {after:?}")),
                Witness(at, format!(
                    "records are durable up to {}, it speaks of those up to {due}, acceptedEpoch is {accepted}, currentEpoch {current}, history to {last:?}",
                    self.upto
                )),
            ]
        });
    }

    fn noted(&mut self, note: Note, merged: &mut Merged, at: Fact) {
        match note {
            Note::Action(Action::LeaderElected) => {
                let epoch = self.issued.accepted;
                merged.elect(epoch, self.me, self.issued.last, at);
                self.elected = Some(epoch);
            }
            Note::Role(role, _) => {
                if let Some(epoch) = self.elected.take()
                    && let Some(elected) = merged.elected.get_mut(&epoch)
                    && elected.at.file() == at.file()
                {
                    elected.ended = true;
                }
                self.proposed = false;
                self.role = role;
            }
            Note::Established(epoch) => match self.role {
                Role::Leading => merged.establish(epoch, self.me, at),
                Role::Following(leader) | Role::Observing(leader) => {
                    merged.leads(epoch, leader, at, "is followed in");
                }
                Role::Down | Role::Looking => {}
            },
            Note::Refused(peer, refusal) => {
                merged.tallies.check(Property::Z13, !is_fault(refusal), || {
                    vec![Witness(at, format!("{} refuses {peer}: {refusal:?}", self.me))]
                });
            }
            Note::Action(_) | Note::Ignored(_) => {}
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
