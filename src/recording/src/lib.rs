//! Recordings of the core's steps: the format, for the server that writes and the checker that
//! reads.
//!
//! One file holds one incarnation of one server, from [`zab::Input::Start`] to its end: every input
//! of [`zab::Peer::step`] in order, and the outputs of each. Running them through the same function
//! again must give the same outputs; and what the servers of an ensemble recorded, put together,
//! must have the properties of the protocol.
//!
//! *No data of clients.* The core never looks into a payload, so a recording holds a [`Digest`] in
//! the place of each. The digest has no key: who holds a recording can test a guess of a payload,
//! and nothing else.
//!
//! # The format
//!
//! ```text
//! file    "VIVTRACE" · version u32 = 4 · length u32 · Header, postcard · XXH3-64 of everything before
//! chunk*  "VCHK" · kind u32 (0: more may come, 1: the last) · first step u64, counted from 0 · steps u32
//!         · length u32 · XXH3-64 of the 24 bytes before and the steps · the steps
//! step    shape: its number u8, or 255 · words varint · the words, u64 each; then the values
//! ```
//!
//! Numbers of file and chunk, and words, are little-endian. A varint has seven bits a byte, the
//! lowest first.
//!
//! # Steps
//!
//! Nothing is left out, but most steps are alike but for one digest and two or three numbers that
//! go up. So a step is told relative to what the steps before it have said, in two parts. Its
//! *shape* is what is alike: kinds, servers, timers, actions, and *relations*: that a number, or a
//! digest, is the one before (0), one more (1, numbers only) or another (2). Its *values* are what
//! a shape does not say, in the order in which it asks for them. A shape that came before is a
//! byte.
//!
//! A word of a shape is eight bytes, here those up to the last that may be other than 0. The first
//! is that of the input, the second that of the outputs, and behind it is a word for each item of
//! the lists, in the order of the fields.
//!
//! ```text
//! input    0, value: Input                Propose    7 digest
//!          Recv Proposal 1 sid txn        Durable    8, value: difference
//!          Recv Inform   2 sid txn        Recv Ack   3 sid, value: difference
//!          Recv Session  5 sid session    Recv Commit 4 sid, value: difference
//!          Session       6 sid session
//! outputs  writes · deliver · sends · session · timers · notes · rest; of lists the length, 255: value: length
//! writes   1 relation txn, or 0 relation, value: Record
//! deliver  as field 1: value: how many that are due; 2: behind that, value: how many others, and each txn
//! sends    kind sid wait: 0, value: Message; 1 .. txn; 2 .. txn; 3 .. relation (Ack); 4 .. relation (Commit); 6 .. session.
//!          wait: the relation of the record that it waits for, or 3: none
//! session  sid session
//! timers   0 to 7: Resend, Finalize, InitLimit, SyncLimit, QuorumLoss, Ping, LearnerInitLimit sid,
//!          LearnerSyncLimit sid; 8 more to disarm
//! notes    1 and the number of the action, or 0, value: Note
//! rest     as field 1: value: notifications, install, links, synced, halt
//! txn      relation of the zxid · digest
//! session  (the message) 0 Request, 1 Revalidate, 2 Sync · digest
//! digest   relation to the digest told last; 2: value: 8 bytes
//! ```
//!
//! A value is a varint if it is a length; a varint of the zigzag of the difference, modulo 2^64, if
//! it is a number that has a relation or is called a difference; and else postcard.
//!
//! Numbers are relative to: zxids of transactions, and of ACKs that are sent, to that of the
//! transaction told last; of ACKs that are received, and of COMMITs, to the last delivery; records
//! to the record told last; Durable to the last Durable. All begin with 0. *Due* are the
//! transactions that were written and not delivered, in their order, the last 65536 at most. A
//! delivery takes out those up to its zxid.
//!
//! A shape of at most 32 words gets a number, from 0 on in the order in which they come; the 255th
//! makes all before it forgotten, and is number
//! 0. There is one way to write a step: a relation is 2 only if it is not another, what is due is
//!    told as due, and what has a
//! word is not told as postcard.
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
mod payload;
mod read;
mod shapes;
mod tags;
mod usual;
mod write;

pub use digest::Digest;
pub use encode::Buffer;
pub use files::{file_name, next_number, parse_file_name};
pub use payload::{Content, Payload};
pub use read::{Reader, Refused, Step, Tail};
pub use write::{chunk, header};

use serde::{Deserialize, Serialize};

/// The version of the format that this crate writes, and the only one that it reads.
pub const VERSION: u32 = 4;

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
