//! Whom a leader has listened to since it was absent.

use std::collections::{BTreeMap, BTreeSet};

use zab::Sid;

/// A leader that was absent, paused or busy, could not hear of its clients, so their time-outs
/// begin afresh. A session that stays silent is excused again only while it cannot be known that it
/// is silent: until this server's own clients could be heard again, and each learner has reported
/// what it was asked since. The absences in which that is not so yet are of one round.
///
/// So a dead session has its time-out twice, and the time of a round, however often the leader is
/// absent.
#[derive(Debug, Default)]
pub(super) struct Listening {
    round: u64,
    /// This server's own clients have yet to be heard.
    own: bool,
    /// Learners that have yet to report so many times.
    unheard: BTreeMap<Sid, u8>,
    /// Those that report.
    reporters: BTreeSet<Sid>,
}

/// Of two reports one was asked for after the absence: a PING that was on its way before it may be
/// answered first.
const REPORTS: u8 = 2;

impl Listening {
    /// A leadership begins: no learner has reported yet.
    pub(super) fn begin(&mut self) {
        self.own = false;
        self.unheard.clear();
        self.reporters.clear();
    }

    /// The leader was absent. Returns the round, and whether it begins with this absence.
    pub(super) fn absent(&mut self, is_linked: impl Fn(Sid) -> bool) -> (u64, bool) {
        self.reporters.retain(|&peer| is_linked(peer));
        self.unheard.retain(|&peer, _| is_linked(peer));
        let begins = !self.own && self.unheard.is_empty();
        if begins {
            self.round += 1;
            self.own = true;
            self.unheard = self.reporters.iter().map(|&peer| (peer, REPORTS)).collect();
        }
        (self.round, begins)
    }

    /// A learner has reported who was heard of.
    pub(super) fn reported(&mut self, peer: Sid) {
        self.reporters.insert(peer);
        if let Some(due) = self.unheard.get_mut(&peer) {
            *due = due.saturating_sub(1);
            if *due == 0 {
                self.unheard.remove(&peer);
            }
        }
    }

    /// What this server's own clients had sent when the round began is read.
    pub(super) fn heard_own(&mut self, round: u64) {
        if round == self.round {
            self.own = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Sid = Sid(2);
    const B: Sid = Sid(3);

    fn reporting() -> Listening {
        let mut listening = Listening::default();
        listening.begin();
        for peer in [A, B] {
            listening.reported(peer);
        }
        listening
    }

    #[test]
    fn a_round_ends_when_everybody_was_heard() {
        let mut listening = reporting();
        assert_eq!(listening.absent(|_| true), (1, true));
        for peer in [A, B, A] {
            listening.reported(peer);
            assert_eq!(listening.absent(|_| true), (1, false));
        }
        listening.heard_own(1);
        assert_eq!(listening.absent(|_| true), (1, false), "one learner has reported once only");
        listening.reported(B);
        assert_eq!(listening.absent(|_| true), (2, true));
        for peer in [A, A, B, B] {
            listening.reported(peer);
        }
        listening.heard_own(1);
        assert_eq!(listening.absent(|_| true), (2, false), "that was of an earlier round");
    }

    #[test]
    fn nobody_waits_for_a_learner_that_is_gone() {
        let mut listening = reporting();
        assert_eq!(listening.absent(|_| true), (1, true));
        listening.heard_own(1);
        for _ in 0..2 {
            listening.reported(A);
        }
        assert_eq!(listening.absent(|_| true), (1, false));
        assert_eq!(listening.absent(|peer| peer != B), (2, true));
        listening.heard_own(2);
        for _ in 0..2 {
            listening.reported(A);
        }
        assert_eq!(listening.absent(|_| true), (3, true), "it is back, and has said nothing yet");
    }
}
