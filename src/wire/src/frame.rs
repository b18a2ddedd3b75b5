//! Messages with their length in front, as on the client and election ports.

use bytes::{Buf, Bytes, BytesMut};

use crate::jute::{Error, Writer};

/// The longest message that a length in front of it can announce.
pub const FRAME_BYTES_MAX: usize = i32::MAX as usize;

/// A message was longer than it may be, so nothing of it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message would be {found} bytes long, allowed are {max}")]
pub struct TooLong {
    /// Its length, without the four bytes that announce it.
    pub found: usize,
    /// The longest that was allowed.
    pub max: usize,
}

/// Appends a message: its length as an `i32`, then what `body` appends.
///
/// For messages whose length is bounded by what they are made of. One of more than
/// [`FRAME_BYTES_MAX`] bytes has no encoding: nothing is appended.
pub fn frame(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    // The reader waits for a message that never comes, which is better than one that is wrong.
    let _ = frame_within(out, FRAME_BYTES_MAX, body);
}

/// As [`frame`], for messages that may be longer than `bytes_max`.
///
/// # Errors
/// The message is too long: nothing is appended. The bound limits what leaves, not what `body`
/// writes before it is judged.
pub fn frame_within(
    out: &mut Vec<u8>,
    bytes_max: usize,
    body: impl FnOnce(&mut Vec<u8>),
) -> Result<(), TooLong> {
    let head = out.len();
    out.nested(body);
    let (found, max) = (out.len() - head - 4, bytes_max.min(FRAME_BYTES_MAX));
    if found > max {
        out.truncate(head);
        return Err(TooLong { found, max });
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_too_long_leaves_what_was_there_as_it_was() {
        let mut out = b"before".to_vec();
        let body = |out: &mut Vec<u8>| out.extend_from_slice(b"12345");
        assert_eq!(frame_within(&mut out, 4, body), Err(TooLong { found: 5, max: 4 }));
        assert_eq!(out, b"before");
        assert_eq!(frame_within(&mut out, 5, body), Ok(()));
        assert_eq!(out, b"before\0\0\0\x0512345");
    }
}
