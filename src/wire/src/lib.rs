//! Bytes in, values out: jute, and every record of the client, election and quorum ports and of
//! the transaction log and the snapshot.
//!
//! Nothing here opens a socket or a file, or reads a clock. A decoder is given bytes and answers
//! with a value, with "more bytes are needed" where it works on a stream, or with an
//! [`jute::Error`] that names the field, the rule, the value found and what is allowed. Two
//! absences hold for all of them, whatever the bytes are: they never panic, and they never
//! reserve memory for something that was only announced.
//!
//! | module | what it holds | ZooKeeper's counterpart |
//! |---|---|---|
//! | [`jute`] | the encoding: [`jute::Reader`], [`jute::Writer`], [`jute::Record`] | `BinaryInputArchive`, `BinaryOutputArchive` |
//! | [`data`] | [`Id`], [`Acl`], [`Stat`], [`StatPersisted`], [`perms`] | `org.apache.zookeeper.data` |
//! | [`frame`](mod@frame) | length-prefixed messages | `NIOServerCnxn`, `QuorumCnxManager` |
//! | [`client`] | the client port, both sides | `org.apache.zookeeper.proto`, `ZooDefs` |
//! | [`election`] | the election port | `QuorumCnxManager`, `FastLeaderElection` |
//! | [`quorum`] | the quorum port | `QuorumPacket`, `Leader`, `Learner` |
//! | [`txn`] | transactions, as they are proposed and logged | `org.apache.zookeeper.txn`, `SerializeUtils` |
//! | [`snapshot`] | snapshots, in files and in streams | `FileSnap`, `DataTree` |
//! | [`limits`] | how large things may be, from a client to a follower's disk | `jute.maxbuffer` |
//! | [`session`] | session ids and passwords | `SessionTrackerImpl`, `ZooKeeperServer` |

pub mod client;
pub mod data;
pub mod election;
mod error_code;
pub mod frame;
pub mod jute;
pub mod limits;
pub mod quorum;
pub mod session;
pub mod snapshot;
pub mod txn;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod sample;

pub use data::{Acl, Id, Stat, StatPersisted, perms};
pub use error_code::ErrorCode;
pub use frame::frame;
pub use session::password;
