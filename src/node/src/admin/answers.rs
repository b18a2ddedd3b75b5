//! What each command says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};
use zab::{ServerState, Sid, Zxid};
use znode::WatchTable;

use super::Command;
use crate::client::counters::{Latencies, Sizes};
use crate::client::{Connection, SessionSets, Shared, described};
use crate::io::Now;
use crate::metrics;

/// Entries that a list shows at most: whoever asks for it must not make the server build more.
const LISTED_MAX: usize = 100_000;

/// Bytes of names in a list, about.
const LISTED_BYTES_MAX: usize = 8 << 20;

/// What is left of a list's bounds.
struct Room {
    entries: usize,
    bytes: usize,
}

impl Room {
    const ALL: Self = Self { entries: LISTED_MAX, bytes: LISTED_BYTES_MAX };

    /// Whether one more entry of so many bytes is shown.
    fn takes(&mut self, bytes: usize) -> bool {
        let fits = self.entries > 0 && self.bytes >= bytes;
        if fits {
            self.entries -= 1;
            self.bytes -= bytes;
        }
        fits
    }

    /// The paths that fit.
    fn paths<'a>(&mut self, paths: impl Iterator<Item = &'a Arc<str>>) -> Vec<String> {
        paths.take_while(|path| self.takes(path.len())).map(|path| path.to_string()).collect()
    }
}

/// What only the shell knows: its own configuration.
pub struct Here {
    /// The fields of `configuration`.
    pub configuration: Map<String, Value>,
    /// The configuration file as it was read, without its secrets.
    pub initial: String,
    /// The members, with a vote and without.
    pub members: BTreeMap<Sid, Place>,
}

/// Where a member is.
pub struct Place {
    /// Its host, without a port.
    pub host: String,
    /// `host:port`
    pub quorum: Vec<String>,
    /// `host:port`
    pub election: Vec<String>,
    /// `host:port`; empty if nobody says so.
    pub client: String,
    /// Whether it has a vote.
    pub is_voter: bool,
}

/// The fields of the answer, `command` and `error` apart; the error, if it is one. `sets`: the
/// sessions of a leader, for `dump`.
///
/// There is no trace mask to be set, and no state to be restored in a server that runs: its tree
/// is what a quorum has agreed on. (With ZooKeeper each member has to be restored alone, while no
/// client is served.)
///
/// # Errors
/// What ZooKeeper says in the field `error`.
pub fn answer(
    command: Command,
    sets: Option<SessionSets>,
    here: &Here,
    shared: &Shared,
    now: Now,
) -> Result<Map<String, Value>, &'static str> {
    let value = match command {
        Command::ConnectionStatReset => {
            shared.connections().iter().for_each(|connection| connection.reset_stats());
            json!({})
        }
        Command::Configuration => Value::Object(here.configuration.clone()),
        Command::Connections => connections(shared, true),
        Command::Dirs => {
            let sizes = shared.machine.dir_sizes();
            json!({ "datadir_size": sizes.data, "logdir_size": sizes.data_log })
        }
        Command::Dump => dump(sets, shared, now),
        Command::Environment => environment(shared),
        Command::GetTraceMask => json!({ "tracemask": 0 }),
        Command::Hash => hash(shared),
        Command::InitialConfiguration => json!({ "initial_configuration": here.initial }),
        Command::IsReadOnly => json!({ "read_only": shared.status().is_read_only }),
        Command::LastSnapshot => match shared.last_snapshot() {
            Some((zxid, wall_ms)) => {
                json!({ "zxid": format!("{:x}", zxid.0), "timestamp": wall_ms / 1000 })
            }
            None => json!({ "zxid": "ffffffffffffffff", "timestamp": -1 }),
        },
        Command::Leader => return leader(here, shared),
        Command::Monitor => monitor(shared, now),
        Command::ObserverConnectionStatReset | Command::Ruok | Command::Snapshot => json!({}),
        Command::Observers => observers(shared),
        Command::Restore => return Err("a server that runs is not restored here"),
        Command::ServerStats => server_stats(shared, now),
        Command::SetTraceMask => return Err("setTraceMask: there is no trace mask here"),
        Command::Stats => {
            let mut fields = server_stats(shared, now);
            if let (Value::Object(fields), Value::Object(more)) =
                (&mut fields, connections(shared, false))
            {
                fields.extend(more);
            }
            fields
        }
        Command::StatReset => {
            shared.reset_counts();
            json!({})
        }
        Command::SystemProperties => system_properties(shared),
        Command::VotingView => voting_view(here, shared),
        Command::Watches => watches(shared),
        Command::WatchesByPath => watches_by_path(shared),
        Command::WatchSummary => {
            let counts = shared.watches().counts(WatchTable::Data);
            json!({
                "num_connections": counts.connections,
                "num_paths": counts.paths,
                "num_total_watches": counts.watches,
            })
        }
        Command::Zabstate => zabstate(here, shared),
    };
    // Each of them is an object.
    let fields = if let Value::Object(fields) = value { fields } else { Map::new() };
    Ok(fields)
}

fn connections(shared: &Shared, in_full: bool) -> Value {
    let all = shared.connections();
    let list = |is_secure: bool| -> Vec<Value> {
        let of_kind = all.iter().filter(|connection| connection.is_secure() == is_secure);
        of_kind.take(CONNECTIONS_LISTED_MAX).map(|connection| shown(connection, in_full)).collect()
    };
    json!({ "connections": list(false), "secure_connections": list(true) })
}

/// An entry takes some 400 bytes.
const CONNECTIONS_LISTED_MAX: usize = LISTED_BYTES_MAX / 400;

/// (ZooKeeper: `ServerCnxn.getConnectionInfo`.)
fn shown(connection: &Arc<Connection>, in_full: bool) -> Value {
    let stats = connection.stats();
    let mut fields = json!({
        "remote_socket_address": connection.address().to_string(),
        "interest_ops": u8::from(connection.session() != 0),
        "outstanding_requests": connection.pending(),
        "packets_received": stats.received.load(Ordering::Relaxed),
        "packets_sent": stats.sent.load(Ordering::Relaxed),
    });
    if in_full && let Value::Object(fields) = &mut fields {
        let Latencies { min, mean, max, last } = stats.latency.get();
        let begun = u64::try_from(stats.begun.as_millis()).unwrap_or(u64::MAX);
        for (name, value) in [
            ("session_id", json!(connection.session())),
            ("last_operation", json!(stats.last_op())),
            ("established", json!(stats.begun_ms)),
            ("session_timeout", json!(connection.timeout_ms())),
            ("last_cxid", json!(stats.last_cxid().unwrap_or(-1))),
            ("last_zxid", json!(stats.last_zxid())),
            ("last_response_time", json!(begun.saturating_add(stats.heard_ms()))),
            ("last_latency", json!(last)),
            ("min_latency", json!(min)),
            ("avg_latency", json!(mean.round())),
            ("max_latency", json!(max)),
        ] {
            fields.insert(name.to_owned(), value);
        }
    }
    fields
}

/// A learner knows of no expiry, as in ZooKeeper.
fn dump(sets: Option<SessionSets>, shared: &Shared, now: Now) -> Value {
    let sets = sets.map(|sets| sets.sets).unwrap_or_default();
    let expiries: BTreeMap<String, Vec<i64>> = sets
        .into_iter()
        .take(LISTED_MAX)
        .map(|(in_ms, ids)| (now.wall_ms.saturating_add_unsigned(in_ms).to_string(), ids))
        .collect();
    let tree = shared.read_tree();
    let mut room = Room::ALL;
    let mut ephemerals: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for owner in tree.ephemeral_owners() {
        let paths = room.paths(tree.ephemerals(owner));
        if !paths.is_empty() {
            ephemerals.insert(owner.to_string(), paths);
        }
    }
    json!({
        "expiry_time_to_session_ids": expiries,
        "session_id_to_ephemeral_paths": ephemerals,
    })
}

fn environment(shared: &Shared) -> Value {
    let version = described(shared).into_iter().find(|(name, _)| *name == "version");
    let version = version.map(|(_, text)| ("zookeeper.version", text));
    let all = version.into_iter().chain(shared.machine.environment());
    Value::Object(all.map(|(name, value)| (name.to_owned(), value.into())).collect())
}

/// Those of Java's names that say something here.
fn system_properties(shared: &Shared) -> Value {
    const PREFIXES: [&str; 3] = ["os.", "user.", "java.io."];
    let known = shared.machine.environment().into_iter();
    let known = known.filter(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
    Value::Object(known.map(|(name, value)| (name.to_owned(), value.into())).collect())
}

fn hash(shared: &Shared) -> Value {
    let version = wire::txn::TxnDigest::VERSION;
    let digests: Vec<Value> = shared
        .digests()
        .into_iter()
        .map(|(zxid, digest)| {
            json!({ "zxid": zxid, "digest_version": version, "digest": digest.cast_signed() })
        })
        .collect();
    json!({ "digests": digests })
}

fn leads(shared: &Shared) -> bool {
    let status = shared.status();
    status.role == ServerState::Leading && status.serving.is_some()
}

fn leader(here: &Here, shared: &Shared) -> Result<Map<String, Value>, &'static str> {
    if shared.settings.standalone {
        return Err("server is not initialized");
    }
    let leader = shared.status().leader;
    let host = leader.and_then(|leader| here.members.get(&leader)).map(|place| place.host.clone());
    let mut fields = Map::new();
    fields.insert("is_leader".to_owned(), leads(shared).into());
    fields.insert("leader_id".to_owned(), leader.map_or(json!(-1), |leader| leader.0.into()));
    fields.insert("leader_ip".to_owned(), host.unwrap_or_default().into());
    Ok(fields)
}

fn monitor(shared: &Shared, now: Now) -> Value {
    let mut fields = metrics::json(&metrics::read(shared, now));
    fields.extend(described(shared).into_iter().map(|(name, text)| (name.to_owned(), text.into())));
    Value::Object(fields)
}

fn observers(shared: &Shared) -> Value {
    let learners = shared.learners();
    let synced = learners.iter().filter(|(_, of)| !of.is_voter && of.heard.is_some());
    let observers: Vec<Value> = synced.map(|(sid, _)| json!({ "sid": sid.0 })).collect();
    json!({ "synced_observers": observers.len(), "observers": observers })
}

fn buffer_stats(sizes: &Sizes) -> Value {
    let [last, min, max] = sizes.get();
    json!({ "last_buffer_size": last, "min_buffer_size": min, "max_buffer_size": max })
}

fn server_stats(shared: &Shared, now: Now) -> Value {
    let stats = &shared.stats;
    let Latencies { min, mean, max, .. } = stats.latency.get();
    let status = shared.status();
    let sizes = shared.machine.dir_sizes();
    let (zxid, nodes) = {
        let tree = shared.read_tree();
        (tree.last_zxid(), tree.node_count() + 1)
    };
    let text = |wanted: &str| {
        let found = described(shared).into_iter().find(|(name, _)| *name == wanted);
        found.map(|(_, text)| text).unwrap_or_default()
    };
    let uptime = u64::try_from(now.at.saturating_sub(status.since).as_millis());
    let mut fields = json!({
        "version": text("version"),
        "read_only": status.is_read_only,
        "server_stats": {
            "packets_sent": stats.sent.load(Ordering::Relaxed),
            "packets_received": stats.received.load(Ordering::Relaxed),
            "client_response_stats": buffer_stats(&stats.responses),
            "data_dir_size": sizes.data,
            "log_dir_size": sizes.data_log,
            "last_processed_zxid": zxid,
            "outstanding_requests": stats.outstanding.load(Ordering::Relaxed),
            "server_state": text("server_state"),
            "avg_latency": (mean * 10_000.0).round() / 10_000.0,
            "max_latency": max,
            "min_latency": min,
            "num_alive_client_connections": shared.connection_count(),
            "provider_null": false,
            "uptime": uptime.unwrap_or(u64::MAX),
            "auth_failed_count": stats.auth_failed.load(Ordering::Relaxed),
            "non_mtlsremote_conn_count": stats.uncertified_remote.load(Ordering::Relaxed),
            "non_mtlslocal_conn_count": stats.uncertified_local.load(Ordering::Relaxed),
        },
        "client_response": buffer_stats(&stats.responses),
        "node_count": nodes,
    });
    if leads(shared)
        && !shared.settings.standalone
        && let Value::Object(fields) = &mut fields
    {
        fields.insert("proposal_stats".to_owned(), buffer_stats(&stats.proposals));
    }
    fields
}

fn voting_view(here: &Here, shared: &Shared) -> Value {
    let voters = here.members.iter().filter(|(_, place)| place.is_voter);
    let voters = voters.filter(|_| !shared.settings.standalone);
    let view: Map<String, Value> = voters
        .map(|(sid, place)| {
            let place = json!({
                "server_addresses": place.quorum,
                "election_addresses": place.election,
                "client_address": place.client,
                "learner_type": "participant",
            });
            (sid.0.to_string(), place)
        })
        .collect();
    json!({ "current_config": view })
}

fn watches(shared: &Shared) -> Value {
    let watches = shared.watches().by_connection(WatchTable::Data, LISTED_MAX);
    let mut by_session: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut room = Room::ALL;
    for (connection, paths) in watches {
        if let Some(connection) = shared.connection(connection) {
            let entry = by_session.entry(connection.session().to_string()).or_default();
            entry.extend(room.paths(paths.iter()));
        }
    }
    json!({ "session_id_to_watched_paths": by_session })
}

fn watches_by_path(shared: &Shared) -> Value {
    let watches = shared.watches().by_path(WatchTable::Data, LISTED_MAX);
    let mut room = Room::ALL;
    let by_path: BTreeMap<String, Vec<i64>> = watches
        .into_iter()
        .filter(|(path, watchers)| room.takes(path.len() + 20 * watchers.len()))
        .map(|(path, connections)| {
            let connections = connections.into_iter().filter_map(|id| shared.connection(id));
            (path.to_string(), connections.map(|connection| connection.session()).collect())
        })
        .collect();
    json!({ "path_to_session_ids": by_path })
}

fn zabstate(here: &Here, shared: &Shared) -> Value {
    let (settings, status) = (&shared.settings, shared.status());
    let Some(place) = here.members.get(&settings.me).filter(|_| !settings.standalone) else {
        return json!({ "voting": false, "zabstate": "" });
    };
    let zxid = Zxid(shared.read_tree().last_zxid().cast_unsigned());
    // Between the election and the broadcast this server does not tell discovery from
    // synchronisation.
    let state = match (status.role, status.serving) {
        (ServerState::Looking, _) => "election",
        (_, Some(_)) => "broadcast",
        (_, None) => "synchronization",
    };
    json!({
        "myid": settings.me.0,
        "is_leader": leads(shared),
        "quorum_address": place.quorum.first(),
        "election_address": place.election.first(),
        "client_address": place.client,
        "voting": place.is_voter,
        "last_zxid": format!("0x{:x}", zxid.0),
        "zab_epoch": zxid.epoch().0,
        "zab_counter": zxid.counter(),
        "zabstate": state,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_bounds_whatever_there_is() {
        let path: Arc<str> = "/".repeat(1 << 20).into();
        let mut room = Room::ALL;
        assert_eq!(room.paths(std::iter::repeat(&path)).len(), 8);
        let short: Arc<str> = "/a".into();
        let mut room = Room::ALL;
        assert_eq!(room.paths(std::iter::repeat(&short)).len(), LISTED_MAX);
    }
}
