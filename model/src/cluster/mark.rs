//! Coverage: which actions were taken, and which interesting states were reached.

use std::sync::LazyLock;

use zab::Action;

use super::limits::Limits;
use abstract_zab::action::Kind;

/// Companions of the properties: situations that a run has to reach, or its silence means little.
/// The low bits of a set of marks are the actions of the core.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mark {
    /// COMMIT reached a joiner that was not yet up to date: it was sent before the joiner's ACK of
    /// NEWLEADER came.
    CommitBeforeUpToDate,
    /// A server crashed with a new history on disk and the new epoch not.
    CrashBetweenHistoryAndEpoch,
    /// A promise or an acknowledgement left.
    Acknowledged,
    /// A state machine took something in.
    Delivered,
    /// A client's write was answered.
    WriteAnswered,
    /// A client's sync was answered.
    SyncAnswered,
    /// A client's read was answered.
    ReadAnswered,
    /// A client that had written before read.
    OwnWriteRead,
    /// A client was told that what it watches has changed.
    WatchTold,
    /// A client attached to another server, and had a write without an answer.
    MovedWithWrite,
    /// A server whose history was lost has got one from a leader.
    HistoryRestored,
}

impl Mark {
    /// The mark's bit.
    pub const fn bit(self) -> u128 {
        1 << (96 + self as u32)
    }

    /// The bits of actions of abstract Zab, given a bit for each kind.
    pub const fn of_kinds(kinds: u64) -> u128 {
        (kinds as u128) << Self::at(Kind::ALL[0])
    }

    /// The place of that bit.
    pub const fn at(kind: Kind) -> usize {
        112 + kind as usize
    }
}

/// The names of the core's actions, in the order of their marks.
pub(crate) fn core_action_names() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let names = Action::ALL.iter().map(|action| format!("{action:?}"));
        // As many as there are actions, once: nothing leaks that could grow.
        names.map(|name| &*name.leak()).collect()
    });
    &NAMES
}

/// A `sometimes` property: a run in whose bounds it can be reached has to reach it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "`sentence` says what each one means")]
pub enum Companion {
    TwoLeaders,
    CommitBeforeOwnFsync,
    TruncOfUncommitted,
    CrashBetweenHistoryAndEpoch,
    DiffChosen,
    TruncChosen,
    TruncDiffChosen,
    SnapChosen,
    CommitWhileJoining,
    DeliveryBeforeFsync,
    DeposedLeaderFollowed,
    MovedWithWrite,
    SyncAtReplacedLeader,
    HistoryRestored,
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
    pub const ALL: [Self; 14] = [
        Self::TwoLeaders,
        Self::CommitBeforeOwnFsync,
        Self::TruncOfUncommitted,
        Self::CrashBetweenHistoryAndEpoch,
        Self::DiffChosen,
        Self::TruncChosen,
        Self::TruncDiffChosen,
        Self::SnapChosen,
        Self::CommitWhileJoining,
        Self::DeliveryBeforeFsync,
        Self::DeposedLeaderFollowed,
        Self::MovedWithWrite,
        Self::SyncAtReplacedLeader,
        Self::HistoryRestored,
    ];

    /// Its name, as on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TwoLeaders => "two-leaders",
            Self::CommitBeforeOwnFsync => "commit-before-own-fsync",
            Self::TruncOfUncommitted => "trunc-of-uncommitted",
            Self::CrashBetweenHistoryAndEpoch => "crash-between-history-and-epoch",
            Self::DiffChosen => "plan-diff",
            Self::TruncChosen => "plan-trunc",
            Self::TruncDiffChosen => "plan-trunc-diff",
            Self::SnapChosen => "plan-snap",
            Self::CommitWhileJoining => "commit-while-joining",
            Self::DeliveryBeforeFsync => "delivery-before-fsync",
            Self::DeposedLeaderFollowed => "deposed-leader-followed",
            Self::MovedWithWrite => "session-moved-with-write",
            Self::SyncAtReplacedLeader => "sync-at-replaced-leader",
            Self::HistoryRestored => "history-restored",
        }
    }

    /// True if it can be reached within these limits, as far as that is known: then it has to be.
    pub fn is_due(self, limits: &Limits) -> bool {
        let three = limits.servers >= 3 && limits.leaderships >= 1;
        // A second quorum takes one voter from the first, or two where the number of voters is
        // even.
        let switching = if limits.servers.is_multiple_of(2) { 2 } else { 1 };
        let faults = limits.crashes + limits.timeouts >= switching;
        let twice = three && limits.leaderships >= 2 && faults;
        let clients = &limits.clients;
        let writes = limits.txns >= 1;
        match self {
            Self::TwoLeaders | Self::DeposedLeaderFollowed => twice,
            Self::CommitBeforeOwnFsync | Self::DeliveryBeforeFsync => {
                three && writes && (limits.crashes > 0 || limits.exact_disks)
            }
            Self::TruncOfUncommitted | Self::TruncChosen => twice && writes,
            Self::TruncDiffChosen => twice && limits.txns >= 2,
            Self::CrashBetweenHistoryAndEpoch => limits.servers >= 2 && three && limits.crashes > 0,
            Self::DiffChosen => limits.servers >= 2 && limits.leaderships >= 1,
            Self::SnapChosen => three && limits.window < limits.txns,
            Self::CommitWhileJoining => three && writes,
            Self::MovedWithWrite => {
                clients.clients > 0
                    && clients.moves > 0
                    && clients.ops >= 2
                    && limits.leaderships >= 1
            }
            Self::SyncAtReplacedLeader => twice && clients.clients > 0,
            Self::HistoryRestored => three && limits.damage && limits.crashes > 0,
        }
    }

    /// How it is observed.
    pub fn seen(self) -> Seen {
        let action = |action: Action| Seen::OnStep(1 << action as u32);
        match self {
            Self::TwoLeaders => Seen::InState(1),
            Self::CommitBeforeOwnFsync => Seen::InState(2),
            Self::DeliveryBeforeFsync => Seen::InState(4),
            Self::DeposedLeaderFollowed => Seen::InState(8),
            Self::TruncOfUncommitted => action(Action::LearnerProcessTrunc),
            Self::CrashBetweenHistoryAndEpoch => {
                Seen::OnStep(Mark::CrashBetweenHistoryAndEpoch.bit())
            }
            Self::DiffChosen => action(Action::LeaderSyncDiff),
            Self::TruncChosen => action(Action::LeaderSyncTrunc),
            Self::TruncDiffChosen => action(Action::LeaderSyncTruncDiff),
            Self::SnapChosen => action(Action::LeaderSyncSnap),
            Self::CommitWhileJoining => Seen::OnStep(Mark::CommitBeforeUpToDate.bit()),
            Self::MovedWithWrite => Seen::OnStep(Mark::MovedWithWrite.bit()),
            Self::SyncAtReplacedLeader => Seen::InState(1 << 7),
            Self::HistoryRestored => Seen::OnStep(Mark::HistoryRestored.bit()),
        }
    }

    /// What it says.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::TwoLeaders => "two established leaders of different epochs at once",
            Self::CommitBeforeOwnFsync => "a leader commits what is not yet on its own disk",
            Self::TruncOfUncommitted => "a learner truncates a transaction that was not committed",
            Self::CrashBetweenHistoryAndEpoch => "a crash between a new history and the new epoch",
            Self::DiffChosen => "the plan is DIFF",
            Self::TruncChosen => "the plan is TRUNC",
            Self::TruncDiffChosen => "the plan is TRUNC+DIFF",
            Self::SnapChosen => "the plan is SNAP",
            Self::CommitWhileJoining => "a commit while a joiner has not acknowledged NEWLEADER",
            Self::DeliveryBeforeFsync => "a follower delivers what is not yet on its own disk",
            Self::DeposedLeaderFollowed => "an up-to-date learner is attached to a deposed leader",
            Self::MovedWithWrite => "a session moves with a write that has no answer",
            Self::SyncAtReplacedLeader => {
                "a client waits for a sync where the leader was replaced by a newer one"
            }
            Self::HistoryRestored => "a server whose history was lost has got one from a leader",
        }
    }
}
