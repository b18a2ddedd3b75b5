//! Links of the quorum port, and slots of the election port.

use std::collections::VecDeque;

use zab::{Message, Notification};

use super::server::{P, Txn};

/// A message on a link; with a SNAP goes what the shell streams: the sender's state machine.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) message: Message<P>,
    pub(crate) content: Vec<Txn>,
}

/// The connection of a learner to its leader. A queue lives while its receiver reads; what is sent
/// to an end that no longer reads goes nowhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conn {
    pub(crate) learner_open: bool,
    pub(crate) leader_open: bool,
    pub(crate) to_leader: VecDeque<Envelope>,
    pub(crate) to_learner: VecDeque<Envelope>,
}

impl Conn {
    pub(crate) fn open() -> Self {
        Self { learner_open: true, leader_open: true, ..Self::default() }
    }

    pub(crate) fn send_to_leader(&mut self, envelope: Envelope) {
        if self.leader_open {
            self.to_leader.push_back(envelope);
        }
    }

    pub(crate) fn send_to_learner(&mut self, envelope: Envelope) {
        if self.learner_open {
            self.to_learner.push_back(envelope);
        }
    }
}

/// Election messages of one server to another: one on the wire, and behind it the latest one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    pub(crate) wire: Option<Notification>,
    pub(crate) next: Option<Notification>,
}

impl Slot {
    pub(crate) fn send(&mut self, notification: Notification) {
        match self.wire {
            None => self.wire = Some(notification),
            Some(_) => self.next = Some(notification),
        }
    }

    pub(crate) fn read(&mut self) -> Option<Notification> {
        std::mem::replace(&mut self.wire, self.next.take())
    }
}
