//! One step of the server, compared with what is due.

use std::borrow::Cow;
use std::collections::BTreeSet;

use host::Timer;
use zab::{Config, Halt, Message, Note, Record, Role, SessionMessage, WriteNo};

use super::book::{Book, Expected, Outcome, continues};
use super::done::{CoreStep, Done, Ordered};
use super::event::Conn;
use super::property::{self, Property, mark};
use super::server::{Server, Taken, established, role, timers};

/// A step of the server that is being judged.
pub(super) struct Audit<'a> {
    before: &'a Server,
    config: &'a Config,
    marks: u128,
    violated: u64,
    complaints: Vec<String>,
}

impl<'a> Audit<'a> {
    pub(super) fn new(before: &'a Server, config: &'a Config) -> Self {
        Self { before, config, marks: 0, violated: 0, complaints: Vec::new() }
    }

    pub(super) fn mark(&mut self, mark: u32) {
        self.marks |= 1 << mark;
    }

    fn check(&mut self, property: Property, holds: bool, complaint: impl FnOnce() -> String) {
        if !holds {
            self.violated |= property.bit();
            self.complaints.push(format!("{}: {}", property.name(), complaint()));
        }
    }

    /// Judges the step that led to `server`, whose host and book have taken it; what was asked for
    /// is not carried out yet.
    pub(super) fn step(
        mut self,
        mut server: Server,
        expected: &Expected,
        fired: Option<Timer>,
        done: Result<Done, String>,
    ) -> Taken {
        let done = match done {
            Ok(done) => done,
            Err(said) => {
                self.check(Property::Abort, false, || format!("panics: {said}"));
                return self.taken(self.before.clone(), Vec::new());
            }
        };
        self.notes(&done);
        let shift = server.host.renumber();
        self.records(&done, shift, &mut server);
        let book = &server.book;
        self.delivery(&done, expected, book);
        self.order(&done);
        self.acceptance(&done, expected, &server);
        self.packets(&done, expected, book, &server);
        self.connections(&done, expected, book, &server);
        self.roles(&done, expected, book, &server);
        self.timers(&done, book, expected, fired);
        self.taken(server, done.leaves)
    }

    fn taken(&self, server: Server, sends: Vec<(Conn, Message<u8>)>) -> Taken {
        let complaints = self.complaints.clone();
        Taken { server, marks: self.marks, violated: self.violated, complaints, sends }
    }

    fn notes(&mut self, done: &Done) {
        for note in &done.notes {
            match note {
                Note::Action(action) => self.mark(*action as u32),
                Note::Refused(_, why) => self.mark(mark::REFUSALS + property::refusal(why)),
                Note::Role(..) | Note::Established(_) | Note::Ignored(_) => {}
            }
        }
        let halt = done.halt;
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
    fn records(&mut self, done: &Done, shift: WriteNo, server: &mut Server) {
        let delivered = self.before.book.delivered;
        let mut issued = Cow::Borrowed(&self.before.book.issued);
        for (no, record) in &done.writes {
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
        let core = server.host.core();
        if core.role() != Role::Down {
            let said = (core.accepted_epoch(), core.current_epoch(), core.last());
            let is = (Some(issued.accepted), Some(issued.current), Some(issued.last()));
            self.check(Property::Replay, said == is, || format!("memory {said:?}, issued {is:?}"));
        }
    }

    /// What is handed to the state machine.
    fn delivery(&mut self, done: &Done, expected: &Expected, book: &Book) {
        let writes = done.writes.iter().map(|(_, record)| record);
        let due = &expected.writes;
        self.check(Property::Records, writes.eq(due), || format!("{:?}, due {due:?}", done.writes));
        let mut issued = Cow::Borrowed(&self.before.book.issued);
        done.writes.iter().for_each(|(_, record)| issued.to_mut().apply(record));
        let snapshot = done.writes.iter().find_map(|(_, record)| match record {
            Record::Snapshot { zxid } => Some(*zxid),
            Record::Txn(_)
            | Record::Truncate { .. }
            | Record::AcceptedEpoch(_)
            | Record::CurrentEpoch(_) => None,
        });
        let installed = done.install;
        self.check(Property::Delivery, installed == snapshot, || {
            format!("installs {installed:?}, writes {snapshot:?}")
        });
        let mut delivered = installed.unwrap_or(self.before.book.delivered);
        for txn in &done.deliver {
            self.mark(mark::DELIVERED);
            let next = issued.log.iter().find(|one| one.zxid > delivered);
            self.check(Property::Delivery, next == Some(txn), || {
                format!("{txn:?} behind {delivered:?}")
            });
            delivered = txn.zxid;
        }
        let due = book.delivered;
        self.check(Property::Commits, delivered == due, || format!("{delivered:?}, due {due:?}"));
    }

    /// What holds whenever an effect is carried out, if all before it are.
    fn order(&mut self, done: &Done) {
        let mut holds = self.before.book.delivered;
        let mut closed = Vec::new();
        for step in &done.order {
            let right = match step {
                Ordered::Holds(zxid) => {
                    holds = *zxid;
                    true
                }
                Ordered::Snapshot(zxid) => holds == *zxid,
                Ordered::State(conn, zxid) => holds == *zxid && !closed.contains(conn),
                Ordered::Frames(conn) => !closed.contains(conn),
                Ordered::Close(conn) => {
                    closed.push(*conn);
                    true
                }
            };
            self.check(Property::Order, right, || {
                format!("{step:?} while the state machine holds {holds:?}, in {:?}", done.order)
            });
        }
    }

    /// Who is refused, and that it does no harm.
    fn acceptance(&mut self, done: &Done, expected: &Expected, server: &Server) {
        let fits = |step: &CoreStep, outcome: Outcome| match outcome {
            Outcome::Taken | Outcome::Ends => step.refused.is_empty() && !step.passed,
            Outcome::PassedBy => step.refused.is_empty() && step.passed,
            Outcome::Refused(peer) => step.refused == [peer],
        };
        let (steps, outcomes) = (&done.steps, &expected.outcomes);
        let same = steps.len() == outcomes.len();
        let right = same && steps.iter().zip(outcomes).all(|(step, due)| fits(step, *due));
        self.check(Property::Acceptance, right, || {
            format!("due {outcomes:?}, but {steps:?}: {:?}", done.notes)
        });
        for step in steps {
            let concerns = step.passed || !step.refused.is_empty();
            self.check(Property::Harmless, !concerns || step.harmless, || {
                format!("refused or ignored, but {done:?}")
            });
            if step.passed {
                self.mark(mark::PASSED);
            }
        }
        if steps.is_empty() {
            self.mark(mark::HELD);
        }
        if steps.iter().all(|step| step.passed) {
            let same = self.before.host.core() == server.host.core();
            self.check(Property::Harmless, same, || format!("ignored, but {done:?}"));
        }
        let strange = &done.strange;
        self.check(Property::Answers, strange.is_empty(), || strange.join(", "));
    }

    /// Packets: which, in which order over each connection, and what waits behind which record.
    fn packets(&mut self, done: &Done, expected: &Expected, book: &Book, server: &Server) {
        let disk = &server.disk;
        for (conn, message) in &done.leaves {
            let is_true = match message {
                Message::LeaderInfo { epoch } => disk.accepted == *epoch,
                Message::AckNewLeader { epoch } => disk.current == *epoch,
                Message::Ack { zxid } => {
                    *zxid == disk.snapshot || disk.log.iter().any(|txn| txn.zxid == *zxid)
                }
                Message::AckEpoch { .. } => true,
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
                | Message::Session(_) => continue,
            };
            self.mark(mark::GATED);
            let due = expected.leaves.iter().any(|one| one == &(*conn, message.clone()));
            self.check(Property::Gates, is_true && due, || {
                format!("{message:?} leaves for {conn:?}, the disk has {disk:?}")
            });
        }
        for (&peer, wire) in &book.connections.links {
            let gated = server.host.gated(peer).map(|(no, message)| (no.0, message));
            let due = wire.gated.iter().map(|(behind, message)| (*behind, message));
            self.check(Property::Gates, gated.eq(due), || {
                let gated: Vec<_> = server.host.gated(peer).collect();
                format!("{gated:?} wait for {peer}, due {:?}", wire.gated)
            });
        }
        let sync =
            |message: &Message<u8>| matches!(message, Message::Session(SessionMessage::Sync(_)));
        if !done.synced.is_empty() || done.leaves.iter().any(|(_, message)| sync(message)) {
            self.mark(mark::SYNCED);
        }
        let is_session = |message: &Message<u8>| matches!(message, Message::Session(_));
        // Only the order over each connection means something.
        let sorted = |leaves: &[(Conn, Message<u8>)], sessions: bool| {
            let chosen = leaves.iter().filter(|(_, message)| is_session(message) == sessions);
            let mut chosen: Vec<_> = chosen.cloned().collect();
            chosen.sort_by_key(|(conn, _)| *conn);
            chosen
        };
        let (said, due) = (sorted(&done.leaves, false), sorted(&expected.leaves, false));
        self.check(Property::Answers, said == due, || format!("{said:?}, due {due:?}"));
        let (states, due) = (&done.states, &expected.states);
        self.check(Property::Answers, states == due, || format!("{states:?}, due {due:?}"));
        let (said, due) = (sorted(&done.leaves, true), sorted(&expected.leaves, true));
        let passes = said == due
            && done.session == expected.session
            && done.reported == expected.reported
            && done.synced == expected.synced;
        self.check(Property::Sessions, passes, || {
            let due = (&due, &expected.session, &expected.reported, &expected.synced);
            format!(
                "{said:?} {:?} {:?} {:?}, due {due:?}",
                done.session, done.reported, done.synced
            )
        });
    }

    /// Connections: which is whose link, which wait, which are closed, who is dialled.
    fn connections(&mut self, done: &Done, expected: &Expected, book: &Book, server: &Server) {
        let (mut closes, mut due) = (done.closes.clone(), expected.closes.clone());
        closes.sort();
        due.sort();
        self.check(Property::Connections, closes == due, || {
            format!("closes {closes:?}, due {due:?}")
        });
        let host = &server.host;
        let links = host.peers().filter_map(|peer| host.link_to(peer));
        let links = links.map(|link| (link.peer, link.generation.0));
        let due = book.connections.links.iter().map(|(&peer, wire)| (peer, wire.number));
        self.check(Property::Connections, links.eq(due), || {
            let links: Vec<_> = host.peers().filter_map(|peer| host.link_to(peer)).collect();
            format!("links {links:?}, due {:?}", book.connections.links)
        });
        let waiting = host.claims().map(|link| (link.peer, link.generation.0));
        let due = book.connections.waiting.iter();
        let due = due.flat_map(|(&peer, queue)| queue.iter().map(move |it| (peer, it.number)));
        self.check(Property::Connections, waiting.eq(due), || {
            let waiting: Vec<_> = host.claims().collect();
            format!("{waiting:?} wait, due {:?}", book.connections.waiting)
        });
        if !book.connections.waiting.is_empty() {
            self.mark(mark::WAITED);
        }
        let (mut links, mut due) = (done.links.clone(), expected.links.clone());
        links.sort();
        due.sort();
        self.check(Property::Roles, links == due, || format!("{links:?}, due {due:?}"));
    }

    /// Role and serving.
    fn roles(&mut self, done: &Done, expected: &Expected, book: &Book, server: &Server) {
        let core = server.host.core();
        let said = (core.role(), core.established());
        let due = (role(self.config, book), established(book));
        self.check(Property::Roles, said == due, || format!("{said:?}, due {due:?}"));
        let told = done.notes.iter().find_map(|note| match note {
            Note::Established(epoch) => Some(*epoch),
            Note::Action(_) | Note::Role(..) | Note::Refused(..) | Note::Ignored(_) => None,
        });
        let begins = due.1.filter(|_| established(&self.before.book).is_none());
        self.check(Property::Roles, told == begins, || format!("tells {told:?}, due {begins:?}"));
        let told = done.notes.iter().rev().find_map(|note| match note {
            Note::Role(role, epoch) => Some((*role, *epoch)),
            Note::Action(_) | Note::Established(_) | Note::Refused(..) | Note::Ignored(_) => None,
        });
        let (due, before) = (expected.role, role(self.config, &self.before.book));
        let promised = self.before.book.issued.accepted;
        let knows = told == due || due.is_none() && told == Some((before, promised));
        self.check(Property::Roles, knows, || format!("tells {told:?}, due {due:?}"));
        if core.role() != Role::Down {
            let (said, due) = (core.delivered(), Some(book.delivered));
            self.check(Property::Replay, said == due, || {
                format!("has delivered {said:?} in memory, {due:?} in truth")
            });
        }
    }

    fn timers(&mut self, done: &Done, book: &Book, expected: &Expected, fired: Option<Timer>) {
        let mut armed: BTreeSet<Timer> = timers(self.config, &self.before.book);
        if let Some(fired) = fired {
            armed.remove(&fired);
        }
        for (timer, begins) in &done.timers {
            match begins {
                true => armed.insert(*timer),
                false => armed.remove(timer),
            };
        }
        let due = timers(self.config, book);
        self.check(Property::Timers, armed == due, || format!("{armed:?} run, due {due:?}"));
        if let Some(limit) = expected.heard {
            let anew = done.timers.contains(&(Timer::Core(limit), true));
            self.check(Property::Timers, anew, || format!("{limit:?} does not begin anew"));
        }
    }
}
