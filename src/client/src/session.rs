//! A client over TCP: it looks for a server that serves, and for another one when it is lost.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use wire::ErrorCode;
use wire::client::{Request, Response, WatcherEvent};

use crate::protocol::{Heard, Options, Protocol};
use crate::target::Target;

/// Why a request has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// The servers refuse it.
    #[error("{}", name(*.0))]
    Refused(i32),
    /// The connection ended: whether it was done is not known.
    #[error("the connection was lost ({0}): whether the request was done is not known")]
    Lost(String),
    /// The servers do not believe who the client says it is.
    #[error("authentication failed")]
    AuthFailed,
    /// The client has closed its session.
    #[error("the session is closed")]
    Closed,
}

/// ZooKeeper's name of an error code.
fn name(code: i32) -> String {
    ErrorCode::from_code(code).map_or_else(|| format!("error {code}"), |code| code.to_string())
}

/// What happens to a client besides answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Its session has begun, or goes on.
    Connected {
        /// The server, as the connect string has it.
        server: String,
        /// The session's id.
        session: i64,
        /// The time-out that was granted.
        timeout: Duration,
        /// The server has no quorum: only reads are answered.
        read_only: bool,
    },
    /// A server is not there, or the connection to it is over.
    Lost {
        /// The server, as the connect string has it.
        server: String,
        /// Why.
        reason: String,
    },
    /// Something that it watches has changed.
    Event(WatcherEvent),
    /// The servers do not believe who it says it is.
    AuthFailed,
    /// Its session is over; it asks for another one.
    Expired,
}

type Answer = Result<Response, Failure>;

struct Wanted {
    request: Request,
    answer: oneshot::Sender<Answer>,
}

/// A session with an ensemble. Requests wait until a server serves; each is asked once.
pub struct Client {
    wanted: mpsc::Sender<Wanted>,
}

/// Requests that may wait.
const WAITING_MAX: usize = 1024;

/// How long a server may take to accept a connection and to begin the session.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Between two rounds through the servers.
const PAUSE: Duration = Duration::from_millis(200);

impl Client {
    /// Begins to look for a server. What happens is told to whoever holds the receiver.
    pub fn start(target: Target, options: Options) -> (Self, mpsc::UnboundedReceiver<Notice>) {
        let (wanted, asked) = mpsc::channel(WAITING_MAX);
        let (notices, told) = mpsc::unbounded_channel();
        let Target { servers, chroot } = target;
        let protocol = Protocol::new(Options { root: chroot, ..options });
        let driver = Driver {
            servers,
            protocol,
            asked,
            waiting: BTreeMap::new(),
            notices,
            has_failed: false,
            is_over: false,
        };
        tokio::spawn(driver.run());
        (Self { wanted }, told)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// There is none.
    pub async fn ask(&self, request: Request) -> Answer {
        let (answer, answered) = oneshot::channel();
        let wanted = Wanted { request, answer };
        self.wanted.send(wanted).await.map_err(|_| Failure::Closed)?;
        answered.await.unwrap_or(Err(Failure::Closed))
    }

    /// Ends the session, and waits a moment for it.
    pub async fn close(&self) {
        let _ = timeout(Duration::from_secs(2), self.ask(Request::CloseSession)).await;
    }
}

/// The task that has the connection.
struct Driver {
    servers: Vec<String>,
    protocol: Protocol,
    asked: mpsc::Receiver<Wanted>,
    /// Who waits for an answer, by the number of the request; several have that of auth.
    waiting: BTreeMap<i32, VecDeque<oneshot::Sender<Answer>>>,
    notices: mpsc::UnboundedSender<Notice>,
    /// The servers do not believe who it says it is: nothing is asked any more.
    has_failed: bool,
    /// It has asked for the end of its session, or nobody asks for anything any more.
    is_over: bool,
}

impl Driver {
    async fn run(mut self) {
        let mut at = 0;
        while !self.is_over && !self.has_failed {
            let server = self.servers[at % self.servers.len()].clone();
            let connected = timeout(CONNECT_MAX, TcpStream::connect(&*server)).await;
            let lost = match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => self.talk(stream, &server).await,
                Err(error) => Err(error),
            };
            at += 1;
            let reason = lost.map_or_else(|error| error.to_string(), |()| "closed".to_owned());
            self.protocol.lost();
            for (_, waiting) in std::mem::take(&mut self.waiting) {
                for answer in waiting {
                    let failure = if self.has_failed {
                        Failure::AuthFailed
                    } else {
                        Failure::Lost(reason.clone())
                    };
                    let _ = answer.send(Err(failure));
                }
            }
            if !self.is_over && !self.has_failed {
                let _ = self.notices.send(Notice::Lost { server, reason });
                if at % self.servers.len() == 0 {
                    sleep(PAUSE).await;
                }
            }
        }
        while let Some(Wanted { answer, .. }) = self.asked.recv().await {
            let failure = if self.has_failed { Failure::AuthFailed } else { Failure::Closed };
            let _ = answer.send(Err(failure));
        }
    }

    /// Over one connection, until it is of no use any more.
    async fn talk(&mut self, mut stream: TcpStream, server: &str) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = stream.split();
        let (mut out, mut sent) = (self.protocol.hello(), 0);
        let (mut arrived, mut heard) = (BytesMut::new(), Vec::new());
        let (mut heard_at, mut spoke_at) = (Instant::now(), Instant::now());
        loop {
            let is_open = self.protocol.is_open();
            let timeout = self.protocol.timeout();
            let silence = if is_open { timeout * 2 / 3 } else { CONNECT_MAX };
            let until = if is_open {
                (heard_at + silence).min(spoke_at + timeout / 3)
            } else {
                heard_at + silence
            };
            tokio::select! {
                read = reader.read_buf(&mut arrived) => {
                    if read? == 0 {
                        return Err(io::Error::other("the server has closed the connection"));
                    }
                    heard_at = Instant::now();
                    self.protocol
                        .hear(&arrived, &mut heard, &mut out)
                        .map_err(io::Error::other)?;
                    arrived.clear();
                    for heard in heard.drain(..) {
                        if self.tell(heard, server) {
                            return Ok(());
                        }
                    }
                }
                written = writer.write(&out[sent..]), if sent < out.len() => {
                    sent += written?;
                    if sent == out.len() {
                        out.clear();
                        sent = 0;
                    }
                }
                wanted = self.asked.recv(), if is_open && !self.is_over => {
                    let Some(wanted) = wanted else {
                        self.is_over = true;
                        return Ok(());
                    };
                    spoke_at = Instant::now();
                    self.is_over = wanted.request == Request::CloseSession;
                    let number = self.protocol.ask(wanted.request, &mut out);
                    self.waiting.entry(number).or_default().push_back(wanted.answer);
                }
                () = sleep_until(until) => {
                    if heard_at.elapsed() >= silence {
                        return Err(io::Error::other(format!("nothing was heard for {silence:?}")));
                    }
                    spoke_at = Instant::now();
                    self.protocol.ask(Request::Ping, &mut out);
                }
            }
        }
    }

    /// Passes on what was heard. True: the connection is of no use any more.
    fn tell(&mut self, heard: Heard, server: &str) -> bool {
        let (notice, ends) = match heard {
            Heard::Connected { session, timeout, read_only, resumed: _ } => {
                let server = server.to_owned();
                (Notice::Connected { server, session, timeout, read_only }, false)
            }
            Heard::Answer { number, result } => {
                let answer = self.waiting.get_mut(&number).and_then(VecDeque::pop_front);
                if let Some(answer) = answer {
                    let _ = answer.send(result.map_err(Failure::Refused));
                }
                // The last answer of a session is that to its close.
                return self.is_over && self.waiting.values().all(VecDeque::is_empty);
            }
            Heard::Event(event) => (Notice::Event(event), false),
            Heard::AuthFailed => {
                self.has_failed = true;
                (Notice::AuthFailed, true)
            }
            Heard::Expired => (Notice::Expired, true),
        };
        let _ = self.notices.send(notice);
        ends
    }
}
