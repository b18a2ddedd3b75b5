//! Abstract Zab as a state space of its own (`src/abstract-zab` has its actions and their guards):
//! the same protocol as `spec/Zab.tla` and as `proofs/theories/Protocol.v`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`state`] | the state as the specification has it, and `next` |
//! | [`space`] | its exploration: state counts that those of `spec/Zab.tla` have to equal |

mod checkable;
#[cfg(test)]
mod counts;
pub mod space;
pub mod state;
#[cfg(test)]
mod tests;

pub(crate) use checkable::models;
