//! The same cluster as a stateright model: states spelt out, fingerprinted and searched by
//! stateright.
//!
//! The reference that the own search has to agree with. It shares the transition functions, and
//! nothing of how states are told apart: there are no ids in its states, no fingerprints of ours,
//! no table of visited states.

use search::intern::Handle;
use stateright::{Model, Property as Claim};

use super::Cluster;
use super::action::Act;
use super::client::Clients;
use super::frame::Frame;
use super::ghost::Ghost;
use super::link::{Conn, End, Slot, Wire};
use super::machine::Machine;
use super::mark::{Companion, Seen};
use super::node::Node;
use super::property::Property;

/// A state, spelt out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Spelt<M: Machine> {
    /// The servers.
    pub nodes: Vec<Node<M>>,
    /// The connections of every ordered pair of servers (learner, leader).
    pub conns: Vec<SpeltConn>,
    /// The slots of every ordered pair, if the election is real.
    pub slots: Vec<Slot>,
    /// The ghosts.
    pub ghost: Ghost,
    /// The clients, if there are some.
    pub clients: Option<Clients>,
    /// What is left of the budgets.
    pub budgets: u32,
    /// Properties violated on the way here.
    pub violated: u64,
}

/// The connections of a pair, spelt out.
pub type SpeltConn = Vec<SpeltWire>;

/// A connection, spelt out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in `Wire`")]
pub struct SpeltWire {
    pub number: u8,
    pub learner: End,
    pub leader: End,
    pub to_leader: Vec<Frame>,
    pub to_learner: Vec<Frame>,
}

impl<M: Machine> Cluster<M> {
    fn spell(&self, words: &[u32], violated: u64) -> Spelt<M> {
        let n = self.servers.len();
        let spell = |ids: &[Handle]| {
            ids.iter().map(|&id| self.tables.frames.get(id).clone()).collect::<Vec<_>>()
        };
        let conns = words[n..n * n].iter().map(|&id| {
            let wires = self.tables.conns.get(id).0.iter().map(|wire| SpeltWire {
                number: wire.number,
                learner: wire.learner,
                leader: wire.leader,
                to_leader: spell(&wire.to_leader),
                to_learner: spell(&wire.to_learner),
            });
            wires.collect()
        });
        let slots =
            words[n * n..self.ghost_at()].iter().map(|&id| self.tables.slots.get(id).clone());
        Spelt {
            nodes: (0..n).map(|server| self.node(words, server).clone()).collect(),
            conns: conns.collect(),
            slots: slots.collect(),
            ghost: self.ghost(words).clone(),
            clients: self.clients(words).cloned(),
            budgets: self.budgets(words),
            violated,
        }
    }

    fn unspell(&self, state: &Spelt<M>) -> Vec<u32> {
        let tables = &self.tables;
        let handle = |frame: &Frame| tables.frames.handle(tables.frames.intern_ref(frame));
        let ids = |frames: &[Frame]| frames.iter().map(handle).collect();
        let nodes = state.nodes.iter().map(|node| tables.nodes.intern_ref(node));
        let conns = state.conns.iter().map(|conn| {
            let wires = conn.iter().map(|wire| Wire {
                number: wire.number,
                learner: wire.learner,
                leader: wire.leader,
                to_leader: ids(&wire.to_leader),
                to_learner: ids(&wire.to_learner),
            });
            tables.conns.intern(Conn(wires.collect()))
        });
        let slots = state.slots.iter().map(|slot| tables.slots.intern_ref(slot));
        let ghost = tables.ghosts.intern_ref(&state.ghost);
        let clients = state.clients.iter().map(|clients| tables.clients.intern_ref(clients));
        let others = [ghost].into_iter().chain(clients).chain([state.budgets]);
        nodes.chain(conns).chain(slots).chain(others).collect()
    }
}

impl<M: Machine> Model for Cluster<M> {
    type State = Spelt<M>;
    type Action = Act;

    fn init_states(&self) -> Vec<Self::State> {
        let named = self.starts();
        let mut cache = self.tables.small_cache();
        let mut representative = |words: Vec<u32>| {
            cache.scratch = words;
            if self.symmetric {
                self.canonicalize(&mut cache);
            }
            cache.scratch.clone()
        };
        named
            .into_iter()
            .map(|(words, violated)| self.spell(&representative(words), violated))
            .collect()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Act>) {
        let mut cache = self.tables.small_cache();
        actions.extend(self.possible(&mut cache, &self.unspell(state)));
    }

    fn next_state(&self, state: &Self::State, act: Act) -> Option<Self::State> {
        let mut cache = self.tables.small_cache();
        let (_, violated) = self.take(&mut cache, &self.unspell(state), act)?;
        if self.symmetric {
            self.canonicalize(&mut cache);
        }
        Some(self.spell(&cache.scratch, state.violated | violated))
    }

    fn properties(&self) -> Vec<Claim<Self>> {
        fn holds<const BIT: u32, M: Machine>(cluster: &Cluster<M>, state: &Spelt<M>) -> bool {
            let words = cluster.unspell(state);
            let verdict = cluster.verdict(&mut cluster.tables.small_cache(), &words);
            (verdict.violated | state.violated) & 1 << BIT == 0
        }
        fn reached<const BIT: u32, M: Machine>(cluster: &Cluster<M>, state: &Spelt<M>) -> bool {
            let words = cluster.unspell(state);
            cluster.verdict(&mut cluster.tables.small_cache(), &words).reached & 1 << BIT != 0
        }
        macro_rules! always {
            ($($bit:literal)*) => {
                vec![$(Claim::always(Property::ALL[$bit].name(), holds::<$bit, M>)),*]
            };
        }
        let mut claims = always!(0 1 2 3 4 5 6 7 8 9 10 11 12 14 15 16 17 18 19 20 21 22 23 24);
        let in_state = |companion: &Companion| match companion.seen() {
            Seen::InState(bit) => Some((companion.name(), bit)),
            Seen::OnStep(_) => None,
        };
        for (name, bit) in Companion::ALL.iter().filter_map(in_state) {
            let condition = match bit {
                1 => reached::<0, M>,
                2 => reached::<1, M>,
                4 => reached::<2, M>,
                8 => reached::<3, M>,
                _ => reached::<7, M>,
            };
            claims.push(Claim::sometimes(name, condition));
        }
        claims
    }

    fn format_action(&self, act: &Act) -> String {
        format!("{act:?}")
    }
}
