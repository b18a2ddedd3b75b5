//! todo
pub fn models() {}
