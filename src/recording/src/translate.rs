//! From what a host is given, and asks for, to what is recorded of it.

use std::collections::VecDeque;

use bytes::Bytes;
use zab::{DiskImage, Record, SessionMessage, Txn, Zxid};

use crate::digest::Place;
use crate::packets::{of_bytes, of_message, of_session};
use crate::step::{Effect, Event, Other, Ports, Said};
use crate::{Digest, Packet, Payloads};

/// Turns events and effects into what is recorded of them.
///
/// A payload is read once on its way through a server, where its place in memory tells it: the host
/// makes no payloads, so while an event is handled nothing else can come into a place. And the core
/// holds a transaction from its record to its delivery, so until then nothing else has its place.
/// What leaves over a connection is read there, as it leaves.
#[derive(Debug)]
pub struct Translator {
    payloads: Payloads,
    /// The transactions that came with the event.
    came: Vec<(Option<Place>, Digest)>,
    /// How many of them were written.
    written: usize,
    /// Written, and not delivered.
    undelivered: VecDeque<(Zxid, Option<Place>, Digest)>,
}

/// So many transactions may wait for their delivery, and be known by their places.
const UNDELIVERED_MAX: usize = 1 << 16;

/// How many transactions that came are looked at to find one that is written: those before it were
/// not written.
const SKIPPED_MAX: usize = 64;

impl Translator {
    /// For the events of a new host.
    pub fn new(payloads: Payloads) -> Self {
        Self { payloads, came: Vec::new(), written: 0, undelivered: VecDeque::new() }
    }

    /// What is recorded of an event, before the host handles it.
    pub fn event<S>(&mut self, event: &host::Event<Bytes, S>, over: Option<Ports>) -> Event {
        self.came.clear();
        self.written = 0;
        match event {
            host::Event::Start(image) => Event::Start(self.image(image)),
            host::Event::Opened { link, dialled } => {
                Event::Opened { link: *link, dialled: *dialled, over }
            }
            host::Event::Closed(link) => Event::Closed(*link),
            host::Event::Unreachable(sid) => Event::Unreachable(*sid),
            host::Event::Received { link, messages } => {
                let mut packets = Vec::with_capacity(messages.len());
                for message in messages {
                    of_message(message, self.payloads, &mut packets);
                    if let (zab::Message::Proposal(txn) | zab::Message::Inform(txn), Some(packet)) =
                        (message, packets.last())
                    {
                        let digest = packet.content.unwrap_or(Digest([0; 8]));
                        self.came.push((Place::of(&txn.payload), digest));
                    }
                }
                Event::Received { link: *link, packets }
            }
            host::Event::State { link, zxid, state: _ } => {
                Event::State { link: *link, zxid: *zxid }
            }
            host::Event::Notified { from, notification } => {
                Event::Notified { from: *from, notification: *notification, over }
            }
            host::Event::ElectionOpened(peer) => Event::ElectionOpened { peer: *peer, over },
            host::Event::Durable(upto) => Event::Durable(*upto),
            host::Event::Timer(timer) => Event::Timer(*timer),
            host::Event::Propose(payload) => {
                let digest = self.payloads.digest(payload);
                self.came.push((Place::of(payload), digest));
                Event::Propose(digest)
            }
            host::Event::Sync { body } => Event::Sync(self.payloads.digest(body)),
            host::Event::SyncFor(link) => Event::SyncFor(*link),
            host::Event::Session { peer, message } => {
                Event::Session { peer: *peer, packets: self.session(message) }
            }
            host::Event::Resign => Event::Resign,
        }
    }

    /// What is recorded of sessions that were reported.
    pub fn report(&mut self, body: &[u8]) -> Digest {
        self.payloads.digest(body)
    }

    /// Appends what is recorded of an effect.
    #[inline]
    pub fn effect<S>(&mut self, effect: &host::Effect<Bytes, S>, out: &mut Vec<Effect>) {
        out.push(match effect {
            host::Effect::Write(no, record) => Effect::Write(*no, self.record(record)),
            host::Effect::Deliver(txn) => Effect::Deliver(self.delivered(txn)),
            host::Effect::Frames { link, bytes } => {
                let mut packets = Vec::new();
                of_bytes(bytes, self.payloads, &mut packets);
                Effect::Frames { link: *link, packets }
            }
            host::Effect::Session(link, message) => {
                Effect::Session { link: *link, packets: self.session(message) }
            }
            host::Effect::Note(note) => Effect::Note(*note),
            host::Effect::Arm(timer) => Effect::Arm(*timer),
            host::Effect::Disarm(timer) => Effect::Disarm(*timer),
            host::Effect::Install { .. }
            | host::Effect::SendState { .. }
            | host::Effect::Close(_)
            | host::Effect::Dial(_)
            | host::Effect::StopDialling(_)
            | host::Effect::Notify { .. }
            | host::Effect::Greet { .. }
            | host::Effect::Reported(..)
            | host::Effect::Synced(_)
            | host::Effect::Halt(_)
            | host::Effect::Remark(_) => {
                out.extend(self.other(effect).map(Effect::Other));
                return;
            }
        });
    }

    #[cold]
    #[inline(never)]
    fn other<S>(&self, effect: &host::Effect<Bytes, S>) -> Option<Other> {
        Some(match effect {
            host::Effect::Install { zxid, state: _ } => Other::Install(*zxid),
            host::Effect::SendState { link, zxid } => Other::SendState { link: *link, zxid: *zxid },
            host::Effect::Close(link) => Other::Close(*link),
            host::Effect::Dial(sid) => Other::Dial(*sid),
            host::Effect::StopDialling(sid) => Other::StopDialling(*sid),
            host::Effect::Notify { to, bytes, looks } => {
                Other::Notify { to: *to, looks: *looks, said: said(bytes) }
            }
            host::Effect::Greet { bytes } => Other::Greet(said(bytes)),
            host::Effect::Reported(sid, body) => Other::Reported(*sid, self.payloads.digest(body)),
            host::Effect::Synced(body) => Other::Synced(self.payloads.digest(body)),
            host::Effect::Halt(halt) => Other::Halt(*halt),
            host::Effect::Remark(remark) => Other::Remark(*remark),
            host::Effect::Write(..)
            | host::Effect::Deliver(_)
            | host::Effect::Frames { .. }
            | host::Effect::Session(..)
            | host::Effect::Note(_)
            | host::Effect::Arm(_)
            | host::Effect::Disarm(_) => return None,
        })
    }

    fn image(&self, image: &DiskImage<Bytes>) -> DiskImage<Digest> {
        let digest =
            |txn: &Txn<Bytes>| Txn { zxid: txn.zxid, payload: self.payloads.digest(&txn.payload) };
        DiskImage {
            accepted: image.accepted,
            current: image.current,
            snapshot: image.snapshot,
            log: image.log.iter().map(digest).collect(),
            history_lost: image.history_lost,
        }
    }

    fn session(&self, message: &SessionMessage<Bytes>) -> Vec<Packet> {
        let mut packets = Vec::new();
        of_session(message, self.payloads, &mut packets);
        packets
    }

    #[inline]
    fn record(&mut self, record: &Record<Bytes>) -> Record<Digest> {
        match record {
            Record::Txn(txn) => Record::Txn(self.written(txn)),
            Record::Truncate { to } => Record::Truncate { to: *to },
            Record::Snapshot { zxid } => Record::Snapshot { zxid: *zxid },
            Record::AcceptedEpoch(epoch) => Record::AcceptedEpoch(*epoch),
            Record::CurrentEpoch(epoch) => Record::CurrentEpoch(*epoch),
        }
    }

    #[inline]
    fn written(&mut self, txn: &Txn<Bytes>) -> Txn<Digest> {
        let place = Place::of(&txn.payload);
        let came = self.came.iter().enumerate().skip(self.written).take(SKIPPED_MAX);
        let found = came.filter(|_| place.is_some()).find(|(_, (came, _))| *came == place);
        let digest = match found {
            Some((at, &(_, digest))) => {
                self.written = at + 1;
                digest
            }
            None => self.payloads.digest(&txn.payload),
        };
        if self.undelivered.len() == UNDELIVERED_MAX {
            self.undelivered.pop_front();
        }
        self.undelivered.push_back((txn.zxid, place, digest));
        Txn { zxid: txn.zxid, payload: digest }
    }

    #[inline]
    fn delivered(&mut self, txn: &Txn<Bytes>) -> Txn<Digest> {
        let place = Place::of(&txn.payload);
        while let Some(&(zxid, written, digest)) = self.undelivered.front()
            && zxid <= txn.zxid
        {
            self.undelivered.pop_front();
            if zxid == txn.zxid && place.is_some() && place == written {
                return Txn { zxid, payload: digest };
            }
        }
        Txn { zxid: txn.zxid, payload: self.payloads.digest(&txn.payload) }
    }
}

fn said(bytes: &[u8]) -> Said {
    let payload = Bytes::copy_from_slice(bytes.get(4..).unwrap_or_default());
    Said { notification: host::decode_notification(&payload).ok(), bytes: Digest::of(bytes) }
}
