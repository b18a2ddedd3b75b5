//! The commands of the admin server: what a server says of itself in JSON, with the names and
//! fields of ZooKeeper 3.9. (ZooKeeper: `org.apache.zookeeper.server.admin.Commands`.)

mod answers;

pub use answers::{Here, Place, answer};

use wire::perms;
use znode::Snapshot;

use crate::client::{Shared, proved};

/// A command. Each stands for what `Commands` calls its primary name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Counters of connections begin at 0 again.
    ConnectionStatReset,
    /// What the configuration says.
    Configuration,
    /// Connections of clients.
    Connections,
    /// Sizes of the directories.
    Dirs,
    /// Sessions and their ephemeral nodes.
    Dump,
    /// The machine.
    Environment,
    /// There is no trace mask: it is 0.
    GetTraceMask,
    /// Digests of the tree.
    Hash,
    /// The configuration file.
    InitialConfiguration,
    /// Whether reads only are served.
    IsReadOnly,
    /// When the last snapshot was taken.
    LastSnapshot,
    /// Who leads.
    Leader,
    /// All numbers.
    Monitor,
    /// Nothing is counted of observers.
    ObserverConnectionStatReset,
    /// Observers of this leader.
    Observers,
    /// Refused: see [`answer`].
    Restore,
    /// Whether it is there.
    Ruok,
    /// What `srvr` says.
    ServerStats,
    /// Refused: see [`answer`].
    SetTraceMask,
    /// The tree, as a file.
    Snapshot,
    /// What `stat` says.
    Stats,
    /// Counters of the server begin at 0 again.
    StatReset,
    /// What a Java server would have there.
    SystemProperties,
    /// The servers that have a vote.
    VotingView,
    /// Watches by session.
    Watches,
    /// Watches by path.
    WatchesByPath,
    /// How many watches there are.
    WatchSummary,
    /// What this server does in the protocol.
    Zabstate,
}

/// All commands, with their names: the primary one first.
const COMMANDS: &[(Command, &[&str])] = &[
    (Command::ConnectionStatReset, &["connection_stat_reset", "crst"]),
    (Command::Configuration, &["configuration", "conf", "config"]),
    (Command::Connections, &["connections", "cons"]),
    (Command::Dirs, &["dirs"]),
    (Command::Dump, &["dump"]),
    (Command::Environment, &["environment", "env", "envi"]),
    (Command::GetTraceMask, &["get_trace_mask", "gtmk"]),
    (Command::Hash, &["hash"]),
    (Command::InitialConfiguration, &["initial_configuration", "icfg"]),
    (Command::IsReadOnly, &["is_read_only", "isro"]),
    (Command::LastSnapshot, &["last_snapshot", "lsnp"]),
    (Command::Leader, &["leader", "lead"]),
    (Command::Monitor, &["monitor", "mntr"]),
    (Command::ObserverConnectionStatReset, &["observer_connection_stat_reset", "orst"]),
    (Command::Observers, &["observers", "obsr"]),
    (Command::Restore, &["restore", "rest"]),
    (Command::Ruok, &["ruok"]),
    (Command::ServerStats, &["server_stats", "srvr"]),
    (Command::SetTraceMask, &["set_trace_mask", "stmk"]),
    (Command::Snapshot, &["snapshot", "snap"]),
    (Command::Stats, &["stats", "stat"]),
    (Command::StatReset, &["stat_reset", "srst"]),
    (Command::SystemProperties, &["system_properties", "sysp"]),
    (Command::VotingView, &["voting_view"]),
    (Command::Watches, &["watches", "wchc"]),
    (Command::WatchesByPath, &["watches_by_path", "wchp"]),
    (Command::WatchSummary, &["watch_summary", "wchs"]),
    (Command::Zabstate, &["zabstate"]),
];

impl Command {
    /// The command with one of these names.
    pub fn named(name: &str) -> Option<Self> {
        COMMANDS.iter().find(|(_, names)| names.contains(&name)).map(|(command, _)| *command)
    }

    /// The primary names of all commands, sorted.
    pub fn all() -> Vec<&'static str> {
        let mut names: Vec<&str> = COMMANDS.iter().map(|(_, names)| names[0]).collect();
        names.sort_unstable();
        names
    }

    /// Its primary name.
    pub fn name(self) -> &'static str {
        let own = COMMANDS.iter().find(|(command, _)| *command == self);
        own.map_or("", |(_, names)| names[0])
    }

    /// Whether it is answered also by a server that serves nobody.
    pub fn is_always_answered(self) -> bool {
        matches!(
            self,
            Self::Environment
                | Self::GetTraceMask
                | Self::SetTraceMask
                | Self::Monitor
                | Self::SystemProperties
                | Self::Zabstate
        )
    }

    /// Whether who asks has to have all permissions of the root node.
    pub fn needs_authorization(self) -> bool {
        matches!(self, Self::Snapshot | Self::Restore)
    }

    /// Whether it comes as POST; all others come as GET.
    pub fn is_post(self) -> bool {
        self == Self::Restore
    }
}

/// Why somebody may not give a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// There is no header `Authorization`.
    Missing,
    /// It proves nothing.
    Unproved,
    /// Who it proves has not all permissions of the root node.
    Forbidden,
}

impl Denied {
    /// The status of HTTP, and the text of ZooKeeper.
    pub fn answer(self) -> (u16, &'static str) {
        match self {
            Self::Missing => (401, "Auth info is missing for the command"),
            Self::Unproved => (401, "Not authenticated"),
            Self::Forbidden => (403, "Not authorized"),
        }
    }
}

/// Whether somebody who sends `authorization`, a scheme and what proves it with a space between
/// them, from this address may give a command that [needs](Command::needs_authorization) it.
///
/// # Errors
/// Who may not. What failed to prove anything counts as a failed authentication.
pub fn authorize(
    authorization: Option<&str>,
    address: std::net::IpAddr,
    shared: &Shared,
) -> Result<(), Denied> {
    let authorization = authorization.ok_or(Denied::Missing)?;
    let (scheme, proof) = match authorization.split_once(' ') {
        Some((scheme, proof)) => (scheme, Some(proof.as_bytes())),
        None => (authorization, None),
    };
    let ids = proved(scheme, proof, address, &shared.settings.access);
    let Some(ids) = ids.filter(|_| proof.is_none_or(|proof| !proof.contains(&b' '))) else {
        shared.note_failure();
        return Err(Denied::Unproved);
    };
    let tree = shared.read_tree();
    let root = tree.node("/").map(|root| tree.acl(root));
    let permits = |perm| root.as_ref().is_some_and(|acl| acl.permits(perm, &ids));
    let all = [perms::READ, perms::WRITE, perms::CREATE, perms::DELETE, perms::ADMIN];
    let may = shared.settings.tree.skip_acl || all.into_iter().all(permits);
    if may { Ok(()) } else { Err(Denied::Forbidden) }
}

/// The tree as it is now, to be written as a file.
pub fn snapshot(shared: &Shared) -> Snapshot {
    shared.read_tree().snapshot()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use zab::Sid;
    use znode::{Options, Tree};

    use super::*;
    use crate::settings::{Build, NoMachine, Settings};

    #[test]
    fn every_name_leads_to_one_command() {
        let mut seen = BTreeSet::new();
        for (command, names) in COMMANDS {
            assert_eq!(command.name(), names[0]);
            for name in *names {
                assert!(seen.insert(*name), "{name} twice");
                assert_eq!(Command::named(name), Some(*command));
            }
        }
        assert_eq!(Command::named("shutdown"), None);
        assert_eq!(Command::all().len(), COMMANDS.len());
    }

    #[test]
    fn whoever_may_not_is_told_why_in_the_words_of_zookeeper() {
        let tree = |skip_acl| Tree::new(Options { skip_acl, ..Options::default() });
        let server = |skip_acl| {
            let settings = Settings::alone(Sid(1));
            Shared::new(Arc::new(settings), Build::default(), NoMachine, tree(skip_acl))
        };
        let shared = server(false);
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ask = |authorization| authorize(authorization, here, &shared);
        // Everybody has all permissions of a fresh root node, and must be somebody.
        assert_eq!(ask(None), Err(Denied::Missing));
        for unknown in ["basic abc", "", "digest", "digest a:b c", "sasl bob", "world anyone"] {
            assert_eq!(ask(Some(unknown)), Err(Denied::Unproved), "{unknown}");
        }
        for known in ["digest a:b", "ip"] {
            assert_eq!(ask(Some(known)), Ok(()), "{known}");
        }
    }
}
