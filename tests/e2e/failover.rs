//! How long nobody's write is acknowledged when the leader dies.

use std::time::{Duration, Instant};

use wire::client::CreateMode;

use crate::client::Client;
use crate::cluster::Cluster;

#[test]
#[ignore = "a measurement: cargo test --release --test e2e -- --ignored --nocapture failover_time"]
fn failover_time() {
    let mut cluster = Cluster::start(3);
    let mut client = Client::connect(&cluster.addresses(), Duration::from_secs(30));
    client.create("/register", b"", CreateMode::Persistent).expect("created");
    let mut times = Vec::new();
    for _ in 0..20 {
        let leader = cluster.leader();
        // The leader is quick because followers answer it: a write is under way when it dies.
        client.set("/register", b"before", -1).expect("it serves");
        let begin = Instant::now();
        cluster.servers[leader].kill();
        while client.set("/register", b"after", -1).is_err() {
            client.reconnect().expect("the session lives");
        }
        times.push(begin.elapsed());
        cluster.servers[leader].start();
        cluster.wait_until_all_serve();
    }
    times.sort_unstable();
    let ms: Vec<_> = times.iter().map(Duration::as_millis).collect();
    println!("leader killed to next acknowledged write, ms: {ms:?}");
    println!("median {} ms, worst {} ms", (ms[9] + ms[10]) / 2, ms[19]);
}
