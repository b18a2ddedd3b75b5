//! The actions of the model, as labels of edges and as values in traces.

use serde::{Deserialize, Serialize};
use zab::Sid;

/// One step of an ensemble that elects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Act {
    /// A server reads the next election message of another.
    ReadNotification(Sid, Sid),
    /// A looking server says its vote again.
    Resend(Sid),
    /// A looking server has waited long enough for a better vote.
    Finalize(Sid),
    /// A server that has decided gives up its leader, or its leadership, and looks again.
    GiveUp(Sid),
    /// A server crashes and starts again: its round is lost.
    Crash(Sid),
    /// A server starts, late.
    Start(Sid),
    /// Stand-in for Zab proper: a leader with a quorum of followers is established in a new epoch.
    Establish(Sid),
    /// Stand-in for Zab proper: a follower of an established leader is brought up to date.
    UpToDate(Sid),
    /// A server has a connection to another again, and begins with what it has said last.
    Connect(Sid, Sid),
    /// The connection of a server to another breaks.
    Break(Sid, Sid),
}

impl Act {
    /// The kinds' names, in the order of their numbers.
    pub const NAMES: [&str; 10] = [
        "ReadNotification",
        "Resend",
        "Finalize",
        "GiveUp",
        "Crash",
        "Start",
        "Establish",
        "UpToDate",
        "Connect",
        "Break",
    ];

    /// The action as a number.
    pub fn label(self) -> u32 {
        let (kind, a, b) = match self {
            Self::ReadNotification(a, b) => (0, a, b.0),
            Self::Resend(a) => (1, a, 0),
            Self::Finalize(a) => (2, a, 0),
            Self::GiveUp(a) => (3, a, 0),
            Self::Crash(a) => (4, a, 0),
            Self::Start(a) => (5, a, 0),
            Self::Establish(a) => (6, a, 0),
            Self::UpToDate(a) => (7, a, 0),
            Self::Connect(a, b) => (8, a, b.0),
            Self::Break(a, b) => (9, a, b.0),
        };
        kind << 16 | u32::from(a.0) << 8 | u32::from(b)
    }

    /// The action with this number.
    pub fn from_label(label: u32) -> Option<Self> {
        let sid = |shift: u32| Sid((label >> shift & 0xff) as u8);
        let (a, b) = (sid(8), sid(0));
        Some(match label >> 16 {
            0 => Self::ReadNotification(a, b),
            1 => Self::Resend(a),
            2 => Self::Finalize(a),
            3 => Self::GiveUp(a),
            4 => Self::Crash(a),
            5 => Self::Start(a),
            6 => Self::Establish(a),
            7 => Self::UpToDate(a),
            8 => Self::Connect(a, b),
            9 => Self::Break(a, b),
            _ => return None,
        })
    }

    /// The number of its kind: an index into [`Self::NAMES`].
    pub fn kind(self) -> usize {
        (self.label() >> 16) as usize
    }

    /// The number of the first kind's mark.
    pub const MARKS_FROM: u32 = 96;

    /// The mark of its kind.
    pub fn mark(self) -> u128 {
        1 << (Self::MARKS_FROM as usize + self.kind())
    }

    /// The server that acts.
    pub fn actor(self) -> Sid {
        Sid((self.label() >> 8 & 0xff) as u8)
    }
}
