use std::fmt;

use bytes::Bytes;

use crate::jute::{Error, Reader, Record, Writer};

/// The first message of a client: 45 bytes with a usual password, 44 from clients of before
/// ZooKeeper 3.4, which lack `read_only`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConnectRequest {
    /// 0; ignored.
    pub protocol_version: i32,
    /// The last zxid the client has seen: a server that is behind it refuses.
    pub last_zxid_seen: i64,
    /// The session timeout it asks for, in milliseconds.
    pub timeout_ms: i32,
    /// The session to be renewed, or 0 for a new one.
    pub session_id: i64,
    /// The password of that session; of any length, and ignored for a new one. `None` is null.
    pub passwd: Option<Bytes>,
    /// True if a read-only server will do; `None` if the client does not know of those. Then the
    /// response must not have it either.
    pub read_only: Option<bool>,
}

/// A server's answer to it: 37 bytes, or 36 without `read_only`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConnectResponse {
    /// 0.
    pub protocol_version: i32,
    /// The negotiated timeout in milliseconds; 0 or less if the session has expired.
    pub timeout_ms: i32,
    /// The session's id, 0 if it has expired.
    pub session_id: i64,
    /// The session's password, 16 bytes, all 0 if it has expired.
    pub passwd: Option<Bytes>,
    /// True if this is a read-only server; present exactly if the request had it.
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// The session is established; `read_only` as in the request, with the server's value.
    pub fn established(session_id: i64, timeout_ms: i32, read_only: Option<bool>) -> Self {
        let passwd = Some(Bytes::copy_from_slice(&crate::password(session_id)));
        Self { protocol_version: 0, timeout_ms, session_id, passwd, read_only }
    }

    /// The session has expired or the password is wrong.
    pub fn expired(read_only: Option<bool>) -> Self {
        let passwd = Some(Bytes::from_static(&[0; 16]));
        Self { protocol_version: 0, timeout_ms: 0, session_id: 0, passwd, read_only }
    }
}

impl Record for ConnectRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            protocol_version: reader.i32("ConnectRequest.protocolVersion")?,
            last_zxid_seen: reader.i64("ConnectRequest.lastZxidSeen")?,
            timeout_ms: reader.i32("ConnectRequest.timeOut")?,
            session_id: reader.i64("ConnectRequest.sessionId")?,
            passwd: reader.buffer("ConnectRequest.passwd")?,
            read_only: optional_bool(reader, "ConnectRequest.readOnly")?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.i32(self.protocol_version);
        out.i64(self.last_zxid_seen);
        out.i32(self.timeout_ms);
        out.i64(self.session_id);
        out.buffer(self.passwd.as_deref());
        if let Some(read_only) = self.read_only {
            out.bool(read_only);
        }
    }
}

impl Record for ConnectResponse {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            protocol_version: reader.i32("ConnectResponse.protocolVersion")?,
            timeout_ms: reader.i32("ConnectResponse.timeOut")?,
            session_id: reader.i64("ConnectResponse.sessionId")?,
            passwd: reader.buffer("ConnectResponse.passwd")?,
            read_only: optional_bool(reader, "ConnectResponse.readOnly")?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.i32(self.protocol_version);
        out.i32(self.timeout_ms);
        out.i64(self.session_id);
        out.buffer(self.passwd.as_deref());
        if let Some(read_only) = self.read_only {
            out.bool(read_only);
        }
    }
}

fn optional_bool(reader: &mut Reader<'_>, field: &'static str) -> Result<Option<bool>, Error> {
    if reader.remaining() == 0 { Ok(None) } else { reader.bool(field).map(Some) }
}

/// Passwords stay out of logs.
impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectRequest")
            .field("last_zxid_seen", &self.last_zxid_seen)
            .field("timeout_ms", &self.timeout_ms)
            .field("session_id", &self.session_id)
            .field("passwd", &Hidden(self.passwd.as_ref()))
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

/// Passwords stay out of logs.
impl fmt::Debug for ConnectResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectResponse")
            .field("timeout_ms", &self.timeout_ms)
            .field("session_id", &self.session_id)
            .field("passwd", &Hidden(self.passwd.as_ref()))
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

/// Shows the length of a secret and nothing else.
pub(super) struct Hidden<'a>(pub(super) Option<&'a Bytes>);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(secret) => write!(f, "<{} bytes>", secret.len()),
            None => f.write_str("null"),
        }
    }
}
