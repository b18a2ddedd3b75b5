//! Whole messages, length and header included.

use super::{ReplyHeader, Request, RequestHeader, WatcherEvent, xid};
use crate::ErrorCode;
use crate::frame::{TooLong, frame, frame_within};
use crate::jute::Record;

/// Appends a reply: length, header, and what `body` appends.
pub fn encode_reply(out: &mut Vec<u8>, xid: i32, zxid: i64, body: impl FnOnce(&mut Vec<u8>)) {
    frame(out, |out| {
        ReplyHeader { xid, zxid, err: ErrorCode::Ok.code() }.encode(out);
        body(out);
    });
}

/// As [`encode_reply`], for bodies that may be too long: the whole message, without its length, is
/// at most `bytes_max` long.
///
/// # Errors
/// The message is too long: nothing is appended.
pub fn encode_reply_within(
    out: &mut Vec<u8>,
    bytes_max: usize,
    (xid, zxid): (i32, i64),
    body: impl FnOnce(&mut Vec<u8>),
) -> Result<(), TooLong> {
    frame_within(out, bytes_max, |out| {
        ReplyHeader { xid, zxid, err: ErrorCode::Ok.code() }.encode(out);
        body(out);
    })
}

/// Appends a reply without a body: a failure, or [`ErrorCode::Ok`] where an operation has none.
pub fn encode_reply_error(out: &mut Vec<u8>, xid: i32, zxid: i64, error: ErrorCode) {
    frame(out, |out| ReplyHeader { xid, zxid, err: error.code() }.encode(out));
}

/// Appends a watch event; `zxid` is that of the transaction, or -1 (ZooKeeper up to 3.8, and
/// events that setWatches causes).
pub fn encode_event(out: &mut Vec<u8>, zxid: i64, event: &WatcherEvent) {
    encode_reply(out, xid::NOTIFICATION, zxid, |out| event.encode(out));
}

/// Appends a request: length, header, body.
pub fn encode_request(out: &mut Vec<u8>, xid: i32, request: &Request) {
    frame(out, |out| {
        RequestHeader { xid, op: request.op().code() }.encode(out);
        request.encode(out);
    });
}
