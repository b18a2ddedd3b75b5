//! The checker judged: right histories are accepted, wrong ones refused by the rule that they
//! break, and small ones as another checker judges them.

mod mutate;
mod register;
mod right;
mod stories;
mod tree;
mod world;
mod wrong;
