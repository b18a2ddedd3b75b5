//! A right ensemble in a hundred lines a part: several servers that lag behind one log, sessions
//! that move and expire, watches, connections that are lost. It makes right histories.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use history::answer::{Answer, Outcome};
use history::operation::{
    ClientId, Data, Mode, Read, ReadKind, Request, SessionId, SetWatches, Time, WatchKind, Write,
    Zxid,
};
use history::record::{Transaction, TreeRecord, Txn};
use history::report::Call;
use history::{History, Recorder};

mod servers;

use crate::tree::{Tree, parent};

/// A small generator of numbers, so that a seed is a history.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// What may happen in a world.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) steps: usize,
    pub(crate) clients: usize,
    pub(crate) servers: usize,
    /// Whether connections break, sessions expire and the server deletes containers.
    pub(crate) faults: bool,
}

impl Shape {
    pub(crate) fn of(seed: u64) -> Self {
        let (clients, servers) = (2 + (seed % 5) as usize, 1 + (seed % 4) as usize);
        Self { seed, steps: 12_000, clients, servers, faults: true }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Watch {
    Data,
    Exist,
    Child,
    Persistent,
    Recursive,
}

struct Pending {
    call: Call,
    asked: Request,
    /// The place in the log behind which it can be answered, once the leader has taken it.
    taken: Option<usize>,
}

struct Session {
    id: SessionId,
    xid: i32,
    seen: Zxid,
    /// The watches as the client knows them, which it brings to another connection.
    watches: BTreeSet<(Watch, String)>,
    is_ended: bool,
}

struct Client {
    session: Option<Session>,
    server: Option<usize>,
    queue: VecDeque<Pending>,
    /// The server's side of the connection: the watches.
    watches: BTreeSet<(Watch, String)>,
    /// Requests of a lost connection that may still reach the leader.
    stray: VecDeque<(Call, Request)>,
}

struct Server {
    tree: Tree,
    applied: usize,
    zxid: Zxid,
}

pub(crate) struct World {
    shape: Shape,
    rng: Rng,
    recorder: Recorder,
    clock: u64,
    zxid: Zxid,
    leader: Tree,
    log: Vec<Transaction>,
    outcomes: BTreeMap<usize, Outcome>,
    clients: Vec<Client>,
    servers: Vec<Server>,
    sessions: i64,
    values: u64,
}

/// A right history, and the log as part of it.
pub(crate) fn right(shape: Shape) -> History {
    let mut world = World::new(shape);
    for _ in 0..shape.steps {
        world.step();
    }
    world.finish()
}

impl World {
    fn new(shape: Shape) -> Self {
        let client = || Client {
            session: None,
            server: None,
            queue: VecDeque::new(),
            watches: BTreeSet::new(),
            stray: VecDeque::new(),
        };
        let server = || Server { tree: Tree::new(), applied: 0, zxid: Zxid(0) };
        Self {
            shape,
            rng: Rng::new(shape.seed.wrapping_add(1)),
            recorder: Recorder::new(),
            clock: 0,
            zxid: Zxid(1 << 32),
            leader: Tree::new(),
            log: Vec::new(),
            outcomes: BTreeMap::new(),
            clients: (0..shape.clients).map(|_| client()).collect(),
            servers: (0..shape.servers).map(|_| server()).collect(),
            sessions: 0x10000,
            values: 0,
        }
    }

    fn now(&mut self) -> Time {
        self.clock += 1 + self.rng.next() % 3;
        Time(self.clock)
    }

    fn step(&mut self) {
        let client = self.rng.below(self.clients.len());
        let server = self.rng.below(self.servers.len());
        match self.rng.below(100) {
            0..40 => self.ask(client),
            40..60 => {
                self.take(client);
            }
            60..90 => {
                self.serve(server);
            }
            90..92 if self.shape.faults => self.lose(client),
            92..96 => self.connect(client),
            96 if self.shape.faults => self.expire(client),
            97 if self.rng.one_in(10) => self.zxid = Zxid(((self.zxid.0 >> 32) + 1) << 32),
            98 => self.reap(),
            _ => self.stray(client),
        }
    }

    fn finish(mut self) -> History {
        for _ in 0..3 {
            for client in 0..self.clients.len() {
                while self.take(client) {}
            }
            for server in 0..self.servers.len() {
                while self.serve(server) {}
            }
        }
        for server in &self.servers {
            self.recorder.tree(TreeRecord { zxid: server.zxid, nodes: server.tree.all() });
        }
        for transaction in self.log {
            self.recorder.transaction(transaction);
        }
        self.recorder.finish()
    }

    fn commit(&mut self, session: SessionId, xid: i32, txn: Txn) -> usize {
        let time = Some(self.clock as i64);
        self.log.push(Transaction { zxid: self.zxid, session, xid, time, txn });
        self.log.len()
    }

    fn next_zxid(&mut self) -> Zxid {
        self.zxid = Zxid(self.zxid.0 + 1);
        self.zxid
    }

    // The leader.

    /// The leader takes a client's next request; whether there was one.
    fn take(&mut self, client: usize) -> bool {
        if self.clients[client].session.as_ref().is_none_or(|own| own.is_ended) {
            return false;
        }
        let queue = &self.clients[client].queue;
        let untaken = |p: &Pending| p.taken.is_none() && (p.asked.is_write() || is_sync(&p.asked));
        let Some(place) = queue.iter().position(untaken) else { return false };
        let (call, asked) = (queue[place].call, queue[place].asked.clone());
        let taken = if is_sync(&asked) { self.log.len() } else { self.order(call, &asked) };
        self.clients[client].queue[place].taken = Some(taken);
        true
    }

    fn order(&mut self, call: Call, asked: &Request) -> usize {
        let zxid = self.next_zxid();
        let time = self.clock as i64;
        if *asked == Request::Close {
            return self.close(call.session, call.xid);
        }
        let is_multi = matches!(asked, Request::Multi(_));
        let writes = asked.writes();
        let (txn, outcome) = self.leader.decide(writes, is_multi, call.session, zxid, time);
        let place = self.commit(call.session, call.xid, txn);
        self.outcomes.insert(place, outcome);
        place
    }

    fn close(&mut self, session: SessionId, xid: i32) -> usize {
        let paths = Some(self.leader.owned(session));
        let txn = Txn::CloseSession { paths };
        self.leader.apply(&txn, session, self.zxid, self.clock as i64);
        let place = self.commit(session, xid, txn);
        self.outcomes.insert(place, Outcome::Ok(Answer::Done));
        for client in &mut self.clients {
            let own = client.session.as_mut().filter(|own| own.id == session);
            own.into_iter().for_each(|own| own.is_ended = true);
        }
        place
    }

    fn stray(&mut self, client: usize) {
        let is_ended = self.clients[client].session.as_ref().is_none_or(|own| own.is_ended);
        if let Some((call, asked)) = self.clients[client].stray.pop_front()
            && !is_ended
        {
            self.order(call, &asked);
        }
    }

    fn expire(&mut self, client: usize) {
        // Mostly of clients that are away; now and then of one that only thinks it is here.
        if self.clients[client].server.is_some() && !self.rng.one_in(6) {
            return;
        }
        let untaken = |p: &Pending| p.asked == Request::Close && p.taken.is_some();
        if self.clients[client].queue.iter().any(untaken) {
            return;
        }
        if let Some(id) = self.clients[client].session.as_ref().filter(|own| !own.is_ended) {
            let id = id.id;
            self.next_zxid();
            self.close(id, 0);
            // What the session had asked and the leader had not taken is never done.
            self.clients[client].stray.clear();
            let is_taken = |p: &Pending| p.taken.is_some();
            let queue = &mut self.clients[client].queue;
            let kept = queue.iter().position(|p| !is_taken(p)).unwrap_or(queue.len());
            for pending in queue.drain(kept..) {
                // It stays open in the recorder and gets no answer.
                drop(pending);
            }
        }
    }

    fn reap(&mut self) {
        if let Some(path) = self.leader.empty_containers().pop() {
            let zxid = self.next_zxid();
            let txn = Txn::Delete { path };
            self.leader.apply(&txn, SessionId(0), zxid, self.clock as i64);
            self.commit(SessionId(0), 0, txn);
        }
    }

    // Connections.

    fn lose(&mut self, client: usize) {
        if self.clients[client].server.take().is_some() {
            let at = self.now();
            let queue = std::mem::take(&mut self.clients[client].queue);
            for pending in queue.into_iter().filter(|pending| pending.taken.is_none()) {
                if pending.asked.is_write() && self.rng.one_in(2) {
                    self.clients[client].stray.push_back((pending.call, pending.asked));
                } else if pending.asked.is_write() {
                    break;
                }
            }
            self.clients[client].watches.clear();
            let own = self.clients[client].session.as_ref();
            self.recorder.lost(own.expect("connected with a session").id, at);
        }
    }

    fn connect(&mut self, client: usize) {
        if self.clients[client].server.is_some() {
            return;
        }
        let at = self.now();
        let server = self.rng.below(self.servers.len());
        match &self.clients[client].session {
            None => {
                self.sessions += 1;
                let id = SessionId(self.sessions);
                self.next_zxid();
                self.commit(id, 0, Txn::CreateSession);
                self.recorder.begun(ClientId(client as u64), id, at);
                let session = Session {
                    id,
                    xid: 0,
                    seen: Zxid(0),
                    watches: BTreeSet::new(),
                    is_ended: false,
                };
                self.clients[client].session = Some(session);
                self.clients[client].server = Some(server);
            }
            Some(own) if own.is_ended => {
                self.recorder.expired(own.id, at);
                self.clients[client].session = None;
                self.clients[client].stray.clear();
            }
            Some(own) if self.servers[server].zxid >= own.seen => {
                let (id, since) = (own.id, own.seen);
                // A session is renewed behind all that it has asked before.
                self.clients[client].stray.clear();
                self.recorder.moved(id, at);
                self.clients[client].server = Some(server);
                self.renew_watches(client, since);
            }
            Some(_) => {}
        }
    }

    fn renew_watches(&mut self, client: usize, since: Zxid) {
        let own = self.clients[client].session.as_ref().expect("it has moved");
        let of = |watch: Watch| -> Vec<String> {
            let own = own.watches.iter().filter(|(kind, _)| *kind == watch);
            own.map(|(_, path)| path.clone()).collect()
        };
        let lists = SetWatches {
            since,
            data: of(Watch::Data),
            exist: of(Watch::Exist),
            child: of(Watch::Child),
            persistent: of(Watch::Persistent),
            recursive: of(Watch::Recursive),
        };
        if !own.watches.is_empty() {
            self.send(client, Request::SetWatches(lists));
        }
    }

    // Clients.

    fn send(&mut self, client: usize, asked: Request) {
        let at = self.now();
        let own = self.clients[client].session.as_mut().expect("a connected client has one");
        own.xid += 1;
        let call = self.recorder.invoke(own.id, own.xid, at, asked.clone());
        self.clients[client].queue.push_back(Pending { call, asked, taken: None });
    }

    fn ask(&mut self, client: usize) {
        const QUEUE_MAX: usize = 4;
        let own = &self.clients[client];
        let closing = own.queue.back().is_some_and(|pending| pending.asked == Request::Close);
        if own.server.is_none() || own.queue.len() >= QUEUE_MAX || closing {
            return;
        }
        let asked = self.request();
        self.send(client, asked);
    }

    fn path(&mut self) -> String {
        let top = ["/a", "/b", "/q"][self.rng.below(3)];
        match self.rng.below(3) {
            0 => top.to_owned(),
            1 => format!("{top}/{}", ["x", "y"][self.rng.below(2)]),
            _ => {
                let names = self.leader.children(top);
                match names.get(self.rng.below(names.len())) {
                    Some(name) => format!("{top}/{name}"),
                    None => top.to_owned(),
                }
            }
        }
    }

    fn request(&mut self) -> Request {
        let path = self.path();
        match self.rng.below(40) {
            0..14 => Request::Write(self.write()),
            14..17 => {
                let count = 1 + self.rng.below(4);
                Request::Multi((0..count).map(|_| self.write()).collect())
            }
            17..32 => {
                let kinds = [ReadKind::Exists, ReadKind::GetData, ReadKind::GetChildren];
                let (kind, watch) = (kinds[self.rng.below(3)], self.rng.one_in(2));
                Request::Read(Read { kind, path, watch })
            }
            32..36 => Request::Sync { path },
            36 => Request::AddWatch { path, recursive: self.rng.one_in(2) },
            37 => {
                let kinds = [WatchKind::Data, WatchKind::Child, WatchKind::Any];
                Request::RemoveWatches { path, kind: kinds[self.rng.below(3)] }
            }
            38 if self.rng.one_in(8) => Request::Close,
            _ => Request::Read(Read { kind: ReadKind::GetData, path: parent(&path), watch: true }),
        }
    }

    fn write(&mut self) -> Write {
        self.values += 1;
        let data = Data::from(format!("v{:07}", self.values).as_str());
        let path = self.path();
        let version = if self.rng.one_in(4) { self.rng.below(3) as i32 } else { -1 };
        let last = if self.shape.faults { Mode::Container } else { Mode::Persistent };
        let modes = [Mode::Persistent, Mode::Ephemeral, Mode::Ephemeral, last];
        match self.rng.below(10) {
            0..3 => Write::Create { path, data, mode: modes[self.rng.below(4)], sequential: false },
            3..5 => {
                let mode = modes[self.rng.below(3)];
                Write::Create { path: "/q/n-".to_owned(), data, mode, sequential: true }
            }
            5..7 => Write::Delete { path, version },
            7 if self.rng.one_in(3) => Write::SetAcl { path, version },
            7 if self.rng.one_in(3) => Write::Check { path, version },
            _ => Write::SetData { path, data, version },
        }
    }
}

fn is_sync(asked: &Request) -> bool {
    matches!(asked, Request::Sync { .. })
}
