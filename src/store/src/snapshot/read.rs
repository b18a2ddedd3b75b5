//! Reading a snapshot, item by item, and checking every seal.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;
use wire::jute::text;
use wire::{Acl, Id, StatPersisted};

use super::stream::Source;
use super::{HEADER, SEAL_END, SnapshotDigest, SnapshotTail};
use crate::disk::File;
use crate::error::{Error, Result};
use crate::layout::Compression;

/// A part of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotItem {
    /// A session.
    Session {
        /// Its id.
        id: i64,
        /// Its timeout in milliseconds.
        timeout_ms: i32,
    },
    /// An access control list, for the nodes that name it.
    Acl {
        /// How nodes name it: 1 and above. -1, which is not listed, is everything for everybody.
        id: i64,
        /// The list.
        acl: Vec<Acl>,
    },
    /// A node; the root, whose path is empty, comes first, and each node behind its parent.
    Node {
        /// Its path.
        path: String,
        /// Its data; null and empty are different.
        data: Option<Bytes>,
        /// Which access control list it has.
        acl: i64,
        /// Its stored stat.
        stat: StatPersisted,
    },
}

/// The items of a snapshot. After an error there are no more; after the last item every seal was found right.
pub struct SnapshotItems<F: File> {
    source: Source<F>,
    path: PathBuf,
    stage: Stage,
    tail: SnapshotTail,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Sessions { left: i32 },
    Acls { left: i32 },
    Nodes,
    Done,
}

impl<F: File> fmt::Debug for SnapshotItems<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SnapshotItems");
        debug.field("path", &self.path).field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl<F: File> Iterator for SnapshotItems<F> {
    type Item = Result<SnapshotItem>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if !matches!(item, Some(Ok(_))) {
            self.stage = Stage::Done;
        }
        item
    }
}

impl<F: File> SnapshotItems<F> {
    pub(crate) fn new(file: F, path: PathBuf, compression: Compression) -> Result<Self> {
        let source = Source::new(file, compression);
        let stage = Stage::Sessions { left: 0 };
        let mut items = Self { source, path, stage, tail: SnapshotTail::default() };
        let header: [u8; 16] = items.array()?;
        if header[..8] != HEADER[..8] {
            let rule = "a snapshot begins with \"ZKSN\" and version 2 (5a 4b 53 4e 00 00 00 02)";
            return Err(items.wrong(rule, format!("{:02x?}", &header[..8])));
        }
        items.stage =
            Stage::Sessions { left: items.length("the number of sessions is not negative")? };
        Ok(items)
    }

    /// What stands behind the nodes; known after the last item.
    pub fn tail(&self) -> SnapshotTail {
        self.tail
    }

    fn advance(&mut self) -> Result<Option<SnapshotItem>> {
        loop {
            match &mut self.stage {
                Stage::Sessions { left: 0 } => {
                    let left = self.length("the number of ACLs is not negative")?;
                    self.stage = Stage::Acls { left };
                }
                Stage::Sessions { left } => {
                    *left -= 1;
                    let (id, timeout_ms) = (self.i64()?, self.i32()?);
                    return Ok(Some(SnapshotItem::Session { id, timeout_ms }));
                }
                Stage::Acls { left: 0 } => self.stage = Stage::Nodes,
                Stage::Acls { left } => {
                    *left -= 1;
                    let id = self.i64()?;
                    let acl = self.acl()?;
                    return Ok(Some(SnapshotItem::Acl { id, acl }));
                }
                Stage::Nodes => {
                    let path = self.string("a node has a path")?;
                    if path == "/" {
                        self.tail = self.end()?;
                        return Ok(None);
                    }
                    let data = self.buffer()?.map(Bytes::from);
                    let (acl, stat) = (self.i64()?, self.stat()?);
                    return Ok(Some(SnapshotItem::Node { path, data, acl, stat }));
                }
                Stage::Done => return Ok(None),
            }
        }
    }

    fn acl(&mut self) -> Result<Vec<Acl>> {
        let count = self.length("an ACL is not null")?;
        let mut acl = Vec::new();
        for _ in 0..count {
            let perms = self.i32()?;
            let scheme = self.string("an ACL has a scheme")?;
            let id = self.string("an ACL has an id")?;
            acl.push(Acl::new(perms, Id::new(scheme, id)));
        }
        Ok(acl)
    }

    fn stat(&mut self) -> Result<StatPersisted> {
        Ok(StatPersisted {
            czxid: self.i64()?,
            mzxid: self.i64()?,
            ctime: self.i64()?,
            mtime: self.i64()?,
            version: self.i32()?,
            cversion: self.i32()?,
            aversion: self.i32()?,
            ephemeral_owner: self.i64()?,
            pzxid: self.i64()?,
        })
    }

    /// Seals, and the sections between them. What is there is told by how much is left: a digest may be missing (before
    /// 3.6, or with digests turned off), and so may the last zxid (before 3.9, or turned off).
    fn end(&mut self) -> Result<SnapshotTail> {
        /// A seal, and the largest sections with theirs: an old digest is text of up to 20 characters.
        const REST_BYTES_MAX: u64 = 4096;
        const LAST_ZXID_BYTES: usize = 8 + 8 + SEAL_END.len();
        self.seal(self.source.sum())?;
        let mut tail = SnapshotTail::default();
        // Read as a whole, so sums are taken along the way by hand.
        let mut sum = self.source.clone_sum();
        let at = self.source.offset;
        let mut rest = Vec::new();
        if let Err(error) = (&mut self.source).take(REST_BYTES_MAX).read_to_end(&mut rest) {
            return Err(self.wrong("a snapshot can be read to its end", error.to_string()));
        }
        let mut rest = Rest { bytes: &rest, at, path: &self.path, sum: &mut sum };
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
            return Err(rest.wrong(
                "nothing stands behind the last seal",
                format!("{} bytes or more", rest.bytes.len()),
            ));
        }
        Ok(tail)
    }

    fn seal(&mut self, sum: u64) -> Result<()> {
        let (found, end) = (self.i64()?.cast_unsigned(), self.array::<5>()?);
        check_seal(sum, found, end).map_err(|(rule, found)| self.wrong(rule, found))
    }

    fn length(&mut self, rule: &'static str) -> Result<i32> {
        let count = self.i32()?;
        if count < 0 { Err(self.wrong(rule, count.to_string())) } else { Ok(count) }
    }

    fn string(&mut self, rule: &'static str) -> Result<String> {
        let bytes = self.buffer()?.ok_or_else(|| self.wrong(rule, "null".to_owned()))?;
        Ok(text::decode(&bytes).into_owned())
    }

    /// A buffer; memory follows the bytes that are there.
    fn buffer(&mut self) -> Result<Option<Vec<u8>>> {
        let len = self.i32()?;
        if len == -1 {
            return Ok(None);
        }
        let Ok(count) = u64::try_from(len) else {
            return Err(self.wrong("a length is -1 (null) or not negative", len.to_string()));
        };
        let mut bytes = Vec::new();
        let read = (&mut self.source).take(count).read_to_end(&mut bytes);
        match read {
            Ok(_) if bytes.len() as u64 == count => Ok(Some(bytes)),
            Ok(_) => Err(self.wrong("a buffer ends before the file does", format!("length {len}"))),
            Err(error) => Err(self.wrong("a snapshot can be read to its end", error.to_string())),
        }
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        match self.source.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(self.wrong("a snapshot can be read to its end", error.to_string())),
        }
    }

    fn wrong(&self, rule: &'static str, found: String) -> Error {
        Error::Snapshot { path: self.path.clone(), offset: self.source.offset, rule, found }
    }
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
    path: &'a std::path::Path,
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
