//! The client port: sessions, reads, watches, four-letter words.

#[cfg(test)]
mod amplification;
mod answers;
mod auth;
mod batch;
mod connection;
mod cost;
pub(crate) mod counters;
mod failures;
mod handshake;
mod inbound;
mod reads;
mod sasl;
mod secure;
mod shared;
mod sizes;
mod turns;
mod words;

use std::sync::Arc;

use bytes::Bytes;
use wire::Id;
use wire::client::OpCode;
use znode::SessionId;

pub(crate) use auth::{proved, shown};
pub use connection::Connection;
pub use handshake::Hello;
pub use inbound::{Inbound, NO_SESSION, SESSIONLESS_TIMEOUT, WORD_TIMEOUT};
pub use secure::Handshake;
pub use shared::{Admission, Learner, Shared, Status};
pub use turns::{Ticket, Turns};
pub(crate) use words::described;
pub use words::{answer, date, is_costly, is_executed};

/// What a connection asks the node for, in the order in which its client did.
pub struct ClientBatch {
    /// Which one.
    pub connection: Arc<Connection>,
    /// Oldest first.
    pub requests: Vec<ClientRequest>,
}

/// What a connection asks the node for.
pub enum ClientRequest {
    /// A session for a client that has none.
    NewSession {
        /// As it is granted.
        timeout_ms: i32,
    },
    /// The session that the client has. The password was right.
    RenewSession {
        /// Which one.
        session: SessionId,
        /// As it is granted.
        timeout_ms: i32,
    },
    /// An operation that becomes a transaction.
    Write {
        /// The client's number.
        xid: i32,
        /// Which operation.
        op: OpCode,
        /// What the client said behind the header.
        body: Bytes,
        /// What the client had proved to be when it asked: shared by all that it asked for
        /// until it proved more.
        auth: Arc<[Id]>,
    },
    /// The session's reads are to see everything that is committed.
    Sync,
    /// Which sessions expire when, as a leader knows it; another server drops the function.
    SessionSets(Box<dyn FnOnce(SessionSets) + Send>),
    /// Nothing: the client was told that its session is none.
    Refused,
}

/// The sessions that a leader keeps, in the order in which they expire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionSets {
    /// Milliseconds from now, and the sessions that expire then.
    pub sets: Vec<(u64, Vec<SessionId>)>,
    /// How many sessions there are, those included that are being closed.
    pub sessions: usize,
}
