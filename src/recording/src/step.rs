//! What happened to a host, and what it asked for.

use bytes::Bytes;
use host::{Link, Remark, Timer};
use serde::{Deserialize, Serialize};
use zab::{
    DiskImage, Halt, Message, Note, Notification, Record, SessionMessage, Sid, Txn, WriteNo, Zxid,
};

use crate::{Digest, Packet, messages};

/// The name of a TCP connection, that both ends know: the ports of both, one's own first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Ports {
    /// Of the server that records.
    pub own: u16,
    /// Of the other end.
    pub other: u16,
}

impl Ports {
    /// The same connection as the other end names it.
    #[must_use]
    pub fn turned(self) -> Self {
        Self { own: self.other, other: self.own }
    }
}

/// A [`host::Event`], with digests for payloads, or a flush.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "`host::Event` says what each one is")]
pub enum Event {
    Start(DiskImage<Digest>),
    /// `over`: which connection it is, if the server could tell.
    Opened {
        link: Link,
        dialled: bool,
        over: Option<Ports>,
    },
    Closed(Link),
    Unreachable(Sid),
    /// At least one.
    Received {
        link: Link,
        packets: Vec<Packet>,
    },
    State {
        link: Link,
        zxid: Zxid,
    },
    Notified {
        from: Sid,
        notification: Notification,
        over: Option<Ports>,
    },
    ElectionOpened {
        peer: Sid,
        over: Option<Ports>,
    },
    Durable(WriteNo),
    Timer(Timer),
    Propose(Digest),
    Sync(Digest),
    SyncFor(Link),
    /// The packets of one message.
    Session {
        peer: Sid,
        packets: Vec<Packet>,
    },
    Resign,
    /// [`host::Host::flush`].
    Flush,
}

/// A [`host::Effect`], with digests for payloads, and packets for bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "`host::Effect` says what each one is")]
pub enum Effect {
    Write(WriteNo, Record<Digest>),
    Deliver(Txn<Digest>),
    Frames {
        link: Link,
        packets: Vec<Packet>,
    },
    /// The packets of one message.
    Session {
        link: Link,
        packets: Vec<Packet>,
    },
    Note(Note),
    Arm(Timer),
    Disarm(Timer),
    Other(Other),
}

/// An effect that few steps have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "`host::Effect` says what each one is")]
pub enum Other {
    Install(Zxid),
    SendState { link: Link, zxid: Zxid },
    Close(Link),
    Dial(Sid),
    StopDialling(Sid),
    Notify { to: Sid, looks: bool, said: Said },
    Greet(Said),
    Reported(Sid, Digest),
    Synced(Digest),
    Halt(Halt),
    Remark(Remark),
}

/// An election message that is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Said {
    /// What it says; `None` if it cannot be read.
    pub notification: Option<Notification>,
    /// Of all its bytes.
    pub bytes: Digest,
}

/// One recorded step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Its number, from 0.
    pub number: u64,
    /// What happened.
    pub event: Event,
    /// What the host was told when it asked which sessions to report, in order.
    pub reports: Vec<Digest>,
    /// What the host asked for.
    pub effects: Vec<Effect>,
}

impl Event {
    /// The event for a host that is run again, with stand-ins for payloads; `None` for a flush.
    pub fn again(&self) -> Option<host::Event<Bytes, ()>> {
        Some(match self {
            Self::Start(image) => host::Event::Start(DiskImage {
                accepted: image.accepted,
                current: image.current,
                snapshot: image.snapshot,
                log: image.log.iter().map(stand_in).collect(),
                history_lost: image.history_lost,
            }),
            Self::Opened { link, dialled, over: _ } => {
                host::Event::Opened { link: *link, dialled: *dialled }
            }
            Self::Closed(link) => host::Event::Closed(*link),
            Self::Unreachable(sid) => host::Event::Unreachable(*sid),
            Self::Received { link, packets } => {
                host::Event::Received { link: *link, messages: messages(packets) }
            }
            Self::State { link, zxid } => {
                host::Event::State { link: *link, zxid: *zxid, state: () }
            }
            Self::Notified { from, notification, over: _ } => {
                host::Event::Notified { from: *from, notification: *notification }
            }
            Self::ElectionOpened { peer, over: _ } => host::Event::ElectionOpened(*peer),
            Self::Durable(upto) => host::Event::Durable(*upto),
            Self::Timer(timer) => host::Event::Timer(*timer),
            Self::Propose(payload) => host::Event::Propose(payload.stand_in()),
            Self::Sync(body) => host::Event::Sync { body: body.stand_in() },
            Self::SyncFor(link) => host::Event::SyncFor(*link),
            Self::Session { peer, packets } => {
                host::Event::Session { peer: *peer, message: session(packets) }
            }
            Self::Resign => host::Event::Resign,
            Self::Flush => return None,
        })
    }
}

fn stand_in(txn: &Txn<Digest>) -> Txn<Bytes> {
    Txn { zxid: txn.zxid, payload: txn.payload.stand_in() }
}

/// The message of the session layer that these packets are.
fn session(packets: &[Packet]) -> SessionMessage<Bytes> {
    if let Some(Message::Session(message)) = messages(packets).pop() {
        message
    } else {
        // A request of nothing: no other message of the session layer has no packet.
        SessionMessage::Request(Bytes::new())
    }
}

/// Whether these are the packets of one message of the session layer.
pub(crate) fn are_session(packets: &[Packet]) -> bool {
    matches!(messages(packets)[..], [] | [Message::Session(_)])
}
