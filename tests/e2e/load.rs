//! Clients that write all the time, and remember what was acknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wire::ErrorCode;
use wire::client::CreateMode;

use crate::client::{Answer, Client, Failure};

/// Long enough for any failover on a loaded machine: a session that is lost although its client
/// kept trying is a defect.
const SESSION_TIMEOUT: Duration = Duration::from_secs(40);

/// Writers under way.
pub(crate) struct Load {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<Register>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    acknowledged: AtomicU64,
}

/// What one writer knows at the end.
pub(crate) struct Register {
    /// `/load/N`: everything of this writer is below.
    path: String,
    /// Its session, not closed.
    client: Client,
    /// The last value of the register that was acknowledged.
    value: u64,
    /// Its version, if the last write was acknowledged; later ones may have taken effect too.
    version: i32,
    /// Children that were acknowledged, by path: the zxid of their creation is not told by create.
    created: Vec<String>,
    /// Acknowledged writes, and those of which nobody knows.
    acknowledged: u64,
    unknown: u64,
}

impl Register {
    /// The session goes on at a server that runs: those of before were started again.
    pub(crate) fn reconnect(&mut self) {
        self.client.reconnect().expect("the session lives");
    }
}

impl Load {
    /// Starts `count` writers, each with a session of its own; they have all written when this
    /// returns.
    pub(crate) fn start(servers: &[SocketAddr], count: usize) -> Self {
        let shared = Arc::<Shared>::default();
        let mut root = Client::connect(servers, SESSION_TIMEOUT);
        root.create("/load", b"", CreateMode::Persistent).expect("it is new");
        root.close().expect("closed");
        let writers = (0..count).map(|index| {
            let (shared, mut servers) = (Arc::clone(&shared), servers.to_vec());
            let places = servers.len();
            servers.rotate_left(index % places);
            std::thread::spawn(move || Writer::new(&servers, index, shared).run())
        });
        let load = Self { writers: writers.collect(), shared };
        load.wait_for_progress(count as u64 * 3);
        load
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more writes are acknowledged.
    pub(crate) fn wait_for_progress(&self, more: u64) {
        let target = self.acknowledged() + more;
        crate::cluster::wait_until("writes are acknowledged", || {
            // A writer ends early only by a panic.
            assert!(self.writers.iter().all(|writer| !writer.is_finished()), "a writer has failed");
            self.acknowledged() >= target
        });
    }

    /// Ends the writers; their sessions stay.
    pub(crate) fn stop(self) -> Vec<Register> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let join = |writer: JoinHandle<_>| writer.join().expect("the writer saw no defect");
        self.writers.into_iter().map(join).collect()
    }
}

struct Writer {
    register: Register,
    shared: Arc<Shared>,
    /// The last value that was tried.
    tried: u64,
    /// mzxid of the register as it was last seen: it never goes back.
    mzxid: i64,
}

impl Writer {
    fn new(servers: &[SocketAddr], index: usize, shared: Arc<Shared>) -> Self {
        let client = Client::connect(servers, SESSION_TIMEOUT);
        let register = Register {
            path: format!("/load/{index}"),
            client,
            value: 0,
            version: 0,
            created: Vec::new(),
            acknowledged: 0,
            unknown: 0,
        };
        Self { register, shared, tried: 0, mzxid: 0 }
    }

    fn run(mut self) -> Register {
        let path = self.register.path.clone();
        self.create_at_last(&path, CreateMode::Persistent);
        self.create_at_last(&format!("{path}/alive"), CreateMode::Ephemeral);
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.tried += 1;
            let (value, number) = (self.tried.to_string(), self.tried);
            match self.register.client.set(&path, value.as_bytes(), -1) {
                Ok(stat) => {
                    assert!(stat.version > self.register.version, "{path}: versions go back");
                    assert!(stat.mzxid > self.mzxid, "{path}: mzxid goes back");
                    (self.register.version, self.mzxid) = (stat.version, stat.mzxid);
                    self.register.value = number;
                    self.acknowledged();
                }
                failure => self.recover(failure),
            }
            if number % 7 == 0 {
                let child = format!("{path}/{number}");
                match self.register.client.create(&child, b"", CreateMode::Persistent) {
                    Ok(_) => {
                        self.register.created.push(child);
                        self.acknowledged();
                    }
                    failure => self.recover(failure),
                }
            }
        }
        self.check_register();
        self.register
    }

    fn acknowledged(&mut self) {
        self.register.acknowledged += 1;
        self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    /// Creates a node, whether or not an earlier attempt did already.
    fn create_at_last(&mut self, path: &str, mode: CreateMode) {
        loop {
            match self.register.client.create(path, b"0", mode) {
                Ok(_) | Err(Failure::Refused(ErrorCode::NodeExists)) => return,
                Err(failure) => self.reconnect(failure),
            }
        }
    }

    fn recover<T>(&mut self, answer: Answer<T>) {
        if let Err(failure) = answer {
            self.register.unknown += 1;
            self.reconnect(failure);
            self.check_register();
        }
    }

    /// The session goes on elsewhere.
    fn reconnect(&mut self, failure: Failure) {
        let begin = Instant::now();
        match failure {
            Failure::Lost(_) => match self.register.client.reconnect() {
                Ok(()) => {}
                Err(_) => panic!(
                    "{}: the session was lost although its client tried for {:?} only",
                    self.register.path,
                    begin.elapsed()
                ),
            },
            Failure::Expired => panic!("{}: the session expired while in use", self.register.path),
            Failure::Refused(error) => panic!("{}: {error}", self.register.path),
        }
    }

    /// The register holds what was acknowledged last, or something tried later.
    fn check_register(&mut self) {
        let path = self.register.path.clone();
        loop {
            let client = &mut self.register.client;
            match client.sync().and_then(|()| client.get(&path, false)) {
                Ok((data, stat)) => {
                    let text = String::from_utf8_lossy(&data);
                    let value: u64 = text.parse().expect("a number");
                    let Register { value: acknowledged, version, .. } = self.register;
                    assert!(
                        (acknowledged..=self.tried).contains(&value),
                        "{path}: holds {value}, {acknowledged} was acknowledged, {} tried",
                        self.tried
                    );
                    assert!(stat.version >= version, "{path}: versions go back");
                    assert!(stat.mzxid >= self.mzxid, "{path}: mzxid goes back");
                    self.register.version = stat.version;
                    (self.register.value, self.mzxid) = (value, stat.mzxid);
                    return;
                }
                Err(failure) => self.reconnect(failure),
            }
        }
    }
}

/// What the writers did, in numbers.
pub(crate) struct Totals {
    pub(crate) acknowledged: u64,
    pub(crate) unknown: u64,
}

/// Compares every server with what the writers know, and the servers with each other. The writers'
/// sessions are closed, and their ephemeral nodes vanish.
pub(crate) fn check_everything(servers: &[SocketAddr], registers: Vec<Register>) -> Totals {
    let trees: Vec<_> = servers.iter().map(|server| tree_of(*server)).collect();
    for (server, tree) in servers.iter().zip(&trees) {
        for register in &registers {
            let Register { path, client, value, version, created, .. } = register;
            let (data, stat) = tree.get(path).unwrap_or_else(|| panic!("{server}: no {path}"));
            assert_eq!(data, value.to_string().as_bytes(), "{server}: {path}");
            assert_eq!(stat.version, *version, "{server}: {path}");
            let alive = tree.get(&format!("{path}/alive"));
            let (_, alive) =
                alive.unwrap_or_else(|| panic!("{server}: {path} has lost its session"));
            assert_eq!(alive.ephemeral_owner, client.session, "{server}: {path}");
            for child in created {
                assert!(tree.contains_key(child), "{server}: {child} was acknowledged and is lost");
            }
        }
        assert!(*tree == trees[0], "{server} and {} differ", servers[0]);
    }
    let totals = Totals {
        acknowledged: registers.iter().map(|register| register.acknowledged).sum(),
        unknown: registers.iter().map(|register| register.unknown).sum(),
    };
    let paths: Vec<_> =
        registers.iter().map(|register| format!("{}/alive", register.path)).collect();
    for register in registers {
        register.client.close().expect("closed");
    }
    for server in servers {
        let tree = tree_of(*server);
        assert!(
            paths.iter().all(|path| !tree.contains_key(path)),
            "{server}: ephemeral nodes stay"
        );
    }
    totals
}

type Tree = BTreeMap<String, (bytes::Bytes, wire::Stat)>;

/// All that servers agree on, not older than what was acknowledged before: everything but the
/// configuration node, which each server fills from its own file.
pub(crate) fn tree_of(server: SocketAddr) -> Tree {
    let mut client = Client::connect(&[server], SESSION_TIMEOUT);
    client.sync().expect("synced");
    let nodes = client.walk("/").expect("it serves");
    client.close().expect("closed");
    let agreed = nodes.into_iter().filter(|(path, ..)| path != "/zookeeper/config");
    agreed.map(|(path, data, stat)| (path, (data, stat))).collect()
}
