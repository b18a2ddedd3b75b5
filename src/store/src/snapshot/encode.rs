//! A snapshot that goes elsewhere than into the server's own directory.

use std::io::{self, Write};

use super::{HEADER, SEAL_END, SnapshotTail};

/// Takes the body of a snapshot, as [`SnapshotWriter`](super::SnapshotWriter) does, and hands the
/// bytes of a whole snapshot file to `out`, not compressed.
pub struct SnapshotEncoder<W> {
    out: W,
    sum: simd_adler32::Adler32,
}

impl<W: Write> SnapshotEncoder<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn begin(out: W) -> io::Result<Self> {
        let mut this = Self { out, sum: simd_adler32::Adler32::new() };
        this.write_all(&HEADER)?;
        Ok(this)
    }

    /// Seals, digest, last zxid.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self, tail: SnapshotTail) -> io::Result<()> {
        self.seal()?;
        if let Some(digest) = tail.digest {
            self.write_all(&digest.zxid.to_be_bytes())?;
            self.write_all(&digest.version.to_be_bytes())?;
            self.write_all(&digest.tree.to_be_bytes())?;
            self.seal()?;
            if let Some(zxid) = tail.last_zxid {
                self.write_all(&zxid.to_be_bytes())?;
                self.seal()?;
            }
        }
        self.out.flush()
    }

    fn seal(&mut self) -> io::Result<()> {
        let sum = u64::from(self.sum.finish());
        self.write_all(&sum.to_be_bytes())?;
        self.write_all(&SEAL_END)
    }
}

impl<W: Write> Write for SnapshotEncoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sum.write(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
