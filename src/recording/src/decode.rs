//! Reading a step: what [`crate::encode`] says, backwards.

use host::{Generation, Link};
use wire::quorum::PacketType;
use zab::{Action, Note, Record, Sid, Txn, WriteNo, Zxid};

use crate::context::{Context, Way};
use crate::encode::{expected_content, expected_zxid};
use crate::step::{Effect, Event, are_session};
use crate::tags;
use crate::{Digest, Packet};

/// Why bytes are no step.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    #[error("the bytes of {0} end within it")]
    Short(&'static str),
    #[error("{field} is {found}, allowed: {allowed}")]
    Field { field: &'static str, found: String, allowed: &'static str },
    #[error("{0} cannot be decoded: {1}")]
    Plain(&'static str, postcard::Error),
}

fn odd<T>(field: &'static str, found: u64, allowed: &'static str) -> Result<T, Fault> {
    Err(Fault::Field { field, found: found.to_string(), allowed })
}

/// What happened, what was reported, and what the host asked for.
pub(crate) type Decoded = (Event, Vec<Digest>, Vec<Effect>);

/// The steps of one recording, in their order.
#[derive(Debug)]
pub(crate) struct Decoder {
    context: Context,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { context: Context::new() }
    }

    /// The step at the begin of `bytes`, and what stands behind it.
    pub(crate) fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(Decoded, &'a [u8]), Fault> {
        let mut parts = Parts { context: &mut self.context, bytes };
        let told = parts.byte("an event")?;
        let kind = told & !tags::REPORTS;
        let event = parts.event(kind)?;
        let mut reports = Vec::new();
        if told & tags::REPORTS != 0 {
            for _ in 0..parts.varint("the number of reports")? {
                reports.push(parts.digest("a report")?);
            }
        }
        let effects = if parts.bytes.first() == Some(&tags::LIKE) {
            let rest = &parts.bytes[1..];
            let like = parts.context.like(kind).to_vec();
            let effects = Parts { context: parts.context, bytes: &like }.effects()?;
            parts.bytes = rest;
            effects
        } else {
            let before = parts.bytes;
            let effects = parts.effects()?;
            parts.context.keep_like(kind, &before[..before.len() - parts.bytes.len()]);
            effects
        };
        Ok(((event, reports, effects), parts.bytes))
    }
}

/// What is left of a step.
struct Parts<'a, 'b> {
    context: &'b mut Context,
    bytes: &'a [u8],
}

impl Parts<'_, '_> {
    fn event(&mut self, kind: u8) -> Result<Event, Fault> {
        Ok(match kind {
            tags::START => Event::Start(self.plain("a disk image")?),
            tags::OPENED => {
                let link = self.link()?;
                let (dialled, over) = self.plain("a connection")?;
                Event::Opened { link, dialled, over }
            }
            tags::CLOSED => Event::Closed(self.link()?),
            tags::UNREACHABLE => Event::Unreachable(Sid(self.byte("a server")?)),
            tags::RECEIVED => {
                let link = self.link()?;
                Event::Received { link, packets: self.packets(link, Way::In)? }
            }
            tags::STATE => Event::State { link: self.link()?, zxid: self.plain("a label")? },
            tags::NOTIFIED => {
                let (from, notification, over) = self.plain("an election message")?;
                Event::Notified { from, notification, over }
            }
            tags::ELECTION_OPENED => {
                let (peer, over) = self.plain("a connection")?;
                Event::ElectionOpened { peer, over }
            }
            tags::DURABLE => {
                self.context.durable = self.difference(self.context.durable)?;
                Event::Durable(WriteNo(self.context.durable))
            }
            tags::TIMER => Event::Timer(self.plain("a timer")?),
            tags::PROPOSE => {
                let payload = self.digest("a proposal")?;
                self.context.digest = payload;
                Event::Propose(payload)
            }
            tags::SYNC => Event::Sync(self.digest("a sync")?),
            tags::SYNC_FOR => Event::SyncFor(self.link()?),
            tags::SESSION => {
                let peer = Sid(self.byte("a server")?);
                let link = Link { peer, generation: self.context.last_generation(peer) };
                Event::Session { peer, packets: self.of_session(link, Way::Out)? }
            }
            tags::RESIGN => Event::Resign,
            tags::FLUSH => Event::Flush,
            other => return odd("the kind of an event", other.into(), "0 to 15"),
        })
    }

    fn effects(&mut self) -> Result<Vec<Effect>, Fault> {
        let mut effects = Vec::new();
        loop {
            effects.push(match self.byte("the effects")? {
                tags::END => return Ok(effects),
                tags::WRITE_NEXT => {
                    let txn = self.context.next_written();
                    self.next_record(txn)
                }
                tags::WRITE_TXN => {
                    let zxid = Zxid(self.difference(self.context.zxid)?);
                    let txn = Txn { zxid, payload: self.digest("a transaction")? };
                    self.next_record(txn)
                }
                tags::WRITE => {
                    self.context.write = self.difference(self.context.write)?;
                    let record = self.plain("a record")?;
                    if let Record::Txn(txn) = &record {
                        self.context.written(txn);
                    }
                    Effect::Write(WriteNo(self.context.write), record)
                }
                tags::DELIVER_NEXT => {
                    for _ in 0..self.varint("the number of deliveries")? {
                        let Some(txn) = self.context.next_delivered() else {
                            let zxid = self.context.delivered.wrapping_add(1);
                            return odd("a delivery", zxid, "one whose content is known");
                        };
                        self.context.delivered = txn.zxid.0;
                        effects.push(Effect::Deliver(txn));
                    }
                    continue;
                }
                tags::DELIVER => {
                    self.context.delivered = self.difference(self.context.delivered)?;
                    let zxid = Zxid(self.context.delivered);
                    Effect::Deliver(Txn { zxid, payload: self.digest("a delivery")? })
                }
                tags::FRAMES => {
                    let link = self.link()?;
                    Effect::Frames { link, packets: self.packets(link, Way::Out)? }
                }
                tags::TO_SESSION => {
                    let link = self.link()?;
                    Effect::Session { link, packets: self.of_session(link, Way::In)? }
                }
                tags::ACTION => {
                    let action = self.byte("an action")?;
                    match Action::ALL.get(usize::from(action)) {
                        Some(action) => Effect::Note(Note::Action(*action)),
                        None => return odd("an action", action.into(), "the number of one"),
                    }
                }
                tags::NOTE => Effect::Note(self.plain("a note")?),
                tags::ARM => Effect::Arm(self.plain("a timer")?),
                tags::DISARM => Effect::Disarm(self.plain("a timer")?),
                tags::OTHER => Effect::Other(self.plain("an effect")?),
                other => return odd("the kind of an effect", other.into(), "0 to 12, or 255"),
            });
        }
    }

    fn next_record(&mut self, txn: Txn<Digest>) -> Effect {
        self.context.write = self.context.write.wrapping_add(1);
        self.context.written(&txn);
        Effect::Write(WriteNo(self.context.write), Record::Txn(txn))
    }

    fn link(&mut self) -> Result<Link, Fault> {
        let peer = Sid(self.byte("a connection")?);
        let Generation(base) = self.context.last_generation(peer);
        let link = Link { peer, generation: Generation(self.difference(base)?) };
        self.context.generation(link);
        Ok(link)
    }

    /// The packets of one message of the session layer.
    fn of_session(&mut self, link: Link, way: Way) -> Result<Vec<Packet>, Fault> {
        let packets = self.packets(link, way)?;
        match are_session(&packets) {
            true => Ok(packets),
            false => {
                odd("the number of messages", packets.len() as u64, "one of the session layer")
            }
        }
    }

    fn packets(&mut self, link: Link, way: Way) -> Result<Vec<Packet>, Fault> {
        let mut packets = Vec::new();
        loop {
            let told = self.byte("a packet")?;
            if told == tags::NO_PACKET {
                return Ok(packets);
            }
            let how = told & !tags::KIND;
            let code = told & tags::KIND;
            let Some(kind) = PacketType::from_code(code.into()) else {
                return odd("the type of a packet", code.into(), "1 to 19");
            };
            let is_run = how == tags::AS_EXPECTED || how == tags::CONTENT;
            let count = if is_run { self.varint("the number of packets")? } else { 1 };
            for _ in 0..count {
                let zxid = if is_run {
                    expected_zxid(self.context, link, way, kind)
                } else {
                    let base = self.context.last(link.peer, way, kind);
                    self.difference(base)?
                };
                let content = match how {
                    tags::AS_EXPECTED | tags::ZXID => expected_content(self.context, kind, zxid),
                    tags::CONTENT | tags::BOTH => Some(self.digest("a packet")?),
                    other => return odd("how a packet is told", other.into(), "0, 32, 64 or 96"),
                };
                let packet = Packet { kind, zxid: Zxid(zxid), content };
                if !packet.is_possible() {
                    let (field, allowed) = ("a packet", "what a host can be given");
                    return Err(Fault::Field { field, found: format!("{packet:?}"), allowed });
                }
                if packets.len() == PACKETS_MAX {
                    return odd("the number of packets", count, "2^24 at once");
                }
                self.context.passed(link.peer, way, &packet);
                packets.push(packet);
            }
        }
    }

    fn digest(&mut self, what: &'static str) -> Result<Digest, Fault> {
        let (digest, bytes) = self.bytes.split_first_chunk().ok_or(Fault::Short(what))?;
        self.bytes = bytes;
        Ok(Digest(*digest))
    }

    fn difference(&mut self, base: u64) -> Result<u64, Fault> {
        let told = self.varint("a number")?;
        Ok(base.wrapping_add((told >> 1) ^ (told & 1).wrapping_neg()))
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, Fault> {
        let (byte, rest) = self.bytes.split_first().ok_or(Fault::Short(what))?;
        self.bytes = rest;
        Ok(*byte)
    }

    fn plain<T: serde::de::DeserializeOwned>(&mut self, what: &'static str) -> Result<T, Fault> {
        let (value, rest) =
            postcard::take_from_bytes(self.bytes).map_err(|error| Fault::Plain(what, error))?;
        self.bytes = rest;
        Ok(value)
    }

    fn varint(&mut self, what: &'static str) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        odd(what, value, "10 bytes at most")
    }
}

/// How many packets a step may tell, so that a few bytes cannot ask for all memory. What is read at
/// once is 64 KiB, but a history that a learner has missed leaves at once too.
const PACKETS_MAX: usize = 1 << 24;
