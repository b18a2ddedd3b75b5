//! What may stand where a payload stands.

use crate::Digest;

/// A payload, as far as recordings look at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content<'a> {
    /// The bytes themselves.
    Bytes(&'a [u8]),
    /// What is left of a payload in a recording.
    Digest(Digest),
}

/// What steps may carry to be recorded: bytes, or digests that were recorded before.
pub trait Payload {
    /// What it holds.
    fn content(&self) -> Content<'_>;
}

impl<P: AsRef<[u8]>> Payload for P {
    fn content(&self) -> Content<'_> {
        Content::Bytes(self.as_ref())
    }
}

impl Payload for Digest {
    fn content(&self) -> Content<'_> {
        Content::Digest(*self)
    }
}
