//! From request to transaction, ahead of what is applied.
//!
//! The leader judges a request before those in front of it are committed. So it looks at the tree
//! as it will be: the tree as applied, under the changes of all transactions that are prepared and
//! not yet applied. (ZooKeeper: `PrepRequestProcessor` and its outstanding changes.)

mod counting;
mod ops;
mod pending;

use wire::client::{OpCode, Request};
use wire::jute::{Reader, Record};
use wire::limits::{OWN_IDS_BYTES_MIN, OWN_IDS_BYTES_PER_BYTE, TXN_BYTES_MAX};
use wire::quorum::ForwardedRequest;
use wire::txn::{DeleteTxn, Txn, TxnBlob, TxnDigest, TxnHeader};
use wire::{ErrorCode, Id};

use crate::path;
use crate::quota::QuotaExceeded;
use crate::sessions::{Owner, Sessions};
use crate::tree::{NeverUsed, Tree};
use ops::Ops;
use pending::Pending;

/// When a request is prepared, and through whom it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context {
    /// The transaction's place: one behind the one prepared before.
    pub zxid: i64,
    /// Wall clock, ms since 1970: ends up in `ctime` and `mtime`.
    pub time_ms: i64,
    /// The monotonic clock of [`Sessions`].
    pub now_ms: u64,
    /// The server that has the client's connection.
    pub owner: Owner,
}

/// The leader's view of what is prepared and not applied.
///
/// Who uses it keeps this order: all transactions of earlier epochs are applied before the first
/// one is prepared; each prepared transaction is applied to the tree, in order; [`Prep::committed`]
/// is called only after that. Whoever stops leading calls [`Prep::reset`], or throws it away.
#[derive(Debug)]
pub struct Prep {
    pending: Pending,
    txn_bytes_max: usize,
    exceeded: Option<QuotaExceeded>,
}

impl Default for Prep {
    fn default() -> Self {
        Self::with_txn_bytes_max(TXN_BYTES_MAX)
    }
}

impl Prep {
    /// Nothing is prepared; transactions are at most [`TXN_BYTES_MAX`] bytes long.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Prep::new`], with another bound. A request whose transaction would be longer is
    /// refused.
    pub fn with_txn_bytes_max(txn_bytes_max: usize) -> Self {
        Self { pending: Pending::default(), txn_bytes_max, exceeded: None }
    }

    /// The transaction for a request, made by its session or (session 0) by the leader itself.
    /// `auth` is what the client's connection has proved to be, its address included.
    ///
    /// A request that may not be done becomes an error transaction: it takes its zxid and changes
    /// nothing. So does one that cannot be parsed (MarshallingError), one that is no write
    /// (Unimplemented), and one whose transaction would be longer than others take
    /// (MarshallingError). Tracks sessions that begin, and marks those that end as closing.
    ///
    /// The order of the checks is ZooKeeper's, since it decides which error a client sees.
    pub fn prepare(
        &mut self,
        tree: &Tree,
        sessions: &mut Sessions,
        request: &ForwardedRequest,
        auth: &[Id],
        context: Context,
    ) -> TxnBlob {
        let ForwardedRequest { session_id, cxid, op, ref body } = *request;
        self.pending.begin(tree);
        let before = self.pending.mark();
        let own_ids_room = OWN_IDS_BYTES_MIN.max(body.len() * OWN_IDS_BYTES_PER_BYTE);
        let mut ops = Ops {
            tree,
            sessions,
            session: session_id,
            auth,
            context,
            pending: &mut self.pending,
            own_ids_room,
            exceeded: &mut self.exceeded,
        };
        let prepared = match OpCode::from_code(op) {
            None => Err(ErrorCode::Unimplemented),
            Some(op) => match Request::decode(op, &mut Reader::with_limit(body, body.len())) {
                Err(_) => Err(ErrorCode::MarshallingError),
                Ok(request) => ops.request(request),
            },
        };
        let header = TxnHeader {
            client_id: session_id,
            cxid,
            zxid: context.zxid,
            time: context.time_ms,
            ..TxnHeader::default()
        };
        let refused = |code: ErrorCode| TxnBlob::new(header, Txn::Error { err: code.code() }, None);
        match prepared {
            // ZooKeeper would take a digest behind paths that are missing for these.
            Ok(txn @ Txn::CloseSession(None)) => TxnBlob::new(header, txn, None),
            Ok(txn) => {
                let blob = TxnBlob::new(header, txn, Some(self.digest()));
                if blob.encoded_len() <= self.txn_bytes_max {
                    return blob;
                }
                self.pending.roll_back(&before);
                refused(ErrorCode::MarshallingError)
            }
            Err(code) => refused(code),
        }
    }

    /// The transaction that deletes a container or TTL node, if it is still due to be deleted: it
    /// will exist, without children, and by [`Context::time_ms`] its time will be over. No session
    /// asked for it, and no ACL is checked.
    pub fn reap(
        &mut self,
        tree: &Tree,
        path: &str,
        never_used: NeverUsed,
        context: Context,
    ) -> Option<TxnBlob> {
        self.pending.begin(tree);
        let Context { zxid, time_ms, .. } = context;
        let node = self.pending.get(tree, path)?;
        let parent = self.pending.get(tree, path::parent(path)?)?;
        if path::is_special(path) || !tree.is_due(&node.stat, node.child_count, never_used, time_ms)
        {
            return None;
        }
        self.pending.child_deleted(tree, zxid, parent);
        self.pending.delete(tree, zxid, node.path);
        let header = TxnHeader { zxid, time: time_ms, ..TxnHeader::default() };
        let txn = Txn::DeleteContainer(DeleteTxn { path: path.to_owned() });
        Some(TxnBlob::new(header, txn, Some(self.digest())))
    }

    /// That of the tree with everything that is prepared.
    fn digest(&self) -> TxnDigest {
        let tree_digest = self.pending.digest().cast_signed();
        TxnDigest { version: TxnDigest::VERSION, tree_digest }
    }

    /// The last quota that a request has exceeded, since this was asked: an operator wants to know
    /// of it.
    pub fn take_exceeded(&mut self) -> Option<QuotaExceeded> {
        self.exceeded.take()
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
