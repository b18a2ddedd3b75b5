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

    /// The learner's link is gone: what it still owed will not come.
    pub(crate) fn forget(&mut self, sid: Sid) {
        if let Some(round) = &mut self.round {
            round.answers_due.remove(&sid);
        }
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
