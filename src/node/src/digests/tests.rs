use std::fs;
use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use store::{SnapshotTail, Store};
use wire::Acl;
use wire::client::{CreateMode, CreateRequest, Request};
use wire::quorum::ForwardedRequest;
use wire::snapshot::STREAM_END;
use znode::{Context, Options, Owner, Prep, Sessions};

use super::*;
use crate::snapshots;

const SESSION: i64 = 0x0100_0000_0000_0007;

/// A history: the tree that it leads to, and each transaction, as it is logged.
struct History {
    /// The tree at each zxid, from 0 on.
    trees: Vec<Tree>,
    records: Vec<Vec<u8>>,
}

/// Nodes `/1`, `/2`, and so on, each made by the transaction with that zxid.
fn history(txns: i64) -> History {
    history_of(1..=txns)
}

/// The same by transactions with these zxids.
fn history_of(zxids: impl Iterator<Item = i64>) -> History {
    let mut history = History { trees: vec![Tree::new(Options::default())], records: Vec::new() };
    let (mut prep, mut sessions) = (Prep::new(), Sessions::new(2000));
    sessions.track(SESSION, 10_000, 0);
    for zxid in zxids {
        let mut tree = history.trees.last().expect("that of zxid 0").clone();
        let request = Request::Create(CreateRequest {
            path: format!("/{zxid}"),
            data: Some(Bytes::from_static(b"data")),
            acl: Acl::open_unsafe(),
            flags: CreateMode::Persistent.flags(),
        });
        let mut body = Vec::new();
        request.encode(&mut body);
        let op = request.op().code();
        let forwarded =
            ForwardedRequest { session_id: SESSION, cxid: 1, op, body: Bytes::from(body) };
        let context = Context { zxid, time_ms: 1, now_ms: 0, owner: Owner(1) };
        let blob = prep.prepare(&tree, &mut sessions, &forwarded, &[], context);
        tree.apply(&blob.header, &blob.txn);
        prep.committed(zxid);
        let mut record = Vec::new();
        blob.encode(&mut record);
        history.trees.push(tree);
        history.records.push(record);
    }
    history
}

/// What a snapshot says and holds.
struct Written<'a> {
    /// The zxid in its name.
    name: u64,
    nodes: &'a Tree,
    digest: SnapshotDigest,
}

fn digest(zxid: u64, of: &Tree) -> SnapshotDigest {
    SnapshotDigest { zxid, version: 2, tree: of.digest() }
}

/// A directory with a log of all records, and this snapshot.
fn directory(history: &History, written: Written<'_>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut store, _) =
        Store::open(dir.path(), dir.path(), store::Options::default()).expect("it is fresh");
    snapshots::begin(&store, &history.trees[0]).expect("the first snapshot");
    for (zxid, record) in (1..).zip(&history.records) {
        store.append(zxid, record).expect("it continues");
    }
    store.sync().expect("durable");
    let mut body = Vec::new();
    snapshots::stream(&written.nodes.snapshot(), &mut body).expect("a vector takes it");
    body.truncate(body.len() - STREAM_END.len());
    let mut writer = store.snapshot_writer(written.name).expect("begun");
    writer.write_all(&body).expect("written");
    let tail = SnapshotTail { digest: Some(written.digest), last_zxid: None };
    assert!(writer.finish(tail).expect("written").publish().expect("it has its name"));
    dir
}

/// The tree that a server starts from, if it starts.
fn loaded(dir: &Path) -> Result<Tree, String> {
    let (_, recovered) = Store::open(dir, dir, store::Options::default()).expect("it is whole");
    let base = Zxid(recovered.snapshot.as_ref().expect("there is one").zxid());
    let mut tree = snapshots::load(&recovered, base, Options::default())?;
    check(&recovered, base, &mut tree)?;
    Ok(tree)
}

#[test]
fn a_snapshot_is_believed_only_with_the_digest_of_its_tree() {
    let history = history(5);
    let at = |zxid: u64| &history.trees[zxid as usize];
    let wrong =
        |zxid: u64| SnapshotDigest { tree: at(zxid).digest() ^ 1, ..digest(zxid, at(zxid)) };
    for (what, is_right, name, nodes, digest) in [
        ("exactly its name's", true, 4, 4, digest(4, at(4))),
        ("a node too few", false, 4, 3, digest(4, at(4))),
        ("another digest", false, 5, 5, wrong(5)),
        ("a node too few, and nothing behind it", false, 5, 4, digest(5, at(5))),
        // As ZooKeeper writes while it goes on.
        ("all of what came meanwhile", true, 2, 4, digest(4, at(4))),
        ("some of what came meanwhile", true, 2, 3, digest(4, at(4))),
        ("more than its digest", true, 2, 4, digest(3, at(3))),
        ("less than its name", false, 2, 1, digest(4, at(4))),
        ("less than its name, no digest behind", false, 2, 1, digest(5, at(5))),
        ("it knew no digest", true, 4, 4, SnapshotDigest { zxid: 0, ..wrong(4) }),
        ("a digest from before", true, 4, 4, wrong(3)),
        ("digests of another version", true, 4, 4, SnapshotDigest { version: 3, ..wrong(4) }),
    ] {
        let written = Written { name, nodes: at(nodes), digest };
        let dir = directory(&history, written);
        match loaded(dir.path()) {
            Ok(tree) => {
                assert!(is_right, "{what}");
                assert_eq!(tree.digest(), at(nodes).digest(), "{what}: nothing was replayed in it");
            }
            Err(said) => {
                assert!(!is_right, "{what}: {said}");
                let path = dir.path().join("version-2").join(format!("snapshot.{name:x}"));
                let (path, expected) = (path.display().to_string(), digest.tree);
                for words in [&*path, &format!("0x{expected:x}"), "move this file away"] {
                    assert!(said.contains(words), "{what}: {words:?} is not in: {said}");
                }
            }
        }
    }
}

#[test]
fn the_refusal_says_which_digest_the_tree_has() {
    let history = history(4);
    let (three, four) = (&history.trees[3], &history.trees[4]);
    let written = Written { name: 4, nodes: three, digest: digest(4, four) };
    let dir = directory(&history, written);
    let said = loaded(dir.path()).err().expect("refused");
    let words = format!(
        "at zxid 0x4 its tree has digest 0x{:x}, where the tree that was written had 0x{:x}",
        three.digest(),
        four.digest()
    );
    assert!(said.contains(&words), "{words:?} is not in: {said}");
}

#[test]
fn a_tree_with_the_digest_of_its_snapshot_may_not_differ_from_then_on() {
    let history = history(5);
    let tree = &history.trees[4];
    let other = TxnDigest { version: 2, tree_digest: 7 };
    for (name, nodes, may_differ) in [(4, tree, false), (2, tree, true)] {
        let written = Written { name, nodes, digest: digest(4, tree) };
        let dir = directory(&history, written);
        let mut found = loaded(dir.path()).expect("it is right");
        assert_eq!(found.check_digest(5, &other).is_ok(), may_differ, "snapshot.{name}");
    }
}

/// A whole log file of an earlier epoch is gone: the zxids of what is left are those of a log that
/// could be.
#[test]
fn a_log_that_lacks_an_earlier_epoch_is_refused_though_every_file_is_whole() {
    // Each in an epoch of its own, so that what is missing leaves no gap.
    let zxids: Vec<_> = (1..=6).map(|epoch| Zxid::new(zab::Epoch(epoch), 1)).collect();
    let history = history_of(zxids.iter().map(|zxid| zxid.0.cast_signed()));
    let gap = |from: usize, to: usize| (0..from).chain(to..6).collect::<Vec<_>>();
    for (kept, is_right) in [
        (gap(6, 6), true),
        (gap(3, 6), true),
        (gap(0, 3), false),
        (gap(0, 5), false),
        (gap(2, 4), false),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut store, _) =
            Store::open(dir.path(), dir.path(), store::Options::default()).expect("it is fresh");
        snapshots::begin(&store, &history.trees[0]).expect("the first snapshot");
        store.write_accepted_epoch(6).expect("written");
        store.write_current_epoch(6).expect("written");
        for &index in &kept {
            store.append(zxids[index].0, &history.records[index]).expect("it continues");
        }
        store.sync().expect("durable");
        drop(store);
        let found = loaded(dir.path());
        assert_eq!(found.is_ok(), is_right, "{kept:?}");
        if let Err(said) = found {
            assert!(said.contains("a transaction before it is missing"), "{said}");
        }
    }
}

/// So an ensemble may have members that are Apache's: what it writes agrees with what is computed
/// here.
#[test]
fn apaches_snapshots_and_transactions_have_the_digests_that_are_computed_here() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/testdata/apache-3.8.0");
    let dir = tempfile::tempdir().expect("a directory");
    let version = dir.path().join("version-2");
    fs::create_dir(&version).expect("created");
    for file in fs::read_dir(golden.join("version-2")).expect("checked in") {
        let file = file.expect("checked in");
        fs::copy(file.path(), version.join(file.file_name())).expect("copied");
    }
    let mut compared = 0;
    for name in ["snapshot.11", "snapshot.e.snappy", "snapshot.a.gz", "snapshot.0"] {
        let mut tree = loaded(dir.path()).expect(name);
        tree.settle();
        let (_, recovered) =
            Store::open(dir.path(), dir.path(), store::Options::default()).expect("it is whole");
        for entry in recovered.log {
            let mut reader = Reader::with_limit(&entry.blob, entry.blob.len());
            let blob = TxnBlob::decode(&mut reader).expect("a transaction");
            tree.apply(&blob.header, &blob.txn);
            if let Some(digest) = &blob.digest {
                tree.check_digest(blob.header.zxid, digest).expect(name);
                compared += 1;
            }
        }
        fs::remove_file(version.join(name)).expect("removed");
    }
    assert!(compared > 20, "{compared}");
}
