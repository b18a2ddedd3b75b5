//! A connection that is the core's link to a peer: what waits for the disk, and what has been said.

use std::collections::VecDeque;

use bytes::Bytes;
use zab::{After, Epoch, Message, Sid, WriteNo};

use crate::io::Generation;
use crate::packets::{Encoder, Payload};

/// Room that is kept for what the next turn sends, at most, in bytes.
const ROOM_MAX: usize = 1 << 18;

/// The link of the core to a peer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Connection<P> {
    pub(crate) generation: Generation,
    encoder: Encoder,
    /// Messages that may leave only when a record is durable, in order.
    gated: VecDeque<(WriteNo, Message<P>)>,
    /// Packets of this turn. Its capacity is what the last turn needed: bytes that outgrow their
    /// room are copied.
    staged: Vec<u8>,
    /// A question that a peer that is alive answers at once is open.
    asked: bool,
    /// For a tick.
    pub(crate) overdue: bool,
    /// The open question is LEADERINFO of this epoch: nothing has been heard since the learner
    /// introduced itself.
    proposed: Option<Epoch>,
    /// The learner was told this epoch over this connection while it waited to become the link.
    told: Option<Epoch>,
}

impl<P: Payload> Connection<P> {
    pub(crate) fn new(generation: Generation, me: Sid, config_text: Bytes) -> Self {
        Self {
            generation,
            encoder: Encoder::new(me, config_text),
            gated: VecDeque::new(),
            staged: Vec::new(),
            asked: false,
            overdue: false,
            proposed: None,
            told: None,
        }
    }

    /// The same over a connection whose learner was told this epoch before it became the link.
    pub(crate) fn told(self, told: Option<Epoch>) -> Self {
        Self { told, ..self }
    }

    /// The epoch that was proposed, if that is the last word: whoever is at the other end has not
    /// proved yet that it takes part in the protocol.
    pub(crate) fn unanswered_proposal(&self) -> Option<Epoch> {
        self.proposed
    }

    /// Whether the message has been said over this connection already, before it was the link.
    pub(crate) fn was_told(&self, message: &Message<P>) -> bool {
        if let Message::LeaderInfo { epoch } = message { self.told == Some(*epoch) } else { false }
    }

    /// The message, if it may leave now; or it waits for the disk.
    pub(crate) fn pass(
        &mut self,
        message: Message<P>,
        after: After,
        durable: WriteNo,
    ) -> Option<Message<P>> {
        match after {
            After::Durable(no) if no > durable => {
                self.gated.push_back((no, message));
                None
            }
            After::Durable(_) | After::Now => Some(message),
        }
    }

    /// The next message that has waited for a record up to this one.
    pub(crate) fn released(&mut self, durable: WriteNo) -> Option<Message<P>> {
        self.gated.pop_front_if(|(no, _)| *no <= durable).map(|(_, message)| message)
    }

    /// Says a message. True if it is the first open question.
    pub(crate) fn say(&mut self, message: &Message<P>) -> bool {
        self.encoder.encode(message, &mut self.staged);
        self.has_said(message)
    }

    /// A message has left. True if it is the first open question.
    pub(crate) fn has_said(&mut self, message: &Message<P>) -> bool {
        if let Message::LeaderInfo { epoch } = message {
            self.proposed = Some(*epoch);
        }
        message.is_question() && !std::mem::replace(&mut self.asked, true)
    }

    /// Whether a question is open. The timer may run out although it was stopped.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    /// The peer was heard. True if a question was open.
    pub(crate) fn answered(&mut self) -> bool {
        self.overdue = false;
        self.proposed = None;
        std::mem::take(&mut self.asked)
    }

    /// What was said since the last time.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let said = self.staged.len();
        (said > 0).then(|| {
            let room = Vec::with_capacity((said * 5 / 4).min(ROOM_MAX));
            std::mem::replace(&mut self.staged, room)
        })
    }

    /// Counts writes from another one.
    pub(crate) fn renumber(&mut self, shift: WriteNo) {
        for (no, _) in &mut self.gated {
            no.0 -= shift.0;
        }
    }

    /// The same, of another server.
    pub(crate) fn renamed(&self, me: Sid) -> Self {
        Self { encoder: self.encoder.renamed(me), ..self.clone() }
    }

    /// The messages that wait, and for which record.
    pub(crate) fn gated(&self) -> impl Iterator<Item = &(WriteNo, Message<P>)> {
        self.gated.iter()
    }
}
