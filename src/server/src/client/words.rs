//! Four-letter words. (ZooKeeper: `org.apache.zookeeper.server.command`.)

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::Ordering;

use wire::client::FourLetterWord;
use zab::ServerState;
use znode::WatchTable;

use super::shared::Shared;
use crate::config::DirSizes;

const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

/// The longest text that answers a word.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// The text that answers a word, however many clients it speaks of.
pub(super) fn answer(word: FourLetterWord, shared: &Shared) -> String {
    cut(text(word, shared), TEXT_BYTES_MAX)
}

/// The text up to the last line that ends within `max` bytes, and how much of it is missing.
fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let whole = text.len();
        let end = text.as_bytes()[..max].iter().rposition(|byte| *byte == b'\n');
        text.truncate(end.map_or(0, |at| at + 1));
        let missing = whole - text.len();
        // Writing to a String does not fail.
        let _ = writeln!(text, "({missing} bytes more are not shown)");
    }
    text
}

fn text(word: FourLetterWord, shared: &Shared) -> String {
    if !shared.config.four_letter_words.allow(word.name()) {
        let name = word.name();
        return format!("{name} is not executed because it is not in the whitelist.\n");
    }
    let serving = shared.status().serving.is_some();
    match word {
        FourLetterWord::Ruok => "imok".to_owned(),
        FourLetterWord::Isro if serving => "rw".to_owned(),
        FourLetterWord::Isro => "null".to_owned(),
        FourLetterWord::Srvr
        | FourLetterWord::Stat
        | FourLetterWord::Mntr
        | FourLetterWord::Conf
            if !serving =>
        {
            NOT_SERVING.to_owned()
        }
        FourLetterWord::Srvr => version(shared) + &server(shared),
        FourLetterWord::Stat => version(shared) + &clients(shared) + &server(shared),
        FourLetterWord::Mntr => monitor(shared),
        FourLetterWord::Conf => shared.config.conf_text(sizes(shared)),
        FourLetterWord::Cons
        | FourLetterWord::Crst
        | FourLetterWord::Dirs
        | FourLetterWord::Dump
        | FourLetterWord::Envi
        | FourLetterWord::Gtmk
        | FourLetterWord::Stmk
        | FourLetterWord::Srst
        | FourLetterWord::Wchc
        | FourLetterWord::Wchs
        | FourLetterWord::Wchp
        | FourLetterWord::Hash
        | FourLetterWord::TelnetClose => {
            format!("{} is not implemented by this server.\n", word.name())
        }
    }
}

fn sizes(shared: &Shared) -> DirSizes {
    let of = |directory: &Path| {
        let entries = std::fs::read_dir(directory.join("version-2")).into_iter().flatten();
        // A file that is removed meanwhile has no size any more.
        entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
    };
    DirSizes { data: of(&shared.config.data_dir), data_log: of(&shared.config.data_log_dir) }
}

/// The version as ZooKeeper's tools parse it, number first, and what was built: the commit, and the hash of the checked core's
/// sources, which `vivarium --version` names as well.
fn version_text(shared: &Shared) -> String {
    let crate::Build { commit, core } = &shared.build;
    format!("{}-vivarium, commit {commit}, core {core}", env!("CARGO_PKG_VERSION"))
}

fn version(shared: &Shared) -> String {
    format!("Zookeeper version: {}\n", version_text(shared))
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

fn clients(shared: &Shared) -> String {
    let mut text = "Clients:\n".to_owned();
    for connection in shared.connections() {
        let (received, sent) =
            (connection.received.load(Ordering::Relaxed), connection.sent.load(Ordering::Relaxed));
        let interest = u8::from(connection.session() != 0);
        let queued = connection.pending();
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            " /{}[{interest}](queued={queued},recved={received},sent={sent})",
            connection.address()
        );
    }
    text.push('\n');
    text
}

fn server(shared: &Shared) -> String {
    let (min, mean, max) = shared.stats.latency_ms();
    let tree = shared.read_tree();
    format!(
        "Latency min/avg/max: {min}/{mean:.1}/{max}\nReceived: {}\nSent: {}\nConnections: {}\n\
         Outstanding: {}\nZxid: 0x{:x}\nMode: {}\nNode count: {}\n",
        shared.stats.received.load(Ordering::Relaxed),
        shared.stats.sent.load(Ordering::Relaxed),
        shared.connection_count(),
        shared.stats.outstanding.load(Ordering::Relaxed),
        tree.last_zxid(),
        mode(shared),
        // ZooKeeper counts the root twice.
        tree.node_count() + 1,
    )
}

fn monitor(shared: &Shared) -> String {
    let (min, mean, max) = shared.stats.latency_ms();
    let status = shared.status();
    let tree = shared.read_tree();
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "zk_{name}\t{value}");
    };
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
    line("packets_received", &shared.stats.received.load(Ordering::Relaxed));
    line("packets_sent", &shared.stats.sent.load(Ordering::Relaxed));
    line("num_alive_connections", &shared.connection_count());
    line("outstanding_requests", &shared.stats.outstanding.load(Ordering::Relaxed));
    line("uptime", &status.since.elapsed().as_millis());
    line("znode_count", &tree.node_count());
    line("watch_count", &shared.watches().len());
    line("watched_paths", &shared.watches().counts(WatchTable::Data).paths);
    line("ephemerals_count", &tree.ephemeral_count());
    line("approximate_data_size", &tree.size_bytes());
    line("global_sessions", &tree.sessions().len());
    line("local_sessions", &0);
    line("last_zxid", &format!("0x{:x}", tree.last_zxid()));
    if let Some(epoch) = status.serving {
        line("epoch", &epoch);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_behind_a_line() {
        let cut = |max| cut("one\ntwo\nthree\n".to_owned(), max);
        assert_eq!(cut(14), "one\ntwo\nthree\n");
        assert_eq!(cut(13), "one\ntwo\n(6 bytes more are not shown)\n");
        assert_eq!(cut(3), "(14 bytes more are not shown)\n");
    }
}
