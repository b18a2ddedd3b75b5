//! The syncs of a leadership: step P3.6 of spec/protocol.md. Derived from that page and not from
//! the code.

use std::collections::BTreeMap;

use zab::{Config, Sid, SidSet, Zxid};

/// Syncs in the order in which they came, and the PINGs that they wait for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Syncs {
    all: Vec<Sync>,
    round: Option<Round>,
}

/// A sync.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sync {
    /// Who is answered.
    pub(super) origin: Sid,
    /// With what.
    pub(super) body: u8,
    /// The end of the history when it came.
    target: Zxid,
    confirmation: Confirmation,
}

/// How far a sync has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Confirmation {
    /// PINGs of others are under way: those that come after them will be its own.
    Waits,
    Asked,
    /// A quorum has answered.
    Had,
}

/// PINGs that some syncs wait for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Round {
    /// Answers still to come to earlier PINGs.
    owed: BTreeMap<Sid, u32>,
    /// Followers that have answered one of these.
    by: SidSet,
}

impl Syncs {
    /// One more.
    pub(super) fn push(&mut self, origin: Sid, body: u8, target: Zxid) {
        self.all.push(Sync { origin, body, target, confirmation: Confirmation::Waits });
    }

    /// PINGs are under way.
    pub(super) fn is_asking(&self) -> bool {
        self.round.is_some()
    }

    /// There is one whose PINGs have not been sent, though none are under way.
    pub(super) fn must_ask(&self) -> bool {
        self.round.is_none() && self.all.iter().any(|sync| sync.confirmation == Confirmation::Waits)
    }

    /// PINGs are sent for all that wait, to learners that owe so many answers.
    pub(super) fn ask(&mut self, owed: BTreeMap<Sid, u32>) {
        self.round = Some(Round { owed, by: SidSet::EMPTY });
        for sync in &mut self.all {
            if sync.confirmation == Confirmation::Waits {
                sync.confirmation = Confirmation::Asked;
            }
        }
    }

    /// A PING was answered.
    pub(super) fn answered(&mut self, peer: Sid, votes: bool) {
        let Some(round) = &mut self.round else { return };
        match round.owed.get_mut(&peer) {
            Some(owed @ 1..) => *owed -= 1,
            Some(0) | None => {
                if votes {
                    round.by.insert(peer);
                }
            }
        }
    }

    /// A link is gone: over another one, the first answer is to a PING of this round, and what was
    /// asked over it is not answered.
    pub(super) fn forget(&mut self, peer: Sid) {
        self.all.retain(|sync| sync.origin != peer);
        if let Some(round) = &mut self.round {
            round.owed.remove(&peer);
        }
    }

    /// Those that were asked for are confirmed, if a quorum has answered.
    pub(super) fn confirm(&mut self, config: &Config) {
        let has_quorum = |round: &mut Round| {
            let mut by = round.by;
            by.insert(config.me);
            config.quorum.is_quorum(&by)
        };
        if self.round.take_if(has_quorum).is_some() {
            for sync in &mut self.all {
                if sync.confirmation == Confirmation::Asked {
                    sync.confirmation = Confirmation::Had;
                }
            }
        }
    }

    /// The first, if it is to be answered now.
    pub(super) fn take_due(&mut self, committed: Zxid) -> Option<Sync> {
        let first = self.all.first()?;
        let due = first.confirmation == Confirmation::Had && first.target <= committed;
        due.then(|| self.all.remove(0))
    }
}
