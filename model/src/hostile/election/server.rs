//! The server that is explored: the deployed election machine, and the book that says what is due.
//! Every step of the machine is compared with the book.

use std::collections::{BTreeMap, BTreeSet};

use zab::{
    Config, Decision, Election, Ignored, Note, Notification, Outputs, Quorum, ServerState, Sid,
    Timer, TimerCmd,
};

use super::super::machine;
use super::book::{Book, Due, Standing};
use super::event::{Event, label};
use super::limits::{Limits, ME};
use super::property::{Property, mark, reason};
use crate::cluster::quiet::caught;
use search::Judgement;

/// A server, and what is known of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Server {
    /// The core.
    pub(super) core: Election,
    /// What an outsider knows.
    pub(super) book: Book,
}

/// A step of the machine.
pub(in super::super) type Taken = machine::Taken<Server, (Sid, Notification)>;

impl Server {
    /// A server that has never looked.
    pub(super) fn start(voters: BTreeSet<Sid>) -> Taken {
        let quorum = Quorum::majority(voters.iter().copied().collect());
        let core = Election::new(&Config::new(ME, quorum));
        let server = Self { core, book: Book::new(voters) };
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
        let mut out = Outputs::new();
        let stepped = run(&mut server.core, event, &mut out);
        let mut audit = Audit::default();
        audit.mark(mark::EVENTS + event.kind() as u32);
        let decision = match stepped {
            Ok(decision) => decision,
            Err(said) => {
                audit.check(Property::Abort, false, || format!("panics: {said}"));
                return Some(audit.taken(self.clone()));
            }
        };
        audit.decision(self, &server, decision, &due);
        audit.notes(&out, event, &due);
        audit.harm(self, &server, &out);
        audit.standing(&server);
        audit.answers(&out, event, &server, &due);
        audit.timers(self, &server, &out, event, &due);
        audit.sends = out.notifications;
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

/// Calls the core. An error is what it said when it panicked; what the step left behind means
/// nothing.
fn run(
    core: &mut Election,
    event: &Event,
    out: &mut Outputs<u8>,
) -> Result<Option<Decision>, String> {
    let step = || match event {
        Event::Look(current, last) => {
            core.look(*current, *last, out);
            None
        }
        Event::Notify(from, word) => core.notify(*from, word, out),
        Event::Timer(timer) => core.timer(*timer, out),
        Event::Established(epoch) => {
            core.established(*epoch);
            None
        }
    };
    caught(step)
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

    fn decision(&mut self, before: &Server, after: &Server, decision: Option<Decision>, due: &Due) {
        let wanted = due.decision;
        self.check(Property::Decisions, decision == wanted, || {
            format!("{decision:?}, due {wanted:?}")
        });
        self.mark_if(mark::DECIDED, decision.is_some());
        let (was, is) = (before.book.round(), after.book.round());
        self.mark_if(mark::ELSEWHERE, decision.is_some() && was != is);
    }

    /// What is ignored, why, and how everything else is named.
    fn notes(&mut self, out: &Outputs<u8>, event: &Event, due: &Due) {
        let (mut ignored, mut actions, mut others) = (Vec::new(), BTreeSet::new(), false);
        for note in &out.notes {
            match note {
                Note::Ignored(why) => {
                    self.mark(mark::IGNORED + reason(*why));
                    ignored.push(*why);
                }
                Note::Action(action) => {
                    self.mark(*action as u32);
                    others |= !actions.insert(*action);
                }
                Note::Role(..) | Note::Established(_) | Note::Refused(..) => others = true,
            }
        }
        let notes = &out.notes;
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
    fn harm(&mut self, before: &Server, after: &Server, out: &Outputs<u8>) {
        let ignored = out.notes.iter().any(|note| matches!(note, Note::Ignored(_)));
        let silent = out.notifications.is_empty() && out.timers.is_empty();
        let same = before.core == after.core;
        self.check(Property::Harmless, !ignored || (silent && same), || {
            format!("ignored, but {out:?}")
        });
        let unknown = before.book == after.book;
        self.check(Property::Harmless, same || !unknown, || "changes in secret".to_owned());
        let none_of_its_business = out.writes.is_empty()
            && out.sends.is_empty()
            && out.deliver.is_empty()
            && out.install.is_none()
            && out.links.is_empty()
            && out.session.is_empty()
            && out.synced.is_empty()
            && out.halt.is_none();
        self.check(Property::Harmless, none_of_its_business, || format!("does {out:?}"));
    }

    /// What the server says of itself.
    fn standing(&mut self, after: &Server) {
        let (core, book) = (&after.core, &after.book);
        let said = (core.is_looking(), core.round(), core.vote());
        let looks = matches!(book.standing, Standing::Looking(_));
        let due = (looks, book.round(), book.vote());
        self.check(Property::Votes, said == due, || format!("{said:?}, due {due:?}"));
    }

    fn answers(&mut self, out: &Outputs<u8>, event: &Event, after: &Server, due: &Due) {
        let said: BTreeMap<Sid, Notification> = out.notifications.iter().copied().collect();
        let once = said.len() == out.notifications.len();
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

    fn timers(
        &mut self,
        before: &Server,
        after: &Server,
        out: &Outputs<u8>,
        event: &Event,
        due: &Due,
    ) {
        let mut running = before.book.timers();
        if let Event::Timer(fired) = event {
            running.remove(fired);
        }
        let waited = running.contains(&Timer::Finalize);
        let (mut armed, mut idle) = (BTreeSet::new(), Vec::new());
        for cmd in &out.timers {
            match cmd {
                TimerCmd::Arm(timer) => {
                    running.insert(*timer);
                    armed.insert(*timer);
                }
                TimerCmd::Disarm(timer) => {
                    armed.remove(timer);
                    if !running.remove(timer) {
                        idle.push(*timer);
                    }
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
        let looks = after.core.is_looking();
        self.mark_if(mark::BROKEN_OFF, waited && looks && !running.contains(&Timer::Finalize));
    }
}
