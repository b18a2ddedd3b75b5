//! What is checked of the election alone.

use super::limits::Limits;

/// A property that has to hold always. The number is its bit in verdicts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "`sentence` says what each one means")]
pub enum Property {
    QuorumForLeader,
    BestVoteOfRound,
    VotersOnly,
    NoVoteCircle,
    Z13,
    Z14,
}

impl Property {
    /// All of them, in the order of their bits.
    pub const ALL: [Self; 6] = [
        Self::QuorumForLeader,
        Self::BestVoteOfRound,
        Self::VotersOnly,
        Self::NoVoteCircle,
        Self::Z13,
        Self::Z14,
    ];

    /// The property's bit.
    pub const fn bit(self) -> u64 {
        1 << self as u64
    }

    /// Its name, as on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QuorumForLeader => "quorum-for-the-leader",
            Self::BestVoteOfRound => "best-vote-of-the-round",
            Self::VotersOnly => "voters-only",
            Self::NoVoteCircle => "no-vote-circle",
            Self::Z13 => "no-abort",
            Self::Z14 => "vote-order-is-total",
        }
    }

    /// What it says.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::QuorumForLeader => {
                "a server decides for a leader only when, by the last words it heard, a quorum of voters is for that leader in the round, or has settled on it and the leader itself says that it leads"
            }
            Self::BestVoteOfRound => {
                "a server that ends a round by waiting decides for the best vote that it heard in the round"
            }
            Self::VotersOnly => "nobody decides for a server without a vote",
            Self::NoVoteCircle => {
                "servers that ended one round by waiting do not follow each other in a circle"
            }
            Self::Z13 => "no server panics",
            Self::Z14 => "the order of votes is irreflexive, transitive and total",
        }
    }

    /// Where it comes from.
    pub const fn source(self) -> &'static str {
        match self {
            Self::QuorumForLeader => "FastLeaderElection; ZOOKEEPER-975, 2959, 3537",
            Self::BestVoteOfRound => "FastLeaderElection.totalOrderPredicate; hazard H5",
            Self::VotersOnly => "ZOOKEEPER-2959",
            Self::NoVoteCircle => "ZOOKEEPER-1419",
            Self::Z13 => "Remix I-11 to I-14",
            Self::Z14 => "ZOOKEEPER-1419",
        }
    }
}

/// A `sometimes` property: a run in whose bounds it can be reached has to reach it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "`sentence` says what each one means")]
pub enum Companion {
    TwoLeaders,
    Established,
    HigherRoundWhileFinalizing,
    BetterVoteWhileFinalizing,
    JoinByAnotherRound,
    Circle,
}

/// How a companion is observed.
pub enum Seen {
    /// In a state: bit of `Judgement::reached`.
    InState(u64),
    /// On a step: bit of its marks.
    OnStep(u128),
}

impl Companion {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TwoLeaders,
        Self::Established,
        Self::HigherRoundWhileFinalizing,
        Self::BetterVoteWhileFinalizing,
        Self::JoinByAnotherRound,
        Self::Circle,
    ];

    /// The bit among its like.
    pub const fn bit(self) -> u128 {
        1 << (112 + self as u32)
    }

    /// How it is observed.
    pub const fn seen(self) -> Seen {
        match self {
            Self::TwoLeaders => Seen::InState(1),
            Self::Established => Seen::InState(2),
            Self::Circle => Seen::InState(4),
            Self::HigherRoundWhileFinalizing
            | Self::BetterVoteWhileFinalizing
            | Self::JoinByAnotherRound => Seen::OnStep(self.bit()),
        }
    }

    /// Whether a run within these limits has to reach it.
    pub const fn is_due(self, limits: &Limits) -> bool {
        let faults = limits.faults > 0;
        match self {
            Self::TwoLeaders | Self::BetterVoteWhileFinalizing => {
                limits.servers >= 3 && limits.joiners == 0
            }
            Self::Established => true,
            Self::HigherRoundWhileFinalizing | Self::JoinByAnotherRound => {
                faults && limits.timeouts > 0 && limits.servers >= 2
            }
            Self::Circle => {
                faults
                    && limits.timeouts + limits.crashes > 0
                    && limits.servers >= 3
                    && limits.joiners == 0
            }
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TwoLeaders => "two-leaders-at-once",
            Self::Established => "leader-established",
            Self::HigherRoundWhileFinalizing => "higher-round-while-finalizing",
            Self::BetterVoteWhileFinalizing => "better-vote-while-finalizing",
            Self::JoinByAnotherRound => "join-by-votes-of-another-round",
            Self::Circle => "circle-by-old-words",
        }
    }

    /// What it says.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::TwoLeaders => "two servers have settled on different leaders at once",
            Self::Established => "a leader is established and a quorum is attached to it",
            Self::HigherRoundWhileFinalizing => {
                "a server hears of a higher round while it waits for better votes"
            }
            Self::BetterVoteWhileFinalizing => {
                "a server hears a better vote while it waits for one"
            }
            Self::JoinByAnotherRound => {
                "a newcomer joins an established leader by what its members say, in another round than its own"
            }
            Self::Circle => {
                "servers follow each other in a circle: one of them joined another by words that were true no longer"
            }
        }
    }

    /// Where it comes from.
    pub const fn source(self) -> &'static str {
        match self {
            Self::TwoLeaders => "ZOOKEEPER-3109",
            Self::Established => "against a vacuous run",
            Self::HigherRoundWhileFinalizing | Self::BetterVoteWhileFinalizing => "hazard H5",
            Self::JoinByAnotherRound => "ZOOKEEPER-1732, 1805, 1817",
            Self::Circle => "FastLeaderElection.checkLeader hears of the past",
        }
    }
}
