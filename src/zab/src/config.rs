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
    /// The most by which a leader raises its promise, whatever learners say they have promised. Not
    /// 0.
    pub epoch_step: u32,
    /// Epochs up to here are plausible, whatever this server has promised.
    pub epoch_plausible: Epoch,
    /// How many delivered transactions stay in memory to serve a DIFF (ZooKeeper's
    /// `commitLogCount`). Learners further behind get a SNAP.
    pub window: u32,
}

impl Config {
    /// [`Self::epoch_step`] of a deployed server.
    ///
    /// A promise is on disk and is never taken back, so whoever makes a leader believe a number
    /// shortens the life of the ensemble. With this step nobody uses up the epochs in fewer than
    /// two million leaderships. Without lies the step is never reached: a learner is ahead of its
    /// leader only by the leaderships that failed without that leader. If it is further ahead all
    /// the same, it leaves, and each further leadership comes a step nearer to it.
    pub const EPOCH_STEP: u32 = 1 << 10;

    /// [`Self::epoch_plausible`] of a deployed server.
    ///
    /// A server that has lost its disk, or comes late, must be able to join a leader of any epoch
    /// that elections can have led to. One election a second leads up to here in 34 years, and
    /// lies, a step each, in a million leaderships.
    pub const EPOCH_PLAUSIBLE: Epoch = Epoch(Epoch::MAX.0 / 2);

    /// The constants of a deployed server.
    pub const fn new(me: Sid, quorum: Quorum) -> Self {
        Self {
            me,
            quorum,
            counter_max: 0xffff_fffe,
            epoch_max: Epoch::MAX,
            epoch_step: Self::EPOCH_STEP,
            epoch_plausible: Self::EPOCH_PLAUSIBLE,
            window: 500,
        }
    }

    /// Whether elections can have led to an epoch of which a peer speaks, as far as a server can
    /// tell that has promised `accepted`.
    pub(crate) fn is_plausible(&self, epoch: Epoch, accepted: Epoch) -> bool {
        epoch <= self.epoch_plausible || epoch <= self.epoch_after(accepted)
    }

    /// The largest epoch that a leader chooses that has promised `accepted`.
    pub(crate) fn epoch_after(&self, accepted: Epoch) -> Epoch {
        Epoch(accepted.0.saturating_add(self.epoch_step))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_plausible_up_to_a_constant_or_near_to_the_promise() {
        let quorum = Quorum::majority([Sid(1)].into_iter().collect());
        let config =
            Config { epoch_step: 10, epoch_plausible: Epoch(100), ..Config::new(Sid(1), quorum) };
        for (epoch, accepted, plausible) in [
            (0, 0, true),
            (99, 0, true),
            (100, 0, true),
            (101, 0, false),
            (101, 90, false),
            (101, 91, true),
            (100, 500, true),
            (509, 500, true),
            (510, 500, true),
            (511, 500, false),
            (u32::MAX, 500, false),
            (u32::MAX, u32::MAX - 5, true),
        ] {
            let found = config.is_plausible(Epoch(epoch), Epoch(accepted));
            assert_eq!(found, plausible, "{epoch} from {accepted}");
        }
    }

    #[test]
    fn two_million_lies_do_not_use_up_the_epochs() {
        let quorum = Quorum::majority([Sid(1)].into_iter().collect());
        let config = Config::new(Sid(1), quorum);
        let mut accepted = Epoch(1);
        for _ in 0..2_000_000 {
            accepted = config.epoch_after(accepted);
        }
        assert!(accepted < Epoch::MAX, "{accepted:?}");
        // Half of them are left when epochs become implausible to a server without a disk.
        assert_eq!(Config::EPOCH_PLAUSIBLE, Epoch(0x3fff_ffff));
    }
}
