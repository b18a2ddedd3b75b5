//! Recordings of what a host did: the format, for the server that writes and the checker that
//! reads.
//!
//! One file holds one incarnation of one server, from [`Event::Start`] to its end: every event that
//! its [`host::Host`] was given, in order, and the effects of each. Running them through the same
//! host again must give the same effects; what the servers of an ensemble recorded, put together,
//! must have the properties of the protocol; and what one server was given over a connection is
//! what the other end let leave over it.
//!
//! *No data of clients.* Core and host never look into a payload, so a recording holds a [`Digest`]
//! in the place of each. The digest has no key: who holds a recording can test a guess of a
//! payload, and nothing else.
//!
//! *What the host is given* is all that it depends on: the events with what came over connections
//! packet by packet, the points at which it was told to let leave what was said
//! ([`Event::Flush`]), the sessions that it was told to report, and the configuration that it
//! sends, which stands in the header. What it does with messages that arrive together depends on
//! which ones did: an event has all of them.
//!
//! # The format
//!
//! ```text
//! file    "VIVTRACE" · version u32 = 5 · length u32 · Header, postcard · XXH3-64 of everything before
//! chunk*  "VCHK" · kind u32 (0: more may come, 1: the last) · first step u64, counted from 0 · steps u32
//!         · length u32 · XXH3-64 of the 24 bytes before and the steps · the steps
//! step    kind of the event u8 (128 more: reports follow) · event · [number · digest*] · effects
//! ```
//!
//! Numbers of file and chunk are little-endian. Numbers of steps are varints: seven bits a byte,
//! the lowest first; those called a difference are the zigzag of it, modulo 2^64.
//!
//! # Steps
//!
//! ```text
//! event    0 Start image           1 Opened link (dialled, ports)    2 Closed link
//!          3 Unreachable sid       4 Received link packets           5 State link zxid
//!          6 Notified (sid, notification, ports)                     7 ElectionOpened (sid, ports)
//!          8 Durable difference    9 Timer timer                    10 Propose digest
//!         11 Sync digest          12 SyncFor link                   13 Session sid packets
//!         14 Resign               15 Flush
//! effects  effect* 0, or 255: the same bytes as those of the last event of this kind, if these were 64 at most
//! effect   1 the next record, with the next transaction; 2 difference digest: the next record, with another one
//!          3 Write difference record     4 number: so many of the next transactions are delivered
//!          5 Deliver difference digest   6 Frames link packets   7 Session link packets
//!          8 action u8                   9 Note                 10 Arm timer    11 Disarm timer
//!         12 Other
//! link     sid · difference of the generation to that of the link to this peer that was told last
//! packets  packet* 0
//! packet   type · number: so many with the expected zxid and content
//!          32 + type · number · digest*: so many with the expected zxid
//!          64 + type · difference: with another zxid, and the content that is expected with it
//!          96 + type · difference · digest
//! ```
//!
//! What is not named is postcard. The *next* record has a number that is one more than that of the
//! last one. The next transaction to write is one behind the last one written; to deliver, one
//! behind the last one delivered. The expected zxid of a packet is one more than that of the last
//! packet of its type to, or from, this peer, or 0 if its type names none. The *content of a zxid*
//! is known from the last record, PROPOSAL or INFORM of it that was told, if none of a zxid that is
//! the same modulo 8192 was told since; the next transaction to write may also have the digest
//! that was proposed, or written, last. Other packets are expected without content.
//!
//! There is one way to write a step: whatever can be told shorter is.
//!
//! # Crashes
//!
//! A chunk is what was written at once. A crash can leave the file with a part of its last chunk:
//! the *torn tail*, which is reported, and what is before it counts. A chunk that is not sound and
//! has a sound one behind it is damage, and refused. A file whose last chunk is not of kind 1 is
//! *open*: the server was killed, and its last steps may be missing.
//!
//! `s<sid>-<number>.vtrace` is the name of a file, where the number grows with each start.

mod context;
mod decode;
mod digest;
mod encode;
mod files;
mod packets;
mod read;
mod step;
mod tags;
mod translate;
mod write;

pub use digest::Digest;
pub use encode::Buffer;
pub use files::{file_name, next_number, parse_file_name};
pub use packets::{Packet, Payloads, messages};
pub use read::{Reader, Refused, Tail};
pub use step::{Effect, Event, Other, Ports, Said, Step};
pub use translate::Translator;
pub use write::{chunk, header};

use serde::{Deserialize, Serialize};

/// The version of the format that this crate writes, and the only one that it reads.
pub const VERSION: u32 = 6;

/// What stands at the begin of a recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The commit of the build that recorded.
    pub commit: String,
    /// The hash of the sources of core and host of that build, in hexadecimal.
    pub core: String,
    /// The number of this start of this server, as in the name of the file: from 1 on.
    pub number: u64,
    /// What the core was made with; says which server it was.
    pub config: zab::Config,
    /// The configuration as the host sends it to peers.
    pub config_text: Vec<u8>,
}

const MAGIC: &[u8; 8] = b"VIVTRACE";
const CHUNK_MAGIC: &[u8; 4] = b"VCHK";
/// Magic, kind, first step, steps, length.
const CHUNK_HEAD: usize = 24;
const SUM: usize = 8;
