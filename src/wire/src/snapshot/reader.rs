use std::io::{self, Read};

use bytes::BytesMut;

use super::{BodyDecoder, Item, Step};
use crate::jute::Error;

/// Bytes that are made room for before they are read, if no more than that have arrived.
const PIECE_BYTES_MIN: usize = 1024;

/// Why a snapshot's body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed.
    #[error("snapshot: {0}")]
    Io(#[from] io::Error),
    /// The bytes are not those of a body. [`Error::Short`] if the source ended too early.
    #[error("snapshot: {0}")]
    Bytes(#[from] Error),
}

/// The items of a snapshot's body, one by one, from a source of bytes.
///
/// It never reads a byte that does not belong to the body, so a source that computes a checksum
/// of what is read through it stands exactly before the first seal when the iteration has ended.
/// It reads in small pieces: give it a source that is buffered. After an error it yields nothing
/// more.
#[derive(Debug)]
pub struct BodyReader<R> {
    source: R,
    buffer: BytesMut,
    decoder: BodyDecoder,
    failed: bool,
}

impl<R: Read> BodyReader<R> {
    /// Reads the body that `source` is at the beginning of; no single buffer or string in it may
    /// be longer than `limit_bytes`.
    pub fn new(source: R, limit_bytes: usize) -> Self {
        Self {
            source,
            buffer: BytesMut::new(),
            decoder: BodyDecoder::new(limit_bytes),
            failed: false,
        }
    }

    /// The source, behind what was read.
    pub fn into_inner(self) -> R {
        self.source
    }

    fn read_item(&mut self) -> Result<Option<Item>, ReadError> {
        loop {
            match self.decoder.step(&mut self.buffer)? {
                Step::Item(item) => return Ok(Some(item)),
                Step::End => return Ok(None),
                Step::Need { field, bytes } => self.fill(field, bytes)?,
            }
        }
    }

    fn fill(&mut self, field: &'static str, bytes: usize) -> Result<(), ReadError> {
        let mut missing = bytes;
        while missing > 0 {
            let start = self.buffer.len();
            // As much again as has arrived, so that long data takes few calls.
            let piece = missing.min(start.max(PIECE_BYTES_MIN));
            self.buffer.resize(start + piece, 0);
            let read = match self.source.read(&mut self.buffer[start..]) {
                Ok(0) => {
                    let left = bytes - missing;
                    return Err(Error::Short { field, needed: bytes, left }.into());
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(error.into()),
            };
            self.buffer.truncate(start + read);
            missing -= read;
        }
        Ok(())
    }
}

impl<R: Read> Iterator for BodyReader<R> {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.read_item().transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}
