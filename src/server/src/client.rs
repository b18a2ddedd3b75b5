//! The client port: sessions, reads, watches, four-letter words.

#[cfg(test)]
mod amplification;
mod answers;
mod connection;
mod handshake;
mod port;
mod reads;
mod shared;
mod sizes;
mod task;
mod words;

use std::sync::Arc;

use bytes::Bytes;
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
    Write {
        xid: i32,
        op: OpCode,
        body: Bytes,
    },
    Sync,
    /// Nothing: the client was told that its session is none.
    Refused,
    /// The connection is gone.
    Ended,
}

/// Batches that may wait for the engine. Whoever has more waits itself, and its client with it.
pub(crate) const BATCHES_MAX: usize = 1024;
