//! What a server knows of its ensemble and of the limits it lives under.

use crate::quorum::Quorum;
use crate::types::{Epoch, Sid};

/// The constants of one server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    /// This server.
    pub me: Sid,
    /// Which servers vote, and which sets of them decide.
    pub quorum: Quorum,
    /// The largest counter of a zxid that is proposed. A leader that has used it steps down, so that
    /// the next epoch begins (ZooKeeper rolls over before `0xffff_ffff`). Small in models, so that
    /// they exhaust the roll-over.
    pub counter_max: u32,
    /// The largest epoch that is proposed; at most [`Epoch::MAX`].
    pub epoch_max: Epoch,
    /// How many delivered transactions stay in memory to serve a DIFF (ZooKeeper's
    /// `commitLogCount`). Learners further behind get a SNAP.
    pub window: u32,
}

impl Config {
    /// The constants of a deployed server.
    pub const fn new(me: Sid, quorum: Quorum) -> Self {
        Self { me, quorum, counter_max: 0xffff_fffe, epoch_max: Epoch::MAX, window: 500 }
    }

    /// The constants of the same server under other names.
    pub(crate) fn renamed(&self, name: impl Fn(Sid) -> Sid) -> Self {
        Self { me: name(self.me), quorum: self.quorum.renamed(&name), ..*self }
    }

    /// Whether this server, as a learner, counts in quorums.
    pub fn is_voter(&self) -> bool {
        self.quorum.is_voter(self.me)
    }
}
