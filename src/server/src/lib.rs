//! The shell around the core: sockets, timers, the disk thread, sessions.
//!
//! Everything that decides is elsewhere: `zab` says what to write, to send and to deliver, `znode`
//! what a request does to the tree. Here is one task that owns the core, and around it the sockets,
//! the disk thread and the clock.

mod client;
mod clock;
pub mod compat;
mod config;
mod descriptors;
mod digests;
mod disk;
mod election_port;
mod engine;
mod events;
mod greetings;
mod link;
mod listen;
mod outbox;
mod peer_address;
mod quorum_port;
mod recorder;
mod run;
mod snapshots;
mod timers;

use std::time::Duration;

pub use config::{
    ClientAddress, Config, ConfigError, DirSizes, FourLetterWords, Member, SnapshotCompression,
    property_value,
};
pub use events::{Event, Events};
pub use run::{Build, Error, Options, run};

/// After a failure to accept a connection (no more file descriptors, mostly) the next attempt waits
/// this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
