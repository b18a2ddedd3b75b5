//! Models.

pub mod report;

mod registry;

pub use registry::{flaw_runner, registry};
