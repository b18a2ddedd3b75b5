//! What is checked: the properties Z1 to Z14, Z16, C4, the refinement of abstract Zab, and what
//! clients may expect, with their sources.

/// A property that has to hold always. The number is its bit in verdicts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "`sentence` says what each one means")]
pub enum Property {
    Z1,
    Z2,
    Z3,
    Z4,
    Z5,
    Z6,
    Z7,
    Z8,
    Z9,
    Z10,
    Z11,
    Z12,
    Z13,
    Z14,
    C4,
    Refines,
    Z16,
    Linearizable,
    Serializes,
    NeverBack,
    OwnWrites,
    EventFirst,
    OwnOutcome,
    InOrder,
    Seen,
}

impl Property {
    /// All of them, in the order of their bits.
    pub const ALL: [Self; 25] = [
        Self::Z1,
        Self::Z2,
        Self::Z3,
        Self::Z4,
        Self::Z5,
        Self::Z6,
        Self::Z7,
        Self::Z8,
        Self::Z9,
        Self::Z10,
        Self::Z11,
        Self::Z12,
        Self::Z13,
        Self::Z14,
        Self::C4,
        Self::Refines,
        Self::Z16,
        Self::Linearizable,
        Self::Serializes,
        Self::NeverBack,
        Self::OwnWrites,
        Self::EventFirst,
        Self::OwnOutcome,
        Self::InOrder,
        Self::Seen,
    ];

    /// The property's bit.
    pub const fn bit(self) -> u64 {
        1 << self as u64
    }

    /// Its name, as on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Z1 => "one-leader-per-epoch",
            Self::Z2 => "one-txn-per-zxid",
            Self::Z3 => "prefix-consistency",
            Self::Z4 => "chosen-in-later-initial-history",
            Self::Z5 => "chosen-stays-on-a-quorum",
            Self::Z6 => "ack-implies-durable",
            Self::Z7 => "log-matching",
            Self::Z8 => "epochs-monotone",
            Self::Z9 => "primary-order",
            Self::Z10 => "primary-integrity",
            Self::Z11 => "memory-is-replay-of-disk",
            Self::Z12 => "recovery-is-total",
            Self::Z13 => "no-abort",
            Self::Z14 => "vote-order-is-total",
            Self::C4 => "sync-is-linearizable",
            Self::Refines => "every-step-is-abstract",
            Self::Z16 => "committed-is-told",
            Self::Linearizable => "writes-and-synced-reads-linearizable",
            Self::Serializes => "history-is-linearizable",
            Self::NeverBack => "session-never-goes-back",
            Self::OwnWrites => "own-writes-are-read",
            Self::EventFirst => "event-before-answer",
            Self::OwnOutcome => "answer-is-of-its-request",
            Self::InOrder => "answers-in-order",
            Self::Seen => "acknowledged-is-seen",
        }
    }

    /// What it says.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Z1 => "at most one leader is elected, and established, in an epoch",
            Self::Z2 => "a zxid names one transaction: none is ever proposed twice",
            Self::Z3 => {
                "any two sequences ever delivered, by any servers, before or after crashes, are prefixes one of the other"
            }
            Self::Z4 => {
                "what a quorum has acknowledged in one epoch begins the initial history of every later epoch"
            }
            Self::Z5 => {
                "what is delivered was chosen by a quorum, and what was chosen stays on the disks of a quorum"
            }
            Self::Z6 => {
                "a promise or an acknowledgement on the wire speaks of what is durable at its sender, in that epoch"
            }
            Self::Z7 => {
                "histories have no hole, and two histories that share a zxid agree up to it"
            }
            Self::Z8 => {
                "promised and accepted epochs never decrease, accepted <= promised, no transaction is newer than the promise"
            }
            Self::Z9 => {
                "transactions are delivered in the order of their epochs, and within an epoch none is left out"
            }
            Self::Z10 => {
                "a primary has delivered everything that anybody delivered from older epochs before it broadcasts"
            }
            Self::Z11 => {
                "the state machine is a prefix of the history, and what discovery reports is what is on disk"
            }
            Self::Z12 => "a server starts from every disk that a crash can leave",
            Self::Z13 => "no correct server panics, or breaks the protocol in the eyes of another",
            Self::Z14 => "the order of votes is irreflexive, transitive and total",
            Self::C4 => {
                "a confirmed sync is answered by a server that has delivered everything that anybody had delivered when it was asked"
            }
            Self::Refines => {
                "every step is steps of abstract Zab, each allowed where it is taken, or changes nothing there"
            }
            Self::Z16 => {
                "once nothing is under way to it, a learner that is up to date has delivered what its leader has, without another write"
            }
            Self::Linearizable => {
                "a write is newer than all that any client was told when it was asked, and a read shows all that any client was told when the last sync before it was asked"
            }
            Self::Serializes => {
                "some order of all writes and synced reads, in real time, explains every answer"
            }
            Self::NeverBack => "no answer shows a session an older state than an answer before it",
            Self::OwnWrites => {
                "a read sees every write that its session asked for before it, unless that write was given up"
            }
            Self::EventFirst => {
                "no answer shows a change to a client that watches for it and was not told"
            }
            Self::OwnOutcome => "what a client is told of a request is what came of that request",
            Self::InOrder => "the answers over a connection come in the order of its requests",
            Self::Seen => {
                "once nothing is under way to it, a server of the newest leader shows all that any client was told, without another write"
            }
        }
    }

    /// Where it comes from.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Z1 => "Zab (DSN'11) claim 1; Remix I-1",
            Self::Z2 => "spec/Zab.tla I4; ZOOKEEPER-335, 2832",
            Self::Z3 => "Zab total order and agreement; Remix I-3, I-4",
            Self::Z4 => "spec/Zab.tla Key; Remix I-8",
            Self::Z5 => "spec/Zab.tla I7; NJU CommittedLogDurability",
            Self::Z6 => "Zab phase 2 and 3; ZOOKEEPER-1282, 1291, 3911, 4646",
            Self::Z7 => "spec/Zab.tla I4, I5; ZOOKEEPER-3104, 4925",
            Self::Z8 => "spec/Zab.tla I2, I3",
            Self::Z9 => "Zab local and global primary order; Remix I-5, I-6",
            Self::Z10 => "Zab primary integrity; Remix I-7",
            Self::Z11 => "ZOOKEEPER-2845, 3642, 4712; Remix I-10",
            Self::Z12 => "ZOOKEEPER-1653; spec/protocol.md, hazard H1",
            Self::Z13 => "Remix I-11 to I-14",
            Self::Z14 => "ZOOKEEPER-1419",
            Self::C4 => "linearizability of sync then read; ZOOKEEPER-1675",
            Self::Refines => "spec/Zab.tla; proofs/theories/Protocol.v",
            Self::Z16 => "Zab phase 3; what sync then read relies on",
            Self::Linearizable => {
                "ZooKeeper's guarantees: linearizable writes, sync then read; ZOOKEEPER-1675"
            }
            Self::Serializes => "Herlihy and Wing; stateright's tester",
            Self::NeverBack => "ZooKeeper's guarantee: single system image",
            Self::OwnWrites => "ZooKeeper's guarantee: FIFO client order",
            Self::EventFirst => "ZooKeeper's guarantee of watches",
            Self::OwnOutcome => "FIFO client order; sessions that move",
            Self::InOrder => "FIFO client order",
            Self::Seen => "Zab phase 3; what sync then read relies on",
        }
    }
}
