//! Models.

pub mod search;
