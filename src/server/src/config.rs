//! The configuration of a server: ZooKeeper's `zoo.cfg`, read strictly.
//!
//! What ZooKeeper's `QuorumPeerConfig` accepts means the same here. Five things differ. A key that
//! nobody knows is a warning, as is one that ZooKeeper knows and this server does not act upon; a
//! key without which the server would be less protected than its file says (authentication between
//! servers, quorums that are no majorities) is an error: `table` lists all of them. `forceSync=no`
//! is accepted with a warning and has no effect: what is acknowledged is on disk. Members do not
//! change while servers run, so `dynamicConfigFile` is read and never written (`membership`). Ids
//! go up to 255, so that session ids tell servers apart. And `jute.maxbuffer` is at most 128 MiB,
//! so that every member takes what another one has accepted.

mod access;
mod admin;
mod hierarchy;
mod jaas;
mod keys;
mod member;
mod membership;
mod properties;
mod read;
mod system;
mod table;
mod text;
mod tls;

pub use admin::{Admin, Audit};
pub use hierarchy::Hierarchy;
pub use member::{Member, MemberAddress};
pub use properties::property_value;
pub use system::SystemProperty;
pub use tls::{ClientAuth, Password, Secret, StoreFile, StoreKind, Tls, TlsKeys, TlsVersions};

use member::Bracketed;
use node::{ANSWER_BYTES_PER_BYTE_MAX, Access, Settings};
pub use node::{DirSizes, FourLetterWords};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zab::{LearnerKind, Quorum, Sid};
use znode::{AclSchemes, ReapLimits, WatchLimits};

/// The configuration of one server. Defaults are ZooKeeper's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// This server: what `dataDir/myid` says; 1 if standalone.
    pub me: Sid,
    /// True if this server is alone: no `server.N` line, or one participant and not
    /// `standaloneEnabled=false`.
    pub standalone: bool,
    /// The members by their `server.N` lines; empty if standalone without such a line.
    pub members: BTreeMap<Sid, Member>,
    /// `group.N` and `weight.N`, which make majorities quorums.
    pub hierarchy: Option<Hierarchy>,
    /// What the configuration of the members is called: 0, or the end of the name of the file that
    /// has them (`dynamicConfigFile`), as ZooKeeper's reconfiguration leaves it.
    pub version: i64,
    /// Whether this server has a vote. Its `server.N` line decides, not `peerType`.
    pub kind: LearnerKind,
    /// Where this server listens for clients (`clientPort`, `clientPortAddress`, or its `server.N`
    /// line); `None`: not at all.
    pub client: Option<ClientAddress>,
    /// Queue of connections not yet accepted at the client port (`clientPortListenBacklog`);
    /// `None`: the system's.
    pub client_backlog: Option<u32>,
    /// `quorumListenOnAllIPs`: listen for other servers on every address, not only on that of the
    /// own line.
    pub quorum_listen_on_all_ips: bool,
    /// `multiAddress.enabled`: members may have several addresses each, and are told all of this
    /// server's when it connects to their election ports, which ZooKeeper understands since 3.6.
    pub multi_address: bool,
    /// How often the ports between servers are tried, a second apart, before they cannot be had
    /// (`electionPortBindRetry`); never 0, `None`: without end.
    pub bind_tries: Option<u32>,
    /// The unit of time, `tickTime`.
    pub tick_time: Duration,
    /// `initLimit`: how long a learner may take to connect to a leader and to be brought up to
    /// date.
    pub init_limit_ticks: u32,
    /// `syncLimit`: how long a learner may be silent, and how long a proposal may go without
    /// acknowledgement.
    pub sync_limit_ticks: u32,
    /// Dialling another server's election port is given up after this (`cnxTimeout`).
    pub connect_timeout: Duration,
    /// Shortest session timeout that is granted; 2 ticks unless given.
    pub session_timeout_min: Duration,
    /// Longest session timeout that is granted; 20 ticks unless given. Never below the shortest.
    pub session_timeout_max: Duration,
    /// Snapshots and epochs are in `version-2` of this directory, and `myid` in itself.
    pub data_dir: PathBuf,
    /// Transaction logs are in `version-2` of this directory; `dataDir` unless given.
    pub data_log_dir: PathBuf,
    /// Transactions between two snapshots (`snapCount`), at least 2.
    pub snap_count: u32,
    /// Transaction logs grow by this many bytes at once (`preAllocSize`, given in KiB).
    pub pre_alloc_bytes: u64,
    /// How snapshots are compressed (`snapshot.compression.method`).
    pub snapshot_compression: SnapshotCompression,
    /// Snapshots that a purge keeps (`autopurge.snapRetainCount`), at least 3.
    pub purge_retain: u32,
    /// Time between purges (`autopurge.purgeInterval`, given in hours); `None`: never.
    pub purge_interval: Option<Duration>,
    /// Delivered transactions kept in memory to serve a DIFF (`commitLogCount`).
    pub commit_log_count: u32,
    /// Client connections from one address (`maxClientCnxns`); `None`: no limit.
    pub client_connections_per_address_max: Option<u32>,
    /// Client connections in all (`maxCnxns`); `None`: no limit.
    pub client_connections_max: Option<u32>,
    /// Requests in progress before clients are no longer read from (`globalOutstandingLimit`), as
    /// the file says. What holds for one server: [`outstanding_limit`](Self::outstanding_limit).
    pub global_outstanding_limit: u32,
    /// Largest request and largest data of a node in bytes (`jute.maxbuffer`).
    pub jute_max_buffer: u32,
    /// `extendedTypesEnabled`: nodes may have a time to live. Must be the same on all servers of an
    /// ensemble.
    pub extended_types: bool,
    /// When a leader deletes containers and nodes with a time to live, and how fast
    /// (`znode.container.*`).
    pub reap: ReapLimits,
    /// Longest answer in bytes (`vivarium.maxAnswerBytes`): a read whose answer would be longer
    /// gets an error instead.
    pub answer_bytes_max: u32,
    /// `digest.enabled`: a server whose tree is not that of its snapshot's digest, or of the
    /// leader's digest in a transaction, stops. False: nothing is compared.
    pub digest_enabled: bool,
    /// What the watches of one connection (`vivarium.maxWatchBytes`), and those of all connections
    /// (`vivarium.maxTotalWatchBytes`), may take in bytes, where each counts with its path and 256
    /// bytes more. What would set one more gets an error instead.
    pub watch_limits: WatchLimits,
    /// Which four-letter words are answered.
    pub four_letter_words: FourLetterWords,
    /// How clients prove who they are.
    pub access: Access,
    /// The schemes that may stand in ACLs (`authProvider.*`). Must be the same on all servers of an
    /// ensemble, as must be the next two.
    pub acl_schemes: AclSchemes,
    /// `skipACL=yes`: every client may do everything.
    pub skip_acl: bool,
    /// `enforceQuota`: what would exceed the hard limit of a quota is refused.
    pub enforce_quota: bool,
    /// `readonlymode.enabled`: without a leader, reads are served to clients that allow it.
    pub reads_without_leader: bool,
    /// Whether a server that connects to the quorum or election port must come from the address of
    /// its `server.N` line (`vivarium.peerAddressCheck`). To be switched off where members are seen
    /// under other addresses than those they are dialled at: behind address translation, or with
    /// several addresses on one machine.
    pub peer_address_check: bool,
    /// Directory into which every input of the core is recorded (`vivarium.record`).
    pub record: Option<PathBuf>,
    /// TLS, for clients and between servers.
    pub tls: Tls,
    /// The admin server; `None`: there is none (`admin.enableServer=false`, the default of
    /// ZooKeeper 3.10).
    pub admin: Option<Admin>,
    /// Where Prometheus reads the metrics (`metricsProvider.*`).
    pub prometheus: Option<ClientAddress>,
    /// Whether it is logged who changed what, and where.
    pub audit: Option<Audit>,
    /// The file as it was read, a line for each key, without secrets.
    pub initial: String,
    /// What the operator should know about the file: ignored keys, and the like, each a sentence.
    pub warnings: Vec<String>,
}

/// Where a server listens for clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientAddress {
    /// Name or address, IPv6 without brackets; [`ANY`](Self::ANY) for every address of the machine.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

impl ClientAddress {
    /// Every address of the machine, IPv4 and IPv6, as ZooKeeper writes it.
    pub const ANY: &str = "0.0.0.0";
}

/// `host:port`, IPv6 in brackets.
impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Bracketed(&self.host), self.port)
    }
}

/// How snapshots are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotCompression {
    /// Not at all.
    Plain,
    /// `gz`.
    Gzip,
    /// `snappy`.
    Snappy,
}

/// Why a configuration cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is wrong with a file that the configuration names.
    #[error("{}: {source}", path.display())]
    Within {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<ConfigError>,
    },
    /// A line is no property.
    #[error("line {line}: found `{found}`, allowed: {allowed}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// A key has a value that it cannot have.
    #[error("{}: {key}: found `{found}`, allowed: {allowed}", system::place(*line))]
    Value {
        /// The key.
        key: String,
        /// Counted from 1; 0: it is a system property.
        line: usize,
        /// Its value.
        found: String,
        /// What it may be.
        allowed: String,
    },
    /// A key is known, and what it asks for cannot be left out silently.
    #[error("{}: {key}={found} is not supported: {why}{more}", system::place(*line))]
    Refused {
        /// The key.
        key: String,
        /// Counted from 1; 0: it is a system property.
        line: usize,
        /// Its value.
        found: String,
        /// What would be wrong without it.
        why: String,
        /// Which other keys of the file are refused too; empty: none.
        more: String,
    },
    /// A key is missing.
    #[error("{key} is not set: {why}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What it is needed for.
        why: &'static str,
    },
    /// Values that are fine alone do not go together.
    #[error("{0}")]
    Conflict(String),
    /// The file `myid` does not say which server this is.
    #[error("{}: found `{found}`, allowed: {allowed}", path.display())]
    MyId {
        /// The file.
        path: PathBuf,
        /// Its first line.
        found: String,
        /// What it may be.
        allowed: String,
    },
}

/// [`Config::answer_bytes_max`] unless given.
const ANSWER_BYTES_DEFAULT: u32 = 16 << 20;

/// The largest value of [`Config::answer_bytes_max`].
const ANSWER_BYTES_LIMIT: u32 = 1 << 30;

/// [`Config::watch_limits`] unless given. Of one connection: 800,000 watches of paths of 60 bytes.
/// The largest caches, which watch whole subtrees of a hundred thousand nodes, data and children,
/// take a quarter. Of all: the connections of a server seldom have more than a few million watches.
const WATCH_LIMITS_DEFAULT: WatchLimits = WatchLimits { of_connection: 256 << 20, of_all: 4 << 30 };

// Whatever jute.maxbuffer is, there is an answer limit that goes with it.
const _: () = assert!(
    wire::limits::CLIENT_MESSAGE_BYTES_MAX * ANSWER_BYTES_PER_BYTE_MAX as usize
        <= ANSWER_BYTES_LIMIT as usize
);
const _: () = assert!((ANSWER_BYTES_LIMIT as usize) < wire::frame::FRAME_BYTES_MAX);

impl Config {
    /// Reads a configuration file, and `myid` in its `dataDir`.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a value that is wrong, missing or refused. The error names the
    /// file only where it is not the given one.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        Self::from_file_with(path, &[])
    }

    /// As [`from_file`](Self::from_file), with system properties as ZooKeeper's Java gets them
    /// (`-Dname=value`): a key `X` of the file that ZooKeeper reads from its system properties is
    /// the property `zookeeper.X`. Where both are given the file counts, as in ZooKeeper.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_file_with(path: &Path, system: &[SystemProperty]) -> Result<Self, ConfigError> {
        let read = |path: &Path| std::fs::read(path);
        let text =
            read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::read(&text, system, Some(path), read)
    }

    /// The quorum system: majorities of the participants; of this server alone if standalone.
    pub fn quorum(&self) -> Quorum {
        if self.standalone {
            return Quorum::majority([self.me].into_iter().collect());
        }
        let voters = self.members.iter().filter(|(_, member)| member.kind == LearnerKind::Follower);
        Quorum::majority(voters.map(|(sid, _)| *sid).collect())
    }

    /// Whether the other members could give this server its data again if its own were damaged:
    /// without it they are a quorum.
    pub fn is_restorable(&self) -> bool {
        let quorum = self.quorum();
        let others = quorum.voters().iter().filter(|sid| *sid != self.me).collect();
        quorum.is_quorum(&others)
    }

    /// `initLimit` as time.
    pub fn init_limit(&self) -> Duration {
        self.tick_time * self.init_limit_ticks
    }

    /// `syncLimit` as time.
    pub fn sync_limit(&self) -> Duration {
        self.tick_time * self.sync_limit_ticks
    }

    /// Requests in progress at this server before clients are no longer read from:
    /// `globalOutstandingLimit`, in ensembles of more than two voters divided by their number less
    /// one (`ZooKeeperServer.getGlobalOutstandingLimit` of a quorum member); at least 1.
    pub fn outstanding_limit(&self) -> u32 {
        let voters = self.quorum().voters().len();
        let divisor = if voters > 2 { voters - 1 } else { 1 };
        (self.global_outstanding_limit / divisor).max(1)
    }
    /// What a node has to know of it.
    pub fn settings(&self) -> Settings {
        Settings {
            me: self.me,
            standalone: self.standalone,
            voters: self.quorum().voters().len(),
            voting: self.quorum().voters(),
            members: self.config_text().into(),
            members_version: self.version,
            client_port: self.client.as_ref().map(|client| client.port),
            tick_time: self.tick_time,
            init_limit: self.init_limit_ticks,
            sync_limit: self.sync_limit_ticks,
            session_timeout_min: self.session_timeout_min,
            session_timeout_max: self.session_timeout_max,
            snap_count: self.snap_count,
            client_connections_per_address_max: self.client_connections_per_address_max,
            client_connections_max: self.client_connections_max,
            outstanding_limit: self.outstanding_limit(),
            jute_max_buffer: self.jute_max_buffer,
            tree: znode::Options {
                extended_types: self.extended_types,
                skip_acl: self.skip_acl,
                acl_schemes: self.acl_schemes,
                enforce_quota: self.enforce_quota,
            },
            reap: self.reap,
            answer_bytes_max: self.answer_bytes_max,
            digest_enabled: self.digest_enabled,
            watch_limits: self.watch_limits,
            four_letter_words: self.four_letter_words.clone(),
            x509_super_user: self.tls.super_user.clone(),
            access: self.access.clone(),
            reads_without_leader: self.reads_without_leader,
        }
    }
}
