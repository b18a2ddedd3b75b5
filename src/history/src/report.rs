//! What a check finds, and how much there was to find it in.

use std::fmt;

use serde::Serialize;

use crate::operation::{SessionId, Zxid};

/// What ZooKeeper promises, rule by rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A write that begins after an answer has a greater zxid than that answer shows.
    WritesFollowRealTime,
    /// A zxid is of one transaction.
    OneTransactionAZxid,
    /// The log's zxids grow.
    ZxidsGrow,
    /// What a write is told is what it does to the tree at its zxid.
    WriteResult,
    /// A sequential node gets the number of creates under its parent.
    SequentialNumber,
    /// A multi is done as a whole or not at all, and says so in the order of its parts.
    MultiIsAtomic,
    /// A write that was acknowledged is in the log.
    AcknowledgedIsThere,
    /// The log's transaction of a request is what was asked, at the zxid that was answered.
    LogIsWhatWasAsked,
    /// Every transaction is one that somebody asked for, once.
    NothingUnasked,
    /// The requests of a session are done, and answered, in their order.
    SessionOrder,
    /// A session sees its own writes.
    ReadYourWrites,
    /// A session sees nothing older than it has seen before.
    ReadsNeverGoBack,
    /// A sync, and what is read after it, is as new as anything answered before the sync began.
    SyncIsFresh,
    /// A read is the tree at the zxid in its header.
    ReadIsTheTree,
    /// Data that is read was written.
    NothingInvented,
    /// The event of a change comes.
    WatchFires,
    /// It comes before the session is told anything that is as new as the change.
    WatchBeforeNewerData,
    /// It comes once.
    WatchFiresOnce,
    /// There is no event without a watch and a change.
    EventHasCause,
    /// Events come in the order of their changes.
    EventsInOrder,
    /// An ephemeral node lives until it is deleted by a client or its session ends, no longer.
    EphemeralsLiveAsTheirSession,
    /// A session ends once, and the client that was told so does not get on with it.
    SessionEndsOnce,
    /// Nothing of a session is committed after its end.
    NothingAfterTheEnd,
    /// A session is one client's.
    SessionIsOneClients,
    /// A server's whole tree is what the transactions up to its zxid make.
    TreeIsTheLogs,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 25] = [
        Self::WritesFollowRealTime,
        Self::OneTransactionAZxid,
        Self::ZxidsGrow,
        Self::WriteResult,
        Self::SequentialNumber,
        Self::MultiIsAtomic,
        Self::AcknowledgedIsThere,
        Self::LogIsWhatWasAsked,
        Self::NothingUnasked,
        Self::SessionOrder,
        Self::ReadYourWrites,
        Self::ReadsNeverGoBack,
        Self::SyncIsFresh,
        Self::ReadIsTheTree,
        Self::NothingInvented,
        Self::WatchFires,
        Self::WatchBeforeNewerData,
        Self::WatchFiresOnce,
        Self::EventHasCause,
        Self::EventsInOrder,
        Self::EphemeralsLiveAsTheirSession,
        Self::SessionEndsOnce,
        Self::NothingAfterTheEnd,
        Self::SessionIsOneClients,
        Self::TreeIsTheLogs,
    ];

    /// Its name, by which reports and files call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WritesFollowRealTime => "writes-follow-real-time",
            Self::OneTransactionAZxid => "one-transaction-a-zxid",
            Self::ZxidsGrow => "zxids-grow",
            Self::WriteResult => "write-result",
            Self::SequentialNumber => "sequential-number",
            Self::MultiIsAtomic => "multi-is-atomic",
            Self::AcknowledgedIsThere => "acknowledged-is-there",
            Self::LogIsWhatWasAsked => "log-is-what-was-asked",
            Self::NothingUnasked => "nothing-unasked",
            Self::SessionOrder => "session-order",
            Self::ReadYourWrites => "read-your-writes",
            Self::ReadsNeverGoBack => "reads-never-go-back",
            Self::SyncIsFresh => "sync-is-fresh",
            Self::ReadIsTheTree => "read-is-the-tree",
            Self::NothingInvented => "nothing-invented",
            Self::WatchFires => "watch-fires",
            Self::WatchBeforeNewerData => "watch-before-newer-data",
            Self::WatchFiresOnce => "watch-fires-once",
            Self::EventHasCause => "event-has-cause",
            Self::EventsInOrder => "events-in-order",
            Self::EphemeralsLiveAsTheirSession => "ephemerals-live-as-their-session",
            Self::SessionEndsOnce => "session-ends-once",
            Self::NothingAfterTheEnd => "nothing-after-the-end",
            Self::SessionIsOneClients => "session-is-one-clients",
            Self::TreeIsTheLogs => "tree-is-the-logs",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An operation, by the numbers that its session's client gave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct Call {
    /// The session.
    pub session: SessionId,
    /// The number of the request.
    pub xid: i32,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.session, self.xid)
    }
}

/// A place where a rule is broken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What is wrong, with the numbers.
    pub sentence: String,
    /// The operations that show it.
    pub calls: Vec<Call>,
    /// The transactions that it is about.
    pub zxids: Vec<Zxid>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.sentence)
    }
}

/// How often what was checked occurred. A rule whose precondition has the count 0 says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub struct Counts {
    pub sessions: u64,
    pub moves: u64,
    pub connections_lost: u64,
    pub expiries: u64,
    pub sessions_closed: u64,
    pub operations: u64,
    pub writes_done: u64,
    pub writes_failed: u64,
    pub multis_done: u64,
    pub multis_failed: u64,
    pub sequential_creates: u64,
    pub ephemeral_creates: u64,
    pub ephemerals_ended: u64,
    pub reads: u64,
    pub reads_after_sync: u64,
    /// Reads of a state that was not the newest any more when the read began.
    pub reads_of_the_past: u64,
    pub syncs: u64,
    pub watches: u64,
    pub watches_renewed: u64,
    pub events: u64,
    pub transactions: u64,
    pub trees: u64,
    /// Writes whose outcome the client does not know, that the log shows.
    pub unknown_done: u64,
    /// Writes whose outcome the client does not know, that are not in the log.
    pub unknown_not_done: u64,
    /// Refusals that the tree does not decide (rights, quotas, limits).
    pub refused: u64,
    /// What would have been checked with a log, or a log that goes further back.
    pub undecided: u64,
}

impl Counts {
    /// All counts with their names.
    #[must_use]
    pub fn all(&self) -> [(&'static str, u64); 26] {
        [
            ("sessions", self.sessions),
            ("moves", self.moves),
            ("connections lost", self.connections_lost),
            ("expiries", self.expiries),
            ("sessions closed", self.sessions_closed),
            ("operations", self.operations),
            ("writes done", self.writes_done),
            ("writes failed", self.writes_failed),
            ("multis done", self.multis_done),
            ("multis failed", self.multis_failed),
            ("sequential creates", self.sequential_creates),
            ("ephemeral creates", self.ephemeral_creates),
            ("ephemerals ended", self.ephemerals_ended),
            ("reads", self.reads),
            ("reads after sync", self.reads_after_sync),
            ("reads of the past", self.reads_of_the_past),
            ("syncs", self.syncs),
            ("watches", self.watches),
            ("watches renewed", self.watches_renewed),
            ("events", self.events),
            ("transactions", self.transactions),
            ("trees", self.trees),
            ("unknown, done", self.unknown_done),
            ("unknown, not done", self.unknown_not_done),
            ("refused", self.refused),
            ("undecided", self.undecided),
        ]
    }
}

/// The answer of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every rule holds of everything.
    Holds,
    /// A rule is broken.
    Violated,
    /// No rule is broken as far as can be said, but something could not be decided.
    Undecided,
}

/// How many violations a report lists; of more it keeps the number.
pub const VIOLATIONS_MAX: usize = 1000;

/// All that a check finds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    /// What was there to be checked.
    pub counts: Counts,
    /// The first violations, at most [`VIOLATIONS_MAX`].
    pub violations: Vec<Violation>,
    /// The number of all violations.
    pub violations_total: u64,
}

impl Report {
    /// Whether the history is right.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.violations_total, self.counts.undecided) {
            (0, 0) => Verdict::Holds,
            (0, _) => Verdict::Undecided,
            (_, _) => Verdict::Violated,
        }
    }

    /// Whether a violation of this rule is listed.
    #[must_use]
    pub fn breaks(&self, rule: Rule) -> bool {
        self.violations.iter().any(|violation| violation.rule == rule)
    }

    pub(crate) fn add(
        &mut self,
        rule: Rule,
        calls: &[Call],
        zxids: &[Zxid],
        sentence: impl FnOnce() -> String,
    ) {
        self.violations_total += 1;
        if self.violations.len() < VIOLATIONS_MAX {
            let (calls, zxids, sentence) = (calls.to_vec(), zxids.to_vec(), sentence());
            self.violations.push(Violation { rule, sentence, calls, zxids });
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        let more = self.violations_total - self.violations.len() as u64;
        if more > 0 {
            writeln!(f, "and {more} more violations")?;
        }
        for (name, count) in self.counts.all() {
            writeln!(f, "{count:>12} {name}")?;
        }
        match self.verdict() {
            Verdict::Holds => writeln!(f, "the history keeps every rule"),
            Verdict::Violated => {
                let many = if self.violations_total == 1 { "" } else { "s" };
                writeln!(f, "violated: {} violation{many}", self.violations_total)
            }
            Verdict::Undecided => writeln!(f, "undecided: nothing is wrong as far as can be said"),
        }
    }
}
