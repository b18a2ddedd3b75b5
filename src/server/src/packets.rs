//! Between the core's messages and ZooKeeper's packets.
//!
//! The core says some things once that ZooKeeper says in several packets: a COMMIT of everything up to a zxid is one
//! packet for every transaction, and what a TRUNC says of committed transactions is said by COMMITs behind it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use wire::election;
use wire::quorum::{LearnerInfo, Packet, PacketType};
use wire::jute::Record;
use zab::{
    Epoch, LearnerKind, Message, Notification, ServerState, SessionMessage, Sid, Txn, Vote, Zxid,
};

/// The protocol version of `LearnerInfo` and LEADERINFO.
const PROTOCOL_VERSION: i32 = 0x1_0000;

/// Turns the messages of one link into packets.
pub(crate) struct Encoder {
    me: Sid,
    config_text: Bytes,
    /// What the plan said is committed once the leader is established.
    planned: Zxid,
    /// Proposals sent, and not yet committed on this link.
    uncommitted: VecDeque<Zxid>,
}

impl Encoder {
    pub(crate) fn new(me: Sid, config_text: Bytes) -> Self {
        Self { me, config_text, planned: Zxid::ZERO, uncommitted: VecDeque::new() }
    }

    /// Appends the packets of a message. The state that belongs to a SNAP has to follow.
    pub(crate) fn encode(&mut self, message: &Message<Bytes>, out: &mut Vec<u8>) {
        let mut packet = |kind: PacketType, zxid: u64, data: Option<&[u8]>| {
            Packet::put(out, kind, zxid.cast_signed(), data);
        };
        match message {
            Message::LearnerInfo { kind, accepted } => {
                let info = LearnerInfo {
                    server_id: i64::from(self.me.0),
                    protocol_version: PROTOCOL_VERSION,
                    config_version: 0,
                };
                let kind = match kind {
                    LearnerKind::Follower => PacketType::FollowerInfo,
                    LearnerKind::Observer => PacketType::ObserverInfo,
                };
                packet(kind, beginning(*accepted), Some(&info.to_bytes()));
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
                self.planned = *committed;
                packet(PacketType::Diff, committed.0, None);
            }
            Message::Trunc { to, committed } => {
                self.planned = *committed;
                packet(PacketType::Trunc, to.0, None);
            }
            Message::Snap { zxid } => packet(PacketType::Snap, zxid.0, None),
            Message::NewLeader { epoch } => {
                packet(PacketType::NewLeader, beginning(*epoch), Some(&self.config_text));
            }
            Message::AckNewLeader { epoch } => packet(PacketType::Ack, beginning(*epoch), None),
            Message::UpToDate => packet(PacketType::UpToDate, u64::MAX, None),
            Message::Proposal(txn) => {
                packet(PacketType::Proposal, txn.zxid.0, Some(&txn.payload));
                if txn.zxid <= self.planned {
                    packet(PacketType::Commit, txn.zxid.0, None);
                } else {
                    self.uncommitted.push_back(txn.zxid);
                }
            }
            Message::Ack { zxid } => packet(PacketType::Ack, zxid.0, None),
            Message::Commit { zxid } => {
                while let Some(&next) = self.uncommitted.front()
                    && next <= *zxid
                {
                    self.uncommitted.pop_front();
                    packet(PacketType::Commit, next.0, None);
                }
            }
            Message::Inform(txn) => packet(PacketType::Inform, txn.zxid.0, Some(&txn.payload)),
            Message::Ping { body } => packet(PacketType::Ping, 0, body.as_deref()),
            Message::Session(SessionMessage::Request(body)) => {
                Packet::put_with_tail(out, PacketType::Request, -1, body);
            }
            Message::Session(SessionMessage::Revalidate(body)) => {
                packet(PacketType::Revalidate, u64::MAX, Some(body));
            }
            Message::Session(SessionMessage::Sync(_)) => packet(PacketType::Sync, 0, None),
        }
    }
}

/// Turns the packets of one link into messages.
#[derive(Default)]
pub(crate) struct Decoder {
    _private: (),
}

impl Decoder {
    /// # Errors
    /// The peer broke the protocol: the packet's type, or a number in it, is none that can be.
    pub(crate) fn decode(&mut self, packet: Packet) -> Result<Message<Bytes>, String> {
        let zxid = packet.zxid;
        let data = || packet.data.clone().unwrap_or_default();
        let message = match packet.kind {
            PacketType::FollowerInfo => Message::LearnerInfo {
                kind: LearnerKind::Follower,
                accepted: self::zxid(zxid)?.epoch(),
            },
            PacketType::ObserverInfo => Message::LearnerInfo {
                kind: LearnerKind::Observer,
                accepted: self::zxid(zxid)?.epoch(),
            },
            PacketType::LeaderInfo => Message::LeaderInfo { epoch: self::zxid(zxid)?.epoch() },
            PacketType::AckEpoch => {
                let bytes = data();
                let current = bytes.first_chunk().copied().map(i32::from_be_bytes);
                let current = match current {
                    None => return Err(format!("ACKEPOCH carries {} bytes, not 4", bytes.len())),
                    Some(-1) => None,
                    Some(epoch) => Some(Epoch(u32::try_from(epoch).map_err(|_| {
                        format!("ACKEPOCH: currentEpoch is {epoch}; it must be -1 or more")
                    })?)),
                };
                Message::AckEpoch { current, last: self::zxid(zxid)? }
            }
            PacketType::Diff => Message::Diff { committed: self::zxid(zxid)? },
            PacketType::Trunc => {
                let to = self::zxid(zxid)?;
                Message::Trunc { to, committed: to }
            }
            PacketType::Snap => Message::Snap { zxid: self::zxid(zxid)? },
            PacketType::NewLeader => Message::NewLeader { epoch: self::zxid(zxid)?.epoch() },
            PacketType::Ack => match self::zxid(zxid)? {
                zxid if zxid.counter() == 0 => Message::AckNewLeader { epoch: zxid.epoch() },
                zxid => Message::Ack { zxid },
            },
            PacketType::UpToDate => Message::UpToDate,
            PacketType::Proposal => {
                Message::Proposal(Txn { zxid: self::zxid(zxid)?, payload: data() })
            }
            PacketType::Commit => Message::Commit { zxid: self::zxid(zxid)? },
            PacketType::Inform => {
                Message::Inform(Txn { zxid: self::zxid(zxid)?, payload: data() })
            }
            PacketType::Ping => Message::Ping { body: packet.data },
            PacketType::Request => {
                Message::Session(SessionMessage::Request(packet.tail()))
            }
            PacketType::Revalidate => Message::Session(SessionMessage::Revalidate(data())),
            PacketType::Sync => Message::Session(SessionMessage::Sync(data())),
            PacketType::CommitAndActivate | PacketType::InformAndActivate => {
                return Err(format!("{:?}: reconfiguration is not supported", packet.kind));
            }
        };
        Ok(message)
    }
}

/// The zxid that names an epoch on the wire.
fn beginning(epoch: Epoch) -> u64 {
    Zxid::new(epoch, 0).0
}

/// # Errors
/// The number is negative, which no zxid is.
pub(crate) fn zxid(number: i64) -> Result<Zxid, String> {
    u64::try_from(number).map(Zxid).map_err(|_| format!("zxid {number} is negative"))
}

/// Who sent this FOLLOWERINFO or OBSERVERINFO.
///
/// # Errors
/// It is another packet, or does not say.
pub(crate) fn learner_of(packet: &Packet) -> Result<Sid, String> {
    match packet.kind {
        PacketType::FollowerInfo | PacketType::ObserverInfo => {}
        _ => return Err(format!("the first packet is {:?}, not FOLLOWERINFO or OBSERVERINFO", packet.kind)),
    }
    let data = packet.data.clone().unwrap_or_default();
    let info = LearnerInfo::from_bytes(&data).map_err(|error| error.to_string())?;
    u8::try_from(info.server_id)
        .map(Sid)
        .map_err(|_| format!("server id {} is not in 0..=255", info.server_id))
}
