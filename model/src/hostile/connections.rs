//! What is due of the connections of a server: which of them is the link to a peer, which wait for
//! that, what leaves over them and what waits for the disk. Derived from what the host promises of
//! connections (ARCHITECTURE.md, and the head of `packets.rs` there), and not from its code.

use std::collections::BTreeMap;

use zab::{Decision, Message, SessionMessage, Sid, Zxid};

use super::book::{Input, Standing, Turn};
use super::event::{Conn, Event, txn};

/// Connections that may wait under one id.
const WAITING_MAX: usize = 4;

/// Whatever is known of connections.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Connections {
    /// To each peer the one that counts.
    pub(super) links: BTreeMap<Sid, Wire>,
    /// Under each id those that wait to become the link, in the order of arrival, with what was
    /// said over them.
    pub(super) waiting: BTreeMap<Sid, Vec<(u64, Option<Message<u8>>)>>,
}

/// A link.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Wire {
    /// Its number.
    pub(super) number: u64,
    /// What a peer that is alive answers at once.
    pub(super) question: Question,
    /// Messages behind so many records that are on their way.
    pub(super) gated: Vec<(u64, Message<u8>)>,
    /// What the packets of this link say to be committed.
    committed: Zxid,
    /// The transactions in PROPOSALs of this link behind that.
    proposed: Vec<Zxid>,
}

/// Whether a question is open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Question {
    /// No.
    None,
    /// For less than a tick.
    Open,
    /// For a tick.
    Overdue,
}

impl Wire {
    fn new(number: u64) -> Self {
        let (committed, question) = (Zxid::ZERO, Question::None);
        Self { number, question, gated: Vec::new(), committed, proposed: Vec::new() }
    }

    /// The packets of a message, as their receiver reads them: each transaction that it is sent is
    /// committed by a COMMIT of its own, at once if it was said to be committed before; and what it
    /// was sent over an earlier connection is committed as well.
    fn packets(&mut self, message: Message<u8>) -> Vec<Message<u8>> {
        let mut packets = vec![message.clone()];
        match message {
            Message::Diff { committed } | Message::Trunc { committed, .. } => {
                self.committed = committed;
            }
            Message::Snap { zxid } => self.committed = zxid,
            Message::Proposal(txn) if txn.zxid <= self.committed => {
                packets.push(Message::Commit { zxid: txn.zxid });
            }
            Message::Proposal(txn) => self.proposed.push(txn.zxid),
            Message::Commit { zxid } => {
                let (due, behind) = self.proposed.iter().partition(|&&sent| sent <= zxid);
                let due: Vec<Zxid> = due;
                self.proposed = behind;
                packets = due.iter().map(|&zxid| Message::Commit { zxid }).collect();
                if due.last() != Some(&zxid) {
                    packets.push(Message::Commit { zxid });
                }
                self.committed = zxid;
            }
            // An ACK without a counter names an epoch.
            Message::Ack { zxid } if zxid.counter() == 0 => {
                packets = vec![Message::AckNewLeader { epoch: zxid.epoch() }];
            }
            // What it is answered with is known to whoever asked.
            Message::Session(SessionMessage::Sync(_)) => {
                packets = vec![Message::Session(SessionMessage::Sync(0))];
            }
            Message::LeaderInfo { .. } | Message::Ping { .. } => {
                if self.question == Question::None {
                    self.question = Question::Open;
                }
            }
            Message::LearnerInfo { .. }
            | Message::AckEpoch { .. }
            | Message::NewLeader { .. }
            | Message::AckNewLeader { .. }
            | Message::UpToDate
            | Message::Ack { .. }
            | Message::Inform(_)
            | Message::Session(SessionMessage::Request(_) | SessionMessage::Revalidate(_)) => {}
        }
        packets
    }
}

impl Connections {
    /// Whether this connection is the link to its peer.
    pub(super) fn is_link(&self, conn: Conn) -> bool {
        self.links.get(&conn.peer).is_some_and(|wire| wire.number == conn.number)
    }

    /// Whether this connection waits.
    pub(super) fn waits(&self, conn: Conn) -> bool {
        let queue = self.waiting.get(&conn.peer);
        queue.is_some_and(|queue| queue.iter().any(|(number, _)| *number == conn.number))
    }

    /// Whether the connection is up.
    pub(super) fn is_up(&self, conn: Conn) -> bool {
        self.is_link(conn) || self.waits(conn)
    }

    /// How many a peer has.
    pub(super) fn of(&self, peer: Sid) -> usize {
        self.waiting.get(&peer).map_or(0, Vec::len) + usize::from(self.links.contains_key(&peer))
    }

    /// The timers that run: of questions, and of connections that wait.
    pub(super) fn timers(&self) -> impl Iterator<Item = host::Timer> {
        let asked = self.links.iter().filter(|(_, wire)| wire.question == Question::Open);
        let asked = asked.map(|(&peer, _)| host::Timer::Answer(peer));
        let waiting = self.waiting.iter().flat_map(|(&peer, queue)| {
            queue
                .iter()
                .map(move |(number, _)| host::Timer::Claim(Conn { peer, number: *number }.link()))
        });
        asked.chain(waiting)
    }

    /// The connection does not wait any longer; false if it did not.
    fn leave(&mut self, conn: Conn) -> bool {
        let waits = self.waits(conn);
        if let Some(queue) = self.waiting.get_mut(&conn.peer) {
            queue.retain(|(number, _)| *number != conn.number);
        }
        self.waiting.retain(|_, queue| !queue.is_empty());
        waits
    }

    /// Nobody waits under this id any longer: those who did.
    fn dismiss(&mut self, peer: Sid) -> impl Iterator<Item = Conn> + use<> {
        let queue = self.waiting.remove(&peer).unwrap_or_default();
        queue.into_iter().map(move |(number, _)| Conn { peer, number })
    }

    fn next(&mut self, peer: Sid) -> Option<(Conn, Option<Message<u8>>)> {
        let (number, said) = self.waiting.get(&peer)?.first()?.clone();
        let conn = Conn { peer, number };
        self.leave(conn);
        Some((conn, said))
    }
}

impl Turn<'_> {
    /// A message is due at once.
    pub(super) fn say(&mut self, to: Sid, message: Message<u8>) {
        let Some(wire) = self.book.connections.links.get_mut(&to) else { return };
        let conn = Conn { peer: to, number: wire.number };
        if let Message::Snap { zxid } = message {
            self.expected.states.push((conn, zxid));
        }
        let packets = wire.packets(message);
        self.expected.leaves.extend(packets.into_iter().map(|message| (conn, message)));
    }

    /// A message is due as soon as everything issued so far is durable.
    pub(super) fn say_when_durable(&mut self, to: Sid, message: Message<u8>) {
        let behind = self.lag + self.expected.writes.len() as u64;
        if behind == 0 {
            self.say(to, message);
        } else if let Some(wire) = self.book.connections.links.get_mut(&to) {
            wire.gated.push((behind, message));
        }
    }

    /// A sync is answered over the connection that asked for it, or not at all.
    pub(super) fn answer_sync(&mut self, to: Sid, number: u8) {
        if self.book.connections.is_link(Conn { peer: to, number: number.into() }) {
            self.say(to, Message::Session(SessionMessage::Sync(number)));
        }
    }

    /// The session layer is told what came over a link.
    pub(super) fn session(&mut self, from: Sid, message: &SessionMessage<u8>) {
        if let Some(wire) = self.book.connections.links.get(&from) {
            let conn = Conn { peer: from, number: wire.number };
            self.expected.session.push((conn, message.clone()));
        }
    }

    /// What is due at an event.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Elected(decision) => self.elected(*decision),
            Event::Opened(conn, dialled) => self.opened(*conn, *dialled),
            Event::Closed(conn) => {
                if !self.book.connections.leave(*conn) && self.book.connections.is_link(*conn) {
                    self.broke(conn.peer);
                }
            }
            Event::Unreachable(peer) => self.core(&Input::Link(*peer, false)),
            Event::Recv(conn, message @ Message::Snap { .. }) => {
                if self.book.connections.is_link(*conn) {
                    self.core(&Input::Recv(conn.peer, message.clone()));
                }
            }
            Event::Recv(conn, message) => self.received(*conn, message.clone()),
            Event::Bare(conn, zxid) => self.received(*conn, Message::Snap { zxid: *zxid }),
            Event::Timer(timer) => self.core(&Input::Timer(*timer)),
            Event::Unanswered(peer) => self.unanswered(*peer),
            Event::WaitedTooLong(conn) => {
                if self.book.connections.leave(*conn) {
                    self.expected.closes.push(*conn);
                }
            }
            Event::Disk(records) => self.disk(u64::from(*records)),
            Event::DurableAgain | Event::DurableBeyond => self.core(&Input::DurableNever),
            Event::Propose => self.core(&Input::Propose(self.next_payload())),
            Event::Sync => self.core(&Input::Sync(self.config.me, Event::SYNC_BODY)),
            Event::SyncFor(conn) => {
                if self.book.connections.is_link(*conn) {
                    self.core(&Input::Sync(conn.peer, conn.number as u8));
                }
            }
            Event::Session(peer, message) => self.core(&Input::Session(*peer, message.clone())),
            Event::Resign => self.core(&Input::Resign),
            Event::Notify(_) => self.core(&Input::Notify),
            Event::StartAgain => self.core(&Input::Start),
            Event::Crash => {}
        }
        self.admit_waiting();
    }

    /// What the next transaction of a leader carries.
    pub(super) fn next_payload(&self) -> u8 {
        let last = self.book.last();
        txn(Zxid(last.0 + 1)).payload
    }

    /// Who follows has no place for those who take it for their leader.
    fn elected(&mut self, decision: Decision) {
        let looks = self.book.standing == Standing::Looking;
        self.core(&Input::Elected(decision));
        if looks && matches!(decision, Decision::Follow(_)) {
            let peers: Vec<Sid> = self.book.connections.waiting.keys().copied().collect();
            for peer in peers {
                self.expected.closes.extend(self.book.connections.dismiss(peer));
            }
        }
    }

    /// A newcomer waits, behind those who came before; a link that has left a question unanswered
    /// for a tick makes room.
    fn opened(&mut self, conn: Conn, dialled: bool) {
        let Conn { peer, number } = conn;
        if !dialled {
            let queue = self.book.connections.waiting.entry(peer).or_default();
            if queue.len() == WAITING_MAX {
                self.expected.closes.push(conn);
                return;
            }
            queue.push((number, None));
            let link = self.book.connections.links.get(&peer);
            if link.is_some_and(|wire| wire.question == Question::Overdue) && self.leads() {
                self.broke(peer);
            }
        } else if self.leads() {
            self.expected.closes.push(conn);
        } else {
            self.admit(conn);
            let of_use = match &self.book.standing {
                Standing::Learner(learner) => learner.leader == peer,
                Standing::Down | Standing::Looking | Standing::Leader(_) => false,
            };
            if !of_use {
                self.retire(peer);
            }
        }
    }

    fn leads(&self) -> bool {
        matches!(self.book.standing, Standing::Leader(_))
    }

    fn admit(&mut self, conn: Conn) {
        self.book.connections.links.insert(conn.peer, Wire::new(conn.number));
        self.core(&Input::Link(conn.peer, true));
    }

    /// A leader takes in whoever waits under an id without a link, the first first.
    fn admit_waiting(&mut self) {
        let peers: Vec<Sid> = self.book.connections.waiting.keys().copied().collect();
        for peer in peers {
            while self.leads()
                && !self.book.connections.links.contains_key(&peer)
                && let Some((conn, said)) = self.book.connections.next(peer)
            {
                self.admit(conn);
                if let Some(message) = said {
                    self.received(conn, message);
                }
            }
        }
    }

    /// The link is closed. What waits for the disk never leaves.
    pub(super) fn retire(&mut self, peer: Sid) {
        if let Some(wire) = self.book.connections.links.remove(&peer) {
            self.expected.closes.push(Conn { peer, number: wire.number });
        }
    }

    fn broke(&mut self, peer: Sid) {
        self.retire(peer);
        self.core(&Input::Link(peer, false));
    }

    /// Only who was asked something can have failed to answer, and only for a newcomer does it
    /// matter so early.
    fn unanswered(&mut self, peer: Sid) {
        let leads = self.leads();
        let connections = &mut self.book.connections;
        let Some(wire) = connections.links.get_mut(&peer) else { return };
        if wire.question != Question::None {
            wire.question = Question::Overdue;
            if leads && connections.waiting.contains_key(&peer) {
                self.broke(peer);
            }
        }
    }

    /// Over a connection that waits one message may come, and over one that is gone none.
    fn received(&mut self, conn: Conn, message: Message<u8>) {
        let Conn { peer, number } = conn;
        let connections = &mut self.book.connections;
        let queue = connections.waiting.get_mut(&peer);
        let waits = queue.and_then(|queue| queue.iter_mut().find(|it| it.0 == number));
        if let Some((_, said)) = waits {
            if said.is_none() {
                *said = Some(message);
            } else {
                connections.leave(conn);
                self.expected.closes.push(conn);
            }
            return;
        }
        let Some(wire) = connections.links.get_mut(&peer).filter(|wire| wire.number == number)
        else {
            return;
        };
        let answered = std::mem::replace(&mut wire.question, Question::None) != Question::None;
        if let Message::Ping { body: Some(sessions) } = &message {
            self.expected.reported.push((peer, *sessions));
        }
        if matches!(message, Message::Snap { .. }) && !self.leads() {
            return self.broke(peer);
        }
        self.core(&Input::Recv(peer, message));
        // Whoever answers, and is not refused, is the member: nobody else can be.
        if answered && self.leads() && self.book.connections.is_link(conn) {
            self.expected.closes.extend(self.book.connections.dismiss(peer));
        }
    }

    /// What has waited for these records leaves, before anything that comes of them.
    fn disk(&mut self, records: u64) {
        let peers: Vec<Sid> = self.book.connections.links.keys().copied().collect();
        for peer in peers {
            let Some(wire) = self.book.connections.links.get_mut(&peer) else { continue };
            let gated = std::mem::take(&mut wire.gated);
            let (due, later): (Vec<_>, Vec<_>) =
                gated.into_iter().partition(|(behind, _)| *behind <= records);
            wire.gated = later.into_iter().map(|(behind, said)| (behind - records, said)).collect();
            for (_, message) in due {
                self.say(peer, message);
            }
        }
        self.core(&Input::Durable);
    }
}
