//! The client without I/O.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use wire::ErrorCode;
use wire::client::{
    AuthPacket, ConnectRequest, ConnectResponse, Frames, OpCode, ReplyHeader, Request, Response,
    WatcherEvent, encode_request, xid,
};
use wire::frame::frame;
use wire::jute::{Reader, Record};

use crate::paths;
use crate::watches::{Leaves, Watches};

/// What a client wants.
#[derive(Clone, Debug)]
pub struct Options {
    /// The session time-out that it asks for; the servers may grant another one.
    pub timeout: Duration,
    /// It takes a server that has no quorum, and only reads.
    pub read_only: bool,
    /// The node that it takes for the root (chroot): empty, or an absolute path without a slash at
    /// its end.
    pub root: String,
    /// The largest answer that it takes, in bytes.
    pub answer_bytes_max: usize,
}

impl Options {
    /// The time-out of ZooKeeper's command line, and answers of at most 64 MiB.
    pub fn new() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            read_only: false,
            root: String::new(),
            answer_bytes_max: 64 << 20,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// What a client is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Its session has begun, or goes on, over this connection.
    Connected {
        /// The session's id.
        session: i64,
        /// The time-out that was granted.
        timeout: Duration,
        /// The server has no quorum: only reads are answered.
        read_only: bool,
        /// It is the session that it had before.
        resumed: bool,
    },
    /// The answer to the request that [`Protocol::ask`] gave this number, or an error code.
    Answer {
        /// As [`Protocol::ask`] returned it.
        number: i32,
        /// The answer.
        result: Result<Response, i32>,
    },
    /// Something that it watches has changed.
    Event(WatcherEvent),
    /// The servers do not believe who it says it is: nothing more is answered.
    AuthFailed,
    /// The session that it had is over; the next connection begins another one.
    Expired,
}

/// A server says what no server says: the connection is of no use.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server says what no server says: {0}")]
pub struct Broken(String);

fn broken(why: impl std::fmt::Display) -> Broken {
    Broken(why.to_string())
}

/// A request that is not answered yet.
struct Asked {
    number: i32,
    op: OpCode,
    leaves: Leaves,
}

/// One client: a session, over one connection after the other.
pub struct Protocol {
    options: Options,
    session: i64,
    password: Option<Bytes>,
    timeout: Duration,
    /// A server that has seen less must not serve this client.
    last_zxid: i64,
    number: i32,
    is_open: bool,
    asked: VecDeque<Asked>,
    arrived: BytesMut,
    watches: Watches,
    /// What it has proved itself with, for the next connection.
    credentials: Vec<AuthPacket>,
}

impl Protocol {
    /// Somebody new.
    pub fn new(options: Options) -> Self {
        Self {
            session: 0,
            password: Some(Bytes::from_static(&[0; 16])),
            timeout: options.timeout,
            last_zxid: 0,
            number: 0,
            is_open: false,
            asked: VecDeque::new(),
            arrived: BytesMut::new(),
            watches: Watches::default(),
            credentials: Vec::new(),
            options,
        }
    }

    /// The session's id; 0 if there is none.
    pub fn session(&self) -> i64 {
        self.session
    }

    /// The time-out that was granted, or is asked for.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether requests may be asked now.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// A connection is up: what is to be said first.
    pub fn hello(&mut self) -> Vec<u8> {
        self.is_open = false;
        self.arrived.clear();
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            timeout_ms: i32::try_from(self.options.timeout.as_millis()).unwrap_or(i32::MAX),
            session_id: self.session,
            passwd: self.password.clone(),
            read_only: Some(self.options.read_only),
        };
        let mut out = Vec::new();
        frame(&mut out, |out| request.encode(out));
        out
    }

    /// The connection is over. The numbers of the requests of which it is not known whether they
    /// were done.
    pub fn lost(&mut self) -> Vec<i32> {
        self.is_open = false;
        self.asked.drain(..).map(|asked| asked.number).filter(|number| *number > 0).collect()
    }

    /// Appends a request to what is to be said, and returns its number. Answers come in order.
    pub fn ask(&mut self, mut request: Request, out: &mut Vec<u8>) -> i32 {
        let number = if let Request::Auth(packet) = &request {
            self.credentials.push(packet.clone());
            xid::AUTH
        } else if request == Request::Ping {
            xid::PING
        } else {
            self.number = self.number.checked_add(1).unwrap_or(1);
            self.number
        };
        paths::ask(&self.options.root, &mut request);
        self.say(number, &request, out);
        number
    }

    fn say(&mut self, number: i32, request: &Request, out: &mut Vec<u8>) {
        encode_request(out, number, request);
        let (op, leaves) = (request.op(), Leaves::of(request));
        self.asked.push_back(Asked { number, op, leaves });
    }

    /// Takes what has arrived. What it means is appended to `heard`, what the client answers by
    /// itself to `out`.
    ///
    /// # Errors
    /// No server says that.
    pub fn hear(
        &mut self,
        bytes: &[u8],
        heard: &mut Vec<Heard>,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        self.arrived.extend_from_slice(bytes);
        let frames = Frames::of_client(self.options.answer_bytes_max);
        while let Some(payload) = frames.next(&mut self.arrived).map_err(broken)? {
            let mut reader = Reader::with_limit(&payload, self.options.answer_bytes_max);
            let told = if self.is_open {
                self.answered(&mut reader)?
            } else {
                Some(self.connected(&mut reader, out)?)
            };
            heard.extend(told);
        }
        Ok(())
    }

    fn connected(&mut self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<Heard, Broken> {
        let response = ConnectResponse::decode(reader).map_err(broken)?;
        let Ok(timeout @ 1..) = u64::try_from(response.timeout_ms) else {
            self.session = 0;
            self.password = Some(Bytes::from_static(&[0; 16]));
            self.last_zxid = 0;
            self.watches = Watches::default();
            return Ok(Heard::Expired);
        };
        let resumed = self.session == response.session_id;
        self.is_open = true;
        self.timeout = Duration::from_millis(timeout);
        self.session = response.session_id;
        self.password = response.passwd;
        for packet in self.credentials.clone() {
            self.say(xid::AUTH, &Request::Auth(packet), out);
        }
        if let Some(request) = self.watches.to_set(self.last_zxid) {
            self.say(xid::SET_WATCHES, &request, out);
        }
        Ok(Heard::Connected {
            session: self.session,
            timeout: self.timeout,
            read_only: response.read_only == Some(true),
            resumed,
        })
    }

    fn answered(&mut self, reader: &mut Reader<'_>) -> Result<Option<Heard>, Broken> {
        let header = ReplyHeader::decode(reader).map_err(broken)?;
        if header.zxid > 0 {
            self.last_zxid = header.zxid;
        }
        if header.xid == xid::NOTIFICATION {
            let mut event = WatcherEvent::decode(reader).map_err(broken)?;
            self.watches.fired(&event);
            paths::up(&self.options.root, &mut event.path);
            return Ok(Some(Heard::Event(event)));
        }
        // Who somebody is is judged as soon as it comes, and a PING may be answered as soon.
        let at = self.asked.iter().position(|asked| asked.number == header.xid);
        let is_ahead = [xid::AUTH, xid::PING].contains(&header.xid);
        let asked = at.filter(|at| *at == 0 || is_ahead);
        let asked = asked.and_then(|at| self.asked.remove(at));
        let Some(Asked { number, op, leaves }) = asked else {
            let next = self.asked.front().map(|asked| asked.number);
            let xid = header.xid;
            return Err(broken(format!("an answer to request {xid}, where {next:?} is next")));
        };
        if number == xid::AUTH && header.err != ErrorCode::Ok.code() {
            return Ok(Some(Heard::AuthFailed));
        }
        self.watches.answered(leaves, header.err);
        let result = if header.err == ErrorCode::Ok.code() {
            let mut response = Response::decode(op, reader).map_err(broken)?;
            paths::answer(&self.options.root, &mut response, op == OpCode::GetEphemerals);
            Ok(response)
        } else {
            Err(header.err)
        };
        Ok((number > 0 || number == xid::AUTH).then_some(Heard::Answer { number, result }))
    }
}

#[cfg(test)]
mod tests;
