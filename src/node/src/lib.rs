//! A whole server without its sockets, threads and clocks.
//!
//! Everything that decides is here or below: `zab` says what to write, to send and to deliver,
//! `host` in which order, `znode` what a request does to the tree; here are the sessions, the order
//! of each one's requests, reads and watches, what the leader does now and then, what is written to
//! disk and when, and what a server begins with. Whoever drives a [`Node`] moves bytes, and tells
//! it what its clocks show.

mod access;
pub mod admin;
mod client;
pub mod compat;
mod digests;
pub mod disk;
mod inlet;
mod io;
pub mod metrics;
mod node;
mod outbox;
mod settings;
pub mod snapshots;
mod startup;
mod timers;

pub use access::{Access, DigestAlgorithm, Secret};
pub use client::date;
pub use client::{
    Admission, ClientBatch, ClientRequest, Connection, Handshake, Hello, Inbound, Learner,
    NO_SESSION, SESSIONLESS_TIMEOUT, SessionSets, Shared, Status, Ticket, Turns, WORD_TIMEOUT,
    answer, is_costly, is_executed,
};
pub use inlet::Inlet;
pub use io::{Bell, Effect, End, Event, Load, Now, Recorder, Told, Turn};
pub use node::{Audit, Node, Parts};
pub use outbox::{Chunk, Next, Outbox};
pub use settings::{Build, DirSizes, FourLetterWords, Machine, NoMachine, Settings};
pub use startup::{Beginning, Unusable, begin};

/// How many times as long as a request its answer, and the events that it causes, may be whatever
/// is in the tree. Longer answers are those of reads, which can be refused; setWatches and a write
/// that is done cannot.
pub const ANSWER_BYTES_PER_BYTE_MAX: u32 = 8;
