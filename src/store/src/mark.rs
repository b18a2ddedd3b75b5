//! `vivarium.durable`, beside the logs: the last record that was made durable here.
//!
//! A log that ends too soon looks like one that a crash has cut: zeros to the end of the file, a
//! shorter file, or none at all. So after each fsync of the log its last zxid is written here,
//! without an fsync of its own: what the file says was durable before, however old it is. After a
//! crash of the process it is exact, and after one of the system some seconds old. Before a step
//! that makes the history shorter it says nothing, durably. ZooKeeper looks at no such name, and
//! cuts the log without telling it; an `acceptedEpoch` that ZooKeeper wrote says that it was here.

use std::path::PathBuf;

use crate::disk::{Disk, File};
use crate::error::{At, Result};
use crate::layout::Layout;

pub(crate) const MARK: &str = "vivarium.durable";

/// The open file.
#[derive(Debug)]
pub(crate) struct Mark<F> {
    file: F,
    path: PathBuf,
}

/// What the file says; `None` if it says nothing, or half of something.
pub(crate) fn read<D: Disk>(layout: &Layout<D>) -> Result<Option<u64>> {
    let text = layout.read_small(&layout.log.join(MARK))?;
    Ok(text.as_deref().and_then(parse).filter(|zxid| *zxid > 0))
}

impl<F: File> Mark<F> {
    /// Opens the file, which is made, durably, where it is missing.
    pub(crate) fn open<D: Disk<File = F>>(layout: &Layout<D>) -> Result<Self> {
        let path = layout.log.join(MARK);
        if layout.read_small(&path)?.is_some() {
            let file = layout.disk.open(&path).at(&path, "open")?;
            return Ok(Self { file, path });
        }
        let file = layout.disk.create_new(&path).at(&path, "create")?;
        let mut mark = Self { file, path };
        mark.forget()?;
        layout.sync_dir(&layout.log)?;
        Ok(mark)
    }

    /// Everything up to this record is durable.
    pub(crate) fn put(&mut self, zxid: u64) -> Result<()> {
        self.file.write_all_at(text(zxid).as_bytes(), 0).at(&self.path, "write")
    }

    /// The history may become shorter: nothing is said, durably.
    pub(crate) fn forget(&mut self) -> Result<()> {
        self.put(0)?;
        self.file.sync().at(&self.path, "fsync")
    }
}

fn text(zxid: u64) -> String {
    let digits = format!("{zxid:016x}");
    let sum = simd_adler32::adler32(&digits.as_bytes());
    format!("{digits} {sum:08x}\n")
}

fn parse(found: &str) -> Option<u64> {
    let zxid = u64::from_str_radix(found.split(' ').next()?, 16).ok()?;
    (text(zxid) == found).then_some(zxid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_whole_says_anything() {
        for zxid in [0, 1, 0x3_0000_0007, u64::MAX >> 1] {
            let whole = text(zxid);
            assert_eq!(parse(&whole), Some(zxid));
            for at in 0..whole.len() {
                assert_eq!(parse(&whole[..at]), None);
                let mut flipped = whole.clone().into_bytes();
                flipped[at] ^= 1;
                assert_eq!(parse(&String::from_utf8_lossy(&flipped)), None, "{at}");
            }
        }
    }
}
