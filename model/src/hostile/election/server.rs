//! The server that is explored: the deployed host with the deployed election in it, and the book
//! that says what is due. Every step is compared with the book.

use std::collections::{BTreeMap, BTreeSet};

use host::{Alone, Effect, Host, Silent};
use zab::{
    Config, Decision, Election, Ignored, Note, Notification, Quorum, Role, ServerState, Sid, Timer,
};

use super::super::machine;
use super::book::{Book, Due, Standing};
use super::event::{Event, decoded, label};
use super::limits::{HIGH, Limits, ME, VOTELESS};
use super::property::{Property, mark, reason};
use crate::cluster::quiet::caught;
use search::Judgement;

/// A server, and what is known of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Server {
    /// The host, and the core in it. It has told [`TOLD`] something else before every step.
    pub(super) host: Host<Alone<u8>>,
    /// What an outsider knows.
    pub(super) book: Book,
}

/// A step of the machine.
pub(in super::super) type Taken = machine::Taken<Server, (Sid, Notification)>;

impl Server {
    /// A server that has never looked.
    pub(super) fn start(voters: BTreeSet<Sid>) -> Taken {
        let quorum = Quorum::majority(voters.iter().copied().collect());
        let core = Alone::new(&Config::new(ME, quorum));
        let mut host = Host::new(core, "".into());
        host.tells_last(TOLD.map(|peer| (peer, LONG_AGO)));
        let server = Self { host, book: Book::new(voters) };
        let mut audit = Audit::default();
        audit.standing(&server);
        audit.taken(server)
    }

    /// What happens at the event; `None` if it would lead beyond the rounds of the run.
    pub(super) fn on(&self, limits: &Limits, event: &Event) -> Option<Taken> {
        let round = self.book.round();
        if matches!(event, Event::Look(..)) && round < Election::ROUND_MAX && round >= limits.rounds
        {
            return None;
        }
        let mut server = self.clone();
        let due = server.book.on(event);
        let done = Done::of(&mut server.host, event);
        let mut audit = Audit::default();
        audit.mark(mark::EVENTS + event.kind() as u32);
        let done = match done {
            Ok(done) => done,
            Err(said) => {
                audit.check(Property::Abort, false, || format!("panics: {said}"));
                return Some(audit.taken(self.clone()));
            }
        };
        audit.decision(self, &server, &done, &due);
        audit.notes(&done, event, &due);
        audit.harm(self, &server, &done);
        audit.standing(&server);
        audit.answers(&done, event, &server, &due);
        audit.greeting(&done, event, &server, &due);
        audit.timers(self, &server, &done, event, &due);
        audit.sends = done.says;
        server.host.tells_last(TOLD.map(|peer| (peer, LONG_AGO)));
        Some(audit.taken(server))
    }

    /// Nothing is judged of a state by itself.
    pub(super) fn judge(&self) -> Judgement {
        let round = self.book.round();
        let bits = match &self.book.standing {
            Standing::Idle => [false; 4],
            Standing::Looking(_) => {
                [self.book.is_agreed(), false, false, round == Election::ROUND_MAX]
            }
            Standing::Settled { vote, .. } => [false, vote.leader != ME, vote.leader == ME, false],
        };
        let reached = bits.iter().rev().fold(0, |set, bit| set << 1 | u64::from(*bit));
        Judgement { violated: 0, reached }
    }
}

/// Those that were told something in another election.
const TOLD: [Sid; 4] = [Sid(1), VOTELESS, Sid(5), HIGH];

/// What they were told. No server says it now.
const LONG_AGO: Notification =
    Notification { state: ServerState::Observing, vote: None, round: Election::ROUND_MAX + 7 };

/// What a host asks for at an event, sorted.
#[derive(Default, Debug)]
struct Done {
    /// Election messages, as peers read them.
    says: Vec<(Sid, Notification)>,
    /// The message with which a connection begins.
    greets: Option<Notification>,
    /// Timers that begin (true) or end.
    timers: Vec<(Timer, bool)>,
    /// What the core did.
    notes: Vec<Note>,
    /// What is none of an election's business.
    strange: Vec<String>,
}

impl Done {
    /// What the host asks for when this happens.
    ///
    /// # Errors
    /// What it said when it panicked; what the step left behind means nothing.
    fn of(host: &mut Host<Alone<u8>>, event: &Event) -> Result<Self, String> {
        let mut asked: Vec<Effect<u8, ()>> = Vec::new();
        caught(|| {
            let mut happens = |event| host.handle(event, &mut Silent, &mut asked);
            match event {
                Event::Look(current, last) => {
                    host.look((*current, *last), &mut Silent, &mut asked);
                }
                Event::Notify(from, notification) => {
                    happens(host::Event::Notified { from: *from, notification: *notification });
                }
                Event::Timer(timer) => happens(host::Event::Timer(host::Timer::Core(*timer))),
                Event::Established(epoch) => host.established(*epoch),
                Event::Connects(peer) => happens(host::Event::ElectionOpened(*peer)),
            }
            host.flush(&mut asked);
        })?;
        let mut done = Self::default();
        for effect in asked {
            done.take(effect);
        }
        Ok(done)
    }

    fn take(&mut self, effect: Effect<u8, ()>) {
        match effect {
            Effect::Notify { to, bytes, looks } => match decoded(&bytes) {
                Ok(word) if looks == (word.state == ServerState::Looking) => {
                    self.says.push((to, word));
                }
                said => self.strange.push(format!("tells {to} {said:?}, looks: {looks}")),
            },
            Effect::Greet { bytes } => match decoded(&bytes) {
                Ok(word) if self.greets.is_none() => self.greets = Some(word),
                said => self.strange.push(format!("greets with {said:?}")),
            },
            Effect::Arm(host::Timer::Core(timer)) => self.timers.push((timer, true)),
            Effect::Disarm(host::Timer::Core(timer)) => self.timers.push((timer, false)),
            Effect::Note(note) => self.notes.push(note),
            Effect::Arm(timer @ (host::Timer::Answer(_) | host::Timer::Claim(_)))
            | Effect::Disarm(timer @ (host::Timer::Answer(_) | host::Timer::Claim(_))) => {
                self.strange.push(format!("{timer:?}"));
            }
            effect @ (Effect::Install { .. }
            | Effect::Write(..)
            | Effect::Deliver(_)
            | Effect::Frames { .. }
            | Effect::SendState { .. }
            | Effect::Close(_)
            | Effect::Dial(_)
            | Effect::StopDialling(_)
            | Effect::Session(..)
            | Effect::Reported(..)
            | Effect::Synced(_)
            | Effect::Halt(_)
            | Effect::Remark(_)) => self.strange.push(format!("{effect:?}")),
        }
    }
}

/// One step of the machine, compared with what is due.
#[derive(Default)]
struct Audit {
    marks: u128,
    violated: u64,
    complaints: Vec<String>,
    sends: Vec<(Sid, Notification)>,
}

impl Audit {
    fn mark(&mut self, mark: u32) {
        self.marks |= 1 << mark;
    }

    fn mark_if(&mut self, mark: u32, holds: bool) {
        self.marks |= u128::from(holds) << mark;
    }

    fn check(&mut self, property: Property, holds: bool, complaint: impl FnOnce() -> String) {
        if !holds {
            self.violated |= property.bit();
            self.complaints.push(format!("{}: {}", property.info().name, complaint()));
        }
    }

    fn taken(self, server: Server) -> Taken {
        let Self { marks, violated, complaints, sends } = self;
        Taken { server, marks, violated, complaints, sends }
    }

    fn decision(&mut self, before: &Server, after: &Server, done: &Done, due: &Due) {
        let wanted = due.decision;
        let told = done.notes.iter().filter_map(|note| match note {
            Note::Role(Role::Leading, _) => Some(Decision::Lead),
            Note::Role(Role::Following(leader) | Role::Observing(leader), _) => {
                Some(Decision::Follow(*leader))
            }
            Note::Role(Role::Down | Role::Looking, _)
            | Note::Action(_)
            | Note::Established(_)
            | Note::Refused(..)
            | Note::Ignored(_) => None,
        });
        let told: Vec<Decision> = told.collect();
        self.check(Property::Decisions, told.iter().eq(&wanted), || {
            format!("{told:?}, due {wanted:?}")
        });
        self.mark_if(mark::DECIDED, !told.is_empty());
        let (was, is) = (before.book.round(), after.book.round());
        self.mark_if(mark::ELSEWHERE, !told.is_empty() && was != is);
    }

    /// What is ignored, why, and how everything else is named.
    fn notes(&mut self, done: &Done, event: &Event, due: &Due) {
        let (mut ignored, mut actions, mut others) = (Vec::new(), BTreeSet::new(), false);
        for note in &done.notes {
            match note {
                Note::Ignored(why) => {
                    self.mark(mark::IGNORED + reason(*why));
                    ignored.push(*why);
                }
                Note::Action(action) => {
                    self.mark(*action as u32);
                    others |= !actions.insert(*action);
                }
                // A decision.
                Note::Role(..) => {}
                Note::Established(_) | Note::Refused(..) => others = true,
            }
        }
        let notes = &done.notes;
        self.check(Property::Acceptance, ignored.is_empty() == due.ignored.is_none(), || {
            format!("{notes:?}, due {:?}", due.ignored)
        });
        let reasons: Vec<Ignored> = due.ignored.into_iter().collect();
        let named = ignored == reasons && actions == due.actions && !others;
        self.check(Property::Names, named, || format!("{notes:?}, due {due:?}"));
        let by_others = matches!(event, Event::Notify(..)) && due.decision == Some(Decision::Lead);
        self.mark_if(mark::BY_OTHERS, by_others);
    }

    /// What is ignored does nothing, and what an outsider cannot know of is nothing.
    fn harm(&mut self, before: &Server, after: &Server, done: &Done) {
        let ignored = done.notes.iter().any(|note| matches!(note, Note::Ignored(_)));
        let silent = done.says.is_empty() && done.timers.is_empty();
        let same = before.host.core() == after.host.core();
        self.check(Property::Harmless, !ignored || (silent && same), || {
            format!("ignored, but {done:?}")
        });
        let unknown = before.book == after.book;
        self.check(Property::Harmless, same || !unknown, || "changes in secret".to_owned());
        let strange = &done.strange;
        self.check(Property::Harmless, strange.is_empty(), || format!("does {strange:?}"));
    }

    /// What a new connection begins with, and what the next one would.
    fn greeting(&mut self, done: &Done, event: &Event, after: &Server, due: &Due) {
        let wanted = match event {
            Event::Connects(peer) => TOLD.contains(peer).then_some(LONG_AGO),
            Event::Look(..) | Event::Notify(..) | Event::Timer(_) | Event::Established(_) => None,
        };
        self.check(Property::Greetings, done.greets == wanted, || {
            format!("begins with {:?}, due {wanted:?}", done.greets)
        });
        self.mark_if(mark::GREETED, done.greets.is_some());
        let mut latest: BTreeMap<Sid, Notification> = TOLD.map(|peer| (peer, LONG_AGO)).into();
        latest.extend(&due.says);
        self.check(Property::Greetings, after.host.said_last().eq(latest.clone()), || {
            let said: Vec<_> = after.host.said_last().collect();
            format!("the next connections begin with {said:?}, due {latest:?}")
        });
    }

    /// What the server says of itself.
    fn standing(&mut self, after: &Server) {
        let (core, book) = (after.host.core().election(), &after.book);
        let said = (core.is_looking(), core.round(), core.vote());
        let looks = matches!(book.standing, Standing::Looking(_));
        let due = (looks, book.round(), book.vote());
        self.check(Property::Votes, said == due, || format!("{said:?}, due {due:?}"));
    }

    fn answers(&mut self, done: &Done, event: &Event, after: &Server, due: &Due) {
        let said: BTreeMap<Sid, Notification> = done.says.iter().copied().collect();
        let once = said.len() == done.says.len();
        self.check(Property::Answers, once && said == due.says, || {
            let list = |words: &BTreeMap<Sid, Notification>| {
                let each = words.iter().map(|(to, word)| format!("to {to} {}", label(word)));
                each.collect::<Vec<_>>().join(", ")
            };
            format!("says [{}], due [{}]", list(&said), list(&due.says))
        });
        self.mark_if(mark::SAID, !said.is_empty());
        if let Event::Notify(from, Notification { state: ServerState::Looking, .. }) = event {
            let asked = said.contains_key(from) && !after.book.voters.contains(from);
            self.mark_if(mark::TO_OBSERVER, asked);
        }
    }

    fn timers(&mut self, before: &Server, after: &Server, done: &Done, event: &Event, due: &Due) {
        let mut running = before.book.timers();
        if let Event::Timer(fired) = event {
            running.remove(fired);
        }
        let waited = running.contains(&Timer::Finalize);
        let (mut armed, mut idle) = (BTreeSet::new(), Vec::new());
        for (timer, begins) in &done.timers {
            if *begins {
                running.insert(*timer);
                armed.insert(*timer);
            } else {
                armed.remove(timer);
                if !running.remove(timer) {
                    idle.push(*timer);
                }
            }
        }
        let run = after.book.timers();
        self.check(Property::Timers, running == run, || format!("{running:?} run, due {run:?}"));
        self.check(Property::Timers, armed == due.armed, || {
            format!("{armed:?} begin, due {:?}", due.armed)
        });
        self.check(Property::Timers, idle.is_empty(), || {
            format!("{idle:?} are stopped for nothing")
        });
        self.mark_if(mark::ANEW, waited && armed.contains(&Timer::Finalize));
        let looks = after.host.core().election().is_looking();
        self.mark_if(mark::BROKEN_OFF, waited && looks && !running.contains(&Timer::Finalize));
    }
}
