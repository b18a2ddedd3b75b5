//! Writing a step.

use bytes::Bytes;
use host::Link;
use wire::quorum::PacketType;
use zab::{Note, Record, Txn};

use crate::context::{Context, Way};
use crate::packets::names_zxid;
use crate::step::{Effect, Event, Ports};
use crate::tags;
use crate::translate::Translator;
use crate::{Digest, Packet, Payloads};

/// Steps on their way into a recording, all of one recording in their order: each is told relative
/// to those before.
#[derive(Debug)]
pub struct Buffer {
    translator: Translator,
    /// The event whose effects are not there yet.
    event: Option<Event>,
    reports: Vec<Digest>,
    /// Empty between two steps: memory that is used again.
    effects: Vec<Effect>,
    steps: Encoder,
}

/// Memory for steps that is kept for the next ones.
const BYTES_KEPT: usize = 1 << 20;

/// How many effects of a step have memory that is kept for the next ones.
const EFFECTS_KEPT: usize = 1 << 12;

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Buffer {
    /// No step yet.
    pub fn new() -> Self {
        Self {
            translator: Translator::new(Payloads::Real),
            event: None,
            reports: Vec::new(),
            effects: Vec::new(),
            steps: Encoder::new(),
        }
    }

    /// Before the host handles an event; `over` names the connection that it speaks of.
    /// [`Self::end`] has to follow.
    pub fn begin<S>(&mut self, event: &host::Event<Bytes, S>, over: Option<Ports>) {
        debug_assert!(self.event.is_none(), "the step before has ended");
        self.event = Some(self.translator.event(event, over));
    }

    /// While it handles an event: the sessions that it is told to report.
    pub fn report(&mut self, body: &[u8]) {
        self.reports.push(self.translator.report(body));
    }

    /// The effects of the event, or, if none has begun, of a flush. A flush that let nothing leave
    /// is not recorded.
    pub fn end<S>(&mut self, effects: &[host::Effect<Bytes, S>]) {
        if self.event.is_none() && effects.is_empty() {
            return;
        }
        let event = self.event.take().unwrap_or(Event::Flush);
        for effect in effects {
            self.translator.effect(effect, &mut self.effects);
        }
        self.steps.push(&event, &self.reports, &self.effects);
        self.reports.clear();
        self.effects.clear();
        self.effects.shrink_to(EFFECTS_KEPT);
    }

    /// A step that was recorded before.
    pub fn push(&mut self, event: &Event, reports: &[Digest], effects: &[Effect]) {
        self.steps.push(event, reports, effects);
    }

    /// The complete steps, encoded.
    pub fn bytes(&self) -> &[u8] {
        &self.steps.bytes
    }

    /// How many they are.
    pub fn count(&self) -> u32 {
        self.steps.count
    }

    /// Forgets these steps, but not what the next ones are relative to.
    pub fn clear(&mut self) {
        self.steps.clear();
    }
}

/// Writes recorded steps.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(crate) bytes: Vec<u8>,
    count: u32,
    context: Context,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), count: 0, context: Context::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        // The disk image of a start may be large, and comes once.
        self.bytes.shrink_to(BYTES_KEPT);
        self.count = 0;
    }

    pub(crate) fn push(&mut self, event: &Event, reports: &[Digest], effects: &[Effect]) {
        let place = self.bytes.len();
        let kind = self.event(event);
        if !reports.is_empty() {
            self.bytes[place] |= tags::REPORTS;
            varint(reports.len() as u64, &mut self.bytes);
            reports.iter().for_each(|report| self.digest(*report));
        }
        let place = self.bytes.len();
        self.effects(effects);
        let effects = &self.bytes[place..];
        if effects.len() > 1 && self.context.like(kind) == effects {
            self.bytes.truncate(place);
            self.bytes.push(tags::LIKE);
        } else {
            self.context.keep_like(kind, effects);
        }
        self.count += 1;
    }

    fn event(&mut self, event: &Event) -> u8 {
        let place = self.bytes.len();
        self.bytes.push(0);
        let kind = match event {
            Event::Start(image) => {
                self.plain(image);
                tags::START
            }
            Event::Opened { link, dialled, over } => {
                self.link(*link);
                self.plain(&(dialled, over));
                tags::OPENED
            }
            Event::Closed(link) => {
                self.link(*link);
                tags::CLOSED
            }
            Event::Unreachable(sid) => {
                self.bytes.push(sid.0);
                tags::UNREACHABLE
            }
            Event::Received { link, packets } => {
                self.link(*link);
                self.packets(*link, Way::In, packets);
                tags::RECEIVED
            }
            Event::State { link, zxid } => {
                self.link(*link);
                self.plain(zxid);
                tags::STATE
            }
            Event::Notified { from, notification, over } => {
                self.plain(&(from, notification, over));
                tags::NOTIFIED
            }
            Event::ElectionOpened { peer, over } => {
                self.plain(&(peer, over));
                tags::ELECTION_OPENED
            }
            Event::Durable(upto) => {
                let base = std::mem::replace(&mut self.context.durable, upto.0);
                difference(upto.0, base, &mut self.bytes);
                tags::DURABLE
            }
            Event::Timer(timer) => {
                self.plain(timer);
                tags::TIMER
            }
            Event::Propose(payload) => {
                self.digest(*payload);
                self.context.digest = *payload;
                tags::PROPOSE
            }
            Event::Sync(body) => {
                self.digest(*body);
                tags::SYNC
            }
            Event::SyncFor(link) => {
                self.link(*link);
                tags::SYNC_FOR
            }
            Event::Session { peer, packets } => {
                let generation = self.context.last_generation(*peer);
                self.bytes.push(peer.0);
                self.packets(Link { peer: *peer, generation }, Way::Out, packets);
                tags::SESSION
            }
            Event::Resign => tags::RESIGN,
            Event::Flush => tags::FLUSH,
        };
        self.bytes[place] = kind;
        kind
    }

    fn effects(&mut self, effects: &[Effect]) {
        let mut rest = effects;
        while let Some((effect, behind)) = rest.split_first() {
            rest = behind;
            match effect {
                Effect::Write(no, record) => {
                    let is_next = no.0.wrapping_sub(self.context.write) == 1;
                    match record {
                        Record::Txn(txn) if is_next => self.next_record(txn),
                        Record::Txn(_)
                        | Record::Truncate { .. }
                        | Record::Snapshot { .. }
                        | Record::AcceptedEpoch(_)
                        | Record::CurrentEpoch(_) => {
                            self.bytes.push(tags::WRITE);
                            difference(no.0, self.context.write, &mut self.bytes);
                            self.plain(record);
                        }
                    }
                    self.context.write = no.0;
                    if let Record::Txn(txn) = record {
                        self.context.written(txn);
                    }
                }
                Effect::Deliver(txn) => {
                    if self.context.next_delivered().as_ref() == Some(txn) {
                        self.context.delivered = txn.zxid.0;
                        let mut count = 1;
                        while let Some((Effect::Deliver(txn), behind)) = rest.split_first()
                            && self.context.next_delivered().as_ref() == Some(txn)
                        {
                            (self.context.delivered, rest) = (txn.zxid.0, behind);
                            count += 1;
                        }
                        self.bytes.push(tags::DELIVER_NEXT);
                        varint(count, &mut self.bytes);
                    } else {
                        self.bytes.push(tags::DELIVER);
                        let base = std::mem::replace(&mut self.context.delivered, txn.zxid.0);
                        difference(txn.zxid.0, base, &mut self.bytes);
                        self.digest(txn.payload);
                    }
                }
                Effect::Frames { link, packets } => {
                    self.bytes.push(tags::FRAMES);
                    self.link(*link);
                    self.packets(*link, Way::Out, packets);
                }
                Effect::Session { link, packets } => {
                    self.bytes.push(tags::TO_SESSION);
                    self.link(*link);
                    self.packets(*link, Way::In, packets);
                }
                Effect::Note(Note::Action(action)) => {
                    self.bytes.extend([tags::ACTION, *action as u8]);
                }
                Effect::Note(note) => {
                    self.bytes.push(tags::NOTE);
                    self.plain(note);
                }
                Effect::Arm(timer) => {
                    self.bytes.push(tags::ARM);
                    self.plain(timer);
                }
                Effect::Disarm(timer) => {
                    self.bytes.push(tags::DISARM);
                    self.plain(timer);
                }
                Effect::Other(other) => {
                    self.bytes.push(tags::OTHER);
                    self.plain(other);
                }
            }
        }
        self.bytes.push(tags::END);
    }

    #[inline]
    fn next_record(&mut self, txn: &Txn<Digest>) {
        if self.context.next_written() == *txn {
            self.bytes.push(tags::WRITE_NEXT);
        } else {
            self.bytes.push(tags::WRITE_TXN);
            difference(txn.zxid.0, self.context.zxid, &mut self.bytes);
            self.digest(txn.payload);
        }
    }

    fn link(&mut self, link: Link) {
        self.bytes.push(link.peer.0);
        let base = self.context.generation(link);
        difference(link.generation.0, base, &mut self.bytes);
    }

    fn packets(&mut self, link: Link, way: Way, packets: &[Packet]) {
        let mut rest = packets;
        while let Some((first, mut behind)) = rest.split_first() {
            let how = self.how(link, way, first);
            let last = self.context.last(link.peer, way, first.kind);
            self.context.passed(link.peer, way, first);
            let runs = how == tags::AS_EXPECTED || how == tags::CONTENT;
            while runs
                && let Some((packet, more)) = behind.split_first()
                && packet.kind == first.kind
                && self.how(link, way, packet) == how
            {
                self.context.passed(link.peer, way, packet);
                behind = more;
            }
            // Numbers of kinds are below 32.
            self.bytes.push(how | first.kind.code() as u8);
            let told = &rest[..rest.len() - behind.len()];
            if runs {
                varint(told.len() as u64, &mut self.bytes);
            } else {
                difference(first.zxid.0, last, &mut self.bytes);
            }
            if how == tags::CONTENT || how == tags::BOTH {
                told.iter().filter_map(|packet| packet.content).for_each(|it| self.digest(it));
            }
            rest = behind;
        }
        self.bytes.push(tags::NO_PACKET);
    }

    #[inline]
    fn how(&mut self, link: Link, way: Way, packet: &Packet) -> u8 {
        let zxid = expected_zxid(&mut self.context, link, way, packet.kind);
        let content = expected_content(&self.context, packet.kind, packet.zxid.0);
        match (zxid == packet.zxid.0, content == packet.content) {
            (true, true) => tags::AS_EXPECTED,
            (true, false) => tags::CONTENT,
            (false, true) => tags::ZXID,
            (false, false) => tags::BOTH,
        }
    }

    #[inline]
    fn digest(&mut self, digest: Digest) {
        self.bytes.extend_from_slice(&digest.0);
    }

    fn plain(&mut self, value: &impl serde::Serialize) {
        self.bytes = crate::write::append(value, std::mem::take(&mut self.bytes));
    }
}

/// What the next packet of a kind names, if it follows the one before.
#[inline]
pub(crate) fn expected_zxid(context: &mut Context, link: Link, way: Way, kind: PacketType) -> u64 {
    if names_zxid(kind) { context.last(link.peer, way, kind).wrapping_add(1) } else { 0 }
}

/// What a packet of a kind carries, as far as what was told before says.
#[inline]
pub(crate) fn expected_content(context: &Context, kind: PacketType, zxid: u64) -> Option<Digest> {
    if kind == PacketType::Proposal || kind == PacketType::Inform {
        context.known(zxid)
    } else {
        None
    }
}

/// `value - base`, modulo 2^64, where small ones of either sign are short.
fn difference(value: u64, base: u64, bytes: &mut Vec<u8>) {
    let by = value.wrapping_sub(base);
    // Zigzag: 0, -1, 1, -2, 2 and so on.
    varint((by << 1) ^ (by >> 63).wrapping_neg(), bytes);
}

/// Seven bits a byte, the lowest first, the highest bit of all but the last byte set.
fn varint(mut value: u64, bytes: &mut Vec<u8>) {
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
