//! What holds for every sequence of requests.

use bytes::Bytes;
use quickcheck::{Arbitrary, Gen, quickcheck};
use wire::client::{CreateMode, CreateRequest, Request, SetDataRequest};
use wire::txn::{Txn, TxnBlob};
use wire::{Acl, Id, perms};
use znode::{AclSchemes, NeverUsed, NodeOwner, Options, Outcome, Tree, TreeBuilder};

use crate::harness::*;

const EXTENDED: Options = Options {
    extended_types: true,
    skip_acl: false,
    acl_schemes: AclSchemes { digest: true, sasl: false, x509: false },
    enforce_quota: false,
};
const SESSIONS: [i64; 3] = [ANNE, BOB, ANNE + 2];

/// A request of one of three sessions on few paths, so that they meet; and how many transactions
/// are applied after it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) session: i64,
    pub(crate) request: Request,
    pub(crate) apply: usize,
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let request = match u8::arbitrary(g) % 16 {
            0 => Request::CreateSession { timeout_ms: 4000 + i32::from(u8::arbitrary(g)) },
            1 => Request::CloseSession,
            2..=4 => {
                let count = usize::arbitrary(g) % 4;
                multi((0..count).map(|_| {
                    if u8::arbitrary(g).is_multiple_of(4) {
                        check(path(g), version(g))
                    } else {
                        part(change(g))
                    }
                }))
            }
            5 => set_acl(path(g), acl(g), version(g)),
            _ => change(g),
        };
        let session = *g.choose(&SESSIONS).expect("there are some");
        Self { session, request, apply: usize::arbitrary(g) % 3 }
    }
}

fn change(g: &mut Gen) -> Request {
    let path = path(g);
    match u8::arbitrary(g) % 10 {
        0..=3 => {
            let modes = [
                CreateMode::Persistent,
                CreateMode::Persistent,
                CreateMode::Ephemeral,
                CreateMode::PersistentSequential,
                CreateMode::EphemeralSequential,
            ];
            let flags = g.choose(&modes).expect("there are some").flags();
            Request::Create(CreateRequest {
                path: path.to_owned(),
                data: data(g),
                acl: acl(g),
                flags,
            })
        }
        4 => create_container(path),
        5 => create_ttl(path, CreateMode::PersistentWithTtl, 1 + i64::from(u16::arbitrary(g))),
        6..=7 => delete(path, version(g)),
        _ => Request::SetData(SetDataRequest {
            path: path.to_owned(),
            data: data(g),
            version: version(g),
        }),
    }
}

fn path(g: &mut Gen) -> &'static str {
    g.choose(&["/a", "/b", "/a/b", "/a/c", "/a/b/d", "/zookeeper/q", "/", "bad"])
        .expect("there are some")
}

fn version(g: &mut Gen) -> i32 {
    *g.choose(&[-1, -1, -1, 0, 1]).expect("there are some")
}

fn data(g: &mut Gen) -> Option<Bytes> {
    Option::<Vec<u8>>::arbitrary(g).map(Bytes::from)
}

fn acl(g: &mut Gen) -> Vec<Acl> {
    let extra = Acl::new(perms::READ, Id::new("ip", "10.0.0.1"));
    let number = Acl::new(i32::from(u8::arbitrary(g) % 32), Id::new("digest", "a:b"));
    let open = Acl::open_unsafe();
    let choices = [open.clone(), open.clone(), [open, vec![number]].concat(), vec![extra]];
    g.choose(&choices).expect("there are some").clone()
}

fn leader() -> Leader {
    let mut leader = Leader::with_options(EXTENDED);
    leader.sessions.track(SESSIONS[2], 10_000, 0);
    leader
}

/// The log of the steps, each with what it leads to when applied to an empty tree.
fn log(steps: &[Step]) -> (Vec<TxnBlob>, Tree) {
    let mut leader = leader();
    for step in steps {
        leader.prepare_as(step.session, &[], &step.request);
        leader.apply_all();
    }
    (leader.log, leader.tree)
}

fn replay(tree: &mut Tree, log: &[TxnBlob]) {
    for blob in log {
        tree.apply(&blob.header, &blob.txn);
    }
}

/// Whether what was prepared well was also applied well.
fn agrees(txn: &Txn, outcome: &Outcome) -> bool {
    match (txn, outcome) {
        (Txn::Error { err }, Outcome::Failed(code)) => *err == code.code(),
        (Txn::Multi(parts), Outcome::Multi(outcomes)) => {
            let failed = parts.iter().any(|part| refused(part).is_some());
            let is_failure = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
            outcomes.len() == parts.len()
                && outcomes.iter().all(|outcome| is_failure(outcome) == failed)
        }
        (_, outcome) => !matches!(outcome, Outcome::Failed(_)),
    }
}

quickcheck! {
    /// Requests are judged while those before them wait; applying never disagrees with that, and
    /// the digest that the leader foretold is the tree's (the harness compares).
    fn what_is_prepared_is_what_is_applied(steps: Vec<Step>) -> bool {
        let mut leader = leader();
        let mut agree = true;
        let mut apply = |leader: &mut Leader, count: usize| {
            for _ in 0..count.min(leader.log.len() - leader.applied) {
                let txn = leader.log[leader.applied].txn.clone();
                agree &= agrees(&txn, &leader.apply_next().outcome);
            }
        };
        for step in steps {
            leader.prepare_as(step.session, &[], &step.request);
            apply(&mut leader, step.apply);
        }
        apply(&mut leader, usize::MAX);
        agree && leader.prep.outstanding() == 0
    }

    /// How far ahead requests are prepared does not matter for what they become.
    fn preparing_ahead_changes_no_transaction(steps: Vec<Step>) -> bool {
        let mut ahead = leader();
        for step in &steps {
            ahead.prepare_as(step.session, &[], &step.request);
        }
        ahead.log == log(&steps).0
    }

    /// The leader may try to delete any node at any time, also by an old view of the tree. What it
    /// deletes is, when that is applied, a container that has had children or a TTL node whose time
    /// is over, and has no child; so it is there.
    fn only_what_is_due_is_reaped(steps: Vec<Step>) -> bool {
        let mut leader = leader();
        let mut right = true;
        let mut apply = |leader: &mut Leader, count: usize| {
            for _ in 0..count.min(leader.log.len() - leader.applied) {
                let blob = &leader.log[leader.applied];
                if let Txn::DeleteContainer(txn) = &blob.txn {
                    right &= may_go(&leader.tree, &txn.path, blob.header.time);
                }
                leader.apply_next();
            }
        };
        for step in steps {
            leader.prepare_as(step.session, &[], &step.request);
            let time_ms = leader.next_zxid() * 1000;
            let all = (usize::MAX, usize::MAX);
            for path in leader.tree.reapable(None, all, NeverUsed::Stays, time_ms).due {
                leader.reap(&path, time_ms);
            }
            apply(&mut leader, step.apply);
        }
        apply(&mut leader, usize::MAX);
        let loaded = load(&leader.tree.snapshot(), EXTENDED);
        right && loaded.reapable_count() == leader.tree.reapable_count()
    }

    fn the_digest_is_that_of_the_nodes(steps: Vec<Step>) -> bool {
        let (_, tree) = log(&steps);
        tree.digest() == tree.recomputed_digest()
    }

    fn a_snapshot_loads_as_the_tree_it_was_taken_of(steps: Vec<Step>) -> bool {
        let (_, tree) = log(&steps);
        image(&load(&tree.snapshot(), EXTENDED)) == image(&tree)
    }

    /// A snapshot may be ahead of the point from which the log is applied.
    fn applying_again_from_any_point_changes_nothing(steps: Vec<Step>, from: usize) -> bool {
        let (log, mut tree) = log(&steps);
        let once = image(&tree);
        replay(&mut tree, &log[from % (log.len() + 1)..]);
        image(&tree) == once && tree.digest() == tree.recomputed_digest()
    }

    /// Upstream visits the nodes one by one while transactions go on, so that each is of another
    /// moment.
    fn a_snapshot_of_many_moments_and_the_log_lead_to_the_tree(steps: Vec<Step>, start: usize, pace: u8) -> bool {
        let (log, tree) = log(&steps);
        let start = start % (log.len() + 1);
        let mut fuzzy = Fuzzy::begin(&log, start, usize::from(pace) % 4);
        fuzzy.visit("");
        let mut loaded = fuzzy.builder.finish(start as i64).expect("it has a root");
        replay(&mut loaded, &log[start..]);
        image(&loaded) == image(&tree)
    }
}

fn may_go(tree: &Tree, path: &str, time_ms: i64) -> bool {
    let Some(node) = tree.node(path) else { return false };
    let stat = node.stat_persisted();
    let over = match NodeOwner::of(stat.ephemeral_owner, true) {
        NodeOwner::None | NodeOwner::Session(_) => false,
        NodeOwner::Container => stat.cversion > 0,
        NodeOwner::Ttl(ttl_ms) => time_ms - stat.mtime > ttl_ms,
    };
    over && node.stat(true).num_children == 0
}

/// Writes a snapshot as `DataTree.serialize` does, applying some transactions before each node.
struct Fuzzy<'a> {
    tree: Tree,
    log: &'a [TxnBlob],
    pace: usize,
    builder: TreeBuilder,
}

impl<'a> Fuzzy<'a> {
    fn begin(log: &'a [TxnBlob], start: usize, pace: usize) -> Self {
        let mut tree = Tree::new(EXTENDED);
        replay(&mut tree, &log[..start]);
        let mut builder = TreeBuilder::new(EXTENDED);
        let snapshot = tree.snapshot();
        snapshot.sessions().for_each(|(id, timeout_ms)| builder.session(id, timeout_ms));
        snapshot.acls().for_each(|(id, acl)| builder.acl(id, acl).expect("in range"));
        Self { tree, log: &log[start..], pace, builder }
    }

    fn visit(&mut self, path: &str) {
        let count = self.pace.min(self.log.len());
        let (now, later) = self.log.split_at(count);
        replay(&mut self.tree, now);
        self.log = later;

        let snapshot = self.tree.snapshot();
        let Some(node) = snapshot.nodes().find(|node| node.path == path) else { return };
        self.builder.node(path, node.data.cloned(), node.acl, node.stat).expect("in order");
        let (names, _) = self.tree.get_children(path, &[Id::new("super", "")]).expect("it exists");
        let children: Vec<_> = names.map(|name| format!("{path}/{name}")).collect();
        for child in children {
            self.visit(&child);
        }
    }
}
