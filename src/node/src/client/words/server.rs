//! Words about the server as a whole.

use std::fmt::Display;
use std::sync::atomic::Ordering;

use zab::ServerState;
use znode::{Tree, WatchTable};

use super::Text;
use crate::client::counters::Latencies;
use crate::client::shared::Shared;
use crate::io::Now;
use crate::settings::Build;

/// The version of ZooKeeper whose clients and tools find here what they look for.
const ZOOKEEPER_VERSION: &str = "3.9.5";

/// The version as ZooKeeper's tools parse it: clients choose by it what they ask for, so its number
/// is ZooKeeper's. Behind it is what was built: the own version, the commit, and the hash of the
/// checked core's sources, which `vivarium --version` names as well.
fn version_text(shared: &Shared) -> String {
    let Build { commit, date, core } = &shared.build;
    let own = env!("CARGO_PKG_VERSION");
    format!("{ZOOKEEPER_VERSION}-vivarium-{own}, built on {date}, commit {commit}, core {core}")
}

pub(super) fn version(shared: &Shared, text: &mut Text) {
    text.line(format_args!("Zookeeper version: {}\n", version_text(shared)));
}

fn mode(shared: &Shared) -> &'static str {
    if shared.settings.standalone {
        return "standalone";
    }
    match shared.status().role {
        ServerState::Leading => "leader",
        ServerState::Following => "follower",
        ServerState::Observing => "observer",
        ServerState::Looking if shared.status().is_read_only => "read-only",
        ServerState::Looking => "looking",
    }
}

/// What `srvr` and `stat` say of a server without a leader.
pub(super) fn mode_note(shared: &Shared, text: &mut Text) {
    if shared.status().is_read_only {
        text.line("READ-ONLY mode; serving only read-only clients\n");
    }
}

fn leads(shared: &Shared) -> bool {
    !shared.settings.standalone && shared.status().role == ServerState::Leading
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
pub(super) fn monitor(shared: &Shared, now: Now, text: &mut Text) {
    let (status, stats) = (shared.status(), &shared.stats);
    let Latencies { min, mean, max, .. } = stats.latency.get();
    let mut line =
        |name: &str, value: &dyn Display| text.line(format_args!("zk_{name}\t{value}\n"));
    line("version", &version_text(shared));
    line("server_state", &mode(shared));
    if !shared.settings.standalone {
        let state = match status.role {
            ServerState::Leading => "leading - broadcast",
            ServerState::Following => "following - broadcast",
            ServerState::Observing => "observing - broadcast",
            ServerState::Looking => "looking",
        };
        line("peer_state", &state);
        line("quorum_size", &shared.settings.voters);
    }
    line("avg_latency", &format!("{mean:.4}"));
    line("max_latency", &max);
    line("min_latency", &min);
    line("packets_received", &stats.received.load(Ordering::Relaxed));
    line("packets_sent", &stats.sent.load(Ordering::Relaxed));
    line("num_alive_connections", &shared.connection_count());
    line("outstanding_requests", &stats.outstanding.load(Ordering::Relaxed));
    line("auth_failed_count", &stats.auth_failed.load(Ordering::Relaxed));
    let handshakes = &stats.handshakes;
    line("outstanding_tls_handshake", &handshakes.outstanding.load(Ordering::Relaxed));
    line("unsuccessful_handshake", &handshakes.failed.load(Ordering::Relaxed));
    line("tls_handshake_exceeded", &handshakes.exceeded.load(Ordering::Relaxed));
    line("uptime", &now.at.saturating_sub(status.since).as_millis());
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
    let (open, most) = shared.machine.descriptors();
    if let Some(open) = open {
        line("open_file_descriptor_count", &open);
    }
    if let Some(most) = most {
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

/// `envi`.
pub(super) fn environment(shared: &Shared, text: &mut Text) {
    text.line("Environment:\n");
    text.line(format_args!("zookeeper.version={}\n", version_text(shared)));
    for (name, value) in shared.machine.environment() {
        text.line(format_args!("{name}={value}\n"));
    }
}

/// `hash`.
pub(super) fn hashes(shared: &Shared, text: &mut Text) {
    for (zxid, digest) in shared.digests() {
        text.line(format_args!("{zxid:x}: {digest}\n"));
    }
}
