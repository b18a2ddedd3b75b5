//! The quorum port (Zab 1.0): packets between a leader and its learners, and what is inside them
//! (`QuorumPacket`, `Leader`, `Learner`, `LearnerHandler`).
//!
//! Packets follow each other without any framing, so their end is found by reading them.

mod body;
mod packet;

pub use body::{
    ForwardedRequest, LearnerInfo, ProposalWithLeader, QuorumAuthPacket, Revalidate, Revalidated,
    TouchedSession, decode_touched, encode_touched,
};
pub use packet::{Packet, PacketType, Packets};

/// The protocol version of Zab 1.0, in LEADERINFO and [`LearnerInfo`].
pub const PROTOCOL_VERSION: i32 = 0x1_0000;

/// The string that ends the snapshot after a SNAP packet
/// ([`snapshot::STREAM_END`](crate::snapshot::STREAM_END) are its bytes).
pub const BEN_WAS_HERE: &str = "BenWasHere";

#[cfg(test)]
mod tests;
