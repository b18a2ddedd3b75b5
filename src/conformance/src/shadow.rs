//! One server over one recording: what its events and recorded effects add up to, without looking
//! at the host's state.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use recording::{Digest, Effect, Event, Other, Packet};
use wire::quorum::PacketType;
use zab::{Action, DiskImage, Epoch, Note, Peer, Record, Refusal, Role, Sid, WriteNo, Zxid};

use crate::merged::Merged;
use crate::property::Property;
use crate::verdict::{Place, Witness};

/// What a disk holds, or will.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) accepted: Epoch,
    pub(crate) current: Epoch,
    pub(crate) last: Zxid,
}

impl Disk {
    pub(crate) fn of(image: &DiskImage<Digest>) -> Self {
        let current = if image.history_lost { Epoch(0) } else { image.current };
        Self { accepted: image.accepted, current, last: image.last() }
    }

    fn apply(&mut self, pending: Pending) {
        match pending {
            Pending::Accepted(epoch) => self.accepted = epoch,
            Pending::Current(epoch) => self.current = epoch,
            Pending::Txn(zxid) | Pending::Truncate(zxid) | Pending::Snapshot(zxid) => {
                self.last = zxid;
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Pending {
    Accepted(Epoch),
    Current(Epoch),
    Txn(Zxid),
    Truncate(Zxid),
    Snapshot(Zxid),
}

/// Snapshots that the state machine has and the disk does not: it still has the history that the
/// first of them replaces.
#[derive(Clone, Copy, Debug)]
struct Replacing {
    /// How many.
    snapshots: usize,
    /// What was delivered before the first: of the history on disk only this is known to be in the
    /// snapshots, whatever they end at.
    delivered: Zxid,
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
    replacing: Option<Replacing>,
    role: Role,
    /// The epoch in which this server is elected, from then to the end of its leadership.
    elected: Option<Epoch>,
    proposed: bool,
    /// The epoch that each server wanted to establish last, by its LEADERINFO.
    wanted: BTreeMap<Sid, Epoch>,
}

impl Shadow {
    pub(crate) fn start(
        me: Sid,
        image: &DiskImage<Digest>,
        merged: &mut Merged,
        at: Place,
    ) -> Self {
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
            replacing: None,
            role: Role::Looking,
            elected: None,
            proposed: false,
            wanted: BTreeMap::new(),
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
        let delivered = self.replacing.map_or(self.delivered, |replacing| replacing.delivered);
        let kept = self.durable.last.min(delivered);
        self.pending.iter().fold(kept, |kept, pending| match pending {
            Pending::Truncate(to) => kept.min(*to),
            Pending::Snapshot(_) | Pending::Accepted(_) | Pending::Current(_) | Pending::Txn(_) => {
                kept
            }
        })
    }

    fn install(&mut self, zxid: Zxid) {
        let first = Replacing { snapshots: 0, delivered: self.delivered };
        self.replacing.get_or_insert(first).snapshots += 1;
        self.delivered = zxid;
    }

    /// A step, as it was recorded.
    pub(crate) fn step(
        &mut self,
        event: &Event,
        effects: &[Effect],
        merged: &mut Merged,
        at: Place,
    ) {
        match event {
            Event::Received { link, packets } => {
                packets.iter().for_each(|packet| self.received(link.peer, packet, merged, at));
            }
            Event::State { link, zxid } => {
                self.received(link.peer, &Packet::bare(PacketType::Snap, *zxid), merged, at);
            }
            Event::Durable(upto) => self.on_durable(*upto, merged, at),
            Event::Start(_)
            | Event::Opened { .. }
            | Event::Closed(_)
            | Event::Unreachable(_)
            | Event::Notified { .. }
            | Event::ElectionOpened { .. }
            | Event::Timer(_)
            | Event::Propose(_)
            | Event::Sync(_)
            | Event::SyncFor(_)
            | Event::Session { .. }
            | Event::Resign
            | Event::Flush => {}
        }
        let delivered_before = self.delivered;
        for effect in effects {
            match effect {
                Effect::Write(no, record) => {
                    self.written(*no, record, merged, at);
                    if let (Record::Txn(txn), Event::Propose(_)) = (record, event) {
                        merged.propose(self.me, txn.zxid, txn.payload, at);
                        if !std::mem::replace(&mut self.proposed, true) {
                            merged.broadcasts.push((txn.zxid.epoch(), delivered_before, at));
                        }
                    }
                }
                Effect::Deliver(txn) => {
                    merged.deliver(self.delivered, txn.zxid, txn.payload, at);
                    self.delivered = txn.zxid;
                }
                Effect::Frames { link, packets } => {
                    packets.iter().for_each(|packet| self.sent(link.peer, packet, merged, at));
                }
                Effect::Note(note) => self.noted(*note, merged, at),
                Effect::Other(Other::Install(zxid)) => {
                    self.install(*zxid);
                    merged.bases.push((*zxid, at));
                }
                Effect::Session { .. }
                | Effect::Arm(_)
                | Effect::Disarm(_)
                | Effect::Other(
                    Other::SendState { .. }
                    | Other::Close(_)
                    | Other::Dial(_)
                    | Other::StopDialling(_)
                    | Other::Notify { .. }
                    | Other::Greet(_)
                    | Other::Reported(..)
                    | Other::Synced(_)
                    | Other::Halt(_)
                    | Other::Remark(_),
                ) => {}
            }
        }
    }

    /// The replayed core has to be where this shadow is.
    pub(crate) fn compare(&self, peer: &Peer<Bytes>, merged: &mut Merged, at: Place) {
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

    fn received(&mut self, peer: Sid, packet: &Packet, merged: &mut Merged, at: Place) {
        let zxid = packet.zxid;
        match packet.kind {
            PacketType::Proposal | PacketType::Inform => {
                packet.content.into_iter().for_each(|content| merged.see(zxid, content, at));
            }
            PacketType::Ack if zxid.counter() != 0 => {
                let known = merged.acknowledged.entry((peer, zxid.epoch())).or_insert((zxid, at));
                if known.0 < zxid {
                    *known = (zxid, at);
                }
            }
            PacketType::LeaderInfo => {
                self.wanted.insert(peer, zxid.epoch());
            }
            PacketType::Ack
            | PacketType::FollowerInfo
            | PacketType::ObserverInfo
            | PacketType::AckEpoch
            | PacketType::Diff
            | PacketType::Trunc
            | PacketType::Snap
            | PacketType::NewLeader
            | PacketType::UpToDate
            | PacketType::Request
            | PacketType::Commit
            | PacketType::Ping
            | PacketType::Revalidate
            | PacketType::Sync
            | PacketType::CommitAndActivate
            | PacketType::InformAndActivate => {}
        }
        if is_synchronisation(packet) {
            let count = merged.messages.entry((peer, self.me, *packet)).or_default();
            *count = (count.0, count.1 + 1, Some(at));
        }
    }

    fn on_durable(&mut self, upto: WriteNo, merged: &mut Merged, at: Place) {
        // What was never issued, or is not new, says nothing: the core ignores it too.
        if upto.0 > self.upto + self.pending.len() as u64 {
            return;
        }
        while self.upto < upto.0 {
            let Some(pending) = self.pending.pop_front() else { return };
            self.upto += 1;
            self.durable.apply(pending);
            if let (Pending::Snapshot(_), Some(replacing)) = (pending, &mut self.replacing) {
                replacing.snapshots -= 1;
                self.replacing = self.replacing.filter(|replacing| replacing.snapshots > 0);
            }
            self.settle(merged, at);
        }
    }

    /// Under an epoch that is both promised and accepted, the history on disk is the leader's.
    fn settle(&self, merged: &mut Merged, at: Place) {
        let Disk { accepted, current, last } = self.durable;
        if accepted == current && accepted > Epoch(0) {
            merged.on_disk(self.me, accepted, last, at);
        }
    }

    fn epochs(&self, merged: &mut Merged, at: Place) {
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

    fn written(&mut self, no: WriteNo, record: &Record<Digest>, merged: &mut Merged, at: Place) {
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
            Record::Snapshot { zxid } => Pending::Snapshot(*zxid),
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

    fn sent(&self, to: Sid, packet: &Packet, merged: &mut Merged, at: Place) {
        let zxid = packet.zxid;
        let Disk { accepted, .. } = self.durable;
        match packet.kind {
            PacketType::Proposal | PacketType::Inform => {
                packet.content.into_iter().for_each(|content| merged.see(zxid, content, at));
            }
            // Of a transaction, or of NEWLEADER: then the initial history is on disk with the
            // epoch.
            PacketType::Ack => {
                let durable = merged.durable.get(&(self.me, zxid.epoch()));
                let waits = durable.is_some_and(|(last, _)| zxid.counter() == 0 || *last >= zxid);
                self.gated(to, packet, waits, merged, at);
            }
            PacketType::AckEpoch => {
                let waits = self.wanted.get(&to).is_some_and(|epoch| accepted >= *epoch);
                self.gated(to, packet, waits, merged, at);
                let Disk { current, last, .. } = self.issued;
                let told = packet.content.map(|content| u64::from_be_bytes(content.0));
                let reports = zxid == last
                    && told.is_some_and(|told| told == u64::MAX || told == u64::from(current.0));
                merged.tallies.check(Property::Z11, reports, || {
                    vec![Witness(at, format!(
                        "{packet:?} is sent with currentEpoch {current} and a history to {last:?}"
                    ))]
                });
            }
            PacketType::LeaderInfo => {
                self.gated(to, packet, accepted >= zxid.epoch(), merged, at);
            }
            PacketType::FollowerInfo
            | PacketType::ObserverInfo
            | PacketType::Diff
            | PacketType::Trunc
            | PacketType::Snap
            | PacketType::NewLeader
            | PacketType::UpToDate
            | PacketType::Request
            | PacketType::Commit
            | PacketType::Ping
            | PacketType::Revalidate
            | PacketType::Sync
            | PacketType::CommitAndActivate
            | PacketType::InformAndActivate => {}
        }
        if is_synchronisation(packet) {
            merged.messages.entry((self.me, to, *packet)).or_default().0 += 1;
        }
    }

    /// `waits`: what the packet says is on disk when it leaves.
    fn gated(&self, to: Sid, packet: &Packet, waits: bool, merged: &mut Merged, at: Place) {
        merged.tallies.check(Property::Z6, waits, || {
            let Disk { accepted, current, last } = self.durable;
            vec![
                Witness(at, format!("{packet:?} leaves for {to}")),
                Witness(at, format!(
                    "on disk are acceptedEpoch {accepted}, currentEpoch {current}, the history to {last:?}"
                )),
            ]
        });
    }

    fn noted(&mut self, note: Note, merged: &mut Merged, at: Place) {
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

/// Whether the packet belongs to discovery or synchronisation, history apart.
fn is_synchronisation(packet: &Packet) -> bool {
    match packet.kind {
        PacketType::FollowerInfo
        | PacketType::ObserverInfo
        | PacketType::LeaderInfo
        | PacketType::AckEpoch
        | PacketType::Diff
        | PacketType::Trunc
        | PacketType::Snap
        | PacketType::NewLeader
        | PacketType::UpToDate => true,
        PacketType::Ack => packet.zxid.counter() == 0,
        PacketType::Request
        | PacketType::Proposal
        | PacketType::Commit
        | PacketType::Ping
        | PacketType::Revalidate
        | PacketType::Sync
        | PacketType::Inform
        | PacketType::CommitAndActivate
        | PacketType::InformAndActivate => false,
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

#[cfg(test)]
mod tests {
    use zab::Txn;

    use super::*;

    fn zxid(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch(epoch), counter)
    }

    /// A follower has <1,3> on its disk, which its new leader does not have; so it is sent a
    /// snapshot that ends at <2,5>, and is killed at any moment: <1,3> need not be found again.
    #[test]
    fn what_a_snapshot_replaces_is_not_kept_before_it_is_on_disk_nor_behind() {
        let log = [1, 2, 3].map(|counter| zxid(1, counter));
        let log = log.map(|zxid| Txn { zxid, payload: Digest::of(b"any") });
        let (accepted, current) = (Epoch(1), Epoch(1));
        let image = DiskImage {
            accepted,
            current,
            snapshot: zxid(1, 1),
            log: log[1..].to_vec(),
            ..DiskImage::empty()
        };
        let (at, mut merged) = (Place::new(0, 0), Merged::default());
        let mut shadow = Shadow::start(Sid(3), &image, &mut merged, at);
        let mut step = |shadow: &mut Shadow, event: Event, effects: &[Effect]| {
            shadow.step(&event, effects, &mut merged, at);
            (shadow.kept(), shadow.durable().last)
        };
        let deliver = Effect::Deliver(image.log[0].clone());
        assert_eq!(step(&mut shadow, Event::Flush, &[deliver]), (zxid(1, 2), zxid(1, 3)));
        let install = |to| Effect::Other(Other::Install(to));
        let write = |no, zxid| Effect::Write(WriteNo(no), Record::Snapshot { zxid });
        let (first, second) = (zxid(2, 5), zxid(2, 9));
        let installed = step(&mut shadow, Event::Flush, &[install(first)]);
        assert_eq!(installed, (zxid(1, 2), zxid(1, 3)), "before it is written");
        let written = step(&mut shadow, Event::Flush, &[write(1, first)]);
        assert_eq!(written, (zxid(1, 2), zxid(1, 3)), "before it is on disk");
        step(&mut shadow, Event::Flush, &[install(second), write(2, second)]);
        let durable = step(&mut shadow, Event::Durable(WriteNo(1)), &[]);
        assert_eq!(durable, (zxid(1, 2), first), "of the second the disk knows nothing");
        let durable = step(&mut shadow, Event::Durable(WriteNo(2)), &[]);
        assert_eq!(durable, (second, second));
    }
}
