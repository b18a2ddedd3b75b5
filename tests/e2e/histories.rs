//! What clients saw of real servers under faults, with what is in their logs, against what
//! ZooKeeper promises: the clients and the judge of the simulated world.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use history::{Report, Verdict};
use sim::{Driven, Modes};
use tempfile::TempDir;

use crate::apache::start_apache;
use crate::clients::Needs;
use crate::cluster::{Cluster, Server, wait_for, wait_until};
use crate::crashes::Random;
use crate::network::Network;

/// What goes wrong while clients work.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The leader is killed, and started again.
    LeaderKilled,
    /// A follower likewise.
    FollowerKilled,
    /// The leader stands still for a while.
    LeaderPaused,
    /// The leader hears nobody for a while, and nobody hears it.
    LeaderIsolated,
    /// A follower likewise.
    FollowerIsolated,
    /// The leader is heard by a follower, and does not hear it.
    OneWay,
}

const FAULTS: [Fault; 6] = [
    Fault::LeaderKilled,
    Fault::FollowerKilled,
    Fault::LeaderPaused,
    Fault::LeaderIsolated,
    Fault::FollowerIsolated,
    Fault::OneWay,
];

/// The whole transaction log of a server; `None` if it was sent a snapshot.
fn log_of(server: &Server) -> Option<Vec<Bytes>> {
    let (copy, from) = (TempDir::new().expect("a directory"), server.data().join("version-2"));
    let to = copy.path().join("version-2");
    fs::create_dir(&to).expect("a directory");
    for file in fs::read_dir(from).expect("the data directory") {
        let file = file.expect("an entry");
        let name = file.file_name().into_string().expect("ZooKeeper's names");
        if name.starts_with("log.") || name == "snapshot.0" {
            fs::copy(file.path(), to.join(name)).expect("a copy");
        }
    }
    // A snapshot from a leader replaces the first one.
    to.join("snapshot.0").exists().then(|| sim::log_of(copy.path()).expect("a log")).flatten()
}

/// Clients that work while something happens; what they saw, with the log, is one of the histories
/// that ZooKeeper may have. `since`: the end of the log before.
fn judged(
    seed: u64,
    servers: Vec<SocketAddr>,
    modes: Modes,
    log: &mut Vec<Bytes>,
    happens: impl FnOnce(&dyn Fn(u64)) -> Vec<Bytes>,
) -> Report {
    let tick = Duration::from_millis(500);
    let driven = Driven { servers, clients: 4, seed, tick, depth: 4, modes };
    let (is_over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let since = sim::last_of(log).expect("a log");
    let history = std::thread::scope(|scope| {
        let drive = scope.spawn(|| sim::drive(&driven, &is_over, &answers));
        let progress = |more: u64| {
            let from = answers.load(Ordering::Relaxed);
            wait_until("clients are answered", || {
                answers.load(Ordering::Relaxed) >= from + more || drive.is_finished()
            });
        };
        *log = happens(&|more| {
            progress(more);
            if more == 0 {
                is_over.store(true, Ordering::Relaxed);
                wait_until("all clients have ended", || drive.is_finished());
            }
        });
        drive.join().expect("no panic").expect("nothing that no server may say")
    });
    let history = sim::known(history, log, since).expect("a log");
    history.check().expect("a history")
}

/// Whole logs of all servers that have one: each is a beginning of the longest, which is returned
/// once every server that has its whole log has all of it.
fn agreed(cluster: &Cluster) -> Vec<Bytes> {
    wait_for("the logs of all servers are the same", || {
        let logs: Vec<_> = cluster.servers.iter().filter_map(log_of).collect();
        let first = logs.first()?;
        logs.iter().all(|log| log == first).then(|| first.clone())
    })
}

fn restart(cluster: &mut Cluster, victim: usize, progress: &dyn Fn(u64)) {
    cluster.servers[victim].kill();
    progress(40);
    cluster.servers[victim].start();
}

/// So many histories of one ensemble, one after the other; what was counted in them.
fn histories(seed: u64, count: usize) -> Vec<Report> {
    // Whoever was away gets what it lacks as a DIFF, so that it has its whole log.
    let cluster = Cluster::new(
        3,
        "tickTime=250\nsyncLimit=4\ninitLimit=12\npreAllocSize=64\ncommitLogCount=100000",
    );
    let network = Network::between(&cluster);
    let mut cluster = cluster.started();
    let (mut random, mut log) = (Random::new(seed), Vec::new());
    let mut reports = Vec::new();
    for round in 0..count {
        let fault = FAULTS[usize::try_from(random.below(6)).expect("an index")];
        let seed = seed * 1000 + round as u64;
        let report = judged(seed, cluster.addresses(), Modes::Together, &mut log, |progress| {
            progress(60);
            let (leader, follower) = (cluster.leader(), cluster.follower());
            match fault {
                Fault::LeaderKilled => restart(&mut cluster, leader, progress),
                Fault::FollowerKilled => restart(&mut cluster, follower, progress),
                Fault::LeaderPaused => {
                    cluster.servers[leader].signal("STOP");
                    progress(40);
                    cluster.servers[leader].signal("CONT");
                }
                Fault::LeaderIsolated => network.isolate(leader),
                Fault::FollowerIsolated => network.isolate(follower),
                Fault::OneWay => network.silence(follower, leader),
            }
            progress(40);
            network.heal();
            cluster.wait_until_all_serve();
            progress(60);
            progress(0);
            agreed(&cluster)
        });
        assert_ne!(report.verdict(), Verdict::Violated, "{seed}, {fault:?}: {report}");
        reports.push(report);
    }
    reports
}

#[test]
fn a_hundred_and_fifty_histories_under_faults_are_what_zookeeper_promises() {
    let began = Instant::now();
    let reports = std::thread::scope(|scope| {
        let ensembles: Vec<_> =
            (1..=3).map(|seed| scope.spawn(move || histories(seed, 50))).collect();
        let reports = ensembles.into_iter().map(|ensemble| ensemble.join().expect("no panic"));
        reports.flatten().collect::<Vec<_>>()
    });
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    let decided = reports.iter().filter(|report| report.verdict() == Verdict::Holds).count();
    let (operations, moves) = (sum(|r| r.counts.operations), sum(|r| r.counts.moves));
    println!(
        "{} histories, {decided} decided: {operations} operations, {} syncs, {moves} moves of \
         sessions, in {:.0?}",
        reports.len(),
        sum(|report| report.counts.syncs),
        began.elapsed(),
    );
    assert_eq!((reports.len(), decided), (150, 150), "with the log all of it is decided");
    assert!(moves > 150 && operations > 20_000, "{moves} moves, {operations} operations");
}

/// The control: what is not Vivarium passes too. Debian's ZooKeeper is 3.8, which keeps one mode of
/// watch for each client and node.
#[test]
fn what_clients_see_of_apache_zookeeper_when_it_is_killed_is_judged_by_the_same_rules() {
    if !Needs::Java.is_met() {
        return;
    }
    let mut cluster = Cluster::new(1, "tickTime=250\npreAllocSize=64");
    start_apache(&mut cluster.servers[0]);
    let (mut log, mut operations, mut events) = (Vec::new(), 0, 0);
    for seed in 1..=8 {
        let report = judged(seed, cluster.addresses(), Modes::Apart, &mut log, |progress| {
            progress(300);
            cluster.servers[0].kill();
            start_apache(&mut cluster.servers[0]);
            progress(300);
            progress(0);
            log_of(&cluster.servers[0]).expect("nobody sends it a snapshot")
        });
        assert_ne!(report.verdict(), Verdict::Violated, "{seed}: {report}");
        operations += report.counts.operations;
        events += report.counts.events;
    }
    println!("Apache ZooKeeper: {operations} operations, {events} events");
    assert!(operations > 4_000 && events > 1_000, "{operations} operations, {events} events");
}
