//! One client session over one connection at a time: requests are appended to a buffer and leave
//! together, replies are read in place.

use bytes::Bytes;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use wire::client::{ConnectRequest, ConnectResponse, OpCode, xid};
use wire::jute::{Reader, Record, Writer};

/// Who a client is to the ensemble, over all its connections.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// 0 before the first connection.
    pub(super) id: i64,
    password: Option<Bytes>,
    /// What was granted, or before that, what is asked for.
    pub(super) timeout: Duration,
    /// A server that has seen less must not serve this client.
    last_zxid: i64,
}

impl Identity {
    /// Somebody new who asks for this session timeout.
    pub(super) fn new(timeout: Duration) -> Self {
        let password = Some(Bytes::from_static(&[0; 16]));
        Self { id: 0, password, timeout, last_zxid: 0 }
    }
}

/// Why there is no session.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// This server does not serve this client now.
    Lost(io::Error),
    /// The session has expired: only a new one can be had.
    Expired,
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

/// The head of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reply {
    pub(super) xid: i32,
    pub(super) error: i32,
    /// Bytes of the body, which is not looked at.
    pub(super) body: usize,
}

/// Bytes of the body of an answer to a getData, for a node with `bytes` of data: its length,
/// itself, the Stat.
pub(super) const fn get_body(bytes: usize) -> usize {
    4 + bytes + 68
}

/// A connection with an established session.
pub(super) struct Session {
    stream: TcpStream,
    identity: Identity,
    input: Input,
    /// Requests not yet sent, from `sent` on.
    output: Vec<u8>,
    sent: usize,
}

/// A server that accepts a connection and says nothing is given up after this.
const HANDSHAKE: Duration = Duration::from_secs(2);

impl Session {
    /// Connects to a server as `identity`.
    pub(super) async fn connect(
        server: SocketAddr,
        identity: &Identity,
    ) -> Result<Self, ConnectError> {
        let attempt = Self::handshake(server, identity);
        tokio::time::timeout(HANDSHAKE, attempt)
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
    }

    async fn handshake(server: SocketAddr, identity: &Identity) -> Result<Self, ConnectError> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let mut session = Self {
            stream,
            identity: identity.clone(),
            input: Input::new(),
            output: Vec::with_capacity(BUFFER),
            sent: 0,
        };
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: identity.last_zxid,
            timeout_ms: i32::try_from(identity.timeout.as_millis()).unwrap_or(i32::MAX),
            session_id: identity.id,
            passwd: identity.password.clone(),
            read_only: Some(false),
        };
        session.output.nested(|out| request.encode(out));
        loop {
            session.exchange().await?;
            if let Some(answer) = session.input.whole_frame()? {
                session.identity.accept(answer)?;
                return Ok(session);
            }
        }
    }

    /// Who the client is now; to go on with after this connection is lost.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where requests are appended, framed; they leave with the next [`exchange`](Self::exchange).
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Sends what there is to send, and waits until something has arrived.
    pub(super) async fn exchange(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_exchange(cx)).await
    }

    /// As [`exchange`](Self::exchange). Reading never waits for writing, so a server that wants its
    /// answers taken first gets its way.
    pub(super) fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.output.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.output[self.sent..]) {
                Poll::Ready(written) => self.sent += written?,
                Poll::Pending => break,
            }
        }
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
        self.input.poll_fill(cx, &mut self.stream)
    }

    /// The next reply that has arrived, without waiting.
    pub(super) fn reply(&mut self) -> io::Result<Option<Reply>> {
        let Some((reply, zxid)) = self.input.head()? else { return Ok(None) };
        if reply.xid > 0 && zxid > 0 {
            self.identity.last_zxid = zxid;
        }
        Ok(Some(reply))
    }

    /// Asks the server to end the session, and waits a moment for it to do so.
    pub(super) async fn close(mut self) {
        request(&mut self.output, 0, OpCode::CloseSession, |_| ());
        let ends = async {
            while self.exchange().await.is_ok() {
                while let Ok(Some(_)) = self.reply() {}
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), ends).await;
    }
}

impl Identity {
    fn accept(&mut self, answer: &[u8]) -> Result<(), ConnectError> {
        let answer = ConnectResponse::decode(&mut Reader::copying(answer, answer.len()))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        match u64::try_from(answer.timeout_ms) {
            Ok(millis @ 1..) => self.timeout = Duration::from_millis(millis),
            Ok(0) | Err(_) => return Err(ConnectError::Expired),
        }
        self.id = answer.session_id;
        self.password = answer.passwd;
        Ok(())
    }
}

const BUFFER: usize = 64 << 10;
/// Length, xid, zxid, error.
const HEAD: usize = 4 + 4 + 8 + 4;

/// Bytes that have arrived. Only the heads of replies are looked at; bodies are stepped over as
/// they come, so the buffer never grows, however large a reply is.
struct Input {
    bytes: Box<[u8]>,
    /// What is unread is `start..end`.
    start: usize,
    end: usize,
    /// How much of the body of the last reply is still to come.
    skip: usize,
}

impl Input {
    fn new() -> Self {
        Self { bytes: vec![0; BUFFER].into(), start: 0, end: 0, skip: 0 }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<()>> {
        // Less than a head is left over, so this moves a few bytes at most.
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let mut buffer = ReadBuf::new(&mut self.bytes[self.end..]);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.end += read;
        Poll::Ready(Ok(()))
    }

    /// The next head: reply and zxid.
    fn head(&mut self) -> io::Result<Option<(Reply, i64)>> {
        let skipped = self.skip.min(self.end - self.start);
        self.start += skipped;
        self.skip -= skipped;
        let Some(head) = self.bytes[self.start..self.end].first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [l0, l1, l2, l3, x0, x1, x2, x3, z0, z1, z2, z3, z4, z5, z6, z7, e0, e1, e2, e3] =
            *head;
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        let rest = usize::try_from(length).ok().and_then(|length| (length + 4).checked_sub(HEAD));
        self.skip = rest.ok_or_else(|| {
            let what = format!("a reply of {length} bytes, allowed: 16 or more");
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        let reply = Reply {
            xid: i32::from_be_bytes([x0, x1, x2, x3]),
            error: i32::from_be_bytes([e0, e1, e2, e3]),
            body: self.skip,
        };
        self.start += HEAD;
        Ok(Some((reply, i64::from_be_bytes([z0, z1, z2, z3, z4, z5, z6, z7]))))
    }

    /// The next frame as a whole, if all of it has arrived. For the small answer to a
    /// ConnectRequest.
    fn whole_frame(&mut self) -> io::Result<Option<&[u8]>> {
        let unread = &self.bytes[self.start..self.end];
        let Some((length, rest)) = unread.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > 1_024 {
            let what = "a ConnectResponse of more than 1024 bytes";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let body = self.start + 4;
        self.start = body + length;
        Ok(Some(&self.bytes[body..body + length]))
    }
}

/// Appends a request whose body is borrowed. (The records of `wire` own their paths and data.)
fn request(out: &mut Vec<u8>, xid: i32, op: OpCode, body: impl FnOnce(&mut Vec<u8>)) {
    out.nested(|out| {
        out.i32(xid);
        out.i32(op.code());
        body(out);
    });
}

/// Appends a create of a persistent node that anybody may do anything to.
pub(super) fn create(out: &mut Vec<u8>, xid: i32, path: &str, data: &[u8]) {
    request(out, xid, OpCode::Create, |out| {
        out.str(path);
        out.buffer(Some(data));
        out.count(1);
        out.i32(0x1f);
        out.str("world");
        out.str("anyone");
        out.i32(0);
    });
}

/// Appends a delete of any version.
pub(super) fn delete(out: &mut Vec<u8>, xid: i32, path: &str) {
    request(out, xid, OpCode::Delete, |out| {
        out.str(path);
        out.i32(-1);
    });
}

/// Appends a getData without a watch.
pub(super) fn get(out: &mut Vec<u8>, xid: i32, path: &str) {
    request(out, xid, OpCode::GetData, |out| {
        out.str(path);
        out.bool(false);
    });
}

/// Appends a setData of any version.
pub(super) fn set(out: &mut Vec<u8>, xid: i32, path: &str, data: &[u8]) {
    request(out, xid, OpCode::SetData, |out| {
        out.str(path);
        out.buffer(Some(data));
        out.i32(-1);
    });
}

/// Appends a ping.
pub(super) fn ping(out: &mut Vec<u8>) {
    request(out, xid::PING, OpCode::Ping, |_| ());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn requests_are_those_of_zookeepers_clients() {
        let mut out = Vec::new();
        create(&mut out, 1, "/a", b"x");
        assert_eq!(
            hex(&out),
            "000000320000000100000001000000022f610000000178000000010000001f\
             00000005776f726c6400000006616e796f6e6500000000"
        );
        out.clear();
        ping(&mut out);
        assert_eq!(hex(&out), "00000008fffffffe0000000b");
    }

    fn input(bytes: &[u8]) -> Input {
        let mut input = Input::new();
        input.bytes[..bytes.len()].copy_from_slice(bytes);
        input.end = bytes.len();
        input
    }

    fn reply_bytes(xid: i32, zxid: i64, error: i32, body: usize) -> Vec<u8> {
        let mut out = Vec::new();
        out.nested(|out| {
            out.i32(xid);
            out.i64(zxid);
            out.i32(error);
            out.extend(std::iter::repeat_n(0xff, body));
        });
        out
    }

    #[test]
    fn bodies_are_stepped_over_however_they_arrive() {
        let mut bytes = reply_bytes(1, 7, 0, 100);
        bytes.extend(reply_bytes(2, 8, -101, 0));
        for cut in 0..bytes.len() {
            let mut input = input(&bytes[..cut]);
            let mut heads = Vec::new();
            while let Some(head) = input.head().expect("valid") {
                heads.push(head);
            }
            // The rest arrives.
            let left = input.end - input.start;
            input.bytes.copy_within(input.start..input.end, 0);
            input.bytes[left..left + bytes.len() - cut].copy_from_slice(&bytes[cut..]);
            (input.start, input.end) = (0, left + bytes.len() - cut);
            while let Some(head) = input.head().expect("valid") {
                heads.push(head);
            }
            let expected = [
                (Reply { xid: 1, error: 0, body: 100 }, 7),
                (Reply { xid: 2, error: -101, body: 0 }, 8),
            ];
            assert_eq!(heads, expected, "cut after {cut} bytes");
        }
    }

    #[test]
    fn lengths_that_no_reply_has_are_refused() {
        for length in [-1, 0, 15, i32::MIN] {
            let mut bytes = reply_bytes(1, 7, 0, 0);
            bytes[..4].copy_from_slice(&i32::to_be_bytes(length));
            assert!(input(&bytes).head().is_err(), "{length}");
        }
        assert!(input(&[0x7f, 0, 0, 0, 1]).whole_frame().is_err());
    }

    #[test]
    fn a_session_timeout_of_zero_is_an_expired_session() {
        let mut identity = Identity::new(Duration::from_secs(10));
        let bytes = |answer: ConnectResponse| {
            let mut out = Vec::new();
            answer.encode(&mut out);
            out
        };
        assert!(
            identity.accept(&bytes(ConnectResponse::established(9, 4_000, Some(false)))).is_ok()
        );
        assert_eq!((identity.id, identity.timeout.as_secs()), (9, 4));
        assert_eq!(identity.password.as_deref(), Some(&wire::password(9)[..]));
        let expired = identity.accept(&bytes(ConnectResponse::expired(Some(false))));
        assert!(matches!(expired, Err(ConnectError::Expired)));
        assert!(matches!(identity.accept(&[0; 7]), Err(ConnectError::Lost(_))));
    }
}
