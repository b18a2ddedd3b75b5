//! What learners may say to a leader, and when: steps P1.1 to P3.7 of spec/protocol.md seen from
//! the leader. Derived from that page and not from the code: it is what the code is compared with.

use std::collections::{BTreeMap, BTreeSet};

use zab::{
    Config, Epoch, LearnerKind, LinkCmd, Message, Record, SessionMessage, Sid, SidSet, Timer, Txn,
    Zxid,
};

use super::book::{Input, Outcome, Standing, Turn};
use super::syncs::Syncs;

/// A leadership.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Leader {
    /// How far it has come.
    pub(super) stage: Stage,
    /// Whoever has a link, and how far it has come.
    pub(super) learners: BTreeMap<Sid, Heard>,
    /// Those that wait for their answers.
    pub(super) syncs: Syncs,
}

/// What the leadership waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Stage {
    /// P1.2: what a quorum has promised before.
    Greetings,
    /// P1.7: a quorum that promises this epoch; whose promise counts.
    Promises(Epoch, SidSet),
    /// P2.7: a quorum that accepts it; whose acceptance counts.
    Acceptances(Epoch, SidSet),
    /// Nothing: it is established, and this much is committed.
    Established(Epoch, Zxid),
}

/// What was heard from a learner over its link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Heard {
    /// It has said that it is a follower.
    pub(super) follower: bool,
    /// Its progress.
    pub(super) step: Step,
}

/// What was last in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Step {
    /// Nothing.
    Linked,
    /// Its greeting, with the last epoch that it promised.
    Greeting(Epoch),
    /// ACKEPOCH, with the end of its history; the plan waits for the quorum.
    Promise(Zxid),
    /// It was sent the history and NEWLEADER.
    Sent,
    /// ACK of NEWLEADER.
    Acceptance,
    /// It was sent UPTODATE; what it has acknowledged, and how many PINGs it owes an answer.
    UpToDate(Zxid, u32),
}

impl Heard {
    /// It was sent NEWLEADER, so from then on everything (P2.2).
    fn is_sent_everything(&self) -> bool {
        match self.step {
            Step::Linked | Step::Greeting(_) | Step::Promise(_) => false,
            Step::Sent | Step::Acceptance | Step::UpToDate(..) => true,
        }
    }

    fn is_up_to_date(&self) -> bool {
        matches!(self.step, Step::UpToDate(..))
    }
}

impl Leader {
    fn new() -> Self {
        Self { stage: Stage::Greetings, learners: BTreeMap::new(), syncs: Syncs::default() }
    }

    /// The epoch in which it serves clients.
    pub(super) fn established(&self) -> Option<Epoch> {
        match self.stage {
            Stage::Greetings | Stage::Promises(..) | Stage::Acceptances(..) => None,
            Stage::Established(epoch, _) => Some(epoch),
        }
    }

    /// P3.7: followers with a link, and the leader, are no quorum.
    fn has_lost_its_quorum(&self, config: &Config) -> bool {
        let followers = self.learners.iter().filter(|(_, heard)| heard.follower);
        let mut present: SidSet = followers.map(|(sid, _)| *sid).collect();
        present.insert(config.me);
        self.established().is_some() && !config.quorum.is_quorum(&present)
    }

    /// The timers that run.
    pub(super) fn timers(&self, config: &Config) -> BTreeSet<Timer> {
        let mut timers = BTreeSet::from([match self.established() {
            None => Timer::InitLimit,
            Some(_) => Timer::Ping,
        }]);
        if self.has_lost_its_quorum(config) {
            timers.insert(Timer::QuorumLoss);
        }
        timers.extend(self.learners.iter().filter_map(|(&sid, heard)| match heard.step {
            Step::Linked | Step::Greeting(_) | Step::Promise(_) | Step::Sent => {
                Some(Timer::LearnerInitLimit(sid))
            }
            Step::Acceptance => None,
            Step::UpToDate(..) => Some(Timer::LearnerSyncLimit(sid)),
        }));
        timers
    }

    fn is_up_to_date(&self, peer: Sid) -> bool {
        self.learners.get(&peer).is_some_and(Heard::is_up_to_date)
    }

    /// How many answers to PINGs are still to come.
    fn owed(&self) -> BTreeMap<Sid, u32> {
        let owes = |(sid, heard): (&Sid, &Heard)| match heard.step {
            Step::UpToDate(_, pings) => Some((*sid, pings)),
            Step::Linked | Step::Greeting(_) | Step::Promise(_) | Step::Sent | Step::Acceptance => {
                None
            }
        };
        self.learners.iter().filter_map(owes).collect()
    }

    fn followers(&self) -> impl Iterator<Item = (Sid, Step)> {
        self.learners.iter().filter(|(_, heard)| heard.follower).map(|(s, heard)| (*s, heard.step))
    }
}

impl Turn<'_> {
    /// The server has decided to lead. Down if no epoch is left for it.
    pub(super) fn lead(&mut self) {
        self.book.standing = if self.book.issued.accepted >= self.config.epoch_max {
            Standing::Down
        } else {
            Standing::Leader(Leader::new())
        };
    }

    /// Something happens to a leader.
    pub(super) fn leader(&mut self, mut leader: Leader, input: &Input) {
        let done = self.happens_to_leader(&mut leader, input);
        let outcome = &mut self.expected.outcome;
        match done {
            Some(()) => {}
            None => *outcome = Outcome::PassedBy,
        }
        match *outcome {
            Outcome::Ends => {
                let linked = leader.learners.keys().map(|&peer| LinkCmd::Close(peer));
                self.commands.extend(linked);
                self.book.standing = Standing::Looking;
            }
            Outcome::Refused(peer) => {
                leader.syncs.forget(peer);
                leader.learners.remove(&peer);
                self.commands.push(LinkCmd::Close(peer));
                self.book.standing = Standing::Leader(leader);
            }
            Outcome::Taken | Outcome::PassedBy => self.book.standing = Standing::Leader(leader),
        }
    }

    /// `None`: nothing changes.
    fn happens_to_leader(&mut self, leader: &mut Leader, input: &Input) -> Option<()> {
        match input {
            // A new link begins anew, whatever was heard over the one before.
            Input::Link(peer, true) if *peer != self.config.me => {
                leader.syncs.forget(*peer);
                leader.learners.insert(*peer, Heard { follower: false, step: Step::Linked });
            }
            Input::Link(peer, false) => {
                leader.learners.remove(peer)?;
                leader.syncs.forget(*peer);
            }
            Input::Recv(peer, message) => {
                let heard = *leader.learners.get(peer)?;
                if heard.is_up_to_date() {
                    self.expected.heard = Some(Timer::LearnerSyncLimit(*peer));
                }
                return self.said(leader, *peer, heard, message);
            }
            Input::Timer(Timer::Ping) => {
                leader.established()?;
                self.ping_all(leader);
            }
            Input::Timer(timer @ (Timer::InitLimit | Timer::QuorumLoss)) => {
                leader.timers(self.config).contains(timer).then_some(())?;
                self.expected.outcome = Outcome::Ends;
            }
            // One of a learner's two limits runs; the other may have run out before it was stopped,
            // and means the same.
            Input::Timer(Timer::LearnerInitLimit(peer) | Timer::LearnerSyncLimit(peer)) => {
                leader.learners.get(peer)?;
                self.expected.outcome = Outcome::Refused(*peer);
            }
            Input::Durable => self.own_disk(leader),
            Input::Propose(payload) => self.propose(leader, *payload)?,
            Input::Sync(origin, body) => {
                leader.established()?;
                (*origin == self.config.me || leader.is_up_to_date(*origin)).then_some(())?;
                leader.syncs.push(*origin, *body, self.book.last());
                self.answer_syncs(leader);
            }
            Input::Session(peer, message) => {
                leader.is_up_to_date(*peer).then_some(())?;
                self.say(*peer, Message::Session(message.clone()));
            }
            Input::Resign => self.expected.outcome = Outcome::Ends,
            Input::Link(_, true)
            | Input::Timer(Timer::Resend | Timer::Finalize | Timer::SyncLimit)
            | Input::Elected(_)
            | Input::DurableNever
            | Input::Notify
            | Input::Start => return None,
        }
        Some(())
    }

    /// What a learner says: the specification of acceptance.
    ///
    /// Where spec/protocol.md leaves room, the wider reading is allowed here:
    /// - a learner that knows more than the leader is refused where its promise would count (P1.6);
    ///   later, and without a vote, it is synchronised like any other, for what it knows more is
    ///   not chosen;
    /// - a second ACK of NEWLEADER is not counted, and passes by whatever epoch it names (P2.6);
    /// - a promise, or an acceptance, that was heard stays counted when its link breaks: it is on
    ///   the learner's disk.
    fn said(
        &mut self,
        leader: &mut Leader,
        peer: Sid,
        heard: Heard,
        message: &Message<u8>,
    ) -> Option<()> {
        let stage = leader.stage;
        match (message, heard.step) {
            // P1.1. A learner that has promised the last epoch can follow nobody any more, and one
            // that has promised what no elections can have led to is none.
            (Message::LearnerInfo { kind, accepted }, Step::Linked)
                if *accepted < self.config.epoch_max
                    && self.book.may_be_led_to(self.config, *accepted) =>
            {
                let follower = *kind == LearnerKind::Follower;
                let step = Step::Greeting(*accepted);
                leader.learners.insert(peer, Heard { follower, step });
                match stage {
                    Stage::Greetings => self.choose_epoch(leader),
                    Stage::Promises(epoch, _)
                    | Stage::Acceptances(epoch, _)
                    | Stage::Established(epoch, _) => {
                        self.say_when_durable(peer, Message::LeaderInfo { epoch });
                    }
                }
            }
            // P1.5, P1.6.
            (Message::AckEpoch { current, last }, Step::Greeting(_)) => {
                let ours = (self.book.issued.current, self.book.last());
                let counts = heard.follower && current.is_some();
                leader.learners.insert(peer, Heard { step: Step::Promise(*last), ..heard });
                match stage {
                    Stage::Greetings => self.expected.outcome = Outcome::Refused(peer),
                    Stage::Promises(..) if counts && (*current, *last) > (Some(ours.0), ours.1) => {
                        self.expected.outcome = Outcome::Refused(peer);
                    }
                    Stage::Promises(epoch, mut promised) => {
                        if counts {
                            promised.insert(peer);
                        }
                        leader.stage = Stage::Promises(epoch, promised);
                        self.try_elect(leader);
                    }
                    Stage::Acceptances(..) | Stage::Established(..) => {
                        self.synchronize(leader, peer);
                    }
                }
            }
            // P2.6, P2.8. Once is enough: a second one is not counted, whatever it says.
            (Message::AckNewLeader { .. }, Step::Acceptance | Step::UpToDate(..)) => return None,
            (Message::AckNewLeader { epoch }, Step::Sent) => {
                leader.learners.insert(peer, Heard { step: Step::Acceptance, ..heard });
                match stage {
                    Stage::Acceptances(of, mut accepted) if of == *epoch => {
                        if heard.follower {
                            accepted.insert(peer);
                        }
                        leader.stage = Stage::Acceptances(of, accepted);
                        self.try_establish(leader);
                    }
                    Stage::Established(of, _) if of == *epoch => self.up_to_date(leader, peer),
                    Stage::Greetings
                    | Stage::Promises(..)
                    | Stage::Acceptances(..)
                    | Stage::Established(..) => self.expected.outcome = Outcome::Refused(peer),
                }
            }
            // P3.3: of a transaction of this epoch. Cumulative; an observer's is not counted.
            (Message::Ack { zxid }, Step::UpToDate(acked, pings))
                if Some(zxid.epoch()) == leader.established()
                    && zxid.counter() > 0
                    && *zxid <= self.book.last() =>
            {
                (heard.follower && *zxid > acked).then_some(())?;
                leader.learners.insert(peer, Heard { step: Step::UpToDate(*zxid, pings), ..heard });
                self.try_commit(leader);
            }
            // P3.6: the answer to a PING.
            (Message::Ping { .. }, Step::UpToDate(acked, pings @ 1..)) => {
                let step = Step::UpToDate(acked, pings - 1);
                leader.learners.insert(peer, Heard { step, ..heard });
                leader.syncs.answered(peer, heard.follower);
                self.answer_syncs(leader);
            }
            (Message::Session(message), Step::UpToDate(..)) => {
                self.session(peer, message);
            }
            (
                Message::LearnerInfo { .. }
                | Message::AckEpoch { .. }
                | Message::AckNewLeader { .. }
                | Message::Ack { .. }
                | Message::Ping { .. }
                | Message::Session(_)
                | Message::LeaderInfo { .. }
                | Message::Diff { .. }
                | Message::Trunc { .. }
                | Message::Snap { .. }
                | Message::NewLeader { .. }
                | Message::UpToDate
                | Message::Proposal(_)
                | Message::Commit { .. }
                | Message::Inform(_),
                _,
            ) => self.expected.outcome = Outcome::Refused(peer),
        }
        Some(())
    }

    /// The leader's disk: it counts like any other (P1.6, P2.7, P3.4).
    fn own_disk(&mut self, leader: &mut Leader) {
        let me = self.config.me;
        match leader.stage {
            Stage::Greetings => {}
            Stage::Promises(epoch, mut promised) => {
                if self.durable.accepted == epoch {
                    promised.insert(me);
                }
                leader.stage = Stage::Promises(epoch, promised);
                self.try_elect(leader);
            }
            Stage::Acceptances(epoch, mut accepted) => {
                if self.durable.current == epoch {
                    accepted.insert(me);
                }
                leader.stage = Stage::Acceptances(epoch, accepted);
                self.try_establish(leader);
            }
            Stage::Established(..) => self.try_commit(leader),
        }
    }

    /// P1.2: larger than every epoch that was heard of, as far as one step reaches.
    fn choose_epoch(&mut self, leader: &mut Leader) {
        let greetings = leader.learners.iter().filter_map(|(&sid, heard)| match heard.step {
            Step::Greeting(epoch) => Some((sid, heard.follower, epoch)),
            Step::Linked
            | Step::Promise(_)
            | Step::Sent
            | Step::Acceptance
            | Step::UpToDate(..) => None,
        });
        let greetings: Vec<_> = greetings.collect();
        let mut said: SidSet = greetings.iter().filter(|(_, f, _)| *f).map(|(s, ..)| *s).collect();
        said.insert(self.config.me);
        if !self.config.quorum.is_quorum(&said) {
            return;
        }
        let heard_of = greetings.iter().map(|(.., epoch)| *epoch);
        let own = self.book.issued.accepted;
        let highest = heard_of.chain([own]).max().unwrap_or_default();
        let epoch = if highest.0 - own.0 < self.config.epoch_step {
            Epoch(highest.0 + 1)
        } else {
            Epoch(own.0 + self.config.epoch_step)
        };
        self.write(Record::AcceptedEpoch(epoch));
        for (sid, ..) in greetings {
            self.say_when_durable(sid, Message::LeaderInfo { epoch });
        }
        leader.stage = Stage::Promises(epoch, SidSet::EMPTY);
    }

    /// P1.7.
    fn try_elect(&mut self, leader: &mut Leader) {
        let Stage::Promises(epoch, promised) = leader.stage else { return };
        if !promised.contains(self.config.me) || !self.config.quorum.is_quorum(&promised) {
            return;
        }
        self.accept(epoch);
        leader.stage = Stage::Acceptances(epoch, SidSet::EMPTY);
        let waiting: Vec<Sid> = leader.learners.keys().copied().collect();
        for peer in waiting {
            self.synchronize(leader, peer);
        }
    }

    /// P2.1, P2.2: the plan, what the learner lacks, and NEWLEADER behind it. To a follower all of
    /// the history, to an observer what is committed.
    fn synchronize(&mut self, leader: &mut Leader, peer: Sid) {
        let Some(heard) = leader.learners.get_mut(&peer) else { return };
        let Step::Promise(last) = heard.step else { return };
        heard.step = Step::Sent;
        let (epoch, committed) = match leader.stage {
            Stage::Greetings | Stage::Promises(..) => return,
            Stage::Acceptances(epoch, _) => (epoch, self.book.last()),
            Stage::Established(epoch, committed) => (epoch, committed),
        };
        let upto = if heard.follower { self.book.last() } else { committed };
        let at_hand = self.book.between(self.book.forgotten, last);
        let common = at_hand.last().map_or(self.book.forgotten, |txn| txn.zxid);
        let mut words = Vec::new();
        if last < self.book.forgotten {
            words.push(Message::Snap { zxid: self.book.delivered });
            let behind = self.book.between(self.book.delivered, upto);
            words.extend(behind.into_iter().map(Message::Proposal));
            // What a SNAP does not hold and is committed all the same has to be said.
            if committed > self.book.delivered {
                words.push(Message::Commit { zxid: committed });
            }
        } else {
            words.push(match common == last {
                true => Message::Diff { committed },
                false => Message::Trunc { to: common, committed },
            });
            words.extend(self.book.between(common, upto).into_iter().map(Message::Proposal));
        }
        words.push(Message::NewLeader { epoch });
        for word in words {
            self.say(peer, word);
        }
    }

    /// P2.7, P2.8.
    fn try_establish(&mut self, leader: &mut Leader) {
        let Stage::Acceptances(epoch, accepted) = leader.stage else { return };
        if !accepted.contains(self.config.me) || !self.config.quorum.is_quorum(&accepted) {
            return;
        }
        let initial = self.book.last();
        self.deliver(initial);
        leader.stage = Stage::Established(epoch, initial);
        let have = leader.learners.iter().filter(|(_, heard)| heard.step == Step::Acceptance);
        let have: Vec<Sid> = have.map(|(sid, _)| *sid).collect();
        for peer in have {
            self.up_to_date(leader, peer);
        }
    }

    fn up_to_date(&mut self, leader: &mut Leader, peer: Sid) {
        let asking = leader.syncs.is_asking();
        if let Some(heard) = leader.learners.get_mut(&peer) {
            heard.step = Step::UpToDate(Zxid::ZERO, u32::from(asking));
            self.say(peer, Message::UpToDate);
            if asking {
                self.say(peer, Message::Ping { body: None });
            }
        }
    }

    fn ping_all(&mut self, leader: &mut Leader) {
        for (&sid, heard) in &mut leader.learners {
            if let Step::UpToDate(_, pings) = &mut heard.step {
                *pings += 1;
                self.say(sid, Message::Ping { body: None });
            }
        }
    }

    /// P3.1, P3.2.
    fn propose(&mut self, leader: &mut Leader, payload: u8) -> Option<()> {
        let epoch = leader.established()?;
        let last = self.book.last();
        let counter = if last.epoch() == epoch { last.counter() } else { 0 };
        if counter == self.config.counter_max {
            self.expected.outcome = Outcome::Ends;
            return Some(());
        }
        let txn = Txn { zxid: Zxid::new(epoch, counter + 1), payload };
        self.write(Record::Txn(txn.clone()));
        for (&sid, heard) in &leader.learners {
            if heard.follower && heard.is_sent_everything() {
                self.say(sid, Message::Proposal(txn.clone()));
            }
        }
        Some(())
    }

    /// P3.4, P3.5: the longest prefix that a quorum has on disk.
    fn try_commit(&mut self, leader: &mut Leader) {
        let Stage::Established(epoch, committed) = leader.stage else { return };
        let own = self.durable.last();
        let has = |zxid: Zxid| -> SidSet {
            let acked = leader.followers().filter_map(|(sid, step)| match step {
                Step::UpToDate(acked, _) => (acked >= zxid).then_some(sid),
                Step::Linked
                | Step::Greeting(_)
                | Step::Promise(_)
                | Step::Sent
                | Step::Acceptance => None,
            });
            let mine = (self.durable.current == epoch && own >= zxid).then_some(self.config.me);
            acked.chain(mine).collect()
        };
        let behind = self.book.between(committed, self.book.last());
        let chosen = behind.iter().rev().find(|txn| self.config.quorum.is_quorum(&has(txn.zxid)));
        let Some(zxid) = chosen.map(|txn| txn.zxid) else { return };
        leader.stage = Stage::Established(epoch, zxid);
        for (&sid, heard) in leader.learners.iter().filter(|(_, heard)| heard.is_sent_everything())
        {
            if heard.follower {
                self.say(sid, Message::Commit { zxid });
            } else {
                for txn in self.book.between(committed, zxid) {
                    self.say(sid, Message::Inform(txn));
                }
            }
        }
        self.deliver(zxid);
        self.answer_syncs(leader);
    }

    /// P3.6.
    fn answer_syncs(&mut self, leader: &mut Leader) {
        let Stage::Established(_, committed) = leader.stage else { return };
        leader.syncs.confirm(self.config);
        while leader.syncs.must_ask() {
            leader.syncs.ask(leader.owed());
            self.ping_all(leader);
            leader.syncs.confirm(self.config);
        }
        while let Some(sync) = leader.syncs.take_due(committed) {
            if sync.origin == self.config.me {
                self.expected.synced.push(sync.body);
            } else if leader.is_up_to_date(sync.origin) {
                self.say(sync.origin, Message::Session(SessionMessage::Sync(sync.body)));
            }
        }
    }
}
