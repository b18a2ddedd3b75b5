//! Partitions and disks that fill up, under write load and recorded: nothing acknowledged is lost,
//! no session, and what the servers did is a run of the core, of abstract Zab, and has the
//! properties of the model.

use std::fs;
use std::process::Command;

use crate::cluster::{Cluster, Server, configuration, wait_until};
use crate::crashes::Random;
use crate::load::{Load, check_everything};
use crate::network::Network;

/// What goes wrong in a round.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The leader hears nobody, and nobody hears it: it gives up, the others elect.
    LeaderIsolated,
    /// A follower likewise.
    FollowerIsolated,
    /// The leader is heard, and hears nothing from one follower.
    OneWay,
    /// Two followers do not reach each other, which only an election notices; then their leader
    /// dies.
    FollowersApart,
    /// A server's disk is full a little later: it says so and stops.
    DiskFull,
}

const FAULTS: [Fault; 5] = [
    Fault::LeaderIsolated,
    Fault::FollowerIsolated,
    Fault::OneWay,
    Fault::FollowersApart,
    Fault::DiskFull,
];

/// Gives a key of a configuration file another value.
fn set(server: &Server, key: &str, value: &str) {
    let path = configuration(&server.directory);
    let text = fs::read_to_string(&path).expect("zoo.cfg");
    let other = |line: &&str| !line.starts_with(&format!("{key}="));
    let lines: Vec<_> = text.lines().filter(other).collect();
    fs::write(path, format!("{}\n{key}={value}\n", lines.join("\n"))).expect("zoo.cfg");
}

#[test]
fn partitions_and_full_disks_lose_nothing() {
    // Silence is noticed after a second.
    let settings = "tickTime=250\nsyncLimit=4\ninitLimit=12\nsnapCount=500\ncommitLogCount=100\npreAllocSize=64";
    let mut cluster = Cluster::new(3, settings);
    cluster.record_starts();
    let network = Network::between(&cluster);
    let mut cluster = cluster.started();
    let mut random = Random::new(4);
    let load = Load::start(&cluster.addresses(), 4);
    for round in 0..15 {
        let fault = FAULTS[round % FAULTS.len()];
        load.wait_for_progress(random.below(100));
        let (leader, follower) = (cluster.leader(), cluster.follower());
        println!("round {round}: {fault:?}, s{} leads", cluster.servers[leader].sid);
        match fault {
            Fault::LeaderIsolated => {
                network.isolate(leader);
                wait_until("another one leads", || {
                    let mut others = cluster.servers.iter().enumerate();
                    others.any(|(at, server)| {
                        at != leader && server.mode().as_deref() == Some("leader")
                    })
                });
            }
            Fault::FollowerIsolated => {
                network.isolate(follower);
                wait_until("it serves no more", || {
                    cluster.servers[follower].mode().as_deref() != Some("follower")
                });
            }
            Fault::OneWay => {
                network.silence(follower, leader);
                let log = |needle: &str| cluster.servers[leader].log().matches(needle).count();
                let gone = format!("link to s{} closed", cluster.servers[follower].sid);
                let before = log(&gone);
                wait_until("the leader gives it up", || log(&gone) > before);
            }
            Fault::FollowersApart => {
                let third = (0..3).find(|at| *at != leader && *at != follower).expect("of three");
                network.silence(follower, third);
                network.silence(third, follower);
                cluster.servers[leader].kill();
                cluster.servers[leader].start();
            }
            Fault::DiskFull => {
                let server = &mut cluster.servers[follower];
                server.kill();
                // Its next log would be larger than files may be, of which its recording is one
                // too.
                set(server, "preAllocSize", "8192");
                let mut limited = Command::new("sh");
                let limit = "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\"";
                limited.args(["-c", limit, env!("CARGO_BIN_EXE_vivarium")]);
                server.start_by(limited);
                assert_eq!(server.ended().code(), Some(1));
                let log = server.log();
                let last = log.lines().last().unwrap_or_default();
                assert!(
                    last.contains("version-2/log.") && last.contains("File too large"),
                    "{last}"
                );
                set(server, "preAllocSize", "64");
                server.start();
            }
        }
        // Two of three are enough, whatever it is.
        load.wait_for_progress(30);
        // Late bytes arrive, or never do.
        if random.below(2) == 0 {
            network.heal()
        } else {
            network.reset()
        }
        load.wait_for_progress(30);
        cluster.wait_until_all_serve();
    }
    let totals = check_everything(&cluster.addresses(), load.stop());
    println!(
        "{} acknowledged writes are there, of {} nobody was told",
        totals.acknowledged, totals.unknown
    );
    for server in &mut cluster.servers {
        assert!(server.stop().success(), "server {} stops in good order", server.sid);
        assert!(!server.log().contains("panicked"), "server {}", server.sid);
    }
    #[cfg(feature = "checker")]
    cluster.replay("partitions");
}

/// The servers do not notice, for the next COMMIT says all that it said. Their recordings do.
#[test]
#[cfg(feature = "checker")]
fn a_commit_that_is_lost_on_the_way_is_told_by_the_recordings() {
    use std::time::Duration;

    use wire::client::CreateMode;

    use crate::client::Client;

    let mut cluster = Cluster::new(3, "");
    cluster.record_starts();
    let network = Network::between(&cluster);
    let mut cluster = cluster.started();
    cluster.wait_until_all_serve();
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let connect = |at: usize| {
        let address = cluster.servers[at].address();
        Client::connect(&[address], Duration::from_secs(30))
    };
    let (mut writer, mut reader) = (connect(leader), connect(follower));
    writer.create("/register", b"", CreateMode::Persistent).expect("created");
    network.lose_a_commit(leader, follower);
    wait_until("a COMMIT is lost", || {
        writer.set("/register", b"before", -1).expect("it serves");
        network.has_lost_it(leader, follower)
    });
    writer.set("/register", b"behind", -1).expect("it serves");
    reader.sync().expect("it serves");
    assert_eq!(reader.get("/register", false).expect("it serves").0.as_ref(), b"behind");
    for server in &mut cluster.servers {
        assert!(server.stop().success(), "server {} stops in good order", server.sid);
    }
    let (status, text) = cluster.replayed();
    assert_eq!(status, Some(1), "{text}");
    let violated = text.lines().filter(|line| line.contains("VIOLATED"));
    let violated: Vec<_> = violated.collect();
    assert!(matches!(violated[..], [one] if one.contains("received-is-prefix-of-sent")), "{text}");
    let sid = cluster.servers[leader].sid;
    let says = format!("that s{sid} sends over it is COMMIT <");
    assert!(text.contains(&says), "{says}: {text}");
    assert!(!text.contains("DIFFERS"), "{text}");
}
