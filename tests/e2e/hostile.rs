//! Garbage, half frames, giant lengths, silence and readers that do not read, on all three ports:
//! the ensemble keeps serving, under the same leader, and its memory stays bounded.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use wire::client::{ConnectRequest, CreateMode, PathWatchRequest, Request, encode_request};
use wire::frame::frame;
use wire::jute::Record;

use crate::client::Client;
use crate::cluster::{Cluster, Server, VIVARIUM, rss_kib, wait_until};
use crate::crashes::Random;
use crate::load::{Load, check_everything};

/// What a server's memory may grow by in these tests. What is sent to it would be hundreds of times
/// as much if it were kept, or believed.
const GROWTH_KIB_MAX: u64 = 128 << 10;

struct Memory(Vec<u64>);

impl Memory {
    fn of(cluster: &Cluster) -> Self {
        Self(cluster.servers.iter().map(|server| rss_kib(server.pid())).collect())
    }

    fn assert_bounded_since(cluster: &Cluster, before: &Self) {
        let after = Self::of(cluster);
        println!("resident memory in KiB: {:?}, after {:?}", before.0, after.0);
        for (before, after) in before.0.iter().zip(&after.0) {
            assert!(*after < before + GROWTH_KIB_MAX, "{before} KiB became {after} KiB");
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Port {
    Client,
    Quorum,
    Election,
}

const PORTS: [Port; 3] = [Port::Client, Port::Quorum, Port::Election];

impl Port {
    fn of(self, server: &Server) -> SocketAddr {
        let port = match self {
            Self::Client => server.client_port,
            Self::Quorum => server.quorum_port,
            Self::Election => server.election_port,
        };
        ([127, 0, 0, 1], port).into()
    }

    /// How a stranger begins here as it should.
    fn greeting(self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Client => {
                let request = ConnectRequest {
                    protocol_version: 0,
                    last_zxid_seen: 0,
                    timeout_ms: 10_000,
                    session_id: 0,
                    passwd: Some(vec![0; 16].into()),
                    read_only: Some(false),
                };
                frame(&mut out, |out| request.encode(out));
            }
            // FOLLOWERINFO of server 99: type, zxid, 20 bytes of LearnerInfo, no ids.
            Self::Quorum => {
                out.extend(11_i32.to_be_bytes());
                out.extend(0_i64.to_be_bytes());
                out.extend(20_i32.to_be_bytes());
                out.extend(99_i64.to_be_bytes());
                out.extend(0x10000_i32.to_be_bytes());
                out.extend(0_i64.to_be_bytes());
                out.extend((-1_i32).to_be_bytes());
            }
            // Version 1, server 99, its address.
            Self::Election => {
                out.extend((-65_536_i64).to_be_bytes());
                out.extend(99_i64.to_be_bytes());
                out.extend(14_i32.to_be_bytes());
                out.extend(b"127.0.0.1:3888");
            }
        }
        out
    }

    /// Where in the greeting a length is announced.
    fn length_at(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Quorum => 12,
            Self::Election => 16,
        }
    }

    /// What no server should be sent.
    fn garbage(self, random: &mut Random) -> Vec<Vec<u8>> {
        let greeting = self.greeting();
        let mut all = vec![
            vec![],
            vec![0; 64 << 10],
            vec![0xff; 64 << 10],
            random.bytes(1),
            random.bytes(1000),
            random.bytes(100_000),
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
            // The beginning of TLS.
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            greeting[..greeting.len() / 2].to_vec(),
            greeting[..greeting.len() - 1].to_vec(),
            [&greeting[..], &greeting[..]].concat(),
            [&greeting[..], &random.bytes(10_000)[..]].concat(),
        ];
        for length in [i32::MAX, i32::MIN, -2, 1 << 30, 0x00ff_ffff, 1 << 20] {
            let mut giant = greeting.clone();
            giant[self.length_at()..][..4].copy_from_slice(&length.to_be_bytes());
            all.push([giant, random.bytes(5000)].concat());
            all.push([&greeting[..], &length.to_be_bytes(), &random.bytes(5000)].concat());
        }
        // Of a greeting that is right up to a place.
        for _ in 0..10 {
            let mut flipped = greeting.clone();
            let at = usize::try_from(random.below(greeting.len() as u64)).expect("an index");
            flipped[at] ^= 1 << random.below(8);
            all.push(flipped);
        }
        all
    }
}

/// Sends it all, whether or not anybody listens. `None` if there is no connection to hold.
fn send(to: SocketAddr, bytes: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(bytes).ok()?;
    Some(stream)
}

fn elections(cluster: &Cluster) -> Vec<usize> {
    let count = |server: &Server| server.log().matches("looking for a leader").count();
    cluster.servers.iter().map(count).collect()
}

#[test]
fn garbage_half_frames_and_giant_lengths_disturb_nobody() {
    let cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let (before, elected) = (Memory::of(&cluster), elections(&cluster));
    let mut random = Random::new(3);
    for _ in 0..5 {
        // Those that are not closed by the server stay for a while.
        let mut held = Vec::new();
        for server in &cluster.servers {
            for port in PORTS {
                for bytes in port.garbage(&mut random) {
                    let stream = send(port.of(server), &bytes);
                    if random.below(2) == 0 {
                        held.extend(stream);
                    } else if let Some(stream) = stream {
                        let _ = stream.shutdown(Shutdown::Write);
                    }
                }
                load.wait_for_progress(2);
            }
        }
    }
    Memory::assert_bounded_since(&cluster, &before);
    assert_eq!(elections(&cluster), elected, "nobody looked for another leader");
    check_everything(&cluster.addresses(), load.stop());
}

/// Connections to each port of each server, as many as this process may have.
fn silent(cluster: &Cluster) -> Vec<TcpStream> {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("Linux");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let limit: usize = line.split_whitespace().nth(3).expect("soft").parse().unwrap_or(1 << 20);
    let each = (limit.saturating_sub(500) / 9).min(400);
    println!("{} silent connections to each of nine ports", each);
    let addresses = cluster.servers.iter().flat_map(|server| PORTS.map(|port| port.of(server)));
    let connect = |at| (0..each).filter_map(move |_| TcpStream::connect(at).ok());
    addresses.flat_map(connect).collect()
}

#[test]
fn thousands_of_silent_connections_keep_nobody_from_serving_or_from_electing() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let before = Memory::of(&cluster);
    let held = silent(&cluster);
    load.wait_for_progress(200);
    Memory::assert_bounded_since(&cluster, &before);
    // Those that are silent at the two ports between servers do not keep a quorum apart.
    let leader = cluster.leader();
    cluster.servers[leader].kill();
    load.wait_for_progress(200);
    cluster.servers[leader].start();
    cluster.wait_until_all_serve();
    drop(held);
    check_everything(&cluster.addresses(), load.stop());
}

#[test]
fn clients_do_not_take_the_descriptors_that_the_disk_needs() {
    // Files are opened all the time.
    let mut cluster = Cluster::new(3, "snapCount=100");
    for server in &mut cluster.servers {
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\"", VIVARIUM]);
        server.start_by(limited);
    }
    cluster.wait_until_all_serve();
    let load = Load::start(&cluster.addresses(), 2);
    let held = silent(&cluster);
    load.wait_for_progress(2000);
    drop(held);
    wait_until("the silent ones are forgotten", || {
        cluster.servers.iter().all(|server| server.word("ruok").is_some_and(|word| word == "imok"))
    });
    check_everything(&cluster.addresses(), load.stop());
}

#[test]
fn readers_that_do_not_read_are_not_waited_for_with_memory() {
    const READERS: usize = 16;
    const REQUESTS: i32 = 200;
    const NODE_BYTES: usize = 900_000;
    let cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let mut writer = Client::connect(&cluster.addresses(), Duration::from_secs(30));
    writer.create("/large", &vec![7; NODE_BYTES], CreateMode::Persistent).expect("created");
    let before = Memory::of(&cluster);

    // To each server they ask for a gigabyte.
    let path = PathWatchRequest { path: "/large".into(), watch: false };
    let mut asked = Vec::new();
    for xid in 1..=REQUESTS {
        encode_request(&mut asked, xid, &Request::GetData(path.clone()));
    }
    let mut readers: Vec<_> = (0..READERS)
        .map(|index| {
            let mut addresses = cluster.addresses();
            addresses.rotate_left(index % 3);
            let mut reader = Client::connect(&addresses, Duration::from_secs(30));
            reader.sync().expect("synced");
            reader.send_raw(&asked).expect("sent");
            reader
        })
        .collect();
    load.wait_for_progress(500);
    Memory::assert_bounded_since(&cluster, &before);

    // Who reads at last gets every answer, in order.
    let last = readers.last_mut().expect("there are some");
    for xid in 1..=REQUESTS {
        let (found, data) = last.next_data();
        assert_eq!((found, data.len()), (xid, NODE_BYTES));
    }
    drop(readers);
    check_everything(&cluster.addresses(), load.stop());
}
