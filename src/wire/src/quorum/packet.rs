use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::data::Id;
use crate::jute::{Error, Field, Reader, Record, Writer};

macro_rules! packet_types {
    ($($variant:ident = $code:literal, $name:literal, $doc:literal;)*) => {
        /// What a packet is (constants of `Leader`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i32)]
        pub enum PacketType {
            $(#[doc = $doc] $variant = $code,)*
        }

        impl PacketType {
            /// Every type, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// ZooKeeper's name of it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The type with this number, if there is one.
            pub fn from_code(code: i32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

packet_types! {
    Request = 1, "REQUEST", "Learner: a client's request, forwarded.";
    Proposal = 2, "PROPOSAL", "Leader: a transaction to be logged.";
    Ack = 3, "ACK", "Learner: a transaction is logged, or an epoch's history is.";
    Commit = 4, "COMMIT", "Leader: a transaction is committed.";
    Ping = 5, "PING", "Both: still there; the learner names the sessions it heard from.";
    Revalidate = 6, "REVALIDATE", "Both: is this session alive?";
    Sync = 7, "SYNC", "Leader: the oldest waiting sync is released.";
    Inform = 8, "INFORM", "Leader to observer: a committed transaction.";
    CommitAndActivate = 9, "COMMITANDACTIVATE", "Leader: a reconfiguration is committed.";
    NewLeader = 10, "NEWLEADER", "Leader: end of the history of its epoch.";
    FollowerInfo = 11, "FOLLOWERINFO", "Follower: who it is, and its acceptedEpoch.";
    UpToDate = 12, "UPTODATE", "Leader: the epoch is established; serve clients.";
    Diff = 13, "DIFF", "Leader: the transactions that are missing follow.";
    Trunc = 14, "TRUNC", "Leader: cut the log behind this zxid.";
    Snap = 15, "SNAP", "Leader: a whole snapshot follows.";
    ObserverInfo = 16, "OBSERVERINFO", "Observer: as FOLLOWERINFO.";
    LeaderInfo = 17, "LEADERINFO", "Leader: the new epoch.";
    AckEpoch = 18, "ACKEPOCH", "Learner: promises the new epoch; its last zxid and currentEpoch.";
    InformAndActivate = 19, "INFORMANDACTIVATE",
        "Leader to observer: a committed reconfiguration.";
}

impl PacketType {
    /// Its number.
    pub fn code(self) -> i32 {
        self as i32
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<i32> for PacketType {
    type Error = Error;

    fn try_from(code: i32) -> Result<Self, Error> {
        Self::from_code(code).ok_or(Error::Value {
            field: "QuorumPacket.type",
            found: code.into(),
            allowed: "1 (REQUEST) to 19 (INFORMANDACTIVATE)",
        })
    }
}

/// A packet, 20 bytes and more: `i32` type, `i64` zxid, buffer data, vector of [`Id`] authinfo.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    /// What it is.
    pub kind: PacketType,
    /// A zxid or, for some types, an epoch in the upper half, 0 or -1.
    pub zxid: i64,
    /// What it carries; `None` is null.
    pub data: Option<Bytes>,
    /// The identities of the client in a REQUEST; null otherwise.
    pub auth: Option<Vec<Id>>,
}

impl Packet {
    /// The length of a packet without data and identities.
    pub const BYTES_MIN: usize = 20;

    /// A packet without data and identities.
    pub fn new(kind: PacketType, zxid: i64) -> Self {
        Self { kind, zxid, data: None, auth: None }
    }

    /// A packet with data, without identities.
    pub fn with_data(kind: PacketType, zxid: i64, data: impl Into<Bytes>) -> Self {
        Self { data: Some(data.into()), ..Self::new(kind, zxid) }
    }
}

impl Record for Packet {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            kind: reader.i32("QuorumPacket.type")?.try_into()?,
            zxid: reader.i64("QuorumPacket.zxid")?,
            data: reader.buffer("QuorumPacket.data")?,
            auth: Field::read(reader, "QuorumPacket.authinfo")?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.i32(self.kind.code());
        out.i64(self.zxid);
        out.buffer(self.data.as_deref());
        self.auth.write(out);
    }
}

/// Takes packets off the front of a stream.
///
/// It remembers how far it has looked into a packet that is not complete, so that a packet that
/// arrives byte by byte costs no more than one that arrives at once; therefore one `Packets`
/// belongs to one buffer, and nobody else takes bytes off that buffer in the middle of a packet.
#[derive(Clone, Debug)]
pub struct Packets {
    bytes_max: usize,
    /// The packet's prefix of this length has been looked through.
    seen: usize,
    part: Part,
}

/// What of a packet comes after the bytes seen.
#[derive(Clone, Copy, Debug)]
enum Part {
    Head,
    Count,
    Strings(u64),
}

impl Packets {
    /// Packets of at most `bytes_max` bytes each, all fields included.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, seen: 0, part: Part::Head }
    }

    /// The next packet, if all of it is there; its data shares the memory of `buffer`.
    ///
    /// # Errors
    /// As soon as it is seen: an unknown type, a length out of range, a packet longer than the
    /// maximum. The stream has no next packet then: the connection is to be closed.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, Error> {
        let Some(length) = self.length(buffer)? else { return Ok(None) };
        let bytes = buffer.split_to(length).freeze();
        *self = Self::new(self.bytes_max);
        Packet::decode(&mut Reader::with_limit(&bytes, self.bytes_max)).map(Some)
    }

    /// The length of the packet at the front of `bytes`, if all of it is there.
    fn length(&mut self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        loop {
            match self.part {
                Part::Head => {
                    let mut head = Reader::copying(bytes, self.bytes_max);
                    if bytes.len() >= 4 {
                        PacketType::try_from(head.i32("QuorumPacket.type")?)?;
                    }
                    if bytes.len() < 16 {
                        return Ok(None);
                    }
                    head.i64("QuorumPacket.zxid")?;
                    let found = head.i32("QuorumPacket.data")?;
                    self.extend(16, "QuorumPacket.data", found)?;
                    self.part = Part::Count;
                }
                Part::Count => {
                    let Some(count) = self.next_i32(bytes) else { return Ok(None) };
                    self.extend(4, "QuorumPacket.authinfo", 0)?;
                    self.part = Part::Strings(2 * u64::try_from(count).unwrap_or(0));
                }
                Part::Strings(0) => return Ok((self.seen <= bytes.len()).then_some(self.seen)),
                Part::Strings(left) => {
                    let Some(found) = self.next_i32(bytes) else { return Ok(None) };
                    self.extend(4, "QuorumPacket.authinfo", found)?;
                    self.part = Part::Strings(left - 1);
                }
            }
        }
    }

    /// The number behind the bytes seen, if it is there.
    fn next_i32(&self, bytes: &[u8]) -> Option<i32> {
        bytes.get(self.seen..)?.first_chunk().map(|head| i32::from_be_bytes(*head))
    }

    /// Counts `head` bytes and a field of `found` bytes as seen, whether or not they are there.
    fn extend(&mut self, head: usize, field: &'static str, found: i32) -> Result<(), Error> {
        let max = self.bytes_max.saturating_sub(self.seen + head);
        self.seen += head + crate::jute::length(field, found, max)?.unwrap_or(0);
        if self.seen > self.bytes_max {
            return Err(Error::Length {
                field: "QuorumPacket",
                found: i64::try_from(self.seen).unwrap_or(i64::MAX),
                min: 20,
                max: i64::try_from(self.bytes_max).unwrap_or(i64::MAX),
            });
        }
        Ok(())
    }
}
