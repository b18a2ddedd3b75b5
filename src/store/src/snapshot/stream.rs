//! The bytes of a snapshot file, on the way to the disk and back: buffered, compressed, counted,
//! summed.

use std::io::{self, BufReader, Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::xerial;
use crate::disk::File;
use crate::layout::Compression;

const BUFFER_BYTES: usize = 256 << 10;

/// Reads a file from its beginning.
#[derive(Debug)]
pub(crate) struct FileReader<F> {
    file: F,
    at: u64,
}

impl<F: File> Read for FileReader<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Writes a file from its beginning, in large pieces.
#[derive(Debug)]
pub(crate) struct FileWriter<F> {
    file: F,
    at: u64,
    buffer: Vec<u8>,
}

impl<F: File> FileWriter<F> {
    fn pass_on(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl<F: File> Write for FileWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.pass_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compresses, and ends with an fsync.
#[derive(Debug)]
pub(crate) enum Sink<F: File> {
    Plain(FileWriter<F>),
    Gzip(GzEncoder<FileWriter<F>>),
    Snappy(xerial::Encoder<FileWriter<F>>),
}

impl<F: File> Sink<F> {
    pub(crate) fn new(file: F, compression: Compression) -> Self {
        let file = FileWriter { file, at: 0, buffer: Vec::new() };
        match compression {
            Compression::None => Self::Plain(file),
            Compression::Gzip => Self::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Compression::Snappy => Self::Snappy(xerial::Encoder::new(file)),
        }
    }

    /// Ends the stream; the bytes are durable afterwards.
    pub(crate) fn finish(self) -> io::Result<()> {
        let mut file = match self {
            Self::Plain(file) => file,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Snappy(encoder) => encoder.finish()?,
        };
        file.pass_on()?;
        file.file.sync()
    }
}

impl<F: File> Write for Sink<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Snappy(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Uncompresses, counts, and keeps the running Adler-32 of everything read.
pub(crate) struct Source<F: File> {
    bytes: Uncompressed<F>,
    pub(crate) offset: u64,
    sum: simd_adler32::Adler32,
}

enum Uncompressed<F: File> {
    Plain(BufReader<FileReader<F>>),
    Gzip(Box<BufReader<MultiGzDecoder<BufReader<FileReader<F>>>>>),
    Snappy(xerial::Decoder<BufReader<FileReader<F>>>),
}

impl<F: File> Source<F> {
    pub(crate) fn new(file: F, compression: Compression) -> Self {
        // Not more memory than the file has bytes, as far as that is known.
        let size = file.len().ok().and_then(|len| usize::try_from(len).ok());
        let size = size.map_or(BUFFER_BYTES, |len| len.clamp(1, BUFFER_BYTES));
        let file = BufReader::with_capacity(size, FileReader { file, at: 0 });
        let bytes = match compression {
            Compression::None => Uncompressed::Plain(file),
            Compression::Gzip => {
                Uncompressed::Gzip(Box::new(BufReader::new(MultiGzDecoder::new(file))))
            }
            Compression::Snappy => Uncompressed::Snappy(xerial::Decoder::new(file)),
        };
        Self { bytes, offset: 0, sum: simd_adler32::Adler32::new() }
    }

    /// The Adler-32 of everything read so far, to go on with.
    pub(crate) fn clone_sum(&self) -> simd_adler32::Adler32 {
        self.sum.clone()
    }
}

impl<F: File> Read for Source<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.bytes {
            Uncompressed::Plain(bytes) => bytes.read(into),
            Uncompressed::Gzip(bytes) => bytes.read(into),
            Uncompressed::Snappy(bytes) => bytes.read(into),
        }?;
        self.offset += count as u64;
        self.sum.write(&into[..count]);
        Ok(count)
    }
}
