//! What an outsider can know of a server: what it issued to its disk, what it delivered, and what
//! its peers were told and have said. The words in which [`super::learner`], [`super::leader`] and
//! [`super::connections`] say what is in order.

use zab::{
    Config, Decision, DiskImage, Epoch, LinkCmd, Message, Record, Role, SessionMessage, Sid, Timer,
    Zxid,
};

use super::connections::Connections;
use super::event::Conn;
use super::leader::Leader;
use super::learner::Learner;
use super::server::role;

/// Everything known of one server, from its outputs and from the protocol alone.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Book {
    /// What the disk will hold once all that was issued has arrived.
    pub(super) issued: DiskImage<u8>,
    /// The end of what the state machine holds.
    pub(super) delivered: Zxid,
    /// Up to here single positions are known to the state machine only: a snapshot, or more than
    /// the window ago.
    pub(super) forgotten: Zxid,
    /// What the server is, and how far it has come.
    pub(super) standing: Standing,
    /// Its connections.
    pub(super) connections: Connections,
}

/// What reaches the core.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Input {
    /// The election has decided.
    Elected(Decision),
    /// A connection is the link to a peer, or is so no longer.
    Link(Sid, bool),
    /// A message came over a link.
    Recv(Sid, Message<u8>),
    /// A timer runs out.
    Timer(Timer),
    /// More records are durable.
    Durable,
    /// The disk says what it has said before, or what cannot be.
    DurableNever,
    /// The session layer proposes a transaction.
    Propose(u8),
    /// A sync is asked for, by whom, and what it is answered with.
    Sync(Sid, u8),
    /// The session layer says something to a peer.
    Session(Sid, SessionMessage<u8>),
    /// The role is given up.
    Resign,
    /// An election message.
    Notify,
    /// A start.
    Start,
}

/// What a server is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Standing {
    /// Stopped for good: no epoch is left.
    Down,
    /// Electing.
    Looking,
    /// Follower or observer.
    Learner(Learner),
    /// Leader, or on the way to it.
    Leader(Leader),
}

/// What has to become of an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It is in order, and has its effect.
    Taken,
    /// Nothing changes.
    PassedBy,
    /// The link to the peer is closed. A learner that closes its link leaves its leader.
    Refused(Sid),
    /// The role ends, and nobody is blamed.
    Ends,
}

/// What a server has to do at an event.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// What becomes of the input that is taken.
    pub(super) outcome: Outcome,
    /// What became of each of those that the event has led to.
    pub(super) outcomes: Vec<Outcome>,
    /// Records, in order.
    pub(super) writes: Vec<Record<u8>>,
    /// Packets, in order for each connection, as their receivers read them.
    pub(super) leaves: Vec<(Conn, Message<u8>)>,
    /// States that leave behind SNAP packets.
    pub(super) states: Vec<(Conn, Zxid)>,
    /// Connections that are closed.
    pub(super) closes: Vec<Conn>,
    /// Whom to dial, and whom no longer, in any order.
    pub(super) links: Vec<LinkCmd>,
    /// Messages for the session layer.
    pub(super) session: Vec<(Conn, SessionMessage<u8>)>,
    /// Sessions that learners report.
    pub(super) reported: Vec<(Sid, u8)>,
    /// Syncs of the server's own session layer.
    pub(super) synced: Vec<u8>,
    /// The role that begins last, and the epoch that is promised then.
    pub(super) role: Option<(Role, Epoch)>,
    /// The time limit that begins anew because the peer was heard.
    pub(super) heard: Option<Timer>,
}

/// One event being judged: the book as it will be, and what is expected.
pub(super) struct Turn<'a> {
    /// The server's constants.
    pub(super) config: &'a Config,
    /// What is on disk now.
    pub(super) durable: &'a DiskImage<u8>,
    /// Records that were on their way when the event came.
    pub(super) lag: u64,
    /// What was known; then, what is.
    pub(super) book: Book,
    /// What is due.
    pub(super) expected: Expected,
    /// What the input that is taken does to links.
    pub(super) commands: Vec<LinkCmd>,
}

impl Book {
    /// Of a server that starts from this disk: only what the snapshot holds is delivered (P4.4).
    pub(super) fn new(image: &DiskImage<u8>) -> Self {
        Self {
            issued: image.clone(),
            delivered: image.snapshot,
            forgotten: image.snapshot,
            standing: Standing::Looking,
            connections: Connections::default(),
        }
    }

    /// P1.2, P1.4: elections can have led to this epoch, as far as the server can tell from its
    /// promise.
    pub(super) fn may_be_led_to(&self, config: &Config, epoch: Epoch) -> bool {
        let near = self.issued.accepted.0 + config.epoch_step;
        epoch.0 <= near.max(config.epoch_plausible.0)
    }

    /// The end of the history.
    pub(super) fn last(&self) -> Zxid {
        self.issued.last()
    }

    /// Whether this is a position of the history that is known as such.
    pub(super) fn is_position(&self, zxid: Zxid) -> bool {
        zxid == self.forgotten || self.is_at_hand(zxid)
    }

    /// Whether the history has this transaction already, as far as anybody can tell.
    pub(super) fn has(&self, zxid: Zxid) -> bool {
        zxid <= self.forgotten || self.is_at_hand(zxid)
    }

    fn is_at_hand(&self, zxid: Zxid) -> bool {
        zxid > self.forgotten && self.issued.log.iter().any(|txn| txn.zxid == zxid)
    }

    /// Whether the transaction continues the history without a hole.
    pub(super) fn continues(&self, zxid: Zxid) -> bool {
        continues(self.last(), zxid)
    }

    /// The transactions behind `from`, up to and including `upto`.
    pub(super) fn between(&self, from: Zxid, upto: Zxid) -> Vec<zab::Txn<u8>> {
        let wanted =
            |txn: &&zab::Txn<u8>| txn.zxid > from && txn.zxid <= upto && txn.zxid > self.forgotten;
        self.issued.log.iter().filter(wanted).cloned().collect()
    }

    /// Delivers what the history has up to `upto`, and keeps so many delivered transactions at
    /// hand.
    pub(super) fn deliver(&mut self, upto: Zxid, window: u32) {
        let due = self.between(self.delivered, upto);
        self.delivered = due.last().map_or(self.delivered, |txn| txn.zxid);
        let kept = self.between(self.forgotten, self.delivered);
        let surplus = kept.len().saturating_sub(window as usize);
        if let Some(txn) = surplus.checked_sub(1).map(|at| &kept[at]) {
            self.forgotten = txn.zxid;
        }
    }
}

impl Turn<'_> {
    /// Expects nothing yet.
    pub(super) fn new<'a>(
        config: &'a Config,
        durable: &'a DiskImage<u8>,
        lag: u64,
        book: &Book,
    ) -> Turn<'a> {
        let expected = Expected {
            outcome: Outcome::Taken,
            outcomes: Vec::new(),
            writes: Vec::new(),
            leaves: Vec::new(),
            states: Vec::new(),
            closes: Vec::new(),
            links: Vec::new(),
            session: Vec::new(),
            reported: Vec::new(),
            synced: Vec::new(),
            role: None,
            heard: None,
        };
        Turn { config, durable, lag, book: book.clone(), expected, commands: Vec::new() }
    }

    /// The core takes an input.
    pub(super) fn core(&mut self, input: &Input) {
        self.expected.outcome = Outcome::Taken;
        let before = role(self.config, &self.book);
        match (&self.book.standing, input) {
            (Standing::Looking, Input::Elected(Decision::Lead)) => self.lead(),
            (Standing::Looking, Input::Elected(Decision::Follow(leader))) => self.follow(*leader),
            (Standing::Looking, Input::Durable) => {}
            (Standing::Down | Standing::Looking, _) => self.pass_by(),
            (Standing::Learner(learner), input) => self.learner(*learner, input),
            (Standing::Leader(leader), input) => self.leader(leader.clone(), input),
        }
        self.expected.outcomes.push(self.expected.outcome);
        let role = role(self.config, &self.book);
        if role != before {
            // Who has stopped names no epoch.
            let is_down = role == Role::Down;
            let promised = if is_down { Epoch::default() } else { self.book.issued.accepted };
            self.expected.role = Some((role, promised));
            self.dismiss_for(role);
        }
        for command in std::mem::take(&mut self.commands) {
            self.expected.links.push(command);
            if let LinkCmd::Close(peer) = command {
                self.retire(peer);
            }
        }
    }

    /// A record is due.
    pub(super) fn write(&mut self, record: Record<u8>) {
        if let Record::Snapshot { zxid } = record {
            self.book.delivered = zxid;
            self.book.forgotten = zxid;
        }
        self.book.issued.apply(&record);
        self.expected.writes.push(record);
    }

    /// A promise, or an accepted epoch.
    pub(super) fn accept(&mut self, epoch: Epoch) {
        if self.book.issued.current != epoch {
            self.write(Record::CurrentEpoch(epoch));
        }
    }

    /// Delivery is due up to here.
    pub(super) fn deliver(&mut self, upto: Zxid) {
        self.book.deliver(upto, self.config.window);
    }

    /// Nothing changes.
    pub(super) fn pass_by(&mut self) {
        self.expected.outcome = Outcome::PassedBy;
    }
}

/// Whether a transaction may stand directly behind a position: the next counter of the epoch, or
/// the first one of a later epoch. Counters begin with 1 (glossary of spec/protocol.md).
pub(super) fn continues(last: Zxid, next: Zxid) -> bool {
    let (same, later) = (next.epoch() == last.epoch(), next.epoch() > last.epoch());
    same && next.counter() == last.counter() + 1 || later && next.counter() == 1
}
