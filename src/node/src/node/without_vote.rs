//! Members that have lost their histories: who they are, and when too few are left.

use std::collections::BTreeSet;

use tracing::{info, warn};
use zab::{Notification, ServerState, Sid, SidSet};

use super::Node;

/// The voters that look for a leader and say that they cannot vote.
#[derive(Debug, Default)]
pub(super) struct WithoutVote {
    now: BTreeSet<Sid>,
    /// Those that were told of since this server served last. Each is once, however often somebody
    /// says one thing and another in its name.
    told: BTreeSet<Sid>,
}

impl Node {
    /// A server that starts without its history says what it waits for, and what it still has.
    pub(super) fn tell_what_is_lost(&self) {
        if self.host.core().zab().history_lost() {
            warn!(
                "this server has lost its history and has no vote: it waits for a leader that a quorum of the other \
                 members follows, which gives it another one; {}",
                self.what_is_here()
            );
        }
    }

    /// Takes note of who cannot vote, and says so when those who can are no quorum: then nothing
    /// goes on until somebody decides what may be lost.
    pub(super) fn hear_of_votes(&mut self, from: Sid, notification: &Notification) {
        let quorum = self.host.core().zab().quorum();
        if !quorum.is_voter(from) {
            return;
        }
        if notification.state != ServerState::Looking || notification.vote.is_some() {
            self.without_vote.now.remove(&from);
            return;
        }
        self.without_vote.now.insert(from);
        if !self.without_vote.told.insert(from) {
            return;
        }
        info!(
            "server.{} has lost its history, and cannot vote until a leader has given it one",
            from.0
        );
        let mut without = self.without_vote.now.clone();
        if self.host.core().zab().history_lost() {
            without.insert(self.host.core().zab().me());
        }
        let voters: SidSet =
            quorum.voters().iter().filter(|voter| !without.contains(voter)).collect();
        if quorum.is_quorum(&voters) {
            return;
        }
        let names: Vec<_> = without.iter().map(|sid| format!("server.{}", sid.0)).collect();
        warn!(
            "{} have lost their histories, and the others are no quorum: nobody can lead. Each has set aside what it had \
             (vivarium.aside.* in its directories), and says in its log what is left. Here: {}. Give one of them its \
             files back from a copy; or, to go on with what the others have, which may lack writes that clients were \
             told of, stop one of them, move both its version-2 directories away, and start it: it begins with nothing, \
             and votes",
            names.join(" and "),
            self.what_is_here()
        );
    }

    /// This server serves: whoever cannot vote from now on is told of anew.
    pub(super) fn forget_who_could_not_vote(&mut self) {
        self.without_vote = WithoutVote::default();
    }

    /// Its promise and the end of its history, in words.
    fn what_is_here(&self) -> String {
        let zab = self.host.core().zab();
        let (accepted, last) = (zab.accepted_epoch(), zab.last());
        format!(
            "acceptedEpoch {}, a history up to zxid 0x{:x}",
            accepted.unwrap_or_default(),
            last.unwrap_or_default().0
        )
    }
}
