//! Connections to the quorum port that claim to be a learner, and are not that learner's link.
//!
//! The first packet of a connection says which member it is, and nothing proves that. So a
//! connection never replaces the link of a member that is alive. It waits here until the link is
//! gone, or has failed to answer, or until this server leads.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use zab::{Message, Sid};

use crate::link::{Generation, Link};

/// Connections that may wait under one id; a further one is closed. More than one place, so that a
/// single silent stranger does not keep the member itself out. Few, because whoever waits in front
/// may cost a tick before the next is tried.
const CLAIMS_MAX: usize = 4;

/// The number of messages that a waiting learner may have sent: FOLLOWERINFO, and it waits for the
/// answer.
const MESSAGES_MAX: usize = 1;

/// The waiting connections, by the id that they claim, each queue in the order of arrival.
pub(super) struct Claims<L = Box<Link>> {
    waiting: BTreeMap<Sid, VecDeque<Claim<L>>>,
    /// How long a connection may wait.
    patience: Duration,
}

/// One waiting connection.
pub(super) struct Claim<L> {
    pub(super) link: L,
    pub(super) generation: Generation,
    pub(super) said: Vec<Message<Bytes>>,
    expires: Instant,
}

/// Why a connection does not wait any longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turned {
    /// [`CLAIMS_MAX`] connections wait under its id.
    NoPlace,
    /// It did not wait for an answer to its first message.
    TooTalkative,
}

impl<L> Claims<L> {
    pub(super) fn new(patience: Duration) -> Self {
        Self { waiting: BTreeMap::new(), patience }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The ids under which somebody waits.
    pub(super) fn peers(&self) -> Vec<Sid> {
        self.waiting.keys().copied().collect()
    }

    /// A connection that has to wait. Those that wait already keep their places.
    ///
    /// # Errors
    /// There is no place left under this id: the connection is dropped, which closes it.
    pub(super) fn arrive(
        &mut self,
        peer: Sid,
        generation: Generation,
        link: L,
        now: Instant,
    ) -> Result<(), Turned> {
        let queue = self.waiting.entry(peer).or_default();
        if queue.len() >= CLAIMS_MAX {
            return Err(Turned::NoPlace);
        }
        let expires = now + self.patience;
        queue.push_back(Claim { link, generation, said: Vec::new(), expires });
        Ok(())
    }

    /// Whether the messages came over a waiting connection; they wait with it then.
    ///
    /// # Errors
    /// The connection said more than a learner may before it is answered. It waits no longer.
    pub(super) fn heard(
        &mut self,
        peer: Sid,
        generation: Generation,
        messages: &mut Vec<Message<Bytes>>,
    ) -> Result<bool, Turned> {
        let queue = self.waiting.get_mut(&peer);
        let claim = queue.and_then(|queue| queue.iter_mut().find(|it| it.generation == generation));
        let Some(claim) = claim else { return Ok(false) };
        claim.said.append(messages);
        if claim.said.len() > MESSAGES_MAX {
            self.leave(peer, generation);
            return Err(Turned::TooTalkative);
        }
        Ok(true)
    }

    /// The connection broke. False if it is not one that waits.
    pub(super) fn leave(&mut self, peer: Sid, generation: Generation) -> bool {
        let Some(queue) = self.waiting.get_mut(&peer) else { return false };
        let before = queue.len();
        queue.retain(|claim| claim.generation != generation);
        let left = queue.len() < before;
        self.forget_empty();
        left
    }

    /// The connection that has waited longest under an id.
    pub(super) fn next(&mut self, peer: Sid) -> Option<Claim<L>> {
        let claim = self.waiting.get_mut(&peer)?.pop_front();
        self.forget_empty();
        claim
    }

    /// The member has proved to be alive on its link: nobody else can be it. The number of
    /// connections that are closed.
    pub(super) fn refute(&mut self, peer: Sid) -> usize {
        self.waiting.remove(&peer).map_or(0, |queue| queue.len())
    }

    /// Closes every connection.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Closes those that have waited too long.
    pub(super) fn expire(&mut self, now: Instant) {
        for queue in self.waiting.values_mut() {
            queue.retain(|claim| claim.expires > now);
        }
        self.forget_empty();
    }

    /// When the next one has waited too long.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.waiting.values().flatten().map(|claim| claim.expires).min()
    }

    fn forget_empty(&mut self) {
        self.waiting.retain(|_, queue| !queue.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use zab::{Epoch, LearnerKind};

    use super::*;

    const MEMBER: Sid = Sid(2);
    const PATIENCE: Duration = Duration::from_secs(20);

    fn info() -> Vec<Message<Bytes>> {
        vec![Message::LearnerInfo { kind: LearnerKind::Follower, accepted: Epoch(1) }]
    }

    /// Connections are named by letters.
    fn waiting(names: &[char], now: Instant) -> Claims<char> {
        let mut claims = Claims::new(PATIENCE);
        for (number, &name) in (0..).zip(names) {
            claims.arrive(MEMBER, Generation(number), name, now).expect("there is a place");
        }
        claims
    }

    #[test]
    fn who_came_first_is_tried_first_with_what_it_said() {
        let mut claims = waiting(&['a', 'b'], Instant::now());
        assert_eq!(claims.heard(MEMBER, Generation(1), &mut info()), Ok(true));
        let first = claims.next(MEMBER).expect("two wait");
        assert_eq!((first.link, first.said), ('a', vec![]));
        let second = claims.next(MEMBER).expect("one waits");
        assert_eq!((second.link, second.generation, second.said), ('b', Generation(1), info()));
        assert!(claims.next(MEMBER).is_none() && claims.is_empty());
    }

    #[test]
    fn a_newcomer_never_takes_the_place_of_one_that_waits() {
        let now = Instant::now();
        let mut claims = waiting(&['a', 'b', 'c', 'd'], now);
        assert_eq!(claims.arrive(MEMBER, Generation(9), 'e', now), Err(Turned::NoPlace));
        assert_eq!(claims.arrive(Sid(3), Generation(9), 'f', now), Ok(()), "ids are apart");
        assert_eq!(claims.peers(), [MEMBER, Sid(3)]);
        assert_eq!(claims.next(MEMBER).map(|claim| claim.link), Some('a'));
        assert_eq!(claims.arrive(MEMBER, Generation(10), 'g', now), Ok(()));
        assert_eq!(claims.refute(MEMBER), 4);
        assert_eq!(claims.peers(), [Sid(3)]);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let start = Instant::now();
        let mut claims = waiting(&['a'], start);
        let later = start + Duration::from_secs(1);
        claims.arrive(MEMBER, Generation(1), 'b', later).expect("there is a place");
        assert_eq!(claims.next_expiry(), Some(start + PATIENCE));
        claims.expire(start + PATIENCE);
        assert_eq!(claims.next_expiry(), Some(later + PATIENCE));
        claims.expire(later + PATIENCE);
        assert!(claims.is_empty() && claims.next_expiry().is_none());
    }

    #[test]
    fn who_does_not_wait_for_an_answer_is_closed() {
        let mut claims = waiting(&['a', 'b'], Instant::now());
        assert_eq!(claims.heard(MEMBER, Generation(0), &mut info()), Ok(true));
        let more = claims.heard(MEMBER, Generation(0), &mut info());
        assert_eq!(more, Err(Turned::TooTalkative));
        assert_eq!(claims.next(MEMBER).map(|claim| claim.link), Some('b'));
    }

    #[test]
    fn a_connection_that_broke_leaves_and_others_are_not_touched() {
        let mut claims = waiting(&['a', 'b'], Instant::now());
        assert!(!claims.leave(MEMBER, Generation(7)) && !claims.leave(Sid(9), Generation(0)));
        assert_eq!(claims.heard(MEMBER, Generation(7), &mut info()), Ok(false));
        assert_eq!(claims.heard(Sid(9), Generation(0), &mut info()), Ok(false));
        assert!(claims.leave(MEMBER, Generation(0)));
        assert_eq!(claims.next(MEMBER).map(|claim| claim.link), Some('b'));
    }
}
