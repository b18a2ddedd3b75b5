//! Seeded flaws: historical bugs and hazards put back into a copy of the core, each of which the
//! checker must catch.
//!
//! A flaw is a patch in `model/flaws/` and an entry in its `flaws.json`; `model/flaws/README.md`
//! says more. The deployed core knows nothing of them.

mod list;
mod patch;
mod readme;
mod runner;
#[cfg(test)]
mod tests;

pub use list::{Case, Flaw, Measured, flaws};
pub use patch::Patch;
pub use runner::Runner;
