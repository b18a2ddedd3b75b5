//! Reading one file of the transaction log, and telling a torn tail from corruption.
//!
//! A file ends where the first entry stands that is not whole. What the bytes from there on are decides:
//!
//! - all zeros, or nothing: the ordinary end ([`Tail::Clean`]);
//! - something, but no intact entry anywhere behind it: what a crash leaves of a write that was under way
//!   ([`Tail::Torn`]). The last record of all, damaged after it was durable, looks the same: nothing in the format tells
//!   the two apart, so a cut is always reported;
//! - something, and behind it an intact entry (checksum, length and end byte right) with a zxid above all before
//!   ([`Tail::Damaged`]): records that were durable may be missing.
//!
//! A power failure in the middle of one fsync may write the later records of that batch and not the earlier ones,
//! although none of the batch was acknowledged. The file alone cannot tell this from the third case, so it is refused
//! too: an operator decides. Nothing is ever cut that an intact record follows.

use std::path::Path;

use bytes::Bytes;

use crate::disk::File;
use crate::error::{At, Error, Result};
use crate::log::{ENTRY_END, ENTRY_HEAD_BYTES, HEADER, TXN_HEADER_BYTES, blob_zxid};

/// One record, with where its entry begins and where the next one would.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) zxid: u64,
    pub(crate) offset: u64,
    pub(crate) end: u64,
    pub(crate) blob: Bytes,
}

/// How a file ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Tail {
    /// Nothing but zeros behind the last entry, perhaps none.
    Clean,
    /// Remains of an entry.
    Torn(Flaw),
    /// Remains of an entry, with an intact newer one behind them, at this offset.
    Damaged(Flaw, u64),
}

/// Why an entry is not whole: the rule, and what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Flaw {
    pub(crate) rule: &'static str,
    pub(crate) found: String,
    /// The entry is exactly as somebody wrote it, so no crash explains it.
    written: bool,
}

/// What a file holds, entries aside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Scanned {
    /// The end of the last whole entry, or of the header; 0 if the header is not whole.
    pub(crate) end: u64,
    /// How many entries are whole.
    pub(crate) entries: u64,
    pub(crate) tail: Tail,
}

/// What a visitor wants after an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Go,
    /// Do not look further: the tail is not examined, and the answer has [`Tail::Clean`].
    Stop,
}

/// Reads a file from its beginning and shows each whole entry. Never panics, whatever the file holds, and never holds
/// more of it in memory than one entry and a window.
pub(crate) fn scan<F: File>(
    file: &F,
    path: &Path,
    mut visit: impl FnMut(Entry) -> Result<Next>,
) -> Result<Scanned> {
    let len = file.len().at(path, "ask the size of")?;
    let mut window = Window { file, path, len, start: 0, bytes: Vec::new() };
    let Some(header) = window.get(0, HEADER.len())? else {
        let flaw = flaw("a header has 16 bytes", format!("a file of {len}"));
        let tail = judge(&mut window, 0, 0, flaw)?;
        return Ok(Scanned { end: 0, entries: 0, tail });
    };
    // dbid is not checked, as in ZooKeeper.
    if header[..8] != HEADER[..8] {
        let found = format!("{:02x?}", &header[..8]);
        let rule = "a log begins with \"ZKLG\" and version 2 (5a 4b 4c 47 00 00 00 02)";
        // What a crash leaves of a header that was being written: some of its bytes, then zeros.
        let written = header.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if header[..written] != HEADER[..written] {
            return Err(Error::Malformed { path: path.to_owned(), offset: 0, rule, found });
        }
        let tail = judge(&mut window, 0, 0, flaw(rule, found))?;
        return Ok(Scanned { end: 0, entries: 0, tail });
    }
    let mut scanned = Scanned { end: HEADER.len() as u64, entries: 0, tail: Tail::Clean };
    let mut last = 0;
    loop {
        match window.entry(scanned.end)? {
            Ok(entry) => {
                scanned.end = entry.end;
                scanned.entries += 1;
                last = entry.zxid.max(last);
                if visit(entry)? == Next::Stop {
                    return Ok(scanned);
                }
            }
            Err(Flaw { rule, found, written: true }) => {
                let (path, offset) = (path.to_owned(), scanned.end);
                return Err(Error::Malformed { path, offset, rule, found });
            }
            Err(flaw) => {
                scanned.tail = judge(&mut window, scanned.end, last, flaw)?;
                return Ok(scanned);
            }
        }
    }
}

/// Decides what stands from `from` on, where no whole entry does.
fn judge<F: File>(window: &mut Window<'_, F>, from: u64, last: u64, flaw: Flaw) -> Result<Tail> {
    let Some(junk) = window.first_nonzero(from)? else { return Ok(Tail::Clean) };
    // An entry may begin with zeros, but not with twelve: its length is not 0.
    let first = junk.saturating_sub(ENTRY_HEAD_BYTES as u64).max(from);
    for offset in first..window.len {
        // Cheap tests first: the high half of a checksum is zero, the length plausible, the zxid new.
        let Some(head) = window.get(offset, ENTRY_HEAD_BYTES + TXN_HEADER_BYTES)? else { break };
        let plausible = head[..4] == [0; 4]
            && blob_zxid(&head[ENTRY_HEAD_BYTES..]).is_some_and(|zxid| zxid > last);
        if plausible && window.entry(offset)?.is_ok_and(|entry| entry.zxid > last) {
            return Ok(Tail::Damaged(flaw, offset));
        }
    }
    Ok(Tail::Torn(flaw))
}

fn flaw(rule: &'static str, found: String) -> Flaw {
    Flaw { rule, found, written: false }
}

/// The part of a file that is in memory.
struct Window<'a, F> {
    file: &'a F,
    path: &'a Path,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<F: File> Window<'_, F> {
    const BYTES: usize = 1 << 18;

    /// The bytes at `offset`; `None` if the file ends before. The window grows to what is asked for, which the file has.
    fn get(&mut self, offset: u64, count: usize) -> Result<Option<&[u8]>> {
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
    fn entry(&mut self, offset: u64) -> Result<Result<Entry, Flaw>> {
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

    fn first_nonzero(&mut self, from: u64) -> Result<Option<u64>> {
        let mut offset = from;
        while offset < self.len {
            let left = self.len - offset;
            let count = usize::try_from(left).map_or(Self::BYTES, |left| left.min(Self::BYTES));
            let Some(bytes) = self.get(offset, count)? else { break };
            if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
                return Ok(Some(offset + at as u64));
            }
            offset += count as u64;
        }
        Ok(None)
    }
}
