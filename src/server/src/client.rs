//! The client port: sessions, reads, watches, four-letter words.

#[cfg(test)]
mod amplification;
mod answers;
mod auth;
mod connection;
mod counters;
mod handshake;
mod pending;
mod port;
mod reads;
mod shared;
mod sizes;
mod task;
mod words;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use wire::Id;
use wire::client::OpCode;
use znode::SessionId;

pub(crate) use connection::Connection;
pub(crate) use port::listen;
pub(crate) use shared::Shared;

/// What a connection asks the engine for, in the order in which its client did.
pub(crate) struct ClientBatch {
    pub(crate) connection: Arc<Connection>,
    pub(crate) requests: Vec<ClientRequest>,
}

pub(crate) enum ClientRequest {
    NewSession {
        timeout_ms: i32,
    },
    /// The password was right.
    RenewSession {
        session: SessionId,
        timeout_ms: i32,
    },
    /// `auth`: what the client had proved to be when it asked.
    Write {
        xid: i32,
        op: OpCode,
        body: Bytes,
        auth: Vec<Id>,
    },
    Sync,
    /// Which sessions expire when, as a leader knows it; another server drops the sender.
    SessionSets(oneshot::Sender<SessionSets>),
    /// Nothing: the client was told that its session is none.
    Refused,
    /// The connection is gone.
    Ended,
}

/// The sessions that a leader keeps, in the order in which they expire.
pub(crate) struct SessionSets {
    /// Milliseconds from now, and the sessions that expire then.
    pub(crate) sets: Vec<(u64, Vec<SessionId>)>,
    /// How many sessions there are, those included that are being closed.
    pub(crate) sessions: usize,
}

/// Batches that may wait for the engine. Whoever has more waits itself, and its client with it.
pub(crate) const BATCHES_MAX: usize = 1024;
