//! The deployed machines, as the models drive them.

use std::fmt::Debug;
use std::hash::Hash;

use zab::{Config, Decision, Epoch, Input, Outputs, Peer, Sid, WriteNo, Zab, Zxid};

/// What transactions carry in a model: nothing of interest. That a zxid is never used for two transactions is checked
/// where they are proposed (Z2), so a zxid stands for its transaction.
pub type Origin = u8;

/// A transaction of a model.
pub type Txn = zab::Txn<Origin>;

/// A machine of the core that a cluster can be made of. The models call nothing else.
pub trait Machine: Clone + Eq + Hash + Debug + Send + Sync + 'static {
    /// True if the real election is part of the machine; false if an oracle decides.
    const REAL_ELECTION: bool;

    /// A server that waits for its start.
    fn new(config: Config) -> Self;
    /// The core's one entry point.
    fn step(&mut self, input: Input<Origin>, out: &mut Outputs<Origin>);
    /// What the oracle decides.
    fn elected(&mut self, decision: Decision, out: &mut Outputs<Origin>);
    /// Zab proper.
    fn zab(&self) -> &Zab<Origin>;
    /// The epoch in which it serves clients, as the shell asks for it.
    fn established(&self) -> Option<Epoch>;
    /// The end of its history, as the shell asks for it.
    fn last(&self) -> Option<Zxid>;
    /// The same server under other names; `None` if names matter to this machine, as they do to the real election.
    fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Option<Self>;
    /// Counts writes from the last durable one.
    fn renumber(&mut self) -> WriteNo;
}

impl Machine for Zab<Origin> {
    const REAL_ELECTION: bool = false;

    fn new(config: Config) -> Self {
        Zab::new(config)
    }

    fn step(&mut self, input: Input<Origin>, out: &mut Outputs<Origin>) {
        Zab::step(self, input, out);
    }

    fn elected(&mut self, decision: Decision, out: &mut Outputs<Origin>) {
        Zab::elected(self, decision, out);
    }

    fn zab(&self) -> &Zab<Origin> {
        self
    }

    fn established(&self) -> Option<Epoch> {
        Zab::established(self)
    }

    fn last(&self) -> Option<Zxid> {
        Zab::last(self)
    }

    fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Option<Self> {
        Some(Zab::renamed(self, name))
    }

    fn renumber(&mut self) -> WriteNo {
        Zab::renumber(self)
    }
}

impl Machine for Peer<Origin> {
    const REAL_ELECTION: bool = true;

    fn new(config: Config) -> Self {
        Peer::new(config)
    }

    fn step(&mut self, input: Input<Origin>, out: &mut Outputs<Origin>) {
        Peer::step(self, input, out);
    }

    /// The election decides here: an oracle is not asked.
    fn elected(&mut self, _: Decision, _: &mut Outputs<Origin>) {}

    fn zab(&self) -> &Zab<Origin> {
        Peer::zab(self)
    }

    fn established(&self) -> Option<Epoch> {
        Peer::established(self)
    }

    fn last(&self) -> Option<Zxid> {
        Peer::last(self)
    }

    fn renamed(&self, _: &dyn Fn(Sid) -> Sid) -> Option<Self> {
        None
    }

    fn renumber(&mut self) -> WriteNo {
        Peer::renumber(self)
    }
}
