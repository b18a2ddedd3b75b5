//! From request to transaction, ahead of what is applied.
//!
//! The leader judges a request before those in front of it are committed. So it looks at the tree as it will be: the tree
//! as applied, under the changes of all transactions that are prepared and not yet applied. (ZooKeeper:
//! `PrepRequestProcessor` and its outstanding changes.)

mod ops;
mod pending;

use wire::txn::{Txn, TxnBlob, TxnDigest, TxnHeader};
use wire::{ErrorCode, Id};

use crate::request::{Op, Request};
use crate::sessions::{Owner, SessionId, Sessions};
use crate::tree::Tree;
use pending::Pending;

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller<'a> {
    /// The session; 0 for the server itself.
    pub session: SessionId,
    /// The request's xid; 0 for the server's own requests.
    pub cxid: i32,
    /// Through which server the request came.
    pub owner: Owner,
    /// What the connection has proved to be, its address included.
    pub auth: &'a [Id],
}

/// When.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The transaction's place: one behind the one prepared before.
    pub zxid: i64,
    /// Wall clock, ms since 1970: ends up in `ctime` and `mtime`.
    pub time_ms: i64,
    /// The monotonic clock of [`Sessions`].
    pub now_ms: u64,
}

/// The leader's view of what is prepared and not applied.
///
/// Who uses it keeps this order: all transactions of earlier epochs are applied before the first one is prepared; each
/// prepared transaction is applied to the tree, in order; [`Prep::committed`] is called only after that. Whoever stops
/// leading calls [`Prep::reset`], or throws it away.
#[derive(Debug, Default)]
pub struct Prep {
    pending: Pending,
}

impl Prep {
    /// Nothing is prepared.
    pub fn new() -> Self {
        Self::default()
    }

    /// The transaction for a request. A request that may not be done becomes an error transaction: it takes its zxid and
    /// changes nothing. Tracks sessions that begin, and marks those that end as closing.
    ///
    /// The order of the checks is ZooKeeper's, since it decides which error a client sees.
    pub fn prepare(
        &mut self,
        tree: &Tree,
        sessions: &mut Sessions,
        caller: &Caller<'_>,
        request: Request,
        stamp: Stamp,
    ) -> TxnBlob {
        self.pending.begin(tree);
        let mut ops = ops::Ops { tree, sessions, caller, stamp, pending: &mut self.pending };
        let prepared = match request {
            Request::CreateSession { timeout_ms } => Ok(ops.create_session(timeout_ms)),
            Request::CloseSession => Ok(ops.close_session()),
            Request::One(Op::Check { .. }) => Err(ErrorCode::Unimplemented),
            Request::One(op) => ops.one(op),
            Request::Multi(list) if !list.iter().all(Op::within_multi) => {
                Err(ErrorCode::MarshallingError)
            }
            Request::Multi(list) => Ok(ops.multi(list)),
            Request::Refused(code) => Err(code),
        };
        let header = TxnHeader {
            client_id: caller.session,
            cxid: caller.cxid,
            zxid: stamp.zxid,
            time: stamp.time_ms,
            ..TxnHeader::default()
        };
        match prepared {
            Ok(txn) => {
                let tree_digest = self.pending.digest().cast_signed();
                let digest = TxnDigest { version: TxnDigest::VERSION, tree_digest };
                TxnBlob::new(header, txn, Some(digest))
            }
            Err(code) => TxnBlob::new(header, Txn::Error { err: code.code() }, None),
        }
    }

    /// Everything up to this transaction is applied.
    pub fn committed(&mut self, zxid: i64) {
        self.pending.committed(zxid);
    }

    /// Nothing is prepared any more: this server begins to lead, or stops.
    pub fn reset(&mut self) {
        self.pending = Pending::default();
    }

    /// How many changes of nodes are prepared and not applied.
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }
}
