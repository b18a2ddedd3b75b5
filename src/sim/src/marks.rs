//! Situations that matter: which of them a run has reached.

use bytes::Bytes;
use host::{Effect, Remark};
use zab::{Action, Note};
use znode::Tree;

/// What an effect of a host shows.
pub(crate) fn of(effect: &Effect<Bytes, Box<Tree>>) -> Option<&'static str> {
    match effect {
        Effect::Remark(remark) => match remark {
            Remark::SendsDiff(..) => Some("a learner gets a DIFF"),
            Remark::SendsTrunc(..) => Some("a learner gets a TRUNC"),
            Remark::SendsSnap(..) => Some("a learner gets a SNAP"),
            Remark::Replaced(_) => Some("a silent learner's link is replaced"),
            Remark::TurnedAway(..) | Remark::Refuted(..) | Remark::NoState(_) => None,
        },
        Effect::Note(Note::Action(action)) => of_action(*action),
        Effect::Note(Note::Refused(..)) => Some("a message is refused"),
        Effect::Halt(_) => Some("a core halts"),
        Effect::Note(Note::Role(..) | Note::Established(_) | Note::Ignored(_))
        | Effect::Install { .. }
        | Effect::Write(..)
        | Effect::Deliver(_)
        | Effect::Frames { .. }
        | Effect::SendState { .. }
        | Effect::Close(_)
        | Effect::Dial(_)
        | Effect::StopDialling(_)
        | Effect::Notify { .. }
        | Effect::Greet { .. }
        | Effect::Arm(_)
        | Effect::Disarm(_)
        | Effect::Session(..)
        | Effect::Reported(..)
        | Effect::Synced(_) => None,
    }
}

fn of_action(action: Action) -> Option<&'static str> {
    let mark = match action {
        Action::LeaderRollOver => "the counter of zxids is used up",
        Action::LeaderStepDown => "a leader steps down",
        Action::ElectionJoinEstablished => "a server joins an established leader",
        Action::LeaderSyncTruncDiff => "a learner gets a TRUNC and a DIFF",
        Action::LearnerPromiseAgain => "a learner promises an epoch again",
        Action::LeaderSyncConfirmed => "a sync is confirmed",
        Action::Start
        | Action::ElectionStartRound
        | Action::ElectionJoinRound
        | Action::ElectionAdoptVote
        | Action::ElectionCountVote
        | Action::ElectionResend
        | Action::ElectionAnswer
        | Action::ElectionFinalize
        | Action::ElectionElectSelf
        | Action::ElectionElectOther
        | Action::BecomeLeading
        | Action::BecomeLearner
        | Action::LeaderAcceptLink
        | Action::LeaderProcessLearnerInfo
        | Action::LeaderChooseEpoch
        | Action::LeaderProcessAckEpoch
        | Action::LeaderElected
        | Action::LeaderSyncDiff
        | Action::LeaderSyncTrunc
        | Action::LeaderSyncSnap
        | Action::LeaderProcessAckNewLeader
        | Action::LeaderEstablished
        | Action::LeaderUpToDate
        | Action::LeaderPropose
        | Action::LeaderProcessAck
        | Action::LeaderCommit
        | Action::LeaderPing
        | Action::LeaderProcessPing
        | Action::LeaderSyncRequest
        | Action::LeaderLearnerGone
        | Action::LearnerSendInfo
        | Action::LearnerPromise
        | Action::LearnerProcessDiff
        | Action::LearnerProcessTrunc
        | Action::LearnerProcessSnap
        | Action::LearnerProcessNewLeader
        | Action::LearnerProcessUpToDate
        | Action::LearnerProcessProposal
        | Action::LearnerProcessCommit
        | Action::LearnerProcessInform
        | Action::LearnerProcessPing
        | Action::LearnerLeave
        | Action::SessionForward
        | Action::SessionDeliver
        | Action::Durable => return None,
    };
    Some(mark)
}

/// Marks that a thorough set of runs reaches.
pub const ALL: [&str; 28] = [
    "a learner gets a DIFF",
    "a learner gets a TRUNC",
    "a learner gets a TRUNC and a DIFF",
    "a learner gets a SNAP",
    "the counter of zxids is used up",
    "a leader steps down",
    "a server joins an established leader",
    "a learner promises an epoch again",
    "a sync is confirmed",
    "a session moves to another server",
    "a session expires",
    "a client is cut off with requests in progress",
    "a leader is killed with requests in progress",
    "all machines lose power at once",
    "power is lost between a write and its fsync",
    "a snapshot is written while the server goes on",
    "a paused leader goes on",
    "a partition heals",
    "a watch fires",
    "a multi fails",
    "a client vanishes",
    "a disk fails, and its server ends",
    "a disk fails under a snapshot",
    "a damaged server starts without its history",
    "a damaged server starts, and is right",
    "a damaged server gets a history from a leader",
    "a stranger speaks at the quorum port",
    "an observer serves",
];
