//! Writing a step: its shape, and behind it what the shape does not say.

use zab::{After, Input, LinkCmd, Message, Note, Outputs, Record, SessionMessage, Timer, TimerCmd};
use zab::{Send, Sid, Txn, WriteNo, Zxid};

use crate::context::Context;
use crate::digest::{Known, digest_input, digest_message, digest_record};
use crate::shapes::{Shape, Shapes};
use crate::tags::{
    self, ARM, DELIVER, DISARM, DUE, INPUT, NEXT, NOTES, OTHER, REST, SAME, SENDS, SESSION, TIMERS,
    WRITES,
};
use crate::{Digest, Payload};

/// Steps on their way into a recording, all of one recording in their order: each is told relative to those before. Its memory is
/// used again: recording a step allocates nothing in steady state.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// Where the step begins whose outputs are not there yet.
    begun: usize,
    count: u32,
    shape: Shape,
    shapes: Shapes,
    context: Context,
    known: Known,
}

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
            shape: Shape::default(),
            shapes: Shapes::new(),
            context: Context::new(),
            known: Known::default(),
        }
    }

    /// Before the step: its input. [`Self::end`] has to follow.
    pub fn begin<P: Payload>(&mut self, input: &Input<P>) {
        debug_assert_eq!(self.begun, self.bytes.len(), "the step before has ended");
        self.known.forget();
        self.shape.clear();
        self.bytes.push(tags::NEW_SHAPE);
        self.input(input);
    }

    /// After the step: its outputs.
    pub fn end<P: Payload>(&mut self, outputs: &Outputs<P>) {
        self.outputs(outputs);
        match self.shapes.number(&self.shape) {
            Some(number) => self.bytes[self.begun] = number,
            None => {
                let (mut shape, new) = (Vec::new(), self.shape.bytes());
                varint(new.len() as u64, &mut shape);
                shape.extend_from_slice(new);
                self.bytes.splice(self.begun + 1..self.begun + 1, shape);
            }
        }
        self.begun = self.bytes.len();
        self.count += 1;
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
        self.begun = 0;
        self.count = 0;
    }

    fn input<P: Payload>(&mut self, input: &Input<P>) {
        match input {
            Input::Propose(payload) => {
                self.shape.push(tags::PROPOSE);
                self.payload(payload);
            }
            Input::Durable { upto } => {
                self.shape.push(tags::DURABLE);
                let base = std::mem::replace(&mut self.context.durable, upto.0);
                difference(upto.0, base, &mut self.bytes);
            }
            Input::Session { peer, message } => {
                self.shape.extend([tags::TO_PEER, peer.0]);
                self.session(message);
            }
            Input::Recv { peer, message } => match message {
                Message::Proposal(txn) => {
                    self.shape.extend([tags::PROPOSAL, peer.0]);
                    self.txn(txn);
                }
                Message::Inform(txn) => {
                    self.shape.extend([tags::INFORM, peer.0]);
                    self.txn(txn);
                }
                Message::Ack { zxid } => {
                    self.shape.extend([tags::ACK, peer.0]);
                    difference(zxid.0, self.context.delivered, &mut self.bytes);
                }
                Message::Commit { zxid } => {
                    self.shape.extend([tags::COMMIT, peer.0]);
                    difference(zxid.0, self.context.delivered, &mut self.bytes);
                }
                Message::Session(message) => {
                    self.shape.extend([tags::FROM_PEER, peer.0]);
                    self.session(message);
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
                | Message::Ping { .. } => self.any_input(input),
            },
            Input::Start(_)
            | Input::Notify { .. }
            | Input::Link { .. }
            | Input::Timer(_)
            | Input::Sync { .. }
            | Input::Resign => self.any_input(input),
        }
    }

    fn any_input<P: Payload>(&mut self, input: &Input<P>) {
        self.shape.push(INPUT);
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
        } = outputs;
        let rest = !(notifications.is_empty() && links.is_empty() && synced.is_empty())
            || install.is_some()
            || halt.is_some();
        let flag = |present: bool, flag: u8| if present { flag } else { 0 };
        self.shape.push(
            flag(!writes.is_empty(), WRITES)
                | flag(!deliver.is_empty(), DELIVER)
                | flag(!sends.is_empty(), SENDS)
                | flag(!session.is_empty(), SESSION)
                | flag(!timers.is_empty(), TIMERS)
                | flag(!notes.is_empty(), NOTES)
                | flag(rest, REST),
        );
        if !writes.is_empty() {
            self.count_of(writes);
            writes.iter().for_each(|(no, record)| self.write(*no, record));
        }
        if !deliver.is_empty() {
            self.deliver(deliver);
        }
        if !sends.is_empty() {
            self.count_of(sends);
            sends.iter().for_each(|send| self.send(send));
        }
        if !session.is_empty() {
            self.count_of(session);
            for (peer, message) in session {
                self.shape.push(peer.0);
                self.session(message);
            }
        }
        if !timers.is_empty() {
            self.count_of(timers);
            timers.iter().for_each(|command| self.timer(*command));
        }
        if !notes.is_empty() {
            self.count_of(notes);
            notes.iter().for_each(|note| self.note(note));
        }
        if rest {
            let synced: Vec<_> = synced.iter().map(|body| self.known.digest(body)).collect();
            let rest: tags::Rest<&[_], &[LinkCmd], &[Digest]> =
                (notifications, *install, links, &synced, *halt);
            self.plain(&rest);
        }
    }

    fn write<P: Payload>(&mut self, no: WriteNo, record: &Record<P>) {
        let code = near(no.0, self.context.write, &mut self.bytes);
        match record {
            Record::Txn(txn) => {
                self.shape.extend([code, tags::TXN]);
                let digest = self.txn(txn);
                self.context.written(no, txn.zxid, digest);
            }
            Record::Truncate { .. }
            | Record::Snapshot { .. }
            | Record::AcceptedEpoch(_)
            | Record::CurrentEpoch(_) => {
                self.shape.extend([code, tags::RECORD]);
                self.context.write = no.0;
                let record = digest_record(record, &mut self.known);
                self.plain(&record);
            }
        }
    }

    /// Runs of what was due, and single others.
    fn deliver<P: Payload>(&mut self, deliver: &[Txn<P>]) {
        let mut due = 0;
        for txn in deliver {
            let digest = self.known.digest(&txn.payload);
            if self.context.due() == Some((txn.zxid, digest)) {
                due += 1;
            } else {
                self.due(&mut due);
                self.shape.push(tags::TXN);
                self.txn(txn);
            }
            self.context.delivered(txn.zxid);
        }
        self.due(&mut due);
        self.shape.push(tags::END);
    }

    fn due(&mut self, count: &mut u64) {
        if *count > 0 {
            self.shape.push(DUE);
            varint(*count, &mut self.bytes);
            *count = 0;
        }
    }

    fn send<P: Payload>(&mut self, send: &Send<P>) {
        let after = match send.after {
            After::Now => tags::NOW,
            After::Durable(no) => near(no.0, self.context.write, &mut self.bytes),
        };
        self.shape.extend([send.to.0, after]);
        match &send.message {
            Message::Proposal(txn) => {
                self.shape.push(tags::PROPOSAL);
                self.txn(txn);
            }
            Message::Inform(txn) => {
                self.shape.push(tags::INFORM);
                self.txn(txn);
            }
            Message::Ack { zxid } => {
                let code = near(zxid.0, self.context.zxid, &mut self.bytes);
                self.shape.extend([tags::ACK, code]);
            }
            Message::Commit { zxid } => {
                let code = near(zxid.0, self.context.delivered, &mut self.bytes);
                self.shape.extend([tags::COMMIT, code]);
            }
            Message::Session(message) => {
                self.shape.push(tags::TO_PEER);
                self.session(message);
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
                self.shape.push(tags::MESSAGE);
                let message = digest_message(&send.message, &mut self.known);
                self.plain(&message);
            }
        }
    }

    fn session<P: Payload>(&mut self, message: &SessionMessage<P>) {
        let (tag, body) = match message {
            SessionMessage::Request(body) => (tags::REQUEST, body),
            SessionMessage::Revalidate(body) => (tags::REVALIDATE, body),
            SessionMessage::Sync(body) => (tags::SYNC, body),
        };
        self.shape.push(tag);
        self.payload(body);
    }

    fn timer(&mut self, command: TimerCmd) {
        let (arm, timer) = match command {
            TimerCmd::Arm(timer) => (ARM, timer),
            TimerCmd::Disarm(timer) => (DISARM, timer),
        };
        let (kind, sid) = match timer {
            Timer::Resend => (0, None),
            Timer::Finalize => (1, None),
            Timer::InitLimit => (2, None),
            Timer::SyncLimit => (3, None),
            Timer::QuorumLoss => (4, None),
            Timer::Ping => (5, None),
            Timer::LearnerInitLimit(Sid(sid)) => (6, Some(sid)),
            Timer::LearnerSyncLimit(Sid(sid)) => (7, Some(sid)),
        };
        self.shape.push(arm | kind);
        self.shape.extend(sid);
    }

    fn note(&mut self, note: &Note) {
        match note {
            Note::Action(action) => self.shape.push(*action as u8),
            Note::Role(..) | Note::Established(_) | Note::Refused(..) | Note::Ignored(_) => {
                self.shape.push(tags::NOTE);
                self.plain(note);
            }
        }
    }

    fn txn<P: Payload>(&mut self, txn: &Txn<P>) -> Digest {
        let Zxid(zxid) = txn.zxid;
        let base = std::mem::replace(&mut self.context.zxid, zxid);
        let code = near(zxid, base, &mut self.bytes);
        self.shape.push(code);
        self.payload(&txn.payload)
    }

    fn payload<P: Payload>(&mut self, payload: &P) -> Digest {
        let digest = self.known.digest(payload);
        if digest == self.context.digest {
            self.shape.push(SAME);
        } else {
            self.shape.push(OTHER);
            self.bytes.extend_from_slice(&digest.0);
            self.context.digest = digest;
        }
        digest
    }

    fn count_of<T>(&mut self, list: &[T]) {
        varint(list.len() as u64, &mut self.shape);
    }

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
fn varint(mut value: u64, bytes: &mut impl Extend<u8>) {
    while value > 0x7f {
        bytes.extend([value as u8 | 0x80]);
        value >>= 7;
    }
    bytes.extend([value as u8]);
}
