//! Sync as a quorum operation: is this server still the leader?

use super::{Leader, Learner, Progress, Stage, send};
use crate::io::{Action, After, Ignored, Outputs, Refusal};
use crate::message::{Message, MessageKind, Payload, SessionMessage};
use crate::replica::Replica;
use crate::types::Sid;

impl<P: Payload> Leader<P> {
    pub(super) fn on_ping(
        &mut self,
        peer: Sid,
        learner: Learner,
        replica: &Replica<P>,
        out: &mut Outputs<P>,
    ) -> Result<(), Refusal> {
        let Progress::UpToDate { acked, pings: unanswered @ 1.. } = learner.progress else {
            return Err(Refusal::Unexpected(MessageKind::Ping));
        };
        out.action(Action::LeaderProcessPing);
        let progress = Progress::UpToDate { acked, pings: unanswered - 1 };
        self.learners.insert(peer, Learner { progress, ..learner });
        if self.syncs.heard(peer, learner.is_follower()) {
            self.answer_syncs(replica, out);
        }
        Ok(())
    }

    /// A sync is answered once a quorum has confirmed this leadership after it came, and what had been proposed when
    /// it came is committed. ZooKeeper asks nobody (ZOOKEEPER-1675), so that a deposed leader may answer.
    pub(crate) fn sync(
        &mut self,
        origin: Sid,
        body: P,
        replica: &Replica<P>,
        out: &mut Outputs<P>,
    ) {
        let Stage::Broadcast { .. } = self.stage else {
            return out.ignored(Ignored::NotLeading);
        };
        if origin != replica.config.me && !self.is_up_to_date(origin) {
            return out.ignored(Ignored::NotUpToDate);
        }
        out.action(Action::LeaderSyncRequest);
        self.syncs.push(origin, body, replica.history.last());
        if !self.syncs.is_asking() {
            self.ask_for_confirmation(replica, out);
            self.answer_syncs(replica, out);
        }
    }

    fn ask_for_confirmation(&mut self, replica: &Replica<P>, out: &mut Outputs<P>) {
        self.syncs.begin(replica.config.me);
        for (&sid, learner) in &mut self.learners {
            ping(sid, learner, out);
            if let Progress::UpToDate { pings, .. } = learner.progress {
                self.syncs.ask(sid, pings);
            }
        }
    }

    pub(super) fn answer_syncs(&mut self, replica: &Replica<P>, out: &mut Outputs<P>) {
        while self.syncs.try_confirm(&replica.config.quorum) {
            out.action(Action::LeaderSyncConfirmed);
            if self.syncs.is_waiting() {
                self.ask_for_confirmation(replica, out);
            }
        }
        let committed = self.committed(replica);
        while let Some((origin, body)) = self.syncs.pop(committed) {
            if origin == replica.config.me {
                out.synced.push(body);
            } else if self.is_up_to_date(origin) {
                let message = Message::Session(SessionMessage::Sync(body));
                send(origin, message, After::Now, out);
            }
        }
    }
}

pub(super) fn ping<P>(sid: Sid, learner: &mut Learner, out: &mut Outputs<P>) {
    if let Progress::UpToDate { pings, .. } = &mut learner.progress {
        *pings = pings.saturating_add(1);
        send(sid, Message::Ping { body: None }, After::Now, out);
    }
}
