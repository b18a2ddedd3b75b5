//! The models of this build.

use crate::report::{CheckableModel, FlawRunner};

/// Every model, in the order in which lists show them and `check all` runs them.
pub fn registry() -> Vec<Box<dyn CheckableModel>> {
    Vec::new()
}

/// The runner of seeded flaws; `None` if this build has none.
pub fn flaw_runner() -> Option<Box<dyn FlawRunner>> {
    None
}
