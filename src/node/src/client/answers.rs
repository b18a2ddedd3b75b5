//! Answers of writes, from what came of their transactions.

use wire::client::{
    Create2Response, MultiResult, OpCode, Response, encode_reply, encode_reply_error,
};
use wire::txn::Txn;
use wire::{ErrorCode, Stat};
use znode::Outcome;

/// Appends the reply to a write.
pub(super) fn write(
    xid: i32,
    op: OpCode,
    (txn, outcome): (&Txn, &Outcome),
    zxid: i64,
    out: &mut Vec<u8>,
) {
    let response = match outcome {
        Outcome::Created { path, .. } if op == OpCode::Create => Response::Path(path.to_string()),
        Outcome::Created { path, stat } => Response::Create2(create2(path, *stat)),
        Outcome::DataSet(stat) | Outcome::AclSet(stat) => Response::Stat(*stat),
        Outcome::Multi(results) => {
            let txns = if let Txn::Multi(txns) = txn { &txns[..] } else { &[] };
            Response::Multi(txns.iter().zip(results).map(result).collect())
        }
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

/// An operation of a multi: create alone is answered without a stat.
fn result((txn, outcome): (&Txn, &Outcome)) -> MultiResult {
    match outcome {
        Outcome::Created { path, .. } if matches!(txn, Txn::Create(_)) => {
            MultiResult::Create(path.to_string())
        }
        Outcome::Created { path, stat } => MultiResult::Create2(create2(path, *stat)),
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
