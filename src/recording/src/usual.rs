//! The step that most are, told at once: a transaction comes, which is the next one, is written,
//! and is passed on or acknowledged.
//!
//! Nothing of it is in the format: such a step has the bytes that it has when it is told word by
//! word. It is recognised by less, with code that is small, because a server that is busy does
//! little else, and what a step costs it is mostly what the step drives out of the processor's
//! caches.

use zab::{After, Message, Note, Outputs, Record, Send, Sid, TimerCmd, Txn, WriteNo, Zxid};

use crate::digest::{Place, place};
use crate::{Digest, Payload};

/// A transaction that came with the input of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    /// Who sent it, and its zxid; or it was proposed here.
    pub(crate) from: Option<(Sid, Zxid)>,
    pub(crate) place: Option<Place>,
    pub(crate) digest: Digest,
}

/// What the last such step asked for besides the record: the shape of the step, but for what makes
/// it such a step.
#[derive(Debug)]
pub(crate) struct Usual {
    /// Of the shape.
    pub(crate) number: u8,
    from: Option<Sid>,
    sends: Vec<(Sid, Passed)>,
    timers: Vec<TimerCmd>,
    notes: Vec<Note>,
}

/// What is said of the transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Passed {
    /// It is proposed, at once.
    On,
    /// It is acknowledged, once it is written.
    Back,
}

impl Came {
    /// The record of such a step, if this is one, where the last record and the last transaction
    /// were these.
    #[inline]
    pub(crate) fn written<P: Payload>(
        &self,
        outputs: &Outputs<P>,
        (no, zxid): (u64, u64),
    ) -> Option<(WriteNo, Zxid)> {
        let Outputs {
            writes,
            sends: _,
            notifications,
            deliver,
            install,
            links,
            timers: _,
            session,
            synced,
            halt,
            notes: _,
            facts: _,
        } = outputs;
        let [(write, Record::Txn(txn))] = &writes[..] else {
            return None;
        };
        let nothing_else = deliver.is_empty()
            && session.is_empty()
            && notifications.is_empty()
            && links.is_empty()
            && synced.is_empty()
            && install.is_none()
            && halt.is_none();
        let next = write.0.wrapping_sub(no) == 1
            && txn.zxid.0.wrapping_sub(zxid) == 1
            && self.from.is_none_or(|(_, came)| came == txn.zxid);
        (nothing_else && next && self.is(&txn.payload)).then_some((*write, txn.zxid))
    }

    /// Is it this payload? A place holds one payload only while a step goes on.
    #[inline]
    fn is<P: Payload>(&self, payload: &P) -> bool {
        self.place.is_some() && self.place == place(payload)
    }

    #[inline]
    fn passed<P: Payload>(
        &self,
        send: &Send<P>,
        (no, zxid): (WriteNo, Zxid),
    ) -> Option<(Sid, Passed)> {
        let passed = if let Message::Proposal(Txn { zxid: said, payload }) = &send.message {
            (*said == zxid && send.after == After::Now && self.is(payload)).then_some(Passed::On)
        } else if let Message::Ack { zxid: said } = &send.message {
            (*said == zxid && send.after == After::Durable(no)).then_some(Passed::Back)
        } else {
            None
        };
        passed.map(|passed| (send.to, passed))
    }
}

impl Usual {
    /// What such a step asks for, which was told with the shape of this number: the next ones may
    /// be compared with it.
    #[cold]
    pub(crate) fn new<P: Payload>(
        number: u8,
        came: &Came,
        written: (WriteNo, Zxid),
        outputs: &Outputs<P>,
    ) -> Option<Self> {
        let sends = outputs.sends.iter().map(|send| came.passed(send, written));
        Some(Self {
            number,
            from: came.from.map(|(sid, _)| sid),
            sends: sends.collect::<Option<_>>()?,
            timers: outputs.timers.clone(),
            notes: outputs.notes.clone(),
        })
    }

    /// Does this step ask for the same?
    #[inline]
    pub(crate) fn fits<P: Payload>(
        &self,
        came: &Came,
        written: (WriteNo, Zxid),
        outputs: &Outputs<P>,
    ) -> bool {
        self.from == came.from.map(|(sid, _)| sid)
            && self.sends.len() == outputs.sends.len()
            && (self.sends.iter())
                .zip(&outputs.sends)
                .all(|(usual, send)| came.passed(send, written) == Some(*usual))
            && self.timers == outputs.timers
            && self.notes == outputs.notes
    }
}
