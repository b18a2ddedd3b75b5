use bytes::Bytes;

use super::multi::{self, MultiResult};
use super::{OpCode, WatcherEvent};
use crate::data::{Acl, Stat};
use crate::jute::{Error, Field, Reader, Record, Writer, record};

record! {
    /// create2, createContainer, createTTL.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct Create2Response {
        /// The path, its number included.
        pub path: String,
        /// The node.
        pub stat: Stat,
    }
}

record! {
    /// getData; and reconfig, with the text of the new configuration.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct GetDataResponse {
        /// The data; `None` is null.
        pub data: Option<Bytes>,
        /// The node.
        pub stat: Stat,
    }
}

record! {
    /// getACL.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct GetAclResponse {
        /// The ACL.
        pub acl: Vec<Acl>,
        /// The node.
        pub stat: Stat,
    }
}

record! {
    /// getChildren2.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct GetChildren2Response {
        /// Names, without the path.
        pub children: Vec<String>,
        /// The node.
        pub stat: Stat,
    }
}

record! {
    /// An identity of the caller, in the answer to whoAmI.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct ClientInfo {
        /// The scheme.
        pub auth_scheme: String,
        /// Who within it.
        pub user: String,
    }
}

/// Appends a vector of strings, as getChildren and getEphemerals answer, from borrowed names.
pub fn encode_names<'a>(names: impl ExactSizeIterator<Item = &'a str>, out: &mut Vec<u8>) {
    out.count(names.len());
    for name in names {
        out.str(name);
    }
}

/// The body of a reply without error. One variant per layout; [`Response::decode`] says which
/// operation has which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Response {
    /// No body.
    Empty,
    /// create (with the number), sync.
    Path(String),
    /// create2, createContainer, createTTL.
    Create2(Create2Response),
    /// exists, setData, setACL.
    Stat(Stat),
    /// getData, reconfig.
    GetData(GetDataResponse),
    /// getACL.
    GetAcl(GetAclResponse),
    /// getChildren (names without the path), getEphemerals (paths).
    Names(Vec<String>),
    /// getChildren2.
    GetChildren2(GetChildren2Response),
    /// multi, multiRead.
    Multi(Vec<MultiResult>),
    /// sasl: a token; `None` is null.
    Sasl(Option<Bytes>),
    /// getAllChildrenNumber: how many nodes are below this one.
    Count(i32),
    /// addWatch: an error code, 0.
    Error(i32),
    /// whoAmI.
    WhoAmI(Vec<ClientInfo>),
    /// A watch event, whose header has the xid -1.
    Notification(WatcherEvent),
}

impl Response {
    /// Reads the body of a reply to `op`, whose header has no error.
    ///
    /// # Errors
    /// As [`Record::decode`]; [`Error::Value`] for [`OpCode::Error`], [`OpCode::Check`] and
    /// [`OpCode::CreateSession`], which are never answered with a reply.
    pub fn decode(op: OpCode, reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(match op {
            OpCode::Notification => Self::Notification(Record::decode(reader)?),
            OpCode::Create => Self::Path(reader.string("CreateResponse.path")?),
            OpCode::Sync => Self::Path(reader.string("SyncResponse.path")?),
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                Self::Create2(Record::decode(reader)?)
            }
            OpCode::Exists | OpCode::SetData | OpCode::SetAcl => {
                Self::Stat(Record::decode(reader)?)
            }
            OpCode::GetData | OpCode::Reconfig => Self::GetData(Record::decode(reader)?),
            OpCode::GetAcl => Self::GetAcl(Record::decode(reader)?),
            OpCode::GetChildren => {
                Self::Names(Field::read(reader, "GetChildrenResponse.children")?)
            }
            OpCode::GetEphemerals => {
                Self::Names(Field::read(reader, "GetEphemeralsResponse.ephemerals")?)
            }
            OpCode::GetChildren2 => Self::GetChildren2(Record::decode(reader)?),
            OpCode::Multi | OpCode::MultiRead => Self::Multi(multi::decode_results(reader)?),
            OpCode::Sasl => Self::Sasl(reader.buffer("SetSASLResponse.token")?),
            OpCode::GetAllChildrenNumber => {
                Self::Count(reader.i32("GetAllChildrenNumberResponse.totalNumber")?)
            }
            OpCode::AddWatch => Self::Error(reader.i32("ErrorResponse.err")?),
            OpCode::WhoAmI => Self::WhoAmI(Field::read(reader, "WhoAmIResponse.clientInfo")?),
            OpCode::Delete
            | OpCode::DeleteContainer
            | OpCode::Ping
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::Auth
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::CloseSession => Self::Empty,
            OpCode::Error | OpCode::Check | OpCode::CreateSession => {
                return Err(Error::Value {
                    field: "RequestHeader.type",
                    found: op.code().into(),
                    allowed: "operations that are answered with a reply",
                });
            }
        })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Empty => {}
            Self::Path(path) => out.str(path),
            Self::Create2(response) => response.encode(out),
            Self::Stat(stat) => stat.encode(out),
            Self::GetData(response) => response.encode(out),
            Self::GetAcl(response) => response.encode(out),
            Self::Names(names) => names.write(out),
            Self::GetChildren2(response) => response.encode(out),
            Self::Multi(results) => multi::encode_results(results, out),
            Self::Sasl(token) => out.buffer(token.as_deref()),
            Self::Count(count) => out.i32(*count),
            Self::Error(err) => out.i32(*err),
            Self::WhoAmI(clients) => clients.write(out),
            Self::Notification(event) => event.encode(out),
        }
    }
}
