//! The audit log: who changed what, told once the outcome is known. (ZooKeeper: `AuditHelper`,
//! `AuditEvent`, `ZKAuditProvider`.)

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use bytes::Bytes;
use wire::client::{CreateMode, MultiOp, OpCode, Request};
use wire::jute::Reader;
use wire::txn::{Txn, TxnBlob};
use wire::{Acl, Id, perms};
use znode::{Outcome, SessionId};

use super::Node;
use crate::client::{Connection, shown};

/// Where the lines of the audit log go, and as whom the server acts.
pub trait Audit: Send {
    /// A line, without its end. It may wait: what was not noted must not be left out silently.
    fn log(&mut self, line: &str);
    /// Who started the server.
    fn user(&self) -> &str;
}

/// What the clients of this server have asked for, and what has come of it.
pub(super) struct Auditing {
    audit: Box<dyn Audit>,
    /// Requests without an outcome, of each session in order.
    asked: BTreeMap<SessionId, VecDeque<Deed>>,
}

/// A request.
struct Deed {
    cxid: i32,
    /// Who asks: session, user, address.
    who: String,
    is_multi: bool,
    parts: Vec<Part>,
}

/// What changes, or would.
struct Part {
    operation: &'static str,
    path: String,
    mode: Option<&'static str>,
    acl: Option<String>,
}

impl Auditing {
    pub(super) fn new(audit: Box<dyn Audit>) -> Self {
        Self { audit, asked: BTreeMap::new() }
    }

    /// A client of this server asks for a write.
    fn asked(&mut self, connection: &Connection, xid: i32, op: OpCode, body: &Bytes, auth: &[Id]) {
        let Some((is_multi, parts)) = parts(op, body) else { return };
        let users: Vec<String> = auth.iter().map(|id| shown(id).user).collect();
        let session = connection.session();
        let ip = connection.address().ip();
        let who = format!("session=0x{session:x}\tuser={}\tip={ip}", plain(&users.join(",")));
        let deed = Deed { cxid: xid, who, is_multi, parts };
        self.asked.entry(session).or_default().push_back(deed);
    }

    /// A transaction is applied.
    fn applied(&mut self, blob: &TxnBlob, outcome: &Outcome) {
        let session = blob.header.client_id;
        if let Some(deeds) = self.asked.get_mut(&session)
            && deeds.front().is_some_and(|deed| deed.cxid == blob.header.cxid)
            && let Some(deed) = deeds.pop_front()
        {
            if deeds.is_empty() {
                self.asked.remove(&session);
            }
            self.done(&deed, outcome);
        }
        if let (Txn::CloseSession(paths), Outcome::SessionClosed) = (&blob.txn, outcome) {
            for path in paths.iter().flatten() {
                let user = plain(self.audit.user());
                let line = format!(
                    "session=0x{session:x}\tuser={user}\t\
                     operation=ephemeralZNodeDeletionOnSessionCloseOrExpire\tznode={}\t\
                     result=success",
                    plain(path)
                );
                self.audit.log(&line);
            }
            if let Some(deeds) = self.asked.remove(&session) {
                deeds.iter().for_each(|deed| self.unknown(deed));
            }
        }
    }

    fn done(&mut self, deed: &Deed, outcome: &Outcome) {
        if let Outcome::Multi(outcomes) = outcome
            && !outcomes.iter().any(is_failure)
        {
            for (part, outcome) in deed.parts.iter().zip(outcomes) {
                // A check changes nothing.
                if !part.operation.is_empty() {
                    self.tell(deed, part, path_of(part, outcome), "success");
                }
            }
            return;
        }
        let result = if is_failure(outcome) { "failure" } else { "success" };
        match deed.parts.first() {
            Some(part) if !deed.is_multi => self.tell(deed, part, path_of(part, outcome), result),
            Some(_) | None => self.tell_multi(deed, result),
        }
    }

    /// This server does not hear what becomes of it.
    fn unknown(&mut self, deed: &Deed) {
        match deed.parts.first() {
            Some(part) if !deed.is_multi => self.tell(deed, part, &part.path, "invoked"),
            Some(_) | None => self.tell_multi(deed, "invoked"),
        }
    }

    fn tell(&mut self, deed: &Deed, part: &Part, path: &str, result: &str) {
        let mut line = format!("{}\toperation={}\tznode={}", deed.who, part.operation, plain(path));
        // Writing to a String does not fail.
        if let Some(mode) = part.mode {
            let _ = write!(line, "\tznode_type={mode}");
        }
        if let Some(acl) = &part.acl {
            let _ = write!(line, "\tacl={}", plain(acl));
        }
        let _ = write!(line, "\tresult={result}");
        self.audit.log(&line);
    }

    fn tell_multi(&mut self, deed: &Deed, result: &str) {
        self.audit.log(&format!("{}\toperation=multiOperation\tresult={result}", deed.who));
    }

    /// This server has no leader any more.
    fn lost(&mut self) {
        for deeds in std::mem::take(&mut self.asked).into_values() {
            deeds.iter().for_each(|deed| self.unknown(deed));
        }
    }
}

impl Node {
    /// From here on it is noted who changes what.
    #[must_use]
    pub fn with_audit(self, audit: Box<dyn Audit>) -> Self {
        Self { auditing: Some(Auditing::new(audit)), ..self }
    }

    pub(super) fn audit_asked(
        &mut self,
        connection: &Connection,
        xid: i32,
        op: OpCode,
        body: &Bytes,
        auth: &[Id],
    ) {
        if let Some(auditing) = &mut self.auditing {
            auditing.asked(connection, xid, op, body, auth);
        }
    }

    pub(super) fn audit_applied(&mut self, blob: &TxnBlob, outcome: &Outcome) {
        if let Some(auditing) = &mut self.auditing {
            auditing.applied(blob, outcome);
        }
    }

    pub(super) fn audit_lost(&mut self) {
        if let Some(auditing) = &mut self.auditing {
            auditing.lost();
        }
    }
}

fn is_failure(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(_) => true,
        Outcome::Multi(outcomes) => outcomes.iter().any(is_failure),
        Outcome::Created { .. }
        | Outcome::Deleted
        | Outcome::DataSet(_)
        | Outcome::AclSet(_)
        | Outcome::Checked
        | Outcome::SessionCreated { .. }
        | Outcome::SessionClosed => false,
    }
}

/// With its number, if it was given one.
fn path_of<'a>(part: &'a Part, outcome: &'a Outcome) -> &'a str {
    match outcome {
        Outcome::Created { path, .. } => path,
        Outcome::Deleted
        | Outcome::DataSet(_)
        | Outcome::AclSet(_)
        | Outcome::Checked
        | Outcome::Multi(_)
        | Outcome::SessionCreated { .. }
        | Outcome::SessionClosed
        | Outcome::Failed(_) => &part.path,
    }
}

/// What a request changes, and whether it is a multi; `None` if it is nothing that is noted.
fn parts(op: OpCode, body: &Bytes) -> Option<(bool, Vec<Part>)> {
    let one = |part: Part| Some((false, vec![part]));
    let operation = match op {
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => "create",
        OpCode::Delete | OpCode::DeleteContainer => "delete",
        OpCode::SetData => "setData",
        OpCode::SetAcl => "setAcl",
        OpCode::Reconfig => "reconfig",
        OpCode::Multi => return Some((true, multi(body))),
        OpCode::Notification
        | OpCode::Exists
        | OpCode::GetData
        | OpCode::GetAcl
        | OpCode::GetChildren
        | OpCode::Sync
        | OpCode::Ping
        | OpCode::GetChildren2
        | OpCode::Check
        | OpCode::CheckWatches
        | OpCode::RemoveWatches
        | OpCode::MultiRead
        | OpCode::Auth
        | OpCode::SetWatches
        | OpCode::Sasl
        | OpCode::GetEphemerals
        | OpCode::GetAllChildrenNumber
        | OpCode::SetWatches2
        | OpCode::AddWatch
        | OpCode::WhoAmI
        | OpCode::CreateSession
        | OpCode::CloseSession
        | OpCode::Error => return None,
    };
    let plain = |path: String| Part { operation, path, mode: None, acl: None };
    match Request::decode(op, &mut Reader::new(body)) {
        Ok(
            Request::Create(create) | Request::Create2(create) | Request::CreateContainer(create),
        ) => one(Part { mode: mode(create.flags), ..plain(create.path) }),
        Ok(Request::CreateTtl(create)) => {
            one(Part { mode: mode(create.flags), ..plain(create.path) })
        }
        Ok(Request::Delete(delete)) => one(plain(delete.path)),
        Ok(Request::SetData(set)) => one(plain(set.path)),
        Ok(Request::SetAcl(set)) => one(Part { acl: Some(acl(&set.acl)), ..plain(set.path) }),
        // It will be refused.
        Ok(_) | Err(_) => one(plain(String::new())),
    }
}

fn multi(body: &Bytes) -> Vec<Part> {
    let Ok(Request::Multi(ops)) = Request::decode(OpCode::Multi, &mut Reader::new(body)) else {
        return Vec::new();
    };
    let part = |operation, path, mode| Part { operation, path, mode, acl: None };
    ops.into_iter()
        .map(|op| match op {
            MultiOp::Create(create)
            | MultiOp::Create2(create)
            | MultiOp::CreateContainer(create) => part("create", create.path, mode(create.flags)),
            MultiOp::CreateTtl(create) => part("create", create.path, mode(create.flags)),
            MultiOp::Delete(delete) => part("delete", delete.path, None),
            MultiOp::SetData(set) => part("setData", set.path, None),
            MultiOp::Check(check) => part("", check.path, None),
        })
        .collect()
}

/// Java's names of the modes, in small letters.
fn mode(flags: i32) -> Option<&'static str> {
    Some(match CreateMode::try_from(flags).ok()? {
        CreateMode::Persistent => "persistent",
        CreateMode::Ephemeral => "ephemeral",
        CreateMode::PersistentSequential => "persistent_sequential",
        CreateMode::EphemeralSequential => "ephemeral_sequential",
        CreateMode::Container => "container",
        CreateMode::PersistentWithTtl => "persistent_with_ttl",
        CreateMode::PersistentSequentialWithTtl => "persistent_sequential_with_ttl",
    })
}

/// (ZooKeeper: `ZKUtil.aclToString`.)
fn acl(entries: &[Acl]) -> String {
    const LETTERS: [(i32, char); 5] = [
        (perms::CREATE, 'c'),
        (perms::DELETE, 'd'),
        (perms::READ, 'r'),
        (perms::WRITE, 'w'),
        (perms::ADMIN, 'a'),
    ];
    let mut text = String::new();
    for Acl { perms, id } in entries {
        let letters = LETTERS.iter().filter(|(perm, _)| perms & perm != 0);
        let letters: String = letters.map(|(_, letter)| letter).collect();
        // Writing to a String does not fail.
        let _ = write!(text, "{}:{}:{letters}", id.scheme, id.id);
    }
    text
}

/// What a client has sent must not look like another field, or another line.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            let is_plain = !letter.is_control();
            let escaped = (!is_plain).then(|| letter.escape_default());
            is_plain.then_some(letter).into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::client::CreateRequest;

    #[test]
    fn lists_and_modes_are_written_as_zookeeper_does() {
        let all = perms::READ | perms::WRITE | perms::CREATE | perms::DELETE | perms::ADMIN;
        let entries = [
            Acl { perms: all, id: Id::new("world", "anyone") },
            Acl { perms: perms::READ, id: Id::new("digest", "bob:x") },
        ];
        assert_eq!(acl(&entries), "world:anyone:cdrwadigest:bob:x:r");
        assert_eq!(mode(3), Some("ephemeral_sequential"));
        assert_eq!(mode(99), None);
    }

    #[test]
    fn nothing_that_a_client_sends_begins_another_field() {
        assert_eq!(plain("/a\tresult=success\n"), "/a\\tresult=success\\n");
        assert_eq!(plain("/\u{e4}"), "/\u{e4}");
    }

    #[test]
    fn what_is_noted_is_what_changes_something() {
        let request = Request::Create(CreateRequest {
            path: "/a".to_owned(),
            data: None,
            acl: Vec::new(),
            flags: 1,
        });
        let mut body = Vec::new();
        request.encode(&mut body);
        let (is_multi, found) = parts(OpCode::Create, &body.into()).expect("noted");
        assert!(!is_multi);
        assert_eq!(
            (found[0].operation, &*found[0].path, found[0].mode),
            ("create", "/a", Some("ephemeral"))
        );
        assert!(parts(OpCode::CloseSession, &Bytes::new()).is_none());
        let (_, unreadable) = parts(OpCode::Delete, &Bytes::new()).expect("noted");
        assert_eq!(unreadable[0].path, "");
    }
}
