//! Writing a step: its shape, and behind it what the shape does not say.

use zab::{
    After, Input, LinkCmd, Message, Note, Outputs, Record, Send, SessionMessage, Sid, Timer,
    TimerCmd, Txn, WriteNo, Zxid,
};

use crate::context::Context;
use crate::digest::{Known, Place, digest_input, digest_message, digest_record, place};
use crate::shapes::{Telling, word};
use crate::tags::{self, ANY, MANY, NEXT, OTHER, SAME};
use crate::usual::{Came, Usual};
use crate::{Digest, Payload};

/// Steps on their way into a recording, all of one recording in their order: each is told relative
/// to those before. Its memory is used again: recording a step allocates nothing in steady state.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// Where the step begins whose outputs are not there yet.
    begun: usize,
    count: u32,
    shape: Telling,
    context: Context<Written>,
    known: Known,
    /// The transaction of the input, if that is told once the outputs are there.
    came: Option<Came>,
    usual: Option<Usual>,
}

/// The payload of a transaction that was written and not delivered.
///
/// The core holds a payload from its record to its delivery, so until then nothing else has its
/// place, and the payload that is delivered in the same place need not be looked at. (A core that
/// delivered another one, in the place that it had let go of, would not go unseen: run again it
/// delivers another digest than the recording says.)
#[derive(Clone, Copy, Debug)]
struct Written {
    place: Option<Place>,
    digest: Digest,
}

/// Memory for steps that is kept for the next ones.
const BYTES_KEPT: usize = 1 << 20;

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Buffer {
    /// No step yet.
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            begun: 0,
            count: 0,
            shape: Telling::new(),
            context: Context::new(),
            known: Known::default(),
            came: None,
            usual: None,
        }
    }

    /// Before the step: its input. [`Self::end`] has to follow.
    #[inline]
    pub fn begin<P: Payload>(&mut self, input: &Input<P>) {
        debug_assert_eq!(self.begun, self.bytes.len(), "the step before has ended");
        self.known.forget();
        if let Some(came) = self.came_with(input) {
            self.came = Some(came);
        } else {
            self.begin_told();
            self.input(input);
        }
    }

    /// After the step: its outputs.
    #[inline]
    pub fn end<P: Payload>(&mut self, outputs: &Outputs<P>) {
        if !self.end_usual(outputs) {
            self.end_other(outputs);
        }
        self.begun = self.bytes.len();
        self.count += 1;
    }

    /// Tells a step that is as the last one of its kind.
    #[inline]
    fn end_usual<P: Payload>(&mut self, outputs: &Outputs<P>) -> bool {
        let (Some(came), Some(usual)) = (&self.came, &self.usual) else {
            return false;
        };
        if came.digest == self.context.digest {
            return false;
        }
        let Some(written) = came.written(outputs, self.context.last()) else {
            return false;
        };
        if !usual.fits(came, written, outputs) {
            return false;
        }
        let (no, zxid) = written;
        let mut bytes = [usual.number; 9];
        bytes[1..].copy_from_slice(&came.digest.0);
        self.bytes.extend_from_slice(&bytes);
        self.shape.skip(usual.number);
        self.context.zxid = zxid.0;
        self.context.digest = came.digest;
        self.context.written(no, zxid, Written { place: came.place, digest: came.digest });
        self.came = None;
        true
    }

    /// The transaction that the input is about, if it brings one to be written.
    #[inline]
    fn came_with<P: Payload>(&mut self, input: &Input<P>) -> Option<Came> {
        let (payload, from) = match input {
            Input::Propose(payload) => (payload, None),
            Input::Recv { peer, message: Message::Proposal(txn) } => {
                (&txn.payload, Some((*peer, txn.zxid)))
            }
            Input::Recv { .. }
            | Input::Start(_)
            | Input::Notify { .. }
            | Input::Link { .. }
            | Input::Timer(_)
            | Input::Durable { .. }
            | Input::Sync { .. }
            | Input::Session { .. }
            | Input::Resign => return None,
        };
        Some(Came { from, place: place(payload), digest: self.known.digest(payload) })
    }

    /// Before a step that is told word by word.
    fn begin_told(&mut self) {
        self.shape.begin();
        self.bytes.push(tags::NEW_SHAPE);
    }

    #[inline(never)]
    fn end_other<P: Payload>(&mut self, outputs: &Outputs<P>) {
        let came = self.came.take();
        let mut written = None;
        if let Some(came) = &came {
            if came.digest != self.context.digest {
                written = came.written(outputs, self.context.last());
            }
            self.begin_told();
            self.transaction(came);
        }
        self.outputs(outputs);
        match self.shape.end() {
            Some(number) => {
                self.bytes[self.begun] = number;
                if let (Some(came), Some(written)) = (came, written) {
                    self.usual = Usual::new(number, &came, written, outputs);
                }
            }
            None => {
                let (mut shape, words) = (Vec::new(), self.shape.words());
                varint(words.len() as u64, &mut shape);
                shape.extend(words.iter().flat_map(|word| word.to_le_bytes()));
                self.bytes.splice(self.begun + 1..self.begun + 1, shape);
                // A shape that is new may have made all others forgotten.
                self.usual = None;
            }
        }
    }

    /// The complete steps, encoded.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.begun]
    }

    /// How many they are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Forgets these steps, but not what the next ones are relative to.
    pub fn clear(&mut self) {
        self.bytes.clear();
        // The disk image of a start may be large, and comes once.
        self.bytes.shrink_to(BYTES_KEPT);
        self.begun = 0;
        self.count = 0;
    }

    /// The input that a transaction came with.
    fn transaction(&mut self, came: &Came) {
        match came.from {
            None => {
                let payload = self.digest(came.digest);
                self.shape.push([tags::PROPOSE, payload]);
            }
            Some((peer, zxid)) => {
                let zxid = self.zxid(zxid);
                let payload = self.digest(came.digest);
                self.shape.push([tags::PROPOSAL, peer.0, zxid, payload]);
            }
        }
    }

    /// Any other input.
    #[inline(never)]
    fn input<P: Payload>(&mut self, input: &Input<P>) {
        match input {
            Input::Durable { upto } => {
                self.shape.push([tags::DURABLE]);
                let base = std::mem::replace(&mut self.context.durable, upto.0);
                difference(upto.0, base, &mut self.bytes);
            }
            Input::Session { peer, message } => {
                let [kind, relation] = self.session(message);
                self.shape.push([tags::TO_PEER, peer.0, kind, relation]);
            }
            Input::Recv { peer, message } => match message {
                Message::Inform(txn) => {
                    let ([zxid, payload], _) = self.txn(txn);
                    self.shape.push([tags::INFORM, peer.0, zxid, payload]);
                }
                Message::Ack { zxid } => {
                    self.shape.push([tags::ACK, peer.0]);
                    difference(zxid.0, self.context.delivered, &mut self.bytes);
                }
                Message::Commit { zxid } => {
                    self.shape.push([tags::COMMIT, peer.0]);
                    difference(zxid.0, self.context.delivered, &mut self.bytes);
                }
                Message::Session(message) => {
                    let [kind, relation] = self.session(message);
                    self.shape.push([tags::FROM_PEER, peer.0, kind, relation]);
                }
                Message::LearnerInfo { .. }
                | Message::LeaderInfo { .. }
                | Message::AckEpoch { .. }
                | Message::Diff { .. }
                | Message::Trunc { .. }
                | Message::Snap { .. }
                | Message::NewLeader { .. }
                | Message::AckNewLeader { .. }
                | Message::UpToDate
                | Message::Proposal(_)
                | Message::Ping { .. } => self.any_input(input),
            },
            Input::Propose(_)
            | Input::Start(_)
            | Input::Notify { .. }
            | Input::Link { .. }
            | Input::Timer(_)
            | Input::Sync { .. }
            | Input::Resign => self.any_input(input),
        }
    }

    #[cold]
    #[inline(never)]
    fn any_input<P: Payload>(&mut self, input: &Input<P>) {
        self.shape.push([ANY]);
        let input = digest_input(input, &mut self.known);
        self.plain(&input);
    }

    fn outputs<P: Payload>(&mut self, outputs: &Outputs<P>) {
        let Outputs {
            writes,
            sends,
            notifications,
            deliver,
            install,
            links,
            timers,
            session,
            synced,
            halt,
            notes,
            facts: _,
        } = outputs;
        // Known at the end only.
        let place = self.shape.reserve();
        let written = self.list(writes, |buffer, (no, record)| buffer.write(*no, record));
        let delivered = self.deliver(deliver);
        let sent = self.list(sends, Self::send);
        let said = self.list(session, |buffer, (peer, message)| {
            let [kind, relation] = buffer.session(message);
            buffer.shape.push([peer.0, kind, relation]);
        });
        let timed = self.list(timers, Self::timer);
        let noted = self.list(notes, Self::note);
        let rest = !(notifications.is_empty() && links.is_empty() && synced.is_empty())
            || install.is_some()
            || halt.is_some();
        if rest {
            let synced: Vec<_> = synced.iter().map(|body| self.known.digest(body)).collect();
            let rest: tags::Rest<&[_], &[LinkCmd], &[Digest]> =
                (notifications, *install, links, &synced, *halt);
            self.plain(&rest);
        }
        let fields = [written, delivered, sent, said, timed, noted, u8::from(rest), 0];
        self.shape.set(place, word(fields));
    }

    /// The length for the shape, and the items.
    fn list<T>(&mut self, items: &[T], mut tell: impl FnMut(&mut Self, &T)) -> u8 {
        let length = u8::try_from(items.len()).unwrap_or(MANY);
        if length == MANY {
            varint(items.len() as u64, &mut self.bytes);
        }
        items.iter().for_each(|item| tell(self, item));
        length
    }

    fn write<P: Payload>(&mut self, no: WriteNo, record: &Record<P>) {
        let relation = near(no.0, self.context.write, &mut self.bytes);
        match record {
            Record::Txn(txn) => {
                let ([zxid, payload], digest) = self.txn(txn);
                self.shape.push([tags::TXN, relation, zxid, payload]);
                let written = Written { place: place(&txn.payload), digest };
                self.context.written(no, txn.zxid, written);
            }
            Record::Truncate { .. }
            | Record::Snapshot { .. }
            | Record::AcceptedEpoch(_)
            | Record::CurrentEpoch(_) => {
                self.shape.push([ANY, relation]);
                self.context.write = no.0;
                let record = digest_record(record, &mut self.known);
                self.plain(&record);
            }
        }
    }

    /// How many were due, and the others behind them.
    fn deliver<P: Payload>(&mut self, deliver: &[Txn<P>]) -> u8 {
        if deliver.is_empty() {
            return 0;
        }
        let mut due = 0;
        for txn in deliver {
            if !self.is_due(txn) {
                break;
            }
            self.context.delivered(txn.zxid);
            due += 1;
        }
        varint(due as u64, &mut self.bytes);
        let others = &deliver[due..];
        if others.is_empty() {
            return tags::DUE;
        }
        varint(others.len() as u64, &mut self.bytes);
        for txn in others {
            let (relations, _) = self.txn(txn);
            self.shape.push(relations);
            self.context.delivered(txn.zxid);
        }
        tags::OTHERS
    }

    fn is_due<P: Payload>(&mut self, txn: &Txn<P>) -> bool {
        let Some((zxid, written)) = self.context.due() else {
            return false;
        };
        let here = place(&txn.payload);
        zxid == txn.zxid
            && (here.is_some() && here == written.place
                || written.digest == self.known.digest(&txn.payload))
    }

    fn send<P: Payload>(&mut self, send: &Send<P>) {
        let to = send.to.0;
        let after = match send.after {
            After::Now => tags::NOW,
            After::Durable(no) => near(no.0, self.context.write, &mut self.bytes),
        };
        match &send.message {
            Message::Proposal(txn) => {
                let ([zxid, payload], _) = self.txn(txn);
                self.shape.push([tags::PROPOSAL, to, after, zxid, payload]);
            }
            Message::Inform(txn) => {
                let ([zxid, payload], _) = self.txn(txn);
                self.shape.push([tags::INFORM, to, after, zxid, payload]);
            }
            Message::Ack { zxid } => {
                let relation = near(zxid.0, self.context.zxid, &mut self.bytes);
                self.shape.push([tags::ACK, to, after, relation]);
            }
            Message::Commit { zxid } => {
                let relation = near(zxid.0, self.context.delivered, &mut self.bytes);
                self.shape.push([tags::COMMIT, to, after, relation]);
            }
            Message::Session(message) => {
                let [kind, relation] = self.session(message);
                self.shape.push([tags::TO_PEER, to, after, kind, relation]);
            }
            Message::LearnerInfo { .. }
            | Message::LeaderInfo { .. }
            | Message::AckEpoch { .. }
            | Message::Diff { .. }
            | Message::Trunc { .. }
            | Message::Snap { .. }
            | Message::NewLeader { .. }
            | Message::AckNewLeader { .. }
            | Message::UpToDate
            | Message::Ping { .. } => {
                self.shape.push([ANY, to, after]);
                let message = digest_message(&send.message, &mut self.known);
                self.plain(&message);
            }
        }
    }

    /// Its kind, and the relation of its digest.
    fn session<P: Payload>(&mut self, message: &SessionMessage<P>) -> [u8; 2] {
        let (kind, body) = match message {
            SessionMessage::Request(body) => (tags::REQUEST, body),
            SessionMessage::Revalidate(body) => (tags::REVALIDATE, body),
            SessionMessage::Sync(body) => (tags::SYNC, body),
        };
        [kind, self.payload(body).0]
    }

    #[inline]
    fn timer(&mut self, command: &TimerCmd) {
        let (disarm, timer) = match command {
            TimerCmd::Arm(timer) => (0, timer),
            TimerCmd::Disarm(timer) => (tags::DISARM, timer),
        };
        let (kind, sid) = match timer {
            Timer::Resend => (0, 0),
            Timer::Finalize => (1, 0),
            Timer::InitLimit => (2, 0),
            Timer::SyncLimit => (3, 0),
            Timer::QuorumLoss => (4, 0),
            Timer::Ping => (5, 0),
            Timer::LearnerInitLimit(Sid(sid)) => (6, *sid),
            Timer::LearnerSyncLimit(Sid(sid)) => (7, *sid),
        };
        self.shape.push([disarm | kind, sid]);
    }

    #[inline]
    fn note(&mut self, note: &Note) {
        match note {
            Note::Action(action) => self.shape.push([tags::ACTION, *action as u8]),
            Note::Role(..) | Note::Established(_) | Note::Refused(..) | Note::Ignored(_) => {
                self.shape.push([ANY]);
                self.plain(note);
            }
        }
    }

    /// The relations of zxid and digest, and the digest.
    #[inline]
    fn txn<P: Payload>(&mut self, txn: &Txn<P>) -> ([u8; 2], Digest) {
        let zxid = self.zxid(txn.zxid);
        let (payload, digest) = self.payload(&txn.payload);
        ([zxid, payload], digest)
    }

    #[inline]
    fn zxid(&mut self, zxid: Zxid) -> u8 {
        let base = std::mem::replace(&mut self.context.zxid, zxid.0);
        near(zxid.0, base, &mut self.bytes)
    }

    #[inline]
    fn payload<P: Payload>(&mut self, payload: &P) -> (u8, Digest) {
        let digest = self.known.digest(payload);
        (self.digest(digest), digest)
    }

    #[inline]
    fn digest(&mut self, digest: Digest) -> u8 {
        if digest == self.context.digest {
            return SAME;
        }
        self.bytes.extend_from_slice(&digest.0);
        self.context.digest = digest;
        OTHER
    }

    /// What few steps have: apart, so that what most have is close together.
    #[cold]
    #[inline(never)]
    fn plain(&mut self, value: &impl serde::Serialize) {
        self.bytes = crate::write::append(value, std::mem::take(&mut self.bytes));
    }
}

/// How a number is told that is close to `base`: the code for the shape. Others go to `bytes`.
fn near(value: u64, base: u64, bytes: &mut Vec<u8>) -> u8 {
    match value.wrapping_sub(base) {
        0 => SAME,
        1 => NEXT,
        _ => {
            difference(value, base, bytes);
            OTHER
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_of_steps_that_are_alike_is_told_at_once() {
        let (payloads, mut buffer) = ([[0; 4], [1; 4], [2; 4]], Buffer::new());
        for (counter, payload) in (1..).zip(&payloads) {
            let (zxid, no) = (Zxid(counter), WriteNo(counter));
            let txn = Txn { zxid, payload: &payload[..] };
            let message = Message::Ack { zxid };
            let outputs = Outputs {
                writes: vec![(no, Record::Txn(txn.clone()))],
                sends: vec![Send { to: Sid(3), message, after: After::Durable(no) }],
                ..Outputs::new()
            };
            buffer.begin(&Input::Recv { peer: Sid(3), message: Message::Proposal(txn) });
            // The first has a new shape; the second has it again, and is kept to compare the third
            // with.
            if counter < 3 {
                assert!(!buffer.end_usual(&outputs));
                buffer.end(&outputs);
            } else {
                assert!(buffer.end_usual(&outputs));
            }
        }
    }
}
