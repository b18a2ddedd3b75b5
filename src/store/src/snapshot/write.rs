//! Writing a snapshot: aside, fsynced, then renamed.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::stream::Sink;
use super::{HEADER, SnapshotTail};
use crate::disk::Disk;
use crate::error::{At, Error, Result};
use crate::layout::{Compression, Layout, OWN_TMP, snapshot_name};
use crate::store::Shared;

/// A file that nobody needs any more unless it is taken: removed on drop.
#[derive(Debug)]
struct Aside<D: Disk> {
    layout: Layout<D>,
    shared: Arc<Shared>,
    /// The history it belongs to.
    generation: u64,
    zxid: u64,
    /// Its temporary name.
    pending: String,
    /// What it is to be called.
    name: String,
    taken: bool,
}

impl<D: Disk> Aside<D> {
    fn path(&self) -> PathBuf {
        self.layout.snap.join(&self.pending)
    }
}

impl<D: Disk> Drop for Aside<D> {
    fn drop(&mut self) {
        if !self.taken {
            // If it stays, the next open removes it.
            let _ = self.layout.disk.remove(&self.path());
        }
    }
}

/// Takes the body of a snapshot as bytes ([`Write`]): sessions, ACLs and nodes, with the path "/"
/// that ends them. Header, seals and sections around it are added here. Nothing that is written is
/// seen by recovery before it is published or installed as a whole.
pub struct SnapshotWriter<D: Disk> {
    aside: Aside<D>,
    sink: Sink<D::File>,
    sum: simd_adler32::Adler32,
}

impl<D: Disk> SnapshotWriter<D> {
    pub(crate) fn create(
        layout: &Layout<D>,
        shared: &Arc<Shared>,
        zxid: u64,
        compression: Compression,
    ) -> Result<Self> {
        let generation = *shared.generation();
        let name = snapshot_name(zxid, compression);
        let number = shared.writers.fetch_add(1, Ordering::Relaxed);
        let pending = format!("{OWN_TMP}{number}.{name}");
        let path = layout.snap.join(&pending);
        let file = layout
            .disk
            .create_new(&path)
            .at(&path, "create")
            .map_err(|error| shared.note(error))?;
        let (layout, shared) = (layout.clone(), Arc::clone(shared));
        let aside = Aside { layout, shared, generation, zxid, pending, name, taken: false };
        let mut writer =
            Self { aside, sink: Sink::new(file, compression), sum: simd_adler32::Adler32::new() };
        writer.put(&HEADER)?;
        Ok(writer)
    }

    /// Ends the snapshot: seals, digest, last zxid. The file is durable afterwards, under its
    /// temporary name.
    ///
    /// # Errors
    /// What the system refused.
    pub fn finish(mut self, tail: SnapshotTail) -> Result<FinishedSnapshot<D>> {
        self.seal()?;
        if let Some(digest) = tail.digest {
            self.put(&digest.zxid.to_be_bytes())?;
            self.put(&digest.version.to_be_bytes())?;
            self.put(&digest.tree.to_be_bytes())?;
            self.seal()?;
            // Without a digest before it, ZooKeeper would take the zxid for one.
            if let Some(zxid) = tail.last_zxid {
                self.put(&zxid.to_be_bytes())?;
                self.seal()?;
            }
        }
        let Self { aside, sink, .. } = self;
        let path = aside.path();
        let synced = sink.finish().at(&path, "write and fsync");
        // The temporary name, too: an intent that names the file must not outlive it.
        synced
            .and_then(|()| aside.layout.sync_dir(&aside.layout.snap))
            .map_err(|error| aside.shared.note(error))?;
        Ok(FinishedSnapshot { aside })
    }

    /// The checksum of everything before it, and "/".
    fn seal(&mut self) -> Result<()> {
        let sum = u64::from(self.sum.finish());
        self.put(&sum.to_be_bytes())?;
        self.put(&super::SEAL_END)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.write_all(bytes);
        written.at(&self.aside.path(), "write").map_err(|error| self.aside.shared.note(error))
    }
}

impl<D: Disk> fmt::Debug for SnapshotWriter<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotWriter").field("path", &self.aside.path()).finish_non_exhaustive()
    }
}

impl<D: Disk> Write for SnapshotWriter<D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.sink.write(bytes).inspect_err(|error| {
            let again = io::Error::new(error.kind(), error.to_string());
            self.aside.shared.note(Error::io(&self.aside.path(), "write", again));
        })?;
        self.sum.write(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A whole snapshot, durable, but not yet part of what recovery sees.
#[derive(Debug)]
pub struct FinishedSnapshot<D: Disk> {
    aside: Aside<D>,
}

impl<D: Disk> FinishedSnapshot<D> {
    /// The zxid of the last transaction in it.
    pub fn zxid(&self) -> u64 {
        self.aside.zxid
    }

    /// Makes it the newest snapshot, durably: an ordinary snapshot of the server's own state. May
    /// be called on any thread.
    ///
    /// False if the history was replaced or cut since the writer was made; the snapshot is
    /// discarded then.
    ///
    /// # Errors
    /// [`Error::Refused`] if the log up to its zxid is not durable yet: after a crash the snapshot
    /// would say more than the records before it. Else what the system refused.
    pub fn publish(mut self) -> Result<bool> {
        let shared = Arc::clone(&self.aside.shared);
        shared.check()?;
        let generation = shared.generation();
        if *generation != self.aside.generation {
            return Ok(false);
        }
        let (durable, got) = (shared.durable.load(Ordering::Acquire), self.aside.zxid);
        if got > durable {
            let rule = "a snapshot is published when the log up to it is durable";
            return Err(Error::Refused { rule, got, last: durable });
        }
        let layout = self.aside.layout.clone();
        let path = layout.snap.join(&self.aside.name);
        // From here on its temporary name says nothing any more, whether the rename succeeds or
        // not.
        self.aside.taken = true;
        let renamed = layout.disk.rename(&self.aside.path(), &path).at(&path, "rename into place");
        renamed.and_then(|()| layout.sync_dir(&layout.snap)).map_err(|error| shared.note(error))?;
        shared.base.fetch_max(got, Ordering::AcqRel);
        shared.has_snapshot.store(true, Ordering::Release);
        Ok(true)
    }

    /// The temporary name and the final one; who takes them owns the file.
    pub(crate) fn into_names(mut self) -> (String, String) {
        self.aside.taken = true;
        (std::mem::take(&mut self.aside.pending), std::mem::take(&mut self.aside.name))
    }
}
