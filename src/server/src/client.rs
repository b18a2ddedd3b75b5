//! The client port: sessions, reads, watches, four-letter words.

#[cfg(test)]
mod amplification;
mod answers;
mod auth;
mod batch;
mod connection;
mod cost;
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
use tokio::sync::{mpsc, oneshot};
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

/// The engine, as the tasks of connections reach it.
#[derive(Clone)]
pub(crate) struct EngineSender {
    pub(crate) batches: mpsc::Sender<ClientBatch>,
    /// Connections that are gone. Each comes once; the engine always takes them, because what they
    /// had asked for is what keeps it from taking more.
    pub(crate) ended: mpsc::UnboundedSender<Arc<Connection>>,
}

/// The engine's end of [`EngineSender`].
pub(crate) struct FromClients {
    pub(crate) batches: mpsc::Receiver<ClientBatch>,
    pub(crate) ended: mpsc::UnboundedReceiver<Arc<Connection>>,
}

impl EngineSender {
    pub(crate) fn channel() -> (Self, FromClients) {
        let (batches, asked) = mpsc::channel(BATCHES_MAX);
        let (ended, gone) = mpsc::unbounded_channel();
        (Self { batches, ended }, FromClients { batches: asked, ended: gone })
    }
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
}

/// The sessions that a leader keeps, in the order in which they expire.
pub(crate) struct SessionSets {
    /// Milliseconds from now, and the sessions that expire then.
    pub(crate) sets: Vec<(u64, Vec<SessionId>)>,
    /// How many sessions there are, those included that are being closed.
    pub(crate) sessions: usize,
}

/// Batches that may wait for the engine. Whoever has more waits itself, and its client with it.
const BATCHES_MAX: usize = 1024;
