//! Snapshots (`FileSnap`, `DataTree.serialize`): the file's sections, and the body that both the
//! file and the stream after a SNAP packet have.
//!
//! ```text
//! file:   header | body | seal | [digest | seal | [last zxid | seal]]
//! body:   i32 count, sessions | i32 count, ACLs | nodes, parents first | "/"
//! stream: body | "BenWasHere"
//! ```
//!
//! A seal holds a checksum of all bytes before it, which is the business of whoever reads the
//! file; nothing here computes it. Compression is not either.

mod body;
mod reader;

pub use body::{BodyDecoder, Step};
pub use reader::{BodyReader, ReadError};

use bytes::Bytes;

use crate::data::{Acl, StatPersisted};
use crate::jute::{Error, Reader, Record, Writer, record};

record! {
    /// The head of the file, 16 bytes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct FileHeader {
        /// [`FileHeader::MAGIC`].
        pub magic: i32,
        /// [`FileHeader::VERSION`]; ZooKeeper does not check it.
        pub version: i32,
        /// -1; ZooKeeper does not check it.
        pub dbid: i64,
    }
}

impl FileHeader {
    /// Its encoded length.
    pub const BYTES: usize = 16;
    /// "ZKSN".
    pub const MAGIC: i32 = 0x5a4b_534e;
    /// The version of the format.
    pub const VERSION: i32 = 2;
    /// What ZooKeeper writes.
    pub const CURRENT: Self = Self { magic: Self::MAGIC, version: Self::VERSION, dbid: -1 };
}

record! {
    /// A session and its timeout, 12 bytes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Session {
        /// Its id.
        pub id: i64,
        /// Its timeout in milliseconds.
        pub timeout_ms: i32,
    }
}

record! {
    /// An ACL under the number that nodes refer to it by, 1 and up.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct AclEntry {
        /// The number.
        pub id: i64,
        /// The list.
        pub acl: Vec<Acl>,
    }
}

/// The ACL number that stands for "everything for everybody" and is not in the list of ACLs
/// (`ReferenceCountedACLCache.OPEN_UNSAFE_ACL_ID`).
pub const OPEN_UNSAFE_ACL_ID: i64 = -1;

record! {
    /// A node. The root's path is empty; `/` ends the body and is no node's path.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct Node {
        /// Its path.
        pub path: String,
        /// Its data, in memory of its own; `None` is null.
        pub data: Option<Bytes>,
        /// The number of its ACL.
        pub acl_id: i64,
        /// The rest of what is stored of it.
        pub stat: StatPersisted,
    }
}

/// Appends a node as [`Node`] is encoded, from borrowed parts.
pub fn encode_node(
    path: &str,
    data: Option<&[u8]>,
    acl_id: i64,
    stat: &StatPersisted,
    out: &mut Vec<u8>,
) {
    out.str(path);
    out.buffer(data);
    out.i64(acl_id);
    stat.encode(out);
}

/// The string "/", which ends the body and each [`Seal`].
pub const END_MARK: &[u8; 5] = b"\0\0\0\x01/";

/// The string "BenWasHere", which follows the body in a stream.
pub const STREAM_END: &[u8; 14] = b"\0\0\0\x0aBenWasHere";

/// One thing of a snapshot's body, in the order they come in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A session.
    Session(Session),
    /// An ACL.
    Acl(AclEntry),
    /// A node.
    Node(Node),
}

/// A checksum of all bytes of the file before it, then "/": 13 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seal {
    /// The Adler-32, in the lower half.
    pub checksum: i64,
}

impl Seal {
    /// Its encoded length.
    pub const BYTES: usize = 13;
}

impl Record for Seal {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let checksum = reader.i64("Seal.checksum")?;
        let mark = reader.str("Seal.mark")?;
        if mark != "/" {
            return Err(Error::text("Seal.mark", &mark, "\"/\""));
        }
        Ok(Self { checksum })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.i64(self.checksum);
        out.extend_from_slice(END_MARK);
    }
}

record! {
    /// The digest of the tree when the snapshot was begun, 20 bytes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ZxidDigest {
        /// The last transaction applied then; 0 if there was none.
        pub zxid: i64,
        /// How the digest is computed: 2. (A version below 2 is followed by a string.)
        pub version: i32,
        /// The digest.
        pub tree_digest: i64,
    }
}

impl ZxidDigest {
    /// Its encoded length.
    pub const BYTES: usize = 20;
}

#[cfg(test)]
mod tests;
