//! Vivarium: one binary.
fn main() {}
