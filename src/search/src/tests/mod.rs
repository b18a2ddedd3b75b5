//! The search against spaces with known counts, and against stateright.

mod engine;
mod liveness;
mod reference;
mod spaces;
mod timing;
