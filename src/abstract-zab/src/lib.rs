//! Abstract Zab: nine actions over durable logs and what was ever said. The same protocol as
//! `spec/Zab.tla` and as `proofs/theories/Protocol.v`, where it is proved safe for any number of
//! servers, epochs and transactions.
//!
//! | module | what it holds |
//! |---|---|
//! | [`action`] | the actions and their guards, over any [`action::View`] of a state |
//! | [`summary`] | as much of a state as guards can still depend on |
//! | [`fold`] | what the core of a server reports, as actions: for models and for recorded runs |
//! | [`histories`] | histories as ids |
//! | [`run`] | runs as text, for the trace checker that is extracted from the proof |
//!
//! A state as the specification has it, and its exploration, are in `model/src/spec`.

pub mod action;
pub mod fold;
pub mod histories;
pub mod run;
pub mod summary;
