//! How a log file ends: telling the torn tail of a crash from damage.
//!
//! A file ends where the first entry stands that is not whole. A crash leaves such an entry in one
//! of two ways:
//!
//! - *A cut.* The process or the disk stopped in the middle of a write: a prefix of what was to be
//!   written is there, to any byte, and zeros or nothing behind it. So the entry is not whole
//!   because its end is missing.
//! - *A hole*, if the power failed or the system crashed ([`Crash::OfSystem`]). Any combination of
//!   the sectors written since the last fsync is there, and zeros in the place of the others. So a
//!   whole sector of zeros covers some of the entry, and whatever stands behind it was not
//!   acknowledged either.
//!
//! Whatever is neither is damage: acknowledged records may be among it, and nothing is cut. In
//! particular an entry whose end stands in its place, with a wrong checksum, was written whole.
//!
//! The bytes cannot tell these from a cut, so they are cut, and reported except for the first:
//! zeros from the end of an entry to the end of the file; zeros, or the end of the file, from the
//! middle of an entry on; after a crash of the system, a damaged record that holds a whole sector
//! of zeros, or has one behind its damaged length.

use std::fmt;

use crate::disk::File;
use crate::error::Result;
use crate::log::{ENTRY_END, ENTRY_HEAD_BYTES, HEADER, TXN_HEADER_BYTES, blob_zxid};
use crate::window::{Flaw, Window};

/// What a disk writes whole or not at all. Larger sectors are several of these.
const SECTOR_BYTES: u64 = 512;

/// What happened to the server that wrote a file last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Crash {
    /// Nothing, or its process ended: whatever it wrote is there.
    OfProcess,
    /// The whole system crashed, or its power failed: any sectors that were not synced may be
    /// missing.
    OfSystem,
}

/// How a file ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Tail {
    /// Nothing but zeros behind the last entry, perhaps none.
    Clean,
    /// Remains of an entry, as a crash leaves them.
    Torn(Flaw),
    /// Something that no crash leaves.
    Damaged(Flaw, Proof),
}

/// What shows that a record which is not whole is no torn end of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Proof {
    /// A record that is intact, and newer than the last one before the damage, stands behind it.
    GoodRecord {
        /// Where it begins.
        offset: u64,
    },
    /// The record has its end, so it was written whole.
    Whole,
    /// The record would be whole with another length: the bytes behind its head have its checksum,
    /// to the last one in the file.
    WholeButForLength {
        /// The length that fits.
        length: u64,
    },
    /// Something was written behind the place where the record, or the header of the file, ends.
    DataBehind {
        /// The last byte that is not zero.
        offset: u64,
    },
    /// No record begins with these bytes.
    NoHead,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GoodRecord { offset } => {
                write!(f, "a good record stands behind the damage at offset {offset}")
            }
            Self::Whole => write!(f, "the record is whole, up to the byte that ends it"),
            Self::WholeButForLength { length } => {
                write!(f, "the record is whole with a length of {length}")
            }
            Self::DataBehind { offset } => {
                write!(f, "there is data behind its end, up to offset {offset}")
            }
            Self::NoHead => write!(
                f,
                "no record begins so: the upper half of its checksum is zero, its length at least {TXN_HEADER_BYTES}"
            ),
        }
    }
}

/// Decides what stands from `from` on, where no whole entry does, behind entries up to zxid `last`.
pub(crate) fn judge<F: File>(
    window: &mut Window<'_, F>,
    from: u64,
    last: u64,
    crash: Crash,
    flaw: Flaw,
) -> Result<Tail> {
    let Some(data_end) = window.end_of_data(from)? else { return Ok(Tail::Clean) };
    let head = Head::read(window, from)?;
    let hole = match crash {
        Crash::OfProcess => false,
        Crash::OfSystem => has_hole(window, from, head.end(from), data_end)?,
    };
    if hole {
        return Ok(Tail::Torn(flaw));
    }
    let proof = match good_record(window, from, data_end, last)? {
        Some(offset) => Some(Proof::GoodRecord { offset }),
        None => not_cut(window, from, data_end, head)?,
    };
    Ok(match proof {
        Some(proof) => Tail::Damaged(flaw, proof),
        None => Tail::Torn(flaw),
    })
}

/// As [`judge`], where even the header is not whole. It is durable before anything is written
/// behind it.
pub(crate) fn judge_header<F: File>(window: &mut Window<'_, F>, flaw: Flaw) -> Result<Tail> {
    Ok(match window.end_of_data(0)? {
        None => Tail::Clean,
        Some(end) if end <= HEADER.len() as u64 => Tail::Torn(flaw),
        Some(end) => {
            let good = good_record(window, 0, end, 0)?;
            let proof = good.map_or(Proof::DataBehind { offset: end - 1 }, |offset| {
                Proof::GoodRecord { offset }
            });
            Tail::Damaged(flaw, proof)
        }
    })
}

/// Checksum and length, as they stand there; what is missing reads as zero.
#[derive(Clone, Copy)]
struct Head {
    checksum: u64,
    len: i32,
}

impl Head {
    fn read<F: File>(window: &mut Window<'_, F>, from: u64) -> Result<Self> {
        let left = usize::try_from(window.len - from).unwrap_or(usize::MAX).min(ENTRY_HEAD_BYTES);
        let mut head = [0; ENTRY_HEAD_BYTES];
        if let Some(bytes) = window.get(from, left)? {
            head[..left].copy_from_slice(bytes);
        }
        let (checksum, len) = head.split_at(8);
        Ok(Self {
            checksum: checksum.try_into().map_or(0, u64::from_be_bytes),
            len: len.try_into().map_or(0, i32::from_be_bytes),
        })
    }

    /// Where the byte stands that ends an entry of this length at `from`.
    fn end(self, from: u64) -> u64 {
        from + ENTRY_HEAD_BYTES as u64 + u64::try_from(self.len).unwrap_or(0)
    }
}

/// Why the bytes from `from` to `data_end`, which are not a whole entry, are not the beginning of
/// one, cut somewhere; `None` if they may be.
fn not_cut<F: File>(
    window: &mut Window<'_, F>,
    from: u64,
    data_end: u64,
    head: Head,
) -> Result<Option<Proof>> {
    let body = from + ENTRY_HEAD_BYTES as u64;
    if head.checksum >> 32 != 0 {
        return Ok(Some(Proof::NoHead));
    }
    if data_end < body {
        return Ok(None);
    }
    // The cut is behind the head, so the length is the one that was written.
    if usize::try_from(head.len).is_ok_and(|len| len >= TXN_HEADER_BYTES) {
        let (end, last) = (head.end(from), data_end - 1);
        return if last > end {
            Ok(Some(Proof::DataBehind { offset: last }))
        } else if last == end {
            Ok(Some(Proof::Whole))
        } else {
            let length = last.saturating_sub(body);
            let same = length >= TXN_HEADER_BYTES as u64
                && window.get(last, 1)? == Some(&[ENTRY_END])
                && window.adler32(body, last)? == head.checksum;
            Ok(same.then_some(Proof::WholeButForLength { length }))
        };
    }
    Ok(Some(Proof::NoHead))
}

/// True if a sector is missing that the entry from `from` to `end` needs, and something later is
/// there. The first sector may be missing only if nothing before it was written since it was
/// synced, which the entry before would show.
fn has_hole<F: File>(
    window: &mut Window<'_, F>,
    from: u64,
    end: u64,
    data_end: u64,
) -> Result<bool> {
    // The upper half of a checksum is zero anyway.
    let mut sector = (from + 4) / SECTOR_BYTES * SECTOR_BYTES;
    while sector <= end && sector + SECTOR_BYTES < data_end {
        if window.is_zero(sector.max(from), sector + SECTOR_BYTES)? {
            return Ok(true);
        }
        sector += SECTOR_BYTES;
    }
    Ok(false)
}

/// Where an intact entry with a new zxid begins, at `from` or behind it.
fn good_record<F: File>(
    window: &mut Window<'_, F>,
    from: u64,
    data_end: u64,
    last: u64,
) -> Result<Option<u64>> {
    for offset in from..data_end {
        // Cheap tests first: the high half of a checksum is zero, the length plausible, the zxid
        // new.
        let Some(head) = window.get(offset, ENTRY_HEAD_BYTES + TXN_HEADER_BYTES)? else { break };
        let plausible = head[..4] == [0; 4]
            && head[8] < 0x80
            && blob_zxid(&head[ENTRY_HEAD_BYTES..]).is_some_and(|zxid| zxid > last);
        if plausible && window.entry(offset)?.is_ok_and(|entry| entry.zxid > last) {
            return Ok(Some(offset));
        }
    }
    Ok(None)
}
