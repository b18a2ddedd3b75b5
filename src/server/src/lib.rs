//! The shell around a node: sockets, threads, signals, clocks, the configuration file.
//!
//! What decides is in [`node`] and below. Here is one task that drives it, and around it the
//! sockets of clients and of other servers, and the disk thread.

mod admin;
mod audit;
mod bell;
mod client;
mod clock;
mod config;
mod descriptors;
mod disk;
mod election_port;
mod engine;
mod events;
mod greetings;
mod http;
mod link;
mod listen;
mod machine;
mod peer_address;
mod peers;
mod prometheus;
mod quorum_port;
mod recorder;
mod run;
mod snapshots;
mod systemd;
mod tls;

use std::time::Duration;

pub use config::{
    Admin, Audit, ClientAddress, ClientAuth, Config, ConfigError, DirSizes, FourLetterWords,
    Hierarchy, Member, MemberAddress, Password, Secret, SnapshotCompression, StoreFile, StoreKind,
    SystemProperty, Tls, TlsKeys, TlsVersions, property_value,
};
pub use events::{Event, Events};
pub use node::{Build, compat};
pub use run::{Error, Options, run};

/// After a failure to accept a connection (no more file descriptors, mostly) the next attempt waits
/// this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
