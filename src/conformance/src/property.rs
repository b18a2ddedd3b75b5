//! What is checked over recordings. Z1 to Z14 and C4 are the model's properties, under the model's
//! names.
//!
//! Recordings have no common clock: no step of one server is before or after a step of another. So
//! each property is said of facts that were ever recorded, in whatever order; where the model
//! speaks of a moment, the sentence here is the one that follows from it for all times.

/// A property of recorded runs.
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
    Zab,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
}

impl Property {
    /// All of them, in order.
    pub const ALL: [Self; 22] = [
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
        Self::Zab,
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::R5,
        Self::R6,
    ];

    /// Its name; where the model has the property, the model's.
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
            Self::Zab => "every-step-is-abstract",
            Self::R1 => "delivered-was-proposed",
            Self::R2 => "durable-survives-restart",
            Self::R3 => "received-was-sent",
            Self::R4 => "received-is-prefix-of-sent",
            Self::R5 => "heard-was-said",
            Self::R6 => "commit-reaches-the-wire",
        }
    }

    /// What is checked.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Z1 => {
                "an epoch has one leader: elected once, established by nobody else, followed and proposing as the same server everywhere"
            }
            Self::Z2 => {
                "a zxid names one transaction, in every log, message and delivery, and is proposed once"
            }
            Self::Z3 => {
                "any two sequences ever delivered, by any servers, before or after crashes, are prefixes one of the other"
            }
            Self::Z4 => {
                "what was ever durable on a quorum under one epoch is in the initial history of every later epoch"
            }
            Self::Z5 => {
                "what was delivered was durable on a quorum under one epoch, and what of that a server had is on its disk at every later start"
            }
            Self::Z6 => {
                "a promise or an acknowledgement waits for the records that it speaks of, and none is received that speaks of more than its sender had on disk"
            }
            Self::Z7 => {
                "histories have no hole, and two histories that share a zxid agree on what is before it"
            }
            Self::Z8 => {
                "promised and accepted epochs never decrease, over restarts neither, accepted <= promised, no transaction is newer than the promise"
            }
            Self::Z9 => {
                "transactions are delivered in the order of their epochs, and within an epoch none is left out"
            }
            Self::Z10 => {
                "a primary has delivered everything that anybody ever delivers from older epochs before it broadcasts"
            }
            Self::Z11 => {
                "after every step, epochs, history and state machine in memory are what the records issued and the transactions delivered add up to, and discovery reports them"
            }
            Self::Z12 => "the core starts from what each start found on disk",
            Self::Z13 => "no step panics, and no server breaks the protocol in the eyes of another",
            Self::Z14 => "the order of votes is irreflexive, transitive and total",
            Self::C4 => {
                "a confirmed sync is answered by a server that has delivered everything that anybody had delivered when it was asked"
            }
            Self::Zab => {
                "the steps of all servers, each in its own order, can be put into one order that abstract Zab allows"
            }
            Self::R1 => {
                "what was delivered was proposed, by the leader of its epoch, or is older than the recordings"
            }
            Self::R2 => {
                "a start finds a prefix of the records that were issued before, with everything in it that was durable"
            }
            Self::R3 => {
                "a packet of discovery or synchronisation that was received was sent, as often, by the server at the other end"
            }
            Self::R4 => {
                "the packets that were received over a connection are, one by one, those that the other end sent over it, up to some packet"
            }
            Self::R5 => {
                "the election messages that were heard over a connection are the one that it began with, and behind it some of those that were said to that server, in their order"
            }
            Self::R6 => {
                "once everything that was said has left, the packets to a learner say that all is committed of which the core has said so"
            }
        }
    }

    /// Why recordings cannot show it, if they cannot.
    pub const fn not_checkable(self) -> Option<&'static str> {
        match self {
            Self::Z14 => Some(
                "a law of the order itself, not of a run: `vivarium check` and the tests of `zab` show it",
            ),
            Self::C4 => Some(
                "it compares moments of two servers, and recordings have no common clock: `vivarium check` shows it",
            ),
            Self::Z1
            | Self::Z2
            | Self::Z3
            | Self::Z4
            | Self::Z5
            | Self::Z6
            | Self::Z7
            | Self::Z8
            | Self::Z9
            | Self::Z10
            | Self::Z11
            | Self::Z12
            | Self::Z13
            | Self::Zab
            | Self::R1
            | Self::R2
            | Self::R3
            | Self::R4
            | Self::R5
            | Self::R6 => None,
        }
    }
}
