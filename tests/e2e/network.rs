//! A network between the servers of an ensemble that a test can take apart: each server dials the
//! others through a relay, and each direction of each pair of servers can be made silent. Nothing
//! is closed then: who waits for bytes waits, as behind a cable that was pulled.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::{fs, thread};

use crate::cluster::{Cluster, configuration};

/// The relays of an ensemble. They end with the process.
pub(crate) struct Network {
    /// By index: from, to. A server has none to itself, which is never used.
    ways: Vec<Vec<Arc<Way>>>,
}

/// What one server sends to another, over whichever connection.
#[derive(Default)]
struct Way {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    silent: bool,
    /// The next COMMIT does not arrive.
    loses_commit: bool,
    /// Connections under way, to be closed with the way.
    streams: Vec<TcpStream>,
}

impl Network {
    /// Puts relays between the servers of an ensemble that has not started.
    pub(crate) fn between(cluster: &Cluster) -> Self {
        let count = cluster.servers.len();
        let row = |_| (0..count).map(|_| Arc::default()).collect();
        let ways: Vec<Vec<Arc<Way>>> = (0..count).map(row).collect();
        for (from, server) in cluster.servers.iter().enumerate() {
            let path = configuration(&server.directory);
            let mut text = fs::read_to_string(&path).expect("zoo.cfg");
            for (to, other) in cluster.servers.iter().enumerate().filter(|(to, _)| *to != from) {
                let (there, back) = (&ways[from][to], &ways[to][from]);
                let quorum = relay(other.quorum_port, there, back);
                let election = relay(other.election_port, there, back);
                let sid = other.sid;
                let line =
                    |quorum, election| format!("server.{sid}=127.0.0.1:{quorum}:{election}\n");
                let own = line(other.quorum_port, other.election_port);
                assert!(text.contains(&own), "{own} is not in {text}");
                text = text.replace(&own, &line(quorum, election));
            }
            fs::write(&path, text).expect("zoo.cfg");
        }
        Self { ways }
    }

    /// Nothing that `from` sends arrives at `to`, until [`Self::heal`].
    pub(crate) fn silence(&self, from: usize, to: usize) {
        self.ways[from][to].state.lock().expect("no panic").silent = true;
    }

    /// Nothing goes in or out of a server.
    pub(crate) fn isolate(&self, server: usize) {
        for other in (0..self.ways.len()).filter(|other| *other != server) {
            self.silence(server, other);
            self.silence(other, server);
        }
    }

    /// The next COMMIT that `from` sends to `to` does not arrive, and what comes behind it does.
    #[cfg(feature = "checker")]
    pub(crate) fn lose_a_commit(&self, from: usize, to: usize) {
        self.ways[from][to].state.lock().expect("no panic").loses_commit = true;
    }

    /// Whether that has happened.
    #[cfg(feature = "checker")]
    pub(crate) fn has_lost_it(&self, from: usize, to: usize) -> bool {
        !self.ways[from][to].state.lock().expect("no panic").loses_commit
    }

    /// What was held back arrives now.
    pub(crate) fn heal(&self) {
        self.ways.iter().flatten().for_each(|way| way.heal());
    }

    /// Closes every connection; what was held back is lost. New ones work.
    pub(crate) fn reset(&self) {
        self.ways.iter().flatten().for_each(|way| way.reset());
        self.heal();
    }

    /// As [`Self::reset`], of the connections between two servers.
    pub(crate) fn reset_between(&self, one: usize, other: usize) {
        self.ways[one][other].reset();
        self.ways[other][one].reset();
    }
}

impl Way {
    fn heal(&self) {
        self.state.lock().expect("no panic").silent = false;
        self.changed.notify_all();
    }

    fn reset(&self) {
        for stream in self.state.lock().expect("no panic").streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.heal();
    }
}

/// Listens in front of a port; the port to dial instead of it.
fn relay(port: u16, there: &Arc<Way>, back: &Arc<Way>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address: SocketAddr = listener.local_addr().expect("bound");
    let (there, back) = (Arc::clone(there), Arc::clone(back));
    thread::spawn(move || {
        for dialler in listener.incoming() {
            // Who is not there refuses; so does the relay, a moment later.
            let Ok((dialler, dialled)) =
                dialler.and_then(|dialler| Ok((dialler, TcpStream::connect(("127.0.0.1", port))?)))
            else {
                continue;
            };
            carry(&there, &dialler, &dialled);
            carry(&back, &dialled, &dialler);
        }
    });
    address.port()
}

/// Copies bytes from one connection to the other, while the way lets them through.
fn carry(way: &Arc<Way>, from: &TcpStream, to: &TcpStream) {
    let (Ok(mut from), Ok(mut to), Ok(handle)) = (from.try_clone(), to.try_clone(), to.try_clone())
    else {
        return;
    };
    let _ = to.set_nodelay(true);
    way.state.lock().expect("no panic").streams.push(handle);
    let way = Arc::clone(way);
    thread::spawn(move || {
        let mut bytes = [0; 16 << 10];
        loop {
            let read = from.read(&mut bytes).unwrap_or(0);
            let state = way.state.lock().expect("no panic");
            let wait = way.changed.wait_while(state, |state| state.silent);
            let mut state = wait.expect("no panic");
            let lost = state.loses_commit.then(|| commit_in(&bytes[..read])).flatten();
            state.loses_commit &= lost.is_none();
            drop(state);
            let (before, behind) = match lost {
                Some(at) => (&bytes[..at], &bytes[at + COMMIT_BYTES..read]),
                None => (&bytes[..read], &[][..]),
            };
            if read == 0 || to.write_all(before).and_then(|()| to.write_all(behind)).is_err() {
                let _ = to.shutdown(Shutdown::Both);
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
        }
    });
}

/// A COMMIT: its type, the zxid, and neither data nor identities.
const COMMIT_BYTES: usize = 20;

/// Where a COMMIT begins.
fn commit_in(bytes: &[u8]) -> Option<usize> {
    let is_commit = |packet: &[u8]| packet[..4] == [0, 0, 0, 4] && packet[12..] == [255; 8];
    bytes.windows(COMMIT_BYTES).position(is_commit)
}
