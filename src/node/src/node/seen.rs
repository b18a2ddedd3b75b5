//! What a node sees of itself, to be counted: nothing is decided by it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use host::Link;
use wire::jute::{Reader, Record};
use wire::txn::TxnHeader;
use zab::{Action, ServerState, Sid, Txn};

use super::Node;
use super::sessions::Service;
use crate::client::Learner;
use crate::io::Now;
use crate::metrics::Counts;

/// What has to be remembered for that.
pub(super) struct Seen {
    role: ServerState,
    /// When the election began that is going on, or the last one ended.
    since: Duration,
    /// When this server ceased to have an established leader; `None` while it has one.
    unavailable: Option<Duration>,
    /// When what this leader has proposed and not seen committed was proposed, oldest first.
    proposed: VecDeque<Duration>,
    /// Learners that have answered a PING: over which connection, and when last.
    answered: BTreeMap<Sid, (Link, Duration)>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            role: ServerState::Looking,
            since: Duration::ZERO,
            unavailable: Some(Duration::ZERO),
            proposed: VecDeque::new(),
            answered: BTreeMap::new(),
        }
    }
}

impl Seen {
    pub(super) fn action(&mut self, action: Action, counts: &Counts) {
        if action == Action::LearnerProcessProposal {
            counts.learner_proposals.one();
        } else if action == Action::LeaderSyncSnap {
            counts.snaps.one();
        } else if matches!(
            action,
            Action::LeaderSyncDiff | Action::LeaderSyncTrunc | Action::LeaderSyncTruncDiff
        ) {
            counts.diffs.one();
        }
    }

    pub(super) fn role(&mut self, role: ServerState, at: Duration, counts: &Counts) {
        self.proposed.clear();
        self.answered.clear();
        if role == ServerState::Looking {
            counts.looking.one();
            self.unavailable.get_or_insert(at);
        } else if self.role == ServerState::Looking {
            counts.election_time.add_ms(at.saturating_sub(self.since));
        }
        (self.role, self.since) = (role, at);
    }

    /// There is an established leader, and this server is up to date with it.
    pub(super) fn serves(&mut self, at: Duration, counts: &Counts) {
        let synced = at.saturating_sub(self.since);
        match self.role {
            ServerState::Following => counts.follower_sync_time.add_ms(synced),
            ServerState::Observing => counts.observer_sync_time.add_ms(synced),
            ServerState::Leading | ServerState::Looking => {}
        }
        if let Some(since) = self.unavailable.take() {
            let unavailable = at.saturating_sub(since);
            counts.unavailable_time.add_ms(unavailable);
            if self.role == ServerState::Leading {
                counts.leader_unavailable_time.add_ms(unavailable);
            }
        }
    }

    pub(super) fn proposed(&mut self, at: Duration, counts: &Counts) {
        counts.proposals.one();
        self.proposed.push_back(at);
    }

    /// A transaction goes to the disk.
    pub(super) fn logged(&self, txn: &Txn<Bytes>, now: Now, counts: &Counts) {
        if self.learns() {
            counts.proposal_latency.add(age_ms(&txn.payload, now));
        }
    }

    /// Whether this server is up to date with a leader: what it hears of is new.
    fn learns(&self) -> bool {
        let is_learner = match self.role {
            ServerState::Following | ServerState::Observing => true,
            ServerState::Leading | ServerState::Looking => false,
        };
        is_learner && self.unavailable.is_none()
    }

    pub(super) fn committed(&mut self, txn: &Txn<Bytes>, now: Now, counts: &Counts) {
        counts.commits_queued.one();
        match self.role {
            ServerState::Leading => {
                // What it had before it led was not proposed by it, and is committed first.
                if let Some(since) = self.proposed.pop_front() {
                    counts.commits.one();
                    counts.quorum_ack_latency.add_ms(now.at.saturating_sub(since));
                }
            }
            ServerState::Following | ServerState::Observing => {
                counts.learner_commits.one();
                if self.learns() {
                    counts.commit_propagation_latency.add(age_ms(&txn.payload, now));
                }
            }
            ServerState::Looking => {}
        }
    }

    pub(super) fn revalidates(&self, service: &Service, counts: &Counts) {
        if matches!(service, Service::Leader(_)) {
            counts.revalidations.one();
        }
    }

    /// A learner has answered a PING.
    pub(super) fn answered(&mut self, over: Option<Link>, at: Duration) {
        if let Some(link) = over {
            self.answered.insert(link.peer, (link, at));
        }
    }
}

/// How long ago the leader has prepared this transaction, by its clock and this one.
fn age_ms(payload: &Bytes, now: Now) -> u64 {
    let mut reader = Reader::with_limit(payload, payload.len());
    let prepared = TxnHeader::decode(&mut reader).map_or(now.wall_ms, |header| header.time);
    u64::try_from(now.wall_ms.saturating_sub(prepared)).unwrap_or(0)
}

impl Node {
    /// Shows whoever asks for it which learners this leader has.
    pub(super) fn show_learners(&mut self) {
        if self.seen.role != ServerState::Leading || self.settings.standalone {
            return;
        }
        let host = &self.host;
        self.seen.answered.retain(|peer, (link, _)| host.link_to(*peer) == Some(*link));
        let learner = |peer: Sid| {
            let heard = self.seen.answered.get(&peer).map(|(_, at)| *at);
            (peer, Learner { is_voter: self.settings.voting.contains(peer), heard })
        };
        self.shared.set_learners(host.peers().map(learner).collect());
    }
}
