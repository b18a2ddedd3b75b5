//! Snapshots: from the disk at the start, to the disk now and then, over links when a learner is
//! far behind.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, BytesMut};
use store::{Disk, Recovered, SnapshotDigest, SnapshotEncoder, SnapshotTail, Store};
use wire::jute::{Record, Writer};
use wire::limits::SNAPSHOT_FIELD_BYTES_MAX;
use wire::snapshot::{
    AclEntry, BodyDecoder, END_MARK, Item, STREAM_END, Session, Step, encode_node,
};
use zab::Zxid;
use znode::{Options, Snapshot, Tree, TreeBuilder};

use crate::disk::{Background, Job};

/// How much of a snapshot is encoded at once, in bytes.
pub const PIECE_BYTES: usize = 64 << 10;

/// Encodes a snapshot's body, and hands it over in pieces.
struct Pieces<'a> {
    snapshot: &'a Snapshot,
}

impl Pieces<'_> {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut piece = Vec::new();
        let snapshot = self.snapshot;
        let sessions = snapshot.sessions();
        piece.i32(count(sessions.len()));
        for (id, timeout_ms) in sessions {
            Session { id, timeout_ms }.encode(&mut piece);
        }
        let acls = snapshot.acls();
        piece.i32(count(acls.len()));
        for (id, acl) in acls {
            AclEntry { id, acl }.encode(&mut piece);
        }
        for node in snapshot.nodes() {
            encode_node(
                node.path,
                node.data.map(|data| &data[..]),
                node.acl,
                &node.stat,
                &mut piece,
            );
            if piece.len() >= PIECE_BYTES {
                out.write_all(&piece)?;
                piece.clear();
            }
        }
        piece.extend_from_slice(END_MARK);
        out.write_all(&piece)
    }
}

fn count(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

/// Writes a snapshot as it travels over a link, behind the SNAP packet.
///
/// # Errors
/// Those of `out`.
pub fn stream(snapshot: &Snapshot, out: &mut impl Write) -> std::io::Result<()> {
    Pieces { snapshot }.write(out)?;
    out.write_all(STREAM_END)?;
    out.flush()
}

/// A snapshot that arrives over a link.
pub(crate) struct Incoming {
    zxid: Zxid,
    decoder: BodyDecoder,
    builder: Option<TreeBuilder>,
    has_ended: bool,
}

impl Incoming {
    pub(crate) fn new(zxid: Zxid, options: Options) -> Self {
        Self {
            zxid,
            decoder: BodyDecoder::new(SNAPSHOT_FIELD_BYTES_MAX),
            builder: Some(TreeBuilder::new(options)),
            has_ended: false,
        }
    }

    /// Takes what has arrived; the tree, once it is complete.
    ///
    /// # Errors
    /// This is no snapshot.
    pub(crate) fn feed(&mut self, buffer: &mut BytesMut) -> Result<Option<Tree>, String> {
        while !self.has_ended {
            match self.decoder.step(buffer).map_err(|error| error.to_string())? {
                Step::Item(item) => match &mut self.builder {
                    Some(builder) => add(builder, item)?,
                    None => return Err("the snapshot had ended".to_owned()),
                },
                Step::End => self.has_ended = true,
                Step::Need { .. } => return Ok(None),
            }
        }
        let Some(end) = buffer.first_chunk::<{ STREAM_END.len() }>() else {
            return Ok(None);
        };
        if end != STREAM_END {
            return Err(format!("the snapshot ends in {end:?}, not in the string \"BenWasHere\""));
        }
        buffer.advance(STREAM_END.len());
        let Some(builder) = self.builder.take() else {
            return Err("the snapshot had ended".to_owned());
        };
        builder.finish(self.zxid.0.cast_signed()).map(Some).map_err(|error| error.to_string())
    }
}

fn add(builder: &mut TreeBuilder, item: Item) -> Result<(), String> {
    match item {
        Item::Session(session) => {
            builder.session(session.id, session.timeout_ms);
            Ok(())
        }
        Item::Acl(entry) => builder.acl(entry.id, entry.acl),
        Item::Node(node) => builder.node(&node.path, node.data, node.acl_id, node.stat),
    }
    .map_err(|error| error.to_string())
}

/// The tree of the snapshot that a server starts from; `base`: its position in the history.
///
/// # Errors
/// The snapshot cannot be read, although it was found to be valid.
pub(crate) fn load<D: Disk>(
    recovered: &Recovered<D>,
    base: Zxid,
    options: Options,
) -> Result<Tree, String> {
    let Some(file) = &recovered.snapshot else {
        return Ok(Tree::new(options));
    };
    let mut builder = TreeBuilder::new(options);
    for item in file.items().map_err(|error| error.to_string())? {
        add(&mut builder, item.map_err(|error| error.to_string())?)?;
    }
    builder.finish(base.0.cast_signed()).map_err(|error| error.to_string())
}

fn tail(snapshot: &Snapshot, zxid: Zxid) -> SnapshotTail {
    let digest = SnapshotDigest {
        zxid: zxid.0,
        version: wire::txn::TxnDigest::VERSION,
        tree: snapshot.digest(),
    };
    SnapshotTail { digest: Some(digest), last_zxid: Some(zxid.0) }
}

fn write<D: Disk>(
    store: &Store<D>,
    zxid: Zxid,
    snapshot: &Snapshot,
) -> store::Result<store::FinishedSnapshot<D>> {
    let writer = store.snapshot_writer(zxid.0)?;
    finish(writer, zxid, snapshot)
}

fn finish<D: Disk>(
    writer: store::SnapshotWriter<D>,
    zxid: Zxid,
    snapshot: &Snapshot,
) -> store::Result<store::FinishedSnapshot<D>> {
    let mut writer = writer;
    // Pieces are large enough to be written as they are. A failure is remembered by the store, and
    // the end answers with it.
    let _ = Pieces { snapshot }.write(&mut writer);
    writer.finish(tail(snapshot, zxid))
}

/// [`zab::Record::Snapshot`]: snapshot and log are replaced in one step.
pub(crate) fn install<D: Disk>(
    store: &mut Store<D>,
    zxid: Zxid,
    snapshot: &Snapshot,
) -> store::Result<()> {
    let finished = write(store, zxid, snapshot)?;
    store.install(finished)
}

/// The first snapshot of a fresh directory: ZooKeeper does not start from a log alone.
pub(crate) fn begin<D: Disk>(store: &Store<D>, tree: &Tree) -> store::Result<()> {
    write(store, Zxid::ZERO, &tree.snapshot())?.publish()?;
    Ok(())
}

/// When snapshots of the server's own state are taken. (ZooKeeper:
/// `SyncRequestProcessor.shouldSnapshot`.)
pub(crate) struct Snapshots {
    snap_count: usize,
    since: usize,
    due_at: usize,
    is_running: Arc<AtomicBool>,
}

impl Snapshots {
    pub(crate) fn new(snap_count: u32, seed: u64) -> Self {
        let snap_count = (snap_count as usize).max(2);
        let is_running = Arc::new(AtomicBool::new(false));
        // Servers of an ensemble should not all write their snapshots at the same moment.
        let spread =
            usize::try_from(seed).unwrap_or(0).wrapping_mul(0x9e37_79b9) % (snap_count / 2);
        Self { snap_count, since: 0, due_at: snap_count / 2 + spread, is_running }
    }

    /// So many transactions were applied; a snapshot is begun when enough have gathered.
    pub(crate) fn applied(&mut self, txns: usize, tree: &Tree, jobs: &mut Vec<Job>) {
        self.since += txns;
        if self.since < self.due_at || self.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        (self.since, self.due_at) = (0, self.snap_count);
        jobs.push(Job::TakeSnapshot(tree.snapshot(), Done(Arc::clone(&self.is_running))));
    }
}

/// Held while a snapshot is written.
pub struct Done(Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Writes a snapshot that is taken beside all that follows; false: it was given up, because the
/// history was replaced meanwhile.
///
/// # Errors
/// It could not be written. The store takes no more writes, so the server has to end.
pub fn write_out<D: Disk>(background: Background<D>) -> store::Result<bool> {
    let Background { writer, snapshot, done: _done } = background;
    let zxid = Zxid(snapshot.zxid().cast_unsigned());
    finish(writer, zxid, &snapshot)?.publish()
}

/// Writes a snapshot as a whole file that ZooKeeper reads, not compressed.
///
/// # Errors
/// Those of `out`.
pub fn as_file(snapshot: &Snapshot, out: impl Write) -> std::io::Result<()> {
    let mut encoder = SnapshotEncoder::begin(out)?;
    Pieces { snapshot }.write(&mut encoder)?;
    encoder.finish(tail(snapshot, Zxid(snapshot.zxid().cast_unsigned())))
}
