//! The server that is explored: the deployed machine, its disk, and the book that says what is due.
//! Every step of the machine is compared with the book.

use std::borrow::Cow;
use std::collections::BTreeSet;

use zab::{
    After, Config, Decision, DiskImage, Epoch, Halt, Input, LinkCmd, Message, Note, Notification,
    Outputs, Record, Role, ServerState, SessionMessage, Sid, Timer, TimerCmd, WriteNo, Zab,
};

use super::book::{Book, Expected, Outcome, Standing, Turn, continues};
use super::disk;
use super::event::Event;
use super::leader::{Stage, Step};
use super::learner::Phase;
use super::limits::Limits;
use super::machine;
use super::property::{self, Property, mark};
use crate::cluster::limits::votes;
use crate::cluster::quiet::caught;
use search::Judgement;

/// A server, and what is known of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Server {
    /// The core.
    pub(super) core: Zab<u8>,
    /// What is durable.
    pub(super) disk: DiskImage<u8>,
    /// Issued, not durable, in order.
    pub(super) pending: Vec<Record<u8>>,
    /// What an outsider knows.
    pub(super) book: Book,
    /// What is left of the budgets.
    pub(super) left: Left,
}

/// What is left of the budgets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Left {
    pub(super) crashes: u8,
    pub(super) pings: u8,
    pub(super) syncs: u8,
}

/// A step of the machine.
pub(super) type Taken = machine::Taken<Server, zab::Send<u8>>;

impl Server {
    /// A server that starts from this disk.
    pub(super) fn start(limits: &Limits, config: Config, disk: DiskImage<u8>) -> Taken {
        let left = Left { crashes: limits.crashes, pings: limits.pings, syncs: limits.syncs };
        let book = Book::new(&disk);
        let core = Zab::new(config);
        let server = Self { core, disk: disk.clone(), pending: Vec::new(), book, left };
        server.boot(config)
    }

    /// The core starts from the disk. Everything in memory is gone.
    fn boot(mut self, config: Config) -> Taken {
        self.core = Zab::new(config);
        self.pending.clear();
        self.book = Book::new(&self.disk);
        let before = self.clone();
        let mut out = Outputs::new();
        let input = Input::Start(self.disk.clone());
        let panicked = run(&mut self.core, |core| core.step(input, &mut out));
        let mut audit = Audit::new(&before, &config, out, panicked);
        let expected = Turn::new(&config, &before.disk, &before.book).expected;
        let book = before.book.clone();
        audit.step(self, book, &expected, &BTreeSet::new())
    }

    /// What happens at the event; `None` if it is not possible now: its budget is spent, or the
    /// disk lags too far.
    pub(super) fn on(&self, limits: &Limits, config: &Config, event: &Event) -> Option<Taken> {
        let mut server = self.clone();
        let mut input = None;
        match event {
            Event::Crash => {
                server.left.crashes = server.left.crashes.checked_sub(1)?;
                let mut taken = server.boot(*config);
                taken.marks |= 1 << (mark::EVENTS + event.kind() as u32);
                return Some(taken);
            }
            Event::Disk => {
                (!server.pending.is_empty()).then_some(())?;
                let record = server.pending.remove(0);
                server.disk.apply(&record);
                input = Some(Input::Durable { upto: WriteNo(1) });
            }
            Event::Elected(_) => {}
            Event::Link(peer, up) => input = Some(Input::Link { peer: *peer, up: *up }),
            Event::Recv(peer, message) => {
                input = Some(Input::Recv { peer: *peer, message: message.clone() });
            }
            Event::Timer(timer) => input = Some(Input::Timer(*timer)),
            Event::DurableAgain => input = Some(Input::Durable { upto: WriteNo(0) }),
            Event::DurableBeyond => {
                let upto = WriteNo(self.pending.len() as u64 + 1);
                input = Some(Input::Durable { upto });
            }
            Event::Propose => input = Some(Input::Propose(0)),
            Event::Sync(origin) => {
                input = Some(Input::Sync { origin: *origin, body: Event::SYNC_BODY });
            }
            Event::Session(peer, message) => {
                input = Some(Input::Session { peer: *peer, message: message.clone() });
            }
            Event::Resign => input = Some(Input::Resign),
            Event::Notify(from) => {
                let (state, vote, round) = (ServerState::Looking, None, 1);
                let notification = Notification { state, vote, round };
                input = Some(Input::Notify { from: *from, notification });
            }
            Event::StartAgain => {
                // A server that has stopped for good is started by its operator, and that is a
                // crash.
                (self.book.standing != Standing::Down).then_some(())?;
                input = Some(Input::Start(self.disk.clone()));
            }
        }
        let (book, expected) = expect(config, &server, event);
        if expected.outcome == Outcome::Taken && serves(&self.book) {
            match event {
                Event::Timer(Timer::Ping) => {
                    server.left.pings = server.left.pings.checked_sub(1)?;
                }
                Event::Sync(_) => server.left.syncs = server.left.syncs.checked_sub(1)?,
                Event::Elected(_)
                | Event::Link(..)
                | Event::Recv(..)
                | Event::Timer(_)
                | Event::Disk
                | Event::DurableAgain
                | Event::DurableBeyond
                | Event::Propose
                | Event::Session(..)
                | Event::Resign
                | Event::Notify(_)
                | Event::StartAgain
                | Event::Crash => {}
            }
        }
        // What the disk has just done was no step of the core.
        let caught_up =
            (*event == Event::Disk).then(|| Self { core: self.core.clone(), ..server.clone() });
        let before = caught_up.as_ref().unwrap_or(self);
        let mut out = Outputs::new();
        let panicked = run(&mut server.core, |core| match (input, event) {
            (Some(input), _) => core.step(input, &mut out),
            (None, Event::Elected(decision)) => core.elected(*decision, &mut out),
            (None, _) => {}
        });
        if server.pending.len() + out.writes.len() > limits.lag as usize && !out.writes.is_empty() {
            return None;
        }
        let mut fired = BTreeSet::new();
        if let Event::Timer(timer) = event {
            fired.insert(*timer);
        }
        let mut audit = Audit::new(before, config, out, panicked);
        audit.mark(mark::EVENTS + event.kind() as u32);
        Some(audit.step(server, book, &expected, &fired))
    }

    /// What holds in a state: any crash leaves a disk from which the server starts, and what is
    /// damaged beyond that is seen.
    pub(super) fn judge(&self, config: Config) -> Judgement {
        let mut violated = 0;
        let mut image = self.disk.clone();
        let mut judge = |image: &DiskImage<u8>| {
            if !disk::starts(config, image) || !disk::is_sound(image) {
                violated |= Property::Recovery.bit();
            }
            if disk::damaged(image).iter().any(|(bad, why)| !disk::halts(config, bad, *why)) {
                violated |= Property::Damage.bit();
            }
        };
        judge(&image);
        for record in &self.pending {
            image.apply(record);
            judge(&image);
        }
        if image != self.book.issued {
            violated |= Property::Replay.bit();
        }
        Judgement { violated, reached: self.reached(&config) }
    }

    fn reached(&self, config: &Config) -> u64 {
        let mut bits = Vec::new();
        match &self.book.standing {
            Standing::Down => bits.push(16),
            Standing::Looking => {}
            Standing::Learner(learner) => bits.push(match learner.phase {
                Phase::Dialling => 0,
                Phase::Greeted => 1,
                Phase::Promised(_) => 2,
                Phase::Synchronizing(..) => 3,
                Phase::Accepted(..) => 4,
                Phase::Serving(_) => 5,
            }),
            Standing::Leader(leader) => {
                bits.push(match leader.stage {
                    Stage::Greetings => 8,
                    Stage::Promises(..) => 9,
                    Stage::Acceptances(..) => 10,
                    Stage::Established(..) => 11,
                });
                bits.extend(leader.learners.values().filter_map(|heard| match heard.step {
                    Step::Linked | Step::Greeting(_) | Step::Acceptance => None,
                    Step::Promise(_) => Some(12),
                    Step::Sent => Some(13),
                    Step::UpToDate(..) => Some(14),
                }));
                if leader.timers(config).contains(&Timer::QuorumLoss) {
                    bits.push(15);
                }
            }
        }
        if self.pending.len() >= 2 {
            bits.push(6);
        }
        bits.into_iter().fold(0, |set, bit: u32| set | 1 << bit)
    }
}

/// Calls the core. `Some`: it panicked, and said this; what the step left behind means nothing.
fn run(core: &mut Zab<u8>, f: impl FnOnce(&mut Zab<u8>)) -> Option<String> {
    caught(|| f(core)).err()
}

/// What the book says of an event.
fn expect(config: &Config, server: &Server, event: &Event) -> (Book, Expected) {
    let book = &server.book;
    let mut turn = Turn::new(config, &server.disk, book);
    match (&book.standing, event) {
        (Standing::Looking, Event::Elected(Decision::Lead)) => turn.lead(),
        (Standing::Looking, Event::Elected(Decision::Follow(leader))) => turn.follow(*leader),
        (Standing::Looking, Event::Disk) => {}
        (Standing::Down | Standing::Looking, _) => turn.pass_by(),
        (Standing::Learner(learner), event) => turn.learner(*learner, event),
        (Standing::Leader(leader), event) => turn.leader(leader.clone(), event),
    }
    (turn.book, turn.expected)
}

fn serves(book: &Book) -> bool {
    established(book).is_some()
}

fn established(book: &Book) -> Option<Epoch> {
    match &book.standing {
        Standing::Down | Standing::Looking => None,
        Standing::Learner(learner) => learner.established(),
        Standing::Leader(leader) => leader.established(),
    }
}

fn role(config: &Config, book: &Book) -> Role {
    match &book.standing {
        Standing::Down => Role::Down,
        Standing::Looking => Role::Looking,
        Standing::Learner(learner) if votes(config) => Role::Following(learner.leader),
        Standing::Learner(learner) => Role::Observing(learner.leader),
        Standing::Leader(_) => Role::Leading,
    }
}

fn timers(config: &Config, book: &Book) -> BTreeSet<Timer> {
    match &book.standing {
        Standing::Down | Standing::Looking => BTreeSet::new(),
        Standing::Learner(learner) => learner.timers(),
        Standing::Leader(leader) => leader.timers(config),
    }
}

/// One step of the machine, compared with what is due.
struct Audit<'a> {
    before: &'a Server,
    config: &'a Config,
    out: Outputs<u8>,
    panicked: Option<String>,
    marks: u128,
    violated: u64,
    complaints: Vec<String>,
}

impl<'a> Audit<'a> {
    fn new(
        before: &'a Server,
        config: &'a Config,
        out: Outputs<u8>,
        panicked: Option<String>,
    ) -> Self {
        Self { before, config, out, panicked, marks: 0, violated: 0, complaints: Vec::new() }
    }

    fn mark(&mut self, mark: u32) {
        self.marks |= 1 << mark;
    }

    fn check(&mut self, property: Property, holds: bool, complaint: impl FnOnce() -> String) {
        if !holds {
            self.violated |= property.bit();
            self.complaints.push(format!("{}: {}", property.name(), complaint()));
        }
    }

    /// Judges the step that led to `server`, whose core has taken it.
    fn step(
        &mut self,
        mut server: Server,
        book: Book,
        expected: &Expected,
        fired: &BTreeSet<Timer>,
    ) -> Taken {
        if let Some(said) = self.panicked.take() {
            self.check(Property::Abort, false, || format!("panics: {said}"));
            return self.taken(self.before.clone());
        }
        let out = std::mem::take(&mut self.out);
        self.notes(&out);
        let shift = server.core.renumber();
        self.records(&out, shift, &mut server);
        self.delivery(&out, expected, &book);
        self.acceptance(&out, expected, &server);
        self.sends(&out, expected, shift, &server);
        self.roles(&out, &book, expected, &server, fired);
        server.book = book;
        self.out = out;
        self.taken(server)
    }

    fn taken(&mut self, server: Server) -> Taken {
        Taken {
            server,
            marks: self.marks,
            violated: self.violated,
            complaints: std::mem::take(&mut self.complaints),
            sends: std::mem::take(&mut self.out.sends),
        }
    }

    fn notes(&mut self, out: &Outputs<u8>) {
        for note in &out.notes {
            match note {
                Note::Action(action) => self.mark(*action as u32),
                Note::Refused(_, why) => self.mark(mark::REFUSALS + property::refusal(why)),
                Note::Role(..) | Note::Established(_) | Note::Ignored(_) => {}
            }
        }
        let halt = out.halt;
        let allowed = match halt {
            None | Some(Halt::EpochsExhausted { .. }) => true,
            Some(
                Halt::LogOutOfOrder { .. }
                | Halt::CurrentEpochAhead { .. }
                | Halt::HistoryAhead { .. },
            ) => false,
        };
        self.check(Property::Abort, allowed, || format!("stops: {halt:?}"));
    }

    /// Records by themselves: numbers, epochs, holes, cuts.
    fn records(&mut self, out: &Outputs<u8>, shift: WriteNo, server: &mut Server) {
        let delivered = self.before.book.delivered;
        let mut issued = Cow::Borrowed(&self.before.book.issued);
        for (no, record) in &out.writes {
            self.mark(mark::WROTE);
            let number = server.pending.len() as u64 + 1;
            self.check(Property::Replay, no.0 == shift.0 + number, || {
                format!("{record:?} has number {no:?}")
            });
            let last = issued.last();
            let complaint = || format!("{record:?} behind {issued:?}");
            match record {
                Record::AcceptedEpoch(epoch) => {
                    self.check(Property::Epochs, *epoch > issued.accepted, complaint);
                }
                Record::CurrentEpoch(epoch) => {
                    let fits = *epoch == issued.accepted && *epoch >= issued.current;
                    self.check(Property::Epochs, fits, complaint);
                }
                Record::Txn(txn) => {
                    let fits = continues(last, txn.zxid) && txn.zxid.epoch() <= issued.accepted;
                    self.check(Property::History, fits, complaint);
                }
                Record::Truncate { to } => {
                    let known = *to == issued.snapshot || issued.log.iter().any(|t| t.zxid == *to);
                    self.check(Property::History, known, complaint);
                    self.check(Property::Delivery, *to >= delivered, complaint);
                }
                Record::Snapshot { zxid } => {
                    let fits = zxid.epoch() <= issued.accepted;
                    self.check(Property::History, fits, complaint);
                    self.check(Property::Delivery, *zxid >= delivered, complaint);
                }
            }
            issued.to_mut().apply(record);
            server.pending.push(record.clone());
        }
        let core = &server.core;
        if core.role() != Role::Down {
            let said = (core.accepted_epoch(), core.current_epoch(), core.last());
            let is = (Some(issued.accepted), Some(issued.current), Some(issued.last()));
            self.check(Property::Replay, said == is, || format!("memory {said:?}, issued {is:?}"));
        }
    }

    /// What is handed to the state machine.
    fn delivery(&mut self, out: &Outputs<u8>, expected: &Expected, book: &Book) {
        let writes: Vec<_> = out.writes.iter().map(|(_, record)| record.clone()).collect();
        let due = &expected.writes;
        self.check(Property::Records, writes == *due, || format!("{writes:?}, due {due:?}"));
        let mut issued = Cow::Borrowed(&self.before.book.issued);
        writes.iter().for_each(|record| issued.to_mut().apply(record));
        let snapshot = writes.iter().find_map(|record| match record {
            Record::Snapshot { zxid } => Some(*zxid),
            Record::Txn(_)
            | Record::Truncate { .. }
            | Record::AcceptedEpoch(_)
            | Record::CurrentEpoch(_) => None,
        });
        let installed = out.install;
        self.check(Property::Delivery, installed == snapshot, || {
            format!("installs {installed:?}, writes {snapshot:?}")
        });
        let mut delivered = installed.unwrap_or(self.before.book.delivered);
        for txn in &out.deliver {
            self.mark(mark::DELIVERED);
            let next = issued.log.iter().find(|one| one.zxid > delivered);
            self.check(Property::Delivery, next == Some(txn), || {
                format!("{:?} behind {delivered:?}", txn.zxid)
            });
            delivered = txn.zxid;
        }
        let due = book.delivered;
        self.check(Property::Commits, delivered == due, || format!("{delivered:?}, due {due:?}"));
    }

    /// Who is refused, and that it does no harm.
    fn acceptance(&mut self, out: &Outputs<u8>, expected: &Expected, server: &Server) {
        let refused: Vec<Sid> = out
            .notes
            .iter()
            .filter_map(|note| match note {
                Note::Refused(peer, _) => Some(*peer),
                Note::Action(_) | Note::Role(..) | Note::Established(_) | Note::Ignored(_) => None,
            })
            .collect();
        let passed =
            !out.notes.is_empty() && out.notes.iter().all(|note| matches!(note, Note::Ignored(_)));
        let outcome = expected.outcome;
        let right = match outcome {
            Outcome::Taken | Outcome::Ends => refused.is_empty() && !passed,
            Outcome::PassedBy => refused.is_empty() && passed,
            Outcome::Refused(peer) => refused == [peer],
        };
        let notes = &out.notes;
        self.check(Property::Acceptance, right, || format!("due {outcome:?}, but {notes:?}"));
        let silent = out.writes.is_empty()
            && out.sends.is_empty()
            && out.deliver.is_empty()
            && out.install.is_none()
            && out.session.is_empty()
            && out.synced.is_empty();
        let closed = refused.iter().all(|peer| out.links.contains(&LinkCmd::Close(*peer)));
        if !refused.is_empty() {
            self.check(Property::Harmless, silent && closed, || format!("refused, but {out:?}"));
        }
        if passed {
            self.mark(mark::PASSED);
            let same = self.before.core == server.core && out.links.is_empty();
            self.check(Property::Harmless, silent && same, || format!("ignored, but {out:?}"));
        }
        let (mut links, mut due) = (out.links.clone(), expected.links.clone());
        links.sort();
        due.sort();
        self.check(Property::Roles, links == due, || format!("{links:?}, due {due:?}"));
    }

    /// Messages: which, in which order to each, and behind which record.
    fn sends(&mut self, out: &Outputs<u8>, expected: &Expected, shift: WriteNo, server: &Server) {
        let issued = server.pending.len() as u64;
        let (last, core) = (server.core.last(), &server.core);
        let mut said = Vec::new();
        for send in &out.sends {
            let behind = match send.after {
                After::Now => 0,
                After::Durable(no) => no.0.saturating_sub(shift.0),
            };
            let (speaks_of_disk, is_true) = match &send.message {
                Message::LeaderInfo { epoch } => (true, core.accepted_epoch() == Some(*epoch)),
                Message::AckEpoch { current, last: end } => {
                    let same = current.is_none_or(|current| core.current_epoch() == Some(current));
                    (true, same && last == Some(*end))
                }
                Message::AckNewLeader { epoch } => (true, core.current_epoch() == Some(*epoch)),
                Message::Ack { zxid } => {
                    let current = core.current_epoch() == Some(zxid.epoch());
                    (true, current && last == Some(*zxid))
                }
                Message::LearnerInfo { .. }
                | Message::Diff { .. }
                | Message::Trunc { .. }
                | Message::Snap { .. }
                | Message::NewLeader { .. }
                | Message::UpToDate
                | Message::Proposal(_)
                | Message::Commit { .. }
                | Message::Inform(_)
                | Message::Ping { .. }
                | Message::Session(_) => (false, true),
            };
            if speaks_of_disk {
                self.mark(mark::GATED);
                self.check(Property::Gates, behind == issued && is_true, || {
                    format!("{send:?} with {issued} records on their way")
                });
            }
            said.push((send.to, send.message.clone(), behind));
        }
        let gate = |gated: bool| if gated { issued } else { 0 };
        let due = expected.sends.iter().map(|(to, message, gated)| (*to, message, gate(*gated)));
        let mut due: Vec<_> =
            due.map(|(to, message, behind)| (to, message.clone(), behind)).collect();
        // Only the order to each receiver means something.
        said.sort_by_key(|(to, ..)| *to);
        due.sort_by_key(|(to, ..)| *to);
        let syncs = said.iter().filter(|(_, message, _)| {
            *message == Message::Session(SessionMessage::Sync(Event::SYNC_BODY))
        });
        if syncs.count() + out.synced.len() > 0 {
            self.mark(mark::SYNCED);
        }
        let is_session = |message: &Message<u8>| matches!(message, Message::Session(_));
        let (sessions, others): (Vec<_>, Vec<_>) =
            said.into_iter().partition(|(_, message, _)| is_session(message));
        let (due_sessions, due): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(_, message, _)| is_session(message));
        self.check(Property::Answers, others == due, || format!("{others:?}, due {due:?}"));
        let passes = sessions == due_sessions
            && out.session == expected.session
            && out.synced == expected.synced;
        self.check(Property::Sessions, passes, || {
            let due = (&due_sessions, &expected.session, &expected.synced);
            format!("{sessions:?} {:?} {:?}, due {due:?}", out.session, out.synced)
        });
    }

    /// Role, serving, timers.
    fn roles(
        &mut self,
        out: &Outputs<u8>,
        book: &Book,
        expected: &Expected,
        server: &Server,
        fired: &BTreeSet<Timer>,
    ) {
        let core = &server.core;
        let said = (core.role(), core.established());
        let due = (role(self.config, book), established(book));
        self.check(Property::Roles, said == due, || format!("{said:?}, due {due:?}"));
        let told = out.notes.iter().find_map(|note| match note {
            Note::Established(epoch) => Some(*epoch),
            Note::Action(_) | Note::Role(..) | Note::Refused(..) | Note::Ignored(_) => None,
        });
        let begins = due.1.filter(|_| established(&self.before.book).is_none());
        self.check(Property::Roles, told == begins, || format!("tells {told:?}, due {begins:?}"));
        let told = out.notes.iter().rev().find_map(|note| match note {
            Note::Role(role, epoch) => Some((*role, *epoch)),
            Note::Action(_) | Note::Established(_) | Note::Refused(..) | Note::Ignored(_) => None,
        });
        // Who has stopped names no epoch.
        let is = match role(self.config, book) {
            Role::Down => (Role::Down, Epoch::default()),
            role @ (Role::Looking | Role::Leading | Role::Following(_) | Role::Observing(_)) => {
                (role, book.issued.accepted)
            }
        };
        let knows = told.map_or(is.0 == role(self.config, &self.before.book), |told| told == is);
        self.check(Property::Roles, knows, || format!("tells {told:?}, is {is:?}"));
        if core.role() != Role::Down {
            let (said, due) = (core.delivered(), Some(book.delivered));
            self.check(Property::Replay, said == due, || {
                format!("has delivered {said:?} in memory, {due:?} in truth")
            });
        }
        let mut armed: BTreeSet<Timer> =
            timers(self.config, &self.before.book).difference(fired).copied().collect();
        for cmd in &out.timers {
            match cmd {
                TimerCmd::Arm(timer) => armed.insert(*timer),
                TimerCmd::Disarm(timer) => armed.remove(timer),
            };
        }
        let due = timers(self.config, book);
        self.check(Property::Timers, armed == due, || format!("{armed:?} run, due {due:?}"));
        if let Some(limit) = expected.heard {
            let anew = out.timers.contains(&TimerCmd::Arm(limit));
            self.check(Property::Timers, anew, || format!("{limit:?} does not begin anew"));
        }
    }
}
