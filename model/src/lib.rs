//! Models of the deployed Zab core, and the search that explores them.

pub mod cluster;
pub mod search;
