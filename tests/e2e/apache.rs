//! Apache ZooKeeper goes on from what this server leaves, and this server from what Apache
//! ZooKeeper leaves: the same files, at the same place, with the same configuration file and the
//! same clients.

use std::process::Command;
use std::time::Duration;

use wire::client::CreateMode;

use crate::client::Client;
use crate::clients::{Needs, ZK_JAR, python};
use crate::cluster::{Cluster, Server, wait_until};
use crate::load::tree_of;
use crate::program::Program;

/// Longer than a Java takes to start, twice.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Starts Apache ZooKeeper in the place of a server.
pub(crate) fn start_apache(server: &mut Server) {
    let main = "org.apache.zookeeper.server.ZooKeeperServerMain";
    let java = format!(
        "exec java -Xmx128m -Dzookeeper.admin.enableServer=false -cp {ZK_JAR} {main} \"$1\""
    );
    let mut command = Command::new("sh");
    command.args(["-c", &java]);
    server.start_by(command);
    wait_until("Apache ZooKeeper serves", || server.mode().as_deref() == Some("standalone"));
    let version = server.word("srvr").expect("it serves");
    assert!(version.starts_with("Zookeeper version: 3."), "{version}");
}

/// Starts Apache ZooKeeper in the place of a member of an ensemble whose members have several
/// addresses: it knows only from a system property that they may.
fn start_apache_member(server: &mut Server) {
    let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
    let several = "-Dzookeeper.multiAddress.enabled=true";
    // With this it says in its log what it does, and why it ends.
    let logging = "/usr/share/java/slf4j-simple.jar";
    let java = format!("exec java -Xmx128m {several} -cp {ZK_JAR}:{logging} {main} \"$1\"");
    let mut command = Command::new("sh");
    command.args(["-c", &java]);
    server.start_by(command);
}

/// Both addresses of each member live, so it does not matter which one Apache ZooKeeper takes. As
/// server 3 it dials the others, and begins by telling all its addresses; as server 1 it is
/// dialled, and is told all of theirs.
#[test]
fn apache_zookeeper_is_a_member_over_several_addresses() {
    if !Needs::Java.is_met() {
        return;
    }
    for theirs in [0, 2] {
        let settings = "multiAddress.enabled=true\nadmin.enableServer=false\n";
        let mut cluster = Cluster::new(3, settings);
        let line = |server: &Server| {
            let Server { sid, quorum_port: quorum, election_port: election, .. } = server;
            format!("server.{sid}=127.0.0.1:{quorum}:{election}|127.0.0.2:{quorum}:{election}\n")
        };
        let lines: String = cluster.servers.iter().map(line).collect();
        cluster.servers.iter().for_each(|server| server.configure(&lines));
        for (index, server) in cluster.servers.iter_mut().enumerate() {
            if index == theirs { start_apache_member(server) } else { server.start() }
        }
        cluster.wait_until_all_serve();
        let addresses = cluster.addresses();
        let ours = addresses[1];
        let mut client = Client::connect(&[ours], TIMEOUT);
        client.create("/a", b"1", CreateMode::Persistent).expect("created");
        let mut client = Client::connect(&[addresses[theirs]], TIMEOUT);
        client.sync().expect("the leader answers");
        assert_eq!(client.get("/a", false).expect("it is there").0, &b"1"[..], "{theirs}");
        client.create("/b", b"", CreateMode::Persistent).expect("created");
    }
}

/// Its leader takes the answer of one that has lost its history for one that does not count, and
/// synchronises it.
#[test]
fn apache_zookeeper_gives_a_damaged_member_its_history_back() {
    if !Needs::Java.is_met() {
        return;
    }
    let mut cluster = Cluster::new(3, "admin.enableServer=false\n");
    for (index, server) in cluster.servers.iter_mut().enumerate() {
        if index == 2 { server.start() } else { start_apache_member(server) }
    }
    cluster.wait_until_all_serve();
    let addresses = cluster.addresses();
    let mut client = Client::connect(&addresses[2..], TIMEOUT);
    for number in 0..50 {
        client.create(&format!("/n{number}"), b"ours", CreateMode::Persistent).expect("created");
    }
    let ours = &mut cluster.servers[2];
    ours.kill();
    let logs = std::fs::read_dir(ours.data().join("version-2")).expect("its files");
    let logs = logs.map(|entry| entry.expect("an entry").path());
    let log = logs.filter(|path| path.to_string_lossy().contains("/log.")).max().expect("a log");
    let mut bytes = std::fs::read(&log).expect("it is there");
    bytes[500] ^= 1;
    std::fs::write(&log, bytes).expect("damaged");
    let mut client = Client::connect(&addresses[..2], TIMEOUT);
    client.create("/meanwhile", b"theirs", CreateMode::Persistent).expect("a quorum without it");

    // Apache ZooKeeper would begin with nothing in its place, and vote: it refuses to.
    cluster.servers[..2].iter_mut().for_each(Server::kill);
    let ours = &mut cluster.servers[2];
    ours.start();
    wait_until("it is set aside", || ours.log().contains("files were set aside"));
    ours.kill();
    start_apache_member(ours);
    assert!(!ours.ended().success());
    assert!(ours.log().contains("Found the history is lost, see vivarium.history-lost"));

    cluster.servers[..2].iter_mut().for_each(start_apache_member);
    cluster.servers[2].start();
    cluster.wait_until_all_serve();
    let mut client = Client::connect(&addresses[2..], TIMEOUT);
    client.sync().expect("the leader answers");
    assert_eq!(&client.get("/meanwhile", false).expect("it is there").0[..], b"theirs");
    assert_eq!(&client.get("/n49", false).expect("it is there").0[..], b"ours");
    // It counts again: with one of the others it is a quorum.
    cluster.servers[0].kill();
    let mut client = Client::connect(&addresses[1..], TIMEOUT);
    client.set("/n49", b"still", -1).expect("there is a quorum");
}

#[test]
fn a_directory_goes_to_apache_zookeeper_and_back_with_sessions_and_all() {
    if !Needs::Java.is_met() || !Needs::Kazoo.is_met() {
        return;
    }
    // Snapshots and several logs, as a server has that ran for long.
    let mut cluster = Cluster::start_with(1, "snapCount=20\npreAllocSize=64");
    let addresses = cluster.addresses();
    let mut client = Client::connect(&addresses, TIMEOUT);
    client.create("/ours", b"1", CreateMode::Persistent).expect("created");
    client.create("/alive", b"", CreateMode::Ephemeral).expect("created");
    let mut kazoo = python();
    kazoo.args([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/kazoo_commands.py")]);
    kazoo.arg(cluster.connect_string());
    let mut kazoo = Program::start(kazoo);
    kazoo.ask("ephemeral /kazoo alive", "created /kazoo");
    for number in 0..100 {
        let child =
            client.create("/ours/n-", b"", CreateMode::PersistentSequential).expect("created");
        client.set("/ours", number.to_string().as_bytes(), number).expect("the version is known");
        if number % 3 == 0 {
            client.delete(&child, 0).expect("deleted");
        }
    }

    let ours = tree_of(addresses[0]);
    assert!(cluster.servers[0].stop().success());
    start_apache(&mut cluster.servers[0]);
    let theirs = tree_of(addresses[0]);
    assert_eq!(ours, theirs, "every node, its data and its stat");
    client.reconnect().expect("the session goes on there");
    kazoo.ask("get /kazoo", "value alive");
    for number in 100..200 {
        client.create("/ours/n-", b"", CreateMode::PersistentSequential).expect("created");
        client.set("/ours", number.to_string().as_bytes(), number).expect("the version is known");
    }
    kazoo.ask("set /kazoo there", "version 1");

    let theirs = tree_of(addresses[0]);
    cluster.servers[0].stop();
    cluster.servers[0].start();
    cluster.wait_until_all_serve();
    assert_eq!(theirs, tree_of(addresses[0]), "every node, its data and its stat");
    client.reconnect().expect("the session is back");
    kazoo.ask("get /kazoo", "value there");
    assert_eq!(client.get("/ours", false).expect("it serves").1.version, 200);
    let last = client.create("/ours/n-", b"", CreateMode::PersistentSequential).expect("created");
    assert_eq!(last, "/ours/n-0000000200");
    client.close().expect("closed");
    assert!(!tree_of(addresses[0]).contains_key("/alive"), "its session is closed");
}
