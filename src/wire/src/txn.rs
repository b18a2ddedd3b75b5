//! Transactions: what is proposed, logged and applied (`org.apache.zookeeper.txn`,
//! `SerializeUtils`).
//!
//! A transaction travels as a [`TxnBlob`]: a [`TxnHeader`] of 32 bytes, the record its type
//! names, and optionally the digest of the tree after it. The same bytes are the payload of a
//! PROPOSAL, of an INFORM, and of an entry of the transaction log.

use bytes::Bytes;

use crate::data::Acl;
use crate::jute::{Error, Field, Reader, Record, Writer, record};

record! {
    /// The head of every transaction, 32 bytes.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TxnHeader {
        /// The session that asked for it.
        pub client_id: i64,
        /// The request's xid within its session; 0 for requests of the servers themselves.
        pub cxid: i32,
        /// Its place in the order of all transactions.
        pub zxid: i64,
        /// Milliseconds since 1970 on the leader's clock when it was prepared.
        pub time: i64,
        /// The type, a number of [`TxnType`]; kept as it came, [`Txn::decode`] judges it.
        pub kind: i32,
    }
}

impl TxnHeader {
    /// Its encoded length.
    pub const BYTES: usize = 32;
}

/// The types of transactions; the numbers are those of the requests (`ZooDefs.OpCode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum TxnType {
    /// A session ends.
    CloseSession = -11,
    /// A session begins.
    CreateSession = -10,
    /// A request that failed.
    Error = -1,
    /// A node is created.
    Create = 1,
    /// A node is deleted.
    Delete = 2,
    /// A node's data is set.
    SetData = 5,
    /// A node's ACL is set.
    SetAcl = 7,
    /// A version is asserted; only within a multi.
    Check = 13,
    /// Several at once, or none of them.
    Multi = 14,
    /// As `Create`; the client also wants the Stat.
    Create2 = 15,
    /// The ensemble's configuration is set.
    Reconfig = 16,
    /// A container node is created.
    CreateContainer = 19,
    /// An empty container or an expired TTL node is deleted.
    DeleteContainer = 20,
    /// A TTL node is created.
    CreateTtl = 21,
}

impl TxnType {
    /// Every type, in ascending order of the numbers.
    pub const ALL: [Self; 14] = [
        Self::CloseSession,
        Self::CreateSession,
        Self::Error,
        Self::Create,
        Self::Delete,
        Self::SetData,
        Self::SetAcl,
        Self::Check,
        Self::Multi,
        Self::Create2,
        Self::Reconfig,
        Self::CreateContainer,
        Self::DeleteContainer,
        Self::CreateTtl,
    ];

    /// The type's number.
    pub fn code(self) -> i32 {
        self as i32
    }

    /// True for the types that a multi may hold.
    pub fn within_multi(self) -> bool {
        match self {
            Self::Error
            | Self::Create
            | Self::Delete
            | Self::SetData
            | Self::SetAcl
            | Self::Check
            | Self::Create2
            | Self::CreateContainer
            | Self::DeleteContainer
            | Self::CreateTtl => true,
            Self::CloseSession | Self::CreateSession | Self::Multi | Self::Reconfig => false,
        }
    }
}

impl TryFrom<i32> for TxnType {
    type Error = Error;

    fn try_from(code: i32) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.code() == code).ok_or(unknown_type(code))
    }
}

fn unknown_type(code: i32) -> Error {
    Error::Value {
        field: "TxnHeader.type",
        found: code.into(),
        allowed: "-11, -10, -1, 1, 2, 5, 7, 13 (in a multi), 14, 15, 16, 19, 20, 21",
    }
}

record! {
    /// A node is created, persistent or ephemeral; the name is final, sequence number included.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct CreateTxn {
        /// Its path.
        pub path: String,
        /// Its data; `None` is null.
        pub data: Option<Bytes>,
        /// Its ACL.
        pub acl: Vec<Acl>,
        /// True if it belongs to the session in the header.
        pub ephemeral: bool,
        /// `cversion` of the parent after the creation, as stored (creations counted only); -1 in
        /// transactions written before ZooKeeper 3.4, which lack the field (`CreateTxnV0`): then
        /// the parent's is to be incremented.
        pub parent_cversion: i32,
    }
}

impl CreateTxn {
    /// As [`Record::decode`], but input that ends behind `ephemeral` is the form of before
    /// ZooKeeper 3.4. ZooKeeper allows this for type 1 only.
    fn decode_or_v0(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            path: reader.string("CreateTxn.path")?,
            data: reader.buffer("CreateTxn.data")?,
            acl: Field::read(reader, "CreateTxn.acl")?,
            ephemeral: reader.bool("CreateTxn.ephemeral")?,
            parent_cversion: if reader.remaining() < 4 {
                -1
            } else {
                reader.i32("CreateTxn.parent_cversion")?
            },
        })
    }
}

record! {
    /// A container node is created: deleted by the servers once its last child is gone.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct CreateContainerTxn {
        /// Its path.
        pub path: String,
        /// Its data; `None` is null.
        pub data: Option<Bytes>,
        /// Its ACL.
        pub acl: Vec<Acl>,
        /// `cversion` of the parent after the creation.
        pub parent_cversion: i32,
    }
}

record! {
    /// A TTL node is created: deleted by the servers when it was empty and unchanged for long.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct CreateTtlTxn {
        /// Its path.
        pub path: String,
        /// Its data; `None` is null.
        pub data: Option<Bytes>,
        /// Its ACL.
        pub acl: Vec<Acl>,
        /// `cversion` of the parent after the creation.
        pub parent_cversion: i32,
        /// How long it must have been unchanged, in milliseconds.
        pub ttl: i64,
    }
}

record! {
    /// A node is deleted, by a client or as an empty container.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct DeleteTxn {
        /// Its path.
        pub path: String,
    }
}

record! {
    /// A node's data is set; also the form of a reconfiguration, which sets the configuration
    /// node.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct SetDataTxn {
        /// Its path.
        pub path: String,
        /// The data; `None` is null.
        pub data: Option<Bytes>,
        /// The node's `version` afterwards.
        pub version: i32,
    }
}

record! {
    /// A node's ACL is set.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct SetAclTxn {
        /// Its path.
        pub path: String,
        /// The ACL.
        pub acl: Vec<Acl>,
        /// The node's `aversion` afterwards.
        pub version: i32,
    }
}

record! {
    /// A version was asserted. Changes nothing; only within a multi.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct CheckVersionTxn {
        /// Its path.
        pub path: String,
        /// The node's `version`.
        pub version: i32,
    }
}

/// What a transaction does: its type and the record of that type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Txn {
    /// The session in the header ends. The paths are those of its ephemeral nodes, all deleted by
    /// this transaction. `None` if they are not listed (written before ZooKeeper 3.6, or with
    /// `zookeeper.closeSessionTxn.enabled=false`): then whatever it owns is deleted.
    CloseSession(Option<Vec<String>>),
    /// The session in the header begins.
    CreateSession {
        /// Its timeout in milliseconds.
        timeout_ms: i32,
    },
    /// A request that failed: takes a zxid, changes nothing.
    Error {
        /// A number of [`ErrorCode`](crate::ErrorCode), kept as it came.
        err: i32,
    },
    /// A node is created.
    Create(CreateTxn),
    /// A node is deleted.
    Delete(DeleteTxn),
    /// A node's data is set.
    SetData(SetDataTxn),
    /// A node's ACL is set.
    SetAcl(SetAclTxn),
    /// A version is asserted; only within a multi.
    Check(CheckVersionTxn),
    /// All of them in order, or none if one is an [`Txn::Error`]. The types within are those of
    /// [`TxnType::within_multi`].
    Multi(Vec<Txn>),
    /// A node is created; the client also wants the Stat.
    Create2(CreateTxn),
    /// The ensemble's configuration is set.
    Reconfig(SetDataTxn),
    /// A container node is created.
    CreateContainer(CreateContainerTxn),
    /// An empty container or an expired TTL node is deleted.
    DeleteContainer(DeleteTxn),
    /// A TTL node is created.
    CreateTtl(CreateTtlTxn),
}

impl Txn {
    /// The type of the transaction.
    pub fn kind(&self) -> TxnType {
        match self {
            Self::CloseSession(_) => TxnType::CloseSession,
            Self::CreateSession { .. } => TxnType::CreateSession,
            Self::Error { .. } => TxnType::Error,
            Self::Create(_) => TxnType::Create,
            Self::Delete(_) => TxnType::Delete,
            Self::SetData(_) => TxnType::SetData,
            Self::SetAcl(_) => TxnType::SetAcl,
            Self::Check(_) => TxnType::Check,
            Self::Multi(_) => TxnType::Multi,
            Self::Create2(_) => TxnType::Create2,
            Self::Reconfig(_) => TxnType::Reconfig,
            Self::CreateContainer(_) => TxnType::CreateContainer,
            Self::DeleteContainer(_) => TxnType::DeleteContainer,
            Self::CreateTtl(_) => TxnType::CreateTtl,
        }
    }

    /// Reads the record of a transaction of type `kind`, as tolerantly as ZooKeeper
    /// (`SerializeUtils.deserializeTxn`): [`CreateTxn`] may lack its last field, and the paths of
    /// a session's end may be missing.
    ///
    /// # Errors
    /// As [`Record::decode`]; [`Error::Value`] for an unknown type, and for one inside a multi
    /// that may not be there.
    pub fn decode(kind: i32, reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(match TxnType::try_from(kind)? {
            TxnType::CloseSession => Self::CloseSession(close_session_paths(reader)?),
            TxnType::CreateSession => {
                Self::CreateSession { timeout_ms: reader.i32("CreateSessionTxn.timeout")? }
            }
            TxnType::Error => Self::Error { err: reader.i32("ErrorTxn.err")? },
            TxnType::Create => Self::Create(CreateTxn::decode_or_v0(reader)?),
            TxnType::Delete => Self::Delete(Record::decode(reader)?),
            TxnType::SetData => Self::SetData(Record::decode(reader)?),
            TxnType::SetAcl => Self::SetAcl(Record::decode(reader)?),
            TxnType::Check => Self::Check(Record::decode(reader)?),
            TxnType::Multi => Self::Multi(multi(reader)?),
            TxnType::Create2 => Self::Create2(Record::decode(reader)?),
            TxnType::Reconfig => Self::Reconfig(Record::decode(reader)?),
            TxnType::CreateContainer => Self::CreateContainer(Record::decode(reader)?),
            TxnType::DeleteContainer => Self::DeleteContainer(Record::decode(reader)?),
            TxnType::CreateTtl => Self::CreateTtl(Record::decode(reader)?),
        })
    }

    /// Appends the record, without its type.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::CloseSession(None) => {}
            Self::CloseSession(Some(paths)) => paths.write(out),
            Self::CreateSession { timeout_ms } => out.i32(*timeout_ms),
            Self::Error { err } => out.i32(*err),
            Self::Create(txn) | Self::Create2(txn) => txn.encode(out),
            Self::Delete(txn) | Self::DeleteContainer(txn) => txn.encode(out),
            Self::SetData(txn) | Self::Reconfig(txn) => txn.encode(out),
            Self::SetAcl(txn) => txn.encode(out),
            Self::Check(txn) => txn.encode(out),
            Self::Multi(txns) => {
                out.count(txns.len());
                for txn in txns {
                    out.i32(txn.kind().code());
                    out.nested(|out| txn.encode(out));
                }
            }
            Self::CreateContainer(txn) => txn.encode(out),
            Self::CreateTtl(txn) => txn.encode(out),
        }
    }
}

impl Txn {
    /// How many bytes [`Txn::encode`] appends.
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::CloseSession(None) => 0,
            Self::CloseSession(Some(paths)) => paths.written_len(),
            Self::CreateSession { .. } | Self::Error { .. } => 4,
            Self::Create(txn) | Self::Create2(txn) => txn.encoded_len(),
            Self::Delete(txn) | Self::DeleteContainer(txn) => txn.encoded_len(),
            Self::SetData(txn) | Self::Reconfig(txn) => txn.encoded_len(),
            Self::SetAcl(txn) => txn.encoded_len(),
            Self::Check(txn) => txn.encoded_len(),
            Self::Multi(txns) => 4 + txns.iter().map(|txn| 8 + txn.encoded_len()).sum::<usize>(),
            Self::CreateContainer(txn) => txn.encoded_len(),
            Self::CreateTtl(txn) => txn.encoded_len(),
        }
    }
}

/// The paths of a `CloseSessionTxn`, `None` where there are none. ZooKeeper takes input that ends
/// early for "no paths". It would also misread a digest that follows missing paths; that digest is
/// recognised here by its exact length and version. As paths it would be two empty ones, and no
/// path is empty.
fn close_session_paths(reader: &mut Reader<'_>) -> Result<Option<Vec<String>>, Error> {
    let field = "CloseSessionTxn.paths2Delete";
    let digest_only = reader.remaining() == TxnDigest::BYTES
        && reader.clone().i32("TxnDigest.version")? == TxnDigest::VERSION;
    if digest_only {
        return Ok(None);
    }
    match <Vec<String> as Field>::read(reader, field) {
        Ok(paths) if paths.iter().any(String::is_empty) => {
            Err(Error::text(field, "", "paths, which are not empty"))
        }
        Ok(paths) => Ok(Some(paths)),
        Err(Error::Short { .. } | Error::Items { .. }) => {
            reader.rest();
            Ok(None)
        }
        Err(
            error @ (Error::Length { .. }
            | Error::Null { .. }
            | Error::Value { .. }
            | Error::Text { .. }),
        ) => Err(error),
    }
}

fn multi(reader: &mut Reader<'_>) -> Result<Vec<Txn>, Error> {
    let count = reader.count("MultiTxn.txns", 8)?.unwrap_or(0);
    let mut txns = Vec::new();
    for _ in 0..count {
        let kind = reader.i32("Txn.type")?;
        if !TxnType::try_from(kind)?.within_multi() {
            return Err(Error::Value {
                field: "Txn.type",
                found: kind.into(),
                allowed: "in a multi -1, 1, 2, 5, 7, 13, 15, 19, 20, 21",
            });
        }
        let mut data = reader.sub("Txn.data")?;
        txns.push(Txn::decode(kind, &mut data)?);
    }
    Ok(txns)
}

record! {
    /// The digest of the whole tree after a transaction, 12 bytes.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TxnDigest {
        /// How it is computed; [`TxnDigest::VERSION`] is the one in use.
        pub version: i32,
        /// The sum of the digests of all nodes.
        pub tree_digest: i64,
    }
}

impl TxnDigest {
    /// Its encoded length.
    pub const BYTES: usize = 12;
    /// CRC-32 of each node, summed (`DigestCalculator.DIGEST_VERSION`).
    pub const VERSION: i32 = 2;
}

/// A transaction as it is proposed and logged.
///
/// Encoding writes `header` as it is: `header.kind` must be the type of `txn`, as
/// [`TxnBlob::new`] sets it and [`TxnBlob::decode`](Record::decode) finds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TxnBlob {
    /// Who, when, and its place in the order.
    pub header: TxnHeader,
    /// What.
    pub txn: Txn,
    /// The tree afterwards; `None` if the writer did not say (before ZooKeeper 3.6, digests
    /// switched off, or an error).
    pub digest: Option<TxnDigest>,
}

impl TxnBlob {
    /// A transaction whose header gets the type of `txn`.
    pub fn new(header: TxnHeader, txn: Txn, digest: Option<TxnDigest>) -> Self {
        Self { header: TxnHeader { kind: txn.kind().code(), ..header }, txn, digest }
    }
}

impl Record for TxnBlob {
    /// A digest that is missing or cut off is `None`; bytes behind it are ignored. A check alone,
    /// outside a multi, is refused.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let header = TxnHeader::decode(reader)?;
        if header.kind == TxnType::Check.code() {
            return Err(unknown_type(header.kind));
        }
        let txn = Txn::decode(header.kind, reader)?;
        let digest = if reader.remaining() < TxnDigest::BYTES {
            None
        } else {
            Some(TxnDigest::decode(reader)?)
        };
        Ok(Self { header, txn, digest })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        self.txn.encode(out);
        if let Some(digest) = &self.digest {
            digest.encode(out);
        }
    }

    fn encoded_len(&self) -> usize {
        let digest = self.digest.as_ref().map_or(0, Record::encoded_len);
        TxnHeader::BYTES + self.txn.encoded_len() + digest
    }
}

#[cfg(test)]
mod tests;
