//! Connections of the quorum port: what the host is told of them, and what it says over them.

use host::{Event, Link, Remark, Turned};
use recording::Ports;
use tracing::{debug, info, warn};
use zab::Sid;

use super::Engine;
use crate::link::Socket;
use crate::outbox::Chunk;

impl Engine {
    pub(super) fn link_up(
        &mut self,
        link: Link,
        socket: Socket,
        dialled: bool,
        over: Option<Ports>,
    ) {
        self.sockets.insert(link, socket);
        self.happens_over(Event::Opened { link, dialled }, over);
    }

    pub(super) fn link_down(&mut self, link: Link, reason: &str) {
        debug!("a connection to {} broke: {reason}", link.peer);
        self.sockets.remove(&link);
        if self.host.is_link(link) {
            self.reason = format!("the link to {} broke ({reason})", link.peer);
        }
        self.happens(Event::Closed(link));
    }

    /// The core is told as of a link that breaks before it was up: the election begins again,
    /// without that leader's vote.
    pub(super) fn unreachable(&mut self, link: Link, reason: &str) {
        let leader = link.peer;
        if self.quorum.gave_up(link) {
            self.reason = format!("{leader} was elected and is not there ({reason})");
            self.happens(Event::Unreachable(leader));
        }
    }

    /// It leaves with the next flush; over a connection that is gone it does not.
    pub(super) fn stage(&mut self, link: Link, bytes: Vec<u8>) {
        if let Some(socket) = self.sockets.get_mut(&link) {
            socket.stage(Chunk::Bytes(bytes));
        }
    }

    /// The state as it is now leaves with the next flush.
    pub(super) fn stage_state(&mut self, link: Link) {
        self.apply_committed();
        let snapshot = self.tree_snapshot();
        if let Some(socket) = self.sockets.get_mut(&link) {
            socket.stage(Chunk::Large(snapshot));
        }
    }

    /// What was said over it leaves with the next flush, and then it is closed.
    pub(super) fn close_link(&mut self, link: Link) {
        self.closing.extend(self.sockets.remove(&link));
    }

    /// Lets leave what was said. A peer that does not read what it is sent loses its connection.
    /// Whether there was one.
    pub(super) fn flush_links(&mut self) -> bool {
        for mut socket in self.closing.drain(..) {
            socket.flush();
        }
        let mut broken = Vec::new();
        for (&link, socket) in &mut self.sockets {
            socket.flush();
            if socket.is_closed() {
                broken.push(link);
            }
        }
        for &link in &broken {
            self.link_down(link, "writing failed, or it does not read what it is sent");
        }
        !broken.is_empty()
    }

    pub(super) fn remark(&mut self, remark: Remark) {
        match remark {
            Remark::TurnedAway(peer, Turned::MadeRoom) => {
                debug!("a connection that claims to be {peer} is closed: too many newer ones wait");
            }
            Remark::TurnedAway(peer, Turned::Outdated) => {
                debug!("a connection that claims to be {peer} is closed: this leadership is over");
            }
            Remark::TurnedAway(peer, Turned::TooTalkative) => warn!(
                "a connection that claims to be {peer} is closed: it does not wait for LEADERINFO, \
                 or answers something else"
            ),
            Remark::Refuted(peer, number) => {
                warn!(
                    "{peer} answers on its link: {number} other connections as {peer} are closed"
                );
            }
            Remark::Replaced(peer) => {
                self.lost(peer, "it does not answer, and another connection claims to be it");
            }
            Remark::NoState(peer) => self.lost(peer, "its SNAP came without a state"),
            Remark::SendsDiff(peer, committed) => info!(
                "{peer} gets a DIFF: its history is a part of this one, which is committed up to {committed}"
            ),
            Remark::SendsTrunc(peer, last) => info!(
                "{peer} gets a TRUNC to {last}: what it has behind that is no part of the history"
            ),
            Remark::SendsSnap(peer, zxid) => info!(
                "{peer} gets a SNAP: it lacks more than is at hand here, so it is sent the state at {zxid}"
            ),
        }
    }

    fn lost(&mut self, peer: Sid, reason: &str) {
        debug!("the link to {peer} is closed: {reason}");
        self.reason = format!("the link to {peer} broke ({reason})");
    }
}
