//! What an outsider can know of a server: what it issued to its disk, what it delivered, and what
//! its peers were told and have said. The words in which [`super::learner`] and [`super::leader`]
//! say what is in order.

use zab::{Config, DiskImage, Epoch, LinkCmd, Message, Record, SessionMessage, Sid, Timer, Zxid};

use super::leader::Leader;
use super::learner::Learner;

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

/// What has to leave a server after an input.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// See there.
    pub(super) outcome: Outcome,
    /// Records, in order.
    pub(super) writes: Vec<Record<u8>>,
    /// Messages, in order for each receiver; true if everything issued so far has to be durable
    /// before.
    pub(super) sends: Vec<(Sid, Message<u8>, bool)>,
    /// Links to open and close, in any order.
    pub(super) links: Vec<LinkCmd>,
    /// Messages for the session layer.
    pub(super) session: Vec<(Sid, SessionMessage<u8>)>,
    /// Syncs of the server's own session layer.
    pub(super) synced: Vec<u8>,
    /// The time limit that begins anew because the peer was heard.
    pub(super) heard: Option<Timer>,
}

/// One input being judged: the book as it will be, and what is expected.
pub(super) struct Turn<'a> {
    /// The server's constants.
    pub(super) config: &'a Config,
    /// What is on disk now.
    pub(super) durable: &'a DiskImage<u8>,
    /// What was known; then, what is.
    pub(super) book: Book,
    /// What has to leave.
    pub(super) expected: Expected,
}

impl Book {
    /// Of a server that starts from this disk: only what the snapshot holds is delivered (P4.4).
    pub(super) fn new(image: &DiskImage<u8>) -> Self {
        Self {
            issued: image.clone(),
            delivered: image.snapshot,
            forgotten: image.snapshot,
            standing: Standing::Looking,
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
    pub(super) fn new<'a>(config: &'a Config, durable: &'a DiskImage<u8>, book: &Book) -> Turn<'a> {
        let expected = Expected {
            outcome: Outcome::Taken,
            writes: Vec::new(),
            sends: Vec::new(),
            links: Vec::new(),
            session: Vec::new(),
            synced: Vec::new(),
            heard: None,
        };
        Turn { config, durable, book: book.clone(), expected }
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

    /// A message is due at once.
    pub(super) fn say(&mut self, to: Sid, message: Message<u8>) {
        self.expected.sends.push((to, message, false));
    }

    /// A message is due as soon as everything issued so far is durable.
    pub(super) fn say_when_durable(&mut self, to: Sid, message: Message<u8>) {
        self.expected.sends.push((to, message, true));
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
