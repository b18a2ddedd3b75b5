//! The table, and its prints.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use zab::Sid;
use znode::{Options, Tree};

use super::*;
use crate::settings::{Build, NoMachine, Settings};

fn server() -> Shared {
    let tree = Tree::new(Options::default());
    Shared::new(Arc::new(Settings::alone(Sid(1))), Build::default(), NoMachine, tree)
}

#[test]
fn no_name_stands_in_the_table_twice_and_all_are_names_of_prometheus() {
    let mut names = BTreeSet::new();
    for Metric { name, kind, help, .. } in table() {
        let parts: Vec<String> = match kind {
            Kind::Counter | Kind::Gauge | Kind::CounterSet | Kind::GaugeSet => {
                vec![(*name).to_owned()]
            }
            Kind::Summary | Kind::Percentiles => ["", "_sum", "_count"]
                .into_iter()
                .map(|end| format!("{name}{end}"))
                .chain(
                    ["avg_", "min_", "max_", "cnt_", "sum_"].map(|begin| format!("{begin}{name}")),
                )
                .collect(),
        };
        for part in parts {
            assert!(names.insert(part.clone()), "{part} twice");
        }
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(name.bytes().all(is_name) && !name.as_bytes()[0].is_ascii_digit(), "{name}");
        assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{name}: {help}");
    }
}

#[test]
fn what_is_shown_is_of_the_kind_that_the_table_says() {
    let shared = server();
    shared.counts().quota_exceeded.one("app");
    for (Metric { name, kind, .. }, value) in read(&shared, Now::default()) {
        let fits = match value {
            Value::Integer(_) | Value::Decimal(_) => {
                matches!(kind, Kind::Counter | Kind::Gauge)
            }
            Value::Distribution(of) => match of.percentiles {
                Some(_) => *kind == Kind::Percentiles,
                None => *kind == Kind::Summary,
            },
            Value::Set(_) => matches!(kind, Kind::CounterSet | Kind::GaugeSet),
        };
        assert!(fits, "{name}");
    }
}

#[test]
fn a_summary_has_the_names_of_zookeeper_in_each_print() {
    let shared = server();
    let counts = shared.counts();
    counts.fsync_time.add_ms(Duration::from_millis(3));
    counts.fsync_time.add(4);
    counts.update_latency.add(7);
    counts.quota_exceeded.one("a\"b");
    let values = read(&shared, Now::default());
    let text = mntr(&values);
    for line in [
        "zk_avg_fsynctime\t3.5",
        "zk_min_fsynctime\t3",
        "zk_max_fsynctime\t4",
        "zk_cnt_fsynctime\t2",
        "zk_sum_fsynctime\t7",
        "zk_p50_updatelatency\t7",
        "zk_p999_updatelatency\t7",
        "zk_avg_latency\t0.0",
        "zk_a\"b_quota_exceeded_error_per_namespace\t1",
        "zk_commit_count\t0",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
    let fields = json(&values);
    assert_eq!(fields["avg_fsynctime"], 3.5);
    assert_eq!(fields["cnt_fsynctime"], 2);
    assert_eq!(fields.len(), text.lines().count());
    let text = prometheus(&values);
    for line in [
        "# TYPE fsynctime summary",
        "fsynctime_sum 7",
        "fsynctime_count 2",
        "updatelatency{quantile=\"0.99\"} 7",
        "quota_exceeded_error_per_namespace{key=\"a\\\"b\"} 1",
        "# TYPE commit_count counter",
        "commit_count 0",
        "# TYPE znode_count gauge",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_is_reset_begins_at_nothing() {
    let shared = server();
    let before = mntr(&read(&shared, Now::default()));
    let counts = shared.counts();
    counts.commits.add(9);
    counts.read_latency.add_many(0, 5);
    counts.snapshot_time.add(8);
    counts.quota_exceeded.one("app");
    assert_ne!(mntr(&read(&shared, Now::default())), before);
    counts.reset();
    assert_eq!(mntr(&read(&shared, Now::default())), before);
}
