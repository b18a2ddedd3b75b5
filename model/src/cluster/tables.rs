//! The tables of a run: every component of a state once, and every step between components once.
//!
//! A state is a row of ids. A step of a server is a function of that server and of the event, so it
//! is computed by the deployed code when it is first met, and looked up from then on.

use std::sync::Mutex;

use host::{Generation, Link};
use zab::{Config, Epoch, Notification, Quorum, Sid};

use super::client::Clients;
use super::frame::Frame;
use super::ghost::{Busy, Ghost, GhostEvent, Recorded};
use super::info::Info;
use super::link::{Conn, ConnOp, Slot, SlotOp, number};
use super::machine::{Machine, Txn};
use super::node::{Effects, Event, Node};
use super::payload::{Origin, Over};
use super::property::Property;
use super::session::Said;
use super::symmetry::Renaming;
use abstract_zab::action::Kind;
use abstract_zab::histories::Histories;
use search::column::Column;
use search::intern::{Handle, Interner};
use search::memo::{Memo, MemoCache};

/// The effects of a step, in ids.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Compiled {
    /// Per connection, what is put on its queue, as an operation.
    pub sends: Vec<(Link, u32)>,
    /// Connections closed at this end, with the operation.
    pub closes: Vec<(Link, u32)>,
    /// Election messages, as operations on slots.
    pub notifications: Vec<(Sid, u32)>,
    /// What the ghosts have to know, if anything.
    pub ghost: Option<u32>,
    /// What clients were told, if anything.
    pub told: Option<u32>,
    /// Coverage.
    pub marks: u128,
    /// Properties violated.
    pub violated: u64,
}

/// All tables. Shared by the threads of a run.
pub struct Tables<M: Machine> {
    /// Servers.
    pub nodes: Interner<Node<M>>,
    /// Connections.
    pub conns: Interner<Conn>,
    /// Slots of the election port.
    pub slots: Interner<Slot>,
    /// Ghosts.
    pub ghosts: Interner<Ghost>,
    /// The id of ghosts that remember nothing.
    pub nothing: u32,
    /// Of servers: whether calm runs go on with them.
    pub goes_on: Column<bool>,
    /// Packets.
    pub frames: Interner<Frame>,
    /// What can happen to a server, apart from messages.
    pub events: Interner<Event>,
    /// What happens to connections.
    pub conn_ops: Interner<ConnOp>,
    /// What happens to slots.
    pub slot_ops: Interner<SlotOp>,
    /// Clients.
    pub clients: Interner<Clients>,
    /// What clients are told.
    pub told: Interner<Vec<(Over, Said)>>,
    /// What happens to ghosts.
    pub ghost_events: Interner<Vec<GhostEvent>>,
    /// Effects of steps.
    pub compiled: Interner<Compiled>,
    /// Histories.
    pub logs: Interner<Vec<Txn>>,
    /// Histories of abstract Zab.
    pub histories: Histories<Origin>,
    /// Steps that are none of abstract Zab: the ghosts before them, and why.
    refusals: Mutex<Vec<(u32, String)>>,
    steps: Memo<u64, u64>,
    pairs: Memo<u128, u64>,
    /// Connections after operations.
    conns_after: Memo<u64, u32>,
    /// Clients after they were told something, with coverage and violations.
    clients_after: Memo<u64, (u32, u128, u64)>,
    /// What is known of each server: its digest, and the least content of its renamings.
    infos: Column<Info>,
    classes: Column<u128>,
    /// Per renaming, what each component becomes.
    renamed_nodes: Vec<Column<u32>>,
    renamed_conns: Vec<Column<u32>>,
    renamed_ghosts: Vec<Column<u32>>,
    renamed_clients: Vec<Column<u32>>,
    /// The longest chosen sequence of each of the ghosts.
    chosen: Column<u32>,
    /// What a test puts in the place of what steps tell.
    #[cfg(test)]
    pub distortion: fn(GhostEvent) -> GhostEvent,
}

/// One thread's first look.
#[derive(Debug)]
pub struct Cache {
    steps: MemoCache<u64, u64>,
    pairs: MemoCache<u128, u64>,
    conns: MemoCache<u64, u32>,
    clients: MemoCache<u64, (u32, u128, u64)>,
    /// The state that is being built.
    pub scratch: Vec<u32>,
    /// The best representative so far.
    pub best: Vec<u32>,
    /// One more representative.
    pub candidate: Vec<u32>,
    /// What ghosts were told, in order, if somebody listens.
    pub heard: Option<Vec<GhostEvent>>,
}

/// An event's code: a kind, and of frames the connection, in the high 4 bits, a server's index in
/// the next 4, an id in the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// An interned event.
    Event(u32),
    /// Reading a frame from the server with this index, over the connection with this generation.
    Recv(usize, u8, u32),
    /// Reading the notification of this slot, from the server with this index.
    Notify(usize, u32),
}

impl Code {
    fn pack(self) -> u32 {
        let (kind, from, id) = match self {
            Self::Event(id) => (0, 0, id),
            Self::Notify(from, id) => (1, from as u32, id),
            Self::Recv(from, generation, id) => (2 + u32::from(generation), from as u32, id),
        };
        assert!(kind < 16 && from < 16 && id < 1 << 24, "ids of events fit their field");
        kind << 28 | from << 24 | id
    }
}

/// Where in a packed outcome the kinds of abstract actions are: behind a bit for each property that
/// ghosts can violate.
const KINDS_AT: usize = 20;
const _: () = assert!(Property::Z16 as usize <= KINDS_AT && KINDS_AT + Kind::ALL.len() <= 32);

/// No such step.
pub const NONE: u32 = u32::MAX;

/// The kinds of memoised functions of two ids.
#[derive(Clone, Copy)]
enum Pair {
    Slot,
    Ghost,
    Matching,
    Prefix,
    Settled,
}

impl<M: Machine> Tables<M> {
    /// Empty tables, for components that are renamed in so many ways.
    pub fn new(renamings: usize) -> Self {
        let ghosts = Interner::new();
        let nothing = ghosts.intern(Ghost::default());
        let columns = || (0..renamings).map(|_| Column::new()).collect();
        Self {
            nodes: Interner::new(),
            conns: Interner::new(),
            slots: Interner::new(),
            ghosts,
            nothing,
            goes_on: Column::new(),
            frames: Interner::new(),
            events: Interner::new(),
            conn_ops: Interner::new(),
            slot_ops: Interner::new(),
            clients: Interner::new(),
            told: Interner::new(),
            ghost_events: Interner::new(),
            compiled: Interner::new(),
            logs: Interner::new(),
            histories: Histories::new(),
            refusals: Mutex::new(Vec::new()),
            steps: Memo::new(),
            pairs: Memo::new(),
            conns_after: Memo::new(),
            clients_after: Memo::new(),
            infos: Column::new(),
            classes: Column::new(),
            renamed_nodes: columns(),
            renamed_conns: columns(),
            renamed_ghosts: columns(),
            renamed_clients: columns(),
            chosen: Column::new(),
            #[cfg(test)]
            distortion: |event| event,
        }
    }

    /// A thread's cache, for a search.
    pub fn cache(&self) -> Cache {
        Self::cache_of(18)
    }

    /// A cache for a few look-ups.
    pub fn small_cache(&self) -> Cache {
        Self::cache_of(1)
    }

    fn cache_of(bits: u32) -> Cache {
        Cache {
            steps: MemoCache::new(bits),
            pairs: MemoCache::new(bits),
            conns: MemoCache::new(bits.min(14)),
            clients: MemoCache::new(bits.min(10)),
            scratch: Vec::new(),
            best: Vec::new(),
            candidate: Vec::new(),
            heard: None,
        }
    }

    /// Bytes of the tables themselves; what the values own on the heap is estimated by their
    /// number.
    pub fn bytes(&self) -> u64 {
        let owned = 600 * self.nodes.len()
            + 300 * self.ghosts.len()
            + 100 * self.conns.len()
            + 300 * self.clients.len();
        let renamed =
            [&self.renamed_nodes, &self.renamed_conns, &self.renamed_ghosts, &self.renamed_clients];
        let renamed = renamed.into_iter().flatten();
        self.nodes.bytes()
            + self.conns.bytes()
            + self.slots.bytes()
            + self.ghosts.bytes()
            + self.compiled.bytes()
            + self.steps.bytes()
            + self.pairs.bytes()
            + self.conns_after.bytes()
            + self.clients.bytes()
            + self.clients_after.bytes()
            + self.infos.bytes()
            + self.classes.bytes()
            + self.chosen.bytes()
            + self.goes_on.bytes()
            + renamed.map(Column::bytes).sum::<u64>()
            + owned as u64
    }

    /// A server's step: the server afterwards and the compiled effects, or [`NONE`] twice.
    pub fn step(
        &self,
        cache: &mut Cache,
        servers: &[Config],
        server: usize,
        node: u32,
        code: Code,
    ) -> (u32, u32) {
        let key = u64::from(node) << 32 | u64::from(code.pack());
        let packed =
            cache.steps.get_or(&self.steps, key, || self.compute(servers, server, node, code));
        ((packed >> 32) as u32, packed as u32)
    }

    #[cold]
    fn compute(&self, servers: &[Config], server: usize, node: u32, code: Code) -> u64 {
        let config = servers[server];
        let event = match code {
            Code::Event(id) => self.events.get(id).clone(),
            Code::Recv(from, generation, id) => {
                let (peer, generation) = (servers[from].me, Generation(generation.into()));
                Event::Recv(Link { peer, generation }, self.frames.get(id).clone())
            }
            Code::Notify(from, slot) => match self.slots.get(slot).wire {
                Some(notification) => Event::Notify(servers[from].me, notification),
                None => return u64::MAX,
            },
        };
        match self.nodes.get(node).on(config, &event) {
            Some((after, effects)) => {
                let compiled = self.compile(effects);
                u64::from(self.nodes.intern(after)) << 32 | u64::from(compiled)
            }
            None => u64::MAX,
        }
    }

    /// Effects as ids.
    pub fn compile(&self, effects: Effects) -> u32 {
        let mut queues: Vec<(Link, Vec<Handle>)> = Vec::new();
        for (link, frame) in effects.sends {
            let id = self.frames.intern_handle(frame);
            match queues.iter_mut().find(|(over, _)| *over == link) {
                Some((_, ids)) => ids.push(id),
                None => queues.push((link, vec![id])),
            }
        }
        let sends = queues.into_iter().map(|(link, ids)| {
            let op = match number(link.generation) {
                (number, true) => ConnOp::ToLeader(number, ids),
                (number, false) => ConnOp::ToLearner(number, ids),
            };
            (link, self.conn_ops.intern(op))
        });
        let closes = effects.closes.into_iter().map(|link| {
            let op = match number(link.generation) {
                (number, true) => ConnOp::LearnerCloses(number),
                (number, false) => ConnOp::LeaderCloses(number),
            };
            (link, self.conn_ops.intern(op))
        });
        let send = |notification: Notification| self.slot_ops.intern(SlotOp::Send(notification));
        #[cfg(test)]
        let ghost = effects.ghost.into_iter().map(self.distortion).collect::<Vec<_>>();
        #[cfg(not(test))]
        let ghost = effects.ghost;
        let ghost = (!ghost.is_empty()).then(|| self.ghost_events.intern(ghost));
        self.compiled.intern(Compiled {
            sends: sends.collect(),
            closes: closes.collect(),
            notifications: effects.notifications.into_iter().map(|(to, n)| (to, send(n))).collect(),
            ghost,
            told: (!effects.told.is_empty()).then(|| self.told.intern(effects.told)),
            marks: effects.marks,
            violated: effects.violated,
        })
    }

    /// A connection after an operation.
    pub fn conn_after(&self, cache: &mut Cache, conn: u32, op: u32) -> u32 {
        let key = u64::from(conn) << 32 | u64::from(op);
        cache.conns.get_or(&self.conns_after, key, || {
            self.conns.intern(self.conns.get(conn).after(self.conn_ops.get(op)))
        })
    }

    /// Clients after they were told something, with coverage and the properties that this violates.
    pub fn clients_after(&self, cache: &mut Cache, clients: u32, told: u32) -> (u32, u128, u64) {
        let key = u64::from(clients) << 32 | u64::from(told);
        cache.clients.get_or(&self.clients_after, key, || {
            let mut after = self.clients.get(clients).clone();
            let (mut marks, mut violated) = (0, 0);
            for &(over, said) in self.told.get(told) {
                let taken = after.hear(over, said);
                marks |= taken.0;
                violated |= taken.1;
            }
            (self.clients.intern(after), marks, violated)
        })
    }

    /// A slot after an operation.
    pub fn slot_after(&self, cache: &mut Cache, slot: u32, op: u32) -> u32 {
        self.pair(cache, Pair::Slot, slot, op, || {
            u64::from(self.slots.intern(self.slots.get(slot).after(self.slot_ops.get(op))))
        }) as u32
    }

    /// The ghosts after events, the properties that these violate, and the actions of abstract Zab
    /// that they are, a bit for each kind.
    pub fn ghost_after(
        &self,
        cache: &mut Cache,
        ghost: u32,
        events: u32,
        quorum: &Quorum,
    ) -> (u32, u64, u64) {
        if let Some(heard) = &mut cache.heard {
            heard.extend_from_slice(self.ghost_events.get(events));
        }
        let packed = self.pair(cache, Pair::Ghost, ghost, events, || {
            let mut after = self.ghosts.get(ghost).clone();
            let events = self.ghost_events.get(events);
            let Recorded { violated, kinds, refused } =
                after.record(events, quorum, &self.histories);
            if let (Some(refused), Ok(mut refusals)) = (refused, self.refusals.lock()) {
                refusals.push((ghost, refused));
            }
            u64::from(self.ghosts.intern(after)) << 32 | kinds << KINDS_AT | violated
        });
        ((packed >> 32) as u32, packed & ((1 << KINDS_AT) - 1), packed as u32 as u64 >> KINDS_AT)
    }

    /// Why a step from these ghosts is none of abstract Zab, if one was met.
    pub fn refusal(&self, ghost: u32) -> Option<String> {
        let refusals = self.refusals.lock().ok()?;
        let found = refusals.iter().find(|(before, _)| *before == ghost).or(refusals.last());
        found.map(|(_, refusal)| refusal.clone())
    }

    /// A server's digest.
    #[inline]
    pub fn info(&self, config: Config, node: u32) -> &Info {
        self.infos
            .get_or(node, || Info::of(config, self.nodes.get(node), |log| self.logs.intern(log)))
    }

    /// True if two histories that share a zxid agree up to it, and hold the same transaction for
    /// it.
    pub fn matching(&self, cache: &mut Cache, a: u32, b: u32) -> bool {
        a == b
            || self.pair(cache, Pair::Matching, a.min(b), a.max(b), || {
                let (a, b) = (self.logs.get(a), self.logs.get(b));
                let agree = a.iter().enumerate().rev().find_map(|(at, txn)| {
                    let other = b.iter().position(|other| other.zxid == txn.zxid)?;
                    Some(a[..=at] == b[..=other])
                });
                u64::from(agree.unwrap_or(true))
            }) == 1
    }

    /// True if `long` begins with `short`.
    pub fn begins_with(&self, cache: &mut Cache, long: u32, short: u32) -> bool {
        long == short
            || self.pair(cache, Pair::Prefix, long, short, || {
                u64::from(self.logs.get(long).starts_with(self.logs.get(short)))
            }) == 1
    }

    /// The longest chosen sequence that the ghosts remember, as a history's id.
    pub fn chosen(&self, ghost: u32) -> u32 {
        *self
            .chosen
            .get_or(ghost, || self.logs.intern(self.ghosts.get(ghost).longest_chosen().to_vec()))
    }

    /// The ghosts without what can no longer matter. `busy` has 8 bits for each server: those of
    /// [`Info::busy`].
    pub fn settled(&self, cache: &mut Cache, ghost: u32, busy: u64, servers: &[Config]) -> u32 {
        // The key of no other pair is that large.
        let key = (Pair::Settled as u128) << 120 | u128::from(ghost) << 64 | u128::from(busy);
        cache.pairs.get_or(&self.pairs, key, || {
            let mut after = self.ghosts.get(ghost).clone();
            let quorum = &servers[0].quorum;
            let servers: Vec<_> = servers
                .iter()
                .enumerate()
                .map(|(at, config)| {
                    let bits = (busy >> (8 * at)) as u32;
                    let leader = Sid((bits >> 4 & 7) as u8);
                    Busy {
                        sid: config.me,
                        promised: Epoch(bits & 15),
                        leader: (leader != Sid(0)).then_some(leader),
                        writes: bits >> 7 & 1 == 1,
                    }
                })
                .collect();
            after.settle(&servers, quorum, &self.histories);
            u64::from(self.ghosts.intern(after))
        }) as u32
    }

    /// The least digest of a server's renamings: the same for servers that differ in names only.
    #[inline]
    pub fn class(&self, renamings: &[Renaming], node: u32) -> u128 {
        *self.classes.get_or(node, || {
            let all = (0..renamings.len()).map(|index| self.renamed_node(renamings, node, index));
            let least = all.map(|renamed| self.nodes.digest(renamed)).min();
            least.unwrap_or_else(|| self.nodes.digest(node))
        })
    }

    /// A server under other names.
    #[inline]
    pub fn renamed_node(&self, renamings: &[Renaming], node: u32, index: usize) -> u32 {
        *self.renamed_nodes[index].get_or(node, || {
            let renamed = self.nodes.get(node).renamed(&|sid| renamings[index].name(sid));
            renamed.map_or(node, |node| self.nodes.intern(node))
        })
    }

    /// Connections under other names.
    #[inline]
    pub fn renamed_conn(&self, renamings: &[Renaming], conn: u32, index: usize) -> u32 {
        *self.renamed_conns[index].get_or(conn, || {
            let mut renamed = self.conns.get(conn).clone();
            for id in renamed.0.iter_mut().flat_map(|wire| &mut wire.to_leader) {
                let frame = self.frames.get(*id).renamed(&|sid| renamings[index].name(sid));
                *id = self.frames.intern_handle(frame);
            }
            self.conns.intern(renamed)
        })
    }

    /// Ghosts under other names.
    #[inline]
    pub fn renamed_ghost(&self, renamings: &[Renaming], ghost: u32, index: usize) -> u32 {
        *self.renamed_ghosts[index].get_or(ghost, || {
            let renamed = self.ghosts.get(ghost).renamed(&|sid| renamings[index].name(sid));
            self.ghosts.intern(renamed)
        })
    }

    /// Clients of servers with other names.
    #[inline]
    pub fn renamed_client(&self, renamings: &[Renaming], clients: u32, index: usize) -> u32 {
        *self.renamed_clients[index].get_or(clients, || {
            let renamed = self.clients.get(clients).renamed(&|sid| renamings[index].name(sid));
            self.clients.intern(renamed)
        })
    }

    fn pair(
        &self,
        cache: &mut Cache,
        kind: Pair,
        a: u32,
        b: u32,
        compute: impl FnOnce() -> u64,
    ) -> u64 {
        let key = (kind as u128) << 64 | u128::from(a) << 32 | u128::from(b);
        cache.pairs.get_or(&self.pairs, key, compute)
    }
}
