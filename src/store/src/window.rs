//! A part of a log file in memory, and the entries in it.

use std::path::Path;

use bytes::Bytes;

use crate::disk::File;
use crate::error::{At, Result};
use crate::log::{ENTRY_END, ENTRY_HEAD_BYTES, blob_zxid};

/// One record, with where its entry begins and where the next one would.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) zxid: u64,
    pub(crate) offset: u64,
    pub(crate) end: u64,
    pub(crate) blob: Bytes,
}

/// Why an entry is not whole: the rule, and what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Flaw {
    pub(crate) rule: &'static str,
    pub(crate) found: String,
    /// The entry is exactly as somebody wrote it, so no crash explains it.
    pub(crate) written: bool,
}

pub(crate) fn flaw(rule: &'static str, found: String) -> Flaw {
    Flaw { rule, found, written: false }
}

/// The part of a file that is in memory.
pub(crate) struct Window<'a, F> {
    file: &'a F,
    path: &'a Path,
    pub(crate) len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a, F: File> Window<'a, F> {
    const BYTES: usize = 1 << 18;

    pub(crate) fn new(file: &'a F, path: &'a Path) -> Result<Self> {
        let len = file.len().at(path, "ask the size of")?;
        Ok(Self { file, path, len, start: 0, bytes: Vec::new() })
    }

    /// The bytes at `offset`; `None` if the file ends before. The window grows to what is asked
    /// for, which the file has.
    pub(crate) fn get(&mut self, offset: u64, count: usize) -> Result<Option<&[u8]>> {
        if offset.checked_add(count as u64).is_none_or(|end| end > self.len) {
            return Ok(None);
        }
        let end = offset + count as u64;
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            let left = self.len - offset;
            let want =
                usize::try_from(left).map_or(Self::BYTES, |left| left.min(Self::BYTES)).max(count);
            self.bytes.resize(want, 0);
            self.start = offset;
            let mut filled = 0;
            while filled < want {
                let at = offset + filled as u64;
                match self.file.read_at(&mut self.bytes[filled..], at).at(self.path, "read")? {
                    0 => break,
                    n => filled += n,
                }
            }
            self.bytes.truncate(filled);
            if filled < count {
                // The file has become shorter while it is read.
                return Ok(None);
            }
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..from.saturating_add(count)))
    }

    /// The entry at `offset`, or why there is none.
    pub(crate) fn entry(&mut self, offset: u64) -> Result<Result<Entry, Flaw>> {
        let left = self.len.saturating_sub(offset);
        let Some(head) = self.get(offset, ENTRY_HEAD_BYTES)? else {
            let found = format!("the end of the file after {left}");
            return Ok(Err(flaw("an entry begins with 12 bytes of checksum and length", found)));
        };
        let (checksum, len) = head.split_at(8);
        let checksum = checksum.try_into().map_or(0, u64::from_be_bytes);
        let len = len.try_into().map_or(0, i32::from_be_bytes);
        let Some(count) = usize::try_from(len).ok().filter(|count| *count > 0) else {
            return Ok(Err(flaw("the length of a record is positive", len.to_string())));
        };
        let Some(bytes) = self.get(offset + ENTRY_HEAD_BYTES as u64, count.saturating_add(1))?
        else {
            let found = format!("length {len} where the file has {left} bytes left");
            return Ok(Err(flaw("a record ends before its file does", found)));
        };
        let (blob, end) = bytes.split_at(count);
        if end != [ENTRY_END] {
            return Ok(Err(flaw("byte 0x42 ('B') stands behind a record", format!("{end:02x?}"))));
        }
        let computed = u64::from(simd_adler32::adler32(&blob));
        if checksum != computed {
            let found = format!("0x{checksum:x} where the bytes have 0x{computed:x}");
            return Ok(Err(flaw("the checksum is the Adler-32 of the record", found)));
        }
        let Some(zxid) = blob_zxid(blob) else {
            let found = format!("a record of {len}");
            let rule = "a record begins with a TxnHeader of 32 bytes";
            return Ok(Err(Flaw { rule, found, written: true }));
        };
        if i64::try_from(zxid).is_err() {
            let found = format!("0x{zxid:x}");
            return Ok(Err(Flaw { rule: "a zxid is positive", found, written: true }));
        }
        let end = offset + (ENTRY_HEAD_BYTES + count + 1) as u64;
        Ok(Ok(Entry { zxid, offset, end, blob: Bytes::copy_from_slice(blob) }))
    }

    /// Shows the bytes from `from` to `to`, or to the end of the file, piece by piece, until `look`
    /// answers.
    fn find<T>(
        &mut self,
        from: u64,
        to: u64,
        mut look: impl FnMut(u64, &[u8]) -> Option<T>,
    ) -> Result<Option<T>> {
        let (mut offset, to) = (from, to.min(self.len));
        while offset < to {
            let left = to - offset;
            let count = usize::try_from(left).map_or(Self::BYTES, |left| left.min(Self::BYTES));
            let Some(bytes) = self.get(offset, count)? else { break };
            if let Some(found) = look(offset, bytes) {
                return Ok(Some(found));
            }
            offset += count as u64;
        }
        Ok(None)
    }

    /// Where the bytes from `from` on end that are not zeros, and all behind are; `None` if all of
    /// them are zeros.
    pub(crate) fn end_of_data(&mut self, from: u64) -> Result<Option<u64>> {
        let mut end = None;
        self.find(from, self.len, |offset, bytes| {
            if let Some(at) = bytes.iter().rposition(|byte| *byte != 0) {
                end = Some(offset + at as u64 + 1);
            }
            None::<()>
        })?;
        Ok(end)
    }

    /// True if the file has nothing but zeros there; what is behind its end counts as zeros.
    pub(crate) fn is_zero(&mut self, from: u64, to: u64) -> Result<bool> {
        let other = |_, bytes: &[u8]| bytes.iter().any(|byte| *byte != 0).then_some(());
        Ok(self.find(from, to, other)?.is_none())
    }

    /// The Adler-32 of a range.
    pub(crate) fn adler32(&mut self, from: u64, to: u64) -> Result<u64> {
        let mut sum = simd_adler32::Adler32::new();
        self.find(from, to, |_, bytes| {
            sum.write(bytes);
            None::<()>
        })?;
        Ok(u64::from(sum.finish()))
    }
}
