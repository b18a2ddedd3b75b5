//! What a committed transaction does to the tree.

use std::cmp::Ordering;
use std::sync::Arc;

use thiserror::Error;
use wire::txn::{Txn, TxnDigest, TxnHeader};
use wire::{ErrorCode, Stat};

use super::{NewNode, Refused, Tree};
use crate::acl::AclList;
use crate::node::NodeOwner;
use crate::watches::Change;

/// What came of one operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The node exists now; create, createContainer and createTTL alike.
    Created {
        /// Its path, with the sequence number.
        path: Arc<str>,
        /// Its stat.
        stat: Stat,
    },
    /// The node is gone.
    Deleted,
    /// The data is set; also that of a reconfiguration.
    DataSet(Stat),
    /// The ACL is set.
    AclSet(Stat),
    /// The version was the expected one.
    Checked,
    /// Each operation of a multi, in order. If one failed none was applied: those before it are
    /// `Failed(ErrorCode::Ok)`, as ZooKeeper answers, and those after it
    /// `Failed(ErrorCode::RuntimeInconsistency)`.
    Multi(Vec<Outcome>),
    /// The session exists now.
    SessionCreated {
        /// Its timeout.
        timeout_ms: i32,
    },
    /// The session and its ephemeral nodes are gone.
    SessionClosed,
    /// Nothing was done.
    Failed(ErrorCode),
}

/// What came of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The answer to whoever asked for it.
    pub outcome: Outcome,
    /// What watches react to, in the order in which they do.
    pub changes: Vec<Change>,
}

/// The tree is not what the leader said it would be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "after transaction 0x{zxid:x} the tree has digest 0x{found:x}, where its leader's had \
     0x{expected:x}"
)]
pub struct DigestMismatch {
    /// After this transaction.
    pub zxid: i64,
    /// The leader's digest.
    pub expected: u64,
    /// Our own.
    pub found: u64,
}

impl Tree {
    /// Applies a transaction. Deterministic: the same transactions from the same tree give the same
    /// tree and outcomes everywhere.
    ///
    /// A tree loaded from a snapshot that was written while transactions went on may contain some
    /// of them already. Applying the log from the snapshot's zxid, in order, leads to the right
    /// tree all the same; single outcomes on the way may be NoNode or NodeExists. (ZooKeeper:
    /// `DataTree.processTxn`.)
    pub fn apply(&mut self, header: &TxnHeader, txn: &Txn) -> Applied {
        let mut changes = Vec::new();
        let outcome = self.apply_one(header, txn, &mut changes);
        self.last_zxid = self.last_zxid.max(header.zxid);
        Applied { outcome, changes }
    }

    /// Compares with the digest a transaction carries; to be called right after it is applied. A
    /// digest of another version is not compared. A tree that is not settled may differ; where it
    /// does not, it is settled.
    ///
    /// # Errors
    /// A settled tree differs.
    pub fn check_digest(&mut self, zxid: i64, digest: &TxnDigest) -> Result<(), DigestMismatch> {
        let expected = digest.tree_digest.cast_unsigned();
        if digest.version != TxnDigest::VERSION {
            return Ok(());
        }
        if expected == self.digest {
            self.is_settled = true;
            return Ok(());
        }
        if !self.is_settled {
            return Ok(());
        }
        Err(DigestMismatch { zxid, expected, found: self.digest })
    }

    /// Every transaction is applied that the snapshot behind this tree may hold in part. ZooKeeper
    /// writes its snapshots while transactions go on, so until then the tree is that of no zxid.
    pub fn settle(&mut self) {
        self.is_settled = true;
    }

    /// Whether the tree is exactly that of its zxid, as far as is known.
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    fn apply_one(&mut self, header: &TxnHeader, txn: &Txn, changes: &mut Vec<Change>) -> Outcome {
        let &TxnHeader { client_id, zxid, time, .. } = header;
        let new = |path, data, acl, owner, parent_cversion| NewNode {
            path,
            data: Option::as_ref(data),
            acl,
            owner,
            parent_cversion,
            zxid,
            time_ms: time,
        };
        match txn {
            Txn::Create(txn) | Txn::Create2(txn) => {
                let acl = AclList::from_txn(&txn.acl);
                let owner =
                    if txn.ephemeral { NodeOwner::Session(client_id) } else { NodeOwner::None };
                let new = new(&txn.path, &txn.data, &acl, owner, txn.parent_cversion);
                created(self.create(new), changes)
            }
            Txn::CreateContainer(txn) => {
                let acl = AclList::from_txn(&txn.acl);
                let owner = NodeOwner::Container;
                let new = new(&txn.path, &txn.data, &acl, owner, txn.parent_cversion);
                created(self.create(new), changes)
            }
            Txn::CreateTtl(txn) => {
                let acl = AclList::from_txn(&txn.acl);
                let owner = NodeOwner::Ttl(txn.ttl);
                let new = new(&txn.path, &txn.data, &acl, owner, txn.parent_cversion);
                created(self.create(new), changes)
            }
            Txn::Delete(txn) | Txn::DeleteContainer(txn) => match self.delete(&txn.path, zxid) {
                Ok(change) => {
                    changes.push(change);
                    Outcome::Deleted
                }
                Err(refused) => refused.into(),
            },
            Txn::SetData(txn) | Txn::Reconfig(txn) => {
                match self.set_data(&txn.path, txn.data.as_ref(), txn.version, zxid, time) {
                    Ok((stat, change)) => {
                        changes.push(change);
                        Outcome::DataSet(stat)
                    }
                    Err(refused) => refused.into(),
                }
            }
            Txn::SetAcl(txn) => {
                match self.set_acl(&txn.path, &AclList::from_txn(&txn.acl), txn.version) {
                    Ok(stat) => Outcome::AclSet(stat),
                    Err(refused) => refused.into(),
                }
            }
            Txn::Check(_) => Outcome::Checked,
            Txn::Multi(txns) => Outcome::Multi(self.apply_multi(header, txns, changes)),
            Txn::CreateSession { timeout_ms } => {
                Arc::make_mut(&mut self.sessions).insert(client_id, *timeout_ms);
                Outcome::SessionCreated { timeout_ms: *timeout_ms }
            }
            Txn::CloseSession(paths) => {
                for path in paths.iter().flatten() {
                    changes.extend(self.delete(path, zxid));
                }
                // Without a list, all of them; with one, there should be none left.
                if let Some(paths) = self.ephemerals.remove(&client_id) {
                    self.delete_all(paths.into_iter().collect(), zxid, changes);
                }
                if self.sessions.contains_key(&client_id) {
                    Arc::make_mut(&mut self.sessions).remove(&client_id);
                }
                Outcome::SessionClosed
            }
            Txn::Error { err } => Outcome::Failed(error_code(*err)),
        }
    }

    fn apply_multi(
        &mut self,
        header: &TxnHeader,
        txns: &[Txn],
        changes: &mut Vec<Change>,
    ) -> Vec<Outcome> {
        let failed = txns.iter().enumerate().find_map(|(index, txn)| match txn {
            Txn::Error { err } => Some((index, error_code(*err))),
            Txn::CloseSession(_)
            | Txn::CreateSession { .. }
            | Txn::Create(_)
            | Txn::Delete(_)
            | Txn::SetData(_)
            | Txn::SetAcl(_)
            | Txn::Check(_)
            | Txn::Multi(_)
            | Txn::Create2(_)
            | Txn::Reconfig(_)
            | Txn::CreateContainer(_)
            | Txn::DeleteContainer(_)
            | Txn::CreateTtl(_) => None,
        });
        let Some((failed, code)) = failed else {
            return txns.iter().map(|txn| self.apply_one(header, txn, changes)).collect();
        };
        let codes = (0..txns.len()).map(|index| match index.cmp(&failed) {
            Ordering::Less => ErrorCode::Ok,
            Ordering::Equal => code,
            Ordering::Greater => ErrorCode::RuntimeInconsistency,
        });
        codes.map(Outcome::Failed).collect()
    }
}

fn created(result: Result<(Stat, Change), Refused>, changes: &mut Vec<Change>) -> Outcome {
    match result {
        Ok((stat, change)) => {
            let path = change.path.clone();
            changes.push(change);
            Outcome::Created { path, stat }
        }
        Err(refused) => refused.into(),
    }
}

impl From<Refused> for Outcome {
    fn from(refused: Refused) -> Self {
        Self::Failed(match refused {
            Refused::NoNode => ErrorCode::NoNode,
            Refused::NodeExists => ErrorCode::NodeExists,
        })
    }
}

/// A number that is no code came from a newer server, or is damage: it is still an error.
fn error_code(number: i32) -> ErrorCode {
    ErrorCode::from_code(number).unwrap_or(ErrorCode::SystemError)
}
