//! What a server says of its configuration: to other servers, to clients, and to the operator.

use super::{ClientAddress, Config, SnapshotCompression};
use node::DirSizes;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use zab::LearnerKind;

impl Config {
    /// The configuration as NEWLEADER and notifications carry it (`QuorumMaj.toString`): a line per
    /// member in the order of their ids, then groups and weights if there are any, then `version=`
    /// in hexadecimal without a line end. Empty if standalone.
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
        if let Some(hierarchy) = &self.hierarchy {
            let _ = write!(text, "{hierarchy}");
        }
        let _ = write!(text, "version={:x}", self.version);
        text
    }

    /// The answer to the four-letter word `conf` (`ZooKeeperServer.dumpConf`).
    pub fn conf_text(&self, sizes: DirSizes) -> String {
        let mut text = String::new();
        let directory = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        let me = if self.standalone { 0 } else { self.me.0 };
        let port_of =
            |client: &Option<ClientAddress>| client.as_ref().map_or(-1, |it| i32::from(it.port));
        let unlimited = |max: Option<u32>| max.unwrap_or(0);
        let _ = write!(
            text,
            "clientPort={}\nsecureClientPort={}\ndataDir={}\ndataDirSize={}\ndataLogDir={}\ndataLogSize={}\n\
             tickTime={}\nmaxClientCnxns={}\nminSessionTimeout={}\nmaxSessionTimeout={}\n\
             clientPortListenBacklog={}\nserverId={me}\n",
            port_of(&self.client),
            port_of(&self.tls.secure_client),
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
        let (quorum, election) = own.ports();
        let listed =
            |ports: Vec<u16>| ports.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
        let _ = write!(
            text,
            "initLimit={}\nsyncLimit={}\nelectionAlg=3\nelectionPort={}\nquorumPort={}\npeerType={kind}\n\
             membership: \n{}",
            self.init_limit_ticks,
            self.sync_limit_ticks,
            listed(election),
            listed(quorum),
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
