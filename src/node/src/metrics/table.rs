//! What is counted where it happens.

use super::Metric;
use super::count::{Counter, CounterSet, Percentiles, Summary};

/// Nothing can be counted that has no entry in the table.
macro_rules! counted {
    ($($field:ident: $kind:ident = $name:literal, $help:literal;)*) => {
        /// Whoever sees something that counts writes to these; reading is [`read`](super::read).
        /// Writing takes no lock, a [`CounterSet`] apart.
        #[derive(Default, Debug)]
        pub struct Counts {
            $(#[doc = $help] pub $field: $kind,)*
        }

        impl Counts {
            /// Everything begins at 0 again.
            pub(crate) fn reset(&self) {
                $(self.$field.reset();)*
            }
        }

        pub(super) const COUNTED: &[Metric] = &[$(Metric {
            name: $name,
            kind: <$kind>::KIND,
            help: $help,
            read: |view| Some(view.shared.counts().$field.value()),
        }),*];
    };
}

counted! {
    bytes_received: Counter = "bytes_received_count", "Bytes of requests of clients.";
    response_bytes: Counter = "response_bytes", "Bytes of answers to clients.";
    watch_bytes: Counter = "watch_bytes", "Bytes of events of watches.";
    read_latency: Percentiles = "readlatency",
        "Milliseconds from a read request to its answer.";
    update_latency: Percentiles = "updatelatency",
        "Milliseconds from a write request of a client of this server to its answer.";
    propagation_latency: Percentiles = "propagation_latency",
        "Milliseconds from the preparation of a transaction by the leader to its application here, by the clocks of both.";
    proposal_latency: Percentiles = "proposal_latency",
        "Milliseconds from the preparation of a transaction by the leader to its arrival at this learner, by the clocks of both.";
    commit_propagation_latency: Percentiles = "commit_propagation_latency",
        "Milliseconds from the preparation of a transaction by the leader to the news that it is committed at this learner.";
    commits: Counter = "commit_count", "Transactions committed by this server as a leader.";
    commits_queued: Counter = "request_commit_queued", "Committed transactions that came to be applied.";
    proposals: Counter = "proposal_count", "Transactions proposed by this server as a leader.";
    quorum_ack_latency: Percentiles = "quorum_ack_latency",
        "Milliseconds from a proposal of this leader to the acknowledgement by a quorum.";
    prepared: Counter = "prep_processor_request_queued",
        "Requests that this leader made transactions of, refused ones included.";
    learner_proposals: Counter = "learner_proposal_received_count",
        "Proposals that this learner got from its leader.";
    learner_commits: Counter = "learner_commit_received_count",
        "Transactions that this learner's leader said are committed.";
    fsync_time: Summary = "fsynctime", "Milliseconds of each fsync of the transaction log.";
    flush_time: Percentiles = "sync_processor_queue_flush_time_ms",
        "Milliseconds in which a batch of records became durable, its fsync included.";
    log_queue: Summary = "sync_processor_queue_size",
        "Records that waited for the disk when it began with a batch.";
    log_queue_time: Percentiles = "sync_processor_queue_time_ms",
        "Milliseconds for which records waited until the disk began with them.";
    queue_and_flush_time: Percentiles = "sync_processor_queue_and_flush_time_ms",
        "Milliseconds from the oldest record of a batch to the time when all of it was durable.";
    log_batch: Summary = "sync_processor_batch_size", "Records that became durable together.";
    logged: Counter = "sync_processor_request_queued", "Records handed over to the disk.";
    snapshot_time: Summary = "snapshottime", "Milliseconds in which a snapshot was written.";
    snapshot_errors: Counter = "snapshot_error_count", "Snapshots that could not be written.";
    snapshots_limited: Counter = "snapshot_rate_limited_count",
        "Snapshots asked for at the admin server sooner after another than is allowed.";
    db_init_time: Summary = "dbinittime",
        "Milliseconds in which data were read at the start of the server.";
    startup_txns: Summary = "startup_txns_loaded",
        "Transactions read from the log at the start of the server.";
    election_time: Summary = "election_time", "Milliseconds of each election.";
    looking: Counter = "looking_count", "Times that this server began to look for a leader.";
    follower_sync_time: Summary = "follower_sync_time",
        "Milliseconds from an election to the time when this follower was up to date with its leader.";
    observer_sync_time: Summary = "observer_sync_time",
        "Milliseconds from an election to the time when this observer was up to date with its leader.";
    unavailable_time: Summary = "unavailable_time",
        "Milliseconds for which this server had no established leader, each time.";
    leader_unavailable_time: Summary = "leader_unavailable_time",
        "Of unavailable_time, the times behind which this server led.";
    diffs: Counter = "diff_count", "Learners that this leader sent a DIFF, or a TRUNC.";
    snaps: Counter = "snap_count", "Learners that this leader sent a SNAP.";
    connection_requests: Counter = "connection_request_count",
        "Requests of clients to begin a session, or to go on with one.";
    connections_rejected: Counter = "connection_rejected",
        "Connections of clients turned away: there are too many, or the client has seen a later state.";
    connections_dropped: Counter = "connection_drop_count",
        "Connections of clients that ended, for whatever reason.";
    connections_renewed: Counter = "connection_revalidate_count",
        "Requests of clients to go on with a session at this server.";
    revalidations: Counter = "revalidate_count",
        "Questions of learners to this leader whether a session is alive.";
    sessionless_expired: Counter = "sessionless_connections_expired",
        "Connections of clients that did not begin a session in time.";
    sessions_expired: Counter = "stale_sessions_expired",
        "Sessions that this leader ended because nothing was heard of them in time.";
    node_created_watches: Summary = "node_created_watch_count",
        "Watches that fired for a node that was created.";
    node_deleted_watches: Summary = "node_deleted_watch_count",
        "Watches that fired for a node that was deleted.";
    node_changed_watches: Summary = "node_changed_watch_count",
        "Watches that fired for data that changed.";
    node_children_watches: Summary = "node_children_watch_count",
        "Watches that fired for a list of children that changed.";
    quota_exceeded: CounterSet = "quota_exceeded_error_per_namespace",
        "Requests prepared by this leader that exceed a quota, by the first name of its path.";
    digest_mismatches: Counter = "digest_mismatches_count",
        "Transactions with a digest that is not that of the tree: the server stops at the first.";
    insecure_admin: Counter = "insecure_admin_count",
        "Requests to the admin server without TLS.";
}
