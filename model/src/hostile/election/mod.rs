//! The election among the machines whose peers may say anything: the deployed host with the
//! deployed [`zab::Election`] alone in it, without a network and without correct peers.
//!
//! In families F and X the real election runs against itself, so no word is said there that a
//! correct server does not say. Here every state hears every word of the alphabet ([`event`]):
//! votes that no server can have, rounds beyond the last, leaders that others only speak of, words
//! of servers without a vote, of strangers and of itself.
//!
//! What is due is said by [`book`], from phase 0 of spec/protocol.md, over what each peer said
//! last.

mod book;
mod event;
mod limits;
mod property;
mod server;
mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use zab::{Action, Sid};

use super::machine::{Companion, Kind, Machine};
use checker::{BoundInfo, Bounds, PropertyInfo, Step};
use event::{Event, alphabet};
use limits::{BOUNDS, KINDS, KINDS_OF_EVENTS, Limits, ME, STRANGER, Subject, VOTELESS};
use property::{Property, REASONS, companions, mark};
use search::{Judgement, Outcome};
use server::{Server, Taken};

/// A server in an election, under some limits.
pub(super) struct Ballots {
    limits: Limits,
    alphabet: Vec<Event>,
}

impl Machine for Ballots {
    type Subject = Subject;
    type Server = Server;
    type Event = Event;
    type Word = (Sid, zab::Notification);

    const KINDS: &'static [Kind<Subject>] = &KINDS;
    const BOUNDS: &'static [BoundInfo] = &BOUNDS;
    const REDUCTIONS: &'static [&'static str] = &[
        "what each peer was told last is compared at each step and then taken for a word of another election: nothing but the beginning of a connection asks for it",
    ];

    fn properties() -> Vec<PropertyInfo> {
        Property::ALL.map(Property::info).to_vec()
    }

    fn companions(subject: Subject) -> &'static [Companion] {
        companions(subject)
    }

    fn may_reach(_: &Companion, _: &Bounds) -> bool {
        true
    }

    fn actions(subject: Subject) -> Vec<(&'static str, u32)> {
        let core = core_actions(subject).into_iter().map(|(name, action)| (name, action as u32));
        core.chain(KINDS_OF_EVENTS.into_iter().zip(mark::EVENTS..)).collect()
    }

    fn occasions(property: usize, outcome: &Outcome) -> u64 {
        let steps = |mark: u32| outcome.marks[mark as usize];
        match Property::ALL[property] {
            Property::Abort | Property::Acceptance | Property::Timers | Property::Names => {
                outcome.generated
            }
            Property::Votes => outcome.generated,
            Property::Harmless => (0..REASONS).map(|number| steps(mark::IGNORED + number)).sum(),
            Property::Decisions => steps(mark::DECIDED),
            Property::Answers => steps(mark::SAID),
            Property::Greetings => steps(mark::GREETED),
        }
    }

    fn new(subject: Subject, bounds: &Bounds) -> Self {
        let limits = Limits::of(subject, bounds);
        Self { limits, alphabet: alphabet(&limits) }
    }

    fn alphabet(&self) -> &[Event] {
        &self.alphabet
    }

    /// One for each ensemble.
    fn beginnings(&self) -> Vec<Taken> {
        self.limits.ensembles().map(Server::start).collect()
    }

    fn step(&self, server: &Server, event: &Event) -> Option<Taken> {
        server.on(&self.limits, event)
    }

    fn judge(&self, server: &Server) -> Judgement {
        server.judge()
    }

    fn cast(&self) -> Vec<Sid> {
        let mut cast: BTreeSet<_> = self.limits.ensembles().flatten().collect();
        cast.extend([ME, VOTELESS, STRANGER]);
        cast.extend(self.limits.peers());
        cast.into_iter().collect()
    }

    fn say(event: &Event) -> String {
        event.tell()
    }

    fn standing(server: &Server) -> String {
        story::standing(&server.book)
    }

    fn tell(number: usize, event: &Event, before: &Server, taken: &Taken) -> Step {
        story::tell(number, event, before, taken)
    }
}

/// The core's actions within reach: a server without a vote answers nobody and is nobody's leader.
fn core_actions(subject: Subject) -> Vec<(&'static str, Action)> {
    macro_rules! named {
        ($($action:ident),* $(,)?) => { vec![$((stringify!($action), Action::$action)),*] };
    }
    let mut actions = named![
        ElectionStartRound,
        ElectionJoinRound,
        ElectionAdoptVote,
        ElectionCountVote,
        ElectionResend,
        ElectionFinalize,
        ElectionElectOther,
        ElectionJoinEstablished,
    ];
    match subject {
        Subject::Voter => actions.extend(named![ElectionAnswer, ElectionElectSelf]),
        Subject::Observer => {}
    }
    actions
}
