//! What a server says of its configuration: to other servers, to clients, and to the operator.

use super::{Config, SnapshotCompression};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use zab::LearnerKind;
use znode::{Node, Tree, path};

/// The version of a configuration that was never changed by a reconfiguration: mzxid of
/// `/zookeeper/config`.
const CONFIG_VERSION: i64 = 0;

/// Its mtime. ZooKeeper takes the time of each server's start; clients that move would see it
/// change.
const CONFIG_TIME_MS: i64 = 0;

/// Sizes of a server's directories in bytes, as the four-letter words `conf` and `dirs` show them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DirSizes {
    /// Of `version-2` in `dataDir`.
    pub data: u64,
    /// Of `version-2` in `dataLogDir`.
    pub data_log: u64,
}

impl Config {
    /// The configuration as NEWLEADER and notifications carry it (`QuorumMaj.toString`): a line per
    /// member in the order of their ids, then `version=0` without a line end. Empty if standalone.
    ///
    /// Client addresses that a `server.N` line does not name are left out.
    pub fn config_text(&self) -> String {
        let mut text = String::new();
        if self.standalone {
            return text;
        }
        for (sid, member) in &self.members {
            let _ = writeln!(text, "server.{}={member}", sid.0);
        }
        text.push_str("version=0");
        text
    }

    /// Puts the members into `/zookeeper/config`, where clients read them; there is no transaction
    /// for that. The node is the same on all servers whose files name the same members, stat
    /// included. A server alone has an empty one, also in a directory that comes from an ensemble.
    pub(crate) fn show_members_in(&self, tree: &mut Tree) {
        let text = self.config_text();
        let shown = tree.node(path::CONFIG).and_then(Node::data);
        if !text.is_empty() || shown.is_some_and(|shown| !shown.is_empty()) {
            tree.refresh_config(text.into(), CONFIG_VERSION, CONFIG_TIME_MS);
        }
    }

    /// What the tree has to know.
    pub(crate) fn tree_options(&self) -> znode::Options {
        znode::Options { extended_types: self.extended_types, skip_acl: false }
    }

    /// The answer to the four-letter word `conf` (`ZooKeeperServer.dumpConf`).
    pub fn conf_text(&self, sizes: DirSizes) -> String {
        let mut text = String::new();
        let directory = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        let me = if self.standalone { 0 } else { self.me.0 };
        let unlimited = |max: Option<u32>| max.unwrap_or(0);
        let _ = write!(
            text,
            "clientPort={}\nsecureClientPort=-1\ndataDir={}\ndataDirSize={}\ndataLogDir={}\ndataLogSize={}\n\
             tickTime={}\nmaxClientCnxns={}\nminSessionTimeout={}\nmaxSessionTimeout={}\n\
             clientPortListenBacklog={}\nserverId={me}\n",
            self.client.as_ref().map_or(-1, |client| i32::from(client.port)),
            directory(&self.version_2()).display(),
            sizes.data,
            directory(&self.log_version_2()).display(),
            sizes.data_log,
            self.tick_time.as_millis(),
            unlimited(self.client_connections_per_address_max),
            self.session_timeout_min.as_millis(),
            self.session_timeout_max.as_millis(),
            self.client_backlog.map_or(-1, i64::from),
        );
        let Some(own) = self.members.get(&self.me).filter(|_| !self.standalone) else {
            return text;
        };
        let kind = match self.kind {
            LearnerKind::Follower => 0,
            LearnerKind::Observer => 1,
        };
        let _ = write!(
            text,
            "initLimit={}\nsyncLimit={}\nelectionAlg=3\nelectionPort={}\nquorumPort={}\npeerType={kind}\n\
             membership: \n{}",
            self.init_limit_ticks,
            self.sync_limit_ticks,
            own.election_port,
            own.quorum_port,
            self.config_text(),
        );
        text
    }

    /// The directory of snapshots and epoch files.
    pub fn version_2(&self) -> PathBuf {
        self.data_dir.join("version-2")
    }

    /// The directory of transaction logs.
    pub fn log_version_2(&self) -> PathBuf {
        self.data_log_dir.join("version-2")
    }

    /// Adds up the files of the two directories now. One that does not exist yet is empty.
    pub fn dir_sizes(&self) -> DirSizes {
        let size = |path: &Path| directory_bytes(path).unwrap_or(0);
        DirSizes { data: size(&self.version_2()), data_log: size(&self.log_version_2()) }
    }
}

fn directory_bytes(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        // A file may be purged while its directory is listed.
        bytes += entry.and_then(|entry| entry.metadata()).map_or(0, |file| file.len());
    }
    Ok(bytes)
}

impl SnapshotCompression {
    /// What `snapshot.compression.method` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => "gz",
            Self::Snappy => "snappy",
        }
    }
}
