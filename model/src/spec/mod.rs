//! Abstract Zab: nine actions over durable logs and what was ever said. The same protocol as
//! `spec/Zab.tla` and as `proofs/theories/Protocol.v`, where it is proved safe for any number of
//! servers, epochs and transactions.
//!
//! | module | what it holds |
//! |---|---|
//! | [`action`] | the actions and their guards, over any [`action::View`] of a state |
//! | [`state`] | the state as the specification has it, and `next` |
//! | [`space`] | its exploration: state counts that those of `spec/Zab.tla` have to equal |
//! | [`summary`] | as much of a state as guards can still depend on: for refinement and recorded runs |
//! | [`fold`] | what servers report, as actions: for refinement and recorded runs |
//! | [`histories`] | histories as ids |
//! | [`run`] | runs as text, for the trace checker that is extracted from the proof |

pub mod action;
mod checkable;
#[cfg(test)]
mod counts;
pub mod fold;
pub mod histories;
pub mod run;
pub mod space;
pub mod state;
pub mod summary;
#[cfg(test)]
mod tests;

pub(crate) use checkable::models;
