//! The checks of each operation, in ZooKeeper's order, and the transaction it becomes.

use wire::txn::{
    CheckVersionTxn, CreateContainerTxn, CreateTtlTxn, CreateTxn, DeleteTxn, SetAclTxn, SetDataTxn,
    Txn,
};
use wire::{Acl, ErrorCode, StatPersisted, perms};

use super::pending::{Pending, Record};
use super::{Caller, Stamp};
use crate::acl::{self, AclList};
use crate::digest;
use crate::node::NodeOwner;
use crate::path;
use crate::request::{Create, CreateKind, CreateMode, Op};
use crate::sessions::{SessionError, Sessions};
use crate::tree::Tree;

/// One request on its way to a transaction.
pub(super) struct Ops<'a> {
    pub(super) tree: &'a Tree,
    pub(super) sessions: &'a mut Sessions,
    pub(super) caller: &'a Caller<'a>,
    pub(super) stamp: Stamp,
    pub(super) pending: &'a mut Pending,
}

type Prepared = Result<Txn, ErrorCode>;

impl Ops<'_> {
    pub(super) fn create_session(&mut self, timeout_ms: i32) -> Txn {
        let Caller { session, owner, .. } = *self.caller;
        self.sessions.track(session, timeout_ms, self.stamp.now_ms);
        // Fails only for a session that is being closed, which needs no owner any more.
        let _ = self.sessions.set_owner(session, owner);
        Txn::CreateSession { timeout_ms }
    }

    pub(super) fn close_session(&mut self) -> Txn {
        let session = self.caller.session;
        self.sessions.set_closing(session);
        let mut paths = Vec::new();
        for path in self.pending.ephemerals(self.tree, session) {
            paths.push(path.to_string());
            if let Some(parent) = path::parent(&path)
                && let Ok(parent) = self.record(parent)
            {
                self.child_deleted(parent);
            }
            self.pending.delete(self.tree, self.stamp.zxid, path);
        }
        Txn::CloseSession(Some(paths))
    }

    /// All operations; or, where one fails, those before it as they are, its error, and an error for each behind it.
    pub(super) fn multi(&mut self, ops: Vec<Op>) -> Txn {
        let mark = self.pending.mark();
        let mut failed = false;
        let mut txns = Vec::with_capacity(ops.len());
        for op in ops {
            let prepared = if failed { Err(ErrorCode::RuntimeInconsistency) } else { self.one(op) };
            txns.push(prepared.unwrap_or_else(|code| {
                failed = true;
                Txn::Error { err: code.code() }
            }));
        }
        if failed {
            self.pending.roll_back(&mark);
        }
        Txn::Multi(txns)
    }

    pub(super) fn one(&mut self, op: Op) -> Prepared {
        match op {
            Op::Create(create) => self.create(create),
            Op::Delete { path, version } => self.delete(path, version),
            Op::DeleteContainer { path } => self.delete_container(path),
            Op::SetData { path, data, version } => {
                self.check_session()?;
                check_path(&path)?;
                let mut record = self.record(&path)?;
                self.check_acl(&record, perms::WRITE)?;
                record.stat.version = next_version(record.stat.version, version)?;
                record.stat.mzxid = self.stamp.zxid;
                record.stat.mtime = self.stamp.time_ms;
                record.content_crc = digest::content_crc(&path, data.as_deref());
                let version = record.stat.version;
                self.put(record);
                Ok(Txn::SetData(SetDataTxn { path, data, version }))
            }
            Op::SetAcl { path, acl, version } => {
                self.check_session()?;
                check_path(&path)?;
                let acl = self.fixup(&acl)?;
                let mut record = self.record(&path)?;
                self.check_acl(&record, perms::ADMIN)?;
                let version = next_version(record.stat.aversion, version)?;
                record.stat.aversion = version;
                record.acl = acl.clone();
                self.put(record);
                Ok(Txn::SetAcl(SetAclTxn { path, acl: acl.to_vec(), version }))
            }
            Op::Check { path, version } => {
                self.check_session()?;
                check_path(&path)?;
                let record = self.record(&path)?;
                self.check_acl(&record, perms::READ)?;
                let version = next_version(record.stat.version, version)?;
                Ok(Txn::Check(CheckVersionTxn { path, version }))
            }
        }
    }

    fn create(&mut self, create: Create) -> Prepared {
        let Create { kind, mut path, data, acl, flags } = create;
        let mode = CreateMode::from_flags(flags).ok_or(ErrorCode::BadArguments)?;
        if mode.is_ttl() && !self.tree.options().extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        let ttl = match kind {
            CreateKind::Ttl(ttl) => ttl,
            CreateKind::Create | CreateKind::Create2 | CreateKind::Container => -1,
        };
        let wants_ttl = matches!(kind, CreateKind::Ttl(_));
        let ttl_fits = if mode.is_ttl() {
            (1..=NodeOwner::TTL_MS_MAX).contains(&ttl)
        } else {
            // Upstream lets createTTL pass with another mode and a negative ttl, and fails when it is applied.
            ttl < 0 && !wants_ttl
        };
        if !ttl_fits {
            return Err(ErrorCode::BadArguments);
        }
        self.check_session()?;
        let parent_path = path.rfind('/').filter(|_| !path.contains('\0'));
        let parent_path = &path[..parent_path.ok_or(ErrorCode::BadArguments)?];
        let acl = self.fixup(&acl)?;
        let mut parent = self.record(parent_path)?;
        self.check_acl(&parent, perms::CREATE)?;
        if mode.is_sequential() {
            path = path::sequential(&path, parent.stat.cversion);
        }
        check_path(&path)?;
        if self.pending.contains(self.tree, &path) {
            return Err(ErrorCode::NodeExists);
        }
        if let NodeOwner::Session(_) = self.owner_of(&parent) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }

        // The transaction follows the operation, not the mode: so does the node.
        let owner = match kind {
            CreateKind::Create | CreateKind::Create2 if mode.is_ephemeral() => {
                NodeOwner::Session(self.caller.session)
            }
            CreateKind::Create | CreateKind::Create2 => NodeOwner::None,
            CreateKind::Container => NodeOwner::Container,
            CreateKind::Ttl(ttl) => NodeOwner::Ttl(ttl),
        };
        let Stamp { zxid, time_ms, .. } = self.stamp;
        let parent_cversion = parent.stat.cversion.wrapping_add(1);
        parent.stat.cversion = parent_cversion;
        parent.stat.pzxid = zxid;
        parent.child_count += 1;
        self.put(parent);
        self.put(Record {
            content_crc: digest::content_crc(&path, data.as_deref()),
            path: path.as_str().into(),
            stat: StatPersisted {
                czxid: zxid,
                mzxid: zxid,
                pzxid: zxid,
                ctime: time_ms,
                mtime: time_ms,
                ephemeral_owner: owner.stored(),
                ..StatPersisted::default()
            },
            child_count: 0,
            acl: acl.clone(),
        });
        let acl = acl.to_vec();
        let ephemeral = mode.is_ephemeral();
        Ok(match kind {
            CreateKind::Create => {
                Txn::Create(CreateTxn { path, data, acl, ephemeral, parent_cversion })
            }
            CreateKind::Create2 => {
                Txn::Create2(CreateTxn { path, data, acl, ephemeral, parent_cversion })
            }
            CreateKind::Container => {
                Txn::CreateContainer(CreateContainerTxn { path, data, acl, parent_cversion })
            }
            CreateKind::Ttl(ttl) => {
                Txn::CreateTtl(CreateTtlTxn { path, data, acl, parent_cversion, ttl })
            }
        })
    }

    fn delete(&mut self, path: String, version: i32) -> Prepared {
        self.check_session()?;
        let parent = self.record(deletable_parent(&path)?)?;
        self.check_acl(&parent, perms::DELETE)?;
        let record = self.record(&path)?;
        next_version(record.stat.version, version)?;
        if record.child_count > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.child_deleted(parent);
        self.pending.delete(self.tree, self.stamp.zxid, record.path);
        Ok(Txn::Delete(DeleteTxn { path }))
    }

    fn delete_container(&mut self, path: String) -> Prepared {
        let parent = deletable_parent(&path)?;
        let record = self.record(&path)?;
        if record.child_count > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        if let NodeOwner::Session(_) = self.owner_of(&record) {
            return Err(ErrorCode::BadVersion);
        }
        let parent = self.record(parent)?;
        self.child_deleted(parent);
        self.pending.delete(self.tree, self.stamp.zxid, record.path);
        Ok(Txn::DeleteContainer(DeleteTxn { path }))
    }

    fn check_session(&mut self) -> Result<(), ErrorCode> {
        self.sessions.check(self.caller.session, self.caller.owner).map_err(|error| match error {
            SessionError::Expired => ErrorCode::SessionExpired,
            SessionError::Moved => ErrorCode::SessionMoved,
        })
    }

    fn check_acl(&self, record: &Record, wanted: i32) -> Result<(), ErrorCode> {
        let skip = self.tree.options().skip_acl;
        if skip || record.acl.permits(wanted, self.caller.auth) {
            Ok(())
        } else {
            Err(ErrorCode::NoAuth)
        }
    }

    fn fixup(&self, acl: &[Acl]) -> Result<AclList, ErrorCode> {
        acl::fixup(acl, self.caller.auth).map_err(|_| ErrorCode::InvalidACL)
    }

    fn record(&self, path: &str) -> Result<Record, ErrorCode> {
        self.pending.get(self.tree, path).ok_or(ErrorCode::NoNode)
    }

    fn put(&mut self, record: Record) {
        self.pending.put(self.tree, self.stamp.zxid, record);
    }

    fn child_deleted(&mut self, mut parent: Record) {
        parent.child_count = parent.child_count.saturating_sub(1);
        parent.stat.pzxid = self.stamp.zxid;
        self.put(parent);
    }

    fn owner_of(&self, record: &Record) -> NodeOwner {
        NodeOwner::of(record.stat.ephemeral_owner, self.tree.options().extended_types)
    }
}

fn check_path(path: &str) -> Result<(), ErrorCode> {
    path::check(path).map_err(|_| ErrorCode::BadArguments)
}

/// The parent of a path that may be deleted.
fn deletable_parent(path: &str) -> Result<&str, ErrorCode> {
    if path.contains('\0') || path::is_special(path) {
        return Err(ErrorCode::BadArguments);
    }
    path.rfind('/').map(|at| &path[..at]).ok_or(ErrorCode::BadArguments)
}

/// The version behind `current`, if that is the `expected` one or any (-1) will do. A result of -1, which would mean any, is
/// stepped over.
fn next_version(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    if expected != -1 && expected != current {
        return Err(ErrorCode::BadVersion);
    }
    match current.wrapping_add(1) {
        -1 => Ok(0),
        next => Ok(next),
    }
}
