//! What servers say to each other. The bytes are the business of the `wire` crate.

use crate::types::{Epoch, Sid, Zxid};

/// What a transaction carries. The protocol never looks inside: the bounds are all it may use.
pub trait Payload: Clone + Eq + core::hash::Hash {}
impl<T: Clone + Eq + core::hash::Hash> Payload for T {}

/// A transaction: its position in the total order, and what it carries.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Txn<P> {
    /// Epoch and counter; the counter starts at 1.
    pub zxid: Zxid,
    /// Opaque to the protocol.
    pub payload: P,
}

/// What a server is doing, as it tells others in the election (ZooKeeper's `ServerState`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ServerState {
    /// Electing.
    Looking,
    /// A voter attached, or attaching, to a leader.
    Following,
    /// Leading, or trying to.
    Leading,
    /// A server without a vote attached, or attaching, to a leader.
    Observing,
}

/// A proposal for the leader, ordered by (`peer_epoch`, `zxid`, `leader`).
///
/// The derived order *is* the election's order predicate (`FastLeaderElection.totalOrderPredicate`),
/// hence the order of the fields. ZOOKEEPER-1419 was a missing parenthesis in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Vote {
    /// The proposed leader's `currentEpoch`.
    pub peer_epoch: Epoch,
    /// The last zxid in the proposed leader's history.
    pub zxid: Zxid,
    /// The proposed leader.
    pub leader: Sid,
}

/// An election message (ZooKeeper's `Notification`). Latest one per pair of servers: a newer one
/// replaces an unsent older one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Notification {
    /// What the sender is doing.
    pub state: ServerState,
    /// The sender's vote; `None` from an observer that has not yet heard of any (ZooKeeper sends
    /// `Long.MIN_VALUE` as the leader), and from a voter that may not vote at present.
    pub vote: Option<Vote>,
    /// The sender's round (`logicalclock`, `electionEpoch`).
    pub round: u64,
}

/// Whether a learner counts in quorums: how it introduced itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LearnerKind {
    /// FOLLOWERINFO: gets PROPOSAL and COMMIT, acknowledges.
    Follower,
    /// OBSERVERINFO: gets INFORM, is never counted.
    Observer,
}

/// A message of the quorum port between a learner (L) and a leader (M), named as ZooKeeper's packets
/// are. The sender and receiver are not in it: a link knows its two ends.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Message<P> {
    /// L to M, FOLLOWERINFO or OBSERVERINFO (the paper's CEPOCH): the last epoch promised.
    LearnerInfo {
        /// How the learner introduces itself.
        kind: LearnerKind,
        /// `acceptedEpoch` (f.p).
        accepted: Epoch,
    },
    /// M to L, LEADERINFO (NEWEPOCH): the epoch that the leader wants to establish.
    LeaderInfo {
        /// The proposed epoch.
        epoch: Epoch,
    },
    /// L to M, ACKEPOCH (ACK-E): a promise to accept nothing from older epochs.
    AckEpoch {
        /// `currentEpoch` (f.a); `None` when this epoch had been promised before, or when the
        /// history is lost (-1 on the wire): such an answer is not counted, but its sender is
        /// synchronised.
        current: Option<Epoch>,
        /// End of the learner's history.
        last: Zxid,
    },
    /// M to L, DIFF: the learner's history is a prefix of the leader's. The transactions behind it follow
    /// as `Proposal`s.
    Diff {
        /// Everything up to here is committed once the leader is established.
        committed: Zxid,
    },
    /// M to L, TRUNC: cut the history behind `to`, then `Proposal`s follow (TRUNC+DIFF) or not.
    Trunc {
        /// The last zxid to keep.
        to: Zxid,
        /// As in `Diff`.
        committed: Zxid,
    },
    /// M to L, SNAP: replace the history by the snapshot that the shell streams with this message.
    Snap {
        /// The snapshot holds exactly the transactions up to here, all of them committed.
        zxid: Zxid,
    },
    /// M to L, NEWLEADER: the end of the history to accept before the epoch.
    NewLeader {
        /// The epoch that the leader establishes.
        epoch: Epoch,
    },
    /// L to M, the ACK with a zxid of counter 0 that answers NEWLEADER (ACK-LD).
    AckNewLeader {
        /// The accepted epoch, now the learner's `currentEpoch`.
        epoch: Epoch,
    },
    /// M to L, UPTODATE (COMMIT-LD): the epoch is established; deliver, and open for clients.
    UpToDate,
    /// M to L, PROPOSAL.
    Proposal(Txn<P>),
    /// L to M, ACK: everything up to `zxid` is durable here. Cumulative.
    Ack {
        /// A zxid of the leader's epoch.
        zxid: Zxid,
    },
    /// M to follower, COMMIT: deliver everything up to `zxid`. Cumulative.
    Commit {
        /// The last committed zxid.
        zxid: Zxid,
    },
    /// M to observer, INFORM: a committed transaction.
    Inform(Txn<P>),
    /// PING, both ways; the learner answers each one.
    Ping {
        /// The learner's shell reports its sessions here; the protocol looks away.
        body: Option<P>,
    },
    /// What the session layer says over the same link.
    Session(SessionMessage<P>),
}

/// A message that the protocol only carries, and only over a link on which the learner is up to date.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SessionMessage<P> {
    /// L to M, REQUEST: a client's write, or sync, forwarded.
    Request(P),
    /// Both ways, REVALIDATE: does this session live, and its answer.
    Revalidate(P),
    /// M to L, SYNC: the answer to a forwarded sync.
    Sync(P),
}

/// The kind of a message, for refusals and traces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "each name is the packet's")]
pub enum MessageKind {
    LearnerInfo,
    LeaderInfo,
    AckEpoch,
    Diff,
    Trunc,
    Snap,
    NewLeader,
    AckNewLeader,
    UpToDate,
    Proposal,
    Ack,
    Commit,
    Inform,
    Ping,
    Session,
}

impl<P> Message<P> {
    /// The message's kind.
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::LearnerInfo { .. } => MessageKind::LearnerInfo,
            Self::LeaderInfo { .. } => MessageKind::LeaderInfo,
            Self::AckEpoch { .. } => MessageKind::AckEpoch,
            Self::Diff { .. } => MessageKind::Diff,
            Self::Trunc { .. } => MessageKind::Trunc,
            Self::Snap { .. } => MessageKind::Snap,
            Self::NewLeader { .. } => MessageKind::NewLeader,
            Self::AckNewLeader { .. } => MessageKind::AckNewLeader,
            Self::UpToDate => MessageKind::UpToDate,
            Self::Proposal(_) => MessageKind::Proposal,
            Self::Ack { .. } => MessageKind::Ack,
            Self::Commit { .. } => MessageKind::Commit,
            Self::Inform(_) => MessageKind::Inform,
            Self::Ping { .. } => MessageKind::Ping,
            Self::Session(_) => MessageKind::Session,
        }
    }

    /// Whether a learner that is alive answers the message at once. It answers NEWLEADER too, but
    /// only when the history that came before is on its disk.
    pub const fn is_question(&self) -> bool {
        matches!(self, Self::LeaderInfo { .. } | Self::Ping { .. })
    }

    /// Whether the message says all that an earlier one of the same sender says: acknowledgements
    /// and commits of one epoch are cumulative.
    pub fn includes(&self, earlier: &Self) -> bool {
        if let (Self::Ack { zxid: later }, Self::Ack { zxid: earlier })
        | (Self::Commit { zxid: later }, Self::Commit { zxid: earlier }) = (self, earlier)
        {
            earlier < later && earlier.epoch() == later.epoch()
        } else {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(epoch: u32, counter: u32) -> Message<u8> {
        Message::Ack { zxid: Zxid::new(Epoch(epoch), counter) }
    }

    fn commit(epoch: u32, counter: u32) -> Message<u8> {
        Message::Commit { zxid: Zxid::new(Epoch(epoch), counter) }
    }

    #[test]
    fn a_later_acknowledgement_or_commit_of_the_same_epoch_includes_an_earlier_one() {
        for (later, earlier, includes) in [
            (ack(1, 2), ack(1, 1), true),
            (commit(1, 2), commit(1, 1), true),
            (ack(1, 1), ack(1, 1), false),
            (ack(1, 1), ack(1, 2), false),
            (ack(2, 2), ack(1, 1), false),
            (ack(1, 2), commit(1, 1), false),
            (commit(1, 2), ack(1, 1), false),
            (Message::UpToDate, ack(1, 1), false),
            (Message::UpToDate, Message::UpToDate, false),
        ] {
            assert_eq!(later.includes(&earlier), includes, "{later:?} {earlier:?}");
        }
    }

    #[test]
    fn leaders_ask_for_promises_and_for_signs_of_life() {
        let epoch = Epoch(1);
        assert!(Message::<u8>::LeaderInfo { epoch }.is_question());
        assert!(Message::Ping { body: Some(1_u8) }.is_question());
        assert!(!Message::<u8>::NewLeader { epoch }.is_question());
        assert!(!ack(1, 1).is_question());
    }
}
