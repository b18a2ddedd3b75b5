//! Coverage: which actions were taken, and which interesting states were reached.

use zab::Action;

/// Companions of the properties: situations that a run has to reach, or its silence means little. The low bits of
/// a set of marks are the actions of the core.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mark {
    /// COMMIT reached a joiner that was not yet up to date: it was sent before the joiner's ACK of NEWLEADER came.
    CommitBeforeUpToDate,
    /// A server crashed with a new history on disk and the new epoch not.
    CrashBetweenHistoryAndEpoch,
}

impl Mark {
    /// The mark's bit.
    pub const fn bit(self) -> u128 {
        1 << (96 + self as u32)
    }

    /// All of them.
    pub const ALL: [Self; 2] = [Self::CommitBeforeUpToDate, Self::CrashBetweenHistoryAndEpoch];
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
    pub const ALL: [Self; 11] = [
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
    ];

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
        }
    }
}
