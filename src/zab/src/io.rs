//! The core's only interface: inputs, and outputs as data.

use alloc::vec::Vec;

use crate::message::{Message, MessageKind, Notification, SessionMessage, Txn};
use crate::types::{Epoch, Sid, WriteNo, Zxid};

/// Everything that can happen to a server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Input<P> {
    /// The server starts with what a crash, or an orderly stop, left on its disk.
    Start(DiskImage<P>),
    /// An election message. The election has no links: `from` is who the connection belongs to.
    Notify {
        /// The sender.
        from: Sid,
        /// What it says.
        notification: Notification,
    },
    /// A link of the quorum port came up or broke. A new link to a server replaces the old one; the shell
    /// drops whatever still arrives over the old one.
    Link {
        /// The other end.
        peer: Sid,
        /// Came up, or broke.
        up: bool,
    },
    /// A message over the link to `peer`, in the order in which it was sent.
    Recv {
        /// The other end.
        peer: Sid,
        /// What it says.
        message: Message<P>,
    },
    /// An armed timer ran out.
    Timer(Timer),
    /// Every record up to this number is on disk and stays there. Cumulative.
    Durable {
        /// The last durable record of this incarnation.
        upto: WriteNo,
    },
    /// The session layer of an established leader proposes a transaction.
    Propose(P),
    /// The session layer asks that `body` be answered once a quorum has confirmed, after this moment,
    /// that this leader is still the leader, and everything proposed until now is committed.
    Sync {
        /// Who is answered: this server, or a learner that forwarded the request.
        origin: Sid,
        /// Handed back.
        body: P,
    },
    /// The session layer sends a message of its own over the link to `peer`.
    Session {
        /// The other end.
        peer: Sid,
        /// What it says.
        message: SessionMessage<P>,
    },
    /// Orderly stop, or operator's wish: give up the present role and elect again.
    Resign,
}

/// What a disk holds: the fold of a durable prefix of the records that were issued.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DiskImage<P> {
    /// `acceptedEpoch` (f.p).
    pub accepted: Epoch,
    /// `currentEpoch` (f.a).
    pub current: Epoch,
    /// The newest snapshot holds exactly the transactions up to here; zero if there is none.
    pub snapshot: Zxid,
    /// The transactions behind the snapshot, in order.
    pub log: Vec<Txn<P>>,
    /// The history that was here was found damaged, and set aside: what is here may lack what this server
    /// has acknowledged. The promise is the one that was given.
    pub history_lost: bool,
}

impl<P> DiskImage<P> {
    /// The disk of a server that never ran.
    pub const fn empty() -> Self {
        Self {
            accepted: Epoch(0),
            current: Epoch(0),
            snapshot: Zxid::ZERO,
            log: Vec::new(),
            history_lost: false,
        }
    }

    /// The disk of a server whose history was set aside: nothing is left of it but its promise.
    pub const fn without_history(accepted: Epoch) -> Self {
        Self {
            accepted,
            current: Epoch(0),
            snapshot: Zxid::ZERO,
            log: Vec::new(),
            history_lost: true,
        }
    }

    /// The end of the history on this disk.
    pub fn last(&self) -> Zxid {
        self.log.last().map_or(self.snapshot, |txn| txn.zxid)
    }
}

impl<P: Clone> DiskImage<P> {
    /// Adds the effect of one more durable record. What the shell's storage does with files, in one line each:
    /// the meaning of [`Record`].
    pub fn apply(&mut self, record: &Record<P>) {
        match record {
            Record::Txn(txn) => self.log.push(txn.clone()),
            Record::Truncate { to } => self.log.retain(|txn| txn.zxid <= *to),
            Record::Snapshot { zxid } => {
                self.log.clear();
                self.snapshot = *zxid;
            }
            Record::AcceptedEpoch(epoch) => self.accepted = *epoch,
            // The initial history of the epoch is here, and all else that its leader had said.
            Record::CurrentEpoch(epoch) => {
                self.current = *epoch;
                self.history_lost = false;
            }
        }
    }
}

/// One write. The records of a server form a single sequence: record k+1 is begun only after record k is
/// durable, or shares an fsync with it in the same file; so a crash leaves a prefix of the sequence.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Record<P> {
    /// Append to the log.
    Txn(Txn<P>),
    /// Cut the log behind `to`.
    Truncate {
        /// The last zxid to keep.
        to: Zxid,
    },
    /// Replace snapshot and log, in one step, by the snapshot that came with the SNAP message.
    Snapshot {
        /// What the snapshot holds.
        zxid: Zxid,
    },
    /// Write `acceptedEpoch`.
    AcceptedEpoch(Epoch),
    /// Write `currentEpoch`.
    CurrentEpoch(Epoch),
}

/// The kinds of timers. How long they last is the shell's business; a model fires them at will.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Timer {
    /// Election: nobody said anything new; say it again (200 ms, doubled up to 60 s by the shell).
    Resend,
    /// Election: a quorum agrees; wait a little for a better vote (`finalizeWait`, 200 ms).
    Finalize,
    /// A learner until UPTODATE, a leader until it is established: `initLimit` ticks.
    InitLimit,
    /// A learner in broadcast has heard nothing from its leader for `syncLimit` ticks.
    SyncLimit,
    /// A leader has heard nothing from this learner, which is not yet synchronised, for `initLimit` ticks.
    LearnerInitLimit(Sid),
    /// A leader has heard nothing from this synchronised learner for `syncLimit` ticks.
    LearnerSyncLimit(Sid),
    /// An established leader has had no quorum of links for a tick.
    QuorumLoss,
    /// An established leader pings its learners: every half tick.
    Ping,
}

/// When a message may leave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum After {
    /// At once.
    Now,
    /// Only when the record with this number is durable; never if the server crashes before, and never
    /// over another link than the one that is up now.
    Durable(WriteNo),
}

/// A message to send over the link to `to`. Messages with the same [`After`] class keep their order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Send<P> {
    /// The other end.
    pub to: Sid,
    /// What to say.
    pub message: Message<P>,
    /// What must be on disk before.
    pub after: After,
}

/// What to do with links of the quorum port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LinkCmd {
    /// A learner dials its leader, and tries again until told to close; `Input::Link` tells the outcome.
    Connect(Sid),
    /// Close the link, or stop dialling. No `Input::Link` answers.
    Close(Sid),
}

/// Starting and stopping timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TimerCmd {
    /// Start it, or start it again from the beginning.
    Arm(Timer),
    /// Stop it, if it runs.
    Disarm(Timer),
}

/// What a server is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Role {
    /// Not started, or stopped for good by a [`Halt`].
    Down,
    /// Electing.
    Looking,
    /// Attached, or attaching, to a leader, as a voter.
    Following(Sid),
    /// Attached, or attaching, to a leader, without a vote.
    Observing(Sid),
    /// Leading, or trying to.
    Leading,
}

/// The reason why a server must stop for good. The shell stops it with this message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Halt {
    /// The log on disk does not continue: `next` stands behind `last`.
    LogOutOfOrder {
        /// A zxid.
        last: Zxid,
        /// What stands behind it.
        next: Zxid,
    },
    /// `currentEpoch` must not be greater than `acceptedEpoch`.
    CurrentEpochAhead {
        /// As found.
        accepted: Epoch,
        /// As found.
        current: Epoch,
    },
    /// The history must not contain epochs greater than `acceptedEpoch`.
    HistoryAhead {
        /// As found.
        accepted: Epoch,
        /// End of the history.
        last: Zxid,
    },
    /// The largest epoch has been promised: there can be no further leader.
    EpochsExhausted {
        /// `acceptedEpoch`.
        accepted: Epoch,
    },
}

/// Why a link was closed, or an input refused. Each is an answer to somebody else's fault or to the
/// ordinary course of failures; none changes the history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Refusal {
    /// The peer broke the protocol: no such message is due now.
    Unexpected(MessageKind),
    /// The peer broke the protocol: the epoch is not the one that this link is about.
    WrongEpoch {
        /// The epoch that is due.
        expected: Epoch,
        /// The epoch that came.
        got: Epoch,
    },
    /// The leader wants an epoch older than one already promised (paper, phase 1: e' > f.p).
    EpochTooOld {
        /// `acceptedEpoch`.
        accepted: Epoch,
        /// The epoch that came.
        got: Epoch,
    },
    /// The learner's history is more recent than the leader's, so this leader may not have its promise
    /// (`Leader.waitForEpochAck`).
    LearnerAhead {
        /// The learner's `currentEpoch`.
        current: Epoch,
        /// The end of its history.
        last: Zxid,
    },
    /// The peer broke the protocol: `got` does not continue the history that ends at `last`.
    Gap {
        /// End of the history here.
        last: Zxid,
        /// The zxid that came.
        got: Zxid,
    },
    /// The peer broke the protocol: TRUNC to a zxid that is not in this history, or below what was delivered.
    BadTrunc {
        /// End of the history here.
        last: Zxid,
        /// The zxid that came.
        to: Zxid,
    },
    /// The peer broke the protocol: a snapshot older than what was delivered here.
    BadSnap {
        /// What was delivered here.
        delivered: Zxid,
        /// What the snapshot holds.
        zxid: Zxid,
    },
    /// The peer broke the protocol: COMMIT of something that was never proposed to this server.
    BadCommit {
        /// End of the history here.
        last: Zxid,
        /// The zxid that came.
        zxid: Zxid,
    },
    /// The peer broke the protocol: ACK of something that was never proposed to it.
    BadAck {
        /// The last zxid proposed.
        last: Zxid,
        /// The zxid that came.
        zxid: Zxid,
    },
    /// The learner has promised the largest epoch, so no leader can follow on it.
    EpochsExhausted {
        /// The learner's `acceptedEpoch`.
        accepted: Epoch,
    },
    /// `initLimit` or `syncLimit` passed.
    TimedOut,
    /// This server gave up the role that the link served.
    RoleEnded,
    /// The peer speaks of an epoch to which no elections can have led: above
    /// [`Config::epoch_plausible`](crate::Config), and more than
    /// [`Config::epoch_step`](crate::Config) above the promise here.
    ImplausibleEpoch {
        /// `acceptedEpoch` of this server.
        accepted: Epoch,
        /// The epoch that came.
        got: Epoch,
    },
}

/// Why an input had no effect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Ignored {
    /// A message or an event of a link that is no longer, or not yet, of interest.
    NoLink,
    /// The server is down, or was started before.
    NotNow,
    /// A timer that was disarmed.
    StaleTimer,
    /// A durability report that says nothing new, or names records that were never issued.
    StaleDurable,
    /// Only an established leader proposes and syncs; the session layer answers its client with an error.
    NotLeading,
    /// The session layer may use a link only once its learner is up to date.
    NotUpToDate,
    /// A proposal that the history holds already.
    Duplicate,
    /// An acknowledgement that needs no answer (ZooKeeper's second ACK of NEWLEADER, or an observer's).
    NotCounted,
    /// A vote of, or for, a server without a vote.
    NotVoter,
    /// An election message that changes nothing.
    NoNews,
    /// A vote of an earlier round of the election.
    OldRound,
    /// The peer broke the protocol: a round beyond `Election::ROUND_MAX`.
    RoundTooHigh,
    /// The peer broke the protocol: a vote with an epoch beyond [`Epoch::MAX`], in itself or in its zxid.
    ImpossibleVote,
    /// An election message that claims to come from this server.
    FromSelf,
}

/// The protocol's actions, named as in `spec/`: one note per action taken, the actor first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "each name says who does what with which message")]
pub enum Action {
    Start,
    ElectionStartRound,
    ElectionJoinRound,
    ElectionAdoptVote,
    ElectionCountVote,
    ElectionResend,
    ElectionAnswer,
    ElectionFinalize,
    ElectionElectSelf,
    ElectionElectOther,
    ElectionJoinEstablished,
    BecomeLeading,
    BecomeLearner,
    LeaderAcceptLink,
    LeaderProcessLearnerInfo,
    LeaderChooseEpoch,
    LeaderProcessAckEpoch,
    LeaderElected,
    LeaderSyncDiff,
    LeaderSyncTrunc,
    LeaderSyncTruncDiff,
    LeaderSyncSnap,
    LeaderProcessAckNewLeader,
    LeaderEstablished,
    LeaderUpToDate,
    LeaderPropose,
    LeaderRollOver,
    LeaderProcessAck,
    LeaderCommit,
    LeaderPing,
    LeaderProcessPing,
    LeaderSyncRequest,
    LeaderSyncConfirmed,
    LeaderLearnerGone,
    LeaderStepDown,
    LearnerSendInfo,
    LearnerPromise,
    LearnerPromiseAgain,
    LearnerProcessDiff,
    LearnerProcessTrunc,
    LearnerProcessSnap,
    LearnerProcessNewLeader,
    LearnerProcessUpToDate,
    LearnerProcessProposal,
    LearnerProcessCommit,
    LearnerProcessInform,
    LearnerProcessPing,
    LearnerLeave,
    SessionForward,
    SessionDeliver,
    Durable,
}

impl Action {
    /// Every action, in order.
    pub const ALL: [Self; 51] = [
        Self::Start,
        Self::ElectionStartRound,
        Self::ElectionJoinRound,
        Self::ElectionAdoptVote,
        Self::ElectionCountVote,
        Self::ElectionResend,
        Self::ElectionAnswer,
        Self::ElectionFinalize,
        Self::ElectionElectSelf,
        Self::ElectionElectOther,
        Self::ElectionJoinEstablished,
        Self::BecomeLeading,
        Self::BecomeLearner,
        Self::LeaderAcceptLink,
        Self::LeaderProcessLearnerInfo,
        Self::LeaderChooseEpoch,
        Self::LeaderProcessAckEpoch,
        Self::LeaderElected,
        Self::LeaderSyncDiff,
        Self::LeaderSyncTrunc,
        Self::LeaderSyncTruncDiff,
        Self::LeaderSyncSnap,
        Self::LeaderProcessAckNewLeader,
        Self::LeaderEstablished,
        Self::LeaderUpToDate,
        Self::LeaderPropose,
        Self::LeaderRollOver,
        Self::LeaderProcessAck,
        Self::LeaderCommit,
        Self::LeaderPing,
        Self::LeaderProcessPing,
        Self::LeaderSyncRequest,
        Self::LeaderSyncConfirmed,
        Self::LeaderLearnerGone,
        Self::LeaderStepDown,
        Self::LearnerSendInfo,
        Self::LearnerPromise,
        Self::LearnerPromiseAgain,
        Self::LearnerProcessDiff,
        Self::LearnerProcessTrunc,
        Self::LearnerProcessSnap,
        Self::LearnerProcessNewLeader,
        Self::LearnerProcessUpToDate,
        Self::LearnerProcessProposal,
        Self::LearnerProcessCommit,
        Self::LearnerProcessInform,
        Self::LearnerProcessPing,
        Self::LearnerLeave,
        Self::SessionForward,
        Self::SessionDeliver,
        Self::Durable,
    ];
}

/// What happened in a step, in the order in which it happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Note {
    /// The protocol took this action.
    Action(Action),
    /// The server's role changed; the epoch is its `acceptedEpoch`.
    Role(Role, Epoch),
    /// The leader of this epoch is established: at the leader when a quorum has accepted NEWLEADER, at a
    /// learner when it is up to date. From here on clients are served.
    Established(Epoch),
    /// The link to the peer was closed, for this reason.
    Refused(Sid, Refusal),
    /// The input had no effect, for this reason.
    Ignored(Ignored),
}

/// What a server has done as far as the abstract protocol knows of it: the typed report that checkers read. Each fact is
/// what an action of `spec/Zab.tla` does, or a part of it. What is on disk counts from the moment when the core has
/// heard that it is durable.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Fact<P> {
    /// The server has started with this on its disk. Whatever it knew besides is gone, and it leads nothing.
    Started {
        /// `acceptedEpoch`.
        accepted: Epoch,
        /// `currentEpoch`.
        current: Epoch,
        /// What the newest snapshot holds, and the state machine with it.
        snapshot: Zxid,
        /// The end of the history.
        last: Zxid,
        /// The history before this start is lost ([`DiskImage::history_lost`]).
        history_lost: bool,
    },
    /// The promise of an epoch is on disk.
    Promised {
        /// The epoch.
        epoch: Epoch,
        /// To whom: the leader that wanted it, or this server itself.
        candidate: Sid,
    },
    /// This server leads the epoch: a quorum has promised it, and nobody in it knows more. Its history, as it was
    /// when its own promise became durable, is the initial history of the epoch.
    Elected {
        /// The epoch.
        epoch: Epoch,
        /// The end of the initial history.
        last: Zxid,
    },
    /// `currentEpoch` is on disk, and with it the initial history of the epoch, which counts as acknowledged.
    Accepted {
        /// The epoch.
        epoch: Epoch,
    },
    /// A transaction is on disk, behind what was there.
    Appended(Txn<P>),
    /// The history on disk ends here now.
    Truncated {
        /// Its end.
        to: Zxid,
    },
    /// The history on disk is what a snapshot holds now.
    Replaced {
        /// Its end.
        zxid: Zxid,
    },
    /// The history on disk up to here may be acknowledged: its last transaction is of the epoch that is promised and
    /// accepted there. An ACK leaves behind this; a leader counts itself by it.
    Acknowledged {
        /// The end of the history on disk.
        zxid: Zxid,
    },
    /// A quorum has accepted the initial history of the epoch that this server leads.
    Established {
        /// The epoch.
        epoch: Epoch,
    },
    /// This server, which leads, broadcasts a transaction.
    Proposed(Txn<P>),
    /// The state machine is replaced by one that holds the history up to here.
    Installed {
        /// The label of the snapshot.
        zxid: Zxid,
    },
    /// A transaction is given to the state machine.
    Delivered(Txn<P>),
    /// This server leads no longer, whether it was elected or not.
    LeadershipEnded,
}

impl<P> Fact<P> {
    /// True if it says that one more record is durable.
    pub fn is_of_a_record(&self) -> bool {
        match self {
            Self::Promised { .. }
            | Self::Accepted { .. }
            | Self::Appended(_)
            | Self::Truncated { .. }
            | Self::Replaced { .. } => true,
            Self::Started { .. }
            | Self::Elected { .. }
            | Self::Acknowledged { .. }
            | Self::Established { .. }
            | Self::Proposed(_)
            | Self::Installed { .. }
            | Self::Delivered(_)
            | Self::LeadershipEnded => false,
        }
    }
}

/// What the shell has to do after a step. Owned by the caller and used again, so that a step allocates nothing in
/// steady state. Each field is in order. Between the fields an order is needed too, and the host (`src/host`), the one
/// caller that carries outputs out, keeps it: what was installed comes before its record; what a SNAP carries is the
/// state with everything delivered up to its label and nothing behind it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Outputs<P> {
    /// Records to write, numbered without a gap.
    pub writes: Vec<(WriteNo, Record<P>)>,
    /// Messages over links of the quorum port.
    pub sends: Vec<Send<P>>,
    /// Election messages: the latest one per server is enough.
    pub notifications: Vec<(Sid, Notification)>,
    /// Transactions to apply to the state machine, now: they are committed, each is the successor of the one
    /// delivered before, from the snapshot on. On disk they may be later.
    pub deliver: Vec<Txn<P>>,
    /// A snapshot that came with the message of this step replaces the state machine.
    pub install: Option<Zxid>,
    /// Links to open and close.
    pub links: Vec<LinkCmd>,
    /// Timers to start and stop.
    pub timers: Vec<TimerCmd>,
    /// Messages for the session layer, with the link over which they came.
    pub session: Vec<(Sid, SessionMessage<P>)>,
    /// Syncs asked for by this server's own session layer, now confirmed.
    pub synced: Vec<P>,
    /// The server must stop for good.
    pub halt: Option<Halt>,
    /// What happened.
    pub notes: Vec<Note>,
    /// What happened, in the words of the abstract protocol.
    pub facts: Vec<Fact<P>>,
}

impl<P> Default for Outputs<P> {
    fn default() -> Self {
        Self {
            writes: Vec::new(),
            sends: Vec::new(),
            notifications: Vec::new(),
            deliver: Vec::new(),
            install: None,
            links: Vec::new(),
            timers: Vec::new(),
            session: Vec::new(),
            synced: Vec::new(),
            halt: None,
            notes: Vec::new(),
            facts: Vec::new(),
        }
    }
}

impl<P> Outputs<P> {
    /// Nothing to do yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything but the memory, for the next step.
    pub fn clear(&mut self) {
        self.writes.clear();
        self.sends.clear();
        self.notifications.clear();
        self.deliver.clear();
        self.install = None;
        self.links.clear();
        self.timers.clear();
        self.session.clear();
        self.synced.clear();
        self.halt = None;
        self.notes.clear();
        self.facts.clear();
    }

    pub(crate) fn action(&mut self, action: Action) {
        self.notes.push(Note::Action(action));
    }

    pub(crate) fn ignored(&mut self, why: Ignored) {
        self.notes.push(Note::Ignored(why));
    }

    pub(crate) fn arm(&mut self, timer: Timer) {
        self.timers.push(TimerCmd::Arm(timer));
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.timers.push(TimerCmd::Disarm(timer));
    }
}
