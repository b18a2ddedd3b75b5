//! One file of the transaction log, as it is written (`FileTxnLog`, `FilePadding`).
//!
//! ```text
//! header : i32 magic "ZKLG" | i32 version 2 | i64 dbid                               16 bytes
//! entry  : i64 Adler-32 of the blob | i32 len | blob: len bytes | byte 0x42 'B'
//! tail   : zeros, preallocated
//! dbid   : ZooKeeper writes 0 and never looks at it; here the zxid behind which the file was begun,
//!          so that a file which is missing between two others is missed
//! blob   : i64 session | i32 cxid | i64 zxid | i64 time | i32 type | transaction | digest
//! ```

use std::path::{Path, PathBuf};

use crate::disk::{Disk, File};
use crate::error::{At, Result};

/// "ZKLG", version 2, dbid 0, which says nothing.
pub(crate) const HEADER: [u8; 16] = [0x5a, 0x4b, 0x4c, 0x47, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
/// Checksum and length.
pub(crate) const ENTRY_HEAD_BYTES: usize = 12;
/// The byte behind every blob.
pub(crate) const ENTRY_END: u8 = b'B';
/// The `TxnHeader` with which every blob begins.
pub(crate) const TXN_HEADER_BYTES: usize = 32;
/// Buffered appends go to the file when they are this many; a larger batch gains nothing.
const BUFFER_BYTES: usize = 1 << 20;
/// `FilePadding` extends a file when less than this is left.
const PADDING_SLACK_BYTES: u64 = 4096;

/// The zxid in a blob's `TxnHeader`; `None` if the blob is too short to have one.
pub(crate) fn blob_zxid(blob: &[u8]) -> Option<u64> {
    let header: &[u8; TXN_HEADER_BYTES] = blob.first_chunk()?;
    header[12..20].try_into().ok().map(u64::from_be_bytes)
}

/// Appends an entry to a buffer.
pub(crate) fn encode_entry(blob: &[u8], len: u32, into: &mut Vec<u8>) {
    into.extend_from_slice(&u64::from(simd_adler32::adler32(&blob)).to_be_bytes());
    into.extend_from_slice(&len.to_be_bytes());
    into.extend_from_slice(blob);
    into.push(ENTRY_END);
}

/// `FilePadding.calculateFileSizeWithPadding`: the size a file of `size` bytes should have before
/// something is written that ends at `position`. `preallocate` 0 turns it off.
pub(crate) fn padded_size(position: u64, size: u64, preallocate: u64) -> u64 {
    if preallocate == 0 || position.saturating_add(PADDING_SLACK_BYTES) < size {
        size
    } else if position > size {
        let grown = position.saturating_add(preallocate);
        grown - grown % preallocate
    } else {
        size.saturating_add(preallocate)
    }
}

/// The header of a file that is begun behind this zxid.
fn header(behind: u64) -> [u8; 16] {
    let mut header = HEADER;
    header[8..].copy_from_slice(&behind.to_be_bytes());
    header
}

/// Behind which zxid a file was begun, by its header; 0 if it does not say so.
pub(crate) fn begun_behind(header: &[u8]) -> u64 {
    header.get(8..16).and_then(|dbid| dbid.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// The file that is appended to.
#[derive(Debug)]
pub(crate) struct LogFile<F> {
    file: F,
    path: PathBuf,
    /// Appended and not yet given to the file.
    buffer: Vec<u8>,
    /// The end of what was given to the file.
    position: u64,
    /// The size of the file, with its preallocated tail.
    size: u64,
    preallocate: u64,
}

impl<F: File> LogFile<F> {
    /// Creates the file with its header. Name and header are durable before the first entry is
    /// written, so that a crash never leaves entries in a file whose header was lost.
    pub(crate) fn create<D: Disk<File = F>>(
        disk: &D,
        dir: &Path,
        name: &str,
        behind: u64,
        preallocate: u64,
    ) -> Result<Self> {
        let path = dir.join(name);
        let mut file = disk.create_new(&path).at(&path, "create")?;
        file.write_all_at(&header(behind), 0).at(&path, "write")?;
        let position = HEADER.len() as u64;
        let size = padded_size(position, position, preallocate);
        if size > position {
            file.set_len(size).at(&path, "preallocate")?;
        }
        file.sync().at(&path, "fsync")?;
        disk.sync_dir(dir).at(dir, "fsync")?;
        Ok(Self { file, path, buffer: Vec::new(), position, size, preallocate })
    }

    /// Appends an entry, to memory or to the file.
    pub(crate) fn append(&mut self, blob: &[u8], len: u32) -> Result<()> {
        encode_entry(blob, len, &mut self.buffer);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let end = self.position + self.buffer.len() as u64;
        let size = padded_size(end, self.size, self.preallocate);
        if size > self.size {
            self.file.set_len(size).at(&self.path, "preallocate")?;
            self.size = size;
        }
        self.file.write_all_at(&self.buffer, self.position).at(&self.path, "write")?;
        self.position = end;
        self.size = self.size.max(end);
        self.buffer.clear();
        Ok(())
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.file.sync().at(&self.path, "fsync")
    }

    /// Gives the preallocated tail back; everything appended is durable before. The new size need
    /// not be: both sizes mean the same.
    pub(crate) fn close(mut self) -> Result<()> {
        self.sync()?;
        if self.size > self.position {
            self.file.set_len(self.position).at(&self.path, "cut the preallocated tail of")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_file_gets_64_mib_behind_its_header_and_grows_by_as_much() {
        const MIB: u64 = 1 << 20;
        for (position, size, preallocate, padded) in [
            (16, 16, 64 * MIB, 67_108_880),
            (16, 67_108_880, 64 * MIB, 67_108_880),
            (67_108_880 - 4097, 67_108_880, 64 * MIB, 67_108_880),
            (67_108_880 - 4096, 67_108_880, 64 * MIB, 67_108_880 + 64 * MIB),
            (67_108_881, 67_108_880, 64 * MIB, 2 * 64 * MIB),
            (5000, 16, 0, 16),
            (u64::MAX, 16, 4096, u64::MAX - 4095),
        ] {
            assert_eq!(padded_size(position, size, preallocate), padded, "{position} {size}");
        }
    }

    /// A create of "/a" = "x" by session 0x0100000000000001 with zxid 2, as ZooKeeper writes it.
    #[test]
    fn golden_an_entry_as_zookeeper_writes_it() {
        let blob = golden::CREATE_BLOB;
        assert_eq!(blob.len(), 0x57);
        assert_eq!(blob_zxid(&blob), Some(2));
        let mut entry = Vec::new();
        encode_entry(&blob, 0x57, &mut entry);
        assert_eq!(entry[..12], [0, 0, 0, 0, 0xe9, 0xa7, 0x08, 0x07, 0, 0, 0, 0x57]);
        assert_eq!(entry[12..12 + 0x57], blob);
        assert_eq!(entry[12 + 0x57..], [0x42]);
    }

    #[test]
    fn a_blob_without_a_whole_header_has_no_zxid() {
        assert_eq!(blob_zxid(&[0; 31]), None);
        assert_eq!(blob_zxid(&[0; 32]), Some(0));
    }
}

#[cfg(test)]
pub(crate) mod golden {
    /// TxnHeader, CreateTxn and TxnDigest, byte for byte.
    pub(crate) const CREATE_BLOB: [u8; 87] = *b"\
        \x01\x00\x00\x00\x00\x00\x00\x01\
        \x00\x00\x00\x01\
        \x00\x00\x00\x00\x00\x00\x00\x02\
        \x00\x00\x00\x00\x00\x00\x03\xe8\
        \x00\x00\x00\x01\
        \x00\x00\x00\x02/a\
        \x00\x00\x00\x01x\
        \x00\x00\x00\x01\x00\x00\x00\x1f\
        \x00\x00\x00\x05world\x00\x00\x00\x06anyone\
        \x00\
        \x00\x00\x00\x01\
        \x00\x00\x00\x02\x00\x00\x00\x00\x9c\x56\x06\x32";
}
