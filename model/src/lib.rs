//! Models of the deployed Zab core, the search that explores them, and what people see of it.

pub mod cluster;
pub mod election;
mod family;
pub mod flaws;
mod hostile;
pub mod liveness;
mod names;
mod registry;
pub mod spec;

pub use registry::{flaw_runner, registry};
