//! What an outsider knows of a server in an election, and what is due: phase 0 of spec/protocol.md
//! for one server, said over what its peers told it last.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use zab::{
    Action, Decision, Election, Epoch, Ignored, Notification, ServerState, Sid, Timer, Vote, Zxid,
};

use super::event::Event;
use super::limits::ME;

/// Everything known of one server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Book {
    /// Who votes.
    pub(super) voters: BTreeSet<Sid>,
    /// What the server is doing.
    pub(super) standing: Standing,
}

/// What a server is doing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Standing {
    /// It has never looked.
    Idle,
    /// It looks.
    Looking(Quest),
    /// It has decided.
    Settled {
        /// In this round.
        round: u64,
        /// For this leader.
        vote: Vote,
    },
}

/// An election that is under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Quest {
    /// The round.
    pub(super) round: u64,
    /// The vote for itself; none of a server without a vote.
    pub(super) own: Option<Vote>,
    /// The vote that it tells.
    pub(super) proposal: Option<Vote>,
    /// What is known of others. Of whom nothing is known there is no entry.
    pub(super) others: BTreeMap<Sid, Heard>,
}

/// What is known of another voter.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct Heard {
    /// What it said last in the present round, unless it has settled in another since.
    pub(super) here: Option<(ServerState, Vote)>,
    /// What it has settled on, in whatever round, unless it has looked since.
    pub(super) settled: Option<Settled>,
}

/// What is compared of those that have settled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Settled {
    /// It leads, as it says.
    pub(super) leads: bool,
    /// Its leader.
    pub(super) leader: Sid,
    /// The epoch of its vote.
    pub(super) epoch: Epoch,
}

/// What has to come of an input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Due {
    /// It changes nothing, for this reason.
    pub(super) ignored: Option<Ignored>,
    /// The server has decided.
    pub(super) decision: Option<Decision>,
    /// What it says, to whom.
    pub(super) says: BTreeMap<Sid, Notification>,
    /// Timers that begin, or begin anew.
    pub(super) armed: BTreeSet<Timer>,
    /// The names of what happens.
    pub(super) actions: BTreeSet<Action>,
}

impl Book {
    /// Of a server that has not looked yet.
    pub(super) fn new(voters: BTreeSet<Sid>) -> Self {
        Self { voters, standing: Standing::Idle }
    }

    fn votes(&self, sid: Sid) -> bool {
        self.voters.contains(&sid)
    }

    /// More than half of those that vote.
    fn is_quorum(&self, members: &BTreeSet<Sid>) -> bool {
        let voting = members.iter().filter(|sid| self.votes(**sid)).count();
        2 * voting > self.voters.len()
    }

    /// The round of which the server speaks.
    pub(super) fn round(&self) -> u64 {
        match &self.standing {
            Standing::Idle => 0,
            Standing::Looking(quest) => quest.round,
            Standing::Settled { round, .. } => *round,
        }
    }

    /// The vote that it tells.
    pub(super) fn vote(&self) -> Option<Vote> {
        match &self.standing {
            Standing::Idle => None,
            Standing::Looking(quest) => quest.proposal,
            Standing::Settled { vote, .. } => Some(*vote),
        }
    }

    /// What it tells those to whom it owes a word.
    fn word(&self) -> Notification {
        let state = match &self.standing {
            Standing::Idle | Standing::Looking(_) => ServerState::Looking,
            Standing::Settled { vote, .. } if vote.leader == ME => ServerState::Leading,
            Standing::Settled { .. } => ServerState::Following,
        };
        Notification { state, vote: self.vote(), round: self.round() }
    }

    /// Whether a quorum is for the proposal, the server itself counted if it votes (P0.2). A
    /// proposal may still change, so only who says the very same is for it.
    pub(super) fn is_agreed(&self) -> bool {
        let Standing::Looking(Quest { proposal: Some(proposal), others, .. }) = &self.standing
        else {
            return false;
        };
        let same = |heard: &Heard| heard.here.is_some_and(|(_, vote)| vote == *proposal);
        let agreeing = others.iter().filter(|(_, heard)| same(heard)).map(|(sid, _)| *sid);
        self.is_quorum(&agreeing.chain([ME]).collect())
    }

    /// The timers that run.
    pub(super) fn timers(&self) -> BTreeSet<Timer> {
        let looks = matches!(self.standing, Standing::Looking(_));
        let timers = [(Timer::Resend, looks), (Timer::Finalize, self.is_agreed())];
        timers.into_iter().filter(|(_, runs)| *runs).map(|(timer, _)| timer).collect()
    }

    /// What is due at the event. The book is that of afterwards then.
    pub(super) fn on(&mut self, event: &Event) -> Due {
        let mut turn = Turn::new(self.timers().contains(&Timer::Finalize));
        match event {
            Event::Look(current, last) => turn.look(self, *current, *last),
            Event::Notify(from, word) => turn.hear(self, *from, word),
            Event::Timer(timer) => turn.timer(self, *timer),
            Event::Established(epoch) => {
                // P0.11: the vote told from now on has the epoch that all members have.
                if let Standing::Settled { vote, .. } = &mut self.standing {
                    vote.peer_epoch = *epoch;
                }
            }
            // What a peer was told is no affair of the election.
            Event::Connects(_) => {}
        }
        turn.end(self)
    }
}

impl Quest {
    fn heard(&self, sid: Sid) -> Heard {
        self.others.get(&sid).copied().unwrap_or_default()
    }

    /// Notes what is known of a peer now; true if it was something else.
    fn note(&mut self, sid: Sid, heard: Heard) -> bool {
        let before = self.heard(sid);
        if heard == Heard::default() {
            self.others.remove(&sid);
        } else {
            self.others.insert(sid, heard);
        }
        before != heard
    }

    /// Another round begins: what was said in the one before is over, who has settled has done so
    /// still.
    fn enter(&mut self, round: u64) {
        self.round = round;
        self.others.values_mut().for_each(|heard| heard.here = None);
        self.others.retain(|_, heard| heard.settled.is_some());
    }

    /// Those of the present round that are for the vote of somebody who has settled in it (P0.9):
    /// who has settled too needs the same leader and epoch, and who looks the very same vote.
    fn followers_here(&self, vote: &Vote) -> BTreeSet<Sid> {
        let same = |heard: &Heard| match heard.here {
            None => false,
            Some((ServerState::Looking, other)) => other == *vote,
            Some((
                ServerState::Following | ServerState::Leading | ServerState::Observing,
                other,
            )) => (other.leader, other.peer_epoch) == (vote.leader, vote.peer_epoch),
        };
        let others = self.others.iter().filter(|(_, heard)| same(heard)).map(|(sid, _)| *sid);
        others.chain((self.proposal == Some(*vote)).then_some(ME)).collect()
    }

    /// Those that have settled on the leader in that epoch, in whatever rounds (P0.9).
    fn followers_anywhere(&self, vote: &Vote) -> BTreeSet<Sid> {
        let same =
            |settled: Settled| settled.leader == vote.leader && settled.epoch == vote.peer_epoch;
        let others = self.others.iter().filter(|(_, heard)| heard.settled.is_some_and(same));
        others.map(|(sid, _)| *sid).collect()
    }
}

/// An input being judged.
struct Turn {
    due: Due,
    /// The wait for something better ran when the input came.
    waited: bool,
    /// That wait is over, whatever comes.
    anew: bool,
}

impl Turn {
    fn new(waited: bool) -> Self {
        let due = Due {
            ignored: None,
            decision: None,
            says: BTreeMap::new(),
            armed: BTreeSet::new(),
            actions: BTreeSet::new(),
        };
        Self { due, waited, anew: false }
    }

    fn act(&mut self, action: Action) {
        self.due.actions.insert(action);
    }

    fn ignore(&mut self, why: Ignored) {
        self.due.ignored = Some(why);
    }

    /// All other voters are told, and the time until they are told again begins.
    fn tell_all(&mut self, book: &Book) {
        let others = book.voters.iter().copied().filter(|sid| *sid != ME);
        self.due.says.extend(others.map(|sid| (sid, book.word())));
        self.due.armed.insert(Timer::Resend);
    }

    /// P0.1, P0.5: a round begins, with the vote for itself.
    fn look(&mut self, book: &mut Book, peer_epoch: Epoch, zxid: Zxid) {
        let own = book.votes(ME).then_some(Vote { peer_epoch, zxid, leader: ME });
        let round = match book.round() {
            Election::ROUND_MAX => Election::ROUND_MAX,
            round => round + 1,
        };
        let others = BTreeMap::new();
        book.standing = Standing::Looking(Quest { round, own, proposal: own, others });
        self.act(Action::ElectionStartRound);
        self.anew = true;
        self.tell_all(book);
    }

    fn timer(&mut self, book: &mut Book, timer: Timer) {
        if !book.timers().contains(&timer) {
            return self.ignore(Ignored::StaleTimer);
        }
        if let (Timer::Finalize, Standing::Looking(Quest { round, proposal: Some(vote), .. })) =
            (timer, &book.standing)
        {
            // P0.2: nothing better came.
            let (round, vote) = (*round, *vote);
            self.decide(book, round, vote, Action::ElectionElectOther);
        } else {
            self.act(Action::ElectionResend);
            self.tell_all(book);
        }
    }

    fn decide(&mut self, book: &mut Book, round: u64, vote: Vote, by_others: Action) {
        book.standing = Standing::Settled { round, vote };
        let (decision, action) = match vote.leader {
            ME => (Decision::Lead, Action::ElectionElectSelf),
            leader => (Decision::Follow(leader), by_others),
        };
        self.due.decision = Some(decision);
        self.act(action);
    }

    fn hear(&mut self, book: &mut Book, from: Sid, word: &Notification) {
        if from == ME {
            return self.ignore(Ignored::FromSelf);
        }
        let looks = word.state == ServerState::Looking;
        let helps = looks && book.votes(ME);
        let here = book.round();
        match &mut book.standing {
            Standing::Idle => self.ignore(Ignored::NotNow),
            Standing::Settled { .. } if helps => self.answer(book, from),
            Standing::Settled { .. } => self.ignore(Ignored::NoNews),
            // P0.6: whom this server can help, whatever that proposes.
            Standing::Looking(quest)
                if helps
                    && (word.round < here
                        || (word.round == here && !book.voters.contains(&from))) =>
            {
                let Heard { here, .. } = quest.heard(from);
                quest.note(from, Heard { here, settled: None });
                self.answer(book, from);
            }
            Standing::Looking(_) => match counted(&book.voters, from, word) {
                Err(why) => self.ignore(why),
                Ok(vote) if looks => self.hear_looking(book, from, word.round, vote),
                Ok(vote) => self.hear_settled(book, from, word, vote),
            },
        }
    }

    fn answer(&mut self, book: &Book, to: Sid) {
        self.act(Action::ElectionAnswer);
        self.due.says.insert(to, book.word());
    }

    /// P0.1, P0.5, P0.8: a voter that looks.
    fn hear_looking(&mut self, book: &mut Book, from: Sid, round: u64, vote: Vote) {
        let Standing::Looking(quest) = &mut book.standing else { return };
        let (mut here, settled) = (Some((ServerState::Looking, vote)), None);
        let mut ignored = Ignored::NoNews;
        match round.cmp(&quest.round) {
            Ordering::Less => {
                here = quest.heard(from).here;
                ignored = Ignored::OldRound;
            }
            Ordering::Equal if quest.proposal.is_none_or(|proposal| is_better(vote, proposal)) => {
                quest.proposal = Some(vote);
                self.act(Action::ElectionAdoptVote);
                self.anew = true;
            }
            Ordering::Equal => {}
            Ordering::Greater => {
                quest.enter(round);
                let own = quest.own.filter(|own| !is_better(vote, *own));
                quest.proposal = own.or(Some(vote));
                self.act(Action::ElectionJoinRound);
                self.anew = true;
            }
        }
        let news = quest.note(from, Heard { here, settled });
        self.take_note(news, ignored);
        if self.anew {
            self.tell_all(book);
        }
    }

    /// P0.3, P0.8, P0.9: a voter that follows, or leads.
    fn hear_settled(&mut self, book: &mut Book, from: Sid, word: &Notification, vote: Vote) {
        let Standing::Looking(quest) = &mut book.standing else { return };
        let same_round = word.round == quest.round;
        let leads = word.state == ServerState::Leading;
        let news = quest.note(
            from,
            Heard {
                here: same_round.then_some((word.state, vote)),
                settled: Some(Settled { leads, leader: vote.leader, epoch: vote.peer_epoch }),
            },
        );
        let leader = quest.heard(vote.leader);
        let leads_here = leader.here.is_some_and(|(state, _)| state == ServerState::Leading);
        let leads_anywhere = leader.settled.is_some_and(|settled| settled.leads);
        let (followers_here, followers_anywhere) =
            (quest.followers_here(&vote), quest.followers_anywhere(&vote));
        let joins = if vote.leader == ME {
            // Of its own leadership nobody has to tell it, in its own round.
            same_round && (book.is_quorum(&followers_here) || book.is_quorum(&followers_anywhere))
        } else {
            (same_round && leads_here && book.is_quorum(&followers_here))
                || (leads_anywhere && book.is_quorum(&followers_anywhere))
        };
        if joins {
            self.decide(book, word.round, vote, Action::ElectionJoinEstablished);
        } else {
            self.take_note(news, Ignored::NoNews);
        }
    }

    fn take_note(&mut self, news: bool, otherwise: Ignored) {
        if news {
            self.act(Action::ElectionCountVote);
        } else if self.due.actions.is_empty() {
            self.ignore(otherwise);
        }
    }

    /// P0.2: the wait for something better runs while a quorum agrees, and begins anew with each
    /// proposal and each round.
    fn end(mut self, book: &Book) -> Due {
        if book.is_agreed() && (self.anew || !self.waited) {
            self.due.armed.insert(Timer::Finalize);
            self.act(Action::ElectionFinalize);
        }
        self.due
    }
}

/// P0.1: the order of votes.
fn is_better(new: Vote, old: Vote) -> bool {
    let epochs = new.peer_epoch.0.cmp(&old.peer_epoch.0);
    let ends = new.zxid.0.cmp(&old.zxid.0);
    epochs.then(ends).then(new.leader.0.cmp(&old.leader.0)).is_gt()
}

/// P0.7: the vote, if it is told by a voter for a voter, and is possible.
fn counted(voters: &BTreeSet<Sid>, from: Sid, word: &Notification) -> Result<Vote, Ignored> {
    let vote = word.vote.ok_or(Ignored::NotVoter)?;
    let is_possible = |epoch: u64| epoch < 1 << 31;
    let votes = word.state != ServerState::Observing && voters.contains(&from);
    if !votes || !voters.contains(&vote.leader) {
        Err(Ignored::NotVoter)
    } else if word.round >= 1 << 48 {
        Err(Ignored::RoundTooHigh)
    } else if !is_possible(vote.peer_epoch.0.into()) || !is_possible(vote.zxid.0 >> 32) {
        Err(Ignored::ImpossibleVote)
    } else {
        Ok(vote)
    }
}
