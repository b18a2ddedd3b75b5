//! Who may do what to a node.
//!
//! (ZooKeeper: `ZooKeeperServer.checkACL`, `PrepRequestProcessor.fixupACL`, the authentication
//! providers, and `ReferenceCountedACLCache`.)

mod network;
mod rights;
mod subject;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use thiserror::Error;
use wire::jute::Field;
use wire::{Acl, Id, perms};

use network::Network;
use rights::Entries;
use subject::is_subject;

/// The ACL of a node, shared by all nodes that have the same.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct AclList(
    /// `None` is the one that nearly every node has: world:anyone may do everything.
    Option<Arc<Entries>>,
);

impl AclList {
    /// Anyone may do everything.
    pub const OPEN: Self = Self(None);

    /// The list of these entries, in this order.
    pub fn new(entries: Vec<Acl>) -> Self {
        Self::from_txn(&entries)
    }

    /// The list of a transaction; nothing is copied for the usual one.
    pub(crate) fn from_txn(entries: &[Acl]) -> Self {
        match entries {
            [only] if only.perms == perms::ALL && is_anyone(&only.id) => Self::OPEN,
            _ => Self(Some(Arc::new(Entries::new(entries.into())))),
        }
    }

    /// The list of a snapshot's table, which stays in the table whatever it is.
    pub(crate) fn loaded(entries: Vec<Acl>) -> Self {
        Self(Some(Arc::new(Entries::new(entries.into()))))
    }

    /// Nobody may do anything.
    pub(crate) fn closed() -> Self {
        Self::loaded(vec![Acl::new(0, Id::anyone())])
    }

    /// The entries, as they go over the wire.
    pub fn to_vec(&self) -> Vec<Acl> {
        match &self.0 {
            None => Acl::open_unsafe(),
            Some(entries) => entries.as_slice().to_vec(),
        }
    }

    /// Whether someone with these ids may do something for which one of the `wanted` permissions is
    /// enough. An empty list allows everything. The time that it takes does not grow with the
    /// length of the list.
    pub fn permits(&self, wanted: i32, ids: &[Id]) -> bool {
        let Some(entries) = &self.0 else { return true };
        entries.as_slice().is_empty()
            || ids.iter().any(|id| id.scheme == "super")
            || entries.permit(wanted, ids)
    }

    /// The entries as someone without ADMIN sees them: what follows the user name of a digest is
    /// replaced by `x`.
    pub fn masked(&self) -> Vec<Acl> {
        let mut entries = self.to_vec();
        for entry in entries.iter_mut().filter(|entry| entry.id.scheme == "digest") {
            if let Some(colon) = entry.id.id.find(':') {
                entry.id.id.replace_range(colon + 1.., "x");
            }
        }
        entries
    }
}

/// An ACL that a client may not set.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum InvalidAcl {
    /// There is no entry.
    #[error("an ACL has at least one entry")]
    Empty,
    /// The scheme is none of those this server knows.
    #[error("the scheme of an ACL entry is one by which clients prove who they are, not {0:?}")]
    UnknownScheme(String),
    /// The id does not fit its scheme.
    #[error("{id:?} is not an id of scheme {scheme}")]
    InvalidId {
        /// The scheme.
        scheme: String,
        /// The id that does not fit it.
        id: String,
    },
    /// `auth` stands for the ids the caller has proved, and there are none.
    #[error("scheme auth stands for the caller's own ids, and the caller has proved none")]
    NotAuthenticated,
    /// The ids that the entries of scheme `auth` stand for are longer than there is room for.
    #[error("what the entries of scheme auth stand for is too long")]
    TooLong,
}

/// The list to store for the one a client sent: duplicates dropped, `auth` replaced by the caller's
/// own ids.
///
/// An entry of a few bytes may stand for many ids. `room`: the bytes that such ids may take, of
/// which the list takes what it needs.
///
/// # Errors
/// The list is empty, an entry is not valid, or there is not enough room.
pub fn fixup(
    entries: &[Acl],
    ids: &[Id],
    schemes: AclSchemes,
    room: &mut usize,
) -> Result<AclList, InvalidAcl> {
    if let [only] = entries
        && only.perms == perms::ALL
        && is_anyone(&only.id)
    {
        return Ok(AclList::OPEN);
    }
    let mut fixed: Vec<Acl> = Vec::new();
    let mut distinct = HashSet::new();
    for entry in entries {
        let Id { scheme, id } = &entry.id;
        if !distinct.insert((entry.perms, scheme, id)) {
            continue;
        }
        let invalid = || InvalidAcl::InvalidId { scheme: scheme.clone(), id: id.clone() };
        match &**scheme {
            "world" if id == "anyone" => fixed.push(entry.clone()),
            "auth" => {
                let before = fixed.len();
                for own in ids.iter().filter(|id| schemes.authenticate(&id.scheme)) {
                    let own = Acl::new(entry.perms, own.clone());
                    *room = room.checked_sub(own.written_len()).ok_or(InvalidAcl::TooLong)?;
                    fixed.push(own);
                }
                if fixed.len() == before {
                    return Err(InvalidAcl::NotAuthenticated);
                }
            }
            "digest" if schemes.digest && is_digest(id) => fixed.push(entry.clone()),
            "sasl" if schemes.sasl && is_principal(id) => fixed.push(entry.clone()),
            "x509" if schemes.x509 && is_subject(id) => fixed.push(entry.clone()),
            "ip" if Network::parse(id).is_some() => fixed.push(entry.clone()),
            "world" | "ip" => return Err(invalid()),
            "digest" if schemes.digest => return Err(invalid()),
            "sasl" if schemes.sasl => return Err(invalid()),
            "x509" if schemes.x509 => return Err(invalid()),
            _ => return Err(InvalidAcl::UnknownScheme(scheme.clone())),
        }
    }
    if fixed.is_empty() { Err(InvalidAcl::Empty) } else { Ok(AclList::new(fixed)) }
}

/// The schemes, beside `world` and `ip`, whose identities may stand in an ACL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AclSchemes {
    /// `digest`
    pub digest: bool,
    /// `sasl`
    pub sasl: bool,
    /// `x509`
    pub x509: bool,
}

impl Default for AclSchemes {
    /// ZooKeeper's: `digest` only.
    fn default() -> Self {
        Self { digest: true, sasl: false, x509: false }
    }
}

impl AclSchemes {
    /// Whether somebody who has proved to be somebody by this scheme is authenticated. (Everybody
    /// has an address.)
    fn authenticate(self, scheme: &str) -> bool {
        match scheme {
            "digest" => self.digest,
            "sasl" => self.sasl,
            "x509" => self.x509,
            _ => false,
        }
    }
}

fn is_anyone(id: &Id) -> bool {
    id.scheme == "world" && id.id == "anyone"
}

/// `user:hash`, as Java's `split(":")` sees it: two parts, and empty ones at the end do not count.
fn is_digest(id: &str) -> bool {
    let mut parts = id.trim_end_matches(':').split(':');
    parts.next().is_some() && parts.next().is_some() && parts.next().is_none()
}

/// A name in the form of Kerberos, `service/host@REALM`, or any name without a realm.
/// (`KerberosName`.)
fn is_principal(id: &str) -> bool {
    let mut parts = id.split('@');
    let service = parts.next().unwrap_or_default();
    match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some(realm), None) => service.matches('/').count() < 2 && !realm.contains('/'),
        (Some(_), Some(_)) => false,
    }
}

/// The lists that the nodes of a tree have, each under a number, as snapshots name them.
#[derive(Clone, Default, Debug)]
pub(crate) struct AclTable {
    by_id: BTreeMap<i64, Entry>,
    by_list: HashMap<AclList, i64>,
    /// The highest number given out.
    last: i64,
}

#[derive(Clone, Debug)]
struct Entry {
    list: AclList,
    /// How many nodes have it.
    nodes: u64,
}

/// The number of [`AclList::OPEN`], which is in no table.
pub(crate) const OPEN_ACL_ID: i64 = -1;

/// The highest number a loaded table may have: what is left above it cannot be used up.
pub(crate) const ACL_ID_MAX: i64 = i64::MAX / 2;

impl AclTable {
    /// The list with this number; nobody may do anything under a number that is not known.
    pub(crate) fn get(&self, id: i64) -> AclList {
        if id == OPEN_ACL_ID {
            return AclList::OPEN;
        }
        self.by_id.get(&id).map_or_else(AclList::closed, |entry| entry.list.clone())
    }

    pub(crate) fn contains(&self, id: i64) -> bool {
        id == OPEN_ACL_ID || self.by_id.contains_key(&id)
    }

    /// The number for the list, which one more node has now.
    pub(crate) fn acquire(&mut self, list: &AclList) -> i64 {
        if *list == AclList::OPEN {
            return OPEN_ACL_ID;
        }
        let id = match self.by_list.get(list) {
            Some(&id) => id,
            None => {
                let id = self.last + 1;
                self.load(id, list.clone());
                id
            }
        };
        self.retain(id);
        id
    }

    /// One more node has the list. A number that is not in the table will not be given out either.
    pub(crate) fn retain(&mut self, id: i64) {
        match self.by_id.get_mut(&id) {
            Some(entry) => entry.nodes += 1,
            None if id <= ACL_ID_MAX => self.last = self.last.max(id),
            None => {}
        }
    }

    /// One node less has it; the last one takes it out of the table.
    pub(crate) fn release(&mut self, id: i64) {
        let Some(entry) = self.by_id.get_mut(&id) else { return };
        entry.nodes -= 1;
        if entry.nodes == 0
            && let Some(entry) = self.by_id.remove(&id)
        {
            // A loaded table may hold a list twice; then only one of the numbers is found by the
            // list.
            if self.by_list.get(&entry.list) == Some(&id) {
                self.by_list.remove(&entry.list);
            }
        }
    }

    /// Enters a list under a number, with no node that has it yet.
    pub(crate) fn load(&mut self, id: i64, list: AclList) {
        self.last = self.last.max(id);
        self.by_list.insert(list.clone(), id);
        self.by_id.insert(id, Entry { list, nodes: 0 });
    }

    /// Drops what no node has.
    pub(crate) fn purge(&mut self) {
        self.by_id.retain(|_, entry| entry.nodes > 0);
        let by_id = &self.by_id;
        self.by_list.retain(|_, id| by_id.contains_key(id));
    }

    /// Ascending by number.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (i64, &AclList)> {
        self.by_id.iter().map(|(&id, entry)| (id, &entry.list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(scheme: &str, id: &str) -> Id {
        Id::new(scheme, id)
    }

    fn acl(perms: i32, scheme: &str, name: &str) -> Acl {
        Acl::new(perms, id(scheme, name))
    }

    fn fixup(entries: &[Acl], ids: &[Id]) -> Result<AclList, InvalidAcl> {
        super::fixup(entries, ids, AclSchemes::default(), &mut 1000)
    }

    const ALL_SCHEMES: AclSchemes = AclSchemes { digest: true, sasl: true, x509: true };

    #[test]
    fn a_scheme_stands_in_an_acl_where_it_is_offered() {
        let none = AclSchemes { digest: false, sasl: false, x509: false };
        for (scheme, good, bad) in [
            ("digest", &["anne:hash"][..], &["anne"][..]),
            (
                "sasl",
                &["bob", "", "a/b", "s/host@REALM", "s@REALM"],
                &["a@b@c", "a/b/c@R", "a@b/c"],
            ),
            ("x509", &["CN=bob,O=here", "CN=bob"], &["bob", "=bob", "CN=bob,", "NAME=bob"]),
        ] {
            let fix = |name: &str, schemes| {
                super::fixup(&[acl(31, scheme, name)], &[], schemes, &mut 1000)
            };
            for name in good {
                assert!(fix(name, ALL_SCHEMES).is_ok(), "{scheme}:{name}");
                let unknown = InvalidAcl::UnknownScheme(scheme.to_owned());
                assert_eq!(fix(name, none), Err(unknown), "{scheme}:{name}");
            }
            for name in bad {
                let invalid =
                    InvalidAcl::InvalidId { scheme: scheme.to_owned(), id: (*name).to_owned() };
                assert_eq!(fix(name, ALL_SCHEMES), Err(invalid));
            }
        }
    }

    #[test]
    fn auth_stands_for_whatever_the_caller_has_proved() {
        let proved = [
            id("super", ""),
            id("ip", "10.0.0.1"),
            id("digest", "anne:hash"),
            id("sasl", "anne"),
            id("x509", "CN=anne"),
        ];
        let sent = [acl(perms::ALL, "auth", "")];
        let fixed = super::fixup(&sent, &proved, ALL_SCHEMES, &mut 1000).unwrap().to_vec();
        let expected: Vec<_> =
            proved[2..].iter().map(|id| Acl::new(perms::ALL, id.clone())).collect();
        assert_eq!(fixed, expected);
    }

    #[test]
    fn who_is_permitted() {
        let list = AclList::new(vec![
            acl(perms::READ, "world", "anyone"),
            acl(perms::WRITE, "digest", "anne:hash"),
            acl(perms::CREATE, "ip", "10.1.0.0/16"),
            acl(perms::DELETE, "ip", "fd00::1"),
        ]);
        let anne = id("digest", "anne:hash");
        for (wanted, ids, expected) in [
            (perms::READ, vec![], true),
            (perms::WRITE, vec![], false),
            (perms::WRITE, vec![anne.clone()], true),
            (perms::READ | perms::ADMIN, vec![], true),
            (perms::ADMIN, vec![anne.clone()], false),
            (perms::ADMIN, vec![id("super", "")], true),
            (perms::WRITE, vec![id("digest", "bob:hash")], false),
            (perms::WRITE, vec![id("sasl", "anne:hash")], false),
            (perms::CREATE, vec![id("ip", "10.1.255.3")], true),
            (perms::CREATE, vec![id("ip", "10.2.0.1")], false),
            (perms::CREATE, vec![id("ip", "::ffff:10.1.0.1")], false),
            (perms::DELETE, vec![id("ip", "fd00::1")], true),
            (perms::DELETE, vec![id("ip", "fd00::2")], false),
        ] {
            assert_eq!(list.permits(wanted, &ids), expected, "{wanted} for {ids:?}");
        }
        assert!(AclList::new(vec![]).permits(perms::ADMIN, &[]), "an empty list allows everything");
        assert!(AclList::OPEN.permits(perms::ADMIN, &[]));
        assert!(!AclList::closed().permits(perms::ALL, &[anne]));
    }

    #[test]
    fn what_a_client_sends_is_put_right() {
        let anne = [id("ip", "10.0.0.1"), id("digest", "anne:hash")];
        let read = acl(perms::READ, "world", "anyone");
        let sent = [read.clone(), acl(perms::ALL, "auth", ""), read.clone()];
        assert_eq!(
            fixup(&sent, &anne).unwrap().to_vec(),
            [read, acl(perms::ALL, "digest", "anne:hash")]
        );
        assert_eq!(fixup(&[acl(perms::ALL, "world", "anyone")], &[]), Ok(AclList::OPEN));
        for fine in [
            acl(1, "ip", "10.0.0.0/8"),
            acl(1, "ip", "::1"),
            acl(1, "ip", "010.0.0.00"),
            acl(1, "digest", "a:b"),
        ] {
            assert_eq!(fixup(std::slice::from_ref(&fine), &[]).unwrap().to_vec(), [fine]);
        }
    }

    #[test]
    fn what_cannot_be_put_right_is_refused() {
        let invalid = |scheme: &str, id: &str| InvalidAcl::InvalidId {
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        };
        assert_eq!(fixup(&[], &[]), Err(InvalidAcl::Empty));
        let ip = [id("ip", "10.0.0.1")];
        assert_eq!(fixup(&[acl(31, "auth", "")], &ip), Err(InvalidAcl::NotAuthenticated));
        for (scheme, name) in [
            ("world", "someone"),
            ("digest", "anne"),
            ("digest", "anne:"),
            ("digest", "a:b:c"),
            ("ip", "10.0.0"),
            ("ip", "10.0.0.0/33"),
            ("ip", "10.0.0.0/"),
            ("ip", "::1/129"),
            ("ip", "::ffff:10.0.0.1"),
            ("ip", "10.0.0.256"),
            ("ip", "10.0.0.+1"),
        ] {
            assert_eq!(fixup(&[acl(31, scheme, name)], &[]), Err(invalid(scheme, name)));
        }
        for scheme in ["super", "host", ""] {
            let refused = InvalidAcl::UnknownScheme(scheme.to_owned());
            assert_eq!(fixup(&[acl(31, scheme, "a")], &[]), Err(refused));
        }
    }

    #[test]
    fn what_auth_stands_for_takes_room_and_no_more_than_there_is() {
        let ids = ["anne:hash", "bob:hash"].map(|name| id("digest", name));
        let sent: Vec<_> = (1..=10).map(|perms| acl(perms, "auth", "")).collect();
        let own = |name| acl(1, "digest", name).written_len();
        let needed = 10 * (own("anne:hash") + own("bob:hash"));
        let mut room = needed + 5;
        assert_eq!(
            super::fixup(&sent, &ids, AclSchemes::default(), &mut room).unwrap().to_vec().len(),
            20
        );
        assert_eq!(room, 5);
        assert_eq!(
            super::fixup(&sent, &ids, AclSchemes::default(), &mut (needed - 1)),
            Err(InvalidAcl::TooLong)
        );
        assert!(
            super::fixup(&[acl(1, "ip", "::1")], &ids, AclSchemes::default(), &mut 0).is_ok(),
            "it is what was sent"
        );
    }

    #[test]
    fn hashes_are_shown_to_administrators_only() {
        let list = AclList::new(vec![acl(1, "digest", "anne:hash:x"), acl(1, "ip", "::1")]);
        assert_eq!(list.masked(), [acl(1, "digest", "anne:x"), acl(1, "ip", "::1")]);
    }

    #[test]
    fn a_list_is_in_the_table_while_a_node_has_it() {
        let mut table = AclTable::default();
        let (a, b) =
            (AclList::new(vec![acl(1, "ip", "::1")]), AclList::new(vec![acl(2, "ip", "::1")]));
        assert_eq!(table.acquire(&AclList::OPEN), -1);
        assert_eq!([&a, &b, &a].map(|list| table.acquire(list)), [1, 2, 1]);
        table.release(1);
        assert_eq!(table.get(1), a);
        table.release(1);
        assert_eq!(table.get(1), AclList::closed());
        assert_eq!(table.acquire(&a), 3, "numbers are not used again");
        assert_eq!(table.iter().map(|(id, _)| id).collect::<Vec<_>>(), [2, 3]);
    }
}
