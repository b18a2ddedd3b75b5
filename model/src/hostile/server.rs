//! The server that is explored: the deployed host with the deployed machine in it, its disk, and the
//! book that says what is due. Every step is compared with the book.

use std::collections::BTreeSet;

use host::{Host, Timer};
use zab::{
    Config, DiskImage, Epoch, Message, Notification, Record, Role, ServerState, Sid, WriteNo, Zab,
    Zxid,
};

use super::audit::Audit;
use super::book::{Book, Outcome, Standing, Turn};
use super::connections::{Connections, Question, Waiting, Wire};
use super::disk;
use super::done::Done;
use super::event::{Conn, Event, GONE};
use super::leader::{Stage, Step};
use super::learner::Phase;
use super::limits::Limits;
use super::machine;
use super::property::{DISK_BEHIND, Property, mark};
use crate::cluster::limits::votes;
use search::Judgement;

/// A server, and what is known of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Server {
    /// The host, and the core in it.
    pub(super) host: Host<Zab<u8>>,
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

/// A step of the server, and the packets that leave.
pub(super) type Taken = machine::Taken<Server, (Conn, Message<u8>)>;

/// What happens to a host: a state that travels is named by what it holds.
type Happens = host::Event<u8, Zxid>;

impl Server {
    /// A server that starts from this disk.
    pub(super) fn start(limits: &Limits, config: Config, disk: DiskImage<u8>) -> Taken {
        let left = Left { crashes: limits.crashes, pings: limits.pings, syncs: limits.syncs };
        let book = Book::new(&disk);
        let host = Host::new(Zab::new(config), "".into());
        let server = Self { host, disk, pending: Vec::new(), book, left };
        limits.crowd().fold(server.boot(config), |taken, conn| {
            let Some(next) = taken.server.step(limits, &config, &Event::Opened(conn, false)) else {
                return taken;
            };
            let (marks, violated) = (taken.marks | next.marks, taken.violated | next.violated);
            let complaints = [taken.complaints, next.complaints].concat();
            Taken { marks, violated, complaints, ..next }
        })
    }

    /// The host starts from the disk. Everything in memory is gone.
    fn boot(mut self, config: Config) -> Taken {
        self.host = Host::new(Zab::new(config), "".into());
        self.pending.clear();
        self.book = Book::new(&self.disk);
        let before = self.clone();
        let event = Happens::Start(self.disk.clone());
        let done = Done::of(&mut self.host, event);
        let mut turn = Turn::new(&config, &before.disk, 0, &before.book);
        turn.expected.outcomes.push(Outcome::Taken);
        Audit::new(&before, &config).step(self, &turn.expected, None, done)
    }

    /// What happens at the event; `None` if it is not possible now: its budget is spent, there is
    /// no such connection, or the disk lags too far.
    pub(super) fn on(&self, limits: &Limits, config: &Config, event: &Event) -> Option<Taken> {
        if self.is_possible(limits, event) { self.step(limits, config, event) } else { None }
    }

    /// What happens at the event, unless its budget is spent, or the disk lags too far.
    fn step(&self, limits: &Limits, config: &Config, event: &Event) -> Option<Taken> {
        let mut left = self.left;
        if *event == Event::Crash {
            left.crashes = left.crashes.checked_sub(1)?;
            let mut taken = Self { left, ..self.clone() }.boot(*config);
            taken.marks |= 1 << (mark::EVENTS + event.kind() as u32);
            return Some(taken);
        }
        let (mut disk, mut pending) = (self.disk.clone(), self.pending.clone());
        if let Event::Disk(records) = *event {
            for record in pending.drain(..usize::from(records)) {
                disk.apply(&record);
            }
        }
        let lag = pending.len() as u64;
        let mut turn = Turn::new(config, &disk, lag, &self.book);
        let happens = self.happens(&turn, event);
        turn.event(event);
        let (book, expected) = (turn.book, turn.expected);
        if expected.outcomes == [Outcome::Taken] && serves(&self.book) {
            match event {
                Event::Timer(zab::Timer::Ping) => {
                    left.pings = left.pings.checked_sub(1)?;
                }
                Event::Sync | Event::SyncFor(_) => {
                    left.syncs = left.syncs.checked_sub(1)?;
                }
                Event::Elected(_)
                | Event::Opened(..)
                | Event::Closed(_)
                | Event::Unreachable(_)
                | Event::Recv(..)
                | Event::Bare(..)
                | Event::Timer(_)
                | Event::Unanswered(_)
                | Event::WaitedTooLong(_)
                | Event::Disk(_)
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
        // What the disk has just done was no step of the server.
        let caught_up = (lag < self.pending.len() as u64).then(|| {
            let (disk, pending) = (disk.clone(), pending.clone());
            Self { disk, pending, ..self.clone() }
        });
        let before = caught_up.as_ref().unwrap_or(self);
        let mut host = self.host.clone();
        let done = match (happens, event) {
            (Some(happens), _) => Done::of(&mut host, happens),
            (None, Event::Elected(decision)) => Done::elected(&mut host, *decision),
            (None, _) => return None,
        };
        let writes = done.as_ref().map_or(0, |done| done.writes.len());
        if writes > 0 && pending.len() + writes > limits.lag as usize {
            return None;
        }
        let mut audit = Audit::new(before, config);
        audit.mark(mark::EVENTS + event.kind() as u32);
        let fired = fired(event);
        let server = Self { host, disk, pending, book, left };
        Some(audit.step(server, &expected, fired, done))
    }

    /// Whether an event may come now. A connection comes under the smallest number that is free,
    /// and things happen to it while it is up; a leader answers while it is dialled.
    fn is_possible(&self, limits: &Limits, event: &Event) -> bool {
        let connections = &self.book.connections;
        match event {
            Event::Opened(Conn { peer, number: GONE }, true) => match &self.book.standing {
                Standing::Learner(learner) => learner.leader != *peer,
                Standing::Down | Standing::Looking | Standing::Leader(_) => true,
            },
            Event::Opened(conn, dialled) => {
                let free = limits
                    .numbers(conn.peer)
                    .find(|&number| !connections.is_up(Conn { number, ..*conn }));
                (!dialled || turn_dials(&self.book, conn.peer))
                    && connections.of(conn.peer) < usize::from(limits.connections)
                    && free == Some(conn.number)
            }
            Event::Unreachable(peer) => turn_dials(&self.book, *peer),
            Event::Closed(conn)
            | Event::Bare(conn, _)
            | Event::WaitedTooLong(conn)
            | Event::SyncFor(conn) => conn.number == GONE || connections.is_up(*conn),
            Event::Recv(conn, message) => {
                conn.number == GONE
                    || connections.is_link(*conn)
                    || connections.waiting(*conn).is_some_and(|it| may_be_early(it, message))
            }
            Event::Disk(records) => usize::from(*records) <= self.pending.len(),
            // A server that has stopped for good is started by its operator, and that is a crash.
            Event::StartAgain => self.book.standing != Standing::Down,
            Event::Elected(_)
            | Event::Timer(_)
            | Event::Unanswered(_)
            | Event::DurableAgain
            | Event::DurableBeyond
            | Event::Propose
            | Event::Sync
            | Event::Session(..)
            | Event::Resign
            | Event::Notify(_)
            | Event::Crash => true,
        }
    }

    /// What happens to the host; `None` if somebody decides, or it begins anew.
    fn happens(&self, turn: &Turn<'_>, event: &Event) -> Option<Happens> {
        Some(match event {
            Event::Elected(_) | Event::Crash => return None,
            Event::Opened(conn, dialled) => {
                Happens::Opened { link: conn.link(), dialled: *dialled }
            }
            Event::Closed(conn) => Happens::Closed(conn.link()),
            Event::Unreachable(peer) => Happens::Unreachable(*peer),
            Event::Recv(conn, Message::Snap { zxid }) => {
                Happens::State { link: conn.link(), zxid: *zxid, state: *zxid }
            }
            Event::Recv(conn, message) => {
                Happens::Received { link: conn.link(), messages: vec![message.clone()] }
            }
            Event::Bare(conn, zxid) => {
                let messages = vec![Message::Snap { zxid: *zxid }];
                Happens::Received { link: conn.link(), messages }
            }
            Event::Timer(_) | Event::Unanswered(_) | Event::WaitedTooLong(_) => {
                Happens::Timer(fired(event)?)
            }
            Event::Disk(records) => Happens::Durable(WriteNo((*records).into())),
            Event::DurableAgain => Happens::Durable(WriteNo(0)),
            Event::DurableBeyond => Happens::Durable(WriteNo(self.pending.len() as u64 + 1)),
            Event::Propose => Happens::Propose(turn.next_payload()),
            Event::Sync => Happens::Sync { body: Event::SYNC_BODY },
            Event::SyncFor(conn) => Happens::SyncFor(conn.link()),
            Event::Session(peer, message) => {
                Happens::Session { peer: *peer, message: message.clone() }
            }
            Event::Resign => Happens::Resign,
            Event::Notify(from) => {
                let (state, vote, round) = (ServerState::Looking, None, 1);
                let notification = Notification { state, vote, round };
                Happens::Notified { from: *from, notification }
            }
            Event::StartAgain => Happens::Start(self.disk.clone()),
        })
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
                if leader.timers(config).contains(&zab::Timer::QuorumLoss) {
                    bits.push(15);
                }
            }
        }
        if self.pending.len() >= 2 {
            bits.push(DISK_BEHIND);
        }
        let Connections { links, waiting } = &self.book.connections;
        let is_leading = matches!(self.book.standing, Standing::Leader(_));
        if !is_leading && !waiting.is_empty() {
            bits.push(17);
        }
        if waiting.keys().any(|peer| links.contains_key(peer)) {
            bits.push(18);
        }
        if links.values().any(|wire| wire.question == Question::Overdue) {
            bits.push(19);
        }
        if waiting.values().flatten().any(|one| one.told.is_some()) {
            bits.push(20);
        }
        if links.values().any(Wire::has_answered_early) {
            bits.push(21);
        }
        bits.into_iter().fold(0, |set, bit: u32| set | 1 << bit)
    }
}

pub(super) fn serves(book: &Book) -> bool {
    established(book).is_some()
}

pub(super) fn established(book: &Book) -> Option<Epoch> {
    match &book.standing {
        Standing::Down | Standing::Looking => None,
        Standing::Learner(learner) => learner.established(),
        Standing::Leader(leader) => leader.established(),
    }
}

pub(super) fn role(config: &Config, book: &Book) -> Role {
    match &book.standing {
        Standing::Down => Role::Down,
        Standing::Looking => Role::Looking,
        Standing::Learner(learner) if votes(config) => Role::Following(learner.leader),
        Standing::Learner(learner) => Role::Observing(learner.leader),
        Standing::Leader(_) => Role::Leading,
    }
}

/// The timers that run.
pub(super) fn timers(config: &Config, book: &Book) -> BTreeSet<Timer> {
    let core = match &book.standing {
        Standing::Down | Standing::Looking => BTreeSet::new(),
        Standing::Learner(learner) => learner.timers(),
        Standing::Leader(leader) => leader.timers(config),
    };
    core.into_iter().map(Timer::Core).chain(book.connections.timers()).collect()
}

fn turn_dials(book: &Book, peer: Sid) -> bool {
    match &book.standing {
        Standing::Learner(learner) => learner.leader == peer && learner.phase == Phase::Dialling,
        Standing::Down | Standing::Looking | Standing::Leader(_) => false,
    }
}

/// What is tried of a connection that waits: the greeting of a learner that has promised nothing,
/// something that is not due, and, behind these, the answer to LEADERINFO.
fn may_be_early(waiting: &Waiting, message: &Message<u8>) -> bool {
    match message {
        Message::LearnerInfo { accepted, .. } => *accepted == Epoch(0),
        Message::UpToDate | Message::Ping { body: Some(_) } => true,
        Message::AckEpoch { current, last } => {
            !waiting.said.is_empty() && *current == Some(Epoch(0)) && *last == Zxid::ZERO
        }
        Message::LeaderInfo { .. }
        | Message::Diff { .. }
        | Message::Trunc { .. }
        | Message::Snap { .. }
        | Message::NewLeader { .. }
        | Message::AckNewLeader { .. }
        | Message::Proposal(_)
        | Message::Ack { .. }
        | Message::Commit { .. }
        | Message::Inform(_)
        | Message::Ping { body: None }
        | Message::Session(_) => false,
    }
}

/// The timer that runs out.
fn fired(event: &Event) -> Option<Timer> {
    match event {
        Event::Timer(timer) => Some(Timer::Core(*timer)),
        Event::Unanswered(peer) => Some(Timer::Answer(*peer)),
        Event::WaitedTooLong(conn) => Some(Timer::Claim(conn.link())),
        Event::Elected(_)
        | Event::Opened(..)
        | Event::Closed(_)
        | Event::Unreachable(_)
        | Event::Recv(..)
        | Event::Bare(..)
        | Event::Disk(_)
        | Event::DurableAgain
        | Event::DurableBeyond
        | Event::Propose
        | Event::Sync
        | Event::SyncFor(_)
        | Event::Session(..)
        | Event::Resign
        | Event::Notify(_)
        | Event::StartAgain
        | Event::Crash => None,
    }
}
