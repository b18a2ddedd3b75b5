//! Members as operators name them: in a file of their own, with several addresses each, by IPv6
//! addresses, by names that nobody knows yet.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use wire::client::CreateMode;

use crate::client::Client;
use crate::cluster::{Cluster, Server, configuration, free_port, wait_until};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Writes the `server.N` lines into every configuration file: `line` of the reader, and of whom it
/// is about.
fn name_members(cluster: &Cluster, line: impl Fn(&Server, &Server) -> String) {
    for reader in &cluster.servers {
        let lines: Vec<String> = cluster
            .servers
            .iter()
            .map(|server| format!("server.{}={}\n", server.sid, line(reader, server)))
            .collect();
        reader.configure(&lines.concat());
    }
}

fn writes(cluster: &Cluster, path: &str) {
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create(path, b"", CreateMode::Persistent).expect("created");
}

/// `server.N` lines with two addresses, of which the first one is dead for all but the server
/// itself.
fn with_dead_first_addresses(settings: &str) -> Cluster {
    let cluster = Cluster::new(3, &format!("multiAddress.enabled=true\n{settings}"));
    let dead: Vec<(u16, u16)> = (0..3).map(|_| (free_port(), free_port())).collect();
    name_members(&cluster, |reader, server| {
        let Server { sid, quorum_port, election_port, .. } = server;
        let alive = format!("127.0.0.2:{quorum_port}:{election_port}");
        let (quorum, election) = dead[usize::from(*sid) - 1];
        match reader.sid == *sid {
            true => alive,
            false => format!("127.0.0.1:{quorum}:{election}|{alive}"),
        }
    });
    cluster
}

#[test]
fn members_are_reached_at_their_second_address() {
    let mut cluster = with_dead_first_addresses("").started();
    writes(&cluster, "/a");
    // The next leader, too.
    let leader = cluster.leader();
    cluster.servers[leader].kill();
    cluster.wait_until_all_serve();
    writes(&cluster, "/b");
    cluster.servers[leader].start();
    cluster.wait_until_all_serve();
}

#[test]
fn a_server_listens_at_all_addresses_of_its_line() {
    let cluster = Cluster::new(3, "multiAddress.enabled=true\n");
    name_members(&cluster, |_, server| {
        let Server { quorum_port, election_port, .. } = server;
        format!("127.0.0.2:{quorum_port}:{election_port}|127.0.0.1:{quorum_port}:{election_port}")
    });
    let cluster = cluster.started();
    let server = &cluster.servers[0];
    for port in [server.quorum_port, server.election_port] {
        for host in ["127.0.0.1", "127.0.0.2"] {
            TcpStream::connect((host, port)).unwrap_or_else(|e| panic!("{host}:{port}: {e}"));
        }
    }
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    let (text, _) = client.get("/zookeeper/config", false).expect("anyone may read it");
    let Server { quorum_port, election_port, .. } = server;
    let line = format!(
        "server.1=127.0.0.1:{quorum_port}:{election_port}|127.0.0.2:{quorum_port}:{election_port}\
         :participant\n"
    );
    let text = String::from_utf8_lossy(&text);
    assert!(text.starts_with(&line), "{text}");
}

#[test]
fn members_may_have_ipv6_addresses() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    let cluster = Cluster::new(3, "");
    name_members(&cluster, |_, server| {
        let Server { quorum_port, election_port, client_port, .. } = server;
        format!("[::1]:{quorum_port}:{election_port}:participant;127.0.0.1:{client_port}")
    });
    let cluster = cluster.started();
    writes(&cluster, "/a");
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    let (text, _) = client.get("/zookeeper/config", false).expect("anyone may read it");
    let text = String::from_utf8_lossy(&text);
    assert!(text.starts_with("server.1=[::1]:") && text.ends_with("\nversion=0"), "{text}");
}

#[test]
fn a_member_whose_name_nobody_knows_keeps_no_others_from_serving() {
    let mut cluster = Cluster::new(3, "electionPortBindRetry=1\n");
    name_members(&cluster, |_, server| {
        let Server { sid, quorum_port, election_port, .. } = server;
        let host = if *sid == 3 { "no.such.host.invalid" } else { "127.0.0.1" };
        format!("{host}:{quorum_port}:{election_port}")
    });
    cluster.servers[0].start();
    cluster.servers[1].start();
    cluster.wait_until_all_serve();
    writes(&cluster, "/a");
    // It cannot know where to listen itself, and says so.
    cluster.servers[2].start();
    assert_eq!(cluster.servers[2].ended().code(), Some(1));
    let log = cluster.servers[2].log();
    assert!(log.contains("cannot listen at no.such.host.invalid:"), "{log}");
}

#[test]
fn a_server_that_waits_for_its_own_name_stops_when_it_is_asked_to() {
    let mut cluster = Cluster::new(3, "electionPortBindRetry=0\n");
    name_members(&cluster, |_, server| {
        let Server { quorum_port, election_port, .. } = server;
        format!("no.such.host.invalid:{quorum_port}:{election_port}")
    });
    let server = &mut cluster.servers[0];
    server.start();
    wait_until("it tries again", || server.log().contains("it tries again"));
    assert!(server.stop().success(), "{}", server.log());
}

#[test]
fn members_in_a_file_of_their_own_are_told_with_the_version_of_its_name() {
    let cluster = Cluster::new(3, "standaloneEnabled=false\nreconfigEnabled=true\n");
    let line = |server: &Server| {
        let Server { sid, quorum_port, election_port, client_port, .. } = server;
        format!("server.{sid}=127.0.0.1:{quorum_port}:{election_port}:participant;{client_port}\n")
    };
    let members: String = cluster.servers.iter().map(line).collect();
    for server in &cluster.servers {
        let path = server.directory.join("zoo.cfg.dynamic.100000007");
        fs::write(&path, &members).expect("written");
        // The client port is in the members' file, too.
        let text = fs::read_to_string(configuration(&server.directory)).expect("zoo.cfg");
        let elsewhere = ["server.", "clientPort"];
        let mut kept: Vec<_> = text
            .lines()
            .filter(|line| !elsewhere.iter().any(|begin| line.starts_with(begin)))
            .map(str::to_owned)
            .collect();
        kept.push(format!("dynamicConfigFile={}", path.display()));
        fs::write(configuration(&server.directory), kept.join("\n")).expect("written");
    }
    let before = fs::read_to_string(configuration(&cluster.servers[0].directory)).expect("there");
    let cluster = cluster.started();
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    let (text, stat) = client.get("/zookeeper/config", true).expect("anyone may read it");
    let text = String::from_utf8_lossy(&text).into_owned();
    let [first, .., last] = &text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    let client_port = cluster.servers[0].client_port;
    assert!(first.ends_with(&format!(":participant;0.0.0.0:{client_port}")), "{text}");
    assert_eq!((*last, stat.mzxid), ("version=100000007", 0x1_0000_0007));
    let after = fs::read_to_string(configuration(&cluster.servers[0].directory)).expect("there");
    assert_eq!(before, after, "no file is written");
}
