//! Words about connections, sessions and watches.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use znode::{SessionId, WatchTable, Watches};

use super::Text;
use super::date::date;
use crate::client::SessionSets;
use crate::client::connection::Connection;
use crate::client::counters::Latencies;
use crate::client::shared::Shared;
use crate::io::Now;

/// `cons`, and the list in `stat`, each connection a line, and an empty one at the end.
pub(super) fn list(shared: &Shared, in_full: bool, text: &mut Text) {
    for connection in shared.connections() {
        let stats = &connection.stats;
        let interest = u8::from(connection.session() != 0);
        text.line(format_args!(
            " /{}[{interest}](queued={},recved={},sent={}{})\n",
            connection.address(),
            connection.pending(),
            stats.received.load(Ordering::Relaxed),
            stats.sent.load(Ordering::Relaxed),
            if in_full { session(&connection) } else { String::new() },
        ));
    }
    text.line("\n");
}

/// What `cons` says of a session.
fn session(connection: &Connection) -> String {
    let (session, stats) = (connection.session(), &connection.stats);
    if session == 0 {
        return String::new();
    }
    let cxid = stats.last_cxid().map_or_else(String::new, |cxid| format!(",lcxid=0x{cxid:x}"));
    let Latencies { min, mean, max, last } = stats.latency.get();
    let begun = stats.begun.as_millis();
    format!(
        ",sid=0x{session:x},lop={},est={},to={}{cxid},lzxid=0x{:x},lresp={},llat={last},\
         minlat={min},avglat={mean:.0},maxlat={max}",
        stats.last_op(),
        stats.begun_ms,
        connection.timeout_ms(),
        stats.last_zxid(),
        begun + u128::from(stats.heard_ms()),
    )
}

/// `dump`.
pub(super) fn dump(shared: &Shared, sets: Option<SessionSets>, now: Now, text: &mut Text) {
    let now_ms = now.wall_ms;
    text.line("SessionTracker dump:\n");
    match sets {
        Some(SessionSets { sets, sessions }) => {
            text.line(format_args!("Session Sets ({})/({sessions}):\n", sets.len()));
            for (in_ms, ids) in sets {
                set(now_ms, in_ms, ids.iter().map(|id| format!("0x{id:x}")), text);
            }
        }
        None => {
            let tree = shared.read_tree();
            let sessions = tree.sessions();
            text.line(format_args!("Global Sessions({}):\n", sessions.len()));
            for (id, timeout_ms) in sessions {
                text.line(format_args!("0x{id:x}\t{timeout_ms}ms\n"));
                if text.is_full() {
                    break;
                }
            }
        }
    }
    ephemerals(shared, text);
    let connections = shared.connections();
    let mut sets: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for connection in &connections {
        sets.entry(idle_until(connection, now)).or_default().push(format!(
            "ip: /{} sessionId: 0x{:x}",
            connection.address(),
            connection.session()
        ));
    }
    text.line("Connections dump:\n");
    text.line(format_args!("Connections Sets ({})/({}):\n", sets.len(), connections.len()));
    for (in_ms, lines) in sets {
        set(now_ms, in_ms, lines.into_iter(), text);
    }
}

/// What expires together.
fn set(now_ms: i64, in_ms: u64, members: impl ExactSizeIterator<Item = String>, text: &mut Text) {
    let at = date(now_ms.saturating_add_unsigned(in_ms));
    text.line(format_args!("{} expire at {at}:\n", members.len()));
    for member in members {
        text.line(format_args!("\t{member}\n"));
    }
}

/// How long from now a connection may still be silent, in full seconds, so that not each has a set
/// of its own.
fn idle_until(connection: &Connection, now: Now) -> u64 {
    let stats = &connection.stats;
    let age_ms = u64::try_from(now.at.saturating_sub(stats.begun).as_millis()).unwrap_or(u64::MAX);
    let timeout_ms = u64::try_from(connection.timeout_ms()).unwrap_or(0);
    let left_ms = (stats.heard_ms() + timeout_ms).saturating_sub(age_ms);
    left_ms.div_ceil(1000) * 1000
}

fn ephemerals(shared: &Shared, text: &mut Text) {
    let tree = shared.read_tree();
    let owners: Vec<SessionId> = tree.ephemeral_owners();
    text.line("ephemeral nodes dump:\n");
    text.line(format_args!("Sessions with Ephemerals ({}):\n", owners.len()));
    for owner in owners {
        text.line(format_args!("0x{owner:x}:\n"));
        for path in tree.ephemerals(owner) {
            text.line(format_args!("\t{path}\n"));
            if text.is_full() {
                return;
            }
        }
    }
}

/// `wchs`: of watches on data, as ZooKeeper counts them.
pub(super) fn watch_counts(shared: &Shared, text: &mut Text) {
    let counts = shared.watches().counts(WatchTable::Data);
    text.line(format_args!(
        "{} connections watching {} paths\nTotal watches:{}\n",
        counts.connections, counts.paths, counts.watches
    ));
}

/// Pairs of a watcher and a path that `wchc` and `wchp` show at most. The table is locked while
/// they are gathered.
const WATCHES_MAX: usize = 100_000;

/// `wchc`.
pub(super) fn watches_by_connection(shared: &Shared, text: &mut Text) {
    let (watches, all) = {
        let watches = shared.watches();
        (watches.by_connection(WatchTable::Data, WATCHES_MAX), is_all(&watches))
    };
    for (connection, paths) in watches {
        let Some(connection) = shared.connection(connection) else {
            continue;
        };
        text.line(format_args!("0x{:x}\n", connection.session()));
        for path in paths {
            text.line(format_args!("\t{path}\n"));
        }
    }
    end_of_list(all, text);
}

/// `wchp`.
pub(super) fn watches_by_path(shared: &Shared, text: &mut Text) {
    let (watches, all) = {
        let watches = shared.watches();
        (watches.by_path(WatchTable::Data, WATCHES_MAX), is_all(&watches))
    };
    for (path, connections) in watches {
        text.line(format_args!("{path}\n"));
        for connection in connections.into_iter().filter_map(|id| shared.connection(id)) {
            text.line(format_args!("\t0x{:x}\n", connection.session()));
        }
    }
    end_of_list(all, text);
}

fn is_all(watches: &Watches) -> bool {
    watches.counts(WatchTable::Data).watches <= WATCHES_MAX
}

fn end_of_list(is_all: bool, text: &mut Text) {
    if !is_all && !text.is_full() {
        text.left_out();
    }
    text.line("\n");
}
