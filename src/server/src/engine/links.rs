//! Links of the quorum port.

use bytes::Bytes;
use tokio::time::Instant;
use tracing::{debug, info, warn};
use zab::{Input, Message, Send, Sid, Zxid};
use znode::{Snapshot, Tree};

use super::Engine;
use super::claims::Turned;
use crate::link::{Generation, Link};

/// Of acknowledgements that arrive together the last one says all, and so it is with commits: the core is given that one only. (That it comes to
/// the same is a law of the core, tested with it.)
fn says_all_of(later: &Message<Bytes>, earlier: &Message<Bytes>) -> bool {
    match (later, earlier) {
        (Message::Ack { zxid: later }, Message::Ack { zxid: earlier })
        | (Message::Commit { zxid: later }, Message::Commit { zxid: earlier }) => {
            earlier < later && earlier.epoch() == later.epoch()
        }
        (
            Message::LearnerInfo { .. }
            | Message::LeaderInfo { .. }
            | Message::AckEpoch { .. }
            | Message::Diff { .. }
            | Message::Trunc { .. }
            | Message::Snap { .. }
            | Message::NewLeader { .. }
            | Message::AckNewLeader { .. }
            | Message::UpToDate
            | Message::Proposal(_)
            | Message::Ack { .. }
            | Message::Commit { .. }
            | Message::Inform(_)
            | Message::Ping { .. }
            | Message::Session(_),
            _,
        ) => false,
    }
}

impl Engine {
    /// Who dialled this server waits: for this server to lead (a learner may know that it was
    /// elected before it does), and for the link that the same learner has, if it has one, to end.
    pub(super) fn link_up(&mut self, peer: Sid, link: Box<Link>, dialled: bool) {
        if dialled {
            // An attempt to reach a leader may succeed when this server leads itself; the peer's
            // own link stays then.
            if !self.is_leading() {
                self.retire(peer);
                self.admit(peer, *link);
            }
        } else if let Err(turned) = self.claims.arrive(peer, link.generation, link, Instant::now())
        {
            turned_away(peer, turned);
        }
    }

    fn admit(&mut self, peer: Sid, link: Link) {
        self.links.insert(peer, link);
        self.step(Input::Link { peer, up: true });
        if !self.links_are_of_use(peer) {
            self.retire(peer);
        }
    }

    fn links_are_of_use(&self, peer: Sid) -> bool {
        use zab::Role;
        match self.peer.role() {
            Role::Leading => true,
            Role::Following(leader) | Role::Observing(leader) => leader == peer,
            Role::Down | Role::Looking => false,
        }
    }

    /// A leader takes in those that wait under the id of a learner without a link.
    pub(super) fn admit_claims(&mut self) {
        if self.claims.is_empty() {
            return;
        }
        for peer in self.claims.peers() {
            while self.is_leading()
                && !self.links.contains_key(&peer)
                && let Some(claim) = self.claims.next(peer)
            {
                self.admit(peer, *claim.link);
                self.receive(peer, claim.generation, claim.said);
            }
        }
    }

    /// Ends the links of learners that have left a question unanswered for a tick while somebody
    /// else waits under their id. Nobody else's link is judged so early: `syncLimit` is the limit
    /// for silence.
    pub(super) fn replace_the_silent(&mut self, now: Instant) {
        self.claims.expire(now);
        if !self.is_leading() {
            return;
        }
        for peer in self.claims.peers() {
            if let Some(link) = self.links.get(&peer)
                && link.is_overdue(now, self.config.tick_time)
            {
                let generation = link.generation;
                let reason = "it does not answer, and another connection claims to be it";
                self.link_down(peer, generation, reason.to_owned());
            }
        }
    }

    /// When [`Self::replace_the_silent`] has something to do, at the earliest.
    pub(super) fn next_claim(&self) -> Option<Instant> {
        let links = self.claims.peers().into_iter().filter_map(|peer| self.links.get(&peer));
        let overdue = links.filter_map(|link| link.overdue_at(self.config.tick_time));
        overdue.filter(|_| self.is_leading()).chain(self.claims.next_expiry()).min()
    }

    pub(super) fn link_down(&mut self, peer: Sid, generation: Generation, reason: String) {
        if self.claims.leave(peer, generation) {
            debug!("a connection that waited as {peer} broke: {reason}");
            return;
        }
        if !self.is_current(peer, generation) {
            return;
        }
        debug!("link to {peer} broke: {reason}");
        self.retire(peer);
        self.reason = format!("the link to {peer} broke ({reason})");
        self.step(Input::Link { peer, up: false });
    }

    /// The link is of no use any more. What was sent over it leaves with the next flush, and then it is closed.
    pub(super) fn retire(&mut self, peer: Sid) {
        self.retired.extend(self.links.remove(&peer));
    }

    /// The core is told as of a link that breaks before it was up: the election begins again, without that leader's vote.
    pub(super) fn unreachable(&mut self, leader: Sid, dialling: Generation, reason: String) {
        if self.quorum.gave_up(leader, dialling) {
            self.reason = format!("{leader} was elected and is not there ({reason})");
            self.step(Input::Link { peer: leader, up: false });
        }
    }

    pub(super) fn receive(
        &mut self,
        peer: Sid,
        generation: Generation,
        mut messages: Vec<Message<Bytes>>,
    ) {
        match self.claims.heard(peer, generation, &mut messages) {
            Ok(false) => {}
            Ok(true) => return,
            Err(turned) => return turned_away(peer, turned),
        }
        let link = self.links.get_mut(&peer).filter(|link| link.generation == generation);
        let has_answered = link.is_some_and(Link::has_answered);
        let mut messages = messages.into_iter().peekable();
        while let Some(message) = messages.next() {
            if !self.is_current(peer, generation) {
                return;
            }
            if messages.peek().is_some_and(|next| says_all_of(next, &message)) {
                continue;
            }
            if let Message::Ping { body: Some(sessions) } = &message {
                self.touch_reported(peer, sessions);
            }
            self.step(Input::Recv { peer, message });
        }
        // An answer that the core has taken. One that it refuses says nothing about who is who.
        if has_answered && self.is_leading() && self.is_current(peer, generation) {
            self.refute_claims(peer);
        }
    }

    fn refute_claims(&mut self, peer: Sid) {
        let refuted = self.claims.refute(peer);
        if refuted > 0 {
            warn!("{peer} answers on its link: {refuted} other connections as {peer} are closed");
        }
    }

    pub(super) fn receive_snapshot(
        &mut self,
        peer: Sid,
        generation: Generation,
        zxid: Zxid,
        tree: Tree,
    ) {
        if self.is_current(peer, generation) {
            self.received = Some(tree);
            self.step(Input::Recv { peer, message: Message::Snap { zxid } });
            self.received = None;
        }
    }

    /// What arrives over a link that was replaced is dropped.
    fn is_current(&self, peer: Sid, generation: Generation) -> bool {
        self.links.get(&peer).is_some_and(|link| link.generation == generation)
    }

    pub(super) fn send(&mut self, send: Send<Bytes>) {
        let Send { to, mut message, after } = send;
        if let Message::Ping { body: body @ None } = &mut message
            && !self.is_leading()
        {
            *body = Some(self.touched_sessions());
        }
        if let Message::Diff { committed } = message {
            info!(
                "{to} gets a DIFF: its history is a part of this one, which is committed up to {committed}"
            );
        } else if let Message::Trunc { to: last, .. } = message {
            info!("{to} gets a TRUNC to {last}: what it has behind that is no part of the history");
        } else if let Message::Snap { zxid } = message {
            self.apply_committed();
            info!(
                "{to} gets a SNAP: it lacks more than is at hand here, so it is sent the state at {zxid}"
            );
        }
        let shared = &self.shared;
        let snapshot = || -> Snapshot { shared.read_tree().snapshot() };
        if let Some(link) = self.links.get_mut(&to) {
            link.send(message, after, self.durable, snapshot);
        }
    }

    /// Lets leave what was sent. A peer that does not read what it is sent loses its link. Whether there was one.
    pub(super) fn flush_links(&mut self) -> bool {
        for mut link in self.retired.drain(..) {
            link.flush();
        }
        let mut broken = Vec::new();
        for (&peer, link) in &mut self.links {
            link.flush();
            if link.is_closed() {
                broken.push((peer, link.generation));
            }
        }
        let broke = !broken.is_empty();
        for (peer, generation) in broken {
            let reason = "writing failed, or it does not read what it is sent".to_owned();
            self.link_down(peer, generation, reason);
        }
        broke
    }
}

fn turned_away(peer: Sid, turned: Turned) {
    match turned {
        Turned::NoPlace => {
            debug!("a connection that claims to be {peer} is closed: enough of them wait");
        }
        Turned::TooTalkative => {
            warn!(
                "a connection that claims to be {peer} is closed: it does not wait for LEADERINFO"
            );
        }
    }
}
