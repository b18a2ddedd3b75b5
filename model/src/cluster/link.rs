//! Connections between servers, each with two ends that learn of it and of its end at different
//! moments, and the slots of the election port.

use host::Generation;
use search::intern::Handle;
use zab::Notification;

/// Connections from one server to another that there may be at once: a new one may be up before the
/// old one is known to be down.
pub const CONNECTIONS_MAX: usize = 2;

/// What an end of a connection does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// The leader does not know of it yet.
    Unborn,
    /// It reads.
    Open,
    /// It does not read any more.
    Closed,
}

/// One connection that a server, as a learner, has, or had, to another as its leader.
///
/// There is no "drop": a connection fails because an end stops reading. What that end had sent may
/// still be read by the other, until that one gives up too, at any moment: so a suffix of what was
/// in flight is lost on each side. What is sent to an end that does not read goes nowhere.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wire {
    /// Which of the connections of the two: the smallest number that is free when it is made.
    pub number: u8,
    /// The learner reads.
    pub learner: End,
    /// The leader reads.
    pub leader: End,
    /// In flight to the leader: frames. Empty if the leader does not read any more.
    pub to_leader: Vec<Handle>,
    /// In flight to the learner. Empty if the learner does not read any more.
    pub to_learner: Vec<Handle>,
}

impl Wire {
    fn dialled(number: u8) -> Self {
        let (learner, leader) = (End::Open, End::Unborn);
        Self { number, learner, leader, to_leader: Vec::new(), to_learner: Vec::new() }
    }

    /// Both ends read.
    pub fn is_whole(&self) -> bool {
        self.learner == End::Open && self.leader == End::Open
    }

    /// The leader may learn of it: the first packet says whose it is.
    pub fn may_be_accepted(&self) -> bool {
        self.leader == End::Unborn && !self.to_leader.is_empty()
    }

    /// The leader reads, and the learner does not any more.
    pub fn is_half_open_at_leader(&self) -> bool {
        self.leader == End::Open && self.learner == End::Closed
    }

    /// The learner reads, and the leader does not any more.
    pub fn is_half_open_at_learner(&self) -> bool {
        self.learner == End::Open && self.leader == End::Closed
    }
}

/// How the learner numbers a connection, and how the leader does.
pub fn generation(number: u8, learner: bool) -> Generation {
    Generation(u64::from(2 * number) + u64::from(learner))
}

/// The other way: the number, and whether this end is the learner's.
pub fn number(generation: Generation) -> (u8, bool) {
    ((generation.0 / 2) as u8, generation.0 % 2 == 1)
}

/// The connections that one server, as a learner, has to another as its leader, oldest first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Conn(pub Vec<Wire>);

/// What happens to connections.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ConnOp {
    /// The learner makes this one.
    Dial(u8),
    /// The leader learns of this one.
    Accept(u8),
    /// The learner sends over this one.
    ToLeader(u8, Vec<Handle>),
    /// The leader sends.
    ToLearner(u8, Vec<Handle>),
    /// The leader reads.
    LeaderReads(u8),
    /// The learner reads.
    LearnerReads(u8),
    /// The learner stops reading.
    LearnerCloses(u8),
    /// Connections that the leader has not learnt of, and whose learner has given up, are
    /// forgotten.
    Forget,
    /// The leader stops reading.
    LeaderCloses(u8),
    /// The learner crashes.
    LearnerCrashes,
    /// The leader crashes: connections of which it had not learnt are gone too.
    LeaderCrashes,
}

impl Conn {
    /// The connection with this number.
    pub fn wire(&self, number: u8) -> Option<&Wire> {
        self.0.iter().find(|wire| wire.number == number)
    }

    /// The number of the next connection; `None` if there are as many as there may be.
    pub fn next(&self, at_once: u8) -> Option<u8> {
        (0..at_once).find(|&number| self.wire(number).is_none())
    }

    /// One that the leader has not learnt of, and whose learner has given up.
    pub fn has_forlorn(&self) -> bool {
        let forlorn = |wire: &Wire| wire.learner == End::Closed && wire.leader == End::Unborn;
        self.0.iter().any(forlorn)
    }

    /// A connection with two ends that read.
    pub fn is_whole(&self) -> bool {
        self.0.iter().any(Wire::is_whole)
    }

    /// The connections afterwards.
    pub fn after(&self, op: &ConnOp) -> Self {
        let mut conn = self.clone();
        match op {
            ConnOp::Dial(number) => conn.0.push(Wire::dialled(*number)),
            ConnOp::Accept(number) => conn.change(*number, |wire| wire.leader = End::Open),
            ConnOp::ToLeader(number, ids) => conn.change(*number, |wire| {
                if wire.leader != End::Closed {
                    wire.to_leader.extend(ids);
                }
            }),
            ConnOp::ToLearner(number, ids) => conn.change(*number, |wire| {
                if wire.learner == End::Open {
                    wire.to_learner.extend(ids);
                }
            }),
            ConnOp::LeaderReads(number) => conn.change(*number, |wire| {
                wire.to_leader.remove(0);
            }),
            ConnOp::LearnerReads(number) => conn.change(*number, |wire| {
                wire.to_learner.remove(0);
            }),
            ConnOp::Forget => {
                conn.0.retain(|wire| wire.learner == End::Open || wire.leader != End::Unborn);
            }
            ConnOp::LearnerCloses(number) => conn.change(*number, Wire::learner_closes),
            ConnOp::LeaderCloses(number) => conn.change(*number, Wire::leader_closes),
            ConnOp::LearnerCrashes => conn.0.iter_mut().for_each(Wire::learner_closes),
            ConnOp::LeaderCrashes => conn.0.iter_mut().for_each(Wire::leader_closes),
        }
        conn.0.retain(Wire::matters);
        conn
    }

    fn change(&mut self, number: u8, change: impl FnOnce(&mut Wire)) {
        if let Some(wire) = self.0.iter_mut().find(|wire| wire.number == number) {
            change(wire);
        }
    }
}

impl Wire {
    /// Somebody reads over it, or will.
    fn matters(&self) -> bool {
        self.learner == End::Open || self.leader == End::Open || self.may_be_accepted()
    }

    fn learner_closes(&mut self) {
        self.learner = End::Closed;
        self.to_learner.clear();
    }

    fn leader_closes(&mut self) {
        self.leader = End::Closed;
        self.to_leader.clear();
    }
}

/// Election messages from one server to another: one on the wire, and one behind it that a newer
/// one replaces (`QuorumCnxManager.SEND_CAPACITY = 1`).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Slot {
    /// Will arrive next.
    pub wire: Option<Notification>,
    /// Will be sent after it, unless replaced.
    pub next: Option<Notification>,
}

/// What happens to a slot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SlotOp {
    /// Sends; a duplicate of the latest message changes nothing.
    Send(Notification),
    /// The receiver reads.
    Read,
    /// The sender crashed: what is not on the wire is gone.
    SenderCrashed,
    /// The receiver crashed: everything is gone.
    ReceiverCrashed,
}

impl Slot {
    /// The slot afterwards.
    pub fn after(&self, op: &SlotOp) -> Self {
        match op {
            SlotOp::Send(notification) => match (&self.wire, &self.next) {
                (None, _) => Self { wire: Some(*notification), next: None },
                (Some(wire), None) if wire == notification => self.clone(),
                (Some(_), _) => Self { wire: self.wire, next: Some(*notification) },
            },
            SlotOp::Read => Self { wire: self.next, next: None },
            SlotOp::SenderCrashed => Self { wire: self.wire, next: None },
            SlotOp::ReceiverCrashed => Self::default(),
        }
    }
}
