//! A host, to look at: for those who drive it, and for checkers.

use zab::{Message, Notification, Outputs, Sid, WriteNo};

use super::Host;
use crate::connection::Connection;
use crate::election::Said;
use crate::io::Link;
use crate::machine::{Core, Elected};

impl<C: Core> Host<C> {
    /// The core, to look at.
    pub fn core(&self) -> &C {
        &self.core
    }

    /// Whether the connection is the core's link to its peer, and no other one is.
    pub fn is_link(&self, link: Link) -> bool {
        self.links.get(&link.peer).is_some_and(|it| it.generation == link.generation)
    }

    /// The core's link to a peer.
    pub fn link_to(&self, peer: Sid) -> Option<Link> {
        self.links.get(&peer).map(|it| Link { peer, generation: it.generation })
    }

    /// The peers to which the core has a link.
    pub fn peers(&self) -> impl Iterator<Item = Sid> {
        self.links.keys().copied()
    }

    /// The connections that wait to become the link of a learner.
    pub fn claims(&self) -> impl Iterator<Item = Link> {
        self.claims.links()
    }

    /// The messages to a peer that wait for the disk, and for which record.
    pub fn gated(&self, peer: Sid) -> impl Iterator<Item = &(WriteNo, Message<C::Payload>)> {
        self.links.get(&peer).into_iter().flat_map(Connection::gated)
    }

    /// What was said to each peer last in the election.
    pub fn said_last(&self) -> impl Iterator<Item = (Sid, Notification)> {
        self.said.latest()
    }

    /// The same host, which has told its peers this last: for checkers. Nothing but
    /// [`crate::Event::ElectionOpened`] asks for it.
    pub fn tells_last(&mut self, said: impl IntoIterator<Item = (Sid, Notification)>) {
        self.said = Said::default();
        for (peer, notification) in said {
            self.said.say(peer, notification);
        }
        while self.said.take().is_some() {}
    }

    /// Counts writes from the last durable one: for checkers, see [`zab::Zab::renumber`]. The
    /// number that became zero.
    pub fn renumber(&mut self) -> WriteNo {
        let shift = self.core.renumber();
        self.issued.0 = self.issued.0.saturating_sub(shift.0);
        self.durable.0 = self.durable.0.saturating_sub(shift.0);
        for connection in self.links.values_mut() {
            connection.renumber(shift);
        }
        shift
    }
}

impl<C: Elected> Host<C> {
    /// The same server in an ensemble whose ids are exchanged by `name`, a bijection that keeps
    /// voters voters: for checkers, see [`zab::Zab::renamed`].
    #[must_use]
    pub fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Self {
        let core = self.core.renamed(name);
        let me = core.me();
        let links = self.links.iter();
        Self {
            core,
            config_text: self.config_text.clone(),
            links: links.map(|(&peer, it)| (name(peer), it.renamed(me))).collect(),
            claims: self.claims.renamed(name),
            said: self.said.renamed(name),
            issued: self.issued,
            durable: self.durable,
            out: Outputs::new(),
        }
    }
}
