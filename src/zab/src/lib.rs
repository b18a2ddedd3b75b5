//! Zab: election, discovery, synchronisation, broadcast and recovery as one pure transition function.
//!
//! No clock, no randomness, no I/O, no logging, no dependency. See [`Input`] and [`Outputs`].
#![no_std]

extern crate alloc;

mod config;
mod election;
mod history;
mod io;
mod leader;
mod learner;
mod message;
mod peer;
mod plan;
mod quorum;
mod replica;
mod syncs;
mod types;
mod zab;

pub use config::Config;
pub use election::Election;
pub use io::{
    Action, After, DiskImage, Fact, Halt, Ignored, Input, LinkCmd, Note, Outputs, Record, Refusal,
    Role, Send, Timer, TimerCmd,
};
pub use message::{
    LearnerKind, Message, MessageKind, Notification, Payload, ServerState, SessionMessage, Txn,
    Vote,
};
pub use peer::Peer;
pub use quorum::Quorum;
pub use types::{Epoch, Sid, SidSet, WriteNo, Zxid};
pub use zab::{Decision, Zab};
