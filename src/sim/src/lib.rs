//! Whole servers under one seed.
//!
//! Nodes with the real store on simulated disks, a simulated network, a clock for each server, and
//! clients, in one thread: what happens, and when, follows from the seed alone. A run is wild for a
//! while; then nothing goes wrong any more, and everything has to be well again.
//!
//! | module | what is there |
//! |---|---|
//! | `plan` | what a seed chooses, and the kinds of faults |
//! | `world` | time, connections, clients' side of them |
//! | `process`, `server`, `disks` | machines, and what happens at servers |
//! | `links`, `serving` | connections between servers, and with clients |
//! | `client`, `translate` | clients; between their words and ZooKeeper's |
//! | `faults`, `strange` | what goes wrong |
//! | `judge` | what a run has to come to |
//! | `real` | the same clients at real servers |
//! | `moves` | what a session that has moved may see |
//! | `marks` | situations that runs should reach |
//! | `story` | what happened, as it is told |
//! | `shrink` | a smaller run that fails, too |
//!
//! Not simulated: which connections the two ports between servers keep (`server`'s
//! `quorum_port.rs` and `election_port.rs`; here every server has one connection for votes to each
//! other), TLS, strangers at the election port.

mod client;
mod disks;
mod faults;
mod judge;
mod links;
pub mod marks;
mod moves;
mod pipe;
mod plan;
mod process;
mod real;
mod rng;
mod server;
mod serving;
mod shrink;
mod story;
mod strange;
mod translate;
mod world;

pub use client::Modes;
pub use judge::run;
pub use plan::{Fault, Options};
pub use real::{Driven, drive, known, last_of, log_of};
pub use shrink::shrink;
pub use story::{Kind, Line, Who};
pub use world::Outcome;
