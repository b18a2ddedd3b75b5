//! One server: a node, its disk thread, and the ends of its connections.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use host::{Generation, Host, Link};
use node::disk::{Background, Job, Writer};
use node::{
    ClientBatch, Connection, Inbound, Inlet, NoMachine, Node, Now, Parts, Settings, Shared,
};
use recording::Ports;
use store::{Image, SimDisk, Store};
use wire::quorum::Packets;
use zab::{Peer, Quorum, Sid, Txn};
use znode::Tree;

use crate::pipe::PipeId;
use crate::plan::Plan;
use crate::rng::Rng;

/// A machine on which a server runs, or does not.
pub(crate) struct Machine {
    pub(crate) sid: Sid,
    /// What is on its disk while no server runs.
    /// What was written and not synced survives the end of a process, and not one of the system.
    pub(crate) disk: SimDisk,
    /// How often it has booted.
    pub(crate) boots: usize,
    pub(crate) process: Option<Process>,
    /// How many servers were started on it.
    pub(crate) runs: u64,
    /// What its wall clock shows beside its other clock.
    pub(crate) clock_ms: i64,
    /// The wall clock stands still, and shows this.
    pub(crate) stopped_ms: Option<i64>,
    /// How fast its clocks run: of a thousand seconds so many pass.
    pub(crate) rate: u32,
    pub(crate) paused_until: Duration,
    pub(crate) slow_until: Duration,
    /// It has hardly any processor.
    pub(crate) starves_until: Duration,
    /// An operation of its disk was made to fail: its server may end, or refuse to start, once.
    pub(crate) has_error: bool,
    pub(crate) damage: Damage,
}

/// How far it is with the damage of a machine's disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Damage {
    None,
    /// Its files are damaged: when it starts it has all that it had, or has no vote.
    Done,
    /// It has no vote until a leader has given it a history.
    Waits,
}

/// What the disk thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DiskState {
    Idle,
    Writing,
    Syncing,
}

pub(crate) struct Process {
    pub(crate) run: u64,
    pub(crate) node: Node,
    pub(crate) disk: SimDisk,
    pub(crate) writer: Writer<SimDisk>,
    pub(crate) disk_state: DiskState,
    pub(crate) jobs: VecDeque<Job>,
    /// Handed over, and not durable.
    pub(crate) disk_records: usize,
    /// Taken by the disk thread, and not durable.
    pub(crate) taken: usize,
    pub(crate) background: BTreeMap<u64, Background<SimDisk>>,
    pub(crate) inbox: Vec<node::Event>,
    pub(crate) batches: VecDeque<ClientBatch>,
    pub(crate) gone: Vec<Arc<Connection>>,
    pub(crate) turn_at: Option<Duration>,
    pub(crate) links: BTreeMap<Link, PipeId>,
    pub(crate) quorum_ends: BTreeMap<PipeId, QuorumEnd>,
    pub(crate) election: BTreeMap<Sid, PipeId>,
    pub(crate) election_buffers: BTreeMap<PipeId, BytesMut>,
    pub(crate) greetings: BTreeMap<u64, PipeId>,
    pub(crate) clients: BTreeMap<PipeId, Served>,
    pub(crate) dialling: BTreeMap<Sid, u64>,
    pub(crate) numbers: u64,
    pub(crate) heard: Heard,
    /// Its turns are short.
    pub(crate) starves: Arc<AtomicBool>,
}

/// A connection of the quorum port, as this end reads it.
pub(crate) struct QuorumEnd {
    pub(crate) buffer: BytesMut,
    /// Until the learner has said who it is.
    pub(crate) packets: Packets,
    pub(crate) inlet: Option<(Link, Inlet)>,
}

/// A client, as its server sees it.
pub(crate) struct Served {
    pub(crate) connection: Arc<Connection>,
    pub(crate) inbound: Inbound,
    pub(crate) has_greeted: bool,
}

/// What the host of a node was seen to do. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Seen>>);

#[derive(Default)]
pub(crate) struct Seen {
    /// Delivered since it was asked last.
    pub(crate) delivered: Vec<Txn<Bytes>>,
    /// Said about learners since it was asked last.
    pub(crate) marks: Vec<&'static str>,
    /// Of events and effects.
    pub(crate) steps: u64,
}

impl Heard {
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with(&self, tell: impl FnOnce(&mut Seen)) {
        tell(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl node::Recorder for Heard {
    fn begin(&mut self, _: &host::Event<Bytes, Box<Tree>>, _: Option<Ports>) {
        self.with(|seen| seen.steps += 1);
    }

    fn report(&mut self, _: &Bytes) {}

    fn end(&mut self, effects: &[host::Effect<Bytes, Box<Tree>>]) {
        self.with(|seen| {
            for effect in effects {
                seen.steps += 1;
                if let host::Effect::Deliver(txn) = effect {
                    seen.delivered.push(txn.clone());
                }
                seen.marks.extend(crate::marks::of(effect));
            }
        });
    }

    fn flush(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// A turn that is over after so many looks at it.
struct Looks {
    rng: Cell<u64>,
    left: Cell<usize>,
    starves: Arc<AtomicBool>,
}

impl node::Turn for Looks {
    fn begin(&mut self, limit: Duration) {
        let mut rng = Rng::new(self.rng.get());
        self.rng.set(rng.next());
        let looks = if self.starves.load(Ordering::Relaxed) {
            rng.below(3)
        } else if rng.chance(100) {
            rng.below(8)
        } else {
            10_000
        };
        self.left.set(if limit.is_zero() { 0 } else { looks });
    }

    fn is_over(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left == 0
    }
}

/// What a server of the ensemble is configured with.
pub(crate) fn settings(me: Sid, plan: &Plan) -> Settings {
    let standalone = plan.servers == 1;
    let mut members = String::new();
    if !standalone {
        for Sid(sid) in plan.members() {
            let kind = if sid > plan.servers { "observer" } else { "participant" };
            members += &format!("server.{sid}=s{sid}:2888:3888:{kind}\n");
        }
        members += "version=0";
    }
    Settings {
        standalone,
        voters: plan.servers.into(),
        members: members.into(),
        tick_time: plan.tick,
        session_timeout_min: 2 * plan.tick,
        session_timeout_max: 20 * plan.tick,
        snap_count: plan.snap_count,
        ..Settings::alone(me)
    }
}

impl Machine {
    pub(crate) fn new(sid: Sid) -> Self {
        Self {
            sid,
            disk: SimDisk::forgetting(Image::new(), 0),
            boots: 0,
            process: None,
            runs: 0,
            clock_ms: 0,
            stopped_ms: None,
            rate: 1000,
            paused_until: Duration::ZERO,
            slow_until: Duration::ZERO,
            starves_until: Duration::ZERO,
            has_error: false,
            damage: Damage::None,
        }
    }

    pub(crate) fn now(&self, at: Duration) -> Now {
        const EPOCH_MS: i64 = 1_700_000_000_000;
        let at = self.local(at);
        let at_ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        let wall_ms = EPOCH_MS + at_ms + self.clock_ms;
        Now { at, wall_ms: self.stopped_ms.unwrap_or(wall_ms) }
    }

    /// What its clock that is never set shows at a time of the world.
    pub(crate) fn local(&self, at: Duration) -> Duration {
        at * self.rate / 1000
    }

    /// When its clock shows that.
    pub(crate) fn at_local(&self, local: Duration) -> Duration {
        local * 1000 / self.rate + Duration::from_micros(1)
    }

    /// Starts a server on what is on the disk.
    ///
    /// # Errors
    /// It refuses.
    pub(crate) fn start(&mut self, at: Duration, plan: &Plan, rng: &mut Rng) -> Result<(), String> {
        let (sid, now, random) = (self.sid, self.now(at), rng.next());
        self.runs += 1;
        let disk = self.disk.after_a_kill();
        let settings = Arc::new(settings(sid, plan));
        let options = store::Options {
            preallocate_bytes: [0, 4096, 65_536][rng.below(3)],
            restorable: plan.servers >= 3 || sid.0 > plan.servers,
            ..Default::default()
        };
        let dir = std::path::Path::new("/data");
        let opened = Store::open_on(disk.clone(), dir, dir, options);
        let begun = opened.map_err(|error| error.to_string()).and_then(|(store, recovered)| {
            let begun = node::begin(store, recovered, &settings, random);
            begun.map_err(|error| error.to_string())
        });
        let (store, beginning) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                return Err(error);
            }
        };
        let voters = (1..=plan.servers).map(Sid);
        let core = zab::Config {
            counter_max: plan.counter_max,
            window: plan.window,
            ..zab::Config::new(sid, Quorum::majority(voters.collect()))
        };
        let (heard, starves) = (Heard::default(), Arc::<AtomicBool>::default());
        let config_text = settings.members.clone();
        let shared = Shared::new(settings, node::Build::default(), NoMachine, beginning.tree);
        let mut node = Node::new(Parts {
            host: Host::new(Peer::new(core), config_text),
            recorder: Box::new(heard.clone()),
            turn: Box::new(Looks {
                rng: Cell::new(rng.next()),
                left: Cell::new(0),
                starves: starves.clone(),
            }),
            shared: Arc::new(shared),
            session_ids: beginning.session_ids,
            seed: rng.next(),
        });
        self.damage = match beginning.image.history_lost {
            true => Damage::Waits,
            false => Damage::None,
        };
        node.start(now, beginning.image);
        self.process = Some(Process {
            run: self.runs,
            starves,
            node,
            disk,
            writer: Writer::new(store, (plan.snap_count < 1000 || rng.chance(500)).then_some(3)),
            disk_state: DiskState::Idle,
            jobs: VecDeque::new(),
            disk_records: 0,
            taken: 0,
            background: BTreeMap::new(),
            inbox: Vec::new(),
            batches: VecDeque::new(),
            gone: Vec::new(),
            turn_at: None,
            links: BTreeMap::new(),
            quorum_ends: BTreeMap::new(),
            election: BTreeMap::new(),
            election_buffers: BTreeMap::new(),
            greetings: BTreeMap::new(),
            clients: BTreeMap::new(),
            dialling: BTreeMap::new(),
            numbers: 0,
            heard,
        });
        Ok(())
    }
}

impl Process {
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// A link to a peer whose generation was not used before.
    pub(crate) fn next_link(&mut self, peer: Sid) -> Link {
        Link { peer, generation: Generation(self.next_number()) }
    }

    pub(crate) fn inlet(&self, link: Link, is_learner: bool) -> Inlet {
        let tree = self.node.shared().settings.tree;
        Inlet::new(link, is_learner, wire::limits::PACKET_BYTES_MAX, tree)
    }
}
