//! Answers of writes, from what came of their transactions.

use wire::client::{
    Create2Response, MultiResult, OpCode, Response, encode_reply, encode_reply_error,
};
use wire::{ErrorCode, Stat};
use znode::Outcome;

/// Appends the reply to a write.
pub(super) fn write(xid: i32, op: OpCode, outcome: &Outcome, zxid: i64, out: &mut Vec<u8>) {
    let response = match outcome {
        Outcome::Created { path, stat } => match op {
            OpCode::Create => Response::Path(path.to_string()),
            _ => Response::Create2(create2(path, *stat)),
        },
        Outcome::DataSet(stat) | Outcome::AclSet(stat) => Response::Stat(*stat),
        Outcome::Multi(results) => Response::Multi(results.iter().map(result).collect()),
        Outcome::Deleted
        | Outcome::Checked
        | Outcome::SessionCreated { .. }
        | Outcome::SessionClosed => Response::Empty,
        Outcome::Failed(error) => return encode_reply_error(out, xid, zxid, *error),
    };
    encode_reply(out, xid, zxid, |out| response.encode(out));
}

/// Appends the reply to a sync.
pub(super) fn sync(xid: i32, path: &str, zxid: i64, out: &mut Vec<u8>) {
    encode_reply(out, xid, zxid, |out| Response::Path(path.to_owned()).encode(out));
}

fn create2(path: &str, stat: Stat) -> Create2Response {
    Create2Response { path: path.to_owned(), stat }
}

/// An operation of a multi. A create is answered as create2 is if its transaction was one, which the outcome does not
/// tell apart: ZooKeeper's clients accept the stat only where they asked for it.
fn result(outcome: &Outcome) -> MultiResult {
    match outcome {
        Outcome::Created { path, .. } => MultiResult::Create(path.to_string()),
        Outcome::Deleted => MultiResult::Delete,
        Outcome::DataSet(stat) => MultiResult::SetData(*stat),
        Outcome::Checked => MultiResult::Check,
        Outcome::Failed(error) => MultiResult::Error(error.code()),
        Outcome::AclSet(_)
        | Outcome::Multi(_)
        | Outcome::SessionCreated { .. }
        | Outcome::SessionClosed => MultiResult::Error(ErrorCode::SystemError.code()),
    }
}
