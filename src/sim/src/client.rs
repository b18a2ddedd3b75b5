//! A client: a session that moves between servers, with pipelines of requests and watches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use history::answer::{Answer, Outcome};
use history::operation::{
    ClientId, Data, Mode, Read, ReadKind, Request, SessionId, SetWatches, Time, Write, Zxid,
};
use history::record::EventKind;
use history::{Recorder, report::Call};
use wire::client::{ConnectRequest, ConnectResponse, EventType, Frames, ReplyHeader, WatcherEvent};
use wire::jute::{Reader, Record};
use zab::Sid;

use crate::pipe::PipeId;
use crate::rng::Rng;
use crate::translate;

/// Why a client ends its connection, or a run.
pub(crate) enum Trouble {
    /// Its session is over; it begins another one.
    Expired,
    /// A server said what no server may say.
    Wrong(String),
}

pub(crate) struct Client {
    pub(crate) id: usize,
    pub(crate) rng: Rng,
    pub(crate) pipe: Option<PipeId>,
    /// Its session is established on this connection.
    pub(crate) is_open: bool,
    pub(crate) session: Option<i64>,
    pub(crate) timeout: Duration,
    last_zxid: i64,
    xid: i32,
    /// It counts its requests from one again over each connection, as a library does that was
    /// started again with the session that it had. What it wrote is found in the log by its data.
    pub(crate) restarts: bool,
    /// Where it was connected last.
    pub(crate) server: Option<Sid>,
    /// What `xid` was when its connection began, if it restarts.
    base: i32,
    /// The sessions that it had, and the request with which it closed each.
    pub(crate) sessions: BTreeMap<i64, Option<i32>>,
    asked: VecDeque<Asked>,
    buffer: BytesMut,
    pub(crate) heard_at: Duration,
    spoke_at: Duration,
    watches: Watches,
    /// Nodes that nobody else has made: it deletes the oldest once there are many.
    made: VecDeque<String>,
    /// If it restarts: with which request it deletes each of them.
    pub(crate) deleted: BTreeMap<String, i32>,
    /// Writes that were done since somebody asked.
    pub(crate) written: u64,
    /// It closes its session.
    pub(crate) closes: bool,
    /// How often it has closed its connection, because it heard nothing.
    pub(crate) hung_up: u64,
    /// It has vanished, and does not come back.
    pub(crate) is_gone: bool,
    depth: usize,
    modes: Modes,
    pub(crate) marks: BTreeSet<&'static str>,
    /// All of its requests.
    pub(crate) requests: u32,
    /// All of its answers.
    pub(crate) answers: u64,
}

struct Asked {
    xid: i32,
    /// `None` of a ping.
    request: Option<(Request, Call)>,
}

/// Whether a client watches a node in several modes at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Modes {
    /// As it happens.
    Together,
    /// Each node in one mode only. ZooKeeper before 3.9 keeps one mode for each client and node, so
    /// that a one-shot watch takes the place of a persistent one (ZOOKEEPER-4466).
    Apart,
}

/// The watches that a client takes along.
#[derive(Clone, Default)]
struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

fn time(at: Duration) -> Time {
    Time(u64::try_from(at.as_micros()).unwrap_or(u64::MAX))
}

/// The request, with which `/b` is watched recursively only, `/c` persistently only, and all else
/// once.
fn apart(request: Request) -> Request {
    match request {
        Request::AddWatch { path: _, recursive } => {
            Request::AddWatch { path: if recursive { "/b" } else { "/c" }.to_owned(), recursive }
        }
        Request::Read(Read { kind, path, watch }) => {
            let watch = watch && path != "/b" && path != "/c";
            Request::Read(Read { kind, path, watch })
        }
        Request::Write(_)
        | Request::Multi(_)
        | Request::Sync { .. }
        | Request::RemoveWatches { .. }
        | Request::SetWatches(_)
        | Request::Close => request,
    }
}

impl Client {
    /// `depth`: how many requests it has in progress at most.
    pub(crate) fn new(id: usize, mut rng: Rng, tick: Duration, depth: usize, modes: Modes) -> Self {
        let timeout = tick * u32::try_from(2 + rng.below(10)).unwrap_or(2);
        let restarts = rng.chance(250);
        Self {
            id,
            rng,
            pipe: None,
            is_open: false,
            session: None,
            timeout,
            last_zxid: 0,
            xid: 0,
            restarts,
            server: None,
            base: 0,
            sessions: BTreeMap::new(),
            asked: VecDeque::new(),
            buffer: BytesMut::new(),
            heard_at: Duration::ZERO,
            spoke_at: Duration::ZERO,
            watches: Watches::default(),
            made: VecDeque::new(),
            deleted: BTreeMap::new(),
            written: 0,
            closes: false,
            hung_up: 0,
            is_gone: false,
            depth,
            modes,
            marks: BTreeSet::new(),
            requests: 0,
            answers: 0,
        }
    }

    /// The first message over a new connection.
    pub(crate) fn hello(&mut self, pipe: PipeId, at: Duration) -> Vec<u8> {
        self.pipe = Some(pipe);
        self.is_open = false;
        self.base = if self.restarts { self.xid } else { 0 };
        self.buffer.clear();
        (self.heard_at, self.spoke_at) = (at, at);
        let session_id = self.session.unwrap_or(0);
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            timeout_ms: i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX),
            session_id,
            passwd: Some(wire::password(session_id).to_vec().into()),
            read_only: Some(false),
        };
        let mut out = Vec::new();
        wire::frame::frame(&mut out, |out| request.encode(out));
        out
    }

    /// Its connection is over.
    pub(crate) fn lost(&mut self, at: Duration, recorder: &mut Recorder) {
        self.pipe = None;
        if self.asked.iter().any(|asked| asked.request.is_some()) {
            self.marks.insert("a client is cut off with requests in progress");
        }
        self.asked.clear();
        if let (true, Some(session)) = (self.is_open, self.session) {
            recorder.lost(SessionId(session), time(at));
        }
        self.is_open = false;
        if std::mem::take(&mut self.closes) {
            // It does not come back for a session that it has given up.
            self.forget_session();
        }
    }

    /// It is gone, and leaves its session behind; if it comes back, it is somebody else.
    pub(crate) fn vanish(&mut self, at: Duration, recorder: &mut Recorder) {
        self.lost(at, recorder);
        self.forget_session();
    }

    fn forget_session(&mut self) {
        self.session = None;
        self.last_zxid = 0;
        (self.xid, self.base) = (0, 0);
        self.watches = Watches::default();
    }

    /// Whether everything that it has asked is answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    /// What it says now, if it says something. `stops`: it asks for nothing new.
    pub(crate) fn speak(
        &mut self,
        at: Duration,
        stops: bool,
        recorder: &mut Recorder,
    ) -> Option<Vec<u8>> {
        if !self.is_open || self.closes {
            return None;
        }
        if !stops && self.asked.len() < self.depth {
            let request = self.choose();
            return Some(self.ask(request, at, recorder));
        }
        if at.saturating_sub(self.spoke_at) > self.timeout / 3 {
            self.spoke_at = at;
            self.asked.push_back(Asked { xid: wire::client::xid::PING, request: None });
            let mut out = Vec::new();
            let ping = wire::client::Request::Ping;
            wire::client::encode_request(&mut out, wire::client::xid::PING, &ping);
            return Some(out);
        }
        None
    }

    /// What it says to close its session, if it can now: it is connected, and has its answers.
    pub(crate) fn end(&mut self, at: Duration, recorder: &mut Recorder) -> Option<Vec<u8>> {
        let can = self.is_open && !self.closes && self.is_idle();
        can.then(|| self.ask(Request::Close, at, recorder))
    }

    fn ask(&mut self, request: Request, at: Duration, recorder: &mut Recorder) -> Vec<u8> {
        self.xid += 1;
        self.requests += 1;
        self.spoke_at = at;
        self.closes = request == Request::Close;
        let session = SessionId(self.session.unwrap_or(0));
        if let (true, Some(closed)) = (self.closes, self.sessions.get_mut(&session.0)) {
            *closed = Some(self.xid);
        }
        let call = recorder.invoke(session, self.xid, time(at), request.clone());
        let (mut out, xid) = (Vec::new(), self.xid - self.base);
        wire::client::encode_request(&mut out, xid, &translate::request(&request));
        self.asked.push_back(Asked { xid, request: Some((request, call)) });
        out
    }

    /// The request that wrote this, by its data.
    pub(crate) fn request_of(&self, data: &Data) -> Option<i32> {
        let data = std::str::from_utf8(data.bytes()).ok()?;
        data.strip_prefix(&format!("client {} request ", self.id))?
            .trim_end_matches('x')
            .parse()
            .ok()
    }

    /// Whether it gives its connection up, though nothing is wrong with it. While its session is
    /// renewed it often does.
    pub(crate) fn gives_up(&mut self) -> bool {
        let can = self.restarts && self.session.is_some();
        can && self.rng.chance(if self.is_open { 50 } else { 300 })
    }

    /// What a server says; what the client answers at once.
    pub(crate) fn hear(
        &mut self,
        bytes: &[u8],
        at: Duration,
        recorder: &mut Recorder,
    ) -> Result<Vec<u8>, Trouble> {
        self.buffer.extend_from_slice(bytes);
        self.heard_at = at;
        let frames = Frames::of_client(1 << 24);
        let mut out = Vec::new();
        loop {
            let frame = frames.next(&mut self.buffer);
            let frame = frame.map_err(|error| Trouble::Wrong(error.to_string()))?;
            let Some(frame) = frame else { return Ok(out) };
            let mut reader = Reader::new(&frame);
            let read = if self.is_open {
                self.hear_reply(&mut reader, at, recorder)
            } else {
                self.hear_session(&mut reader, at, recorder).map(|more| out.extend(more))
            };
            read?;
        }
    }

    fn hear_session(
        &mut self,
        reader: &mut Reader<'_>,
        at: Duration,
        recorder: &mut Recorder,
    ) -> Result<Vec<u8>, Trouble> {
        let response = ConnectResponse::decode(reader).map_err(wrong)?;
        if response.timeout_ms <= 0 {
            let Some(session) = self.session else {
                return Err(Trouble::Wrong("a new session is refused".to_owned()));
            };
            self.marks.insert("a session expires");
            recorder.expired(SessionId(session), time(at));
            self.forget_session();
            return Err(Trouble::Expired);
        }
        self.is_open = true;
        self.sessions.entry(response.session_id).or_default();
        self.timeout = Duration::from_millis(u64::try_from(response.timeout_ms).unwrap_or(0));
        let id = response.session_id;
        if self.session == Some(id) {
            self.marks.insert("a session moves to another server");
            recorder.moved(SessionId(id), time(at));
            let Watches { data, exist, child, persistent, recursive } = &self.watches;
            if [data, exist, child, persistent, recursive].iter().all(|paths| paths.is_empty()) {
                return Ok(Vec::new());
            }
            let list = |paths: &BTreeSet<String>| paths.iter().cloned().collect();
            let request = Request::SetWatches(SetWatches {
                since: Zxid(self.last_zxid),
                data: list(data),
                exist: list(exist),
                child: list(child),
                persistent: list(persistent),
                recursive: list(recursive),
            });
            return Ok(self.ask(request, at, recorder));
        }
        if self.session.is_some() {
            return Err(Trouble::Wrong(format!("it asked for a session and got 0x{id:x}")));
        }
        self.session = Some(id);
        recorder.begun(ClientId(self.id as u64), SessionId(id), time(at));
        Ok(Vec::new())
    }

    fn hear_reply(
        &mut self,
        reader: &mut Reader<'_>,
        at: Duration,
        recorder: &mut Recorder,
    ) -> Result<(), Trouble> {
        let header = ReplyHeader::decode(reader).map_err(wrong)?;
        self.last_zxid = self.last_zxid.max(header.zxid);
        if header.xid == wire::client::xid::NOTIFICATION {
            return self.hear_event(reader, header.zxid, at, recorder);
        }
        let Some(asked) = self.asked.pop_front() else {
            return Err(Trouble::Wrong(format!("an answer to nothing: xid {}", header.xid)));
        };
        if asked.xid != header.xid {
            let text =
                format!("the answer to xid {} came before that to {}", header.xid, asked.xid);
            return Err(Trouble::Wrong(text));
        }
        self.answers += 1;
        let Some((request, call)) = asked.request else { return Ok(()) };
        let outcome = translate::outcome(&request, header.err, reader).map_err(Trouble::Wrong)?;
        recorder.respond(call, time(at), Zxid(header.zxid), outcome.clone());
        let done = outcome.error().is_none();
        if let (Request::Multi(_), false) = (&request, done) {
            self.marks.insert("a multi fails");
        }
        self.written += u64::from(done && request.is_write());
        self.remember(&request, outcome.error().map(|code| code.0));
        self.keep(outcome);
        Ok(())
    }

    /// The nodes that an answer tells of which nobody else has made.
    fn keep(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ok(Answer::Created { path, .. }) if path.contains('-') => {
                self.made.push_back(path);
            }
            Outcome::Ok(Answer::Multi(parts)) => parts.into_iter().for_each(|part| self.keep(part)),
            Outcome::Error(_)
            | Outcome::Ok(
                Answer::Created { .. }
                | Answer::Done
                | Answer::Stat(_)
                | Answer::Data { .. }
                | Answer::Children { .. },
            ) => {}
        }
    }

    /// The oldest of the nodes that it has made, if it has more than it needs.
    fn unneeded(&mut self) -> Option<String> {
        (self.made.len() > MADE_MAX).then(|| self.made.pop_front())?
    }

    /// The watches that a request has left.
    fn remember(&mut self, request: &Request, error: Option<i32>) {
        match request {
            Request::Read(Read { kind, path, watch: true }) => match (kind, error) {
                (ReadKind::Exists | ReadKind::GetData, None) => {
                    self.watches.data.insert(path.clone());
                }
                (ReadKind::Exists, Some(-101)) => {
                    self.watches.exist.insert(path.clone());
                }
                (ReadKind::GetChildren, None) => {
                    self.watches.child.insert(path.clone());
                }
                (ReadKind::Exists | ReadKind::GetData | ReadKind::GetChildren, Some(_)) => {}
            },
            Request::AddWatch { path, recursive } if error.is_none() => {
                let mode = if *recursive {
                    &mut self.watches.recursive
                } else {
                    &mut self.watches.persistent
                };
                mode.insert(path.clone());
            }
            Request::Close => self.closes = true,
            Request::AddWatch { .. }
            | Request::Read(_)
            | Request::Write(_)
            | Request::Multi(_)
            | Request::Sync { .. }
            | Request::RemoveWatches { .. }
            | Request::SetWatches(_) => {}
        }
    }

    fn hear_event(
        &mut self,
        reader: &mut Reader<'_>,
        zxid: i64,
        at: Duration,
        recorder: &mut Recorder,
    ) -> Result<(), Trouble> {
        let event = WatcherEvent::decode(reader).map_err(wrong)?;
        let kind = EventType::try_from(event.kind).map_err(wrong)?;
        let (kind, path) = (translate::event(kind).map_err(Trouble::Wrong)?, event.path);
        self.marks.insert("a watch fires");
        let Watches { data, exist, child, .. } = &mut self.watches;
        match kind {
            EventKind::Created | EventKind::DataChanged => {
                data.remove(&path);
                exist.remove(&path);
            }
            EventKind::Deleted => {
                data.remove(&path);
                exist.remove(&path);
                child.remove(&path);
            }
            EventKind::ChildrenChanged => {
                child.remove(&path);
            }
        }
        let session = SessionId(self.session.unwrap_or(0));
        recorder.event(session, time(at), kind, &path, (zxid > 0).then_some(Zxid(zxid)));
        Ok(())
    }

    // ---- what it asks for

    fn choose(&mut self) -> Request {
        if self.restarts {
            return self.choose_writes();
        }
        let request = self.choose_any();
        match self.modes {
            Modes::Together => request,
            Modes::Apart => apart(request),
        }
    }

    fn choose_any(&mut self) -> Request {
        let watch = self.rng.chance(200);
        match self.rng.below(100) {
            0..45 => Request::Write(self.write()),
            45..60 => Request::Read(Read { kind: ReadKind::GetData, path: self.path(), watch }),
            60..70 => Request::Read(Read { kind: ReadKind::Exists, path: self.path(), watch }),
            70..80 => {
                Request::Read(Read { kind: ReadKind::GetChildren, path: self.parent(), watch })
            }
            80..88 => Request::Sync { path: "/".to_owned() },
            88..95 => {
                let writes = 1 + self.rng.below(4);
                Request::Multi((0..writes).map(|_| self.write_or_check()).collect())
            }
            95..98 => Request::AddWatch { path: self.parent(), recursive: watch },
            98 => Request::Close,
            _ => Request::Read(Read { kind: ReadKind::GetChildren, path: "/".to_owned(), watch }),
        }
    }

    /// As a client that restarts: what it writes has no second like it.
    fn choose_writes(&mut self) -> Request {
        let session = self.session.unwrap_or(0);
        if let Some(path) = self.unneeded() {
            self.deleted.insert(path.clone(), self.xid + 1);
            return Request::Write(Write::Delete { path, version: -1 });
        }
        let path = format!("/{session:x}-{}", self.xid + 1);
        match self.rng.below(10) {
            0..7 => {
                let (data, mode) = (self.data(), Mode::Persistent);
                Request::Write(Write::Create { path, data, mode, sequential: false })
            }
            7 => Request::Sync { path: "/".to_owned() },
            _ => Request::Read(Read { kind: ReadKind::GetData, path: self.path(), watch: false }),
        }
    }

    fn parent(&mut self) -> String {
        format!("/{}", ["a", "b", "c"][self.rng.below(3)])
    }

    fn path(&mut self) -> String {
        let parent = self.parent();
        match self.rng.below(4) {
            0 => parent,
            1 => format!("{parent}/x"),
            2 => format!("{parent}/y"),
            _ => format!("{parent}/e{}", self.rng.below(2)),
        }
    }

    fn data(&mut self) -> Data {
        let padding = "x".repeat(if self.rng.chance(20) { 5000 } else { 0 });
        Data::from(&*format!("client {} request {}{padding}", self.id, self.xid + 1))
    }

    fn version(&mut self) -> i32 {
        if self.rng.chance(300) { i32::try_from(self.rng.below(4)).unwrap_or(0) } else { -1 }
    }

    fn write(&mut self) -> Write {
        if let Some(path) = self.unneeded() {
            return Write::Delete { path, version: -1 };
        }
        let data = self.data();
        let create = |path, data, mode, sequential| Write::Create { path, data, mode, sequential };
        match self.rng.below(10) {
            0..2 => create(self.path(), data, Mode::Persistent, false),
            2 => create(self.parent() + "/s-", data, Mode::Persistent, true),
            3 => create(self.parent() + "/q-", data, Mode::Ephemeral, true),
            4 => create(self.path(), data, Mode::Ephemeral, false),
            5..7 => Write::Delete { path: self.path(), version: self.version() },
            _ => Write::SetData { path: self.path(), data, version: self.version() },
        }
    }

    fn write_or_check(&mut self) -> Write {
        if self.rng.chance(200) {
            Write::Check { path: self.path(), version: self.version() }
        } else {
            self.write()
        }
    }
}

/// Nodes of its own that a client keeps: what grows for as long as a run lasts makes it slow, and
/// shows nothing more.
const MADE_MAX: usize = 16;

fn wrong(error: impl std::fmt::Display) -> Trouble {
    Trouble::Wrong(format!("an answer cannot be read: {error}"))
}
