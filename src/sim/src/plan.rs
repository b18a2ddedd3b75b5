//! What a run is like: chosen by its seed, so that runs are differently wild.

use std::time::Duration;

use zab::Sid;

use crate::rng::Rng;

/// What is asked of a run. The same options make the same run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything else follows from it.
    pub seed: u64,
    /// How many servers; `None`: the seed chooses.
    pub servers: Option<u8>,
    /// How many more that have no vote; `None`: the seed chooses.
    pub observers: Option<u8>,
    /// How many clients; `None`: the seed chooses.
    pub clients: Option<usize>,
    /// Faults of these kinds do not happen.
    pub without: Vec<Fault>,
    /// How long faults happen; `None`: the seed chooses.
    pub wild: Option<Duration>,
}

impl Options {
    /// A run of this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            servers: None,
            observers: None,
            clients: None,
            without: Vec::new(),
            wild: None,
        }
    }
}

/// Kinds of faults.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// A process ends at once; what it had written is there.
    Kill,
    /// Machines lose power: what was not synced is there or not, as it happens.
    PowerLoss,
    /// A process stands still for a while.
    Pause,
    /// Some servers do not hear others for a while.
    Partition,
    /// A connection breaks.
    Break,
    /// A disk takes its time.
    SlowDisk,
    /// A server has hardly any processor for a while: its turns are late and short.
    SlowProcessor,
    /// A wall clock is set.
    ClockJump,
    /// A server is stopped in order, and started again.
    Restart,
    /// A client vanishes and leaves its session behind.
    Vanish,
    /// An operation of a disk fails: no space is left, or it cannot be read or written.
    DiskError,
    /// Bits of a file of one server are flipped while it is down.
    Damage,
    /// A clock runs too fast or too slowly, the wall clock stands still.
    Drift,
    /// Somebody who is no member speaks at the quorum port.
    Stranger,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Kill,
        Self::PowerLoss,
        Self::Pause,
        Self::Partition,
        Self::Break,
        Self::SlowDisk,
        Self::SlowProcessor,
        Self::ClockJump,
        Self::Restart,
        Self::Vanish,
        Self::DiskError,
        Self::Damage,
        Self::Drift,
        Self::Stranger,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::PowerLoss => "power-loss",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::Break => "break",
            Self::SlowDisk => "slow-disk",
            Self::SlowProcessor => "slow-processor",
            Self::ClockJump => "clock-jump",
            Self::Restart => "restart",
            Self::Vanish => "vanish",
            Self::DiskError => "disk-error",
            Self::Damage => "damage",
            Self::Drift => "drift",
            Self::Stranger => "stranger",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// A run, as its seed has chosen it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Those with a vote.
    pub(crate) servers: u8,
    /// Those without: numbered behind the others.
    pub(crate) observers: u8,
    pub(crate) clients: usize,
    pub(crate) wild: Duration,
    pub(crate) tick: Duration,
    /// Between two faults.
    pub(crate) fault_every: Duration,
    pub(crate) faults: Vec<Fault>,
    /// Of a message between servers.
    pub(crate) delay: Duration,
    /// Of a write to a disk, and of an fdatasync.
    pub(crate) disk: Duration,
    /// Of a turn of a server.
    pub(crate) turn: Duration,
    /// Requests of a client at once.
    pub(crate) depth: usize,
    /// Between two requests of a client.
    pub(crate) think: Duration,
    /// After so many a client asks rarely: a run has its faults for as long as they take, and does
    /// not take minutes.
    pub(crate) requests: u32,
    pub(crate) snap_count: u32,
    /// The largest counter of a zxid.
    pub(crate) counter_max: u32,
    /// Delivered transactions that a server keeps in memory.
    pub(crate) window: u32,
}

impl Plan {
    /// All servers.
    pub(crate) fn members(&self) -> impl Iterator<Item = Sid> + use<> {
        (1..=self.servers + self.observers).map(Sid)
    }

    pub(crate) fn of(options: &Options, rng: &mut Rng) -> Self {
        let ms = Duration::from_millis;
        let pick = |rng: &mut Rng, of: &[u64]| rng.pick(of).copied().unwrap_or(1);
        let mut faults: Vec<_> = Fault::ALL.into_iter().filter(|_| rng.chance(600)).collect();
        faults.retain(|fault| !options.without.contains(fault));
        let servers = [1, 3, 3, 3, 3, 5][rng.below(6)];
        let observers = [0, 0, 0, 1, 2][rng.below(5)];
        let clients = 1 + rng.below(6);
        let wild = Duration::from_secs(pick(rng, &[5, 10, 20, 40]));
        let think = ms(pick(rng, &[1, 10, 50, 200]));
        let servers = options.servers.unwrap_or(servers);
        let observers = options.observers.unwrap_or(observers);
        Self {
            servers,
            // An observer of a server that stands alone has nobody to observe.
            observers: if servers == 1 { 0 } else { observers },
            clients: options.clients.unwrap_or(clients),
            wild: options.wild.unwrap_or(wild),
            tick: ms(pick(rng, &[200, 500, 1000, 2000])),
            fault_every: ms(pick(rng, &[100, 500, 1000, 3000])),
            faults,
            delay: Duration::from_micros(pick(rng, &[50, 200, 1000, 5000])),
            disk: Duration::from_micros(pick(rng, &[50, 500, 2000, 10_000])),
            turn: Duration::from_micros(pick(rng, &[20, 50, 200])),
            depth: [1, 2, 4, 16][rng.below(4)],
            think,
            // Most runs are short, so that there are many; a few have much to do.
            requests: REQUESTS[rng.below(REQUESTS.len())],
            snap_count: [20, 100, 1000, 100_000][rng.below(4)],
            counter_max: [50, 500, u32::MAX - 1, u32::MAX - 1][rng.below(4)],
            window: [0, 5, 50, 500][rng.below(4)],
        }
    }
}

/// Requests that a client makes at its pace.
const REQUESTS: [u32; 16] =
    [50, 50, 50, 50, 100, 100, 100, 100, 200, 200, 200, 500, 500, 2000, 2000, 10_000];
