//! Reading a snapshot, item by item, and checking every seal.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use wire::snapshot::{BodyReader, Item};

use super::stream::Source;
use super::{HEADER, SEAL_END, SnapshotDigest, SnapshotTail};
use crate::disk::File;
use crate::error::{Error, Result};
use crate::layout::Compression;

/// No limit but the file's own size: what is in a snapshot was taken under the limit of its time.
const LIMIT_BYTES: usize = i32::MAX as usize;
/// The sections behind the nodes take a hundred bytes or so; what is longer is none.
const REST_BYTES_MAX: u64 = 4096;

/// The items of a snapshot: sessions, ACLs, nodes. After an error there are no more; after the last
/// item every seal was found right.
pub struct SnapshotItems<F: File> {
    path: PathBuf,
    /// `None` when it has ended, one way or the other.
    body: Option<BodyReader<Source<F>>>,
    tail: SnapshotTail,
}

impl<F: File> fmt::Debug for SnapshotItems<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotItems").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<F: File> Iterator for SnapshotItems<F> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.body.as_mut()?.next() {
            Some(Ok(item)) => Some(Ok(item)),
            Some(Err(error)) => {
                let offset = self.body.take()?.into_inner().offset;
                let (path, found) = (self.path.clone(), error.to_string());
                let rule = "the body of a snapshot is sessions, ACLs and nodes";
                Some(Err(Error::Snapshot { path, offset, rule, found }))
            }
            None => match end(self.body.take()?.into_inner(), &self.path) {
                Ok(tail) => {
                    self.tail = tail;
                    None
                }
                Err(error) => Some(Err(error)),
            },
        }
    }
}

impl<F: File> SnapshotItems<F> {
    pub(crate) fn new(file: F, path: PathBuf, compression: Compression) -> Result<Self> {
        let mut source = Source::new(file, compression);
        let mut header = [0; HEADER.len()];
        let found = match source.read_exact(&mut header) {
            Ok(()) if header[..8] == HEADER[..8] => {
                let body = Some(BodyReader::new(source, LIMIT_BYTES));
                return Ok(Self { path, body, tail: SnapshotTail::default() });
            }
            Ok(()) => format!("{:02x?}", &header[..8]),
            Err(error) => error.to_string(),
        };
        let rule = "a snapshot begins with \"ZKSN\" and version 2 (5a 4b 53 4e 00 00 00 02)";
        Err(Error::Snapshot { path, offset: 0, rule, found })
    }

    /// What stands behind the nodes; known after the last item.
    pub fn tail(&self) -> SnapshotTail {
        self.tail
    }
}

/// Seals, and the sections between them. What is there is told by how much is left: a digest may be
/// missing (before 3.6, or with digests turned off), and so may the last zxid (before 3.9, or
/// turned off).
fn end<F: File>(mut source: Source<F>, path: &Path) -> Result<SnapshotTail> {
    const LAST_ZXID_BYTES: usize = 8 + 8 + SEAL_END.len();
    // Read as a whole, so the sum is taken along the way by hand.
    let (at, mut sum) = (source.offset, source.clone_sum());
    let mut rest = Vec::new();
    let read = (&mut source).take(REST_BYTES_MAX).read_to_end(&mut rest);
    let mut rest = Rest { bytes: &rest, at, path, sum: &mut sum };
    if let Err(error) = read {
        return Err(rest.wrong("a snapshot can be read to its end", error.to_string()));
    }
    rest.seal()?;
    let mut tail = SnapshotTail::default();
    if rest.bytes.len() > LAST_ZXID_BYTES {
        let zxid = rest.u64()?;
        let version = rest.u32()?.cast_signed();
        let tree = if version < 2 { rest.skip_text()? } else { rest.u64()? };
        tail.digest = Some(SnapshotDigest { zxid, version, tree });
        rest.seal()?;
    }
    if !rest.bytes.is_empty() {
        tail.last_zxid = Some(rest.u64()?);
        rest.seal()?;
    }
    if !rest.bytes.is_empty() {
        let found = format!("{} bytes or more", rest.bytes.len());
        return Err(rest.wrong("nothing stands behind the last seal", found));
    }
    Ok(tail)
}

fn check_seal(sum: u64, found: u64, end: [u8; 5]) -> Result<(), (&'static str, String)> {
    if sum != found {
        let found = format!("0x{found:x} where the bytes have 0x{sum:x}");
        Err(("a seal is the Adler-32 of everything before it", found))
    } else if end != SEAL_END {
        Err(("a seal ends with the string \"/\"", format!("{end:02x?}")))
    } else {
        Ok(())
    }
}

/// The sections behind the first seal.
struct Rest<'a> {
    bytes: &'a [u8],
    at: u64,
    path: &'a Path,
    sum: &'a mut simd_adler32::Adler32,
}

impl<'a> Rest<'a> {
    fn seal(&mut self) -> Result<()> {
        let sum = u64::from(self.sum.finish());
        let found = self.u64()?;
        let end = self.take(5)?.try_into().unwrap_or_default();
        check_seal(sum, found, end).map_err(|(rule, found)| self.wrong(rule, found))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(self.take(4)?.try_into().map_or(0, u32::from_be_bytes))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(self.take(8)?.try_into().map_or(0, u64::from_be_bytes))
    }

    /// The digest of versions below 2, which nobody compares any more.
    fn skip_text(&mut self) -> Result<u64> {
        let len = self.u32()?.cast_signed();
        let count = usize::try_from(len).unwrap_or(if len == -1 { 0 } else { usize::MAX });
        self.take(count).map(|_| 0)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.bytes.split_at_checked(count) else {
            let found = format!("{} bytes left where {count} are needed", self.bytes.len());
            return Err(self.wrong("a section ends before the file does", found));
        };
        self.sum.write(taken);
        self.at += count as u64;
        self.bytes = rest;
        Ok(taken)
    }

    fn wrong(&self, rule: &'static str, found: String) -> Error {
        Error::Snapshot { path: self.path.to_owned(), offset: self.at, rule, found }
    }
}
