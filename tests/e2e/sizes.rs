//! Large answers, and transactions that would be large: whatever a client asks for, the servers
//! stay up, stay together, and hold no more memory than they say.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use wire::client::{
    CreateMode, CreateRequest, MultiOp, MultiReadOp, MultiResult, PathRequest, PathWatchRequest,
    Request, Response, SetDataRequest, SetWatches, encode_request,
};
use wire::{Acl, ErrorCode};

use crate::client::{Answer, Client, Failure};
use crate::cluster::{Cluster, configuration, rss_kib, wait_until};

const TIMEOUT: Duration = Duration::from_secs(30);

/// What one connection may make a server hold: `vivarium.maxAnswerBytes`, twice while it is being
/// made and written.
const GROWTH_KIB_MAX: u64 = 64 << 10;

fn read_of(path: &str) -> PathWatchRequest {
    PathWatchRequest { path: path.into(), watch: false }
}

/// Creates all of them, a few hundred with each request.
fn create_all(client: &mut Client, mode: CreateMode, paths: &[String]) -> Answer<()> {
    for some in paths.chunks(500) {
        let create = |path: &String| {
            MultiOp::Create(CreateRequest {
                path: path.clone(),
                data: None,
                acl: Acl::open_unsafe(),
                flags: mode.flags(),
            })
        };
        client.call(&Request::Multi(some.iter().map(create).collect()))?;
    }
    Ok(())
}

fn is_too_long<T>(answer: &Answer<T>) -> bool {
    matches!(answer, Err(Failure::Refused(ErrorCode::MarshallingError)))
}

#[test]
fn two_thousand_reads_of_a_megabyte_are_answered_as_far_as_an_answer_may_go() {
    const READS: usize = 2200;
    const NODE_BYTES: usize = 1_000_000;
    let cluster = Cluster::start(1);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/large", &vec![7; NODE_BYTES], CreateMode::Persistent).expect("created");
    let many = Request::MultiRead(vec![MultiReadOp::GetData(read_of("/large")); READS]);
    let before = rss_kib(cluster.servers[0].pid());

    let Ok(Response::Multi(results)) = client.call(&many) else { panic!("it is answered") };
    assert_eq!(results.len(), READS, "a result for each");
    let fits = (16 << 20) / NODE_BYTES;
    for (index, result) in results.iter().enumerate() {
        match result {
            MultiResult::GetData(read) if index < fits => {
                assert_eq!(read.data.as_ref().map(Bytes::len), Some(NODE_BYTES));
            }
            MultiResult::Error(code) if index >= fits => {
                assert_eq!(*code, ErrorCode::MarshallingError.code(), "{index}");
            }
            MultiResult::Create(_)
            | MultiResult::Create2(_)
            | MultiResult::Delete
            | MultiResult::SetData(_)
            | MultiResult::Check
            | MultiResult::GetData(_)
            | MultiResult::GetChildren(_)
            | MultiResult::Error(_) => panic!("result {index} is {result:?}"),
        }
    }
    let after = rss_kib(cluster.servers[0].pid());
    println!("resident memory in KiB: {before}, after {after}");
    assert!(after < before + GROWTH_KIB_MAX, "{before} KiB became {after} KiB");
    // The connection stays, and one node is read whole.
    assert_eq!(client.get("/large", false).expect("it serves").0.len(), NODE_BYTES);
}

#[test]
fn reads_that_waited_behind_a_write_are_answered_as_the_client_takes_them() {
    const READS: i32 = 300;
    const NODE_BYTES: usize = 1_000_000;
    let cluster = Cluster::start(1);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/large", &vec![7; NODE_BYTES], CreateMode::Persistent).expect("created");
    let before = rss_kib(cluster.servers[0].pid());

    // A write, and behind it reads of three times as much as may wait for a client.
    let mut asked = Vec::new();
    let data = Some(Bytes::from(vec![8; NODE_BYTES]));
    let set = SetDataRequest { path: "/large".into(), data, version: -1 };
    encode_request(&mut asked, 1, &Request::SetData(set));
    for xid in 2..2 + READS {
        encode_request(&mut asked, xid, &Request::GetData(read_of("/large")));
    }
    client.send_raw(&asked).expect("sent");
    client.next_answer(1);
    for xid in 2..2 + READS {
        let (found, data) = client.next_data();
        assert_eq!((found, data.len(), data[0]), (xid, NODE_BYTES, 8));
    }
    let after = rss_kib(cluster.servers[0].pid());
    println!("resident memory in KiB: {before}, after {after}");
    assert!(after < before + GROWTH_KIB_MAX, "{before} KiB became {after} KiB");
}

#[test]
fn a_list_that_is_too_long_is_refused_and_one_that_fits_is_not() {
    const LIMIT: usize = 8_388_600;
    const NAME_BYTES: usize = 250;
    let cluster = Cluster::start_with(1, &format!("vivarium.maxAnswerBytes={LIMIT}"));
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/list", b"", CreateMode::Persistent).expect("created");
    let path = |number: usize| format!("/list/{number:0NAME_BYTES$}");
    let fit = (LIMIT - 200) / (NAME_BYTES + 4);
    let paths: Vec<_> = (0..fit).map(path).collect();
    create_all(&mut client, CreateMode::Ephemeral, &paths).expect("created");
    assert_eq!(client.children("/list", false).expect("it fits").0.len(), fit);

    create_all(&mut client, CreateMode::Ephemeral, &[path(fit)]).expect("created");
    assert!(is_too_long(&client.children("/list", true)), "getChildren2");
    let children = client.call(&Request::GetChildren(read_of("/list")));
    assert!(is_too_long(&children), "getChildren");
    let mine = client.call(&Request::GetEphemerals(PathRequest { path: "/".into() }));
    assert!(is_too_long(&mine), "getEphemerals");
    // What was refused left no watch: nothing is told, and the node can still be worked with.
    client.delete(&path(fit), -1).expect("deleted");
    assert_eq!(client.children("/list", false).expect("it fits again").0.len(), fit);
}

#[test]
fn watches_on_nodes_that_do_not_exist_are_bounded_for_each_client() {
    const LIMIT: usize = 4 << 20;
    const PATH_BYTES: usize = 1000;
    // What a watch counts beside its path.
    const WATCH_BYTES: usize = 256;
    let cluster = Cluster::start_with(1, &format!("vivarium.maxWatchBytes={LIMIT}"));
    let before = rss_kib(cluster.servers[0].pid());
    // No two clients watch the same path: it would be kept once.
    let path =
        |client: usize, number: usize| format!("/{client}{number:0width$}", width = PATH_BYTES - 2);
    let fit = LIMIT / (PATH_BYTES + WATCH_BYTES);
    let mut clients: Vec<_> =
        (0..4).map(|_| Client::connect(&cluster.addresses(), TIMEOUT)).collect();
    for (of, client) in clients.iter_mut().enumerate() {
        let exists = |number| PathWatchRequest { path: path(of, number), watch: true };
        let all: Vec<_> = (0..4 * fit)
            .map(|number| (number as i32 + 1, Request::Exists(exists(number))))
            .collect();
        let mut set = 0;
        // As many at once as are certainly read.
        for some in all.chunks(500) {
            client.send(some).expect("sent");
            for asked in some {
                match client.answer_to(asked) {
                    Err(Failure::Refused(ErrorCode::NoNode)) => set += 1,
                    other => assert!(is_too_long(&other), "there is no such node: {other:?}"),
                }
            }
        }
        assert_eq!(set, fit);
        client.exists("/", false).expect("reads without a watch go on");
    }
    let after = rss_kib(cluster.servers[0].pid());
    println!("resident memory in KiB: {before}, after {after}");
    // Watches of four clients, and as much for answers and the allocator. Without a bound the
    // watches would be four times as much.
    let growth_max = (2 * clients.len() * LIMIT) as u64 >> 10;
    assert!(after < before + growth_max, "{before} KiB became {after} KiB");

    // The first of them, which the client that set it hears of; a client that has none may have
    // some.
    let mut other = Client::connect(&cluster.addresses(), TIMEOUT);
    other.create(&path(0, 0), b"", CreateMode::Persistent).expect("created");
    assert_eq!(clients[0].event().path, path(0, 0));
    // All at once, on another connection: no client looks at the answer, so the connection ends.
    let short = |number: usize| format!("/{number:05}");
    let fit = LIMIT / (short(0).len() + WATCH_BYTES);
    let exist_watches: Vec<_> = (0..=fit).map(short).collect();
    let too_many = SetWatches { exist_watches: exist_watches.clone(), ..SetWatches::default() };
    let refused = other.set_watches(too_many);
    assert!(is_too_long(&refused), "{refused:?}");
    other.expect_end();
    other.reconnect().expect("its session goes on");
    let exist_watches = exist_watches[..fit].to_vec();
    other.set_watches(SetWatches { exist_watches, ..SetWatches::default() }).expect("they fit");
}

#[test]
fn a_session_with_fifty_thousand_ephemeral_nodes_ends_and_expires_everywhere() {
    const NODES: usize = 50_000;
    let mut cluster = Cluster::start_with(3, "tickTime=500\nsyncLimit=20\ninitLimit=40");
    let mut first = Client::connect(&cluster.addresses(), TIMEOUT);
    first.create("/svc", b"", CreateMode::Persistent).expect("created");
    first.close().expect("closed");
    let elections = elections(&cluster);
    let follows = cluster.servers[cluster.follower()].address();
    for ends in ["it closes", "it expires"] {
        let mut client = Client::connect(&[follows], Duration::from_secs(5));
        let path = |number: usize| format!("/svc/{number:060}");
        let paths: Vec<_> = (0..NODES).map(path).collect();
        create_all(&mut client, CreateMode::Ephemeral, &paths).expect("created");
        if ends == "it closes" {
            client.close().expect("closed");
        } else {
            client.drop_connection();
        }
        let children = |address| {
            let mut client = Client::connect(&[address], TIMEOUT);
            client.sync().expect("synced");
            let stat = client.exists("/svc", false).expect("it serves").expect("it is there");
            client.close().expect("closed");
            stat.num_children
        };
        for address in cluster.addresses() {
            wait_until(&format!("{ends}: all are gone at {address}"), || children(address) == 0);
        }
    }
    let mut last = Client::connect(&cluster.addresses(), TIMEOUT);
    last.set("/svc", b"still", -1).expect("writes go on");
    assert_eq!(self::elections(&cluster), elections, "nobody looked for another leader");
    drop(last);

    for server in &mut cluster.servers {
        server.kill();
    }
    for server in &mut cluster.servers {
        server.start();
    }
    cluster.wait_until_all_serve();
    for address in cluster.addresses() {
        let mut client = Client::connect(&[address], TIMEOUT);
        client.sync().expect("synced");
        let (data, stat) = client.get("/svc", false).expect("it serves");
        assert_eq!((&data[..], stat.num_children), (&b"still"[..], 0));
    }
}

#[test]
fn a_follower_that_has_missed_more_than_may_wait_for_a_peer_is_brought_up_to_date() {
    // 300 transactions: fewer than are kept for followers that come back, and more than 256 MiB.
    const NODE_BYTES: usize = 1_000_000;
    const WRITES: usize = 300;
    let mut cluster = Cluster::start(3);
    let absent = cluster.follower();
    cluster.servers[absent].kill();
    let mut others = cluster.addresses();
    let address = others.remove(absent);
    let mut client = Client::connect(&others, TIMEOUT);
    client.create("/large", b"", CreateMode::Persistent).expect("created");
    for number in 0..WRITES {
        let byte = u8::try_from(number % 251).expect("a byte");
        client.set("/large", &vec![byte; NODE_BYTES], -1).expect("set");
    }
    let elections = elections(&cluster);
    cluster.servers[absent].start();
    cluster.wait_until_all_serve();
    let mut late = Client::connect(&[address], TIMEOUT);
    late.sync().expect("synced");
    let (data, stat) = late.get("/large", false).expect("it serves");
    assert_eq!((data.len(), stat.version), (NODE_BYTES, 300));
    // It has looked for a leader once, when it started.
    assert_eq!(self::elections(&cluster), elections + 1);
}

#[test]
fn what_one_member_accepts_every_member_takes_whatever_its_own_limit() {
    const NODE_BYTES: usize = 5_000_000;
    let cluster = Cluster::new(3, "");
    let generous = &cluster.servers[0];
    let mut configuration = std::fs::OpenOptions::new()
        .append(true)
        .open(configuration(&generous.directory))
        .expect("zoo.cfg");
    configuration.write_all(b"jute.maxbuffer=8000000\n").expect("written");
    let mut cluster = cluster.started();
    let elected = elections(&cluster);
    let mut client = Client::connect(&[cluster.servers[0].address()], TIMEOUT);
    client.create("/large", b"", CreateMode::Persistent).expect("created");
    client.set("/large", &vec![7; NODE_BYTES], -1).expect("set");
    let size_at = |address| {
        let mut client = Client::connect(&[address], TIMEOUT);
        client.sync().expect("synced");
        client.get("/large", false).expect("it serves").0.len()
    };
    assert_eq!(cluster.addresses().into_iter().map(size_at).collect::<Vec<_>>(), [NODE_BYTES; 3]);
    assert_eq!(elections(&cluster), elected, "nobody looked for another leader");

    // Each of them finds it in its own log again.
    for server in &mut cluster.servers {
        server.kill();
    }
    for server in &mut cluster.servers {
        server.start();
    }
    cluster.wait_until_all_serve();
    assert_eq!(cluster.addresses().into_iter().map(size_at).collect::<Vec<_>>(), [NODE_BYTES; 3]);
}

fn elections(cluster: &Cluster) -> usize {
    let count = |log: String| log.matches("looking for a leader").count();
    cluster.servers.iter().map(|server| count(server.log())).sum()
}
