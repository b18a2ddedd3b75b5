//! The state machine as a whole, in stories and laws.

mod harness;
mod laws;
mod prepare;
mod quotas;
mod read;
mod reaper;
mod sizes;
mod tree;
