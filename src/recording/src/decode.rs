//! Reading a step: what [`crate::encode`] says, backwards.

use zab::{
    Action, After, Input, LinkCmd, Message, Note, Outputs, Record, Send, SessionMessage, Sid,
    Timer, TimerCmd, Txn, WriteNo, Zxid,
};

use crate::Digest;
use crate::context::Context;
use crate::shapes::{Shape, Shapes};
use crate::tags::{self, ANY, DISARM, MANY, NEXT, OTHER, SAME};

/// Why bytes are no step.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    #[error("the bytes of {0} end within it")]
    Short(&'static str),
    #[error("{field} is {found}, allowed: {allowed}")]
    Field { field: &'static str, found: String, allowed: String },
    #[error("{0} cannot be decoded: {1}")]
    Plain(&'static str, postcard::Error),
}

fn odd<T>(field: &'static str, found: u64, allowed: &str) -> Result<T, Fault> {
    Err(Fault::Field { field, found: found.to_string(), allowed: allowed.to_owned() })
}

/// What happened, and what the core answered.
pub(crate) type Decoded = (Input<Digest>, Outputs<Digest>);

/// The steps of one recording, in their order.
#[derive(Debug)]
pub(crate) struct Decoder {
    shapes: Shapes,
    context: Context<Digest>,
    /// The shape of the step that is being read.
    shape: Shape,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { shapes: Shapes::new(), context: Context::new(), shape: Shape::default() }
    }

    /// The step at the begin of `bytes`, and what stands behind it.
    pub(crate) fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(Decoded, &'a [u8]), Fault> {
        let mut shape = std::mem::take(&mut self.shape);
        let read = self.shape(bytes, &mut shape).and_then(|bytes| {
            let mut parts = Parts { context: &mut self.context, shape: shape.words(), bytes };
            let (input, outputs) = (parts.input()?, parts.outputs()?);
            match parts.shape {
                [] => Ok(((input, outputs), parts.bytes)),
                [word, ..] => odd("the word behind a shape", *word, "none"),
            }
        });
        self.shape = shape;
        read
    }

    fn shape<'a>(&mut self, bytes: &'a [u8], shape: &mut Shape) -> Result<&'a [u8], Fault> {
        let (number, mut bytes) = bytes.split_first().ok_or(Fault::Short("a step"))?;
        shape.clear();
        if *number != tags::NEW_SHAPE {
            let Some(known) = self.shapes.get(*number) else {
                return odd("the shape", (*number).into(), "the number of one that came before");
            };
            shape.extend(known.iter().copied());
            return Ok(bytes);
        }
        for _ in 0..varint(&mut bytes, "the length of a shape")? {
            let (word, rest) = bytes.split_first_chunk().ok_or(Fault::Short("a shape"))?;
            shape.extend(std::iter::once(u64::from_le_bytes(*word)));
            bytes = rest;
        }
        self.shapes.number(shape);
        Ok(bytes)
    }
}

/// What is left of a step.
struct Parts<'a, 'b> {
    context: &'b mut Context<Digest>,
    shape: &'b [u64],
    bytes: &'a [u8],
}

impl Parts<'_, '_> {
    fn input(&mut self) -> Result<Input<Digest>, Fault> {
        let [kind, peer, one, two, ..] = self.word("an input")?;
        let from = |message| Input::Recv { peer: Sid(peer), message };
        Ok(match kind {
            ANY => self.plain("an input")?,
            tags::PROPOSE => Input::Propose(self.payload(peer)?),
            tags::DURABLE => {
                self.context.durable = self.difference(self.context.durable)?;
                Input::Durable { upto: WriteNo(self.context.durable) }
            }
            tags::TO_PEER => Input::Session { peer: Sid(peer), message: self.session([one, two])? },
            tags::PROPOSAL => from(Message::Proposal(self.txn([one, two])?)),
            tags::INFORM => from(Message::Inform(self.txn([one, two])?)),
            tags::ACK => {
                from(Message::Ack { zxid: Zxid(self.difference(self.context.delivered)?) })
            }
            tags::COMMIT => {
                from(Message::Commit { zxid: Zxid(self.difference(self.context.delivered)?) })
            }
            tags::FROM_PEER => from(Message::Session(self.session([one, two])?)),
            other => return odd("the kind of an input", other.into(), "0 to 8"),
        })
    }

    fn outputs(&mut self) -> Result<Outputs<Digest>, Fault> {
        let [writes, deliver, sends, session, timers, notes, rest, _] = self.word("the outputs")?;
        let mut outputs = Outputs::new();
        outputs.writes = self.list(writes, Self::write)?;
        outputs.deliver = self.deliver(deliver)?;
        outputs.sends = self.list(sends, Self::send)?;
        outputs.session = self.list(session, |parts| {
            let [peer, kind, relation, ..] = parts.word("a message for the session layer")?;
            Ok((Sid(peer), parts.session([kind, relation])?))
        })?;
        outputs.timers = self.list(timers, Self::timer)?;
        outputs.notes = self.list(notes, Self::note)?;
        if rest != 0 {
            type Rest = tags::Rest<Vec<tags::Notified>, Vec<LinkCmd>, Vec<Digest>>;
            let rest: Rest = self.plain("the other outputs")?;
            (outputs.notifications, outputs.install, outputs.links, outputs.synced, outputs.halt) =
                rest;
        }
        Ok(outputs)
    }

    /// Nothing is reserved: each item takes a word of the shape.
    fn list<T>(
        &mut self,
        length: u8,
        mut item: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let length = match length {
            MANY => varint(&mut self.bytes, "the length of a list")?,
            few => few.into(),
        };
        (0..length).map(|_| item(self)).collect()
    }

    fn write(&mut self) -> Result<(WriteNo, Record<Digest>), Fault> {
        let [kind, relation, zxid, payload, ..] = self.word("a record")?;
        let no = WriteNo(self.near(relation, self.context.write)?);
        match kind {
            tags::TXN => {
                let txn = self.txn([zxid, payload])?;
                self.context.written(no, txn.zxid, txn.payload);
                Ok((no, Record::Txn(txn)))
            }
            ANY => {
                self.context.write = no.0;
                Ok((no, self.plain("a record")?))
            }
            other => odd("the kind of a record", other.into(), "0 or 1"),
        }
    }

    fn deliver(&mut self, how: u8) -> Result<Vec<Txn<Digest>>, Fault> {
        let mut deliver = Vec::new();
        if how == 0 {
            return Ok(deliver);
        }
        let count = varint(&mut self.bytes, "the number of deliveries")?;
        for done in 0..count {
            let Some((zxid, payload)) = self.context.due() else {
                return odd("the number of deliveries", count, &format!("{done}"));
            };
            deliver.push(Txn { zxid, payload });
            self.context.delivered(zxid);
        }
        match how {
            tags::DUE => {}
            tags::OTHERS => {
                for _ in 0..varint(&mut self.bytes, "the number of deliveries")? {
                    let [zxid, payload, ..] = self.word("a delivery")?;
                    let txn = self.txn([zxid, payload])?;
                    self.context.delivered(txn.zxid);
                    deliver.push(txn);
                }
            }
            other => return odd("the kind of deliveries", other.into(), "0 to 2"),
        }
        Ok(deliver)
    }

    fn send(&mut self) -> Result<Send<Digest>, Fault> {
        let [kind, to, after, one, two, ..] = self.word("a message")?;
        let after = match after {
            tags::NOW => After::Now,
            relation => After::Durable(WriteNo(self.near(relation, self.context.write)?)),
        };
        let message = match kind {
            ANY => self.plain("a message")?,
            tags::PROPOSAL => Message::Proposal(self.txn([one, two])?),
            tags::INFORM => Message::Inform(self.txn([one, two])?),
            tags::ACK => Message::Ack { zxid: Zxid(self.near(one, self.context.zxid)?) },
            tags::COMMIT => Message::Commit { zxid: Zxid(self.near(one, self.context.delivered)?) },
            tags::TO_PEER => Message::Session(self.session([one, two])?),
            other => return odd("the kind of a message", other.into(), "0 to 4, or 6"),
        };
        Ok(Send { to: Sid(to), message, after })
    }

    fn session(&mut self, [kind, relation]: [u8; 2]) -> Result<SessionMessage<Digest>, Fault> {
        let make = match kind {
            tags::REQUEST => SessionMessage::Request,
            tags::REVALIDATE => SessionMessage::Revalidate,
            tags::SYNC => SessionMessage::Sync,
            other => return odd("the kind of a session message", other.into(), "0 to 2"),
        };
        self.payload(relation).map(make)
    }

    fn timer(&mut self) -> Result<TimerCmd, Fault> {
        let [told, sid, ..] = self.word("a timer")?;
        let timer = match told & !DISARM {
            0 => Timer::Resend,
            1 => Timer::Finalize,
            2 => Timer::InitLimit,
            3 => Timer::SyncLimit,
            4 => Timer::QuorumLoss,
            5 => Timer::Ping,
            6 => Timer::LearnerInitLimit(Sid(sid)),
            7 => Timer::LearnerSyncLimit(Sid(sid)),
            _ => return odd("a timer", told.into(), "0 to 15"),
        };
        Ok(if told & DISARM == 0 { TimerCmd::Arm(timer) } else { TimerCmd::Disarm(timer) })
    }

    fn note(&mut self) -> Result<Note, Fault> {
        let [kind, action, ..] = self.word("a note")?;
        match kind {
            ANY => self.plain("a note"),
            tags::ACTION => match Action::ALL.get(usize::from(action)) {
                Some(action) => Ok(Note::Action(*action)),
                None => odd("an action", action.into(), "the number of one"),
            },
            other => odd("the kind of a note", other.into(), "0 or 1"),
        }
    }

    fn txn(&mut self, [zxid, payload]: [u8; 2]) -> Result<Txn<Digest>, Fault> {
        self.context.zxid = self.near(zxid, self.context.zxid)?;
        Ok(Txn { zxid: Zxid(self.context.zxid), payload: self.payload(payload)? })
    }

    fn payload(&mut self, relation: u8) -> Result<Digest, Fault> {
        match relation {
            SAME => {}
            OTHER => {
                let (digest, bytes) =
                    self.bytes.split_first_chunk().ok_or(Fault::Short("a digest"))?;
                self.bytes = bytes;
                self.context.digest = Digest(*digest);
            }
            other => return odd("a digest", other.into(), "0 or 2"),
        }
        Ok(self.context.digest)
    }

    fn near(&mut self, code: u8, base: u64) -> Result<u64, Fault> {
        match code {
            SAME => Ok(base),
            NEXT => Ok(base.wrapping_add(1)),
            OTHER => self.difference(base),
            other => odd("how a number is told", other.into(), "0 to 2"),
        }
    }

    fn difference(&mut self, base: u64) -> Result<u64, Fault> {
        let told = varint(&mut self.bytes, "a number")?;
        Ok(base.wrapping_add((told >> 1) ^ (told & 1).wrapping_neg()))
    }

    fn word(&mut self, what: &'static str) -> Result<[u8; 8], Fault> {
        let (word, rest) = self.shape.split_first().ok_or(Fault::Short(what))?;
        self.shape = rest;
        Ok(word.to_le_bytes())
    }

    fn plain<T: serde::de::DeserializeOwned>(&mut self, what: &'static str) -> Result<T, Fault> {
        let (value, rest) =
            postcard::take_from_bytes(self.bytes).map_err(|error| Fault::Plain(what, error))?;
        self.bytes = rest;
        Ok(value)
    }
}

fn varint(bytes: &mut &[u8], what: &'static str) -> Result<u64, Fault> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Fault::Short(what))?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    odd(what, value, "10 bytes at most")
}
