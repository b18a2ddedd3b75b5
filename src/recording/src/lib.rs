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
//! ```text
//! file    "VIVTRACE" · version u32 = 2 · length u32 · Header, postcard · XXH3-64 of everything before
//! chunk*  "VCHK" · kind u32 (0: more may come, 1: the last) · first step u64, counted from 0 · steps u32
//!         · length u32 · XXH3-64 of the 24 bytes before and the steps · the steps
//! step    number of a shape u8, or 255 · length varint · a new shape; then the values
//! shape   input · outputs
//! ```
//!
//! Numbers of file and chunk are little-endian. A varint has seven bits a byte, the lowest first.
//!
//! # Steps
//!
//! Nothing is left out, but most steps are alike but for one digest and two or three numbers that go up. So a step is told relative to
//! what the steps before it have said, in two parts. Its *shape* is what is alike: kinds, servers, timers, actions, and that a number or digest
//! is the same as before (0), one more (1) or another (2). Its *values* are, in the order in which the shape names them, what another one is: a
//! difference modulo 2^64 as a zigzag varint, or 16 bytes of a digest. A shape that came before is a byte.
//!
//! ```text
//! input   0, value: Input, postcard
//!         7 digest                Propose           8, value: difference   Durable
//!         1 sid txn               Recv Proposal     3 sid, value: difference   Recv Ack
//!         2 sid txn               Recv Inform       4 sid, value: difference   Recv Commit
//!         5 sid session           Recv Session      6 sid session          Session
//! outputs fields u8 · writes · deliver · sends · session · timers · notes · rest, each if its bit (1, 2, 4, .. 64) is set
//! writes  count varint · (relation of the number · 1 txn, or 0 and value: Record, postcard)*
//! deliver (2, value: how many that are due, varint; or 1 txn)* · 0
//! sends   count varint · (sid · relation of the record that it waits for, or 3 for none
//!         · 0 and value: Message, postcard; 1 txn; 2 txn; 3 relation (Ack); 4 relation (Commit); 6 session)*
//! session count varint · (sid · session)*
//! timers  count varint · (0 to 7: Resend, Finalize, InitLimit, SyncLimit, QuorumLoss, Ping, LearnerInitLimit sid,
//!         LearnerSyncLimit sid; 8 more to disarm)*
//! notes   count varint · (number of the action; or 255, value: Note, postcard)*
//! rest    value: notifications, install, links, synced, halt, postcard
//! txn     relation of the zxid · digest
//! session (of one message) 0 Request, 1 Revalidate, 2 Sync · digest
//! digest  0 the last one, or 2 and value: 16 bytes
//! ```
//!
//! Zxids of transactions and sent ACKs are relative to that of the transaction told last; received ACKs, and COMMITs, to that of the last
//! delivery; numbers of records to the last record; Durable to the last Durable; all begin with 0. *Due* are the transactions that were written and
//! not delivered, 65536 at most, the oldest first. A delivery takes out those up to its zxid.
//!
//! Shapes of at most 96 bytes get numbers, from 0 on, in the order in which they come; before the 255th all are forgotten. There is one way
//! to write a step: a value is given only where no relation says the same, and deliveries that are due are told as such.
//!
//! # Crashes
//!
//! A chunk is what was written at once. A crash can leave the file with a part of its last chunk: the *torn tail*,
//! which is reported, and what is before it counts. A chunk that is not sound and has a sound one behind it is damage, and
//! refused. A file whose last chunk is not of kind 1 is *open*: the server was killed, and its last steps may be missing.
//!
//! `s<sid>-<number>.vtrace` is the name of a file, where the number grows with each start.

mod context;
mod decode;
mod digest;
mod encode;
mod files;
mod payload;
mod read;
mod shapes;
mod tags;
mod write;

pub use digest::Digest;
pub use encode::Buffer;
pub use files::{file_name, next_number, parse_file_name};
pub use payload::{Content, Payload};
pub use read::{Reader, Refused, Step, Tail};
pub use write::{chunk, header};

use serde::{Deserialize, Serialize};

/// The version of the format that this crate writes, and the only one that it reads.
pub const VERSION: u32 = 2;

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
