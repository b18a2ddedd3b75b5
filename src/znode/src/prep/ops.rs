//! The checks of each operation, in ZooKeeper's order, and the transaction it becomes.

use bytes::Bytes;
use wire::client::{
    CheckVersionRequest, CreateMode, CreateRequest, CreateTtlRequest, DeleteRequest, MultiOp,
    Request, SetAclRequest, SetDataRequest,
};
use wire::limits::CLOSED_PATHS_BYTES_MAX;
use wire::txn::{
    CheckVersionTxn, CreateContainerTxn, CreateTtlTxn, CreateTxn, DeleteTxn, SetAclTxn, SetDataTxn,
    Txn,
};
use wire::{Acl, ErrorCode, Id, StatPersisted, perms};

use super::Context;
use super::counting::NESTED_MAX;
use super::pending::{Pending, Record};
use crate::acl::{self, AclList, InvalidAcl};
use crate::digest;
use crate::node::NodeOwner;
use crate::path;
use crate::quota::{self, QuotaExceeded, QuotaNode, Usage};
use crate::sessions::{SessionError, SessionId, Sessions};
use crate::tree::Tree;

/// One request on its way to a transaction.
pub(super) struct Ops<'a> {
    pub(super) tree: &'a Tree,
    pub(super) sessions: &'a mut Sessions,
    pub(super) session: SessionId,
    pub(super) auth: &'a [Id],
    pub(super) context: Context,
    pub(super) pending: &'a mut Pending,
    /// The bytes that ids may take which `auth` in an ACL stands for.
    pub(super) own_ids_room: usize,
    /// The last quota that was exceeded.
    pub(super) exceeded: &'a mut Option<QuotaExceeded>,
}

/// The four operations that create a node; they decide about the type of the transaction.
#[derive(Clone, Copy)]
enum CreateKind {
    Create,
    Create2,
    Container,
    /// With the time to live in ms.
    Ttl(i64),
}

type Prepared = Result<Txn, ErrorCode>;

impl Ops<'_> {
    pub(super) fn request(&mut self, request: Request) -> Prepared {
        match request {
            Request::CreateSession { timeout_ms } => self.create_session(timeout_ms),
            Request::CloseSession => self.close_session(),
            Request::Create(create) => self.create(CreateKind::Create, create),
            Request::Create2(create) => self.create(CreateKind::Create2, create),
            Request::CreateContainer(create) => self.create(CreateKind::Container, create),
            Request::CreateTtl(create) => {
                let CreateTtlRequest { path, data, acl, flags, ttl } = create;
                self.create(CreateKind::Ttl(ttl), CreateRequest { path, data, acl, flags })
            }
            Request::Delete(delete) => self.delete(delete),
            Request::SetData(set) => self.set_data(set),
            Request::SetAcl(set) => self.set_acl(set),
            Request::Multi(ops) => Ok(self.multi(ops)),
            Request::Reconfig(_) => Err(ErrorCode::ReconfigDisabled),
            // Only the leader itself deletes so, by `Prep::reap`.
            Request::DeleteContainer(_)
            // Only within a multi.
            | Request::Check(_)
            // No writes.
            | Request::Exists(_)
            | Request::GetData(_)
            | Request::GetAcl(_)
            | Request::GetChildren(_)
            | Request::Sync(_)
            | Request::GetChildren2(_)
            | Request::CheckWatches(_)
            | Request::RemoveWatches(_)
            | Request::Auth(_)
            | Request::SetWatches(_)
            | Request::GetEphemerals(_)
            | Request::GetAllChildrenNumber(_)
            | Request::SetWatches2(_)
            | Request::AddWatch(_)
            | Request::Ping
            | Request::MultiRead(_)
            | Request::Sasl(_)
            | Request::WhoAmI => Err(ErrorCode::Unimplemented),
        }
    }

    /// A session begins once: whoever asks for one that there is, closing or not, would come to
    /// share it with its client.
    fn create_session(&mut self, timeout_ms: i32) -> Prepared {
        let known = self.sessions.contains(self.session)
            || self.tree.session_timeout_ms(self.session).is_some();
        if known || self.session == 0 {
            return Err(ErrorCode::BadArguments);
        }
        self.sessions.track(self.session, timeout_ms, self.context.now_ms);
        // It is tracked, and not closing.
        let _ = self.sessions.set_owner(self.session, self.context.owner);
        Ok(Txn::CreateSession { timeout_ms })
    }

    /// The nodes that the session owns are listed, as ZooKeeper does, unless that would make the
    /// transaction long: however much a session owns, it can end. It ends once: a client may close
    /// it just when it expires.
    fn close_session(&mut self) -> Prepared {
        let session = self.session;
        if !self.sessions.set_closing(session) {
            return Err(ErrorCode::SessionExpired);
        }
        let zxid = self.context.zxid;
        let list_bytes_max = CLOSED_PATHS_BYTES_MAX;
        Ok(Txn::CloseSession(self.pending.end_session(self.tree, zxid, session, list_bytes_max)))
    }

    /// All operations; or, where one fails, those before it as they are, its error, and an error
    /// for each behind it.
    fn multi(&mut self, ops: Vec<MultiOp>) -> Txn {
        let mark = self.pending.mark();
        let mut failed = false;
        let mut txns = Vec::with_capacity(ops.len());
        for op in ops {
            let prepared =
                if failed { Err(ErrorCode::RuntimeInconsistency) } else { self.part(op) };
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

    /// One operation of a multi.
    fn part(&mut self, op: MultiOp) -> Prepared {
        match op {
            MultiOp::Create(create) => self.create(CreateKind::Create, create),
            MultiOp::Create2(create) => self.create(CreateKind::Create2, create),
            MultiOp::CreateContainer(create) => self.create(CreateKind::Container, create),
            MultiOp::CreateTtl(create) => {
                let CreateTtlRequest { path, data, acl, flags, ttl } = create;
                self.create(CreateKind::Ttl(ttl), CreateRequest { path, data, acl, flags })
            }
            MultiOp::Delete(delete) => self.delete(delete),
            MultiOp::SetData(set) => self.set_data(set),
            MultiOp::Check(check) => self.check(check),
        }
    }

    fn set_data(&mut self, request: SetDataRequest) -> Prepared {
        let SetDataRequest { path, data, version } = request;
        self.check_session()?;
        check_path(&path)?;
        let mut record = self.record(&path)?;
        self.check_acl(&record, perms::WRITE)?;
        let data_bytes = data.as_ref().map_or(0, Bytes::len);
        let more = int(data_bytes) - int(record.data_bytes);
        self.check_quota(&path, Usage { count: 0, bytes: more })?;
        record.data_bytes = data_bytes;
        let version = next_version(record.stat.version, version)?;
        record.stat.version = version;
        record.stat.mzxid = self.context.zxid;
        record.stat.mtime = self.context.time_ms;
        record.content_crc = digest::content_crc(&path, data.as_deref());
        self.put(record);
        Ok(Txn::SetData(SetDataTxn { path, data, version }))
    }

    fn set_acl(&mut self, request: SetAclRequest) -> Prepared {
        let SetAclRequest { path, acl, version } = request;
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

    fn check(&mut self, request: CheckVersionRequest) -> Prepared {
        let CheckVersionRequest { path, version } = request;
        self.check_session()?;
        check_path(&path)?;
        let record = self.record(&path)?;
        self.check_acl(&record, perms::READ)?;
        let version = next_version(record.stat.version, version)?;
        Ok(Txn::Check(CheckVersionTxn { path, version }))
    }

    fn create(&mut self, kind: CreateKind, request: CreateRequest) -> Prepared {
        let CreateRequest { mut path, data, acl, flags } = request;
        let mode = CreateMode::try_from(flags).map_err(|_| ErrorCode::BadArguments)?;
        if mode.is_ttl() && !self.tree.options().extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        let ttl = match kind {
            CreateKind::Ttl(ttl) => ttl,
            CreateKind::Create | CreateKind::Create2 | CreateKind::Container => -1,
        };
        let ttl_fits =
            if mode.is_ttl() { (1..=NodeOwner::TTL_MS_MAX).contains(&ttl) } else { ttl < 0 };
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
        // ZooKeeper lets it pass, and its servers stop when they apply it.
        if matches!(kind, CreateKind::Ttl(_)) && !mode.is_ttl() {
            return Err(ErrorCode::BadArguments);
        }
        if let Some(QuotaNode::Limits(subtree)) = QuotaNode::of(&path)
            && !quota::is_possible(subtree)
        {
            return Err(ErrorCode::BadArguments);
        }
        self.check_new_quota(&path)?;
        let data_bytes = data.as_ref().map_or(0, Bytes::len);
        self.check_quota(&path, Usage { count: 1, bytes: int(data_bytes) })?;

        // The transaction follows the operation, not the mode: so does the node.
        let owner = match kind {
            CreateKind::Create | CreateKind::Create2 if mode.is_ephemeral() => {
                NodeOwner::Session(self.session)
            }
            CreateKind::Create | CreateKind::Create2 => NodeOwner::None,
            CreateKind::Container => NodeOwner::Container,
            CreateKind::Ttl(ttl) => NodeOwner::Ttl(ttl),
        };
        let Context { zxid, time_ms, .. } = self.context;
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
            data_bytes,
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

    fn delete(&mut self, request: DeleteRequest) -> Prepared {
        let DeleteRequest { path, version } = request;
        self.check_session()?;
        let parent = self.record(deletable_parent(&path)?)?;
        self.check_acl(&parent, perms::DELETE)?;
        let record = self.record(&path)?;
        next_version(record.stat.version, version)?;
        if record.child_count > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.child_deleted(parent);
        self.pending.delete(self.tree, self.context.zxid, record.path);
        Ok(Txn::Delete(DeleteTxn { path }))
    }

    fn check_session(&mut self) -> Result<(), ErrorCode> {
        self.sessions.check(self.session, self.context.owner).map_err(|error| match error {
            SessionError::Expired => ErrorCode::SessionExpired,
            SessionError::Moved => ErrorCode::SessionMoved,
        })
    }

    fn check_acl(&self, record: &Record, wanted: i32) -> Result<(), ErrorCode> {
        let skip = self.tree.options().skip_acl;
        if skip || record.acl.permits(wanted, self.auth) { Ok(()) } else { Err(ErrorCode::NoAuth) }
    }

    /// Whether the quota of which this is the limits node may be made now.
    fn check_new_quota(&mut self, path: &str) -> Result<(), ErrorCode> {
        let Some(QuotaNode::Limits(subtree)) = QuotaNode::of(path) else { return Ok(()) };
        if !self.pending.counting.takes(self.tree.node_count(), self.context.now_ms) {
            return Err(ErrorCode::ThrottledOp);
        }
        let nested =
            self.tree.nested_quotas(subtree) + self.pending.counting.prepared_along(subtree);
        if nested >= NESTED_MAX {
            return Err(ErrorCode::BadArguments);
        }
        self.pending.counting.prepare(self.context.zxid, subtree);
        Ok(())
    }

    /// Whether the subtrees that the path is in may get `more`, as far as limits are enforced.
    fn check_quota(&mut self, path: &str, more: Usage) -> Result<(), ErrorCode> {
        if !self.tree.options().enforce_quota {
            return Ok(());
        }
        for (subtree, mut usage) in self.tree.quotas_of(path) {
            // Upstream fails to parse them then, too, and answers so.
            let limits = self.tree.quota_limits(subtree).ok_or(ErrorCode::MarshallingError)?;
            usage.add(self.pending.gained(subtree));
            for exceeded in limits.exceeded(subtree, usage, more) {
                let is_hard = exceeded.is_hard;
                *self.exceeded = Some(exceeded);
                if is_hard {
                    return Err(ErrorCode::QuotaExceeded);
                }
            }
        }
        let gain = Usage { count: more.count.max(0), bytes: more.bytes.max(0) };
        for (subtree, _) in self.tree.quotas_of(path) {
            self.pending.gain(self.context.zxid, subtree, gain);
        }
        Ok(())
    }

    fn fixup(&mut self, acl: &[Acl]) -> Result<AclList, ErrorCode> {
        let schemes = self.tree.options().acl_schemes;
        acl::fixup(acl, self.auth, schemes, &mut self.own_ids_room).map_err(|invalid| match invalid
        {
            InvalidAcl::Empty
            | InvalidAcl::UnknownScheme(_)
            | InvalidAcl::InvalidId { .. }
            | InvalidAcl::NotAuthenticated => ErrorCode::InvalidACL,
            // As anything is refused whose transaction would be too long.
            InvalidAcl::TooLong => ErrorCode::MarshallingError,
        })
    }

    fn record(&self, path: &str) -> Result<Record, ErrorCode> {
        self.pending.get(self.tree, path).ok_or(ErrorCode::NoNode)
    }

    fn put(&mut self, record: Record) {
        self.pending.put(self.tree, self.context.zxid, record);
    }

    fn child_deleted(&mut self, parent: Record) {
        self.pending.child_deleted(self.tree, self.context.zxid, parent);
    }

    fn owner_of(&self, record: &Record) -> NodeOwner {
        NodeOwner::of(record.stat.ephemeral_owner, self.tree.options().extended_types)
    }
}

fn check_path(path: &str) -> Result<(), ErrorCode> {
    path::check(path).map_err(|_| ErrorCode::BadArguments)
}

/// A number of bytes, which fits.
fn int(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The parent of a path that may be deleted.
fn deletable_parent(path: &str) -> Result<&str, ErrorCode> {
    if path.contains('\0') || path::is_special(path) {
        return Err(ErrorCode::BadArguments);
    }
    path.rfind('/').map(|at| &path[..at]).ok_or(ErrorCode::BadArguments)
}

/// The version behind `current`, if that is the `expected` one or any (-1) will do. A result of -1,
/// which would mean any, is stepped over.
fn next_version(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    if expected != -1 && expected != current {
        return Err(ErrorCode::BadVersion);
    }
    match current.wrapping_add(1) {
        -1 => Ok(0),
        next => Ok(next),
    }
}
