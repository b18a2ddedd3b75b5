use std::fmt;

use bytes::Bytes;

use super::connect::Hidden;
use super::multi::{MultiOp, MultiReadOp};
use super::{OpCode, multi};
use crate::data::Acl;
use crate::jute::{Error, Reader, Record, Writer, record};

record! {
    /// create, create2, createContainer.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct CreateRequest {
        /// The path; a number is appended for sequential modes.
        pub path: String,
        /// The data; `None` is null.
        pub data: Option<Bytes>,
        /// The ACL.
        pub acl: Vec<Acl>,
        /// A number of [`CreateMode`](super::CreateMode), kept as it came.
        pub flags: i32,
    }
}

record! {
    /// createTTL.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct CreateTtlRequest {
        /// The path; a number is appended for sequential modes.
        pub path: String,
        /// The data; `None` is null.
        pub data: Option<Bytes>,
        /// The ACL.
        pub acl: Vec<Acl>,
        /// A number of [`CreateMode`](super::CreateMode), kept as it came.
        pub flags: i32,
        /// Its time to live in milliseconds.
        pub ttl: i64,
    }
}

record! {
    /// delete.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct DeleteRequest {
        /// The path.
        pub path: String,
        /// The version it must have, or -1 for any.
        pub version: i32,
    }
}

record! {
    /// exists, getData, getChildren, getChildren2.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct PathWatchRequest {
        /// The path.
        pub path: String,
        /// True to be told once of the next change.
        pub watch: bool,
    }
}

record! {
    /// getACL, sync, deleteContainer, getEphemerals (a prefix), getAllChildrenNumber.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct PathRequest {
        /// The path.
        pub path: String,
    }
}

record! {
    /// setData.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct SetDataRequest {
        /// The path.
        pub path: String,
        /// The data; `None` is null.
        pub data: Option<Bytes>,
        /// The version it must have, or -1 for any.
        pub version: i32,
    }
}

record! {
    /// setACL.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct SetAclRequest {
        /// The path.
        pub path: String,
        /// The ACL.
        pub acl: Vec<Acl>,
        /// The `aversion` it must have, or -1 for any.
        pub version: i32,
    }
}

record! {
    /// check, within a multi.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct CheckVersionRequest {
        /// The path.
        pub path: String,
        /// The version it must have, or -1 for any.
        pub version: i32,
    }
}

record! {
    /// reconfig: either `new_members`, or changes.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct ReconfigRequest {
        /// `server.N=…` entries, separated by commas; `None` is null.
        pub joining: Option<String>,
        /// Sids, separated by commas; `None` is null.
        pub leaving: Option<String>,
        /// The whole configuration; `None` is null.
        pub new_members: Option<String>,
        /// The version the configuration must have, or -1 for any.
        pub cur_config_id: i64,
    }
}

record! {
    /// checkWatches, removeWatches.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct PathAndTypeRequest {
        /// The path.
        pub path: String,
        /// A number of [`WatcherType`](super::WatcherType), kept as it came.
        pub kind: i32,
    }
}

record! {
    /// addWatch.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct AddWatchRequest {
        /// The path.
        pub path: String,
        /// A number of [`AddWatchMode`](super::AddWatchMode), kept as it came.
        pub mode: i32,
    }
}

record! {
    /// auth.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct AuthPacket {
        /// Ignored.
        pub kind: i32,
        /// The scheme, such as `digest`.
        pub scheme: String,
        /// What the scheme wants; `None` is null.
        pub auth: Option<Bytes>,
    }
}

/// Credentials stay out of logs.
impl fmt::Debug for AuthPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthPacket")
            .field("scheme", &self.scheme)
            .field("auth", &Hidden(self.auth.as_ref()))
            .finish_non_exhaustive()
    }
}

record! {
    /// setWatches: the watches of a session that goes on with another server.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SetWatches {
        /// The last zxid the client has seen: what changed since then fires at once.
        pub relative_zxid: i64,
        /// Paths of watches by getData, and by exists on nodes that were there.
        pub data_watches: Vec<String>,
        /// Paths of watches by exists on nodes that were not there.
        pub exist_watches: Vec<String>,
        /// Paths of watches by getChildren.
        pub child_watches: Vec<String>,
    }
}

record! {
    /// setWatches2: as [`SetWatches`], with persistent watches.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SetWatches2 {
        /// The last zxid the client has seen: what changed since then fires at once.
        pub relative_zxid: i64,
        /// Paths of watches by getData, and by exists on nodes that were there.
        pub data_watches: Vec<String>,
        /// Paths of watches by exists on nodes that were not there.
        pub exist_watches: Vec<String>,
        /// Paths of watches by getChildren.
        pub child_watches: Vec<String>,
        /// Paths of persistent watches.
        pub persistent_watches: Vec<String>,
        /// Paths of persistent recursive watches.
        pub persistent_recursive_watches: Vec<String>,
    }
}

macro_rules! requests {
    ($(#[$meta:meta])* $($op:ident($record:ty),)*) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Request {
            $(#[doc = concat!("[`OpCode::", stringify!($op), "`].")] $op($record),)*
            /// [`OpCode::Ping`].
            Ping,
            /// [`OpCode::Multi`]: all or none.
            Multi(Vec<MultiOp>),
            /// [`OpCode::MultiRead`]: each by itself.
            MultiRead(Vec<MultiReadOp>),
            /// [`OpCode::Sasl`]: a token; `None` is null.
            Sasl(Option<Bytes>),
            /// [`OpCode::WhoAmI`].
            WhoAmI,
            /// [`OpCode::CreateSession`]: between servers, never from a client.
            CreateSession {
                /// The negotiated timeout in milliseconds.
                timeout_ms: i32,
            },
            /// [`OpCode::CloseSession`].
            CloseSession,
        }

        impl Request {
            /// The operation.
            pub fn op(&self) -> OpCode {
                match self {
                    $(Self::$op(_) => OpCode::$op,)*
                    Self::Ping => OpCode::Ping,
                    Self::Multi(_) => OpCode::Multi,
                    Self::MultiRead(_) => OpCode::MultiRead,
                    Self::Sasl(_) => OpCode::Sasl,
                    Self::WhoAmI => OpCode::WhoAmI,
                    Self::CreateSession { .. } => OpCode::CreateSession,
                    Self::CloseSession => OpCode::CloseSession,
                }
            }

            /// Reads the body of a request for `op`, which its header named; buffers share the
            /// input if the reader was made so.
            ///
            /// # Errors
            /// As [`Record::decode`]; the reply is then
            /// [`MarshallingError`](crate::ErrorCode::MarshallingError). [`Error::Value`] for
            /// [`OpCode::Notification`] and [`OpCode::Error`], which are no requests.
            pub fn decode(op: OpCode, reader: &mut Reader<'_>) -> Result<Self, Error> {
                Ok(match op {
                    $(OpCode::$op => Self::$op(Record::decode(reader)?),)*
                    OpCode::Ping => Self::Ping,
                    OpCode::Multi => Self::Multi(multi::decode_ops(reader)?),
                    OpCode::MultiRead => Self::MultiRead(multi::decode_read_ops(reader)?),
                    OpCode::Sasl => Self::Sasl(reader.buffer("GetSASLRequest.token")?),
                    OpCode::WhoAmI => Self::WhoAmI,
                    OpCode::CreateSession => {
                        Self::CreateSession { timeout_ms: reader.i32("CreateSession.timeOut")? }
                    }
                    OpCode::CloseSession => Self::CloseSession,
                    OpCode::Notification | OpCode::Error => {
                        return Err(Error::Value {
                            field: "RequestHeader.type",
                            found: op.code().into(),
                            allowed: "operations that are requests",
                        });
                    }
                })
            }

            /// Appends the body.
            pub fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$op(record) => record.encode(out),)*
                    Self::Ping | Self::WhoAmI | Self::CloseSession => {}
                    Self::Multi(ops) => multi::encode_ops(ops, out),
                    Self::MultiRead(ops) => multi::encode_read_ops(ops, out),
                    Self::Sasl(token) => out.buffer(token.as_deref()),
                    Self::CreateSession { timeout_ms } => out.i32(*timeout_ms),
                }
            }
        }

        #[cfg(test)]
        impl crate::sample::Sample for Request {
            fn sample(g: &mut quickcheck::Gen) -> Self {
                use crate::sample::Sample;
                let requests: &[fn(&mut quickcheck::Gen) -> Self] = &[
                    $(|g| Self::$op(Sample::sample(g)),)*
                    |_| Self::Ping,
                    |g| Self::Multi(Sample::sample(g)),
                    |g| Self::MultiRead(Sample::sample(g)),
                    |g| Self::Sasl(Sample::sample(g)),
                    |_| Self::WhoAmI,
                    |g| Self::CreateSession { timeout_ms: Sample::sample(g) },
                    |_| Self::CloseSession,
                ];
                g.choose(requests).expect("there are requests")(g)
            }
        }
    };
}

requests! {
    /// A request's operation and its record.
    Create(CreateRequest),
    Delete(DeleteRequest),
    Exists(PathWatchRequest),
    GetData(PathWatchRequest),
    SetData(SetDataRequest),
    GetAcl(PathRequest),
    SetAcl(SetAclRequest),
    GetChildren(PathWatchRequest),
    Sync(PathRequest),
    GetChildren2(PathWatchRequest),
    Check(CheckVersionRequest),
    Create2(CreateRequest),
    Reconfig(ReconfigRequest),
    CheckWatches(PathAndTypeRequest),
    RemoveWatches(PathAndTypeRequest),
    CreateContainer(CreateRequest),
    DeleteContainer(PathRequest),
    CreateTtl(CreateTtlRequest),
    Auth(AuthPacket),
    SetWatches(SetWatches),
    GetEphemerals(PathRequest),
    GetAllChildrenNumber(PathRequest),
    SetWatches2(SetWatches2),
    AddWatch(AddWatchRequest),
}
