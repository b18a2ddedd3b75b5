//! Zab proper: a replica and the role that it plays.

use crate::config::Config;
use crate::io::{Action, Fact, Ignored, Input, Note, Outputs, Refusal, Role, Timer};
use crate::leader::Leader;
use crate::learner::Learner;
use crate::message::{LearnerKind, Payload};
use crate::quorum::Quorum;
use crate::replica::Replica;
use crate::types::{Epoch, Sid, WriteNo, Zxid};

/// What the election decides: all that it ever tells Zab proper.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Decision {
    /// This server leads.
    Lead,
    /// This server follows, or observes, that one.
    Follow(Sid),
}

/// Whether a role goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Stay,
    Look,
}

/// Phases 1 to 3 of Zab on one server. Who should lead is decided elsewhere, rightly or wrongly: see
/// [`Zab::elected`]. A model may drive this machine alone, with any election it likes; deployed servers
/// drive it through [`Peer`](crate::Peer).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Zab<P> {
    config: Config,
    phase: Phase<P>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase<P> {
    /// Not started, or stopped for good.
    Down,
    Looking(Replica<P>),
    Leading(Replica<P>, Leader<P>),
    Learning(Replica<P>, Learner),
}

impl<P: Payload> Zab<P> {
    /// A server that has not been started: it waits for [`Input::Start`].
    pub fn new(config: Config) -> Self {
        Self { config, phase: Phase::Down }
    }

    /// Takes one step. Inputs for the election ([`Input::Notify`], its timers) are ignored.
    pub fn step(&mut self, input: Input<P>, out: &mut Outputs<P>) {
        let next = match input {
            Input::Start(image) => {
                let Phase::Down = self.phase else {
                    return out.ignored(Ignored::NotNow);
                };
                match Replica::start(self.config, image) {
                    Ok(replica) => {
                        out.action(Action::Start);
                        out.facts.push(replica.started());
                        self.phase = Phase::Looking(replica);
                        self.note_role(out);
                    }
                    Err(halt) => out.halt = Some(halt),
                }
                return;
            }
            Input::Notify { .. } => {
                out.ignored(Ignored::NotNow);
                Next::Stay
            }
            Input::Link { peer, up } => self.link(peer, up, out),
            Input::Recv { peer, message } => match &mut self.phase {
                Phase::Down | Phase::Looking(_) => {
                    out.ignored(Ignored::NoLink);
                    Next::Stay
                }
                Phase::Leading(replica, leader) => leader.recv(peer, message, replica, out),
                Phase::Learning(_, learner) if learner.leader() != peer => {
                    out.ignored(Ignored::NoLink);
                    Next::Stay
                }
                Phase::Learning(replica, learner) => match learner.recv(message, replica, out) {
                    Ok(()) => Next::Stay,
                    Err(refusal) => leave(peer, refusal, out),
                },
            },
            Input::Timer(timer) => self.timer(timer, out),
            Input::Durable { upto } => self.durable(upto, out),
            Input::Propose(payload) => match &mut self.phase {
                Phase::Leading(replica, leader) => leader.propose(payload, replica, out),
                Phase::Down | Phase::Looking(_) | Phase::Learning(..) => {
                    out.ignored(Ignored::NotLeading);
                    Next::Stay
                }
            },
            Input::Sync { origin, body } => {
                match &mut self.phase {
                    Phase::Leading(replica, leader) => leader.sync(origin, body, replica, out),
                    Phase::Down | Phase::Looking(_) | Phase::Learning(..) => {
                        out.ignored(Ignored::NotLeading);
                    }
                }
                Next::Stay
            }
            Input::Session { peer, message } => {
                match &mut self.phase {
                    Phase::Leading(_, leader) => leader.send_session(peer, message, out),
                    Phase::Learning(_, learner) => learner.send_session(peer, message, out),
                    Phase::Down | Phase::Looking(_) => out.ignored(Ignored::NotUpToDate),
                }
                Next::Stay
            }
            Input::Resign => match &self.phase {
                Phase::Down | Phase::Looking(_) => {
                    out.ignored(Ignored::NotNow);
                    Next::Stay
                }
                Phase::Leading(..) => {
                    out.action(Action::LeaderStepDown);
                    Next::Look
                }
                Phase::Learning(_, learner) => leave(learner.leader(), Refusal::RoleEnded, out),
            },
        };
        match next {
            Next::Stay => {}
            Next::Look => self.look(out),
        }
    }

    /// The election has decided. Without effect unless this server is looking.
    pub fn elected(&mut self, decision: Decision, out: &mut Outputs<P>) {
        let Phase::Looking(replica) = &self.phase else {
            return out.ignored(Ignored::NotNow);
        };
        if decision == Decision::Lead && replica.history_lost {
            return out.ignored(Ignored::NotVoter);
        }
        let Phase::Looking(mut replica) = core::mem::replace(&mut self.phase, Phase::Down) else {
            return;
        };
        match decision {
            Decision::Lead => {
                out.action(Action::BecomeLeading);
                match Leader::begin(&mut replica, out) {
                    Ok(leader) => self.phase = Phase::Leading(replica, leader),
                    Err(halt) => out.halt = Some(halt),
                }
            }
            Decision::Follow(leader) => {
                out.action(Action::BecomeLearner);
                let kind = match self.config.is_voter() {
                    true => LearnerKind::Follower,
                    false => LearnerKind::Observer,
                };
                self.phase = Phase::Learning(replica, Learner::begin(leader, kind, out));
            }
        }
        self.note_role(out);
    }

    /// This server.
    pub fn me(&self) -> Sid {
        self.config.me
    }

    /// Which sets of servers decide.
    pub fn quorum(&self) -> Quorum {
        self.config.quorum
    }

    /// What this server is.
    pub fn role(&self) -> Role {
        match &self.phase {
            Phase::Down => Role::Down,
            Phase::Looking(_) => Role::Looking,
            Phase::Leading(..) => Role::Leading,
            Phase::Learning(_, learner) => match learner.kind() {
                LearnerKind::Follower => Role::Following(learner.leader()),
                LearnerKind::Observer => Role::Observing(learner.leader()),
            },
        }
    }

    /// The epoch in which this server serves clients: its leader's, once the server is up to date, or its own, once
    /// it is established.
    pub fn established(&self) -> Option<Epoch> {
        match &self.phase {
            Phase::Down | Phase::Looking(_) => None,
            Phase::Leading(_, leader) => leader.established(),
            Phase::Learning(_, learner) => learner.established(),
        }
    }

    /// Whether this server may take part in decisions: it has a vote, and a history that lacks nothing which it has
    /// acknowledged.
    pub fn may_vote(&self) -> bool {
        self.config.is_voter() && !self.history_lost()
    }

    /// Whether this server waits for a leader to give it a history, having lost its own
    /// ([`DiskImage::history_lost`](crate::DiskImage)).
    pub fn history_lost(&self) -> bool {
        self.replica().is_some_and(|replica| replica.history_lost)
    }

    /// `acceptedEpoch`, as issued to the disk; `None` when down. So are the next ones.
    pub fn accepted_epoch(&self) -> Option<Epoch> {
        self.replica().map(|replica| replica.accepted)
    }

    /// `currentEpoch`.
    pub fn current_epoch(&self) -> Option<Epoch> {
        self.replica().map(|replica| replica.current)
    }

    /// The end of the history.
    pub fn last(&self) -> Option<Zxid> {
        self.replica().map(|replica| replica.history.last())
    }

    /// The last transaction delivered to the state machine, or held by the snapshot it began with.
    pub fn delivered(&self) -> Option<Zxid> {
        self.replica().map(|replica| replica.delivered)
    }

    /// Counts writes from the last durable one, and returns the number that became zero: whoever holds a [`WriteNo`]
    /// of this server has to subtract it. Nothing else changes: for checkers, to which two servers that differ only
    /// in how much they wrote in the past are one.
    pub fn renumber(&mut self) -> WriteNo {
        match &mut self.phase {
            Phase::Down => WriteNo(0),
            Phase::Looking(replica) | Phase::Leading(replica, _) | Phase::Learning(replica, _) => {
                replica.renumber()
            }
        }
    }

    /// The same server in an ensemble whose ids are exchanged by `name`, a bijection that keeps voters voters. For
    /// checkers: nothing in this machine compares ids, so it does the same under other names.
    #[must_use]
    pub fn renamed(&self, name: impl Fn(Sid) -> Sid) -> Self {
        let config = self.config.renamed(&name);
        let of = |replica: &Replica<P>| replica.renamed(config, &name);
        let phase = match &self.phase {
            Phase::Down => Phase::Down,
            Phase::Looking(replica) => Phase::Looking(of(replica)),
            Phase::Leading(replica, leader) => Phase::Leading(of(replica), leader.renamed(&name)),
            Phase::Learning(replica, learner) => {
                Phase::Learning(of(replica), learner.renamed(&name))
            }
        };
        Self { config, phase }
    }

    fn replica(&self) -> Option<&Replica<P>> {
        match &self.phase {
            Phase::Down => None,
            Phase::Looking(replica) | Phase::Leading(replica, _) | Phase::Learning(replica, _) => {
                Some(replica)
            }
        }
    }

    fn link(&mut self, peer: Sid, up: bool, out: &mut Outputs<P>) -> Next {
        match (&mut self.phase, up) {
            (_, true | false) if peer == self.config.me => out.ignored(Ignored::NoLink),
            (Phase::Leading(replica, leader), true) => leader.link_up(peer, replica, out),
            (Phase::Leading(replica, leader), false) => leader.link_down(peer, replica, out),
            (Phase::Learning(replica, learner), true) if learner.leader() == peer => {
                learner.link_up(replica, out);
            }
            (Phase::Learning(_, learner), false) if learner.leader() == peer => {
                out.action(Action::LearnerLeave);
                return Next::Look;
            }
            (Phase::Down | Phase::Looking(_) | Phase::Learning(..), true | false) => {
                out.ignored(Ignored::NoLink);
            }
        }
        Next::Stay
    }

    fn timer(&mut self, timer: Timer, out: &mut Outputs<P>) -> Next {
        match &mut self.phase {
            Phase::Down | Phase::Looking(_) => out.ignored(Ignored::StaleTimer),
            Phase::Leading(replica, leader) => return leader.timer(timer, replica, out),
            Phase::Learning(_, learner) if learner.is_due(timer) => {
                return leave(learner.leader(), Refusal::TimedOut, out);
            }
            Phase::Learning(..) => out.ignored(Ignored::StaleTimer),
        }
        Next::Stay
    }

    fn durable(&mut self, upto: WriteNo, out: &mut Outputs<P>) -> Next {
        let news = match &mut self.phase {
            Phase::Down => false,
            Phase::Looking(replica) | Phase::Leading(replica, _) | Phase::Learning(replica, _) => {
                replica.durable(upto, out)
            }
        };
        if !news {
            out.ignored(Ignored::StaleDurable);
            return Next::Stay;
        }
        out.action(Action::Durable);
        if let Phase::Leading(replica, leader) = &mut self.phase {
            leader.on_durable(replica, out);
        }
        Next::Stay
    }

    fn look(&mut self, out: &mut Outputs<P>) {
        self.phase = match core::mem::replace(&mut self.phase, Phase::Down) {
            Phase::Down => Phase::Down,
            Phase::Looking(replica) => Phase::Looking(replica),
            Phase::Leading(replica, mut leader) => {
                leader.end(out);
                out.facts.push(Fact::LeadershipEnded);
                Phase::Looking(replica)
            }
            Phase::Learning(replica, mut learner) => {
                learner.end(out);
                Phase::Looking(replica)
            }
        };
        self.note_role(out);
    }

    fn note_role(&self, out: &mut Outputs<P>) {
        let epoch = self.accepted_epoch().unwrap_or_default();
        out.notes.push(Note::Role(self.role(), epoch));
    }
}

fn leave<P>(leader: Sid, refusal: Refusal, out: &mut Outputs<P>) -> Next {
    out.action(Action::LearnerLeave);
    out.notes.push(Note::Refused(leader, refusal));
    Next::Look
}
