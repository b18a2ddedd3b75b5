//! Right answers: to whom they are due, in the order of the requests, and with nothing missing that
//! was committed.

use std::time::{Duration, Instant};

use wire::client::{
    CheckVersionRequest, CreateMode, CreateRequest, DeleteRequest, MultiOp, MultiResult,
    PathRequest, PathWatchRequest, Request, Response, SetDataRequest,
};
use wire::{Acl, ErrorCode, Id, perms};

use crate::client::{Client, Failure};
use crate::cluster::{Cluster, Server, wait_until};
use crate::crashes::Random;
use crate::network::Network;

const TIMEOUT: Duration = Duration::from_secs(30);

fn set(path: &str, data: &str) -> Request {
    let (path, data) = (path.to_owned(), Some(data.as_bytes().to_vec().into()));
    Request::SetData(SetDataRequest { path, data, version: -1 })
}

fn get(path: &str) -> Request {
    Request::GetData(PathWatchRequest { path: path.to_owned(), watch: false })
}

fn sync() -> Request {
    Request::Sync(PathRequest { path: "/".to_owned() })
}

fn create(path: &str) -> Request {
    let acl = vec![Acl { perms: perms::ALL, id: Id::new("world", "anyone") }];
    let (path, flags) = (path.to_owned(), CreateMode::Persistent.flags());
    Request::Create(CreateRequest { path, data: None, acl, flags })
}

/// Whether these bytes are in one of the server's log files.
fn has_logged(server: &Server, bytes: &[u8]) -> bool {
    let logs = std::fs::read_dir(server.data().join("version-2")).expect("a directory");
    logs.flatten().filter(|file| file.file_name().to_string_lossy().starts_with("log.")).any(
        |file| {
            std::fs::read(file.path())
                .expect("a log")
                .windows(bytes.len())
                .any(|part| part == bytes)
        },
    )
}

/// A follower has a write on its disk, and its acknowledgement is lost with the connection. It
/// comes back, acknowledges, and the leader commits what this connection never proposed.
#[test]
fn what_an_earlier_connection_proposed_is_committed_over_the_next_one() {
    let cluster = Cluster::new(3, "syncLimit=30");
    let network = Network::between(&cluster);
    let cluster = cluster.started();
    let leader = cluster.leader();
    let [follower, slow] = [(leader + 1) % 3, (leader + 2) % 3];
    let mut writer = Client::connect(&[cluster.servers[leader].address()], TIMEOUT);
    writer.create("/n", b"old", CreateMode::Persistent).expect("created");
    let mut reader = Client::connect(&[cluster.servers[follower].address()], TIMEOUT);
    reader.sync().expect("synced");

    network.silence(follower, leader);
    network.silence(slow, leader);
    let write = (1_000, set("/n", "the new value"));
    writer.send(std::slice::from_ref(&write)).expect("sent");
    wait_until("the follower has logged the write", || {
        has_logged(&cluster.servers[follower], b"the new value")
    });
    network.reset_between(follower, leader);
    writer.answer_to(&write).expect("committed by the leader and the follower that came back");

    // A client that has seen the write can go on with the follower, and whoever asks there after
    // sync sees it.
    reader.reconnect().expect("the session lives");
    reader.sync().expect("synced");
    assert_eq!(reader.get("/n", false).expect("it is there").0, &b"the new value"[..]);
    let mut moved = writer.double(cluster.servers[follower].address());
    assert_eq!(moved.get("/n", false).expect("it is there").0, &b"the new value"[..]);
    network.heal();
}

/// Write, sync, write, without waiting: the sync takes a round more than the writes.
#[test]
fn a_sync_between_two_writes_keeps_back_neither() {
    let cluster = Cluster::start(3);
    Client::connect(&cluster.addresses(), TIMEOUT)
        .create("/n", b"", CreateMode::Persistent)
        .expect("created");
    for server in &cluster.servers {
        let mut client = Client::connect(&[server.address()], TIMEOUT);
        for round in 0..20 {
            let requests =
                [(1, set("/n", "one")), (2, sync()), (3, set("/n", "three")), (4, get("/n"))];
            client.send(&requests).expect("sent");
            for request in &requests {
                let answer = client.answer_to(request);
                answer.unwrap_or_else(|error| panic!("round {round}, {request:?}: {error:?}"));
            }
        }
    }
}

/// What a request of a pipeline must be answered with.
enum Due {
    Anything,
    /// The data of the client's own node.
    Data(String),
    /// A multi that fails in its second operation.
    RolledBack,
    Error(ErrorCode),
}

/// One random pipeline on a node that nobody else writes. `value` is what the node holds before
/// and, with what was written, after. Whether the session was closed in it.
fn pipeline(client: &mut Client, dice: &mut Random, node: &str, value: &mut String) -> bool {
    let length = 1 + dice.below(12);
    let mut requests = Vec::new();
    let mut closes = false;
    for place in 0..length {
        if closes {
            // Behind a close nothing is answered, and nothing is done.
            let xid = i32::try_from(place).expect("few") + 1;
            requests.push(((xid, set(node, "too late")), Due::Anything));
            continue;
        }
        let xid = i32::try_from(place).expect("few") + 1;
        let fresh = format!("{}", dice.below(1 << 40));
        let (request, due) = match dice.below(100) {
            0..30 => {
                value.clone_from(&fresh);
                (set(node, &fresh), Due::Anything)
            }
            30..50 => (get(node), Due::Data(value.clone())),
            50..65 => (sync(), Due::Anything),
            65..75 => {
                value.clone_from(&fresh);
                let Request::SetData(set) = set(node, &fresh) else { unreachable!("made above") };
                (Request::Multi(vec![MultiOp::SetData(set)]), Due::Anything)
            }
            75..85 => {
                let Request::SetData(set) = set(node, &fresh) else { unreachable!("made above") };
                let check = CheckVersionRequest { path: node.to_owned(), version: 1 << 30 };
                let parts = vec![MultiOp::SetData(set), MultiOp::Check(check)];
                (Request::Multi(parts), Due::RolledBack)
            }
            85..91 => (create(node), Due::Error(ErrorCode::NodeExists)),
            91..97 => (get("/nowhere"), Due::Error(ErrorCode::NoNode)),
            _ => {
                closes = true;
                (Request::CloseSession, Due::Anything)
            }
        };
        requests.push(((xid, request), due));
    }
    let sent: Vec<_> = requests.iter().map(|(request, _)| request.clone()).collect();
    client.send(&sent).expect("sent");
    for (request, due) in &requests {
        match (client.answer_to(request), due) {
            (Ok(Response::GetData(read)), Due::Data(expected)) => {
                let found = String::from_utf8(read.data.unwrap_or_default().to_vec());
                assert_eq!(found.as_ref(), Ok(expected), "a session sees its own writes");
            }
            (Ok(Response::Multi(results)), Due::RolledBack) => {
                let failed = |result: &MultiResult| matches!(result, MultiResult::Error(_));
                assert!(results.len() == 2 && results.iter().all(failed), "{results:?}");
            }
            (Err(Failure::Refused(found)), Due::Error(expected)) => assert_eq!(found, *expected),
            (Ok(_), Due::Anything) => {}
            (answer, _) => panic!("{request:?} is answered by {answer:?}"),
        }
        if matches!(request.1, Request::CloseSession) {
            assert!(
                matches!(client.answer_to(request), Err(Failure::Lost(_))),
                "the connection ends"
            );
            break;
        }
    }
    closes
}

#[test]
fn ten_thousand_random_pipelines_are_answered_once_and_in_order() {
    let cluster = Cluster::start(3);
    std::thread::scope(|scope| {
        for (index, server) in cluster.servers.iter().enumerate() {
            scope.spawn(move || {
                let seed = 1 + index as u64;
                let (mut dice, node) = (Random::new(seed), format!("/n{index}"));
                let begin = || Client::connect(&[server.address()], TIMEOUT);
                let mut client = begin();
                client.create(&node, b"", CreateMode::Persistent).expect("created");
                let mut value = String::new();
                for _ in 0..3_334 {
                    if pipeline(&mut client, &mut dice, &node, &mut value) {
                        client = begin();
                        let (data, _) = client.get(&node, false).expect("it is there");
                        assert_eq!(data, value.as_bytes(), "what was written before the close");
                    }
                }
            });
        }
    });
}

/// A client moves to another server, and its old connection is still open: what is asked there
/// concerns nobody else.
#[test]
fn a_write_on_the_connection_that_a_session_has_left_ends_that_connection_alone() {
    let cluster = Cluster::start(3);
    let mut first = Client::connect(&cluster.addresses(), TIMEOUT);
    first.create("/n", b"", CreateMode::Persistent).expect("created");
    // From each server to each other one: leader and followers alike.
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2), (2, 1), (1, 0)] {
        let mut stale = Client::connect(&cluster.addresses(), TIMEOUT);
        stale.drop_connection();
        stale.reconnect_to(from).expect("the session lives");
        stale.set("/n", b"from the old server", -1).expect("set");
        let mut moved = stale.double(cluster.addresses()[to]);
        moved.set("/n", b"from the new server", -1).expect("set");
        // The same xid is asked for on both.
        let (old, new) = ((7, set("/n", "stale")), (7, set("/n", "moved")));
        let _ = stale.send(std::slice::from_ref(&old));
        assert!(
            matches!(stale.answer_to(&old), Err(Failure::Lost(_))),
            "{from} to {to}: the connection that was left is closed"
        );
        moved.send(std::slice::from_ref(&new)).expect("sent");
        moved.answer_to(&new).unwrap_or_else(|error| panic!("{from} to {to}: {error:?}"));
        moved.sync().expect("undisturbed");
        assert_eq!(moved.get("/n", false).expect("undisturbed").0, &b"moved"[..]);
        moved.close().expect("undisturbed");
    }
}

/// A client that counts from 1 on each connection, as some do: the second connection's create is
/// never answered by what the first one asked for.
#[test]
fn what_an_earlier_connection_of_the_session_asked_for_answers_nobody_else() {
    let cluster = Cluster::start(3);
    let mut first = Client::connect(&cluster.addresses(), TIMEOUT);
    first.create("/n", b"", CreateMode::Persistent).expect("created");
    for round in 0..100 {
        let (from, to) = (round % 3, round / 3 % 3);
        let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
        client.drop_connection();
        client.reconnect_to(from).expect("the session lives");
        let in_flight: Vec<_> = (1..=200).map(|xid| (xid, set("/n", "in flight"))).collect();
        client.send(&in_flight).expect("sent");
        let mut again = client.double(cluster.addresses()[to]);
        for xid in 1..=10 {
            let path = format!("/of-{round}-{xid}");
            let request = (xid, create(&path));
            again.send(std::slice::from_ref(&request)).expect("sent");
            match again.answer_to(&request) {
                Ok(Response::Path(created)) => assert_eq!(created, path),
                other => panic!("round {round}: create is answered by {other:?}"),
            }
        }
        again.close().expect("closed");
    }
}

/// The leader's process is stopped for longer than sessions may be silent. Its followers heard of
/// them all the time.
#[test]
fn a_leader_that_was_paused_expires_no_session_that_its_followers_heard_of() {
    let cluster = Cluster::start_with(3, "tickTime=500\nsyncLimit=100\ninitLimit=100");
    let leader = cluster.leader();
    let timeout = Duration::from_millis(1_500);
    let mut clients: Vec<_> = (0..20)
        .map(|place| {
            let follower = (leader + 1 + place % 2) % 3;
            Client::connect(&[cluster.servers[follower].address()], timeout)
        })
        .collect();
    for (place, client) in clients.iter_mut().enumerate() {
        client.create(&format!("/mine-{place}"), b"", CreateMode::Ephemeral).expect("created");
    }
    // The fault is a stretch of time: it passes while the clients are heard.
    let pause = |duration: Duration, clients: &mut Vec<Client>| {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            for client in &mut *clients {
                client.ping().expect("the follower answers");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    cluster.servers[leader].signal("STOP");
    pause(timeout * 3, &mut clients);
    cluster.servers[leader].signal("CONT");
    // For two more time-outs, in which the followers report who lives.
    pause(timeout * 2, &mut clients);
    for (place, client) in clients.iter_mut().enumerate() {
        client.sync().unwrap_or_else(|error| panic!("session {place}: {error:?}"));
        let mine = client.exists(&format!("/mine-{place}"), false).expect("it serves");
        assert!(mine.is_some(), "the session of client {place} has expired");
    }
}

/// A client sends more requests behind a closeSession than a server lets be in progress at all.
/// They are not answered, and keep nobody else waiting.
#[test]
fn what_is_asked_behind_a_close_is_not_in_progress_for_ever() {
    let cluster = Cluster::start(3);
    for server in &cluster.servers {
        let mut greedy = Client::connect(&[server.address()], TIMEOUT);
        let close = (1, Request::CloseSession);
        let delete = |xid| {
            (xid, Request::Delete(DeleteRequest { path: "/nowhere".to_owned(), version: -1 }))
        };
        let requests: Vec<_> =
            std::iter::once(close.clone()).chain((2..1_500).map(delete)).collect();
        greedy.send(&requests).expect("sent");
        greedy.answer_to(&close).expect("closed");
        let mut other = Client::connect(&[server.address()], TIMEOUT);
        other.sync().expect("served");
        wait_until("nothing is in progress", || {
            let text = server.word("mntr").unwrap_or_default();
            text.contains("zk_outstanding_requests\t0\n")
        });
    }
}

/// Clients set watches by reads that wait behind a write, and go away before these are answered.
#[test]
fn watches_that_were_asked_for_by_clients_that_are_gone_go_with_them() {
    let cluster = Cluster::start(1);
    let server = &cluster.servers[0];
    let mut client = Client::connect(&[server.address()], TIMEOUT);
    client.create("/n", b"", CreateMode::Persistent).expect("created");
    for _ in 0..100 {
        let mut leaving = Client::connect(&[server.address()], TIMEOUT);
        let watch = |xid| {
            let path = format!("/watched-{xid}");
            (xid, Request::Exists(PathWatchRequest { path, watch: true }))
        };
        let requests: Vec<_> =
            std::iter::once((1, set("/n", "write"))).chain((2..12).map(watch)).collect();
        leaving.send(&requests).expect("sent");
    }
    wait_until("no watch is left", || {
        let text = server.word("wchs").unwrap_or_default();
        text.starts_with("0 connections watching 0 paths")
    });
}
