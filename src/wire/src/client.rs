//! The client port, both sides: what a server reads and writes, and what a client does
//! (`org.apache.zookeeper.proto`, `ZooDefs`).
//!
//! A connection begins with a four-letter word, or with a [`ConnectRequest`] and its
//! [`ConnectResponse`]. Then requests and replies follow: [`RequestHeader`] and [`Request`] one
//! way, [`ReplyHeader`] and [`Response`] the other, or [`WatcherEvent`]s. Each is a message with
//! its length in front.

mod connect;
mod create_mode;
mod frames;
mod multi;
mod op;
mod reply;
mod request;
mod response;
mod watch;

pub use connect::{ConnectRequest, ConnectResponse};
pub use create_mode::CreateMode;
pub use frames::{CONNECT_BYTES_MAX, FourLetterWord, Frames, Incoming};
pub use multi::{MultiHeader, MultiOp, MultiReadOp, MultiResult};
pub use op::OpCode;
pub use reply::{
    encode_event, encode_reply, encode_reply_error, encode_reply_within, encode_request,
};
pub use request::{
    AddWatchRequest, AuthPacket, CheckVersionRequest, CreateRequest, CreateTtlRequest,
    DeleteRequest, PathAndTypeRequest, PathRequest, PathWatchRequest, ReconfigRequest, Request,
    SetAclRequest, SetDataRequest, SetWatches, SetWatches2,
};
pub use response::{
    ClientInfo, Create2Response, GetAclResponse, GetChildren2Response, GetDataResponse, Response,
    encode_names,
};
pub use watch::{AddWatchMode, EventType, KeeperState, WatcherEvent, WatcherType};

use crate::jute::record;

/// Xids that are not a client's count of its requests.
pub mod xid {
    /// A watch event, from the server.
    pub const NOTIFICATION: i32 = -1;
    /// A ping and its reply.
    pub const PING: i32 = -2;
    /// An auth packet and its reply.
    pub const AUTH: i32 = -4;
    /// setWatches or setWatches2 and its reply.
    pub const SET_WATCHES: i32 = -8;
}

record! {
    /// The head of every request, 8 bytes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct RequestHeader {
        /// The client's count, from 1; or one of [`xid`].
        pub xid: i32,
        /// A number of [`OpCode`], kept as it came: the server answers unknown ones.
        pub op: i32,
    }
}

record! {
    /// The head of every reply and event, 16 bytes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ReplyHeader {
        /// That of the request; or one of [`xid`].
        pub xid: i32,
        /// The last transaction this server had applied; the client's lastZxidSeen if above 0.
        pub zxid: i64,
        /// A number of [`ErrorCode`](crate::ErrorCode); a body follows only if it is 0.
        pub err: i32,
    }
}

#[cfg(test)]
mod tests;
