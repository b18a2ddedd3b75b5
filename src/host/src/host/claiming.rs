//! Connections that claim to be a learner: when they wait, are asked, and become its link.

use zab::{Message, Role, Sid};

use super::{Host, To};
use crate::claims::{Claim, Turned};
use crate::connection::Connection;
use crate::io::{Effect, Link, Remark, Shell, Timer};
use crate::machine::Core;

impl<C: Core> Host<C> {
    /// A connection that this server did not dial.
    pub(super) fn wait<S, H: Shell<C::Payload>>(
        &mut self,
        link: Link,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        if let Some(oldest) = self.claims.arrive(link) {
            to.ask(Effect::Disarm(Timer::Claim(oldest)));
            turn_away(oldest, Turned::MadeRoom, to);
        }
        to.ask(Effect::Arm(Timer::Claim(link)));
        if self.links.get(&link.peer).is_some_and(|it| it.overdue) {
            self.replace(link.peer, to);
        }
    }

    /// A leader takes in those that wait under the id of a learner without a link, and asks those
    /// that wait where the link has not answered.
    pub(super) fn look_at_claims<S, H: Shell<C::Payload>>(
        &mut self,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        if self.claims.is_empty() {
            return;
        }
        for peer in self.claims.peers() {
            while self.is_leading()
                && !self.links.contains_key(&peer)
                && let Some(claim) = self.claims.next(peer)
            {
                self.take_in(claim, to);
            }
            self.ask(peer, to);
        }
    }

    /// Tells those who wait what the link was told. It was the core's word to this peer, so it is
    /// the same whichever of the connections is the peer's.
    fn ask<S, H: Shell<C::Payload>>(&mut self, peer: Sid, to: &mut To<'_, C::Payload, S, H>) {
        let epoch = self.links.get(&peer).and_then(Connection::unanswered_proposal);
        let Some(epoch) = epoch else { return };
        let (me, text) = (self.core.me(), &self.config_text);
        for link in self.claims.ask(peer, epoch) {
            let mut connection = Connection::<C::Payload>::new(link.generation, me, text.clone());
            connection.say(&Message::LeaderInfo { epoch });
            if let Some(bytes) = connection.take() {
                to.ask(Effect::Frames { link, bytes });
            }
        }
    }

    /// A connection that waited has answered what the link was told and has not answered.
    pub(super) fn proved<S, H: Shell<C::Payload>>(
        &mut self,
        claim: Claim<C::Payload>,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        let peer = claim.link.peer;
        if self.links.contains_key(&peer) {
            self.replace(peer, to);
        }
        self.take_in(claim, to);
    }

    /// A connection that waits no longer becomes the link, and is heard.
    fn take_in<S, H: Shell<C::Payload>>(
        &mut self,
        claim: Claim<C::Payload>,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        let Claim { link, said, told } = claim;
        to.ask(Effect::Disarm(Timer::Claim(link)));
        self.admit(link, told, to);
        // One by one: an answer counts as one only behind its question.
        for message in said {
            self.received(link, vec![message], to);
        }
    }

    /// Nobody waits at a server that follows, and nobody who was told an epoch at one that does not
    /// lead any more.
    pub(super) fn turn_away_for<S, H>(&mut self, role: Role, to: &mut To<'_, C::Payload, S, H>) {
        match role {
            Role::Following(_) | Role::Observing(_) => {
                for link in self.claims.clear() {
                    to.ask(Effect::Disarm(Timer::Claim(link)));
                    to.ask(Effect::Close(link));
                }
            }
            Role::Looking | Role::Down | Role::Leading => {
                for link in self.claims.outdate() {
                    to.ask(Effect::Disarm(Timer::Claim(link)));
                    turn_away(link, Turned::Outdated, to);
                }
            }
        }
    }
}

pub(super) fn turn_away<P, S, H>(link: Link, turned: Turned, to: &mut To<'_, P, S, H>) {
    to.remark(Remark::TurnedAway(link.peer, turned));
    to.ask(Effect::Close(link));
}
