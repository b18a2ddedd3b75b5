use super::request::{
    CheckVersionRequest, CreateRequest, CreateTtlRequest, DeleteRequest, PathWatchRequest,
    SetDataRequest,
};
use super::response::{Create2Response, GetDataResponse};
use super::{CreateMode, OpCode};
use crate::data::Stat;
use crate::jute::{Error, Field, Reader, Record, Writer, record};

record! {
    /// The head of each operation and each result in a multi, 9 bytes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct MultiHeader {
        /// A number of [`OpCode`]; -1 for a result that is an error, and at the end.
        pub op: i32,
        /// True at the end, where no record follows.
        pub done: bool,
        /// -1 in requests, the error code in results.
        pub err: i32,
    }
}

impl MultiHeader {
    /// Behind the last operation or result.
    pub const END: Self = Self { op: -1, done: true, err: -1 };

    fn of_request(op: OpCode) -> Self {
        Self { op: op.code(), done: false, err: -1 }
    }

    fn of_result(op: OpCode, err: i32) -> Self {
        Self { op: op.code(), done: false, err }
    }
}

/// An operation of a multi (`MultiOperationRecord`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MultiOp {
    /// [`OpCode::Create`].
    Create(CreateRequest),
    /// [`OpCode::Delete`].
    Delete(DeleteRequest),
    /// [`OpCode::SetData`].
    SetData(SetDataRequest),
    /// [`OpCode::Check`].
    Check(CheckVersionRequest),
    /// [`OpCode::Create2`].
    Create2(CreateRequest),
    /// [`OpCode::CreateContainer`].
    CreateContainer(CreateRequest),
    /// [`OpCode::CreateTtl`].
    CreateTtl(CreateTtlRequest),
}

/// An operation of a multiRead; the watch flag has no effect there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MultiReadOp {
    /// [`OpCode::GetData`].
    GetData(PathWatchRequest),
    /// [`OpCode::GetChildren`].
    GetChildren(PathWatchRequest),
}

impl MultiOp {
    /// The operation.
    pub fn op(&self) -> OpCode {
        match self {
            Self::Create(_) => OpCode::Create,
            Self::Delete(_) => OpCode::Delete,
            Self::SetData(_) => OpCode::SetData,
            Self::Check(_) => OpCode::Check,
            Self::Create2(_) => OpCode::Create2,
            Self::CreateContainer(_) => OpCode::CreateContainer,
            Self::CreateTtl(_) => OpCode::CreateTtl,
        }
    }

    /// A create as ZooKeeper types it by its flags: as one of a container where they say so. TTL
    /// flags belong to [`OpCode::CreateTtl`]: the whole multi is refused for them.
    ///
    /// # Errors
    /// [`Error::Value`] for flags that are no [`CreateMode`] of a node without a time to live.
    fn retyped(
        request: CreateRequest,
        otherwise: fn(CreateRequest) -> Self,
    ) -> Result<Self, Error> {
        let mode = CreateMode::try_from(request.flags)?;
        if mode.is_ttl() {
            return Err(Error::Value {
                field: "CreateRequest.flags",
                found: request.flags.into(),
                allowed: "in a multi 0 to 4",
            });
        }
        Ok(if mode.is_container() { Self::CreateContainer(request) } else { otherwise(request) })
    }

    /// A create with a time to live, which counts for TTL flags alone: with others it is a create
    /// without one. Flags that are unknown are left to whoever does it: that part is refused, and
    /// not the whole. (`Op.create` with `ttl`.)
    fn retyped_ttl(request: CreateTtlRequest) -> Result<Self, Error> {
        match CreateMode::try_from(request.flags) {
            Ok(mode) if !mode.is_ttl() => {
                let CreateTtlRequest { path, data, acl, flags, ttl: _ } = request;
                Self::retyped(CreateRequest { path, data, acl, flags }, Self::Create)
            }
            Ok(_) | Err(_) => Ok(Self::CreateTtl(request)),
        }
    }
}

impl MultiReadOp {
    /// The operation.
    pub fn op(&self) -> OpCode {
        match self {
            Self::GetData(_) => OpCode::GetData,
            Self::GetChildren(_) => OpCode::GetChildren,
        }
    }
}

/// Calls `item` for each header but the last.
fn decode_list<T>(
    reader: &mut Reader<'_>,
    item: impl Fn(&MultiHeader, &mut Reader<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut items = Vec::new();
    loop {
        let header = MultiHeader::decode(reader)?;
        if header.done {
            return Ok(items);
        }
        items.push(item(&header, reader)?);
    }
}

fn refused(header: &MultiHeader, allowed: &'static str) -> Error {
    Error::Value { field: "MultiHeader.type", found: header.op.into(), allowed }
}

pub(super) fn decode_ops(reader: &mut Reader<'_>) -> Result<Vec<MultiOp>, Error> {
    decode_list(reader, |header, reader| {
        const CREATE: i32 = OpCode::Create as i32;
        const DELETE: i32 = OpCode::Delete as i32;
        const SET_DATA: i32 = OpCode::SetData as i32;
        const CHECK: i32 = OpCode::Check as i32;
        const CREATE2: i32 = OpCode::Create2 as i32;
        const CREATE_CONTAINER: i32 = OpCode::CreateContainer as i32;
        const CREATE_TTL: i32 = OpCode::CreateTtl as i32;
        match header.op {
            CREATE => MultiOp::retyped(Record::decode(reader)?, MultiOp::Create),
            CREATE2 => MultiOp::retyped(Record::decode(reader)?, MultiOp::Create2),
            CREATE_CONTAINER => MultiOp::retyped(Record::decode(reader)?, MultiOp::CreateContainer),
            CREATE_TTL => MultiOp::retyped_ttl(Record::decode(reader)?),
            DELETE => Ok(MultiOp::Delete(Record::decode(reader)?)),
            SET_DATA => Ok(MultiOp::SetData(Record::decode(reader)?)),
            CHECK => Ok(MultiOp::Check(Record::decode(reader)?)),
            _ => Err(refused(header, "in a multi 1, 2, 5, 13, 15, 19, 21")),
        }
    })
}

pub(super) fn encode_ops(ops: &[MultiOp], out: &mut Vec<u8>) {
    for op in ops {
        MultiHeader::of_request(op.op()).encode(out);
        match op {
            MultiOp::Create(request)
            | MultiOp::Create2(request)
            | MultiOp::CreateContainer(request) => request.encode(out),
            MultiOp::Delete(request) => request.encode(out),
            MultiOp::SetData(request) => request.encode(out),
            MultiOp::Check(request) => request.encode(out),
            MultiOp::CreateTtl(request) => request.encode(out),
        }
    }
    MultiHeader::END.encode(out);
}

pub(super) fn decode_read_ops(reader: &mut Reader<'_>) -> Result<Vec<MultiReadOp>, Error> {
    decode_list(reader, |header, reader| {
        if header.op == OpCode::GetData.code() {
            Ok(MultiReadOp::GetData(Record::decode(reader)?))
        } else if header.op == OpCode::GetChildren.code() {
            Ok(MultiReadOp::GetChildren(Record::decode(reader)?))
        } else {
            Err(refused(header, "in a multiRead 4, 8"))
        }
    })
}

pub(super) fn encode_read_ops(ops: &[MultiReadOp], out: &mut Vec<u8>) {
    for op in ops {
        MultiHeader::of_request(op.op()).encode(out);
        match op {
            MultiReadOp::GetData(request) | MultiReadOp::GetChildren(request) => {
                request.encode(out);
            }
        }
    }
    MultiHeader::END.encode(out);
}

/// The result of one operation of a multi or multiRead (`MultiResponse`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MultiResult {
    /// create: the path, its number included.
    Create(String),
    /// create2, createContainer, createTTL.
    Create2(Create2Response),
    /// delete.
    Delete,
    /// setData.
    SetData(Stat),
    /// check.
    Check,
    /// getData, in a multiRead.
    GetData(GetDataResponse),
    /// getChildren, in a multiRead: names without the path.
    GetChildren(Vec<String>),
    /// An error code. In a failed multi every result is one: 0 before the operation that failed,
    /// its code, and -2 (RuntimeInconsistency) behind it.
    Error(i32),
}

pub(super) fn decode_results(reader: &mut Reader<'_>) -> Result<Vec<MultiResult>, Error> {
    decode_list(reader, |header, reader| {
        const CREATE: i32 = OpCode::Create as i32;
        const CREATE2: i32 = OpCode::Create2 as i32;
        const DELETE: i32 = OpCode::Delete as i32;
        const SET_DATA: i32 = OpCode::SetData as i32;
        const CHECK: i32 = OpCode::Check as i32;
        const GET_DATA: i32 = OpCode::GetData as i32;
        const GET_CHILDREN: i32 = OpCode::GetChildren as i32;
        const ERROR: i32 = OpCode::Error as i32;
        Ok(match header.op {
            CREATE => MultiResult::Create(reader.string("CreateResponse.path")?),
            CREATE2 => MultiResult::Create2(Record::decode(reader)?),
            DELETE => MultiResult::Delete,
            SET_DATA => MultiResult::SetData(Record::decode(reader)?),
            CHECK => MultiResult::Check,
            GET_DATA => MultiResult::GetData(Record::decode(reader)?),
            GET_CHILDREN => {
                MultiResult::GetChildren(Field::read(reader, "GetChildrenResponse.children")?)
            }
            ERROR => MultiResult::Error(reader.i32("ErrorResponse.err")?),
            _ => return Err(refused(header, "in an answer -1, 1, 2, 4, 5, 8, 13, 15")),
        })
    })
}

pub(super) fn encode_results(results: &[MultiResult], out: &mut Vec<u8>) {
    for result in results {
        let head = |op, err, out: &mut _| MultiHeader::of_result(op, err).encode(out);
        match result {
            MultiResult::Create(path) => {
                head(OpCode::Create, 0, out);
                out.str(path);
            }
            MultiResult::Create2(response) => {
                head(OpCode::Create2, 0, out);
                response.encode(out);
            }
            MultiResult::Delete => head(OpCode::Delete, 0, out),
            MultiResult::SetData(stat) => {
                head(OpCode::SetData, 0, out);
                stat.encode(out);
            }
            MultiResult::Check => head(OpCode::Check, 0, out),
            MultiResult::GetData(response) => {
                head(OpCode::GetData, 0, out);
                response.encode(out);
            }
            MultiResult::GetChildren(names) => {
                head(OpCode::GetChildren, 0, out);
                names.write(out);
            }
            MultiResult::Error(err) => {
                head(OpCode::Error, *err, out);
                out.i32(*err);
            }
        }
    }
    MultiHeader::END.encode(out);
}
