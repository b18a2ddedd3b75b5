//! From a configuration to a running server.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use host::Host;
use store::{Recovered, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tracing::info;
use wire::election::Address;
use wire::jute::{Reader, Record};
use wire::limits::PACKET_BYTES_MAX;
use wire::txn::TxnHeader;
use zab::{DiskImage, Epoch, Peer, Sid, Txn, Zxid};
use znode::{SessionIds, Tree};

use crate::client::{self, Shared};
use crate::clock;
use crate::config::{ClientAddress, Config, SnapshotCompression};
use crate::descriptors;
use crate::digests;
use crate::disk::Disk;
use crate::election_port::{self, ElectionPort};
use crate::engine::{End, Engine, Event, EventSender, Parts};
use crate::events::Events;
use crate::peer_address::PeerAddresses;
use crate::quorum_port::{self, QuorumPort};
use crate::recorder::{Recorded, Recorder};
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
    /// The hash of the sources of the crates `zab` and `host`, in hexadecimal.
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
    let session_ids = session_ids(clock::wall_ms().unsigned_abs(), config.me, &tree, &image.log);
    let shared = Arc::new(Shared::new(Arc::clone(&config), options.build.clone(), tree));
    let mut tasks = JoinSet::new();
    let (batches, clients) = client::EngineSender::channel();
    if let Some(address) = &config.client {
        let listener =
            listen("clientPort", &address.host, address.port, config.client_backlog).await?;
        tasks.spawn(client::listen(listener, Arc::clone(&shared), batches.clone()));
    }
    tasks.spawn(stopping(stop, sender.clone()));
    let purge = config.purge_interval.map(|_| config.purge_retain as usize);
    let core = core_config(&config);
    let config_text: Bytes = config.config_text().into();
    let recorded = Recorded {
        config: core,
        config_text: config_text.clone(),
        commit: options.build.commit.clone(),
        core: options.build.core.clone(),
    };
    let recorder = Recorder::start(config.record.as_deref(), recorded)?;
    let seed = clock::wall_ms().unsigned_abs().wrapping_add(config.me.0.into());
    let parts = Parts {
        host: Host::new(Peer::new(core), config_text),
        recorder,
        shared,
        disk: Disk::start(store, purge, sender)?,
        election,
        quorum,
        snapshots: Snapshots::new(config.snap_count, seed),
        session_ids,
        events: options.events,
        config,
    };
    let engine = Engine::new(parts).run(image, events, clients);
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
fn open(config: &Config) -> Result<(Store, DiskImage<Bytes>, Tree), Error> {
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
    let mut tree =
        snapshots::load(&recovered, base, config.tree_options()).map_err(Error::Snapshot)?;
    if config.digest_enabled {
        digests::check(&recovered, base, &mut tree).map_err(Error::Snapshot)?;
    }
    config.show_members_in(&mut tree);
    if recovered.snapshot.is_none() && recovered.log.is_empty() {
        snapshots::begin(&store, &tree)?;
    }
    let image = image(recovered, base);
    Ok((store, image, tree))
}

/// The position in the history that the snapshot holds everything up to. ZooKeeper names snapshots
/// that it writes at the beginning of an epoch after the epoch, with counter 0: no transaction has
/// that number.
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

/// Ids for the sessions of this server's clients: none that the tree knows, nor any that the log
/// behind it names.
fn session_ids(wall_ms: u64, me: Sid, tree: &Tree, log: &[Txn<Bytes>]) -> SessionIds {
    let mut ids = SessionIds::new(wall_ms, me.0);
    tree.sessions().for_each(|(session, _)| ids.pass(session));
    for txn in log {
        if let Ok(header) = TxnHeader::decode(&mut Reader::new(&txn.payload)) {
            ids.pass(header.client_id);
        }
    }
    ids
}

/// Quorum port and election port; a standalone server has neither.
async fn ports(
    config: &Config,
    events: &EventSender,
) -> Result<(QuorumPort, Option<ElectionPort>), Error> {
    let others = || config.members.iter().filter(|(sid, _)| **sid != config.me);
    let addresses = Arc::new(if config.peer_address_check {
        PeerAddresses::of(others().map(|(sid, member)| (*sid, member.host.clone())).collect())
    } else {
        PeerAddresses::unchecked()
    });
    let quorum = quorum_port::Settings {
        me: config.me,
        peers: others()
            .map(|(sid, member)| (*sid, host_port(&member.host, member.quorum_port)))
            .collect(),
        addresses: Arc::clone(&addresses),
        connect_timeout: config.connect_timeout,
        hello_timeout: config.init_limit(),
        packet_bytes_max: PACKET_BYTES_MAX,
        tree: config.tree_options(),
    };
    let me = config.members.get(&config.me).filter(|_| !config.standalone);
    let Some(me) = me else {
        return Ok((QuorumPort::start(quorum, None, events.clone()), None));
    };
    let host = if config.quorum_listen_on_all_ips { ClientAddress::ANY } else { &me.host };
    let listener = listen("quorum port", host, me.quorum_port, None).await?;
    let election_listener = listen("election port", host, me.election_port, None).await?;
    let election = election_port::Settings {
        me: config.me,
        address: Address { host: me.host.clone(), port: me.election_port },
        peers: others()
            .map(|(sid, member)| (*sid, host_port(&member.host, member.election_port)))
            .collect(),
        addresses,
        connect_timeout: config.connect_timeout,
        handshake_timeout: config.sync_limit(),
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
    let listener = crate::listen::listen(&address, backlog).await;
    listener.map_err(|source| Error::Listen { port, address, source })
}

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

#[cfg(test)]
mod tests {
    use znode::Options;

    use super::*;

    const ME: Sid = Sid(3);
    const CLOCK_MS: u64 = 1_700_000_000_000;

    fn create_session(zxid: u64, session: i64) -> Txn<Bytes> {
        let header =
            TxnHeader { client_id: session, zxid: zxid.cast_signed(), ..TxnHeader::default() };
        let mut payload = Vec::new();
        wire::txn::TxnBlob::new(header, wire::txn::Txn::CreateSession { timeout_ms: 4000 }, None)
            .encode(&mut payload);
        Txn { zxid: Zxid(zxid), payload: payload.into() }
    }

    /// What a server gives out after a start that finds this tree and log.
    fn first_after(wall_ms: u64, tree: &Tree, log: &[Txn<Bytes>]) -> i64 {
        session_ids(wall_ms, ME, tree, log).next(|_| false)
    }

    #[test]
    fn a_server_that_starts_again_under_a_frozen_clock_gives_out_no_id_twice() {
        let mut tree = Tree::new(Options::default());
        let first = first_after(CLOCK_MS, &tree, &[]);
        // It is in the log, not yet in the tree.
        let log = [create_session(1, first), create_session(2, 0x0400_0000_0000_0009)];
        let second = first_after(CLOCK_MS, &tree, &log);
        assert_eq!(second, first + 1);
        // A snapshot covers it, and the clock was set back by an hour.
        for txn in log.iter().chain([&create_session(3, second)]) {
            let blob =
                wire::txn::TxnBlob::decode(&mut Reader::new(&txn.payload)).expect("just made");
            tree.apply(&blob.header, &blob.txn);
        }
        assert_eq!(first_after(CLOCK_MS - 3_600_000, &tree, &[]), second + 1);
    }
}
