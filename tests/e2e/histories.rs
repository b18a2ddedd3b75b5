//! What clients saw of real servers under faults, against what ZooKeeper promises them: the clients
//! and the judge of the simulated world.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use history::Verdict;
use sim::Driven;

use crate::cluster::{Cluster, wait_until};
use crate::crashes::Random;

/// Clients that work while faults happen; the history of what they saw is one that ZooKeeper may
/// have.
fn judged(seed: u64, mut cluster: Cluster, mut faults: impl FnMut(&mut Cluster, &dyn Fn(u64))) {
    let driven = Driven {
        servers: cluster.addresses(),
        clients: 6,
        seed,
        tick: Duration::from_millis(2000),
        depth: 4,
    };
    let (is_over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let history = std::thread::scope(|scope| {
        let drive = scope.spawn(|| sim::drive(&driven, &is_over, &answers));
        let progress = |more: u64| {
            let from = answers.load(Ordering::Relaxed);
            wait_until("clients are answered", || {
                answers.load(Ordering::Relaxed) >= from + more || drive.is_finished()
            });
        };
        faults(&mut cluster, &progress);
        cluster.wait_until_all_serve();
        progress(500);
        is_over.store(true, Ordering::Relaxed);
        drive.join().expect("no panic").expect("nothing that no server may say")
    });
    let report = history.check().expect("a history");
    println!("seed {seed}: {report}");
    assert_ne!(report.verdict(), Verdict::Violated, "{report}");
    assert!(report.counts.moves > 0 && report.counts.syncs > 0, "{report}");
}

#[test]
fn what_clients_see_of_servers_that_are_killed_is_what_zookeeper_promises() {
    let mut random = Random::new(7);
    judged(7, Cluster::start_with(3, "snapCount=200\ncommitLogCount=50"), |cluster, progress| {
        for _ in 0..8 {
            progress(200);
            let victim = usize::try_from(random.below(3)).expect("an index");
            cluster.servers[victim].kill();
            progress(100);
            cluster.servers[victim].start();
            cluster.wait_until_all_serve();
        }
    });
}

#[test]
fn what_clients_see_while_a_leader_stands_still_is_what_zookeeper_promises() {
    judged(8, Cluster::start_with(3, "tickTime=200"), |cluster, progress| {
        for _ in 0..3 {
            progress(200);
            let leader = cluster.leader();
            cluster.servers[leader].signal("STOP");
            // The others go on without it.
            progress(200);
            cluster.servers[leader].signal("CONT");
            cluster.wait_until_all_serve();
        }
    });
}
