//! Messages with their length in front, as on the client and election ports.

use bytes::{Buf, Bytes, BytesMut};

use crate::jute::{Error, Writer};

/// Appends a message: its length as an `i32`, then what `body` appends.
///
/// # Panics
/// If the message is longer than 2^31-1 bytes.
pub fn frame(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.nested(body);
}

/// Takes messages off the front of a stream.
///
/// Holds no bytes itself and reserves nothing for a message that was only announced: the buffer
/// grows by what its owner reads into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    field: &'static str,
    bytes_min: usize,
    bytes_max: usize,
}

impl Frames {
    /// Messages of `bytes_min` to `bytes_max` bytes, both inclusive and without the length;
    /// `field` is what errors call the length.
    pub fn new(field: &'static str, bytes_min: usize, bytes_max: usize) -> Self {
        Self { field, bytes_min, bytes_max }
    }

    /// The next message without its length, if all of it is there; it shares the memory of
    /// `buffer`.
    ///
    /// # Errors
    /// [`Error::Length`] as soon as a length out of range is seen. The stream has no next
    /// message then: the connection is to be closed.
    pub fn next(&self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        let Some(head) = buffer.first_chunk() else { return Ok(None) };
        let found = i32::from_be_bytes(*head);
        let length = match usize::try_from(found) {
            Ok(length) if (self.bytes_min..=self.bytes_max).contains(&length) => length,
            Ok(_) | Err(_) => {
                return Err(Error::Length {
                    field: self.field,
                    found: found.into(),
                    min: signed(self.bytes_min),
                    max: signed(self.bytes_max),
                });
            }
        };
        if buffer.len() - 4 < length {
            return Ok(None);
        }
        buffer.advance(4);
        Ok(Some(buffer.split_to(length).freeze()))
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
