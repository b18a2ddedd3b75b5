//! Words about the server as a whole.

use std::sync::atomic::Ordering;

use zab::ServerState;
use znode::Tree;

use super::Text;
use crate::client::counters::Latencies;
use crate::client::shared::Shared;
use crate::io::Now;
use crate::metrics;
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

/// `mntr`: what is no number, and then the table of all numbers.
pub(super) fn monitor(shared: &Shared, now: Now, text: &mut Text) {
    for (name, value) in described(shared) {
        text.line(format_args!("zk_{name}\t{value}\n"));
    }
    text.line(metrics::mntr(&metrics::read(shared, now)));
}

/// What `mntr` says that is no number.
pub(crate) fn described(shared: &Shared) -> Vec<(&'static str, String)> {
    let mut lines =
        vec![("version", version_text(shared)), ("server_state", mode(shared).to_owned())];
    if !shared.settings.standalone {
        let state = match shared.status().role {
            ServerState::Leading => "leading - broadcast",
            ServerState::Following => "following - broadcast",
            ServerState::Observing => "observing - broadcast",
            ServerState::Looking => "looking",
        };
        lines.push(("peer_state", state.to_owned()));
    }
    lines.push(("last_zxid", format!("0x{:x}", shared.read_tree().last_zxid())));
    lines
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
