//! The task of one client's connection: bytes in, answers out.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, warn};
use wire::ErrorCode;
use wire::client::{AuthPacket, FourLetterWord, Frames, Incoming, OpCode, Request, RequestHeader};
use wire::jute::{Reader, Record};

use super::connection::Connection;
use super::counters::Tally;
use super::handshake::{self, Hello};
use super::shared::Shared;
use super::{ClientBatch, ClientRequest, EngineSender, SessionSets, auth, words};
use crate::compat::{self, Operation};
use crate::outbox::{Chunk, Next};

/// How much is read at once.
const READ_BYTES: usize = 16 << 10;

/// A connection that does not begin a session within this time is closed.
/// (`zookeeper.nio.sessionlessCnxnTimeout`.)
const SESSIONLESS_TIMEOUT: Duration = Duration::from_secs(10);

/// A four-letter word is answered, and the answer read, within this time.
const WORD_TIMEOUT: Duration = Duration::from_secs(10);

/// What is read before there is a session to which it could belong.
const READ_AHEAD_BYTES: usize = READ_BYTES;

const NO_SESSION: &str = "the session that it asked for did not begin in time";

pub(super) async fn serve(
    stream: TcpStream,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
    engine: EngineSender,
) {
    let EngineSender { batches, ended } = engine;
    let mut client = Client {
        frames: Frames::new(shared.config.jute_max_buffer as usize),
        buffer: BytesMut::new(),
        held_back: true,
        connection: Arc::clone(&connection),
        shared: Arc::clone(&shared),
        engine: batches,
    };
    if let Err(reason) = client.run(stream).await {
        debug!("client {}: {reason}", connection.address());
    }
    shared.remove(&connection);
    // An engine that has ended hears nothing any more.
    let _ = ended.send(connection);
}

struct Client {
    frames: Frames,
    buffer: BytesMut,
    /// Whether the buffer may hold whole requests, which wait until the client has taken more of
    /// its answers.
    held_back: bool,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
    engine: mpsc::Sender<ClientBatch>,
}

impl Client {
    async fn run(&mut self, stream: TcpStream) -> Result<(), String> {
        stream.set_nodelay(true).map_err(text)?;
        let (mut reading, writing) = stream.into_split();
        let connection = Arc::clone(&self.connection);
        let hello = tokio::select! {
            hello = timeout(SESSIONLESS_TIMEOUT, self.hello(&mut reading)) => hello,
            () = connection.closed() => return Ok(()),
        };
        match hello {
            Err(_) => return Err("it did not begin a session in time".to_owned()),
            Ok(Err(reason)) => return Err(reason),
            Ok(Ok(Hello::Word(word))) => {
                let answered = async {
                    self.word(word).await?;
                    self.converse(reading, writing).await
                };
                return match timeout(WORD_TIMEOUT, answered).await {
                    Ok(answered) => answered,
                    Err(_) => Err("it does not read the answer to its word in time".to_owned()),
                };
            }
            Ok(Ok(Hello::Session(request))) => self.begin(request, &mut reading).await?,
        }
        self.converse(reading, writing).await
    }

    /// Asks the engine for the session. The client may go away while the engine is behind.
    async fn begin(
        &mut self,
        request: ClientRequest,
        reading: &mut OwnedReadHalf,
    ) -> Result<(), String> {
        let (connection, engine) = (Arc::clone(&self.connection), self.engine.clone());
        let batch = ClientBatch { connection: Arc::clone(&connection), requests: vec![request] };
        let patience = self.patience();
        tokio::select! {
            biased;
            // An engine that has ended hears nothing any more.
            _ = engine.send(batch) => Ok(()),
            ended = self.read_ahead(reading) => ended,
            () = connection.closed() => Err("it was closed".to_owned()),
            () = sleep(patience) => Err(NO_SESSION.to_owned()),
        }
    }

    /// Reads what is not to be looked at yet, up to a bound, so that the client's end is noticed.
    /// Ends with the client.
    async fn read_ahead(&mut self, reading: &mut OwnedReadHalf) -> Result<(), String> {
        while self.buffer.len() < READ_AHEAD_BYTES {
            self.read(reading).await?;
        }
        std::future::pending().await
    }

    /// The first message: a four-letter word, or a ConnectRequest.
    async fn hello(&mut self, reading: &mut OwnedReadHalf) -> Result<Hello, String> {
        loop {
            match self.frames.next(&mut self.buffer).map_err(text)? {
                Some(Incoming::Word(word)) => return Ok(Hello::Word(word)),
                Some(Incoming::Frame(frame)) => {
                    return handshake::connect(&frame, &self.connection, &self.shared);
                }
                None => self.read(reading).await?,
            }
        }
    }

    async fn read(&mut self, reading: &mut OwnedReadHalf) -> Result<(), String> {
        self.buffer.reserve(READ_BYTES);
        match reading.read_buf(&mut self.buffer).await.map_err(text)? {
            0 => Err("it went away".to_owned()),
            _ => Ok(()),
        }
    }

    /// Requests and answers. What the client sends before its session is established is not looked
    /// at; that it ends is noticed, and it has no session for so long only.
    async fn converse(
        &mut self,
        mut reading: OwnedReadHalf,
        mut writing: OwnedWriteHalf,
    ) -> Result<(), String> {
        let connection = Arc::clone(&self.connection);
        let deadline = Instant::now() + self.patience();
        loop {
            let begun = connection.session() != 0;
            let took_long = self.go_on().await?;
            let listens = begun && connection.wants_input();
            // What took long leaves before more is asked for: so the end of a client is noticed.
            if listens && self.held_back && !took_long {
                self.requests().await?;
                continue;
            }
            let reads = if begun { listens } else { self.buffer.len() < READ_AHEAD_BYTES };
            tokio::select! {
                biased;
                next = connection.outbox.next() => match next {
                    Next::Write(Chunk::Bytes(bytes)) => {
                        tokio::select! {
                            biased;
                            written = self.write(&mut writing, &bytes) => {
                                written?;
                                drop(bytes);
                                connection.outbox.written();
                            }
                            () = connection.closed() => return Ok(()),
                        }
                    }
                    Next::Write(Chunk::Large(never)) => match never {},
                    Next::End => return writing.shutdown().await.map_err(text),
                },
                () = connection.stirred() => {
                    if connection.is_cut() {
                        return Ok(());
                    }
                }
                arrived = self.read(&mut reading), if reads => {
                    arrived?;
                    if begun {
                        connection.touch();
                        self.requests().await?;
                    } else {
                        self.held_back = true;
                    }
                }
                // Not even made where it is not waited for.
                () = async { sleep_until(deadline).await }, if !begun => return Err(NO_SESSION.to_owned()),
            }
        }
    }

    /// Answers the reads that were left to this task. Those that take long run one at a time in
    /// this server, beside the threads that all connections and the engine share. Whether there was
    /// one.
    async fn go_on(&self) -> Result<bool, String> {
        let (connection, shared) = (&self.connection, &self.shared);
        if !connection.is_held_back() {
            return Ok(false);
        }
        if !connection.next_is_costly() {
            connection.go_on(shared);
            return Ok(false);
        }
        let _turn = tokio::select! {
            turn = shared.costly.lock() => turn,
            () = connection.closed() => return Err("it was closed".to_owned()),
        };
        let (connection, shared) = (Arc::clone(connection), Arc::clone(shared));
        tokio::task::spawn_blocking(move || connection.go_on(&shared)).await.map_err(text)?;
        Ok(true)
    }

    /// How long the client may do nothing that it has to do: its session may be silent for that
    /// long.
    fn patience(&self) -> Duration {
        let timeout_ms = u64::try_from(self.connection.timeout_ms()).unwrap_or(0);
        Duration::from_millis(timeout_ms).max(SESSIONLESS_TIMEOUT)
    }

    /// A client that takes nothing for as long as its session may be silent is gone.
    async fn write(&self, writing: &mut OwnedWriteHalf, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let written = timeout(self.patience(), writing.write(bytes)).await;
            match written.map_err(|_| "it does not read what it is sent".to_owned())? {
                Ok(0) => return Err("it takes no more bytes".to_owned()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// The requests that have arrived whole, as many as the bounds of the connection allow: a few
    /// bytes may ask for a thousand times as many.
    async fn requests(&mut self) -> Result<(), String> {
        let (mut asked, mut tally) = (Vec::new(), Tally::default());
        let taken = self.take_requests(&mut asked, &mut tally);
        tally.count(&self.connection.stats, &self.shared.stats);
        taken?;
        if asked.is_empty() { Ok(()) } else { self.ask(asked).await }
    }

    fn take_requests(
        &mut self,
        asked: &mut Vec<ClientRequest>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        loop {
            self.held_back = !self.connection.wants_input();
            if self.held_back {
                return Ok(());
            }
            let Some(incoming) = self.frames.next(&mut self.buffer).map_err(text)? else {
                return Ok(());
            };
            if let Incoming::Frame(frame) = incoming {
                tally.received();
                self.connection.count_request(frame.len());
                self.request(frame, asked, tally)?;
            }
        }
    }

    fn request(
        &self,
        frame: Bytes,
        asked: &mut Vec<ClientRequest>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let mut reader = Reader::with_limit(&frame, self.shared.config.jute_max_buffer as usize);
        let header = RequestHeader::decode(&mut reader).map_err(text)?;
        let (connection, shared, xid) = (&self.connection, &self.shared, header.xid);
        connection.stats.asked(xid, header.op);
        let Some(op) = OpCode::from_code(header.op) else {
            connection.unimplemented(xid, shared);
            return Ok(());
        };
        match compat::operation(op) {
            Operation::Read => {
                let tree = shared.read_tree();
                match Request::decode(op, &mut reader) {
                    Ok(request) => connection.read(xid, request, &tree, shared, tally),
                    Err(error) => {
                        debug!("client {}: {op}: {error}", connection.address());
                        connection.refuse(xid, ErrorCode::MarshallingError, &tree, shared);
                    }
                }
            }
            Operation::Write => {
                connection.push_write(xid, op);
                let auth = connection.auth_ids();
                asked.push(ClientRequest::Write { xid, op, body: reader.rest(), auth });
            }
            Operation::Sync => match Request::decode(op, &mut reader) {
                Ok(Request::Sync(sync)) => {
                    connection.push_sync(xid, sync.path);
                    asked.push(ClientRequest::Sync);
                }
                Ok(_) | Err(_) => {
                    let tree = shared.read_tree();
                    connection.refuse(xid, ErrorCode::MarshallingError, &tree, shared);
                }
            },
            Operation::Auth => self.authenticate(xid, Request::decode(op, &mut reader)),
            Operation::Refused(error) => {
                connection.refuse(xid, error, &shared.read_tree(), shared);
            }
            Operation::Closes(_) if op == OpCode::Sasl => {
                self.auth_failed("sasl");
                connection.refuse_sasl(xid, shared);
            }
            Operation::Closes(_) => connection.unimplemented(xid, shared),
        }
        Ok(())
    }

    /// The client says who it is. A failure ends the connection, as clients expect.
    fn authenticate(&self, xid: i32, packet: Result<Request, wire::jute::Error>) {
        let (connection, address) = (&self.connection, self.connection.address().ip());
        let (scheme, proved) = match packet {
            Ok(Request::Auth(AuthPacket { scheme, auth, .. })) => {
                let proved = auth::proved(&scheme, auth.as_deref(), address);
                (scheme, proved)
            }
            Ok(_) | Err(_) => ("(a packet that cannot be read)".to_owned(), None),
        };
        let is_proved = proved.is_some_and(|id| connection.add_id(id));
        if !is_proved {
            self.auth_failed(&scheme);
        }
        connection.answer_auth(xid, is_proved, &self.shared);
    }

    fn auth_failed(&self, scheme: &str) {
        let address = self.connection.address().ip();
        if let Some(scheme) = self.shared.auth_failed(address, scheme) {
            warn!(
                "client {address} cannot be authenticated by scheme {scheme:?}: digest and ip are known here"
            );
        }
    }

    /// Answers a word; the connection ends behind it.
    ///
    /// A word of four bytes may ask for a list of everything there is. Such lists are made one at a
    /// time, beside the threads that all connections and the engine share, and count as what
    /// clients have not read yet.
    async fn word(&self, word: FourLetterWord) -> Result<(), String> {
        let (connection, shared) = (&self.connection, &self.shared);
        let text = if words::is_costly(word) && words::is_executed(word, shared) {
            let _turn = tokio::select! {
                turn = shared.words.lock() => turn,
                () = connection.closed() => return Err("it was closed".to_owned()),
            };
            let (sets, shared) = (self.session_sets(word).await, Arc::clone(shared));
            let made = tokio::task::spawn_blocking(move || words::answer(word, sets, &shared));
            made.await.map_err(text)?
        } else {
            words::answer(word, None, shared)
        };
        connection.outbox.push(|out| *out = text.into_bytes());
        connection.outbox.close();
        shared.relieve();
        Ok(())
    }

    /// What `dump` shows of sessions; `None` of a server that does not lead.
    async fn session_sets(&self, word: FourLetterWord) -> Option<SessionSets> {
        if word != FourLetterWord::Dump {
            return None;
        }
        let (sender, sets) = oneshot::channel();
        match self.ask(vec![ClientRequest::SessionSets(sender)]).await {
            Ok(()) => sets.await.ok(),
            Err(_) => None,
        }
    }

    /// Waits while the engine is behind. One that has ended hears nothing any more.
    async fn ask(&self, requests: Vec<ClientRequest>) -> Result<(), String> {
        let connection = Arc::clone(&self.connection);
        tokio::select! {
            biased;
            _ = self.engine.send(ClientBatch { connection, requests }) => Ok(()),
            () = self.connection.closed() => Err("it was closed".to_owned()),
        }
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
