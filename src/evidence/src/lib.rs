//! The report of all the evidence, for a reviewer who has never seen the code.
//!
//! A [`Report`] is facts: what ran, by what command, within which bounds, how long it took, and
//! what came of it. Nothing here runs anything. Of the facts, [`chain`] makes the links from what
//! clients rely on down to recorded runs of real servers, each with one [`Status`]; [`gaps`] makes
//! the list of what this very run leaves open; [`LIMITS`] is what no run covers. [`page`] shows it
//! all as one HTML page that needs nothing else, and begins with what is not covered. The JSON form
//! is that of serde, [`VERSION`] its version.

mod chain;
mod gaps;
mod limits;
mod page;
mod plot;
mod schema;
#[cfg(test)]
mod tests;
mod text;

pub use chain::chain;
pub use gaps::gaps;
pub use limits::{LIMITS, limits};
pub use page::page;
pub use schema::*;
