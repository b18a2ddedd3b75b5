//! Whose peers may say anything, and within which bounds.

use std::ops::Range;

use zab::{Config, DiskImage, Epoch, Quorum, Sid, SidSet, Zxid};

use super::event::{Conn, txn};
use super::machine::{Kind, bound};
use checker::{BoundInfo, Bounds, Tier};

/// The server that is explored.
pub(super) const ME: Sid = Sid(1);
/// Somebody who has never had a link to it.
pub(super) const STRANGER: Sid = Sid(9);

/// How far a leadership may raise a promise: the least, so that two epochs are too far apart.
const EPOCH_STEP: u32 = 1;
/// The largest epoch that is plausible to a server that has promised nothing. A leader chooses none
/// above it then, though a learner may have promised as much.
const EPOCH_PLAUSIBLE: Epoch = Epoch(1);

/// What the server is, and who its peers are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Subject {
    /// A voter that may decide to follow s2.
    Follower,
    /// A server without a vote that may decide to observe s2.
    Observer,
    /// A voter that may decide to lead s2 and s3, which vote.
    Leader,
    /// A voter that may decide to lead s2, which votes, and s4, which does not, whatever it says.
    LeaderOfObserver,
    /// A voter that may decide to lead or to follow s2, in whose name many connections come.
    Crowded,
}

impl Subject {
    /// Those who may say anything.
    pub(super) const fn peers(self) -> &'static [Sid] {
        match self {
            Self::Follower | Self::Observer | Self::Crowded => &[Sid(2)],
            Self::Leader => &[Sid(2), Sid(3)],
            Self::LeaderOfObserver => &[Sid(2), Sid(4)],
        }
    }

    /// Whether it may follow.
    pub(super) const fn learns(self) -> bool {
        match self {
            Self::Follower | Self::Observer | Self::Crowded => true,
            Self::Leader | Self::LeaderOfObserver => false,
        }
    }

    /// Whether it may lead.
    pub(super) const fn leads(self) -> bool {
        match self {
            Self::Leader | Self::LeaderOfObserver | Self::Crowded => true,
            Self::Follower | Self::Observer => false,
        }
    }
}

/// How much of everything a run may spend. All are guards of actions, or sizes of the alphabet.
///
/// The alphabet is finite, so what the core could do without end is not: what a server writes is
/// held back by `lag`, as a full queue to the disk would, and PINGs and syncs by budgets of their
/// own. Roles may begin and end for ever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Limits {
    /// Who is explored.
    pub(super) subject: Subject,
    /// The largest epoch; peers speak of epochs from 0 up to one more. Two epochs are needed to
    /// have a history older than the link's epoch, and a promise that is too old.
    pub(super) epochs: u32,
    /// The largest counter that a zxid of the alphabet has, and that a leader proposes. With two a
    /// transaction may be there, be next, or leave a hole.
    pub(super) counters: u32,
    /// Records on their way to the disk. A step that would issue one more is not possible. With two
    /// an older record is durable while a younger one is not.
    pub(super) lag: u32,
    /// Delivered transactions kept at hand. With none a leader needs SNAP, and a learner no longer
    /// knows its positions.
    pub(super) window: u32,
    /// Crashes, each with a restart from what is durable.
    pub(super) crashes: u8,
    /// Times that an established leader's PING timer runs out: each leaves one more answer to wait
    /// for.
    pub(super) pings: u8,
    /// Syncs that a leader takes.
    pub(super) syncs: u8,
    /// Disks to begin with: an empty one, also one that holds a snapshot and a log of epoch 1, and
    /// one whose history was lost.
    pub(super) disks: u8,
    /// Connections that one peer may have at once. With two a newcomer waits behind a link; with
    /// three two wait, and are asked.
    pub(super) connections: u8,
    /// Connections in the first peer's name, beside those, that wait at the beginning and say
    /// nothing. With as many as may wait under one id a newcomer takes the place of the oldest.
    pub(super) crowd: u8,
}

/// The number of the first connection of the crowd.
pub(super) const FIRST_OF_CROWD: u64 = 100;

impl Limits {
    /// What bounds mean.
    pub(super) fn of(subject: Subject, bounds: &Bounds) -> Self {
        let wide = |name| u32::try_from(bounds.value(name)).unwrap_or(u32::MAX);
        let small = |name| u8::try_from(bounds.value(name)).unwrap_or(u8::MAX);
        Self {
            subject,
            epochs: wide("epochs"),
            counters: wide("counters"),
            lag: wide("lag"),
            window: wide("window"),
            crashes: small("crashes"),
            pings: small("pings"),
            syncs: small("syncs"),
            disks: small("disks"),
            connections: small("connections"),
            crowd: small("crowd"),
        }
    }

    /// The numbers of the connections that a peer may have.
    pub(super) fn numbers(&self, peer: Sid) -> Range<u64> {
        if self.subject.peers().contains(&peer) { 0..u64::from(self.connections) } else { 0..0 }
    }

    /// The connections of the crowd.
    pub(super) fn crowd(&self) -> impl Iterator<Item = Conn> + use<> {
        let peer = self.subject.peers()[0];
        let numbers = (FIRST_OF_CROWD..).take(usize::from(self.crowd));
        numbers.map(move |number| Conn { peer, number })
    }

    /// The constants of the server.
    pub(super) fn config(&self) -> Config {
        let voters: &[Sid] = match self.subject {
            Subject::Follower | Subject::Leader | Subject::LeaderOfObserver | Subject::Crowded => {
                &[ME, Sid(2), Sid(3)]
            }
            Subject::Observer => &[Sid(2), Sid(3)],
        };
        let voters: SidSet = voters.iter().copied().collect();
        Config {
            me: ME,
            quorum: Quorum::majority(voters),
            counter_max: self.counters,
            epoch_max: Epoch(self.epochs),
            epoch_step: EPOCH_STEP,
            epoch_plausible: EPOCH_PLAUSIBLE,
            window: self.window,
        }
    }

    /// What the server may find on its disk at the beginning.
    pub(super) fn images(&self) -> Vec<DiskImage<u8>> {
        let zxid = |counter| Zxid::new(Epoch(1), counter);
        let old = DiskImage {
            accepted: Epoch(1),
            current: Epoch(1),
            snapshot: zxid(1),
            log: vec![txn(zxid(2))],
            history_lost: false,
        };
        let lost = DiskImage::without_history(Epoch(1));
        [DiskImage::empty(), old, lost].into_iter().take(usize::from(self.disks)).collect()
    }
}

/// The models, in the order of lists.
pub(super) const KINDS: [Kind<Subject>; 6] = [
    Kind {
        name: "one-server-1",
        about: "One real follower whose leader may say anything at any time.",
        subject: Subject::Follower,
        // Two epochs, and one record under way; one-server-2 has it the other way round, and the
        // standard tier has two of both.
        tiers: &[
            (Tier::Quick, &[2, 1, 1, 15, 0, 0, 0, 3, 1, 0]),
            (Tier::Standard, &[2, 1, 2, 15, 1, 0, 0, 3, 1, 0]),
            (Tier::Deep, &[2, 2, 2, 15, 1, 0, 0, 3, 1, 0]),
        ],
    },
    Kind {
        name: "one-server-2",
        about: "One real observer whose leader may say anything at any time.",
        subject: Subject::Observer,
        tiers: &[
            (Tier::Quick, &[1, 1, 2, 0, 1, 0, 0, 2, 1, 0]),
            (Tier::Standard, &[2, 1, 2, 1, 1, 0, 0, 2, 1, 0]),
            (Tier::Deep, &[2, 2, 2, 1, 1, 0, 0, 2, 1, 0]),
        ],
    },
    Kind {
        name: "one-server-3",
        about: "One real leader whose two followers may say anything at any time.",
        subject: Subject::Leader,
        // Syncs are asked of the leader of one-server-5, and one-server-4 begins with a history
        // too; the standard tier has both here.
        tiers: &[
            (Tier::Quick, &[2, 1, 2, 15, 0, 0, 0, 1, 1, 0]),
            (Tier::Standard, &[2, 1, 2, 15, 0, 0, 1, 2, 1, 0]),
            (Tier::Deep, &[2, 2, 2, 15, 1, 0, 1, 2, 1, 0]),
        ],
    },
    Kind {
        name: "one-server-4",
        about: "One real leader of a voter and of a server without a vote, which may say anything at any time.",
        subject: Subject::LeaderOfObserver,
        // One epoch and one record under way; one-server-3 has two of both.
        tiers: &[
            (Tier::Quick, &[1, 1, 1, 0, 0, 1, 0, 2, 1, 0]),
            (Tier::Standard, &[2, 1, 2, 0, 1, 1, 0, 2, 1, 0]),
            (Tier::Deep, &[2, 2, 2, 0, 1, 1, 0, 2, 1, 0]),
        ],
    },
    Kind {
        name: "one-server-5",
        about: "As one-server-3, and asked for several confirmed syncs while PINGs wait for their answers.",
        subject: Subject::Leader,
        // The PINGs of the one sync are those that it waits for; in the standard tier there are
        // others, and a second sync. One-server-4 has PINGs that no sync asked for.
        tiers: &[
            (Tier::Quick, &[1, 1, 1, 15, 0, 0, 1, 1, 1, 0]),
            (Tier::Standard, &[1, 1, 1, 15, 0, 1, 2, 1, 1, 0]),
            (Tier::Deep, &[1, 1, 1, 15, 0, 1, 3, 1, 1, 0]),
        ],
    },
    Kind {
        name: "one-server-8",
        about: "One real server that may lead or follow, and connection upon connection in the name of one peer.",
        subject: Subject::Crowded,
        tiers: &[
            (Tier::Quick, &[1, 1, 1, 15, 0, 0, 0, 1, 3, 0]),
            (Tier::Standard, &[1, 1, 1, 15, 0, 1, 1, 1, 3, 0]),
        ],
    },
];

/// What bounds them.
pub(super) const BOUNDS: [BoundInfo; 10] = [
    bound("epochs", "the largest epoch; peers speak of one more", 1, 4),
    bound("counters", "the largest counter of a zxid", 1, 4),
    bound("lag", "records on their way to the disk", 1, 8),
    bound("window", "delivered transactions kept in memory", 0, 15),
    bound("crashes", "crashes, each with a restart from what is durable", 0, 15),
    bound("pings", "PINGs that a leader's timer causes", 0, 15),
    bound("syncs", "syncs that a leader takes", 0, 15),
    bound(
        "disks",
        "disks to begin with: 1 empty, 2 also one with a history, 3 one whose history is lost",
        1,
        3,
    ),
    bound("connections", "connections that one peer may have at once", 1, 7),
    bound("crowd", "silent connections that wait at the beginning", 0, 40),
];

/// Kinds of events, for coverage.
pub(super) const KINDS_OF_EVENTS: [&str; 13] = [
    "Elected",
    "Connection",
    "Recv",
    "Timer",
    "Disk",
    "DiskLies",
    "Propose",
    "Sync",
    "Session",
    "Resign",
    "Notify",
    "StartAgain",
    "Crash",
];
