//! What the host needs of the core.

use zab::{Decision, Input, Outputs, Peer, Role, Sid, WriteNo, Zab};

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
