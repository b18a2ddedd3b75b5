//! The deployed machines, as the models drive them.

use std::fmt::Debug;
use std::hash::Hash;

use super::payload::Origin;
use host::{Core, Effect, Host, Shell};
use zab::{Config, Decision, Epoch, Fact, Input, Outputs, Peer, Sid, Zab, Zxid};

/// A transaction of a model.
pub type Txn = zab::Txn<Origin>;

/// What a host asks for in a model: state machines are sequences of transactions.
pub type Asked = Vec<Effect<Origin, Vec<Txn>>>;

/// A shell that keeps the facts of a step, and has no session.
pub struct Facts<'a>(pub &'a mut Vec<Fact<Origin>>);

impl Shell<Origin> for Facts<'_> {
    fn begins(&mut self, _: &Input<Origin>) {}
    fn ended(&mut self, _: &Outputs<Origin>) {}
    fn report(&mut self) -> Option<Origin> {
        None
    }
    fn fact(&mut self, fact: Fact<Origin>) {
        self.0.push(fact);
    }
}

/// A machine of the core that a cluster can be made of. The models call its host and nothing else.
pub trait Machine:
    Core<Payload = Origin> + Clone + Eq + Hash + Debug + Send + Sync + 'static
{
    /// True if the real election is part of the machine; false if an oracle decides.
    const REAL_ELECTION: bool;

    /// A server that waits for its start.
    fn new(config: Config) -> Self;
    /// What the oracle decides.
    fn decide(host: &mut Host<Self>, decision: Decision, shell: &mut Facts<'_>, asked: &mut Asked);
    /// Zab proper.
    fn zab(&self) -> &Zab<Origin>;
    /// The epoch in which it serves clients, as the shell asks for it.
    fn established(&self) -> Option<Epoch>;
    /// The end of its history, as the shell asks for it.
    fn last(&self) -> Option<Zxid>;
    /// The same server under other names; `None` if names matter to this machine, as they do to the
    /// real election.
    fn renamed(host: &Host<Self>, name: &dyn Fn(Sid) -> Sid) -> Option<Host<Self>>;
}

impl Machine for Zab<Origin> {
    const REAL_ELECTION: bool = false;

    fn new(config: Config) -> Self {
        Zab::new(config)
    }

    fn decide(host: &mut Host<Self>, decision: Decision, shell: &mut Facts<'_>, asked: &mut Asked) {
        host.elected(decision, shell, asked);
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

    fn renamed(host: &Host<Self>, name: &dyn Fn(Sid) -> Sid) -> Option<Host<Self>> {
        Some(host.renamed(name))
    }
}

impl Machine for Peer<Origin> {
    const REAL_ELECTION: bool = true;

    fn new(config: Config) -> Self {
        Peer::new(config)
    }

    /// The election decides here: an oracle is not asked.
    fn decide(_: &mut Host<Self>, _: Decision, _: &mut Facts<'_>, _: &mut Asked) {}

    fn zab(&self) -> &Zab<Origin> {
        Peer::zab(self)
    }

    fn established(&self) -> Option<Epoch> {
        Peer::established(self)
    }

    fn last(&self) -> Option<Zxid> {
        Peer::last(self)
    }

    fn renamed(_: &Host<Self>, _: &dyn Fn(Sid) -> Sid) -> Option<Host<Self>> {
        None
    }
}
