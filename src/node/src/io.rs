//! What happens to a node, and what it asks for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host::Link;
use recording::Ports;
use zab::{Epoch, Message, Notification, ServerState, Sid, WriteNo, Zxid};
use znode::{Snapshot, Tree};

use crate::client::{ClientBatch, Connection};
use crate::disk::Job;

/// What the clocks of a server show.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Now {
    /// Since the server began, of a clock that is never set: all that lasts is measured with it.
    pub at: Duration,
    /// Milliseconds since 1970. This clock may stand still, jump, or be set back: it goes into
    /// `ctime` and `mtime`, and nothing is measured with it.
    pub wall_ms: i64,
}

impl Now {
    /// Milliseconds since the server began.
    pub fn ms(&self) -> u64 {
        u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Something that happened outside of a node.
pub enum Event {
    /// An election message arrived.
    Notification {
        /// Whose connection it came over.
        from: Sid,
        /// What it says.
        notification: Notification,
        /// Names the connection.
        over: Option<Ports>,
    },
    /// A connection of the election port is up: what is it to begin with? [`Effect::Greet`] is the
    /// answer of the next flush, if there is one.
    ElectionOpened {
        /// The other end.
        peer: Sid,
        /// Names the connection.
        over: Option<Ports>,
        /// Handed back with the answer.
        number: u64,
    },
    /// A connection of the quorum port whose other end is known is up.
    LinkUp {
        /// Which one.
        link: Link,
        /// By this server, as a learner.
        dialled: bool,
        /// Names the connection.
        over: Option<Ports>,
    },
    /// A connection of the quorum port is over.
    LinkDown {
        /// Which one.
        link: Link,
        /// Why, for the operator.
        reason: String,
    },
    /// The leader that was to be followed is not there.
    Unreachable {
        /// Which one.
        leader: Sid,
        /// Why, for the operator.
        reason: String,
    },
    /// Messages that arrived together.
    Messages {
        /// Over which connection.
        link: Link,
        /// In order.
        messages: Vec<Message<Bytes>>,
    },
    /// A SNAP message, and the state that came with it.
    Snapshot {
        /// Over which connection.
        link: Link,
        /// The label.
        zxid: Zxid,
        /// The state.
        tree: Box<Tree>,
    },
    /// Everything up to this record is on disk.
    Durable {
        /// Its number.
        upto: WriteNo,
    },
    /// A write or an fsync failed: nothing more is written.
    DiskFailed(store::Error),
    /// Requests of a client.
    Asked(ClientBatch),
    /// A client's connection is gone. Comes once for each.
    Gone(Arc<Connection>),
    /// What had arrived of this server's own clients when it was [asked for](Effect::Listen) is
    /// read.
    Listened(u64),
    /// The server is to stop.
    Stop {
        /// Why, for the operator.
        reason: String,
    },
}

/// What a node asks for. Effects are carried out in their order.
pub enum Effect {
    /// Work for the disk, in its order.
    Disk(Vec<Job>),
    /// The first message over the connection of the election port with this number.
    Greet {
        /// As in [`Event::ElectionOpened`].
        number: u64,
        /// Length and message.
        bytes: Vec<u8>,
    },
    /// Let bytes leave over a connection of the quorum port.
    Frames {
        /// Which one.
        link: Link,
        /// Whole packets.
        bytes: Vec<u8>,
    },
    /// Let a state leave over a connection of the quorum port.
    State {
        /// Which one.
        link: Link,
        /// The state.
        snapshot: Snapshot,
    },
    /// Close a connection of the quorum port once what was said over it has left.
    Close(Link),
    /// Dial a leader until it answers, or is given up.
    Dial(Sid),
    /// Stop dialling; a connection that is up is not touched.
    StopDialling(Sid),
    /// This server is up to date with the leader.
    Follows(Sid),
    /// Let an election message leave over every connection to the peer; an older one that has not
    /// left is forgotten.
    Notify {
        /// The receiver.
        to: Sid,
        /// Length and message.
        bytes: Vec<u8>,
        /// Whoever is alive answers it.
        looks: bool,
    },
    /// The connection's task has something to write.
    Wake(Arc<Connection>),
    /// Tell with [`Event::Listened`] and this number when what has arrived of this server's own
    /// clients is read.
    Listen(u64),
    /// Something that an operator wants to know of.
    Tell(Told),
}

/// A change that an operator wants to know of.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "event")]
pub enum Told {
    /// The server is something else now.
    RoleChange {
        /// Which server.
        sid: Sid,
        /// What it is from now on. A server is `Leading` or `Following` from the decision of the
        /// election on, before its leadership is established.
        role: ServerState,
        /// Its current epoch, or that of the leader that it has found.
        epoch: Epoch,
        /// Why, in a few words.
        reason: String,
    },
    /// The server has an established leader, or is it, and serves clients.
    Serving {
        /// Which server.
        sid: Sid,
        /// Where clients connect; `None` if it has no client port.
        client_port: Option<u16>,
        /// The epoch of the leader.
        epoch: Epoch,
    },
    /// The server ends: the last event.
    Stopped {
        /// Which server.
        sid: Sid,
        /// Why, in a few words.
        reason: String,
    },
}

impl Told {
    /// It as one line of JSON, without its end.
    pub fn to_line(&self) -> String {
        // No map with keys that are no strings, no value that fails: serialisation is total here.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a line; `None` if it is no such thing.
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

/// Why a node ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// It was told to.
    #[error("asked to stop ({0})")]
    Asked(String),
    /// The disk cannot be relied on.
    #[error("the disk failed: {0}")]
    Disk(#[source] store::Error),
    /// Its steps cannot be recorded.
    #[error("the recording failed: {0}")]
    Recording(String),
    /// What it holds, or was told, cannot be right.
    #[error("{0}")]
    Halt(String),
}

/// What is busy around a node, for [`Node::takes_requests`](crate::Node::takes_requests).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Load {
    /// Records that were handed over and are not durable.
    pub disk_records: usize,
    /// So much waits for the leader that nothing should be sent that can wait as well.
    pub leader_is_behind: bool,
}

/// Where the steps of a host are recorded: before anything that they led to is seen.
pub trait Recorder: Send {
    /// Before the host handles an event; `over` names the connection that it speaks of.
    fn begin(&mut self, event: &host::Event<Bytes, Box<Tree>>, over: Option<Ports>);
    /// Meanwhile: the sessions that it is told to report.
    fn report(&mut self, body: &Bytes);
    /// Afterwards: what it asks for. Without an event before it, what a flush lets leave.
    fn end(&mut self, effects: &[host::Effect<Bytes, Box<Tree>>]);
    /// Keeps the steps since the last time.
    ///
    /// # Errors
    /// They cannot be kept: nothing more may be recorded, and nothing that they led to may be seen.
    fn flush(&mut self) -> Result<(), String>;
    /// Keeps the steps since the last time, and that there are no more.
    ///
    /// # Errors
    /// As of [`Self::flush`].
    fn finish(&mut self) -> Result<(), String>;
}

/// Says when a node has worked long enough at a stretch: what is left is left to its next turn, so
/// that timers and peers have theirs.
pub trait Turn: Send {
    /// A turn begins that may last so long.
    fn begin(&mut self, limit: Duration);
    /// Whether it is over.
    fn is_over(&self) -> bool;
}

/// Tells whoever writes to a client's socket that there is something new.
pub trait Bell: Send + Sync {
    /// There is.
    fn ring(&self);
}

/// Nobody waits.
impl Bell for () {
    fn ring(&self) {}
}
