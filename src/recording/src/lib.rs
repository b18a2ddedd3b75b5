//! Recordings of the core's steps: the format, for the server that writes and the checker that reads.
//!
//! One file holds one incarnation of one server, from [`zab::Input::Start`] to its end: every input of [`zab::Peer::step`]
//! in order, and the outputs of each. Running them through the same function again must give the same outputs; and
//! what the servers of an ensemble recorded, put together, must have the properties of the protocol.
//!
//! *No data of clients.* The core never looks into a payload, so a recording holds a [`Digest`] in the place of each. The
//! digest has no key: who holds a recording can test a guess of a payload, and nothing else.
//!
//! # The format
//!
//! All numbers are little-endian.
//!
//! ```text
//! file    "VIVTRACE" · version u32 = 1 · length u32 · Header, postcard · XXH3-64 of everything before
//! chunk*  "VCHK" · kind u32 (0: more may come, 1: the last) · first step u64, counted from 0 · steps u32
//!         · length u32 · XXH3-64 of the 24 bytes before and the steps · the steps
//! step    length u32 · Input<Digest>, postcard · Outputs<Digest>, postcard
//! ```
//!
//! A chunk is what was written at once. A crash can leave the file with a part of its last chunk: the *torn tail*,
//! which is reported, and what is before it counts. A chunk that is not sound and has a sound one behind it is damage, and
//! refused. A file whose last chunk is not of kind 1 is *open*: the server was killed, and its last steps may be missing.
//!
//! `s<sid>-<number>.vtrace` is the name of a file, where the number grows with each start.

mod digest;
mod files;
mod read;
mod write;

pub use digest::Digest;
pub use files::{file_name, next_number, parse_file_name};
pub use read::{Reader, Refused, Step, Tail};
pub use write::{Buffer, chunk, encode_outputs, header};

use serde::{Deserialize, Serialize};

/// The version of the format that this crate writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// What stands at the begin of a recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The commit of the build that recorded.
    pub commit: String,
    /// The number of this start of this server, as in the name of the file: from 1 on.
    pub number: u64,
    /// What the core was made with; says which server it was.
    pub config: zab::Config,
}

const MAGIC: &[u8; 8] = b"VIVTRACE";
const CHUNK_MAGIC: &[u8; 4] = b"VCHK";
/// Magic, kind, first step, steps, length.
const CHUNK_HEAD: usize = 24;
const SUM: usize = 8;
