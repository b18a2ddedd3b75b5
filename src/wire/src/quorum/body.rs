//! What packets carry in their data.

use bytes::Bytes;

use crate::jute::{Error, LIMIT_BYTES_DEFAULT, Reader, Record, Writer, record};
use crate::txn::TxnBlob;

/// A learner's FOLLOWERINFO or OBSERVERINFO, 20 bytes today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LearnerInfo {
    /// The learner's sid.
    pub server_id: i64,
    /// [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION) today; 1 if the learner does not say, which
    /// is one of before Zab 1.0.
    pub protocol_version: i32,
    /// The version of the learner's configuration; `None` from servers before ZooKeeper 3.5.
    pub config_version: Option<i64>,
}

impl Record for LearnerInfo {
    /// Takes 8, 12 or 20 bytes and, as ZooKeeper, ignores what is between and behind.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let server_id = reader.i64("LearnerInfo.serverid")?;
        let mut info = Self { server_id, protocol_version: 1, config_version: None };
        if reader.remaining() >= 4 {
            info.protocol_version = reader.i32("LearnerInfo.protocolVersion")?;
            if reader.remaining() >= 8 {
                info.config_version = Some(reader.i64("LearnerInfo.configVersion")?);
            }
        }
        Ok(info)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.i64(self.server_id);
        out.i32(self.protocol_version);
        if let Some(version) = self.config_version {
            out.i64(version);
        }
    }
}

/// A client's request on its way to the leader, data of a REQUEST.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ForwardedRequest {
    /// The client's session.
    pub session_id: i64,
    /// The request's xid; the transaction that answers it carries both.
    pub cxid: i32,
    /// A number of [`OpCode`](crate::client::OpCode), kept as it came.
    pub op: i32,
    /// The request's record, as [`Request::decode`](crate::client::Request::decode) reads it.
    pub body: Bytes,
}

impl Record for ForwardedRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            session_id: reader.i64("REQUEST.sessionId")?,
            cxid: reader.i32("REQUEST.cxid")?,
            op: reader.i32("REQUEST.opcode")?,
            body: reader.rest(),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.i64(self.session_id);
        out.i32(self.cxid);
        out.i32(self.op);
        out.extend_from_slice(&self.body);
    }
}

record! {
    /// A learner's question whether a session is alive, data of its REVALIDATE. With a valid
    /// answer the session belongs to that learner.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Revalidate {
        /// The session.
        pub session_id: i64,
        /// Its negotiated timeout in milliseconds.
        pub timeout_ms: i32,
    }
}

/// What a leader says of a session, data of its REVALIDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revalidated {
    /// The answer to [`Revalidate`], 9 bytes: the session, not 0, and whether it is alive.
    Answer {
        /// The session.
        session_id: i64,
        /// True if it is alive.
        valid: bool,
    },
    /// Nobody asked: a session that belonged to this learner has been renewed at another server, 17
    /// bytes.
    ///
    /// ZooKeeper has no such word. It begins like an answer about session 0, which no client can
    /// have, so a learner that does not know it finds nobody who asked, and ignores it.
    Moved {
        /// The session.
        session_id: i64,
    },
}

impl Record for Revalidated {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let session_id = reader.i64("Revalidated.sessionId")?;
        let valid = reader.bool("Revalidated.valid")?;
        if session_id == NO_SESSION && reader.remaining() >= 8 {
            return Ok(Self::Moved { session_id: reader.i64("Revalidated.moved")? });
        }
        Ok(Self::Answer { session_id, valid })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Answer { session_id, valid } => {
                out.i64(session_id);
                out.bool(valid);
            }
            Self::Moved { session_id } => {
                out.i64(NO_SESSION);
                out.bool(false);
                out.i64(session_id);
            }
        }
    }
}

/// The session id of a client that has none.
const NO_SESSION: i64 = 0;

record! {
    /// A session that a learner has heard from, 12 bytes in the data of its PING.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct TouchedSession {
        /// The session.
        pub session_id: i64,
        /// Its timeout in milliseconds.
        pub timeout_ms: i32,
    }
}

/// The sessions in the data of a learner's PING; none if the data is empty.
///
/// # Errors
/// [`Error::Short`] if the data is not a multiple of 12 bytes.
pub fn decode_touched(data: &[u8]) -> Result<Vec<TouchedSession>, Error> {
    let mut reader = Reader::copying(data, LIMIT_BYTES_DEFAULT);
    let mut sessions = Vec::with_capacity(data.len() / 12);
    while reader.remaining() > 0 {
        sessions.push(Record::decode(&mut reader)?);
    }
    Ok(sessions)
}

/// Appends the data of a learner's PING.
pub fn encode_touched(sessions: impl IntoIterator<Item = TouchedSession>, out: &mut Vec<u8>) {
    for session in sessions {
        session.encode(out);
    }
}

/// A committed reconfiguration and who is to lead, data of an INFORMANDACTIVATE. (The data of a
/// COMMITANDACTIVATE is the sid alone, an `i64`.)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProposalWithLeader {
    /// The designated leader's sid.
    pub leader: i64,
    /// The transaction.
    pub blob: TxnBlob,
}

impl Record for ProposalWithLeader {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self { leader: reader.i64("INFORMANDACTIVATE.leader")?, blob: TxnBlob::decode(reader)? })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.i64(self.leader);
        self.blob.encode(out);
    }
}

record! {
    /// A step of authentication between servers (`QuorumAuth`, off by default).
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct QuorumAuthPacket {
        /// [`QuorumAuthPacket::MAGIC`]; anything else is a peer that does not authenticate.
        pub magic: i64,
        /// 0 in progress, 1 success, -1 error.
        pub status: i32,
        /// The SASL token; `None` is null.
        pub token: Option<Bytes>,
    }
}

impl QuorumAuthPacket {
    /// The first eight bytes (`QuorumAuth.QUORUM_AUTH_MAGIC_NUMBER`).
    pub const MAGIC: i64 = 0x5f24_3501_3501_edcc;
}
