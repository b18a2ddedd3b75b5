//! A cluster in the hand of a test: real servers of the core, with everything around them that a
//! shell, a disk and a network add. Nothing happens by itself; each method is one event.
//!
//! - Disks lag: a record is issued, and durable when [`Cluster::disk`] says so. A crash keeps the
//!   durable ones.
//! - A link is a pair of queues whose two ends close at different moments. What was sent before may
//!   still be read.
//! - Election messages: one on the wire and the latest one behind it, for each pair of servers.
//! - Timers are armed by the core, and run out when the test says so.
//!
//! After each event [`Ghost`] compares what was ever shown to clients, wherever and in whatever
//! incarnation.

#![allow(dead_code, reason = "each test uses its part")]

mod ghost;
mod link;
mod server;

use std::collections::BTreeMap;

use zab::{
    Config, Decision, DiskImage, Input, LinkCmd, Message, Notification, Quorum, Record, Role, Sid,
    SidSet, Timer, WriteNo,
};

pub(crate) use ghost::Ghost;
pub(crate) use link::{Conn, Envelope, Slot};
#[allow(unused_imports, reason = "each test uses its part")]
pub(crate) use server::{Disk, Given, Machine, Out, P, Server, Stepped, Txn};

/// Servers, links, and what was ever delivered.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) servers: BTreeMap<Sid, Server>,
    /// The connection of a learner to a leader, by learner and leader.
    pub(crate) conns: BTreeMap<(Sid, Sid), Conn>,
    /// Election messages, by sender and receiver.
    pub(crate) slots: BTreeMap<(Sid, Sid), Slot>,
    /// `None`: lies are told here, so that nothing can be promised to clients.
    pub(crate) ghost: Option<Ghost>,
}

/// How a cluster is made.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) voters: Vec<Sid>,
    pub(crate) observers: Vec<Sid>,
    /// The test decides who leads, in place of the election.
    pub(crate) decreed: bool,
    pub(crate) window: u32,
    pub(crate) counter_max: u32,
    pub(crate) epoch_max: u32,
    pub(crate) epoch_step: u32,
    pub(crate) epoch_plausible: u32,
}

/// An event, and what the server that it happened to did about it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) at: Sid,
    pub(crate) event: Event,
    pub(crate) out: Out,
}

/// Events, as far as they have to be told apart in a story.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Start,
    Decree(Decision),
    Vote(Sid, Notification),
    Message(Sid, Message<P>),
    LinkUp(Sid),
    LinkDown(Sid),
    Timer(Timer),
    Disk(WriteNo, Record<P>),
    Propose(P),
    Sync(Sid, P),
    Session(Sid),
    Resign,
    Injected,
}

/// What went on, or why it cannot go on.
pub(crate) type Outcome<T = Step> = Result<T, String>;

impl Setup {
    pub(crate) fn voters(sids: impl IntoIterator<Item = u8>) -> Self {
        Self {
            voters: sids.into_iter().map(Sid).collect(),
            observers: Vec::new(),
            decreed: false,
            window: 500,
            counter_max: 0xffff_fffe,
            epoch_max: 0x7fff_ffff,
            epoch_step: Config::EPOCH_STEP,
            epoch_plausible: Config::EPOCH_PLAUSIBLE.0,
        }
    }
}

impl Cluster {
    pub(crate) fn new(setup: &Setup) -> Self {
        let voters: SidSet = setup.voters.iter().copied().collect();
        let quorum = Quorum::majority(voters);
        let servers = setup.voters.iter().chain(&setup.observers).map(|&sid| {
            let config = Config {
                window: setup.window,
                counter_max: setup.counter_max,
                epoch_max: zab::Epoch(setup.epoch_max),
                epoch_step: setup.epoch_step,
                epoch_plausible: zab::Epoch(setup.epoch_plausible),
                ..Config::new(sid, quorum)
            };
            (sid, Server::new(config, setup.decreed))
        });
        Self {
            servers: servers.collect(),
            conns: BTreeMap::new(),
            slots: BTreeMap::new(),
            ghost: Some(Ghost::new(quorum)),
        }
    }

    pub(crate) fn server(&self, sid: Sid) -> Outcome<&Server> {
        self.servers.get(&sid).ok_or_else(|| format!("there is no server {}", sid.0))
    }

    fn up(&self, sid: Sid) -> Outcome<&Server> {
        let server = self.server(sid)?;
        if server.is_up() { Ok(server) } else { Err(format!("server {} is down", sid.0)) }
    }

    fn up_mut(&mut self, sid: Sid) -> Outcome<&mut Server> {
        self.up(sid)?;
        self.servers.get_mut(&sid).ok_or_else(|| unreachable!("it is up"))
    }

    // ---- servers

    pub(crate) fn start(&mut self, sid: Sid) -> Outcome {
        if self.server(sid)?.is_up() {
            return Err(format!("server {} is up", sid.0));
        }
        let Some(server) = self.servers.get_mut(&sid) else { unreachable!("looked up above") };
        let out = server.start();
        self.settle(sid, Event::Start, out)
    }

    /// The server loses its memory, and what was not durable. Its ends of links are gone; others do
    /// not know yet.
    pub(crate) fn crash(&mut self, sid: Sid) -> Outcome<()> {
        self.up_mut(sid)?.crash();
        self.close_all(sid);
        self.slots.retain(|(_, to), _| *to != sid);
        for (_, slot) in self.slots.iter_mut().filter(|((from, _), _)| *from == sid) {
            slot.next = None;
        }
        Ok(())
    }

    /// The disk of a server that is down holds this, and no snapshot.
    pub(crate) fn hold(&mut self, sid: Sid, image: DiskImage<P>) -> Outcome<()> {
        if self.server(sid)?.is_up() {
            return Err(format!("server {} is up", sid.0));
        }
        let Some(server) = self.servers.get_mut(&sid) else { unreachable!("looked up above") };
        server.disk.image = image;
        Ok(())
    }

    /// The shell of a server writes a snapshot of its state machine and purges the log before it.
    pub(crate) fn compact(&mut self, sid: Sid) -> Outcome<()> {
        let done = match self.servers.get_mut(&sid) {
            Some(server) => server.compact(),
            None => return Err(format!("there is no server {}", sid.0)),
        };
        if done { Ok(()) } else { Err("the log on disk does not reach what is applied".into()) }
    }

    pub(crate) fn decree(&mut self, sid: Sid, decision: Decision) -> Outcome {
        let server = self.up_mut(sid)?;
        if server.machine.role() != Role::Looking {
            return Err(format!("server {} is not looking", sid.0));
        }
        let out = server.decree(decision)?;
        self.settle(sid, Event::Decree(decision), out)
    }

    /// The next record becomes durable.
    pub(crate) fn disk(&mut self, sid: Sid) -> Outcome {
        let server = self.up_mut(sid)?;
        let Some((record, released)) = server.advance() else {
            return Err(format!("nothing is on its way to the disk of {}", sid.0));
        };
        for (to, envelope) in released {
            self.send(sid, to, envelope)?;
        }
        let upto = self.up(sid)?.disk.durable;
        self.input(sid, Event::Disk(upto, record), Input::Durable { upto }, None)
    }

    pub(crate) fn timer(&mut self, sid: Sid, timer: Timer) -> Outcome {
        if !self.up_mut(sid)?.armed.remove(&timer) {
            return Err(format!("timer {timer:?} does not run at {}", sid.0));
        }
        self.input(sid, Event::Timer(timer), Input::Timer(timer), None)
    }

    // ---- the session layer

    pub(crate) fn propose(&mut self, sid: Sid, payload: P) -> Outcome {
        self.input(sid, Event::Propose(payload.clone()), Input::Propose(payload), None)
    }

    pub(crate) fn sync(&mut self, sid: Sid, origin: Sid, body: P) -> Outcome {
        let input = Input::Sync { origin, body: body.clone() };
        self.input(sid, Event::Sync(origin, body), input, None)
    }

    pub(crate) fn session(
        &mut self,
        from: Sid,
        to: Sid,
        message: zab::SessionMessage<P>,
    ) -> Outcome {
        self.input(from, Event::Session(to), Input::Session { peer: to, message }, None)
    }

    pub(crate) fn resign(&mut self, sid: Sid) -> Outcome {
        self.input(sid, Event::Resign, Input::Resign, None)
    }

    // ---- the network

    /// The link that a learner dials comes up, first at the leader.
    pub(crate) fn connect(&mut self, learner: Sid) -> Outcome<[Step; 2]> {
        let Some(leader) = self.up(learner)?.dialling else {
            return Err(format!("server {} dials nobody", learner.0));
        };
        if self.up(leader)?.machine.role() != Role::Leading {
            return Err(format!("server {} does not lead, so it takes no links", leader.0));
        }
        self.up_mut(leader)?.gated.retain(|gated| gated.to != learner);
        let server = self.up_mut(learner)?;
        server.gated.retain(|gated| gated.to != leader);
        server.dialling = None;
        self.conns.insert((learner, leader), Conn::open());
        let up = |peer| Input::Link { peer, up: true };
        let accepted = self.input(leader, Event::LinkUp(learner), up(learner), None)?;
        let connected = self.input(learner, Event::LinkUp(leader), up(leader), None)?;
        Ok([accepted, connected])
    }

    /// One end of the link learns that it is broken. The other reads on.
    pub(crate) fn cut(&mut self, sid: Sid, peer: Sid) -> Outcome {
        self.up(sid)?;
        if !self.close(sid, peer) {
            return Err(format!("server {} has no link to {}", sid.0, peer.0));
        }
        self.up_mut(sid)?.gated.retain(|gated| gated.to != peer);
        self.input(sid, Event::LinkDown(peer), Input::Link { peer, up: false }, None)
    }

    /// What `to` can read from `from` next, if anything.
    pub(crate) fn in_flight(&self, from: Sid, to: Sid) -> usize {
        let to_leader = self.conns.get(&(from, to)).map_or(0, |conn| conn.to_leader.len());
        let to_learner = self.conns.get(&(to, from)).map_or(0, |conn| conn.to_learner.len());
        to_leader + to_learner
    }

    /// `to` reads the next message from `from`; behind the last one, that the link is gone.
    pub(crate) fn deliver(&mut self, from: Sid, to: Sid) -> Outcome {
        self.up(to)?;
        let queues = [self.conns.get_mut(&(from, to)).map(|conn| &mut conn.to_leader)];
        let mut found =
            queues.into_iter().flatten().find_map(std::collections::VecDeque::pop_front);
        if found.is_none() {
            found = self.conns.get_mut(&(to, from)).and_then(|conn| conn.to_learner.pop_front());
        }
        if let Some(envelope) = found {
            return self.hand_over(from, to, envelope);
        }
        if self.has_ended(from, to) {
            return self.cut(to, from);
        }
        Err(format!("nothing is in flight from {} to {}", from.0, to.0))
    }

    /// True if `to` has read everything from `from`, which has closed its end.
    pub(crate) fn has_ended(&self, from: Sid, to: Sid) -> bool {
        let by_learner = self
            .conns
            .get(&(from, to))
            .is_some_and(|c| c.leader_open && !c.learner_open && c.to_leader.is_empty());
        let by_leader = self
            .conns
            .get(&(to, from))
            .is_some_and(|c| c.learner_open && !c.leader_open && c.to_learner.is_empty());
        by_learner || by_leader
    }

    /// Gives a message to `to` as if `from` had sent it.
    pub(crate) fn hand_over(&mut self, from: Sid, to: Sid, envelope: Envelope) -> Outcome {
        let Envelope { message, content } = envelope;
        let event = Event::Message(from, message.clone());
        self.input(to, event, Input::Recv { peer: from, message }, Some(content))
    }

    /// `to` reads the next election message from `from`.
    pub(crate) fn vote(&mut self, from: Sid, to: Sid) -> Outcome {
        self.up(to)?;
        let read = self.slots.get_mut(&(from, to)).and_then(Slot::read);
        let Some(notification) = read else {
            return Err(format!("no vote is on its way from {} to {}", from.0, to.0));
        };
        let input = Input::Notify { from, notification };
        self.input(to, Event::Vote(from, notification), input, None)
    }

    /// The election messages on their way are lost.
    pub(crate) fn lose_votes(&mut self, from: Sid, to: Sid) {
        self.slots.remove(&(from, to));
    }

    // ---- everything in its natural order

    /// The next thing that would happen by itself among `sids`, faults and limits apart.
    pub(crate) fn natural(&mut self, sids: &[Sid]) -> Outcome<Vec<Step>> {
        let up = |cluster: &Self, sid: Sid| cluster.servers.get(&sid).is_some_and(Server::is_up);
        for &sid in sids.iter().filter(|&&sid| up(self, sid)) {
            let dialled = self.servers[&sid].dialling.filter(|leader| {
                let leads = |s: &Server| s.machine.role() == Role::Leading;
                sids.contains(leader) && self.servers.get(leader).is_some_and(leads)
            });
            if dialled.is_some() {
                return self.connect(sid).map(Vec::from);
            }
        }
        for &to in sids.iter().filter(|&&sid| up(self, sid)) {
            if !self.servers[&to].disk.pending.is_empty() {
                return Ok(vec![self.disk(to)?]);
            }
            for &from in sids {
                if self.slots.get(&(from, to)).is_some_and(|slot| slot.wire.is_some()) {
                    return Ok(vec![self.vote(from, to)?]);
                }
                if self.in_flight(from, to) > 0 || self.has_ended(from, to) {
                    return Ok(vec![self.deliver(from, to)?]);
                }
            }
        }
        for &sid in sids.iter().filter(|&&sid| up(self, sid)) {
            if self.servers[&sid].armed.contains(&Timer::Finalize) {
                return Ok(vec![self.timer(sid, Timer::Finalize)?]);
            }
        }
        Ok(Vec::new())
    }

    /// Lets everything happen among `sids` until nothing is left.
    pub(crate) fn stabilize(&mut self, sids: &[Sid]) -> Outcome<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            let more = self.natural(sids)?;
            if more.is_empty() {
                return Ok(steps);
            }
            steps.extend(more);
            if steps.len() > 10_000 {
                return Err("this does not come to rest".into());
            }
        }
    }

    // ---- what a step leads to

    /// Whatever comes, at a server that may be down.
    pub(crate) fn inject(&mut self, sid: Sid, input: Input<P>) -> Outcome {
        let Some(server) = self.servers.get_mut(&sid) else {
            return Err(format!("there is no server {}", sid.0));
        };
        let out = server.step(input, None);
        self.settle(sid, Event::Injected, out)
    }

    pub(crate) fn input(
        &mut self,
        sid: Sid,
        event: Event,
        input: Input<P>,
        content: Option<Vec<Txn>>,
    ) -> Outcome {
        let out = self.up_mut(sid)?.step(input, content);
        self.settle(sid, event, out)
    }

    fn settle(&mut self, at: Sid, event: Event, out: Out) -> Outcome {
        let sends = match self.servers.get_mut(&at) {
            Some(server) => std::mem::take(&mut server.leaving),
            None => Vec::new(),
        };
        for (to, envelope) in sends {
            self.send(at, to, envelope)?;
        }
        for cmd in &out.links {
            if let LinkCmd::Close(peer) = cmd {
                self.close(at, *peer);
            }
        }
        for (to, notification) in &out.notifications {
            if self.servers.get(to).is_some_and(Server::is_up) {
                self.slots.entry((at, *to)).or_default().send(*notification);
            }
        }
        if let (Some(ghost), Some(server)) = (&mut self.ghost, self.servers.get(&at)) {
            ghost.see(server, &out)?;
        }
        if let Some(ghost) = &self.ghost {
            ghost.check(self.servers.values())?;
        }
        if out.halt.is_some() {
            self.close_all(at);
        }
        Ok(Step { at, event, out })
    }

    fn send(&mut self, from: Sid, to: Sid, envelope: Envelope) -> Outcome<()> {
        if let (Some(ghost), Some(server)) = (&self.ghost, self.servers.get(&from)) {
            ghost.leaves(server, &envelope.message)?;
        }
        if let Some(conn) = self.conns.get_mut(&(from, to)).filter(|conn| conn.learner_open) {
            conn.send_to_leader(envelope);
        } else if let Some(conn) = self.conns.get_mut(&(to, from)).filter(|conn| conn.leader_open) {
            conn.send_to_learner(envelope);
        } else if self.ghost.is_some() {
            return Err(format!("server {} sends to {} without a link", from.0, to.0));
        }
        Ok(())
    }

    fn close(&mut self, sid: Sid, peer: Sid) -> bool {
        let mut closed = false;
        if let Some(conn) = self.conns.get_mut(&(sid, peer)) {
            closed |= std::mem::take(&mut conn.learner_open);
            conn.to_learner.clear();
        }
        if let Some(conn) = self.conns.get_mut(&(peer, sid)) {
            closed |= std::mem::take(&mut conn.leader_open);
            conn.to_leader.clear();
        }
        closed
    }

    fn close_all(&mut self, sid: Sid) {
        let peers: Vec<Sid> = self.servers.keys().copied().collect();
        for peer in peers {
            self.close(sid, peer);
        }
    }
}
