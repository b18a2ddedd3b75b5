//! Connections of the quorum port: what the host is told of them, and what it says over them.

use host::{Event, Link, Remark, Turned};
use tracing::{debug, info, warn};
use zab::Sid;

use super::Node;
use crate::io::Effect;

impl Node {
    pub(super) fn link_down(&mut self, link: Link, reason: &str) {
        debug!("a connection to {} broke: {reason}", link.peer);
        if self.host.is_link(link) {
            self.reason = format!("the link to {} broke ({reason})", link.peer);
        }
        self.happens(Event::Closed(link));
    }

    /// The core is told as of a link that breaks before it was up: the election begins again,
    /// without that leader's vote.
    pub(super) fn unreachable(&mut self, leader: Sid, reason: &str) {
        self.reason = format!("{leader} was elected and is not there ({reason})");
        self.happens(Event::Unreachable(leader));
    }

    /// The state as it is now leaves with the next flush, in front of whatever else the learner is
    /// sent: so what is delivered is applied at once. That is as much as this server had not yet
    /// applied when it began to lead: an established leader takes no requests while it is behind.
    pub(super) fn send_state(&mut self, link: Link) {
        self.apply_all();
        let snapshot = self.tree_snapshot();
        self.out.push(Effect::State { link, snapshot });
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
