//! snappy-java's stream format (`SnappyOutputStream`, `SnappyInputStream`), which is not the
//! framing of the snappy project:
//!
//! ```text
//! header : 0x82 "SNAPPY" 0x00 | i32 version 1 | i32 oldest compatible version 1    16 bytes
//! block  : i32 len | len bytes, a raw snappy block                                  until the end
//! ```

use std::io::{self, Read, Write};

/// The first eight bytes.
pub(crate) const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const VERSION: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// snappy-java's default.
const BLOCK_BYTES: usize = 32 << 10;
/// A raw block grows by less than this: its best element turns 3 bytes into 64.
const EXPANSION_MAX: usize = 24;

/// Compresses what is written to it. [`Encoder::finish`] ends the stream; without it the last block
/// is missing.
#[derive(Debug)]
pub(crate) struct Encoder<W> {
    inner: W,
    block: Vec<u8>,
    packed: Vec<u8>,
    begun: bool,
}

impl<W: Write> Encoder<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, block: Vec::with_capacity(BLOCK_BYTES), packed: Vec::new(), begun: false }
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.end_block()?;
        Ok(self.inner)
    }

    fn end_block(&mut self) -> io::Result<()> {
        if !self.begun {
            self.inner.write_all(&MAGIC)?;
            self.inner.write_all(&VERSION)?;
            self.begun = true;
        }
        if self.block.is_empty() {
            return Ok(());
        }
        self.packed.resize(snap::raw::max_compress_len(self.block.len()), 0);
        let len = snap::raw::Encoder::new().compress(&self.block, &mut self.packed)?;
        let announced = i32::try_from(len).map_err(io::Error::other)?;
        self.inner.write_all(&announced.to_be_bytes())?;
        self.inner.write_all(&self.packed[..len])?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK_BYTES {
            self.end_block()?;
        }
        let count = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Uncompresses what is read through it. Blocks may have any size; memory follows the bytes that
/// are there.
#[derive(Debug)]
pub(crate) struct Decoder<R> {
    inner: R,
    packed: Vec<u8>,
    block: Vec<u8>,
    at: usize,
    begun: bool,
}

impl<R: Read> Decoder<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, packed: Vec::new(), block: Vec::new(), at: 0, begun: false }
    }

    /// The next block; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        let mut head = [0; 16];
        if !self.begun {
            self.inner.read_exact(&mut head)?;
            let oldest = head[12..].try_into().map_or(i32::MAX, i32::from_be_bytes);
            if head[..8] != MAGIC || oldest > 1 {
                return Err(bad("a snappy-java stream of version 1 begins with 82 SNAPPY 00"));
            }
            self.begun = true;
        }
        self.packed.clear();
        (&mut self.inner).take(4).read_to_end(&mut self.packed)?;
        if self.packed.is_empty() {
            return Ok(false);
        }
        let announced: [u8; 4] = (&self.packed[..])
            .try_into()
            .map_err(|_| bad("a block begins with four bytes of length"))?;
        let len = u64::try_from(i32::from_be_bytes(announced))
            .map_err(|_| bad("the length of a block is not negative"))?;
        self.packed.clear();
        (&mut self.inner).take(len).read_to_end(&mut self.packed)?;
        if self.packed.len() as u64 != len {
            return Err(bad("a block ends before the file does"));
        }
        let size = snap::raw::decompress_len(&self.packed)?;
        if size > self.packed.len().saturating_mul(EXPANSION_MAX) {
            return Err(bad("a block announces no more than its bytes can hold"));
        }
        self.block.resize(size, 0);
        self.at = 0;
        let written = snap::raw::Decoder::new().decompress(&self.packed, &mut self.block)?;
        self.block.truncate(written);
        Ok(true)
    }
}

fn bad(rule: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, rule)
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() && !into.is_empty() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let count = into.len().min(self.block.len() - self.at);
        into[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        encoder.write_all(bytes).expect("a vector takes everything");
        encoder.finish().expect("a vector takes everything")
    }

    fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Decoder::new(bytes).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn golden_the_empty_stream_is_its_header() {
        assert_eq!(pack(b""), b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    }

    #[test]
    fn golden_one_literal_block() {
        // 7 bytes of raw block: length 5, a literal of 5 (tag 0x10), the bytes.
        assert_eq!(pack(b"hello"), b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x07\x05\x10hello");
    }

    #[test]
    fn what_was_written_is_read_whatever_its_size() {
        for size in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 5 * BLOCK_BYTES / 2] {
            let bytes: Vec<u8> = (0..size).map(|i| (i * i / 7) as u8).collect();
            assert_eq!(unpack(&pack(&bytes)).expect("what was packed"), bytes, "{size}");
        }
    }

    #[test]
    fn a_block_that_announces_more_than_its_bytes_can_hold_is_refused() {
        let bomb = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x05\xff\xff\xff\xff\x0f";
        assert!(unpack(bomb).is_err());
        let short = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\x7f\xff\xff\xff\x00";
        assert!(unpack(short).is_err());
    }

    #[test]
    fn every_cut_is_noticed_or_at_a_block() {
        let whole = pack(b"hello");
        for cut in 17..whole.len() {
            assert!(unpack(&whole[..cut]).is_err(), "{cut}");
        }
    }
}
