//! The same clients at real servers: what they see is judged by the same rules.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use history::{History, Recorder};
use store::Store;
use wire::jute::{Reader, Record};
use wire::txn::TxnBlob;

use crate::client::{Client, Modes, Trouble};
use crate::rng::Rng;
use crate::translate;

/// Clients of real servers.
#[derive(Clone, Debug)]
pub struct Driven {
    /// Where the servers listen for clients.
    pub servers: Vec<SocketAddr>,
    /// How many clients.
    pub clients: usize,
    /// What they ask for follows from it; what happens does not.
    pub seed: u64,
    /// Of the session time-outs, 2 to 11 of them.
    pub tick: Duration,
    /// Requests of a client at once.
    pub depth: usize,
    /// How they watch nodes.
    pub modes: Modes,
}

/// Lets the clients work until `is_over`, and then until everything is answered and their sessions
/// are closed, or ten seconds are over. `answers` counts what was answered. Nobody else may write.
/// The history is without the log, and right if the servers' trees were new: else see [`known`].
///
/// # Errors
/// A server said what no server may say.
pub fn drive(
    driven: &Driven,
    is_over: &AtomicBool,
    answers: &AtomicU64,
) -> Result<History, String> {
    let (began, recorder) = (Instant::now(), Mutex::new(Recorder::new()));
    let mut rng = Rng::new(driven.seed);
    let wrong = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..driven.clients)
            .map(|id| {
                // Its transactions are told by session and xid in the servers' own files.
                let mut client =
                    Client::new(id, rng.fork(), driven.tick, driven.depth, driven.modes);
                client.restarts = false;
                let (recorder, servers) = (&recorder, &driven.servers);
                scope.spawn(move || {
                    let connected = Connected { client, stream: None, servers, recorder, began };
                    connected.work(is_over, answers)
                })
            })
            .collect();
        let ends = threads.into_iter().map(|thread| match thread.join() {
            Ok(end) => end,
            Err(_) => Err("a client panicked".to_owned()),
        });
        ends.collect::<Result<Vec<()>, String>>().err()
    });
    match wrong {
        Some(wrong) => Err(wrong),
        None => Ok(recorder.into_inner().unwrap_or_else(PoisonError::into_inner).finish()),
    }
}

/// The transaction log in a copy of a server's data directory with all of its log files and only
/// the first snapshot, `snapshot.0`: from the first transaction on. `None`: the server does not
/// have all of them, since it was sent a snapshot.
///
/// # Errors
/// The copy cannot be read.
pub fn log_of(copy: &Path) -> Result<Option<Vec<Bytes>>, String> {
    let options = store::Options { preallocate_bytes: 0, ..Default::default() };
    let (_, recovered) = Store::open(copy, copy, options).map_err(|error| error.to_string())?;
    let begins = recovered.snapshot.as_ref().is_some_and(|snapshot| snapshot.zxid() == 0);
    Ok(begins.then(|| recovered.log.into_iter().map(|entry| entry.blob).collect()))
}

/// A history with the log of its servers, of which it has not seen what is up to `since`.
///
/// # Errors
/// The log cannot be read.
pub fn known(history: History, log: &[Bytes], since: i64) -> Result<History, String> {
    let mut before = znode::Tree::new(znode::Options::default());
    let mut recorder = Recorder::new();
    let mut behind = Vec::new();
    for payload in log {
        let blob = TxnBlob::decode(&mut Reader::with_limit(payload, payload.len()));
        let blob = blob.map_err(|error| error.to_string())?;
        if blob.header.zxid <= since {
            before.apply(&blob.header, &blob.txn);
        } else {
            behind.push(translate::transaction(payload)?);
        }
    }
    recorder.start(translate::tree(&before));
    for transaction in behind {
        recorder.transaction(transaction);
    }
    let mut whole = recorder.finish();
    whole.append(history);
    Ok(whole)
}

/// The zxid of the last transaction of a log; 0 of an empty one.
///
/// # Errors
/// The log cannot be read.
pub fn last_of(log: &[Bytes]) -> Result<i64, String> {
    log.last().map_or(Ok(0), |payload| Ok(translate::transaction(payload)?.zxid.0))
}

struct Connected<'a> {
    client: Client,
    stream: Option<TcpStream>,
    servers: &'a [SocketAddr],
    recorder: &'a Mutex<Recorder>,
    began: Instant,
}

/// A client that is not answered for so long does not wait any longer at the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at the socket.
const LOOK: Duration = Duration::from_millis(1);

impl Connected<'_> {
    fn work(mut self, is_over: &AtomicBool, answers: &AtomicU64) -> Result<(), String> {
        let (mut stops_at, mut counted) = (None, 0);
        loop {
            let stops = is_over.load(Ordering::Relaxed);
            if stops {
                let since = *stops_at.get_or_insert_with(Instant::now);
                if self.client.session.is_none() || since.elapsed() > PATIENCE {
                    return Ok(());
                }
                if let Some(bytes) = self.with(Client::end) {
                    self.write(&bytes);
                }
            }
            if self.stream.is_none() && !self.connect() {
                std::thread::sleep(LOOK * 20);
                continue;
            }
            self.read()?;
            self.speak(stops);
            answers.fetch_add(self.client.answers - counted, Ordering::Relaxed);
            counted = self.client.answers;
        }
    }

    fn with<T>(&mut self, tell: impl FnOnce(&mut Client, Duration, &mut Recorder) -> T) -> T {
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        tell(&mut self.client, self.began.elapsed(), &mut recorder)
    }

    fn lost(&mut self) {
        self.stream = None;
        self.with(|client, at, recorder| client.lost(at, recorder));
    }

    fn connect(&mut self) -> bool {
        let Some(&server) = self.client.rng.pick(self.servers) else { return false };
        let connected = TcpStream::connect_timeout(&server, LOOK * 200).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(LOOK))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        let Ok(stream) = connected else { return false };
        let hello = self.with(|client, at, _| client.hello(1, at));
        self.stream = Some(stream);
        self.write(&hello);
        true
    }

    fn write(&mut self, bytes: &[u8]) {
        let written = self.stream.as_mut().map(|stream| stream.write_all(bytes));
        if let Some(Err(_)) = written {
            self.lost();
        }
    }

    fn read(&mut self) -> Result<(), String> {
        let mut bytes = [0; 64 << 10];
        let Some(stream) = &mut self.stream else { return Ok(()) };
        match stream.read(&mut bytes) {
            Ok(0) => self.lost(),
            Ok(count) => {
                let heard =
                    self.with(|client, at, recorder| client.hear(&bytes[..count], at, recorder));
                match heard {
                    Ok(out) if out.is_empty() => {}
                    Ok(out) => self.write(&out),
                    Err(Trouble::Expired) => self.lost(),
                    Err(Trouble::Wrong(why)) => return Err(why),
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.lost(),
        }
        Ok(())
    }

    fn speak(&mut self, stops: bool) {
        let silent = self.began.elapsed().saturating_sub(self.client.heard_at);
        if self.stream.is_some() && silent > self.client.timeout * 2 / 3 {
            return self.lost();
        }
        if let Some(bytes) = self.with(|client, at, recorder| client.speak(at, stops, recorder)) {
            self.write(&bytes);
        }
    }
}
