//! What the core's notes mean to the shell: roles, epochs, and what an operator reads of them.

use tracing::{debug, info, warn};
use zab::{Action, Epoch, Note, Refusal, Role, ServerState, Sid};

use super::Node;
use super::apply::Due;
use super::sessions::Service;
use crate::io::{Effect, Told};

impl Node {
    pub(super) fn note(&mut self, note: Note) {
        match note {
            Note::Action(action) => self.action(action),
            Note::Role(role, epoch) => self.role_changed(role, epoch),
            Note::Established(epoch) => self.established(epoch),
            Note::Refused(peer, refusal) => self.refused(peer, refusal),
            Note::Ignored(why) => debug!("an input had no effect: {why:?}"),
        }
    }

    /// Why the role is about to change.
    fn action(&mut self, action: Action) {
        self.seen.action(action, self.shared.counts());
        match action {
            Action::LeaderRollOver => {
                self.reason = "the counter of zxids is used up: a new epoch begins".to_owned();
            }
            Action::LeaderStepDown => {
                if self.reason.is_empty() {
                    self.reason = "no quorum of learners in time".to_owned();
                }
            }
            Action::ElectionElectSelf | Action::ElectionElectOther => {
                self.reason = "elected by a quorum".to_owned();
            }
            Action::ElectionJoinEstablished => {
                self.reason = "a quorum follows it already".to_owned();
            }
            Action::LeaderSyncDiff
            | Action::LeaderSyncTrunc
            | Action::LeaderSyncTruncDiff
            | Action::LeaderSyncSnap
            | Action::Start
            | Action::ElectionStartRound
            | Action::ElectionJoinRound
            | Action::ElectionAdoptVote
            | Action::ElectionCountVote
            | Action::ElectionResend
            | Action::ElectionAnswer
            | Action::ElectionFinalize
            | Action::BecomeLeading
            | Action::BecomeLearner
            | Action::LeaderAcceptLink
            | Action::LeaderProcessLearnerInfo
            | Action::LeaderChooseEpoch
            | Action::LeaderProcessAckEpoch
            | Action::LeaderElected
            | Action::LeaderProcessAckNewLeader
            | Action::LeaderEstablished
            | Action::LeaderUpToDate
            | Action::LeaderPropose
            | Action::LeaderProcessAck
            | Action::LeaderCommit
            | Action::LeaderPing
            | Action::LeaderProcessPing
            | Action::LeaderSyncRequest
            | Action::LeaderSyncConfirmed
            | Action::LeaderLearnerGone
            | Action::LearnerSendInfo
            | Action::LearnerPromise
            | Action::LearnerPromiseAgain
            | Action::LearnerProcessDiff
            | Action::LearnerProcessTrunc
            | Action::LearnerProcessSnap
            | Action::LearnerProcessNewLeader
            | Action::LearnerProcessUpToDate
            | Action::LearnerProcessProposal
            | Action::LearnerProcessCommit
            | Action::LearnerProcessInform
            | Action::LearnerProcessPing
            | Action::LearnerLeave
            | Action::SessionForward
            | Action::SessionDeliver
            | Action::Durable => {}
        }
    }

    fn role_changed(&mut self, role: Role, epoch: Epoch) {
        let reason = std::mem::take(&mut self.reason);
        let (state, text) = match role {
            Role::Down => return,
            Role::Looking => (ServerState::Looking, "looking for a leader".to_owned()),
            Role::Following(leader) => (ServerState::Following, format!("following {leader}")),
            Role::Observing(leader) => (ServerState::Observing, format!("observing {leader}")),
            Role::Leading => (ServerState::Leading, "leading".to_owned()),
        };
        info!("{text}, epoch {epoch}: {reason}");
        let sid = self.settings.me;
        self.out.push(Effect::Tell(Told::RoleChange { sid, role: state, epoch, reason }));
        self.looks_for_leader(state == ServerState::Looking);
        match role {
            Role::Looking => self.stop_serving(),
            Role::Following(_) | Role::Observing(_) | Role::Leading | Role::Down => {}
        }
        self.shared.set_role(state);
        self.seen.role(state, self.now.at, self.shared.counts());
        self.shared.set_learners(std::collections::BTreeMap::new());
    }

    /// Clients are served once what is committed is applied, which may take many turns.
    pub(super) fn established(&mut self, epoch: Epoch) {
        self.service = Service::CatchingUp;
        self.once_applied(Due::Established(epoch));
    }

    /// From here on clients are served.
    pub(super) fn serve_from(&mut self, epoch: Epoch) {
        // What a snapshot held in part was committed before.
        self.shared.write_tree().settle();
        let sid = self.settings.me;
        let leader = match self.host.core().role() {
            Role::Leading => {
                self.begin_leading(epoch);
                sid
            }
            Role::Following(leader) | Role::Observing(leader) => {
                self.out.push(Effect::Follows(leader));
                self.service = Service::learner(leader);
                leader
            }
            Role::Down | Role::Looking => return,
        };
        self.shared.set_serving(Some((epoch, leader)), self.now);
        self.forget_who_could_not_vote();
        self.seen.serves(self.now.at, self.shared.counts());
        self.show_learners();
        info!("epoch {epoch} is established: clients are served");
        let client_port = self.settings.client_port;
        self.out.push(Effect::Tell(Told::Serving { sid, client_port, epoch }));
    }

    pub(super) fn stop_serving(&mut self) {
        self.shared.set_serving(None, self.now);
        self.service = Service::None;
        self.audit_lost();
        self.messages.clear();
        self.due.clear();
        self.close_clients();
    }

    fn refused(&mut self, peer: Sid, refusal: Refusal) {
        let text = explain(refusal);
        self.reason = format!("{peer}: {text}");
        match refusal {
            Refusal::RoleEnded | Refusal::TimedOut => info!("link to {peer} closed: {text}"),
            Refusal::Unexpected(_)
            | Refusal::WrongEpoch { .. }
            | Refusal::EpochTooOld { .. }
            | Refusal::LearnerAhead { .. }
            | Refusal::Gap { .. }
            | Refusal::BadTrunc { .. }
            | Refusal::BadSnap { .. }
            | Refusal::BadCommit { .. }
            | Refusal::BadAck { .. }
            | Refusal::ImplausibleEpoch { .. }
            | Refusal::EpochsExhausted { .. } => warn!("link to {peer} closed: {text}"),
        }
    }
}

/// A refusal in words.
fn explain(refusal: Refusal) -> String {
    match refusal {
        Refusal::Unexpected(kind) => format!("it sent {kind:?}, which is not due now"),
        Refusal::WrongEpoch { expected, got } => {
            format!("it speaks of epoch {got} where epoch {expected} is due")
        }
        Refusal::EpochTooOld { accepted, got } => {
            format!("it wants epoch {got}, and epoch {accepted} is promised")
        }
        Refusal::LearnerAhead { current, last } => {
            format!("its history (epoch {current}, {last}) is more recent than the leader's")
        }
        Refusal::Gap { last, got } => {
            format!("{got} does not continue the history, which ends at {last}")
        }
        Refusal::BadTrunc { last, to } => {
            format!("TRUNC to {to} is impossible: the history ends at {last}")
        }
        Refusal::BadSnap { delivered, zxid } => {
            format!("its snapshot ({zxid}) is older than what was delivered here ({delivered})")
        }
        Refusal::BadCommit { last, zxid } => {
            format!("COMMIT of {zxid}, which was not proposed: the history ends at {last}")
        }
        Refusal::BadAck { last, zxid } => {
            format!("ACK of {zxid}, which was not proposed: the last one was {last}")
        }
        Refusal::EpochsExhausted { accepted } => {
            format!("it promised epoch {accepted}, the largest there is")
        }
        Refusal::ImplausibleEpoch { accepted, got } => format!(
            "it speaks of epoch {got}, to which no elections can have led: here epoch {accepted} is promised. If it is a \
             member and no stranger, its acceptedEpoch was falsified: only while all the other servers are up and serve, \
             remove its data, so that it gets them from the leader"
        ),
        Refusal::TimedOut => "nothing was heard of it in time".to_owned(),
        Refusal::RoleEnded => "the role that it served ended".to_owned(),
    }
}
