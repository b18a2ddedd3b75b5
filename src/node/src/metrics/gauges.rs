//! What is as it is now, and what `srvr` shows as well.

use std::sync::atomic::Ordering;

use super::{Kind, Metric, Value, View, whole};

const fn gauge(
    name: &'static str,
    help: &'static str,
    read: fn(&View<'_>) -> Option<Value>,
) -> Metric {
    Metric { name, kind: Kind::Gauge, help, read }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    read: fn(&View<'_>) -> Option<Value>,
) -> Metric {
    Metric { name, kind: Kind::Counter, help, read }
}

/// Sizes of proposals, while this server leads: last, least, most.
fn proposal_size(view: &View<'_>, which: usize) -> Option<Value> {
    view.leads().then(|| Value::Integer(view.shared.stats.proposals.get()[which]))
}

/// Sizes of answers: last, least, most.
fn response_size(view: &View<'_>, which: usize) -> Option<Value> {
    Some(Value::Integer(view.shared.stats.responses.get()[which]))
}

const fn quotas(
    name: &'static str,
    help: &'static str,
    read: fn(&View<'_>) -> Option<Value>,
) -> Metric {
    Metric { name, kind: Kind::GaugeSet, help, read }
}

fn quota(view: &View<'_>, which: usize) -> Option<Value> {
    let of_all = view.quotas.iter().map(|(name, sums)| (name.clone(), sums[which]));
    Some(Value::Set(of_all.collect()))
}

fn is_member(view: &View<'_>) -> bool {
    !view.shared.settings.standalone
}

pub(super) const GAUGES: &[Metric] = &[
    gauge("quorum_size", "Servers that have a vote.", |view| {
        is_member(view).then(|| whole(view.shared.settings.voters))
    }),
    gauge("avg_latency", "Mean milliseconds from a request to its answer.", |view| {
        Some(Value::Decimal(view.latency.mean))
    }),
    gauge("max_latency", "Most milliseconds from a request to its answer.", |view| {
        Some(whole(view.latency.max))
    }),
    gauge("min_latency", "Least milliseconds from a request to its answer.", |view| {
        Some(whole(view.latency.min))
    }),
    gauge("packets_received", "Messages of clients.", |view| {
        Some(whole(view.shared.stats.received.load(Ordering::Relaxed)))
    }),
    gauge("packets_sent", "Messages to clients.", |view| {
        Some(whole(view.shared.stats.sent.load(Ordering::Relaxed)))
    }),
    gauge("num_alive_connections", "Connections of clients.", |view| Some(whole(view.connections))),
    gauge("outstanding_requests", "Writes and syncs in progress.", |view| {
        Some(whole(view.shared.stats.outstanding.load(Ordering::Relaxed)))
    }),
    gauge("auth_failed_count", "Clients that could not be authenticated.", |view| {
        Some(whole(view.shared.stats.auth_failed.load(Ordering::Relaxed)))
    }),
    gauge("outstanding_tls_handshake", "TLS handshakes of clients under way.", |view| {
        Some(whole(view.shared.stats.handshakes.outstanding.load(Ordering::Relaxed)))
    }),
    counter("unsuccessful_handshake", "TLS handshakes of clients that failed.", |view| {
        Some(whole(view.shared.stats.handshakes.failed.load(Ordering::Relaxed)))
    }),
    counter(
        "tls_handshake_exceeded",
        "TLS handshakes of clients not begun, because too many were under way.",
        |view| Some(whole(view.shared.stats.handshakes.exceeded.load(Ordering::Relaxed))),
    ),
    gauge(
        "non_mtls_remote_conn_count",
        "Clients from other machines that began a session without a certificate.",
        |view| Some(whole(view.shared.stats.uncertified_remote.load(Ordering::Relaxed))),
    ),
    gauge(
        "non_mtls_local_conn_count",
        "Clients of this machine that began a session without a certificate.",
        |view| Some(whole(view.shared.stats.uncertified_local.load(Ordering::Relaxed))),
    ),
    gauge("connection_drop_probability", "Always 0: there is no throttle of connections.", |_| {
        Some(Value::Decimal(0.0))
    }),
    gauge("last_client_response_size", "Bytes of the last answer to a client.", |view| {
        response_size(view, 0)
    }),
    gauge("min_client_response_size", "Bytes of the shortest answer to a client.", |view| {
        response_size(view, 1)
    }),
    gauge("max_client_response_size", "Bytes of the longest answer to a client.", |view| {
        response_size(view, 2)
    }),
    gauge("uptime", "Milliseconds since clients are served, or since they are not.", |view| {
        Some(whole(view.now.at.saturating_sub(view.status.since).as_millis()))
    }),
    gauge("znode_count", "Nodes, the root counted twice as in ZooKeeper.", |view| {
        Some(whole(view.znodes))
    }),
    gauge("ephemerals_count", "Ephemeral nodes.", |view| Some(whole(view.ephemerals))),
    gauge("approximate_data_size", "Bytes of all paths and data of nodes.", |view| {
        Some(whole(view.data_bytes))
    }),
    gauge("global_sessions", "Sessions of the ensemble.", |view| Some(whole(view.sessions))),
    gauge("local_sessions", "Always 0: all sessions are known to the ensemble.", |_| {
        Some(Value::Integer(0))
    }),
    gauge("watch_count", "Watches of this server's clients.", |view| Some(whole(view.watches))),
    gauge("watched_paths", "Paths with a watch on data (not in ZooKeeper).", |view| {
        Some(whole(view.watched_paths))
    }),
    gauge("open_file_descriptor_count", "File descriptors that are open.", |view| {
        view.descriptors.0.map(whole)
    }),
    gauge("max_file_descriptor_count", "File descriptors that may be open.", |view| {
        view.descriptors.1.map(whole)
    }),
    gauge("last_proposal_size", "Bytes of the last proposal of this leader, or -1.", |view| {
        proposal_size(view, 0)
    }),
    gauge("min_proposal_size", "Bytes of the shortest proposal of this leader, or -1.", |view| {
        proposal_size(view, 1)
    }),
    gauge("max_proposal_size", "Bytes of the longest proposal of this leader, or -1.", |view| {
        proposal_size(view, 2)
    }),
    gauge("learners", "Learners that are connected to this leader.", |view| {
        view.learners(|_| true)
    }),
    gauge(
        "synced_followers",
        "Followers that have answered a PING of this leader, so that they are up to date.",
        |view| view.learners(|learner| learner.is_voter && learner.heard.is_some()),
    ),
    gauge("synced_non_voting_followers", "Always 0: who has no vote observes.", |view| {
        view.learners(|_| false)
    }),
    gauge(
        "synced_observers",
        "Observers that have answered a PING of this leader; 0 on a follower.",
        |view| {
            let follows = view.status.role == zab::ServerState::Following;
            let none = || (is_member(view) && follows).then(|| whole(0));
            view.learners(|learner| !learner.is_voter && learner.heard.is_some()).or_else(none)
        },
    ),
    gauge(
        "pending_syncs",
        "Learners that are connected to this leader and have not answered a PING yet.",
        |view| view.learners(|learner| learner.heard.is_none()),
    ),
    gauge("leader_uptime", "Milliseconds since this leader serves clients.", |view| {
        let serves = view.leads() && view.status.serving.is_some();
        let since = || view.now.at.saturating_sub(view.status.since).as_millis();
        serves.then(|| whole(since()))
    }),
    quotas(
        "quota_count_limit_per_namespace",
        "Nodes that quotas allow, by the first name of their paths.",
        |view| quota(view, 0),
    ),
    quotas(
        "quota_count_usage_per_namespace",
        "Nodes that count for quotas, by the first name of their paths.",
        |view| quota(view, 1),
    ),
    quotas(
        "quota_bytes_limit_per_namespace",
        "Bytes that quotas allow, by the first name of their paths.",
        |view| quota(view, 2),
    ),
    quotas(
        "quota_bytes_usage_per_namespace",
        "Bytes that count for quotas, by the first name of their paths.",
        |view| quota(view, 3),
    ),
    gauge("epoch", "The epoch in which clients are served (not in ZooKeeper).", |view| {
        view.status.serving.map(|epoch| whole(epoch.0))
    }),
];
