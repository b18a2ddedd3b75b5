//! Writing: the header, and steps as chunks.

use xxhash_rust::xxh3::xxh3_64;

use crate::{CHUNK_HEAD, CHUNK_MAGIC, Header, MAGIC, SUM, VERSION};

/// The first bytes of a recording.
pub fn header(header: &Header) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    let body = append(header, Vec::new());
    bytes.extend(length(&body).to_le_bytes());
    bytes.extend(body);
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    bytes
}

/// A chunk of `count` encoded steps, the first of which has the number `first`. `last`: the
/// recording ends with it.
pub fn chunk(first: u64, count: u32, steps: &[u8], last: bool, out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend(CHUNK_MAGIC);
    out.extend(u32::from(last).to_le_bytes());
    out.extend(first.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(length(steps).to_le_bytes());
    debug_assert_eq!(out.len() - begin, CHUNK_HEAD);
    out.extend([0; SUM]);
    out.extend(steps);
    let sum = chunk_sum(&out[begin..begin + CHUNK_HEAD], &out[begin + CHUNK_HEAD + SUM..]);
    out[begin + CHUNK_HEAD..begin + CHUNK_HEAD + SUM].copy_from_slice(&sum.to_le_bytes());
}

pub(crate) fn chunk_sum(head: &[u8], steps: &[u8]) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
    hasher.update(head);
    hasher.update(steps);
    hasher.digest()
}

/// Serialisation of the types of a recording is total: no map, no failing `Serialize`.
pub(crate) fn append(value: &impl serde::Serialize, bytes: Vec<u8>) -> Vec<u8> {
    postcard::to_extend(value, bytes).unwrap_or_else(|error| unreachable!("{error}"))
}

/// A single step is as large as the disk image at the start may be: 4 GiB are 150 million
/// transactions.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or_else(|_| unreachable!("a chunk is below 4 GiB"))
}
