//! What is under way on a connection: packets, as the host encodes and decodes them.

use bytes::{Bytes, BytesMut};
use host::Decoder;
use wire::jute::{Reader, Record};
use wire::quorum::{LearnerInfo, Packet, PacketType, Packets};
use zab::{Message, Sid};

use super::machine::Txn;
use super::payload::Origin;

/// One packet, and the state that follows it if it is a SNAP.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Frame {
    /// The bytes of the packet.
    pub packet: Vec<u8>,
    /// What was streamed behind it: the sender's state machine.
    pub content: Vec<Txn>,
}

/// Longer packets are none of a model.
const PACKET_BYTES_MAX: usize = 1 << 12;

impl Frame {
    /// The packets of what leaves at once.
    pub fn of(bytes: &[u8]) -> Vec<Self> {
        let mut buffer = BytesMut::from(bytes);
        let mut packets = Packets::new(PACKET_BYTES_MAX);
        let mut frames = Vec::new();
        let mut at = 0;
        while let Some(_packet) = packets.next(&mut buffer).expect("packets of a host") {
            let end = bytes.len() - buffer.len();
            frames.push(Self { packet: bytes[at..end].to_vec(), content: Vec::new() });
            at = end;
        }
        assert_eq!(at, bytes.len(), "a host lets whole packets leave");
        frames
    }

    /// Whether a host may take one for all, if both arrive together.
    pub fn may_stand_for(&self, earlier: &Self) -> bool {
        let kind = |frame: &Self| frame.packet.first_chunk().copied().map(i32::from_be_bytes);
        let kinds = [PacketType::Ack, PacketType::Commit].map(|kind| Some(kind.code()));
        kind(self) == kind(earlier) && kinds.contains(&kind(self))
    }

    fn decoded(&self) -> Packet {
        let mut buffer = BytesMut::from(&self.packet[..]);
        let packet = Packets::new(PACKET_BYTES_MAX).next(&mut buffer);
        packet.expect("a packet of a host").expect("a whole packet")
    }

    /// What its receiver makes of it.
    pub fn message(&self) -> Message<Origin> {
        let mut decoder = Decoder::default();
        decoder.decode(self.decoded()).expect("a packet of a host");
        let mut messages = decoder.take().expect("a packet of a host");
        assert_eq!(messages.len(), 1, "a packet is a message");
        messages.remove(0)
    }

    /// The same in an ensemble with other names: who sends FOLLOWERINFO or OBSERVERINFO is in the
    /// packet.
    #[must_use]
    pub fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Self {
        let mut packet = self.decoded();
        if !matches!(packet.kind, PacketType::FollowerInfo | PacketType::ObserverInfo) {
            return self.clone();
        }
        let sid = host::learner_of(&packet).expect("it says who it is");
        let mut data = packet.data.clone().unwrap_or_default();
        let mut info = LearnerInfo::decode(&mut Reader::new(&data)).expect("as just read");
        info.server_id = i64::from(name(sid).0);
        let mut bytes = Vec::new();
        info.encode(&mut bytes);
        data = Bytes::from(bytes);
        packet.data = Some(data);
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        Self { packet: bytes, content: self.content.clone() }
    }
}
