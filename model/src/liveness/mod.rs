//! Z15: once faults stop, every fair run gets there, from every state that was reached before
//! ([`search::calm`]).
//!
//! A calm run may begin only so many rounds of the election. Reaching that limit is no excuse: a
//! state that only the limit keeps from going on is a dead end, and reported like any other.

mod checkable;
pub mod cluster;
mod overtaken;
#[cfg(test)]
pub(crate) mod tests;

pub use checkable::models;
pub use overtaken::Overtaken;

/// The property's name, as on the command line.
pub const Z15: &str = "liveness";
