//! Servers that end, and servers that hang: the others go on.

use std::fs;
use std::time::{Duration, Instant};

use wire::client::CreateMode;

use crate::client::Client;
use crate::cluster::{Cluster, configuration, wait_until};
use crate::load::{Load, check_everything, tree_of};

const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn a_leader_that_is_asked_to_stop_hands_over_at_once() {
    // So long that nobody can have waited for it: the hand-over is told, not found out.
    let mut cluster = Cluster::start_with(3, "tickTime=20000");
    let leader = cluster.leader();
    let mut addresses = cluster.addresses();
    addresses.rotate_left(leader + 1);
    let mut client = Client::connect(&addresses, TIMEOUT);
    client.create("/register", b"", CreateMode::Persistent).expect("created");

    let begin = Instant::now();
    cluster.servers[leader].signal("TERM");
    while client.set("/register", b"after", -1).is_err() || cluster.servers[leader].mode().is_some()
    {
        if !client.is_connected() {
            client.reconnect().expect("the session lives");
        }
    }
    let handed_over = begin.elapsed();
    assert!(cluster.servers[leader].ended().success(), "asked to stop, it ends with status 0");
    println!("leader asked to stop to next acknowledged write: {handed_over:?}");
    assert!(handed_over < Duration::from_secs(10), "{handed_over:?} is half a tick or more");
    cluster.servers[leader].start();
    cluster.wait_until_all_serve();
}

#[test]
fn an_ensemble_that_was_stopped_goes_on_from_its_data() {
    let mut cluster = Cluster::start(3);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/kept", b"value", CreateMode::Persistent).expect("created");
    client.create("/alive", b"", CreateMode::Ephemeral).expect("created");
    let before = tree_of(cluster.servers[0].address());
    for server in &mut cluster.servers {
        assert!(server.stop().success(), "server {} stops in good order", server.sid);
    }
    for server in &mut cluster.servers {
        server.start();
    }
    cluster.wait_until_all_serve();
    client.reconnect().expect("a session outlives the ensemble's restart");
    assert!(client.exists("/alive", false).expect("it serves").is_some());
    for address in cluster.addresses() {
        assert!(tree_of(address) == before, "{address} has another tree");
    }
}

#[test]
fn a_follower_that_hangs_stops_nobody_and_catches_up() {
    // The leader keeps a hundred transactions at hand, and patience for a second.
    let settings = "tickTime=500\nsyncLimit=2\nsnapCount=500\ncommitLogCount=100";
    let cluster = Cluster::start_with(3, settings);
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let (leader, hung) = (&cluster.servers[leader], &cluster.servers[follower]);
    let others: Vec<_> =
        cluster.addresses().into_iter().filter(|at| *at != hung.address()).collect();
    let load = Load::start(&others, 4);
    let snapshots = || leader.log().matches("gets a SNAP").count();
    let before = snapshots();
    hung.signal("STOP");
    let hung_up = format!("link to s{} closed: nothing was heard of it in time", hung.sid);
    wait_until("the leader gives it up", || {
        load.wait_for_progress(100);
        leader.log().contains(&hung_up)
    });
    // Past what the leader has at hand.
    load.wait_for_progress(500);
    hung.signal("CONT");
    wait_until("it follows again", || hung.mode().as_deref() == Some("follower"));
    let target = zxid(&leader.word("srvr").expect("it serves"));
    wait_until("it has caught up", || hung.word("srvr").is_some_and(|srvr| zxid(&srvr) >= target));
    assert_eq!(snapshots(), before + 1, "it lacked too much for anything else");
    check_everything(&cluster.addresses(), load.stop());
}

/// What its leader has said meanwhile lies in its socket, and is read before the leader is judged
/// by its silence.
#[test]
fn a_follower_that_was_paused_for_longer_than_its_patience_keeps_its_leader() {
    let mut cluster = Cluster::start_with(3, "syncLimit=50");
    let index = cluster.follower();
    let paused = &mut cluster.servers[index];
    let path = configuration(&paused.directory);
    let text = fs::read_to_string(&path).expect("zoo.cfg");
    fs::write(&path, text.replace("syncLimit=50", "syncLimit=2")).expect("zoo.cfg");
    paused.kill();
    paused.start();
    cluster.wait_until_all_serve();
    let paused = &cluster.servers[index];
    let elections = || paused.log().matches("looking for a leader").count();
    let before = elections();
    paused.signal("STOP");
    // Twice its syncLimit.
    std::thread::sleep(Duration::from_secs(8));
    paused.signal("CONT");
    let mut client = Client::connect(&[paused.address()], TIMEOUT);
    client.sync().expect("it follows");
    assert_eq!(elections(), before, "{}", paused.log());
}

/// `Zxid` of `srvr`; 0 while it does not serve.
fn zxid(srvr: &str) -> u64 {
    let line = srvr.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
    line.map_or(0, |hex| u64::from_str_radix(hex, 16).expect("a zxid"))
}

/// A reader of evidence can tell whether a server that runs is the code that was checked.
#[test]
fn a_running_server_names_the_core_that_its_binary_was_built_with() {
    let vivarium = std::process::Command::new(env!("CARGO_BIN_EXE_vivarium"));
    let said = { vivarium }.arg("--version").output().expect("it runs").stdout;
    let said = String::from_utf8(said).expect("UTF-8");
    let hash = |text: &str| -> String {
        let (_, hash) = text.split_once("core ").expect("it names its core");
        hash.chars().take_while(char::is_ascii_hexdigit).collect()
    };
    assert_eq!(hash(&said).len(), 64, "{said}");
    let cluster = Cluster::start(1);
    let srvr = cluster.servers[0].word("srvr").expect("it serves");
    assert_eq!(hash(&srvr), hash(&said), "{srvr}");
    let mntr = cluster.servers[0].word("mntr").expect("it serves");
    assert_eq!(hash(&mntr), hash(&said), "{mntr}");
}
