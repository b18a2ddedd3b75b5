//! The production build, which links no model checker: `cargo test --no-default-features`.
#![cfg(not(feature = "checker"))]

use std::process::Command;

#[test]
fn help_says_that_the_checker_is_left_out() {
    let binary = env!("CARGO_BIN_EXE_vivarium");
    let help = Command::new(binary).arg("--help").output().expect("the binary runs");
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).expect("UTF-8");
    assert!(text.contains("leaves the model checker out"), "{text}");
    let check = Command::new(binary).arg("check").output().expect("the binary runs");
    assert_eq!(check.status.code(), Some(2));
}
