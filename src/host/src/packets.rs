//! Between the core's messages and ZooKeeper's packets.
//!
//! The core says some things once that ZooKeeper says in several packets: a COMMIT of everything up
//! to a zxid is one packet for every transaction, and what a TRUNC says of committed transactions
//! is said by COMMITs behind it. And requests that are forwarded together are one message to it,
//! which does not look into them: their packets.
//!
//! Whatever the packets are, the receiver may conclude from them what it may conclude from the
//! message:
//!
//! | message | what its receiver may conclude |
//! |---|---|
//! | FOLLOWERINFO, OBSERVERINFO | the sender has promised this epoch, and wants to learn |
//! | LEADERINFO | the sender wants to establish this epoch |
//! | ACKEPOCH | the promise is durable; the sender's history ends here, and belongs to this epoch |
//! | DIFF | the receiver's history is a part of the leader's; up to here all of it is committed once UPTODATE comes |
//! | TRUNC | the same of what stays |
//! | SNAP | the state that follows is the history up to exactly here, all of it committed |
//! | PROPOSAL | the transaction continues the history, and can be read |
//! | COMMIT | everything up to here is committed, over whichever connection the receiver was sent it |
//! | INFORM | as PROPOSAL and COMMIT of it |
//! | NEWLEADER | the history is the initial history of this epoch |
//! | ACK of NEWLEADER | epoch and initial history are durable at the sender |
//! | UPTODATE | a quorum has them too |
//! | ACK | everything up to here is durable at the sender |
//! | PING | the sender was there; from a learner also: these sessions were heard of |
//! | REQUEST, REVALIDATE, SYNC | what the session layer says, in its order |

use std::collections::VecDeque;

use bytes::Bytes;
use wire::Id;
use wire::jute::{Error, Field, Reader, Record, Writer};
use wire::quorum::{ForwardedRequest, LearnerInfo, PROTOCOL_VERSION, Packet, PacketType};
use wire::txn::TxnBlob;
use zab::{Epoch, LearnerKind, Message, SessionMessage, Sid, Txn, Zxid};

/// What transactions and session messages carry, as packets hold it.
pub trait Payload: zab::Payload {
    /// The bytes of a packet.
    fn as_bytes(&self) -> &[u8];
    /// The other way; `None` if they are none that [`Self::as_bytes`] makes.
    fn from_bytes(bytes: Bytes) -> Option<Self>;

    /// As [`Self::from_bytes`], of what is proposed at `zxid`: whoever logs it must be able to read
    /// it again, now and at each start.
    ///
    /// # Errors
    /// Why it is no transaction of that zxid.
    fn of_transaction(bytes: Bytes, zxid: Zxid) -> Result<Self, String> {
        let _ = zxid;
        payload(bytes)
    }
}

/// A number, as models have it; what is empty is 0.
impl Payload for u8 {
    fn as_bytes(&self) -> &[u8] {
        std::slice::from_ref(self)
    }

    fn from_bytes(bytes: Bytes) -> Option<Self> {
        match bytes[..] {
            [] => Some(0),
            [number] => Some(number),
            _ => None,
        }
    }
}

impl Payload for Bytes {
    fn as_bytes(&self) -> &[u8] {
        self
    }

    fn from_bytes(bytes: Bytes) -> Option<Self> {
        Some(bytes)
    }

    fn of_transaction(bytes: Bytes, zxid: Zxid) -> Result<Self, String> {
        let blob = TxnBlob::decode(&mut Reader::with_limit(&bytes, bytes.len()))
            .map_err(|error| format!("the transaction {zxid} cannot be read: {error}"))?;
        let own = Zxid(blob.header.zxid.cast_unsigned());
        if own == zxid {
            Ok(bytes)
        } else {
            Err(format!("the transaction {zxid} says of itself that it is {own}"))
        }
    }
}

/// Turns the messages of one link into packets.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Encoder {
    me: Sid,
    config_text: Bytes,
    /// Everything up to here is committed, by the packets of this connection: those of the plan,
    /// once the leader is established, and COMMITs.
    committed: Zxid,
    /// Proposals sent behind that.
    uncommitted: VecDeque<Zxid>,
}

impl Encoder {
    pub(crate) fn new(me: Sid, config_text: Bytes) -> Self {
        Self { me, config_text, committed: Zxid::ZERO, uncommitted: VecDeque::new() }
    }

    /// The same for another server.
    pub(crate) fn renamed(&self, me: Sid) -> Self {
        Self { me, ..self.clone() }
    }

    /// Appends the packets of a message. The state that belongs to a SNAP has to follow.
    pub(crate) fn encode<P: Payload>(&mut self, message: &Message<P>, out: &mut Vec<u8>) {
        let mut packet = |kind: PacketType, zxid: u64, data: Option<&[u8]>| {
            head(kind, zxid.cast_signed(), out);
            out.buffer(data);
            out.i32(NULL);
        };
        match message {
            Message::LearnerInfo { kind, accepted } => {
                let info = LearnerInfo {
                    server_id: i64::from(self.me.0),
                    protocol_version: PROTOCOL_VERSION,
                    config_version: Some(0),
                };
                let kind = match kind {
                    LearnerKind::Follower => PacketType::FollowerInfo,
                    LearnerKind::Observer => PacketType::ObserverInfo,
                };
                let mut data = Vec::new();
                info.encode(&mut data);
                packet(kind, beginning(*accepted), Some(&data));
            }
            Message::LeaderInfo { epoch } => {
                let version = PROTOCOL_VERSION.to_be_bytes();
                packet(PacketType::LeaderInfo, beginning(*epoch), Some(&version));
            }
            Message::AckEpoch { current, last } => {
                let current = current.map_or(-1, |epoch| epoch.0.cast_signed());
                packet(PacketType::AckEpoch, last.0, Some(&current.to_be_bytes()));
            }
            Message::Diff { committed } => {
                self.committed = *committed;
                packet(PacketType::Diff, committed.0, None);
            }
            Message::Trunc { to, committed } => {
                self.committed = *committed;
                // ZooKeeper carries nothing here, and reads nothing: there whatever stays is
                // committed. Here it may be a proposal that nobody has decided on yet.
                packet(PacketType::Trunc, to.0, Some(&committed.0.to_be_bytes()));
            }
            Message::Snap { zxid } => {
                self.committed = *zxid;
                packet(PacketType::Snap, zxid.0, None);
            }
            Message::NewLeader { epoch } => {
                packet(PacketType::NewLeader, beginning(*epoch), Some(&self.config_text));
            }
            Message::AckNewLeader { epoch } => packet(PacketType::Ack, beginning(*epoch), None),
            Message::UpToDate => packet(PacketType::UpToDate, u64::MAX, None),
            Message::Proposal(txn) => {
                packet(PacketType::Proposal, txn.zxid.0, Some(txn.payload.as_bytes()));
                if txn.zxid <= self.committed {
                    packet(PacketType::Commit, txn.zxid.0, None);
                } else {
                    self.uncommitted.push_back(txn.zxid);
                }
            }
            Message::Ack { zxid } => packet(PacketType::Ack, zxid.0, None),
            Message::Commit { zxid } => {
                // ZooKeeper's learner waits for a COMMIT of each transaction that it was sent over
                // this connection.
                while let Some(&next) = self.uncommitted.front()
                    && next <= *zxid
                {
                    self.uncommitted.pop_front();
                    self.committed = next;
                    packet(PacketType::Commit, next.0, None);
                }
                // The transaction itself may have come over an earlier connection: then it is in
                // the receiver's log.
                if self.committed < *zxid {
                    self.committed = *zxid;
                    packet(PacketType::Commit, zxid.0, None);
                }
            }
            Message::Inform(txn) => {
                packet(PacketType::Inform, txn.zxid.0, Some(txn.payload.as_bytes()))
            }
            Message::Ping { body } => packet(PacketType::Ping, 0, body.as_ref().map(P::as_bytes)),
            Message::Session(SessionMessage::Request(packets)) => {
                out.extend_from_slice(packets.as_bytes());
            }
            Message::Session(SessionMessage::Revalidate(body)) => {
                packet(PacketType::Revalidate, u64::MAX, Some(body.as_bytes()));
            }
            Message::Session(SessionMessage::Sync(_)) => packet(PacketType::Sync, 0, None),
        }
    }
}

/// Turns the packets of one link into messages.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Decoder<P> {
    messages: Vec<Message<P>>,
    /// The packets of requests behind the last message.
    requests: Vec<u8>,
}

impl<P> Default for Decoder<P> {
    fn default() -> Self {
        Self { messages: Vec::new(), requests: Vec::new() }
    }
}

impl<P: Payload> Decoder<P> {
    /// Takes the next packet.
    ///
    /// # Errors
    /// The peer broke the protocol: a number in it is none that can be, or it needs what this
    /// server does not support.
    pub fn decode(&mut self, packet: Packet) -> Result<(), String> {
        if packet.kind == PacketType::Request {
            write_request(
                packet.data.as_deref().unwrap_or_default(),
                packet.auth,
                &mut self.requests,
            );
            Ok(())
        } else {
            self.end_requests()?;
            self.messages.push(message(packet)?);
            Ok(())
        }
    }

    /// The messages since the last time.
    ///
    /// # Errors
    /// As of [`Self::decode`].
    pub fn take(&mut self) -> Result<Vec<Message<P>>, String> {
        self.end_requests()?;
        Ok(std::mem::take(&mut self.messages))
    }

    fn end_requests(&mut self) -> Result<(), String> {
        if !self.requests.is_empty() {
            let packets = payload(take(&mut self.requests))?;
            self.messages.push(Message::Session(SessionMessage::Request(packets)));
        }
        Ok(())
    }
}

fn payload<P: Payload>(bytes: Bytes) -> Result<P, String> {
    let length = bytes.len();
    P::from_bytes(bytes).ok_or_else(|| format!("{length} bytes are no payload"))
}

fn transaction<P: Payload>(number: i64, data: Bytes) -> Result<Txn<P>, String> {
    let zxid = zxid(number)?;
    Ok(Txn { zxid, payload: P::of_transaction(data, zxid)? })
}

/// The message that a packet is, REQUEST apart.
fn message<P: Payload>(packet: Packet) -> Result<Message<P>, String> {
    let number = packet.zxid;
    let data = packet.data.clone().unwrap_or_default();
    Ok(match packet.kind {
        PacketType::FollowerInfo => {
            Message::LearnerInfo { kind: LearnerKind::Follower, accepted: zxid(number)?.epoch() }
        }
        PacketType::ObserverInfo => {
            Message::LearnerInfo { kind: LearnerKind::Observer, accepted: zxid(number)?.epoch() }
        }
        PacketType::LeaderInfo => Message::LeaderInfo { epoch: zxid(number)?.epoch() },
        PacketType::AckEpoch => {
            let current = match data.first_chunk().copied().map(i32::from_be_bytes) {
                None => return Err(format!("ACKEPOCH carries {} bytes, not 4", data.len())),
                Some(-1) => None,
                Some(epoch) => Some(Epoch(u32::try_from(epoch).map_err(|_| {
                    format!("ACKEPOCH: currentEpoch is {epoch}; it must be -1 or more")
                })?)),
            };
            Message::AckEpoch { current, last: zxid(number)? }
        }
        PacketType::Diff => Message::Diff { committed: zxid(number)? },
        PacketType::Trunc => {
            let to = zxid(number)?;
            let committed = data.first_chunk().copied().map(u64::from_be_bytes);
            Message::Trunc { to, committed: committed.map_or(to, Zxid) }
        }
        PacketType::Snap => Message::Snap { zxid: zxid(number)? },
        PacketType::NewLeader => Message::NewLeader { epoch: zxid(number)?.epoch() },
        PacketType::Ack => match zxid(number)? {
            zxid if zxid.counter() == 0 => Message::AckNewLeader { epoch: zxid.epoch() },
            zxid => Message::Ack { zxid },
        },
        PacketType::UpToDate => Message::UpToDate,
        PacketType::Proposal => Message::Proposal(transaction(number, data)?),
        PacketType::Commit => Message::Commit { zxid: zxid(number)? },
        PacketType::Inform => Message::Inform(transaction(number, data)?),
        PacketType::Ping => Message::Ping { body: packet.data.map(payload).transpose()? },
        PacketType::Request => {
            let mut bytes = Vec::new();
            write_request(&data, packet.auth, &mut bytes);
            Message::Session(SessionMessage::Request(payload(bytes.into())?))
        }
        PacketType::Revalidate => Message::Session(SessionMessage::Revalidate(payload(data)?)),
        PacketType::Sync => Message::Session(SessionMessage::Sync(payload(data)?)),
        PacketType::CommitAndActivate | PacketType::InformAndActivate => {
            return Err(format!("{}: reconfiguration is not supported", packet.kind.name()));
        }
    })
}

/// Takes packets out, and leaves room for as many: they come about as many at a time.
pub fn take(packets: &mut Vec<u8>) -> Bytes {
    let room = packets.len().min(ROOM_MAX);
    std::mem::replace(packets, Vec::with_capacity(room)).into()
}

const ROOM_MAX: usize = 1 << 16;

/// Appends the packet of a request that is forwarded, and who the client is.
pub fn encode_request(request: &ForwardedRequest, auth: Vec<Id>, packets: &mut Vec<u8>) {
    let mut data = Vec::with_capacity(request.body.len() + 16);
    request.encode(&mut data);
    write_request(&data, Some(auth), packets);
}

fn write_request(data: &[u8], auth: Option<Vec<Id>>, out: &mut Vec<u8>) {
    head(PacketType::Request, -1, out);
    out.buffer(Some(data));
    auth.write(out);
}

/// The requests that were forwarded together, each with who its client is, or why it is none.
pub fn requests(packets: &Bytes) -> Requests<'_> {
    Requests { packets, at: 0, whole: true }
}

/// See [`requests`].
#[derive(Clone, Debug)]
pub struct Requests<'a> {
    packets: &'a Bytes,
    at: usize,
    /// Where a packet that cannot be read ends is not known: nothing is read behind it.
    whole: bool,
}

impl Requests<'_> {
    /// The packets of the requests that were not read yet, if there are any.
    pub fn rest(&self) -> Option<Bytes> {
        (self.whole && self.at < self.packets.len()).then(|| self.packets.slice(self.at..))
    }
}

impl Iterator for Requests<'_> {
    type Item = Result<(ForwardedRequest, Vec<Id>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest()?;
        let mut reader = Reader::with_limit(&rest, rest.len());
        let packet = Packet::decode(&mut reader).inspect_err(|_| self.whole = false);
        self.at += rest.len() - reader.remaining();
        Some(packet.and_then(|Packet { data, auth, .. }| {
            let data = data.unwrap_or_default();
            let request = ForwardedRequest::decode(&mut Reader::with_limit(&data, data.len()))?;
            Ok((request, auth.unwrap_or_default()))
        }))
    }
}

fn head(kind: PacketType, zxid: i64, out: &mut Vec<u8>) {
    out.i32(kind.code());
    out.i64(zxid);
}

/// The length of what is absent.
const NULL: i32 = -1;

/// The zxid that names an epoch on the wire.
fn beginning(epoch: Epoch) -> u64 {
    Zxid::new(epoch, 0).0
}

/// # Errors
/// The number is negative, which no zxid is.
pub fn zxid(number: i64) -> Result<Zxid, String> {
    u64::try_from(number).map(Zxid).map_err(|_| format!("zxid {number} is negative"))
}

/// Who sent this FOLLOWERINFO or OBSERVERINFO.
///
/// # Errors
/// It is another packet, or does not say.
pub fn learner_of(packet: &Packet) -> Result<Sid, String> {
    if !matches!(packet.kind, PacketType::FollowerInfo | PacketType::ObserverInfo) {
        let name = packet.kind.name();
        return Err(format!("the first packet is {name}, not FOLLOWERINFO or OBSERVERINFO"));
    }
    let data = packet.data.clone().unwrap_or_default();
    let info = LearnerInfo::decode(&mut Reader::new(&data)).map_err(|error| error.to_string())?;
    u8::try_from(info.server_id)
        .map(Sid)
        .map_err(|_| format!("server id {} is not in 0..=255", info.server_id))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod translation;
