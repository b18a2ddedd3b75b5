//! Reading a step: what [`crate::encode`] says, backwards.

use zab::{
    Action, After, Input, LinkCmd, Message, Note, Outputs, Record, Send, SessionMessage, Sid,
    Timer, TimerCmd, Txn, WriteNo, Zxid,
};

use crate::Digest;
use crate::context::Context;
use crate::shapes::{Shape, Shapes};
use crate::tags::{
    self, ARM, DELIVER, DISARM, DUE, INPUT, NEXT, NOTES, OTHER, REST, SAME, SENDS, SESSION, TIMERS,
    WRITES,
};

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

/// The steps of one recording, in their order.
#[derive(Debug)]
pub(crate) struct Decoder {
    shapes: Shapes,
    context: Context,
    /// The shape of the step that is being read.
    shape: Shape,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { shapes: Shapes::new(), context: Context::new(), shape: Shape::default() }
    }

    /// The step at the begin of `bytes`, and what stands behind it.
    pub(crate) fn step<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> Result<(Input<Digest>, Outputs<Digest>, &'a [u8]), Fault> {
        let mut shape = std::mem::take(&mut self.shape);
        let read = self.shape(bytes, &mut shape).and_then(|bytes| {
            let mut parts = Parts { context: &mut self.context, shape: shape.bytes(), bytes };
            let (input, outputs) = (parts.input()?, parts.outputs()?);
            match parts.shape {
                [] => Ok((input, outputs, parts.bytes)),
                [byte, ..] => odd("what stands behind a shape", (*byte).into(), "nothing"),
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
        let length = varint(&mut bytes, "the length of a shape")?;
        let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
        let Some((new, bytes)) = length.and_then(|length| bytes.split_at_checked(length)) else {
            return Err(Fault::Short("a shape"));
        };
        shape.extend(new.iter().copied());
        self.shapes.number(shape);
        Ok(bytes)
    }
}

/// What is left of a step.
struct Parts<'a, 'b> {
    context: &'b mut Context,
    shape: &'b [u8],
    bytes: &'a [u8],
}

impl Parts<'_, '_> {
    fn input(&mut self) -> Result<Input<Digest>, Fault> {
        let tag = self.tag("the kind of an input")?;
        Ok(match tag {
            INPUT => return self.plain("an input"),
            tags::PROPOSE => Input::Propose(self.payload()?),
            tags::DURABLE => {
                let upto = self.difference(self.context.durable)?;
                self.context.durable = upto;
                Input::Durable { upto: WriteNo(upto) }
            }
            tags::TO_PEER => Input::Session { peer: self.sid()?, message: self.session()? },
            tags::PROPOSAL => {
                Input::Recv { peer: self.sid()?, message: Message::Proposal(self.txn()?) }
            }
            tags::INFORM => {
                Input::Recv { peer: self.sid()?, message: Message::Inform(self.txn()?) }
            }
            tags::ACK => {
                let (peer, zxid) = (self.sid()?, self.difference(self.context.delivered)?);
                Input::Recv { peer, message: Message::Ack { zxid: Zxid(zxid) } }
            }
            tags::COMMIT => {
                let (peer, zxid) = (self.sid()?, self.difference(self.context.delivered)?);
                Input::Recv { peer, message: Message::Commit { zxid: Zxid(zxid) } }
            }
            tags::FROM_PEER => {
                Input::Recv { peer: self.sid()?, message: Message::Session(self.session()?) }
            }
            other => return odd("the kind of an input", other.into(), "0 to 8"),
        })
    }

    fn outputs(&mut self) -> Result<Outputs<Digest>, Fault> {
        let mut outputs = Outputs::new();
        let fields = self.tag("the fields of the outputs")?;
        let has = |field| fields & field != 0;
        if fields & 128 != 0 {
            return odd("the fields of the outputs", fields.into(), "0 to 127");
        }
        if has(WRITES) {
            outputs.writes = self.list(Self::write)?;
        }
        if has(DELIVER) {
            self.deliver(&mut outputs.deliver)?;
        }
        if has(SENDS) {
            outputs.sends = self.list(Self::send)?;
        }
        if has(SESSION) {
            outputs.session = self.list(|parts| Ok((parts.sid()?, parts.session()?)))?;
        }
        if has(TIMERS) {
            outputs.timers = self.list(Self::timer)?;
        }
        if has(NOTES) {
            outputs.notes = self.list(Self::note)?;
        }
        if has(REST) {
            type Rest = tags::Rest<Vec<tags::Notified>, Vec<LinkCmd>, Vec<Digest>>;
            let rest: Rest = self.plain("the other outputs")?;
            (outputs.notifications, outputs.install, outputs.links, outputs.synced, outputs.halt) =
                rest;
        }
        Ok(outputs)
    }

    /// Nothing is reserved: each item takes a byte of the shape at least.
    fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let count = varint(&mut self.shape, "the length of a list")?;
        (0..count).map(|_| item(self)).collect()
    }

    fn write(&mut self) -> Result<(WriteNo, Record<Digest>), Fault> {
        let code = self.tag("the number of a record")?;
        let no = WriteNo(self.near(code, self.context.write)?);
        match self.tag("the kind of a record")? {
            tags::TXN => {
                let txn = self.txn()?;
                self.context.written(no, txn.zxid, txn.payload);
                Ok((no, Record::Txn(txn)))
            }
            tags::RECORD => {
                self.context.write = no.0;
                Ok((no, self.plain("a record")?))
            }
            other => odd("the kind of a record", other.into(), "0 or 1"),
        }
    }

    fn deliver(&mut self, deliver: &mut Vec<Txn<Digest>>) -> Result<(), Fault> {
        loop {
            match self.tag("the kind of a delivery")? {
                tags::END => return Ok(()),
                DUE => {
                    let count = varint(&mut self.bytes, "the number of deliveries")?;
                    for done in 0..count {
                        let Some((zxid, payload)) = self.context.due() else {
                            return odd("the number of deliveries", count, &format!("{done}"));
                        };
                        deliver.push(Txn { zxid, payload });
                        self.context.delivered(zxid);
                    }
                }
                tags::TXN => {
                    let txn = self.txn()?;
                    self.context.delivered(txn.zxid);
                    deliver.push(txn);
                }
                other => return odd("the kind of a delivery", other.into(), "0 to 2"),
            }
        }
    }

    fn send(&mut self) -> Result<Send<Digest>, Fault> {
        let to = self.sid()?;
        let after = match self.tag("what a message waits for")? {
            tags::NOW => After::Now,
            code => After::Durable(WriteNo(self.near(code, self.context.write)?)),
        };
        let message = match self.tag("the kind of a message")? {
            tags::MESSAGE => self.plain("a message")?,
            tags::PROPOSAL => Message::Proposal(self.txn()?),
            tags::INFORM => Message::Inform(self.txn()?),
            tags::ACK => {
                let code = self.tag("a zxid")?;
                Message::Ack { zxid: Zxid(self.near(code, self.context.zxid)?) }
            }
            tags::COMMIT => {
                let code = self.tag("a zxid")?;
                Message::Commit { zxid: Zxid(self.near(code, self.context.delivered)?) }
            }
            tags::TO_PEER => Message::Session(self.session()?),
            other => return odd("the kind of a message", other.into(), "0 to 4, or 6"),
        };
        Ok(Send { to, message, after })
    }

    fn session(&mut self) -> Result<SessionMessage<Digest>, Fault> {
        let tag = self.tag("the kind of a session message")?;
        let make = match tag {
            tags::REQUEST => SessionMessage::Request,
            tags::REVALIDATE => SessionMessage::Revalidate,
            tags::SYNC => SessionMessage::Sync,
            other => return odd("the kind of a session message", other.into(), "0 to 2"),
        };
        self.payload().map(make)
    }

    fn timer(&mut self) -> Result<TimerCmd, Fault> {
        let tag = self.tag("a timer")?;
        let timer = match tag & !DISARM {
            0 => Timer::Resend,
            1 => Timer::Finalize,
            2 => Timer::InitLimit,
            3 => Timer::SyncLimit,
            4 => Timer::QuorumLoss,
            5 => Timer::Ping,
            6 => Timer::LearnerInitLimit(self.sid()?),
            7 => Timer::LearnerSyncLimit(self.sid()?),
            _ => return odd("a timer", tag.into(), "0 to 15"),
        };
        Ok(if tag & DISARM == ARM { TimerCmd::Arm(timer) } else { TimerCmd::Disarm(timer) })
    }

    fn note(&mut self) -> Result<Note, Fault> {
        let tag = self.tag("a note")?;
        if tag == tags::NOTE {
            return self.plain("a note");
        }
        match Action::ALL.get(usize::from(tag)) {
            Some(action) => Ok(Note::Action(*action)),
            None => odd("a note", tag.into(), "the number of an action, or 255"),
        }
    }

    fn txn(&mut self) -> Result<Txn<Digest>, Fault> {
        let code = self.tag("a zxid")?;
        self.context.zxid = self.near(code, self.context.zxid)?;
        Ok(Txn { zxid: Zxid(self.context.zxid), payload: self.payload()? })
    }

    fn payload(&mut self) -> Result<Digest, Fault> {
        match self.tag("a digest")? {
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

    fn sid(&mut self) -> Result<Sid, Fault> {
        self.tag("a server").map(Sid)
    }

    fn tag(&mut self, what: &'static str) -> Result<u8, Fault> {
        let (tag, rest) = self.shape.split_first().ok_or(Fault::Short(what))?;
        self.shape = rest;
        Ok(*tag)
    }

    fn plain<T: serde::de::DeserializeOwned>(&mut self, what: &'static str) -> Result<T, Fault> {
        let (value, rest) = postcard::take_from_bytes(self.bytes)
            .map_err(|error| Fault::Plain(what, error))?;
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
