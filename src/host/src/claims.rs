//! Connections to the quorum port that claim to be a learner, and are not that learner's link.
//!
//! The first packet of a connection says which member it is, and nothing proves that. So a
//! connection never replaces the link of a member that is alive. It waits here until the link is
//! gone, or has failed to answer, or until this server leads.

use std::collections::{BTreeMap, VecDeque};

use zab::{Message, Sid};

use crate::io::Link;

/// Connections that may wait under one id; a further one is closed. More than one place, so that a
/// single silent stranger does not keep the member itself out. Few, because whoever waits in front
/// may cost a tick before the next is tried.
const CLAIMS_MAX: usize = 4;

/// The number of messages that a waiting learner may have sent: FOLLOWERINFO, and it waits for the
/// answer.
const MESSAGES_MAX: usize = 1;

/// The waiting connections, by the id that they claim, each queue in the order of arrival.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Claims<P>(BTreeMap<Sid, VecDeque<Claim<P>>>);

/// One waiting connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Claim<P> {
    pub(crate) link: Link,
    pub(crate) said: Vec<Message<P>>,
}

/// Why a connection does not wait any longer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Turned {
    /// As many connections as may wait under one id wait already.
    NoPlace,
    /// It did not wait for an answer to its first message.
    TooTalkative,
}

impl<P> Default for Claims<P> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<P> Claims<P> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids under which somebody waits.
    pub(crate) fn peers(&self) -> Vec<Sid> {
        self.0.keys().copied().collect()
    }

    /// Whether somebody waits under this id.
    pub(crate) fn waits(&self, peer: Sid) -> bool {
        self.0.contains_key(&peer)
    }

    /// Those that wait.
    pub(crate) fn links(&self) -> impl Iterator<Item = Link> {
        self.0.values().flatten().map(|claim| claim.link)
    }

    /// A connection that has to wait. Those that wait already keep their places.
    ///
    /// # Errors
    /// There is no place left under this id.
    pub(crate) fn arrive(&mut self, link: Link) -> Result<(), Turned> {
        let queue = self.0.entry(link.peer).or_default();
        if queue.len() >= CLAIMS_MAX {
            return Err(Turned::NoPlace);
        }
        queue.push_back(Claim { link, said: Vec::new() });
        Ok(())
    }

    /// Whether the messages came over a waiting connection; they wait with it then.
    ///
    /// # Errors
    /// The connection said more than a learner may before it is answered. It waits no longer.
    pub(crate) fn heard(
        &mut self,
        link: Link,
        messages: &mut Vec<Message<P>>,
    ) -> Result<bool, Turned> {
        let queue = self.0.get_mut(&link.peer);
        let claim = queue.and_then(|queue| queue.iter_mut().find(|it| it.link == link));
        let Some(claim) = claim else { return Ok(false) };
        claim.said.append(messages);
        if claim.said.len() > MESSAGES_MAX {
            self.leave(link);
            return Err(Turned::TooTalkative);
        }
        Ok(true)
    }

    /// The connection waits no longer. False if it is not one that waits.
    pub(crate) fn leave(&mut self, link: Link) -> bool {
        let Some(queue) = self.0.get_mut(&link.peer) else { return false };
        let before = queue.len();
        queue.retain(|claim| claim.link != link);
        let left = queue.len() < before;
        self.forget_empty();
        left
    }

    /// The connection that has waited longest under an id.
    pub(crate) fn next(&mut self, peer: Sid) -> Option<Claim<P>> {
        let claim = self.0.get_mut(&peer)?.pop_front();
        self.forget_empty();
        claim
    }

    /// The member has proved to be alive on its link: nobody else can be it. The connections that
    /// wait no longer.
    pub(crate) fn refute(&mut self, peer: Sid) -> Vec<Link> {
        let queue = self.0.remove(&peer).unwrap_or_default();
        queue.into_iter().map(|claim| claim.link).collect()
    }

    /// Nobody waits any longer: those who did.
    pub(crate) fn clear(&mut self) -> Vec<Link> {
        std::mem::take(&mut self.0).into_values().flatten().map(|claim| claim.link).collect()
    }

    /// The same in an ensemble with other names.
    pub(crate) fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Self
    where
        P: Clone,
    {
        let renamed = |claim: &Claim<P>| {
            let link = Link { peer: name(claim.link.peer), ..claim.link };
            Claim { link, said: claim.said.clone() }
        };
        let queues = self.0.iter();
        Self(queues.map(|(&peer, q)| (name(peer), q.iter().map(renamed).collect())).collect())
    }

    fn forget_empty(&mut self) {
        self.0.retain(|_, queue| !queue.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use zab::{Epoch, LearnerKind};

    use super::*;
    use crate::io::Generation;

    const MEMBER: Sid = Sid(2);

    fn link(generation: u64) -> Link {
        Link { peer: MEMBER, generation: Generation(generation) }
    }

    fn info() -> Vec<Message<&'static str>> {
        vec![Message::LearnerInfo { kind: LearnerKind::Follower, accepted: Epoch(1) }]
    }

    fn waiting(number: u64) -> Claims<&'static str> {
        let mut claims = Claims::default();
        for generation in 0..number {
            claims.arrive(link(generation)).expect("there is a place");
        }
        claims
    }

    #[test]
    fn who_came_first_is_tried_first_with_what_it_said() {
        let mut claims = waiting(2);
        assert_eq!(claims.heard(link(1), &mut info()), Ok(true));
        assert_eq!(claims.next(MEMBER), Some(Claim { link: link(0), said: vec![] }));
        assert_eq!(claims.next(MEMBER), Some(Claim { link: link(1), said: info() }));
        assert!(claims.next(MEMBER).is_none() && claims.is_empty());
    }

    #[test]
    fn a_newcomer_never_takes_the_place_of_one_that_waits() {
        let mut claims = waiting(4);
        let other = Link { peer: Sid(3), generation: Generation(9) };
        assert_eq!(claims.arrive(link(9)), Err(Turned::NoPlace));
        assert_eq!(claims.arrive(other), Ok(()), "ids are apart");
        assert_eq!(claims.peers(), [MEMBER, Sid(3)]);
        assert_eq!(claims.next(MEMBER).map(|claim| claim.link), Some(link(0)));
        assert_eq!(claims.arrive(link(10)), Ok(()));
        assert_eq!(claims.refute(MEMBER), [1, 2, 3, 10].map(link));
        assert!(!claims.waits(MEMBER) && claims.waits(Sid(3)));
        assert_eq!(claims.clear(), [other]);
    }

    #[test]
    fn who_does_not_wait_for_an_answer_is_closed() {
        let mut claims = waiting(2);
        assert_eq!(claims.heard(link(0), &mut info()), Ok(true));
        assert_eq!(claims.heard(link(0), &mut info()), Err(Turned::TooTalkative));
        assert_eq!(claims.next(MEMBER).map(|claim| claim.link), Some(link(1)));
    }

    #[test]
    fn a_connection_that_broke_leaves_and_others_are_not_touched() {
        let mut claims = waiting(2);
        let other = Link { peer: Sid(9), generation: Generation(0) };
        assert!(!claims.leave(link(7)) && !claims.leave(other));
        assert_eq!(claims.heard(link(7), &mut info()), Ok(false));
        assert_eq!(claims.heard(other, &mut info()), Ok(false));
        assert!(claims.leave(link(0)));
        assert_eq!(claims.next(MEMBER).map(|claim| claim.link), Some(link(1)));
    }
}
