//! From a configuration to a running server.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use host::Host;
use node::disk::Writer;
use node::{Beginning, Build, End, Node, Parts, Shared, Unusable};
use store::{Recovered, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tracing::info;
use wire::election::{Address, InitialMessage};
use wire::limits::PACKET_BYTES_MAX;
use zab::Peer;

use crate::admin::{self, Reach};
use crate::audit::AuditLog;
use crate::client::{self, ClientPort};
use crate::clock::{self, Clock};
use crate::config::{ClientAddress, Config, Member, MemberAddress, SnapshotCompression, TlsKeys};
use crate::descriptors;
use crate::disk::Disk;
use crate::election_port::{self, ElectionPort};
use crate::engine::{Engine, EngineSender, EventSender, Happened, Links};
use crate::events::Events;
use crate::http;
use crate::listen::{Listeners, Tries};
use crate::machine::Machine;
use crate::peer_address::PeerAddresses;
use crate::peers::{Address as PeerAddress, Peers, Place};
use crate::prometheus::{self, Prometheus};
use crate::quorum_port::{self, QuorumPort};
use crate::recorder::{Recorded, Recorder};
use crate::systemd::Systemd;
use crate::tls::{Accepts, Apart, Dials, Endpoint, START_PATIENCE};

/// What a server is started with beside its configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where its events go.
    pub events: Events,
    /// What was built: recordings and four-letter words name it.
    pub build: Build,
}

/// Why a server ended that was not asked to, or did not start.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The data directory, or what is in it.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// What is in the data directory cannot be begun with.
    #[error("{0}")]
    Unusable(#[from] Unusable),
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
    /// What TLS needs.
    #[error("{0}")]
    Tls(String),
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
    let mut stop = signals()?;
    let (of_tls, threads) = (Arc::clone(&config), Apart::default());
    let opening = threads.run(START_PATIENCE, move || TlsEndpoints::open(&of_tls));
    let tls = tokio::select! {
        tls = opening => tls.map_err(|error| Error::Tls(format!("TLS, its stores: {error}")))??,
        reason = stop.asked() => {
            info!("{reason}, before it had read the stores of TLS");
            return Ok(());
        }
    };
    let begun = Instant::now();
    let (store, recovered) = open(&config)?;
    let settings = Arc::new(config.settings());
    let (store, beginning) = node::begin(store, recovered, &settings, clock::random())?;
    let Beginning { image, tree, session_ids } = beginning;
    let read_in = begun.elapsed();
    info!(
        "{} starts: acceptedEpoch {}, currentEpoch {}, snapshot {}, {} transactions behind it",
        config.me,
        image.accepted,
        image.current,
        image.snapshot,
        image.log.len()
    );
    let (sender, events) = EventSender::channel();
    let listening = ports(&config, &tls, &sender);
    let (quorum, election) = tokio::select! {
        ports = listening => ports?,
        reason = stop.asked() => {
            info!("{reason}, before it could listen for other servers");
            return Ok(());
        }
    };
    let clock = Clock::start();
    let machine = Machine::new(Arc::clone(&config));
    let shared = Shared::new(settings, options.build.clone(), machine, tree);
    let shared = Arc::new(shared.with_secret(clock::secret()));
    shared.counts().db_init_time.add_ms(read_in);
    shared.counts().startup_txns.add(image.log.len() as u64);
    let mut tasks = JoinSet::new();
    let (batches, clients) = EngineSender::channel();
    let port = ClientPort::new(
        Arc::clone(&shared),
        batches.clone(),
        clock,
        config.tls.outstanding_handshakes_max,
    );
    for (name, address, accepts) in tls.client_ports(&config) {
        let listener = listen(name, &address.host, address.port, config.client_backlog).await?;
        tasks.spawn(client::listen(listener, accepts, Arc::clone(&port)));
    }
    drop(port);
    let reach = Reach {
        config: Arc::clone(&config),
        shared: Arc::clone(&shared),
        clients: batches.clone(),
        events: sender.clone(),
        clock,
    };
    tasks.spawn(admin::start(reach));
    if let Some(address) = &config.prometheus {
        // A provider of metrics that cannot start ends ZooKeeper, too.
        let listener = listen("metricsProvider", &address.host, address.port, None).await?;
        let reading = tokio::sync::Mutex::new(());
        let answers = Arc::new(Prometheus { shared: Arc::clone(&shared), clock, reading });
        tasks.spawn(http::listen("metrics", listener, prometheus::IDLE_TIMEOUT, answers));
    }
    for endpoint in [tls.client, tls.quorum].into_iter().flatten() {
        tasks.spawn(endpoint.reload());
    }
    let systemd = Systemd::listening().map(Arc::new);
    if let Some(systemd) = &systemd {
        let watch = Arc::clone(systemd).watch(Arc::clone(&shared), sender.clone());
        tasks.spawn(watch);
    }
    tasks.spawn(stopping(stop, sender.clone(), systemd));
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
    let node_shared = Arc::clone(&shared);
    let node = Node::new(Parts {
        host: Host::new(Peer::new(core), config_text),
        recorder: Box::new(recorder),
        turn: Box::new(clock::Turn::new()),
        shared,
        session_ids,
        seed: clock::random(),
    });
    let (audit, writing) = match &config.audit {
        Some(keys) => AuditLog::open(keys).map(|(audit, writing)| (Some(audit), Some(writing)))?,
        None => (None, None),
    };
    let node = match &audit {
        Some(audit) => node.with_audit(Box::new(audit.clone())),
        None => node,
    };
    let mut audit = audit;
    if let Some(audit) = &mut audit {
        audit.server("serverStart", "success");
    }
    let engine = Engine {
        me: config.me,
        node,
        clock,
        disk: Disk::start(Writer::new(store, purge), sender.clone(), Arc::clone(&node_shared))?,
        election,
        quorum,
        events: options.events,
        links: Links::default(),
        sender,
    };
    let end = engine.run(image, events, clients).await;
    // Nobody else sends batches: the channel stays open as long as the engine runs.
    drop(batches);
    if let Some(mut audit) = audit {
        audit.server("serverStop", "invoked");
    }
    if let Some(writing) = writing {
        writing.finish();
    }
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

fn open(config: &Config) -> Result<(Store, Recovered<store::Os>), Error> {
    let options = store::Options {
        preallocate_bytes: config.pre_alloc_bytes,
        compression: match config.snapshot_compression {
            SnapshotCompression::Plain => store::Compression::None,
            SnapshotCompression::Gzip => store::Compression::Gzip,
            SnapshotCompression::Snappy => store::Compression::Snappy,
        },
        restorable: config.is_restorable(),
        ..store::Options::default()
    };
    Ok(Store::open(&config.data_dir, &config.data_log_dir, options)?)
}

/// Quorum port and election port; a standalone server has neither.
async fn ports(
    config: &Config,
    tls: &TlsEndpoints,
    events: &EventSender,
) -> Result<(QuorumPort, Option<ElectionPort>), Error> {
    let others = || config.members.iter().filter(|(sid, _)| **sid != config.me);
    let sources = Arc::new(if config.peer_address_check {
        let hosts =
            |member: &Member| member.addresses.iter().map(|at| at.host.clone()).collect::<Vec<_>>();
        PeerAddresses::of(others().map(|(sid, member)| (*sid, hosts(member))).collect())
    } else {
        PeerAddresses::unchecked()
    });
    let peers = |port: fn(&MemberAddress) -> u16| {
        let address = |at: &MemberAddress| PeerAddress { host: at.host.clone(), port: port(at) };
        let place = |member: &Member| Place::at(member.addresses.iter().map(address));
        let (accepts, dials) = tls.between_servers(config);
        Peers {
            places: others().map(|(sid, member)| (*sid, place(member))).collect(),
            sources: Arc::clone(&sources),
            accepts,
            dials,
        }
    };
    let quorum = quorum_port::Settings {
        peers: peers(|at| at.quorum_port),
        connect_timeout: config.connect_timeout,
        hello_timeout: config.init_limit(),
        packet_bytes_max: PACKET_BYTES_MAX,
        tree: config.settings().tree,
    };
    let me = config.members.get(&config.me).filter(|_| !config.standalone);
    let Some(me) = me else {
        return Ok((QuorumPort::start(quorum, None, events.clone()), None));
    };
    let listeners = listen_between(config, me, "quorum port", |at| at.quorum_port).await?;
    let election_listeners =
        listen_between(config, me, "election port", |at| at.election_port).await?;
    let election = election_port::Settings {
        me: config.me,
        hello: hello(config, me),
        peers: peers(|at| at.election_port),
        connect_timeout: config.connect_timeout,
        handshake_timeout: config.sync_limit(),
    };
    Ok((
        QuorumPort::start(quorum, Some(listeners), events.clone()),
        Some(ElectionPort::start(election, election_listeners, events.clone())),
    ))
}

/// What this server says first at an election port: who it is, and its own addresses there.
fn hello(config: &Config, me: &Member) -> InitialMessage {
    let sid = i64::from(config.me.0);
    let address = |at: &MemberAddress| Address { host: at.host.clone(), port: at.election_port };
    match (config.multi_address, me.addresses.first()) {
        (false, Some(first)) => InitialMessage::V1 { sid, address: address(first) },
        (true, _) | (false, None) => {
            InitialMessage::V2 { sid, addresses: me.addresses.iter().map(address).collect() }
        }
    }
}

/// Listens for other servers, at each address of the own line.
async fn listen_between(
    config: &Config,
    me: &Member,
    port: &'static str,
    number: fn(&MemberAddress) -> u16,
) -> Result<Listeners, Error> {
    let at = |at: &MemberAddress| match config.quorum_listen_on_all_ips {
        true => host_port(ClientAddress::ANY, number(at)),
        false => host_port(&at.host, number(at)),
    };
    let addresses: Vec<String> = me.addresses.iter().map(at).collect();
    let tries = config.bind_tries.map_or(Tries::Unlimited, Tries::Some);
    let listeners = Listeners::at(port, &addresses, tries).await;
    listeners.map_err(|(address, source)| Error::Listen { port, address, source })
}

/// TLS as the ports need it; absent where nobody speaks it.
struct TlsEndpoints {
    client: Option<Arc<Endpoint>>,
    quorum: Option<Arc<Endpoint>>,
}

impl TlsEndpoints {
    fn open(config: &Config) -> Result<Self, Error> {
        let open = |what, keys: &Option<TlsKeys>| {
            let endpoint = keys.as_ref().map(|keys| Endpoint::open(what, keys)).transpose();
            endpoint.map_err(Error::Tls)
        };
        let quorum = config.tls.quorum.as_ref().filter(|_| !config.standalone).cloned();
        Ok(Self {
            client: open("for clients (ssl.*)", &config.tls.client)?,
            quorum: open("between servers (ssl.quorum.*)", &quorum)?,
        })
    }

    /// The ports of clients, by their keys.
    fn client_ports<'a>(
        &self,
        config: &'a Config,
    ) -> Vec<(&'static str, &'a ClientAddress, Accepts)> {
        let tls = || self.client.clone();
        let plain = match tls().filter(|_| config.tls.client_port_unification) {
            Some(endpoint) => Accepts::Both(endpoint),
            None => Accepts::Plain,
        };
        let plain = config.client.as_ref().map(|address| ("clientPort", address, plain));
        let secure = config.tls.secure_client.as_ref().zip(tls());
        let secure =
            secure.map(|(address, endpoint)| ("secureClientPort", address, Accepts::Tls(endpoint)));
        plain.into_iter().chain(secure).collect()
    }

    /// How the ports between servers accept and dial.
    fn between_servers(&self, config: &Config) -> (Accepts, Dials) {
        let Some(endpoint) = &self.quorum else { return (Accepts::Plain, Dials::Plain) };
        let endpoint = || Arc::clone(endpoint);
        let accepts = match config.tls.quorum_port_unification {
            true => Accepts::Both(endpoint()),
            false => Accepts::Tls(endpoint()),
        };
        let dials = match config.tls.quorum_dials {
            true => Dials::Tls(endpoint()),
            false => Dials::Plain,
        };
        (accepts, dials)
    }
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

impl Signals {
    /// Waits for a signal to stop, and answers its name.
    async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

async fn stopping(mut signals: Signals, events: EventSender, systemd: Option<Arc<Systemd>>) {
    let reason = signals.asked().await.to_owned();
    if let Some(systemd) = systemd {
        systemd.stopping();
    }
    events.send(Happened::Stop { reason }).await;
}
