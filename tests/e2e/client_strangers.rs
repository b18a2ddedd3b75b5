//! Connections to the client port that never become sessions, or ask for more than they read: they
//! hold no descriptor and no memory for long, and others are served meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use wire::client::{
    ConnectRequest, CreateMode, MultiOp, MultiReadOp, PathWatchRequest, Request, SetDataRequest,
    encode_request,
};
use wire::frame::frame;
use wire::jute::Record;

use crate::access::authenticate;
use crate::client::Client;
use crate::cluster::{Cluster, Server, rss_kib, wait_for, wait_until};

const TIMEOUT: Duration = Duration::from_secs(30);

fn descriptors(server: &Server) -> usize {
    let path = format!("/proc/{}/fd", server.pid());
    std::fs::read_dir(path).expect("it runs, on Linux").count()
}

/// A client that comes with a session that it says it has.
fn resuming(session: i64) -> Vec<u8> {
    let request = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms: 4_000,
        session_id: session,
        passwd: Some(Bytes::copy_from_slice(&wire::password(session))),
        read_only: Some(false),
    };
    let mut out = Vec::new();
    frame(&mut out, |out| request.encode(out));
    out
}

fn say(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("it listens");
    stream.write_all(bytes).expect("sent");
    stream
}

/// True once the server has closed the connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(5))).expect("set");
    match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn clients_that_give_up_resuming_while_the_leader_hangs_leave_no_descriptors() {
    const CLIENTS: i64 = 300;
    // A leader that hangs is not given up before this test has ended.
    let cluster = Cluster::start_with(3, "syncLimit=100\ninitLimit=100");
    let (leads, follows) = (cluster.leader(), cluster.follower());
    let follower = &cluster.servers[follows];
    let before = descriptors(follower);
    cluster.servers[leads].signal("STOP");
    let resume = |number| say(follower.address(), &resuming(0x0100_0000_0000_0000 + number));
    let mut streams: Vec<_> = (0..CLIENTS).map(resume).collect();
    // `before` may have counted one that had just asked for a word.
    wait_until("all are accepted", || descriptors(follower) >= streams.len());

    // Some of those that go away have said more than that they want a session.
    for stream in streams.iter_mut().step_by(2) {
        stream.write_all(&[0; 5000]).expect("sent");
    }
    let stay = streams.split_off(streams.len() - 10);
    drop(streams);
    wait_until("those that went away are forgotten", || {
        descriptors(follower) <= before + stay.len()
    });
    wait_until("those that stay have no session in time", || descriptors(follower) <= before);
    cluster.servers[leads].signal("CONT");
    drop(stay);
    cluster.wait_until_all_serve();
    Client::connect(&cluster.addresses(), TIMEOUT).sync().expect("synced");
}

#[test]
fn a_first_message_that_is_announced_as_long_ends_the_connection_at_once() {
    let cluster = Cluster::start(1);
    let address = cluster.servers[0].address();
    for length in [1025, 65_536, 1_048_575_i32] {
        let mut stream = say(address, &length.to_be_bytes());
        // Within a second: whoever only stays silent is given ten.
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        assert_eq!(stream.read(&mut [0; 64]).expect("closed"), 0, "{length}");
    }
}

#[test]
fn silent_connections_and_halves_of_greetings_make_room_for_clients() {
    const PER_ADDRESS: usize = 20;
    let cluster = Cluster::start_with(1, &format!("maxClientCnxns={PER_ADDRESS}"));
    let address = cluster.servers[0].address();
    let greeting = resuming(7);
    let mut client = Client::connect(&[address], TIMEOUT);
    client.create("/here", b"", CreateMode::Persistent).expect("created");
    client.drop_connection();
    let mut silent: Vec<_> = (0..2 * PER_ADDRESS)
        .map(|number| say(address, &greeting[..number % greeting.len()]))
        .collect();
    // At its first attempt.
    client.reconnect_to(0).expect("it is let in");
    client.get("/here", false).expect("it is served");
    let (first, last) = (0, silent.len() - 1);
    wait_until("the oldest has gone", || is_closed(&mut silent[first]));
    assert!(!is_closed(&mut silent[last]), "the latest has not");

    // Those that have said who they are stay, and keep newcomers out.
    let mut clients: Vec<_> =
        (1..PER_ADDRESS).map(|_| Client::connect(&[address], TIMEOUT)).collect();
    let mut late = say(address, &greeting);
    wait_until("one too many is refused", || is_closed(&mut late));
    for client in &mut clients {
        client.get("/here", false).expect("it is served");
    }
}

#[test]
fn strangers_do_not_fill_the_log() {
    const ROOM: usize = 5;
    const STRANGERS: usize = 200;
    let cluster = Cluster::start_with(1, &format!("maxClientCnxns={ROOM}"));
    let server = &cluster.servers[0];
    let begin = Instant::now();
    let clients: Vec<_> =
        (0..ROOM).map(|_| Client::connect(&[server.address()], TIMEOUT)).collect();
    for _ in 0..STRANGERS {
        let mut one_too_many = say(server.address(), b"");
        wait_until("it is refused", || is_closed(&mut one_too_many));
    }
    // One line a second, as for all that is refused to many.
    let warned = |of: &str| {
        let lines = server.log();
        lines.lines().filter(|line| line.contains(" WARN ") && line.contains(of)).count()
    };
    let lines = warned("too many connections");
    let seconds = usize::try_from(begin.elapsed().as_secs()).expect("short");
    assert!((1..=seconds + 2).contains(&lines), "{lines} lines in {seconds} s");

    drop(clients);
    for number in 0..STRANGERS {
        let mut client = Client::connect(&[server.address()], TIMEOUT);
        assert_ne!(authenticate(&mut client, &format!("made-up-{number}"), b"x"), 0);
        client.expect_end();
    }
    assert_eq!(warned("cannot be authenticated by scheme"), 1);
}

#[test]
fn answers_that_nobody_reads_are_bounded_for_all_clients_together() {
    const READERS: usize = 60;
    const NODE_BYTES: usize = 1_000_000;
    // What may wait for all clients together (`HELD_BYTES_MAX` in `client/shared.rs`).
    const HELD_BYTES: usize = 256 << 20;
    const ANSWER_BYTES: usize = 16 << 20;
    // Reads that take long run one at a time. What one adds is looked at behind it, and is copied
    // once where it comes behind others.
    const BEING_MADE_BYTES: usize = 2 * ANSWER_BYTES;
    // A client that is given up, and the one before: until their tasks have ended they have what
    // they were being sent.
    const GIVEN_UP_BYTES: usize = 2 * ANSWER_BYTES;
    // Transactions that the server keeps for members which are a little behind, and one more.
    const KEPT_TXNS: usize = 10;
    // What is on its way into and out of the tree, the log and the answers to the writer.
    const WRITES_BYTES: usize = (KEPT_TXNS + 6) * NODE_BYTES;
    // What is free and lies between what is not.
    const ALLOCATOR_BYTES: usize = HELD_BYTES / 8;
    // Without a bound it would be 1.2 GiB: an answer for each of the readers, and a part of the
    // next.
    const GROWTH_BYTES_MAX: usize =
        HELD_BYTES + BEING_MADE_BYTES + GIVEN_UP_BYTES + WRITES_BYTES + ALLOCATOR_BYTES;
    let cluster = Cluster::start_with(1, &format!("commitLogCount={KEPT_TXNS}"));
    let server = &cluster.servers[0];
    let mut client = Client::connect(&[server.address()], TIMEOUT);
    client.create("/large", &vec![7; NODE_BYTES], CreateMode::Persistent).expect("created");
    let before = rss_kib(server.pid());

    // Each asks for sixteen megabytes with a request of 400 bytes, again and again.
    let read = PathWatchRequest { path: "/large".into(), watch: false };
    let mut asked = Vec::new();
    for xid in 1..=10 {
        let reads = vec![MultiReadOp::GetData(read.clone()); 20];
        encode_request(&mut asked, xid, &Request::MultiRead(reads));
    }
    let mut readers: Vec<_> =
        (0..READERS).map(|_| Client::connect(&[server.address()], TIMEOUT)).collect();
    let mut most = 0;
    for reader in &mut readers {
        reader.send_raw(&asked).expect("sent");
        client.get("/large", false).expect("others are served");
        most = most.max(rss_kib(server.pid()));
    }
    println!("resident memory in KiB: {before}, at most {most} while they ask");
    for _ in 0..200 {
        client.set("/large", &vec![8; NODE_BYTES], -1).expect("others are served");
        most = most.max(rss_kib(server.pid()));
    }
    println!("resident memory in KiB: {before}, at most {most}");
    let growth_max = GROWTH_BYTES_MAX as u64 >> 10;
    assert!(
        most < before + growth_max,
        "{before} KiB became {most} KiB, allowed {growth_max} more"
    );
}

/// A word of four bytes asks for a list of eight megabytes. Whoever does not read it is not waited
/// for, and many of them make nobody else wait.
#[test]
fn lists_that_words_ask_for_and_nobody_reads_are_bounded_for_all_together() {
    const READERS: usize = 150;
    // 256 MiB for all clients together, and twice as much for what is just being made and what the
    // allocator keeps. Kept without a bound it would be 1.2 GiB.
    const GROWTH_KIB_MAX: u64 = 768 << 10;
    let cluster = Cluster::start_with(1, "maxClientCnxns=0");
    let server = &cluster.servers[0];
    let mut client = Client::connect(&[server.address()], TIMEOUT);
    client.create("/here", b"", CreateMode::Persistent).expect("created");
    for part in 0..80 {
        let path = |number| format!("/{}{:06}", "w".repeat(380), part * 250 + number);
        let exist_watches = (0..250).map(path).collect();
        client
            .set_watches(wire::client::SetWatches { exist_watches, ..Default::default() })
            .expect("set");
    }
    let before = rss_kib(server.pid());
    let mut most = 0;
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let reader = say(server.address(), b"wchp");
            client.set("/here", b"", -1).expect("others are served");
            most = most.max(rss_kib(server.pid()));
            reader
        })
        .collect();
    for _ in 0..200 {
        client.set("/here", b"", -1).expect("others are served");
        client.get("/here", false).expect("others are served");
        most = most.max(rss_kib(server.pid()));
    }
    println!("resident memory in KiB: {before}, at most {most}");
    assert!(most < before + GROWTH_KIB_MAX, "{before} KiB became {most} KiB");
    drop(readers);
    let list = wait_for("who reads gets the whole list", || server.word("wchp"));
    assert!(list.len() > 7_000_000 && list.ends_with("\n\n"), "{} bytes", list.len());
}

/// Requests of a few bytes that make a server walk a large tree, thousands at once, with and
/// without a write in front of them. Only the client that sends them waits.
#[test]
fn reads_that_take_long_keep_nobody_waiting_but_those_who_ask_for_them() {
    let cluster = Cluster::start_with(3, "tickTime=500");
    let leads = cluster.leader();
    let leader = &cluster.servers[leads];
    let mut client = Client::connect(&[leader.address()], TIMEOUT);
    client.create("/n", b"", CreateMode::Persistent).expect("created");
    client.create("/t", b"", CreateMode::Persistent).expect("created");
    for part in 0..20 {
        client.create(&format!("/t/{part}"), b"", CreateMode::Persistent).expect("created");
        let acl = wire::Acl::open_unsafe();
        let flags = CreateMode::Persistent.flags();
        let node = |number| {
            let path = format!("/t/{part}/{number}");
            MultiOp::Create(wire::client::CreateRequest {
                path,
                data: None,
                acl: acl.clone(),
                flags,
            })
        };
        client.call(&Request::Multi((0..1_000).map(node).collect())).expect("created");
    }
    let count = Request::GetAllChildrenNumber(wire::client::PathRequest { path: "/t".to_owned() });
    let set = Request::SetData(SetDataRequest { path: "/n".to_owned(), data: None, version: -1 });
    let mut greedy = Vec::new();
    for begins_with_write in [true, false, true, false] {
        let mut stream = Client::connect(&[leader.address()], TIMEOUT);
        let first = if begins_with_write { set.clone() } else { count.clone() };
        let requests: Vec<_> =
            std::iter::once((1, first)).chain((2..4_000).map(|xid| (xid, count.clone()))).collect();
        stream.send(&requests).expect("sent");
        greedy.push(stream);
    }
    for round in 0..50_u32 {
        client.set("/n", &round.to_be_bytes(), -1).expect("others are served");
        Client::connect(&[leader.address()], TIMEOUT).sync().expect("newcomers are served");
    }
    assert_eq!(cluster.leader(), leads);
    drop(greedy);
    wait_until("what the greedy asked for is forgotten", || {
        let text = leader.word("cons").unwrap_or_default();
        text.lines().filter(|line| line.contains("queued=")).count() <= 2
    });
}

/// A hundred and twenty transactions of 42,000 operations each, asked for at once, keep a leader
/// busy for longer than its followers wait for it. It goes on leading all the same.
#[test]
fn a_leader_goes_on_leading_while_it_works_off_what_takes_long() {
    let settings = "tickTime=500\nsyncLimit=3\nmaxSessionTimeout=120000";
    let cluster = Cluster::start_with(3, settings);
    let leader = cluster.leader();
    let address = cluster.servers[leader].address();
    // The clients send no PING while they wait, which may be long on a busy machine.
    let patience = Duration::from_secs(120);
    let epoch = |server: &Server| {
        let file = server.data().join("version-2/currentEpoch");
        std::fs::read_to_string(file).expect("it leads")
    };
    let before = epoch(&cluster.servers[leader]);
    let set = SetDataRequest { path: "/".into(), data: None, version: -1 };
    let multi = Request::Multi(vec![MultiOp::SetData(set); 42_000]);
    let requests: Vec<_> = (1..=3).map(|xid| (xid, multi.clone())).collect();
    let requests = &requests;
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(move || {
                let mut client = Client::connect(&[address], patience);
                client.send(requests).expect("sent");
                for request in requests {
                    client.answer_to(request).expect("done");
                }
            });
        }
    });
    assert_eq!(epoch(&cluster.servers[leader]), before, "{}", cluster.logs());
    assert_eq!(cluster.leader(), leader);
}
