//! `vivarium bench`.

mod report;
mod session;
mod stats;
mod subtree;
mod worker;

use super::stop::stop_flag;
use clap::{Args, ValueEnum};
use client::Target;
use report::Report;
use stats::Stats;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use subtree::{PATIENCE, Subtree};
use tokio::sync::{mpsc, watch};
use worker::{Shared, Window, Worker};

const EXAMPLES: &str = "\
Examples:
  vivarium bench 127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183 --op set
  vivarium bench localhost --op mix --reads 95 --bytes 1000 --seconds 30 --json mix.json
  vivarium bench localhost:2181/bench --op create --connections 8 --depth 1

Connections are spread over the servers of the connect string, in turn. Each keeps --depth requests in
flight; a request is measured from when it is handed to its connection until its reply has arrived. When a connection
breaks, everything in flight on it counts as ConnectionLoss, and its session moves to the next server.
Writes also show the longest time without an acknowledged one: kill a leader meanwhile, and that is
the failover as clients see it.

The nodes are made below one node of this run's own, and removed afterwards.

Exit status:
  0    it ran to the end, and every operation succeeded
  1    operations failed, or the ensemble does not serve; what was measured is printed all the same
  2    usage error
  3    interrupted; what was measured is printed";

/// Generate load for any ensemble that speaks ZooKeeper's protocol, and measure it
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// The servers, as clients name them: HOST:PORT,HOST:PORT/PATH
    #[arg(value_name = "CONNECT_STRING")]
    connect: String,
    /// What to ask for
    #[arg(long, default_value = "set")]
    op: OpArg,
    /// Share of reads in a mix, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 90)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: u8,
    /// Connections, each with a session of its own
    #[arg(long, value_name = "N", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Requests in flight on each connection
    #[arg(long, value_name = "N", default_value_t = 16)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    depth: u16,
    /// Size of the data of a node
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    bytes: u32,
    /// Nodes that are read and written
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    keys: u32,
    /// Time to measure
    #[arg(long, value_name = "S", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    seconds: u32,
    /// Time before that, under the same load
    #[arg(long, value_name = "S", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    warmup: u32,
    /// Threads of this program; connections are dealt out to them
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Session timeout to ask for
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1_000..=3_600_000))]
    session_timeout: u32,
    /// The node for this run, which must not exist [default: /vivarium-bench-PID]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Leave the nodes where they are
    #[arg(long)]
    keep: bool,
    /// Write the result as a JSON object to this file; `-` is standard output, the text then goes
    /// to standard error
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OpArg {
    /// setData
    Set,
    /// getData
    Get,
    /// getData and setData
    Mix,
    /// create, persistent nodes
    Create,
}

impl OpArg {
    fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Get => "get",
            Self::Mix => "mix",
            Self::Create => "create",
        }
    }
}

/// What to do.
pub(super) struct Plan {
    servers: Vec<SocketAddr>,
    op: OpArg,
    /// Percent.
    reads: u8,
    connections: usize,
    depth: usize,
    data: Vec<u8>,
    keys: usize,
    threads: usize,
    warmup: Duration,
    measure: Duration,
    session_timeout: Duration,
    /// What a connection waits before it sends again; zero where speed is measured.
    pace: Duration,
}

/// Runs `bench`.
pub(crate) fn run(arguments: &BenchArgs) -> u8 {
    let fail = |status: u8, error: &str| {
        eprintln!("error: {error}");
        status
    };
    let target: Target = match arguments.connect.parse() {
        Ok(target) => target,
        Err(error) => return fail(2, &format!("CONNECT_STRING: {error}")),
    };
    let path = arguments.path.clone();
    let path = path.unwrap_or_else(|| format!("/vivarium-bench-{}", std::process::id()));
    if !path.starts_with('/') || path.ends_with('/') || path.contains("//") {
        return fail(2, &format!("--path: found `{path}`, allowed: an absolute path like /a/b"));
    }
    let servers = match target.resolve() {
        Ok(servers) => servers,
        Err(error) => return fail(1, &error),
    };
    let plan = Plan::new(arguments, servers);
    let subtree = Subtree::new(format!("{}{path}", target.chroot), &plan);
    let stop = stop_flag();
    let measured = measure(plan, subtree, &arguments.connect, &stop, arguments.keep, &|| ());
    let (report, removed) = match measured {
        Ok(measured) => measured,
        Err(error) => return fail(1, &error),
    };
    if let Err(error) = show(&report, arguments.json.as_deref()) {
        return fail(1, &error);
    }
    if let Err(error) = removed {
        return fail(1, &error);
    }
    if stop.load(Ordering::Relaxed) {
        return 3;
    }
    u8::from(!report.errors.is_empty() || report.operations == 0)
}

/// Writes at an ensemble, for another command, over so many connections, each at this pace, until
/// `stop` is set or `limit` is over; `begun` is called when all connections are there. The nodes
/// stay.
#[cfg(feature = "checker")]
pub(super) fn write_until(
    servers: Vec<SocketAddr>,
    (connections, pace): (usize, Duration),
    stop: &Arc<AtomicBool>,
    limit: Duration,
    begun: &dyn Fn(),
) -> Result<Report, String> {
    let plan = Plan {
        servers,
        op: OpArg::Set,
        reads: 0,
        connections,
        depth: 1,
        data: vec![b'v'; 100],
        keys: 100,
        threads: 1,
        warmup: Duration::ZERO,
        measure: limit,
        // Longer than any election here takes: no session is lost.
        session_timeout: Duration::from_secs(40),
        pace,
    };
    let subtree = Subtree::new("/vivarium-evidence".to_owned(), &plan);
    measure(plan, subtree, "", stop, true, begun).map(|(report, _)| report)
}

impl Plan {
    fn new(arguments: &BenchArgs, servers: Vec<SocketAddr>) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let connections = usize::from(arguments.connections);
        Self {
            servers,
            op: arguments.op,
            reads: arguments.reads,
            connections,
            depth: usize::from(arguments.depth),
            data: vec![b'v'; arguments.bytes as usize],
            keys: arguments.keys as usize,
            threads: usize::from(arguments.threads).min(connections),
            warmup: seconds(arguments.warmup),
            measure: seconds(arguments.seconds),
            session_timeout: Duration::from_millis(arguments.session_timeout.into()),
            pace: Duration::ZERO,
        }
    }
}

fn show(report: &Report, json: Option<&Path>) -> Result<(), String> {
    let Some(file) = json else {
        // A closed output is no failure of the measurement.
        let _ = write!(std::io::stdout(), "{report}");
        return Ok(());
    };
    let mut text = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    text.push('\n');
    if file == Path::new("-") {
        let _ = write!(std::io::stderr(), "{report}");
        let _ = std::io::stdout().write_all(text.as_bytes());
        return Ok(());
    }
    let _ = write!(std::io::stdout(), "{report}");
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Makes the nodes, runs the load, removes the nodes. Answers what was measured, and whether the
/// nodes are gone.
fn measure(
    plan: Plan,
    subtree: Subtree,
    connect: &str,
    stop: &Arc<AtomicBool>,
    keep: bool,
    begun: &dyn Fn(),
) -> Result<(Report, Result<(), String>), String> {
    let runtime = runtime()?;
    runtime.block_on(subtree.make(&plan))?;
    let shared = Arc::new(Shared::new(plan, subtree, Arc::clone(stop)));
    let loaded = load(&shared, &runtime, begun);
    let created = loaded.as_ref().map(|(_, created, _)| created.clone()).unwrap_or_default();
    let removed = match keep {
        true => Ok(()),
        false => runtime.block_on(shared.subtree.remove(&shared.plan, &created)),
    };
    let (stats, _, seconds) = loaded?;
    Ok((Report::new(&shared.plan, connect, &stats, seconds), removed))
}

/// Statistics, how many creates each connection has asked for, and how many seconds were measured.
type Loaded = (Stats, Vec<u64>, f64);

fn load(
    shared: &Arc<Shared>,
    runtime: &tokio::runtime::Runtime,
    begun: &dyn Fn(),
) -> Result<Loaded, String> {
    let (connected, mut all_connected) = mpsc::unbounded_channel();
    let (start, started) = watch::channel(None);
    let threads = shared.plan.threads;
    let stats: Vec<Arc<OnceLock<Mutex<Stats>>>> = (0..threads).map(|_| Arc::default()).collect();
    let spawn = |thread: usize| {
        let (shared, stats) = (Arc::clone(shared), Arc::clone(&stats[thread]));
        let (connected, started) = (connected.clone(), started.clone());
        thread::spawn(move || drive(thread, &shared, &stats, &connected, &started))
    };
    let handles: Vec<_> = (0..threads).map(spawn).collect();
    let missing = runtime.block_on(wait_for_connections(shared, &mut all_connected));
    let window = if missing == 0 {
        let begin = shared.now() + nanos(shared.plan.warmup);
        let window = (begin, begin + nanos(shared.plan.measure));
        start.send_replace(Some(window));
        begun();
        Some(window)
    } else {
        shared.abandon();
        drop(start);
        None
    };
    let mut created = vec![0; shared.plan.connections];
    for handle in handles {
        let counts = handle.join().map_err(|_| "a thread of the load generator panicked")??;
        for (index, count) in counts {
            created[index] = count;
        }
    }
    let Some(window) = window else {
        let all = shared.plan.connections;
        let seconds = PATIENCE.as_secs();
        return Err(format!("{missing} of {all} connections have no session after {seconds} s"));
    };
    let end = shared.now().min(window.1);
    let mut sum = Stats::new(window);
    for stats in stats.iter().filter_map(|stats| stats.get()) {
        sum.add(&stats.lock().unwrap_or_else(PoisonError::into_inner));
    }
    let last = shared.write_acknowledged(end);
    sum.write_acknowledged(last, end);
    Ok((sum, created, Duration::from_nanos(end.saturating_sub(window.0)).as_secs_f64()))
}

/// Answers how many connections are still missing when it is time to give up.
async fn wait_for_connections(
    shared: &Shared,
    connected: &mut mpsc::UnboundedReceiver<()>,
) -> usize {
    let begin = Instant::now();
    let mut missing = shared.plan.connections;
    while missing > 0 && begin.elapsed() < PATIENCE && !shared.stopping() {
        let next = tokio::time::timeout(Duration::from_millis(100), connected.recv()).await;
        missing -= usize::from(matches!(next, Ok(Some(()))));
    }
    missing
}

/// The work of one thread: every connection whose index is `thread`, counting in steps of the
/// number of threads.
fn drive(
    thread: usize,
    shared: &Arc<Shared>,
    stats: &Arc<OnceLock<Mutex<Stats>>>,
    connected: &mpsc::UnboundedSender<()>,
    started: &watch::Receiver<Option<Window>>,
) -> Result<Vec<(usize, u64)>, String> {
    runtime()?.block_on(async {
        let mut tasks = Vec::new();
        for index in (thread..shared.plan.connections).step_by(shared.plan.threads) {
            let worker = Worker::new(Arc::clone(shared), Arc::clone(stats), index);
            tasks.push((index, tokio::spawn(worker.run(connected.clone(), started.clone()))));
        }
        let mut counts = Vec::new();
        for (index, task) in tasks {
            counts.push((index, task.await.map_err(|error| error.to_string())?));
        }
        Ok(counts)
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("no event loop: {error}"))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
