//! The actions of a model, as labels of edges and as values in traces.

use serde::{Deserialize, Serialize};
use zab::Sid;

use super::session::Asking;

/// One step of a cluster. Which of them are possible is decided in [`super::Cluster`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Act {
    /// The oracle lets a looking server lead.
    Lead(Sid),
    /// The oracle lets a looking server follow one that leads, or tries to, which it reaches at
    /// once.
    Follow(Sid, Sid),
    /// A learner's dialling succeeds.
    Connect(Sid, Sid),
    /// A server learns of the connection that another has made to it as its leader, and who that
    /// is.
    Accept(Sid, Sid),
    /// A learner reads the next packet from its leader, over the connection with this number.
    LearnerReads(Sid, Sid, u8),
    /// A leader reads the next packet from a learner.
    LeaderReads(Sid, Sid, u8),
    /// A learner reads together the COMMITs that arrived together.
    LearnerReadsRun(Sid, Sid, u8),
    /// A leader reads together the ACKs that arrived together.
    LeaderReadsRun(Sid, Sid, u8),
    /// A learner sees that its leader's end is closed, or gives up while packets are still in
    /// flight.
    LearnerSeesBreak(Sid, Sid, u8),
    /// A leader sees that a learner's end is closed.
    LeaderSeesBreak(Sid, Sid, u8),
    /// A learner has left a question of its leader open for a tick, and another connection claims
    /// to be it.
    Unanswered(Sid, Sid),
    /// A connection has waited too long to become the link of a learner.
    ClaimExpires(Sid, Sid, u8),
    /// A learner has heard nothing for too long, though the other end is well.
    LearnerTimeout(Sid),
    /// A leader has heard nothing from a learner for too long, though the other end is well.
    LeaderTimeout(Sid, Sid),
    /// A leader was not established in time.
    LeaderInitLimit(Sid),
    /// An established leader has had no quorum of links for too long.
    QuorumLoss(Sid),
    /// One more record is durable.
    Disk(Sid),
    /// All records issued, two or more, are durable.
    Disks(Sid),
    /// A client's write reaches an established leader.
    Propose(Sid),
    /// A client's sync reaches an established leader.
    Sync(Sid),
    /// A server writes a snapshot of itself and purges its log.
    Compact(Sid),
    /// A server crashes and starts again.
    Crash(Sid),
    /// A server crashes, finds its history damaged, and starts again without it.
    Damage(Sid),
    /// A server reads the next election message of another.
    ReadNotification(Sid, Sid),
    /// A looking server says its vote again.
    Resend(Sid),
    /// A looking server has waited long enough for a better vote.
    Finalize(Sid),
    /// A client, by its number, attaches to a server; its earlier connection ends.
    Attach(Sid, u8),
    /// A server applies one more of the transactions that were delivered.
    Apply(Sid),
    /// A client asks its server for something.
    Ask(Sid, u8, Asking),
}

impl Act {
    /// The action as a number.
    pub fn label(self) -> u32 {
        let (kind, a, b, number) = match self {
            Self::Lead(a) => (0, a, None, 0),
            Self::Follow(a, b) => (1, a, Some(b), 0),
            Self::Connect(a, b) => (2, a, Some(b), 0),
            Self::LearnerReads(a, b, number) => (3, a, Some(b), number),
            Self::LeaderReads(a, b, number) => (4, a, Some(b), number),
            Self::LearnerSeesBreak(a, b, number) => (5, a, Some(b), number),
            Self::LeaderSeesBreak(a, b, number) => (6, a, Some(b), number),
            Self::LearnerTimeout(a) => (7, a, None, 0),
            Self::LeaderTimeout(a, b) => (8, a, Some(b), 0),
            Self::LeaderInitLimit(a) => (9, a, None, 0),
            Self::QuorumLoss(a) => (10, a, None, 0),
            Self::Disk(a) => (11, a, None, 0),
            Self::Propose(a) => (12, a, None, 0),
            Self::Sync(a) => (13, a, None, 0),
            Self::Compact(a) => (14, a, None, 0),
            Self::Crash(a) => (15, a, None, 0),
            Self::ReadNotification(a, b) => (16, a, Some(b), 0),
            Self::Resend(a) => (17, a, None, 0),
            Self::Finalize(a) => (18, a, None, 0),
            Self::Accept(a, b) => (19, a, Some(b), 0),
            Self::Unanswered(a, b) => (20, a, Some(b), 0),
            Self::ClaimExpires(a, b, number) => (21, a, Some(b), number),
            Self::Disks(a) => (22, a, None, 0),
            Self::LearnerReadsRun(a, b, number) => (23, a, Some(b), number),
            Self::LeaderReadsRun(a, b, number) => (24, a, Some(b), number),
            Self::Attach(a, client) => (25, a, None, client),
            Self::Apply(a) => (30, a, None, 0),
            Self::Damage(a) => (31, a, None, 0),
            Self::Ask(a, client, asking) => (26 + asking as u32, a, None, client),
        };
        kind << 24 | u32::from(number) << 16 | u32::from(a.0) << 8 | b.map_or(0, |b| u32::from(b.0))
    }

    /// The action with this number.
    pub fn from_label(label: u32) -> Option<Self> {
        let field = |shift: u32| (label >> shift & 0xff) as u8;
        let (a, b, number) = (Sid(field(8)), Sid(field(0)), field(16));
        Some(match label >> 24 {
            0 => Self::Lead(a),
            1 => Self::Follow(a, b),
            2 => Self::Connect(a, b),
            3 => Self::LearnerReads(a, b, number),
            4 => Self::LeaderReads(a, b, number),
            5 => Self::LearnerSeesBreak(a, b, number),
            6 => Self::LeaderSeesBreak(a, b, number),
            7 => Self::LearnerTimeout(a),
            8 => Self::LeaderTimeout(a, b),
            9 => Self::LeaderInitLimit(a),
            10 => Self::QuorumLoss(a),
            11 => Self::Disk(a),
            12 => Self::Propose(a),
            13 => Self::Sync(a),
            14 => Self::Compact(a),
            15 => Self::Crash(a),
            16 => Self::ReadNotification(a, b),
            17 => Self::Resend(a),
            18 => Self::Finalize(a),
            19 => Self::Accept(a, b),
            20 => Self::Unanswered(a, b),
            21 => Self::ClaimExpires(a, b, number),
            22 => Self::Disks(a),
            23 => Self::LearnerReadsRun(a, b, number),
            24 => Self::LeaderReadsRun(a, b, number),
            25 => Self::Attach(a, number),
            26 => Self::Ask(a, number, Asking::Write),
            27 => Self::Ask(a, number, Asking::Sync),
            28 => Self::Ask(a, number, Asking::Read),
            30 => Self::Apply(a),
            31 => Self::Damage(a),
            29 => Self::Ask(a, number, Asking::Watch),
            _ => return None,
        })
    }

    /// The server that acts.
    pub fn actor(self) -> Sid {
        Sid((self.label() >> 8 & 0xff) as u8)
    }

    /// The servers that the action names.
    pub fn servers(self) -> impl Iterator<Item = Sid> {
        let other = self.label() & 0xff;
        let other = u8::try_from(other).ok().filter(|&sid| sid != 0).map(Sid);
        [Some(self.actor()), other].into_iter().flatten()
    }
}
