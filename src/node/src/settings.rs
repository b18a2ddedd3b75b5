//! What a node has to know of its configuration and of the machine.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use zab::{Sid, SidSet};
use znode::{NeverUsed, Node, ReapLimits, Tree, WatchLimits, path};

use crate::access::Access;

/// What a node has to know of a server's configuration. Names of keys are those of `zoo.cfg`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// This server.
    pub me: Sid,
    /// True if this server is alone.
    pub standalone: bool,
    /// How many servers have a vote.
    pub voters: u32,
    /// The servers that have a vote, as far as a leader has to name them; empty if standalone.
    pub voting: SidSet,
    /// The members as `/zookeeper/config` shows them; empty if standalone.
    pub members: Bytes,
    /// The version of that configuration: mzxid of `/zookeeper/config`. 0 if no reconfiguration has
    /// made it.
    pub members_version: i64,
    /// Where clients connect; `None`: nowhere.
    pub client_port: Option<u16>,
    /// `tickTime`.
    pub tick_time: Duration,
    /// `initLimit`, in ticks.
    pub init_limit: u32,
    /// `syncLimit`, in ticks.
    pub sync_limit: u32,
    /// `minSessionTimeout`.
    pub session_timeout_min: Duration,
    /// `maxSessionTimeout`; never below the shortest.
    pub session_timeout_max: Duration,
    /// `snapCount`: transactions between two snapshots.
    pub snap_count: u32,
    /// `maxClientCnxns`: client connections from one address; `None`: no limit.
    pub client_connections_per_address_max: Option<u32>,
    /// `maxCnxns`: client connections in all; `None`: no limit.
    pub client_connections_max: Option<u32>,
    /// Requests in progress before clients are no longer read from.
    pub outstanding_limit: u32,
    /// `jute.maxbuffer`: bytes of a request.
    pub jute_max_buffer: u32,
    /// What a tree has to know.
    pub tree: znode::Options,
    /// `znode.container.*`.
    pub reap: ReapLimits,
    /// Bytes of an answer.
    pub answer_bytes_max: u32,
    /// `digest.enabled`.
    pub digest_enabled: bool,
    /// What watches may take in bytes.
    pub watch_limits: WatchLimits,
    /// `4lw.commands.whitelist`.
    pub four_letter_words: FourLetterWords,
    /// `X509AuthenticationProvider.superUser`: who may do everything, by the name in its
    /// certificate.
    pub x509_super_user: Option<String>,
    /// How clients prove who they are.
    pub access: Access,
    /// `readonlymode.enabled`: without a leader, reads are served to clients that allow it.
    pub reads_without_leader: bool,
}

/// The mtime of `/zookeeper/config`. ZooKeeper takes the time of each server's start; clients that
/// move would see it change.
const CONFIG_TIME_MS: i64 = 0;

impl Settings {
    /// Those of a server that is alone, with ZooKeeper's defaults.
    pub fn alone(me: Sid) -> Self {
        let tick_time = Duration::from_secs(3);
        Self {
            me,
            standalone: true,
            voters: 1,
            voting: SidSet::EMPTY,
            members: Bytes::new(),
            members_version: 0,
            client_port: None,
            tick_time,
            init_limit: 10,
            sync_limit: 5,
            session_timeout_min: 2 * tick_time,
            session_timeout_max: 20 * tick_time,
            snap_count: 100_000,
            client_connections_per_address_max: Some(60),
            client_connections_max: None,
            outstanding_limit: 1000,
            jute_max_buffer: 0xf_ffff,
            tree: znode::Options::default(),
            reap: ReapLimits {
                interval_ms: 60_000,
                per_minute: 10_000,
                never_used: NeverUsed::Stays,
            },
            answer_bytes_max: 16 << 20,
            digest_enabled: true,
            watch_limits: WatchLimits { of_connection: 256 << 20, of_all: 4 << 30 },
            four_letter_words: FourLetterWords::All,
            x509_super_user: None,
            access: Access::default(),
            reads_without_leader: false,
        }
    }

    /// Puts the members into `/zookeeper/config`, where clients read them; there is no transaction
    /// for that. The node is the same on all servers whose files name the same members, stat
    /// included. A server alone has an empty one, also in a directory that comes from an ensemble.
    pub fn show_members_in(&self, tree: &mut Tree) {
        let shown = tree.node(path::CONFIG).and_then(Node::data);
        if !self.members.is_empty() || shown.is_some_and(|shown| !shown.is_empty()) {
            tree.refresh_config(self.members.clone(), self.members_version, CONFIG_TIME_MS);
        }
    }

    /// Session timeout that is granted to a client that asks for `asked`.
    pub fn session_timeout(&self, asked: Duration) -> Duration {
        asked.clamp(self.session_timeout_min, self.session_timeout_max)
    }
}

/// Which four-letter words are answered (`4lw.commands.whitelist`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FourLetterWords {
    /// `*`
    All,
    /// These, and always `srvr`.
    Only(Vec<String>),
}

impl FourLetterWords {
    /// True if `word` is answered.
    pub fn allow(&self, word: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(words) => word == "srvr" || words.iter().any(|allowed| allowed == word),
        }
    }
}

/// Which build a server is.
#[derive(Clone, Debug, Default)]
pub struct Build {
    /// The commit.
    pub commit: String,
    /// When that was made, in UTC.
    pub date: String,
    /// The hash of the sources of the crates `zab` and `host`, in hexadecimal.
    pub core: String,
}

/// Sizes of a server's directories in bytes, as the four-letter words `conf` and `dirs` show them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DirSizes {
    /// Of `version-2` in `dataDir`.
    pub data: u64,
    /// Of `version-2` in `dataLogDir`.
    pub data_log: u64,
}

/// What four-letter words ask of the machine.
pub trait Machine: Send + Sync {
    /// The answer to `conf`.
    fn conf(&self) -> String;
    /// How large the directories are now.
    fn dir_sizes(&self) -> DirSizes;
    /// The lines of `envi` behind the version: names and values.
    fn environment(&self) -> Vec<(&'static str, String)>;
    /// File descriptors that are open, and how many may be.
    fn descriptors(&self) -> (Option<usize>, Option<u64>);
}

impl fmt::Debug for dyn Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine")
    }
}

/// Nothing is known of the machine.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoMachine;

impl Machine for NoMachine {
    fn conf(&self) -> String {
        String::new()
    }

    fn dir_sizes(&self) -> DirSizes {
        DirSizes::default()
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn descriptors(&self) -> (Option<usize>, Option<u64>) {
        (None, None)
    }
}
