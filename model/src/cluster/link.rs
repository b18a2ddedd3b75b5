//! Links between servers: a pair of queues with two ends that learn of a break at different moments, and the slots of
//! the election port.

use zab::Notification;

/// The connection that one server, as a learner, has, or had, to another as its leader.
///
/// There is no "drop": a link fails because an end stops reading. What that end had sent may still be read by the
/// other, until that one gives up too, at any moment: so a suffix of what was in flight is lost on each side. What is sent
/// to an end that does not read goes nowhere.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Conn {
    /// The learner reads.
    pub learner_open: bool,
    /// The leader reads.
    pub leader_open: bool,
    /// In flight to the leader: ids of envelopes. Empty unless the leader reads.
    pub to_leader: Vec<u32>,
    /// In flight to the learner. Empty unless the learner reads.
    pub to_learner: Vec<u32>,
}

/// What happens to a connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ConnOp {
    /// A new connection replaces whatever was there.
    Open,
    /// The learner sends.
    ToLeader(Vec<u32>),
    /// The leader sends.
    ToLearner(Vec<u32>),
    /// The leader reads.
    LeaderReads,
    /// The learner reads.
    LearnerReads,
    /// The learner stops reading.
    LearnerCloses,
    /// The leader stops reading.
    LeaderCloses,
}

impl Conn {
    /// The connection afterwards.
    pub fn after(&self, op: &ConnOp) -> Self {
        let mut conn = self.clone();
        match op {
            ConnOp::Open => {
                conn = Self { learner_open: true, leader_open: true, ..Self::default() };
            }
            ConnOp::ToLeader(ids) if conn.leader_open => conn.to_leader.extend(ids),
            ConnOp::ToLearner(ids) if conn.learner_open => conn.to_learner.extend(ids),
            ConnOp::ToLeader(_) | ConnOp::ToLearner(_) => {}
            ConnOp::LeaderReads => {
                conn.to_leader.remove(0);
            }
            ConnOp::LearnerReads => {
                conn.to_learner.remove(0);
            }
            ConnOp::LearnerCloses => {
                conn.learner_open = false;
                conn.to_learner.clear();
            }
            ConnOp::LeaderCloses => {
                conn.leader_open = false;
                conn.to_leader.clear();
            }
        }
        conn
    }
}

/// Election messages from one server to another: one on the wire, and one behind it that a newer one replaces
/// (`QuorumCnxManager.SEND_CAPACITY = 1`).
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
