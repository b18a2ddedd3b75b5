//! Connections between two ends: bytes in order, each direction at its own time.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use zab::Sid;

/// Which connection.
pub(crate) type PipeId = u64;

/// What it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Quorum,
    Election,
    Client,
}

/// Who is at an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// A server, and which of its runs.
    Server(Sid, u64),
    /// A client.
    Client(usize),
    /// Somebody who listens to nothing.
    Stranger,
}

/// What is on its way to an end.
pub(crate) enum Chunk {
    Bytes(Vec<u8>),
    /// The other end has closed it, or it broke.
    Fin,
}

pub(crate) struct Pipe {
    pub(crate) kind: Kind,
    pub(crate) ends: [End; 2],
    /// On their way to the end with this index, oldest first.
    pub(crate) queues: [VecDeque<Chunk>; 2],
    /// When the last of them arrives.
    pub(crate) arrived: [Duration; 2],
    /// Whether the end with this index has not closed it.
    pub(crate) open: [bool; 2],
}

impl Pipe {
    pub(crate) fn new(kind: Kind, ends: [End; 2]) -> Self {
        Self {
            kind,
            ends,
            queues: Default::default(),
            arrived: Default::default(),
            open: [true; 2],
        }
    }

    /// The servers at this end and at the other.
    fn servers(&self, to: usize) -> Option<(Sid, Sid)> {
        match (self.ends[1 - to], self.ends[to]) {
            (End::Server(from, _), End::Server(to, _)) => Some((from, to)),
            (End::Client(_) | End::Stranger, _) | (_, End::Client(_) | End::Stranger) => None,
        }
    }

    /// Whether nothing gets through to this end.
    pub(crate) fn is_cut(&self, to: usize, cuts: &BTreeSet<(Sid, Sid)>) -> bool {
        self.servers(to).is_some_and(|pair| cuts.contains(&pair))
    }
}
