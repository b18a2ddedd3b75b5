//! The world: what happens next, and to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::time::Duration;

use bytes::Bytes;
use history::Recorder;
use xxhash_rust::xxh3::Xxh3;
use zab::{Sid, Zxid};

use crate::client::{Client, Modes};
use crate::pipe::{Chunk, End, Kind, Pipe, PipeId};
use crate::plan::{Fault, Options, Plan};
use crate::process::Machine;
use crate::rng::Rng;
use crate::story::{self, Line, Who};

/// Something that is going to happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum What {
    /// A turn of a server's run.
    Turn(Sid, u64),
    /// The disk thread of a run writes what is queued.
    DiskWrite(Sid, u64),
    /// It makes it durable.
    DiskSync(Sid, u64),
    /// A run has read what its clients had sent when it asked for it.
    Listened(Sid, u64, u64),
    /// A snapshot that a run has begun is whole.
    SnapshotOut(Sid, u64, u64),
    /// Something arrives at an end of a connection.
    Arrive(PipeId, usize),
    /// A run dials a leader: which attempt, and when it began.
    Dial(Sid, u64, Sid, u64, Duration),
    /// Two servers get a connection for election messages.
    Meet(Sid, Sid),
    /// A client looks about.
    Client(usize),
    /// A machine starts its server.
    Start(Sid),
    /// A fault.
    Fault,
    /// Links that were cut are whole again.
    Heal,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was asked.
    pub seed: u64,
    /// In words: servers, clients, faults.
    pub plan: String,
    /// Of everything that happened, in order.
    pub digest: u64,
    /// How long it was for those in it.
    pub simulated: Duration,
    /// How many things happened.
    pub events: u64,
    /// Requests of clients that were answered.
    pub answers: u64,
    /// Transactions that were committed.
    pub transactions: usize,
    /// How long after the last fault every server served again, in ticks.
    pub recovery_ticks: u32,
    /// Situations that it reached.
    pub marks: BTreeSet<&'static str>,
    /// What was wrong.
    pub failure: Option<String>,
    /// What happened, if that was asked for.
    pub story: Vec<Line>,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) rng: Rng,
    pub(crate) now: Duration,
    queue: BTreeMap<(Duration, u64), What>,
    number: u64,
    pub(crate) machines: BTreeMap<Sid, Machine>,
    pub(crate) pipes: BTreeMap<PipeId, Pipe>,
    pub(crate) clients: Vec<Client>,
    /// Nothing gets from the first to the second.
    pub(crate) cuts: BTreeSet<(Sid, Sid)>,
    pub(crate) recorder: Recorder,
    /// What was committed, as the first server that delivered it said.
    pub(crate) log: BTreeMap<Zxid, Bytes>,
    pub(crate) marks: BTreeSet<&'static str>,
    pub(crate) failure: Option<String>,
    /// No more faults; and then no more requests.
    pub(crate) is_calm: bool,
    pub(crate) stops: bool,
    /// Clients only show that they are there.
    pub(crate) is_quiet: bool,
    pub(crate) recovery_ticks: u32,
    digest: Xxh3,
    events: u64,
    pub(crate) story: Option<Vec<Line>>,
}

/// Between two requests of a client that has asked for as much as it was to.
pub(crate) const UNHURRIED: Duration = Duration::from_millis(30);

/// More than the longest run has by far.
const EVENTS_MAX: u64 = 5_000_000;

impl World {
    pub(crate) fn new(options: &Options, tells: bool) -> Self {
        let mut rng = Rng::new(options.seed);
        let plan = Plan::of(options, &mut rng);
        let machines = plan.members().map(|sid| (sid, Machine::new(sid))).collect();
        let clients = (0..plan.clients)
            .map(|id| Client::new(id, rng.fork(), plan.tick, plan.depth, Modes::Together))
            .collect();
        let mut world = Self {
            plan,
            rng,
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            number: 0,
            machines,
            pipes: BTreeMap::new(),
            clients,
            cuts: BTreeSet::new(),
            recorder: Recorder::new(),
            log: BTreeMap::new(),
            marks: BTreeSet::new(),
            failure: None,
            is_calm: false,
            stops: false,
            is_quiet: false,
            recovery_ticks: 0,
            digest: Xxh3::new(),
            events: 0,
            story: tells.then(Vec::new),
        };
        let drifts = world.plan.faults.contains(&Fault::Drift);
        for sid in world.plan.members() {
            let after = world.rng.between(Duration::ZERO, Duration::from_millis(200));
            world.after(after, What::Start(sid));
            let rate = [1000, 1000, 999, 1001, 950, 1050][world.rng.below(6)];
            if let Some(machine) = world.machines.get_mut(&sid).filter(|_| drifts) {
                machine.rate = rate;
            }
        }
        for id in 0..world.plan.clients {
            let after = world.rng.between(Duration::ZERO, Duration::from_secs(1));
            world.after(after, What::Client(id));
        }
        let first = world.plan.fault_every;
        world.after(first, What::Fault);
        world
    }

    // ---- time

    pub(crate) fn at(&mut self, at: Duration, what: What) {
        self.number += 1;
        self.queue.insert((at.max(self.now), self.number), what);
    }

    pub(crate) fn after(&mut self, after: Duration, what: What) {
        self.at(self.now + after, what);
    }

    /// Lets time pass until then, or until something is wrong.
    pub(crate) fn run_until(&mut self, until: Duration) {
        while self.failure.is_none()
            && let Some(((at, _), what)) = self.queue.pop_first()
        {
            if at > until {
                self.at(at, what);
                self.now = until;
                return;
            }
            self.now = at;
            self.events += 1;
            self.count(&(at, what));
            self.happen(what);
            if self.events > EVENTS_MAX {
                self.fail(format!("{EVENTS_MAX} things have happened, and no end of it"));
            }
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Turn(sid, run) => self.turn(sid, run),
            What::Listened(sid, run, round) => self.listened(sid, run, round),
            What::DiskWrite(sid, run) => self.disk_write(sid, run),
            What::DiskSync(sid, run) => self.disk_sync(sid, run),
            What::SnapshotOut(sid, run, number) => self.snapshot_out(sid, run, number),
            What::Arrive(pipe, to) => self.arrive(pipe, to),
            What::Dial(sid, run, leader, attempt, since) => {
                self.dial(sid, run, leader, attempt, since);
            }
            What::Meet(a, b) => self.meet(a, b),
            What::Client(id) => self.client_looks(id),
            What::Start(sid) => self.start(sid),
            What::Fault => self.fault(),
            What::Heal => {
                self.cuts.clear();
                self.marks.insert("a partition heals");
                self.tell(Who::World, story::Kind::Link, || "all links are whole".to_owned());
            }
        }
    }

    /// Adds to the digest of what happened.
    pub(crate) fn count(&mut self, what: &impl Hash) {
        what.hash(&mut self.digest);
    }

    pub(crate) fn tell(&mut self, who: Who, kind: story::Kind, what: impl FnOnce() -> String) {
        let at = self.now;
        if let Some(story) = &mut self.story {
            story.push(Line { at, who, kind, text: what() });
        }
    }

    /// Tells of a message between servers.
    fn tell_message(&mut self, ends: [End; 2], to: usize, of: Kind, bytes: &[u8], arrives: bool) {
        if let (Some(_), [End::Server(from, _), End::Server(to, _)]) =
            (&self.story, [ends[1 - to], ends[to]])
        {
            let label = story::label(of, bytes);
            let (who, kind) = if arrives {
                (to, story::Kind::Received(Who::Server(from)))
            } else {
                (from, story::Kind::Sent(Who::Server(to)))
            };
            self.tell(Who::Server(who), kind, || label);
        }
    }

    pub(crate) fn fail(&mut self, why: String) {
        self.tell(Who::World, story::Kind::Step, || format!("WRONG: {why}"));
        self.failure.get_or_insert(why);
    }

    // ---- connections

    pub(crate) fn connect(&mut self, kind: Kind, ends: [End; 2]) -> PipeId {
        self.number += 1;
        let id = self.number;
        self.pipes.insert(id, Pipe::new(kind, ends));
        id
    }

    /// Lets something leave towards the other end.
    pub(crate) fn send(&mut self, id: PipeId, from: usize, chunk: Chunk) {
        let mean = self.plan.delay;
        let delay = if self.is_calm {
            self.rng.between(Duration::ZERO, mean * 2)
        } else {
            self.rng.around(mean)
        };
        let now = self.now;
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        let to = 1 - from;
        let at = pipe.arrived[to].max(now + delay);
        pipe.arrived[to] = at;
        let (kind, ends) = (pipe.kind, pipe.ends);
        if let Chunk::Bytes(bytes) = &chunk {
            self.digest.update(bytes);
            self.tell_message(ends, to, kind, bytes, false);
        }
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        pipe.queues[to].push_back(chunk);
        self.at(at, What::Arrive(id, to));
    }

    /// This end closes it. What was said still arrives.
    pub(crate) fn close(&mut self, id: PipeId, from: usize) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        if std::mem::take(&mut pipe.open[from]) {
            self.send(id, from, Chunk::Fin);
        }
        self.forget(id);
    }

    /// It breaks: what is on its way is lost, and each end learns of it at its own time.
    pub(crate) fn break_pipe(&mut self, id: PipeId) {
        for to in [0, 1] {
            let Some(pipe) = self.pipes.get_mut(&id) else { return };
            let kept = self.rng.below(pipe.queues[to].len() + 1);
            // Their arrivals find nothing.
            pipe.queues[to].truncate(kept);
            if pipe.open[to] {
                self.send(id, 1 - to, Chunk::Fin);
            }
        }
    }

    fn forget(&mut self, id: PipeId) {
        if self.pipes.get(&id).is_some_and(|pipe| pipe.open == [false; 2]) {
            self.pipes.remove(&id);
        }
    }

    fn arrive(&mut self, id: PipeId, to: usize) {
        /// How long TCP waits until it tries again.
        const AGAIN: Duration = Duration::from_millis(20);
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        if pipe.is_cut(to, &self.cuts) {
            return self.after(AGAIN, What::Arrive(id, to));
        }
        let (kind, end) = (pipe.kind, pipe.ends[to]);
        if let End::Server(sid, run) = end {
            let Some(machine) = self.machines.get(&sid) else { return };
            if machine.paused_until > self.now {
                let until = machine.paused_until;
                return self.at(until, What::Arrive(id, to));
            }
            if machine.process.as_ref().is_none_or(|process| process.run != run) {
                // A machine that has lost power says nothing; one that is up says that nobody is
                // there.
                pipe.queues[to].clear();
                if machine.process.is_some() && std::mem::take(&mut pipe.open[to]) {
                    self.send(id, to, Chunk::Fin);
                }
                return self.forget(id);
            }
        }
        let Some(chunk) = pipe.queues[to].pop_front() else { return };
        if !pipe.open[to] {
            return;
        }
        if let Chunk::Fin = chunk {
            pipe.open[to] = false;
        }
        let ends = pipe.ends;
        if let Chunk::Bytes(bytes) = &chunk {
            self.tell_message(ends, to, kind, bytes, true);
        }
        match (end, kind, chunk) {
            (End::Client(client), _, Chunk::Bytes(bytes)) => self.client_hears(client, id, &bytes),
            (End::Client(client), _, Chunk::Fin) => self.client_lost(client, id),
            (End::Stranger, _, Chunk::Bytes(_) | Chunk::Fin) => {}
            (End::Server(sid, _), Kind::Quorum, chunk) => self.quorum_arrives(sid, id, chunk),
            (End::Server(sid, _), Kind::Election, chunk) => self.election_arrives(sid, id, chunk),
            (End::Server(sid, _), Kind::Client, chunk) => self.served_arrives(sid, id, chunk),
        }
        self.forget(id);
    }

    // ---- clients

    fn client_looks(&mut self, id: usize) {
        let (now, hasty) = (self.now, (self.plan.delay * 4).max(Duration::from_millis(2)));
        let (stops, quiet) = (self.stops, self.stops || self.is_quiet);
        let (is_calm, most) = (self.is_calm, self.plan.requests);
        let client = &mut self.clients[id];
        if client.is_gone {
            return;
        }
        // Whoever asks rarely is there all the same, and says so.
        let has_asked = client.requests > most;
        let quiet = quiet || has_asked && !is_calm && !client.rng.chance(100);
        let think = match (has_asked, client.restarts) {
            (true, _) => self.plan.think.max(UNHURRIED),
            (false, true) => hasty,
            (false, false) => self.plan.think,
        };
        let after = if quiet {
            client.timeout / 10
        } else {
            // Nobody is so deep in thought that the session is forgotten.
            (client.rng.around(think) + Duration::from_micros(100)).min(client.timeout / 4)
        };
        let Some(pipe) = client.pipe else {
            let idle = stops && client.session.is_none();
            let pause = if client.restarts { think } else { Duration::from_millis(20) };
            let pause = client.rng.around(pause) + Duration::from_millis(1);
            if !idle {
                self.client_connects(id);
            }
            return self.after(pause, What::Client(id));
        };
        if now.saturating_sub(client.heard_at) > client.timeout * 2 / 3 {
            client.hung_up += 1;
            self.client_lost(id, pipe);
            self.close(pipe, 1);
        } else if let Some(bytes) = client.speak(now, quiet, &mut self.recorder) {
            self.send(pipe, 1, Chunk::Bytes(bytes));
        }
        if !quiet && self.clients[id].gives_up() {
            self.marks.insert("a client gives its connection up, and begins anew");
            self.client_lost(id, pipe);
            self.close(pipe, 1);
        }
        self.after(after, What::Client(id));
    }

    fn client_connects(&mut self, id: usize) {
        let sids: Vec<_> = self.machines.keys().copied().collect();
        let client = &mut self.clients[id];
        let again = client.server.filter(|_| client.restarts && client.rng.chance(800));
        let Some(sid) = again.or_else(|| client.rng.pick(&sids).copied()) else { return };
        client.server = Some(sid);
        let now = self.now;
        let Some(machine) = self.machines.get(&sid) else { return };
        let Some(run) = machine.process.as_ref().map(|process| process.run) else { return };
        let pipe = self.connect(Kind::Client, [End::Server(sid, run), End::Client(id)]);
        if !self.serve(sid, pipe, id) {
            self.pipes.remove(&pipe);
            return;
        }
        let hello = self.clients[id].hello(pipe, now);
        self.send(pipe, 1, Chunk::Bytes(hello));
    }

    fn client_hears(&mut self, id: usize, pipe: PipeId, bytes: &[u8]) {
        let now = self.now;
        let client = &mut self.clients[id];
        if client.pipe != Some(pipe) {
            return;
        }
        match client.hear(bytes, now, &mut self.recorder) {
            Ok(out) if out.is_empty() => {}
            Ok(out) => self.send(pipe, 1, Chunk::Bytes(out)),
            Err(crate::client::Trouble::Expired) => {
                self.tell(Who::Client(id), story::Kind::Step, || {
                    format!("client {id} is told that its session has expired")
                });
                self.client_lost(id, pipe);
                self.close(pipe, 1);
            }
            Err(crate::client::Trouble::Wrong(why)) => self.fail(format!("client {id}: {why}")),
        }
    }

    pub(crate) fn client_lost(&mut self, id: usize, pipe: PipeId) {
        let client = &mut self.clients[id];
        if client.pipe == Some(pipe) {
            client.lost(self.now, &mut self.recorder);
            self.tell(Who::Client(id), story::Kind::Step, || {
                format!("client {id} has lost its connection")
            });
        }
    }

    // ---- the end

    pub(crate) fn outcome(mut self, options: &Options) -> Outcome {
        for client in &mut self.clients {
            self.marks.append(&mut client.marks);
        }
        let Plan { servers, observers, clients, wild, tick, faults, .. } = &self.plan;
        let faults: Vec<_> = faults.iter().map(|fault: &Fault| fault.name()).collect();
        Outcome {
            seed: options.seed,
            plan: format!(
                "{servers} servers{}, {clients} clients, tickTime {}, {} s wild: {}",
                if *observers > 0 { format!(" and {observers} observers") } else { String::new() },
                tick.as_millis(),
                wild.as_secs(),
                if faults.is_empty() { "no fault".to_owned() } else { faults.join(", ") },
            ),
            digest: self.digest.digest(),
            simulated: self.now,
            events: self.events,
            answers: self.clients.iter().map(|client| client.answers).sum(),
            transactions: self.log.len(),
            recovery_ticks: self.recovery_ticks,
            marks: self.marks,
            failure: self.failure,
            story: self.story.unwrap_or_default(),
        }
    }
}
