//! Writing: steps into a buffer, a buffer into a chunk.

use xxhash_rust::xxh3::xxh3_64;
use zab::{Input, Outputs};

use crate::digest::{Known, digest_input, digest_outputs};
use crate::{CHUNK_HEAD, CHUNK_MAGIC, Digest, Header, MAGIC, SUM, VERSION};

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

/// A chunk of `count` encoded steps, the first of which has the number `first`. `last`: the recording ends with it.
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

/// Steps on their way into a recording. Its memory is used again: recording a step allocates nothing in steady state.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// Where the step begins whose outputs are not there yet.
    begun: usize,
    count: u32,
    outputs: Outputs<Digest>,
    known: Known,
}

impl Buffer {
    /// No step yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Before the step: its input.
    pub fn begin<P: AsRef<[u8]>>(&mut self, input: &Input<P>) {
        self.bytes.truncate(self.begun);
        self.bytes.extend([0; 4]);
        self.known.forget();
        let input = digest_input(input, &mut self.known);
        self.append(&input);
    }

    /// After the step: its outputs.
    pub fn end<P: AsRef<[u8]>>(&mut self, outputs: &Outputs<P>) {
        let mut digested = std::mem::take(&mut self.outputs);
        digest_outputs(outputs, &mut self.known, &mut digested);
        self.append(&digested);
        self.outputs = digested;
        let length = length(&self.bytes[self.begun + 4..]);
        self.bytes[self.begun..self.begun + 4].copy_from_slice(&length.to_le_bytes());
        self.begun = self.bytes.len();
        self.count += 1;
    }

    /// The complete steps, encoded.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.begun]
    }

    /// How many they are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.begun = 0;
        self.count = 0;
    }

    fn append(&mut self, value: &impl serde::Serialize) {
        self.bytes = append(value, std::mem::take(&mut self.bytes));
    }
}

/// Adds outputs to `bytes` as a step has them.
pub fn encode_outputs(outputs: &Outputs<Digest>, bytes: Vec<u8>) -> Vec<u8> {
    append(outputs, bytes)
}

/// Serialisation of the types of a recording is total: no map, no failing `Serialize`.
fn append(value: &impl serde::Serialize, bytes: Vec<u8>) -> Vec<u8> {
    postcard::to_extend(value, bytes).unwrap_or_else(|error| unreachable!("{error}"))
}

/// A single step is as large as the disk image at the start may be: 4 GiB are 150 million transactions.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or_else(|_| unreachable!("a chunk is below 4 GiB"))
}
