//! The task of one client's connection: bytes in, answers out.

use std::sync::Arc;

use node::{
    Chunk, ClientBatch, ClientRequest, Connection, Hello, Inbound, NO_SESSION, Next,
    SESSIONLESS_TIMEOUT, SessionSets, WORD_TIMEOUT, answer, is_costly, is_executed,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::debug;
use wire::client::FourLetterWord;

use super::port::ClientPort;
use crate::bell::Bell;
use crate::tls::{Accepts, Reading, TLS_AT_PLAIN_PORT, Writing, is_tls};

/// What wakes the task of a connection.
#[derive(Clone, Default)]
pub(super) struct Bells {
    /// There is something to write.
    pub(super) news: Bell,
    /// Something was left to the task, or this server has ended the connection.
    pub(super) stirred: Bell,
}

pub(super) async fn serve(
    stream: TcpStream,
    accepts: Accepts,
    connection: Arc<Connection>,
    bells: Bells,
    port: Arc<ClientPort>,
) {
    let inbound = Inbound::new(Arc::clone(&connection), Arc::clone(&port.shared));
    let mut client =
        Client { inbound, connection: Arc::clone(&connection), bells, port: Arc::clone(&port) };
    if let Err(reason) = client.run(stream, &accepts).await {
        debug!("client {}: {reason}", connection.address());
    }
    port.shared.remove(&connection);
    // An engine that has ended hears nothing any more.
    let _ = port.engine.ended.send(connection);
}

struct Client {
    inbound: Inbound,
    connection: Arc<Connection>,
    bells: Bells,
    port: Arc<ClientPort>,
}

/// Waits until the server ends the connection. Whoever waits for this looks at
/// [`Connection::is_held_back`] afterwards: the task may have been stirred for that.
async fn closed(connection: &Connection, stirred: &Bell) {
    while !connection.is_cut() {
        stirred.rung().await;
    }
}

/// What is to be written next, once there is something. Dropping the future loses nothing.
async fn next(connection: &Connection, news: &Bell) -> Next<std::convert::Infallible> {
    loop {
        if let Some(next) = connection.outbox().next() {
            return next;
        }
        news.rung().await;
    }
}

impl Client {
    async fn run(&mut self, stream: TcpStream, accepts: &Accepts) -> Result<(), String> {
        stream.set_nodelay(true).map_err(text)?;
        let (connection, stirred) = (Arc::clone(&self.connection), self.bells.stirred.clone());
        let stream = tokio::select! {
            stream = self.port.secure(stream, &connection, accepts) => stream.inspect_err(|reason| {
                self.port.refuse(&connection, reason);
            })?,
            () = closed(&connection, &stirred) => return Ok(()),
        };
        let (mut reading, writing) = stream.into_split();
        let hello = tokio::select! {
            hello = timeout(SESSIONLESS_TIMEOUT, self.hello(&mut reading)) => hello,
            () = closed(&connection, &stirred) => return Ok(()),
        };
        match hello {
            Err(_) => {
                self.port.shared.counts().sessionless_expired.one();
                return Err("it did not begin a session in time".to_owned());
            }
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
    async fn begin(&mut self, request: ClientRequest, reading: &mut Reading) -> Result<(), String> {
        let (connection, engine) = (Arc::clone(&self.connection), self.port.engine.batches.clone());
        let stirred = self.bells.stirred.clone();
        let batch = ClientBatch { connection: Arc::clone(&connection), requests: vec![request] };
        let patience = self.inbound.patience();
        tokio::select! {
            biased;
            // An engine that has ended hears nothing any more.
            _ = engine.send(batch) => Ok(()),
            ended = self.read_ahead(reading) => ended,
            () = closed(&connection, &stirred) => Err("it was closed".to_owned()),
            () = sleep(patience) => Err(NO_SESSION.to_owned()),
        }
    }

    /// Reads what is not to be looked at yet, up to a bound, so that the client's end is noticed.
    /// Ends with the client.
    async fn read_ahead(&mut self, reading: &mut Reading) -> Result<(), String> {
        while self.inbound.may_read_ahead() {
            self.read(reading).await?;
        }
        std::future::pending().await
    }

    /// The first message: a four-letter word, or a ConnectRequest.
    async fn hello(&mut self, reading: &mut Reading) -> Result<Hello, String> {
        loop {
            match self.inbound.hello() {
                Ok(Some(hello)) => return Ok(hello),
                Ok(None) => self.read(reading).await?,
                Err(_) if is_tls(self.inbound.room()) => {
                    self.port.refuse(&self.connection, TLS_AT_PLAIN_PORT);
                    return Err(TLS_AT_PLAIN_PORT.to_owned());
                }
                Err(reason) => return Err(reason),
            }
        }
    }

    async fn read(&mut self, reading: &mut Reading) -> Result<(), String> {
        match reading.read_buf(self.inbound.room()).await.map_err(text)? {
            0 => Err("it went away".to_owned()),
            _ => Ok(()),
        }
    }

    /// Requests and answers. What the client sends before its session is established is not looked
    /// at; that it ends is noticed, and it has no session for so long only.
    async fn converse(&mut self, mut reading: Reading, mut writing: Writing) -> Result<(), String> {
        let (connection, bells) = (Arc::clone(&self.connection), self.bells.clone());
        let deadline = Instant::now() + self.inbound.patience();
        loop {
            let begun = connection.session() != 0;
            connection.listens(false);
            let took_long = self.go_on().await?;
            let listens = begun && connection.wants_input();
            // What took long leaves before more is asked for: so the end of a client is noticed.
            if listens && self.inbound.is_held_back() && !took_long {
                self.requests().await?;
                continue;
            }
            let reads = if begun { listens } else { self.inbound.may_read_ahead() };
            connection.listens(reads);
            tokio::select! {
                biased;
                next = next(&connection, &bells.news) => match next {
                    Next::Write(Chunk::Bytes(bytes)) => {
                        connection.listens(begun);
                        tokio::select! {
                            biased;
                            written = self.write(&mut writing, &bytes, &mut reading) => {
                                written?;
                                drop(bytes);
                                connection.outbox().written();
                            }
                            () = closed(&connection, &bells.stirred) => return Ok(()),
                        }
                    }
                    Next::Write(Chunk::Large(never)) => match never {},
                    Next::End => return writing.shutdown().await.map_err(text),
                },
                () = bells.stirred.rung() => {
                    if connection.is_cut() {
                        return Ok(());
                    }
                }
                arrived = self.read(&mut reading), if reads => {
                    arrived?;
                    connection.listens(false);
                    if begun {
                        connection.touch(self.port.clock.at());
                        self.requests().await?;
                    } else {
                        self.inbound.hold_back();
                    }
                }
                // Not even made where it is not waited for.
                () = async { sleep_until(deadline).await }, if !begun => return Err(NO_SESSION.to_owned()),
            }
        }
    }

    /// Answers the reads that were left to this task. Those that take long run one at a time in
    /// this server, the addresses of clients in turns, beside the threads that all connections and
    /// the engine share. Whether there was one.
    async fn go_on(&self) -> Result<bool, String> {
        let (connection, port) = (&self.connection, &self.port);
        if !connection.is_held_back() {
            return Ok(false);
        }
        if !connection.next_is_costly() {
            connection.go_on(&port.shared, port.clock.at());
            return Ok(false);
        }
        let turn = tokio::select! {
            turn = port.costly.wait(connection.address().ip()) => turn,
            () = closed(connection, &self.bells.stirred) => return Err("it was closed".to_owned()),
        };
        let (connection, port) = (Arc::clone(connection), Arc::clone(port));
        // It has its turn until it has ended, also if nobody waits for it any more.
        let go_on = move || {
            connection.go_on(&port.shared, port.clock.at());
            drop(turn);
        };
        tokio::task::spawn_blocking(go_on).await.map_err(text)?;
        Ok(true)
    }

    /// Writes all of this. Meanwhile a client lives as long as it takes some of it, or says
    /// something; one that takes nothing for longer than [`Inbound::patience`] is gone.
    async fn write(
        &mut self,
        writing: &mut Writing,
        mut bytes: &[u8],
        reading: &mut Reading,
    ) -> Result<(), String> {
        let connection = Arc::clone(&self.connection);
        // Who asked a four-letter word may say no more, and waits for all of the answer.
        let begun = connection.session() != 0;
        let mut has_ended = false;
        let mut deadline = Instant::now() + self.inbound.patience();
        let mut has_left = !writing.is_tls();
        while !bytes.is_empty() || !has_left {
            let reads_ahead = begun && !has_ended && self.inbound.may_read_ahead();
            tokio::select! {
                biased;
                written = write_some(writing, bytes) => {
                    match written.map_err(text)? {
                        None => has_left = true,
                        Some(0) => return Err("it takes no more bytes".to_owned()),
                        Some(count) => bytes = &bytes[count..],
                    }
                    deadline = Instant::now() + self.inbound.patience();
                }
                arrived = self.read(reading), if reads_ahead => match arrived {
                    Ok(()) => self.inbound.hold_back(),
                    // It may wait for its answers all the same: what it had asked for is done.
                    Err(_) => has_ended = true,
                },
                () = async { sleep_until(deadline).await } => {
                    return Err("it does not read what it is sent".to_owned());
                }
            }
            if !bytes.is_empty() {
                connection.touch(self.port.clock.at());
            }
        }
        Ok(())
    }

    /// The requests that have arrived whole.
    async fn requests(&mut self) -> Result<(), String> {
        let asked = self.inbound.requests(self.port.clock.at())?;
        if asked.is_empty() { Ok(()) } else { self.ask(asked).await }
    }

    /// Answers a word; the connection ends behind it.
    ///
    /// A word of four bytes may ask for a list of everything there is. Such lists are made one at a
    /// time, for the addresses of clients in turns, beside the threads that all connections and the
    /// engine share, and count as what clients have not read yet.
    async fn word(&self, word: FourLetterWord) -> Result<(), String> {
        let (connection, port, now) = (&self.connection, &self.port, self.port.clock.now());
        let text = if is_costly(word) && is_executed(word, &port.shared) {
            let turn = tokio::select! {
                turn = port.words.wait(connection.address().ip()) => turn,
                () = closed(connection, &self.bells.stirred) => return Err("it was closed".to_owned()),
            };
            let (sets, shared) = (self.session_sets(word).await, Arc::clone(&port.shared));
            let made = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                answer(word, sets, &shared, now)
            });
            made.await.map_err(text)?
        } else {
            answer(word, None, &port.shared, now)
        };
        connection.tell_and_end(text, &port.shared);
        Ok(())
    }

    /// What `dump` shows of sessions; `None` of a server that does not lead.
    async fn session_sets(&self, word: FourLetterWord) -> Option<SessionSets> {
        if word != FourLetterWord::Dump {
            return None;
        }
        let (sender, sets) = oneshot::channel();
        // Whoever asked may be gone.
        let tell = Box::new(|sets| drop(sender.send(sets)));
        match self.ask(vec![ClientRequest::SessionSets(tell)]).await {
            Ok(()) => sets.await.ok(),
            Err(_) => None,
        }
    }

    /// Waits while the engine is behind. One that has ended hears nothing any more.
    async fn ask(&self, requests: Vec<ClientRequest>) -> Result<(), String> {
        let connection = Arc::clone(&self.connection);
        tokio::select! {
            biased;
            _ = self.port.engine.batches.send(ClientBatch { connection, requests }) => Ok(()),
            () = closed(&self.connection, &self.bells.stirred) => Err("it was closed".to_owned()),
        }
    }
}

/// Writes some of this. If nothing is left to write, `None` once all of it has left.
async fn write_some(writing: &mut Writing, bytes: &[u8]) -> std::io::Result<Option<usize>> {
    if bytes.is_empty() {
        return writing.flush().await.map(|()| None);
    }
    writing.write(bytes).await.map(Some)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
