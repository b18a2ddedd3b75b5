//! The election port (`QuorumCnxManager`, `FastLeaderElection`): the message that opens a
//! connection, and notifications.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::frame::Frames;
use crate::jute::{Error, LIMIT_BYTES_DEFAULT, Reader, Writer};

/// The longest message after the opening one (`QuorumCnxManager.PACKETMAXSIZE`).
pub const MESSAGE_BYTES_MAX: usize = 524_288;

/// The longest address text in an [`InitialMessage`] (`QuorumCnxManager.maxBuffer`).
pub const ADDRESSES_BYTES_MAX: usize = 2048;

/// The sid an observer without one sends; its receiver gives it -1, -2 and so on
/// (`QuorumCnxManager.OBSERVER_ID`).
pub const OBSERVER_ID: i64 = i64::MAX;

/// Messages after the opening one: 1 to [`MESSAGE_BYTES_MAX`] bytes each, length in front.
pub fn frames() -> Frames {
    Frames::new("election message", 1, MESSAGE_BYTES_MAX)
}

/// A host and a port, in text `host:port`, where a host with colons stands in brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

impl Address {
    /// Reads `host:port` or `[host]:port`.
    ///
    /// # Errors
    /// [`Error::Text`] in the name of `field`.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Error> {
        let refused = || Error::text(field, text, "host:port, [IPv6]:port");
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let host = match host.strip_prefix('[') {
            Some(host) => host.strip_suffix(']').ok_or_else(refused)?,
            None if host.contains(':') => return Err(refused()),
            None => host,
        };
        if host.is_empty() || host.contains(['[', ']', '|']) {
            return Err(refused());
        }
        let port = port.parse().map_err(|_| refused())?;
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The first bytes of whoever dials, sent in one piece because receivers read the addresses in
/// one call (`QuorumCnxManager.InitialMessage`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InitialMessage {
    /// ZooKeeper 3.4: the sid alone, not negative.
    Old {
        /// Who dials.
        sid: i64,
    },
    /// Since 3.5: with the dialler's election address.
    V1 {
        /// Who dials.
        sid: i64,
        /// Where it can be dialled back.
        address: Address,
    },
    /// Since 3.6 and only with `multiAddress.enabled`: with all its election addresses.
    V2 {
        /// Who dials.
        sid: i64,
        /// Where it can be dialled back; at least one.
        addresses: Vec<Address>,
    },
}

const VERSION_1: i64 = -65_536;
const VERSION_2: i64 = -65_535;

impl InitialMessage {
    /// Who dials; [`OBSERVER_ID`] for an observer without a sid.
    pub fn sid(&self) -> i64 {
        match self {
            Self::Old { sid } | Self::V1 { sid, .. } | Self::V2 { sid, .. } => *sid,
        }
    }

    /// Where the dialler can be dialled back; none in the old form.
    pub fn addresses(&self) -> &[Address] {
        match self {
            Self::Old { .. } => &[],
            Self::V1 { address, .. } => std::slice::from_ref(address),
            Self::V2 { addresses, .. } => addresses,
        }
    }

    /// Takes the message off the front of a stream once all of it is there.
    ///
    /// # Errors
    /// [`Error::Value`] for an unknown protocol version, [`Error::Length`] for addresses of no
    /// or more than [`ADDRESSES_BYTES_MAX`] bytes, [`Error::Text`] for a malformed address. The
    /// connection is to be closed then.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, Error> {
        let Some(version) = buffer.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)) else {
            return Ok(None);
        };
        if version >= 0 {
            buffer.advance(8);
            return Ok(Some(Self::Old { sid: version }));
        }
        if version != VERSION_1 && version != VERSION_2 {
            return Err(Error::Value {
                field: "InitialMessage.protocolVersion",
                found: version,
                allowed: "-65536, -65535, or a sid of at least 0",
            });
        }
        let Some(head) = buffer.first_chunk::<20>() else { return Ok(None) };
        let mut reader = Reader::copying(&head[8..], LIMIT_BYTES_DEFAULT);
        let sid = reader.i64("InitialMessage.sid")?;
        let found = reader.i32("InitialMessage.addrLen")?;
        let length = match usize::try_from(found) {
            Ok(length @ 1..=ADDRESSES_BYTES_MAX) => length,
            Ok(_) | Err(_) => {
                return Err(Error::Length {
                    field: "InitialMessage.addrLen",
                    found: found.into(),
                    min: 1,
                    max: 2048,
                });
            }
        };
        let Some(addresses) = buffer.get(20..20 + length) else { return Ok(None) };
        let text = String::from_utf8_lossy(addresses).into_owned();
        buffer.advance(20 + length);
        let parse = |text: &str| Address::parse("InitialMessage.addr", text);
        Ok(Some(if version == VERSION_1 {
            Self::V1 { sid, address: parse(&text)? }
        } else {
            Self::V2 { sid, addresses: text.split('|').map(parse).collect::<Result<_, _>>()? }
        }))
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (version, sid, text) = match self {
            Self::Old { sid } => {
                out.i64(*sid);
                return;
            }
            Self::V1 { sid, address } => (VERSION_1, *sid, address.to_string()),
            Self::V2 { sid, addresses } => {
                let texts: Vec<String> = addresses.iter().map(Address::to_string).collect();
                (VERSION_2, *sid, texts.join("|"))
            }
        };
        out.i64(version);
        out.i64(sid);
        out.buffer(Some(text.as_bytes()));
    }
}

/// What a server is doing (`QuorumPeer.ServerState`, by its ordinal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum ServerState {
    /// Electing.
    Looking = 0,
    /// Following a leader.
    Following = 1,
    /// Leading.
    Leading = 2,
    /// Following without a vote.
    Observing = 3,
}

impl TryFrom<i32> for ServerState {
    type Error = Error;

    fn try_from(state: i32) -> Result<Self, Error> {
        match state {
            0 => Ok(Self::Looking),
            1 => Ok(Self::Following),
            2 => Ok(Self::Leading),
            3 => Ok(Self::Observing),
            _ => Err(Error::Value {
                field: "Notification.state",
                found: state.into(),
                allowed: "0 LOOKING, 1 FOLLOWING, 2 LEADING, 3 OBSERVING",
            }),
        }
    }
}

/// A vote, and who casts it in which round (`FastLeaderElection.Notification`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notification {
    /// The sender's state.
    pub state: ServerState,
    /// The proposed leader's sid.
    pub leader: i64,
    /// The last zxid of the proposed leader.
    pub zxid: i64,
    /// The sender's round of election, its logical clock.
    pub election_epoch: i64,
    /// The epoch of the proposed leader.
    pub peer_epoch: i64,
    /// The format: 2 today, 0 from servers before ZooKeeper 3.5.
    pub version: i32,
    /// Text of the sender's committed configuration; empty if the format has none.
    pub config: Bytes,
}

impl Notification {
    /// The format in use since ZooKeeper 3.5 (`Notification.CURRENTVERSION`).
    pub const VERSION: i32 = 2;

    /// Reads the payload of a message, by its size as ZooKeeper does: 28 bytes of before 3.4
    /// (the epoch is that of the zxid), 40 bytes of 3.4, 44 and more today. The 36 bytes of 3.4.0
    /// to 3.4.5 are refused, as by ZooKeeper. Bytes behind the configuration are ignored.
    ///
    /// # Errors
    /// [`Error::Value`] for an unknown state, [`Error::Short`], [`Error::Length`]. The message is
    /// to be dropped; the connection may stay.
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        let mut reader = Reader::with_limit(payload, payload.len());
        let state = reader.i32("Notification.state")?;
        let leader = reader.i64("Notification.leader")?;
        let zxid = reader.i64("Notification.zxid")?;
        let election_epoch = reader.i64("Notification.electionEpoch")?;
        let peer_epoch =
            if payload.len() == 28 { zxid >> 32 } else { reader.i64("Notification.peerEpoch")? };
        let version = match payload.len() {
            28 | 40 => 0,
            _ => reader.i32("Notification.version")?,
        };
        let config = if version > 1 {
            let field = "Notification.config";
            reader.buffer(field)?.ok_or(Error::Null { field })?
        } else {
            Bytes::new()
        };
        let state = ServerState::try_from(state)?;
        Ok(Self { state, leader, zxid, election_epoch, peer_epoch, version, config })
    }

    /// Appends the payload in the format of [`Notification::VERSION`], whatever `version` says.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.i32(self.state as i32);
        out.i64(self.leader);
        out.i64(self.zxid);
        out.i64(self.election_epoch);
        out.i64(self.peer_epoch);
        out.i32(Self::VERSION);
        out.buffer(Some(&self.config));
    }
}

#[cfg(test)]
mod tests;
