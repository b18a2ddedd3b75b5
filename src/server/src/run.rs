//! From a configuration to a running server.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use store::{Recovered, Store};
use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};
use wire::election::Address;
use wire::limits::PACKET_BYTES_MAX;
use zab::{DiskImage, Epoch, Input, Peer, Txn, Zxid};

use crate::client::{self, Shared};
use crate::config::{Config, SnapshotCompression};
use crate::descriptors;
use crate::disk::Disk;
use crate::election_port::{self, ElectionPort};
use crate::engine::{End, Engine, Event, EventSender, Parts};
use crate::events::Events;
use crate::quorum_port::{self, QuorumPort};
use crate::recorder::Recorder;
use crate::snapshots::{self, Snapshots};

/// What a server is started with beside its configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where its events go.
    pub events: Events,
    /// What was built: recordings and four-letter words name it.
    pub build: Build,
}

/// Which build a server is.
#[derive(Clone, Debug, Default)]
pub struct Build {
    /// The commit.
    pub commit: String,
    /// The hash of the sources of the crate `zab`, in hexadecimal.
    pub core: String,
}

/// Why a server ended that was not asked to, or did not start.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The data directory, or what is in it.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// A snapshot whose seals are right and whose content is none.
    #[error("the snapshot cannot be loaded: {0}")]
    Snapshot(String),
    /// A port.
    #[error("cannot listen at {address} ({port}): {source}")]
    Listen {
        /// What the port is for.
        port: &'static str,
        /// `host:port`.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// A thread, a signal handler, or a recording.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    /// The server had to stop.
    #[error("{0}")]
    Stopped(String),
}

/// Runs a server until SIGINT or SIGTERM.
///
/// # Errors
/// It could not start, or had to stop: the message is for the operator.
pub fn run(mut config: Config, options: Options) -> Result<(), Error> {
    descriptors::share_out(&mut config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads())
        .enable_all()
        .build()?;
    runtime.block_on(serve(Arc::new(config), options))
}

/// Clients' connections and the engine share these threads; the disk has its own.
fn worker_threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8)
}

async fn serve(config: Arc<Config>, options: Options) -> Result<(), Error> {
    for warning in &config.warnings {
        warn!("configuration: {warning}");
    }
    let stop = signals()?;
    let (store, image, tree) = open(&config)?;
    info!(
        "{} starts: acceptedEpoch {}, currentEpoch {}, snapshot {}, {} transactions behind it",
        config.me,
        image.accepted,
        image.current,
        image.snapshot,
        image.log.len()
    );
    let (sender, events) = EventSender::channel();
    let (quorum, election) = ports(&config, &sender).await?;
    let shared = Arc::new(Shared::new(Arc::clone(&config), options.build.clone(), tree));
    let mut tasks = JoinSet::new();
    let (batches, clients) = mpsc::channel(client::BATCHES_MAX);
    if let Some(address) = &config.client {
        let listener =
            listen("clientPort", &address.host, address.port, config.client_backlog).await?;
        tasks.spawn(client::listen(listener, Arc::clone(&shared), batches.clone()));
    }
    tasks.spawn(stopping(stop, sender.clone()));
    let purge = config.purge_interval.map(|_| config.purge_retain as usize);
    let core = core_config(&config);
    let recorder = Recorder::start(config.record.as_deref(), core, &options.build.commit)?;
    let parts = Parts {
        peer: Peer::new(core),
        recorder,
        shared,
        disk: Disk::start(store, purge, sender)?,
        election,
        quorum,
        snapshots: Snapshots::new(config.snap_count, u64::from(config.me.0) + now_ms()),
        events: options.events,
        config,
    };
    let engine = Engine::new(parts).run(Input::Start(image), events, clients);
    // Nobody else sends batches: the channel stays open as long as the engine runs.
    let end = engine.await;
    drop(batches);
    info!("{end}");
    match end {
        End::Asked(_) => Ok(()),
        End::Disk(error) => Err(Error::Store(error)),
        End::Recording(text) | End::Halt(text) => Err(Error::Stopped(text)),
    }
}

fn core_config(config: &Config) -> zab::Config {
    zab::Config { window: config.commit_log_count, ..zab::Config::new(config.me, config.quorum()) }
}

/// The disk, as the core and the state machine begin with it.
fn open(config: &Config) -> Result<(Store, DiskImage<Bytes>, znode::Tree), Error> {
    let options = store::Options {
        preallocate_bytes: config.pre_alloc_bytes,
        compression: match config.snapshot_compression {
            SnapshotCompression::Plain => store::Compression::None,
            SnapshotCompression::Gzip => store::Compression::Gzip,
            SnapshotCompression::Snappy => store::Compression::Snappy,
        },
        ..store::Options::default()
    };
    let (store, recovered) = Store::open(&config.data_dir, &config.data_log_dir, options)?;
    let base = base(&recovered);
    let tree = snapshots::load(&recovered, base).map_err(Error::Snapshot)?;
    if recovered.snapshot.is_none() && recovered.log.is_empty() {
        snapshots::begin(&store, &tree)?;
    }
    let image = image(recovered, base);
    Ok((store, image, tree))
}

/// The position in the history that the snapshot holds everything up to. ZooKeeper names snapshots that it writes at the
/// beginning of an epoch after the epoch, with counter 0: no transaction has that number.
fn base(recovered: &Recovered<store::Os>) -> Zxid {
    let named = Zxid(recovered.snapshot.as_ref().map_or(0, store::SnapshotFile::zxid));
    match recovered.before {
        Some(before) if named.counter() == 0 => Zxid(before),
        Some(_) | None => named,
    }
}

fn image(recovered: Recovered<store::Os>, snapshot: Zxid) -> DiskImage<Bytes> {
    let log =
        recovered.log.into_iter().map(|entry| Txn { zxid: Zxid(entry.zxid), payload: entry.blob });
    DiskImage {
        accepted: Epoch(recovered.accepted),
        current: Epoch(recovered.current),
        snapshot,
        log: log.collect(),
    }
}

/// Quorum port and election port; a standalone server has neither.
async fn ports(
    config: &Config,
    events: &EventSender,
) -> Result<(QuorumPort, Option<ElectionPort>), Error> {
    let others = || config.members.iter().filter(|(sid, _)| **sid != config.me);
    let config_text = Bytes::from(config.config_text());
    let quorum = quorum_port::Settings {
        me: config.me,
        peers: others()
            .map(|(sid, member)| (*sid, host_port(&member.host, member.quorum_port)))
            .collect(),
        connect_timeout: config.connect_timeout,
        hello_timeout: config.init_limit(),
        packet_bytes_max: PACKET_BYTES_MAX,
        config_text: config_text.clone(),
    };
    let me = config.members.get(&config.me).filter(|_| !config.standalone);
    let Some(me) = me else {
        return Ok((QuorumPort::start(quorum, None, events.clone()), None));
    };
    let host = if config.quorum_listen_on_all_ips { "0.0.0.0" } else { &me.host };
    let listener = listen("quorum port", host, me.quorum_port, None).await?;
    let election_listener = listen("election port", host, me.election_port, None).await?;
    let election = election_port::Settings {
        me: config.me,
        address: Address { host: me.host.clone(), port: me.election_port },
        peers: others()
            .map(|(sid, member)| (*sid, host_port(&member.host, member.election_port)))
            .collect(),
        connect_timeout: config.connect_timeout,
        handshake_timeout: config.sync_limit(),
        config_text,
    };
    Ok((
        QuorumPort::start(quorum, Some(listener), events.clone()),
        Some(ElectionPort::start(election, election_listener, events.clone())),
    ))
}

fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

async fn listen(
    port: &'static str,
    host: &str,
    number: u16,
    backlog: Option<u32>,
) -> Result<TcpListener, Error> {
    let address = host_port(host, number);
    let listen = async {
        let resolved = lookup_host(&address).await?.next();
        let resolved = resolved.ok_or_else(|| io::Error::other("the name has no address"))?;
        let socket = if resolved.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
        // A server that was killed leaves connections behind that keep the port for a while.
        socket.set_reuseaddr(true)?;
        socket.bind(resolved)?;
        socket.listen(backlog.unwrap_or(BACKLOG))
    };
    listen.await.map_err(|source| Error::Listen { port, address, source })
}

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

fn signals() -> io::Result<Signals> {
    Ok(Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    })
}

async fn stopping(mut signals: Signals, events: EventSender) {
    let reason = tokio::select! {
        _ = signals.interrupt.recv() => "SIGINT",
        _ = signals.terminate.recv() => "SIGTERM",
    };
    events.send(Event::Stop { reason: reason.to_owned() }).await;
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(0)
}
