//! What a leader may say to a learner, and when: steps P1.1 to P3.6 of spec/protocol.md seen from
//! the learner, as a predicate over phase, history and message, and what each message is answered
//! with. Derived from that page and not from the code: it is what the code is compared with.

use std::collections::BTreeSet;

use zab::{Config, Epoch, LearnerKind, LinkCmd, Message, Record, Sid, Timer, Zxid};

use super::book::{Book, Input, Outcome, Standing, Turn};
use super::event::Event;
use crate::cluster::limits::votes;

/// A learner and its leader.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Learner {
    /// Whom it follows.
    pub(super) leader: Sid,
    /// With or without a vote.
    pub(super) kind: LearnerKind,
    /// How far they have come.
    pub(super) phase: Phase,
}

/// What was last in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Phase {
    /// Nothing: there is no link.
    Dialling,
    /// The learner's greeting (P1.1).
    Greeted,
    /// LEADERINFO (P1.4).
    Promised(Epoch),
    /// The plan (P2.2), and what is said to be committed.
    Synchronizing(Epoch, Zxid),
    /// NEWLEADER (P2.4).
    Accepted(Epoch, Zxid),
    /// UPTODATE (P2.8).
    Serving(Epoch),
}

/// What a message is to a learner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    /// In order.
    Yes,
    /// Nothing new, or of no use yet: no harm in it.
    Idle,
    /// Nobody who keeps to the protocol says this now.
    No,
}

impl Learner {
    /// The epoch in which it serves clients.
    pub(super) fn established(&self) -> Option<Epoch> {
        match self.phase {
            Phase::Dialling
            | Phase::Greeted
            | Phase::Promised(_)
            | Phase::Synchronizing(..)
            | Phase::Accepted(..) => None,
            Phase::Serving(epoch) => Some(epoch),
        }
    }

    /// The timers that run: `initLimit` until UPTODATE, `syncLimit` from then on (P3.7).
    pub(super) fn timers(&self) -> BTreeSet<Timer> {
        let limit = self.established().map_or(Timer::InitLimit, |_| Timer::SyncLimit);
        BTreeSet::from([limit])
    }

    fn follows(&self) -> bool {
        self.kind == LearnerKind::Follower
    }

    /// The epoch of the link once LEADERINFO was taken, and how strictly it binds transactions: up
    /// to NEWLEADER they are history, of any epoch up to it (P2.3); behind it they are new, and of
    /// that epoch (P3.2).
    fn may_append(&self, book: &Book, zxid: Zxid) -> Due {
        let of_epoch = match self.phase {
            Phase::Dialling | Phase::Greeted | Phase::Promised(_) => return Due::No,
            Phase::Synchronizing(epoch, _) => zxid.epoch() <= epoch,
            Phase::Accepted(epoch, _) | Phase::Serving(epoch) => zxid.epoch() == epoch,
        };
        match (book.has(zxid), of_epoch && book.continues(zxid)) {
            (true, _) => Due::Idle,
            (false, true) => Due::Yes,
            (false, false) => Due::No,
        }
    }

    /// The specification of acceptance.
    ///
    /// Where spec/protocol.md leaves room, the wider reading is allowed here:
    /// - a SNAP may be labelled with counter 0, which names an epoch and no transaction;
    /// - LEADERINFO may name epoch 0 to a server that never promised: the same epoch again, by
    ///   P1.4. NEWLEADER of it is then answered with an ACK of the empty history too;
    /// - what a plan says is committed may lie beyond the history: it is delivered as far as that
    ///   reaches (P2.8);
    /// - COMMIT may name what lies between two transactions: it is cumulative (P3.5);
    /// - an INFORM of a transaction that is there already is ignored, and with it that it is
    ///   committed (P2.3).
    fn due(&self, book: &Book, config: &Config, message: &Message<u8>) -> Due {
        let promised = book.issued.accepted;
        let when = |due: bool| if due { Due::Yes } else { Due::No };
        let plan = matches!(self.phase, Phase::Promised(_));
        let behind_plan = match self.phase {
            Phase::Dialling | Phase::Greeted | Phase::Promised(_) => false,
            Phase::Synchronizing(..) | Phase::Accepted(..) | Phase::Serving(_) => true,
        };
        let serving = self.established().is_some();
        match message {
            // P1.4: never an older epoch, and none to which no elections can have led; and epochs
            // end.
            Message::LeaderInfo { epoch } => when(
                self.phase == Phase::Greeted
                    && *epoch >= promised
                    && book.may_be_led_to(config, *epoch)
                    && *epoch <= config.epoch_max,
            ),
            // P2.2, P2.3: one plan. What was delivered is neither cut nor replaced by less; a cut
            // is at a position of this history; no history is newer than the promise.
            Message::Diff { committed: _ } => when(plan),
            Message::Trunc { to, committed: _ } => {
                when(plan && *to >= book.delivered && book.is_position(*to))
            }
            Message::Snap { zxid } => {
                when(plan && *zxid >= book.delivered && zxid.epoch() <= promised)
            }
            // P2.4: the end of what the plan began, in the epoch of this link.
            Message::NewLeader { epoch } => {
                when(matches!(self.phase, Phase::Synchronizing(of, _) if of == *epoch))
            }
            // P2.8.
            Message::UpToDate => when(matches!(self.phase, Phase::Accepted(..))),
            // P2.3, P3.2: to everybody as history, behind NEWLEADER to followers.
            Message::Proposal(txn) => {
                if self.follows() || matches!(self.phase, Phase::Synchronizing(..)) {
                    self.may_append(book, txn.zxid)
                } else {
                    Due::No
                }
            }
            // P2.8: remembered until UPTODATE; P3.5: then for followers. Of nothing that is not in
            // the history.
            Message::Commit { zxid } => {
                when(behind_plan && (self.follows() || !serving) && *zxid <= book.last())
            }
            // P3.5: for observers.
            Message::Inform(txn) if !self.follows() => self.may_append(book, txn.zxid),
            // P3.6: of use to a learner that is up to date.
            Message::Ping { body: _ } | Message::Session(_) => {
                if serving {
                    Due::Yes
                } else {
                    Due::Idle
                }
            }
            // These go the other way.
            Message::Inform(_)
            | Message::LearnerInfo { .. }
            | Message::AckEpoch { .. }
            | Message::AckNewLeader { .. }
            | Message::Ack { .. } => Due::No,
        }
    }
}

impl Turn<'_> {
    /// The server has decided to follow.
    pub(super) fn follow(&mut self, leader: Sid) {
        let kind = match votes(self.config) {
            true => LearnerKind::Follower,
            false => LearnerKind::Observer,
        };
        self.book.standing = Standing::Learner(Learner { leader, kind, phase: Phase::Dialling });
        self.commands.push(LinkCmd::Connect(leader));
    }

    /// Something happens to a learner.
    pub(super) fn learner(&mut self, learner: Learner, input: &Input) {
        let leader = learner.leader;
        match input {
            Input::Link(peer, true) if *peer == leader && learner.phase == Phase::Dialling => {
                let accepted = self.book.issued.accepted;
                self.say(leader, Message::LearnerInfo { kind: learner.kind, accepted });
                self.phase(learner, Phase::Greeted);
            }
            Input::Link(peer, false) if *peer == leader => self.leave(leader, Outcome::Ends),
            Input::Recv(peer, message) if *peer == leader => {
                self.expected.heard = learner.established().map(|_| Timer::SyncLimit);
                match learner.due(&self.book, self.config, message) {
                    Due::Yes => self.take(learner, message),
                    Due::Idle => self.pass_by(),
                    Due::No => self.leave(leader, Outcome::Refused(leader)),
                }
            }
            Input::Timer(timer) if learner.timers().contains(timer) => {
                self.leave(leader, Outcome::Refused(leader));
            }
            Input::Resign => self.leave(leader, Outcome::Refused(leader)),
            Input::Session(peer, message) if *peer == leader && learner.established().is_some() => {
                self.say(leader, Message::Session(message.clone()));
            }
            // The disk: what waits for it is held back outside of the core.
            Input::Durable => {}
            Input::Link(..)
            | Input::Recv(..)
            | Input::Timer(_)
            | Input::Session(..)
            | Input::Elected(_)
            | Input::DurableNever
            | Input::Propose(_)
            | Input::Sync(..)
            | Input::Notify
            | Input::Start => self.pass_by(),
        }
    }

    fn phase(&mut self, learner: Learner, phase: Phase) {
        self.book.standing = Standing::Learner(Learner { phase, ..learner });
    }

    fn leave(&mut self, leader: Sid, outcome: Outcome) {
        self.expected.outcome = outcome;
        self.commands.push(LinkCmd::Close(leader));
        self.book.standing = Standing::Looking;
    }

    /// What a message does that is in order.
    fn take(&mut self, learner: Learner, message: &Message<u8>) {
        let leader = learner.leader;
        let (promised, accepted) = (self.book.issued.accepted, self.book.issued.current);
        match (message, learner.phase) {
            (Message::LeaderInfo { epoch }, _) => {
                let fresh = *epoch > promised;
                if fresh {
                    self.write(Record::AcceptedEpoch(*epoch));
                }
                let counts = fresh && !self.book.issued.history_lost;
                let (current, last) = (counts.then_some(accepted), self.book.last());
                self.say_when_durable(leader, Message::AckEpoch { current, last });
                self.phase(learner, Phase::Promised(*epoch));
            }
            (Message::Diff { committed }, Phase::Promised(epoch)) => {
                self.phase(learner, Phase::Synchronizing(epoch, *committed));
            }
            (Message::Trunc { to, committed }, Phase::Promised(epoch)) => {
                if *to != self.book.last() {
                    self.write(Record::Truncate { to: *to });
                }
                self.phase(learner, Phase::Synchronizing(epoch, *committed));
            }
            (Message::Snap { zxid }, Phase::Promised(epoch)) => {
                self.write(Record::Snapshot { zxid: *zxid });
                self.phase(learner, Phase::Synchronizing(epoch, *zxid));
            }
            (Message::NewLeader { epoch }, Phase::Synchronizing(_, committed)) => {
                self.accept(*epoch);
                self.say_when_durable(leader, Message::AckNewLeader { epoch: *epoch });
                let last = self.book.last();
                if learner.follows() && last.epoch() == *epoch {
                    self.say_when_durable(leader, Message::Ack { zxid: last });
                }
                self.phase(learner, Phase::Accepted(*epoch, committed));
            }
            (Message::UpToDate, Phase::Accepted(epoch, committed)) => {
                self.deliver(committed);
                self.phase(learner, Phase::Serving(epoch));
            }
            (Message::Proposal(txn), phase) => {
                self.write(Record::Txn(txn.clone()));
                if !matches!(phase, Phase::Synchronizing(..)) {
                    self.say_when_durable(leader, Message::Ack { zxid: txn.zxid });
                }
            }
            (Message::Inform(txn), _) => {
                self.write(Record::Txn(txn.clone()));
                self.commit(learner, txn.zxid);
            }
            (Message::Commit { zxid }, _) => self.commit(learner, *zxid),
            (Message::Ping { .. }, _) => {
                self.say(leader, Message::Ping { body: Some(Event::REPORT) });
            }
            (Message::Session(message), _) => {
                self.session(leader, message);
            }
            (message, phase) => unreachable!("{message:?} is not due in {phase:?}"),
        }
    }

    fn commit(&mut self, learner: Learner, zxid: Zxid) {
        match learner.phase {
            Phase::Synchronizing(epoch, known) => {
                self.phase(learner, Phase::Synchronizing(epoch, known.max(zxid)));
            }
            Phase::Accepted(epoch, known) => {
                self.phase(learner, Phase::Accepted(epoch, known.max(zxid)));
            }
            Phase::Serving(_) => self.deliver(zxid),
            Phase::Dialling | Phase::Greeted | Phase::Promised(_) => {}
        }
    }
}
