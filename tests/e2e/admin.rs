//! The admin server: ZooKeeper's commands, health, and who may do what.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use wire::client::{CreateMode, Request, SetAclRequest};

use crate::access::{authenticate, own};
use crate::client::Client;
use crate::cluster::{Cluster, Server, free_port, wait_until};
use crate::http::{Answer, ask, get, try_ask};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Servers with an admin server each, and its ports.
fn cluster(count: u8, settings: &str) -> (Cluster, Vec<u16>) {
    let cluster = Cluster::new(count, settings);
    let ports: Vec<u16> = cluster.servers.iter().map(with_admin).collect();
    (cluster, ports)
}

fn with_admin(server: &Server) -> u16 {
    let port = free_port();
    server.configure(&format!("admin.enableServer=true\nadmin.serverPort={port}\n"));
    port
}

fn command(port: u16, name: &str) -> Value {
    let answer = get(port, &format!("/commands/{name}"));
    assert_eq!(answer.status, 200, "{name}: {answer:?}");
    answer.json()
}

/// Fields that an answer has beside `command` and `error`.
fn fields(answer: &Value) -> Vec<&str> {
    let all = answer.as_object().expect("an object").keys();
    let all = all.map(String::as_str).filter(|name| !["command", "error"].contains(name));
    let mut names: Vec<&str> = all.collect();
    names.sort_unstable();
    names
}

#[test]
fn every_command_of_zookeeper_is_answered_with_its_fields() {
    let (cluster, ports) = cluster(3, "");
    let cluster = cluster.started();
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let mut client = Client::connect(&[cluster.servers[leader].address()], TIMEOUT);
    client.create("/mine", b"", CreateMode::Ephemeral).expect("created");
    client.get("/mine", true).expect("read");
    for (names, expected) in [
        (&["connections", "cons"][..], &["connections", "secure_connections"][..]),
        (&["dirs"], &["datadir_size", "logdir_size"]),
        (&["dump"], &["expiry_time_to_session_ids", "session_id_to_ephemeral_paths"]),
        (&["get_trace_mask", "gtmk"], &["tracemask"]),
        (&["hash"], &["digests"]),
        (&["initial_configuration", "icfg"], &["initial_configuration"]),
        (&["is_read_only", "isro"], &["read_only"]),
        (&["last_snapshot", "lsnp"], &["timestamp", "zxid"]),
        (&["leader", "lead"], &["is_leader", "leader_id", "leader_ip"]),
        (&["observers", "obsr"], &["observers", "synced_observers"]),
        (&["ruok"], &[]),
        (&["observer_connection_stat_reset", "orst"], &[]),
        (
            &["server_stats", "srvr"],
            &[
                "client_response",
                "node_count",
                "proposal_stats",
                "read_only",
                "server_stats",
                "version",
            ],
        ),
        (&["voting_view"], &["current_config"]),
        (&["watches", "wchc"], &["session_id_to_watched_paths"]),
        (&["watches_by_path", "wchp"], &["path_to_session_ids"]),
        (&["watch_summary", "wchs"], &["num_connections", "num_paths", "num_total_watches"]),
        (
            &["zabstate"],
            &[
                "client_address",
                "election_address",
                "is_leader",
                "last_zxid",
                "myid",
                "quorum_address",
                "voting",
                "zab_counter",
                "zab_epoch",
                "zabstate",
            ],
        ),
        (&["connection_stat_reset", "crst"], &[]),
        (&["stat_reset", "srst"], &[]),
    ] {
        for name in names {
            let answer = command(ports[leader], name);
            assert_eq!(answer["command"], names[0]);
            assert_eq!(answer["error"], Value::Null, "{answer}");
            assert_eq!(fields(&answer), expected, "{name}");
        }
    }
    let conf = command(ports[leader], "configuration");
    assert_eq!(conf["tick_time"], 2000);
    assert_eq!(conf["client_port"], cluster.servers[leader].client_port);
    let lead = command(ports[follower], "leader");
    assert_eq!(lead["is_leader"], false);
    assert_eq!(lead["leader_id"], cluster.servers[leader].sid);
    let session = client.session.to_string();
    let dump = command(ports[leader], "dump");
    assert_eq!(dump["session_id_to_ephemeral_paths"][&session], json!(["/mine"]));
    let expiring = dump["expiry_time_to_session_ids"].as_object().expect("an object");
    let expiring: Vec<&Value> =
        expiring.values().flat_map(|ids| ids.as_array()).flatten().collect();
    assert_eq!(expiring, [client.session]);
    let watches = command(ports[leader], "watches");
    assert_eq!(watches["session_id_to_watched_paths"][&session], json!(["/mine"]));
    wait_until("both followers have answered a PING", || {
        command(ports[leader], "monitor")["synced_followers"] == 2
    });
    let monitor = command(ports[leader], "monitor");
    assert_eq!(monitor["server_state"], "leader");
    assert_eq!((&monitor["learners"], &monitor["pending_syncs"]), (&json!(2), &json!(0)));
    assert_eq!(monitor["znode_count"], 6);
    let monitor = command(ports[follower], "monitor");
    assert_eq!(monitor["server_state"], "follower");
    assert!(monitor.get("synced_followers").is_none());
    let view = command(ports[follower], "voting_view");
    assert_eq!(view["current_config"].as_object().map(serde_json::Map::len), Some(3));
    assert_eq!(command(ports[follower], "zabstate")["zabstate"], "broadcast");
    let mut stats = command(ports[leader], "stats");
    assert_eq!(stats["connections"].as_array_mut().expect("a list").len(), 1);
    assert!(fields(&command(ports[leader], "environment")).contains(&"os.name"));
    assert!(fields(&command(ports[leader], "system_properties")).contains(&"user.dir"));
    client.close().expect("closed");
}

#[test]
fn what_is_no_command_is_answered_as_apache_does() {
    let (cluster, ports) = cluster(1, "");
    let _cluster = cluster.started();
    let port = ports[0];
    let unknown = command(port, "shutdown");
    assert_eq!(unknown["error"], "Unknown command: shutdown");
    assert_eq!(unknown["command"], "shutdown");
    assert!(get(port, "/commands").text().contains("<a href=\"/commands/watch_summary\">"));
    assert_eq!(command(port, "leader")["error"], "server is not initialized");
    let refused = command(port, "set_trace_mask?traceMask=4");
    assert_eq!(refused["error"], "setTraceMask: there is no trace mask here");
    let missing = command(port, "stmk");
    assert_eq!(missing["error"], "setTraceMask requires long traceMask argument");
    for (method, path, status) in [
        ("GET", "/elsewhere", 404),
        ("GET", "/commandsx", 404),
        ("POST", "/commands/ruok", 405),
        ("GET", "/commands/restore", 405),
        ("PUT", "/commands/ruok", 405),
        ("TRACE", "/commands/ruok", 405),
        ("POST", "/", 404),
    ] {
        assert_eq!(ask(port, method, path, "Content-Length: 0\r\n").status, status, "{path}");
    }
    let of_others = ask(port, "GET", "/commands/srst", "Sec-Fetch-Site: cross-site\r\n");
    assert_eq!(of_others.status, 403);
}

#[test]
fn who_may_not_gets_no_snapshot_and_who_may_gets_one_that_a_server_starts_from() {
    let (cluster, ports) = cluster(1, "admin.rateLimiterIntervalInMS=0\n");
    let cluster = cluster.started();
    let (port, server) = (ports[0], &cluster.servers[0]);
    let mut client = Client::connect(&[server.address()], TIMEOUT);
    for number in 0..100 {
        let path = format!("/n{number}");
        client.create(&path, &[7; 5_000], CreateMode::Persistent).expect("created");
    }
    let snapshot = |lines: &str| ask(port, "GET", "/commands/snapshot", lines);
    let error = |answer: &Answer| answer.json()["error"].as_str().map(str::to_owned);
    let missing = snapshot("");
    assert_eq!(missing.status, 401);
    assert_eq!(error(&missing).as_deref(), Some("Auth info is missing for the command"));
    let unproved = snapshot("Authorization: sasl bob\r\n");
    assert_eq!((unproved.status, error(&unproved).as_deref()), (401, Some("Not authenticated")));
    let whole = snapshot("Authorization: digest bob:secret\r\n");
    assert_eq!(whole.status, 200);
    assert_eq!(whole.header("snapshot_size"), Some(whole.body.len().to_string().as_str()));
    let zxid = whole.header("last_zxid").expect("a zxid").to_owned();
    assert_eq!(zxid, format!("0x{:x}", client.zxid));
    let headers = ask(port, "GET", "/commands/snap?streaming=false", "Authorization: ip\r\n");
    assert_eq!(headers.header("last_zxid"), Some(zxid.as_str()));
    assert_eq!(headers.json()["error"], Value::Null);
    let restored =
        ask(port, "POST", "/commands/restore", "Authorization: ip\r\nContent-Length: 0\r\n");
    assert_eq!(restored.status, 503);
    // The root node is now bob's: nobody else may.
    assert_eq!(authenticate(&mut client, "digest", b"bob:secret"), 0);
    let set = SetAclRequest { path: "/".to_owned(), acl: own(), version: -1 };
    client.call(&Request::SetAcl(set)).expect("set");
    let forbidden = snapshot("Authorization: digest eve:secret\r\n");
    assert_eq!((forbidden.status, error(&forbidden).as_deref()), (403, Some("Not authorized")));
    assert_eq!(snapshot("Authorization: digest bob:secret\r\n").status, 200);
    client.close().expect("closed");
    // Another server begins with it.
    let mut other = Cluster::new(1, "");
    let directory = other.servers[0].data().join("version-2");
    std::fs::create_dir_all(&directory).expect("a directory");
    let name = format!("snapshot.{}", zxid.trim_start_matches("0x"));
    std::fs::write(directory.join(name), &whole.body).expect("written");
    other.servers[0].start();
    other.wait_until_all_serve();
    let mut client = Client::connect(&other.addresses(), TIMEOUT);
    assert_eq!(client.get("/n99", false).expect("it is there").0.len(), 5_000);
    client.close().expect("closed");
}

#[test]
fn snapshots_are_as_rare_as_the_file_says_or_there_are_none() {
    let (cluster, ports) = cluster(1, "");
    let mut cluster = cluster.started();
    let snapshot = || ask(ports[0], "GET", "/commands/snapshot", "Authorization: ip\r\n").status;
    assert_eq!([snapshot(), snapshot()], [200, 429]);
    assert_eq!(command(ports[0], "monitor")["snapshot_rate_limited_count"], 1);
    assert!(cluster.servers[0].stop().success());
    cluster.servers[0].configure("admin.snapshot.enabled=false\n");
    let cluster = cluster.started();
    assert_eq!(snapshot(), 503);
    drop(cluster);
}

#[test]
fn a_probe_sees_whether_a_server_has_a_quorum() {
    let (mut cluster, ports) = cluster(3, "");
    cluster.servers[0].start();
    let status = |path: &str| try_ask(ports[0], "GET", path, "").map(|answer| answer.status);
    wait_until("it listens", || status("/live") == Some(200));
    assert_eq!(status("/ready"), Some(503));
    let answer = command(ports[0], "srvr");
    assert_eq!(answer["error"], "This ZooKeeper instance is not currently serving requests");
    assert_eq!(command(ports[0], "zabstate")["zabstate"], "election");
    for server in &mut cluster.servers[1..] {
        server.start();
    }
    cluster.wait_until_all_serve();
    assert_eq!(status("/ready"), Some(200));
    for server in &mut cluster.servers[1..] {
        server.kill();
    }
    wait_until("it has lost its quorum", || status("/ready") == Some(503));
    assert_eq!(status("/live"), Some(200));
}

#[test]
fn the_page_shows_what_this_server_knows_of_the_ensemble() {
    let (cluster, ports) = cluster(3, "");
    let cluster = cluster.started();
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let page = get(ports[leader], "/");
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    assert!(page.header("content-security-policy").is_some_and(|rule| rule.contains("'none'")));
    let elsewhere =
        ["http://", "https://", "//cdn"].map(|beginning| page.text().contains(beginning));
    assert_eq!(elsewhere, [false; 3], "nothing is loaded from elsewhere");
    wait_until("both followers have answered a PING", || {
        let of_leader = get(ports[leader], "/ensemble").json();
        let members = of_leader["members"].as_array().expect("a list").clone();
        let roles = |role: &str| members.iter().filter(|member| member["role"] == role).count();
        (roles("leading"), roles("following")) == (1, 2)
    });
    let of_follower = get(ports[follower], "/ensemble").json();
    assert_eq!(of_follower["leader"], cluster.servers[leader].sid);
    let unknown = of_follower["members"].as_array().expect("a list").iter();
    assert_eq!(unknown.filter(|member| member["role"].is_null()).count(), 1);
    let version = of_follower["core"].as_str().expect("a hash");
    assert!(cluster.servers[follower].word("srvr").expect("an answer").contains(version));
}

#[test]
fn a_port_that_is_taken_is_a_warning_and_the_server_serves() {
    let cluster = Cluster::new(1, "");
    let port = with_admin(&cluster.servers[0]);
    let _taken = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let cluster = cluster.started();
    let warning = format!("the admin server cannot listen at 127.0.0.1:{port}");
    wait_until("it says so", || cluster.servers[0].log().contains(&warning));
}

#[test]
fn strangers_at_the_port_do_not_keep_others_from_it() {
    let (cluster, ports) = cluster(1, "admin.idleTimeout=2000\n");
    let cluster = cluster.started();
    let port = ports[0];
    let silent: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("connected")).collect();
    assert_eq!(get(port, "/ready").status, 200, "the oldest have made room");
    for head in [
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)),
        format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(10_000)),
        "\0\0\0\u{1}\r\n\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        stream.set_read_timeout(Some(TIMEOUT)).expect("set");
        // It may be refused before all of it is sent.
        let _ = stream.write_all(head.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let mut last = silent.into_iter().next_back().expect("many");
    last.set_read_timeout(Some(TIMEOUT)).expect("set");
    assert_eq!(last.read(&mut [0]).unwrap_or(0), 0, "who says nothing is disconnected");
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/a", b"", CreateMode::Persistent).expect("it serves");
    client.close().expect("closed");
}

#[test]
fn the_configuration_is_shown_without_its_secrets() {
    let secret = "DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=";
    let (cluster, ports) = cluster(1, secret);
    let _cluster = cluster.started();
    let text = command(ports[0], "icfg")["initial_configuration"].as_str().map(str::to_owned);
    let text = text.expect("text");
    assert!(text.contains("tickTime=2000\n"), "{text}");
    assert!(text.contains("superDigest=(not shown)\n") && !text.contains("D/InIHSb"), "{text}");
}
