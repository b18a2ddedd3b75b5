//! What the host needs of the core.

use core::marker::PhantomData;

use zab::{
    Config, Decision, Election, Epoch, Input, Note, Outputs, Peer, Role, Sid, WriteNo, Zab, Zxid,
};

use crate::packets::Payload;

/// A machine of the core that a host can own: a server's whole protocol, or Zab proper alone.
pub trait Core {
    /// What its transactions carry.
    type Payload: Payload;

    /// The core's one entry point.
    fn step(&mut self, input: Input<Self::Payload>, out: &mut Outputs<Self::Payload>);
    /// This server.
    fn me(&self) -> Sid;
    /// What this server is.
    fn role(&self) -> Role;
    /// Counts writes from the last durable one: see [`Zab::renumber`].
    fn renumber(&mut self) -> WriteNo;
}

/// A machine without an election: somebody else decides who leads.
pub trait Elected: Core + Sized {
    /// The same server in an ensemble whose ids are exchanged by `name`: see [`Zab::renamed`].
    #[must_use]
    fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Self;
    /// What was decided.
    fn elected(&mut self, decision: Decision, out: &mut Outputs<Self::Payload>);
}

/// A machine without Zab proper: somebody else says when the server looks for a leader, and which
/// epoch is established.
pub trait Electing: Core + Sized {
    /// The server looks, with its `currentEpoch` and the end of its history.
    fn look(&mut self, current: Epoch, last: Zxid, out: &mut Outputs<Self::Payload>);
    /// The leader of this epoch, on whom the server has settled, is established.
    fn established(&mut self, epoch: Epoch);
}

/// The deployed election by itself. A decision is told as [`Note::Role`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Alone<P> {
    me: Sid,
    votes: bool,
    election: Election,
    payload: PhantomData<P>,
}

impl<P> Alone<P> {
    /// A server that has not looked yet.
    pub fn new(config: &Config) -> Self {
        Self {
            me: config.me,
            votes: config.quorum.is_voter(config.me),
            election: Election::new(config),
            payload: PhantomData,
        }
    }

    /// The election, to look at.
    pub fn election(&self) -> &Election {
        &self.election
    }

    fn role_of(&self, leader: Sid) -> Role {
        match leader {
            leader if leader == self.me => Role::Leading,
            leader if self.votes => Role::Following(leader),
            leader => Role::Observing(leader),
        }
    }
}

impl<P: Payload> Core for Alone<P> {
    type Payload = P;

    fn step(&mut self, input: Input<P>, out: &mut Outputs<P>) {
        let decision = match input {
            Input::Notify { from, notification } => self.election.notify(from, &notification, out),
            Input::Timer(timer) => self.election.timer(timer, out),
            Input::Start(_)
            | Input::Link { .. }
            | Input::Recv { .. }
            | Input::Durable { .. }
            | Input::Propose(_)
            | Input::Sync { .. }
            | Input::Session { .. }
            | Input::Resign => None,
        };
        let leader = decision.map(|decision| match decision {
            Decision::Lead => self.me,
            Decision::Follow(leader) => leader,
        });
        let role = leader.map(|leader| Note::Role(self.role_of(leader), Epoch::default()));
        out.notes.extend(role);
    }

    fn me(&self) -> Sid {
        self.me
    }

    fn role(&self) -> Role {
        match self.election.vote() {
            Some(vote) if !self.election.is_looking() => self.role_of(vote.leader),
            Some(_) | None => Role::Looking,
        }
    }

    fn renumber(&mut self) -> WriteNo {
        WriteNo(0)
    }
}

impl<P: Payload> Electing for Alone<P> {
    fn look(&mut self, current: Epoch, last: Zxid, out: &mut Outputs<P>) {
        self.election.look(current, last, out);
    }

    fn established(&mut self, epoch: Epoch) {
        self.election.established(epoch);
    }
}

impl<P: Payload> Core for Peer<P> {
    type Payload = P;

    fn step(&mut self, input: Input<P>, out: &mut Outputs<P>) {
        Self::step(self, input, out);
    }

    fn me(&self) -> Sid {
        Self::me(self)
    }

    fn role(&self) -> Role {
        Self::role(self)
    }

    fn renumber(&mut self) -> WriteNo {
        Self::renumber(self)
    }
}

impl<P: Payload> Core for Zab<P> {
    type Payload = P;

    fn step(&mut self, input: Input<P>, out: &mut Outputs<P>) {
        Self::step(self, input, out);
    }

    fn me(&self) -> Sid {
        Self::me(self)
    }

    fn role(&self) -> Role {
        Self::role(self)
    }

    fn renumber(&mut self) -> WriteNo {
        Self::renumber(self)
    }
}

impl<P: Payload> Elected for Zab<P> {
    fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Self {
        Self::renamed(self, name)
    }

    fn elected(&mut self, decision: Decision, out: &mut Outputs<P>) {
        Self::elected(self, decision, out);
    }
}
