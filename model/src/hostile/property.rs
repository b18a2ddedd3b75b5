//! What is checked of a server whose peers may say anything.

use zab::Refusal;

use super::limits::Subject;
use super::machine::{Companion, Seen};

/// A property that has to hold always. The number is its bit in verdicts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Property {
    Abort,
    Recovery,
    Damage,
    Replay,
    Epochs,
    History,
    Delivery,
    Gates,
    Acceptance,
    Harmless,
    Records,
    Commits,
    Answers,
    Sessions,
    Roles,
    Timers,
    Order,
    Connections,
}

impl Property {
    /// All of them, in the order of their bits.
    pub(super) const ALL: [Self; 18] = [
        Self::Abort,
        Self::Recovery,
        Self::Damage,
        Self::Replay,
        Self::Epochs,
        Self::History,
        Self::Delivery,
        Self::Gates,
        Self::Acceptance,
        Self::Harmless,
        Self::Records,
        Self::Commits,
        Self::Answers,
        Self::Sessions,
        Self::Roles,
        Self::Timers,
        Self::Order,
        Self::Connections,
    ];

    /// The property's bit.
    pub(super) const fn bit(self) -> u64 {
        1 << self as u64
    }

    /// Its name, as on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Abort => "no-abort",
            Self::Recovery => "recovery-is-total",
            Self::Damage => "damaged-disks-are-refused",
            Self::Replay => "memory-is-replay-of-disk",
            Self::Epochs => "epochs-monotone",
            Self::History => "history-has-no-hole",
            Self::Delivery => "delivered-once-and-for-good",
            Self::Gates => "ack-implies-durable",
            Self::Acceptance => "what-is-not-due-is-refused",
            Self::Harmless => "refusals-change-nothing",
            Self::Records => "writes-what-is-due",
            Self::Commits => "delivers-what-is-committed",
            Self::Answers => "says-what-is-due",
            Self::Sessions => "sessions-pass-unchanged",
            Self::Roles => "serves-when-up-to-date",
            Self::Timers => "timers-run-for-the-phase",
            Self::Order => "effects-keep-their-order",
            Self::Connections => "a-live-link-keeps-its-place",
        }
    }

    /// What it says.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Abort => {
                "whatever peers, timers, disk and session layer say: no panic, and no stop but for want of epochs"
            }
            Self::Recovery => {
                "every prefix of the records on their way leaves a disk from which the server starts: currentEpoch <= acceptedEpoch, a history without a hole, none of it newer than acceptedEpoch"
            }
            Self::Damage => {
                "from a disk that no crash leaves the server does not start: epochs out of order, a history newer than acceptedEpoch, a hole, a repetition; it says which, and touches nothing"
            }
            Self::Replay => {
                "epochs, end of the history and end of what is delivered in memory are those of the records issued and of the transactions handed out"
            }
            Self::Epochs => {
                "a promise is larger than every one before it, and only the epoch promised last is accepted"
            }
            Self::History => {
                "a record continues the history without a hole and without being newer than the promise, and cuts it at a position that it has"
            }
            Self::Delivery => {
                "transactions are delivered once, in the order of the history and none that is not in it; what was delivered is neither cut nor replaced by an older snapshot"
            }
            Self::Gates => {
                "a promise or an acknowledgement leaves behind everything issued before it, and says what the disk holds then"
            }
            Self::Acceptance => {
                "a message, a time-out or a wish that is not due in this phase is refused, or passes by, and everything else is taken"
            }
            Self::Harmless => {
                "what is refused writes, delivers and says nothing, and its link is closed; what passes by changes nothing at all"
            }
            Self::Records => "the records that a step issues are those that the protocol calls for",
            Self::Commits => {
                "delivered is what the leader said to be committed, or, at a leader, what a quorum has acknowledged, its own disk counted like any other; neither less nor more"
            }
            Self::Answers => {
                "the messages that leave, to each peer in order, are those that the protocol calls for, and each waits for the disk exactly if it has to"
            }
            Self::Sessions => {
                "messages of the session layer pass unchanged in both directions exactly over a link that is up to date, and a sync is answered when it may be"
            }
            Self::Roles => {
                "the role, and the epoch in which clients are served, are those of the phase, and the shell is told of each change"
            }
            Self::Timers => {
                "the timers that run are those of the phase, of open questions and of connections that wait, and hearing a peer starts its limit anew"
            }
            Self::Order => {
                "a state is installed before its record, a state that leaves holds exactly what its label says, and nothing leaves over a connection that is closed"
            }
            Self::Connections => {
                "a connection becomes a peer's link when there is no other one, or that one has left a question unanswered for a tick; who comes early or second waits in one of four places, who came first is tried first, and what comes over any other connection is not heard"
            }
        }
    }

    /// Where it comes from.
    pub(super) const fn source(self) -> &'static str {
        match self {
            Self::Abort => "Z13; spec/protocol.md, P4.1",
            Self::Recovery => "Z12; spec/protocol.md, P4.2, P4.3",
            Self::Damage => "spec/protocol.md, P4.3; hazard H3",
            Self::Replay => "Z11; spec/protocol.md, P4.4",
            Self::Epochs => "Z8; spec/protocol.md, P1.4",
            Self::History => "Z7; spec/protocol.md, P2.3, A10",
            Self::Delivery => "Z3, Z9; spec/protocol.md, P2.3, P2.8",
            Self::Gates => "Z6; spec/protocol.md, A1 to A8",
            Self::Acceptance => "spec/protocol.md, phases 1 to 3",
            Self::Harmless => "spec/protocol.md, P4.1",
            Self::Records => "spec/protocol.md, the nine actions",
            Self::Commits => "spec/protocol.md, P2.7, P2.8, P3.4, P3.5",
            Self::Answers => "spec/protocol.md, messages",
            Self::Sessions => "spec/protocol.md, P3.6",
            Self::Roles => "spec/protocol.md, P2.7, P2.8, P4.1",
            Self::Timers => "spec/protocol.md, P1.8, P3.7",
            Self::Order => "host::Effect",
            Self::Connections => "spec/protocol.md, P1.1; ARCHITECTURE.md, bounds",
        }
    }
}

/// Marks beside those of the core's actions.
pub(super) mod mark {
    /// First of the marks for refusals.
    pub(in super::super) const REFUSALS: u32 = 64;
    /// First of the marks for kinds of events.
    pub(in super::super) const EVENTS: u32 = 80;
    /// A message left that has to wait for the disk.
    pub(in super::super) const GATED: u32 = 100;
    /// Something was delivered.
    pub(in super::super) const DELIVERED: u32 = 101;
    /// Something passed by.
    pub(in super::super) const PASSED: u32 = 102;
    /// A record was issued.
    pub(in super::super) const WROTE: u32 = 103;
    /// A sync was answered.
    pub(in super::super) const SYNCED: u32 = 104;
    /// The core was not asked.
    pub(in super::super) const HELD: u32 = 105;
    /// A connection waits.
    pub(in super::super) const WAITED: u32 = 106;
}

/// The number of a refusal.
pub(super) const fn refusal(refusal: &Refusal) -> u32 {
    match refusal {
        Refusal::Unexpected(_) => 0,
        Refusal::WrongEpoch { .. } => 1,
        Refusal::EpochTooOld { .. } => 2,
        Refusal::LearnerAhead { .. } => 3,
        Refusal::Gap { .. } => 4,
        Refusal::BadTrunc { .. } => 5,
        Refusal::BadSnap { .. } => 6,
        Refusal::BadCommit { .. } => 7,
        Refusal::BadAck { .. } => 8,
        Refusal::EpochsExhausted { .. } => 9,
        Refusal::TimedOut => 10,
        Refusal::RoleEnded => 11,
        Refusal::ImplausibleEpoch { .. } => 12,
    }
}

const fn refused(name: &'static str, sentence: &'static str, number: u32) -> Companion {
    Companion { name, sentence, seen: Seen::OnStep(mark::REFUSALS + number) }
}

const fn reached(name: &'static str, sentence: &'static str, bit: u32) -> Companion {
    Companion { name, sentence, seen: Seen::InState(bit) }
}

const UNEXPECTED: Companion =
    refused("refused-unexpected", "a message is refused that is not due in any form", 0);
const WRONG_EPOCH: Companion =
    refused("refused-wrong-epoch", "a message is refused for the epoch that it names", 1);
const EXHAUSTED: Companion =
    refused("refused-epochs-exhausted", "a peer is refused that is beyond the last epoch", 9);
const IMPLAUSIBLE: Companion = refused(
    "refused-implausible-epoch",
    "a peer is refused that speaks of an epoch to which no elections can have led",
    12,
);
const TIMED_OUT: Companion = refused("refused-timed-out", "a peer is given up for its silence", 10);

/// The bit of states in which two records or more are on their way.
pub(super) const DISK_BEHIND: u32 = 6;

/// Of a follower.
const LEARNER: [Companion; 18] = [
    UNEXPECTED,
    WRONG_EPOCH,
    refused("refused-epoch-too-old", "LEADERINFO is refused that is older than the promise", 2),
    refused("refused-gap", "a transaction is refused that leaves a hole", 4),
    refused("refused-bad-trunc", "TRUNC is refused", 5),
    refused("refused-bad-snap", "SNAP is refused that is older than what was delivered", 6),
    refused("refused-bad-commit", "COMMIT is refused of what is not there", 7),
    EXHAUSTED,
    IMPLAUSIBLE,
    TIMED_OUT,
    refused("refused-role-ended", "the leader is left on a wish", 11),
    reached("phase-dialling", "it has a leader and no link", 0),
    reached("phase-greeted", "it has told its leader what it promised", 1),
    reached("phase-promised", "it waits for the plan", 2),
    reached("phase-synchronizing", "it is sent the history", 3),
    reached("phase-accepted", "it waits for UPTODATE", 4),
    reached("phase-serving", "it is up to date", 5),
    reached("disk-behind", "memory is two records or more ahead of the disk", DISK_BEHIND),
];

/// Of a leader.
const LEADER: [Companion; 17] = [
    UNEXPECTED,
    WRONG_EPOCH,
    refused("refused-learner-ahead", "a learner is refused that knows more than the leader", 3),
    refused("refused-bad-ack", "ACK is refused of what was not proposed", 8),
    EXHAUSTED,
    IMPLAUSIBLE,
    TIMED_OUT,
    reached("stage-greetings", "it waits for greetings", 8),
    reached("stage-promises", "it waits for promises", 9),
    reached("stage-acceptances", "it waits to be accepted", 10),
    reached("stage-established", "it is established", 11),
    reached("learner-promised", "a learner waits for its plan", 12),
    reached("learner-synchronizing", "a learner was sent NEWLEADER", 13),
    reached("learner-up-to-date", "a learner is up to date", 14),
    reached("lost-its-quorum", "it is established and has no links to a quorum", 15),
    reached("stopped", "it stops: no epoch is left", 16),
    Companion {
        name: "sync-answered",
        sentence: "a sync is answered",
        seen: Seen::OnStep(mark::SYNCED),
    },
];

/// Of a server to which many connect.
const CROWDED: [Companion; 11] = [
    UNEXPECTED,
    TIMED_OUT,
    reached("phase-greeted", "it has told its leader what it promised", 1),
    reached("stage-established", "it is established", 11),
    reached("learner-up-to-date", "a learner is up to date", 14),
    reached("early", "connections wait until it leads", 17),
    reached("newcomer-waits", "a connection waits behind a link", 18),
    reached("overdue", "a link has left a question unanswered for a tick", 19),
    reached("asked", "a connection that waits was told LEADERINFO", 20),
    reached("answered", "a link that was told LEADERINFO while it waited has answered", 21),
    Companion {
        name: "not-heard",
        sentence: "something comes over a connection that is no link",
        seen: Seen::OnStep(mark::HELD),
    },
];

/// What a run with this subject has to reach.
pub(super) fn companions(subject: Subject) -> &'static [Companion] {
    match subject {
        Subject::Follower | Subject::Observer => &LEARNER,
        Subject::Leader | Subject::LeaderOfObserver => &LEADER,
        Subject::Crowded => &CROWDED,
    }
}
