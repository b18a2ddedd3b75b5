//! Packets of the quorum port, as recordings hold them: the same at both ends of a connection.

use bytes::Bytes;
use wire::jute::Writer;
use wire::quorum::PacketType;
use zab::{Epoch, LearnerKind, Message, SessionMessage, Txn, Zxid};

use crate::Digest;

/// A packet, as far as its receiver's host sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Packet {
    /// What it is.
    pub kind: PacketType,
    /// The zxid that it names; 0 if its kind names none.
    pub zxid: Zxid,
    /// The digest of the payload: of PROPOSAL, INFORM, REVALIDATE and of a PING that reports
    /// sessions; of a whole REQUEST, its identities included. In its place: currentEpoch of
    /// ACKEPOCH (2^64 - 1: none), and up to where what a TRUNC leaves is committed.
    pub content: Option<Digest>,
}

/// What the payloads are that are translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payloads {
    /// Those of clients.
    Real,
    /// [`Digest::stand_in`]s.
    StandIns,
}

impl Payloads {
    /// The digest of a payload.
    #[inline]
    pub(crate) fn digest(self, payload: &[u8]) -> Digest {
        match self {
            Self::Real => Digest::of(payload),
            Self::StandIns => Digest::of_stand_in(payload),
        }
    }
}

/// What packets of a kind have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Carries {
    Nothing,
    /// A digest.
    Payload,
    /// A digest, or nothing.
    Maybe,
    Number,
}

pub(crate) fn carries(kind: PacketType) -> Carries {
    match kind {
        PacketType::Request
        | PacketType::Proposal
        | PacketType::Inform
        | PacketType::Revalidate => Carries::Payload,
        PacketType::Ping => Carries::Maybe,
        PacketType::AckEpoch | PacketType::Trunc => Carries::Number,
        PacketType::Ack
        | PacketType::Commit
        | PacketType::Sync
        | PacketType::CommitAndActivate
        | PacketType::NewLeader
        | PacketType::FollowerInfo
        | PacketType::UpToDate
        | PacketType::Diff
        | PacketType::Snap
        | PacketType::ObserverInfo
        | PacketType::LeaderInfo
        | PacketType::InformAndActivate => Carries::Nothing,
    }
}

/// Whether packets of a kind name a zxid, or an epoch.
pub(crate) fn names_zxid(kind: PacketType) -> bool {
    match kind {
        PacketType::Proposal
        | PacketType::Ack
        | PacketType::Commit
        | PacketType::Inform
        | PacketType::NewLeader
        | PacketType::FollowerInfo
        | PacketType::Diff
        | PacketType::Trunc
        | PacketType::Snap
        | PacketType::ObserverInfo
        | PacketType::LeaderInfo
        | PacketType::AckEpoch => true,
        PacketType::Request
        | PacketType::Ping
        | PacketType::Revalidate
        | PacketType::Sync
        | PacketType::CommitAndActivate
        | PacketType::UpToDate
        | PacketType::InformAndActivate => false,
    }
}

impl Packet {
    /// A packet that carries nothing.
    pub fn bare(kind: PacketType, zxid: Zxid) -> Self {
        Self { kind, zxid, content: None }
    }

    fn with(kind: PacketType, zxid: Zxid, content: Digest) -> Self {
        Self { kind, zxid, content: Some(content) }
    }

    /// Whether a host can be given it.
    pub(crate) fn is_possible(&self) -> bool {
        let Self { kind, zxid, content } = *self;
        let named = names_zxid(kind) || zxid == Zxid::ZERO;
        let epoch = |content: Digest| content.number() == NO_EPOCH || epoch_of(content).is_some();
        named
            && match (carries(kind), content) {
                (Carries::Nothing, None) => {
                    !matches!(kind, PacketType::CommitAndActivate | PacketType::InformAndActivate)
                }
                (Carries::Payload, Some(_)) | (Carries::Maybe, _) => true,
                (Carries::Number, Some(content)) => kind == PacketType::Trunc || epoch(content),
                (Carries::Nothing, Some(_)) | (Carries::Payload | Carries::Number, None) => false,
            }
    }
}

const NO_EPOCH: u64 = u64::MAX;

fn epoch_of(content: Digest) -> Option<Epoch> {
    u32::try_from(content.number()).ok().map(Epoch)
}

/// Appends the packets that a message was made of, or would be.
pub(crate) fn of_message(message: &Message<Bytes>, payloads: Payloads, out: &mut Vec<Packet>) {
    let digest = |payload: &Bytes| payloads.digest(payload);
    let beginning = |epoch| Zxid::new(epoch, 0);
    out.push(match message {
        Message::LearnerInfo { kind, accepted } => {
            let kind = match kind {
                LearnerKind::Follower => PacketType::FollowerInfo,
                LearnerKind::Observer => PacketType::ObserverInfo,
            };
            Packet::bare(kind, beginning(*accepted))
        }
        Message::LeaderInfo { epoch } => Packet::bare(PacketType::LeaderInfo, beginning(*epoch)),
        Message::AckEpoch { current, last } => {
            let number = current.map_or(NO_EPOCH, |epoch| epoch.0.into());
            Packet::with(PacketType::AckEpoch, *last, Digest::of_number(number))
        }
        Message::Diff { committed } => Packet::bare(PacketType::Diff, *committed),
        Message::Trunc { to, committed } => {
            Packet::with(PacketType::Trunc, *to, Digest::of_number(committed.0))
        }
        Message::Snap { zxid } => Packet::bare(PacketType::Snap, *zxid),
        Message::NewLeader { epoch } => Packet::bare(PacketType::NewLeader, beginning(*epoch)),
        Message::AckNewLeader { epoch } => Packet::bare(PacketType::Ack, beginning(*epoch)),
        Message::UpToDate => Packet::bare(PacketType::UpToDate, Zxid::ZERO),
        Message::Proposal(txn) => {
            Packet::with(PacketType::Proposal, txn.zxid, digest(&txn.payload))
        }
        Message::Ack { zxid } => Packet::bare(PacketType::Ack, *zxid),
        Message::Commit { zxid } => Packet::bare(PacketType::Commit, *zxid),
        Message::Inform(txn) => Packet::with(PacketType::Inform, txn.zxid, digest(&txn.payload)),
        Message::Ping { body } => {
            let content = body.as_ref().map(digest);
            Packet { kind: PacketType::Ping, zxid: Zxid::ZERO, content }
        }
        Message::Session(message) => return of_session(message, payloads, out),
    });
}

/// Appends the packets of a message of the session layer.
pub(crate) fn of_session(
    message: &SessionMessage<Bytes>,
    payloads: Payloads,
    out: &mut Vec<Packet>,
) {
    match message {
        SessionMessage::Request(packets) => of_bytes(packets, payloads, out),
        SessionMessage::Revalidate(body) => {
            let digest = payloads.digest(body);
            out.push(Packet::with(PacketType::Revalidate, Zxid::ZERO, digest));
        }
        SessionMessage::Sync(_) => out.push(Packet::bare(PacketType::Sync, Zxid::ZERO)),
    }
}

/// Appends the packets that a host has encoded. Bytes that are no packet are left out, and
/// everything behind them: a host that is run again says which packets are missing.
pub(crate) fn of_bytes(mut bytes: &[u8], payloads: Payloads, out: &mut Vec<Packet>) {
    while let Some((packet, rest)) = next(bytes, payloads) {
        out.push(packet);
        bytes = rest;
    }
}

#[inline]
fn next(bytes: &[u8], payloads: Payloads) -> Option<(Packet, &[u8])> {
    let (kind, rest) = i32_of(bytes)?;
    let kind = PacketType::from_code(kind)?;
    let (zxid, rest) = rest.split_first_chunk()?;
    let (data, rest) = buffer(rest)?;
    let (identities, mut rest) = i32_of(rest)?;
    for _ in 0..identities.max(0) {
        // The scheme, and the id.
        rest = buffer(rest)?.1;
        rest = buffer(rest)?.1;
    }
    let zxid = if names_zxid(kind) { Zxid(u64::from_be_bytes(*zxid)) } else { Zxid::ZERO };
    let content = match carries(kind) {
        Carries::Nothing => None,
        Carries::Payload if kind == PacketType::Request => Some(match payloads {
            Payloads::Real => Digest::of(&bytes[..bytes.len() - rest.len()]),
            Payloads::StandIns => Digest::of_stand_in(data.unwrap_or_default()),
        }),
        Carries::Payload => Some(payloads.digest(data.unwrap_or_default())),
        Carries::Maybe => data.map(|data| payloads.digest(data)),
        Carries::Number => Some(Digest::of_number(number(data.unwrap_or_default()))),
    };
    Some((Packet { kind, zxid, content }, rest))
}

/// currentEpoch in ACKEPOCH, or a zxid in TRUNC.
fn number(data: &[u8]) -> u64 {
    match *data {
        [a, b, c, d] => match i32::from_be_bytes([a, b, c, d]) {
            -1 => NO_EPOCH,
            epoch => epoch.cast_unsigned().into(),
        },
        _ => data.first_chunk().copied().map_or(0, u64::from_be_bytes),
    }
}

fn i32_of(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((i32::from_be_bytes(*number), rest))
}

/// `None` within, if it is null.
fn buffer(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = i32_of(bytes)?;
    let Ok(length) = usize::try_from(length) else { return Some((None, rest)) };
    let (data, rest) = rest.split_at_checked(length)?;
    Some((Some(data), rest))
}

/// The messages that a decoder makes of packets, with stand-ins for payloads. Requests that follow
/// each other are one message.
pub fn messages(packets: &[Packet]) -> Vec<Message<Bytes>> {
    let mut messages = Vec::with_capacity(packets.len());
    let mut requests = Vec::new();
    for packet in packets {
        if packet.kind == PacketType::Request {
            stand_in_request(packet.content, &mut requests);
            continue;
        }
        end_requests(&mut requests, &mut messages);
        messages.extend(message(packet));
    }
    end_requests(&mut requests, &mut messages);
    messages
}

fn end_requests(requests: &mut Vec<u8>, messages: &mut Vec<Message<Bytes>>) {
    if !requests.is_empty() {
        let packets = std::mem::take(requests).into();
        messages.push(Message::Session(SessionMessage::Request(packets)));
    }
}

fn stand_in_request(content: Option<Digest>, out: &mut Vec<u8>) {
    const NULL: i32 = -1;
    out.i32(PacketType::Request.code());
    out.i64(-1);
    out.buffer(Some(&content.map_or([0; 8], |digest| digest.0)));
    out.i32(NULL);
}

/// `None` if it is no packet that this server takes.
fn message(packet: &Packet) -> Option<Message<Bytes>> {
    let Packet { kind, zxid, content } = *packet;
    let txn = || Some(Txn { zxid, payload: content?.stand_in() });
    Some(match kind {
        PacketType::FollowerInfo => {
            Message::LearnerInfo { kind: LearnerKind::Follower, accepted: zxid.epoch() }
        }
        PacketType::ObserverInfo => {
            Message::LearnerInfo { kind: LearnerKind::Observer, accepted: zxid.epoch() }
        }
        PacketType::LeaderInfo => Message::LeaderInfo { epoch: zxid.epoch() },
        PacketType::AckEpoch => Message::AckEpoch { current: epoch_of(content?), last: zxid },
        PacketType::Diff => Message::Diff { committed: zxid },
        PacketType::Trunc => Message::Trunc { to: zxid, committed: Zxid(content?.number()) },
        PacketType::Snap => Message::Snap { zxid },
        PacketType::NewLeader => Message::NewLeader { epoch: zxid.epoch() },
        PacketType::Ack if zxid.counter() == 0 => Message::AckNewLeader { epoch: zxid.epoch() },
        PacketType::Ack => Message::Ack { zxid },
        PacketType::UpToDate => Message::UpToDate,
        PacketType::Proposal => Message::Proposal(txn()?),
        PacketType::Commit => Message::Commit { zxid },
        PacketType::Inform => Message::Inform(txn()?),
        PacketType::Ping => Message::Ping { body: content.map(Digest::stand_in) },
        PacketType::Revalidate => Message::Session(SessionMessage::Revalidate(content?.stand_in())),
        PacketType::Sync => Message::Session(SessionMessage::Sync(Bytes::new())),
        PacketType::Request | PacketType::CommitAndActivate | PacketType::InformAndActivate => {
            return None;
        }
    })
}
