//! Metrics: what is counted, and that Prometheus can read it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use wire::client::CreateMode;

use crate::client::Client;
use crate::clients::Needs;
use crate::cluster::{Cluster, Server, free_port};
use crate::http::{ask, get};

const TIMEOUT: Duration = Duration::from_secs(30);

const PROVIDER: &str =
    "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";

/// A number of `mntr`.
fn number(server: &Server, name: &str) -> f64 {
    let text = server.word("mntr").expect("an answer");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("zk_{name}\t")));
    let line = line.unwrap_or_else(|| panic!("{name} is in {text}"));
    line.parse().unwrap_or_else(|_| panic!("{name} is a number: {line}"))
}

#[test]
fn what_happens_is_counted_by_the_server_that_it_happens_at() {
    let cluster = Cluster::start(3);
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let (leader, follower) = (&cluster.servers[leader], &cluster.servers[follower]);
    let mut client = Client::connect(&[follower.address()], TIMEOUT);
    let before = ["commit_count", "proposal_count"].map(|name| number(leader, name));
    for number in 0..20 {
        let path = format!("/n{number}");
        client.create(&path, b"data", CreateMode::Persistent).expect("created");
        client.get(&path, true).expect("read");
    }
    client.set("/n0", b"more", -1).expect("set");
    client.event();
    for (name, before) in ["commit_count", "proposal_count"].into_iter().zip(before) {
        assert!(number(leader, name) >= before + 21.0, "{name}");
    }
    for (server, name, least) in [
        (follower, "cnt_updatelatency", 21.0),
        (follower, "cnt_readlatency", 20.0),
        (follower, "cnt_fsynctime", 1.0),
        (follower, "cnt_propagation_latency", 21.0),
        (follower, "learner_commit_received_count", 21.0),
        (follower, "learner_proposal_received_count", 21.0),
        (follower, "node_changed_watch_count", 0.0),
        (follower, "watch_bytes", 1.0),
        (follower, "bytes_received_count", 100.0),
        (follower, "response_bytes", 100.0),
        (follower, "connection_request_count", 1.0),
        (follower, "connection_drop_count", 1.0),
        (follower, "non_mtls_local_conn_count", 1.0),
        (follower, "cnt_election_time", 1.0),
        (follower, "cnt_follower_sync_time", 1.0),
        (leader, "cnt_quorum_ack_latency", 21.0),
        (leader, "looking_count", 1.0),
        (leader, "cnt_leader_unavailable_time", 1.0),
        (leader, "learners", 2.0),
        (leader, "leader_uptime", 1.0),
    ] {
        let name =
            if name == "node_changed_watch_count" { "cnt_node_changed_watch_count" } else { name };
        let found = number(server, name);
        assert!(found >= least, "{name} is {found}");
    }
    assert_eq!(number(leader, "cnt_updatelatency"), 0.0, "it has no client");
    let largest = number(follower, "max_client_response_size");
    assert!(largest >= number(follower, "min_client_response_size") && largest > 0.0);
    assert_eq!(number(leader, "digest_mismatches_count"), 0.0);
    follower.word("srst").expect("reset");
    assert_eq!(number(follower, "cnt_updatelatency"), 0.0);
    client.close().expect("closed");
}

#[test]
fn quotas_are_shown_by_the_first_name_of_their_paths() {
    let cluster = Cluster::start_with(1, "enforceQuota=true\n");
    let server = &cluster.servers[0];
    let mut client = Client::connect(&[server.address()], TIMEOUT);
    for (path, data) in [
        ("/app", &b"12345"[..]),
        ("/zookeeper/quota/app", b""),
        ("/zookeeper/quota/app/zookeeper_limits", b"count=-1,bytes=-1,countHardLimit=2"),
        ("/zookeeper/quota/app/zookeeper_stats", b""),
        ("/app/a", b"12"),
    ] {
        client.create(path, data, CreateMode::Persistent).expect("created");
    }
    client.create("/app/b", b"", CreateMode::Persistent).expect_err("there are two");
    for (name, expected) in [
        ("app_quota_count_limit_per_namespace", 2.0),
        ("app_quota_count_usage_per_namespace", 2.0),
        ("app_quota_bytes_limit_per_namespace", -1.0),
        ("app_quota_bytes_usage_per_namespace", 7.0),
        ("app_quota_exceeded_error_per_namespace", 1.0),
    ] {
        assert!((number(server, name) - expected).abs() < 0.5, "{name}");
    }
    client.close().expect("closed");
}

#[test]
fn prometheus_reads_the_metrics_under_the_names_of_zookeeper() {
    let port = free_port();
    let settings = format!(
        "{PROVIDER}\nmetricsProvider.httpHost=127.0.0.1\nmetricsProvider.httpPort={port}\n"
    );
    let cluster = Cluster::start_with(1, &settings);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/a", b"", CreateMode::Persistent).expect("created");
    let answer = get(port, "/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").is_some_and(|kind| kind.contains("version=0.0.4")));
    let text = answer.text();
    for line in ["# TYPE znode_count gauge", "znode_count 6", "# TYPE fsynctime summary"] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
    assert_eq!(get(port, "/").status, 404);
    assert_eq!(ask(port, "POST", "/metrics", "Content-Length: 0\r\n").status, 405);
    client.close().expect("closed");
    if Needs::Promtool.is_met() {
        lint(&text);
    }
}

/// Prometheus's own tool can read it. It finds fault with some of ZooKeeper's names, and with
/// nothing else.
fn lint(text: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut promtool =
        promtool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is here");
    let mut stdin = promtool.stdin.take().expect("piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    let output = promtool.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_ne!(output.status.code(), Some(1), "it cannot read it: {said}");
    for line in said.lines() {
        let is_of_names = line.contains("should have \"_total\" suffix")
            || line.contains("should not have \"_count\" suffix")
            || line.contains("metric names should not contain abbreviated units")
            || line.contains("use base unit")
            || line.contains("should not include");
        assert!(is_of_names, "{line}");
    }
}
