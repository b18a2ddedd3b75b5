//! Bytes in, values out: jute, and every record of the client, election and quorum ports and of
//! the transaction log and the snapshot.
//!
//! Nothing here reads a socket, a file or a clock. A decoder is given bytes and answers with a
//! value, with "more bytes are needed" where it works on a stream, or with an [`jute::Error`] that
//! names the field, the rule, the value found and what is allowed. Two absences hold for all of
//! them, whatever the bytes are: they never panic, and they never reserve memory for something
//! that was only announced.
//!
//! | module | what it holds | ZooKeeper's counterpart |
//! |---|---|---|
//! | [`jute`] | the encoding: [`jute::Reader`], [`jute::Writer`], [`jute::Record`] | `BinaryInputArchive`, `BinaryOutputArchive` |
//! | [`data`] | [`Id`], [`Acl`], [`Stat`], [`StatPersisted`], [`perms`] | `org.apache.zookeeper.data` |
//! | [`txn`] | transactions, as they are proposed and logged | `org.apache.zookeeper.txn`, `SerializeUtils` |

pub mod data;
mod error_code;
pub mod jute;
pub mod txn;

#[cfg(test)]
mod sample;

pub use data::{Acl, Id, Stat, StatPersisted, perms};
pub use error_code::ErrorCode;
