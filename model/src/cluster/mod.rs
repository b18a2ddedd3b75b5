//! Models of a cluster: servers that are the deployed code, disks that lag, links that break at one
//! end at a time.
//!
//! The model adds no protocol logic. A server is the deployed host with a [`Machine`] of the crate
//! `zab` in it ([`node`]), and its disk ([`disk`]); queues hold the packets that the host encoded
//! and will decode ([`frame`]); connections ([`link`]) and ghosts ([`ghost`]) are the rest of a
//! state; [`limits`] are guards of actions, so that a finished run is complete.
//!
//! A state is a row of words, each the id of an interned component ([`tables`]): the servers, the
//! connections of every ordered pair of servers, with the real election also its slots, the ghosts,
//! the clients if there are some, and what is left of the budgets.

pub mod action;
pub mod client;
pub mod disk;
mod facts;
pub mod frame;
pub mod ghost;
pub mod history;
pub mod info;
pub mod limits;
pub mod link;
pub mod machine;
pub mod mark;
pub mod node;
pub mod path;
pub mod payload;
pub mod property;
pub(crate) mod quiet;
pub mod reference;
pub mod refinement;
pub mod session;
mod steps;
pub mod story;
pub mod symmetry;
pub mod tables;
mod visits;
pub mod walk;

use std::sync::atomic::{AtomicU64, Ordering};

use host::{Link, Timer};
use zab::{Config, Decision, Epoch, Quorum, Role, Sid, Zxid};

use abstract_zab::summary::Summary;
use client::Clients;
use disk::Disk;
use ghost::Ghost;
use info::Info;
use limits::{BUDGET_MAX, Budget, Limits};
use link::{CONNECTIONS_MAX, Conn, ConnOp, Slot, SlotOp, generation, number};
use machine::Machine;
use node::{Event, Node};
use payload::Origin;
use property::Property;
use search::{Judgement, Space, Successors};
use session::Layer;
use symmetry::{Renaming, renamings};
use tables::{Cache, Tables};

/// The ids of the events and operations that need no look-up.
#[derive(Debug)]
struct Ids {
    disk: u32,
    disks: u32,
    apply: u32,
    /// By what is left of the transactions.
    propose: Vec<u32>,
    sync: u32,
    compact: u32,
    crash: u32,
    damage: u32,
    lead: u32,
    init_limit: u32,
    sync_limit: u32,
    quorum_loss: u32,
    resend: u32,
    finalize: u32,
    /// Per server.
    follow: Vec<u32>,
    learner_init_limit: Vec<u32>,
    learner_sync_limit: Vec<u32>,
    unanswered: Vec<u32>,
    /// Per number of a connection, and server.
    reached: Vec<Vec<u32>>,
    accepted: Vec<Vec<u32>>,
    claim_expires: Vec<Vec<u32>>,
    /// At the leader, and at the learner.
    lost: [Vec<Vec<u32>>; 2],
    forget: u32,
    learner_crashes: u32,
    leader_crashes: u32,
    /// Per number of a connection.
    dial: Vec<u32>,
    accept: Vec<u32>,
    leader_reads: Vec<u32>,
    learner_reads: Vec<u32>,
    learner_closes: Vec<u32>,
    leader_closes: Vec<u32>,
    slot_read: u32,
    slot_sender_crashed: u32,
    slot_receiver_crashed: u32,
}

/// A cluster under some limits: a [`Space`].
pub struct Cluster<M: Machine> {
    limits: Limits,
    servers: Vec<Config>,
    quorum: Quorum,
    tables: Tables<M>,
    ids: Ids,
    disks: Vec<Vec<Disk>>,
    symmetric: bool,
    renamings: Vec<Renaming>,
    /// Of each renaming, the pairs of servers whose order it turns round.
    orders: Vec<u128>,
    /// With symmetry: the sizes of all orbits found, added up.
    unreduced: AtomicU64,
}

impl<M: Machine> Cluster<M> {
    /// A cluster of servers that never ran.
    pub fn new(limits: Limits) -> Self {
        let disks = vec![limits.configs().iter().map(|_| Disk::empty()).collect()];
        Self::starting_from(limits, disks)
    }

    /// A cluster that starts from any of the given rows of disks, one disk per server.
    ///
    /// # Panics
    /// If a row has not one disk per server.
    pub fn starting_from(limits: Limits, disks: Vec<Vec<Disk>>) -> Self {
        let servers = limits.configs();
        assert!(disks.iter().all(|row| row.len() == servers.len()), "one disk per server");
        let renamings = renamings(usize::from(limits.servers), servers.len());
        let orders = symmetry::orders(&renamings, servers.len(), usize::from(limits.servers));
        let tables = Tables::new(renamings.len());
        let quorum = servers[0].quorum;
        let event = |event| tables.events.intern(event);
        let conn = |op| tables.conn_ops.intern(op);
        let slot = |op| tables.slot_ops.intern(op);
        let per_server = |make: &dyn Fn(Sid) -> Event| -> Vec<u32> {
            servers.iter().map(|config| event(make(config.me))).collect()
        };
        let timer = |timer| event(Event::Timer(timer));
        let core = |kind| timer(Timer::Core(kind));
        let numbers = || 0..CONNECTIONS_MAX as u8;
        let per_number = |make: &dyn Fn(u8) -> ConnOp| -> Vec<u32> {
            numbers().map(|number| conn(make(number))).collect()
        };
        let per_link = |learner: bool, make: &dyn Fn(Link) -> Event| -> Vec<Vec<u32>> {
            let links = numbers().map(|number| {
                let generation = generation(number, learner);
                per_server(&|peer| make(Link { peer, generation }))
            });
            links.collect()
        };
        let ids = Ids {
            disk: event(Event::Disk),
            disks: event(Event::Disks),
            apply: event(Event::Apply),
            propose: (0..=BUDGET_MAX).map(|number| event(Event::Propose(Origin(number)))).collect(),
            sync: event(Event::Sync),
            compact: event(Event::Compact),
            crash: event(Event::Crash),
            damage: event(Event::Damage),
            lead: event(Event::Elected(Decision::Lead)),
            init_limit: core(zab::Timer::InitLimit),
            sync_limit: core(zab::Timer::SyncLimit),
            quorum_loss: core(zab::Timer::QuorumLoss),
            resend: core(zab::Timer::Resend),
            finalize: core(zab::Timer::Finalize),
            follow: per_server(&|sid| Event::Elected(Decision::Follow(sid))),
            learner_init_limit: per_server(&|sid| {
                Event::Timer(Timer::Core(zab::Timer::LearnerInitLimit(sid)))
            }),
            learner_sync_limit: per_server(&|sid| {
                Event::Timer(Timer::Core(zab::Timer::LearnerSyncLimit(sid)))
            }),
            unanswered: per_server(&|sid| Event::Timer(Timer::Answer(sid))),
            reached: per_link(true, &|link| Event::Opened { link, dialled: true }),
            accepted: per_link(false, &|link| Event::Opened { link, dialled: false }),
            claim_expires: per_link(false, &|link| Event::Timer(Timer::Claim(link))),
            lost: [false, true].map(|learner| per_link(learner, &Event::Closed)),
            dial: per_number(&ConnOp::Dial),
            forget: conn(ConnOp::Forget),
            learner_crashes: conn(ConnOp::LearnerCrashes),
            leader_crashes: conn(ConnOp::LeaderCrashes),
            accept: per_number(&ConnOp::Accept),
            leader_reads: per_number(&ConnOp::LeaderReads),
            learner_reads: per_number(&ConnOp::LearnerReads),
            learner_closes: per_number(&ConnOp::LearnerCloses),
            leader_closes: per_number(&ConnOp::LeaderCloses),
            slot_read: slot(SlotOp::Read),
            slot_sender_crashed: slot(SlotOp::SenderCrashed),
            slot_receiver_crashed: slot(SlotOp::ReceiverCrashed),
        };
        let unreduced = AtomicU64::new(0);
        Self {
            limits,
            servers,
            quorum,
            tables,
            ids,
            disks,
            symmetric: false,
            renamings,
            orders,
            unreduced,
        }
    }

    /// Explores one state of each orbit under renaming only.
    ///
    /// # Panics
    /// If names matter to the machine.
    #[must_use]
    pub fn up_to_symmetry(mut self) -> Self {
        assert!(!M::REAL_ELECTION, "the election compares ids");
        self.symmetric = true;
        self
    }

    /// How many states a run without symmetry would have found: the sizes of the orbits, added up.
    pub fn unreduced(&self) -> u64 {
        self.unreduced.load(Ordering::Relaxed)
    }

    /// Whether one state of each orbit under renaming stands for all.
    pub fn is_up_to_symmetry(&self) -> bool {
        self.symmetric
    }

    /// The limits of this cluster.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The servers' constants, in the order in which states hold them.
    pub fn servers(&self) -> &[Config] {
        &self.servers
    }

    /// The components that the words of states name.
    pub fn tables(&self) -> &Tables<M> {
        &self.tables
    }

    /// A server of a state.
    pub fn node(&self, state: &[u32], server: usize) -> &Node<M> {
        self.tables.nodes.get(state[server])
    }

    /// The connection of a learner to a leader, by their indices.
    pub fn conn(&self, state: &[u32], learner: usize, leader: usize) -> &Conn {
        self.tables.conns.get(state[self.conn_at(learner, leader)])
    }

    /// The election slot between two servers; `None` unless the election is real.
    pub fn slot(&self, state: &[u32], from: usize, to: usize) -> Option<&Slot> {
        M::REAL_ELECTION.then(|| self.tables.slots.get(state[self.slot_at(from, to)]))
    }

    /// The ghosts of a state.
    pub fn ghost(&self, state: &[u32]) -> &Ghost {
        self.tables.ghosts.get(state[self.ghost_at()])
    }

    /// What is left of the budgets.
    pub fn budgets(&self, state: &[u32]) -> u32 {
        state[self.words() - 1]
    }

    fn initial_as_named(&self, cache: &mut Cache, out: &mut Successors) {
        for row in &self.disks {
            let closed = self.tables.conns.intern(Conn::default());
            let empty = self.tables.slots.intern(Slot::default());
            let n = self.servers.len();
            let mut state = vec![closed; self.words()];
            if M::REAL_ELECTION {
                state[n * n..self.ghost_at()].fill(empty);
            }
            state[self.ghost_at()] = self.tables.ghosts.intern(Ghost {
                summary: self.limits.refinement.then(Summary::default),
                ..Ghost::default()
            });
            if let (Some(at), Some(clients)) =
                (self.clients_at(), Clients::new(&self.limits.clients))
            {
                state[at] = self.tables.clients.intern(clients);
            }
            state[self.words() - 1] = Budget::all(&self.limits);
            let (mut marks, mut violated) = (0, 0);
            for (server, disk) in row.iter().enumerate() {
                let (mut node, effects) = Node::<M>::start(self.servers[server], disk.clone());
                let slow = self.limits.clients.slow;
                node.layer = self.clients_at().map(|_| Box::new(Layer::new(slow)));
                state[server] = self.tables.nodes.intern(node);
                let compiled = self.tables.compile(effects);
                let (m, v) = self.take_effects(cache, &mut state, server, compiled);
                marks |= m;
                violated |= v;
            }
            out.push(0, marks, violated, &state);
        }
    }

    /// What holds in a state.
    fn verdict(&self, cache: &mut Cache, state: &[u32]) -> Judgement {
        let n = self.servers.len();
        let infos: Vec<_> =
            (0..n).map(|server| *self.tables.info(self.servers[server], state[server])).collect();
        let mut violated = 0;
        let mut reached = 0;
        let chosen = self.tables.chosen(state[self.ghost_at()]);
        let mut holders = zab::SidSet::EMPTY;
        let mut newest = None;
        let mut leaders = 0;
        for (a, info) in infos.iter().enumerate() {
            violated |= info.violated;
            // Whoever lost its history has no say in what another server begins with.
            if info.history_lost || self.tables.begins_with(cache, info.durable, chosen) {
                holders.insert(self.servers[a].me);
            }
            for other in &infos[..a] {
                if !self.tables.matching(cache, info.issued, other.issued)
                    || !self.tables.matching(cache, info.durable, other.durable)
                {
                    violated |= Property::Z7.bit();
                }
            }
            if let (Role::Leading, Some(epoch)) = (info.role, info.established) {
                leaders += 1;
                newest = newest.max(Some(epoch));
                reached |= u64::from(info.memory_ahead) << 1;
            } else {
                reached |= u64::from(info.memory_ahead) << 2;
            }
        }
        if !self.quorum.is_quorum(&holders) {
            violated |= Property::Z5.bit();
        }
        for (i, info) in infos.iter().enumerate() {
            if let Role::Following(leader) | Role::Observing(leader) = info.role
                && self.is_told(state, i, self.index(leader), info)
                && infos[self.index(leader)].established == info.established
            {
                reached |= 1 << 6;
                if infos[self.index(leader)].applied != info.applied {
                    violated |= Property::Z16.bit();
                }
            }
        }
        reached |= u64::from(leaders >= 2);
        let deposed = infos.iter().any(|info| match info.role {
            Role::Following(_) | Role::Observing(_) => {
                info.established.is_some() && info.established < newest
            }
            Role::Down | Role::Looking | Role::Leading => false,
        });
        reached |= u64::from(deposed) << 3;
        reached |= u64::from(!self.tables.logs.get(chosen).is_empty()) << 4;
        let histories = infos.iter().filter(|info| !self.tables.logs.get(info.issued).is_empty());
        reached |= u64::from(histories.count() >= 2) << 5;
        if let Some(clients) = self.clients(state) {
            let (broken, seen) = self.shows(state, clients, &infos, newest);
            violated |= broken;
            reached |= seen;
        }
        Judgement { violated, reached }
    }

    /// Whether the servers that the newest leader keeps up to date show what clients were told, and
    /// what of it was met.
    fn shows(
        &self,
        state: &[u32],
        clients: &Clients,
        infos: &[Info],
        newest: Option<Epoch>,
    ) -> (u64, u64) {
        let (mut violated, mut reached) = (0, 0);
        for (i, info) in infos.iter().enumerate() {
            if info.established < newest && clients.awaits_sync(self.servers[i].me) {
                reached |= 1 << 7;
            }
            let is_told = match info.role {
                Role::Leading => true,
                Role::Following(leader) | Role::Observing(leader) => {
                    self.is_told(state, i, self.index(leader), info)
                }
                Role::Down | Role::Looking => false,
            };
            let node = self.node(state, i);
            let is_behind = node.layer.as_ref().is_some_and(|layer| layer.is_behind());
            let is_newest = newest.is_some() && info.established == newest;
            if is_told && is_newest && !is_behind && clients.told > Zxid::ZERO {
                reached |= 1 << 8;
                if node.last_applied() < clients.told {
                    violated |= Property::Seen.bit();
                }
            }
        }
        (violated, reached)
    }

    /// True if a learner is up to date with its leader, and nothing is under way to it.
    fn is_told(&self, state: &[u32], i: usize, m: usize, learner: &Info) -> bool {
        let peer = self.servers[i].me;
        let link = || self.node(state, m).host.link_to(peer);
        let wire = || self.conn(state, i, m).wire(number(link()?.generation).0);
        learner.established.is_some()
            && wire().is_some_and(|wire| wire.is_whole() && wire.to_learner.is_empty())
    }

    /// How many disk images a crash could leave (Z12): the durable prefixes of the disks of all
    /// distinct servers met.
    pub fn images(&self) -> u64 {
        let nodes = u32::try_from(self.tables.nodes.len()).unwrap_or(u32::MAX);
        (0..nodes).map(|id| self.tables.nodes.get(id).disk.pending.len() as u64 + 1).sum()
    }

    fn pair_at(&self, a: usize, b: usize) -> usize {
        a * (self.servers.len() - 1) + if b > a { b - 1 } else { b }
    }

    fn conn_at(&self, learner: usize, leader: usize) -> usize {
        self.servers.len() + self.pair_at(learner, leader)
    }

    fn slot_at(&self, from: usize, to: usize) -> usize {
        let n = self.servers.len();
        n + n * (n - 1) + self.pair_at(from, to)
    }

    fn ghost_at(&self) -> usize {
        let n = self.servers.len();
        n + n * (n - 1) * if M::REAL_ELECTION { 2 } else { 1 }
    }

    fn clients_at(&self) -> Option<usize> {
        (self.limits.clients.clients > 0).then(|| self.ghost_at() + 1)
    }

    fn index(&self, sid: Sid) -> usize {
        usize::from(sid.0) - 1
    }
}

impl<M: Machine> Space for Cluster<M> {
    type Worker = Cache;

    fn worker(&self) -> Cache {
        self.tables.cache()
    }

    fn words(&self) -> usize {
        self.ghost_at() + 2 + usize::from(self.clients_at().is_some())
    }

    fn initial(&self, cache: &mut Cache, out: &mut Successors) {
        let mut named = Successors::new(self.words());
        self.initial_as_named(cache, &mut named);
        for edge in named.iter() {
            cache.scratch.clear();
            cache.scratch.extend_from_slice(edge.words);
            if self.symmetric {
                self.canonicalize(cache);
            }
            out.push(edge.label, edge.marks, edge.violated, &cache.scratch);
        }
    }

    fn expand(&self, cache: &mut Cache, state: &[u32], out: &mut Successors) {
        self.each_act(cache, state, &mut |cache, act| {
            if let Some((marks, violated)) = self.take(cache, state, act) {
                if self.symmetric {
                    self.canonicalize(cache);
                }
                out.push(act.label(), marks, violated, &cache.scratch);
            }
        });
    }

    fn judge(&self, cache: &mut Cache, state: &[u32]) -> Judgement {
        self.count_orbit(cache, state);
        self.verdict(cache, state)
    }

    fn digest(&self, place: usize, word: u32) -> u128 {
        let n = self.servers.len();
        let ghost = self.ghost_at();
        if place < n {
            self.tables.nodes.digest(word)
        } else if place < n * n {
            self.tables.conns.digest(word)
        } else if place < ghost {
            self.tables.slots.digest(word)
        } else if place == ghost {
            self.tables.ghosts.digest(word)
        } else if Some(place) == self.clients_at() {
            self.tables.clients.digest(word)
        } else {
            u128::from(word)
        }
    }

    fn bytes(&self) -> u64 {
        self.tables.bytes()
    }
}
