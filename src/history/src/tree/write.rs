//! What writes do to the tree: judged as ZooKeeper's leader does, or done because the log says so.

use std::sync::Arc;

use super::{Change, Node, PathId, Stamp, Tree, Undo, name_of, parent_of};
use crate::answer::Answer;
use crate::operation::{ANY_VERSION, Data, ErrorCode, Mode, SessionId, Write};
use crate::record::{EventKind, Txn};

/// What a write comes to: the transaction, and what the client is told.
pub(crate) type Done = (Txn, Answer);

impl Tree {
    /// Does all of these writes, or says which cannot be done and why, and does none.
    pub(crate) fn write_all(
        &mut self,
        writes: &[Write],
        stamp: Stamp,
    ) -> Result<Vec<Done>, (usize, ErrorCode)> {
        let begin = (self.undo.len(), self.changes.len());
        let mut done = Vec::with_capacity(writes.len());
        for (index, write) in writes.iter().enumerate() {
            match self.write(write, stamp) {
                Ok(part) => done.push(part),
                Err(code) => {
                    self.roll_back_to(begin.0, begin.1);
                    return Err((index, code));
                }
            }
        }
        Ok(done)
    }

    fn write(&mut self, write: &Write, stamp: Stamp) -> Result<Done, ErrorCode> {
        match write {
            Write::Create { path, data, mode, sequential } => {
                let parent = parent_of(path).ok_or(ErrorCode::NODE_EXISTS)?;
                let (_, parent) = self.find(parent).ok_or(ErrorCode::NO_NODE)?;
                let mut path = path.clone();
                if *sequential {
                    path = format!("{path}{:010}", parent.creates);
                }
                let ephemeral_parent = parent.mode == Mode::Ephemeral;
                if self.find(&path).is_some() {
                    return Err(ErrorCode::NODE_EXISTS);
                }
                if ephemeral_parent {
                    return Err(ErrorCode::NO_CHILDREN_FOR_EPHEMERALS);
                }
                self.create(&path, data, *mode, stamp);
                let stat = self.stat(&path);
                let txn = Txn::Create { path: path.clone(), data: data.clone(), mode: *mode };
                Ok((txn, Answer::Created { path, stat }))
            }
            Write::Delete { path, version } => {
                let (slot, node) = self.find(path).ok_or(ErrorCode::NO_NODE)?;
                expect(*version, node.version)?;
                if !slot.children.is_empty() {
                    return Err(ErrorCode::NOT_EMPTY);
                }
                self.delete(path, stamp);
                Ok((Txn::Delete { path: path.clone() }, Answer::Done))
            }
            Write::SetData { path, data, version } => {
                let (_, node) = self.find(path).ok_or(ErrorCode::NO_NODE)?;
                expect(*version, node.version)?;
                let version = next_version(node.version);
                self.set_data(path, data, version, stamp);
                let stat = self.stat(path).unwrap_or_default();
                let txn = Txn::SetData { path: path.clone(), data: data.clone(), version };
                Ok((txn, Answer::Stat(stat)))
            }
            Write::SetAcl { path, version } => {
                let (_, node) = self.find(path).ok_or(ErrorCode::NO_NODE)?;
                expect(*version, node.aversion)?;
                let version = next_version(node.aversion);
                self.set_acl(path, version);
                let stat = self.stat(path).unwrap_or_default();
                Ok((Txn::SetAcl { path: path.clone(), version }, Answer::Stat(stat)))
            }
            Write::Check { path, version } => {
                let (_, node) = self.find(path).ok_or(ErrorCode::NO_NODE)?;
                expect(*version, node.version)?;
                Ok((Txn::Check { path: path.clone() }, Answer::Done))
            }
        }
    }

    /// Does what the log says, judging nothing; answers what is impossible about it.
    pub(crate) fn apply(&mut self, txn: &Txn, stamp: Stamp) -> Result<(), String> {
        match txn {
            Txn::Create { path, data, mode } => {
                let parent = parent_of(path).and_then(|parent| self.find(parent));
                if parent.is_none() {
                    return Err(format!("creates {path}, whose parent does not exist"));
                }
                if self.find(path).is_some() {
                    return Err(format!("creates {path}, which exists"));
                }
                self.create(path, data, *mode, stamp);
            }
            Txn::Delete { path } => match self.find(path) {
                None => return Err(format!("deletes {path}, which does not exist")),
                Some((slot, _)) if !slot.children.is_empty() => {
                    return Err(format!("deletes {path}, which has children"));
                }
                Some(_) => self.delete(path, stamp),
            },
            Txn::SetData { path, data, version } => {
                let (_, node) = self.find(path).ok_or_else(|| missing("sets data of", path))?;
                let next = next_version(node.version);
                self.set_data(path, data, *version, stamp);
                if next != *version {
                    return Err(format!("gives {path} the version {version}, not {next}"));
                }
            }
            Txn::SetAcl { path, version } => {
                self.find(path).ok_or_else(|| missing("sets the ACL of", path))?;
                self.set_acl(path, *version);
            }
            Txn::Multi(parts) => {
                for part in parts {
                    self.apply(part, stamp)?;
                }
            }
            Txn::CloseSession { .. } => {
                self.close(stamp);
            }
            Txn::Check { .. } | Txn::CreateSession | Txn::Error(_) => {}
        }
        Ok(())
    }

    /// Ends a session; answers how many nodes go with it.
    pub(crate) fn close(&mut self, stamp: Stamp) -> usize {
        let paths = self.owned_by(stamp.session);
        for path in &paths {
            self.delete(path, stamp);
        }
        paths.len()
    }

    fn keep(&mut self, id: PathId) {
        let node = self.slots[id.0 as usize].node.clone();
        self.undo.push(Undo::Node(id, node));
    }

    fn changed(&mut self, kind: EventKind, id: PathId) {
        let path = self.slots[id.0 as usize].path.clone();
        self.changes.push(Change { kind, path });
    }

    fn create(&mut self, path: &str, data: &Data, mode: Mode, stamp: Stamp) {
        let id = self.id(path);
        self.keep(id);
        let is_ephemeral = mode == Mode::Ephemeral;
        let owner = if is_ephemeral { stamp.session } else { SessionId(0) };
        let slot = &mut self.slots[id.0 as usize];
        slot.last_owner = is_ephemeral.then_some(owner);
        slot.node = Some(Node {
            data: data.clone(),
            mode,
            owner,
            czxid: stamp.zxid,
            mzxid: stamp.zxid,
            pzxid: stamp.zxid,
            ctime: stamp.time,
            mtime: stamp.time,
            version: 0,
            aversion: 0,
            creates: 0,
        });
        if is_ephemeral && self.owned.entry(owner).or_default().insert(id) {
            self.undo.push(Undo::Owned(owner, id));
        }
        self.changed(EventKind::Created, id);
        if let Some(parent) = self.slots[id.0 as usize].parent {
            self.keep(parent);
            let name: Arc<str> = name_of(path).into();
            let slot = &mut self.slots[parent.0 as usize];
            if let Some(node) = &mut slot.node {
                node.pzxid = stamp.zxid;
                node.creates = node.creates.wrapping_add(1);
            }
            if slot.children.insert(name.clone()) {
                self.undo.push(Undo::ChildAdded(parent, name));
            }
            self.changed(EventKind::ChildrenChanged, parent);
        }
    }

    fn delete(&mut self, path: &str, stamp: Stamp) {
        let id = self.id(path);
        self.keep(id);
        let Some(node) = self.slots[id.0 as usize].node.take() else { return };
        if node.mode == Mode::Ephemeral && self.owned.entry(node.owner).or_default().remove(&id) {
            self.undo.push(Undo::Disowned(node.owner, id));
        }
        self.changed(EventKind::Deleted, id);
        if let Some(parent) = self.slots[id.0 as usize].parent {
            self.keep(parent);
            let slot = &mut self.slots[parent.0 as usize];
            if let Some(node) = &mut slot.node {
                node.pzxid = stamp.zxid;
            }
            if let Some(name) = slot.children.take(name_of(path)) {
                self.undo.push(Undo::ChildRemoved(parent, name));
            }
            self.changed(EventKind::ChildrenChanged, parent);
        }
    }

    fn set_data(&mut self, path: &str, data: &Data, version: i32, stamp: Stamp) {
        let id = self.id(path);
        self.keep(id);
        if let Some(node) = &mut self.slots[id.0 as usize].node {
            node.data = data.clone();
            node.version = version;
            node.mzxid = stamp.zxid;
            node.mtime = stamp.time;
        }
        self.changed(EventKind::DataChanged, id);
    }

    fn set_acl(&mut self, path: &str, version: i32) {
        let id = self.id(path);
        self.keep(id);
        if let Some(node) = &mut self.slots[id.0 as usize].node {
            node.aversion = version;
        }
    }
}

fn missing(what: &str, path: &str) -> String {
    format!("{what} {path}, which does not exist")
}

fn expect(version: i32, current: i32) -> Result<(), ErrorCode> {
    if version == ANY_VERSION || version == current { Ok(()) } else { Err(ErrorCode::BAD_VERSION) }
}

/// The version after this one. (ZooKeeper never gives -1, which means any.)
fn next_version(version: i32) -> i32 {
    match version.wrapping_add(1) {
        ANY_VERSION => 0,
        next => next,
    }
}
