//! What happened in a run, as it is told.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use wire::quorum::Packets;
use zab::Sid;

use crate::pipe;

/// Whom a line is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// A server.
    Server(Sid),
    /// A client.
    Client(usize),
    /// The network, or all of it.
    World,
}

/// What sort of thing happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Something was done.
    Step,
    /// A server starts.
    Start,
    /// A server ends.
    End,
    /// A connection, or several.
    Link,
    /// A message leaves for somebody; the text names it.
    Sent(Who),
    /// A message from somebody arrives; the text names it.
    Received(Who),
}

impl Kind {
    /// Whether it is about a message: there are thousands of those.
    pub fn is_message(self) -> bool {
        match self {
            Self::Sent(_) | Self::Received(_) => true,
            Self::Step | Self::Start | Self::End | Self::Link => false,
        }
    }
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// When, for those in the run.
    pub at: Duration,
    /// To whom.
    pub who: Who,
    /// What sort of thing.
    pub kind: Kind,
    /// In words.
    pub text: String,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(sid) => write!(f, "s{}", sid.0),
            Self::Client(id) => write!(f, "c{id}"),
            Self::World => f.write_str("world"),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.4} {}", self.at.as_secs_f64(), self.text)
    }
}

/// Names what bytes between servers say: their packets, the first of them with its zxid.
pub(crate) fn label(of: pipe::Kind, bytes: &[u8]) -> String {
    match of {
        pipe::Kind::Quorum => packets(bytes),
        pipe::Kind::Election => notification(bytes),
        pipe::Kind::Client => String::new(),
    }
}

fn packets(bytes: &[u8]) -> String {
    let (mut buffer, mut packets) = (BytesMut::from(bytes), Packets::new(bytes.len()));
    let mut found = Vec::new();
    while let Ok(Some(packet)) = packets.next(&mut buffer) {
        found.push(packet);
    }
    match found.as_slice() {
        [] => "a state".to_owned(),
        [one] => format!("{} 0x{:x}", one.kind.name(), one.zxid),
        [one, rest @ ..] => format!("{} 0x{:x} +{}", one.kind.name(), one.zxid, rest.len()),
    }
}

fn notification(bytes: &[u8]) -> String {
    let payload = Bytes::copy_from_slice(bytes.get(4..).unwrap_or_default());
    match host::decode_notification(&payload) {
        Ok(zab::Notification { state, vote, round }) => {
            let leader = vote.map_or("nobody".to_owned(), |vote| format!("s{}", vote.leader.0));
            format!("{state:?}: {leader}, round {round}")
        }
        Err(_) => "an election message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use wire::jute::Record;
    use wire::quorum::{Packet, PacketType};

    use super::*;

    #[test]
    fn a_message_is_named_by_its_packets() {
        let mut bytes = Vec::new();
        Packet::new(PacketType::Proposal, 0x1_0000_0002).encode(&mut bytes);
        assert_eq!(label(pipe::Kind::Quorum, &bytes), "PROPOSAL 0x100000002");
        Packet::new(PacketType::Commit, 0x1_0000_0002).encode(&mut bytes);
        assert_eq!(label(pipe::Kind::Quorum, &bytes), "PROPOSAL 0x100000002 +1");
        assert_eq!(label(pipe::Kind::Quorum, b"ZKSN"), "a state");
        assert_eq!(label(pipe::Kind::Election, b"no"), "an election message");
    }
}
