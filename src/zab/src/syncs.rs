//! The queue of `sync` requests at a leader, and the rounds of confirmation they wait for.

use alloc::collections::{BTreeMap, VecDeque};

use crate::quorum::Quorum;
use crate::types::{Sid, SidSet, Zxid};

/// Requests in order of arrival. The first `confirmed` of them have had their quorum and wait for their target
/// to be committed; the next `asked` wait for the round that is under way; the rest for the next round.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Syncs<P> {
    requests: VecDeque<Request<P>>,
    confirmed: usize,
    asked: usize,
    round: Option<Round>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Request<P> {
    origin: Sid,
    body: P,
    /// Last zxid proposed when the request came.
    target: Zxid,
}

/// One round: who has answered a PING that was sent after the round began. PINGs are answered in order, so it is
/// enough to count how many answers are still to come before the one that matters.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Round {
    answers_due: BTreeMap<Sid, u32>,
    confirmed_by: SidSet,
}

impl<P> Syncs<P> {
    pub(crate) fn new() -> Self {
        Self { requests: VecDeque::new(), confirmed: 0, asked: 0, round: None }
    }

    pub(crate) fn is_asking(&self) -> bool {
        self.round.is_some()
    }

    /// True if a request came after the last round began.
    pub(crate) fn is_waiting(&self) -> bool {
        self.requests.len() > self.confirmed + self.asked
    }

    pub(crate) fn push(&mut self, origin: Sid, body: P, target: Zxid) {
        self.requests.push_back(Request { origin, body, target });
    }

    /// Begins a round for all requests that wait.
    pub(crate) fn begin(&mut self, me: Sid) {
        self.asked = self.requests.len() - self.confirmed;
        let confirmed_by = SidSet::from_iter([me]);
        self.round = Some(Round { answers_due: BTreeMap::new(), confirmed_by });
    }

    /// The learner confirms with the last of its next `answers` answers.
    pub(crate) fn ask(&mut self, sid: Sid, answers: u32) {
        if let Some(round) = &mut self.round {
            round.answers_due.insert(sid, answers);
        }
    }

    /// A PING was answered; true if that was a confirmation.
    pub(crate) fn heard(&mut self, sid: Sid, counts: bool) -> bool {
        let Some(round) = &mut self.round else {
            return false;
        };
        match round.answers_due.get_mut(&sid) {
            Some(1) => {
                round.answers_due.remove(&sid);
                counts && round.confirmed_by.insert(sid)
            }
            Some(due) => {
                *due -= 1;
                false
            }
            None => false,
        }
    }

    /// The learner's link is gone: what it still owed will not come, and what it asked for over that link is not
    /// answered over another one.
    pub(crate) fn forget(&mut self, sid: Sid) {
        if let Some(round) = &mut self.round {
            round.answers_due.remove(&sid);
        }
        let (confirmed, asked) = (self.confirmed, self.confirmed + self.asked);
        let mut at = 0..;
        self.requests.retain(|request| {
            let at = at.next().unwrap_or(usize::MAX);
            let stays = request.origin != sid;
            self.confirmed -= usize::from(!stays && at < confirmed);
            self.asked -= usize::from(!stays && (confirmed..asked).contains(&at));
            stays
        });
    }

    pub(crate) fn renamed(&self, name: impl Fn(Sid) -> Sid) -> Self
    where
        P: Clone,
    {
        let mut syncs = self.clone();
        for request in &mut syncs.requests {
            request.origin = name(request.origin);
        }
        if let Some(round) = &mut syncs.round {
            let due = &round.answers_due;
            round.answers_due = due.iter().map(|(&sid, &due)| (name(sid), due)).collect();
            round.confirmed_by = round.confirmed_by.renamed(&name);
        }
        syncs
    }

    /// Ends the round if a quorum has confirmed.
    pub(crate) fn try_confirm(&mut self, quorum: &Quorum) -> bool {
        let done = self.round.as_ref().is_some_and(|round| quorum.is_quorum(&round.confirmed_by));
        if done {
            self.confirmed += self.asked;
            self.asked = 0;
            self.round = None;
        }
        done
    }

    /// The next request to answer, if what it waits for is confirmed and committed.
    pub(crate) fn pop(&mut self, committed: Zxid) -> Option<(Sid, P)> {
        if self.confirmed == 0 || self.requests.front()?.target > committed {
            return None;
        }
        self.confirmed -= 1;
        self.requests.pop_front().map(|request| (request.origin, request.body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_learner_asked_over_a_link_that_is_gone_is_forgotten_and_nothing_else() {
        let quorum = Quorum::majority((1..=3).map(Sid).collect());
        let mut syncs = Syncs::new();
        let mut bodies = 0..;
        let mut push = |syncs: &mut Syncs<u8>, origins: &[u8]| {
            for &sid in origins {
                syncs.push(Sid(sid), bodies.next().unwrap_or(u8::MAX), Zxid::ZERO);
            }
        };
        // Three are confirmed, three are asked for, two wait; each part begins with one of server 2.
        push(&mut syncs, &[2, 2, 3]);
        syncs.begin(Sid(1));
        syncs.ask(Sid(3), 1);
        assert!(syncs.heard(Sid(3), true) && syncs.try_confirm(&quorum));
        push(&mut syncs, &[2, 3, 3]);
        syncs.begin(Sid(1));
        syncs.ask(Sid(2), 1);
        push(&mut syncs, &[2, 3]);

        syncs.forget(Sid(2));
        assert!(!syncs.heard(Sid(2), true), "its answer is due no more");
        assert_eq!(syncs.pop(Zxid::ZERO), Some((Sid(3), 2)));
        assert_eq!(syncs.pop(Zxid::ZERO), None, "the next is not confirmed");
        assert!(syncs.is_waiting());
        syncs.ask(Sid(3), 1);
        assert!(syncs.heard(Sid(3), true) && syncs.try_confirm(&quorum));
        assert_eq!(syncs.pop(Zxid::ZERO), Some((Sid(3), 4)));
        assert_eq!(syncs.pop(Zxid::ZERO), Some((Sid(3), 5)));
        assert_eq!(syncs.pop(Zxid::ZERO), None, "the last one is not asked for yet");
        assert!(syncs.is_waiting());
    }
}
