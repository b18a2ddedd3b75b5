//! What is checked of a server in an election whose peers may say anything.

use zab::Ignored;

use super::super::machine::{Companion, Seen};
use super::limits::Subject;
use checker::{PropertyInfo, PropertyKind};

/// A property that has to hold always. The number is its bit in verdicts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Property {
    Abort,
    Acceptance,
    Harmless,
    Decisions,
    Votes,
    Answers,
    Timers,
    Names,
    Greetings,
}

impl Property {
    /// All of them, in the order of their bits.
    pub(super) const ALL: [Self; 9] = [
        Self::Abort,
        Self::Acceptance,
        Self::Harmless,
        Self::Decisions,
        Self::Votes,
        Self::Answers,
        Self::Timers,
        Self::Names,
        Self::Greetings,
    ];

    /// The property's bit.
    pub(super) const fn bit(self) -> u64 {
        1 << self as u64
    }

    /// As the front end lists it.
    pub(super) const fn info(self) -> PropertyInfo {
        let (name, source, sentence) = match self {
            Self::Abort => {
                ("no-abort", "Z13", "whatever peers and timers say, in whatever round: no panic")
            }
            Self::Acceptance => (
                "what-cannot-count-is-ignored",
                "spec/protocol.md, P0.6 to P0.8",
                "a word is ignored that is not a voter's for a voter, in a possible round with a possible vote, and neither owed an answer nor news; so is a timer that does not run; everything else is taken",
            ),
            Self::Harmless => (
                "ignored-changes-nothing",
                "spec/protocol.md, P0.7",
                "what is ignored changes nothing, says nothing, starts and stops no timer; and what changes nothing that peers can know of changes nothing at all",
            ),
            Self::Decisions => (
                "decides-when-a-quorum-does",
                "spec/protocol.md, P0.2, P0.3, P0.9; ZOOKEEPER-975, 1514, 3537",
                "the server decides exactly when nothing better comes while a quorum agrees, or when the last words of a quorum are for a leader that says itself that it leads, and for that leader",
            ),
            Self::Votes => (
                "votes-for-the-best-of-the-round",
                "spec/protocol.md, P0.1, P0.5, P0.11; ZOOKEEPER-1419",
                "round, vote and whether it looks are those that what it heard calls for",
            ),
            Self::Answers => (
                "says-what-is-due",
                "spec/protocol.md, P0.1, P0.5, P0.6, P0.10",
                "all other voters are told exactly when vote or round change or the time has come, who looks and needs it is answered, nobody else, and always with state, vote and round as they are",
            ),
            Self::Timers => (
                "waits-while-a-quorum-agrees",
                "spec/protocol.md, P0.2, P0.10",
                "the wait for something better runs exactly while a quorum agrees, and begins anew with each vote and round; the time until the vote is told again runs while the server looks; nothing is stopped that does not run",
            ),
            Self::Names => (
                "steps-have-their-names",
                "Action, Ignored",
                "each step is noted by the names of what happens in it, or by the reason for which it is ignored",
            ),
            Self::Greetings => (
                "a-connection-begins-with-the-latest-word",
                "host::Event::ElectionOpened; QuorumCnxManager",
                "a new connection to a peer begins with what that peer was told last, and with nothing if it was told nothing; what leaves otherwise leaves once",
            ),
        };
        PropertyInfo { name, kind: PropertyKind::Always, source, sentence }
    }
}

/// Marks beside those of the core's actions.
pub(super) mod mark {
    /// First of the marks for reasons to ignore something.
    pub(in super::super) const IGNORED: u32 = 64;
    /// First of the marks for kinds of events.
    pub(in super::super) const EVENTS: u32 = 80;
    /// Somebody was told something.
    pub(in super::super) const SAID: u32 = 100;
    /// The server decided.
    pub(in super::super) const DECIDED: u32 = 101;
    /// The wait for something better ran, and began anew.
    pub(in super::super) const ANEW: u32 = 102;
    /// The wait for something better was broken off.
    pub(in super::super) const BROKEN_OFF: u32 = 103;
    /// It joined a leader in a round that was not its own.
    pub(in super::super) const ELSEWHERE: u32 = 104;
    /// Others made it leader.
    pub(in super::super) const BY_OTHERS: u32 = 105;
    /// It answered a server without a vote.
    pub(in super::super) const TO_OBSERVER: u32 = 106;
    /// A connection began with the latest word.
    pub(in super::super) const GREETED: u32 = 107;
}

/// The number of a reason; reasons that are none of the election's have one in common.
pub(super) const fn reason(ignored: Ignored) -> u32 {
    match ignored {
        Ignored::NotNow => 0,
        Ignored::StaleTimer => 1,
        Ignored::NotVoter => 2,
        Ignored::NoNews => 3,
        Ignored::OldRound => 4,
        Ignored::RoundTooHigh => 5,
        Ignored::ImpossibleVote => 6,
        Ignored::FromSelf => 7,
        Ignored::NoLink
        | Ignored::StaleDurable
        | Ignored::NotLeading
        | Ignored::NotUpToDate
        | Ignored::Duplicate
        | Ignored::NotCounted => 8,
    }
}

/// How many numbers there are.
pub(super) const REASONS: u32 = 9;

const fn ignored(name: &'static str, sentence: &'static str, why: Ignored) -> Companion {
    Companion { name, sentence, seen: Seen::OnStep(mark::IGNORED + reason(why)) }
}

const fn happened(name: &'static str, sentence: &'static str, mark: u32) -> Companion {
    Companion { name, sentence, seen: Seen::OnStep(mark) }
}

const fn reached(name: &'static str, sentence: &'static str, bit: u32) -> Companion {
    Companion { name, sentence, seen: Seen::InState(bit) }
}

const NOT_NOW: Companion =
    ignored("ignored-not-now", "something is said before the server looks", Ignored::NotNow);
const STALE_TIMER: Companion =
    ignored("ignored-stale-timer", "a timer runs out that was stopped", Ignored::StaleTimer);
const NOT_VOTER: Companion =
    ignored("ignored-not-voter", "a vote does not count", Ignored::NotVoter);
const NO_NEWS: Companion = ignored("ignored-no-news", "a word says nothing new", Ignored::NoNews);
const ROUND_TOO_HIGH: Companion =
    ignored("ignored-round-too-high", "a round is impossible", Ignored::RoundTooHigh);
const IMPOSSIBLE_VOTE: Companion =
    ignored("ignored-impossible-vote", "a vote is impossible", Ignored::ImpossibleVote);
const FROM_SELF: Companion =
    ignored("ignored-from-self", "a word has the server's own name", Ignored::FromSelf);
const WAITING: Companion = reached("waits", "it waits for something better", 0);
const FOLLOWING: Companion = reached("follows", "it has decided for another", 1);
const LAST_ROUND: Companion = reached("last-round", "it looks in the largest round", 3);
const ANEW: Companion = happened(
    "waits-anew",
    "while it waits something better comes, and a quorum agrees",
    mark::ANEW,
);
const BROKEN_OFF: Companion =
    happened("wait-broken-off", "while it waits the quorum falls apart", mark::BROKEN_OFF);
const ELSEWHERE: Companion =
    happened("joins-another-round", "it joins a leader in another round", mark::ELSEWHERE);

const VOTER: [Companion; 16] = [
    NOT_NOW,
    STALE_TIMER,
    NOT_VOTER,
    NO_NEWS,
    ROUND_TOO_HIGH,
    IMPOSSIBLE_VOTE,
    FROM_SELF,
    WAITING,
    FOLLOWING,
    reached("leads", "it has decided for itself", 2),
    LAST_ROUND,
    ANEW,
    BROKEN_OFF,
    ELSEWHERE,
    happened("answers-an-observer", "it answers a server without a vote", mark::TO_OBSERVER),
    happened("elected-by-others", "others have settled on it, and it leads", mark::BY_OTHERS),
];

const OBSERVER: [Companion; 14] = [
    NOT_NOW,
    STALE_TIMER,
    NOT_VOTER,
    NO_NEWS,
    ignored("ignored-old-round", "a vote is of an earlier round", Ignored::OldRound),
    ROUND_TOO_HIGH,
    IMPOSSIBLE_VOTE,
    FROM_SELF,
    WAITING,
    FOLLOWING,
    LAST_ROUND,
    ANEW,
    BROKEN_OFF,
    ELSEWHERE,
];

/// What a run with this subject has to reach.
pub(super) fn companions(subject: Subject) -> &'static [Companion] {
    match subject {
        Subject::Voter => &VOTER,
        Subject::Observer => &OBSERVER,
    }
}
