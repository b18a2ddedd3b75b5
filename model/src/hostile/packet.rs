//! Packets of the quorum port as anybody may make them, and what a server makes of them.

use bytes::{Bytes, BytesMut};
use host::Decoder;
use wire::jute::Record;
use wire::quorum::{LearnerInfo, PROTOCOL_VERSION, Packet, PacketType, Packets};
use zab::{Epoch, LearnerKind, Message, SessionMessage, Sid, Zxid};

/// No packet of a model is longer.
const PACKET_BYTES_MAX: usize = 1 << 12;

/// The bytes of the packet in which a peer says this.
pub(super) fn packet(from: Sid, message: &Message<u8>) -> Vec<u8> {
    let first = |epoch: &Epoch| Zxid::new(*epoch, 0).0.cast_signed();
    let number = |zxid: &Zxid| zxid.0.cast_signed();
    let (kind, zxid, data): (PacketType, i64, Option<Vec<u8>>) = match message {
        Message::LearnerInfo { kind, accepted } => {
            let kind = match kind {
                LearnerKind::Follower => PacketType::FollowerInfo,
                LearnerKind::Observer => PacketType::ObserverInfo,
            };
            let info = LearnerInfo {
                server_id: i64::from(from.0),
                protocol_version: PROTOCOL_VERSION,
                config_version: Some(0),
            };
            let mut data = Vec::new();
            info.encode(&mut data);
            (kind, first(accepted), Some(data))
        }
        Message::LeaderInfo { epoch } => {
            let version = PROTOCOL_VERSION.to_be_bytes().to_vec();
            (PacketType::LeaderInfo, first(epoch), Some(version))
        }
        Message::AckEpoch { current, last } => {
            let current = current.map_or(-1, |epoch| epoch.0.cast_signed());
            (PacketType::AckEpoch, number(last), Some(current.to_be_bytes().to_vec()))
        }
        Message::Diff { committed } => (PacketType::Diff, number(committed), None),
        Message::Trunc { to, committed } => {
            (PacketType::Trunc, number(to), Some(committed.0.to_be_bytes().to_vec()))
        }
        Message::Snap { zxid } => (PacketType::Snap, number(zxid), None),
        Message::NewLeader { epoch } => (PacketType::NewLeader, first(epoch), Some(Vec::new())),
        Message::AckNewLeader { epoch } => (PacketType::Ack, first(epoch), None),
        Message::UpToDate => (PacketType::UpToDate, -1, None),
        Message::Proposal(txn) => {
            (PacketType::Proposal, number(&txn.zxid), Some(vec![txn.payload]))
        }
        Message::Ack { zxid } => (PacketType::Ack, number(zxid), None),
        Message::Commit { zxid } => (PacketType::Commit, number(zxid), None),
        Message::Inform(txn) => (PacketType::Inform, number(&txn.zxid), Some(vec![txn.payload])),
        Message::Ping { body } => (PacketType::Ping, 0, body.map(|body| vec![body])),
        Message::Session(SessionMessage::Request(body)) => {
            (PacketType::Request, -1, Some(vec![*body]))
        }
        Message::Session(SessionMessage::Revalidate(body)) => {
            (PacketType::Revalidate, -1, Some(vec![*body]))
        }
        Message::Session(SessionMessage::Sync(body)) => (PacketType::Sync, 0, Some(vec![*body])),
    };
    let mut bytes = Vec::new();
    Packet { kind, zxid, data: data.map(Bytes::from), auth: None }.encode(&mut bytes);
    bytes
}

/// The messages that a server makes of bytes.
///
/// # Errors
/// What the server says of bytes that are no packets, or no messages.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Message<u8>>, String> {
    let mut buffer = BytesMut::from(bytes);
    let mut packets = Packets::new(PACKET_BYTES_MAX);
    let mut decoder = Decoder::default();
    while let Some(packet) = packets.next(&mut buffer).map_err(|error| error.to_string())? {
        decoder.decode(packet)?;
    }
    if !buffer.is_empty() {
        return Err(format!("{} bytes are no whole packet", buffer.len()));
    }
    decoder.take()
}

/// The message of one packet that can be read.
pub(super) fn decoded(packet: &[u8]) -> Message<u8> {
    let mut messages = decode(packet).expect("a packet that can be read");
    assert_eq!(messages.len(), 1, "a packet is a message");
    messages.remove(0)
}
