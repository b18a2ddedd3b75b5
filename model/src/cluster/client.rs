//! Clients: what each has asked and seen, and what it may expect.
//!
//! A client has one session for ever. It asks over one connection at a time, and may move. The
//! order of transactions is that of their zxids, which other properties are about: so what a client
//! may expect is said by zxids.

use zab::{Sid, Zxid};

use super::history::History;
use super::limits::ClientLimits;
use super::mark::Mark;
use super::payload::{ATTACHMENTS_MAX, ClientWrite, Over, REQUESTS_MAX, WRITES_MAX};
use super::property::Property;
use super::session::{Answer, Asking, Said};

/// The clients of a cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Clients {
    /// Each of them.
    pub each: Vec<Client>,
    /// How often clients may still attach again.
    pub moves: u8,
    /// The largest zxid that any of them was told.
    pub told: Zxid,
    /// Everything that writes and synced reads have said, if that is kept.
    pub history: Option<History>,
}

/// A client, and its session.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Client {
    /// The server that it is connected to.
    pub at: Option<Sid>,
    /// The number of that connection, or of the last one; 0 if it never had one.
    pub connection: u8,
    /// The session goes on over the connection.
    pub begun: bool,
    /// Requests that it may still ask.
    pub left: u8,
    /// The number of its last request over this connection.
    xid: u8,
    /// How many writes it has asked for.
    writes: u8,
    /// Its writes that were acknowledged, a bit each.
    acknowledged: u8,
    /// The largest zxid that it was told: `lastZxidSeen`.
    seen: Zxid,
    /// Its last sync that was answered came when some client had been told this zxid.
    synced: Zxid,
    /// The zxid at which the tree was read that it watches.
    watch: Option<Zxid>,
    /// Requests without an answer, oldest first.
    pub waiting: Vec<Waiting>,
}

/// A request without an answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Waiting {
    xid: u8,
    /// Which of all its client's requests it is.
    place: u8,
    asked: Asked,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Asked {
    /// A write with this number; when it was asked, some client had been told this zxid.
    Write(u8, Zxid),
    /// The same of a sync.
    Sync(Zxid),
    /// A read, which has to see these writes of its client; whether it sets a watch.
    Read(u8, bool),
}

/// Coverage and violations.
type Taken = (u128, u64);

impl Clients {
    /// Clients that never attached; `None` if there are none.
    pub fn new(limits: &ClientLimits) -> Option<Self> {
        let client = Client { left: limits.ops, ..Client::default() };
        (limits.clients > 0).then(|| Self {
            each: vec![client; usize::from(limits.clients)],
            moves: limits.moves,
            told: Zxid::ZERO,
            history: limits.histories.then(History::new),
        })
    }

    /// The same among servers with other names.
    #[must_use]
    pub fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Self {
        let mut clients = self.clone();
        for client in &mut clients.each {
            client.at = client.at.map(name);
        }
        clients
    }

    /// The present connection of a client.
    pub fn over(&self, client: u8) -> Over {
        Over { client, connection: self.each[usize::from(client)].connection }
    }

    /// The clients after this one attaches to a server that shows everything up to `last`; `None`
    /// if it does not. A server that shows less than the client has seen is refused.
    pub fn attach(&self, client: u8, server: Sid, last: Zxid) -> Option<(Self, u128)> {
        let mut clients = self.clone();
        let it = &mut clients.each[usize::from(client)];
        let is_new = it.connection == 0;
        if it.left == 0 || last < it.seen || it.connection + 1 == ATTACHMENTS_MAX {
            return None;
        }
        if !is_new {
            clients.moves = clients.moves.checked_sub(1)?;
        }
        let writes = it.waiting.iter().any(|waiting| matches!(waiting.asked, Asked::Write(..)));
        it.ends();
        it.connection += 1;
        it.at = Some(server);
        Some((clients, if writes { Mark::MovedWithWrite.bit() } else { 0 }))
    }

    /// The clients after this one asks, and the request: its number, and that of the write if it is
    /// one. `None` if it does not.
    pub fn ask(&self, client: u8, asking: Asking, limits: &ClientLimits) -> Option<(Self, u8, u8)> {
        let mut clients = self.clone();
        let Self { each, told, history, .. } = &mut clients;
        let it = &mut each[usize::from(client)];
        let is_full = it.waiting.len() >= usize::from(limits.depth);
        if !it.begun || it.left == 0 || is_full || it.xid == REQUESTS_MAX {
            return None;
        }
        let number = it.writes;
        let place = limits.ops - it.left;
        it.left -= 1;
        it.xid += 1;
        let asked = match asking {
            Asking::Write if number == WRITES_MAX => return None,
            Asking::Write => {
                it.writes += 1;
                Asked::Write(number, *told)
            }
            Asking::Sync => Asked::Sync(*told),
            Asking::Read | Asking::Watch => {
                let before = it.waiting.iter().filter_map(Waiting::write);
                let own = before.fold(it.acknowledged, |own, number| own | 1 << number);
                Asked::Read(own, asking == Asking::Watch)
            }
        };
        if let Some(history) = history {
            let write = ClientWrite { client, xid: it.xid, number };
            history.asked((client, place), asking, write);
        }
        let xid = it.xid;
        it.waiting.push(Waiting { xid, place, asked });
        Some((clients, xid, number))
    }

    /// What a client is told over a connection.
    pub fn hear(&mut self, over: Over, said: Said) -> Taken {
        let Self { each, told, history, .. } = self;
        let it = &mut each[usize::from(over.client)];
        if it.connection != over.connection || it.at.is_none() {
            // It does not listen any more.
            return (0, 0);
        }
        match said {
            Said::Begins => it.begun = true,
            Said::Ends => {
                it.ends();
                it.at = None;
                if self.moves == 0 {
                    // It will ask nothing more.
                    *it = Client::default();
                }
            }
            Said::Event => {
                it.watch = None;
                return (Mark::WatchTold.bit(), 0);
            }
            Said::Answer(xid, zxid, answer) => {
                let taken = it.answered(over.client, xid, zxid, answer, history.as_mut());
                *told = zxid.max(*told);
                if it.is_done() {
                    it.forget();
                }
                return taken;
            }
        }
        (0, 0)
    }

    /// Whether a sync of a client of this server waits.
    pub fn awaits_sync(&self, server: Sid) -> bool {
        let here = self.each.iter().filter(|client| client.at == Some(server));
        let mut waiting = here.flat_map(|client| &client.waiting);
        waiting.any(|waiting| matches!(waiting.asked, Asked::Sync(_)))
    }

    /// A client that has nothing left to ask or to hear goes away from its server.
    pub fn leaver(&self) -> Option<u8> {
        let leaves = |client: &Client| client.at.is_some() && client.is_done();
        self.each.iter().zip(0..).find(|(client, _)| leaves(client)).map(|(_, number)| number)
    }

    /// It is gone.
    #[must_use]
    pub fn leave(&self, client: u8) -> Self {
        let mut clients = self.clone();
        clients.each[usize::from(client)] = Client::default();
        clients
    }
}

impl Client {
    /// Nothing is left to ask, and nothing is to be answered.
    fn is_done(&self) -> bool {
        self.left == 0 && self.waiting.is_empty()
    }

    /// What it has seen matters to nobody any more, but that it was told.
    fn forget(&mut self) {
        let Self { at, connection, .. } = *self;
        *self = Self { at, connection, ..Self::default() };
    }

    fn ends(&mut self) {
        self.begun = false;
        self.xid = 0;
        self.watch = None;
        self.waiting.clear();
        if self.is_done() {
            self.forget();
        }
    }

    fn answered(
        &mut self,
        client: u8,
        xid: u8,
        zxid: Zxid,
        answer: Answer,
        history: Option<&mut History>,
    ) -> Taken {
        let (mut marks, mut violated) = (0, 0);
        let mut check = |holds: bool, property: Property| {
            if !holds {
                violated |= property.bit();
            }
        };
        let is_first = self.waiting.first().is_some_and(|oldest| oldest.xid == xid);
        check(is_first, Property::InOrder);
        check(self.watch.is_none_or(|read| zxid <= read), Property::EventFirst);
        check(zxid >= self.seen, Property::NeverBack);
        let Some(at) = self.waiting.iter().position(|waiting| waiting.xid == xid) else {
            return (marks, violated);
        };
        let Waiting { place, asked, .. } = self.waiting.remove(at);
        match (asked, answer) {
            (Asked::Write(number, told), Answer::Written(write)) => {
                check((write.client, write.number) == (client, number), Property::OwnOutcome);
                check(zxid > told, Property::Linearizable);
                self.acknowledged |= 1 << number;
                marks |= Mark::WriteAnswered.bit();
            }
            (Asked::Sync(told), Answer::Synced) => {
                check(zxid >= told, Property::Linearizable);
                self.synced = told.max(self.synced);
                marks |= Mark::SyncAnswered.bit();
            }
            (Asked::Read(own, watches), Answer::Read(_, holds)) => {
                check(zxid >= self.synced, Property::Linearizable);
                check(own & !holds == 0, Property::OwnWrites);
                if watches {
                    self.watch = Some(zxid);
                }
                marks |= Mark::ReadAnswered.bit();
                if own != 0 {
                    marks |= Mark::OwnWriteRead.bit();
                }
            }
            (Asked::Write(..) | Asked::Sync(_) | Asked::Read(..), _) => {
                check(false, Property::OwnOutcome);
            }
        }
        if let Some(history) = history {
            history.answered((client, place), answer);
            check(history.is_linearizable(), Property::Serializes);
        }
        self.seen = zxid.max(self.seen);
        (marks, violated)
    }
}

impl Waiting {
    /// The number of the write, if it is one.
    fn write(&self) -> Option<u8> {
        match self.asked {
            Asked::Write(number, _) => Some(number),
            Asked::Sync(_) | Asked::Read(..) => None,
        }
    }
}

#[cfg(test)]
mod tests;
