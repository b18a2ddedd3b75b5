//! What stands in the place of a payload.

use std::fmt;
use std::num::NonZeroUsize;

use bytes::Bytes;
use rapidhash::v3::rapidhash_v3;
use serde::{Deserialize, Serialize};

/// The rapidhash (V3, without a seed) of a payload, big-endian: a payload that is not the one that
/// it should be goes unseen with a probability of 2^-64, unless somebody constructs it. It is not a
/// cryptographic digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 8]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(payload: &[u8]) -> Self {
        Self(rapidhash_v3(payload).to_be_bytes())
    }

    /// A payload that stands for the one with this digest when a recording is run again.
    pub fn stand_in(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }

    /// The digest that a [`Self::stand_in`] stands for; of other bytes, their own.
    pub fn of_stand_in(payload: &[u8]) -> Self {
        payload.try_into().map_or_else(|_| Self::of(payload), Self)
    }

    /// A number in the place of a digest.
    pub(crate) fn of_number(number: u64) -> Self {
        Self(number.to_be_bytes())
    }

    pub(crate) fn number(self) -> u64 {
        u64::from_be_bytes(self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Where a payload lies in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    address: NonZeroUsize,
    length: usize,
}

impl Place {
    #[inline]
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let address = NonZeroUsize::new(bytes.as_ptr().addr())?;
        Some(Self { address, length: bytes.len() })
    }
}
