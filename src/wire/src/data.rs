//! Records that requests, transactions and snapshots share (`org.apache.zookeeper.data`).

use crate::jute::{Error, Field, Reader, Record, record};

/// Permissions of an [`Acl`], bits of an `i32` (`ZooDefs.Perms`).
pub mod perms {
    /// Read a node's data and list its children.
    pub const READ: i32 = 1;
    /// Set a node's data.
    pub const WRITE: i32 = 2;
    /// Create a child.
    pub const CREATE: i32 = 4;
    /// Delete a child.
    pub const DELETE: i32 = 8;
    /// Set a node's ACL.
    pub const ADMIN: i32 = 16;
    /// All of them.
    pub const ALL: i32 = 31;
}

/// Who: an authentication scheme and an identity within it.
///
/// Clients send null for the identity of scheme `auth`, which has none: null is read as the empty
/// string.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// `world`, `ip`, `digest`, `auth`, `sasl`, `x509`, `super`.
    pub scheme: String,
    /// The identity, in the form the scheme gives it.
    pub id: String,
}

impl Record for Id {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let scheme = reader.string("Id.scheme")?;
        let id = reader.nullable_string("Id.id")?.unwrap_or_default();
        Ok(Self { scheme, id })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.scheme.write(out);
        self.id.write(out);
    }

    fn encoded_len(&self) -> usize {
        self.scheme.written_len() + self.id.written_len()
    }
}

impl Field for Id {
    const BYTES_MIN: usize = 2 * String::BYTES_MIN;

    fn read(reader: &mut Reader<'_>, _field: &'static str) -> Result<Self, Error> {
        Self::decode(reader)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }

    fn written_len(&self) -> usize {
        self.encoded_len()
    }
}

#[cfg(test)]
impl crate::sample::Sample for Id {
    fn sample(g: &mut quickcheck::Gen) -> Self {
        Self { scheme: crate::sample::Sample::sample(g), id: crate::sample::Sample::sample(g) }
    }
}

impl Id {
    /// An identity of a scheme.
    pub fn new(scheme: impl Into<String>, id: impl Into<String>) -> Self {
        Self { scheme: scheme.into(), id: id.into() }
    }

    /// `world:anyone`: everybody (`ZooDefs.Ids.ANYONE_ID_UNSAFE`).
    pub fn anyone() -> Self {
        Self::new("world", "anyone")
    }
}

record! {
    /// One entry of an access control list.
    #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Acl {
        /// Bits of [`perms`].
        pub perms: i32,
        /// Whom they are given to.
        pub id: Id,
    }
}

impl Acl {
    /// An entry.
    pub fn new(perms: i32, id: Id) -> Self {
        Self { perms, id }
    }

    /// Everything for everybody (`ZooDefs.Ids.OPEN_ACL_UNSAFE`).
    pub fn open_unsafe() -> Vec<Self> {
        vec![Self::new(perms::ALL, Id::anyone())]
    }

    /// Everything for the identities of the caller (`ZooDefs.Ids.CREATOR_ALL_ACL`).
    pub fn creator_all() -> Vec<Self> {
        vec![Self::new(perms::ALL, Id::new("auth", ""))]
    }

    /// Reading for everybody (`ZooDefs.Ids.READ_ACL_UNSAFE`).
    pub fn read_unsafe() -> Vec<Self> {
        vec![Self::new(perms::READ, Id::anyone())]
    }
}

record! {
    /// What clients are told of a node, 68 bytes. Times are milliseconds since 1970 on the clock
    /// of the leader of that moment.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Stat {
        /// zxid of the transaction that created the node.
        pub czxid: i64,
        /// zxid of the last change of its data.
        pub mzxid: i64,
        /// When it was created.
        pub ctime: i64,
        /// When its data was last changed.
        pub mtime: i64,
        /// How often its data was changed.
        pub version: i32,
        /// How often a child was created or deleted.
        pub cversion: i32,
        /// How often its ACL was changed.
        pub aversion: i32,
        /// The session an ephemeral node belongs to; 0 for all other nodes.
        pub ephemeral_owner: i64,
        /// Bytes of data; 0 also for null.
        pub data_length: i32,
        /// Direct children.
        pub num_children: i32,
        /// zxid of the last creation or deletion of a child, or of the node's own creation.
        pub pzxid: i64,
    }
}

impl Stat {
    /// Its encoded length.
    pub const BYTES: usize = 68;
}

record! {
    /// What snapshots store of a node, 60 bytes. It differs from [`Stat`] in `cversion`, which
    /// here counts creations of children only, and in `ephemeral_owner`, which also marks
    /// container and TTL nodes.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct StatPersisted {
        /// zxid of the transaction that created the node.
        pub czxid: i64,
        /// zxid of the last change of its data.
        pub mzxid: i64,
        /// When it was created, milliseconds since 1970.
        pub ctime: i64,
        /// When its data was last changed, milliseconds since 1970.
        pub mtime: i64,
        /// How often its data was changed.
        pub version: i32,
        /// How often a child was created.
        pub cversion: i32,
        /// How often its ACL was changed.
        pub aversion: i32,
        /// Session of an ephemeral node, or the mark of a container or TTL node, or 0.
        pub ephemeral_owner: i64,
        /// zxid of the last creation or deletion of a child, or of the node's own creation.
        pub pzxid: i64,
    }
}

impl StatPersisted {
    /// Its encoded length.
    pub const BYTES: usize = 60;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn null_is_the_identity_of_who_has_none() {
        let sent = Bytes::from_static(b"\0\0\0\x1f\0\0\0\x04auth\xff\xff\xff\xff");
        assert_eq!(Acl::from_bytes(&sent), Ok(Acl::new(perms::ALL, Id::new("auth", ""))));
    }
}
