//! A file system whose changes stay in memory: a directory can be opened as a server would open
//! it, repairs included, and nothing in it changes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, File, Os};

/// The operating system's files, with changes in memory above them. Clones see the same changes.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    changed: Arc<Mutex<BTreeMap<PathBuf, Content>>>,
}

/// What a name stands for.
#[derive(Clone, Debug)]
enum Content {
    /// It was removed.
    Gone,
    /// It was written.
    Memory(Arc<Mutex<Vec<u8>>>),
    /// A file of the operating system, perhaps of another name; of it so many bytes, or all.
    Below(PathBuf, Option<u64>),
}

/// A file of the operating system that is changed is copied, if it is not larger than this: those
/// that hold epochs and notes are much smaller.
const COPIED_BYTES_MAX: u64 = 1 << 20;

impl Overlay {
    fn changed(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Content>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn content(&self, path: &Path) -> Content {
        let below = || Content::Below(path.to_owned(), None);
        self.changed().get(path).cloned().unwrap_or_else(below)
    }

    fn exists(&self, path: &Path) -> bool {
        match self.content(path) {
            Content::Gone => false,
            Content::Memory(_) => true,
            Content::Below(below, _) => below.is_file(),
        }
    }
}

fn absent(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} is not there", path.display()))
}

impl Disk for Overlay {
    type File = OverlayFile;
    type Lock = Option<fs::File>;

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut files: BTreeMap<String, u64> = Os.list(dir)?.into_iter().collect();
        let changed = self.changed().clone();
        for (path, content) in changed.iter().filter(|(path, _)| path.parent() == Some(dir)) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if let Content::Gone = content {
                files.remove(name);
            } else {
                files.insert(name.to_owned(), self.open(path)?.len()?);
            }
        }
        Ok(files.into_iter().collect())
    }

    /// It has to be there.
    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() { Ok(()) } else { Err(absent(dir)) }
    }

    fn open(&self, path: &Path) -> io::Result<Self::File> {
        let open = match self.content(path) {
            Content::Gone => return Err(absent(path)),
            Content::Memory(bytes) => Open::Memory(bytes),
            Content::Below(below, cut) => Open::Below(fs::File::open(below)?, cut),
        };
        Ok(OverlayFile { overlay: self.clone(), path: path.to_owned(), open })
    }

    fn create_new(&self, path: &Path) -> io::Result<Self::File> {
        if self.exists(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.changed().insert(path.to_owned(), Content::Memory(Arc::default()));
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if !self.exists(from) {
            return Err(absent(from));
        }
        let content = self.content(from);
        let mut changed = self.changed();
        changed.insert(to.to_owned(), content);
        changed.insert(from.to_owned(), Content::Gone);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if !self.exists(path) {
            return Err(absent(path));
        }
        self.changed().insert(path.to_owned(), Content::Gone);
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Keeps servers out for as long as it is held, if one was ever here: no lock file is made.
    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>> {
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(None)),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(Some(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn boot(&self) -> Option<String> {
        Os.boot()
    }
}

/// A file of an [`Overlay`].
#[derive(Debug)]
pub struct OverlayFile {
    overlay: Overlay,
    path: PathBuf,
    open: Open,
}

#[derive(Debug)]
enum Open {
    Memory(Arc<Mutex<Vec<u8>>>),
    Below(fs::File, Option<u64>),
}

impl OverlayFile {
    /// Its bytes in memory, where they may be changed.
    fn changeable(&mut self) -> io::Result<Arc<Mutex<Vec<u8>>>> {
        if let Open::Memory(bytes) = &self.open {
            return Ok(Arc::clone(bytes));
        }
        let len = self.len()?;
        if len > COPIED_BYTES_MAX {
            let path = self.path.display();
            return Err(io::Error::other(format!("{path} would be written, which is not tried")));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read_at(&mut bytes[filled..], filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        let bytes = Arc::new(Mutex::new(bytes));
        self.open = Open::Memory(Arc::clone(&bytes));
        self.overlay.changed().insert(self.path.clone(), Content::Memory(Arc::clone(&bytes)));
        Ok(bytes)
    }
}

fn locked(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl File for OverlayFile {
    fn len(&self) -> io::Result<u64> {
        match &self.open {
            Open::Memory(bytes) => Ok(locked(bytes).len() as u64),
            Open::Below(file, cut) => Ok(file.len()?.min(cut.unwrap_or(u64::MAX))),
        }
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.len()?.saturating_sub(offset);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        match &self.open {
            Open::Below(file, _) => File::read_at(file, &mut buf[..count], offset),
            Open::Memory(bytes) => {
                let at = usize::try_from(offset).unwrap_or(usize::MAX);
                if let Some(found) = locked(bytes).get(at..at.saturating_add(count)) {
                    buf[..count].copy_from_slice(found);
                }
                Ok(count)
            }
        }
    }

    fn write_all_at(&mut self, buf: &[u8], offset: u64) -> io::Result<()> {
        let bytes = self.changeable()?;
        let mut bytes = locked(&bytes);
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let end = at.saturating_add(buf.len());
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at..end].copy_from_slice(buf);
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let is_shorter = len <= self.len()?;
        if let Open::Below(_, cut) = &mut self.open
            && is_shorter
        {
            *cut = Some(len);
            let mut changed = self.overlay.changed();
            let below = match changed.get(&self.path) {
                Some(Content::Below(below, _)) => below.clone(),
                Some(Content::Gone | Content::Memory(_)) | None => self.path.clone(),
            };
            changed.insert(self.path.clone(), Content::Below(below, Some(len)));
            return Ok(());
        }
        let bytes = self.changeable()?;
        locked(&bytes).resize(usize::try_from(len).map_err(io::Error::other)?, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(file: &impl File) -> String {
        let mut bytes = vec![0; 64];
        let read = file.read_at(&mut bytes, 0).expect("read");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[test]
    fn what_is_changed_is_seen_above_and_not_below() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        for name in ["cut", "written", "renamed", "removed"] {
            fs::write(path(name), name).expect("written");
        }
        let overlay = Overlay::default();
        overlay.open(&path("cut")).expect("there").set_len(2).expect("cut");
        overlay.open(&path("written")).expect("there").write_all_at(b"W", 0).expect("written");
        overlay.rename(&path("renamed"), &path("new name")).expect("renamed");
        overlay.remove(&path("removed")).expect("removed");
        overlay.create_new(&path("made")).expect("made").write_all_at(b"ab", 1).expect("written");

        let read = |name: &str| overlay.open(&path(name)).map(|file| text(&file)).ok();
        assert_eq!(read("cut").as_deref(), Some("cu"));
        assert_eq!(read("written").as_deref(), Some("Written"));
        assert_eq!(read("new name").as_deref(), Some("renamed"));
        assert_eq!(read("made").as_deref(), Some("\0ab"));
        assert_eq!((read("renamed"), read("removed")), (None, None));
        let mut listed = overlay.list(directory.path()).expect("listed");
        listed.sort();
        let expected = [("cut", 2), ("made", 3), ("new name", 7), ("written", 7)];
        assert_eq!(listed, expected.map(|(name, len)| (name.to_owned(), len)));
        assert!(overlay.create_new(&path("cut")).is_err(), "it is there");
        assert!(overlay.create_new(&path("removed")).is_ok(), "it is there no more");

        for name in ["cut", "written", "renamed", "removed"] {
            assert_eq!(fs::read_to_string(path(name)).expect("there"), name);
        }
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 4);
    }

    #[test]
    fn a_directory_in_use_is_not_to_be_had_and_gets_no_lock_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("vivarium.lock");
        assert!(matches!(Overlay::default().lock(&path), Ok(Some(None))));
        assert!(!path.exists());
        let held = Os.lock(&path).expect("a lock");
        assert!(matches!(Overlay::default().lock(&path), Ok(None)));
        drop(held);
        assert!(matches!(Overlay::default().lock(&path), Ok(Some(Some(_)))));
    }
}
