//! The session layer of a server: what a deployed one does for clients, around the rules of the
//! crate `order`.
//!
//! Its tree is a register: what the last transaction has written. A client is told things over its
//! connection ([`Said`]); it hears them at once, and what it asks is taken at once. (Time on the
//! way there or back would only let a client expect less.)

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;

use host::{Event, Link};
use order::{OnceApplied, Pending, Ready, Renewals};
use serde::{Deserialize, Serialize};
use zab::{Role, SessionMessage, Sid, Zxid};

use super::machine::{Machine, Txn};
use super::node::{Effects, Node};
use super::payload::{ClientWrite, Forwarded, Origin, Over, SessionWord, forwarded};

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Asking {
    /// It writes what nobody has written.
    Write,
    /// Its reads are to see everything that is committed.
    Sync,
    /// It reads.
    Read,
    /// It reads, and watches what it has read.
    Watch,
}

/// What a server tells a client over a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Said {
    /// The session goes on over this connection.
    Begins,
    /// The connection ends.
    Ends,
    /// What the client watches has changed.
    Event,
    /// The answer to the request with this number: the server's last transaction is this one.
    Answer(u8, Zxid, Answer),
}

/// What an answer says, besides the zxid of that moment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Answer {
    /// This was written.
    Written(ClientWrite),
    /// A sync is done.
    Synced,
    /// What the tree holds, and which of the client's own writes are part of it, a bit each.
    Read(Origin, u8),
}

/// The requests of a connection. A read keeps whether it sets a watch.
type Requests = Pending<(), (), bool, Said, Infallible>;

/// What a server does for sessions.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Layer {
    slow: bool,
    service: Service,
    /// The connection that each session has here.
    local: BTreeMap<u8, Connected>,
    /// The connection of each session that waits until the session may go on over it.
    renewing: BTreeMap<u8, u8>,
    /// How much of what is delivered is not applied yet: the tree holds the rest.
    behind: usize,
    /// What happens once that is applied which is committed now.
    due: OnceApplied<Zxid, Due>,
    /// What the session layer was told, and has not handled.
    messages: VecDeque<(Link, SessionMessage<Origin>)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
enum Service {
    /// No established leader.
    #[default]
    None,
    /// There is one, and not everything that it has committed is applied here.
    CatchingUp,
    Leader {
        /// Who acts for each session, as far as this leader has heard.
        owners: BTreeMap<u8, Owner>,
        renewals: Renewals<Zxid, Renewal>,
    },
    Learner {
        leader: Sid,
        /// Connections whose sync was forwarded, in order: SYNC releases the oldest.
        syncs: VecDeque<Over>,
        /// Connections about whose session the leader is asked, in order.
        questions: VecDeque<Over>,
    },
}

/// What happens once everything is applied that was committed before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Due {
    /// From here on clients are served.
    Established,
    /// The oldest sync of this connection is confirmed.
    Synced(Over),
    /// The session may go on over this connection.
    Renewed(Over),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Connected {
    number: u8,
    watches: bool,
    requests: Requests,
}

/// A server that acts for a session, as the leader knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Owner {
    Leader,
    Learner(Sid),
}

/// A renewal that the leader has granted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Renewal {
    client: u8,
    asker: Asker,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Asker {
    /// A client of the leader itself, over its connection with this number.
    Client(u8),
    /// A learner, over this connection.
    Learner(Link),
}

impl Asker {
    fn owner(self) -> Owner {
        match self {
            Self::Client(_) => Owner::Leader,
            Self::Learner(link) => Owner::Learner(link.peer),
        }
    }
}

impl Layer {
    /// True if clients may attach here.
    pub fn serves(&self) -> bool {
        match self.service {
            Service::None | Service::CatchingUp => false,
            Service::Leader { .. } | Service::Learner { .. } => true,
        }
    }

    /// Whether it has yet to apply what everybody may be told.
    fn is_catching_up(&self) -> bool {
        match self.service {
            Service::CatchingUp => true,
            Service::None | Service::Leader { .. } | Service::Learner { .. } => false,
        }
    }

    /// True if something is delivered that is not part of the tree.
    pub fn is_behind(&self) -> bool {
        self.behind > 0
    }

    /// Whether it lets transactions wait when a turn is over.
    pub fn is_slow(&self) -> bool {
        self.slow
    }

    /// The session layer of a server that starts. `slow`: see [`Self::is_slow`].
    pub fn new(slow: bool) -> Self {
        Self { slow, ..Self::default() }
    }

    /// The connections that it has, or is about to have.
    pub fn connections(&self) -> impl Iterator<Item = Over> {
        let local = self.local.iter().map(|(&client, connected)| (client, connected.number));
        let renewing = self.renewing.iter().map(|(&client, &connection)| (client, connection));
        local.chain(renewing).map(|(client, connection)| Over { client, connection })
    }

    /// The same among servers with other names.
    #[must_use]
    pub fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Self {
        let owned = |owner: Owner| match owner {
            Owner::Leader => owner,
            Owner::Learner(sid) => Owner::Learner(name(sid)),
        };
        let asked = |renewal: &Renewal| match renewal.asker {
            Asker::Client(_) => *renewal,
            Asker::Learner(link) => {
                let asker = Asker::Learner(Link { peer: name(link.peer), ..link });
                Renewal { asker, ..*renewal }
            }
        };
        let service = match &self.service {
            Service::None => Service::None,
            Service::CatchingUp => Service::CatchingUp,
            Service::Leader { owners, renewals } => {
                let mut renamed = Renewals::default();
                renewals.granted().for_each(|(last, one)| renamed.grant(*last, asked(one)));
                let owners = owners.iter().map(|(&client, &owner)| (client, owned(owner)));
                Service::Leader { owners: owners.collect(), renewals: renamed }
            }
            Service::Learner { leader, syncs, questions } => Service::Learner {
                leader: name(*leader),
                syncs: syncs.clone(),
                questions: questions.clone(),
            },
        };
        let renamed = |link: Link| Link { peer: name(link.peer), ..link };
        let messages = self.messages.iter();
        let messages = messages.map(|(link, message)| (renamed(*link), message.clone())).collect();
        Self { service, messages, ..self.clone() }
    }

    /// The connection with this number, if the session has it here.
    fn connected(&mut self, over: Over) -> Option<&mut Connected> {
        self.local.get_mut(&over.client).filter(|it| it.number == over.connection)
    }
}

impl<M: Machine> Node<M> {
    /// Its session layer.
    ///
    /// # Panics
    /// If the cluster has no clients.
    fn layer(&mut self) -> &mut Layer {
        self.layer.as_mut().expect("only a cluster with clients has sessions")
    }

    // ---- clients

    /// A client attaches. `is_new`: its session begins here. False if nobody serves here.
    pub(super) fn attach(
        &mut self,
        me: Sid,
        over: Over,
        is_new: bool,
        effects: &mut Effects,
    ) -> bool {
        if !self.layer().serves() {
            return false;
        }
        let Over { client, connection } = over;
        if is_new {
            // The transaction that creates the session is left out: it tells no client anything.
            self.begins(over, effects);
            return true;
        }
        self.drop_connection(client, effects);
        // Of the session's connections to this server the newest counts.
        self.layer().renewing.insert(client, connection);
        match &mut self.layer().service {
            Service::None | Service::CatchingUp => {}
            Service::Leader { .. } => self.renew(me, client, Asker::Client(connection), effects),
            Service::Learner { leader, questions, .. } => {
                questions.push_back(over);
                let leader = *leader;
                self.tell(me, leader, client, SessionWord::Asked, effects);
            }
        }
        true
    }

    /// A client's connection ends at the client.
    pub(super) fn detach(&mut self, over: Over) {
        let layer = self.layer();
        if layer.connected(over).is_some() {
            layer.local.remove(&over.client);
        }
        layer.renewing.retain(|&client, &mut connection| Over { client, connection } != over);
    }

    /// A client asks. False if nothing more is taken from it now.
    pub(super) fn ask(
        &mut self,
        me: Sid,
        over: Over,
        (xid, number, asking): (u8, u8, Asking),
        effects: &mut Effects,
    ) -> bool {
        let is_sync = asking == Asking::Sync;
        let Some(connected) = self.layer().connected(over) else { return false };
        let requests = &mut connected.requests;
        if !requests.takes_more(is_sync) {
            return false;
        }
        let client = over.client;
        match asking {
            Asking::Write => {
                requests.push_write(i32::from(xid), ());
                let write = ClientWrite { client, xid, number };
                match self.layer().service {
                    Service::None | Service::CatchingUp => {}
                    Service::Leader { .. } => self.prepare(me, write, Owner::Leader, effects),
                    Service::Learner { leader, .. } => {
                        self.forward(me, leader, Origin::request(write), effects);
                    }
                }
            }
            Asking::Sync => {
                requests.push_sync(i32::from(xid), ());
                match &mut self.layer().service {
                    Service::None | Service::CatchingUp => {}
                    Service::Leader { .. } => {
                        let body = Origin::of_connection(over);
                        self.happens(me, Event::Sync { body }, effects);
                    }
                    Service::Learner { leader, syncs, .. } => {
                        syncs.push_back(over);
                        let leader = *leader;
                        self.forward(me, leader, Origin::sync_request(client), effects);
                    }
                }
            }
            Asking::Read | Asking::Watch => {
                let watches = asking == Asking::Watch;
                if requests.answers_at_once(false) {
                    self.say_read(over, i32::from(xid), watches, effects);
                } else {
                    requests.push_read(i32::from(xid), watches, false);
                }
            }
        }
        true
    }

    fn forward(&mut self, me: Sid, peer: Sid, packets: Origin, effects: &mut Effects) {
        let message = SessionMessage::Request(packets);
        self.happens(me, Event::Session { peer, message }, effects);
    }

    /// The leader turns a request into a transaction, unless the session has moved.
    fn prepare(&mut self, me: Sid, write: ClientWrite, owner: Owner, effects: &mut Effects) {
        let Service::Leader { owners, .. } = &mut self.layer().service else { return };
        if *owners.entry(write.client).or_insert(owner) == owner {
            self.happens(me, Event::Propose(Origin::of_write(write)), effects);
        }
    }

    // ---- what the host asks for

    /// A message for the session layer.
    pub(super) fn hear(&mut self, link: Link, message: SessionMessage<Origin>) {
        if let Some(layer) = &mut self.layer {
            layer.messages.push_back((link, message));
        }
    }

    /// The leader's own sync is confirmed.
    pub(super) fn sync_confirmed(&mut self, body: Origin) {
        if self.layer.is_some() {
            self.once_applied(Due::Synced(body.connection()));
        }
    }

    /// The role has changed.
    pub(super) fn role_changed(&mut self, role: Role, effects: &mut Effects) {
        match role {
            Role::Looking => self.stop_serving(effects),
            Role::Down | Role::Following(_) | Role::Observing(_) | Role::Leading => {}
        }
    }

    /// Clients are served once what is committed is applied.
    pub(super) fn established(&mut self) {
        if self.layer.is_some() {
            self.layer().service = Service::CatchingUp;
            self.once_applied(Due::Established);
        }
    }

    /// From here on clients are served.
    fn serve_from(&mut self) {
        let service = match self.core().zab().role() {
            Role::Leading => {
                Service::Leader { owners: BTreeMap::new(), renewals: Renewals::default() }
            }
            Role::Following(leader) | Role::Observing(leader) => {
                let (syncs, questions) = (VecDeque::new(), VecDeque::new());
                Service::Learner { leader, syncs, questions }
            }
            Role::Down | Role::Looking => return,
        };
        self.layer().service = service;
    }

    /// Nobody is served any more, and every connection ends.
    pub(super) fn stop_serving(&mut self, effects: &mut Effects) {
        let Some(layer) = &mut self.layer else { return };
        effects.told.extend(layer.connections().map(|over| (over, Said::Ends)));
        layer.service = Service::None;
        layer.messages.clear();
        layer.due.clear();
        layer.local.clear();
        layer.renewing.clear();
    }

    /// The end of a turn: what the session layer was told is handled, renewals are confirmed, and
    /// everything that is delivered is applied if there is time for it.
    pub(super) fn end_turn(&mut self, me: Sid, has_time: bool, effects: &mut Effects) {
        while let Some(layer) = self.layer.as_mut().filter(|layer| !layer.is_catching_up())
            && let Some((link, message)) = layer.messages.pop_front()
        {
            // What came over a connection that is gone is nobody's request any more.
            if self.host.is_link(link) {
                self.session_message(me, link, message, effects);
            }
        }
        self.confirm_renewals(me, effects);
        self.do_due(effects);
        if has_time {
            self.apply_committed(effects);
        }
        if let Some(layer) = &mut self.layer {
            layer.local.values_mut().for_each(|connected| connected.requests.renumber());
        }
    }

    fn session_message(
        &mut self,
        me: Sid,
        link: Link,
        message: SessionMessage<Origin>,
        effects: &mut Effects,
    ) {
        match message {
            SessionMessage::Request(packets) => {
                for request in forwarded(packets) {
                    match request {
                        Forwarded::Sync => self.happens(me, Event::SyncFor(link), effects),
                        Forwarded::Write(write) => {
                            self.prepare(me, write, Owner::Learner(link.peer), effects);
                        }
                    }
                }
            }
            SessionMessage::Revalidate(body) => match body.renewal() {
                Some((client, SessionWord::Asked)) => {
                    self.renew(me, client, Asker::Learner(link), effects);
                }
                Some((client, SessionWord::Granted)) => self.revalidated(client),
                Some((client, SessionWord::Moved)) => self.drop_connection(client, effects),
                None => {}
            },
            SessionMessage::Sync(_) => {
                if let Service::Learner { syncs, .. } = &mut self.layer().service
                    && let Some(over) = syncs.pop_front()
                {
                    self.once_applied(Due::Synced(over));
                }
            }
        }
    }

    // ---- answers

    fn trigger(&mut self, effects: &mut Effects) {
        for (&client, connected) in &mut self.layer().local {
            if std::mem::take(&mut connected.watches) {
                let over = Over { client, connection: connected.number };
                effects.told.push((over, Said::Event));
            }
        }
    }

    fn answer(&mut self, txn: &Txn, effects: &mut Effects) {
        let Some(write) = txn.payload.write() else { return };
        let Some(connected) = self.layer().local.get_mut(&write.client) else { return };
        let over = Over { client: write.client, connection: connected.number };
        let requests = &mut connected.requests;
        let Some(completed) = requests.complete_write(i32::from(write.xid), |()| true) else {
            return;
        };
        let said = Said::Answer(number(completed.xid), txn.zxid, Answer::Written(write));
        if requests.is_due(&completed) {
            requests.pop_due();
            effects.told.push((over, said));
        } else {
            requests.answer(&completed, said, false);
        }
        self.answer_ready(over, effects);
    }

    fn sync_done(&mut self, over: Over, effects: &mut Effects) {
        let last = self.last_applied();
        let Some(connected) = self.layer().connected(over) else { return };
        let requests = &mut connected.requests;
        let Some(completed) = requests.complete_sync() else { return };
        if requests.is_due(&completed) {
            requests.pop_due();
            let said = Said::Answer(number(completed.xid), last, Answer::Synced);
            effects.told.push((over, said));
        } else {
            requests.keep_sync(completed);
        }
        self.answer_ready(over, effects);
    }

    /// Answers the oldest requests, as far as nothing has to be waited for.
    fn answer_ready(&mut self, over: Over, effects: &mut Effects) {
        let last = self.last_applied();
        while let Some(ready) =
            self.layer().connected(over).and_then(|connected| connected.requests.pop_ready())
        {
            match ready {
                Ready::Answered { answer, ends: _ } => effects.told.push((over, answer)),
                Ready::Read { xid, asked: watches, is_costly: _ } => {
                    self.say_read(over, xid, watches, effects);
                }
                Ready::Synced { xid, asked: () } => {
                    let said = Said::Answer(number(xid), last, Answer::Synced);
                    effects.told.push((over, said));
                }
            }
        }
    }

    fn say_read(&mut self, over: Over, xid: i32, watches: bool, effects: &mut Effects) {
        let own = self.tree().iter().filter_map(|txn| txn.payload.write());
        let own = own.filter(|write| write.client == over.client);
        let own = own.fold(0, |bits, write| bits | 1 << write.number);
        let value = self.tree().last().map_or(Origin::default(), |txn| txn.payload);
        let said = Said::Answer(number(xid), self.last_applied(), Answer::Read(value, own));
        effects.told.push((over, said));
        if let Some(connected) = self.layer().connected(over) {
            connected.watches |= watches;
        }
    }

    /// The zxid of the last transaction in the tree.
    pub fn last_applied(&self) -> Zxid {
        self.tree().last().map_or(Zxid::ZERO, |txn| txn.zxid)
    }
}

fn number(xid: i32) -> u8 {
    u8::try_from(xid).unwrap_or(u8::MAX)
}

mod applying;
mod renewal;
