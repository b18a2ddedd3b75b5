//! The few things this crate asks of a file system. One implementation is the operating system; in
//! tests another one remembers what was durable, loses the rest, and shows that recovery copes.

use std::fmt::Debug;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file system. What it promises about a crash is only this: the bytes of a file are durable
/// after [`File::sync`], its name after [`Disk::sync_dir`] of its directory; anything else may or
/// may not have happened.
pub trait Disk: Clone + Debug + Send + Sync + 'static {
    /// An open file.
    type File: File;
    /// Held as long as the directory belongs to this process.
    type Lock: Debug + Send + 'static;

    /// Names and sizes in bytes of the plain files in a directory, in any order.
    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>>;
    /// Creates a directory and those above it where they are missing, durably.
    fn create_dirs(&self, dir: &Path) -> io::Result<()>;
    /// Opens for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Creates a file; it is an error if there is one.
    fn create_new(&self, path: &Path) -> io::Result<Self::File>;
    /// Gives a file another name, in the place of a file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock file, or answers `None` if another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>>;
    /// Tells this boot of the system from every other, in one short line; `None` if it cannot be
    /// told.
    fn boot(&self) -> Option<String>;
}

/// An open file: offsets and sizes in bytes.
#[allow(clippy::len_without_is_empty, reason = "a size that has to be asked for, not a collection")]
pub trait File: Debug + Send + 'static {
    /// Its size.
    fn len(&self) -> io::Result<u64>;
    /// Reads at most as much as fits; 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of it; the file grows where needed.
    fn write_all_at(&mut self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts, or grows by zeros.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Makes bytes and size durable (fdatasync).
    fn sync(&mut self) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Os;

impl Disk for Os {
    type File = fs::File;
    type Lock = fs::File;

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // A name that is not UTF-8 is none of ours; a file may vanish between the two calls (a
            // purge by hand).
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => files.push((name, metadata.len())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    }

    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        if dir.as_os_str().is_empty() || dir.is_dir() {
            return Ok(());
        }
        let above = dir.parent().unwrap_or(Path::new("."));
        self.create_dirs(above)?;
        fs::create_dir(dir)?;
        self.sync_dir(if above.as_os_str().is_empty() { Path::new(".") } else { above })
    }

    fn open(&self, path: &Path) -> io::Result<Self::File> {
        fs::File::options().read(true).write(true).open(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Self::File> {
        fs::File::options().read(true).write(true).create_new(true).open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>> {
        let file =
            fs::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn boot(&self) -> Option<String> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned()).filter(|id| !id.is_empty())
    }
}

impl File for fs::File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, buf, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_all_at(&mut self, buf: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, buf, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        fs::File::set_len(self, len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
