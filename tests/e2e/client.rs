//! A client of our own: blocking, one request at a time, so that a test knows what was
//! acknowledged.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "any answer but the one that is due fails the test"
)]

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use wire::client::{
    ConnectRequest, ConnectResponse, CreateMode, CreateRequest, DeleteRequest,
    GetChildren2Response, GetDataResponse, PathRequest, PathWatchRequest, ReplyHeader, Request,
    RequestHeader, Response, SetDataRequest, SetWatches, WatcherEvent, encode_request, xid,
};
use wire::frame::{Frames, frame};
use wire::jute::{Reader, Record};
use wire::{Acl, ErrorCode, Id, Stat, perms};

use crate::cluster::PATIENCE;

/// Why a request has no answer, or none that helps.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection ended: whether a write took effect is not known.
    Lost(String),
    /// The session is none any more.
    Expired,
    /// The server refused it.
    Refused(ErrorCode),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

pub(crate) type Answer<T> = Result<T, Failure>;

/// A session, and the connection that it has at the moment.
pub(crate) struct Client {
    servers: Vec<SocketAddr>,
    /// Index of the server that it is connected to, or was last.
    at: usize,
    stream: Option<TcpStream>,
    arrived: BytesMut,
    /// 0 before there is one.
    pub(crate) session: i64,
    password: Bytes,
    timeout_ms: i32,
    xid: i32,
    /// The latest zxid seen in a reply.
    pub(crate) zxid: i64,
    events: VecDeque<WatcherEvent>,
}

impl Client {
    /// A new session on one of the servers, beginning with the first.
    ///
    /// # Panics
    /// If no server gives one in time.
    pub(crate) fn connect(servers: &[SocketAddr], timeout: Duration) -> Self {
        let mut client = Self {
            servers: servers.to_vec(),
            at: servers.len() - 1,
            stream: None,
            arrived: BytesMut::new(),
            session: 0,
            password: Bytes::from_static(&[0; 16]),
            timeout_ms: i32::try_from(timeout.as_millis()).expect("some seconds"),
            xid: 0,
            zxid: 0,
            events: VecDeque::new(),
        };
        client.reconnect().expect("a new session");
        client
    }

    /// The server that it is connected to.
    pub(crate) fn server(&self) -> SocketAddr {
        self.servers[self.at]
    }

    /// Goes on with the session at the next server that accepts it.
    ///
    /// # Errors
    /// [`Failure::Expired`] only.
    ///
    /// # Panics
    /// If no server accepts it in time.
    pub(crate) fn reconnect(&mut self) -> Answer<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.at = (self.at + 1) % self.servers.len();
            match self.reconnect_to(self.at) {
                Ok(()) => return Ok(()),
                Err(Failure::Expired) => return Err(Failure::Expired),
                Err(Failure::Lost(reason)) => {
                    assert!(Instant::now() < deadline, "no server accepts a session: {reason}");
                    std::thread::sleep(Duration::from_millis(3));
                }
                Err(Failure::Refused(error)) => panic!("{error} is no answer to a ConnectRequest"),
            }
        }
    }

    /// Goes on with the session at this server, once.
    pub(crate) fn reconnect_to(&mut self, server: usize) -> Answer<()> {
        (self.at, self.stream) = (server, None);
        self.arrived.clear();
        let mut stream = TcpStream::connect_timeout(&self.servers[server], Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience()))?;
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.zxid,
            timeout_ms: self.timeout_ms,
            session_id: self.session,
            passwd: Some(self.password.clone()),
            read_only: Some(false),
        };
        let mut out = Vec::new();
        frame(&mut out, |out| request.encode(out));
        stream.write_all(&out)?;
        self.stream = Some(stream);
        let response = ConnectResponse::from_bytes(&self.message()?).expect("a ConnectResponse");
        if response.session_id == 0 {
            self.stream = None;
            return Err(Failure::Expired);
        }
        assert!(
            self.session == 0 || self.session == response.session_id,
            "the session is another one"
        );
        self.session = response.session_id;
        self.timeout_ms = response.timeout_ms;
        self.password = response.passwd.expect("a password");
        Ok(())
    }

    /// How long it waits for the server to say something.
    fn patience(&self) -> Duration {
        let timeout = Duration::from_millis(u64::try_from(self.timeout_ms).unwrap_or_default());
        Duration::from_secs(15).max(timeout / 2)
    }

    /// Whether it has a connection, as far as it knows.
    pub(crate) fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Leaves the connection without a word; the session lives on.
    pub(crate) fn drop_connection(&mut self) {
        self.stream = None;
    }

    /// Pretends to be another session from the next connection on.
    pub(crate) fn take_over(&mut self, session: i64, password: [u8; 16]) {
        (self.session, self.password) = (session, Bytes::copy_from_slice(&password));
        self.stream = None;
    }

    fn message(&mut self) -> Answer<Bytes> {
        // Tests may hold trees that have grown: a reply is as long as it is.
        let frames = Frames::new("reply", 0, 256 << 20);
        loop {
            let next = frames.next(&mut self.arrived);
            if let Some(message) = next.map_err(|error| Failure::Lost(error.to_string()))? {
                return Ok(message);
            }
            let stream =
                self.stream.as_mut().ok_or_else(|| Failure::Lost("no connection".into()))?;
            let mut bytes = [0; 16 << 10];
            match stream.read(&mut bytes)? {
                0 => return Err(Failure::Lost("the server closed the connection".into())),
                count => self.arrived.extend_from_slice(&bytes[..count]),
            }
        }
    }

    /// One request and its answer; events that come before it are kept.
    pub(crate) fn call(&mut self, request: &Request) -> Answer<Response> {
        self.xid += 1;
        self.call_as(self.xid, request)
    }

    fn call_as(&mut self, own: i32, request: &Request) -> Answer<Response> {
        let answer = self.exchange(own, request);
        if let Err(Failure::Lost(_)) = answer {
            self.stream = None;
        }
        answer
    }

    fn exchange(&mut self, own: i32, request: &Request) -> Answer<Response> {
        let mut out = Vec::new();
        encode_request(&mut out, own, request);
        let stream = self.stream.as_mut().ok_or_else(|| Failure::Lost("no connection".into()))?;
        stream.write_all(&out)?;
        loop {
            let message = self.message()?;
            let mut reader = Reader::with_limit(&message, message.len());
            let header = ReplyHeader::decode(&mut reader).expect("a reply");
            if header.xid == xid::NOTIFICATION {
                self.events.push_back(WatcherEvent::decode(&mut reader).expect("an event"));
                continue;
            }
            assert_eq!(header.xid, own, "replies come in the order of the requests");
            if header.zxid > 0 {
                assert!(
                    header.zxid >= self.zxid,
                    "time goes back: 0x{:x} after 0x{:x}",
                    header.zxid,
                    self.zxid
                );
                self.zxid = header.zxid;
            }
            if header.err != 0 {
                let error = ErrorCode::from_code(header.err).expect("a known error");
                return match error {
                    ErrorCode::SessionExpired => Err(Failure::Expired),
                    _ => Err(Failure::Refused(error)),
                };
            }
            return Ok(Response::decode(request.op(), &mut reader).expect("a response"));
        }
    }

    /// The next event of a watch.
    ///
    /// # Panics
    /// If none comes.
    pub(crate) fn event(&mut self) -> WatcherEvent {
        while self.events.is_empty() {
            let message = self.message().expect("an event");
            let mut reader = Reader::with_limit(&message, message.len());
            let header = ReplyHeader::decode(&mut reader).expect("an event");
            assert_eq!(header.xid, xid::NOTIFICATION, "nothing else was asked for");
            self.events.push_back(WatcherEvent::decode(&mut reader).expect("an event"));
        }
        self.events.pop_front().expect("there is one")
    }

    // ---- requests by name

    /// Answers the path, which has a number behind it if the mode is sequential.
    pub(crate) fn create(&mut self, path: &str, data: &[u8], mode: CreateMode) -> Answer<String> {
        let acl = Acl { perms: perms::ALL, id: Id::new("world", "anyone") };
        let (path, data) = (path.to_owned(), Some(Bytes::copy_from_slice(data)));
        let request = CreateRequest { path, data, acl: vec![acl], flags: mode.flags() };
        match self.call(&Request::Create(request))? {
            Response::Path(path) => Ok(path),
            other => panic!("create is answered by {other:?}"),
        }
    }

    /// `version` -1 for any.
    pub(crate) fn set(&mut self, path: &str, data: &[u8], version: i32) -> Answer<Stat> {
        let (path, data) = (path.to_owned(), Some(Bytes::copy_from_slice(data)));
        match self.call(&Request::SetData(SetDataRequest { path, data, version }))? {
            Response::Stat(stat) => Ok(stat),
            other => panic!("setData is answered by {other:?}"),
        }
    }

    /// `version` -1 for any.
    pub(crate) fn delete(&mut self, path: &str, version: i32) -> Answer<()> {
        self.call(&Request::Delete(DeleteRequest { path: path.to_owned(), version })).map(|_| ())
    }

    pub(crate) fn get(&mut self, path: &str, watch: bool) -> Answer<(Bytes, Stat)> {
        let request = PathWatchRequest { path: path.to_owned(), watch };
        match self.call(&Request::GetData(request))? {
            Response::GetData(GetDataResponse { data, stat }) => {
                Ok((data.unwrap_or_default(), stat))
            }
            other => panic!("getData is answered by {other:?}"),
        }
    }

    /// `None` if there is no such node.
    pub(crate) fn exists(&mut self, path: &str, watch: bool) -> Answer<Option<Stat>> {
        let request = PathWatchRequest { path: path.to_owned(), watch };
        match self.call(&Request::Exists(request)) {
            Ok(Response::Stat(stat)) => Ok(Some(stat)),
            Err(Failure::Refused(ErrorCode::NoNode)) => Ok(None),
            Err(failure) => Err(failure),
            Ok(other) => panic!("exists is answered by {other:?}"),
        }
    }

    /// In order of names.
    pub(crate) fn children(&mut self, path: &str, watch: bool) -> Answer<(Vec<String>, Stat)> {
        let request = PathWatchRequest { path: path.to_owned(), watch };
        match self.call(&Request::GetChildren2(request))? {
            Response::GetChildren2(GetChildren2Response { mut children, stat }) => {
                children.sort_unstable();
                Ok((children, stat))
            }
            other => panic!("getChildren2 is answered by {other:?}"),
        }
    }

    pub(crate) fn sync(&mut self) -> Answer<()> {
        self.call(&Request::Sync(PathRequest { path: "/".into() })).map(|_| ())
    }

    pub(crate) fn ping(&mut self) -> Answer<()> {
        self.call_as(xid::PING, &Request::Ping).map(|_| ())
    }

    /// Tells a server that the session has just moved to which watches it has.
    pub(crate) fn set_watches(&mut self, watches: SetWatches) -> Answer<()> {
        self.call_as(xid::SET_WATCHES, &Request::SetWatches(watches)).map(|_| ())
    }

    /// Ends the session.
    pub(crate) fn close(mut self) -> Answer<()> {
        self.call(&Request::CloseSession).map(|_| ())
    }

    /// Every node below `path` and itself, with data and stat, in order of paths.
    pub(crate) fn walk(&mut self, path: &str) -> Answer<Vec<(String, Bytes, Stat)>> {
        let (data, stat) = self.get(path, false)?;
        let mut found = vec![(path.to_owned(), data, stat)];
        for name in self.children(path, false)?.0 {
            let child = if path == "/" { format!("/{name}") } else { format!("{path}/{name}") };
            found.extend(self.walk(&child)?);
        }
        Ok(found)
    }

    /// One request by the number of its operation, and its answer whatever that is: header and
    /// body.
    pub(crate) fn ask(&mut self, own: i32, op: i32, body: &[u8]) -> Answer<(ReplyHeader, Bytes)> {
        let mut out = Vec::new();
        frame(&mut out, |out| {
            RequestHeader { xid: own, op }.encode(out);
            out.extend_from_slice(body);
        });
        self.send_raw(&out)?;
        self.answer()
    }

    /// The next answer, whatever it is.
    pub(crate) fn answer(&mut self) -> Answer<(ReplyHeader, Bytes)> {
        loop {
            let message = self.message()?;
            let mut reader = Reader::new(&message);
            let header = ReplyHeader::decode(&mut reader).expect("a reply");
            if header.xid != xid::NOTIFICATION {
                return Ok((header, message.slice(message.len() - reader.remaining()..)));
            }
        }
    }

    /// Waits until the server ends the connection; what it says before that is no answer.
    ///
    /// # Panics
    /// If it goes on.
    pub(crate) fn expect_end(&mut self) {
        match self.message() {
            Err(Failure::Lost(reason)) if !reason.contains("temporarily") => {}
            other => panic!("the connection was to end: {other:?}"),
        }
    }

    /// Bytes that the test has made itself.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.as_mut().expect("a connection").write_all(bytes)
    }

    /// Another connection of the same session, which this client does not know of.
    pub(crate) fn double(&self, server: SocketAddr) -> Self {
        let mut double = Self {
            servers: vec![server],
            at: 0,
            stream: None,
            arrived: BytesMut::new(),
            session: self.session,
            password: self.password.clone(),
            timeout_ms: self.timeout_ms,
            xid: 0,
            zxid: self.zxid,
            events: VecDeque::new(),
        };
        // It may be a little behind what the session has seen.
        double.reconnect().expect("the session lives");
        double
    }

    /// Requests that are sent without waiting for answers.
    pub(crate) fn send(&mut self, requests: &[(i32, Request)]) -> io::Result<()> {
        let mut out = Vec::new();
        for (xid, request) in requests {
            encode_request(&mut out, *xid, request);
        }
        self.send_raw(&out)
    }

    /// The next answer, which has to be that of this request.
    pub(crate) fn answer_to(&mut self, (own, request): &(i32, Request)) -> Answer<Response> {
        let message = self.message()?;
        let mut reader = Reader::with_limit(&message, message.len());
        let header = ReplyHeader::decode(&mut reader).expect("a reply");
        assert_eq!(header.xid, *own, "answers come in the order of the requests");
        match ErrorCode::from_code(header.err).expect("a known error") {
            ErrorCode::Ok => {
                Ok(Response::decode(request.op(), &mut reader).expect("an answer of its kind"))
            }
            error => Err(Failure::Refused(error)),
        }
    }

    /// The next answer, which is one of getData: its xid, and the data.
    pub(crate) fn next_data(&mut self) -> (i32, Bytes) {
        let message = self.message().expect("an answer");
        let mut reader = Reader::with_limit(&message, message.len());
        let header = ReplyHeader::decode(&mut reader).expect("a reply");
        assert_eq!(header.err, 0);
        let answer = GetDataResponse::decode(&mut reader).expect("GetDataResponse");
        (header.xid, answer.data.unwrap_or_default())
    }

    /// The next answer, whatever is in it: the request with this xid has succeeded.
    pub(crate) fn next_answer(&mut self, xid: i32) {
        let message = self.message().expect("an answer");
        let mut reader = Reader::with_limit(&message, message.len());
        let header = ReplyHeader::decode(&mut reader).expect("a reply");
        assert_eq!((header.xid, header.err), (xid, 0));
    }
}
