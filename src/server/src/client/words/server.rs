//! Words about the server as a whole.

use std::fmt::Display;
use std::sync::atomic::Ordering;

use rustix::process::{Resource, getrlimit};
use zab::ServerState;
use znode::{Tree, WatchTable};

use super::Text;
use crate::client::counters::Latencies;
use crate::client::shared::Shared;

/// The version as ZooKeeper's tools parse it, number first, and what was built: the commit, and the
/// hash of the checked core's sources, which `vivarium --version` names as well.
fn version_text(shared: &Shared) -> String {
    let crate::Build { commit, core } = &shared.build;
    format!("{}-vivarium, commit {commit}, core {core}", env!("CARGO_PKG_VERSION"))
}

pub(super) fn version(shared: &Shared, text: &mut Text) {
    text.line(format_args!("Zookeeper version: {}\n", version_text(shared)));
}

fn mode(shared: &Shared) -> &'static str {
    if shared.config.standalone {
        return "standalone";
    }
    match shared.status().role {
        ServerState::Leading => "leader",
        ServerState::Following => "follower",
        ServerState::Observing => "observer",
        ServerState::Looking => "looking",
    }
}

fn leads(shared: &Shared) -> bool {
    !shared.config.standalone && shared.status().role == ServerState::Leading
}

/// Nodes as ZooKeeper counts them: the root has two entries in its table, under both of its names.
fn node_count(tree: &Tree) -> usize {
    tree.node_count() + 1
}

/// `srvr`, and the end of `stat`.
pub(super) fn state(shared: &Shared, text: &mut Text) {
    let stats = &shared.stats;
    let Latencies { min, mean, max, .. } = stats.latency.get();
    let (zxid, nodes) = {
        let tree = shared.read_tree();
        (tree.last_zxid(), node_count(&tree))
    };
    text.line(format_args!(
        "Latency min/avg/max: {min}/{mean:.1}/{max}\nReceived: {}\nSent: {}\nConnections: {}\n\
         Outstanding: {}\nZxid: 0x{zxid:x}\nMode: {}\nNode count: {nodes}\n",
        stats.received.load(Ordering::Relaxed),
        stats.sent.load(Ordering::Relaxed),
        shared.connection_count(),
        stats.outstanding.load(Ordering::Relaxed),
        mode(shared),
    ));
    if leads(shared) {
        let [last, min, max] = stats.proposals.get();
        text.line(format_args!("Proposal sizes last/min/max: {last}/{min}/{max}\n"));
    }
}

/// `mntr`.
pub(super) fn monitor(shared: &Shared, text: &mut Text) {
    let (status, stats) = (shared.status(), &shared.stats);
    let Latencies { min, mean, max, .. } = stats.latency.get();
    let mut line =
        |name: &str, value: &dyn Display| text.line(format_args!("zk_{name}\t{value}\n"));
    line("version", &version_text(shared));
    line("server_state", &mode(shared));
    if !shared.config.standalone {
        let state = match status.role {
            ServerState::Leading => "leading - broadcast",
            ServerState::Following => "following - broadcast",
            ServerState::Observing => "observing - broadcast",
            ServerState::Looking => "looking",
        };
        line("peer_state", &state);
        line("quorum_size", &shared.config.quorum().voters().len());
    }
    line("avg_latency", &format!("{mean:.4}"));
    line("max_latency", &max);
    line("min_latency", &min);
    line("packets_received", &stats.received.load(Ordering::Relaxed));
    line("packets_sent", &stats.sent.load(Ordering::Relaxed));
    line("num_alive_connections", &shared.connection_count());
    line("outstanding_requests", &stats.outstanding.load(Ordering::Relaxed));
    line("auth_failed_count", &stats.auth_failed.load(Ordering::Relaxed));
    line("uptime", &status.since.elapsed().as_millis());
    {
        let tree = shared.read_tree();
        line("znode_count", &node_count(&tree));
        line("ephemerals_count", &tree.ephemeral_count());
        line("approximate_data_size", &tree.size_bytes());
        line("global_sessions", &tree.sessions().len());
        line("local_sessions", &0);
        line("last_zxid", &format!("0x{:x}", tree.last_zxid()));
    }
    let (watches, paths) = {
        let watches = shared.watches();
        (watches.len(), watches.counts(WatchTable::Data).paths)
    };
    line("watch_count", &watches);
    line("watched_paths", &paths);
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // Listing them opens one more.
        line("open_file_descriptor_count", &open.count().saturating_sub(1));
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        line("max_file_descriptor_count", &most);
    }
    if leads(shared) {
        let [last, min, max] = stats.proposals.get();
        line("last_proposal_size", &last);
        line("min_proposal_size", &min);
        line("max_proposal_size", &max);
    }
    if let Some(epoch) = status.serving {
        line("epoch", &epoch);
    }
}

/// `envi`: ZooKeeper's keys. What only a Java machine has is absent in the way in which it says so.
pub(super) fn environment(shared: &Shared, text: &mut Text) {
    const ABSENT: &str = "<NA>";
    let kernel = |name: &str| {
        let path = format!("/proc/sys/kernel/{name}");
        std::fs::read_to_string(path)
            .map_or_else(|_| ABSENT.to_owned(), |text| text.trim().to_owned())
    };
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| ABSENT.to_owned());
    let directory = std::env::current_dir();
    let directory = directory.map_or_else(|_| ABSENT.to_owned(), |path| path.display().to_string());
    text.line("Environment:\n");
    let mut line = |name: &str, value: &str| text.line(format_args!("{name}={value}\n"));
    line("zookeeper.version", &version_text(shared));
    line("host.name", &kernel("hostname"));
    for name in ["java.version", "java.vendor", "java.home", "java.class.path", "java.library.path"]
    {
        line(name, ABSENT);
    }
    line("java.io.tmpdir", &std::env::temp_dir().display().to_string());
    line("java.compiler", ABSENT);
    line("os.name", &kernel("ostype"));
    line("os.arch", std::env::consts::ARCH);
    line("os.version", &kernel("osrelease"));
    line("user.name", &variable("USER"));
    line("user.home", &variable("HOME"));
    line("user.dir", &directory);
    for name in ["jvm.memory.free", "jvm.memory.max", "jvm.memory.total"] {
        line(name, ABSENT);
    }
}

/// `hash`.
pub(super) fn hashes(shared: &Shared, text: &mut Text) {
    for (zxid, digest) in shared.digests() {
        text.line(format_args!("{zxid:x}: {digest}\n"));
    }
}
