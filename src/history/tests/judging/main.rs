//! The checker judged: right histories are accepted, wrong ones refused by the rule that they
//! break, and small ones as another checker judges them.

#[allow(
    clippy::ptr_arg,
    clippy::wildcard_enum_match_arm,
    reason = "all mutators have one type, and each looks for one kind of record"
)]
mod mutate;
mod register;
mod right;
mod stories;
mod tree;
mod world;
mod wrong;
