//! What is due of the connections of a server: which of them is the link to a peer, which wait for
//! that, what leaves over them and what waits for the disk. Derived from what the host promises of
//! connections (ARCHITECTURE.md, and the head of `packets.rs` there), and not from its code.

use std::collections::BTreeMap;

use zab::{Epoch, Message, Role, SessionMessage, Sid, Zxid};

use super::book::{Input, Standing, Turn};
use super::event::{Conn, Event, txn};
use super::limits::FIRST_OF_CROWD;

/// Connections that may wait under one id.
pub(super) const WAITING_MAX: usize = 32;
/// As many may wait under one id without being asked.
const UNASKED_MAX: usize = 1;

/// Whatever is known of connections.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Connections {
    /// To each peer the one that counts.
    pub(super) links: BTreeMap<Sid, Wire>,
    /// Under each id those that wait to become the link, in the order of arrival.
    pub(super) waiting: BTreeMap<Sid, Vec<Waiting>>,
}

/// A connection that waits to become the link.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Waiting {
    /// Its number.
    pub(super) number: u64,
    /// What came over it.
    pub(super) said: Vec<Message<u8>>,
    /// It was asked whether it takes part, as the link was: with LEADERINFO of this epoch.
    pub(super) told: Option<Epoch>,
}

/// A link.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Wire {
    /// Its number.
    pub(super) number: u64,
    /// What a peer that is alive answers at once.
    pub(super) question: Question,
    /// The question is LEADERINFO of this epoch, and nothing was heard since.
    proposed: Option<Epoch>,
    /// The peer was told this epoch before this became the link.
    told: Option<Epoch>,
    /// Messages behind so many records that are on their way.
    pub(super) gated: Vec<(u64, Message<u8>)>,
    /// What the packets of this link say to be committed.
    committed: Zxid,
    /// The transactions in PROPOSALs of this link behind that.
    sent: Vec<Zxid>,
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
    fn new(number: u64, told: Option<Epoch>) -> Self {
        let (committed, question) = (Zxid::ZERO, Question::None);
        let (gated, sent) = (Vec::new(), Vec::new());
        Self { number, question, proposed: None, told, gated, committed, sent }
    }

    /// Whether the message is one that the peer knows from the time when this connection waited.
    fn was_told(&self, message: &Message<u8>) -> bool {
        matches!(message, Message::LeaderInfo { epoch } if self.told == Some(*epoch))
    }

    fn ask(&mut self) {
        if self.question == Question::None {
            self.question = Question::Open;
        }
    }

    /// Whether the peer was asked while this connection waited, and no question is open.
    pub(super) fn has_answered_early(&self) -> bool {
        self.told.is_some() && self.question == Question::None
    }

    /// Something came over the link. Whether it answers a question.
    fn heard(&mut self) -> bool {
        self.proposed = None;
        std::mem::replace(&mut self.question, Question::None) != Question::None
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
            Message::Proposal(txn) => self.sent.push(txn.zxid),
            Message::Commit { zxid } => {
                let (due, behind) = self.sent.iter().partition(|&&sent| sent <= zxid);
                let due: Vec<Zxid> = due;
                self.sent = behind;
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
            Message::LeaderInfo { epoch } => {
                if self.was_told(&packets[0]) {
                    packets.clear();
                }
                self.proposed = Some(epoch);
                self.ask();
            }
            Message::Ping { .. } => self.ask(),
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
        self.waiting(conn).is_some()
    }

    /// What is known of a connection that waits.
    pub(super) fn waiting(&self, conn: Conn) -> Option<&Waiting> {
        self.waiting.get(&conn.peer)?.iter().find(|it| it.number == conn.number)
    }

    /// Whether the connection is up.
    pub(super) fn is_up(&self, conn: Conn) -> bool {
        self.is_link(conn) || self.waits(conn)
    }

    /// How many a peer has, those of the crowd left out.
    pub(super) fn of(&self, peer: Sid) -> usize {
        let waiting = self.waiting.get(&peer).into_iter().flatten().map(|it| it.number);
        let link = self.links.get(&peer).map(|wire| wire.number);
        waiting.chain(link).filter(|&number| number < FIRST_OF_CROWD).count()
    }

    /// The timers that run: of questions, and of connections that wait.
    pub(super) fn timers(&self) -> impl Iterator<Item = host::Timer> {
        let asked = self.links.iter().filter(|(_, wire)| wire.question == Question::Open);
        let asked = asked.map(|(&peer, _)| host::Timer::Answer(peer));
        let waiting = self.waiting.iter().flat_map(|(&peer, queue)| {
            queue.iter().map(move |it| host::Timer::Claim(Conn { peer, number: it.number }.link()))
        });
        asked.chain(waiting)
    }

    /// The connection does not wait any longer; false if it did not.
    fn leave(&mut self, conn: Conn) -> bool {
        let waits = self.waits(conn);
        if let Some(queue) = self.waiting.get_mut(&conn.peer) {
            queue.retain(|it| it.number != conn.number);
        }
        self.waiting.retain(|_, queue| !queue.is_empty());
        waits
    }

    /// Nobody waits under this id any longer: those who did.
    fn dismiss(&mut self, peer: Sid) -> impl Iterator<Item = Conn> + use<> {
        let queue = self.waiting.remove(&peer).unwrap_or_default();
        queue.into_iter().map(move |it| Conn { peer, number: it.number })
    }

    fn next(&mut self, peer: Sid) -> Option<Waiting> {
        let first = self.waiting.get(&peer)?.first()?.clone();
        self.leave(Conn { peer, number: first.number });
        Some(first)
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
        let wire = self.book.connections.links.get(&to);
        if behind == 0 || wire.is_some_and(|wire| wire.was_told(&message)) {
            self.say(to, message);
        } else if let Some(wire) = self.book.connections.links.get_mut(&to) {
            wire.gated.push((behind, message));
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
            Event::Elected(decision) => self.core(&Input::Elected(*decision)),
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
                    self.core(&Input::Sync(conn.peer, 0));
                }
            }
            Event::Session(peer, message) => self.core(&Input::Session(*peer, message.clone())),
            Event::Resign => self.core(&Input::Resign),
            Event::Notify(_) => self.core(&Input::Notify),
            Event::StartAgain => self.core(&Input::Start),
            Event::Crash => {}
        }
        self.look_at_waiting();
    }

    /// What the next transaction of a leader carries.
    pub(super) fn next_payload(&self) -> u8 {
        let last = self.book.last();
        txn(Zxid(last.0 + 1)).payload
    }

    /// Who follows has no place for those who take it for their leader; who leads no more, none for
    /// those who were told its epoch.
    pub(super) fn dismiss_for(&mut self, role: Role) {
        let follows = match role {
            Role::Following(_) | Role::Observing(_) => true,
            Role::Down | Role::Looking | Role::Leading => false,
        };
        for (&peer, queue) in &mut self.book.connections.waiting {
            let (out, stay) = queue.drain(..).partition(|it| follows || it.told.is_some());
            *queue = stay;
            let out: Vec<Waiting> = out;
            let out = out.iter().map(|it| Conn { peer, number: it.number });
            self.expected.closes.extend(out);
        }
        self.book.connections.waiting.retain(|_, queue| !queue.is_empty());
    }

    /// A newcomer waits, behind those who came before. If there are too many, the one that has
    /// waited longest makes room. So does a link that has left a question unanswered for a tick.
    fn opened(&mut self, conn: Conn, dialled: bool) {
        let Conn { peer, number } = conn;
        if !dialled {
            let queue = self.book.connections.waiting.entry(peer).or_default();
            if queue.len() == WAITING_MAX {
                let oldest = queue.remove(0).number;
                self.expected.closes.push(Conn { peer, number: oldest });
            }
            queue.push(Waiting { number, said: Vec::new(), told: None });
            let link = self.book.connections.links.get(&peer);
            if link.is_some_and(|wire| wire.question == Question::Overdue) && self.leads() {
                self.broke(peer);
            }
        } else if self.leads() {
            self.expected.closes.push(conn);
        } else {
            self.admit(conn, None);
        }
    }

    fn leads(&self) -> bool {
        matches!(self.book.standing, Standing::Leader(_))
    }

    /// The connection becomes the link, if this server has any use for one to that peer.
    fn admit(&mut self, conn: Conn, told: Option<Epoch>) {
        let Conn { peer, number } = conn;
        self.book.connections.links.insert(peer, Wire::new(number, told));
        self.core(&Input::Link(peer, true));
        let of_use = match &self.book.standing {
            Standing::Leader(_) => true,
            Standing::Learner(learner) => learner.leader == peer,
            Standing::Down | Standing::Looking => false,
        };
        if !of_use {
            self.retire(peer);
        }
    }

    fn take_in(&mut self, peer: Sid, one: Waiting) {
        let conn = Conn { peer, number: one.number };
        self.admit(conn, one.told);
        for message in one.said {
            self.received(conn, message);
        }
    }

    /// A leader takes in whoever waits under an id without a link, the first first. Under an id
    /// whose link has not answered LEADERINFO, it asks the same of those that have spoken, if there
    /// are several: nobody has proved to be the member.
    fn look_at_waiting(&mut self) {
        let peers: Vec<Sid> = self.book.connections.waiting.keys().copied().collect();
        for peer in peers {
            while self.leads()
                && !self.book.connections.links.contains_key(&peer)
                && let Some(one) = self.book.connections.next(peer)
            {
                self.take_in(peer, one);
            }
            let Connections { links, waiting } = &mut self.book.connections;
            let epoch = links.get(&peer).and_then(|wire| wire.proposed);
            let queue = waiting.get_mut(&peer).filter(|queue| queue.len() > UNASKED_MAX);
            let (Some(epoch), Some(queue)) = (epoch, queue) else { continue };
            for one in queue.iter_mut().filter(|it| it.told.is_none() && !it.said.is_empty()) {
                one.told = Some(epoch);
                let conn = Conn { peer, number: one.number };
                self.expected.leaves.push((conn, Message::LeaderInfo { epoch }));
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

    /// Over a connection that waits one message may come, and behind it the answer, if it was
    /// asked: then it is the link, and the one that has not answered is not. Over one that is gone
    /// none may come.
    fn received(&mut self, conn: Conn, message: Message<u8>) {
        let Conn { peer, number } = conn;
        let leads = self.leads();
        let connections = &mut self.book.connections;
        let queue = connections.waiting.get_mut(&peer);
        if let Some(one) = queue.and_then(|queue| queue.iter_mut().find(|it| it.number == number)) {
            let is_first = one.said.is_empty();
            one.said.push(message);
            if is_first {
                return;
            }
            let one = one.clone();
            connections.leave(conn);
            let answers = matches!(one.said[1], Message::AckEpoch { .. });
            if one.told.is_none() || !answers {
                self.expected.closes.push(conn);
                return;
            }
            if leads && connections.links.contains_key(&peer) {
                self.broke(peer);
            }
            return self.take_in(peer, one);
        }
        let Some(wire) = connections.links.get_mut(&peer).filter(|wire| wire.number == number)
        else {
            return;
        };
        let answered = wire.heard();
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
