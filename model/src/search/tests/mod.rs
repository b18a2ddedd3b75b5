//! The search against spaces with known counts, and against stateright.

mod spaces;
mod engine;
mod timing;
