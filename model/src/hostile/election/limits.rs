//! Whose peers may say anything in an election, and within which bounds.

use std::collections::BTreeSet;

use zab::{Election, Epoch, Sid, Vote, Zxid};

use super::super::machine::{Kind, bound};
use checker::{BoundInfo, Bounds, Tier};

/// The server that is explored. It stands between its peers in the order of ids.
pub(super) const ME: Sid = Sid(2);
/// The voter above it. Its bit in a set of servers is in another word than those of the others, at
/// the place of [`STRANGER`] in its own: no other model has a server above 64.
pub(super) const HIGH: Sid = Sid(64 + STRANGER.0);
/// A server of the ensemble without a vote.
pub(super) const VOTELESS: Sid = Sid(4);
/// Somebody of whom the ensemble does not know.
pub(super) const STRANGER: Sid = Sid(9);
/// The third voter around an observer. It says one word only, that it follows another: with it a
/// quorum settles without its leader.
pub(super) const THIRD: Sid = Sid(5);

/// What the server is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) enum Subject {
    /// One of three that vote.
    Voter,
    /// A server without a vote, among three that vote.
    Observer,
}

/// How much of everything there is. All are sizes of the alphabet, but `rounds`, beyond which no
/// round is begun.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Limits {
    /// Who is explored.
    pub(super) subject: Subject,
    /// Peers with a vote that say everything.
    pub(super) peers: usize,
    /// Votes that they tell: the first of [`Self::votes`].
    pub(super) votes: usize,
    /// The largest round but for the largest there is. Two are needed for a round that is over and
    /// one that is to come.
    pub(super) rounds: u64,
    /// Votes that are told in the largest round there is.
    pub(super) high: usize,
    /// Histories with which the server looks.
    pub(super) owns: usize,
    /// Ensembles: of three voters, and of one alone.
    pub(super) ensembles: usize,
}

impl Limits {
    /// What bounds mean.
    pub(super) fn of(subject: Subject, bounds: &Bounds) -> Self {
        let size = |name| usize::try_from(bounds.value(name)).unwrap_or(usize::MAX);
        Self {
            subject,
            peers: size("peers"),
            votes: size("votes"),
            rounds: bounds.value("rounds"),
            high: size("high"),
            owns: size("owns"),
            ensembles: size("ensembles"),
        }
    }

    /// Who may say anything, of those that vote among three.
    pub(super) fn peers(&self) -> impl Iterator<Item = Sid> + use<> {
        [HIGH, Sid(1)].into_iter().take(self.peers)
    }

    /// Who votes in each ensemble.
    pub(super) fn ensembles(&self) -> impl Iterator<Item = BTreeSet<Sid>> + use<> {
        let ensembles: [&[Sid]; 2] = match self.subject {
            Subject::Voter => [&[Sid(1), ME, HIGH], &[ME]],
            Subject::Observer => [&[Sid(1), HIGH, THIRD], &[Sid(1)]],
        };
        ensembles.into_iter().take(self.ensembles).map(|voters| voters.iter().copied().collect())
    }

    /// Rounds of which peers speak, but for the impossible one.
    pub(super) fn rounds(&self) -> impl Iterator<Item = u64> + use<> {
        (0..=self.rounds).chain([Election::ROUND_MAX])
    }

    /// With what the server looks: currentEpoch and the end of its history.
    pub(super) fn owns(&self) -> impl Iterator<Item = (Epoch, Zxid)> + use<> {
        [(Epoch(1), zxid(1, 1)), (Epoch(2), zxid(1, 2))].into_iter().take(self.owns)
    }

    /// Votes that are possible. Some differ in the leader only, some have the same leader by
    /// another way; one is larger than those before it by the end of its history alone and one by
    /// its epoch alone, and both are as large there as can be.
    pub(super) fn votes(&self) -> impl Iterator<Item = Vote> + use<> {
        let one = Sid(1);
        let last = Epoch::MAX;
        let longest = (Epoch(1), zxid(last.0, 1), one);
        let newest = (last, zxid(1, 1), one);
        let plain = |leader| (Epoch(1), zxid(1, 1), leader);
        let newer = |leader| (Epoch(2), zxid(1, 2), leader);
        let votes = match self.subject {
            Subject::Voter => {
                [plain(ME), plain(one), plain(HIGH), longest, newest, newer(ME), newer(HIGH)]
            }
            Subject::Observer => {
                [plain(one), plain(HIGH), longest, newest, plain(THIRD), newer(one), newer(HIGH)]
            }
        };
        let vote = |(peer_epoch, zxid, leader)| Vote { peer_epoch, zxid, leader };
        votes.into_iter().map(vote).take(self.votes)
    }
}

pub(super) const fn zxid(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(Epoch(epoch), counter)
}

/// The models, in the order of lists.
pub(super) const KINDS: [Kind<Subject>; 2] = [
    Kind {
        name: "one-server-6",
        about: "One real voter in an election whose peers may say anything at any time.",
        subject: Subject::Voter,
        tiers: &[(Tier::Quick, &[2, 6, 2, 1, 2, 2]), (Tier::Standard, &[2, 7, 3, 2, 2, 2])],
    },
    Kind {
        name: "one-server-7",
        about: "One real server without a vote in an election whose voters may say anything at any time.",
        subject: Subject::Observer,
        tiers: &[(Tier::Quick, &[2, 4, 2, 1, 1, 2]), (Tier::Standard, &[2, 7, 3, 2, 1, 2])],
    },
];

/// What bounds them.
pub(super) const BOUNDS: [BoundInfo; 6] = [
    bound("peers", "voters that say everything", 1, 2),
    bound("votes", "votes that they tell", 1, 7),
    bound("rounds", "the largest round but for the largest there is", 1, 4),
    bound("high", "votes that they tell in the largest round there is", 0, 7),
    bound("owns", "histories with which the server looks", 1, 2),
    bound("ensembles", "1 of three voters, 2 also of one alone", 1, 2),
];

/// Kinds of events, for coverage.
pub(super) const KINDS_OF_EVENTS: [&str; 5] =
    ["Look", "Notify", "Timer", "Established", "Connects"];
