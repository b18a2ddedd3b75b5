//! What a client sends: bytes in, requests out, as many as its connection may have in progress.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tracing::{debug, warn};
use wire::ErrorCode;
use wire::client::{AuthPacket, Frames, Incoming, OpCode, Request, RequestHeader};
use wire::jute::{Reader, Record};

use super::connection::Connection;
use super::counters::Tally;
use super::failures::{Failure, UNPROVED, UNREADABLE};
use super::handshake::{self, Hello};
use super::shared::Shared;
use super::{ClientRequest, auth};
use crate::compat::{self, Operation};

/// How much is read at once.
const READ_BYTES: usize = 16 << 10;

/// A connection that does not begin a session within this time is closed.
/// (`zookeeper.nio.sessionlessCnxnTimeout`.)
pub const SESSIONLESS_TIMEOUT: Duration = Duration::from_secs(10);

/// A four-letter word is answered, and the answer read, within this time.
pub const WORD_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests of one connection that go to the node together: those of others come in between, and
/// no more than so many, for each batch taken, are in progress beyond `globalOutstandingLimit`.
const BATCH_MAX: usize = 64;

/// What is read before there is a session to which it could belong.
const READ_AHEAD_BYTES: usize = READ_BYTES;

/// Why a connection ends that has waited for its session.
pub const NO_SESSION: &str = "the session that it asked for did not begin in time";

/// What a client has sent, and what was made of it.
pub struct Inbound {
    frames: Frames,
    buffer: BytesMut,
    /// Whether the buffer may hold whole requests, which wait until the client has taken more of
    /// its answers.
    held_back: bool,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
}

impl Inbound {
    /// Nothing was sent yet.
    pub fn new(connection: Arc<Connection>, shared: Arc<Shared>) -> Self {
        let frames = Frames::new(shared.settings.jute_max_buffer as usize);
        Self { frames, buffer: BytesMut::new(), held_back: true, connection, shared }
    }

    /// Where the next bytes are put, behind those that are there.
    pub fn room(&mut self) -> &mut BytesMut {
        self.buffer.reserve(READ_BYTES);
        &mut self.buffer
    }

    /// Whether more may be read before the session has begun, so that the client's end is noticed.
    pub fn may_read_ahead(&self) -> bool {
        self.buffer.len() < READ_AHEAD_BYTES
    }

    /// Whether what is there may hold whole requests, and was not looked at.
    pub fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// There may be whole requests in what was read.
    pub fn hold_back(&mut self) {
        self.held_back = true;
    }

    /// How long the client may do nothing that it has to do: its session may be silent for that
    /// long.
    pub fn patience(&self) -> Duration {
        let timeout_ms = u64::try_from(self.connection.timeout_ms()).unwrap_or(0);
        Duration::from_millis(timeout_ms).max(SESSIONLESS_TIMEOUT)
    }

    /// The first message, once it is there: a four-letter word, or a ConnectRequest.
    ///
    /// # Errors
    /// The connection has to be closed without an answer.
    pub fn hello(&mut self) -> Result<Option<Hello>, String> {
        match self.frames.next(&mut self.buffer).map_err(text)? {
            Some(Incoming::Word(word)) => Ok(Some(Hello::Word(word))),
            Some(Incoming::Frame(frame)) => {
                handshake::connect(&frame, &self.connection, &self.shared).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The requests that have arrived whole, as many as the bounds of the connection allow: a few
    /// bytes may ask for a thousand times as many. Reads are answered where they can be.
    ///
    /// # Errors
    /// The client sends what is no request: its connection has to be closed.
    pub fn requests(&mut self, at: Duration) -> Result<Vec<ClientRequest>, String> {
        let (mut asked, mut tally) = (Vec::new(), Tally::default());
        let taken = self.take_requests(at, &mut asked, &mut tally);
        tally.count(&self.connection.stats, &self.shared.stats, self.shared.counts());
        taken.map(|()| asked)
    }

    fn take_requests(
        &mut self,
        at: Duration,
        asked: &mut Vec<ClientRequest>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        loop {
            self.held_back =
                asked.len() >= BATCH_MAX || !self.connection.takes(self.next_is_sync());
            if self.held_back {
                return Ok(());
            }
            let Some(incoming) = self.frames.next(&mut self.buffer).map_err(text)? else {
                return Ok(());
            };
            if let Incoming::Frame(frame) = incoming {
                tally.received(frame.len());
                self.connection.count_request(frame.len());
                self.request(frame, at, asked, tally)?;
            }
        }
    }

    /// Whether the next request is a sync: its number stands behind the length and the xid.
    fn next_is_sync(&self) -> bool {
        const OP_AT: usize = 8;
        let op = self.buffer.get(OP_AT..).and_then(<[u8]>::first_chunk).copied();
        op.map(i32::from_be_bytes) == Some(OpCode::Sync.code())
    }

    fn request(
        &self,
        frame: Bytes,
        at: Duration,
        asked: &mut Vec<ClientRequest>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let mut reader = Reader::with_limit(&frame, self.shared.settings.jute_max_buffer as usize);
        let header = RequestHeader::decode(&mut reader).map_err(text)?;
        let (connection, shared, xid) = (&self.connection, &self.shared, header.xid);
        let access = &shared.settings.access;
        connection.stats.asked(xid, header.op);
        let Some(op) = OpCode::from_code(header.op) else {
            connection.unimplemented(xid, shared);
            return Ok(());
        };
        let what = compat::operation(op);
        let needs_proof = !access.required_schemes.is_empty() && what != Operation::Auth;
        if needs_proof && !auth::suffice(&connection.auth_ids(), access) {
            let address = connection.address().ip();
            if let Some(failure) = shared.auth_failed(address, UNPROVED, at) {
                let (required, others) = (access.required_schemes.join(" or "), others(&failure));
                warn!(
                    "client {address} asks for something, and has proved nothing by \
                     {required}{others}"
                );
            }
            connection.demand_proof(xid, shared);
            return Ok(());
        }
        match what {
            Operation::Read => {
                let tree = shared.read_tree();
                match Request::decode(op, &mut reader) {
                    Ok(request) => connection.read(xid, request, &tree, shared, at, tally),
                    Err(error) => {
                        debug!("client {}: {op}: {error}", connection.address());
                        connection.refuse(xid, ErrorCode::MarshallingError, &tree, shared, at);
                    }
                }
            }
            Operation::Write if connection.reads_only() && op != OpCode::CloseSession => {
                let tree = shared.read_tree();
                connection.refuse(xid, ErrorCode::NotReadOnly, &tree, shared, at);
            }
            Operation::Sync if connection.reads_only() => {
                let tree = shared.read_tree();
                connection.refuse(xid, ErrorCode::NotReadOnly, &tree, shared, at);
            }
            Operation::Write => {
                connection.push_write(xid, op, at);
                let auth = connection.auth_ids();
                asked.push(ClientRequest::Write { xid, op, body: reader.rest(), auth });
            }
            Operation::Sync => match Request::decode(op, &mut reader) {
                Ok(Request::Sync(sync)) => {
                    connection.push_sync(xid, sync.path, at);
                    asked.push(ClientRequest::Sync);
                }
                Ok(_) | Err(_) => {
                    let tree = shared.read_tree();
                    connection.refuse(xid, ErrorCode::MarshallingError, &tree, shared, at);
                }
            },
            Operation::Auth => match Request::decode(op, &mut reader) {
                Ok(Request::Sasl(token)) => self.exchange(xid, token.as_deref(), at),
                packet => self.authenticate(xid, packet, at),
            },
            // Reconfig alone is refused so, and is a write.
            Operation::Refused(_) if connection.reads_only() => {
                let tree = shared.read_tree();
                connection.refuse(xid, ErrorCode::NotReadOnly, &tree, shared, at);
            }
            Operation::Refused(error) => {
                connection.refuse(xid, error, &shared.read_tree(), shared, at);
            }
            Operation::Closes(_) => connection.unimplemented(xid, shared),
        }
        Ok(())
    }

    /// The client says who it is. A failure ends the connection, as clients expect.
    fn authenticate(&self, xid: i32, packet: Result<Request, wire::jute::Error>, at: Duration) {
        let (connection, address) = (&self.connection, self.connection.address().ip());
        let (scheme, proved) = match packet {
            Ok(Request::Auth(AuthPacket { scheme, auth, .. })) => {
                let access = &self.shared.settings.access;
                let proved = auth::proved(&scheme, auth.as_deref(), address, access);
                (scheme, proved)
            }
            Ok(_) | Err(_) => (UNREADABLE.to_owned(), None),
        };
        let is_proved = proved.is_some_and(|ids| connection.add_ids(ids));
        if !is_proved {
            self.auth_failed(&scheme, at);
        }
        connection.answer_auth(xid, is_proved, &self.shared);
    }

    /// A token of SASL.
    fn exchange(&self, xid: i32, token: Option<&[u8]>, at: Duration) {
        let token = token.unwrap_or_default();
        if let Err(why) = self.connection.exchange(xid, token, &self.shared) {
            debug!("client {}: SASL: {why}", self.connection.address());
            self.auth_failed("sasl", at);
        }
    }

    fn auth_failed(&self, scheme: &str, at: Duration) {
        let address = self.connection.address().ip();
        if let Some(failure) = self.shared.auth_failed(address, scheme, at) {
            let (scheme, others) = (&failure.scheme, others(&failure));
            warn!("client {address} cannot be authenticated by scheme {scheme:?}{others}");
        }
    }
}

/// Of those that were not logged.
fn others(failure: &Failure) -> String {
    match failure.silent {
        0 => String::new(),
        silent => format!("; {silent} attempts of clients before it failed, too"),
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
