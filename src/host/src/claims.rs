//! Connections to the quorum port that claim to be a learner, and are not that learner's link.
//!
//! The first packet of a connection says which member it is, and nothing proves that. So a
//! connection never replaces the link of a member that is alive. It waits here until the link is
//! gone, or has failed to answer, or until this server leads.
//!
//! When several wait under one id, at most one of them is the member. Waiting in a queue behind
//! those who say nothing would take the member too long, so all of them are asked at once: each is
//! told the LEADERINFO that the link has left unanswered, and the first that answers it with
//! ACKEPOCH is the link from then on.

use std::collections::{BTreeMap, VecDeque};

use zab::{Epoch, Message, Sid};

use crate::io::Link;

/// Connections that may wait under one id; a further one takes the place of the oldest. Who comes
/// first is not the member for that reason: those that wait have proved nothing. So many that a
/// member which is asked has time to answer, although hundreds of others come every second.
pub const CLAIMS_MAX: usize = 32;

/// Connections that wait under one id before they are asked. A member that comes back is one; the
/// leader may not have noticed yet that its link has ended, or asks it when the link has left a
/// question open for a tick.
const CALM_MAX: usize = 1;

/// The waiting connections, by the id that they claim, each queue in the order of arrival.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Claims<P>(BTreeMap<Sid, VecDeque<Claim<P>>>);

/// One waiting connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Claim<P> {
    pub(crate) link: Link,
    /// At most FOLLOWERINFO or OBSERVERINFO, and behind it the answer, if it was asked.
    pub(crate) said: Vec<Message<P>>,
    /// The epoch of the LEADERINFO that it was told.
    pub(crate) told: Option<Epoch>,
}

/// What is to be done with messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Heard<P> {
    /// They did not come over a connection that waits.
    Elsewhere,
    /// They wait with their connection.
    Waits,
    /// The connection was asked, and these messages end with its answer. It waits no longer.
    Answered(Claim<P>),
}

/// Why a connection does not wait any longer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Turned {
    /// As many newer connections as may wait under one id wait.
    MadeRoom,
    /// It did not wait for LEADERINFO, or did not answer it with ACKEPOCH.
    TooTalkative,
    /// It was told the epoch of a leader that this server is no longer.
    Outdated,
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

    /// A connection that has to wait. The one whose place it takes, if there are too many.
    pub(crate) fn arrive(&mut self, link: Link) -> Option<Link> {
        let queue = self.0.entry(link.peer).or_default();
        let oldest = if queue.len() >= CLAIMS_MAX { queue.pop_front() } else { None };
        queue.push_back(Claim { link, said: Vec::new(), told: None });
        oldest.map(|claim| claim.link)
    }

    /// The connections that are to be told this epoch now, because more than one waits under this
    /// id: those that have introduced themselves and were not told before.
    pub(crate) fn ask(&mut self, peer: Sid, epoch: Epoch) -> Vec<Link> {
        let Some(queue) = self.0.get_mut(&peer).filter(|queue| queue.len() > CALM_MAX) else {
            return Vec::new();
        };
        let silent = queue.iter_mut().filter(|it| it.told.is_none() && !it.said.is_empty());
        silent
            .map(|claim| {
                claim.told = Some(epoch);
                claim.link
            })
            .collect()
    }

    /// Messages that may have come over a waiting connection.
    ///
    /// # Errors
    /// The connection said something else than a learner at this point. It waits no longer.
    pub(crate) fn heard(
        &mut self,
        link: Link,
        messages: &mut Vec<Message<P>>,
    ) -> Result<Heard<P>, Turned> {
        let queue = self.0.get_mut(&link.peer);
        let claim = queue.and_then(|queue| queue.iter_mut().find(|it| it.link == link));
        let Some(claim) = claim else { return Ok(Heard::Elsewhere) };
        claim.said.append(messages);
        match (&claim.said[..], claim.told) {
            ([] | [_], _) => Ok(Heard::Waits),
            ([_, Message::AckEpoch { .. }], Some(_)) => {
                let answered = self.take(link);
                Ok(answered.map_or(Heard::Elsewhere, Heard::Answered))
            }
            _ => {
                self.leave(link);
                Err(Turned::TooTalkative)
            }
        }
    }

    /// The connection waits no longer. False if it is not one that waits.
    pub(crate) fn leave(&mut self, link: Link) -> bool {
        self.take(link).is_some()
    }

    fn take(&mut self, link: Link) -> Option<Claim<P>> {
        let queue = self.0.get_mut(&link.peer)?;
        let at = queue.iter().position(|claim| claim.link == link)?;
        let claim = queue.remove(at);
        self.forget_empty();
        claim
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

    /// This server does not lead any more: those who were told its epoch wait no longer.
    pub(crate) fn outdate(&mut self) -> Vec<Link> {
        let told = self.0.values().flatten().filter(|claim| claim.told.is_some());
        let told: Vec<_> = told.map(|claim| claim.link).collect();
        for &link in &told {
            self.leave(link);
        }
        told
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
            Claim { link, ..claim.clone() }
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

    fn answer() -> Vec<Message<&'static str>> {
        vec![Message::AckEpoch { current: Some(Epoch(1)), last: zab::Zxid::ZERO }]
    }

    fn waiting(number: u64) -> Claims<&'static str> {
        let mut claims = Claims::default();
        for generation in 0..number {
            assert_eq!(claims.arrive(link(generation)), None, "there is a place");
        }
        claims
    }

    fn claim(generation: u64, said: Vec<Message<&'static str>>) -> Claim<&'static str> {
        Claim { link: link(generation), said, told: None }
    }

    #[test]
    fn who_came_first_is_tried_first_with_what_it_said() {
        let mut claims = waiting(2);
        assert_eq!(claims.heard(link(1), &mut info()), Ok(Heard::Waits));
        assert_eq!(claims.next(MEMBER), Some(claim(0, vec![])));
        assert_eq!(claims.next(MEMBER), Some(claim(1, info())));
        assert!(claims.next(MEMBER).is_none() && claims.is_empty());
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_oldest_under_its_id_and_of_nobody_else() {
        let mut claims = waiting(32);
        let other = Link { peer: Sid(3), generation: Generation(9) };
        assert_eq!(claims.arrive(other), None, "ids are apart");
        assert_eq!(claims.arrive(link(32)), Some(link(0)));
        assert_eq!(claims.peers(), [MEMBER, Sid(3)]);
        assert_eq!(claims.next(MEMBER).map(|claim| claim.link), Some(link(1)));
        assert_eq!(claims.arrive(link(33)), None);
        assert_eq!(claims.refute(MEMBER), (2..34).map(link).collect::<Vec<_>>());
        assert!(!claims.waits(MEMBER) && claims.waits(Sid(3)));
        assert_eq!(claims.clear(), [other]);
    }

    #[test]
    fn when_several_wait_those_that_have_introduced_themselves_are_asked_once() {
        let mut claims = waiting(1);
        assert_eq!(claims.heard(link(0), &mut info()), Ok(Heard::Waits));
        assert_eq!(claims.ask(MEMBER, Epoch(5)), [], "it may be the member that comes back");
        claims.arrive(link(1));
        assert_eq!(claims.ask(MEMBER, Epoch(5)), [link(0)]);
        assert_eq!(claims.heard(link(1), &mut info()), Ok(Heard::Waits));
        assert_eq!(claims.ask(MEMBER, Epoch(5)), [link(1)]);
        assert_eq!(claims.ask(Sid(3), Epoch(5)), []);
        // The first that answers is it, with all that it said.
        let said = [info(), answer()].concat();
        let answered = Claim { link: link(1), said, told: Some(Epoch(5)) };
        assert_eq!(claims.heard(link(1), &mut answer()), Ok(Heard::Answered(answered)));
        assert_eq!(claims.links().collect::<Vec<_>>(), [link(0)]);
    }

    #[test]
    fn who_says_anything_but_what_a_learner_says_then_is_closed() {
        let mut claims = waiting(4);
        for generation in 0..4 {
            assert_eq!(claims.heard(link(generation), &mut info()), Ok(Heard::Waits));
        }
        assert_eq!(claims.heard(link(0), &mut answer()), Err(Turned::TooTalkative), "not asked");
        assert_eq!(claims.ask(MEMBER, Epoch(5)).len(), 3);
        assert_eq!(claims.heard(link(1), &mut info()), Err(Turned::TooTalkative));
        let mut talk = [answer(), answer()].concat();
        assert_eq!(claims.heard(link(2), &mut talk), Err(Turned::TooTalkative));
        assert_eq!(claims.links().collect::<Vec<_>>(), [link(3)]);
    }

    #[test]
    fn who_was_told_the_epoch_of_a_leader_that_is_none_any_more_waits_no_longer() {
        let mut claims = waiting(2);
        claims.heard(link(0), &mut info()).expect("it waits");
        assert_eq!(claims.ask(MEMBER, Epoch(5)), [link(0)]);
        assert_eq!(claims.outdate(), [link(0)]);
        assert_eq!(claims.outdate(), []);
        assert_eq!(claims.links().collect::<Vec<_>>(), [link(1)]);
    }

    #[test]
    fn a_connection_that_broke_leaves_and_others_are_not_touched() {
        let mut claims = waiting(2);
        let other = Link { peer: Sid(9), generation: Generation(0) };
        assert!(!claims.leave(link(7)) && !claims.leave(other));
        assert_eq!(claims.heard(link(7), &mut info()), Ok(Heard::Elsewhere));
        assert_eq!(claims.heard(other, &mut info()), Ok(Heard::Elsewhere));
        assert!(claims.leave(link(0)));
        assert_eq!(claims.next(MEMBER).map(|claim| claim.link), Some(link(1)));
    }
}
