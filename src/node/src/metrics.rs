//! Every number that this server shows of itself, with its name, in one table: `mntr`, the command
//! `monitor` of the admin server and what Prometheus reads are three prints of it. Names, and which
//! of them are summaries, are ZooKeeper's (`ServerMetrics`, `ZooKeeperServer.registerMetrics`). Of
//! ZooKeeper's names those are absent that count what there is no equivalent of here: queues
//! between its processors, its caches of answers, its throttles.

mod count;
mod gauges;
mod print;
mod table;

pub use count::{Counter, CounterSet, Distribution, Percentiles, Summary};
pub use print::{json, mntr, prometheus};
pub use table::Counts;

use std::collections::BTreeMap;

use znode::{Tree, WatchTable};

use crate::client::Shared;
use crate::client::counters::Latencies;
use crate::io::Now;
use crate::{Learner, Status};

/// What a number is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows, until the server starts again or its statistics are reset.
    Counter,
    /// Counters by the name of a subtree.
    CounterSet,
    /// It is as it is now.
    Gauge,
    /// Gauges by the name of a subtree.
    GaugeSet,
    /// Count, sum, mean and bounds of values.
    Summary,
    /// A summary with percentiles.
    Percentiles,
}

/// An entry of the table.
pub struct Metric {
    /// ZooKeeper's, without `zk_`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it says, in a sentence, with its unit.
    pub help: &'static str,
    read: fn(&View<'_>) -> Option<Value>,
}

/// What a [`Metric`] shows.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// Another one.
    Decimal(f64),
    /// Of a summary.
    Distribution(Distribution),
    /// Of a set: names and numbers.
    Set(Vec<(String, i64)>),
}

/// All entries. Which of them have a value depends on what the server is.
pub fn table() -> impl Iterator<Item = &'static Metric> {
    gauges::GAUGES.iter().chain(table::COUNTED)
}

/// What all entries show now that show something.
pub fn read(shared: &Shared, now: Now) -> Vec<(&'static Metric, Value)> {
    let view = View::new(shared, now);
    table().filter_map(|metric| Some((metric, (metric.read)(&view)?))).collect()
}

/// What the entries read: taken once for all of them.
struct View<'a> {
    shared: &'a Shared,
    now: Now,
    status: Status,
    latency: Latencies,
    znodes: usize,
    ephemerals: usize,
    data_bytes: u64,
    sessions: usize,
    watches: usize,
    watched_paths: usize,
    connections: usize,
    descriptors: (Option<usize>, Option<u64>),
    learners: BTreeMap<zab::Sid, Learner>,
    /// By the first name of their paths: limit and usage of nodes, and of bytes.
    quotas: BTreeMap<String, [i64; 4]>,
}

impl<'a> View<'a> {
    fn new(shared: &'a Shared, now: Now) -> Self {
        let tree = shared.read_tree();
        let (znodes, ephemerals) = (tree.node_count() + 1, tree.ephemeral_count());
        let (data_bytes, sessions) = (tree.size_bytes(), tree.sessions().len());
        let quotas = quotas(&tree);
        drop(tree);
        let (watches, watched_paths) = {
            let watches = shared.watches();
            (watches.len(), watches.counts(WatchTable::Data).paths)
        };
        Self {
            shared,
            now,
            status: shared.status(),
            latency: shared.stats.latency.get(),
            znodes,
            ephemerals,
            data_bytes,
            sessions,
            watches,
            watched_paths,
            connections: shared.connection_count(),
            descriptors: shared.machine.descriptors(),
            learners: shared.learners(),
            quotas,
        }
    }

    /// Whether this server leads an ensemble.
    fn leads(&self) -> bool {
        !self.shared.settings.standalone && self.status.role == zab::ServerState::Leading
    }

    /// Learners of this leader for which this holds.
    fn learners(&self, is_one: impl Fn(&Learner) -> bool) -> Option<Value> {
        let count = || self.learners.values().filter(|learner| is_one(learner)).count();
        self.leads().then(|| whole(count()))
    }
}

/// Of all quotas below one name of the root the sums, those included that are no limit, as
/// ZooKeeper adds them up. (`QuotaMetricsUtils`.)
fn quotas(tree: &Tree) -> BTreeMap<String, [i64; 4]> {
    let mut sums: BTreeMap<String, [i64; 4]> = BTreeMap::new();
    for quota in tree.quotas() {
        let name = quota.subtree.split('/').nth(1).unwrap_or_default();
        if !sums.contains_key(name) && sums.len() >= QUOTAS_MAX {
            continue;
        }
        let sum = sums.entry(name.to_owned()).or_default();
        let more = [quota.count_limit, quota.count, quota.bytes_limit, quota.bytes];
        for (sum, more) in sum.iter_mut().zip(more) {
            *sum = sum.saturating_add(more);
        }
    }
    sums
}

/// Names whose quotas are shown.
const QUOTAS_MAX: usize = 256;

fn whole(number: impl TryInto<i64>) -> Value {
    Value::Integer(number.try_into().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
