//! A disk in memory that remembers what was durable, and enumerates what a crash may leave, or
//! picks one of it.
//!
//! Every change is an operation in a list. A crash after any number of them leaves any of these, in
//! any combination:
//!
//! - of the changes to names since the directory was last fsynced: any subset;
//! - of the changes to a file since it was last fsynced: any prefix, the last write of it torn at
//!   several places; or its sizes without the bytes; or of the sectors that changed some and not
//!   the others (*reordered*).

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, File};

/// Names and contents of files.
pub type Image = BTreeMap<PathBuf, Vec<u8>>;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Op {
    Link { path: PathBuf, inode: usize },
    Move { from: PathBuf, to: PathBuf, inode: usize },
    Unlink { path: PathBuf },
    SyncDir { dir: PathBuf },
    Write { inode: usize, at: usize, bytes: Vec<u8> },
    SetLen { inode: usize, len: usize },
    Sync { inode: usize },
}

#[derive(Clone, Debug, Default)]
struct World {
    names: BTreeMap<PathBuf, usize>,
    inodes: Vec<Vec<u8>>,
    ops: Vec<Op>,
    /// What is durable, if operations are forgotten once they are.
    settled: Option<Settled>,
    /// Operations that are forgotten.
    forgotten: usize,
    /// The operation with this number fails, and every later one works again.
    fails: Option<usize>,
    /// Open files, by inode.
    open: BTreeMap<usize, usize>,
}

/// Names and contents that a crash leaves for certain.
#[derive(Clone, Debug)]
struct Settled {
    names: BTreeMap<PathBuf, usize>,
    contents: Vec<Vec<u8>>,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    base: Arc<Image>,
    boot: usize,
    world: Arc<Mutex<World>>,
}

static BOOTS: AtomicUsize = AtomicUsize::new(0);

/// An open file of a [`SimDisk`].
#[derive(Debug)]
pub struct SimFile {
    world: Arc<Mutex<World>>,
    inode: usize,
}

impl SimFile {
    fn open(disk: &SimDisk, world: &mut World, inode: usize) -> Self {
        *world.open.entry(inode).or_default() += 1;
        Self { world: Arc::clone(&disk.world), inode }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut world = lock(&self.world);
        let left = world.open.entry(self.inode).or_default();
        *left = left.saturating_sub(1);
        world.open.retain(|_, files| *files > 0);
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimDisk {
    /// A disk on which these files are durable, in a system that has just booted.
    pub fn new(base: Image) -> Self {
        Self::booted(base, BOOTS.fetch_add(1, Ordering::Relaxed))
    }

    /// As [`Self::new`]; the number tells this boot of the system from others.
    pub fn booted(base: Image, boot: usize) -> Self {
        let mut world = World::default();
        for (path, bytes) in &base {
            world.names.insert(path.clone(), world.inodes.len());
            world.inodes.push(bytes.clone());
        }
        Self { base: Arc::new(base), boot, world: Arc::new(Mutex::new(world)) }
    }

    /// As [`Self::booted`], for long runs: it takes the memory of what is on it, not of all that
    /// was ever written.
    pub fn forgetting(base: Image, boot: usize) -> Self {
        let disk = Self::booted(base, boot);
        {
            let mut world = lock(&disk.world);
            let (names, contents) = (world.names.clone(), world.inodes.clone());
            world.settled = Some(Settled { names, contents });
        }
        Self { base: Arc::default(), ..disk }
    }

    /// As [`Self::new`], in the system that `other` is in.
    pub fn same_boot(other: &Self, base: Image) -> Self {
        Self { boot: other.boot, ..Self::new(base) }
    }

    /// The disk as the end of a process leaves it: all that was written is there, and what was not
    /// synced is still not durable. What the process does while it ends changes nothing here.
    #[must_use]
    pub fn after_a_kill(&self) -> Self {
        let world = World { fails: None, open: BTreeMap::new(), ..lock(&self.world).clone() };
        Self { world: Arc::new(Mutex::new(world)), ..self.clone() }
    }

    /// The operation with this number, counted from 0, fails; those behind it work again.
    pub fn fail_at(&self, op: usize) {
        lock(&self.world).fails = Some(op);
    }

    /// No operation fails.
    pub fn fail_never(&self) {
        lock(&self.world).fails = None;
    }

    /// How many operations there were.
    pub fn ops(&self) -> usize {
        let world = lock(&self.world);
        world.forgotten + world.ops.len()
    }

    /// What is on it now.
    pub fn image(&self) -> Image {
        let world = lock(&self.world);
        let content =
            |(path, inode): (&PathBuf, &usize)| (path.clone(), world.inodes[*inode].clone());
        world.names.iter().map(content).collect()
    }

    /// Everything that a crash after the first `count` operations may leave, and whether sectors
    /// were reordered.
    #[cfg(test)]
    pub(crate) fn crashes(&self, count: usize) -> Vec<(Image, bool)> {
        crashes(&self.base, &lock(&self.world).ops[..count])
    }
}

impl SimDisk {
    /// What a crash now may leave, sectors that were reordered apart. `pick` chooses: it answers
    /// with a number below the one that it is given, which is at least 1.
    pub fn crash(&self, pick: &mut dyn FnMut(usize) -> usize) -> Image {
        let world = lock(&self.world);
        let mut names: BTreeMap<&Path, usize> = BTreeMap::new();
        let mut contents: Vec<Vec<u8>> = Vec::new();
        match &world.settled {
            None => {
                for (path, bytes) in &*self.base {
                    names.insert(path, contents.len());
                    contents.push(bytes.clone());
                }
            }
            Some(settled) => {
                names.extend(settled.names.iter().map(|(path, inode)| (path.as_path(), *inode)));
                contents.clone_from(&settled.contents);
            }
        }
        contents.resize(world.inodes.len(), Vec::new());
        let Pending { names: pending_names, bytes: pending_bytes } =
            settle(&world.ops, &mut names, &mut contents);
        for op in pending_names {
            if pick(2) == 1 {
                rename(&mut names, op);
            }
        }
        for (inode, ops) in pending_bytes {
            let kept = pick(ops.len() + 1);
            for op in &ops[..kept] {
                change(&mut contents[inode], op);
            }
            // The next one may be torn.
            if let Some(Op::Write { at, bytes, .. }) = ops.get(kept) {
                let bytes = bytes[..pick(bytes.len() + 1)].to_vec();
                change(&mut contents[inode], &Op::Write { inode, at: *at, bytes });
            }
        }
        names.into_iter().map(|(path, inode)| (path.to_owned(), contents[inode].clone())).collect()
    }
}

/// What is not durable.
struct Pending<'a> {
    names: Vec<&'a Op>,
    bytes: BTreeMap<usize, Vec<&'a Op>>,
}

/// Does what is durable.
fn settle<'a>(
    ops: &'a [Op],
    names: &mut BTreeMap<&'a Path, usize>,
    contents: &mut Vec<Vec<u8>>,
) -> Pending<'a> {
    let mut pending_names: Vec<&Op> = Vec::new();
    let mut pending_bytes: BTreeMap<usize, Vec<&Op>> = BTreeMap::new();
    for op in ops {
        match op {
            Op::Link { inode, .. } => {
                contents.resize(contents.len().max(inode + 1), Vec::new());
                pending_names.push(op);
            }
            Op::Move { .. } | Op::Unlink { .. } => pending_names.push(op),
            Op::SyncDir { dir } => pending_names.retain(|pending| {
                let synced = directory(pending) == Some(dir);
                if synced {
                    rename(names, pending);
                }
                !synced
            }),
            Op::Write { inode, .. } | Op::SetLen { inode, .. } => {
                pending_bytes.entry(*inode).or_default().push(op);
            }
            Op::Sync { inode } => {
                for op in pending_bytes.remove(inode).unwrap_or_default() {
                    change(&mut contents[*inode], op);
                }
            }
        }
    }
    Pending { names: pending_names, bytes: pending_bytes }
}

impl World {
    fn op(&mut self, op: Op) -> io::Result<()> {
        if self.fails == Some(self.forgotten + self.ops.len()) {
            self.fails = None;
            return Err(io::Error::other("injected"));
        }
        match &op {
            Op::Link { path, inode } => {
                self.names.insert(path.clone(), *inode);
            }
            Op::Move { from, to, inode } => {
                self.names.remove(from);
                self.names.insert(to.clone(), *inode);
            }
            Op::Unlink { path } => {
                self.names.remove(path);
            }
            Op::SyncDir { .. } | Op::Sync { .. } => {}
            Op::Write { inode, .. } | Op::SetLen { inode, .. } => {
                change(&mut self.inodes[*inode], &op);
            }
        }
        self.ops.push(op);
        self.forget();
        Ok(())
    }

    /// Forgets the operations that the last one has made durable, and that one.
    fn forget(&mut self) {
        let Some(Settled { names, contents }) = &mut self.settled else { return };
        let is_sync = |op: &Op| matches!(op, Op::Sync { .. } | Op::SyncDir { .. });
        let Some(sync) = self.ops.pop_if(|op| is_sync(op)) else { return };
        let before = self.ops.len();
        contents.resize(self.inodes.len(), Vec::new());
        self.ops.retain(|op| {
            let is_durable = match (&sync, op) {
                (
                    Op::Sync { inode },
                    Op::Write { inode: of, .. } | Op::SetLen { inode: of, .. },
                ) => inode == of,
                (Op::SyncDir { dir }, _) => directory(op) == Some(dir),
                (_, _) => false,
            };
            if is_durable {
                match op {
                    Op::Write { inode, .. } | Op::SetLen { inode, .. } => {
                        change(&mut contents[*inode], op);
                    }
                    Op::Link { .. } | Op::Move { .. } | Op::Unlink { .. } => rename(names, op),
                    Op::SyncDir { .. } | Op::Sync { .. } => {}
                }
            }
            !is_durable
        });
        self.forgotten += before - self.ops.len() + 1;
        if let Op::SyncDir { .. } = sync {
            self.free();
        }
    }

    /// Frees the contents of files that have no name, neither now nor after any crash, and that
    /// nobody has open.
    fn free(&mut self) {
        let Some(Settled { names, contents }) = &mut self.settled else { return };
        let pending = self.ops.iter().filter_map(|op| match op {
            Op::Link { inode, .. } | Op::Move { inode, .. } => Some(inode),
            Op::Unlink { .. } | Op::SyncDir { .. } => None,
            Op::Write { .. } | Op::SetLen { .. } | Op::Sync { .. } => None,
        });
        let named = self.names.values().chain(names.values()).chain(pending);
        let used: BTreeSet<usize> = named.chain(self.open.keys()).copied().collect();
        for (inode, content) in self.inodes.iter_mut().enumerate() {
            if !used.contains(&inode) {
                *content = Vec::new();
                contents[inode] = Vec::new();
            }
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn change(content: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Write { at, bytes, .. } => {
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Op::SetLen { len, .. } => content.resize(*len, 0),
        Op::Link { .. } | Op::Move { .. } | Op::Unlink { .. } => {}
        Op::SyncDir { .. } | Op::Sync { .. } => {}
    }
}

#[cfg(test)]
fn crashes(base: &Image, ops: &[Op]) -> Vec<(Image, bool)> {
    let mut names: BTreeMap<&Path, usize> = BTreeMap::new();
    let mut contents: Vec<Vec<u8>> = Vec::new();
    for (path, bytes) in base {
        names.insert(path, contents.len());
        contents.push(bytes.clone());
    }
    let Pending { names: pending_names, bytes: pending_bytes } =
        settle(ops, &mut names, &mut contents);
    assert!(pending_names.len() <= 10, "too many names pending: {pending_names:?}");
    let versions: BTreeMap<usize, BTreeSet<(Vec<u8>, bool)>> = (pending_bytes.iter())
        .map(|(inode, ops)| (*inode, versions(&contents[*inode], ops)))
        .collect();
    let mut outcomes = BTreeSet::new();
    for subset in 0_u32..1 << pending_names.len() {
        let mut names = names.clone();
        for (bit, op) in pending_names.iter().enumerate() {
            if subset & 1 << bit != 0 {
                rename(&mut names, op);
            }
        }
        let mut images = vec![(Image::new(), false)];
        for (path, inode) in names {
            let only = BTreeSet::from([(contents[inode].clone(), false)]);
            let versions = versions.get(&inode).unwrap_or(&only);
            images = (images.iter())
                .flat_map(|(image, hole)| {
                    versions.iter().map(move |(bytes, torn)| {
                        let mut image = image.clone();
                        image.insert(path.to_owned(), bytes.clone());
                        (image, *hole || *torn)
                    })
                })
                .collect();
        }
        outcomes.extend(images);
    }
    outcomes.into_iter().collect()
}

fn directory(op: &Op) -> Option<&Path> {
    match op {
        Op::Link { path, .. } | Op::Unlink { path } => path.parent(),
        Op::Move { to, .. } => to.parent(),
        Op::SyncDir { .. } | Op::Write { .. } | Op::SetLen { .. } | Op::Sync { .. } => None,
    }
}

fn rename<'a, P: Ord + Borrow<Path> + From<&'a Path>>(names: &mut BTreeMap<P, usize>, op: &'a Op) {
    match op {
        Op::Link { path, inode } => {
            names.insert(path.as_path().into(), *inode);
        }
        Op::Move { from, to, inode } => {
            if names.get(from.as_path()) == Some(inode) {
                names.remove(from.as_path());
            }
            names.insert(to.as_path().into(), *inode);
        }
        Op::Unlink { path } => {
            names.remove(path.as_path());
        }
        Op::SyncDir { .. } | Op::Write { .. } | Op::SetLen { .. } | Op::Sync { .. } => {}
    }
}

/// What may be left of a file, and whether sectors were reordered.
#[cfg(test)]
fn versions(durable: &[u8], ops: &[&Op]) -> BTreeSet<(Vec<u8>, bool)> {
    let mut found = BTreeSet::new();
    let mut sizes = durable.to_vec();
    let mut content = durable.to_vec();
    found.insert((content.clone(), false));
    for op in ops {
        if let Op::Write { inode, at, bytes } = op {
            let len = bytes.len();
            for cut in [1, 9, len / 3, len / 2, len.saturating_sub(1)] {
                if cut < len {
                    let mut torn = content.clone();
                    change(
                        &mut torn,
                        &Op::Write { inode: *inode, at: *at, bytes: bytes[..cut].to_vec() },
                    );
                    found.insert((torn, false));
                }
            }
        } else {
            change(&mut sizes, op);
        }
        change(&mut content, op);
        found.insert((content.clone(), false));
    }
    found.insert((sizes, false));
    for reordered in reordered(durable, &content) {
        if !found.contains(&(reordered.clone(), false)) {
            found.insert((reordered, true));
        }
    }
    found
}

/// The content with some of the sectors that changed as they were before: each choice of a few,
/// else all but one, one alone, a beginning, an end, and every other one.
#[cfg(test)]
fn reordered(durable: &[u8], content: &[u8]) -> Vec<Vec<u8>> {
    const SECTOR_BYTES: usize = 512;
    const CHOSEN_MAX: usize = 4;
    let mut old = durable.to_vec();
    old.resize(content.len(), 0);
    let sectors: Vec<_> = (0..content.len())
        .step_by(SECTOR_BYTES)
        .map(|at| at..content.len().min(at + SECTOR_BYTES))
        .filter(|sector| old[sector.clone()] != content[sector.clone()])
        .collect();
    let count = sectors.len();
    let masks: Vec<Vec<bool>> = if count <= CHOSEN_MAX {
        (0..1 << count).map(|mask| (0..count).map(|bit| mask >> bit & 1 == 1).collect()).collect()
    } else {
        let one = (0..count).flat_map(|one| {
            [
                (0..count).map(|bit| bit == one).collect::<Vec<_>>(),
                (0..count).map(|bit| bit != one).collect(),
                (0..count).map(|bit| bit < one).collect(),
                (0..count).map(|bit| bit >= one).collect(),
            ]
        });
        one.chain([0, 1].map(|odd| (0..count).map(|bit| bit % 2 == odd).collect())).collect()
    };
    let with = |missing: Vec<bool>| {
        let mut content = content.to_vec();
        for (sector, _) in sectors.iter().zip(missing).filter(|(_, missing)| *missing) {
            content[sector.clone()].copy_from_slice(&old[sector.clone()]);
        }
        content
    };
    masks.into_iter().map(with).collect()
}

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = ();

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        let world = lock(&self.world);
        Ok((world.names.iter())
            .filter(|(path, _)| path.parent() == Some(dir))
            .filter_map(|(path, inode)| {
                let name = path.file_name()?.to_str()?.to_owned();
                Some((name, world.inodes[*inode].len() as u64))
            })
            .collect())
    }

    fn create_dirs(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<SimFile> {
        let mut world = lock(&self.world);
        let inode = world.find(path)?;
        Ok(SimFile::open(self, &mut world, inode))
    }

    fn create_new(&self, path: &Path) -> io::Result<SimFile> {
        let mut world = lock(&self.world);
        if world.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = world.inodes.len();
        world.inodes.push(Vec::new());
        world.op(Op::Link { path: path.to_owned(), inode })?;
        Ok(SimFile::open(self, &mut world, inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = lock(&self.world);
        let inode = world.find(from)?;
        world.op(Op::Move { from: from.to_owned(), to: to.to_owned(), inode })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = lock(&self.world);
        world.find(path)?;
        world.op(Op::Unlink { path: path.to_owned() })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        lock(&self.world).op(Op::SyncDir { dir: dir.to_owned() })
    }

    fn lock(&self, _: &Path) -> io::Result<Option<()>> {
        Ok(Some(()))
    }

    fn boot(&self) -> Option<String> {
        Some(format!("boot {}", self.boot))
    }
}

impl File for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.world).inodes[self.inode].len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let world = lock(&self.world);
        let content = &world.inodes[self.inode];
        let from = usize::try_from(offset).map_or(content.len(), |from| from.min(content.len()));
        let count = buf.len().min(content.len() - from);
        buf[..count].copy_from_slice(&content[from..from + count]);
        Ok(count)
    }

    fn write_all_at(&mut self, buf: &[u8], offset: u64) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        lock(&self.world).op(Op::Write { inode: self.inode, at, bytes: buf.to_vec() })
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        lock(&self.world).op(Op::SetLen { inode: self.inode, len })
    }

    fn sync(&mut self) -> io::Result<()> {
        lock(&self.world).op(Op::Sync { inode: self.inode })
    }
}

#[cfg(test)]
mod tests;
