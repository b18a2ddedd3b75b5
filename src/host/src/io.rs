//! What happens to a host, and what it asks for.

use zab::{
    DiskImage, Fact, Halt, Input, Message, Note, Notification, Outputs, Record, SessionMessage,
    Sid, Txn, WriteNo, Zxid,
};

use crate::claims::Turned;

/// Tells two connections to the same server apart. Whoever makes connections chooses it; no number
/// may be that of another connection to the same server that the host, or a message on its way to
/// it, still knows of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Generation(pub u64);

/// A connection of the quorum port whose other end is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Link {
    /// The other end.
    pub peer: Sid,
    /// Which of the connections to it.
    pub generation: Generation,
}

/// Something that happened. `S` is the state of a state machine, as it travels with a SNAP.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event<P, S> {
    /// The server starts with what is on its disk.
    Start(DiskImage<P>),
    /// A connection of the quorum port is up. Each end learns of it at its own time, and a new one
    /// may be up before the old one is known to be down.
    Opened {
        /// Which one.
        link: Link,
        /// By this server, as a learner; or else by the peer, which has said who it is.
        dialled: bool,
    },
    /// A connection broke, or the other end closed it.
    Closed(Link),
    /// The leader that [`Effect::Dial`] named is not there. Only of the latest attempt, and not
    /// after [`Effect::StopDialling`].
    Unreachable(Sid),
    /// Messages that arrived together over a connection, in order: what a
    /// [`Decoder`](crate::Decoder) made of bytes.
    Received {
        /// Over which connection.
        link: Link,
        /// At least one.
        messages: Vec<Message<P>>,
    },
    /// A SNAP packet arrived, and behind it the state that it announced.
    State {
        /// Over which connection.
        link: Link,
        /// The label of the SNAP.
        zxid: Zxid,
        /// What came with it.
        state: S,
    },
    /// An election message arrived.
    Notified {
        /// Whose connection it came over.
        from: Sid,
        /// What it says.
        notification: Notification,
    },
    /// A connection of the election port to this peer is up, and nothing was said over it yet.
    /// [`Effect::Greet`] is the answer, if there is something to say.
    ElectionOpened(Sid),
    /// Every record up to this number is on disk and stays there. Cumulative.
    Durable(WriteNo),
    /// An armed timer ran out.
    Timer(Timer),
    /// The session layer of an established leader proposes a transaction.
    Propose(P),
    /// The session layer of an established leader asks for a confirmed sync of its own:
    /// [`Effect::Synced`] is the answer.
    Sync {
        /// Handed back.
        body: P,
    },
    /// A learner asked for a confirmed sync over this connection. The answer leaves over it, or not
    /// at all: a learner takes an answer for one to the oldest sync that it has forwarded.
    SyncFor(Link),
    /// The session layer says something to its peer.
    Session {
        /// The other end.
        peer: Sid,
        /// What it says.
        message: SessionMessage<P>,
    },
    /// This server gives up its role.
    Resign,
}

/// What the host asks for. Effects are carried out in their order; what has to be true before one
/// of them is carried out is true once all before it are:
///
/// | effect | what it relies on |
/// |---|---|
/// | `Install` | nothing: it replaces whatever the state machine held |
/// | `Write` of a snapshot | the `Install` before it: the record holds what was installed, and nothing behind it |
/// | `Write` | every `Write` before it is begun first; a crash leaves a prefix |
/// | `Deliver` | the state machine holds everything up to the transaction before |
/// | `SendState` | the state machine holds exactly what is delivered up to its label: every `Deliver` up to there is before it, every later one behind it |
/// | `Frames` | frames and states of one connection leave in this order; what waits for the disk is not among them |
/// | `Close` | all `Frames` of the connection are before it, and still leave |
/// | `Session`, `Synced` | everything that the leader had committed when it spoke is delivered |
/// | `Role`, in `Note` | what belongs to the role before is before it |
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Effect<P, S> {
    /// Replace the state machine by this state, which holds everything up to the zxid.
    Install {
        /// The label of the SNAP.
        zxid: Zxid,
        /// What came with it.
        state: S,
    },
    /// Write a record.
    Write(WriteNo, Record<P>),
    /// Apply a committed transaction to the state machine.
    Deliver(Txn<P>),
    /// Let bytes leave over a connection.
    Frames {
        /// Which one.
        link: Link,
        /// Whole packets.
        bytes: Vec<u8>,
    },
    /// Let the present state of the state machine leave over a connection.
    SendState {
        /// Which one.
        link: Link,
        /// The label: what the state holds.
        zxid: Zxid,
    },
    /// Close a connection once what was sent has left.
    Close(Link),
    /// Dial a leader until it answers, or is given up.
    Dial(Sid),
    /// Stop dialling, if somebody is dialled; connections stay.
    StopDialling(Sid),
    /// Let an election message leave over every connection to the peer; an older one that has not
    /// left is forgotten.
    Notify {
        /// The receiver.
        to: Sid,
        /// Length and message.
        bytes: Vec<u8>,
        /// This server looks for a leader, so a peer that is alive answers.
        looks: bool,
    },
    /// Let the latest election message leave over the connection whose [`Event::ElectionOpened`] is
    /// handled.
    Greet {
        /// Length and message.
        bytes: Vec<u8>,
    },
    /// Start a timer, or start it again from the beginning.
    Arm(Timer),
    /// Stop a timer, if it runs.
    Disarm(Timer),
    /// A message for the session layer, and the connection that it came over.
    Session(Link, SessionMessage<P>),
    /// A PING of a learner reports sessions.
    Reported(Sid, P),
    /// A sync that this server's own session layer asked for is confirmed.
    Synced(P),
    /// The server must stop for good.
    Halt(Halt),
    /// What the core did.
    Note(Note),
    /// What the host did, for the log.
    Remark(Remark),
}

/// The kinds of timers. How long they last is the business of whoever drives the host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Timer {
    /// One of the core's.
    Core(zab::Timer),
    /// The peer has left a question unanswered for a tick.
    Answer(Sid),
    /// A connection has waited for `initLimit` to become the link of the member that it claims to
    /// be.
    Claim(Link),
}

/// What the host decided about connections.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Remark {
    /// The connection that claims to be this member does not wait any longer.
    TurnedAway(Sid, Turned),
    /// The member answers on its link: so many others that claim to be it are closed.
    Refuted(Sid, usize),
    /// The member does not answer on its link, and another connection claims to be it: the link is
    /// closed.
    Replaced(Sid),
    /// The peer sent a SNAP without a state: its link is closed.
    NoState(Sid),
    /// This learner is sent a DIFF, and everything up to here is committed.
    SendsDiff(Sid, Zxid),
    /// This learner is sent a TRUNC to here.
    SendsTrunc(Sid, Zxid),
    /// This learner is sent the state up to here.
    SendsSnap(Sid, Zxid),
}

/// What the host asks while it handles an event.
pub trait Shell<P> {
    /// A step of the core begins.
    fn begins(&mut self, input: &Input<P>);
    /// It has ended.
    fn ended(&mut self, out: &Outputs<P>);
    /// The sessions that this learner reports with a PING.
    fn report(&mut self) -> Option<P>;
    /// What the core did, in the words of the abstract protocol, in order.
    fn fact(&mut self, _: Fact<P>) {}
}

/// Records nothing, and has no session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Silent;

impl<P> Shell<P> for Silent {
    fn begins(&mut self, _: &Input<P>) {}
    fn ended(&mut self, _: &Outputs<P>) {}
    fn report(&mut self) -> Option<P> {
        None
    }
}
